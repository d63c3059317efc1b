"""The roads of a sample: arterials from the middle outwards, rings across them, all winding.

Who drives from one place to another takes the road at the nearest corner, changes to the ring
that makes the way shortest, or goes through the middle, and leaves where it is nearest again: so
many lines share roads to the last digit, as real ones do.
"""

from dataclasses import dataclass
from math import cos, pi, radians

import numpy as np

from geo.arrays import FloatArray, IntArray, LonLat, LonLatArray
from geo.distance import EARTH_RADIUS_M

__all__ = ["RoadNet", "Ways"]

STEP_M = 50.0  # between vertices, along an arterial and about so along a ring
REACH = 600  # steps to the end of an arterial: 30 km
RINGS = (0, 30, 80, 170, 320)  # steps from the middle; 0 is the middle itself
MOST_VERTICES = 200
DEGREE_M = radians(1.0) * EARTH_RADIUS_M
UNIT = 1e7  # coordinates are whole 1e-7 degrees, as they are kept

# Roads wind: every place is pushed aside by these waves. Amplitude and length in metres, and a
# phase, east and north. What they push stays within 0.35 of the distance between two places, so
# that no road turns back.
WAVES = (
    ((70.0, 1_900.0, 0.4), (50.0, 1_300.0, 2.1)),
    ((200.0, 9_000.0, 1.2), (160.0, 7_000.0, 0.3)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """Lines one after another: line i has the points ``first[i]`` to ``first[i + 1] - 1``.

    ``points`` int32 (n, 2) are longitude and latitude in 1e-7 degrees, EPSG:4326, ``ms`` int32
    (n,) milliseconds from the line's first point, rising.
    """

    first: IntArray
    points: np.ndarray[tuple[int, int], np.dtype[np.int32]]
    ms: np.ndarray[tuple[int], np.dtype[np.int32]]

    def __len__(self) -> int:
        return len(self.first) - 1

    def line(self, row: int) -> tuple[LonLat, ...]:
        """The points of a line, degrees, EPSG:4326."""
        some = slice(int(self.first[row]), int(self.first[row + 1]))
        lon, lat = (self.points[some].T / UNIT).tolist()
        return tuple(zip(lon, lat, strict=True))

    def times_s(self, row: int) -> tuple[float, ...]:
        """Seconds from a line's first point to each."""
        some = slice(int(self.first[row]), int(self.first[row + 1]))
        return tuple((self.ms[some] / 1_000.0).tolist())


class RoadNet:
    """Arterials and rings around a middle.

    Parameters
    ----------
    middle : (lon, lat)
        Degrees, EPSG:4326.
    arterials : int
        How many, three or more.
    from_angle, to_angle : float
        Radians from the east, anticlockwise: of the first arterial, and of the last. A full turn
        closes the rings.

    Attributes
    ----------
    count : int
        Of arterials.
    """

    def __init__(
        self,
        middle: LonLat,
        arterials: int = 13,
        from_angle: float = 0.03 * pi,
        to_angle: float = 0.97 * pi,
    ) -> None:
        self._closed = to_angle - from_angle >= 2.0 * pi
        self.count = arterials
        self._from = from_angle
        self._gap = (to_angle - from_angle) / (arterials if self._closed else arterials - 1)
        self._middle = np.array(middle)
        self._degree_m = np.array([DEGREE_M * cos(radians(middle[1])), DEGREE_M])
        angle = from_angle + self._gap * np.arange(arterials)
        rays = np.column_stack((np.cos(angle), np.sin(angle)))
        nodes = [(rays[:, None] * (STEP_M * np.arange(REACH + 1))[:, None]).reshape(-1, 2)]
        # Of each ring: its first node, and how many steps it has from one arterial to the next.
        self._ring_first, self._ring_steps = np.zeros((2, len(RINGS)), np.int64)
        found = len(nodes[0])
        for number, radius in enumerate(RINGS[1:], start=1):
            steps = max(1, round(radius * self._gap))
            turn = from_angle + self._gap / steps * np.arange(steps * arterials)
            nodes.append(radius * STEP_M * np.column_stack((np.cos(turn), np.sin(turn))))
            self._ring_first[number], self._ring_steps[number] = found, steps
            found += len(turn)
        self._nodes = _winding(np.vstack(nodes))

    def metres(self, lonlat: FloatArray) -> FloatArray:
        """Places, degrees, as metres east and north of the middle, shape (n, 2)."""
        return np.asarray((lonlat - self._middle) * self._degree_m, dtype=np.float64)

    def lonlat(self, metres: FloatArray) -> LonLatArray:
        """What `metres` was given, rounded to 1e-7 degree."""
        return np.asarray(np.round(self._middle + metres / self._degree_m, 7), dtype=np.float64)

    def near_roads(
        self, arterial: IntArray, along_m: FloatArray, aside_m: FloatArray
    ) -> FloatArray:
        """Places so far along an arterial and aside of it, metres, shape (n, 2)."""
        angle = self._from + self._gap * (arterial % self.count)
        ray = np.column_stack((np.cos(angle), np.sin(angle)))
        across = ray[:, ::-1] * np.array([-1.0, 1.0])
        return _winding(ray * along_m[:, None] + across * aside_m[:, None])

    def length_m(self, origins: FloatArray, destinations: FloatArray) -> FloatArray:
        """About how long the way from each place to the other is, metres."""
        _, _, _, _, steps = self._turns(origins, destinations)
        return np.asarray(STEP_M * steps, dtype=np.float64)

    def ways(self, origins: FloatArray, destinations: FloatArray, slow: FloatArray) -> Ways:
        """Lines from places to places, along the roads.

        Parameters
        ----------
        origins, destinations : ndarray of float64, shape (n, 2)
            As `metres` gives them.
        slow : ndarray of float64, shape (n,)
            By how much the time of each is more than on empty roads.

        Returns
        -------
        Ways
            Of 200 points at most. They leave out points of the road, never move one.
        """
        (start, one), (end, other), ring, turn, steps = self._turns(origins, destinations)
        # Three legs: along an arterial to the ring, along it, and along the other arterial. The
        # first counts its first point, the others don't: it is where the one before ended.
        arc = np.where(one == other, 0, self._arc(one, other) * self._ring_steps[ring])
        leg_from = np.column_stack((start, np.zeros_like(start), turn))
        leg_steps = np.column_stack((turn - start, arc, end - turn))
        stride = np.maximum(1, -(-steps // (MOST_VERTICES - 6)))[:, None]
        counts = -(-np.abs(leg_steps) // stride)
        counts[:, 0] += 1
        sizes = counts.sum(axis=1) + 2  # and where it begins and ends
        first = np.concatenate(([0], np.cumsum(sizes)))
        points = np.empty((int(first[-1]), 2), np.int32)
        ms = np.empty(int(first[-1]), np.int32)
        # Some thousands at a time: a million lines are a hundred million points.
        for low in range(0, len(sizes), 20_000):
            some = slice(low, low + 20_000)
            n = len(sizes[some])
            leg = np.repeat(np.arange(3 * n), counts[some].reshape(-1))
            rank = np.arange(len(leg)) - np.repeat(
                np.cumsum(counts[some]) - counts[some].reshape(-1), counts[some].reshape(-1)
            )
            line, which = leg // 3, leg % 3
            rank = (rank + (which > 0)) * stride[some][line, 0]
            whole = leg_steps[some].reshape(-1)[leg]
            at = leg_from[some].reshape(-1)[leg] + np.sign(whole) * np.minimum(rank, np.abs(whole))
            node = self._node(one[some][line], other[some][line], ring[some][line], which, at)
            places = np.empty((int(sizes[some].sum()), 2))
            begins = np.cumsum(sizes[some]) - sizes[some]
            inner = np.ones(len(places), np.bool_)
            inner[begins] = inner[begins + sizes[some] - 1] = False
            places[begins], places[begins + sizes[some] - 1] = origins[some], destinations[some]
            places[inner] = self._nodes[node]
            into = slice(int(first[low]), int(first[low]) + len(places))
            points[into] = np.rint((self._middle + places / self._degree_m) * UNIT)
            ms[into] = _times_ms(places, begins, np.repeat(slow[some], sizes[some]))
        return Ways(first, points, ms)

    def _turns(
        self, origins: FloatArray, destinations: FloatArray
    ) -> tuple[tuple[IntArray, IntArray], tuple[IntArray, IntArray], IntArray, IntArray, IntArray]:
        """Where each way takes the road and leaves it (steps, arterial), by which ring, at how
        many steps of an arterial it turns, and how many steps it has."""
        (start, one), (end, other) = self._corner(origins), self._corner(destinations)
        arc = np.abs(self._arc(one, other))
        radii = np.array(RINGS)
        lengths = (
            np.abs(start[:, None] - radii)
            + arc[:, None] * self._ring_steps
            + np.abs(end[:, None] - radii)
        )
        ring = lengths.argmin(axis=1)
        same = one == other
        steps = np.where(same, np.abs(end - start), lengths[np.arange(len(ring)), ring])
        return (start, one), (end, other), ring, np.where(same, start, radii[ring]), steps

    def _corner(self, places: FloatArray) -> tuple[IntArray, IntArray]:
        """About the nearest vertex of an arterial: how many steps out, and which arterial."""
        # Angles within half a turn of the sector's middle, wherever it lies.
        half = 0.5 * self._gap * (self.count if self._closed else self.count - 1)
        turn = np.arctan2(places[:, 1], places[:, 0]) - self._from - half
        turn = (turn + pi) % (2.0 * pi) - pi + half
        arterial = np.rint(turn / self._gap).astype(np.int64)
        if self._closed:
            arterial %= self.count
        arterial = np.clip(arterial, 0, self.count - 1)
        out = np.rint(np.hypot(*places.T) / STEP_M).astype(np.int64)
        return np.minimum(out, REACH), arterial

    def _arc(self, one: IntArray, other: IntArray) -> IntArray:
        """Arterials from one to another, the shorter way round."""
        arc = other - one
        if self._closed:
            arc = (arc + self.count // 2) % self.count - self.count // 2
        return arc

    def _node(
        self, one: IntArray, other: IntArray, ring: IntArray, which: IntArray, at: IntArray
    ) -> IntArray:
        """The number of a vertex: ``at`` is along the leg's arterial, or along the ring."""
        along = np.where(which == 0, one, other) * (REACH + 1) + at
        round_ = one * self._ring_steps[ring] + at
        if self._closed:
            round_ %= np.maximum(1, self.count * self._ring_steps[ring])
        found: IntArray = np.where(which == 1, self._ring_first[ring] + round_, along)
        return found


def _winding(metres: FloatArray) -> FloatArray:
    """Where places of a plan of straight rays and round rings really are."""
    found = metres.copy()
    for waves in WAVES:
        for axis, (height_m, length_m, phase) in enumerate(waves):
            # Each axis is pushed by the other, so that both together turn no piece over.
            found[:, axis] += height_m * np.sin(2.0 * pi / length_m * found[:, 1 - axis] + phase)
    return found


def _times_ms(places: FloatArray, begins: IntArray, slow: FloatArray) -> IntArray:
    """Milliseconds from each line's first point: 24 km/h in the middle, 80 far out."""
    speed = 24.0 + 56.0 * np.minimum(1.0, np.hypot(*places.T) / 14_000.0)
    pieces = np.hypot(*np.diff(places, axis=0, prepend=places[:1]).T) * 3_600.0 / speed * slow
    pieces = np.maximum(1_000.0, np.rint(pieces)).astype(np.int64)  # rising, whatever it is
    passed = np.cumsum(pieces)
    sizes = np.diff(np.append(begins, len(places)))
    return np.asarray(passed - np.repeat(passed[begins], sizes), dtype=np.int64)
