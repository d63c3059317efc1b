"""A quarter's facts counted record by record, and the towns to count them in."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import h3
import numpy as np
import shapely
from store_records import TENANT, zone

from indexes.audience import Audience
from indexes.district_facts import ActivityWeek, Facts
from indexes.entities import (
    Building,
    Entity,
    Household,
    Kind,
    Listing,
    Member,
)
from indexes.journeys import Booking, BookingStatus, Role, Schedule, Trip, WeeklyTime
from indexes.store import Desk, Store
from indexes.trusting import Reply, Request

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# 2026Q3 in Paris, and what lies just before and after either end of it.
BEGINS, ENDS = datetime(2026, 6, 30, 22, tzinfo=UTC), datetime(2026, 9, 30, 22, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EDGES = [at + step for at in (BEGINS, ENDS) for step in (-HOUR, -SECOND, 0 * HOUR, SECOND, DAY)]
WEEKS = ["2026-W26", "2026-W27", "2026-W30", "2026-W31", "2026-W39", "2026-W40", "2025-W30"]
ZONES = [zone("990010101", 5.30, 5.36), zone("990010102", 5.36, 5.42)]  # and the land beyond


class World:
    """A town drawn from a seed, most of its instants next to the ends of the quarter."""

    def __init__(self, seed: int) -> None:
        rng = self.rng = np.random.default_rng(seed)
        mine: dict[str, Any] = {"tenant_id": "t"}
        self.buildings = [
            Building(
                **mine, id=f"b{i}", lon=self._lon(), lat=self._lat(),
                dwellings=None if rng.random() < 0.3 else int(rng.integers(0, 40)),
            )
            for i in range(6)
        ]  # fmt: skip
        self.households = [
            Household(**mine, id=f"h{i}", building_id=f"b{rng.integers(6)}") for i in range(20)
        ]
        self.members = [
            Member(**mine, id=f"m{i}", household_id=f"h{rng.integers(20)}", created_at=self._at())
            for i in range(30)
        ]
        self.listings = [self._listing(i) for i in range(40)]
        self.trips = [
            Trip(
                **mine, id=f"t{i}", owner_id=self._someone(0.8), role=self._one(list(Role)),
                lonlat=tuple((self._lon(), self._lat()) for _ in range(3)),
                times_s=(0.0, 60.0, 120.0), schedule=self._schedule(), published_at=self._at(),
                seats=int(rng.integers(1, 5)), cancelled=bool(rng.random() < 0.2),
            )
            for i in range(25)
        ]  # fmt: skip
        # Nobody is booked for a trip of theirs that is cancelled.
        ridden = [one.id for one in self.trips if not one.cancelled]
        self.bookings = [
            Booking(
                **mine, id=f"k{i}", trip_id=f"t{rng.integers(25)}",
                passenger_trip_id=self._one([None, self._one(ridden)]),
                driver_id="d", passenger_id="p", day=self._day(), pickup_at=BEGINS,
                pickup_lon=5.3, pickup_lat=43.3, dropoff_lon=5.4, dropoff_lat=43.4,
                pickup_s=0.0, dropoff_s=60.0, seats=1, status=self._one(list(BookingStatus)),
            )
            for i in range(12)
        ]  # fmt: skip
        self.requests = []
        for i in range(30):
            asker, helper = rng.permutation(30)[:2]
            self.requests.append(
                Request(
                    **mine, id=f"r{i}", asker_id=f"m{asker}", helper_id=f"m{helper}",
                    created_at=self._at(), category=self._one(["", "cours", "garde.enfants"]),
                )
            )  # fmt: skip
        self.replies = [
            Reply(
                **mine, id=one.id, request_id=one.id, accepted=bool(rng.random() < 0.5),
                created_at=one.created_at + 48 * HOUR + self._one([-DAY, -SECOND, 0 * DAY, SECOND]),
            )
            for one in self.requests if rng.random() < 0.7
        ]  # fmt: skip
        self.activity = {
            ActivityWeek(**mine, household_id=f"h{rng.integers(20)}", week=self._one(WEEKS))
            for _ in range(60)
        }

    def _one(self, choices: list[Any]) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def _lon(self) -> float:
        return round(float(self.rng.uniform(5.30, 5.45)), 7)

    def _lat(self) -> float:
        return round(float(self.rng.uniform(43.25, 43.35)), 7)

    def _at(self) -> datetime:
        found: datetime = self._one(EDGES) + self._one([0, 0, -100, 30]) * DAY
        return found

    def _day(self) -> date:
        found: date = self._one([date(2026, month, day) for month, day in
                                 ((6, 30), (7, 1), (8, 15), (9, 30), (10, 1))])  # fmt: skip
        return found

    def _someone(self, chance: float) -> str | None:
        return f"m{self.rng.integers(30)}" if self.rng.random() < chance else None

    def _listing(self, i: int) -> Listing:
        kind: Kind = self._one(list(Kind))
        personal = kind in (Kind.NEIGHBOUR, Kind.SERVICE) or (
            kind in (Kind.ARTISAN, Kind.AD) and self.rng.random() < 0.5
        )
        valid = sorted([self._at(), self._at() + HOUR / 2])
        starts_at = self._at() if kind is Kind.EVENT else None
        return Listing(
            tenant_id="t", id=f"l{i}", kind=kind, title="x", personal=personal,
            owner_id=self._someone(1.0 if personal else 0.5),
            lon=None if personal else self._lon(), lat=None if personal else self._lat(),
            category=self._one(["", "cours", "food.bakery"]), published_at=self._at(),
            audience=self._one([Audience.PUBLIC, Audience.PUBLIC, Audience.CITY]),
            valid_from=self._one([None, valid[0]]), valid_to=self._one([None, valid[1]]),
            starts_at=starts_at,
            ends_at=starts_at and self._one([None, starts_at + HOUR, starts_at + 3 * DAY]),
        )  # fmt: skip

    def _schedule(self) -> Schedule:
        at = self._at()
        days = sorted([self._day(), self._day()])
        once = Schedule(timezone="Europe/Paris", at=at)
        weekly = Schedule(
            timezone="Europe/Paris",
            weekly=(WeeklyTime(days=(1,), second=30_000),),
            valid_from=self._one([None, days[0]]),
            valid_to=self._one([None, days[1]]),
            added=self._one([(), (self._day(),)]),
        )
        schedule: Schedule = self._one([once, weekly])
        return schedule

    def put(self, store: Store) -> None:
        """Keep all of it."""
        entities: Iterable[Entity] = (
            *(TENANT, *self.buildings, *self.households, *self.members),
            *(*self.listings, *self.trips),
        )
        store.put_all(entities)
        store.put_zones(ZONES)

        def deal(desk: Desk) -> None:
            desk.put_all((*self.replies, *self.requests))

        store.decide("t", [], deal)
        for booking in self.bookings:
            store.book(booking, lambda trip, others: None)
        store.put_activity(self.activity)

    # The oracle: 2026Q3.

    def _home(self, household: str | None) -> tuple[str | None, int | None]:
        of = {one.id: one.building_id for one in self.households}
        at = {one.id: (one.lon, one.lat) for one in self.buildings}
        return (None, None) if household is None else _place(*at[of[household]])

    def expected(self) -> dict[str, Counter[tuple[Any, ...]]]:
        """Rows of each table of facts, as a bag."""
        lives = {one.id: one.household_id for one in self.members}
        joined = Counter(one.household_id for one in self.members if one.created_at < ENDS)
        active = Counter(one.household_id for one in self.activity if one.week in WEEKS[1:5])
        building_of = {one.id: one.building_id for one in self.households}
        households = [
            (id, building_of[id], *self._home(id), n, active[id]) for id, n in joined.items()
        ]
        per_building = Counter(building_of[id] for id in joined)
        buildings = [
            (
                *(one.id, *_place(one.lon, one.lat), one.lon, one.lat),
                *(one.dwellings, per_building[one.id]),
            )
            for one in self.buildings
        ]
        listings = []
        for one in self.listings:
            over = one.event_end if one.kind is Kind.EVENT else None
            if (
                one.published_at >= ENDS
                or (one.valid_from is not None and one.valid_from >= ENDS)
                or (one.valid_to is not None and one.valid_to <= BEGINS)
                or (over is not None and over <= BEGINS)
                or not (one.personal or one.audience is Audience.PUBLIC)
            ):
                continue
            household = lives.get(one.owner_id)
            place = self._home(household) if one.personal else _place(one.lon, one.lat)
            listings.append(
                (one.id, household, one.owner_id, *place, one.lon, one.lat, one.kind.value,
                 one.category, not one.personal)
            )  # fmt: skip
        replies = {one.request_id: one for one in self.replies}
        requests = []
        for one in self.requests:
            if BEGINS <= one.created_at < ENDS:
                reply = replies.get(one.id)
                quick = reply is not None and reply.created_at - one.created_at <= 48 * HOUR
                met = reply is not None and reply.accepted
                household = lives[one.asker_id]
                requests.append((household, *self._home(household), one.category, quick, not met))
        booked = {
            id
            for one in self.bookings
            if one.status is not BookingStatus.CANCELLED
            and date(2026, 7, 1) <= one.day <= date(2026, 9, 30)
            for id in (one.trip_id, one.passenger_trip_id)
        }
        trips = [
            (lives.get(one.owner_id), *_place(*one.lonlat[0]), *_place(*one.lonlat[-1]),
             one.role.value, one.seats, one.id in booked)
            for one in self.trips
            if not one.cancelled and one.published_at < ENDS and _runs(one.schedule)
        ]  # fmt: skip
        return {
            "households": Counter(households),
            "buildings": Counter(buildings),
            "listings": Counter(listings),
            "requests": Counter(requests),
            "trips": Counter(trips),
        }


def bags(facts: Facts) -> dict[str, Counter[tuple[Any, ...]]]:
    """The tables of some facts, as `World.expected` gives them."""
    names = ("households", "buildings", "listings", "requests", "trips")
    return {
        name: Counter(tuple(row.values()) for row in getattr(facts, name).to_pylist())
        for name in names
    }


def _place(lon: float, lat: float) -> tuple[str | None, int]:
    """The zone of a point, within 300 m of one, and its cell."""
    cell = h3.str_to_int(h3.cell_to_parent(h3.latlng_to_cell(lat, lon, 9), 8))
    for one in ZONES:
        if one.geometry.covers(shapely.Point(lon, lat)):
            return one.code, cell
    metres_east = (lon - 5.42) * 111_195.0 * np.cos(np.radians(lat))
    return ("990010102" if metres_east <= 300.0 else None), cell


def _runs(schedule: Schedule) -> bool:
    """Whether one of the days that a trip has lies in the quarter, whatever its weekday."""
    day = date(2026, 7, 1)
    while day <= date(2026, 9, 30):
        if schedule.at is not None:
            if (schedule.at + 2 * HOUR).date() == day:  # Paris in summer
                return True
        elif day in schedule.added or (
            (schedule.valid_from or day) <= day <= (schedule.valid_to or day)
        ):
            return True
        day += DAY
    return False
