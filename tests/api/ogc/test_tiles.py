"""Tiles, decoded by GDAL, which shares no code with what encodes them, against the outlines."""

import math
import zlib
from itertools import pairwise

import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from api.ogc.encoding import EXTENT
from api.ogc.tiles import MARGIN, MAX_ZOOM

EARTH_M = 6_378_137.0
SIDE_M = 2 * math.pi * EARTH_M
TILES = "/collections/{}/tiles/WebMercatorQuad"
needs_gdal = pytest.mark.skipif(
    "MVT" not in pyogrio.list_drivers(), reason="this GDAL has no MVT driver"
)


def mercator(shape):
    """A shape of EPSG:4326 in EPSG:3857, by its definition."""

    def project(lonlat):
        lon, lat = np.radians(lonlat).T
        return EARTH_M * np.column_stack((lon, np.log(np.tan(np.pi / 4 + lat / 2))))

    return shapely.transform(shape, project)


def around(lon, lat, zoom):
    """The tile that a point lies in: row and column."""
    x, y = mercator(shapely.Point(lon, lat)).coords[0]
    return int((SIDE_M / 2 - y) / SIDE_M * 2**zoom), int((x + SIDE_M / 2) / SIDE_M * 2**zoom)


def square(zoom, row, col, margin=0.0):
    """A tile's bounds in EPSG:3857, and some of its sides more."""
    side = SIDE_M / 2**zoom
    west, north = col * side - SIDE_M / 2, SIDE_M / 2 - row * side
    more = margin * side
    return shapely.box(west - more, north - side - more, west + side + more, north + more)


def decoded(path, data, zoom, row, col):
    """Features of a tile as GDAL reads them: properties and shape, EPSG:3857."""
    file = path / f"{zoom}-{row}-{col}.pbf"
    file.write_bytes(data)
    meta, table = pyogrio.read_arrow(f"MVT:{file}", X=col, Y=row, Z=zoom, CLIP=False)
    column = table[meta["geometry_name"] or "wkb_geometry"].to_pylist()
    shapes = shapely.from_wkb(np.array(column, dtype=object))
    return list(zip(table.to_pylist(), shapes, strict=True))


LEAST = {"commune": 0, "arrondissement": 9, "quartier": 11, "iris": 12, "cell": 11}


@needs_gdal
@pytest.mark.parametrize("collection", ["districts", "cells", "zones"])
@pytest.mark.parametrize("zoom", [0, 8, 10, 11, 13, 14, MAX_ZOOM])
@pytest.mark.parametrize("at", [(5.335, 43.285), (5.3149, 43.2749), (5.205, 43.2025)])
def test_a_tile_shows_the_outlines_that_it_meets(town, tmp_path, collection, zoom, at):
    row, col = around(*at, zoom)
    answer = town.get(f"{TILES.format(collection)}/{zoom}/{row}/{col}")
    assert answer.status_code == 200
    features = decoded(tmp_path, answer.content, zoom, row, col) if answer.content else []
    unit_m = SIDE_M / 2**zoom / EXTENT
    inside = square(zoom, row, col, MARGIN / EXTENT)
    wanted = {}
    for level in [
        level for level in town.outlines.levels if (level == "cell") == (collection == "cells")
    ]:
        for code in town.outlines.codes(level):
            part = mercator(town.outlines.outline(code)).intersection(inside)
            if zoom >= LEAST[level] and part.area > 0:
                wanted[code] = part
    found = {told["code"]: shape for told, shape in features}
    # What is smaller than a few units may be gone; what is larger must be there.
    assert set(found) <= set(wanted)
    assert set(wanted) - set(found) <= {
        c for c, part in wanted.items() if part.area < 9 * unit_m**2
    }
    for code, shape in found.items():
        assert shape.is_valid and inside.buffer(0.01 * unit_m).covers(shape)
        # Each edge may have moved by its rounding, and by what is left out of it.
        assert shapely.hausdorff_distance(shape, wanted[code]) < 1.5 * unit_m
        assert shape.symmetric_difference(wanted[code]).area < unit_m * wanted[code].length


@needs_gdal
def test_neighbouring_tiles_meet_without_a_gap_or_an_overlap(town, tmp_path):
    zoom = 14
    row, col = around(5.335, 43.285, zoom)
    parts = []
    for at in ((row, col), (row, col + 1), (row + 1, col), (row + 1, col + 1)):
        answer = town.get(f"{TILES.format('zones')}/{zoom}/{at[0]}/{at[1]}")
        clip = square(zoom, *at)
        for told, shape in decoded(tmp_path, answer.content, zoom, *at):
            if told["level"] == "iris":
                parts.append(shape.intersection(clip))
    unit_m = SIDE_M / 2**zoom / EXTENT
    whole = shapely.union_all([square(zoom, row + i, col + j) for i in (0, 1) for j in (0, 1)])
    town_shape = mercator(shapely.union_all(town.outlines.outlines("iris"))).intersection(whole)
    covered = shapely.union_all(parts, grid_size=unit_m / 16)
    assert covered.symmetric_difference(town_shape).area < unit_m * town_shape.length
    overlap = sum(part.area for part in parts) - covered.area
    assert abs(overlap) < unit_m * sum(part.length for part in parts)


