"""Reference systems as OGC APIs name them, their axes in the order that they define.

Inside, shapes have easting (or longitude) first, whatever the system: only what comes in and
what goes out has EPSG:4326's latitude before its longitude.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from geo.arrays import FloatArray
from geo.errors import InputError
from geo.projection import FRENCH_CRS, from_degrees

__all__ = ["CRS84", "SYSTEMS", "Crs", "crs_of"]

Geometries = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Crs:
    """A reference system.

    Attributes
    ----------
    code : str
        As ``EPSG:2154``.
    uri : str
        What OGC names it by.
    """

    code: str
    uri: str

    @property
    def degrees(self) -> bool:
        """Whether its coordinates are degrees; else they are metres."""
        return self.code in ("OGC:CRS84", "EPSG:4326")

    @property
    def latitude_first(self) -> bool:
        """Whether its definition puts northing before easting."""
        return self.code == "EPSG:4326"

    def project(self, geometries: Geometries) -> Geometries:
        """Shapes of EPSG:4326, longitude first, in this system, easting first.

        Rounded to 1e-7 degrees or to centimetres.
        """
        found = geometries if self.degrees else from_degrees(geometries, self.code)
        digits = 7 if self.degrees else 2
        return np.asarray(shapely.transform(found, lambda xy: np.round(xy, digits)))

    def ordered(self, geometries: Geometries) -> Geometries:
        """Axes from easting first to the order of the definition, or back."""
        if not self.latitude_first:
            return geometries
        return np.asarray(shapely.transform(geometries, _swapped))

    def box(self, numbers: Sequence[float]) -> Geometry:
        """A box from its lower corner and its upper one, each two numbers or three.

        Heights say nothing here. In degrees a box may cross the antimeridian: its west is
        then east of its east.

        Raises
        ------
        InputError
            With code ``invalid-box``.
        """
        if len(numbers) == 6:
            numbers = [*numbers[:2], *numbers[3:5]]
        if len(numbers) != 4 or not all(map(isfinite, numbers)):
            raise InputError(
                "a box has four numbers: west,south,east,north, in the order of its axes",
                code="invalid-box",
            )
        west, south, east, north = map(float, numbers)
        if self.latitude_first:
            west, south, east, north = south, west, north, east
        if south > north or (west > east and not self.degrees):
            raise InputError("a box's lower corner comes first", code="invalid-box")
        if west > east:
            return shapely.union_all(
                [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
            )
        return shapely.box(west, south, east, north)


def _swapped(xy: FloatArray) -> FloatArray:
    return xy[:, ::-1]


CRS84 = Crs("OGC:CRS84", "http://www.opengis.net/def/crs/OGC/1.3/CRS84")
SYSTEMS = (
    CRS84,
    *(
        Crs(code, f"http://www.opengis.net/def/crs/EPSG/0/{code.removeprefix('EPSG:')}")
        for code in FRENCH_CRS
    ),
)
_BY_NAME = {name: crs for crs in SYSTEMS for name in (crs.code, crs.uri, f"[{crs.code}]")}


def crs_of(name: str) -> Crs:
    """A system by its URI, or by its code in short.

    Raises
    ------
    InputError
        With code ``unknown-crs``.

    Examples
    --------
    >>> crs_of("EPSG:2154").uri
    'http://www.opengis.net/def/crs/EPSG/0/2154'
    """
    if name not in _BY_NAME:
        known = ", ".join(crs.uri for crs in SYSTEMS)
        raise InputError(f"a reference system must be one of {known}", code="unknown-crs")
    return _BY_NAME[name]
