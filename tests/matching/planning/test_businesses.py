import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from matching.planning.businesses import business_cells, withheld
from matching.planning.suppression import interval


def test_businesses_are_counted_by_owner() -> None:
    zone = np.array([0, 0, 0, 0, 1, 1, -1])
    category = np.array([0, 0, 0, 1, 0, 0, 0])
    owner = np.array([5, 6, 7, 5, 5, 5, 9])
    totals, hidden = business_cells(zone, category, owner, zones=3, categories=2)
    assert totals.tolist() == [[3, 1], [2, 0], [0, 0]]
    assert hidden.tolist() == [[False, True], [True, False], [False, False]]


@st.composite
def trees(draw):
    """A town, its quartiers and their IRIS, with listings of few owners."""
    quartier_of = draw(st.lists(st.integers(0, 3), min_size=1, max_size=9))
    n = draw(st.integers(0, 25))
    rows = st.lists(st.integers(0, len(quartier_of) - 1), min_size=n, max_size=n)
    owners = st.lists(st.integers(0, 4), min_size=n, max_size=n)
    return np.array(quartier_of), np.array(draw(rows), dtype=int), np.array(draw(owners), dtype=int)


def levels(quartier_of, zone, owner):
    by_level = (np.zeros(len(zone), dtype=int), quartier_of[zone], zone)
    counts = [
        business_cells(at, np.zeros(len(zone), dtype=int), owner, zones, 1)
        for at, zones in zip(by_level, (1, 4, len(quartier_of)), strict=True)
    ]
    parents = [np.array([-1]), np.zeros(4, dtype=int), 1 + quartier_of]
    return parents, [totals for totals, _ in counts], [hidden for _, hidden in counts]


@given(trees())
@settings(max_examples=40)
def test_no_hidden_count_follows_from_the_sums(tree) -> None:
    quartier_of, zone, owner = tree
    parents, totals, hidden = levels(quartier_of, zone, owner)
    found = np.concatenate(withheld(parents, totals, hidden))[:, 0]
    must = np.concatenate(hidden)[:, 0]
    assert (found | ~must).all()  # nothing that had to be hidden is told
    k = len(quartier_of)
    rows = csr_array(
        np.concatenate(
            (np.ones((1, k)), np.arange(4)[:, None] == quartier_of, np.eye(k)), axis=0
        ).astype(float)
    )
    counts = np.concatenate(totals)[:, 0]
    for target in np.flatnonzero(found):
        low, high = interval(rows, counts, found, int(target))
        assert high - low >= 1.0 - 1e-6


def test_hiding_only_what_must_be_is_undone_by_subtraction() -> None:
    """The control: without more hidden, the one shop's count is the town's less the others'."""
    quartier_of, zone = np.array([0, 0]), np.array([0, 0, 0, 0, 1])
    parents, totals, hidden = levels(quartier_of, zone, np.array([0, 1, 2, 3, 4]))
    rows = csr_array(
        np.array([[1, 1], [1, 1], [0, 0], [0, 0], [0, 0], [1, 0], [0, 1]], dtype=float)
    )
    counts = np.concatenate(totals)[:, 0]
    must = np.concatenate(hidden)[:, 0]
    assert interval(rows, counts, must, 6) == pytest.approx((1.0, 1.0))
    also = np.concatenate(withheld(parents, totals, hidden))[:, 0]
    low, high = interval(rows, counts, also, 6)
    assert high - low == pytest.approx(5.0)
