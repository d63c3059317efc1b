import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import distance_m

from geo.errors import CoordinateError, InputError
from geo.lines import along_m, cut, extra_m, locate

points = st.tuples(st.integers(0, 400), st.integers(0, 400)).map(
    lambda xy: (round(5.3 + xy[0] * 1e-3, 7), round(43.2 + xy[1] * 1e-3, 7))
)
lines = st.lists(points, min_size=2, max_size=12)


@given(lines)
def test_a_line_is_as_long_as_its_pieces(line):
    lengths = [distance_m(*a, *b) for a, b in itertools.pairwise(line)]
    np.testing.assert_allclose(
        along_m(line), np.concatenate(([0.0], np.cumsum(lengths))), atol=1e-6
    )


@given(lines, points)
def test_no_point_of_a_line_is_nearer_than_the_one_located(line, place):
    along, metres = locate(line, place)
    assert 0 <= along <= along_m(line)[-1] + 1e-6
    for a, b in itertools.pairwise(line):
        for share in np.linspace(0, 1, 21):
            at = a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
            # The plane errs by about a thousandth at 40 km.
            assert metres <= distance_m(*place, *at) * 1.002 + 0.01


@given(lines, st.floats(0, 1), st.floats(0, 1))
def test_a_part_is_as_long_as_asked_for_and_keeps_the_points_between(line, one, other):
    length = along_m(line)[-1]
    begin, end = sorted((one * length, other * length))
    part = cut(line, begin, end)
    # Straight in degrees is not quite straight on the sphere, and points are rounded.
    assert along_m(part)[-1] == pytest.approx(end - begin, abs=0.5 + 1e-3 * length)
    kept = [tuple(point) for point in part.tolist()]
    for point, along in zip(line, along_m(line), strict=True):
        assert point in kept or not begin < along < end


@given(points, points, points)
def test_a_way_by_a_third_point_is_never_shorter(a, b, via):
    wanted = distance_m(*a, *via) + distance_m(*via, *b) - distance_m(*a, *b)
    assert extra_m(*a, *b, *via) == pytest.approx(max(0.0, wanted), abs=1e-6)


def test_one_point_is_no_line():
    with pytest.raises(InputError, match="two points"):
        locate([(5.0, 43.0)], (5.0, 43.0))


def test_a_part_that_ends_before_it_begins_is_refused():
    with pytest.raises(InputError, match="begin before it ends"):
        cut([(5.0, 43.0), (5.1, 43.0)], 200, 100)


def test_a_point_off_the_earth_is_refused():
    with pytest.raises(CoordinateError):
        along_m([(5.0, 43.0), (5.0, 93.0)])
