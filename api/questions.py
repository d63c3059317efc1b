"""From what was asked, checked as text, to the query that the engine answers."""

from datetime import datetime
from functools import partial

import numpy as np
import shapely
from shapely import Polygon

from api.bodies import check_text
from api.schemas import MAX_RADIUS_M, MAX_VERTICES, NearBody, NearParams, PolygonIn
from geo.arrays import FloatArray, LonLatArray, as_lonlat, rounded
from geo.distance import EARTH_RADIUS_M
from geo.errors import InputError
from indexes.entities import IrisCode
from matching.query import NearQuery

__all__ = ["MAX_AREA_M2", "area_m2", "near_query", "polygon_of", "unplaced"]

MAX_AREA_M2 = np.pi * MAX_RADIUS_M**2  # what the widest radius reaches


def area_m2(polygon: Polygon) -> float:
    """Area on the sphere, exact for edges straight in (longitude, sine of latitude).

    Lambert's cylindrical projection keeps areas, so the planar one there is the sphere's.

    Parameters
    ----------
    polygon : Polygon
        Degrees, EPSG:4326.

    Examples
    --------
    >>> round(area_m2(shapely.box(5, 43, 6, 44)) / 1e6)
    8969
    """

    def lambert(lonlat: LonLatArray) -> FloatArray:
        radians = np.radians(lonlat)
        return np.column_stack([radians[:, 0], np.sin(radians[:, 1])])

    return float(shapely.transform(polygon, lambert).area) * EARTH_RADIUS_M**2


def refused(why: str) -> InputError:
    return InputError(f"the polygon {why}", code="invalid-polygon")


def polygon_of(outline: PolygonIn, max_vertices: int = MAX_VERTICES) -> Polygon:
    """The polygon that a body names.

    Raises
    ------
    InputError
        With code ``invalid-polygon`` if a ring is open or short, it crosses itself, has more
        than ``max_vertices``, crosses the antimeridian, or is larger than a disc of 100 km.
    """
    rings = outline.coordinates
    if sum(map(len, rings)) > max_vertices:
        raise refused(f"has more than {max_vertices:,} vertices")
    for ring in rings:
        if len(ring) < 4 or ring[0][:2] != ring[-1][:2]:
            raise refused("has a ring that is not closed, or of fewer than four positions")
    shell, *holes = (as_lonlat([position[:2] for position in ring]) for ring in rings)
    polygon = Polygon(shell, holes)
    if not polygon.is_valid:
        # The library's reason ends with the place, in brackets: kept to ourselves.
        reason = shapely.is_valid_reason(polygon).partition("[")[0].strip().lower()
        raise refused(f"is not simple: {reason}")
    west, _, east, _ = polygon.bounds
    if east - west > 180:
        raise refused("crosses the antimeridian: split it there")
    if area_m2(polygon) > MAX_AREA_M2:
        raise refused(f"is larger than {MAX_AREA_M2 / 1e6:,.0f} km²")
    return polygon


def unplaced(asked: NearParams, *, lang: str) -> partial[NearQuery]:
    """A query but for its instant and place: ``unplaced(…)(at=…, origin=…)`` is the whole.

    Parameters
    ----------
    asked : NearParams
        Or a `NearBody`, with its polygon.
    lang : str
        Language of the reasons if none is named.

    Raises
    ------
    InputError
        If the polygon is none, or a text can't be one.
    """
    outline = asked.polygon if isinstance(asked, NearBody) else None
    return partial(
        NearQuery,
        kinds=tuple(dict.fromkeys(asked.kind)),
        category=asked.category,
        text=None if asked.q is None else check_text(asked.q),
        radius_m=asked.radius_m,
        min_distance_m=asked.min_distance_m,
        zones=tuple(IrisCode(code) for code in dict.fromkeys(asked.within)),
        polygon=None if outline is None else polygon_of(outline),
        audiences=tuple(dict.fromkeys(asked.audience)),
        open_now=asked.open_now,
        verified_only=asked.verified_only,
        profile=asked.profile,
        limit=asked.limit,
        cursor=asked.cursor,
        lang=asked.lang or lang,
    )


def near_query(asked: NearParams, *, now: datetime, lang: str) -> NearQuery:
    """The query of a request or a command.

    Parameters
    ----------
    asked : NearParams
        Or a `NearBody`, with its polygon.
    now : datetime
        The instant that counts if none is named, aware.
    lang : str
        Language of the reasons if none is named.

    Raises
    ------
    InputError
        If the polygon is none, or a text can't be one.
    """
    origin = None
    if asked.lat is not None and asked.lon is not None:
        origin = (rounded(asked.lon), rounded(asked.lat))
    return unplaced(asked, lang=lang)(at=asked.at or now, origin=origin)
