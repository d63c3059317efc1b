"""geo/cells.py, held to h3's own answers where ours are computed another way."""

import math

import h3
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo.cells import (
    cell_children,
    cell_to_parent,
    cell_to_text,
    cells_to_lonlat,
    cells_to_parents,
    cells_to_polygons,
    cells_within,
    point_to_cell,
    points_to_cells,
    polygon_to_cells,
    text_to_cell,
)
from geo.errors import CoordinateError, InputError, ResolutionError

RADIUS_M = 6_371_008.8

lonlats = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
pentagons = [
    (lon, lat)
    for resolution in (5, 9)
    for lat, lon in map(h3.cell_to_latlng, h3.get_pentagons(resolution))
]
awkward = st.sampled_from(
    [(0.0, 90.0), (12.0, -90.0), (180.0, 0.0), (-180.0, 17.0), (179.9999, -51.0), *pentagons]
)


def moved(origin: tuple[float, float], bearing: float, distance_m: float) -> tuple[float, float]:
    """Where a straight walk on the sphere ends."""
    lon, lat = map(math.radians, origin)
    angle = distance_m / RADIUS_M
    z = math.sin(lat) * math.cos(angle) + math.cos(lat) * math.sin(angle) * math.cos(bearing)
    end_lat = math.asin(max(-1.0, min(1.0, z)))
    end_lon = lon + math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(lat),
        math.cos(angle) - math.sin(lat) * math.sin(end_lat),
    )
    return (math.degrees(end_lon) + 180.0) % 360.0 - 180.0, math.degrees(end_lat)


@given(st.one_of(lonlats, awkward), st.integers(0, 15))
def test_a_point_and_a_column_of_points_get_h3s_cell(point, resolution):
    expected = int(h3.latlng_to_cell(point[1], point[0], resolution), 16)
    assert point_to_cell(point, resolution) == expected
    assert points_to_cells(np.array([point]), resolution).tolist() == [expected]


@given(st.one_of(lonlats, awkward), st.integers(0, 15), st.integers(0, 15))
def test_a_parent_is_h3s_parent(point, one, other):
    fine, coarse = max(one, other), min(one, other)
    cell = h3.latlng_to_cell(point[1], point[0], fine)
    found = cells_to_parents(np.array([int(cell, 16)], np.uint64), coarse)
    assert found.tolist() == [int(h3.cell_to_parent(cell, coarse), 16)]
    assert cell_to_parent(int(cell, 16), coarse) == found[0]


def test_a_coarse_cell_has_no_finer_parent():
    cell = np.array([point_to_cell((5.37, 43.29), 5)], np.uint64)
    with pytest.raises(ResolutionError, match="coarser than resolution 9"):
        cells_to_parents(cell, 9)
    with pytest.raises(ResolutionError, match="coarser than resolution 9"):
        cell_to_parent(int(cell[0]), 9)


def test_children_know_their_parent_and_a_pentagon_has_six():
    for cell, count in (
        (point_to_cell((5.37, 43.29), 8), 7),
        (int(h3.get_pentagons(7)[3], 16), 6),
    ):
        children = cell_children(cell)
        assert len(children) == count and children == sorted(children)
        resolution = cell >> 52 & 15
        assert set(cells_to_parents(np.array(children, np.uint64), resolution).tolist()) == {cell}


@given(
    st.one_of(lonlats, awkward),
    st.floats(0, 2 * math.pi),
    st.floats(0, 1),
    st.floats(0, 4000),
    st.sampled_from([7, 8, 9]),
)
def test_cells_within_loses_no_neighbour(origin, bearing, share, radius_m, resolution):
    target = moved(origin, bearing, share * radius_m * (1 - 1e-9))
    cells = cells_within(origin, radius_m, resolution)
    assert point_to_cell(target, resolution) in cells
    assert len(set(cells.tolist())) == len(cells)


@pytest.mark.parametrize("pentagon", pentagons)
def test_cells_within_loses_no_cell_around_a_pentagon(pentagon):
    rng = np.random.default_rng(7)
    for radius_m in (300.0, 2000.0):
        origin = moved(pentagon, rng.uniform(0, 6.3), rng.uniform(0, 1500))
        cells = set(cells_within(origin, radius_m, 9).tolist())
        for _ in range(200):
            target = moved(origin, rng.uniform(0, 6.3), radius_m * rng.uniform(0.8, 0.999999))
            assert point_to_cell(target, 9) in cells


def test_cells_within_is_not_much_more_than_the_disc():
    cells = cells_within((5.374, 43.2951), 2000, 9)
    needed = math.pi * 2000**2 / 104_000  # mean area of a cell there
    assert needed < len(cells) < 2 * needed


def test_cells_within_stops_once_the_earth_is_covered():
    assert len(cells_within((0.0, 0.0), 30_000_000, 0)) == 122


@pytest.mark.parametrize("radius_m", [-1.0, math.nan, math.inf, 1e6])
def test_cells_within_refuses_what_is_no_radius_or_too_wide(radius_m):
    with pytest.raises(InputError):
        cells_within((5.374, 43.2951), radius_m, 9)


@given(
    st.one_of(st.tuples(st.floats(-179, 179), st.floats(-80, 80)), st.just((-178.0, -14.3))),
    st.floats(1e-5, 0.04),
    st.floats(1e-5, 0.04),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=12),
    st.sampled_from([7, 8, 9]),
)
def test_each_point_of_a_polygon_is_in_its_cover(corner, width, height, shares, resolution):
    outline = shapely.MultiPoint(
        [(corner[0] + width * x, corner[1] + height * y) for x, y in shares]
    ).convex_hull
    if outline.geom_type != "Polygon":
        return
    cover = set(polygon_to_cells(outline, resolution).tolist())
    ring = shapely.get_coordinates(outline)
    edges = np.linspace(ring[:-1], ring[1:], 20).reshape(-1, 2)
    inside = shapely.get_coordinates([shapely.point_on_surface(outline), outline.centroid])
    for point in np.vstack((ring, edges, inside)):
        assert point_to_cell((point[0], point[1]), resolution) in cover


