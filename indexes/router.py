"""The way between waypoints: a small port, so that a real router can be plugged in."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from geo.arrays import LonLat, as_lonlat
from geo.distance import haversine_m
from geo.errors import InputError

__all__ = ["AIR_FACTOR", "AIR_SPEED_M_S", "AirRouter", "Route", "Router"]

AIR_FACTOR = 1.3  # streets are longer than the air line by that much
AIR_SPEED_M_S = 10.0  # 36 km/h


class Route(NamedTuple):
    """A line with times, and whether it was made up from the waypoints alone.

    ``lonlat`` are degrees, EPSG:4326; ``times_s`` seconds from the first point, rising.
    """

    lonlat: tuple[LonLat, ...]
    times_s: tuple[float, ...]
    estimated: bool


class Router(Protocol):
    """Finds the way that a driver takes."""

    def route(self, waypoints: Sequence[LonLat]) -> Route:
        """The way from the first waypoint to the last by way of all others.

        Parameters
        ----------
        waypoints : sequence of (lon, lat)
            Degrees, EPSG:4326.

        Raises
        ------
        InputError
            ``zero-length-route``: they are all one point, or fewer than two.
        CoordinateError
            If one is not on the Earth.
        """


class AirRouter:
    """Straight from waypoint to waypoint: 1.3 times as far, at 36 km/h.

    Examples
    --------
    >>> AirRouter().route([(5.37, 43.29), (5.37, 43.30)]).times_s
    (0.0, 144.554)
    """

    def route(self, waypoints: Sequence[LonLat]) -> Route:
        """See `Router.route`."""
        points = as_lonlat(np.reshape(waypoints, (-1, 2)))
        moving = (points[1:] != points[:-1]).any(axis=1)
        if not moving.any():
            raise InputError("wanted two different waypoints or more", code="zero-length-route")
        points = points[np.append(True, moving)]
        ends = [(lon, lat) for lon, lat in points.tolist()]
        pieces = [haversine_m(one, points[i + 1 : i + 2]).item() for i, one in enumerate(ends[:-1])]
        # Neighbours in the grid of kept coordinates are a millisecond apart all the same.
        seconds = np.maximum(0.002, np.array(pieces) * AIR_FACTOR / AIR_SPEED_M_S)
        times = np.concatenate(([0.0], np.round(np.cumsum(seconds), 3)))
        return Route(tuple(ends), tuple(times.tolist()), estimated=True)
