"""What is asked of the corridor index: when, on which service days, and what a minute is worth."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from geo.arrays import FloatArray, IntArray
from geo.errors import InputError
from indexes import rides as j
from indexes.journeys import Anchor, Schedule
from matching.detour import SECONDS_PER_EXTRA_M
from matching.rides.clock import CLOCK_CHANGE_S, DAY_S, LAST_DAY, day_number
from matching.rides.parts import Places, clock_of
from matching.schedule import days_of, instants, once_day

__all__ = [
    "ELSEWHERE_MIN",
    "HORIZON_DAYS",
    "LEAST_TRIP_M",
    "LEVEL_MIN",
    "SAME_BUILDING_MIN",
    "UNMATCHED_MIN",
    "WALK_MIN",
    "WALK_M_S",
    "Asked",
    "Pass",
    "ask_of",
    "asked_times",
    "passes_of",
    "times_between",
]

LEAST_TRIP_M = 1_000.0
WALKS_SHARE = 0.5  # of the rider's way
HORIZON_DAYS = 14  # of a weekly search: odd and even weeks

WALK_M_S = 1.12  # Navitia's
WALK_MIN = 2.0 / (WALK_M_S * 60.0)  # minutes a metre; the common weight of walking in transit
ELSEWHERE_MIN = 1.0
UNMATCHED_MIN = 2.5
LEVEL_MIN = 6.0 / 4.0
SAME_BUILDING_MIN = 3.0


class Asked(NamedTuple):
    """One day asked for, and when: instants in seconds since 1970, UTC."""

    day: int
    earliest: int
    latest: int
    meant: int


class Pass(NamedTuple):
    """Days on which a question is the same in seconds of the service day.

    ``ask`` is for `indexes.rides`; ``asked`` is the day asked for of each service day of the
    driver, ascending, which are ``days``.
    """

    ask: FloatArray
    days: IntArray
    asked: Mapping[int, int]

    @classmethod
    def on(cls, ask: FloatArray, asked: Mapping[int, int]) -> "Pass":
        """A question on some service days, and the day asked for of each."""
        return cls(ask, np.array(list(asked), np.int64), asked)


def asked_times(schedule: Schedule, first: date | None) -> list[Asked]:
    """The days a schedule asks for: the one of its instant, or those of two weeks.

    Raises
    ------
    InputError
        If it is weekly and ``first`` is None; its code is ``first-day-required``. If that day is
        in no known year; ``invalid-day``.
    """
    if (day := once_day(schedule)) is not None:
        return times_between(schedule, day, day)
    if first is None:
        raise InputError("a weekly search must say its first day", code="first-day-required")
    day_number(first)  # refuses what is no known day, to which none can be added either
    last = first + timedelta(days=HORIZON_DAYS - 1)
    return times_between(schedule, first, min(last, LAST_DAY))


def times_between(schedule: Schedule, first: date, last: date) -> list[Asked]:
    """The service days of a schedule between two dates, both included, and its windows."""
    days = days_of(schedule, first, last)
    times = (one.tolist() for one in (days, *instants(schedule, days)))
    return [
        Asked(day, begin, end, begin + schedule.flex_before_s)
        for day, begin, end in zip(*times, strict=True)
    ]


def ask_of(schedule: Schedule, places: Places, seats: int) -> FloatArray:
    """A question but for its times; by what the terms of the cost are worth."""
    ask = np.zeros(j.ASK_SIZE)
    ask[j.BY_ARRIVAL] = schedule.anchor is Anchor.ARRIVE
    ask[j.SEATS_NEEDED] = seats
    ask[j.MAX_WALKS_M] = WALKS_SHARE * places.direct_m
    ask[j.OWN_BUILDING] = -1
    ask[j.WALK_MIN], ask[j.ELSEWHERE_MIN] = WALK_MIN, ELSEWHERE_MIN
    ask[j.DETOUR_S] = SECONDS_PER_EXTRA_M
    ask[j.SAME_BUILDING_MIN], ask[j.LEVEL_MIN] = SAME_BUILDING_MIN, LEVEL_MIN
    ask[j.PICKUPS] = places.pickups
    return ask


def passes_of(
    asked: Sequence[Asked],
    timezone: str,
    span_s: tuple[float, float],
    ask: FloatArray,
    weekly: bool,
) -> list[Pass]:
    """A question in seconds of the service day of drivers, day by day.

    Parameters
    ----------
    asked : sequence of Asked
        In order of days.
    timezone : str
        Of the drivers' schedules.
    span_s : (float, float)
        When the first of them can be on his way and the last, seconds of the service day.
    ask : ndarray of float64
        Made by `ask_of`.
    weekly : bool
        Whether a day that is not matched costs.

    Notes
    -----
    A ride at one in the night is of the service day before, and may be of the one after: a
    driver who arrives after midnight leaves before it. Days of one clock are one pass.
    """
    groups: dict[tuple[float, ...], dict[int, int]] = {}
    for day, earliest, latest, meant in asked:
        low = int((earliest - span_s[1] - 15 * 3_600) // DAY_S)
        high = int((latest - span_s[0] + 15 * 3_600) // DAY_S)
        for service in range(low, high + 1):
            clock = clock_of(timezone, service)
            begin, end = earliest - clock.midnight, latest - clock.midnight
            if begin - CLOCK_CHANGE_S <= span_s[1] and end + CLOCK_CHANGE_S >= span_s[0]:
                key = begin, end, meant - clock.midnight, clock.edge_s, clock.shift_s
                groups.setdefault(key, {})[service] = day
    found = []
    for times, days in groups.items():
        own = ask.copy()
        own[[j.EARLIEST, j.LATEST, j.ASKED, j.EDGE_S, j.SHIFT_S]] = times
        # A window of half a day may be met on two service days; the exact count comes later.
        own[j.UNMATCHED_MIN] = UNMATCHED_MIN if weekly and times[1] - times[0] < DAY_S / 2 else 0.0
        found.append(Pass.on(own, days))
    return found
