"""The clients that planners use, against a server on a port: GDAL, and with it QGIS; OWSLib.

What a client filters by must reach the server, or it would pull a whole country to show a street.
"""

import json
import math
import shutil
import subprocess
import sys

import numpy as np
import ogc_town
import pyogrio
import pytest
import shapely
from owslib.ogcapi.features import Features
from waiting import PATIENCE_S

from geo.projection import from_degrees

EARTH_M = 6_378_137.0
HAS_DRIVER = "OAPIF" in pyogrio.list_drivers()
needs_gdal = pytest.mark.skipif(not HAS_DRIVER, reason="this GDAL has no OAPIF driver")
needs_ogrinfo = pytest.mark.skipif(not shutil.which("ogrinfo"), reason="ogrinfo is not installed")


@pytest.fixture(autouse=True, scope="module")
def patience():
    """GDAL waits for an answer without end: here, should it keep the server from giving one."""
    pyogrio.set_gdal_config_options({"GDAL_HTTP_TIMEOUT": 60})
    yield
    pyogrio.set_gdal_config_options({"GDAL_HTTP_TIMEOUT": None})


@pytest.fixture
def asked(town):
    """What the server is asked for during the test."""
    town.log.clear()
    return town.asked


def read(address, layer, **options):
    """A layer as GDAL reads it: its head, ids, and shapes by id."""
    meta, table = pyogrio.read_arrow(f"OAPIF:{address}", layer=layer, **options)
    ids = table["id"].to_pylist()
    column = table[meta["geometry_name"] or "wkb_geometry"]
    shapes = shapely.from_wkb(np.array(column.to_pylist(), dtype=object))
    return meta, table, dict(zip(ids, shapes, strict=True))


@needs_gdal
def test_gdal_lists_every_collection_with_its_type(address):
    layers = dict(pyogrio.list_layers(f"OAPIF:{address}").tolist())
    many = "MultiPolygon"
    assert layers == {
        "districts": many, "cells": many, "flows": "LineString", "gaps": many, "zones": many,
    }  # fmt: skip


@needs_gdal
def test_gdal_reads_what_the_release_says_and_draws(address, town):
    meta, table, shapes = read(address, "districts")
    features = {feature["id"]: feature for feature in town.features("districts")}
    assert "CRS84" in meta["crs"]
    assert set(shapes) == set(features) and table.num_rows == len(features)
    for row in table.to_pylist():
        told = features[row["id"]]["properties"]
        assert {name: row[name] for name in told} == told
        assert shapely.equals(shapes[row["id"]], town.outlines.outline(row["id"]))
    types = dict(zip(meta["fields"], meta["dtypes"], strict=True))
    assert types["households"] == "float64" and types["vintage"] == "int32"


