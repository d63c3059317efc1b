import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.trips_workload import (
    ANY_TIME,
    DAYS,
    REAL_LINES,
    index_of,
    meeting_points,
    rides,
    transit,
)
from indexes import rides as j
from indexes.endpoints import CELL_M, EndIndex
from indexes.passing import circle_row, passing_lines, shared_ride
from indexes.rides import Runs
from indexes.routes import RouteIndex, pack_lines
from matching.rides.asks import ask_of
from matching.rides.meeting import MeetingPoint, MeetingPoints
from matching.rides.parts import NO_CHANGE_S, Places


def both(index, ask, places, limit):
    """What the search finds, and what joining every run finds: costs, in order."""
    every = np.arange(len(index), dtype=np.int64)
    found = index.search(ask, DAYS, places, limit, every, np.zeros(len(index), np.int8))
    by_hand = index.scan(ask, DAYS, places)
    return found, by_hand[np.argsort(by_hand[:, j.COST], kind="stable")]


def winding_lines(rng, n, lat, spacing_m):
    """Lines through a town of some kilometres, of short pieces or long ones."""
    east = 1 / (j.METRES_PER_DEGREE * np.cos(np.radians(lat)))
    lonlat, times_s = [], []
    for _ in range(n):
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.4, 30))
        steps = spacing_m * rng.uniform(0.5, 1.5, 30)
        x, y = np.cumsum(steps * np.cos(heading)), np.cumsum(steps * np.sin(heading))
        x, y = x - x.mean() + rng.normal(0, 700), y - y.mean() + rng.normal(0, 700)
        lonlat.append(np.round(np.column_stack((5.4 + x * east, lat + y / j.METRES_PER_DEGREE)), 7))
        times_s.append(np.cumsum(steps / rng.uniform(5, 20)))
    return pack_lines(lonlat, [t - t[0] for t in times_s])


def held_to_a_scan(index, asked, limit, meeting=None):
    hits = 0
    for ride in asked:
        places = ride.places
        ask = ride.ask.copy()
        if meeting is not None:
            full = Places.of(ride.origin, ride.destination, 600, meeting)
            places, ask[j.PICKUPS] = full.rows, full.pickups
        found, wanted = both(index, ask, places, limit)
        np.testing.assert_array_equal(found[:, j.COST], wanted[:limit, j.COST])
        if limit >= len(wanted):  # all of them: the very same joins
            key = found[np.argsort(found[:, j.RUN])]
            np.testing.assert_array_equal(key, wanted[np.argsort(wanted[:, j.RUN])])
        hits += len(found)
    assert hits >= len(asked) // 2


@pytest.mark.parametrize("limit", [1, 5, 10_000])
@pytest.mark.parametrize("by_arrival", [False, True])
def test_the_index_finds_what_joining_every_run_finds(limit, by_arrival):
    index = index_of(1_500, seed=3)
    asked = rides(index, 25, seed=4)
    for ride in asked:
        ride.ask[j.BY_ARRIVAL] = by_arrival
        if by_arrival:  # the drop-off, some minutes later
            ride.ask[[j.EARLIEST, j.LATEST, j.ASKED]] += 600.0
    held_to_a_scan(index, asked, limit)
    held_to_a_scan(index, asked[:10], limit, meeting_points(index, 800, seed=5))


def test_real_lines_are_found_like_made_up_ones():
    if not Path(REAL_LINES).exists():
        pytest.skip("real transit lines are not here")
    index = transit(1_500, seed=3)
    asked = rides(index, 15, seed=4)
    held_to_a_scan(index, asked, 10_000)
    held_to_a_scan(index, asked[:8], 5, meeting_points(index, 500, seed=5))


