"""``mitoyen trips assign``: riders and drivers of a whole town, paired at once."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
    print_json,
    print_table,
)
from api.importing.requests import read_requests
from geo.errors import InputError
from matching.assign import best_pairs, feasible_pairs

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
    dataset: Annotated[
        Path, typer.Option(metavar="DIR", help="Pair the requests.csv of a benchmark's folder.")
    ],
    rule: Annotated[
        Rule,
        typer.Option(
            help="Even request_id drive, odd ride; 10 minutes apart at most, a detour of a fifth."
        ),
    ] = Rule.REQUESTS,
    as_json: JsonOption = False,
    as_ndjson: NdjsonOption = False,
) -> None:
    """Pair riders and drivers: most pairs first, then the least cost of all together."""
    if as_json and as_ndjson:
        raise InputError("take one of --json and --ndjson")
    _assign_requests(dataset, as_json, as_ndjson)


def _assign_requests(folder: Path, as_json: bool, as_ndjson: bool) -> None:
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
            {"rider": rider, "driver": driver, "detour_m": round(metres, 3)}
            for rider, driver, metres in zip(*columns, strict=True)
        )
    elif as_json:
        print_json({"feasible_pairs": len(pairs), "matched": len(chosen)})
    else:
        rows = [
            ("riders", f"{len(riders):,}"),
            ("drivers", f"{len(drivers):,}"),
            ("feasible pairs", f"{len(pairs):,}"),
            ("matched", f"{len(chosen):,}"),
            ("detour on average", f"{detour_m.mean():,.0f} m" if len(chosen) else ""),
        ]
        print_table("Paired", ("what", "how much"), rows)


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
