"""Trips as others may see them: no end of a person's trip is told, nor when it is reached.

A person's trip begins and ends somewhere in a *region*: the published group that holds the end.
Groups also cover what is empty, out of town by hundreds of square kilometres; there, and where no
group is, the region is the H3 cell of resolution 7, some 5 km². Never so for an end in the group
that the owner lives in: however large it is, it holds k dwellings, and one of them is the owner's.

What is published is a function of the trip's public part and of these two regions alone:

- A driver's route is cut. It begins at its first point outside both regions and ends at the
  last. The time of the schedule moves to the cut by what the air line from the region's own
  point takes, not by what the driver takes from home.
- A route made up from waypoints would point back at its ends: it is made up anew, from the one
  region's point to the other's, and cut then.
- A passenger goes from the one region's point to the other's.

A trip of which nothing is left, or that would have to show a group too small to be located, is
not published. Trips of public operators, who are nobody, are published as they are.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from geo.arrays import IntArray, LonLat, LonLatArray, as_lonlat
from geo.cells import cells_to_lonlat, cells_to_parents, points_to_cells
from geo.distance import haversine_m
from geo.groups import CellGroups
from indexes.entities import GroupPartition
from indexes.journeys import Anchor, Role, Schedule, Trip, WeeklyTime
from indexes.router import AIR_FACTOR, AIR_SPEED_M_S, AirRouter, Router
from indexes.schedules import MAX_SECOND

__all__ = ["OUTSIDE_RESOLUTION", "Published", "Publisher"]

GROUP_RESOLUTION = 9
OUTSIDE_RESOLUTION = 7
PIECE_M, MOST_PIECES = 100.0, 2_000  # of a line that is made up


@dataclass(frozen=True, slots=True)
class Published:
    """A trip as others see it. Its line begins ``start_s`` seconds after that of the trip
    itself; 0 where it is another line, made up."""

    trip: Trip
    start_s: float


class Publisher:
    """Publishes the trips of a tenant by its current groups. It never changes.

    Parameters
    ----------
    partition : GroupPartition or None
        The current one.
    router : Router, optional
        Makes up lines.
    """

    def __init__(self, partition: GroupPartition | None, router: Router | None = None) -> None:
        self._groups = partition.groups if partition else ()
        self._lookup = CellGroups([group.cells for group in self._groups])
        wide = [cell for group in self._groups for cell in group.cells if _is_wide(cell)]
        self._wide = CellGroups([wide])
        self._router = router or AirRouter()

    def publish(self, trip: Trip, home: str | None) -> Published | None:
        """A trip's published form, or None for one that has none.

        Parameters
        ----------
        trip : Trip
            As its owner stated it.
        home : str or None
            The group that the owner lives in.
        """
        if trip.owner_id is None:
            return Published(trip, 0.0)
        line = as_lonlat(trip.lonlat)
        origin, destination = (self._region(line[end], home) for end in (0, -1))
        outside = self._outside(line, origin, destination)
        if trip.role is Role.PASSENGER or trip.estimated:
            # Of the way, only what lies outside: near the ends it would point at them.
            middle = [trip.lonlat[row] for row in outside.tolist()]
            return self._made_up(trip, origin, destination, middle)
        if outside.size < 2:
            return None
        first, last = int(outside[0]), int(outside[-1])
        start_s = trip.times_s[first]
        cut = replace(
            self._named(trip),
            lonlat=trip.lonlat[first : last + 1],
            times_s=tuple(round(time - start_s, 3) for time in trip.times_s[first : last + 1]),
        )
        return Published(_moved(cut, origin.lonlat, destination.lonlat), start_s)

    def commune(self, place: LonLat) -> str:
        """The commune that a place's group names, or nothing."""
        (number,) = self._lookup.group_of(points_to_cells(as_lonlat(place), GROUP_RESOLUTION))
        return self._groups[number].commune_name if number >= 0 else ""

    def _region(self, place: npt.NDArray[np.float64], home: str | None) -> "_Region":
        """Where an end is said to lie."""
        cells = points_to_cells(place[None], GROUP_RESOLUTION)
        (number,) = self._lookup.group_of(cells).tolist()
        group = self._groups[number] if number >= 0 else None
        (wide,) = self._wide.group_of(cells) >= 0
        if group is not None and (group.id == home or not wide):
            return _Region((group.lon, group.lat), group.locatable, group=number)
        parents = cells_to_parents(cells, OUTSIDE_RESOLUTION)
        lon, lat = np.round(cells_to_lonlat(parents)[0], 7).tolist()
        return _Region((lon, lat), shown=True, cell=int(parents[0]))

    def _outside(self, line: LonLatArray, *regions: "_Region") -> IntArray:
        """Which points of a line, in order, lie in none of some regions."""
        cells = points_to_cells(line, GROUP_RESOLUTION)
        groups = self._lookup.group_of(cells)
        parents = cells_to_parents(cells, OUTSIDE_RESOLUTION)
        inside = np.zeros(len(line), np.bool_)
        for region in regions:
            inside |= parents == region.cell if region.group < 0 else groups == region.group
        return np.flatnonzero(~inside)

    def _made_up(
        self, trip: Trip, origin: "_Region", destination: "_Region", middle: list[LonLat]
    ) -> Published | None:
        if origin == destination or not (origin.shown and destination.shown):
            return None
        if trip.role is Role.PASSENGER:
            middle = []
        route = self._router.route([origin.lonlat, *middle, destination.lonlat])
        made = replace(
            self._named(trip), lonlat=route.lonlat, times_s=route.times_s, estimated=True
        )
        if trip.role is Role.PASSENGER:
            return Published(made, 0.0)
        line, times_s = _in_pieces(route.lonlat, route.times_s)
        outside = self._outside(line, origin, destination)
        if outside.size < 2:
            return None
        some = slice(outside[0], outside[-1] + 1)
        cut = replace(
            made,
            lonlat=tuple((lon, lat) for lon, lat in line[some].tolist()),
            times_s=tuple(np.round(times_s[some] - times_s[some][0], 3).tolist()),
        )
        return Published(_moved(cut, origin.lonlat, destination.lonlat), 0.0)

    def _named(self, trip: Trip) -> Trip:
        """The trip without the owner's words for its ends: their communes instead."""
        return replace(
            trip,
            origin_name=self.commune(trip.lonlat[0]),
            destination_name=self.commune(trip.lonlat[-1]),
        )


