"""What is asked of carpooling, over HTTP and on the command line, and what it becomes."""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from math import ceil
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from api.schemas import (
    RFC3339,
    Flag,
    Input,
    Latitude,
    Limit,
    Listed,
    Longitude,
    Timezone,
    Whole,
)
from api.settings import Settings
from api.trip_schemas import (
    CLOCK,
    DAYS,
    DateText,
    Flex,
    LineStringIn,
    Seats,
    Seconds,
    WaypointIn,
    clock_second,
)
from geo.arrays import LonLat, rounded
from geo.errors import InputError
from indexes.journey_rules import MAX_POINTS
from indexes.journeys import Anchor, Role, Schedule, Trip, WeeklyTime
from indexes.router import Router
from matching.rides.carpool import Prices, TripQuery
from matching.rides.clock import DAY_S
from matching.schedule import check_schedule

__all__ = [
    "MatchBody",
    "MatchParams",
    "StandingParams",
    "drivers_trip",
    "first_day",
    "prices_of",
    "schedule_of",
    "trip_query",
]

DAYS_PATTERN = r"^(MON|TUE|WED|THU|FRI|SAT|SUN)(-(MON|TUE|WED|THU|FRI|SAT|SUN))?$"


def _time(text: str) -> str:
    if CLOCK.fullmatch(text):
        return text
    try:
        if RFC3339.fullmatch(text.replace(" ", "+")):
            datetime.fromisoformat(text.replace(" ", "+").upper())
            return text.replace(" ", "+").upper()
    except ValueError:
        pass  # the 30th of February
    raise PydanticCustomError(
        "invalid-time",
        "a time is spelled 08:30 (with days, from 00:00 to 36:00), or 2026-11-30T08:30:00+01:00",
    )


def _days(text: str) -> str:
    if re.fullmatch(DAYS_PATTERN, text):
        return text
    raise PydanticCustomError("invalid-schedule", "days are spelled MON, or MON-FRI")


TimeText = Annotated[str, StringConstraints(max_length=40), AfterValidator(_time)]
DaysText = Annotated[
    str, AfterValidator(_days), WithJsonSchema({"type": "string", "pattern": DAYS_PATTERN})
]


class StandingParams(Input):
    """How the matches of a stored trip are asked for."""

    first: DateText | None = Field(
        None,
        description="From which day on weekly trips are looked at, two weeks far; today, or "
        "for a search the day whose time comes next.",
    )
    limit: Limit = Field(20, description="Matches; of a covered week, drivers.")
    lang: Literal["fr", "en"] | None = Field(
        None, description="Language of the reasons; by default `Accept-Language`'s."
    )
    after: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = Field(
        None, description="A write's `Mitoyen-Position`: wait until it is searched."
    )


class MatchParams(StandingParams):
    """A ride that is looked for: from where to where, when, with whom."""

    from_lat: Latitude | None = Field(
        None, examples=[43.2951], description="Latitude of the start; else the member's own group."
    )
    from_lon: Longitude | None = Field(None, examples=[5.3740])
    to_lat: Latitude = Field(examples=[43.3467])
    to_lon: Longitude = Field(examples=[5.4285])
    depart_at: TimeText | None = Field(
        None,
        description="An instant; or a time of day, such as 07:50, with `days`: 00:00 to 36:00, "
        "25:00 of Friday being one in the night to Saturday.",
    )
    arrive_by: TimeText | None = Field(
        None, examples=["08:30"], description="Likewise, of the end; one of the two is asked for."
    )
    back_depart_at: TimeText | None = Field(None, description="And back again: a round trip.")
    back_arrive_by: TimeText | None = None
    days: Annotated[list[DaysText], Field(max_length=7), Listed] = Field(
        [], examples=[["MON-FRI"]], description="Days of a weekly search: MON, or MON-FRI."
    )
    timezone: Timezone | None = Field(None, description="Of times of day; by default the town's.")
    flex_before_s: Flex | None = Field(
        None, description="How much earlier it may be, seconds; 900, to arrive by a time 2,700."
    )
    flex_after_s: Flex | None = Field(
        None, description="How much later; 900, to arrive by a time 0: by is not after."
    )
    seats: Seats = 1
    max_walk_m: Annotated[int, Field(ge=0, le=2_000), Whole] | None = Field(
        None, description="At each end; 600 by default."
    )
    verified_only: Flag = False
    same_building: Flag = False
    women_only: Flag = False

    @model_validator(mode="after")
    def _whole(self) -> "MatchParams":
        if (self.from_lat is None) != (self.from_lon is None):
            raise PydanticCustomError(
                "incomplete-origin", "from_lat and from_lon are given together"
            )
        if (self.depart_at is None) == (self.arrive_by is None):
            raise PydanticCustomError("invalid-schedule", "name one of depart_at and arrive_by")
        if self.back_depart_at is not None and self.back_arrive_by is not None:
            raise PydanticCustomError(
                "invalid-schedule", "name one of back_depart_at and back_arrive_by"
            )
        return self


