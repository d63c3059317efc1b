"""Pairs for a whole town, held to trying everything in plain Python."""

import csv
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import distance_m
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from geo.errors import InputError
from matching.rides.assign import Requests, best_pairs, feasible_pairs

MANHATTAN = (
    Path(__file__).parents[4] / "shared/data/mobility/ridesharing_manhattan" / "requests.csv"
)


def requests(rows):
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Requests(table[:, :2].copy(), table[:, 2:4].copy(), table[:, 4].copy())


def feasible_by_hand(riders, drivers, apart_s, share):
    found = {}
    for j, (a, b, c, d, leaves) in enumerate(drivers):
        way = distance_m(a, b, c, d)
        for i, (e, f, g, h, wants) in enumerate(riders):
            via = distance_m(a, b, e, f) + distance_m(e, f, g, h) + distance_m(g, h, c, d)
            if abs(leaves - wants) <= apart_s and via - way <= share * way:
                found[i, j] = via - way
    return found


def found_as_a_dict(pairs):
    keys = zip(pairs.riders.tolist(), pairs.drivers.tolist(), strict=True)
    return dict(zip(keys, pairs.detour_m.tolist(), strict=True))


def is_near_the_limit(riders, drivers, share):
    """Whether a pair is so near the limit of the detour that the last digit decides."""
    return any(
        abs(detour - share * distance_m(*drivers[j][:4])) < 1e-6
        for (_, j), detour in feasible_by_hand(riders, drivers, 1e18, 1e18).items()
    )


def rides(lon, lat, spread):
    """Five numbers a ride: two doors around a place, and a time in whole minutes."""
    lons = st.floats(lon - spread, lon + spread)
    lats = st.floats(max(lat - spread, -90.0), min(lat + spread, 90.0))
    wrapped = lons.map(lambda x: (x + 180.0) % 360.0 - 180.0)
    one = st.tuples(wrapped, lats, wrapped, lats, st.integers(0, 60).map(lambda m: m * 60.0))
    return st.lists(one, max_size=12)


@st.composite
def towns(draw):
    place = draw(
        st.sampled_from(
            [
                (5.374, 43.2951, 0.03),
                (179.99, -17.0, 0.05),  # on both sides of the antimeridian
                (0.0, 89.9, 0.1),
                (0.0, 0.0, 80.0),  # ways longer than a quarter of the way around the Earth
                (0.0, 0.0, 180.0),
            ]
        )
    )
    return draw(rides(*place)), draw(rides(*place))


@settings(max_examples=150, deadline=None)
@given(towns(), st.sampled_from([0.0, 300.0, 600.0]), st.sampled_from([0.05, 0.2, 1.0]))
def test_feasible_pairs_are_those_of_looking_at_every_pair(town, apart_s, share):
    riders, drivers = town
    if is_near_the_limit(riders, drivers, share):
        return
    found = feasible_pairs(
        requests(riders), requests(drivers), max_apart_s=apart_s, max_detour_share=share
    )
    wanted = feasible_by_hand(riders, drivers, apart_s, share)
    assert found_as_a_dict(found) == pytest.approx(wanted, abs=1e-3)


def test_feasible_pairs_of_more_drivers_than_are_looked_at_together():
    rng = np.random.default_rng(7)

    def some(n):
        ends = rng.normal((5.374, 43.2951, 5.40, 43.31), 0.01, (n, 4))
        return np.column_stack((ends, rng.integers(0, 7_200, n))).tolist()

    riders, drivers = some(90), some(700)
    told = []
    found = feasible_pairs(
        requests(riders), requests(drivers), advance=lambda *done: told.append(done)
    )
    wanted = feasible_by_hand(riders, drivers, 600, 0.2)
    assert len(wanted) > 500
    assert found_as_a_dict(found) == pytest.approx(wanted, abs=1e-3)
    assert len(told) > 3
    assert told == [*sorted(told[:-1]), (700, 700)]


def test_a_driver_who_goes_nowhere_takes_only_who_goes_nowhere_with_him():
    here, there = (5.37, 43.29), (5.38, 43.29)
    driver = requests([(*here, *here, 0.0)])
    riders = requests([(*here, *here, 0.0), (*here, *there, 0.0), (*there, *there, 0.0)])
    assert feasible_pairs(riders, driver).riders.tolist() == [0]


