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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from geo.arrays import BoolArray, LonLat, LonLatArray, as_lonlat
from geo.cells import cells_to_lonlat, cells_to_parents, points_to_cells
from geo.distance import haversine_m
from geo.groups import CellGroups
from geo.zones import ZoneMap
from indexes.entities import GroupPartition, Zone
from indexes.journeys import Anchor, Role, Schedule, Trip, WeeklyTime
from indexes.router import AIR_FACTOR, AIR_SPEED_M_S, AirRouter, Router
from indexes.schedules import MAX_SECOND

__all__ = ["OUTSIDE_RESOLUTION", "Published", "Publisher"]

GROUP_RESOLUTION = 9
OUTSIDE_RESOLUTION = 7
PIECE_M, MOST_PIECES = 100.0, 2_000  # of a line that is made up
AT_ONCE = 16  # points of a line whose cells are looked up together


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
    zones : sequence of Zone
        Of one vintage; where there is no partition they name the commune of a region's own point.
    router : Router, optional
        Makes up lines.
    """

    def __init__(
        self,
        partition: GroupPartition | None,
        zones: Sequence[Zone] = (),
        router: Router | None = None,
    ) -> None:
        named = () if partition else zones
        self._zones = ZoneMap([zone.code for zone in named], [zone.geometry for zone in named])
        self._communes = {str(zone.code): zone.commune_name for zone in named}
        self._commune_of_cell: dict[int, str] = {}  # few: so many trips begin in one
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
        (origin, destination), communes = self._ends(line[[0, -1]], home)
        if trip.role is Role.PASSENGER:
            return self._made_up(trip, communes, origin, destination, [])
        if trip.estimated:
            # Of the way, only what lies outside: near the ends it would point at them.
            outside = self._outside(line, origin, destination)
            middle = [trip.lonlat[row] for row in np.flatnonzero(outside).tolist()]
            return self._made_up(trip, communes, origin, destination, middle)
        first = self._first_outside(line, origin, destination)
        last = len(line) - 1 - self._first_outside(line[::-1], origin, destination)
        if last <= first:
            return None
        start_s = trip.times_s[first]
        times_s = np.round(np.array(trip.times_s[first : last + 1]) - start_s, 3)
        lonlat = trip.lonlat[first : last + 1]
        cut = replace(
            trip,
            lonlat=lonlat,
            times_s=tuple(times_s.tolist()),
            schedule=_moved(trip.schedule, lonlat, origin.lonlat, destination.lonlat),
            origin_name=communes[0],
            destination_name=communes[1],
        )
        return Published(cut, start_s)

    def commune(self, place: LonLat) -> str:
        """The commune that a place's group names, or nothing."""
        (number,) = self._lookup.group_of(points_to_cells(as_lonlat(place), GROUP_RESOLUTION))
        return self._groups[number].commune_name if number >= 0 else ""

    def _ends(self, ends: LonLatArray, home: str | None) -> tuple[list["_Region"], list[str]]:
        """Where each end is said to lie, and in which commune."""
        cells = points_to_cells(ends, GROUP_RESOLUTION)
        numbers = self._lookup.group_of(cells).tolist()
        wide = self._wide.group_of(cells) >= 0
        parents = cells_to_parents(cells, OUTSIDE_RESOLUTION)
        regions, communes = [], []
        for number, is_wide, parent in zip(numbers, wide.tolist(), parents, strict=True):
            group = self._groups[number] if number >= 0 else None
            communes.append(group.commune_name if group else "")
            if group is not None and (group.id == home or not is_wide):
                regions.append(_Region((group.lon, group.lat), group.locatable, group=number))
                continue
            lon, lat = np.round(cells_to_lonlat(parent[None])[0], 7).tolist()
            regions.append(_Region((lon, lat), shown=True, cell=int(parent)))
            communes[-1] = communes[-1] or self._commune_at(regions[-1])
        return regions, communes

    def _commune_at(self, region: "_Region") -> str:
        """The commune of a cell's own point, by the zones: it tells nothing of a trip's own end."""
        found = self._commune_of_cell.get(region.cell)
        if found is None:
            (index,) = self._zones.locate(as_lonlat(region.lonlat)).index.tolist()
            found = self._communes[self._zones.codes[index]] if index >= 0 else ""
            self._commune_of_cell[region.cell] = found
        return found

    def _outside(self, line: LonLatArray, *regions: "_Region") -> BoolArray:
        """Which points of a line lie in none of some regions."""
        cells = points_to_cells(line, GROUP_RESOLUTION)
        groups = self._lookup.group_of(cells)
        parents = cells_to_parents(cells, OUTSIDE_RESOLUTION)
        inside = np.zeros(len(line), np.bool_)
        for region in regions:
            inside |= parents == region.cell if region.group < 0 else groups == region.group
        return ~inside

    def _first_outside(self, line: LonLatArray, *regions: "_Region") -> int:
        """Which point of a line is the first in none of some regions; the line's length if none is.

        Cells cost more than all else here, and most lines have left their region soon.
        """
        for at in range(0, len(line), AT_ONCE):
            outside = self._outside(line[at : at + AT_ONCE], *regions)
            if outside.any():
                return at + int(np.argmax(outside))
        return len(line)

    def _made_up(
        self,
        trip: Trip,
        communes: list[str],
        origin: "_Region",
        destination: "_Region",
        middle: list[LonLat],
    ) -> Published | None:
        if origin == destination or not (origin.shown and destination.shown):
            return None
        route = self._router.route([origin.lonlat, *middle, destination.lonlat])
        made = replace(
            trip,
            lonlat=route.lonlat,
            times_s=route.times_s,
            estimated=True,
            origin_name=communes[0],
            destination_name=communes[1],
        )
        if trip.role is Role.PASSENGER:
            return Published(made, 0.0)
        line, times_s = _in_pieces(route.lonlat, route.times_s)
        outside = np.flatnonzero(self._outside(line, origin, destination))
        if outside.size < 2:
            return None
        some = slice(outside[0], outside[-1] + 1)
        lonlat = tuple((lon, lat) for lon, lat in line[some].tolist())
        cut = replace(
            made,
            lonlat=lonlat,
            times_s=tuple(np.round(times_s[some] - times_s[some][0], 3).tolist()),
            schedule=_moved(made.schedule, lonlat, origin.lonlat, destination.lonlat),
        )
        return Published(cut, 0.0)


@dataclass(frozen=True, slots=True)
class _Region:
    """A group, by its number, or else a cell; and the point that stands for it."""

    lonlat: LonLat
    shown: bool
    group: int = -1
    cell: int = 0


def _is_wide(cell: int) -> bool:
    return (cell >> 52) & 15 < OUTSIDE_RESOLUTION  # where an H3 index has its resolution


def _moved(
    schedule: Schedule, cut: tuple[LonLat, ...], origin: LonLat, destination: LonLat
) -> Schedule:
    """The schedule of a line that was cut, its time moved from the region's point to the cut."""
    by_arrival = schedule.anchor is Anchor.ARRIVE
    place, end = (destination, cut[-1]) if by_arrival else (origin, cut[0])
    way_m = haversine_m(place, np.array([end])).item() * AIR_FACTOR
    seconds = round(way_m / AIR_SPEED_M_S)
    return _later(schedule, -seconds if by_arrival else seconds)


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
