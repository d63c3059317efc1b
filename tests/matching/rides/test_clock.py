"""Clocks: equal to zoneinfo around every change of every zone; holidays equal to the law."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
import schedule_oracle as oracle
from conftest import QUICK
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import InputError
from matching.rides.clock import local_to_utc, public_holidays

HOUR = 3_600
# One that changes by half an hour, one that left out a day, one that pauses every Ramadan.
ODD_ONES = ["Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/Miquelon"]
ALL = sorted(available_timezones() - {"localtime"})


def wanted(timezone, second):
    """By the standard library, one at a time."""
    shown = datetime(1970, 1, 1, tzinfo=ZoneInfo(timezone)) + timedelta(seconds=second)
    return second - int(shown.utcoffset().total_seconds())


@pytest.mark.parametrize("timezone", ["Europe/Paris", *ODD_ONES] if QUICK else ODD_ONES + ALL[::12])
def test_every_half_hour_around_every_change_is_that_of_zoneinfo(timezone):
    days = np.arange(0, 365 * 70) * 24 * HOUR
    utc = local_to_utc(timezone, days)
    changed = days[1:][np.diff(utc) != 24 * HOUR]
    around = (changed[:, None] + np.arange(-48, 49) * 1_800).ravel()
    assert local_to_utc(timezone, around).tolist() == [wanted(timezone, s) for s in around.tolist()]


@given(st.sampled_from(ALL[::7]), st.integers(-(10**8), 4 * 10**9))
def test_any_second_of_any_zone_is_that_of_zoneinfo(timezone, second):
    assert local_to_utc(timezone, np.array([second])).item() == wanted(timezone, second)


@pytest.mark.parametrize("year", range(2000, 2077))
def test_holidays_are_those_of_the_law(year):
    assert list(public_holidays(year)) == sorted(oracle.holidays(year))


def test_holidays_of_other_years_are_not_known():
    assert public_holidays(1999) == public_holidays(2077) == ()


def test_an_unknown_zone_is_refused():
    with pytest.raises(InputError) as refused:
        local_to_utc("Mars/Phobos", np.array([0]))
    assert refused.value.code == "unknown-timezone"
