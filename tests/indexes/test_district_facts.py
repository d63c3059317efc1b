"""Quarters and their weeks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from geo.errors import InputError
from indexes.district_facts import Quarter, require_week, week_of

DAYS = [date(2019, 12, 25) + timedelta(days=n) for n in range(9 * 366)]


def test_every_day_lies_in_one_quarter_between_its_ends() -> None:
    for day in DAYS:
        quarter = Quarter.of(day)
        assert quarter.first_day <= day <= quarter.last_day
        assert Quarter.of(quarter.first_day) == Quarter.of(quarter.last_day) == quarter
        assert quarter.previous.last_day + timedelta(days=1) == quarter.first_day
        assert quarter.previous < quarter
        assert Quarter.parse(str(quarter)) == quarter


@pytest.mark.parametrize("name", ["Europe/Paris", "Indian/Reunion", "America/Cayenne", "UTC"])
def test_a_quarter_ends_at_the_midnight_at_which_the_next_begins(name: str) -> None:
    zone = ZoneInfo(name)
    for day in DAYS[::80]:
        quarter = Quarter.of(day)
        assert quarter.previous.ends(zone) == quarter.begins(zone)
        assert quarter.begins(zone).astimezone(zone).isoformat()[:19] == (
            f"{quarter.first_day}T00:00:00"
        )


@pytest.mark.parametrize("name", ["Europe/Paris", "Indian/Reunion", "America/Cayenne", "UTC"])
def test_a_quarter_settles_when_its_last_week_and_the_time_to_reply_are_over(name: str) -> None:
    zone = ZoneInfo(name)
    for year in range(2019, 2040):
        for number in range(1, 5):
            quarter = Quarter(year, number)
            settles = quarter.settles(zone)
            after_week = week_of(settles, zone) not in quarter.weeks
            replied = settles - quarter.ends(zone).astimezone(UTC) >= timedelta(hours=48)
            assert after_week and replied
            just_before = settles - timedelta(seconds=1)
            assert week_of(just_before, zone) in quarter.weeks or (
                just_before - quarter.ends(zone).astimezone(UTC) < timedelta(hours=48)
            )


def test_a_last_week_that_reaches_into_the_next_quarter_is_waited_for() -> None:
    paris = ZoneInfo("Europe/Paris")
    late = Quarter(2024, 2)  # ends on a Sunday: 48 hours decide
    assert late.settles(paris) == datetime(2024, 7, 3, tzinfo=paris)
    reaching = Quarter(2027, 1)  # week 13 is to 4 April
    assert reaching.settles(paris) == datetime(2027, 4, 5, tzinfo=paris)


def test_weeks_are_thirteen_of_one_quarter_each_and_only_a_fifty_third_is_of_none() -> None:
    for year in range(2019, 2033):
        weeks = [week for number in range(1, 5) for week in Quarter(year, number).weeks]
        assert len(set(weeks)) == 52
        for week in weeks:
            require_week(week)
        every = {week_of(datetime(year, 6, 1, tzinfo=UTC) + timedelta(days=n), UTC)
                 for n in range(-200, 260)}  # fmt: skip
        mine = {week for week in every if week.startswith(str(year))}
        assert mine - set(weeks) <= {f"{year}-W53"}


def test_a_week_lies_within_eight_days_of_its_quarter() -> None:
    for year in range(2019, 2033):
        for number in range(1, 5):
            quarter = Quarter(year, number)
            monday = date.fromisocalendar(year, int(quarter.weeks[0][-2:]), 1)
            sunday = date.fromisocalendar(year, int(quarter.weeks[-1][-2:]), 7)
            assert abs(monday - quarter.first_day) <= timedelta(days=8)
            assert abs(sunday - quarter.last_day) <= timedelta(days=8)


@pytest.mark.parametrize(
    "text", ["2026", "2026Q0", "2026Q5", "26Q1", "2026q1", "2026Q1 ", "٢٠٢٦Q1", "9999Q1", ""]
)
def test_what_is_no_quarter_is_refused_and_told(text: str) -> None:
    with pytest.raises(InputError) as refused:
        Quarter.parse(text)
    assert refused.value.code == "invalid-quarter"
