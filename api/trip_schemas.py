"""What comes in and goes out of trips over HTTP, beside `api.schemas` and `api.answers`.

A line is GeoJSON's (longitude, latitude), EPSG:4326; a waypoint has a named `lat` and `lon`. A
time of day is the clock of the schedule's time zone, from 00:00 to 36:00: 25:00 on Friday is one
in the night to Saturday, and still Friday's trip.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.answers import Absent, Output
from api.schemas import (
    Id,
    Input,
    Instant,
    Latitude,
    Longitude,
    Name,
    Position,
    Timezone,
    Url,
    Whole,
)
from indexes.audience import Audience
from indexes.journey_rules import MAX_POINTS, MAX_SEATS
from indexes.journeys import Anchor, Role, Schedule, WeeklyTime, Weeks

__all__ = ["LineStringIn", "ScheduleIn", "TripIn", "TripOut", "clock_text", "schedule_out"]

CLOCK = re.compile(r"([0-2][0-9]|3[0-5]):([0-5][0-9])(:([0-5][0-9]))?|36:00(:00)?")

Day = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
DAYS: tuple[Day, ...] = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
Flex = Annotated[int, Field(ge=0, le=12 * 3_600), Whole]
Seats = Annotated[int, Field(ge=1, le=MAX_SEATS), Whole]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def clock_second(text: str) -> int:
    """Seconds from midnight of a time of day.

    Raises
    ------
    PydanticCustomError
        For what is no time from 00:00 to 36:00.

    Examples
    --------
    >>> clock_second("25:00")
    90000
    """
    if not CLOCK.fullmatch(text):
        raise PydanticCustomError("invalid-time", "a time is spelled 07:50, from 00:00 to 36:00")
    hour, minute, second = (*map(int, text.split(":")), 0)[:3]
    return hour * 3_600 + minute * 60 + second


def _clock(text: str) -> str:
    clock_second(text)
    return text


def _date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("invalid-day", "a day is spelled 2026-11-30") from None
    return text


Clock = Annotated[
    str,
    StringConstraints(pattern=r"^[0-3][0-9]:[0-5][0-9](:[0-5][0-9])?$"),
    AfterValidator(_clock),
]
DateText = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_date)
]


class LineStringIn(Input):
    """A GeoJSON LineString: (longitude, latitude); a third number is dropped."""

    type: Literal["LineString"]
    coordinates: Annotated[
        list[Position],
        Field(max_length=MAX_POINTS),
    ]


class WaypointIn(Input):
    """A place on the way."""

    lat: Latitude
    lon: Longitude


class WeeklyTimeIn(Input):
    """A time of day on some days of the week."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    time: Clock = Field(examples=["07:50"])


class ScheduleIn(Input):
    """When a trip takes place: once (`depart_at`, `arrive_at` or both), or `weekly`.

    `anchor` is what weekly times are of.
    """

    timezone: Timezone | None = Field(None, description="IANA name; by default the town's.")
    depart_at: Instant | None = None
    arrive_at: Instant | None = Field(
        None, description="With depart_at: what the trip takes, whatever its times say."
    )
    weekly: Annotated[list[WeeklyTimeIn], Field(max_length=7)] = Field([])
    anchor: Anchor = Field(Anchor.DEPART, description="What weekly times are of.")
    flex_before_s: Flex = 900
    flex_after_s: Flex = 900
    valid_from: DateText | None = None
    valid_to: DateText | None = None
    weeks: Weeks = Field(Weeks.ALL, description="ISO weeks.")
    added: Annotated[list[DateText], Field(max_length=90)] = Field([])
    removed: Annotated[list[DateText], Field(max_length=90)] = Field([])
    public_holidays: bool = Field(True, description="False: not on French public holidays.")

    @model_validator(mode="after")
    def _in_order(self) -> "ScheduleIn":
        if self.depart_at and self.arrive_at and self.arrive_at <= self.depart_at:
            raise PydanticCustomError(
                "arrival-before-departure", "arrive_at must come after depart_at"
            )
        if self.anchor is Anchor.ARRIVE and not self.weekly:
            raise PydanticCustomError("invalid-schedule", "anchor is of weekly times")
        return self

    @property
    def duration_s(self) -> float | None:
        """What the trip takes, if it says when it departs and when it arrives."""
        if self.depart_at is None or self.arrive_at is None:
            return None
        return (self.arrive_at - self.depart_at).total_seconds()

    def schedule(self, timezone: str) -> Schedule:
        """As it is kept; by default in some time zone. `check_schedule` is still to come."""
        once = self.depart_at or self.arrive_at
        anchor = Anchor.DEPART if self.depart_at else Anchor.ARRIVE if once else self.anchor
        return Schedule(
            timezone=self.timezone or timezone,
            anchor=anchor,
            flex_before_s=self.flex_before_s,
            flex_after_s=self.flex_after_s,
            at=once,
            weekly=tuple(
                WeeklyTime(
                    days=tuple(sorted({DAYS.index(day) for day in time.days})),
                    second=clock_second(time.time),
                )
                for time in self.weekly
            ),
            valid_from=_day(self.valid_from),
            valid_to=_day(self.valid_to),
            weeks=self.weeks,
            added=tuple(sorted({date.fromisoformat(day) for day in self.added})),
            removed=tuple(sorted({date.fromisoformat(day) for day in self.removed})),
            public_holidays=self.public_holidays,
        )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def clock_text(second: int) -> str:
    """A time of day as it is spelled.

    Examples
    --------
    >>> clock_text(28_200), clock_text(90_001)
    ('07:50', '25:00:01')
    """
    hour, rest = divmod(second, 3_600)
    minute, left = divmod(rest, 60)
    return f"{hour:02}:{minute:02}" + (f":{left:02}" if left else "")


