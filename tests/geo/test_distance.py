"""geo/distance.py: the one distance equals angles between vectors, and PostGIS."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.distance import EARTH_RADIUS_M, HALF_CIRCUMFERENCE_M, distance_m, haversine_m

lonlats = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
# From centimetres to past the arc where the kernel turns from series to sine and arcsine.
steps = st.tuples(st.floats(0, 360), st.floats(-7, 1.3).map(lambda power: 10.0**power))


def vector(lonlat):
    lon, lat = map(math.radians, lonlat)
    return (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))


def by_vectors(a, b):
    """Angle between two vectors by its half: no haversine, and exact at both ends."""
    u, v = vector(a), vector(b)
    return (
        2
        * EARTH_RADIUS_M
        * math.atan2(math.dist(u, v), math.hypot(*map(sum, zip(u, v, strict=True))))
    )


@given(lonlats, lonlats)
def test_a_distance_is_the_angle_between_two_vectors(a, b):
    # Near the antipodes the haversine flattens: a float's last digit is centimetres there.
    assert distance_m(*a, *b) == pytest.approx(by_vectors(a, b), rel=1e-9, abs=0.2)


@given(lonlats, steps)
def test_a_short_distance_is_right_to_a_hundredth_of_a_millimetre(a, step):
    bearing, degrees = math.radians(step[0]), step[1]
    lat = max(-90.0, min(90.0, a[1] + degrees * math.cos(bearing)))
    lon = (a[0] + degrees * math.sin(bearing) + 540.0) % 360.0 - 180.0
    assert distance_m(*a, lon, lat) == pytest.approx(by_vectors(a, (lon, lat)), rel=1e-12, abs=1e-5)


@given(lonlats, lonlats)
def test_a_distance_is_the_same_there_and_back_and_never_beyond_the_antipodes(a, b):
    there = distance_m(*a, *b)
    assert there == pytest.approx(distance_m(*b, *a), rel=1e-12, abs=1e-6)
    assert 0 <= there <= HALF_CIRCUMFERENCE_M
    assert distance_m(*a, *a) == 0.0


@given(lonlats, st.lists(lonlats, max_size=10))
def test_distances_of_many_are_those_of_each(origin, points):
    found = haversine_m(origin, np.array(points).reshape(-1, 2))
    assert found.tolist() == [distance_m(*origin, *point) for point in points]


def test_the_antimeridian_is_no_border_and_a_pole_is_one_point():
    assert distance_m(-180.0, 10.0, 180.0, 10.0) == pytest.approx(0.0, abs=1e-8)
    assert distance_m(179.9999, 0.0, -179.9999, 0.0) == pytest.approx(22.24, abs=0.01)
    assert distance_m(-120.0, 90.0, 60.0, 90.0) == pytest.approx(0.0, abs=1e-8)
    assert distance_m(0.0, -90.0, 0.0, 90.0) == pytest.approx(HALF_CIRCUMFERENCE_M)
    assert distance_m(10.0, 90.0, 12.0, 90.0) == pytest.approx(0.0, abs=1e-8)
    assert distance_m(10.0, -90.0, 10.0, -89.9999) == pytest.approx(11.12, abs=0.01)


def test_postgis_agrees_within_a_millimetre_over_50_km(postgis_dsn):
    import psycopg

    rng = np.random.default_rng(50)
    origin = (5.3740, 43.2951)
    points = np.round(np.array(origin) + rng.uniform(-0.3, 0.3, (2_000, 2)), 7)
    with psycopg.connect(postgis_dsn) as db:
        rows = db.execute(
            "SELECT ST_Distance(ST_MakePoint(%s, %s)::geography,"
            " ST_MakePoint(lon, lat)::geography, use_spheroid => false)"
            " FROM unnest(%s::float8[], %s::float8[]) WITH ORDINALITY AS p(lon, lat, i) ORDER BY i",
            (*origin, points[:, 0].tolist(), points[:, 1].tolist()),
        ).fetchall()
    theirs = np.array([distance for (distance,) in rows])
    assert np.abs(haversine_m(origin, points) - theirs).max() < 1e-3
