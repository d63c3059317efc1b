"""``mitoyen trips show``: one trip, on a terminal."""

from collections.abc import Iterator
from typing import Annotated

import typer

from api.commands import trips_options as of
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
from api.commands.words import count, euros, heads, listed, metres, say
from api.trip_answers import trip_out
from api.trip_schemas import TripOut
from geo.arrays import LonLat
from geo.lines import along_m
from indexes.journeys import Trip
from matching.engine import Engine
from matching.rides.schedule_words import in_words

__all__ = ["show"]


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The trip's, as others print it.")],
    member: of.As = None,
    lang: LangOption = "fr",
    as_json: JsonOption = False,
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Show a trip: whole to its owner (--as) or if it has none, else as others may see it."""
    with opened(store, create=False) as kept:
        owner = the_tenant(kept, tenant)
        trip = kept.get(Trip, owner, id)
        engine = Engine.over(kept, owner)
        engine.party(member)  # who is not known is told so
        own = trip.owner_id is None or trip.owner_id == member
        published = None if own else engine.published(trip)
    told = trip_out(trip, published, own=own, owners=True)
    if as_json:
        print_json(told.model_dump(mode="json", exclude_none=True))
        return
    shown = trip if own else published.trip if published else None
    rows = [(say(key, lang), value) for key, value in _told(told, shown, lang) if value]
    print_table(id, heads(lang, "what", "value"), rows)


def _told(told: TripOut, shown: Trip | None, lang: str) -> Iterator[tuple[str, str | None]]:
    """What is said of a trip, line by line; nothing of a line that has nothing to say."""
    yield "role", say(told.role, lang)
    yield "owner", told.owner_id
    if shown is not None:
        yield "when", in_words(shown.schedule, lang)
        yield "from", _place(told.origin_name, shown.lonlat[0])
        yield "to", _place(told.destination_name, shown.lonlat[-1])
        minutes = f"{round(shown.times_s[-1] / 60)} min"
        yield "lasts", f"{minutes} ({say('estimated', lang)})" if told.estimated else minutes
        yield "length", metres(along_m(shown.lonlat)[-1], lang)
    yield "seats", count(told.seats, lang)
    yield "price", None if told.price_eur is None else euros(told.price_eur, lang)
    flags = ("verified_only", "same_building", "women_only", "cancelled")
    yield "limits", listed((say(flag, lang) for flag in flags if getattr(told, flag)), lang)
    yield "shown", say("whole" if told.exact else "published" if shown else "unpublished", lang)


def _place(name: str | None, point: LonLat) -> str:
    where = f"{point[1]:.5f}, {point[0]:.5f}"
    return f"{name} ({where})" if name else where