def test_ten_minutes_apart_is_together_and_a_second_more_is_not():
    way = (5.37, 43.29, 5.40, 43.29)
    riders = requests([(*way, 1_000.0), (*way, 2_200.0), (*way, 999.0), (*way, 2_201.0)])
    found = feasible_pairs(riders, requests([(*way, 1_600.0)]))
    assert found.riders.tolist() == [0, 1]


def test_nobody_is_paired_where_there_is_nobody():
    one = requests([(5.37, 43.29, 5.40, 43.29, 0.0)])
    for riders, drivers in ((requests([]), one), (one, requests([])), (requests([]),) * 2):
        assert len(feasible_pairs(riders, drivers)) == 0


def best_by_hand(costs):
    """The most pairs and their least cost, of all ways to give each row a column or none."""
    rows = {row for row, _ in costs}
    columns = sorted({column for _, column in costs})
    most, least = 0, 0
    for order in permutations([*columns, *[None] * len(rows)], len(rows)):
        pairs = [pair for pair in zip(sorted(rows), order, strict=True) if pair in costs]
        cost = sum(costs[pair] for pair in pairs)
        if (-len(pairs), cost) < (-most, least):
            most, least = len(pairs), cost
    return most, least


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 3), st.integers(5, 8)), st.integers(-1_000, 1_000), max_size=12
    ),
    st.randoms(use_true_random=False),
)
def test_best_pairs_are_the_most_and_then_the_cheapest(costs, random):
    pairs = list(costs)
    random.shuffle(pairs)
    rows, columns, cost = (
        np.array(column, np.int64)
        for column in (
            [row for row, _ in pairs],
            [column for _, column in pairs],
            [costs[pair] for pair in pairs],
        )
    )
    chosen = [pairs[i] for i in best_pairs(rows, columns, cost)]
    assert len({row for row, _ in chosen}) == len({column for _, column in chosen}) == len(chosen)
    assert (len(chosen), sum(costs[pair] for pair in chosen)) == best_by_hand(costs)


def test_best_pairs_are_the_same_whatever_the_order_they_come_in():
    rows, columns = np.repeat(np.arange(6), 6), np.tile(np.arange(6), 6)
    equal = np.full(36, 5)
    answers = set()
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(36)
        chosen = order[best_pairs(rows[order], columns[order], equal)]
        answers.add(tuple(chosen.tolist()))
    assert len(answers) == 1


def test_one_pair_more_is_worth_any_cost():
    rows, columns = np.array([0, 0, 1]), np.array([0, 1, 0])
    assert best_pairs(rows, columns, np.array([1, 10**14, 1])).tolist() == [1, 2]


def test_costs_whose_sums_would_be_rounded_are_refused():
    with pytest.raises(InputError, match="apart for 2 pairs"):
        best_pairs(np.array([0, 1]), np.array([0, 1]), np.array([0, 2**50]))


@pytest.mark.skipif(not MANHATTAN.exists(), reason="the data set is not beside the project")
def test_half_an_hour_of_manhattan_has_the_pairs_of_looking_at_every_one():
    with MANHATTAN.open() as file:
        rows = [[float(value) for value in row.values()] for row in csv.DictReader(file)]
    riders, drivers = (
        requests([[*row[3:7], row[8]] for row in rows if row[0] % 2 == odd]) for odd in (1, 0)
    )
    pairs = feasible_pairs(riders, drivers)
    chosen = best_pairs(pairs.riders, pairs.drivers, np.rint(pairs.detour_m * 1000).astype(int))
    assert (len(pairs), len(chosen)) == (88_425, 1_663)
    assert pairs.detour_m[chosen].sum() == pytest.approx(least_by_linear_programming(pairs, 1_663))


def least_by_linear_programming(pairs, most):
    """The least detour of so many pairs: the corners of that problem are whole pairs."""
    n = len(pairs)
    once = [
        csr_array((np.ones(n), (ends, np.arange(n))), shape=(ends.max() + 1, n))
        for ends in (pairs.riders, pairs.drivers)
    ]
    each, all_of_them = vstack(once), csr_array(np.ones((1, n)))
    found = linprog(
        pairs.detour_m,
        A_ub=each,
        b_ub=np.ones(each.shape[0]),
        A_eq=all_of_them,
        b_eq=[most],
        method="highs-ipm",
    )
    assert found.status == 0
    return found.fun
