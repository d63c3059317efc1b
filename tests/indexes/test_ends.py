"""Bounds told by an entry where they are nearest to being too high: worlds made for one branch."""

from math import cos, inf, radians

import numpy as np
import pytest

from benchmarks.trips_workload import ANY_TIME, DAYS
from indexes import rides as j
from indexes.rides import Runs, place_row
from indexes.routes import RouteIndex, pack_lines
from indexes.stretches import CELL_DEGREES, CELL_M
from matching.rides.asks import ask_of
from matching.rides.meeting import MEETING_REACH_M, MeetingPoints
from matching.rides.parts import NO_CHANGE_S, Places

M_S = 20.0
ROW, COLUMN = 9_629, 874  # in Provence
LINE_Y = 0.98  # at the northern edge of its cells
STARTS_S = 30_000


def at(x, y):
    """A place, told in cells of the grid; the line below is as far north as its columns need."""
    lat = (ROW + y) * CELL_DEGREES
    column_degrees = CELL_DEGREES / cos(radians((ROW + LINE_Y) * CELL_DEGREES))
    return round((COLUMN + x) * column_degrees, 7), round(lat, 7)


def driven_along(*xs):
    """One run eastwards through some points of a row of cells, at `M_S`."""
    line = np.array([at(x, LINE_Y) for x in xs])
    times_s = (np.array(xs) - xs[0]) * CELL_M / M_S
    row = np.zeros((1, j.RUN_COLUMNS), np.int32)
    row[0, [j.SECOND, j.DAY_MASK, j.LAST_DAY, j.SEATS]] = STARTS_S, 127, 2**31 - 1, 3
    row[0, j.BUILDING], row[0, j.BUDGET_MS] = -1, 900_000
    return RouteIndex(pack_lines([line], [times_s]), Runs(row, np.empty((0, 4))))


def asked(places, pickups, by_arrival, asked_s, window_s):
    ends = tuple(places[0, :2]), tuple(places[pickups, :2])
    ask = ask_of(ANY_TIME, Places.of(*ends, None, MeetingPoints()), 1)
    ask[[j.EARLIEST, j.LATEST]] = np.array(window_s) + STARTS_S
    ask[j.ASKED] = asked_s + STARTS_S
    ask[[j.EDGE_S, j.BY_ARRIVAL, j.MAX_WALKS_M]] = NO_CHANGE_S, by_arrival, inf
    ask[j.PICKUPS] = pickups
    return ask


def on_line(x, y=LINE_Y):
    return place_row(*at(x, y), 600.0, 0.0, on_line=True)


def stop(x, y=LINE_Y):
    return place_row(*at(x, y), MEETING_REACH_M, 0.0, on_line=False)


def assert_found_at_its_own_cost(index, ask, places):
    """What costs just as much as is asked for at most is lost if a bound is any higher."""
    (joined,) = index.scan(ask, DAYS, places)
    every = np.zeros(1, np.int64), np.zeros(1, np.int8)
    found = index.search(ask, DAYS, places, 1, *every, joined[j.COST])
    np.testing.assert_array_equal(found, [joined])
    return joined


@pytest.mark.parametrize("by_arrival", [False, True])
def test_a_stop_that_the_window_moves_away_from_its_meeting_point_costs_no_more(by_arrival):
    # The meeting point is on the piece, so that it adds nothing; the window begins 975 m behind
    # it (or ends as far before), in a cell that is 825 m away.
    def mirrored(x):
        return 8.0 - x if by_arrival else x

    index = driven_along(*sorted(map(mirrored, (0.1, 3.9, 7.7))))
    first_x = min(mirrored(0.1), mirrored(7.7))
    met, other = mirrored(1.35), mirrored(7.05)
    edge_s = (mirrored(3.3) - first_x) * CELL_M / M_S
    near, far = [on_line(met), stop(met)], [on_line(other)]
    places = np.array(far + near if by_arrival else near + far)
    window_s = (edge_s - 900.0, edge_s) if by_arrival else (edge_s, edge_s + 900.0)
    joined = assert_found_at_its_own_cost(
        index, asked(places, 1 if by_arrival else 2, by_arrival, edge_s, window_s), places
    )
    assert places[int(joined[(j.DROPOFF if by_arrival else j.PICKUP) + j.F_PLACE]), j.ON_LINE] == 0
    assert joined[j.DETOUR_IN_ALL_S] == 0.0
    assert joined[j.DROPOFF_S if by_arrival else j.PICKUP_S] == pytest.approx(edge_s, abs=0.01)


@pytest.mark.parametrize("by_arrival", [False, True])
def test_two_stops_off_one_piece_cost_less_than_each_alone(by_arrival):
    index = driven_along(0.1, 3.9)
    north = LINE_Y + 950.0 / CELL_M
    ends = (0.95, north), (3.05, north)
    places = np.array([row(*end) for end in ends for row in (on_line, stop)])
    there_s = (ends[by_arrival][0] - 0.1) * CELL_M / M_S
    window_s = there_s - 900.0, there_s + 900.0
    joined = assert_found_at_its_own_cost(
        index, asked(places, 2, by_arrival, there_s, window_s), places
    )
    assert joined[j.PICKUP + j.F_PIECE] == joined[j.DROPOFF + j.F_PIECE] == 0
    alone_s = 2 * 0.13 * (2 * np.hypot(950, 950) - 1_900)
    assert 0 < joined[j.DETOUR_IN_ALL_S] < 0.85 * alone_s
