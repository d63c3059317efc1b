"""geo/arrays.py: what a point must be, and the one way it is rounded."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.arrays import as_lonlat, rounded
from geo.errors import CoordinateError

# Half a step of the grid away from it, too: there, ways of rounding differ.
halves = st.integers(-1_799_999_999, 1_799_999_999).map(lambda n: float(f"{n}5") / 1e8)
longitudes = st.one_of(st.floats(-180, 180), halves)


@given(st.lists(longitudes, max_size=20))
def test_a_number_and_a_column_of_numbers_are_rounded_alike(degrees):
    column = as_lonlat(np.array([(one, one / 2) for one in degrees]).reshape(-1, 2))[:, 0]
    assert [rounded(one) for one in degrees] == column.tolist()


@given(longitudes)
def test_a_rounded_coordinate_is_a_nearest_one_of_the_grid_and_stays(degrees):
    found = rounded(degrees)
    assert abs(Fraction(found) - Fraction(degrees)) <= Fraction(1, 20_000_000) + Fraction(1, 10**13)
    assert rounded(found) == found == round(found, 7)


def test_what_came_is_left_as_it_was():
    came = np.array([[5.37400000049, 43.2951]])
    assert as_lonlat(came).tolist() == [[5.374, 43.2951]]
    assert came[0, 0] == 5.37400000049


@pytest.mark.parametrize(
    "came",
    [
        (5.0, math.nan),
        (math.inf, 43.0),
        (5.0, 90.0000001),
        (-180.0000001, 43.0),
        (5.0, 43.0, 12.0),
        [[[5.0, 43.0]]],
        ("east", "north"),
        [(5.0, 43.0), (5.0,)],
        None,
    ],
)
def test_what_is_no_point_on_the_earth_is_refused(came):
    with pytest.raises(CoordinateError):
        as_lonlat(came)


def test_a_refusal_names_the_row_and_not_the_place():
    with pytest.raises(CoordinateError, match="row 1 ") as refused:
        as_lonlat([(5.3740123, 43.2951), (5.3740123, 143.2951)])
    assert "5.37" not in str(refused.value) and "143" not in str(refused.value)


def test_no_points_are_points_too():
    assert as_lonlat(np.empty((0, 2))).shape == (0, 2)
