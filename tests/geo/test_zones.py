"""geo/zones.py and geo/polygons.py, held to a slow oracle and to PostGIS."""

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo.cells import points_to_cells
from geo.errors import CoordinateError, InputError, NotFoundError
from geo.polygons import build_index, covering_polygons
from geo.zones import ZoneMap

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
ZONES_2020 = DATA / "iris_zones_2020.parquet"
needs_data = pytest.mark.skipif(not ZONES_2020.exists(), reason="../shared/data is absent")


def covers(polygon, point) -> bool:
    """The oracle: a ray east in exact fractions, borders included."""
    x, y = map(Fraction, point)
    odd = False
    for ring in [
        r for part in shapely.get_parts(polygon) for r in [part.exterior, *part.interiors]
    ]:
        corners = [tuple(map(Fraction, corner)) for corner in ring.coords]
        for (x1, y1), (x2, y2) in pairwise(corners):
            side = (x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)
            on_line = min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2)
            if side == 0 and on_line:
                return True
            if (y1 > y) != (y2 > y) and (side > 0) == (y2 > y1):
                odd = not odd
    return odd


def away_m(polygon, point) -> float:
    """The oracle: great circles to points strewn densely along the border."""
    border = shapely.get_coordinates(shapely.segmentize(polygon.boundary, 2e-6))
    lon, lat = np.radians(border).T
    lon0, lat0 = map(math.radians, point)
    h = np.sin((lat - lat0) / 2) ** 2
    h += math.cos(lat0) * np.cos(lat) * np.sin((lon - lon0) / 2) ** 2
    return float(2 * 6_371_008.8 * np.arcsin(np.sqrt(h)).min())


def expected(codes, polygons, point):
    """Code and nearest flag by the rules, zone by zone."""
    for code, polygon in sorted(zip(codes, polygons, strict=True), key=lambda pair: pair[0]):
        if covers(polygon, point):
            return code, False
    near = [(away_m(p, point), code) for code, p in zip(codes, polygons, strict=True)]
    away, code = min(near, default=(math.inf, ""))
    if abs(away - 300.0) < 0.01:
        return None  # the oracle is not that fine
    return (code, True) if away < 300.0 else (None, False)


def answers(zones: ZoneMap, points):
    located = zones.locate(np.array(points, dtype=float).reshape(-1, 2))
    return [
        (zones.codes[i] if i >= 0 else None, bool(near))
        for i, near in zip(located.index, located.nearest, strict=True)
    ]


# A coarse lattice makes points on corners and edges, and edges that overlap, the rule.
lattice = st.integers(0, 8).map(lambda i: 5.0 + i / 1024)


@st.composite
def maps(draw):
    polygons = []
    for _ in range(draw(st.integers(1, 5))):
        corners = draw(st.lists(st.tuples(lattice, lattice), min_size=3, max_size=7, unique=True))
        polygon = shapely.make_valid(shapely.Polygon(corners), method="structure")
        if polygon.geom_type in ("Polygon", "MultiPolygon") and not polygon.is_empty:
            polygons.append(polygon)
    codes = draw(st.permutations([f"99000010{i}" for i in range(len(polygons))]))
    return codes, polygons


@given(maps(), st.lists(st.tuples(lattice, lattice), max_size=10), st.integers(0, 2**32 - 1))
def test_locate_equals_exact_fractions_zone_by_zone(zones, points, seed):
    codes, polygons = zones
    rng = np.random.default_rng(seed)
    points = [*points, *map(tuple, rng.uniform(4.995, 5.013, (5, 2)))]
    corners = shapely.get_coordinates(polygons)
    if len(corners):  # midpoints of edges, some of them exact in float64
        points += list(map(tuple, (corners[:-1] + corners[1:])[:10] / 2))
    for point, found in zip(points, answers(ZoneMap(codes, polygons), points), strict=True):
        wanted = expected(codes, polygons, point)
        if wanted is not None:
            same_distance = wanted[1] and found[1] and wanted[0] != found[0]
            if same_distance:  # equally near: the oracle's last digits can't tell
                by_code = dict(zip(codes, polygons, strict=True))
                away = [away_m(by_code[code], point) for code in (wanted[0], found[0])]
                assert abs(away[0] - away[1]) < 0.05
            else:
                assert found == wanted


def test_a_point_lies_in_one_zone_whatever_order_the_zones_come_in():
    west, east = shapely.box(5.0, 43.0, 5.1, 43.1), shapely.box(5.1, 43.0, 5.2, 43.1)
    border = [(5.1, 43.0), (5.1, 43.05), (5.1, 43.1)]
    for codes in (["b", "a"], ["a", "b"]):
        zones = ZoneMap(codes, [west, east])
        assert answers(zones, border) == [("a", False)] * 3
        assert zones.codes == ("a", "b")