def _said(*names: str) -> dict[str, Any]:
    """As JSON Schema: these fields are there, and none of them is null."""
    return {
        "required": list(names),
        "properties": {name: {"not": {"type": "null"}} for name in names},
    }


class TripIn(Input):
    """A journey planned by a driver, a passenger, or somebody who would be either.

    Its way is a `route` (with `times_s`, or at 36 km/h), or made up from `waypoints`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [_said("route"), _said("waypoints")],
            "anyOf": [_said("route"), {"not": _said("times_s")}],
        }
    )

    role: Role
    owner_id: Id | None = Field(None, description="By default the member who asks, if any.")
    route: LineStringIn | None = None
    times_s: Annotated[list[Seconds], Field(max_length=MAX_POINTS)] | None = Field(
        None, description="Seconds from the route's first point to each; the first is 0."
    )
    waypoints: Annotated[list[WaypointIn], Field(max_length=100)] | None = None
    schedule: ScheduleIn
    seats: Seats = Field(1, description="Offered by a driver, needed by a passenger.")
    max_detour_s: Annotated[int, Field(ge=0, le=86_400), Whole] | None = None
    max_walk_m: Annotated[int, Field(ge=0, le=2_000), Whole] | None = None
    audience: Audience = Audience.PUBLIC
    audience_id: Id | None = Field(None, description="Of a trip that has no owner.")
    verified_only: bool = False
    same_building: bool = False
    women_only: bool = False
    luggage: Annotated[int, Field(ge=1, le=5), Whole] | None = None
    smoking: bool | None = None
    animals: bool | None = None
    music: bool | None = None
    talker: bool | None = None
    origin_name: Name = Field("", description="Told to the owner alone.")
    destination_name: Name = Field("", description="Told to the owner alone.")
    price_eur: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] | None = Field(
        None,
        description="What a driver asks for a seat, kept as it is; a ride is told with no more "
        "than the equal share of what the car costs on it (`price_eur` of a match).",
    )
    url: Url = ""
    cancelled: bool = Field(
        False, description="With it go the bookings of rides to come: on this trip, or for it."
    )

    @model_validator(mode="after")
    def _one_way(self) -> "TripIn":
        if (self.route is None) == (self.waypoints is None):
            raise PydanticCustomError("invalid-route", "a trip has a route, or waypoints")
        if self.times_s is not None and self.route is None:
            raise PydanticCustomError("invalid-times", "times_s go with a route")
        return self


class WeeklyTimeOut(Output):
    days: list[Day]
    time: str


class ScheduleOut(Output):
    """When a trip takes place."""

    timezone: str
    depart_at: datetime | Absent = None
    arrive_at: datetime | Absent = None
    weekly: list[WeeklyTimeOut] = Field([])
    anchor: Anchor = Anchor.DEPART
    flex_before_s: int
    flex_after_s: int
    valid_from: date | Absent = None
    valid_to: date | Absent = None
    weeks: Weeks = Weeks.ALL
    added: list[date] = Field([])
    removed: list[date] = Field([])
    public_holidays: bool = True


def schedule_out(schedule: Schedule) -> ScheduleOut:
    """A schedule as it is shown."""
    departs = schedule.anchor is Anchor.DEPART
    return ScheduleOut(
        timezone=schedule.timezone,
        depart_at=schedule.at if departs else None,
        arrive_at=None if departs else schedule.at,
        weekly=[
            WeeklyTimeOut(days=[DAYS[day] for day in time.days], time=clock_text(time.second))
            for time in schedule.weekly
        ],
        anchor=schedule.anchor,
        flex_before_s=schedule.flex_before_s,
        flex_after_s=schedule.flex_after_s,
        valid_from=schedule.valid_from,
        valid_to=schedule.valid_to,
        weeks=schedule.weeks,
        added=list(schedule.added),
        removed=list(schedule.removed),
        public_holidays=schedule.public_holidays,
    )


class LineStringOut(Output):
    """A GeoJSON LineString, EPSG:4326."""

    type: Literal["LineString"] = "LineString"
    coordinates: list[tuple[float, float]]


class TripOut(Output):
    """A trip; to anybody but its owner its published form, which tells no end of it.

    `route` is missing where nothing could be published.
    """

    id: str
    role: Role
    exact: bool = Field(description="Whether this is the trip itself.")
    owner_id: str | Absent = Field(None, description="Told to the app and to the owner.")
    route: LineStringOut | Absent = None
    times_s: list[float] | Absent = None
    estimated: bool = Field(description="Whether the way or its times were made up.")
    schedule: ScheduleOut | Absent = None
    seats: int
    max_detour_s: int | Absent = None
    max_walk_m: int | Absent = None
    audience: Audience
    audience_id: str | Absent = None
    verified_only: bool
    same_building: bool
    women_only: bool
    luggage: int | Absent = None
    smoking: bool | Absent = None
    animals: bool | Absent = None
    music: bool | Absent = None
    talker: bool | Absent = None
    origin_name: str | Absent = None
    destination_name: str | Absent = None
    price_eur: float | Absent = None
    url: str | Absent = None
    published_at: datetime | Absent = None
    cancelled: bool
