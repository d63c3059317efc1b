"""geo/projection.py, held to published coordinates."""

import numpy as np
import pytest
import shapely

from geo.errors import CoordinateError, InputError, LayoutError
from geo.projection import FRENCH_CRS, crs_document, from_degrees, to_degrees


@pytest.mark.parametrize(
    ("crs", "projected", "lonlat"),
    [
        # The origin of Lambert-93 by its definition (IGN): 3° E, 46.5° N.
        ("EPSG:2154", (700_000.0, 6_600_000.0), (3.0, 46.5)),
        # UTM: the central meridian at the equator.
        ("EPSG:2972", (500_000.0, 0.0), (-51.0, 0.0)),  # Guyane, zone 22 north
        ("EPSG:2975", (500_000.0, 10_000_000.0), (57.0, 0.0)),  # La Réunion, zone 40 south
        ("EPSG:4471", (500_000.0, 10_000_000.0), (45.0, 0.0)),  # Mayotte, zone 38 south
        ("EPSG:5490", (500_000.0, 0.0), (-63.0, 0.0)),  # Antilles, zone 20 north
        ("EPSG:4326", (5.3740, 43.2951), (5.3740, 43.2951)),
        ("OGC:CRS84", (5.3740, 43.2951), (5.3740, 43.2951)),
    ],
)
def test_the_origin_of_each_french_system_is_where_it_is_defined(crs, projected, lonlat):
    (found,) = to_degrees(np.array([shapely.Point(projected)]), crs)
    assert shapely.get_coordinates(found)[0] == pytest.approx(lonlat, abs=1e-9)


def test_the_geometries_given_stay_as_they_are():
    given = np.array([shapely.box(700_000, 6_600_000, 700_100, 6_600_100)])
    to_degrees(given, "EPSG:2154")
    assert given[0].bounds == (700_000, 6_600_000, 700_100, 6_600_100)


def test_an_unknown_system_is_refused():
    with pytest.raises(LayoutError, match="no such coordinate reference system"):
        to_degrees(np.array([shapely.Point(0, 0)]), "EPSG:999999")


def test_a_coordinate_outside_its_system_is_refused():
    with pytest.raises(CoordinateError, match="outside its reference system"):
        to_degrees(np.array([shapely.Point(1e9, 1e9)]), "EPSG:2972")


@pytest.mark.parametrize(
    ("crs", "place"),
    list(
        zip(
            FRENCH_CRS,
            [
                (5.374, 43.2951),
                (5.374, 43.2951),
                (-61.5, 16.2),
                (-52.3, 4.9),
                (55.5, -21.1),
                (45.2, -12.8),
            ],
            strict=True,
        )
    ),
)
def test_there_and_back_is_the_same_place_to_the_millimetre(crs, place):
    given = np.array([shapely.Point(place)])
    back = to_degrees(from_degrees(given, crs), crs)
    assert shapely.get_coordinates(back)[0] == pytest.approx(place, abs=1e-8)
    assert given[0].coords[0] == place


def test_each_system_is_named_as_its_code():
    for crs in FRENCH_CRS:
        found = crs_document(crs)["id"]
        assert f"{found['authority']}:{found['code']}" == crs


@pytest.mark.parametrize("crs", ["EPSG:3857", "epsg:2154", "", "+proj=lcc"])
def test_figures_are_written_in_no_other_system(crs):
    for refused in (
        lambda: from_degrees(np.array([shapely.Point(0, 0)]), crs),
        lambda: crs_document(crs),
    ):
        with pytest.raises(InputError, match="crs must be one of") as error:
            refused()
        assert error.value.code == "unknown-crs"


def test_a_place_that_a_system_has_no_room_for_is_refused():
    with pytest.raises(CoordinateError, match="outside EPSG:2154"):
        from_degrees(np.array([shapely.Point(3.0, -90.0)]), "EPSG:2154")