def test_a_hole_is_outside_and_its_border_inside():
    harbour = shapely.box(5.36, 43.29, 5.38, 43.30)
    quay = shapely.box(5.35, 43.28, 5.39, 43.31) - harbour
    zones = ZoneMap(["q"], [quay])
    found = answers(zones, [(5.37, 43.295), (5.361, 43.295), (5.36, 43.295), (5.355, 43.295)])
    assert found == [(None, False), ("q", True), ("q", False), ("q", False)]


@pytest.mark.parametrize("lat", [0.0, 43.3, -70.0, 89.0])
def test_the_nearest_zone_ends_at_300_great_circle_metres(lat):
    zones = ZoneMap(["z"], [shapely.box(5.0, lat, 5.1, lat + 0.1)])
    degree_m = math.radians(6_371_008.8)
    points = [(5.05, lat - 299.99 / degree_m), (5.05, lat - 300.01 / degree_m)]
    points += [
        (5.0 - metres / degree_m / math.cos(math.radians(lat + 0.05)), lat + 0.05)
        for metres in (299.9, 300.1)
    ]
    assert [near for _, near in answers(zones, points)] == [True, False, True, False]


def test_the_nearest_of_two_wins_and_the_lowest_code_of_equals():
    left, right = shapely.box(5.0, 43.0, 5.001, 43.01), shapely.box(5.002, 43.0, 5.003, 43.01)
    zones = ZoneMap(["b", "a"], [left, right])
    assert answers(zones, [(5.0014, 43.005), (5.0016, 43.005)]) == [("b", True), ("a", True)]
    twins = ZoneMap(["b", "a"], [left, left])
    assert answers(twins, [(5.0015, 43.005)]) == [("a", True)]


def test_a_zone_is_near_across_the_antimeridian():
    zones = ZoneMap(["e"], [shapely.box(179.9, -17.1, 180.0, -17.0)])
    assert answers(zones, [(-179.999, -17.05), (-179.99, -17.05)]) == [("e", True), (None, False)]
    assert zones.distance_m("e", np.array([[-179.999, -17.05]])) == pytest.approx(106.3, abs=0.1)


def test_a_comb_of_many_long_teeth_stays_small_and_right():
    teeth = 2000
    xs = np.linspace(5.0, 5.2, 2 * teeth + 1)
    ys = np.where(np.arange(2 * teeth + 1) % 2, 43.2, 43.0)
    comb = shapely.Polygon([*zip(xs, ys, strict=True), (5.2, 42.99), (5.0, 42.99)])
    index = build_index(np.array([comb]), 300.0)
    assert len(index.slab_edges) <= 3 * len(index.edges)
    points = np.random.default_rng(4).uniform((5.0, 42.98), (5.2, 43.21), (2000, 2))
    found = covering_polygons(points, index) == 0
    assert np.array_equal(found, shapely.intersects_xy(comb, *points.T))
    assert 500 < found.sum() < 1500


def test_an_empty_map_locates_nothing():
    assert answers(ZoneMap([], []), [(5.0, 43.0)]) == [(None, False)]


def test_no_points_have_no_zones():
    assert answers(ZoneMap(["z"], [shapely.box(0, 0, 1, 1)]), []) == []


def test_distance_is_zero_inside_and_to_the_nearest_part_outside():
    mainland, island = shapely.box(5.3, 43.2, 5.4, 43.3), shapely.box(5.1, 43.2, 5.11, 43.21)
    zones = ZoneMap(["7"], [shapely.MultiPolygon([mainland, island])])
    points = np.array([[5.35, 43.25], [5.3, 43.25], [5.105, 43.205], [5.12, 43.205], [5.29, 43.0]])
    found = zones.distance_m("7", points)
    assert found[:3].tolist() == [0.0, 0.0, 0.0]
    for point, metres in zip(points[3:], found[3:], strict=True):
        assert metres == pytest.approx(
            away_m(shapely.MultiPolygon([mainland, island]), point), abs=0.01
        )


@given(
    st.tuples(st.floats(4.99, 5.03), st.floats(42.99, 43.03)),
    st.lists(st.tuples(st.floats(5, 5.02), st.floats(43, 43.02)), min_size=3, max_size=6),
)
def test_distance_equals_points_strewn_along_the_border(point, corners):
    polygon = shapely.MultiPoint(corners).convex_hull
    if polygon.geom_type != "Polygon" or not polygon.is_valid or polygon.area < 1e-9:
        return
    found = ZoneMap(["z"], [polygon]).distance_m("z", np.array([point])).item()
    if shapely.intersects_xy(polygon, *point):
        assert found == 0.0
    else:
        # The oracle's points are 0.2 m apart: it is never nearer, and hardly farther.
        assert found <= away_m(polygon, point) + 1e-4
        assert found == pytest.approx(away_m(polygon, point), abs=0.12)


