"""A tenant's trips kept current: read whole once, then change by change, searched all the while."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from indexes.entities import Audience, Group, Tenant
from indexes.journeys import Booking, Trip
from indexes.publishing import Published, Publisher
from indexes.store import Change, Position, Store, utc_now
from matching.detour import Ride
from matching.rides.book import TripBook, TripView, without
from matching.rides.booking import ACCEPTED, is_unanswered, seated_days
from matching.rides.carpool import Party
from matching.rides.meeting import MEETING_CATEGORIES, MeetingPoint, MeetingPoints
from matching.rides.parts import Rides
from matching.schedule import once_day
from matching.towns.following import Following
from matching.towns.moves import Journal
from matching.towns.people import blocks_by_member

__all__ = ["TripTown", "meeting_listings"]


class TripTown(Following["_Loaded"]):
    """The trips of one tenant as searches want them: published, their owners known.

    One thread applies changes, and searches read `view`: what one batch of changes brings is
    there all at once. It follows the store beside `matching.towns.live.LiveTown`, and just so.

    Parameters
    ----------
    store : Store
        The truth. All trips of the tenant are read from it here.
    tenant_id : str
        Whose trips.
    listings : (pyarrow.Table, Position), optional
        What `meeting_listings` chooses of the tenant's listings, and how far the store had then
        been read; read from the store if not given.
    clock : callable, optional
        What time it is when bookings are read: one that no driver has answered in time holds no
        seat. By default the machine's.
    waiting : bool
        Whether a rider who waits for an answer has a seat, too, and not only one whose booking
        is accepted.

    Attributes
    ----------
    position : Position
        How far the store has been read: `view` shows all changes up to here.

    Raises
    ------
    StoreError
        If the store can't be read.
    """

    def __init__(
        self,
        store: Store,
        tenant_id: str,
        listings: tuple[pa.Table, Position] | None = None,
        clock: Callable[[], datetime] | None = None,
        *,
        waiting: bool = False,
    ) -> None:
        self._clock = clock or utc_now
        self._waiting = waiting
        read = None
        if listings is not None:
            table, position = listings
            read = position, _Loaded(store, tenant_id, table, self._clock, waiting)
        super().__init__(store, tenant_id, read)
        self._shown = self._state
        # What was written while all this was read shows as it was after, never before.
        self._journal: Journal[_Was] = Journal(self._state.read_at)

    def _read(self) -> "tuple[Position, _Loaded]":
        position = self._store.position()
        table = _meeting_table(self._store, self.tenant_id)
        return position, _Loaded(self._store, self.tenant_id, table, self._clock, self._waiting)

    @property
    def view(self) -> TripView:
        """What a search reads now. Take it once."""
        return self._state.book.view

    def owned_by(self, member_id: str) -> tuple[str, ...]:
        """The ids of a member's trips, in no order."""
        return tuple(self._state.owned.get(member_id, ()))  # copied whole: a writer may add to it

    def seats_before(self, after: Position, until: Position) -> dict[str, tuple[Trip, Rides]]:
        """Of the trips of which, between two positions, nothing but the seats taken and the days
        left out has changed: what they were, and what was accepted on them, before.

        Of changes so long ago that they are not known any more, nothing is told.
        """
        before: dict[str, tuple[Trip, Rides] | None] = {}
        end = after
        for batch in self._journal.since(after) or ():
            if until <= end < batch.position:  # one that begins before counts, wherever it ends
                break
            end = batch.position
            for was in batch.moves:
                first = before.setdefault(was.id, was.held)
                before[was.id] = first if was.held is not None else None
        return {id: held for id, held in before.items() if held is not None}

    @property
    def publisher(self) -> Publisher:
        """Tells what of a trip others may see."""
        return self._state.publisher

    @property
    def timezone(self) -> str:
        """The tenant's, an IANA name."""
        return self._state.timezone

    def _show(self) -> None:
        state = self._state
        was, state.was = state.was, []
        if state is not self._shown:
            was, self._shown = _differing(self._shown.book.view, state.book.view), state
        self._journal.note(max(self._read_to, state.read_at), was)
        super()._show()


