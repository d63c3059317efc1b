"""Port-Mitoyen, a town that is nowhere: its zones, drawn on the open sea.

Laid out in metres, x to the east and y to the north of the quay's middle, then put at 42.6° N,
4.6° E, where the nearest land is some 80 km away. Codes begin with 99, as no French commune's.
"""

from math import cos, radians

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geo.arrays import FloatArray, LonLat, LonLatArray
from geo.distance import EARTH_RADIUS_M
from indexes.entities import CommuneCode, Figures, IrisCode, Zone

__all__ = ["COMMUNE_NAME", "HARBOUR", "VINTAGE", "metres_to_lonlat", "town_zones"]

COMMUNE_CODE, COMMUNE_NAME = CommuneCode("99001"), "Port-Mitoyen (ville fictive)"
VINTAGE = 2025
CENSUS_YEAR = 2022

ORIGIN: LonLat = (4.6, 42.6)
HARBOUR: LonLat = (4.6, 42.6086)
"""The head of the basin: where a visitor stands to ask what is near."""

DEGREE_M = radians(1.0) * EARTH_RADIUS_M
GRID_DEGREES = 1e-7  # as coordinates are kept

EDGE_M = 4_500.0
BASIN_M = (-140.0, 240.0, 140.0, 950.0)  # west, south, east, north; in no zone, being water
BASIN = shapely.box(*BASIN_M)
ISLET = shapely.Point(-900.0, -600.0).buffer(110.0, quad_segs=4)
CHOICES = 30  # sites tried for each zone; the one farthest from all others wins

# District: number of zones, dwellings in each, IRIS type, where its sites may be (west, south,
# east, north, in metres) and how far from the basin's middle (from, to). Inner ones come first.
# The old port holds 22 % of all dwellings on 4 % of the land.
DISTRICTS = (
    ("Vieux-Port", 18, 390, "H", (-900.0, 0.0, 900.0, 1_500.0), (0.0, 900.0)),
    ("Centre", 18, 620, "H", (-2_300.0, 0.0, 2_300.0, 2_800.0), (900.0, 2_200.0)),
    ("Docks", 2, 15, "A", (-4_400.0, 0.0, -2_600.0, 900.0), (2_200.0, 9_000.0)),
    ("Les Hauts", 8, 110, "H", (1_500.0, 2_900.0, 4_400.0, 6_300.0), (2_500.0, 9_000.0)),
    ("Les Pins", 14, 900, "H", (-4_400.0, 0.0, 4_400.0, 6_300.0), (2_200.0, 9_000.0)),
)
MIDDLE_M = (0.0, 595.0)


def metres_to_lonlat(metres: FloatArray) -> LonLatArray:
    """Points of the plan on the globe.

    Parameters
    ----------
    metres : ndarray of float64, shape (n, 2)
        East and north of the plan's origin.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326, rounded to 1e-7. True to scale along the origin's parallel, and
        within 0.2 % over the town.
    """
    lon, lat = ORIGIN
    degree_m = np.array([DEGREE_M * cos(radians(lat)), DEGREE_M])
    return np.asarray(np.round(np.array([lon, lat]) + metres / degree_m, 7), dtype=np.float64)


def town_zones(tenant_id: str, rng: np.random.Generator) -> tuple[Zone, ...]:
    """The 60 zones of the town, sorted by code.

    They share borders to the last digit; the basin is a hole among them, and the islet
    belongs to a zone on the shore. Figures are made up: dwellings (``logements``) as the
    district has them, households (``menages``) and people (``pop``) in proportion.

    Parameters
    ----------
    tenant_id : str
        Whose zones.
    rng : Generator
        Draws sites and figures.
    """
    sites = _sites(rng)
    outlines = _outlines(sites)
    zones = []
    place = 0
    for quarter, (name, count, dwellings, type_, _, _) in enumerate(DISTRICTS, start=1):
        for number in range(1, count + 1):
            homes = round(dwellings * rng.uniform(0.7, 1.3))
            households = round(homes * rng.uniform(0.84, 0.92))
            figures = {
                "pop": round(households * rng.uniform(1.8, 2.3)),
                "menages": households,
                "logements": homes,
            }
            zones.append(
                Zone(
                    tenant_id=tenant_id,
                    code=IrisCode(f"{COMMUNE_CODE}{quarter:02}{number:02}"),
                    vintage=VINTAGE,
                    name=f"{name} {number} (fictif)",
                    type=type_,
                    commune_code=COMMUNE_CODE,
                    commune_name=COMMUNE_NAME,
                    geometry=outlines[place],
                    figures=Figures(
                        census_year=CENSUS_YEAR, geography_year=VINTAGE, values=figures
                    ),
                )
            )
            place += 1
    return tuple(zones)


def _coast_m(x: FloatArray) -> FloatArray:
    return 120.0 * np.sin(x / 700.0) + 50.0 * np.sin(x / 230.0)


def _land() -> BaseGeometry:
    x = np.arange(-EDGE_M, EDGE_M + 1, 50.0)
    shore = np.column_stack((x, _coast_m(x)))
    inland = np.array([[EDGE_M, 6_500.0], [-EDGE_M, 6_500.0]])
    return shapely.Polygon(np.vstack((shore, inland))).difference(BASIN)


def _sites(rng: np.random.Generator) -> FloatArray:
    """One point for each zone, spread out within its district."""
    land = _land()
    sites = np.empty((0, 2))
    for _, count, _, _, (west, south, east, north), (near_m, far_m) in DISTRICTS:
        for _ in range(count):
            tried = rng.uniform((west, south), (east, north), (40 * CHOICES, 2))
            from_basin = np.hypot(*(tried - MIDDLE_M).T)
            good = (from_basin >= near_m) & (from_basin <= far_m)
            good &= shapely.contains_xy(land, *tried.T)
            tried = tried[good][:CHOICES]
            gaps = np.hypot(*(tried[:, None] - sites[None]).transpose(2, 0, 1))
            best = gaps.min(axis=1, initial=np.inf).argmax()
            sites = np.vstack((sites, tried[best]))
    return sites


def _outlines(sites: FloatArray) -> list[BaseGeometry]:
    """What lies nearest to each site, on land, in degrees.

    All lines are noded together on one grid, and the faces between them joined again: so
    neighbours have every vertex of a shared border in common.
    """
    land = _land()
    cells = shapely.voronoi_polygons(shapely.MultiPoint(sites), extend_to=land, only_edges=True)
    # Not clipped to the land: ends that only just touch it would part from it in rounding.
    lines = np.array([cells, land.boundary, ISLET.boundary])
    noded = shapely.union_all(shapely.transform(lines, metres_to_lonlat), grid_size=GRID_DEGREES)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    inside = shapely.transform(shapely.union_all([land, ISLET]), metres_to_lonlat)
    faces = faces[shapely.contains(inside, shapely.point_on_surface(faces))]
    points = shapely.get_coordinates(shapely.point_on_surface(faces))
    seeds = metres_to_lonlat(sites)
    gaps = (points[:, None] - seeds[None]) * [cos(radians(ORIGIN[1])), 1]
    owner = np.hypot(gaps[..., 0], gaps[..., 1]).argmin(axis=1)
    # Normal form, so that the order in which faces were found leaves no trace.
    return [
        shapely.normalize(shapely.coverage_union_all(faces[owner == site]))
        for site in range(len(sites))
    ]
