"""When a trip takes place: schedules → service days → instants.

A service day is the local day that a schedule counts a trip for; as a number, whole days since
1970-01-01. A trip takes place at most once on each. Weekly times are what the clock on the wall
of the schedule's time zone shows (`matching.rides.clock` tells the instant); from 86,400 seconds
on it is the clock of the following day, and the service day is still the day before: validity,
parity of the week and exceptions are those of the evening.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from geo.arrays import IntArray
from geo.errors import InputError
from indexes.journeys import Schedule, Weeks
from indexes.schedules import (
    MAX_EXCEPTIONS,
    MAX_FLEX_S,
    MAX_SECOND,
    require_instant,
    require_schedule,
)
from matching.rides.clock import (
    DAY_S,
    EPOCH,
    FIRST_DAY,
    LAST_DAY,
    as_zone,
    day_number,
    local_to_utc,
    public_holidays,
)

__all__ = [
    "MAX_EXCEPTIONS",
    "MAX_FLEX_S",
    "MAX_SECOND",
    "Run",
    "Window",
    "check_schedule",
    "days_of",
    "excluding",
    "instants",
    "occurrences",
    "once_day",
    "runs",
]

_THURSDAY = 3  # counted from Monday; day 0 was one, and an ISO week lies in the year of its own
_NEVER = -1  # in place of the second, on weekdays without a time


@dataclass(frozen=True, slots=True)
class Window:
    """One occurrence of a trip: its service day, and between which instants it may take place.

    ``earliest`` and ``latest`` are in UTC and of the schedule's anchor, start or end.
    """

    day: date
    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One time of day of a schedule, and on which service days at most.

    ``second`` counts from local midnight of the service day; bit 0 of ``day_mask`` is Monday;
    ``first_day`` and ``last_day`` are day numbers, both included.
    """

    second: int
    day_mask: int
    first_day: int
    last_day: int


def check_schedule(schedule: Schedule) -> None:
    """Refuse a schedule that can't be meant; the other functions rely on it.

    Raises
    ------
    InputError
        With one of these codes. ``unknown-timezone``. ``invalid-schedule``: neither once nor
        weekly, or both; once, yet with weeks, validity or exceptions; two times on one
        weekday, which are two trips; a day both added and removed. ``invalid-instant``: ``at``
        is naive. ``invalid-time``: a time outside 0 to 36 hours. ``invalid-flex``: outside 0
        to 12 hours. ``invalid-day``: a weekday outside 0 to 6, a date in no known year.
        ``invalid-validity``: it ends before it begins. ``too-many-exceptions``: over 90.
        ``no-days``: never takes place.

    Examples
    --------
    >>> check_schedule(Schedule(timezone="Europe/Pariss", at=datetime(2026, 11, 27, tzinfo=UTC)))
    Traceback (most recent call last):
    geo.errors.InputError: timezone must be an IANA name, got 'Europe/Pariss'
    """
    require_schedule(schedule)
    begin, end = schedule.valid_from, schedule.valid_to
    # Without an end there is a day in the end.
    if begin and end and not schedule.added and not days_of(schedule, begin, end).size:
        raise InputError(
            f"a schedule must have a day, got none in {begin} to {end}", code="no-days"
        )


