"""Points in space: where a search tree of scipy's finds what is near on the Earth."""

import numpy as np

from geo.arrays import FloatArray, LonLatArray

__all__ = ["on_sphere"]


def on_sphere(lonlat: LonLatArray) -> FloatArray:
    """Points on the unit sphere: chords between them have the order of arcs.

    Parameters
    ----------
    lonlat : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326.

    Returns
    -------
    ndarray of float64, shape (n, 3)

    Examples
    --------
    >>> on_sphere(np.array([[0.0, 0.0], [90.0, 0.0]])).round(9)
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    lon, lat = np.radians(lonlat).T
    return np.column_stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
