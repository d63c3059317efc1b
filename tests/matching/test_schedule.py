"""Schedules: equal to iCalendar in every French time zone, and on the days that go wrong."""

from datetime import UTC, date, datetime, timedelta, timezone
from importlib.resources import files

import numpy as np
import pytest
import schedule_oracle as oracle
from conftest import QUICK
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import InputError
from indexes.journeys import Anchor, Schedule, WeeklyTime, Weeks
from matching.rides.clock import day_number
from matching.schedule import (
    MAX_FLEX_S,
    MAX_SECOND,
    check_schedule,
    days_of,
    instants,
    occurrences,
    runs,
)

# ISO 3166-1: France and what of it is overseas.
FRANCE = ["FR", "BL", "GF", "GP", "MF", "MQ", "NC", "PF", "PM", "RE", "TF", "WF", "YT"]
ZONES = sorted(
    line.split("\t")[2]
    for line in files("tzdata").joinpath("zoneinfo", "zone.tab").read_text().splitlines()
    if line[:2] in FRANCE
)
HOUR = 3_600
EVERY_DAY = tuple(range(7))


def weekly(*times, timezone="Europe/Paris", **settings):
    """A schedule of (days, seconds), without flex unless told."""
    entries = tuple(WeeklyTime(days=days, second=second) for days, second in times)
    settings = {"flex_before_s": 0, "flex_after_s": 0, **settings}
    return Schedule(timezone=timezone, weekly=entries, **settings)


def once(text, **settings):
    return Schedule(timezone="Europe/Paris", at=datetime.fromisoformat(text), **settings)


def windows(schedule, first, last):
    """As the oracle tells them."""
    days = days_of(schedule, first, last)
    columns = np.column_stack((days, *instants(schedule, days))).tolist()
    return [(date(1970, 1, 1) + timedelta(days=day), *rest) for day, *rest in columns]


def meant(schedule, day):
    """The instant of a service day, as UTC text."""
    ((_, earliest, latest),) = windows(schedule, *[date.fromisoformat(day)] * 2)
    assert earliest == latest
    return f"{datetime.fromtimestamp(earliest, UTC):%Y-%m-%d %H:%M}"


def test_the_zones_are_all_of_france():
    assert len(ZONES) == 15
    assert {"Europe/Paris", "America/Miquelon", "Indian/Reunion", "Pacific/Marquesas"} < set(ZONES)


# Of the zones only these two change their clocks; the quick profile leaves the others out.
@pytest.mark.parametrize("zone", ["Europe/Paris", "America/Miquelon"] if QUICK else ZONES)
def test_every_day_from_2024_to_2035_is_that_of_icalendar(zone):
    # Clocks change on Sundays: at 02:00 on Miquelon, at 02:00 and 03:00 in Paris.
    schedule = weekly(
        ((0,), 0),
        ((1, 3), 7 * HOUR + 2_700),
        ((2,), 24 * HOUR - 1),
        ((4,), 25 * HOUR),
        ((5,), 26 * HOUR + 1_800),
        ((6,), HOUR + 1_800),
        timezone=zone,
    )
    found = windows(schedule, date(2024, 1, 1), date(2035, 12, 31))
    assert len(found) == 4_383
    assert found == oracle.windows(schedule, date(2024, 1, 1), date(2035, 12, 31))


@pytest.mark.parametrize("second", [2 * HOUR + 1_800, 25 * HOUR + 1_800, 36 * HOUR])
@pytest.mark.parametrize("weeks", [Weeks.ODD, Weeks.EVEN])
def test_weeks_and_holidays_from_2024_to_2035_are_those_of_icalendar(weeks, second):
    schedule = weekly(
        ((0, 6), second), ((3,), 8 * HOUR), weeks=weeks, public_holidays=False, flex_after_s=600
    )
    found = windows(schedule, date(2024, 1, 1), date(2035, 12, 31))
    assert 890 < len(found) < 910
    assert found == oracle.windows(schedule, date(2024, 1, 1), date(2035, 12, 31))


# The year's end, changes of the clock and holidays are what days are drawn around.
near = st.sampled_from(
    [
        date(2020, 12, 31),
        date(2026, 12, 28),
        date(2032, 12, 31),
        date(2026, 3, 29),
        date(2027, 10, 31),
        date(2024, 5, 9),
        date(2028, 2, 29),
    ]
)
days = st.builds(lambda day, off: day + timedelta(days=off), near, st.integers(-40, 40))
seconds = st.integers(0, MAX_SECOND) | st.sampled_from([7_200, 9_000, 10_800, 86_400, MAX_SECOND])


