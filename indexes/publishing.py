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
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from geo.arrays import FloatArray, LonLat, as_lonlat, as_point
from geo.cells import cell_to_parent, cells_to_lonlat, point_to_cell
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
        self._region_of_cell: dict[int, _Region] = {}  # few: so many trips begin in one
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
        origin, destination = (self._region(trip.lonlat[end], home) for end in (0, -1))
        if trip.role is Role.PASSENGER:
            return self._made_up(trip, origin, destination, [])
        if trip.estimated:
            # Of the way, only what lies outside: near the ends it would point at them.
            middle = [place for place in trip.lonlat if self._outside(place, origin, destination)]
            return self._made_up(trip, origin, destination, middle)
        kept = self._kept(trip.lonlat, origin, destination)
        if kept is None:
            return None
        start_s = trip.times_s[kept.start]
        times_s = np.round(np.array(trip.times_s[kept]) - start_s, 3)
        return Published(_cut(trip, trip.lonlat[kept], times_s, origin, destination), start_s)

    def commune(self, place: LonLat) -> str:
        """The commune that a place's group names, or nothing."""
        number = self._lookup.group_of_cell(point_to_cell(as_point(place), GROUP_RESOLUTION))
        return self._groups[number].commune_name if number >= 0 else ""

    def _region(self, end: LonLat, home: str | None) -> "_Region":
        """Where an end of a trip is said to lie."""
        cell = point_to_cell(as_point(end), GROUP_RESOLUTION)
        number = self._lookup.group_of_cell(cell)
        if number < 0:
            return self._around(cell)
        group = self._groups[number]
        if group.id == home or self._wide.group_of_cell(cell) < 0:
            point = group.lon, group.lat
            return _Region(point, group.locatable, group.commune_name, group=number)
        return replace(self._around(cell), commune=group.commune_name)

    def _around(self, cell: int) -> "_Region":
        """The cell of resolution 7 that a cell lies in, its commune by its own point: that tells
        nothing of a trip's own end."""
        parent = cell_to_parent(cell, OUTSIDE_RESOLUTION)
        found = self._region_of_cell.get(parent)
        if found is None:
            place = np.round(cells_to_lonlat(np.array([parent], np.uint64)), 7)
            (index,) = self._zones.locate(place).index.tolist()
            commune = self._communes[self._zones.codes[index]] if index >= 0 else ""
            lon, lat = place[0].tolist()
            found = _Region((lon, lat), True, commune, cell=parent)
            self._region_of_cell[parent] = found
        return found

    def _outside(self, place: LonLat, *regions: "_Region") -> bool:
        """Whether a point lies in none of some regions."""
        cell = point_to_cell(as_point(place), GROUP_RESOLUTION)
        group, parent = self._lookup.group_of_cell(cell), cell_to_parent(cell, OUTSIDE_RESOLUTION)
        return not any(
            parent == region.cell if region.group < 0 else group == region.group
            for region in regions
        )

    def _kept(self, line: Sequence[LonLat], *regions: "_Region") -> slice | None:
        """From the first point of a line in none of some regions to the last, if that is a line.

        Cells cost more than all else here, and most lines have left their region soon.
        """
        rows = range(len(line))
        first = next((row for row in rows if self._outside(line[row], *regions)), len(line))
        last = next((row for row in reversed(rows) if self._outside(line[row], *regions)), -1)
        return slice(first, last + 1) if first < last else None

    def _made_up(
        self, trip: Trip, origin: "_Region", destination: "_Region", middle: list[LonLat]
    ) -> Published | None:
        if origin == destination or not (origin.shown and destination.shown):
            return None
        route = self._router.route([origin.lonlat, *middle, destination.lonlat])
        if trip.role is Role.PASSENGER:
            made = replace(
                trip,
                lonlat=route.lonlat,
                times_s=route.times_s,
                estimated=True,
                origin_name=origin.commune,
                destination_name=destination.commune,
            )
            return Published(made, 0.0)
        line, times_s = _in_pieces(route.lonlat, route.times_s)
        kept = self._kept(line, origin, destination)
        if kept is None:
            return None
        times_s = np.round(times_s[kept] - times_s[kept.start], 3)
        cut = _cut(trip, tuple(line[kept]), times_s, origin, destination)
        return Published(replace(cut, estimated=True), 0.0)


@dataclass(frozen=True, slots=True)
class _Region:
    """A group, by its number, or else a cell; the point that stands for it, and its commune."""

    lonlat: LonLat
    shown: bool
    commune: str = field(compare=False)
    group: int = -1
    cell: int = 0


def _cut(
    trip: Trip,
    lonlat: tuple[LonLat, ...],
    times_s: FloatArray,
    origin: _Region,
    destination: _Region,
) -> Trip:
    """A driver's trip, of whose line that much is told."""
    return replace(
        trip,
        lonlat=lonlat,
        times_s=tuple(times_s.tolist()),
        schedule=_moved(trip.schedule, lonlat, origin.lonlat, destination.lonlat),
        origin_name=origin.commune,
        destination_name=destination.commune,
    )


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
) -> tuple[list[LonLat], FloatArray]:
    """A line with more points on it, some 100 m apart, and their times."""
    points, times = np.array(lonlat), np.array(times_s)
    way_m = times * AIR_SPEED_M_S / AIR_FACTOR
    wanted = min(MOST_PIECES, max(2, round(way_m[-1] / PIECE_M)))
    found = np.union1d(times, np.linspace(0.0, times[-1], wanted + 1))
    line = np.column_stack([np.interp(found, times, points[:, axis]) for axis in (0, 1)])
    rows = np.append(True, np.diff(np.round(found, 3)) > 0)
    return [(lon, lat) for lon, lat in as_lonlat(line[rows]).tolist()], found[rows]