@needs_gdal
def test_a_tile_says_what_the_features_say(town, tmp_path):
    zoom, at = 12, around(5.335, 43.285, 12)
    features = {feature["id"]: feature["properties"] for feature in town.features("districts")}
    answer = town.get(f"{TILES.format('districts')}/{zoom}/{at[0]}/{at[1]}")
    shown = decoded(tmp_path, answer.content, zoom, *at)
    assert len(shown) > 40
    for told, _ in shown:
        said = features[told["code"]]
        names = (
            "name",
            "level",
            "households",
            "households_status",
            "penetration",
            "penetration_status",
        )
        assert {name: told.get(name) for name in names} == {name: said[name] for name in names}
    asked = "code,listings__garde,listings__garde_status"
    chosen = town.get(f"{TILES.format('districts')}/{zoom}/{at[0]}/{at[1]}", properties=asked)
    for told, _ in decoded(tmp_path, chosen.content, zoom, *at):
        said = features[told["code"]]
        assert "households" not in told
        assert told.get("listings__garde") == said["listings__garde"]
        assert told["listings__garde_status"] == said["listings__garde_status"]


@needs_gdal
def test_flows_and_gaps_have_tiles_too(town, tmp_path):
    at = around(5.335, 43.285, 11)
    flows = town.get(f"{TILES.format('flows')}/11/{at[0]}/{at[1]}").content
    lines = decoded(tmp_path, flows, 11, *at)
    assert lines and all(shape.geom_type.endswith("LineString") for _, shape in lines)
    gaps = decoded(
        tmp_path, town.get(f"{TILES.format('gaps')}/11/{at[0]}/{at[1]}").content, 11, *at
    )
    assert {told["category"] for told, _ in gaps} == {"cours", "garde"}


def test_rings_wind_as_tiles_want_them(town):
    """Outer rings by the surveyor's formula positive, holes negative, in a tile's own units."""
    mapbox = pytest.importorskip("mapbox_vector_tile")
    at = around(5.3149, 43.2749, 15)
    data = town.get(f"{TILES.format('zones')}/15/{at[0]}/{at[1]}").content
    told = mapbox.decode(data, default_options={"y_coord_down": True})["zones"]
    holes = 0
    for feature in told["features"]:
        polygons = feature["geometry"]["coordinates"]
        for rings in polygons if feature["geometry"]["type"] == "MultiPolygon" else [polygons]:
            areas = [sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) for ring in rings]
            assert areas[0] > 0 and all(area < 0 for area in areas[1:])
            holes += len(areas) - 1
    assert holes and told["extent"] == EXTENT and told["version"] == 2


@pytest.mark.parametrize("path", ["17/0/0", "3/8/0", "3/0/8", "0/1/0", "3/0/999999999"])
def test_a_tile_that_is_none_is_not_found(town, path):
    answer = town.get(f"{TILES.format('zones')}/{path}")
    assert answer.status_code in (400, 404)
    assert answer.json()["code"] in ("unknown-tile", "invalid-parameter")


@pytest.mark.parametrize("path", ["a/0/0", "0/0/-1", "1.0/0/0", "٣/0/0", "1e1/0/0"])
def test_a_tile_that_is_no_number_is_refused(town, path):
    assert town.get(f"{TILES.format('zones')}/{path}").status_code == 400


def test_other_pyramids_and_properties_are_refused(town):
    other = town.get("/collections/zones/tiles/WorldCRS84Quad/0/0/0")
    assert (other.status_code, other.json()["code"]) == (404, "unknown-tile")
    many = ",".join(name for name in town.features("districts")[0]["properties"])
    for address in ("0/0/0", "tilejson"):
        for properties in ("code,nothing", "", many):
            url = f"{TILES.format('districts')}/{address}"
            refused = town.get(url, properties=properties)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid-parameter")


def test_a_place_without_anything_is_an_empty_tile(town):
    answer = town.get(f"{TILES.format('districts')}/12/0/0")
    assert (answer.status_code, answer.content) == (200, b"")