@needs_gdal
@pytest.mark.parametrize("size", [7, 25, 50, 1000])
def test_gdal_pages_through_all_features_each_once(address, town, asked, size):
    _, table, shapes = read(address, "cells", PAGE_SIZE=size)
    assert table["id"].to_pylist() == town.ids("cells")
    assert len(shapes) == table.num_rows == len(town.outlines.codes("cell"))
    pages = [params for params in asked(of="cells") if params["limit"] == str(size)]
    assert len(pages) >= -(-len(shapes) // size)


@needs_gdal
def test_an_attribute_filter_of_gdal_reaches_the_server(address, town, asked):
    _, table, _ = read(address, "districts", where="level = 'iris' AND type = 'A'")
    assert any(
        {"level": "iris", "type": "A"}.items() <= params.items() for params in asked(of="districts")
    )
    assert table["id"].to_pylist() == town.ids("districts", level="iris", type="A") != []


@needs_gdal
def test_a_whole_number_of_gdal_reaches_the_server(address, town, asked):
    _, table, _ = read(address, "zones", where="vintage = 2020 AND level = 'commune'")
    assert any(params.get("vintage") == "2020" for params in asked(of="zones"))
    assert table["id"].to_pylist() == ["13055"]


@needs_gdal
def test_a_feature_of_gdal_is_asked_for_by_its_id(address, town):
    town.log.clear()
    _, table, _ = read(address, "gaps", where="id = '132010100-garde'")
    assert "/ogc/collections/gaps/items/132010100-garde" in [request.path for request in town.log]
    assert table["zone"].to_pylist() == ["132010100"]


@needs_gdal
def test_a_box_of_gdal_reaches_the_server(address, town, asked):
    box = (5.302, 43.262, 5.318, 43.268)
    _, table, _ = read(address, "districts", bbox=box)
    assert any(
        np.allclose([float(n) for n in params["bbox"].split(",")], box)
        for params in asked(of="districts")
        if "bbox" in params
    )
    wanted = [
        code
        for level in ("iris", "quartier", "arrondissement", "commune")
        for code in town.outlines.codes(level)
        if town.outlines.outline(code).intersects(shapely.box(*box))
    ]
    assert table["id"].to_pylist() == wanted
    assert 0 < len(wanted) < 20


@needs_gdal
def test_gdal_reads_lambert_93(address, town, asked):
    meta, _, shapes = read(address, "zones", CRS="EPSG:2154")
    assert meta["crs"] == "EPSG:2154"
    assert any(params.get("crs", "").endswith("EPSG/0/2154") for params in asked(of="zones"))
    codes = list(shapes)
    wanted = from_degrees(np.array([town.outlines.outline(code) for code in codes]), "EPSG:2154")
    off_m = shapely.hausdorff_distance(wanted, np.array([shapes[code] for code in codes]))
    assert off_m.max() < 0.01 and 880_000 < shapes[codes[0]].centroid.x < 900_000


@needs_gdal
def test_a_box_of_gdal_in_lambert_93_reaches_the_server(address, town, asked):
    (centre,) = from_degrees(np.array([town.outlines.outline("132010100").centroid]), "EPSG:2154")
    box = shapely.buffer(centre, 50.0).bounds
    _, table, _ = read(address, "zones", CRS="EPSG:2154", bbox=box)
    assert table["id"].to_pylist() == ["132010100", "1320101", "13201", "13055"]
    assert any(params.get("bbox-crs", "").endswith("EPSG/0/2154") for params in asked(of="zones"))


@needs_gdal
def test_gdal_draws_flows_between_points_of_the_zones_and_none_within_one(address, town):
    _, table, shapes = read(address, "flows")
    assert table.num_rows > 0 and set(table["status"].to_pylist()) == {"ok", "hidden"}
    for row in table.to_pylist():
        line = shapes[row["id"]]
        if row["from"] == row["to"]:
            assert line is None
        else:
            start, end = (shapely.Point(line.coords[at]) for at in (0, -1))
            assert start.within(town.outlines.outline(row["from"]))
            assert end.within(town.outlines.outline(row["to"]))


READ_TILES = """
import json, pyogrio, sys
url, x, y = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
box = (x - 5, y - 5, x + 5, y + 5)
_, table = pyogrio.read_arrow(url, layer="Zoom level 0", API="TILES", bbox=box)
print(json.dumps(table["code"].to_pylist()))
"""


@pytest.mark.skipif("OGCAPI" not in pyogrio.list_drivers(), reason="this GDAL reads no tiles")
def test_gdal_finds_its_way_to_the_tiles_and_reads_the_zones_it_asked_about(address, town):
    town.log.clear()
    centre = town.outlines.outline("132010101").centroid
    x = math.radians(centre.x) * EARTH_M
    y = EARTH_M * math.asinh(math.tan(math.radians(centre.y)))
    # In a process of its own: here this driver would keep the server from answering.
    done = subprocess.run(
        [sys.executable, "-c", READ_TILES, f"OGCAPI:{address}/collections/zones", str(x), str(y)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert any("/tiles/WebMercatorQuad/0/" in asked.path for asked in town.log)
    assert json.loads(done.stdout) == ["13055"]  # at that zoom all others are specks


@needs_ogrinfo
def test_ogrinfo_filters_on_the_server(address, town, asked):
    command = ["ogrinfo", "-ro", "-al", "-so", "-where", "level = 'commune'"]
    done = subprocess.run(
        [*command, f"OAPIF:{address}", "districts"],
        capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    assert "Feature Count: 1" in done.stdout
    assert any(params.get("level") == "commune" for params in asked(of="districts"))


def test_owslib_reads_everything_it_asks_about(address, town):
    client = Features(f"{address}/")
    assert set(client.feature_collections()) == {"districts", "cells", "flows", "gaps", "zones"}
    assert client.conformance()["conformsTo"]
    assert client.api()["openapi"].startswith("3.0")
    collection = client.collection("districts")
    assert collection["storageCrs"] in collection["crs"]
    assert client.collection_queryables("districts")["properties"]["households"]["type"] == "number"
    page = client.collection_items("districts", limit=3)
    assert [feature["id"] for feature in page["features"]] == town.ids("districts")[:3]
    assert client.collection_item("districts", "13055")["properties"]["level"] == "commune"


@pytest.mark.parametrize(
    "filter, lang",
    [
        ("level = 'quartier' AND households BETWEEN 3 AND 9", "cql2-text"),
        ({"op": "and", "args": [
            {"op": "=", "args": [{"property": "level"}, "quartier"]},
            {"op": "between", "args": [{"property": "households"}, 3, 9]},
        ]}, "cql2-json"),
    ],
)  # fmt: skip
def test_owslib_filters_on_the_server(address, town, asked, filter, lang):
    text = filter if isinstance(filter, str) else json.dumps(filter)
    page = Features(f"{address}/").collection_items(
        "districts", **{"filter": text, "filter-lang": lang}
    )
    assert asked(of="districts")[-1]["filter"] == text
    told = [feature["properties"]["households"] for feature in page["features"]]
    assert told == [3.0, 6.0] and page["numberMatched"] == 2


def test_what_qgis_asks_before_and_while_it_filters_is_answered(address, town):
    """The requests that its provider makes, in their order and in its own words."""
    classes = town.get("/conformance").json()["conformsTo"]
    for wanted in (
        "cql2/1.0/conf/basic-cql2",
        "cql2/1.0/conf/cql2-text",
        "cql2/1.0/conf/advanced-comparison-operators",
        "cql2/1.0/conf/case-insensitive-comparison",
        "cql2/1.0/conf/basic-spatial-functions",
        "ogcapi-features-3/1.0/conf/filter",
        "ogcapi-features-3/1.0/conf/features-filter",
        "ogcapi-features-2/1.0/conf/crs",
    ):
        assert f"http://www.opengis.net/spec/{wanted}" in classes
    document = town.get("/api").json()
    limit = document["components"]["parameters"]["limit"]["schema"]
    assert (limit["default"], limit["maximum"]) == (100, 10_000)
    parameters = document["paths"]["/collections/districts/items"]["get"]["parameters"]
    simple = {p["name"] for p in parameters if p.get("style") == "form" and p["explode"] is False}
    queryables = town.get("/collections/districts/queryables").json()["properties"]
    assert queryables["geometry"]["$ref"].startswith("https://geojson.org/schema/")
    assert "type" not in queryables["geometry"]  # with one it would be taken for a property
    typed = {name for name, schema in queryables.items() if isinstance(schema.get("type"), str)}
    assert typed == set(queryables) - {"geometry"} and typed - {"release"} <= simple
    asked = {
        "limit": 1000,
        "filter": "(((\"level\" = 'iris') AND (CASEI(name) LIKE CASEI('%ESTAQUE%'))) AND "
        "S_INTERSECTS(geometry,BBOX(880000,6240000,900000,6260000)))",
        "filter-lang": "cql2-text",
        "filter-crs": "http://www.opengis.net/def/crs/EPSG/0/2154",
        "bbox": "880000,6240000,900000,6260000",
        "bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/2154",
        "crs": "http://www.opengis.net/def/crs/EPSG/0/2154",
    }
    answer = town.get("/collections/districts/items", **asked)
    names = [f["properties"]["name"] for f in answer.json()["features"]]
    assert names == [zone.name for zone in ogc_town.zones() if "Estaque" in zone.name]