class _Was(NamedTuple):
    """A trip that has changed, and what was accepted on it; None where it is another by now."""

    id: str
    held: tuple[Trip, Rides] | None


class _Loaded:
    """A tenant's trips read whole, and what has changed since. One writer at a time."""

    def __init__(
        self,
        store: Store,
        tenant_id: str,
        listings: pa.Table,
        clock: Callable[[], datetime],
        waiting: bool,
    ) -> None:
        self._store, self._tenant_id, self._clock = store, tenant_id, clock
        self._waiting = waiting
        self.timezone = store.get(Tenant, tenant_id, tenant_id).timezone
        partition = store.groups(tenant_id)
        self.publisher = Publisher(partition, () if partition else store.zones(tenant_id))
        self._groups: dict[str, Group] = (
            {group.id: group for group in partition.groups} if partition else {}
        )
        self._blocks = blocks_by_member(store.blocks(tenant_id))
        self._owners: dict[str, str] = {}  # of trips that have one
        self.owned: dict[str, set[str]] = {}  # those trips by owner
        self._meeting = _meeting_points(listings)
        self.book = TripBook(meeting=MeetingPoints(tuple(self._meeting.values())))
        self._put(store.trips(tenant_id), store.bookings(tenant_id), self._blocks)
        self.was: list[_Was] = []  # since it was last shown
        # Last, and settled or not: all that was read had been written by then.
        self.read_at = store.position(settled=False)

    def take(self, changes: Sequence[Change]) -> bool:
        """Read again what changes touch; False where only reading everything can show it."""
        if not changes:
            return True
        touched = self._store.touched(self._tenant_id, changes)
        if touched.everything:
            return False
        ids, blocks = set(touched.trips), self._blocks
        if touched.blocks:
            blocks = blocks_by_member(self._store.blocks(self._tenant_id))
            ids |= {
                id
                for id, owner in self._owners.items()
                if sorted(self._blocks.get(owner, ())) != sorted(blocks.get(owner, ()))
            }
        if touched.listings:
            self._take_listings(touched.listings)
        if ids:
            trips = self._store.trips(self._tenant_id, ids)
            view = self.book.view
            self._put(trips, self._store.bookings(self._tenant_id, ids), blocks)
            gone = ids - {trip.id for trip in trips}
            self.book.remove(gone)
            for id in gone:
                self._own(id, None)
            self.was += [_was(id, view, self.book.view) for id in sorted(ids)]
        self._blocks = blocks  # last: a store that fails before leaves something to compare with
        return True

    def _take_listings(self, ids: Collection[str]) -> None:
        found = _meeting_points(self._store.listing_table(self._tenant_id, ids))
        kept = {id: point for id, point in self._meeting.items() if id not in ids} | found
        if kept != self._meeting:
            self._meeting = kept
            self.book.meet_at(MeetingPoints(tuple(kept.values())))

    def _put(
        self,
        trips: Sequence[Trip],
        bookings: Iterable[Booking],
        blocks: Mapping[str, Sequence[str]],
    ) -> None:
        for trip in trips:
            self._own(trip.id, trip.owner_id)
        owners = {trip.id: trip.owner_id for trip in trips if trip.owner_id is not None}
        rows: list[dict[str, Any]] = []
        if owners:
            table = self._store.member_table(self._tenant_id, set(owners.values()))
            rows = table.to_pylist()
        homes = {row["id"]: row["group"] for row in rows}
        published: dict[str, Published] = {}
        for trip in trips:
            found = self.publisher.publish(trip, homes.get(trip.owner_id))
            if found is not None:
                published[trip.id] = found
        rides: dict[str, dict[date, list[Ride]]] = {}
        seats: dict[str, list[Booking]] = {}
        now = self._clock()
        for booking in bookings:
            if is_unanswered(booking, now):
                continue
            ridden = booking.passenger_trip_id
            if ridden in published and (self._waiting or booking.status in ACCEPTED):
                seats.setdefault(ridden, []).append(booking)
            if booking.trip_id in published:
                trip, start_s = published[booking.trip_id].trip, published[booking.trip_id].start_s
                days = rides.setdefault(booking.trip_id, {})
                # What begins once, just before midnight, may be told to begin just after it.
                day = once_day(trip.schedule) or booking.day
                days.setdefault(day, []).append(_ride(booking, start_s))
        self.book.put(
            [
                without(one.trip, seated_days(one.trip, seats.get(id, ())))
                for id, one in published.items()
            ],
            {row["id"]: self._party(row, blocks.get(row["id"], ())) for row in rows},
            rides,
        )
        self.book.remove({trip.id for trip in trips} - published.keys())

    def _own(self, id: str, owner: str | None) -> None:
        """Note whose a trip is from now on; nobody's where it is gone."""
        before = self._owners.pop(id, None)
        if before is not None:
            self.owned[before].discard(id)
        if owner is not None:
            self._owners[id] = owner
            self.owned.setdefault(owner, set()).add(id)

    def _party(self, row: Mapping[str, Any], blocked: Iterable[str]) -> Party:
        group = self._groups.get(row["group"] or "")
        return Party(
            id=row["id"],
            level=row["level"],
            building=row["building"] or "",
            residence=row["residence"] or "",
            zones=frozenset(group.zones) if group else frozenset(),
            gender=row["gender"],
            blocked=frozenset(blocked),
        )


