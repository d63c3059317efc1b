"""Coordinate reference systems: to degrees and from them. The only importer of pyproj."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from geo.errors import CoordinateError, InputError, LayoutError

__all__ = ["FRENCH_CRS", "crs_document", "from_degrees", "to_degrees"]

FRENCH_CRS = (
    "EPSG:4326",
    "EPSG:2154",  # Lambert-93, metropolitan France
    "EPSG:5490",  # Antilles
    "EPSG:2972",  # Guyane
    "EPSG:2975",  # La Réunion
    "EPSG:4471",  # Mayotte
)
"""What figures are written in: degrees, and the official system of each part of France."""


def to_degrees(geometries: NDArray[np.object_], crs: str) -> NDArray[np.object_]:
    """Geometries in degrees, longitude first.

    Parameters
    ----------
    geometries : ndarray of shapely geometries, shape (n,)
        Two-dimensional, easting (or longitude) first, as files keep them.
    crs : str
        What pyproj reads: an EPSG code, WKT, PROJJSON. French ones meet here: Lambert-93
        (EPSG:2154), Antilles (5490, 32620), Guyane (2972), La Réunion (2975), Mayotte (4471).

    Returns
    -------
    ndarray of shapely geometries, shape (n,)
        EPSG:4326, unrounded.

    Raises
    ------
    LayoutError
        If ``crs`` names no reference system.
    CoordinateError
        If a coordinate can't be projected.

    Notes
    -----
    The French systems stand on RGF93, RGAF09, RGFG95 and RGM04: within a metre of WGS84, and
    taken for it, as everybody does.

    Examples
    --------
    >>> to_degrees(np.array([shapely.Point(892_390.0, 6_247_035.0)]), "EPSG:2154")[0].wkt
    'POINT (5.3...'
    """
    try:
        source = CRS.from_user_input(crs)
        transformer = Transformer.from_crs(source, "EPSG:4326", always_xy=True)
    except (CRSError, ProjError) as error:
        raise LayoutError(f"no such coordinate reference system: {crs[:80]!r}") from error
    if source.to_2d() == CRS.from_epsg(4326):
        return geometries
    coordinates = shapely.get_coordinates(geometries)
    lon, lat = transformer.transform(coordinates[:, 0], coordinates[:, 1])
    lonlat = np.column_stack((lon, lat))
    if not np.isfinite(lonlat).all():
        raise CoordinateError(f"a coordinate lies outside its reference system, {source.name}")
    return np.asarray(shapely.set_coordinates(geometries.copy(), lonlat))


def from_degrees(geometries: NDArray[np.object_], crs: str) -> NDArray[np.object_]:
    """Geometries in a reference system of `FRENCH_CRS`: the way back from `to_degrees`.

    Parameters
    ----------
    geometries : ndarray of shapely geometries, shape (n,)
        EPSG:4326, longitude first.
    crs : str
        One of `FRENCH_CRS`.

    Returns
    -------
    ndarray of shapely geometries, shape (n,)
        Easting (or longitude) first; metres, or degrees for EPSG:4326.

    Raises
    ------
    InputError
        With code ``unknown-crs``, if ``crs`` is another system.
    CoordinateError
        If a coordinate can't be projected.

    Examples
    --------
    >>> lambert = from_degrees(np.array([shapely.Point(3.0, 46.5)]), "EPSG:2154")[0]
    >>> round(lambert.x), round(lambert.y)
    (700000, 6600000)
    """
    _require_french(crs)
    if crs == "EPSG:4326":
        return geometries
    lon, lat = shapely.get_coordinates(geometries).T
    projected = np.column_stack(
        Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    )
    if not np.isfinite(projected).all():
        raise CoordinateError(f"a coordinate lies outside {crs}")
    return np.asarray(shapely.set_coordinates(geometries.copy(), projected))


def crs_document(crs: str) -> dict[str, Any]:
    """A reference system of `FRENCH_CRS` as PROJJSON, which GeoParquet names it by.

    Raises
    ------
    InputError
        With code ``unknown-crs``, if ``crs`` is another system.
    """
    _require_french(crs)
    return CRS.from_user_input(crs).to_json_dict()


def _require_french(crs: str) -> None:
    if crs not in FRENCH_CRS:
        raise InputError(f"crs must be one of {', '.join(FRENCH_CRS)}", code="unknown-crs")
