"""Buildings drawn over zones, as many dwellings in each as its census says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geo.arrays import FloatArray, IntArray, LonLatArray
from geo.distance import EARTH_RADIUS_M
from indexes.entities import Zone

__all__ = ["DWELLINGS", "LARGEST", "TAIL", "Homes", "draw_homes", "points_inside"]

DWELLINGS = "logements"  # the figure of a zone that counts them

DEGREE_M = np.radians(1.0) * EARTH_RADIUS_M

TAIL = 1.4  # exponent of building sizes: a few hold hundreds
LARGEST = 400  # dwellings of one building
STARTS_ESTATE = 0.8  # chance that a building begins an estate of its own
ESTATE_M = 35.0  # how far apart the buildings of an estate stand


@dataclass(frozen=True, slots=True, eq=False)
class Homes:
    """Buildings: row i of every column is one, sorted by zone and estate."""

    lonlat: LonLatArray  # (n, 2), degrees, EPSG:4326
    zone: IntArray  # (n,) position among the zones
    dwellings: IntArray  # (n,) one or more
    estate: IntArray  # (n,) number of its estate; often nobody else has it

    def __len__(self) -> int:
        return len(self.zone)


def draw_homes(zones: Sequence[Zone], rng: np.random.Generator) -> Homes:
    """Buildings over zones.

    Parameters
    ----------
    zones : sequence of Zone
        Their figure ``logements`` says how many dwellings; a zone without it stays empty.
    rng : Generator
        Draws everything.

    Returns
    -------
    Homes
        Each zone has exactly its dwellings. Sizes have a heavy tail, one to 400, and are
        larger where a zone is denser; estates stand at points uniform within the zone.
    """
    lonlat, zone_of, sizes, estates = [], [], [], []
    estates_before = 0
    for i, zone in enumerate(zones):
        total = round(zone.figures.values.get(DWELLINGS, 0)) if zone.figures else 0
        if total == 0:
            continue
        size = _sizes(total, _area_km2(zone.geometry), rng)
        starts = rng.random(len(size)) < STARTS_ESTATE
        estate = np.cumsum(starts, dtype=np.int64) - int(starts[0])
        centres = points_inside(zone.geometry, int(estate[-1]) + 1, rng)[estate]
        lonlat.append(_scattered(centres, estate, zone.geometry, rng))
        zone_of.append(np.full(len(size), i))
        sizes.append(size)
        estates.append(estate + estates_before)
        estates_before += int(estate[-1]) + 1
    if not sizes:
        none = np.empty(0, np.int64)
        return Homes(np.empty((0, 2)), none, none, none)
    return Homes(*map(np.concatenate, (lonlat, zone_of, sizes, estates)))


def points_inside(geometry: BaseGeometry, n: int, rng: np.random.Generator) -> LonLatArray:
    """Points uniform within an outline.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        EPSG:4326, of some area, small enough for degrees to be even across it.
    n : int
        How many.
    rng : Generator
        Draws them.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326, rounded to 1e-7 (and so, at worst, 11 mm outside).
    """
    west, south, east, north = geometry.bounds
    share = geometry.area / ((east - west) * (north - south))
    shapely.prepare(geometry)
    found = np.empty((0, 2))
    while len(found) < n:
        tries = int((n - len(found)) / share * 1.1) + 10
        points = rng.uniform((west, south), (east, north), (tries, 2))
        found = np.vstack((found, points[shapely.contains_xy(geometry, *points.T)]))
    return np.asarray(np.round(found[:n], 7), dtype=np.float64)


def _area_km2(geometry: BaseGeometry) -> float:
    _, south, _, north = geometry.bounds
    shrink = np.cos(np.radians((south + north) / 2))
    return float(geometry.area * shrink * (DEGREE_M / 1000.0) ** 2)


def _sizes(total: int, area_km2: float, rng: np.random.Generator) -> IntArray:
    """Dwellings of as many buildings as hold ``total`` together."""
    # Houses alone below some dozens of dwellings per km², then ever larger buildings.
    scale = min(8.0, max(0.2, total / area_km2 / 200.0))
    drawn = np.minimum(LARGEST, 1 + np.floor(scale * rng.pareto(TAIL, total))).astype(np.int64)
    filled = np.cumsum(drawn)
    last = int(np.searchsorted(filled, total))
    drawn[last] -= filled[last] - total
    return np.asarray(drawn[: last + 1], dtype=np.int64)


def _scattered(
    centres: LonLatArray, estate: IntArray, geometry: BaseGeometry, rng: np.random.Generator
) -> LonLatArray:
    """Buildings around the centre of their estate; the first of each, and what would leave the
    zone, stand at it."""
    metres = rng.normal(0.0, ESTATE_M, centres.shape)
    metres[np.flatnonzero(np.diff(estate, prepend=-1))] = 0.0
    moved = centres + _metres_to_degrees(metres, centres)
    inside = shapely.contains_xy(geometry, *moved.T)
    return np.asarray(np.round(np.where(inside[:, None], moved, centres), 7), dtype=np.float64)


def _metres_to_degrees(metres: FloatArray, near: LonLatArray) -> FloatArray:
    shrink = np.column_stack((np.cos(np.radians(near[:, 1])), np.ones(len(near))))
    return np.asarray(metres / (DEGREE_M * shrink), dtype=np.float64)