def days_of(schedule: Schedule, first: date, last: date) -> IntArray:
    """The service days of a schedule.

    Parameters
    ----------
    schedule : Schedule
        One that `check_schedule` accepts.
    first, last : date
        Local days, both included.

    Returns
    -------
    ndarray of int64, shape (n,)
        Day numbers, each once, in order.

    Raises
    ------
    InputError
        If a day is in no known year, or ``last`` is before ``first``.

    Notes
    -----
    A day takes place if its weekday has a time and neither validity, parity of the ISO week
    nor a public holiday forbids it; a day ``added`` takes place whatever these three say, and a
    day ``removed`` never does. After an odd week 53 comes the odd week 1: parity is that of
    the week's number, not of every second week.

    Examples
    --------
    >>> from indexes.journeys import WeeklyTime
    >>> mondays = Schedule(
    ...     timezone="Europe/Paris", weekly=(WeeklyTime(days=(0,), second=27_900),), weeks=Weeks.ODD
    ... )
    >>> days_of(mondays, date(2026, 12, 1), date(2027, 1, 31)).astype("datetime64[D]").tolist()
    [datetime.date(2026, 12, 14), datetime.date(2026, 12, 28),
     datetime.date(2027, 1, 4), datetime.date(2027, 1, 18)]
    """
    low, high = day_number(first), day_number(last)
    if high < low:
        raise InputError(f"last must not be before first, got {first} to {last}")
    if schedule.at is not None:
        day = _local_second(schedule.at, schedule.timezone) // DAY_S
        kept_once = low <= day <= high and EPOCH + timedelta(days=day) not in schedule.removed
        return np.array([day] if kept_once else [], dtype=np.int64)
    days = np.arange(low, high + 1)
    weekday = (days + _THURSDAY) % 7
    kept = _weekday_seconds(schedule)[weekday] != _NEVER
    if schedule.valid_from:
        kept &= days >= day_number(schedule.valid_from)
    if schedule.valid_to:
        kept &= days <= day_number(schedule.valid_to)
    if schedule.weeks is not Weeks.ALL:
        thursday = days - weekday + _THURSDAY
        new_year = thursday.astype("M8[D]").astype("M8[Y]").astype("M8[D]").astype(np.int64)
        week = (thursday - new_year) // 7 + 1
        kept &= week % 2 == (schedule.weeks is Weeks.ODD)

    def rows(dates: Iterable[date]) -> list[int]:
        return [day_number(day) - low for day in dates if first <= day <= last]

    if not schedule.public_holidays:
        for year in range(first.year, last.year + 1):
            kept[rows(public_holidays(year))] = False
    kept[rows(schedule.added)] = True
    kept[rows(schedule.removed)] = False
    found: IntArray = days[kept]
    return found


def excluding(schedule: Schedule, days: Iterable[date]) -> Schedule:
    """A schedule that takes place on some days less, weekly or once.

    `check_schedule` need not accept it, as nobody said it so; all else here does.

    Parameters
    ----------
    schedule : Schedule
        One that `check_schedule` accepts.
    days : iterable of date
        Service days, as many as there may be, of the schedule or not.

    Examples
    --------
    >>> once = Schedule(timezone="Europe/Paris", at=datetime(2026, 11, 27, 9, tzinfo=UTC))
    >>> day = date(2026, 11, 27)
    >>> days_of(once, day, day).size, days_of(excluding(once, [day]), day, day).size
    (1, 0)
    """
    more = sorted(set(days).difference(schedule.removed))
    return replace(schedule, removed=(*schedule.removed, *more)) if more else schedule


def once_day(schedule: Schedule) -> date | None:
    """The service day of a trip that takes place once: the local one; None for a weekly trip.

    Examples
    --------
    >>> once_day(Schedule(timezone="Europe/Paris", at=datetime(2026, 11, 27, 23, 30, tzinfo=UTC)))
    datetime.date(2026, 11, 28)
    """
    if schedule.at is None:
        return None
    return schedule.at.astimezone(as_zone(schedule.timezone)).date()


