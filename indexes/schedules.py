"""What a schedule must be to be kept, and as which text it is; days as numbers, zones by name."""

import json
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from geo.errors import InputError
from indexes.journeys import Anchor, Schedule, WeeklyTime, Weeks

__all__ = [
    "EPOCH",
    "FIRST_DAY",
    "LAST_DAY",
    "MAX_EXCEPTIONS",
    "MAX_FLEX_S",
    "MAX_SECOND",
    "YEARS",
    "as_zone",
    "day_number",
    "require_instant",
    "require_schedule",
    "schedule_of_text",
    "schedule_to_text",
]

MAX_SECOND = 36 * 3_600
MAX_FLEX_S = 12 * 3_600
MAX_EXCEPTIONS = 90

YEARS = range(1960, 2100)  # the known ones
FIRST_DAY, LAST_DAY = date(YEARS[0], 1, 1), date(YEARS[-1], 12, 31)
EPOCH = date(1970, 1, 1)

_DAYS = ("valid_from", "valid_to")
_SOME_DAYS = ("added", "removed")


def as_zone(timezone: str) -> ZoneInfo:
    """A time zone by its name.

    Parameters
    ----------
    timezone : str
        IANA name.

    Raises
    ------
    InputError
        If there is none of that name; its code is ``unknown-timezone``.
    """
    try:
        return ZoneInfo(timezone)
    except (LookupError, ValueError, OSError) as error:  # unknown, no key, a folder's name
        raise InputError(
            f"timezone must be an IANA name, got {timezone!r}", code="unknown-timezone"
        ) from error


def day_number(day: date) -> int:
    """Whole days since 1970-01-01, as in ``numpy.datetime64``.

    Raises
    ------
    InputError
        If the year is not in `YEARS`; its code is ``invalid-day``.

    Examples
    --------
    >>> day_number(date(1970, 2, 1))
    31
    """
    if day.year not in YEARS:
        raise InputError(
            f"a day must be in {YEARS[0]} to {YEARS[-1]}, got {day.isoformat()}",
            code="invalid-day",
        )
    return (day - EPOCH).days


def require_instant(instant: datetime) -> None:
    """Raise `InputError` for an instant without a time zone, or in no known year."""
    if instant.tzinfo is None:
        raise InputError("an instant must have a time zone or offset", code="invalid-instant")
    day_number(instant.date())


def require_schedule(schedule: Schedule) -> None:
    """Refuse a schedule that can't be kept: all that `matching.schedule.check_schedule` does, but
    that it has a day at all.

    Raises
    ------
    InputError
        With the codes told there; without one for a value of another type.
    """
    _require_types(schedule)
    zone = as_zone(schedule.timezone)
    for flex_s in (schedule.flex_before_s, schedule.flex_after_s):
        if not 0 <= flex_s <= MAX_FLEX_S:
            raise InputError(f"flex must be 0 to 12 hours, got {flex_s} s", code="invalid-flex")
    exceptions = (*schedule.added, *schedule.removed)
    if schedule.at is not None:
        if schedule.weekly or exceptions or schedule.weeks is not Weeks.ALL:
            raise _refused("takes place once or weekly, not both")
        if schedule.valid_from or schedule.valid_to or not schedule.public_holidays:
            raise _refused("that takes place once has no validity and no exceptions")
        require_instant(schedule.at)
        day_number(schedule.at.astimezone(zone).date())
        return
    if not schedule.weekly:
        raise _refused("must take place once (at) or weekly; neither is given")
    _require_times(schedule)
    if len(exceptions) > MAX_EXCEPTIONS:
        raise InputError(
            f"days added and removed must be {MAX_EXCEPTIONS} at most, got {len(exceptions)}",
            code="too-many-exceptions",
        )
    if set(schedule.added) & set(schedule.removed):
        raise _refused("can't both add and remove a day")
    begin, end = schedule.valid_from, schedule.valid_to
    for day in (*exceptions, begin, end):
        if day is not None:
            day_number(day)
    if begin and end and end < begin:
        raise InputError(
            f"valid_to must not be before valid_from, got {begin} to {end}",
            code="invalid-validity",
        )


