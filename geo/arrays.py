"""Array types shared by every room, and the check on the way in."""

import numpy as np
import numpy.typing as npt

from geo.errors import CoordinateError

__all__ = [
    "BoolArray",
    "CellArray",
    "FloatArray",
    "IntArray",
    "LonLat",
    "LonLatArray",
    "as_lonlat",
    "as_point",
    "rounded",
]

LonLat = tuple[float, float]  # degrees, EPSG:4326, longitude first
LonLatArray = npt.NDArray[np.float64]  # (n, 2)
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
CellArray = npt.NDArray[np.uint64]  # H3 ids: unsigned, so that numpy never makes floats of them

COORDINATE_DECIMALS = 7  # 1e-7 degree: 11 mm
COORDINATE_SCALE = 10.0**COORDINATE_DECIMALS


def as_point(lonlat: LonLat) -> LonLat:
    """One point as `as_lonlat` takes many, in a tenth of the time; raises the same.

    Examples
    --------
    >>> as_point((5.37400000049, 43.2951))
    (5.374, 43.2951)
    """
    lon, lat = lonlat
    if not (-180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0):
        as_lonlat(lonlat)  # says what is wrong
    return rounded(lon), rounded(lat)


def rounded(degrees: float) -> float:
    """A coordinate as it is kept: rounded to 1e-7 degree, just as `as_lonlat` rounds it.

    Parameters
    ----------
    degrees : float
        EPSG:4326.

    Examples
    --------
    >>> rounded(5.37400000049)
    5.374
    """
    # What numpy does: round(degrees, 7) would decide ties by the decimal text.
    return round(degrees * COORDINATE_SCALE) / COORDINATE_SCALE


def as_lonlat(lonlat: npt.ArrayLike) -> LonLatArray:
    """Points as the kernels want them: checked, and rounded to 1e-7 degree.

    Parameters
    ----------
    lonlat : array_like, shape (n, 2) or (2,)
        Degrees, EPSG:4326, longitude first.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        A fresh array.

    Raises
    ------
    CoordinateError
        If the shape is another, or a value is not finite or not on the Earth.

    Examples
    --------
    >>> as_lonlat((5.3740, 43.2951))
    array([[ 5.374 , 43.2951]])
    >>> as_lonlat([(5.3740, 143.2951)])
    Traceback (most recent call last):
    ...
    geo.errors.CoordinateError: latitude must be -90 to 90 and longitude -180 to 180, row 0 is not
    """
    try:
        points = np.array(lonlat, dtype=np.float64, ndmin=2)
    except (TypeError, ValueError) as error:
        raise CoordinateError("points must be numbers, (lon, lat) pairs in degrees") from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise CoordinateError(f"points must have shape (n, 2), got {points.shape}")
    # Comparisons with NaN are false, so it is refused with the rest.
    good = (np.abs(points[:, 0]) <= 180.0) & (np.abs(points[:, 1]) <= 90.0)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise CoordinateError(
            f"latitude must be -90 to 90 and longitude -180 to 180, row {row} is not"
        )
    return np.round(points, COORDINATE_DECIMALS)
