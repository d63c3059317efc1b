"""geo/groups.py: the partition's promises, and the cut held to the rule written recursively."""

import h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.cells import cell_children, cells_to_lonlat, cells_to_parents
from geo.errors import InputError
from geo.groups import CellGroups, partition_cells

K = 20
MARSEILLE = int(h3.latlng_to_cell(43.2951, 5.3740, 5), 16)
PENTAGON = int(h3.get_pentagons(5)[2], 16)
NEIGHBOUR = int(sorted(h3.grid_ring(format(MARSEILLE, "x"), 1))[0], 16)


def descend(top: int, digits: list[int]) -> int:
    """A cell of resolution 9, by which child to take at each step."""
    for digit in digits:
        children = cell_children(top)
        top = children[digit % len(children)]
    return top


# Few branches, so that cells share parents; many sizes around k.
cells9 = st.builds(
    descend,
    st.sampled_from([MARSEILLE, MARSEILLE, NEIGHBOUR, PENTAGON]),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
towns = st.dictionaries(cells9, st.sampled_from([0, 1, 3, 10, 19, 20, 21, 40, 300]), max_size=60)


def cut(town: dict[int, int], k: int = K):
    return partition_cells(np.array(list(town), np.uint64), np.array(list(town.values()), int), k)


def lookup(partition):
    return CellGroups(partition.cells)


def oracle(cell: str, town: dict[str, int], k: int) -> list[set[str]]:
    """The published rule word for word, through h3's text interface; empty cells left out."""

    def pop(c):
        return sum(n for c9, n in town.items() if h3.cell_to_parent(c9, h3.get_resolution(c)) == c)

    if h3.get_resolution(cell) == 9:
        return [{cell}]
    children = h3.cell_to_children(cell)
    big = [c for c in children if pop(c) >= k]
    rem = [c for c in children if pop(c) < k]
    while 0 < sum(map(pop, rem)) < k and big:
        smallest = min(big, key=lambda c: (pop(c), c))
        big.remove(smallest)
        rem.append(smallest)
    total = sum(map(pop, rem))
    if not big or 0 < total < k:
        return [{cell}]
    groups = [set(rem)] if total > 0 else []
    return groups + [group for c in big for group in oracle(c, town, k)]


@given(towns)
def test_the_cut_is_the_published_rule(town):
    inhabited = {format(c, "x"): n for c, n in town.items() if n}
    wanted = set()
    for top in {h3.cell_to_parent(c, 5) for c in inhabited}:
        for group in oracle(top, inhabited, K):
            wanted.add(
                frozenset(
                    c
                    for c in inhabited
                    if any(h3.cell_to_parent(c, h3.get_resolution(g)) == g for g in group)
                )
            )
    partition = cut(town)
    groups = lookup(partition).group_of(np.array([int(c, 16) for c in inhabited], np.uint64))
    found = {
        frozenset(c for c, g in zip(inhabited, groups, strict=True) if g == i)
        for i in range(len(partition))
    }
    assert found == wanted


@given(towns)
def test_every_cell_of_an_inhabited_area_is_in_exactly_one_group(town):
    partition = cut(town)
    areas = {
        int(cells_to_parents(np.array([cell], np.uint64), 5)[0]) for cell, n in town.items() if n
    }
    # Disjoint (CellGroups refuses doubles; no ancestor of a member is one) ...
    members = [cell for group in partition.cells for cell in group]
    assert len(set(members)) == len(members)
    for cell in members:
        resolution = cell >> 52 & 15
        above = [
            int(cells_to_parents(np.array([cell], np.uint64), r)[0]) for r in range(5, resolution)
        ]
        assert not set(above) & set(members)
    # ... and as many cells of resolution 9 as the areas have.
    size = sum(h3.cell_to_children_size(format(cell, "x"), 9) for cell in members)
    assert size == sum(h3.cell_to_children_size(format(area, "x"), 9) for area in areas)
    assert all(5 <= cell >> 52 & 15 <= 9 for cell in members)


@given(towns)
def test_a_group_is_locatable_if_and_only_if_it_holds_k(town):
    partition = cut(town)
    groups = lookup(partition)
    found = groups.group_of(np.array(list(town), np.uint64))
    assert [groups.group_of_cell(cell) for cell in town] == found.tolist()
    for i in range(len(partition)):
        held = sum(n for n, group in zip(town.values(), found, strict=True) if group == i)
        assert partition.dwellings[i] == held
        assert partition.locatable[i] == (held >= K)
        if held < K:  # a whole cell of resolution 5
            (cell,) = partition.cells[i]
            assert cell >> 52 & 15 == 5
    assert sum(partition.dwellings) == sum(town.values())


@given(towns, st.randoms(use_true_random=False))
def test_the_cut_does_not_depend_on_the_order_of_the_input(town, random):
    pairs = [(cell, n) for cell, n in town.items()]
    # The same dwellings, in pieces and shuffled.
    pieces = [(c, n // 3) for c, n in pairs] + [(c, n - n // 3) for c, n in pairs]
    random.shuffle(pieces)
    one = cut(town)
    other = partition_cells(
        np.array([c for c, _ in pieces], np.uint64), np.array([n for _, n in pieces], int), K
    )
    assert one.cells == other.cells
    assert np.array_equal(one.lonlat, other.lonlat)
    assert np.array_equal(one.dwellings, other.dwellings)


@given(towns)
def test_distinct_groups_have_distinct_points_each_on_a_cell_of_its_own(town):
    partition = cut(town)
    assert len({tuple(point) for point in partition.lonlat.tolist()}) == len(partition)
    for i, cell in enumerate(partition.point_cells.tolist()):
        assert cell in partition.cells[i]
    assert np.array_equal(partition.lonlat, cells_to_lonlat(partition.point_cells))
    assert partition.point_cells.tolist() == sorted(partition.point_cells.tolist())


@given(towns, cells9)
def test_a_dwelling_more_elsewhere_changes_nothing_in_another_area(town, cell):
    before = cut(town)
    after = cut({**town, cell: town.get(cell, 0) + 7})
    area = int(cells_to_parents(np.array([cell], np.uint64), 5)[0])

    def elsewhere(partition):
        return {
            group
            for group in partition.cells
            if int(cells_to_parents(np.array(group[:1], np.uint64), 5)[0]) != area
        }

    assert elsewhere(before) == elsewhere(after)


def test_empty_siblings_join_the_smallest_and_do_not_move_its_point():
    lone = descend(MARSEILLE, [0, 0, 0, 0])
    partition = cut({lone: 20})
    (group,) = partition.cells
    assert lone in group and len(group) == 1 + 4 * 6
    assert partition.point_cells.tolist() == [lone]


def test_a_remainder_takes_in_the_smallest_big_sibling():
    one, two, three = (descend(MARSEILLE, [0, 0, 0, i]) for i in range(3))
    partition = cut({one: 5, two: 30, three: 25})
    groups = lookup(partition).group_of(np.array([one, two, three], np.uint64))
    assert groups[0] == groups[2] != groups[1]
    assert sorted(partition.dwellings.tolist()) == [30, 30]


def test_under_k_in_a_whole_area_is_no_place():
    partition = cut({descend(MARSEILLE, [1, 1, 1, 1]): 19})
    assert partition.cells == ((MARSEILLE,),)
    assert partition.locatable.tolist() == [False]


def test_nothing_inhabited_is_no_group():
    for town in ({}, {descend(MARSEILLE, [1, 1, 1, 1]): 0}):
        partition = cut(town)
        assert len(partition) == 0 and partition.lonlat.shape == (0, 2)
        assert lookup(partition).group_of(np.array([NEIGHBOUR + 0], np.uint64)[:0]).shape == (0,)


def test_a_cell_of_an_uninhabited_area_is_in_no_group():
    groups = lookup(cut({descend(MARSEILLE, [1, 1, 1, 1]): 50}))
    assert groups.group_of(np.array([descend(NEIGHBOUR, [0, 0, 0, 0])], np.uint64)).tolist() == [-1]
    assert groups.group_of_cell(descend(NEIGHBOUR, [0, 0, 0, 0])) == -1


def test_a_cell_in_two_groups_is_refused():
    with pytest.raises(InputError, match="two groups"):
        CellGroups([[MARSEILLE], [MARSEILLE]])


@pytest.mark.parametrize(
    ("cells", "dwellings", "k"),
    [
        ([descend(MARSEILLE, [0] * 4)], [1, 2], K),
        ([descend(MARSEILLE, [0] * 4)], [-1], K),
        ([descend(MARSEILLE, [0] * 4)], [1.5], K),
        ([descend(MARSEILLE, [0] * 4)], [1], 0),
        ([MARSEILLE], [1], K),
    ],
)
def test_what_are_no_dwellings_per_cell_is_refused(cells, dwellings, k):
    with pytest.raises(InputError):
        partition_cells(np.array(cells, np.uint64), dwellings, k)