def test_a_cover_holds_cells_that_only_touch_the_polygon():
    block = shapely.box(5.3740, 43.2951, 5.3753, 43.2959)
    centres = set(h3.geo_to_cells(block, 9))
    assert len(centres) < len(polygon_to_cells(block, 9))


def test_a_cover_of_parts_and_holes_follows_them():
    ring = shapely.box(5.30, 43.20, 5.40, 43.30) - shapely.box(5.31, 43.21, 5.39, 43.29)
    islet = shapely.box(5.50, 43.20, 5.5001, 43.2001)
    cover = set(polygon_to_cells(shapely.MultiPolygon([ring, islet]), 9).tolist())
    assert point_to_cell((5.50005, 43.20005), 9) in cover
    assert point_to_cell((5.35, 43.25), 9) not in cover


def test_a_cover_of_a_continent_is_refused():
    with pytest.raises(InputError, match="more than 400000 cells"):
        polygon_to_cells(shapely.box(-10, 40, 20, 60), 9)
    assert len(polygon_to_cells(shapely.box(-10, 40, 20, 60), 3)) > 200


def test_a_polygon_that_ends_at_the_antimeridian_is_covered():
    for west, east in ((179.99, 180.0), (-180.0, -179.99)):
        cover = set(polygon_to_cells(shapely.box(west, -17.01, east, -17.0), 9).tolist())
        assert len(cover) < 200
        for lon in np.linspace(west, east, 30):
            for lat in np.linspace(-17.01, -17.0, 30):
                assert point_to_cell((lon, lat), 9) in cover


@pytest.mark.parametrize(
    "geometry",
    [
        shapely.Point(5, 43),
        shapely.Polygon(),
        shapely.box(0, 84, 1, 86),
        shapely.box(179, 0, 181, 1),
        None,
    ],
)
def test_a_cover_refuses_what_it_cannot_promise(geometry):
    with pytest.raises(CoordinateError):
        polygon_to_cells(geometry, 9)


@pytest.mark.parametrize("point", [(0.0, 91.0), (181.0, 0.0), (math.nan, 0.0), (0.0, math.inf)])
def test_a_point_off_the_earth_is_refused_where_h3_would_answer(point):
    with pytest.raises(CoordinateError):
        point_to_cell(point, 9)
    with pytest.raises(CoordinateError):
        points_to_cells(np.array([point]), 9)


@pytest.mark.parametrize("resolution", [-1, 16])
def test_a_resolution_is_0_to_15(resolution):
    for call in (
        lambda: point_to_cell((0.0, 0.0), resolution),
        lambda: points_to_cells(np.zeros((1, 2)), resolution),
        lambda: cells_to_parents(np.zeros(0, np.uint64), resolution),
        lambda: cell_to_parent(0x893968152ABFFFF, resolution),
        lambda: cells_within((0.0, 0.0), 1.0, resolution),
        lambda: polygon_to_cells(shapely.box(0, 0, 1, 1), resolution),
    ):
        with pytest.raises(ResolutionError):
            call()


@given(st.one_of(lonlats, awkward), st.integers(0, 15))
def test_text_and_cell_are_inverse(point, resolution):
    cell = point_to_cell(point, resolution)
    assert text_to_cell(cell_to_text(cell)) == cell


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "893968152abfff",
        "893968152abffffff",
        "x93968152abffff",
        "093968152abffff",
        "+93968152abffff",
        "８93968152abffff",
        "8f3968152abffff",
    ],
)
def test_what_is_no_cell_is_refused(text):
    with pytest.raises(InputError, match="hexadecimal"):
        text_to_cell(text)


def test_a_centre_lies_in_its_cell():
    cells = points_to_cells(np.random.default_rng(1).uniform((-180, -90), (180, 90), (500, 2)), 9)
    assert np.array_equal(points_to_cells(cells_to_lonlat(cells), 9), cells)
    assert cells_to_lonlat(cells[:0]).shape == (0, 2)


def test_polygons_of_cells_are_h3s_and_share_their_corners():
    france = point_to_cell((5.374, 43.2951), 8)
    cells = np.array([int(c, 16) for c in h3.grid_disk(format(france, "x"), 2)], dtype=np.uint64)
    polygons = cells_to_polygons(cells)
    for cell, polygon in zip(cells.tolist(), polygons, strict=True):
        corners = {(round(lon, 7), round(lat, 7)) for lat, lon in h3.cell_to_boundary(f"{cell:x}")}
        assert set(polygon.exterior.coords) == corners
    assert shapely.contains_xy(polygons, *cells_to_lonlat(cells).T).all()
    # No gap and no overlap: together they are one polygon without holes.
    whole = shapely.union_all(polygons)
    assert whole.geom_type == "Polygon" and not whole.interiors
    assert whole.area == pytest.approx(shapely.area(polygons).sum(), rel=1e-9)


def test_a_pentagons_polygon_has_its_five_sides_and_none_is_made_of_nothing():
    pentagon = int(next(iter(h3.get_pentagons(9))), 16)
    sides = len(cells_to_polygons(np.array([pentagon], dtype=np.uint64))[0].exterior.coords) - 1
    assert sides == len(h3.cell_to_boundary(f"{pentagon:x}"))
    assert cells_to_polygons(np.empty(0, dtype=np.uint64)).shape == (0,)