def _require_times(schedule: Schedule) -> None:
    weekdays = [day for time in schedule.weekly for day in time.days]
    if not weekdays or not all(time.days for time in schedule.weekly):
        raise InputError("each weekly time must have a day, got none", code="no-days")
    for time in schedule.weekly:
        if not 0 <= time.second <= MAX_SECOND:
            raise InputError(
                f"a time must be 0 to 36 hours, got {time.second} s", code="invalid-time"
            )
    if not set(weekdays) <= set(range(7)):
        raise InputError(
            f"weekdays must be 0 (Monday) to 6, got {sorted(set(weekdays))}", code="invalid-day"
        )
    if len(set(weekdays)) < len(weekdays):
        raise _refused("has one time a weekday; a second one is another trip")


def _require_types(schedule: Schedule) -> None:
    numbers = [schedule.flex_before_s, schedule.flex_after_s]
    days: list[Any] = [*schedule.added, *schedule.removed]
    days += [day for day in (schedule.valid_from, schedule.valid_to) if day is not None]
    for time in schedule.weekly:
        if type(time) is not WeeklyTime or type(time.days) is not tuple:
            raise _refused("has weekly times, each with a tuple of days")
        numbers += [time.second, *time.days]
    if not all(type(number) is int for number in numbers):
        raise _refused("has whole numbers for seconds and weekdays")
    if not all(isinstance(day, date) and not isinstance(day, datetime) for day in days):
        raise _refused("has dates for its validity and its exceptions")
    others = (schedule.timezone, str), (schedule.anchor, Anchor), (schedule.weeks, Weeks)
    if not all(type(value) is of for value, of in others):
        raise _refused("has a time zone's name, an anchor and weeks")
    if type(schedule.public_holidays) is not bool:
        raise _refused("takes place on public holidays or not")
    if not (schedule.at is None or isinstance(schedule.at, datetime)):
        raise _refused("takes place once at an instant")


def _refused(reason: str) -> InputError:
    return InputError(f"a schedule {reason}", code="invalid-schedule")


def schedule_to_text(schedule: Schedule) -> str:
    """A schedule as JSON: what it doesn't say is left out, so that equal ones are equal texts.

    Instants are in whole seconds.

    Examples
    --------
    >>> mondays = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(0,), second=27_900),))
    >>> schedule_to_text(mondays)
    '{"timezone":"Europe/Paris","weekly":[[[0],27900]]}'
    >>> schedule_of_text(schedule_to_text(mondays)) == mondays
    True
    """
    found: dict[str, Any] = {}
    for field in fields(schedule):
        value = getattr(schedule, field.name)
        if value == field.default:
            continue
        if field.name == "at":
            value = value.astimezone(UTC).replace(microsecond=0).isoformat()
        elif field.name == "weekly":
            value = [[list(time.days), time.second] for time in value]
        elif field.name in _DAYS:
            value = value.isoformat()
        elif field.name in _SOME_DAYS:
            value = [day.isoformat() for day in value]
        found[field.name] = value
    return json.dumps(found, separators=(",", ":"))


def schedule_of_text(text: str) -> Schedule:
    """The schedule that `schedule_to_text` made a text of."""
    found: dict[str, Any] = json.loads(text)
    if "at" in found:
        found["at"] = datetime.fromisoformat(found["at"])
    if "anchor" in found:
        found["anchor"] = Anchor(found["anchor"])
    if "weeks" in found:
        found["weeks"] = Weeks(found["weeks"])
    if "weekly" in found:
        found["weekly"] = tuple(
            WeeklyTime(days=tuple(days), second=second) for days, second in found["weekly"]
        )
    for name in found.keys() & set(_DAYS):
        found[name] = date.fromisoformat(found[name])
    for name in found.keys() & set(_SOME_DAYS):
        found[name] = tuple(map(date.fromisoformat, found[name]))
    return Schedule(**found)