@pytest.mark.parametrize("by_arrival", [False, True])
@given(
    st.integers(0, 2**32),
    st.sampled_from([60.0, 200.0, 1_200.0, 5_000.0]),
    st.sampled_from([0.5, 68.0]),
)
def test_lines_that_wind_around_both_ends_are_joined_as_by_hand(by_arrival, seed, spacing_m, lat):
    rng = np.random.default_rng(seed)
    n = 60
    lines = winding_lines(rng, n, lat, spacing_m)
    rows = np.zeros((n, j.RUN_COLUMNS), np.int32)
    rows[:, j.LINE], rows[:, j.SECOND] = np.arange(n), 30_000 + rng.integers(-2_000, 2_000, n)
    rows[:, j.FLEX_BEFORE] = rows[:, j.FLEX_AFTER] = rng.choice([0, 600], n)
    rows[:, j.DAY_MASK], rows[:, j.LAST_DAY] = 127, 2**31 - 1
    rows[:, j.SEATS], rows[:, j.BUILDING] = 3, -1
    rows[:, j.BUDGET_MS] = rng.choice([60_000, 300_000, 900_000], n)
    index = RouteIndex(lines, Runs(rows, np.empty((0, 4))))
    scatter = rng.normal(0, 0.009, (14, 2)) / (np.cos(np.radians(lat)), 1) + (5.4, lat)
    points = [(lon, lat) for lon, lat in np.round(scatter, 7).tolist()]
    meeting = MeetingPoints([MeetingPoint(f"{i}", "", *at) for i, at in enumerate(points[4:])])
    for stops in (MeetingPoints(), meeting):
        places = Places.of(points[0], points[1], 2_000, stops)
        ask = ask_of(ANY_TIME, places, 1)
        ask[[j.EARLIEST, j.LATEST, j.ASKED]] = 29_500, 30_300, 30_000
        ask[j.EDGE_S], ask[j.BY_ARRIVAL], ask[j.MAX_WALKS_M] = NO_CHANGE_S, by_arrival, np.inf
        for limit in (3, n):
            found, wanted = both(index, ask, places.rows, limit)
            np.testing.assert_array_equal(found[:, j.COST], wanted[:limit, j.COST])


def test_whom_one_trusts_and_lives_with_come_first_as_by_hand():
    index = index_of(2_000, seed=3)
    rng = np.random.default_rng(6)
    index.runs.rows[:, j.BUILDING] = rng.integers(-1, 3, 2_000)
    every, levels = np.arange(2_000, dtype=np.int64), rng.integers(-1, 5, 2_000).astype(np.int8)
    stops = meeting_points(index, 800, seed=5)
    for ride in rides(index, 15, seed=4):
        places = Places.of(ride.origin, ride.destination, 600, stops)
        ask = ride.ask.copy()
        ask[[j.PICKUPS, j.OWN_BUILDING]] = places.pickups, 1
        found = index.search(ask, DAYS, places.rows, 5, every, levels)
        by_hand = index.scan(ask, DAYS, places.rows)
        level = levels[by_hand[:, j.RUN].astype(int)]
        wanted = np.sort((by_hand[:, j.COST] - np.rint(ask[j.LEVEL_MIN] * level * 1e6))[level >= 0])
        np.testing.assert_array_equal(found[:, j.COST], wanted[:5])


def test_hardly_more_runs_are_joined_than_are_told():
    index = index_of(4_000, seed=3)
    stops = meeting_points(index, 800, seed=5)
    everybody = np.arange(4_000, dtype=np.int64), np.zeros(4_000, np.int8)
    told = joined = 0
    for ride in rides(index, 40, seed=4):
        places = Places.of(ride.origin, ride.destination, 600, stops)
        ask = ride.ask.copy()
        ask[j.PICKUPS] = places.pickups
        found, counts = index.counted(ask, DAYS, places.rows, 10, *everybody)
        told, joined = told + len(found), joined + int(counts[3])
    assert told <= joined <= 1.5 * told


@pytest.mark.parametrize("shift_s", [-3_600.0, 3_600.0])
def test_a_clock_that_changes_moves_the_runs_after_it(shift_s):
    index = index_of(1_500, seed=3)
    asked = rides(index, 20, seed=4)
    for ride in asked:
        ride.ask[[j.EDGE_S, j.SHIFT_S]] = 8 * 3_600, shift_s
        ride.ask[[j.EARLIEST, j.LATEST, j.ASKED]] += shift_s
    held_to_a_scan(index, asked, 10_000)


