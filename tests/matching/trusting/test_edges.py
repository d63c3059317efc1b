"""Edges weigh what pairs' ratings add up to, and columns that cannot be are refused."""

import numpy as np
import pytest
import trust_oracle as oracle
from hypothesis import given
from trust_worlds import DAY, NOW, N, worlds

from geo.errors import InputError
from matching.trust import TrustGraph
from matching.trusting.edges import to_rows


@given(worlds())
def test_edges_weigh_what_the_pairs_ratings_add_up_to(cols):
    rows = to_rows(cols)
    aged = 2.0 ** (-NOW / (365 * DAY))
    found = {}
    for rater in range(N):
        for edge in range(rows.starts[rater], rows.starts[rater + 1]):
            pair = rows.positive[edge] * aged, rows.negative[edge] * aged
            found[rater, int(rows.ratees[edge])] = pair
    wanted = oracle.pair_weights(cols, NOW)
    assert found.keys() == wanted.keys() | oracle.trust_weights(cols, NOW).keys()
    for pair, weights in found.items():
        assert weights == pytest.approx(wanted.get(pair, (0.0, 0.0)), rel=1e-12)


@pytest.mark.parametrize(
    ("ratings", "members"),
    [
        ([(0, 0, 1.0, NOW)], {}),
        ([(0, 2, 1.0, NOW)], {}),
        ([(-1, 1, 1.0, NOW)], {}),
        ([(0, 1, 1.5, NOW)], {}),
        ([(0, 1, float("nan"), NOW)], {}),
        ([], {"keys": np.zeros(2, np.uint64)}),
        ([], {"verification": np.array([1, 5])}),
        ([], {"standing": np.array([1.0, 2.0])}),
        ([], {"groups": np.zeros(3, int)}),
    ],
)
def test_what_cannot_be_is_refused(ratings, members):
    with pytest.raises(InputError):
        TrustGraph(oracle.columns(2, ratings, **members))


@pytest.mark.parametrize(
    ("listings", "given"),
    [
        ([(5, -1)], []),
        ([(4, 2)], []),
        ([(4, -2)], []),
        ([(4, -1)], [(2, 0, NOW)]),
        ([(4, -1)], [(0, 1, NOW)]),
        ([(4, -1)], [(0, 0, NOW), (0, 0, NOW - DAY)]),
    ],
)
def test_what_cannot_be_recommended_is_refused(listings, given):
    with pytest.raises(InputError):
        TrustGraph(oracle.columns(2, [], [], listings, given))
