"""A bound that is too high loses a match, one that is too low only time."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.trips_workload import ANY_TIME, DAYS
from geo.distance import haversine_m
from indexes import rides as j
from indexes.bounds import around, least_minutes
from indexes.joining import scan
from indexes.rides import Runs, place_row
from indexes.routes import pack_lines
from matching.rides.asks import ask_of
from matching.rides.meeting import MeetingPoint, MeetingPoints
from matching.rides.parts import NO_CHANGE_S, Places


def lines_of(rng, lat, spacing_m):
    """Lines through a town of 4 km, of short pieces or long ones."""
    east = 1 / (j.METRES_PER_DEGREE * np.cos(np.radians(lat)))
    lonlat, times_s = [], []
    for _ in range(40):
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.4, 30))
        steps = spacing_m * rng.uniform(0.5, 1.5, 30)
        x, y = np.cumsum(steps * np.cos(heading)), np.cumsum(steps * np.sin(heading))
        x, y = x - x.mean() + rng.normal(0, 700), y - y.mean() + rng.normal(0, 700)
        lonlat.append(np.round(np.column_stack((5.4 + x * east, lat + y / j.METRES_PER_DEGREE)), 7))
        times_s.append(np.cumsum(steps / rng.uniform(5, 20)))
    return pack_lines(lonlat, [t - t[0] for t in times_s])


@pytest.mark.parametrize("by_arrival", [False, True])
@given(
    st.integers(0, 2**32),
    st.sampled_from([40.0, 150.0, 900.0, 5_000.0]),
    st.sampled_from([43.3, 68.0]),
)
def test_no_ride_costs_less_than_its_bound(by_arrival, seed, spacing_m, lat):
    rng = np.random.default_rng(seed)
    lines = lines_of(rng, lat, spacing_m)
    rows = np.zeros((40, j.RUN_COLUMNS), np.int32)
    rows[:, j.LINE], rows[:, j.SECOND] = np.arange(40), 30_000 + rng.integers(-900, 900, 40)
    rows[:, j.FLEX_BEFORE] = rows[:, j.FLEX_AFTER] = 600
    rows[:, j.DAY_MASK], rows[:, j.LAST_DAY] = 127, 2**31 - 1
    rows[:, j.SEATS], rows[:, j.BUILDING] = 3, -1
    rows[:, j.BUDGET_MS] = rng.choice([60_000, 300_000, 900_000], 40)
    runs = Runs(rows, np.empty((0, 4)))
    east = 1 / np.cos(np.radians(lat))
    scatter = rng.normal(0, 0.01, (32, 2)) * (east, 1) + (5.4, lat)
    stops = [MeetingPoint(f"{i}", "", lon, at) for i, (lon, at) in enumerate(scatter.tolist())]
    origin, destination = scatter[30], scatter[31]
    places = Places.of(tuple(origin), tuple(destination), 900, MeetingPoints(stops[:30]))
    ask = ask_of(ANY_TIME, places, 1)
    ask[[j.EARLIEST, j.LATEST, j.ASKED]] = 29_000, 31_500, 30_000
    ask[j.EDGE_S], ask[j.BY_ARRIVAL], ask[j.MAX_WALKS_M] = NO_CHANGE_S, by_arrival, inf
    way_m = haversine_m(tuple(origin), destination[None]).item()
    pickups = places.pickups
    ends = (
        around(ask, places.rows, 0, pickups),
        around(ask, places.rows, pickups, len(places.rows)),
    )
    for found in scan(lines, runs, ask, DAYS, places.rows, np.arange(40)):
        run = int(found[j.RUN])
        pieces = len(lines.points) // 40 - 1
        bound = least_minutes(lines, runs, run, (0, pieces, 0, pieces), ask, way_m, *ends)
        assert bound * 1e6 <= found[j.COST] + 2.0


def test_a_line_that_passes_nowhere_near_is_told_apart_without_joining():
    lines = pack_lines([np.array([[5.0, 43.0], [5.01, 43.0]])], [np.array([0.0, 90.0])])
    rows = np.zeros((1, j.RUN_COLUMNS), np.int32)
    ask = np.zeros(j.ASK_SIZE)
    ask[[j.EARLIEST, j.LATEST]] = -1e4, 1e4
    ask[j.WALK_MIN] = 0.03
    places = np.array([place_row(5.4, 43.3, 600, 0, True), place_row(5.5, 43.3, 600, 0, True)])
    ends = around(ask, places, 0, 1), around(ask, places, 1, 2)
    runs = Runs(rows, np.empty((0, 4)))
    assert least_minutes(lines, runs, 0, (0, 1, 0, 1), ask, 8_000.0, *ends) == inf
