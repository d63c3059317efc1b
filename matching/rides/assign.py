"""Pairs for a whole town at once: most of them first, then at the least cost together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numba import njit
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching, min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from geo.arrays import BoolArray, FloatArray, IntArray, LonLatArray
from geo.distance import EARTH_RADIUS_M, distance_m
from geo.errors import InputError
from geo.kernels import forget_stale
from geo.sphere import on_sphere

__all__ = ["Pairs", "Requests", "best_pairs", "feasible_pairs"]

# Costs are whole numbers in floats: below this every sum and difference of them is exact.
MOST_COST = 2**50

SLACK_S = 1e-3  # sums of seconds round; the difference of two, which decides, hardly does
AT_ONCE = 256  # drivers whose candidates are in memory together


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Rides asked for, or driven: row i of every column is one of them.

    ``origins`` and ``destinations`` are degrees, EPSG:4326; ``early_s`` is when they begin at
    the earliest, seconds from any instant that is the same for all.
    """

    origins: LonLatArray  # (n, 2)
    destinations: LonLatArray  # (n, 2)
    early_s: FloatArray  # (n,)

    def __len__(self) -> int:
        return len(self.early_s)

    def only(self, rows: BoolArray) -> "Requests":
        """Some of them: those marked, in the same order."""
        return Requests(self.origins[rows], self.destinations[rows], self.early_s[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Who may go with whom, each pair once: rows of riders and drivers, and the detour."""

    riders: IntArray  # (n,)
    drivers: IntArray  # (n,)
    detour_m: FloatArray  # (n,)

    def __len__(self) -> int:
        return len(self.riders)


def best_pairs(rows: IntArray, columns: IntArray, costs: IntArray) -> IntArray:
    """Of pairs that are possible the most, and of all ways to have so many the cheapest.

    Parameters
    ----------
    rows, columns : ndarray of int64, shape (n,)
        Who may be paired with whom: numbers from 0. Each pair once, in any order.
    costs : ndarray of int64, shape (n,)
        Of each pair, in whole units of any kind; may be negative.

    Returns
    -------
    ndarray of int64, shape (k,)
        Which pairs are chosen, by row: no row twice, no column twice. k is the greatest
        possible, and no other k pairs cost less together.

    Raises
    ------
    InputError
        If the costs are so far apart that their sums would not be exact.

    Notes
    -----
    Hopcroft and Karp's algorithm tells k. Then each row is given a column of its own, to stay
    alone, which costs more than any k pairs. One more pair changes k pairs or fewer, so it always
    pays, and the cheapest way to give every row a column has k pairs. It is found by shortest
    augmenting paths (`min_weight_full_bipartite_matching`).

    References
    ----------
    J. E. Hopcroft, R. M. Karp, "An n^5/2 algorithm for maximum matchings in bipartite graphs",
    SIAM J. Comput. 2 (1973). R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for
    dense and sparse linear assignment problems", Computing 38 (1987).

    Examples
    --------
    The cheapest pair alone, 0 with 0, would leave 1 without anybody:

    >>> best_pairs(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([1, 7, 2]))
    array([1, 2])
    """
    if not len(rows):
        return np.empty(0, np.int64)
    order = np.lexsort((columns, rows))  # equal answers, whatever the order of the pairs
    row_names, row = np.unique(rows[order], return_inverse=True)
    column_names, column = np.unique(columns[order], return_inverse=True)
    n, m = len(row_names), len(column_names)
    possible = csr_array((np.ones(len(row), np.int8), (row, column)), shape=(n, m))
    most = int((maximum_bipartite_matching(possible, perm_type="column") >= 0).sum())
    # A constant on every pair changes nothing among equal numbers of them; none may be 0.
    cost = costs[order] - int(costs.min()) + 1
    alone = most * int(cost.max()) + 1
    if alone > MOST_COST:
        raise InputError(f"costs must be less than {MOST_COST // most} apart for {most} pairs")
    own = np.arange(n)
    table = csr_array(
        (
            np.concatenate((cost, np.full(n, alone))).astype(np.float64),
            (np.concatenate((row, own)), np.concatenate((column, m + own))),
        ),
        shape=(n, m + n),
    )
    chosen_rows, chosen_columns = min_weight_full_bipartite_matching(table)
    paired = chosen_columns < m
    keys = row * m + column  # ascending, as rows and columns are sorted
    found = np.searchsorted(keys, chosen_rows[paired] * m + chosen_columns[paired])
    chosen: IntArray = order[found]
    return chosen


def feasible_pairs(
    riders: Requests,
    drivers: Requests,
    *,
    max_apart_s: float = 600.0,
    max_detour_share: float = 0.2,
    advance: Callable[[int, int], object] = lambda done, drivers: None,
) -> Pairs:
    """Which riders a driver can take from door to door, on straight lines.

    A pair is feasible if the two begin at most ``max_apart_s`` apart, and the detour by way of
    both doors of the rider is at most ``max_detour_share`` of the driver's own way.

    Parameters
    ----------
    riders, drivers : Requests
        Who rides and who drives.
    max_apart_s : float
        Seconds.
    max_detour_share : float
        Of the driver's way, zero or more.
    advance : callable
        Told for how many drivers riders were looked for, and of how many, now and then.

    Returns
    -------
    Pairs
        All feasible ones, by driver, then rider.

    Notes
    -----
    A driver of way D who goes by way of a rider's door passes the middle of his own way at
    (1 + share) D / 2 at most: turn the triangle by half around that middle, and its two copies
    make a way from the door to its copy that is no longer than (1 + share) D. So both doors
    are looked for in that circle at once, in a tree of six dimensions: the two doors' places on
    the unit sphere. On a sphere the turn tells nothing of what is farther than a quarter of the
    way around it; where that could count, on ways of thousands of kilometres, all are looked at.

    Examples
    --------
    >>> def one(origin, destination, early_s):
    ...     return Requests(np.array([origin]), np.array([destination]), np.array([early_s]))
    >>> driver = one((5.37, 43.29), (5.41, 43.29), 0.0)
    >>> on_the_way, against_it = (5.38, 43.29), (5.40, 43.29)
    >>> len(feasible_pairs(one(on_the_way, against_it, 600.0), driver))
    1
    >>> len(feasible_pairs(one(against_it, on_the_way, 600.0), driver))
    0
    """
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    done = 0
    by_time = np.argsort(riders.early_s, kind="stable")
    times_s = riders.early_s[by_time]
    doors = np.hstack((on_sphere(riders.origins), on_sphere(riders.destinations)))[by_time]
    starts, ends = on_sphere(drivers.origins), on_sphere(drivers.destinations)
    middles = starts + ends
    middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-300)
    for block, low_s, high_s in _at_one_time(drivers.early_s, max_apart_s):
        first = int(np.searchsorted(times_s, low_s - max_apart_s - SLACK_S, side="left"))
        last = int(np.searchsorted(times_s, high_s + max_apart_s + SLACK_S, side="right"))
        tree = cKDTree(doors[first:last])
        for begin in range(0, len(block), AT_ONCE):
            some = block[begin : begin + AT_ONCE]
            ways_m = _ways_m(drivers.origins[some], drivers.destinations[some])
            reach = _reach(ways_m, max_detour_share)
            near = tree.query_ball_point(np.tile(middles[some], 2), reach)
            counts = [len(one) for one in near]
            driver = np.repeat(some, counts)
            of_tree = np.fromiter(chain.from_iterable(near), np.int64, len(driver))
            rider = by_time[first + of_tree]
            kept = np.abs(drivers.early_s[driver] - riders.early_s[rider]) <= max_apart_s
            driver, rider = driver[kept], rider[kept]
            ways_m = np.repeat(ways_m, counts)[kept]
            detour_m = _vias_m(
                drivers.origins, drivers.destinations, driver,
                riders.origins, riders.destinations, rider,
            ) - ways_m  # fmt: skip
            kept = detour_m <= max_detour_share * ways_m
            found.append((rider[kept], driver[kept], np.maximum(detour_m[kept], 0.0)))
            done += len(some)
            advance(done, len(drivers))
    if not found:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    rider, driver, detour = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((rider, driver))
    return Pairs(rider[order], driver[order], detour[order])


def _at_one_time(times_s: FloatArray, most_s: float) -> Iterator[tuple[IntArray, float, float]]:
    """Rows in stretches of time, each at most as long as given; with its first and last."""
    order = np.argsort(times_s, kind="stable")
    sorted_s = times_s[order]
    begin = 0
    while begin < len(order):
        low_s = float(sorted_s[begin])
        end = int(np.searchsorted(sorted_s, low_s + most_s, side="right"))
        yield order[begin:end], low_s, float(sorted_s[end - 1])
        begin = end


def _reach(ways_m: FloatArray, share: float) -> FloatArray:
    """How far from the middle of a way two doors can be, as a chord in six dimensions."""
    half_round_m = np.pi * EARTH_RADIUS_M
    far_m = np.where(
        (2.0 + share) * ways_m < half_round_m, (1.0 + share) * ways_m / 2.0, half_round_m
    )
    chords = 2.0 * np.sin(np.minimum(far_m / EARTH_RADIUS_M, np.pi) / 2.0)
    # The last digits are the haversine's, which decides.
    reach: FloatArray = np.sqrt(2.0) * chords * (1.0 + 1e-9) + 1e-12
    return reach


@njit(cache=True, nogil=True)
def _ways_m(origins: LonLatArray, destinations: LonLatArray) -> FloatArray:
    found = np.empty(len(origins))
    for i in range(len(origins)):
        found[i] = distance_m(origins[i, 0], origins[i, 1], destinations[i, 0], destinations[i, 1])
    return found


@njit(cache=True, nogil=True)
def _vias_m(
    starts: LonLatArray, ends: LonLatArray, drivers: IntArray,
    origins: LonLatArray, destinations: LonLatArray, riders: IntArray,
) -> FloatArray:  # fmt: skip
    """Each driver's way by way of a rider's two doors."""
    found = np.empty(len(drivers))
    for i in range(len(drivers)):
        a, b = starts[drivers[i]], ends[drivers[i]]
        p, d = origins[riders[i]], destinations[riders[i]]
        found[i] = (
            distance_m(a[0], a[1], p[0], p[1])
            + distance_m(p[0], p[1], d[0], d[1])
            + distance_m(d[0], d[1], b[0], b[1])
        )
    return found


forget_stale(_vias_m, "geo.distance")
