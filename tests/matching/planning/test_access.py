import numpy as np
import pytest
from districts_oracle import away

from matching.planning.access import catchments, nth_nearest_m, reach_m, within_reach


def scattered(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack((rng.uniform(5.3, 5.4, n), rng.uniform(43.2, 43.3, n)))


def metres(one: np.ndarray, other: np.ndarray) -> float:
    return away((one[1], one[0]), (other[1], other[0]))


def test_the_nth_nearest_is_that_of_brute_force() -> None:
    origins, things = scattered(30, 1), scattered(40, 2)
    every = [sorted(metres(origin, thing) for thing in things) for origin in origins]
    expected = np.array([[away[n - 1] for n in (1, 3)] for away in every])
    np.testing.assert_allclose(nth_nearest_m(origins, things, (1, 3)), expected, atol=1e-5)
    limit = float(np.median(expected))
    near = nth_nearest_m(origins, things, (1, 3), within_m=limit)
    np.testing.assert_array_equal(np.isfinite(near), expected <= limit)


def test_nothing_is_within_reach_of_fewer_than_n() -> None:
    found = nth_nearest_m(scattered(3, 1), scattered(1, 2), (1, 2))
    assert np.isfinite(found[:, 0]).all() and np.isinf(found[:, 1]).all()
    assert np.isinf(nth_nearest_m(scattered(3, 1), np.empty((0, 2)), (1,))).all()
    assert nth_nearest_m(np.empty((0, 2)), scattered(3, 1), (1,)).size == 0


def test_a_walk_of_five_minutes_leads_277_metres_through_the_air() -> None:
    assert [round(reach_m(minutes)) for minutes in (5, 10, 15)] == [277, 554, 831]


@pytest.mark.parametrize("seed", range(3))
def test_catchments_are_those_of_the_two_steps_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, within_m = 25, 1500.0
    sites = scattered(n, seed)
    supply, demand = rng.integers(-20, 60, n).astype(float), rng.integers(0, 900, n).astype(float)
    demand[rng.random(n) < 0.3] = 0.0
    terms = rng.integers(0, 6, n)
    near = [[metres(a, b) <= within_m for b in sites] for a in sites]
    served = [sum(demand[i] for i in range(n) if near[i][j]) for j in range(n)]
    share = [1.0 / served[j] if served[j] else 0.0 for j in range(n)]

    def added(values) -> list[float]:
        return [sum(values[j] for j in range(n) if near[i][j]) for i in range(n)]

    found = catchments(within_reach(sites, within_m), supply, terms, demand)
    assert found.rate == pytest.approx(added([supply[j] * share[j] for j in range(n)]))
    assert found.supply == pytest.approx(added(supply))
    assert found.terms.tolist() == added(terms)
    assert found.rate_terms == pytest.approx(added([terms[j] * share[j] ** 2 for j in range(n)]))


def test_all_supply_is_shared_out_among_those_within_reach() -> None:
    """What the rates give to everybody adds up to the supply that anybody can reach."""
    sites, demand = scattered(30, 5), np.arange(1.0, 31.0)
    supply = np.arange(30.0)
    found = catchments(within_reach(sites, 2000.0), supply, np.ones(30, dtype=int), demand)
    assert (found.rate * demand).sum() == pytest.approx(supply.sum())
