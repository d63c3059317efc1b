"""``mitoyen trips week``: a few drivers for all my days, on a terminal."""

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
from api.commands.words import say, weekdays
from api.trip_answers import week_answer
from api.trip_questions import MatchParams
from matching.rides.carpool import WeekCover
from matching.rides.weeks import cover_week

__all__ = ["week"]


def week(
    to_lat: of.ToLat,
    to_lon: of.ToLon,
    from_lat: of.FromLat = None,
    from_lon: of.FromLon = None,
    member: of.As = None,
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
    limit: Annotated[int, typer.Option(help="How many drivers, 1 to 200.")] = 20,
    lang: LangOption = "fr",
    as_json: JsonOption = False,
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Find a few drivers that cover my days between them, and on which days each; there and back
    if a way back is asked for."""
    wanted = checked(MatchParams, of.fields(locals()), of.fault)
    with of.asking(wanted, member, lang, store, tenant) as ask:
        cover = cover_week(ask.engine.trips, ask.viewer, ask.query, ask.prices, ask.back)
        reason = ask.reason
    if as_json:
        print_json(msgspec.json.decode(week_answer(cover, reason, owners=True)))
        return
    if reason is not None:
        note(reason.text)
        return
    _print(cover, "my-week", "missing", lang)
    if cover.back is not None:
        _print(cover.back, "my-week-back", "missing-back", lang)


def _print(cover: WeekCover, title: str, missing: str, lang: str) -> None:
    if cover.chosen:
        print_table(say(title, lang), of.columns(lang), of.rows_of(cover.chosen, lang))
    if cover.missing:
        note(say(missing, lang, weekdays(cover.missing, lang)))
