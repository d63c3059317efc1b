"""A quarter's facts from the rows of a store: joined by column, alike for every store."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo.arrays import FloatArray, LonLatArray
from geo.cells import cells_to_parents
from indexes.district_facts import (
    BUILDING_FACTS,
    HOUSEHOLD_FACTS,
    LISTING_FACTS,
    REQUEST_FACTS,
    TRIP_FACTS,
    WEEKS,
    Facts,
    Quarter,
)
from indexes.journeys import Schedule
from indexes.placement import Placer

__all__ = ["PIECE_RESOLUTION", "RawFacts", "RawTrips", "joined_facts", "touches"]

PIECE_RESOLUTION = 8  # of the cells that figures are counted by


@dataclass(frozen=True, slots=True, eq=False)
class RawTrips:
    """Trips that are not cancelled: row i of every column is one."""

    ids: Sequence[str]
    owners: Sequence[str | None]
    roles: Sequence[str]
    seats: Sequence[int]
    schedules: Sequence[Schedule]
    ends: FloatArray  # (n, 2, 2) first and last point, degrees, EPSG:4326


@dataclass(frozen=True, slots=True, eq=False)
class RawFacts:
    """Rows as a store keeps them, in no set order; `indexes.sqldistricts` says which."""

    buildings: pa.Table
    households: pa.Table
    members: pa.Table
    activity: pa.Table
    listings: pa.Table
    requests: pa.Table
    trips: RawTrips
    booked: Set[str]  # ids of trips


def joined_facts(quarter: Quarter, zone: ZoneInfo, raw: RawFacts, placer: Placer) -> Facts:
    """Join a store's rows.

    Parameters
    ----------
    quarter : Quarter
        Of which.
    zone : ZoneInfo
        The tenant's: on its days, trips take place once.
    raw : RawFacts
        The rows.
    placer : Placer
        Says where the ends of trips lie.
    """
    buildings = raw.buildings.drop_columns("cell").append_column(
        "cell8", _parents(raw.buildings["cell"])
    )
    homes = _Homes(buildings, raw.households, raw.members)
    households = _households(homes, raw)
    counts = households.group_by("building").aggregate([([], "count_all")])
    at = pc.index_in(buildings["id"], counts["building"])
    return Facts(
        quarter=quarter,
        households=households,
        buildings=_table(
            BUILDING_FACTS,
            building=buildings["id"],
            zone=buildings["zone"],
            cell8=buildings["cell8"],
            lon=buildings["lon"],
            lat=buildings["lat"],
            dwellings=buildings["dwellings"],
            households=pc.fill_null(counts["count_all"].take(at), 0),
        ),
        listings=_listings(homes, raw.listings),
        requests=_requests(homes, raw.requests),
        trips=_trips(homes, raw, quarter, zone, placer),
    )


class _Homes:
    """Where people live, by the number of their household: null for nobody's."""

    def __init__(self, buildings: pa.Table, households: pa.Table, members: pa.Table) -> None:
        at = pc.index_in(households["building"], buildings["id"])
        self.household = households["id"]
        self.building = households["building"]
        self.zone = buildings["zone"].take(at)
        self.cell8 = buildings["cell8"].take(at)
        self.members = members["id"]
        # Ids are looked up once, and numbers taken from then on: many times as fast.
        self.of_member = pc.index_in(members["household"], self.household)

    def of(self, members: pa.ChunkedArray) -> pa.ChunkedArray:
        """The household of each member, to take of the columns here."""
        return self.of_member.take(pc.index_in(members, self.members))


def _households(homes: _Homes, raw: RawFacts) -> pa.Table:
    joined = homes.of_member.filter(raw.members["joined"])
    counts = pa.table({"home": joined}).group_by("home").aggregate([([], "count_all")])
    home = counts["home"]
    household = homes.household.take(home)
    active = pc.index_in(household, raw.activity["household"])
    weeks = pc.fill_null(raw.activity["weeks"].take(active), 0)
    return _table(
        HOUSEHOLD_FACTS,
        household=household,
        building=homes.building.take(home),
        zone=homes.zone.take(home),
        cell8=homes.cell8.take(home),
        members=counts["count_all"],
        weeks=pc.min_element_wise(weeks, WEEKS),
    )


def _listings(homes: _Homes, found: pa.Table) -> pa.Table:
    home, public = homes.of(found["owner"]), found["public"]
    return _table(
        LISTING_FACTS,
        listing=found["id"],
        household=homes.household.take(home),
        owner=found["owner"],
        zone=pc.if_else(public, found["zone"], homes.zone.take(home)),
        cell8=pc.if_else(public, _parents(found["cell"]), homes.cell8.take(home)),
        lon=found["lon"],
        lat=found["lat"],
        kind=found["kind"],
        category=found["category"],
        public=public,
    )


def _requests(homes: _Homes, found: pa.Table) -> pa.Table:
    home = homes.of(found["asker"])
    return _table(
        REQUEST_FACTS,
        household=homes.household.take(home),
        zone=homes.zone.take(home),
        cell8=homes.cell8.take(home),
        category=found["category"],
        answered_48h=found["answered_48h"],
        unmet=found["unmet"],
    )


def _trips(
    homes: _Homes, raw: RawFacts, quarter: Quarter, zone: ZoneInfo, placer: Placer
) -> pa.Table:
    trips = raw.trips
    running = np.array([touches(one, quarter, zone) for one in trips.schedules], np.bool_)
    from_zone, from_cell8 = _placed(placer, trips.ends[:, 0])
    to_zone, to_cell8 = _placed(placer, trips.ends[:, 1])
    return _table(
        TRIP_FACTS,
        household=homes.household.take(homes.of(pa.array(trips.owners, pa.string()))),
        zone=from_zone,
        cell8=from_cell8,
        to_zone=to_zone,
        to_cell8=to_cell8,
        role=pa.array(trips.roles, pa.string()),
        seats=pa.array(trips.seats, pa.int32()),
        matched=pa.array([id in raw.booked for id in trips.ids], pa.bool_()),
    ).filter(pa.array(running))


def touches(schedule: Schedule, quarter: Quarter, zone: ZoneInfo) -> bool:
    """Whether a trip may take place within a quarter: on its day, or by its validity.

    A weekly trip counts if its validity and the quarter have a day in common, or a day added
    lies in the quarter: its weekdays come round in every quarter.
    """
    first, last = quarter.first_day, quarter.last_day
    if schedule.at is not None:
        return first <= schedule.at.astimezone(zone).date() <= last
    begun = schedule.valid_from is None or schedule.valid_from <= last
    ended = schedule.valid_to is not None and schedule.valid_to < first
    return (begun and not ended) or any(first <= day <= last for day in schedule.added)


def _placed(placer: Placer, lonlat: LonLatArray) -> tuple[pa.Array, pa.Array]:
    places = placer.place(lonlat)
    return pa.array(places.zone, pa.string()), pa.array(
        cells_to_parents(places.cell, PIECE_RESOLUTION), pa.uint64()
    )


def _parents(cells: pa.ChunkedArray) -> pa.Array:
    """Cells at resolution 9 to their parents; null stays null."""
    none = cells.is_null().to_numpy()
    found = np.full(len(none), 0, np.uint64)
    found[~none] = cells_to_parents(cells.drop_null().to_numpy(), PIECE_RESOLUTION)
    return pa.array(found, pa.uint64(), mask=none)


def _table(schema: pa.Schema, **columns: Any) -> pa.Table:
    return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)
