"""A release outlives its zones: outlines of the same vintage may be imported again, moved."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import numpy as np
import pyarrow.compute as pc
import pytest
import shapely
from districts_oracle import Town, grid_zones, little_noise

from api.districts_answers import file_of, within, zone_answer
from api.districts_files import FileFormat
from api.ogc.catalogue import COLLECTIONS, Catalogue
from api.ogc.crs import CRS84
from geo.cells import cell_to_text, point_to_cell
from geo.errors import NotFoundError
from matching.districts import Districts
from matching.planning.drawing import draw_counts
from matching.planning.measures import EPSILONS
from matching.planning.outlines import Outlines
from matching.planning.telling import build_release

ZONES = grid_zones()
GONE = "13202"  # an arrondissement that is in another commune now, with its quartiers and IRIS
MOVED = [
    replace(
        zone,
        geometry=shapely.transform(zone.geometry, lambda xy: np.add(xy, (0.05, 0.0))),
        **({"code": f"13303{zone.code[5:]}", "commune_code": "13303"} if GONE in zone.code else {}),
    )
    for zone in ZONES
]


@pytest.fixture(scope="module")
def districts() -> Districts:
    facts = Town(ZONES, 300, seed=7).facts()
    with little_noise():
        draws = draw_counts(facts, Outlines(ZONES), epsilons=dict.fromkeys(EPSILONS, 8.0))
    now = datetime(2026, 10, 5, tzinfo=UTC)
    release = build_release(facts, Outlines(ZONES), draws, tenant_id="t", version=1, created_at=now)
    return Districts(release, Outlines(MOVED), draws)


def test_all_zones_and_cells_are_still_told(districts):
    for level in districts.levels:
        table = districts.table(level)
        assert table["code"].to_pylist() == list(districts.codes(level))
        for format in (FileFormat.CSV, FileFormat.GEOJSON, FileFormat.GPKG):
            data, written = file_of(districts, level, format, "EPSG:4326")
            assert data and len(written) == len(table)
        everywhere = within(districts, level, (5.0, 43.0, 6.0, 44.0))
        known = ~shapely.is_missing(districts.outlines(level))
        assert everywhere.tolist() == np.flatnonzero(known).tolist()
        for code in districts.codes(level):
            told = zone_answer(districts, code)
            assert (told["zone"], told["level"]) == (code, level) and told["rows"]
        names = table["name"].to_pylist()
        assert names == [zone_answer(districts, code)["name"] for code in districts.codes(level)]


def test_what_is_gone_has_no_name_and_no_outline(districts):
    gone = [code for code in districts.codes("iris") if code.startswith(GONE)]
    assert gone
    for code in (GONE, *gone):
        told = zone_answer(districts, code)
        assert (told["name"], told["commune"], told["type"]) == (code, None, None)
        with pytest.raises(NotFoundError) as refused:
            districts.outline(code)
        assert refused.value.code == "unknown-zone"
    at = districts.codes("iris").index(gone[0])
    assert districts.outlines("iris")[at] is None


def test_a_cell_is_where_it_was_whatever_the_zones_are(districts):
    now = set(districts.zones.codes("cell"))
    before = districts.codes("cell")
    assert set(before) - now
    for code, outline in zip(before, districts.outlines("cell"), strict=True):
        west, south, east, north = outline.bounds
        cell = point_to_cell(((west + east) / 2, (south + north) / 2), 8)
        assert cell_to_text(cell) == code and districts.outline(code).equals(outline)


def test_every_collection_is_there(districts):
    catalogue = Catalogue(districts)
    for id in COLLECTIONS:
        collection = catalogue.collection(id)
        rows = np.arange(len(collection.table))
        features = [msgspec.json.decode(one) for one in collection.view(CRS84).features(rows)]
        assert features and len(features) == len(rows)
        if id != "flows":
            assert len({feature["id"] for feature in features}) == len(features)
    flows = catalogue.collection("flows")
    gone = pc.or_(pc.equal(flows.table["from"], GONE), pc.equal(flows.table["to"], GONE))
    assert shapely.is_missing(flows.geometries[gone.to_numpy()]).all()