def test_what_does_not_count_is_not_found():
    index = index_of(500, seed=3)
    every = np.arange(500, dtype=np.int64)
    (ride, *_) = rides(index, 1, seed=4)
    all_found = index.search(ride.ask, DAYS, ride.places, 500, every, np.zeros(500, np.int8))
    alive = np.zeros(500, np.int8)
    gone = int(all_found[0, j.RUN])
    alive[gone] = -1
    found = index.search(ride.ask, DAYS, ride.places, 500, every, alive)
    np.testing.assert_array_equal(found, all_found[all_found[:, j.RUN] != gone])


@pytest.mark.parametrize("limit", [3, 2_000])
def test_what_costs_more_than_asked_for_is_not_found_and_all_else_is(limit):
    index = index_of(2_000, seed=3)
    asked = np.arange(2_000, dtype=np.int64), np.zeros(2_000, np.int8)
    told = 0
    for ride in rides(index, 10, seed=4):
        found = index.search(ride.ask, DAYS, ride.places, limit, *asked)
        for most in (*found[:, j.COST], found[0, j.COST] - 1.0):
            cheap = index.search(ride.ask, DAYS, ride.places, limit, *asked, most)
            np.testing.assert_array_equal(cheap, found[found[:, j.COST] <= most])
            told += 0 < len(cheap) < len(found)
    assert told


def test_an_index_of_nothing_finds_nothing():
    index = RouteIndex(
        pack_lines([], []), Runs(np.empty((0, j.RUN_COLUMNS), np.int32), np.empty((0, 4)))
    )
    (ride, *_) = rides(index_of(50, seed=3), 1, seed=4)
    nobody = np.empty(0, np.int64), np.empty(0, np.int8)
    assert len(index.search(ride.ask, DAYS, ride.places, 5, *nobody)) == 0


lonlat = st.tuples(st.floats(5.2, 5.6), st.floats(43.1, 43.5))


@settings(max_examples=30)
@given(
    st.lists(st.tuples(lonlat, lonlat), min_size=1, max_size=30),
    st.lists(lonlat, min_size=2, max_size=6),
)
def test_rides_that_begin_and_end_near_a_line_are_all_found(pairs, line):
    origins, destinations = (np.array([pair[end] for pair in pairs]) for end in (0, 1))
    found = set(EndIndex(origins, destinations).along(np.array(line)).tolist())
    for row, ends in enumerate(pairs):
        if all(off_m(line, end) < CELL_M for end in ends):
            assert row in found


def off_m(line, place):
    """How far a place is from a line, on the plane, by trying many of its points."""
    shares = np.linspace(0, 1, 400)[:, None]
    tried = np.vstack(
        [np.array(a) + shares * (np.array(b) - np.array(a)) for a, b in itertools.pairwise(line)]
    )
    scale = j.METRES_PER_DEGREE * np.array([np.cos(np.radians(place[1])), 1.0])
    return np.hypot(*((tried - np.array(place)) * scale).T).min()


def test_places_without_meeting_points_are_the_two_ends():
    places = Places.of((5.37, 43.29), (5.40, 43.30), None, MeetingPoints())
    assert (len(places.rows), places.pickups, places.meeting) == (2, 1, (-1, -1))


@pytest.mark.parametrize("radius_m", [400.0, 2_000.0, 5_000.0, 9_000.0])
def test_runs_that_pass_two_circles_are_those_of_all_lines_looked_at(radius_m):
    index = index_of(800, seed=3)
    every = np.arange(len(index.lines.first) - 1)
    few = False
    for ride in rides(index, 20, seed=4):
        circles = [circle_row(*end, radius_m) for end in (ride.origin, ride.destination)]
        found = index.passing(*circles)
        by_hand = passing_lines(index.lines, every, *circles)[index.runs.rows[:, j.LINE]]
        ridden = np.empty((2, 5))
        for run in np.flatnonzero(by_hand & ~found):
            line = int(index.runs.rows[run, j.LINE])
            assert shared_ride(index.lines, line, -np.inf, np.inf, *circles, ridden) < 0.0
        assert not (found & ~by_hand).any()
        few |= found.sum() < len(index) / 4
    assert few or radius_m > 2_000
