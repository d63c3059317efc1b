"""Where a tenant's points may lie, and what their place says about the rest of a row."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import shapely

from geo.arrays import BoolArray, LonLatArray
from geo.distance import EARTH_RADIUS_M
from geo.zones import ZoneMap
from indexes.entities import CommuneCode, Zone

__all__ = ["SERVICE_MARGIN_M", "ServiceArea", "arrondissement_of_postcode"]

SERVICE_MARGIN_M = 5_000.0  # a tenant serves its zones and so far around
MARGIN_DEGREES = np.degrees(SERVICE_MARGIN_M / EARTH_RADIUS_M)

# Generous boxes around France, for a tenant without zones: west, south, east, north.
FRANCE = np.array(
    [
        (-5.3, 41.2, 9.7, 51.2),  # mainland, Corsica, Monaco
        (-63.2, 15.7, -60.9, 18.2),  # Guadeloupe, Saint-Martin, Saint-Barthélemy
        (-61.3, 14.3, -60.7, 15.0),  # Martinique
        (-54.7, 2.0, -51.5, 5.9),  # Guyane
        (55.1, -21.5, 56.0, -20.8),  # La Réunion
        (44.9, -13.1, 45.4, -12.5),  # Mayotte
        (-56.6, 46.7, -56.0, 47.2),  # Saint-Pierre-et-Miquelon
        (-178.3, -14.5, -176.0, -13.1),  # Wallis-et-Futuna
        (-155.0, -28.0, -134.0, -7.5),  # Polynésie française
        (163.0, -23.0, 168.5, -19.0),  # Nouvelle-Calédonie
    ]
)


class ServiceArea:
    """A tenant's zones and 5 km around; France, where it has no zones yet.

    Parameters
    ----------
    zones : sequence of Zone
        All of one vintage; may be empty.

    Examples
    --------
    >>> ServiceArea([]).holds(np.array([[5.3740, 43.2951], [43.2951, 5.3740]]))
    array([ True, False])
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones: ZoneMap | None = None
        if not zones:
            self._boxes = FRANCE
            return
        self._zones = ZoneMap([zone.code for zone in zones], [zone.geometry for zone in zones])
        communes = {str(zone.code): zone.commune_code for zone in zones}
        self._communes = [communes[code] for code in self._zones.codes]
        union = shapely.union_all([zone.geometry for zone in zones])
        shapely.prepare(union)
        self._union, self._outline = union, ZoneMap(["area"], [union])
        west, south, east, north = union.bounds
        up = MARGIN_DEGREES * 1.001
        aside = up / np.cos(np.radians(min(max(north, -south) + up, 89.0)))
        self._boxes = np.array([(west - aside, south - up, east + aside, north + up)])

    def may_hold(self, lon: float, lat: float) -> bool:
        """Whether a point lies in a box around the area; what doesn't is outside the area."""
        return any(
            west <= lon <= east and south <= lat <= north
            for west, south, east, north in self._boxes.tolist()
        )

    def holds(self, lonlat: LonLatArray) -> BoolArray:
        """Whether each point lies in the area.

        Parameters
        ----------
        lonlat : ndarray of float64, shape (n, 2)
            Degrees, EPSG:4326; NaN and what is off the Earth lie outside.
        """
        lon, lat = lonlat[:, 0, None], lonlat[:, 1, None]
        west, south, east, north = self._boxes.T
        inside = (west <= lon) & (lon <= east) & (south <= lat) & (lat <= north)
        held: BoolArray = inside.any(axis=1)
        if self._zones is not None:
            rows = np.flatnonzero(held)
            # A degree is nowhere longer than one of latitude, so whoever is near by degrees is
            # near. The slow exact distance is left to the few others.
            points = shapely.points(lonlat[rows])
            beyond = rows[~shapely.dwithin(self._union, points, MARGIN_DEGREES * 0.999)]
            held[beyond] = self._outline.distance_m("area", lonlat[beyond]) <= SERVICE_MARGIN_M
        return held

    def zones_of(
        self, lonlat: LonLatArray
    ) -> tuple[list[str | None], list[CommuneCode | None], BoolArray] | None:
        """Zone and commune of each point, and whether it is only the nearest zone.

        None where the tenant has no zones.
        """
        if self._zones is None:
            return None
        located = self._zones.locate(lonlat)
        codes: list[str | None] = [*self._zones.codes, None]  # -1, for none, is the last
        communes: list[CommuneCode | None] = [*self._communes, None]
        rows = located.index.tolist()
        return [codes[i] for i in rows], [communes[i] for i in rows], located.nearest


@lru_cache(maxsize=10_000)
def arrondissement_of_postcode(postcode: str | None) -> str | None:
    """The commune code that a postcode of Paris, Lyon or Marseille names; None elsewhere.

    Only there does a postcode stand for one commune code.

    Examples
    --------
    >>> arrondissement_of_postcode("13007"), arrondissement_of_postcode("75116")
    ('13207', '75116')
    >>> arrondissement_of_postcode("13400") is None
    True
    """
    if postcode is None or len(postcode) != 5 or not postcode.isdecimal():
        return None
    number = int(postcode[3:])
    if postcode.startswith("130") and 1 <= number <= 16:
        return f"132{number:02d}"
    if postcode.startswith(("750", "751")) and 1 <= number <= 20:
        return f"751{number:02d}"
    if postcode.startswith("6900") and 1 <= number <= 9:
        return f"6938{number}"
    return None