def test_tilejson_leads_to_tiles_of_the_release_it_was_asked_for(town):
    told = town.get(f"{TILES.format('districts')}/tilejson", release="2026Q2").json()
    (template,) = told["tiles"]
    assert "release=2026Q2&version=1" in template and "{z}/{y}/{x}" in template
    assert told["bounds"] == pytest.approx([5.2, 43.2, 5.38, 43.31])
    (layer,) = told["vector_layers"]
    assert layer["id"] == "districts" and layer["fields"]["penetration"] == "double"
    zoom = layer["minzoom"]
    row, col = around(5.335, 43.285, zoom)
    url = template.replace("{z}/{y}/{x}", f"{zoom}/{row}/{col}")
    assert town.client.get(url).content


@pytest.mark.parametrize("collection", ["districts", "cells"])
def test_a_style_tells_each_status_apart_and_asks_for_what_it_shows(town, collection):
    style = town.get(f"/collections/{collection}/style").json()
    (source,) = style["sources"].values()
    told = town.client.get(source["url"]).json()
    carried = told["vector_layers"][0]["fields"]
    used = {expression[1] for expression in gets(style["layers"])}
    assert used <= set(carried)
    assert {layer["source-layer"] for layer in style["layers"]} == {collection}
    sprite = town.client.get(f"{style['sprite']}.json").json()
    patterns = {layer["paint"].get("fill-pattern") for layer in style["layers"]} - {None}
    assert patterns == {"hidden", "merged"} == set(sprite)
    hatched = [layer for layer in style["layers"] if layer["paint"].get("fill-pattern") == "hidden"]
    assert all(["==", ["get", "penetration_status"], "hidden"] in la["filter"] for la in hatched)
    levels = {layer["filter"][-1] for layer in style["layers"] if layer["type"] == "line"}
    assert levels == ({"cell"} if collection == "cells" else set(town.outlines.levels) - {"cell"})


def gets(node):
    """Each ["get", name] and ["has", name] in a style."""
    if isinstance(node, list) and len(node) == 2 and node[0] in ("get", "has"):
        yield node
    for child in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from gets(child)


def test_gaps_are_coloured_for_one_category_and_part_at_zero(town):
    style = town.get("/collections/gaps/style", category="garde").json()
    carried = town.client.get(style["sources"]["figures"]["url"]).json()["vector_layers"][0]
    assert {one[1] for one in gets(style["layers"])} <= set(carried["fields"])
    for layer in style["layers"]:
        assert ["==", ["get", "category"], "garde"] in layer["filter"]
    iris = next(layer for layer in style["layers"] if layer["id"] == "iris-ok")
    step, what, *colours = iris["paint"]["fill-color"]
    assert (step, what) == ("step", ["get", "gap"]) and 0.0 in colours[1::2]
    assert len(set(colours[::2])) == len(colours[::2])


def test_flows_are_the_wider_the_more_and_dashed_where_they_are_hidden(town):
    style = town.get("/collections/flows/style").json()
    hidden, shown = style["layers"]
    assert ["==", ["get", "status"], "hidden"] in hidden["filter"]
    assert hidden["paint"]["line-dasharray"]
    assert ["==", ["get", "status"], "ok"] in shown["filter"]


def test_outlines_have_a_line_for_each_level(town):
    style = town.get("/collections/zones/style").json()
    assert {layer["type"] for layer in style["layers"]} == {"line"}
    levels = {layer["filter"][-1] for layer in style["layers"]}
    assert levels == set(town.outlines.levels) - {"cell"}


@pytest.mark.parametrize(
    ("collection", "name", "value"),
    [
        ("districts", "measure", "nothing"),
        ("zones", "measure", "penetration"),
        ("gaps", "category", "nothing"),
        ("districts", "category", "garde"),
    ],
)
def test_a_style_of_what_there_is_not_is_refused(town, collection, name, value):
    answer = town.get(f"/collections/{collection}/style", **{name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")


def test_the_patterns_are_a_picture(town):
    data = town.get("/sprite.png").content
    sprite = town.get("/sprite.json").json()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    assert (width, height) == (32, 16)
    start = data.index(b"IDAT") + 4
    pixels = np.frombuffer(zlib.decompress(data[start:-16]), np.uint8).reshape(height, -1)[:, 1:]
    opaque = pixels.reshape(height, width, 4)[..., 3] > 0
    for place in sprite.values():
        shown = opaque[:, place["x"] : place["x"] + place["width"]].mean()
        assert 0 < shown < 1  # lines on nothing
    assert town.get("/sprite@2x.png").content == data


@needs_gdal
@given(st.integers(9, 16), st.floats(5.19, 5.39), st.floats(43.19, 43.32))
def test_no_tile_of_the_town_holds_a_broken_shape(town, tmp_path_factory, zoom, lon, lat):
    row, col = around(lon, lat, zoom)
    answer = town.get(f"{TILES.format('districts')}/{zoom}/{row}/{col}")
    assert answer.status_code == 200
    if answer.content:
        path = tmp_path_factory.getbasetemp()
        assert all(shape.is_valid for _, shape in decoded(path, answer.content, zoom, row, col))
