"""indexes/distances.py: bounds never overstate, and many arcs at once are the arcs one by one."""

import math

import numpy as np
import oracles
from hypothesis import given
from hypothesis import strategies as st

from geo.distance import arc_m
from indexes import distances as d
from indexes.columns import UNIT
from indexes.packing import (
    FANOUT,
    HOT_COLUMNS,
    LAT,
    LEAF,
    LON,
    MAX_LAT,
    MAX_LON,
    MIN_LAT,
    MIN_LON,
    NODE_ROWS,
)

PLACES = {
    "town": (5.374, 43.2951),
    "equator": (0.0, 0.0),
    "north": (25.0, 80.5),
    "antimeridian": (179.9995, -16.8),
    "pole": (-30.0, 89.99),
}


def leaf_around(place: str, spread_m: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two leaves of points, whole 1e-7 degrees, (2, 5, 32); and their degrees, (64, 2)."""
    lon, lat = PLACES[place]
    steps = np.random.default_rng(seed).uniform(-1, 1, (2 * LEAF, 2)) * spread_m / 111_000
    steps[:, 0] /= math.cos(math.radians(lat))
    lons = (lon + steps[:, 0] + 180.0) % 360.0 - 180.0
    lats = np.clip(lat + steps[:, 1], -90.0, 90.0)
    units = np.rint(np.column_stack([lons, lats]) * UNIT).astype(np.int32)
    hot = np.zeros((2, HOT_COLUMNS, LEAF), np.int32)
    hot[:, LON], hot[:, LAT] = units[:, 0].reshape(2, LEAF), units[:, 1].reshape(2, LEAF)
    return hot, units / UNIT


drawn = given(
    st.sampled_from(sorted(PLACES)),
    st.floats(0.0, 5.8).map(lambda power: 10.0**power),
    st.integers(0, 2**32 - 1),
)


@drawn
def test_bounds_of_points_within_the_radius_never_overstate_and_are_close(place, radius_m, seed):
    hot, lonlat = leaf_around(place, radius_m, seed)
    here = d.here_at(*PLACES[place], radius_m)
    squared = np.empty(LEAF, np.float32)
    d.bound_points(here, hot, np.int64(0), squared)
    for i in range(LEAF):
        true_m = oracles.distance_m(*PLACES[place], *lonlat[i].tolist())
        if true_m <= radius_m:
            assert squared[i] <= true_m**2
            if radius_m < 20_000 and place == "town":
                assert squared[i] >= true_m**2 * 0.98


@drawn
def test_bounds_of_boxes_are_never_more_than_those_of_the_points_in_them(place, radius_m, seed):
    hot, lonlat = leaf_around(place, radius_m, seed)
    here = d.here_at(*PLACES[place], radius_m)
    nodes = np.zeros((1, NODE_ROWS, FANOUT), np.int32)
    pairs = hot[:, [LON, LAT]].transpose(1, 0, 2).reshape(2, FANOUT, 4)  # four points a box
    nodes[0, MIN_LON], nodes[0, MIN_LAT] = pairs.min(axis=2)
    nodes[0, MAX_LON], nodes[0, MAX_LAT] = pairs.max(axis=2)
    squared = np.empty(FANOUT, np.float32)
    d.bound_boxes(here, nodes, np.int64(0), FANOUT, squared)
    for i, (lon, lat) in enumerate(lonlat.tolist()):
        true_m = oracles.distance_m(*PLACES[place], lon, lat)
        if true_m <= radius_m:
            assert squared[i // 4] <= true_m**2


@drawn
def test_many_arcs_are_the_very_digits_of_each_alone(place, radius_m, seed):
    hot, lonlat = leaf_around(place, radius_m, seed)
    lon, lat = PLACES[place]
    here = d.here_at(lon, lat, radius_m)
    cos_lat = math.cos(math.radians(lat))
    each = np.array([arc_m(lon, lat, cos_lat, *point) for point in lonlat.tolist()])
    slots = np.random.default_rng(seed).permutation(2 * LEAF)
    slots = slots[each[slots] <= radius_m]  # what a search asks for: within the radius
    found, scratch = np.empty(len(slots)), np.empty(len(slots))
    d.arcs(here, hot, slots, len(slots), scratch, found)
    assert found.tolist() == each[slots].tolist()