def _differing(before: TripView, after: TripView) -> list[_Was]:
    """Of all trips of two views those that are not the same in both."""
    ids = before.ids() | after.ids()
    return [_was(id, before, after) for id in sorted(ids) if before.trip(id) != after.trip(id)]


def _was(id: str, before: TripView, after: TripView) -> _Was:
    old, new = before.trip(id), after.trip(id)
    if old is None or new is None or _on_any_day(old[0]) != _on_any_day(new[0]):
        return _Was(id, None)
    return _Was(id, (old[0], old[2]))


def _on_any_day(trip: Trip) -> Trip:
    """A trip as if no day were left out."""
    return replace(trip, schedule=replace(trip.schedule, removed=()))


def _ride(booking: Booking, start_s: float) -> Ride:
    """A booking on the line as published, whose seconds begin later than the trip's own."""
    return Ride(
        (booking.pickup_lon, booking.pickup_lat),
        (booking.dropoff_lon, booking.dropoff_lat),
        booking.pickup_s - start_s,
        booking.dropoff_s - start_s,
        booking.seats,
    )


def meeting_listings(listings: pa.Table) -> pa.Table:
    """Those of some listings (`indexes.store.LISTING_SCHEMA`) that are meeting points."""
    wanted = pc.equal(listings["audience"], Audience.PUBLIC.value)
    wanted = pc.and_(wanted, pc.invert(listings["personal"]))
    below = "|".join(map(re.escape, MEETING_CATEGORIES))
    named = pc.match_substring_regex(listings["category"], rf"^({below})(\.|$)")
    return listings.filter(pc.and_(wanted, named))


def _meeting_table(store: Store, tenant_id: str) -> pa.Table:
    """The listings that can be meeting points: few, of a town's many."""
    return store.listing_table(tenant_id, store.listing_ids(tenant_id, MEETING_CATEGORIES))


def _meeting_points(listings: pa.Table) -> dict[str, MeetingPoint]:
    """Public listings that are meeting points, by id."""
    rows = meeting_listings(listings).select(["id", "title", "lon", "lat"])
    return {
        row["id"]: MeetingPoint(row["id"], row["title"], row["lon"], row["lat"])
        for row in rows.to_pylist()
    }
