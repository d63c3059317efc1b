"""Figures that follow from public things by zone: how many there are, and who is near one."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo.arrays import BoolArray, FloatArray, IntArray, LonLatArray
from indexes.district_facts import Facts
from indexes.entities import Kind
from matching.disclosure import half_widths, visible
from matching.planning.access import (
    Catchment,
    catchments,
    nth_nearest_m,
    reach_m,
    within_reach,
)
from matching.planning.businesses import business_cells, withheld
from matching.planning.contributions import category_numbers
from matching.planning.measures import (
    ACCESS_MINUTES,
    ACCESS_THINGS,
    DRAWS,
    HOUSEHOLD_THRESHOLD,
    PEOPLE_CATEGORIES,
    PUBLIC_CATEGORIES,
    access_name,
)
from matching.planning.noisy_figures import OWN, Sums, levels_above, merged
from matching.planning.outlines import PARENT_LEVELS, Outlines
from matching.planning.pieces import touched
from matching.planning.tabulating import HIDDEN, OK, UNKNOWN, ZERO, Figure

__all__ = ["WALKED", "access_figures", "business_figures", "supply_figures"]

CATCHMENT_MINUTES = 15
BUSINESSES = (Kind.ARTISAN, Kind.MERCHANT, Kind.OFFER)
STANDING = (Kind.ARTISAN, Kind.MERCHANT, Kind.PLACE)  # there on any day
GRID = 8  # points along and across a zone where no building's dwellings are known
WALKED = "walk-estimate"
RIDES = "covoiturage"
SUPPLY_MARGIN = 1.5  # half-widths, as the listings that supply is made of

Denominators = Mapping[str, Mapping[str, FloatArray]]  # by level, then by name


def business_figures(listings: pa.Table, outlines: Outlines) -> dict[str, list[Figure]]:
    """How many businesses' public listings there are, by category: exact, where they are told.

    Parameters
    ----------
    listings : Table
        `LISTING_FACTS`.
    outlines : Outlines

    Returns
    -------
    dict of str to list of Figure
        By level other than cells: counts of cells and of zones could be taken from each other.
    """
    kept = _of_kinds(listings, tuple(BUSINESSES))
    owner = pc.coalesce(kept["owner"], kept["listing"])
    owners = np.asarray(owner.combine_chunks().dictionary_encode().indices).astype(np.int64)
    category = category_numbers(kept["category"], PUBLIC_CATEGORIES)
    iris = outlines.map.locate(_points(kept)).index
    k = len(PUBLIC_CATEGORIES)
    levels = [name for name in reversed(outlines.levels) if name != "cell"]
    found = {}
    for name in levels:
        level = outlines.level(name)
        zone = np.where(iris >= 0, level.of_iris[iris], -1)
        found[name] = business_cells(zone, category, owners, len(level.codes), k)
    hidden = withheld(
        _parents(levels, outlines),
        [found[name][0] for name in levels],
        [found[name][1] for name in levels],
    )
    figures: dict[str, list[Figure]] = {}
    for name, withhold in zip(levels, hidden, strict=True):
        totals = found[name][0].astype(np.float64)
        none = np.full(len(totals), np.nan)
        above = levels_above(name, outlines, figures)
        figures[name] = []
        for i, word in enumerate(PUBLIC_CATEGORIES):
            key = "businesses", word
            status, parent = merged(np.where(withhold[:, i], HIDDEN, OK), above, key)
            figures[name].append(
                Figure.told(*key, totals[:, i], 0.0, status, none, OWN, parent=parent)
            )
    return figures


def _parents(levels: list[str], outlines: Outlines) -> list[IntArray]:
    """The nearest zone above each, as `withheld` wants it."""
    sizes = [len(outlines.codes(name)) for name in levels]
    first = np.cumsum([0, *sizes])
    found = []
    for i, name in enumerate(levels):
        parent = np.full(sizes[i], -1, dtype=np.int64)
        for j in range(i):  # the nearest comes last
            at = outlines.positions(name, levels[j])
            parent[at >= 0] = first[j] + at[at >= 0]
        found.append(parent)
    return found


def access_figures(
    facts: Facts, outlines: Outlines, denominators: Denominators, empty: BoolArray
) -> dict[str, list[Figure]]:
    """Households with n public things within 5, 10 and 15 minutes, of 100 by the census.

    Parameters
    ----------
    facts : Facts
        Its buildings' dwellings and public listings.
    outlines : Outlines
    denominators : mapping
        Census households by level.
    empty : ndarray of bool, shape (IRIS,)
        Where nobody can live. Elsewhere, without census households, nobody knows.

    Returns
    -------
    dict of str to list of Figure
        By level other than cells. A zone's households live where the dwellings of its buildings
        are, or all over it where none are known.
    """
    homes, zone, weight = _homes(facts.buildings, outlines)
    things = _of_kinds(facts.listings, STANDING)
    category = category_numbers(things["category"], PUBLIC_CATEGORIES)
    points = _points(things)
    farthest = reach_m(max(ACCESS_MINUTES))
    n = len(outlines.map.codes)
    all_of = np.bincount(zone, weights=weight, minlength=n)
    shares = {}
    for i, word in enumerate(PUBLIC_CATEGORIES):
        away = nth_nearest_m(homes, points[category == i], ACCESS_THINGS, within_m=farthest)
        for minutes in ACCESS_MINUTES:
            for j, wanted in enumerate(ACCESS_THINGS):
                near = np.where(away[:, j] <= reach_m(minutes), weight, 0.0)
                key = access_name(minutes, wanted), word
                shares[key] = np.bincount(zone, near, minlength=n) / all_of
    figures: dict[str, list[Figure]] = {}
    households = denominators["iris"]["households"]
    built = touched(~empty, outlines)
    for name in outlines.levels:
        if name == "cell":
            continue
        total = denominators[name]["households"]
        status = np.select([total > 0.0, ~built[name]], [OK, ZERO], UNKNOWN).astype(np.int8)
        figures[name] = []
        for key, share in shares.items():
            inside = _summed(share * households, name, outlines)
            percent = np.divide(100.0 * inside, total, out=np.zeros_like(total), where=total > 0.0)
            figures[name].append(Figure.told(*key, percent, 0.0, status, total, WALKED))
    return figures


def supply_figures(
    sums: Mapping[str, Mapping[str, Sums]],
    figures: Mapping[str, list[Figure]],
    outlines: Outlines,
    denominators: Denominators,
) -> dict[str, list[Figure]]:
    """What people offer within 15 minutes, for 1,000 households, and rides among it.

    Parameters
    ----------
    sums : mapping of str to mapping of str to Sums
        Noisy counts by level and draw: nothing else is read of people.
    figures : mapping of str to list of Figure
        What is told of zones: listings by category, and households that drive.
    outlines : Outlines
    denominators : mapping
        Census households by level.

    Returns
    -------
    dict of str to list of Figure
        ``supply_rate`` and ``supply_gap``, to the median of all IRIS, by IRIS; ``under_median``
        by coarser level, of 100 households.

    Notes
    -----
    A rate is told where the supply within reach would be: if its sum reaches the threshold and
    noise alone hardly makes as much. The share under the median, which has no interval, is told
    where the zone's own supply is.
    """
    sites = shapely.point_on_surface(outlines.outlines("iris"))
    lonlat = np.column_stack((shapely.get_x(sites), shapely.get_y(sites)))
    households = denominators["iris"]["households"]
    demand = np.nan_to_num(households)
    lived_in = demand > 0.0
    reachable = within_reach(lonlat, reach_m(CATCHMENT_MINUTES))
    found: dict[str, list[Figure]] = {name: [] for name in outlines.levels if name != "cell"}
    for word, of, columns, draw in _supplies():
        counted = sums["iris"][draw]
        near = catchments(
            reachable,
            counted.counts[:, columns].sum(axis=1),
            counted.terms * len(columns),
            demand,
        )
        # What a zone offers that was never counted is missing all around it.
        known = lived_in & (reachable @ counted.uncounted.astype(np.float64) == 0.0)
        lost = touched(lived_in & ~known, outlines)
        rate, gap = _rate_and_gap(word, near, counted.scale, households, known)
        found["iris"] += [rate, gap]
        under = 1000.0 * near.rate < np.median(1000.0 * near.rate[lived_in])
        for name in (level for level in PARENT_LEVELS if level in outlines.levels):
            carried = next(f for f in figures[name] if (f.measure, f.category) == of)
            total = denominators[name]["households"]
            inside = _summed(np.where(under, households, 0.0 * households), name, outlines)
            share = np.divide(100.0 * inside, total, out=np.zeros_like(total), where=total > 0.0)
            status = np.where(carried.status == OK, OK, HIDDEN)
            status = np.where((total > 0.0) & ~lost[name], status, UNKNOWN).astype(np.int8)
            found[name].append(
                Figure.told("under_median", word, share, np.nan, status, total, WALKED)
            )
    return found


def _supplies() -> list[tuple[str, tuple[str, str], list[int], str]]:
    """What supply is called, the measure it is told by, and the counts it is the sum of."""
    draws = {draw.name: draw for draw in DRAWS}
    offers = draws["exchange"].columns
    rides = draws["carpool"].columns
    found = [
        (word, ("listings", word), [offers.index(f"offers:{word}")], "exchange")
        for word in PEOPLE_CATEGORIES
    ]
    driving = [i for i, name in enumerate(rides) if name.startswith("driver")]
    return [*found, (RIDES, ("carpool_drivers", ""), driving, "carpool")]


def _rate_and_gap(
    word: str, near: Catchment, scale: float, households: FloatArray, known: BoolArray
) -> tuple[Figure, Figure]:
    per_thousand = 1000.0 * near.rate
    # As wide as that many noises; beyond a few, they are as good as normal.
    one = half_widths(np.array([1]), scale)[0]
    width = 1000.0 * one * np.sqrt(near.rate_terms)
    reached = SUPPLY_MARGIN * half_widths(near.terms, scale)
    told = visible(near.supply, reached, HOUSEHOLD_THRESHOLD)
    status = np.where(known, np.where(told, OK, HIDDEN), UNKNOWN).astype(np.int8)
    source = f"{OWN}; {WALKED}"
    rate = Figure.told("supply_rate", word, per_thousand, width, status, households, source)
    lived_in = households > 0.0
    median = np.median(per_thousand[lived_in]) if lived_in.any() else np.nan
    gap = Figure.told("supply_gap", word, per_thousand - median, width, status, households, source)
    return rate, gap


def _summed(values: FloatArray, name: str, outlines: Outlines) -> FloatArray:
    """Values of IRIS added up by the zones of a level; NaN where one is."""
    level = outlines.level(name)
    inside = level.of_iris >= 0
    sums = np.bincount(level.of_iris[inside], values[inside], minlength=len(level.codes))
    return sums.astype(np.float64)  # of none, numpy counts whole numbers


def _homes(buildings: pa.Table, outlines: Outlines) -> tuple[LonLatArray, IntArray, FloatArray]:
    """Where households live: points, the IRIS of each, and how much each weighs in it."""
    counted = buildings.filter(pc.greater(buildings["dwellings"], 0))
    points = _points(counted)
    zone = outlines.map.locate(points).index
    weight = np.asarray(counted["dwellings"], dtype=np.float64)
    known = np.zeros(len(outlines.map.codes), dtype=bool)
    known[zone[zone >= 0]] = True
    bare = np.flatnonzero(~known)
    shapes = outlines.outlines("iris")[bare]
    west, south, east, north = shapely.bounds(shapes).reshape(-1, 4).T
    step = (np.arange(GRID) + 0.5) / GRID
    lon = (west[:, None] + (east - west)[:, None] * np.tile(step, GRID)).ravel()
    lat = (south[:, None] + (north - south)[:, None] * np.repeat(step, GRID)).ravel()
    of = np.repeat(np.arange(len(bare)), GRID * GRID)
    inside = shapely.contains_xy(shapes[of], lon, lat)
    inner = shapely.point_on_surface(shapes)  # for a zone so thin that the grid misses it
    return (
        np.concatenate(
            (
                points[zone >= 0],
                np.column_stack((lon[inside], lat[inside])),
                np.column_stack((shapely.get_x(inner), shapely.get_y(inner))),
            )
        ),
        np.concatenate((zone[zone >= 0], bare[of[inside]], bare)),
        np.concatenate((weight[zone >= 0], np.ones(int(inside.sum()) + len(bare)))),
    )


def _of_kinds(listings: pa.Table, kinds: tuple[Kind, ...]) -> pa.Table:
    """Public listings of some kinds that have a point."""
    of_kind = pc.is_in(listings["kind"], value_set=pa.array([str(kind) for kind in kinds]))
    placed = pc.and_(pc.is_valid(listings["lon"]), pc.is_valid(listings["lat"]))
    return listings.filter(pc.and_(pc.and_(of_kind, listings["public"]), placed))


def _points(table: pa.Table) -> LonLatArray:
    return np.column_stack([np.asarray(table[name], dtype=np.float64) for name in ("lon", "lat")])
