"""``mitoyen trips assign``: riders and drivers of a whole town, paired at once."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from api.commands.common import (
    JsonOption,
    LangOption,
    StoreOption,
    TenantOption,
    opened,
    print_json,
    print_table,
    the_tenant,
)
from api.commands.words import count, heads, metres, say
from api.importing.requests import read_requests
from api.settings import Settings
from api.trip_questions import prices_of
from geo.errors import InputError
from indexes.store import Store
from matching.rides.assign import best_pairs, feasible_pairs
from matching.rides.clock import FIRST_DAY, LAST_DAY
from matching.rides.day import DayPair, pair_day
from matching.rides.town import TripTown

__all__ = ["assign"]

MM = 1_000  # detours are compared in whole millimetres


class Rule(StrEnum):
    """How a data set is paired.

    ``requests``: an even `request_id` drives, an odd one rides, one rider a driver. They begin 10
    minutes apart at most, and the detour is a fifth of the driver's way at most.
    """

    REQUESTS = "requests"


NdjsonOption = Annotated[
    bool, typer.Option("--ndjson", help="A pair a line as JSON, on standard output.")
]


def assign(
    day: Annotated[
        str | None, typer.Option(metavar="DATE", help="Pair the town's trips of this day.")
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Pair the requests.csv of a benchmark's folder, not the town's."
        ),
    ] = None,
    rule: Annotated[
        Rule | None,
        typer.Option(
            help="Of a data set: even request_id drive, odd ride; 10 minutes apart at most, "
            "a detour of a fifth at most."
        ),
    ] = None,
    lang: LangOption = "fr",
    as_json: JsonOption = False,
    as_ndjson: NdjsonOption = False,
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Pair riders and drivers: most pairs first, then the least cost of all together."""
    if as_json and as_ndjson:
        raise InputError("take one of --json and --ndjson")
    if (dataset is None) == (day is None):
        raise InputError("say what to pair: a day of the town, --day, or a --dataset")
    if dataset is not None:
        if store is not None or tenant is not None:
            raise InputError("a --dataset is of no town: leave --store and --tenant out")
        _assign_requests(dataset, lang, as_json, as_ndjson)
        return
    if rule is not None:
        raise InputError("--rule is of a --dataset")
    with opened(store, create=False) as kept:
        _assign_day(kept, the_tenant(kept, tenant), _day(str(day)), lang, as_json, as_ndjson)


def _assign_requests(folder: Path, lang: str, as_json: bool, as_ndjson: bool) -> None:
    ids, requests = read_requests(folder)
    drives = ids % 2 == 0
    riders, drivers = requests.only(~drives), requests.only(drives)
    with _progress() as tell:
        pairs = feasible_pairs(riders, drivers, advance=partial(tell, "drivers"))
    chosen = best_pairs(pairs.riders, pairs.drivers, np.rint(pairs.detour_m * MM).astype(np.int64))
    detour_m = pairs.detour_m[chosen]
    if as_ndjson:
        columns = (
            ids[~drives][pairs.riders[chosen]].tolist(),
            ids[drives][pairs.drivers[chosen]].tolist(),
            detour_m.tolist(),
        )
        _print_lines(
            {"rider": rider, "driver": driver, "detour_m": round(more_m, 3)}
            for rider, driver, more_m in zip(*columns, strict=True)
        )
    elif as_json:
        print_json({"feasible_pairs": len(pairs), "matched": len(chosen)})
    else:
        rows = [
            (say("riders", lang), count(len(riders), lang)),
            (say("drivers", lang), count(len(drivers), lang)),
            (say("feasible", lang), count(len(pairs), lang)),
            (say("matched", lang), count(len(chosen), lang)),
            (say("mean-detour", lang), metres(detour_m.mean(), lang) if len(chosen) else ""),
        ]
        print_table(say("paired", lang), heads(lang, "what", "how-much"), rows, (1,))


def _assign_day(
    store: Store, tenant: str, day: date, lang: str, as_json: bool, as_ndjson: bool
) -> None:
    now = datetime.now(UTC)
    # Nobody is to be paired who has asked for a seat elsewhere.
    view = TripTown(store, tenant, clock=lambda: now, waiting=True).view
    with _progress() as tell:

        def advance(round: int, done: int, riders: int) -> None:
            tell(f"riders, round {round}", done, riders)

        prices = prices_of(Settings.read())
        answer = pair_day(view, day, lang=lang, prices=prices, advance=advance)
    if as_ndjson:
        _print_lines(answer.pairs)
    elif as_json:
        print_json(
            {
                "day": answer.day,
                "riders": answer.riders,
                "drivers": answer.drivers,
                "feasible_pairs": answer.feasible_pairs,
                "matched": len(answer.pairs),
                "pairs": answer.pairs,
            }
        )
    else:
        counts = (count(n, lang) for n in (len(answer.pairs), answer.riders, answer.drivers))
        title = say("day-paired", lang, *counts, day)
        columns = heads(lang, "rider", "driver", "ride", "met", "walk", "detour", "cost")
        print_table(title, columns, [_row(pair, lang) for pair in answer.pairs])


def _row(pair: DayPair, lang: str) -> tuple[str, ...]:
    match = pair.match
    place = match.pickup
    return (
        pair.rider,
        pair.driver,
        f"{place.time}-{match.dropoff.time}",
        place.name or f"{place.lat:.5f}, {place.lon:.5f}",
        metres(match.walk_m, lang),
        f"{match.detour_s / 60:.0f} min",
        f"{match.cost_min:.0f} min",
    )


def _print_lines(values: Iterable[object]) -> None:
    """A line of JSON each, on standard output."""
    for value in values:
        sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.flush()


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, told what is counted, how many are done, and of how many."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task("")

        def tell(what: str, done: int, total: int) -> None:
            bars.update(bar, description=what, completed=done, total=total)

        yield tell


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or text != day.isoformat():  # 20261124 may be meant for anything
        raise InputError(f"--day must be a date such as 2026-11-24, got {text[:40]!r}")
    if not FIRST_DAY <= day <= LAST_DAY:
        raise InputError(f"--day must be from {FIRST_DAY} to {LAST_DAY}, got {day}")
    return day
