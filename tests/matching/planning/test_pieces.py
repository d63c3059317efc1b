from dataclasses import replace

import h3
import numpy as np
import pyarrow as pa
import pytest
import shapely
from districts_oracle import Town, grid_zones, piece_of

from geo import cells_to_polygons
from matching.planning.outlines import Outlines
from matching.planning.pieces import Pieces, level_weights, own_weights, piece_shares

ZONES = grid_zones()
OUTLINES = Outlines(ZONES)
PIECES = Pieces.of(OUTLINES)
NAMES = list(zip(np.array(PIECES.zones)[PIECES.zone].tolist(), PIECES.cell.tolist(), strict=True))


def test_pieces_come_by_zone_and_cell_each_once() -> None:
    assert sorted(set(NAMES)) == NAMES
    assert {zone for zone, _ in NAMES} == {zone.code for zone in ZONES}
    assert all(h3.get_resolution(format(cell, "x")) == 8 for _, cell in NAMES)


def test_pieces_cover_all_but_slivers_of_each_zone() -> None:
    for zone in ZONES:
        cells = [cell for code, cell in NAMES if code == zone.code]
        covered = shapely.union_all(cells_to_polygons(np.array(cells, dtype=np.uint64)))
        left = zone.geometry.difference(covered).area
        assert left < 0.15 * zone.geometry.area


def test_pieces_are_no_slivers() -> None:
    zone_of = {zone.code: zone.geometry for zone in ZONES}
    for code, cell in NAMES:
        hexagon = cells_to_polygons(np.array([cell], dtype=np.uint64))[0]
        whole = min(zone_of[code].area, hexagon.area)
        assert zone_of[code].intersection(hexagon).area >= 0.05 * whole * (1.0 - 1e-9)


def test_zones_where_nobody_can_live_have_no_piece() -> None:
    pieces = Pieces.of(OUTLINES, empty=[ZONES[5].code])
    assert ZONES[5].code not in pieces.zones
    assert len(pieces) == sum(code != ZONES[5].code for code, _ in NAMES)


@pytest.mark.parametrize("seed", range(3))
def test_every_row_is_placed_in_its_piece_or_the_nearest_of_its_zone(seed: int) -> None:
    facts = Town(ZONES, 150, seed).facts()
    zone, cell = facts.households["zone"], facts.households["cell8"]
    far = int(h3.latlng_to_cell(48.85, 2.35, 8), 16)  # in Paris, and said to be in the first zone
    zone = pa.chunked_array([*zone.chunks, pa.array([ZONES[0].code, "nowhere", None])])
    cell = pa.chunked_array([*cell.chunks, pa.array([far] * 3, pa.uint64())])
    names = set(NAMES)
    for place, code, at in zip(
        PIECES.place(zone, cell), zone.to_pylist(), cell.to_pylist(), strict=True
    ):
        expected = piece_of({"zone": code, "cell8": at}, names)
        assert ([*NAMES, ("", 0)])[place] == expected


def test_pieces_that_are_whole_zones_take_every_cell() -> None:
    whole = Pieces.of(OUTLINES, by_cell=False)
    facts = Town(ZONES, 80, 1).facts()
    zone, cell = facts.households["zone"], facts.households["cell8"]
    for place, code in zip(whole.place(zone, cell), zone.to_pylist(), strict=True):
        assert (*whole.zones, None)[place] == code
    weights = level_weights(whole, OUTLINES, own_weights(whole, OUTLINES))
    assert "cell" not in weights
    assert weights["commune"].toarray().tolist() == [[1.0] * len(ZONES)]


def test_pieces_are_those_of_brute_force() -> None:
    """Two tiles' worth of zones, each laid over with cells on its own."""
    far = [replace(zone, code=f"13203{zone.code[5:]}") for zone in grid_zones(2)]
    far = [
        replace(zone, geometry=shapely.transform(zone.geometry, lambda x: x + 1)) for zone in far
    ]
    outlines = Outlines([*ZONES, *far])
    expected = []
    for i, zone in enumerate(outlines.zones):
        cells = outlines.map.cover(zone.code, 8)
        hexagons = cells_to_polygons(cells)
        areas = [zone.geometry.intersection(hexagon).area for hexagon in hexagons]
        for cell, hexagon, area in zip(cells.tolist(), hexagons, areas, strict=True):
            if area >= 0.05 * min(hexagon.area, zone.geometry.area) or area == max(areas):
                expected.append((i, cell, pytest.approx(area)))
    assert list(zip(*(column.tolist() for column in outlines.pieces), strict=True)) == expected


def test_nothing_is_placed_where_there_is_no_piece() -> None:
    none = Pieces((), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64))
    facts = Town(ZONES, 20, 0).facts()
    placed = none.place(facts.households["zone"], facts.households["cell8"])
    assert (placed == 0).all() and len(placed) == 20


def test_every_zone_of_every_level_is_a_sum_of_pieces() -> None:
    weights = level_weights(PIECES, OUTLINES, own_weights(PIECES, OUTLINES))
    for level in OUTLINES.levels:
        for i, code in enumerate(OUTLINES.codes(level)):
            inside = [
                code in (zone, *OUTLINES.parents(zone), format(cell, "x")) for zone, cell in NAMES
            ]
            assert weights[level].toarray()[i].tolist() == [float(flag) for flag in inside]


def test_a_zones_dwellings_spread_by_its_buildings_else_by_its_area() -> None:
    town = Town(ZONES, 60, 2)
    bare = ZONES[0].code
    for row in town.rows["buildings"]:
        if row["zone"] == bare:
            row["dwellings"] = None
    shares = piece_shares(OUTLINES, town.facts().buildings)
    for zone in ZONES:
        mine = [i for i, (code, _) in enumerate(NAMES) if code == zone.code]
        assert shares[mine].sum() == pytest.approx(1.0)
        dwellings = dict.fromkeys(mine, 0)
        for row in town.rows["buildings"]:
            if row["zone"] == zone.code:
                at = NAMES.index(piece_of(row, set(NAMES)))
                dwellings[at] += row["dwellings"] or 0
        if total := sum(dwellings.values()):
            assert shares[mine].tolist() == pytest.approx([dwellings[i] / total for i in mine])
        else:
            hexagons = cells_to_polygons(PIECES.cell[mine])
            area = np.array([zone.geometry.intersection(hexagon).area for hexagon in hexagons])
            assert shares[mine] == pytest.approx(area / area.sum())