@st.composite
def schedules(draw):
    """Whatever `check_schedule` accepts."""
    settings = {
        "timezone": draw(st.sampled_from(["Europe/Paris", "America/Miquelon", "Pacific/Tahiti"])),
        "anchor": draw(st.sampled_from(Anchor)),
        "flex_before_s": draw(st.integers(0, MAX_FLEX_S)),
        "flex_after_s": draw(st.integers(0, MAX_FLEX_S)),
    }
    if draw(st.integers(0, 5)) == 0:
        noon = datetime(2026, 12, 28, 12, tzinfo=UTC)
        return Schedule(at=noon + timedelta(seconds=draw(st.integers(-(10**7), 10**7))), **settings)
    weekdays = draw(st.lists(st.sampled_from(EVERY_DAY), min_size=1, unique=True))
    cut = draw(st.integers(0, len(weekdays) - 1))
    parts = [part for part in (weekdays[:cut], weekdays[cut:]) if part]
    exceptions = draw(st.lists(days, max_size=8, unique=True))
    begin, end = draw(st.none() | days), draw(st.none() | days)
    if begin and end and end < begin:
        begin, end = end, begin
    return Schedule(
        weekly=tuple(WeeklyTime(days=tuple(part), second=draw(seconds)) for part in parts),
        valid_from=begin,
        valid_to=end,
        weeks=draw(st.sampled_from(Weeks)),
        added=tuple(exceptions[::2]),
        removed=tuple(exceptions[1::2]),
        public_holidays=draw(st.booleans()),
        **settings,
    )


@given(schedules(), days, st.integers(0, 150))
def test_any_schedule_is_that_of_icalendar(schedule, first, length):
    last = first + timedelta(days=length)
    assert windows(schedule, first, last) == oracle.windows(schedule, first, last)


@given(schedules(), days, st.integers(0, 47), st.integers(0, 72))
def test_occurrences_are_the_windows_that_touch(schedule, day, hour, hours):
    first = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)
    last = first + timedelta(hours=hours)
    touching = [
        (service_day, earliest, latest)
        for service_day, earliest, latest in oracle.windows(
            schedule, day - timedelta(days=9), day + timedelta(days=12)
        )
        if earliest <= last.timestamp() and latest >= first.timestamp()
    ]
    found = occurrences(schedule, first, last)
    assert [
        (one.day, int(one.earliest.timestamp()), int(one.latest.timestamp())) for one in found
    ] == touching
    assert all(one.earliest.tzinfo is UTC and one.latest.tzinfo is UTC for one in found)


@given(schedules(), days)
def test_no_occurrence_lies_outside_of_the_runs(schedule, first):
    found = windows(schedule, first, first + timedelta(days=60))
    for day, earliest, _ in found:
        ((run),) = [
            run
            for run in runs(schedule)
            if run.day_mask >> day.weekday() & 1
            and run.first_day <= day_number(day) <= run.last_day
        ]
        begin = datetime.fromtimestamp(earliest + schedule.flex_before_s, UTC)
        shown = begin.astimezone(oracle.ZoneInfo(schedule.timezone)).replace(tzinfo=None)
        off_s = (shown - datetime(day.year, day.month, day.day)).total_seconds() - run.second
        assert off_s in (0, HOUR)  # an hour: the clock leaves the time out


@pytest.mark.parametrize(
    ("day", "second", "instant"),
    [
        ("2026-03-28", 2 * HOUR + 1_800, "2026-03-28 01:30"),
        ("2026-03-29", 2 * HOUR - 60, "2026-03-29 00:59"),
        ("2026-03-29", 2 * HOUR, "2026-03-29 01:00"),  # left out: what the clock calls 03:00
        ("2026-03-29", 2 * HOUR + 1_800, "2026-03-29 01:30"),
        ("2026-03-29", 3 * HOUR, "2026-03-29 01:00"),
        ("2026-03-28", 26 * HOUR + 1_800, "2026-03-29 01:30"),
        ("2026-10-25", 2 * HOUR, "2026-10-25 00:00"),  # shown twice: the first
        ("2026-10-25", 3 * HOUR - 60, "2026-10-25 00:59"),
        ("2026-10-25", 3 * HOUR, "2026-10-25 02:00"),
        ("2026-10-24", 26 * HOUR, "2026-10-25 00:00"),
        ("2026-12-31", 36 * HOUR, "2027-01-01 11:00"),
    ],
)
def test_both_changes_of_the_clock_have_their_rule(day, second, instant):
    assert meant(weekly((EVERY_DAY, second)), day) == instant


def test_flex_is_elapsed_time_across_a_change_of_the_clock():
    schedule = weekly((EVERY_DAY, 3 * HOUR), flex_before_s=HOUR, flex_after_s=HOUR)
    (window,) = occurrences(schedule, *[datetime(2026, 3, 29, 1, 30, tzinfo=UTC)] * 2)
    assert window.latest - window.earliest == timedelta(hours=2)
    assert window.earliest == datetime(2026, 3, 29, tzinfo=UTC)


