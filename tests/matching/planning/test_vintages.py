from dataclasses import replace

import numpy as np
import pytest
import shapely
from districts_oracle import SIDE, Town, grid_zones, piece_of

from geo import cells_to_polygons
from indexes.district_facts import BUILDING_FACTS
from matching.planning.outlines import Outlines
from matching.planning.pieces import Pieces
from matching.planning.vintages import apportioned

OLD = Outlines(grid_zones())
PIECES = Pieces.of(OLD)
NAMES = list(zip(np.array(PIECES.zones)[PIECES.zone].tolist(), PIECES.cell.tolist(), strict=True))
NOBODY = BUILDING_FACTS.empty_table()


def drawn_anew(shift: float) -> Outlines:
    """Zones of another year: as many, but their limits lie elsewhere."""
    return Outlines(
        [
            replace(
                zone,
                vintage=2025,
                geometry=shapely.transform(zone.geometry, lambda lonlat: lonlat + shift * SIDE),
            )
            for zone in OLD.zones
        ]
    )


def shapes() -> np.ndarray:
    hexagons = cells_to_polygons(PIECES.cell)
    return shapely.intersection(OLD.outlines("iris")[PIECES.zone], hexagons)


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.77])
def test_without_dwellings_pieces_are_shared_by_area(shift: float) -> None:
    new = drawn_anew(shift)
    found = apportioned(PIECES, OLD, new, NOBODY).toarray()
    for k, piece in enumerate(shapes()):
        areas = np.array([piece.intersection(outline).area for outline in new.outlines("iris")])
        total = areas.sum()
        expected = areas / total if total else areas
        assert found[:, k] == pytest.approx(expected, abs=1e-9)


def test_the_same_zones_of_another_year_get_the_same() -> None:
    found = apportioned(PIECES, OLD, drawn_anew(0.0), NOBODY).toarray()
    assert np.array_equal(found.round(9), np.arange(16)[:, None] == PIECES.zone)


def test_pieces_with_dwellings_are_shared_by_these() -> None:
    town, new = Town(list(OLD.zones), 200, 4), drawn_anew(0.4)
    found = apportioned(PIECES, OLD, new, town.facts().buildings).toarray()
    homes = np.zeros_like(found)
    for row in town.rows["buildings"]:
        inside = [
            zone.code
            for zone in new.zones
            if zone.geometry.covers(shapely.Point(row["lon"], row["lat"]))
        ]
        # Within 300 m of a zone counts as there: kept out of this comparison.
        if row["zone"] and inside:
            piece = NAMES.index(piece_of(row, set(NAMES)))
            homes[new.map.index_of(min(inside)), piece] += row["dwellings"] or 0
    outer = shapely.box(*shapely.total_bounds(new.outlines("iris"))).buffer(-0.005)
    compared = 0
    for k, piece in enumerate(shapes()):
        if homes[:, k].sum() and outer.contains(piece):
            compared += 1
            assert found[:, k] == pytest.approx(homes[:, k] / homes[:, k].sum())
    assert compared >= 3


def test_every_piece_is_given_whole_or_not_at_all() -> None:
    buildings = Town(list(OLD.zones), 200, 4).facts().buildings
    for new in (drawn_anew(0.4), drawn_anew(3.5), drawn_anew(50.0)):
        given = apportioned(PIECES, OLD, new, buildings).toarray().sum(axis=0)
        assert np.isin(given.round(9), (0.0, 1.0)).all()
    assert not given.any()


def test_areal_interpolation_is_that_of_tobler() -> None:
    tobler = pytest.importorskip("tobler.area_weighted", reason="tobler is in the extra [bench]")
    geopandas = pytest.importorskip("geopandas")
    new = drawn_anew(0.37)
    counts = np.random.default_rng(1).integers(-5, 60, len(PIECES)).astype(float)
    found = apportioned(PIECES, OLD, new, NOBODY) @ counts
    source = geopandas.GeoDataFrame({"n": counts}, geometry=shapes(), crs="EPSG:4326")
    target = geopandas.GeoDataFrame(geometry=new.outlines("iris"), crs="EPSG:4326")
    # Areas in degrees: over so small a town their ratios are those of metres.
    with pytest.warns(UserWarning):
        theirs = tobler.area_interpolate(source, target, extensive_variables=["n"])
    assert found == pytest.approx(theirs["n"].to_numpy(), abs=1e-4)