class MatchBody(MatchParams):
    """The same question as a body; asked by a driver, with the way that is driven."""

    role: Literal["passenger", "driver"] = Field(
        "passenger", description="Who asks: a passenger finds drivers, a driver passengers."
    )
    route: LineStringIn | None = Field(None, description="The driver's way.")
    times_s: Annotated[list[Seconds], Field(max_length=MAX_POINTS)] | None = None
    waypoints: Annotated[list[WaypointIn], Field(max_length=100)] | None = Field(
        None, description="Between start and end, where the route is not known."
    )
    max_detour_s: Annotated[int, Field(ge=0, le=86_400), Whole] | None = None

    @model_validator(mode="after")
    def _drivers(self) -> "MatchBody":
        given = self.route, self.times_s, self.waypoints, self.max_detour_s
        if self.role == "passenger" and any(value is not None for value in given):
            raise PydanticCustomError("invalid-route", "a way and a detour are a driver's")
        if self.role == "driver" and (self.back_depart_at or self.back_arrive_by):
            raise PydanticCustomError(
                "invalid-schedule", "a driver asks for one way; the way back is another question"
            )
        if self.route is not None and self.waypoints is not None:
            raise PydanticCustomError("invalid-route", "a driver has a route, or waypoints")
        return self


def prices_of(settings: Settings) -> Prices:
    """What a ride may cost here."""
    return Prices(per_km=settings.price_per_km, cost_per_km=settings.cost_per_km)


def _weekdays(days: Iterable[str]) -> tuple[int, ...]:
    """``MON-FRI`` and the like as numbers; SAT-MON goes over the end of the week."""
    found: set[int] = set()
    for text in days:
        first, _, last = text.partition("-")
        begin = _NUMBERS[first]
        span = (_NUMBERS[last or first] - begin) % 7
        found |= {(begin + step) % 7 for step in range(span + 1)}
    return tuple(sorted(found))


_NUMBERS: dict[str, int] = {day: number for number, day in enumerate(DAYS)}


def schedule_of(asked: MatchParams, time: str, anchor: Anchor, timezone: str) -> Schedule:
    """When a ride is asked for: a time of day on some days, or an instant.

    Raises
    ------
    InputError
        ``invalid-schedule`` for a time of day without days, or an instant with them; and as
        `check_schedule`.
    """
    clock = CLOCK.fullmatch(time) is not None
    if clock is not bool(asked.days):
        raise InputError(
            "a time of day goes with days, an instant without", code="invalid-schedule"
        )
    weekly = WeeklyTime(days=_weekdays(asked.days), second=clock_second(time) if clock else 0)
    before_s, after_s = (900, 900) if anchor is Anchor.DEPART else (2_700, 0)
    schedule = Schedule(
        timezone=asked.timezone or timezone,
        anchor=anchor,
        flex_before_s=before_s if asked.flex_before_s is None else asked.flex_before_s,
        flex_after_s=after_s if asked.flex_after_s is None else asked.flex_after_s,
        at=None if clock else datetime.fromisoformat(time),
        weekly=(weekly,) if clock else (),
    )
    check_schedule(schedule)
    return schedule