@dataclass(frozen=True, slots=True)
class _Region:
    """A group, by its number, or else a cell; and the point that stands for it."""

    lonlat: LonLat
    shown: bool
    group: int = -1
    cell: int = 0


def _is_wide(cell: int) -> bool:
    return (cell >> 52) & 15 < OUTSIDE_RESOLUTION  # where an H3 index has its resolution


def _moved(cut: Trip, origin: LonLat, destination: LonLat) -> Trip:
    """A trip that was cut, its time moved from the region's point to the cut."""
    by_arrival = cut.schedule.anchor is Anchor.ARRIVE
    place, end = (destination, cut.lonlat[-1]) if by_arrival else (origin, cut.lonlat[0])
    way_m = haversine_m(place, np.array([end])).item() * AIR_FACTOR
    seconds = round(way_m / AIR_SPEED_M_S)
    return replace(cut, schedule=_later(cut.schedule, -seconds if by_arrival else seconds))


def _later(schedule: Schedule, seconds: int) -> Schedule:
    if schedule.at is not None:
        return replace(schedule, at=schedule.at + timedelta(seconds=seconds))
    weekly = tuple(
        WeeklyTime(days=time.days, second=min(MAX_SECOND, max(0, time.second + seconds)))
        for time in schedule.weekly
    )
    return replace(schedule, weekly=weekly)


def _in_pieces(
    lonlat: tuple[LonLat, ...], times_s: tuple[float, ...]
) -> tuple[LonLatArray, npt.NDArray[np.float64]]:
    """A line with more points on it, some 100 m apart, and their times."""
    points, times = np.array(lonlat), np.array(times_s)
    way_m = times * AIR_SPEED_M_S / AIR_FACTOR
    wanted = min(MOST_PIECES, max(2, round(way_m[-1] / PIECE_M)))
    found = np.union1d(times, np.linspace(0.0, times[-1], wanted + 1))
    line = np.column_stack([np.interp(found, times, points[:, axis]) for axis in (0, 1)])
    rows = np.append(True, np.diff(np.round(found, 3)) > 0)
    return as_lonlat(line[rows]), found[rows]
