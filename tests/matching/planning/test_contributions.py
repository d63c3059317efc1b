import numpy as np
import pytest
from districts_oracle import NOWHERE, Town, counted, grid_zones
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.planning.contributions import count_flows, count_pieces
from matching.planning.measures import DRAWS, FLOWS, PEOPLE_CATEGORIES
from matching.planning.outlines import Outlines
from matching.planning.pieces import Pieces

ZONES = grid_zones()
OUTLINES = Outlines(ZONES)
PIECES = {
    by_cell: Pieces.of(OUTLINES, empty=[ZONES[5].code], by_cell=by_cell)
    for by_cell in (True, False)
}
NAMES = {
    by_cell: [
        (pieces.zones[zone], cell)
        for zone, cell in zip(pieces.zone.tolist(), pieces.cell.tolist(), strict=True)
    ]
    for by_cell, pieces in PIECES.items()
}


def counts_of(town: Town) -> dict[str, np.ndarray]:
    facts = town.facts()
    return {draw.name: count_pieces(facts, PIECES[draw.by_cell], draw) for draw in DRAWS}


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_plain_python(seed: int) -> None:
    town = Town(ZONES, 120, seed)
    expected = {
        by_cell: counted(town, set(names), PEOPLE_CATEGORIES) for by_cell, names in NAMES.items()
    }
    for draw, counts in zip(DRAWS, counts_of(town).values(), strict=True):
        names = [*NAMES[draw.by_cell], NOWHERE]
        found = {
            (names[i], draw.columns[k]): int(counts[i, k]) for i, k in np.argwhere(counts).tolist()
        }
        right = expected[draw.by_cell][draw.name]
        assert found == {key: n for key, n in right.items() if n}, draw.name


@given(st.integers(0, 10_000), st.integers(0, 39))
@settings(max_examples=15)
def test_one_household_changes_counts_by_no_more_than_the_bound(seed: int, who: int) -> None:
    """All that a household asks, offers and plans, that is: its rows.

    What others learn by its answers isn't its own: whether they were answered, late, unmet or
    matched is counted with the household that asked or travels, whoever answered.
    """
    town = Town(ZONES, 40, seed)
    less = town.without(f"h{who}")
    before, after = counts_of(town), counts_of(less)
    for draw in DRAWS:
        changed = np.abs(before[draw.name] - after[draw.name]).sum()
        assert changed <= draw.bound, draw.name
    for name in ("arrondissement", "iris"):
        flows = (
            count_flows(one.facts(), OUTLINES.level(name), OUTLINES.map.codes)
            for one in (town, less)
        )
        assert np.abs(next(flows) - next(flows)).sum() <= FLOWS.bound


def test_a_household_that_does_everything_reaches_each_bound() -> None:
    town = Town(ZONES, 5, 0)
    one, *others = town.rows["households"]
    home = {name: one[name] for name in ("zone", "cell8")} | {"zone": ZONES[0].code}
    home["cell8"] = int(PIECES[True].cell[0])
    for row in (one, *others):
        row.update(home, building="b0", members=30, weeks=13)
    for row in town.rows["buildings"]:
        row.update(home, households=5 if row["building"] == "b0" else 0)
    mine = {"household": one["household"]}
    town.rows["listings"] = [
        town.rows["listings"][0] | mine | home | {"public": False, "category": word}
        for word in ("garde", "cours", "don")
    ]
    town.rows["requests"] = [town.rows["requests"][0] | mine | home]
    town.rows["trips"] = [
        town.rows["trips"][0] | mine | home | {"role": role, "seats": 50, "to_zone": zone.code}
        for role in ("driver", "passenger")
        for zone in ZONES[:3]
    ]
    before = counts_of(town)
    after = counts_of(town.without(one["household"]))
    for draw in DRAWS:
        assert np.abs(before[draw.name] - after[draw.name]).sum() == draw.bound, draw.name


def test_flows_count_a_household_once_where_most_of_its_trips_go() -> None:
    town = Town(ZONES, 1, 0)
    trip = town.rows["trips"][0] | {"household": "h0", "zone": ZONES[0].code}
    to = (ZONES[9].code, ZONES[1].code, ZONES[9].code, None, None, None)
    town.rows["trips"] = [trip | {"to_zone": zone} for zone in to]
    level = OUTLINES.level("iris")
    flows = count_flows(town.facts(), level, OUTLINES.map.codes)
    assert np.argwhere(flows).tolist() == [[0, level.index[ZONES[9].code]]]
    assert flows.sum() == 1


def test_order_of_rows_changes_nothing() -> None:
    town = Town(ZONES, 60, 3)
    before = counts_of(town)
    for rows in town.rows.values():
        rows.reverse()
    after = counts_of(town)
    assert all(np.array_equal(before[name], after[name]) for name in before)