@pytest.mark.parametrize(
    ("codes", "polygons", "error"),
    [
        (["a"], [], InputError),
        (["a", "a"], [shapely.box(0, 0, 1, 1)] * 2, InputError),
        (["a"], [shapely.Point(0, 0)], CoordinateError),
        (["a"], [shapely.Polygon()], CoordinateError),
        (["a"], [shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])], CoordinateError),
    ],
)
def test_what_is_no_map_is_refused(codes, polygons, error):
    with pytest.raises(error):
        ZoneMap(codes, polygons)


def test_an_unknown_code_is_not_found():
    zones = ZoneMap(["a"], [shapely.box(0, 0, 1, 1)])
    for ask in (zones.index_of, zones.cover, lambda code: zones.distance_m(code, np.zeros((1, 2)))):
        with pytest.raises(NotFoundError, match="no zone 'b'"):
            ask("b")


@pytest.fixture(scope="module")
def iris():
    table = pq.read_table(ZONES_2020, columns=["code_iris", "geometry"])
    return table["code_iris"].to_pylist(), shapely.from_wkb(table["geometry"].to_numpy())


@needs_data
def test_the_vieux_port_lies_in_estienne_d_orves(iris):
    assert answers(ZoneMap(*iris), [(5.3740, 43.2951)]) == [("132010402", False)]


@needs_data
def test_frioul_is_no_farther_from_the_seventh_than_its_own_shore(iris):
    codes, polygons = iris
    zones = ZoneMap(codes, polygons)
    (island,) = [c for c, _ in answers(zones, [(5.3065, 43.2800)])]
    assert island is not None and island.startswith("13207")
    assert zones.distance_m(island, np.array([[5.3065, 43.2800]])).item() == 0.0


@needs_data
def test_each_point_of_a_real_zone_is_in_its_cover(iris):
    codes, polygons = iris
    zones = ZoneMap(codes, polygons)
    for code, polygon in list(zip(codes, polygons, strict=True))[::7]:
        ring = shapely.get_coordinates(shapely.segmentize(polygon, 2e-4))
        west, south, east, north = polygon.bounds
        inside = np.random.default_rng(3).uniform((west, south), (east, north), (200, 2))
        inside = inside[shapely.intersects_xy(polygon, *inside.T)]
        assert np.isin(points_to_cells(np.vstack((ring, inside)), 9), zones.cover(code)).all()


def border_points(polygons, rng, n):
    """Corners, midpoints and random points of edges."""
    corners = np.vstack([shapely.get_coordinates(shapely.get_parts(p)) for p in polygons])
    ring = np.concatenate(
        [
            shapely.get_coordinates(r)
            for p in polygons
            for r in shapely.get_rings(shapely.get_parts(p))
        ]
    )
    start = rng.integers(0, len(ring) - 1, n)
    t = rng.uniform(0, 1, (n, 1))
    along = ring[start] + t * (ring[start + 1] - ring[start])
    middle = (ring[start] + ring[start + 1]) / 2
    return np.vstack((corners[rng.integers(0, len(corners), n)], along, middle))


@needs_data
def test_100_000_points_lie_where_postgis_says(iris, postgis_dsn):
    import psycopg

    codes, polygons = iris
    rng = np.random.default_rng(2020)
    west, south, east, north = shapely.total_bounds(
        [p for c, p in zip(codes, polygons, strict=True) if c.startswith("132")]
    )
    free = rng.uniform((west, south), (east, north), (70_000, 2))
    points = np.vstack((free, border_points(polygons, rng, 10_000)))
    located = ZoneMap(codes, polygons).locate(points)
    ascending = [*sorted(codes), None]
    ours = [
        ascending[-1 if near else i] for i, near in zip(located.index, located.nearest, strict=True)
    ]
    with psycopg.connect(postgis_dsn) as db, db.cursor() as cursor:
        cursor.execute("CREATE TABLE z (code text, geom geometry(Geometry, 4326))")
        cursor.execute("CREATE TABLE p (id int, geom geometry(Point, 4326))")
        with cursor.copy("COPY z FROM STDIN") as copy:
            for code, polygon in zip(codes, polygons, strict=True):
                copy.write_row(
                    (
                        code,
                        shapely.to_wkb(
                            shapely.set_srid(polygon, 4326), hex=True, include_srid=True
                        ),
                    )
                )
        with cursor.copy("COPY p FROM STDIN") as copy:
            wkb = shapely.to_wkb(
                shapely.set_srid(shapely.points(points), 4326), hex=True, include_srid=True
            )
            for i, text in enumerate(wkb):
                copy.write_row((i, text))
        cursor.execute("CREATE INDEX ON z USING gist (geom)")
        cursor.execute("ANALYZE z; ANALYZE p")
        cursor.execute(
            'SELECT p.id, min(z.code COLLATE "C") FROM p LEFT JOIN z ON ST_Covers(z.geom, p.geom) '
            "GROUP BY p.id ORDER BY p.id"
        )
        theirs = [code for _, code in cursor.fetchall()]
    assert len(theirs) == len(points) == 100_000
    assert sum(code is not None for code in theirs) > 50_000
    assert [i for i, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1]] == []
