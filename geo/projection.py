"""Coordinate reference systems: from a file's own to degrees. The only importer of pyproj."""

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from geo.errors import CoordinateError, LayoutError

__all__ = ["to_degrees"]


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
