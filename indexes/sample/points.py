"""Millions of sample listings as columns, for benchmarks: numbers only, no words but categories."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from geo.arrays import BoolArray, FloatArray, IntArray, LonLat, LonLatArray
from geo.cells import cells_to_lonlat, cells_to_parents, points_to_cells
from geo.errors import InputError
from indexes.columns import (
    ALWAYS_TO,
    IN_STOCK,
    KIND_CODES,
    NO_STOCK,
    SOLD_OUT,
    Ints,
    PointColumns,
    to_seconds,
)
from indexes.entities import VERIFIED_LEVEL, Kind, Zone
from indexes.sample.catalogue import LEVELS, OFFERS, WARES
from indexes.sample.homes import LARGEST, TAIL, draw_homes
from indexes.sample.listings import HOMEBASED, OF_PEOPLE
from indexes.sample.town import BASIN_M, MIDDLE_M, metres_to_lonlat

__all__ = ["SamplePoints", "Viewpoint", "sample_points"]

AT = 1_781_517_600  # 2026-06-15T10:00:00Z, the instant around which everything happens
DAY_S = 86_400

SHARES = {
    Kind.NEIGHBOUR: 0.50,
    Kind.SERVICE: 0.14,
    Kind.AD: 0.10,
    Kind.MERCHANT: 0.09,
    Kind.ARTISAN: 0.07,
    Kind.OFFER: 0.05,
    Kind.EVENT: 0.03,
    Kind.PLACE: 0.02,
}

LISTINGS_PER_BUILDING = 8
OWNERS_PER_BUILDING = 4
VALID = 0.71  # at the instant; of the others, half are over and half to come
DISTINCT_HOURS = 400
REACHES_M = (ALWAYS_TO, ALWAYS_TO, 500, 1_000, 2_000, 5_000)

# Audiences: these two, then zones, then buildings, one number each.
PUBLIC, CITY = 0, 1

# The region around the old port: shares of buildings, and how far each part spreads, metres.
IN_CORE, IN_QUARTERS, IN_TOWNS = 0.22, 0.58, 0.12  # the rest is rural
CORE_SIGMA_M = 550.0
QUARTERS, TOWNS = 120, 5
ZONE_RESOLUTION = 8  # H3 cells of 0.7 km² stand for districts


class Viewpoint(NamedTuple):
    """Where a member searches from, and what only a member sees."""

    origin: LonLat
    audiences: tuple[int, ...]
    blocked: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SamplePoints:
    """Listings as an index wants them, and what it takes to ask about them.

    ``at`` is the instant they are made for, whole seconds since 1970; ``hours_states`` the
    state of each of the distinct opening hours then (0 closed, 1 unknown, 2 open);
    ``categories`` the words behind the numbers of categories. ``groups`` and ``zones`` are
    the published point and the district of each building.
    """

    columns: PointColumns
    at: int
    hours_states: Ints
    categories: tuple[str, ...]
    groups: LonLatArray  # (buildings, 2)
    zones: Ints  # (buildings,)

    def viewer(self, rng: np.random.Generator) -> Viewpoint:
        """A verified member of any building, who blocks up to two owners."""
        building = int(rng.integers(len(self.groups)))
        lon, lat = self.groups[building].tolist()
        zone = int(self.zones[building])
        wall = CITY + 1 + int(self.zones.max()) + 1 + building
        owners = OWNERS_PER_BUILDING * len(self.groups)
        blocked = rng.integers(owners, size=rng.integers(3)).tolist()
        return Viewpoint((lon, lat), (PUBLIC, CITY, CITY + 1 + zone, wall), tuple(blocked))

    def category_depths(self, rng: np.random.Generator) -> tuple[Ints, int]:
        """Asking for the first part of some category: the depth of each category below it (0
        elsewhere), and the bits of their numbers modulo 64."""
        asked = self.categories[int(rng.integers(len(self.categories)))].partition(".")[0]
        depths = [
            word.count(".") + 1 if word.partition(".")[0] == asked else 0
            for word in self.categories
        ]
        bits = 0
        for number in np.flatnonzero(depths).tolist():
            bits |= 1 << (number & 63)
        return np.array(depths, np.int32), bits


def sample_points(
    n: int,
    seed: int,
    zones: Sequence[Zone] | None = None,
    buildings: LonLatArray | None = None,
) -> SamplePoints:
    """Listings of all kinds where people live; the same seed gives the same ones.

    Parameters
    ----------
    n : int
        How many, one or more; five million take some seconds.
    seed : int
        Zero or more.
    zones : sequence of Zone, optional
        Real zones with their census: buildings are drawn over them from their dwellings. By
        default they spread over a made-up region: 22 % in the core around a harbour (normal,
        550 m), 58 % in 120 quarters, 12 % in five towns, the rest rural.
    buildings : ndarray of float64, shape (b, 2), optional
        Degrees, EPSG:4326: listings stand at these in turn instead, as many at each.

    Returns
    -------
    SamplePoints
        Listings crowd into buildings as dwellings do, with a heavy tail; those of people
        stand at the centre of their H3 cell of resolution 9, many on one point.

    Raises
    ------
    InputError
        If ``n`` or ``seed`` is too small, or no zone has a dwelling.
    """
    if n < 1 or seed < 0:
        raise InputError(f"n must be one or more and seed zero or more, got {n} and {seed}")
    rng = np.random.default_rng(seed)
    sizes: FloatArray | IntArray | None = None
    zone = None
    if zones is not None:
        homes = draw_homes(zones, rng)
        if not len(homes):
            raise InputError("no zone has dwellings: import the zones' figures first")
        buildings, sizes, zone = homes.lonlat, homes.dwellings, homes.zone
    elif buildings is None:
        buildings = _region(-(-n // LISTINGS_PER_BUILDING), rng)
        sizes = np.minimum(LARGEST, 1.0 + rng.pareto(TAIL, len(buildings)) * 8.0)
    cells = points_to_cells(buildings, 9)
    if zone is None:
        zone = np.unique(cells_to_parents(cells, ZONE_RESOLUTION), return_inverse=True)[1]
    centres, cell_of = np.unique(cells, return_inverse=True)
    groups = np.round(cells_to_lonlat(centres), 7)[cell_of]

    if sizes is None:
        building = np.arange(n) % len(buildings)
    else:
        building = rng.choice(len(buildings), n, p=sizes / sizes.sum())
    kind, personal = _kinds(n, rng)
    owner = OWNERS_PER_BUILDING * building + rng.integers(OWNERS_PER_BUILDING, size=n)
    owner[~personal & (rng.random(n) < 0.4)] = -1
    level_of = rng.choice(len(LEVELS), OWNERS_PER_BUILDING * len(buildings), p=LEVELS)
    level = np.where(owner < 0, 0, level_of[owner])
    liked = np.minimum(4, np.log2(1.0 + np.floor(rng.pareto(1.1, n) * 1.5))).astype(np.int64)
    valid_from, valid_to, fresh_at = _times(kind, rng)
    categories, category = _categories(kind, rng)
    columns = PointColumns(
        lonlat=np.where(personal[:, None], groups[building], buildings[building]),
        kind=kind,
        personal=personal,
        trust=np.where(personal, level, liked) / 4.0,
        valid_from=valid_from,
        valid_to=valid_to,
        fresh_at=fresh_at,
        audience=_audiences(personal, zone[building], building, int(zone.max()) + 1, rng),
        reach_m=rng.choice(np.array(REACHES_M, np.int32), n),
        hours=_hours(kind, personal, rng),
        owner=owner.astype(np.int32),
        zones=zone[building].astype(np.int32),
        category=category,
        stock=_stock(kind, rng),
        verified=level >= VERIFIED_LEVEL,
    )
    states = rng.choice(np.array([0, 1, 2], np.int32), DISTINCT_HOURS, p=(0.45, 0.1, 0.45))
    return SamplePoints(columns, AT, states, categories, groups, zone.astype(np.int32))


def _region(n: int, rng: np.random.Generator) -> LonLatArray:
    """Buildings around the old port; none at sea or in the basin."""
    part = rng.choice(
        4, n, p=(IN_CORE, IN_QUARTERS, IN_TOWNS, 1 - IN_CORE - IN_QUARTERS - IN_TOWNS)
    )
    metres = np.array(MIDDLE_M) + rng.normal(0.0, CORE_SIGMA_M, (n, 2))
    for number, count, reach_m, sigma_m in (
        (1, QUARTERS, (12_000.0, 16_000.0), (250.0, 900.0)),
        (2, TOWNS, (30_000.0, 40_000.0), (800.0, 1_600.0)),
    ):
        rows = np.flatnonzero(part == number)
        centres = rng.uniform((-reach_m[0], 0.0), reach_m, (count, 2))
        weight = 1.0 + rng.pareto(1.5, count)
        chosen = rng.choice(count, len(rows), p=weight / weight.sum())
        sigmas = rng.uniform(*sigma_m, count)[chosen, None]
        metres[rows] = centres[chosen] + rng.normal(0.0, 1.0, (len(rows), 2)) * sigmas
    rural = np.flatnonzero(part == 3)
    metres[rural] = rng.uniform((-35_000.0, 0.0), (35_000.0, 45_000.0), (len(rural), 2))
    metres[:, 1] = np.abs(metres[:, 1])
    west, south, east, north = BASIN_M
    wet = (metres > (west, south)).all(axis=1) & (metres < (east, north)).all(axis=1)
    metres[wet, 1] += north - south  # inland, past the head of the basin
    return metres_to_lonlat(metres)


def _kinds(n: int, rng: np.random.Generator) -> tuple[Ints, BoolArray]:
    codes = np.array([KIND_CODES[kind] for kind in SHARES], np.int32)
    kind = rng.choice(codes, n, p=list(SHARES.values()))
    personal = np.isin(kind, [KIND_CODES[of] for of in OF_PEOPLE])
    personal |= (kind == KIND_CODES[Kind.ARTISAN]) & (rng.random(n) < HOMEBASED)
    return kind, personal


def _times(kind: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """First and last instant of each, and when it was published or, an event, starts."""
    n = len(kind)
    # Begun and not over, else moved into the past or the future by more than it lasts.
    begun, left = rng.uniform(0.0, 60.0, (2, n))
    move = np.where(rng.random(n) < VALID, 0.0, np.where(rng.random(n) < 0.5, -61.0, 61.0))
    published = -rng.exponential(20.0, n)
    starts = rng.uniform(-0.1, 30.0, n)
    fresh = np.where(kind == KIND_CODES[Kind.EVENT], starts, published)
    return _instants(move - begun), _instants(move + left + 1e-4), _instants(fresh)


def _instants(days: FloatArray) -> Ints:
    return to_seconds(AT + np.floor(days * DAY_S).astype(np.int64))


def _audiences(
    personal: BoolArray, zone: IntArray, building: IntArray, zones: int, rng: np.random.Generator
) -> Ints:
    """Whom each addresses: people mostly their town or district, others mostly everybody."""
    numbers = (
        np.full(len(zone), PUBLIC),
        np.full(len(zone), CITY),
        CITY + 1 + zone,
        CITY + 1 + zones + building,
    )
    of_people = rng.choice(4, len(zone), p=(0.3, 0.4, 0.2, 0.1))
    of_others = rng.choice(2, len(zone), p=(0.9, 0.1))
    return np.choose(np.where(personal, of_people, of_others), numbers).astype(np.int32)


def _hours(kind: Ints, personal: BoolArray, rng: np.random.Generator) -> Ints:
    """Numbers of opening hours, for what has a door, and most of it."""
    doors = (Kind.ARTISAN, Kind.MERCHANT, Kind.OFFER, Kind.PLACE)
    known = np.isin(kind, [KIND_CODES[of] for of in doors]) & ~personal
    known &= rng.random(len(kind)) < 0.85
    drawn = rng.integers(DISTINCT_HOURS, size=len(kind), dtype=np.int32)
    return np.where(known, drawn, np.int32(-1))


def _stock(kind: Ints, rng: np.random.Generator) -> Ints:
    """Half of offers and events have a quota; one in six of those is used up."""
    counted = np.isin(kind, (KIND_CODES[Kind.OFFER], KIND_CODES[Kind.EVENT]))
    drawn = rng.choice(
        np.array([NO_STOCK, IN_STOCK, SOLD_OUT], np.int32), len(kind), p=(0.5, 0.42, 0.08)
    )
    return np.where(counted, drawn, np.int32(NO_STOCK))


def _categories(kind: Ints, rng: np.random.Generator) -> tuple[tuple[str, ...], Ints]:
    """All categories in order of words, and the number of each row's."""
    wares = {**WARES, Kind.OFFER: tuple(ware for of in OFFERS.values() for ware in of)}
    words = tuple(sorted({ware.category for of in wares.values() for ware in of}))
    numbers = {word: number for number, word in enumerate(words)}
    found = np.empty(len(kind), np.int32)
    for one, of in wares.items():
        rows = np.flatnonzero(kind == KIND_CODES[one])
        found[rows] = rng.choice(np.array([numbers[w.category] for w in of], np.int32), len(rows))
    return words, found
