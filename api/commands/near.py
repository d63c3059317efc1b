"""`mitoyen near`: ranked answers on a terminal."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from api.answers import near_answer
from api.commands.common import (
    JsonOption,
    StoreOption,
    TenantOption,
    checked,
    note,
    opened,
    option_fault,
    print_json,
    print_table,
    the_tenant,
)
from api.commands.near_batch import answer_lines
from api.commands.words import heads, listed, metres, number, say
from api.questions import near_query
from api.schemas import NearParams
from api.towns import Outlines
from geo.errors import InputError
from indexes.entities import PERSON_KINDS, Tenant
from matching.engine import Engine
from matching.query import ANYONE, Viewer

__all__ = ["COLUMNS", "near", "register", "rows_of"]

COLUMNS = ("", "score", "distance", "kind", "title", "why")
BANDS = {"farther": "> 5 km", "<500m": "< 500 m"}
BANDS |= {f"<{km}km": f"< {km} km" for km in (1, 2, 5)}
OPTIONS = {"radius_m": "radius", "min_distance_m": "min"}  # where HTTP says it otherwise
UNASKED = "fit-any"  # fits, since nothing was asked for: no news to anybody


def asked(**options: Any) -> NearParams:
    """The options, checked as a query string is.

    Raises
    ------
    InputError
        Naming the options at fault.
    """
    return checked(NearParams, options, _fault)


def _fault(where: tuple[int | str, ...], message: str) -> str:
    """What is wrong with an option, by the name it has on the command line."""
    return option_fault(tuple(OPTIONS.get(str(name), name) for name in where[:1]), message)


def rows_of(
    answer: dict[str, Any], lang: str, timezone: str = "Europe/Paris"
) -> list[tuple[str, ...]]:
    """Matches as lines of a table: rank, score, distance, kind, title, reasons.

    Below an event's title is when it starts, by the clocks of ``timezone``. Shares of the score
    are left out, and with them a reason that only adds one.
    """
    rows: list[tuple[str, ...]] = []
    for rank, match in enumerate(answer["matches"], 1):
        if "distance_m" in match:
            distance = metres(match["distance_m"], lang)
        elif match["distance_band"] == "same_group":
            distance = say("same_group", lang)
        else:
            distance = BANDS.get(match["distance_band"], "")
        why = listed((one["text"] for one in match["why"] if one["code"] != UNASKED), lang)
        score, kind = number(match["score"], 3, lang), say(match["kind"], lang)
        title = match["title"]
        if start := match.get("starts_at"):
            title += f"\n{datetime.fromisoformat(start).astimezone(ZoneInfo(timezone)):%F %H:%M}"
        rows.append((str(rank), score, distance, kind, title, why))
    return rows


def near(
    lat: Annotated[float | None, typer.Option(help="Latitude, degrees.")] = None,
    lon: Annotated[float | None, typer.Option(help="Longitude, degrees.")] = None,
    member: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Member who asks, from home.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Kinds; repeat, or use commas.")] = None,
    category: Annotated[str | None, typer.Option(help="Dotted; with all below it.")] = None,
    q: Annotated[str | None, typer.Option(help="Words to look for.")] = None,
    radius: Annotated[
        float | None, typer.Option(help="Metres; by default as far as needed.")
    ] = None,
    least: Annotated[float, typer.Option("--min", help="Metres; leave out what is nearer.")] = 0.0,
    within: Annotated[list[str] | None, typer.Option(help="IRIS codes.")] = None,
    audience: Annotated[list[str] | None, typer.Option(help="Only what is addressed so.")] = None,
    open_now: Annotated[bool, typer.Option("--open-now", help="Known to be open.")] = False,
    verified: Annotated[bool, typer.Option("--verified", help="Of verified members.")] = False,
    profile: Annotated[str | None, typer.Option(help="Ranking profile, such as nearest.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="RFC 3339, with offset; default now.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, 1 to 200.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="`next` of the page before.")] = None,
    lang: Annotated[str, typer.Option(help="Language, fr or en.")] = "fr",
    batch: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Answer each line, a question as /v1/near takes it in a body, by a line of JSON; "
            "- is standard input. Of the others only --as, --lang, --store, --tenant count.",
        ),
    ] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Find what is near a place, or near a member's home, best first and with reasons."""
    wanted = asked(
        lat=lat,
        lon=lon,
        kind=kind,
        category=category,
        q=q,
        radius_m=radius,
        min_distance_m=least,
        within=within,
        audience=audience,
        open_now=open_now,
        verified_only=verified,
        profile=profile,
        at=at,
        limit=limit,
        cursor=cursor,
        lang=lang,
    )
    viewer = Viewer(member) if member else ANYONE
    if batch is not None:
        if wanted.model_dump(exclude_defaults=True).keys() - {"lang"}:
            raise InputError("--batch reads what is asked from its file: leave other options out")
        with opened(store, create=False) as kept:
            owner = the_tenant(kept, tenant)
            outlines = Outlines.read(kept, owner)
            if not answer_lines(Engine.over(kept, owner), outlines, viewer, batch, lang):
                raise typer.Exit(1)
        return
    query = near_query(wanted, now=datetime.now(UTC), lang=lang)
    if query.origin is None and member is None:
        raise InputError(
            "name an origin, --lat and --lon, or a member, --as", code="origin-required"
        )
    with opened(store, create=False) as kept:
        owner = the_tenant(kept, tenant)
        if query.origin is not None:
            Outlines.read(kept, owner).refuse_swapped(query.origin[1], query.origin[0])
        answer = near_answer(Engine.over(kept, owner).near(viewer, query))
        timezone = kept.get(Tenant, owner, owner).timezone
    if as_json:
        print_json(answer)
        return
    if not answer["matches"]:
        note(say("nothing-within", lang, metres(answer["radius_m"], lang)))
    else:
        title = say("within", lang, metres(answer["radius_m"], lang))
        print_table(title, heads(lang, *COLUMNS), rows_of(answer, lang, timezone))
    if answer["people"] == "not_searched" and not PERSON_KINDS.isdisjoint(query.kinds):
        note(say("no-people", lang))
    if answer["next"]:
        note(say("next-page", lang, answer["next"]))


def register(app: typer.Typer) -> None:
    """Add ``near`` to the command line."""
    app.command()(near)
