"""How far out of the way a driver may go, and the line that is left once riders are accepted."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geo.arrays import FloatArray, LonLat, LonLatArray
from geo.distance import haversine_m

__all__ = [
    "DETOUR_FACTOR",
    "DETOUR_SPEED_M_S",
    "MAX_DELAY_S",
    "SECONDS_PER_EXTRA_M",
    "Ride",
    "accepted_line",
    "budget_s",
]

# Streets are 1.3 times as long as the air line, and driven at 36 km/h: what OpenTripPlanner
# reckons with before it routes.
DETOUR_FACTOR, DETOUR_SPEED_M_S = 1.3, 10.0
SECONDS_PER_EXTRA_M = DETOUR_FACTOR / DETOUR_SPEED_M_S

MOST_S, LEAST_S, SHARE = 900.0, 300.0, 0.25
MAX_DELAY_S = 300.0  # on a passenger who has booked


def budget_s(duration_s: float, own_limit_s: float | None = None) -> float:
    """The detour that a driver puts up with in all.

    Parameters
    ----------
    duration_s : float
        How long the trip takes without.
    own_limit_s : float, optional
        What the driver says; it can only make the budget smaller.

    Returns
    -------
    float
        Seconds: a quarter of the trip, yet 5 minutes at least and 15 at most.

    Examples
    --------
    A quarter of a 12-minute trip through town would be 3 minutes:

    >>> budget_s(720), budget_s(2_400), budget_s(7_200), budget_s(2_400, own_limit_s=60)
    (300.0, 600.0, 900.0, 60.0)
    """
    budget = min(MOST_S, max(LEAST_S, SHARE * duration_s))
    return budget if own_limit_s is None else min(budget, float(own_limit_s))


class Ride(NamedTuple):
    """A ride that is taken: where from and to, degrees, and from which second of the line to
    which. ``seats`` are those it takes."""

    pickup: LonLat
    dropoff: LonLat
    pickup_s: float
    dropoff_s: float
    seats: int


class Accepted(NamedTuple):
    """A line by way of all stops accepted so far.

    ``lonlat`` (n, 2) and ``times_s`` (n,) as a trip's; ``published_s`` (n,) are the seconds of
    the same points on the line as published. ``rides`` (m, 4) are the seconds of each ride on
    it, its seats, and the delay that may still be put on it; ``detour_s`` is what the stops
    add in all.
    """

    lonlat: LonLatArray
    times_s: FloatArray
    published_s: FloatArray
    rides: FloatArray
    detour_s: float


def accepted_line(lonlat: LonLatArray, times_s: FloatArray, rides: Sequence[Ride]) -> Accepted:
    """The line that a driver takes with the riders accepted so far.

    Parameters
    ----------
    lonlat : ndarray of float64, shape (n, 2)
        The line as published; degrees, EPSG:4326.
    times_s : ndarray of float64, shape (n,)
        Seconds from its first point, rising.
    rides : sequence of Ride
        In the order in which they were accepted. Their seconds are of the line as published.

    Returns
    -------
    Accepted

    Notes
    -----
    Each stop goes between the two points of the line that its second lies between. What it adds
    is driven half before it and half after, and delays whatever comes later.

    Examples
    --------
    >>> line, seconds = np.array([(5.37, 43.29), (5.41, 43.29)]), np.array([0.0, 320.0])
    >>> ride = Ride((5.38, 43.29), (5.40, 43.295), 80.0, 240.0, seats=1)
    >>> accepted = accepted_line(line, seconds, [ride])
    >>> accepted.lonlat[:, 0].tolist(), round(accepted.detour_s)
    ([5.37, 5.38, 5.4, 5.41], 34)
    """
    # Stops in the order of the line: second as published, place, ride, 0 where it begins.
    stops = sorted(
        (second, place, i, end)
        for i, ride in enumerate(rides)
        for end, (second, place) in enumerate(
            ((ride.pickup_s, ride.pickup), (ride.dropoff_s, ride.dropoff))
        )
    )
    points = [tuple(point) for point in lonlat.tolist()]
    published = times_s.tolist()
    new_points, new_times, seconds = [points[0]], [published[0]], [published[0]]
    kept = np.zeros((len(rides), 4))
    added = np.zeros(len(rides))  # by whom, to tell a delay from one's own detour
    delays = np.zeros(len(rides))
    late, i = 0.0, 1
    for second, place, ride, end in stops:
        while i < len(points) - 1 and published[i] < second:
            new_points.append(points[i])
            new_times.append(max(published[i] + late, new_times[-1] + 0.001))
            seconds.append(published[i])
            i += 1
        before, after = new_points[-1], points[i]
        extra = SECONDS_PER_EXTRA_M * _extra_m(before, after, place)
        at = max(second + late + extra / 2.0, new_times[-1] + 0.001)
        new_points.append(place)
        new_times.append(at)
        seconds.append(second)
        late += extra
        added[ride] += extra
        kept[ride, end] = at
        delays[ride] = late
    for point, second in zip(points[i:], published[i:], strict=True):
        new_points.append(point)
        new_times.append(max(second + late, new_times[-1] + 0.001))
        seconds.append(second)
    kept[:, 2] = [ride.seats for ride in rides]
    kept[:, 3] = np.maximum(0.0, MAX_DELAY_S - (delays - added))
    return Accepted(np.array(new_points), np.array(new_times), np.array(seconds), kept, late)


def _extra_m(a: LonLat, b: LonLat, via: LonLat) -> float:
    there, back = haversine_m(via, np.array([a, b])).tolist()
    straight = haversine_m(a, np.array([b])).item()
    return float(max(0.0, there + back - straight))