def test_an_odd_week_follows_week_53():
    found = days_of(weekly(((0,), 0), weeks=Weeks.ODD), date(2026, 12, 20), date(2027, 1, 20))
    assert found.astype("M8[D]").astype(str).tolist() == ["2026-12-28", "2027-01-04", "2027-01-18"]
    weeks = [date.fromisoformat(str(day)).isocalendar().week for day in found.astype("M8[D]")]
    assert weeks == [53, 1, 3]
    evens = days_of(weekly(((0,), 0), weeks=Weeks.EVEN), date(2026, 12, 20), date(2027, 1, 20))
    assert evens.astype("M8[D]").astype(str).tolist() == ["2026-12-21", "2027-01-11"]


def test_a_night_belongs_to_the_evening_before():
    # Sunday of an odd week, on a holiday's eve, the last valid day: the clock says another week.
    schedule = weekly(
        ((6,), 25 * HOUR), weeks=Weeks.ODD, valid_to=date(2026, 4, 5), public_holidays=False
    )
    assert date(2026, 4, 5).isocalendar().week == 14
    assert windows(schedule, date(2026, 4, 5), date(2026, 4, 6)) == []
    schedule = weekly(
        ((6,), 25 * HOUR), weeks=Weeks.EVEN, valid_to=date(2026, 4, 5), public_holidays=False
    )
    assert meant(schedule, "2026-04-05") == "2026-04-05 23:00"  # Easter Monday, 1 h in Paris


def test_added_days_take_place_whatever_forbids_them_and_removed_ones_never_do():
    schedule = weekly(
        ((1,), 9 * HOUR),
        ((0,), 8 * HOUR),
        weeks=Weeks.EVEN,
        valid_from=date(2026, 11, 1),
        valid_to=date(2026, 11, 30),
        public_holidays=False,
        added=(date(2026, 7, 14), date(2027, 1, 4), date(2026, 11, 21)),
        removed=(date(2026, 11, 10),),
    )
    found = windows(schedule, date(2026, 1, 1), date(2027, 12, 31))
    local = [
        datetime.fromtimestamp(begin, oracle.ZoneInfo("Europe/Paris")) for _, begin, _ in found
    ]
    assert [f"{begin:%a %F %H}" for begin in local] == [
        "Tue 2026-07-14 09",  # a holiday, before it is valid
        "Mon 2026-11-09 08",
        "Sat 2026-11-21 09",  # no time of its own: the first one listed
        "Mon 2026-11-23 08",
        "Tue 2026-11-24 09",
        "Mon 2027-01-04 08",  # odd, after it is valid
    ]


def test_validity_includes_both_its_days():
    schedule = weekly((EVERY_DAY, 0), valid_from=date(2026, 11, 3), valid_to=date(2026, 11, 5))
    found = windows(schedule, date(2026, 1, 1), date(2026, 12, 31))
    assert [day.day for day, *_ in found] == [3, 4, 5]


@pytest.mark.parametrize(
    ("zone", "second", "touched"),
    [
        ("Etc/GMT+12", MAX_SECOND, datetime(2026, 11, 14, 12, tzinfo=UTC)),  # 60 h after the day
        ("Pacific/Kiritimati", 0, datetime(2026, 11, 10, 22, tzinfo=UTC)),  # 26 h before it
    ],
)
def test_the_farthest_windows_of_a_day_are_found(zone, second, touched):
    schedule = weekly(
        ((3,), second), timezone=zone, flex_before_s=MAX_FLEX_S, flex_after_s=MAX_FLEX_S
    )
    (window,) = occurrences(schedule, touched, touched)
    assert window.day == date(2026, 11, 12)
    assert touched in (window.earliest, window.latest)


def test_once_is_one_window_around_an_instant():
    schedule = once("2026-11-27T23:30:00.9+00:00", flex_before_s=600, flex_after_s=HOUR)
    check_schedule(schedule)
    (window,) = occurrences(schedule, *[datetime(2026, 11, 28, 0, 30, tzinfo=UTC)] * 2)
    assert window.day == date(2026, 11, 28)  # half past midnight in Paris
    assert window.earliest == datetime(2026, 11, 27, 23, 20, tzinfo=UTC)
    assert window.latest == datetime(2026, 11, 28, 0, 30, tzinfo=UTC)
    assert occurrences(schedule, *[datetime(2026, 11, 28, 0, 31, tzinfo=UTC)] * 2) == []
    assert days_of(schedule, date(2026, 11, 1), date(2026, 11, 27)).size == 0


