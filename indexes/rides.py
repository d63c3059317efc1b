"""What a ride is asked with, and found by: the tables of the compiled joining, column by column.

Lines and runs are the index, places and a question are asked; options and what is found are the
kernels' own. As in `indexes.search`, whole arrays are passed and indexed.
"""

from math import cos, radians
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.arrays import FloatArray, IntArray
from geo.distance import EARTH_RADIUS_M

__all__ = ["Lines", "Runs", "days_served", "place_row", "plane_error", "start_ms", "window_ms"]

Ints = npt.NDArray[np.int32]
Whole = int | np.int64

compiled = njit(cache=True, nogil=True, error_model="numpy")

UNIT = 1e7  # coordinates are whole 1e-7 degrees
METRES_PER_DEGREE = radians(1.0) * EARTH_RADIUS_M
# Within some kilometres the plane that touches the Earth at a place errs by less than this.
OFF, NEAR_M = 1.02, 3_000.0
MAX_PASSES = 32  # of a line by one place that count, the first ones


class Lines(NamedTuple):
    """Lines one after another: line i has the points ``first[i]`` to ``first[i + 1] - 1``.

    ``points`` (n, 3) are longitude and latitude in 1e-7 degrees, and milliseconds from the
    line's first point, rising: side by side, since a search reads few points of many lines.
    ``ms`` is that third column.
    """

    first: IntArray
    points: Ints
    ms: Ints


class Runs(NamedTuple):
    """One row for each line and time of day: `LINE` and the other columns of ``rows``.

    ``booked``, float64 (m, 4), are the rides already confirmed: seconds along the line from
    which and to which, the seats, and the delay that may still be put on them, seconds.
    """

    rows: Ints
    booked: FloatArray


# Columns of a run. Its time is of the line's start, or of its end if LEAD_MS is the line's whole
# duration; on DATED runs it is elapsed since midnight, on others it is the clock's.
LINE, SECOND, LEAD_MS, FLEX_BEFORE, FLEX_AFTER, DATED = range(6)
DAY_MASK, FIRST_DAY, LAST_DAY, SEVERAL, SEATS, BUDGET_MS = range(6, 12)
BUILDING, FIRST_BOOKED, BOOKED = range(12, 15)
RUN_COLUMNS = 15

# A place: where, and the walk to it; any point of a line within REACH_M of it if ON_LINE, else
# the place itself, to which a line comes from as far as that.
LON, LAT, COS_LAT, WALK_M, REACH_M, ON_LINE = range(6)

# A question. Seconds count from midnight of the service day; from EDGE_S on the clock is
# SHIFT_S off the time that has passed since then.
EARLIEST, LATEST, ASKED, BY_ARRIVAL, EDGE_S, SHIFT_S, SEATS_NEEDED, MAX_WALKS_M = range(8)
OWN_BUILDING, WALK_MIN, DETOUR_S, ELSEWHERE_MIN, SAME_BUILDING_MIN, LEVEL_MIN = range(8, 14)
UNMATCHED_MIN, PICKUPS = range(14, 16)
ASK_SIZE = 16

# An option: where a place is served, of all times that the line passes by.
PLACE, AT_S, DETOUR, WALK, PIECE, OPT_LON, OPT_LAT, FRACTION = range(8)
# Then the stretch on which the line passes by, the least that the detour can be and what the stop
# costs at least; row i of the last column is which option comes i-th by that.
FIRST_PIECE, LAST_PIECE, LEAST_DETOUR, LEAST_MS, ORDER = range(8, 13)
OPTION_COLUMNS = 13

# What is found: the run, its cost in 1e-6 minutes, pick-up and drop-off in seconds from the line's
# start, detours included; the detour, the shift, and when the line starts as planned, all
# seconds. Then of pick-up and drop-off each the place, the point, the walk, the piece of the
# line and how far along it, and the second of the line there, without detours.
RUN, COST, PICKUP_S, DROPOFF_S, DETOUR_IN_ALL_S, SHIFT, START_S = range(7)
PICKUP, DROPOFF = 7, 14  # each begins seven columns:
F_PLACE, F_LON, F_LAT, F_WALK, F_PIECE, F_FRACTION, F_LINE_S = range(7)
FOUND_COLUMNS = 21


def place_row(
    lon: float, lat: float, reach_m: float, walk_m: float, on_line: bool
) -> tuple[float, float, float, float, float, float]:
    """A row of places."""
    return lon, lat, cos(radians(lat)), walk_m, reach_m, float(on_line)


@compiled
def plane_error(cos_lat: float) -> float:
    """By which share of itself a distance may be wrong on the plane that touches the Earth at a
    place, up to `NEAR_M` from it.

    A thousandth, and more to the north: the cosine of the latitude changes by its tangent times
    half of that.
    """
    return (1.0 + 1.0 / max(cos_lat, 1e-6)) / 1000.0


@compiled
def days_served(runs: Runs, run: Whole, days: IntArray) -> int:
    """On how many of some service days a run takes place, as far as its row tells."""
    rows, served = runs.rows, 0
    for day in days:
        if rows[run, FIRST_DAY] <= day and day <= rows[run, LAST_DAY]:
            served += (rows[run, DAY_MASK] >> ((day + 3) % 7)) & 1
    return served


@compiled
def start_ms(runs: Runs, run: Whole, ask: FloatArray) -> float:
    """When the line begins as planned, milliseconds from midnight of the service day."""
    rows = runs.rows
    second = rows[run, SECOND] * 1.0
    if rows[run, DATED] == 0 and second >= ask[EDGE_S]:
        second += ask[SHIFT_S]
    return float(second * 1000.0 - rows[run, LEAD_MS])


@compiled
def window_ms(runs: Runs, run: Whole, ask: FloatArray) -> tuple[float, float]:
    """The window asked for, widened by the driver's flex, milliseconds from the line's start."""
    begin_ms = start_ms(runs, run, ask)
    return (
        ask[EARLIEST] * 1000.0 - runs.rows[run, FLEX_AFTER] * 1000.0 - begin_ms,
        ask[LATEST] * 1000.0 + runs.rows[run, FLEX_BEFORE] * 1000.0 - begin_ms,
    )
