"""Drawing commands computed for all polygons at once, against the library's, one by one."""

import mapbox_vector_tile
import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from api.ogc.encoding import EXTENT, OPTIONS, encode_layer

WHOLE = st.integers(-64, EXTENT + 64)
PROPERTIES = st.dictionaries(
    st.sampled_from(["code", "n", "x", "big"]),
    st.one_of(st.text(max_size=3), st.integers(0, 9), st.floats(0, 9), st.booleans(), st.none()),
)


def boxes():
    return st.builds(
        lambda x, y, w, h: shapely.box(x, y, x + w, y + h),
        WHOLE, WHOLE, st.integers(1, 400), st.integers(1, 400),
    )  # fmt: skip


def shapes():
    """Areas with parts, holes and corners between, on whole units."""
    some = st.lists(boxes(), min_size=1, max_size=4).map(shapely.union_all)
    less = st.lists(boxes(), max_size=3).map(shapely.union_all)
    cut = st.builds(lambda a, b: shapely.difference(a, b, grid_size=1.0), some, less)
    turned = cut.map(shapely.orient_polygons)
    return turned.filter(lambda shape: shape.area > 0)


@given(st.lists(st.tuples(shapes(), PROPERTIES), min_size=1, max_size=4))
def test_a_tile_is_byte_for_byte_the_librarys(told):
    geometries = np.array([shape for shape, _ in told], dtype=object)
    features = [
        {"id": i, "geometry": shape, "properties": properties}
        for i, (shape, properties) in enumerate(told)
    ]
    wanted = mapbox_vector_tile.encode(
        {"name": "it", "features": features}, default_options=OPTIONS
    )
    ids = np.arange(len(told))
    assert encode_layer("it", ids, geometries, [properties for _, properties in told]) == wanted


def test_points_that_repeat_are_drawn_once():
    twice = shapely.Polygon([(0, 0), (9, 0), (9, 0), (9, 9), (0, 9), (0, 0)])
    once = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9), (0, 0)])
    ids = np.arange(1)
    drawn = [encode_layer("it", ids, np.array([shape]), [{}]) for shape in (twice, once)]
    assert drawn[0] == drawn[1]


def test_lines_are_drawn_too():
    line = shapely.LineString([(0, 0), (100, 50)])
    data = encode_layer("it", np.arange(1), np.array([line]), [{"n": 3.0}])
    told = mapbox_vector_tile.decode(data, default_options={"y_coord_down": True})
    (feature,) = told["it"]["features"]
    assert feature["geometry"]["coordinates"] == [[0, 0], [100, 50]]
    assert feature["properties"] == {"n": 3.0}
