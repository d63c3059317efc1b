import numpy as np
import pytest
from districts_oracle import Town, grid_zones
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from geo.errors import InputError
from matching.planning.outlines import Outlines
from matching.planning.suppression import exact_table, interval, suppressed


def table_of(groups: list[int]) -> csr_array:
    """Leaves, their groups, and everything."""
    k = len(groups)
    of_group = np.arange(max(groups) + 1)[:, None] == np.array(groups)
    return csr_array(np.concatenate((np.eye(k), of_group, np.ones((1, k)))))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=9),
    st.integers(2, 15),
)
@settings(max_examples=40)
def test_every_interval_of_a_hidden_count_is_as_wide_as_the_threshold(cells, threshold) -> None:
    rows = table_of([group for group, _ in cells])
    leaves = np.array([count for _, count in cells])
    counts = rows @ leaves
    hidden = suppressed(rows, leaves, threshold)
    assert hidden[(counts > 0) & (counts < threshold)].all()
    for target in np.flatnonzero(hidden):
        low, high = interval(rows, counts, hidden, int(target))
        assert low - 1e-6 <= counts[target] <= high + 1e-6
        assert high - low >= threshold - 1e-5


def test_small_counts_alone_hidden_are_had_by_subtraction() -> None:
    """The control: the audit finds what a table that hides too little gives away."""
    rows, leaves = table_of([0, 0, 1, 1]), np.array([5, 60, 30, 40])
    counts = rows @ leaves
    only = (counts > 0) & (counts < 11)
    assert interval(rows, counts, only, 0) == pytest.approx((5.0, 5.0))
    enough = suppressed(rows, leaves)
    low, high = interval(rows, counts, enough, 0)
    assert high - low >= 11.0


def test_a_table_without_small_counts_is_told_whole() -> None:
    assert not suppressed(table_of([0, 0, 1]), np.array([11, 0, 500])).any()


def test_a_lone_small_count_takes_its_sums_with_it() -> None:
    assert suppressed(table_of([0]), np.array([4])).tolist() == [True, True, True]


def test_an_exact_table_tells_what_it_tells_exactly() -> None:
    zones = grid_zones()
    town = Town(zones, 150, seed=1)
    outlines = Outlines(zones)
    table = exact_table(town.facts(), outlines)
    of_zone = [row["zone"] for row in town.rows["households"] if row["zone"]]
    assert np.isnan(table.value).any() and not np.isnan(table.value).all()
    for level, code, value in zip(table.level, table.zone, table.value, strict=True):
        inside = sum(zone == code or code in outlines.parents(zone) for zone in of_zone)
        assert np.isnan(value) or value == inside, level
        assert not 0 < inside < 11 or np.isnan(value)


def test_an_exact_table_knows_declared_categories_only() -> None:
    zones = grid_zones()
    facts = Town(zones, 20, seed=1).facts()
    assert len(exact_table(facts, Outlines(zones), "garde").zone)
    with pytest.raises(InputError) as caught:
        exact_table(facts, Outlines(zones), "drogue")
    assert caught.value.code == "unknown-category"
