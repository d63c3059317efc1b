"""``mitoyen trips match``: who goes my way, on a terminal."""

from typing import Annotated

import msgspec
import typer

from api.commands import trips_options as of
from api.commands.common import (
    JsonOption,
    LangOption,
    StoreOption,
    TenantOption,
    checked,
    note,
    print_json,
    print_table,
)
from api.commands.words import say
from api.trip_answers import matches_answer
from api.trip_questions import MatchBody, drivers_trip
from indexes.router import AirRouter
from matching.query import Reason
from matching.rides.carpool import RoundTrip
from matching.rides.weeks import find_round_trips
from matching.trips import find_drivers, find_riders

__all__ = ["match"]


def match(
    to_lat: of.ToLat,
    to_lon: of.ToLon,
    from_lat: of.FromLat = None,
    from_lon: of.FromLon = None,
    member: of.As = None,
    role: Annotated[
        str, typer.Option(help="passenger finds drivers; driver, straight on, passengers.")
    ] = "passenger",
    depart_at: of.DepartAt = None,
    arrive_by: of.ArriveBy = None,
    back_depart_at: of.BackDepartAt = None,
    back_arrive_by: of.BackArriveBy = None,
    days: of.Days = None,
    first: of.First = None,
    timezone: of.Timezone = None,
    flex_before: of.FlexBefore = None,
    flex_after: of.FlexAfter = None,
    seats: of.SeatsAsked = 1,
    max_walk: of.MaxWalk = None,
    verified: of.Verified = False,
    same_building: of.SameBuilding = False,
    women_only: of.WomenOnly = False,
    limit: Annotated[int, typer.Option(help="How many, 1 to 200.")] = 20,
    lang: LangOption = "fr",
    as_json: JsonOption = False,
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Find who goes my way, least cost first, with every term of it."""
    wanted = checked(MatchBody, of.fields(locals()), of.fault)
    with of.asking(wanted, member, lang, store, tenant) as ask:
        view, viewer, query, prices = ask.engine.trips, ask.viewer, ask.query, ask.prices
        pairs: tuple[RoundTrip, ...] | None = None
        reason: Reason | None = None
        if wanted.role == "driver":
            trip = drivers_trip(wanted, query, ask.tenant_id, member, AirRouter())
            found = find_riders(
                view, viewer, trip, first=query.first, limit=limit, lang=lang, prices=prices
            )
        else:
            found, reason = find_drivers(view, viewer, query, prices), ask.reason
            if ask.back is not None:
                pairs = find_round_trips(found, view, viewer, query, ask.back, prices)
    if as_json:
        print_json(msgspec.json.decode(matches_answer(found, pairs, reason, owners=True)))
        return
    if not found:
        note(reason.text if reason else say("nobody", lang))
        return
    rows = of.rows_of(((one, one.days) for one in found), lang)
    print_table(say("my-way", lang), of.columns(lang), rows)
    for pair in pairs or ():
        note(_there_and_back(pair, lang))


def _there_and_back(pair: RoundTrip, lang: str) -> str:
    there = pair.out.id, pair.out.pickup.time
    if pair.back is None:
        return say("there-only", lang, *there)
    return say("there-and-back", lang, *there, pair.back.id, pair.back.pickup.time)
