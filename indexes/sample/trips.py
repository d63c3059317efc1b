"""Commutes of a sample's members, and the stops where they may meet."""

from collections.abc import Sequence
from dataclasses import replace
from math import pi

import numpy as np
from scipy.spatial import cKDTree

from geo.arrays import LonLatArray
from indexes.audience import Audience
from indexes.entities import VERIFIED_LEVEL, Kind, Listing, Member
from indexes.journeys import Role, Trip
from indexes.router import AirRouter
from indexes.sample.catalogue import STREETS
from indexes.sample.listings import Dice, sample_id
from indexes.sample.roads import RoadNet
from indexes.sample.routes import commute_times, work_places

__all__ = ["draw_trips", "roads_around", "with_stops"]

DRIVERS, PASSENGERS, EITHER = 0.14, 0.08, 0.03  # of all members
LEAST_M = 1_500.0
STOP_EVERY_M, STOPS_TO_M, ROADSIDE_M = 700.0, 6_300.0, 8.0
FROM_BUILDINGS_M = 300.0


def roads_around(homes: LonLatArray) -> RoadNet:
    """Roads for a town whose homes these are, to all sides, as if no sea were there."""
    lon, lat = np.median(homes, axis=0).round(7).tolist()
    return RoadNet((lon, lat), arterials=16, from_angle=0.0, to_angle=2.0 * pi)


def with_stops(
    listings: Sequence[Listing], net: RoadNet, dice: Dice, buildings: LonLatArray | None = None
) -> tuple[Listing, ...]:
    """The same listings, every other public place a stop on a road: where people may meet.

    Where ``buildings`` are given, as for `draw_trips`, a stop is near one.
    """
    along_m = np.arange(STOP_EVERY_M, STOPS_TO_M, STOP_EVERY_M)
    road = np.tile(np.arange(net.count), len(along_m))
    along_m = np.repeat(along_m, net.count)
    at = net.near_roads(road, along_m, np.full(len(road), ROADSIDE_M))
    if buildings is not None:
        apart_m, _ = cKDTree(net.metres(buildings)).query(at)
        at = at[apart_m <= FROM_BUILDINGS_M]
    points = net.lonlat(at).tolist()
    places = [row for row, listing in enumerate(listings) if listing.kind is Kind.PLACE]
    found = list(listings)
    for row, (lon, lat) in zip(places[::2], points, strict=False):
        found[row] = replace(
            listings[row],
            title=f"Arrêt {dice.one(STREETS)}",
            category="mobility.stop",
            lon=lon,
            lat=lat,
            text="",
            address="",
            opening_hours=None,
            hours_text=None,
        )
    return tuple(found)


def draw_trips(
    net: RoadNet,
    members: Sequence[Member],
    homes: LonLatArray,
    tenant_id: str,
    dice: Dice,
    buildings: LonLatArray | None = None,
) -> tuple[Trip, ...]:
    """To work and back, of some members, each from home.

    Parameters
    ----------
    net : RoadNet
        The roads they take.
    members : sequence of Member
        Of whom some commute.
    homes : ndarray of float64, shape (n, 2)
        Where each lives, degrees, EPSG:4326.
    tenant_id : str
        Whose trips.
    dice : Dice
        Draws all; what takes place once does so within two weeks of its instant.
    buildings : ndarray of float64, shape (m, 2), optional
        Where people work, if not anywhere along the roads, which may be in the sea.
    """
    rng = dice.rng
    drawn = rng.random(len(members))
    lots = np.cumsum((DRIVERS, PASSENGERS, EITHER))
    commuters = np.flatnonzero(drawn < lots[-1])
    start, work = net.metres(homes[commuters]), work_places(net, len(commuters), rng)
    if buildings is not None:
        at = net.metres(buildings)
        work = at[cKDTree(at).query(work)[1]]
    far = net.length_m(start, work) >= LEAST_M
    commuters, start, work = commuters[far], start[far], work[far]
    if not commuters.size:
        return ()
    slow = rng.uniform(1.0, 1.5, len(commuters))
    there = commute_times(np.ones(len(commuters), np.bool_), dice.now.date(), rng)
    # Back on the same days, and in the same car.
    back = replace(
        commute_times(np.zeros(len(commuters), np.bool_), dice.now.date(), rng),
        day_mask=there.day_mask,
        first_day=there.first_day,
        dated=there.dated,
        seats=there.seats,
    )
    roles = (Role.DRIVER, Role.PASSENGER, Role.EITHER)
    chosen = [roles[int(np.searchsorted(lots, drawn[row], "right"))] for row in commuters.tolist()]
    found: list[Trip] = []
    for origin, destination, times in ((start, work, there), (work, start, back)):
        ways = net.ways(origin, destination, slow)
        for row, commuter in enumerate(commuters.tolist()):
            member, role = members[commuter], chosen[row]
            line, seconds = ways.line(row), ways.times_s(row)
            estimated = role is Role.PASSENGER  # who needn't know the way
            if estimated:
                line, seconds, _ = AirRouter().route((line[0], line[-1]))
            found.append(
                Trip(
                    tenant_id=tenant_id,
                    id=sample_id("trip", len(found)),
                    owner_id=member.id,
                    role=role,
                    lonlat=line,
                    times_s=seconds,
                    estimated=estimated,
                    schedule=times.schedule(row),
                    seats=int(times.seats[row]) if role is Role.DRIVER else 1,
                    audience=Audience.PUBLIC if dice.often(0.8) else Audience.CITY,
                    verified_only=member.level >= VERIFIED_LEVEL and dice.often(0.1),
                    smoking=False if dice.often(0.5) else None,
                    published_at=dice.ago(rng.uniform(0.0, 200.0)),
                )
            )
    return tuple(map(_since_published, found))


def _since_published(trip: Trip) -> Trip:
    """The same, but that a weekly one has run since it was published, at the latest."""
    begun, published = trip.schedule.valid_from, trip.published_at
    if begun is None or published is None or begun <= published.date():
        return trip
    return replace(trip, schedule=replace(trip.schedule, valid_from=published.date()))
