"""Polygons from outside: simple, small enough, or refused with a reason and without a place."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.questions import area_m2, polygon_of
from api.schemas import MAX_VERTICES, PolygonIn
from geo.distance import EARTH_RADIUS_M
from geo.errors import InputError


def outline(*rings):
    return PolygonIn(type="Polygon", coordinates=[list(ring) for ring in rings])


SQUARE = ((5.36, 43.29), (5.39, 43.29), (5.39, 43.31), (5.36, 43.31), (5.36, 43.29))
HOLE = ((5.37, 43.295), (5.38, 43.295), (5.38, 43.3), (5.37, 43.3), (5.37, 43.295))
circle = [(5.37 + 0.01 * np.cos(a), 43.3 + 0.01 * np.sin(a)) for a in np.linspace(0, 6.28, 1_001)]


def test_a_polygon_keeps_its_holes_and_drops_heights():
    polygon = polygon_of(outline([(*point, 12.0) for point in SQUARE], HOLE))
    assert polygon.equals(shapely.Polygon(SQUARE, [HOLE]))
    assert not polygon.has_z


@pytest.mark.parametrize(
    "rings, reason",
    [
        ([((5, 43), (6, 44), (6, 43), (5, 44), (5, 43))], "self-intersection"),
        ([SQUARE[:-1]], "closed"),
        ([SQUARE[:2] + SQUARE[:1]], "fewer than four"),
        ([()], "fewer than four"),
        ([[(5.0, 43.0)] * 4], "not simple"),
        ([HOLE, SQUARE], "hole lies outside"),
        ([[*circle, circle[0]]], "vertices"),
        ([((5, 43), (9, 43), (9, 46), (5, 46), (5, 43))], "larger"),
        ([((-179, 0), (179, 0), (179, 0.001), (-179, 0.001), (-179, 0))], "antimeridian"),
    ],
)
def test_what_is_no_sound_polygon_is_refused_with_the_reason(rings, reason):
    with pytest.raises(InputError, match=reason) as refused:
        polygon_of(outline(*rings))
    assert refused.value.code == "invalid-polygon"
    assert not any(digit in str(refused.value) for digit in ("43", "5.3", "["))


def test_as_many_vertices_as_are_allowed_are_taken():
    ring = [*circle[: MAX_VERTICES - 1], circle[0]]
    assert polygon_of(outline(ring)).is_valid


@pytest.mark.parametrize("kind", ["MultiPolygon", "Point", "polygon"])
def test_another_geometry_is_refused(kind):
    with pytest.raises(ValidationError):
        PolygonIn(type=kind, coordinates=[SQUARE])


@given(st.floats(-179, 170), st.floats(-89, 80), st.floats(0.001, 9.0), st.floats(0.001, 9.0))
def test_the_area_of_a_box_is_that_of_its_spherical_zone(west, south, wide, high):
    box = shapely.box(west, south, west + wide, south + high)
    band = np.sin(np.radians(south + high)) - np.sin(np.radians(south))
    assert area_m2(box) == pytest.approx(EARTH_RADIUS_M**2 * np.radians(wide) * band, rel=1e-6)