@pytest.mark.parametrize("edge", [date(1960, 1, 1), date(2099, 12, 31)])
def test_the_first_and_last_known_days_are_like_others(edge):
    schedule = weekly((EVERY_DAY, 12 * HOUR), timezone="Pacific/Tahiti")
    noon = datetime(edge.year, edge.month, edge.day, 12, tzinfo=timezone(timedelta(hours=-10)))
    (window,) = occurrences(schedule, noon, noon)
    assert window.day == edge


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        (weekly((EVERY_DAY, 0), timezone="Europe/Pariss"), "unknown-timezone"),
        (weekly((EVERY_DAY, 0), timezone=""), "unknown-timezone"),
        (weekly((EVERY_DAY, 0), timezone="../zoneinfo"), "unknown-timezone"),
        (weekly((EVERY_DAY, 0), timezone="Europe"), "unknown-timezone"),
        (weekly((EVERY_DAY, 0), timezone="a\0b"), "unknown-timezone"),
        (weekly((EVERY_DAY, 0), flex_before_s=-1), "invalid-flex"),
        (weekly((EVERY_DAY, 0), flex_after_s=12 * HOUR + 1), "invalid-flex"),
        (weekly(((), 0)), "no-days"),
        (weekly(((0,), 0), ((), 0)), "no-days"),
        (weekly(((7,), 0)), "invalid-day"),
        (weekly(((-1,), 0)), "invalid-day"),
        (weekly(((0,), -1)), "invalid-time"),
        (weekly(((0,), MAX_SECOND + 1)), "invalid-time"),
        (weekly(((0, 1), 0), ((1,), HOUR)), "invalid-schedule"),
        (weekly(), "invalid-schedule"),
        (weekly(((0,), 0), at=datetime(2026, 1, 1, tzinfo=UTC)), "invalid-schedule"),
        (once("2026-11-27T08:00:00Z", valid_to=date(2026, 12, 1)), "invalid-schedule"),
        (once("2026-11-27T08:00:00Z", removed=(date(2026, 12, 1),)), "invalid-schedule"),
        (once("2026-11-27T08:00:00"), "invalid-instant"),
        (once("9999-12-31T23:59:59-12:00"), "invalid-day"),
        (once("0001-01-01T00:00:00+12:00"), "invalid-day"),
        (once("2099-12-31T23:30:00Z"), "invalid-day"),  # 2100 in Paris
        (
            weekly(((0,), 0), valid_from=date(2026, 2, 1), valid_to=date(2026, 1, 1)),
            "invalid-validity",
        ),
        (weekly(((0,), 0), valid_to=date(9999, 12, 31)), "invalid-day"),
        (
            weekly(((0,), 0), valid_from=date(2026, 11, 24), valid_to=date(2026, 11, 29)),
            "no-days",  # Tuesday to Sunday
        ),
        (
            weekly(
                ((0,), 0),
                valid_from=date(2026, 11, 23),
                valid_to=date(2026, 11, 23),
                removed=(date(2026, 11, 23),),
            ),
            "no-days",
        ),
        (
            weekly(((0,), 0), added=(date(2026, 1, 1),), removed=(date(2026, 1, 1),)),
            "invalid-schedule",
        ),
        (
            weekly(((0,), 0), removed=tuple(date(2026, 1, 1) + timedelta(d) for d in range(91))),
            "too-many-exceptions",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(schedule, code):
    with pytest.raises(InputError) as refused:
        check_schedule(schedule)
    assert refused.value.code == code


@given(schedules())
def test_what_can_be_meant_is_accepted_or_has_no_day(schedule):
    try:
        check_schedule(schedule)
    except InputError as refused:
        assert refused.code == "no-days"
        assert oracle.windows(schedule, schedule.valid_from, schedule.valid_to) == []


def test_ninety_exceptions_and_a_window_over_a_gap_are_fine():
    days = tuple(date(2026, 1, 1) + timedelta(days=day) for day in range(90))
    check_schedule(weekly((EVERY_DAY, 2 * HOUR + 1_800), added=days[:45], removed=days[45:]))
    gap = weekly((EVERY_DAY, 2 * HOUR + 1_800), flex_before_s=MAX_FLEX_S, flex_after_s=MAX_FLEX_S)
    check_schedule(gap)
    assert len(occurrences(gap, *[datetime(2026, 3, 29, 13, 30, tzinfo=UTC)] * 2)) == 2


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (datetime(2026, 1, 1), datetime(2026, 1, 2)),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), datetime.max),
    ],
)
def test_a_stretch_that_cannot_be_asked_for_is_refused(first, last):
    with pytest.raises(InputError):
        occurrences(weekly((EVERY_DAY, 0)), first, last)


def test_days_backwards_are_refused():
    with pytest.raises(InputError, match="last must not be before first"):
        days_of(weekly((EVERY_DAY, 0)), date(2026, 1, 2), date(2026, 1, 1))