def first_day(asked: StandingParams, timezone: str, now: datetime) -> date:
    if asked.first is not None:
        return date.fromisoformat(asked.first)
    return now.astimezone(ZoneInfo(timezone)).date()


def trip_query(
    asked: MatchParams, *, origin: LonLat, timezone: str, now: datetime, lang: str
) -> tuple[TripQuery, Schedule | None]:
    """The query of a request or a command, and when the way back is, if asked for.

    Parameters
    ----------
    asked : MatchParams
        Or a `MatchBody`.
    origin : (lon, lat)
        Where the ride begins, if it is not named: the member's group.
    timezone : str
        The town's.
    now : datetime
        Aware.
    lang : str
        Language of the reasons if none is named.

    Raises
    ------
    InputError
        As `schedule_of`.
    """
    if asked.from_lon is not None and asked.from_lat is not None:
        origin = rounded(asked.from_lon), rounded(asked.from_lat)
    time, anchor = _chosen(asked.depart_at, asked.arrive_by)
    back = None
    if asked.back_depart_at or asked.back_arrive_by:
        back = schedule_of(asked, *_chosen(asked.back_depart_at, asked.back_arrive_by), timezone)
    schedule = schedule_of(asked, time, anchor, timezone)
    first = None
    if schedule.weekly:
        first = first_day(asked, schedule.timezone, now)
        if asked.first is None:
            shown = now.astimezone(ZoneInfo(schedule.timezone))
            passed_s = clock_second(f"{shown:%H:%M:%S}") - schedule.weekly[0].second
            first += timedelta(days=ceil(passed_s / DAY_S))  # 25:00 of yesterday may be to come
    query = TripQuery(
        origin=origin,
        destination=(rounded(asked.to_lon), rounded(asked.to_lat)),
        schedule=schedule,
        first=first,
        seats=asked.seats,
        max_walk_m=asked.max_walk_m,
        verified_only=asked.verified_only,
        same_building=asked.same_building,
        women_only=asked.women_only,
        limit=asked.limit,
        lang=asked.lang or lang,
    )
    return query, back


def _chosen(depart_at: str | None, arrive_by: str | None) -> tuple[str, Anchor]:
    return (depart_at, Anchor.DEPART) if depart_at else (arrive_by or "", Anchor.ARRIVE)


def drivers_trip(
    asked: MatchBody, query: TripQuery, tenant_id: str, owner_id: str | None, router: Router
) -> Trip:
    """The way of a driver who asks for passengers, as a trip that is not stored.

    Raises
    ------
    InputError
        If it is no way: see `indexes.journey_rules`.
    """
    estimated = False
    if asked.route is not None and asked.times_s is not None:
        lonlat = tuple((point[0], point[1]) for point in asked.route.coordinates)
        times_s = tuple(map(float, asked.times_s))
    else:
        middle = [(point.lon, point.lat) for point in asked.waypoints or ()]
        waypoints = [query.origin, *middle, query.destination]
        if asked.route is not None:
            waypoints = [(point[0], point[1]) for point in asked.route.coordinates]
        lonlat, times_s, estimated = router.route(waypoints)
    return Trip(
        tenant_id=tenant_id,
        id="asked",
        owner_id=owner_id,
        role=Role.DRIVER,
        lonlat=lonlat,
        times_s=times_s,
        estimated=estimated,
        schedule=query.schedule,
        seats=query.seats,
        max_detour_s=asked.max_detour_s,
        verified_only=query.verified_only,
        same_building=query.same_building,
        women_only=query.women_only,
    )