def instants(schedule: Schedule, days: IntArray) -> tuple[IntArray, IntArray]:
    """Between which instants a trip may take place on some of its service days.

    Parameters
    ----------
    schedule : Schedule
        One that `check_schedule` accepts.
    days : ndarray of int64, shape (n,)
        Day numbers out of `days_of`.

    Returns
    -------
    earliest, latest : ndarray of int64, shape (n,)
        Seconds since 1970-01-01 UTC, of the schedule's anchor, start or end.

    Notes
    -----
    Flex is elapsed time around the instant meant, also across a change of the clock. A day
    ``added`` has the time of its weekday; where that has none, the first time of ``weekly``.

    Examples
    --------
    >>> from indexes.journeys import WeeklyTime
    >>> sundays = Schedule(
    ...     timezone="Europe/Paris", weekly=(WeeklyTime(days=(6,), second=9_000),), flex_after_s=0
    ... )
    >>> day = days_of(sundays, date(2026, 3, 29), date(2026, 3, 29))  # has no 02:30: 03:30
    >>> [str(seconds.astype("datetime64[s]")[0]) for seconds in instants(sundays, day)]
    ['2026-03-29T01:15:00', '2026-03-29T01:30:00']
    """
    if schedule.at is not None:
        meant = np.full(len(days), int(schedule.at.timestamp() // 1))
    else:
        seconds = _weekday_seconds(schedule)
        seconds[seconds == _NEVER] = schedule.weekly[0].second
        meant = local_to_utc(schedule.timezone, days * DAY_S + seconds[(days + _THURSDAY) % 7])
    return meant - schedule.flex_before_s, meant + schedule.flex_after_s


def occurrences(schedule: Schedule, first: datetime, last: datetime) -> list[Window]:
    """The occurrences of a trip whose windows touch a stretch of time.

    Parameters
    ----------
    schedule : Schedule
        One that `check_schedule` accepts.
    first, last : datetime
        Aware, both included.

    Returns
    -------
    list of Window
        In order of service days. Windows are of whole seconds.

    Raises
    ------
    InputError
        If an instant is naive or in no known year, or ``last`` is before ``first``.

    Examples
    --------
    >>> from indexes.journeys import WeeklyTime
    >>> late = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(4,), second=90_000),))
    >>> weekend = datetime(2026, 11, 28, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)
    >>> for window in occurrences(late, *weekend):  # Friday's trip, at one in the night
    ...     print(window.day, window.earliest, window.latest)
    2026-11-27 2026-11-27 23:45:00+00:00 2026-11-28 00:15:00+00:00
    """
    for instant in (first, last):
        require_instant(instant)
    if last < first:
        raise InputError(f"last must not be before first, got {first} to {last}")
    # Against UTC, a service day's windows begin 26 hours before it at the earliest (clocks are
    # up to 14 hours ahead, flex 12) and end 60 after its beginning (36, 12 behind, flex 12).
    low = first.astimezone(UTC).date() - timedelta(days=2)
    high = last.astimezone(UTC).date() + timedelta(days=2)
    days = days_of(schedule, max(low, FIRST_DAY), min(high, LAST_DAY))
    earliest, latest = instants(schedule, days)
    touched = (earliest <= last.timestamp()) & (latest >= first.timestamp())
    return [
        Window(
            EPOCH + timedelta(days=day),
            datetime.fromtimestamp(begin, UTC),
            datetime.fromtimestamp(end, UTC),
        )
        for day, begin, end in np.column_stack((days, earliest, latest))[touched].tolist()
    ]


def runs(schedule: Schedule) -> tuple[Run, ...]:
    """A schedule's times of day, for an index: no occurrence lies outside of them.

    Parameters
    ----------
    schedule : Schedule
        One that `check_schedule` accepts.

    Returns
    -------
    tuple of Run
        One for each time of day. A superset: parity, public holidays and exceptions are for
        `days_of` to decide, and `instants` moves a time that the clock leaves out.

    Examples
    --------
    >>> from indexes.journeys import WeeklyTime
    >>> runs(Schedule(
    ...     timezone="Europe/Paris",
    ...     weekly=(WeeklyTime(days=(0, 1), second=27_900), WeeklyTime(days=(4,), second=30_600)),
    ...     valid_from=date(2026, 9, 1), valid_to=date(2027, 6, 30),
    ... ))
    (Run(second=27900, day_mask=3, first_day=20697, last_day=20999),
     Run(second=30600, day_mask=16, first_day=20697, last_day=20999))
    """
    if schedule.at is not None:
        day, second = divmod(_local_second(schedule.at, schedule.timezone), DAY_S)
        return (Run(second, 1 << (day + _THURSDAY) % 7, day, day),)
    seconds = _weekday_seconds(schedule)
    masks: dict[int, int] = {}
    for weekday in {*np.flatnonzero(seconds != _NEVER), *(day.weekday() for day in schedule.added)}:
        second = schedule.weekly[0].second if seconds[weekday] == _NEVER else int(seconds[weekday])
        masks[second] = masks.get(second, 0) | 1 << int(weekday)
    first = day_number(min((schedule.valid_from or FIRST_DAY, *schedule.added)))
    last = day_number(max((schedule.valid_to or LAST_DAY, *schedule.added)))
    return tuple(Run(second, masks[second], first, last) for second in sorted(masks))


def _local_second(instant: datetime, timezone: str) -> int:
    """What the clock shows at an instant, in seconds since its own 1970-01-01."""
    return int(instant.astimezone(as_zone(timezone)).replace(tzinfo=UTC).timestamp() // 1)


def _weekday_seconds(schedule: Schedule) -> IntArray:
    """The time of each weekday, or `_NEVER`."""
    seconds = np.full(7, _NEVER, dtype=np.int64)
    for time in schedule.weekly:
        seconds[list(time.days)] = time.second
    return seconds
