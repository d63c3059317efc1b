"""Trips and their bookings in SQL: whole lists for the index, and seats taken one by one."""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, and_, false, insert, or_, select, update

from geo.errors import ConflictError, InputError, NotFoundError
from indexes.codec import TABLES, record_of_row
from indexes.entities import Entity, Listing, Member
from indexes.journeys import Booking, BookingStatus, Trip
from indexes.rules import Checked, columns_of, require
from indexes.sqlrecords import Records, storable
from indexes.store import Admit, BookingChange, ImportMark, Position, Seat
from indexes.tables import outbox

__all__ = ["TripRecords"]

E = TypeVar("E", bound=Entity)

IDS_AT_ONCE = 1_000
# What decides about seats: settled once and for all when a booking is made.
SETTLED = (
    *("tenant_id", "id", "trip_id", "passenger_trip_id", "day", "pickup_s", "dropoff_s", "seats"),
)
AGREED = (BookingStatus.WAITING_CONFIRMATION.value, BookingStatus.CONFIRMED.value)


class TripRecords(Records):
    """The part of a `indexes.store.Store` that keeps trips, and takes seats on them."""

    def put_all(self, entities: Iterable[Entity], mark: ImportMark | None = None) -> Position:
        """See `indexes.store.Store.put_all`."""
        found = list(entities)
        if any(type(entity) is Booking for entity in found):
            raise InputError("a booking takes seats: `book` makes it", code="invalid-booking")
        return super().put_all(found, mark)

    def listing_ids(self, tenant_id: str, categories: Collection[str]) -> list[str]:
        """See `indexes.store.Store.listing_ids`."""
        if not storable(tenant_id):
            return []
        table = TABLES[Listing]
        here = [
            either
            for category in categories
            for either in (
                table.c.category == category,
                table.c.category.startswith(f"{category}.", autoescape=True),
            )
        ]
        asked = select(table.c.id).where(table.c.tenant_id == tenant_id)
        with self._reading(bulk=True) as db:
            return sorted(db.scalars(asked.where(or_(false(), *here))))

    def trips(self, tenant_id: str, ids: Collection[str] | None = None) -> list[Trip]:
        """See `indexes.store.Store.trips`."""
        return self._listed(Trip, tenant_id, ("id",), ids)

    def bookings(self, tenant_id: str, trip_ids: Collection[str] | None = None) -> list[Booking]:
        """See `indexes.store.Store.bookings`."""
        trips = "trip_id", "passenger_trip_id"
        return [
            one
            for one in self._listed(Booking, tenant_id, trips, trip_ids)
            if one.status is not BookingStatus.CANCELLED
            and (one.trip_id is not None or one.passenger_trip_id is not None)
        ]

    def _listed(
        self, of: type[E], tenant_id: str, columns: Iterable[str], ids: Collection[str] | None
    ) -> list[E]:
        """All records of a sort, or those that name one of some ids in one of some columns."""
        if not storable(tenant_id):
            return []
        table = TABLES[of]
        asked = select(table).where(table.c.tenant_id == tenant_id)
        with self._reading(bulk=True) as db:
            if ids is None:
                whole = db.execute(asked.order_by(table.c.id)).mappings()
                return [record_of_row(of, row) for row in whole]
            # In no order: for that of the ids SQLite would walk over all that a tenant has.
            wanted = sorted(id for id in set(ids) if storable(id))
            found = {
                row["id"]: record_of_row(of, row)
                for at in range(0, len(wanted), IDS_AT_ONCE)
                for column in columns
                for row in db.execute(
                    asked.where(table.c[column].in_(wanted[at : at + IDS_AT_ONCE]))
                ).mappings()
            }
        return [found[id] for id in sorted(found)]

    def book(self, booking: Booking, admit: Admit, seat: Seat | None = None) -> Position:
        """See `indexes.store.Store.book`."""
        checked = require(Booking, columns_of(Booking, [booking]))
        driven, ridden = booking.trip_id, booking.passenger_trip_id
        with self._writing() as db:
            # In order of the ids, as `_write` locks them: nobody waits for one who waits for him.
            named = sorted({id for id in (driven, ridden) if id is not None})
            trips = {id: self._locked(db, Trip, booking.tenant_id, id) for id in named}
            if driven is not None:
                admit(trips[driven], self._seats_taken(db, booking))
            if ridden is not None and trips[ridden].cancelled and booking.status.value in AGREED:
                raise ConflictError("the passenger's trip is cancelled", code="trip-cancelled")
            if ridden is not None and seat is not None:
                seat(trips[ridden], self._other_seats(db, booking), booking)
            if self._found(db, Booking, booking.tenant_id, booking.id) is not None:
                raise ConflictError("there is a booking of this id", code="booking-exists")
            self._write(db, [checked])
            return self._newest(db)

    def change_booking(
        self, tenant_id: str, id: str, change: BookingChange, seat: Seat | None = None
    ) -> tuple[Booking, Position]:
        """See `indexes.store.Store.change_booking`."""
        with self._writing() as db:
            # The trip before the booking, as `book` and `_write` lock them.
            ridden = None if seat is None else self._trip_ridden(db, tenant_id, id)
            trip = None if ridden is None else self._locked(db, Trip, tenant_id, ridden)
            old = self._locked(db, Booking, tenant_id, id)
            new = change(old)
            waited = old.status is BookingStatus.WAITING_CONFIRMATION
            if seat is not None and trip is not None and waited and new.status is not old.status:
                seat(trip, self._other_seats(db, new), new)
            if any(getattr(old, name) != getattr(new, name) for name in SETTLED):
                raise ConflictError("trips, day, legs and seats of a booking stay as they are")
            if old.status is BookingStatus.CANCELLED and new.status is not old.status:
                # Its seats may be another's by now.
                raise ConflictError("a cancelled booking stays so", code="booking-cancelled")
            self._write(db, [require(Booking, columns_of(Booking, [new]))])
            return new, self._newest(db)

    def _write(self, db: Connection, batches: Sequence[Checked]) -> None:
        super()._write(db, batches)
        table = TABLES[Booking]
        for batch in batches:
            if batch.of is Trip:
                names = ("tenant_id", "id", "cancelled")
                rows = zip(*(batch.columns[name] for name in names), strict=True)
                off: dict[str, list[str]] = {}
                for tenant_id, id, cancelled in rows:
                    if cancelled:
                        off.setdefault(tenant_id, []).append(id)
                for tenant_id, ids in off.items():
                    for at in range(0, len(ids), IDS_AT_ONCE):
                        some = ids[at : at + IDS_AT_ONCE]
                        for column in (table.c.trip_id, table.c.passenger_trip_id):
                            self._cancel(db, tenant_id, column.in_(some))

    def _delete(self, db: Connection, of: type[Entity], tenant_id: str, id: str) -> None:
        seat = self._found(db, Booking, tenant_id, id) if of is Booking else None
        super()._delete(db, of, tenant_id, id)
        if seat is not None and seat.passenger_trip_id is not None:
            # Of a booking that is gone nothing tells any more for whose trip it was.
            trip = {"tenant_id": tenant_id, "entity": "trips", "id": seat.passenger_trip_id}
            db.execute(insert(outbox), [trip])
        if of is Member:
            table = TABLES[Booking]
            ours = and_(table.c.passenger_id == id, table.c.passenger_operator == "")
            self._cancel(db, tenant_id, ours)

    def _cancel(self, db: Connection, tenant_id: str, which: ColumnElement[bool]) -> None:
        """Cancel some bookings of rides that are to come, so that their seats are free."""
        table = TABLES[Booking]
        to_come = table.c.status.in_(AGREED), table.c.pickup_at > self._clock()
        cancelled = {"status": BookingStatus.CANCELLED.value}
        db.execute(
            update(table).where(table.c.tenant_id == tenant_id, which, *to_come).values(cancelled)
        )

    def _seats_taken(self, db: Connection, booking: Booking) -> list[Booking]:
        table = TABLES[Booking]
        asked = (
            select(table)
            .where(table.c.tenant_id == booking.tenant_id, table.c.trip_id == booking.trip_id)
            .where(table.c.day == booking.day.isoformat())
            .where(table.c.status != BookingStatus.CANCELLED.value)
        )
        found = (record_of_row(Booking, row) for row in db.execute(asked).mappings())
        return sorted(found, key=lambda one: one.id)

    def _other_seats(self, db: Connection, booking: Booking) -> list[Booking]:
        """The bookings for the same trip of a passenger, but for the cancelled ones and itself."""
        table = TABLES[Booking]
        asked = (
            select(table)
            .where(table.c.tenant_id == booking.tenant_id)
            .where(table.c.passenger_trip_id == booking.passenger_trip_id)
            .where(table.c.id != booking.id, table.c.status != BookingStatus.CANCELLED.value)
        )
        return [record_of_row(Booking, row) for row in db.execute(asked).mappings()]

    def _trip_ridden(self, db: Connection, tenant_id: str, id: str) -> str | None:
        """The passenger's trip that a booking is for: settled, so that no lock is needed."""
        if not storable(tenant_id, id):
            return None
        table = TABLES[Booking]
        asked = select(table.c.passenger_trip_id)
        return db.scalar(asked.where(table.c.tenant_id == tenant_id, table.c.id == id))

    def _locked(self, db: Connection, of: type[E], tenant_id: str, id: str) -> E:
        """A record that nobody else changes until the transaction ends."""
        found = self._found(db, of, tenant_id, id)
        if found is None:
            raise NotFoundError(f"no {of.__name__.lower()} {ascii(id)[:80]}")
        return found

    def _found(self, db: Connection, of: type[E], tenant_id: str, id: str) -> E | None:
        if not storable(tenant_id, id):
            return None
        table = TABLES[of]
        asked = select(table).where(table.c.tenant_id == tenant_id, table.c.id == id)
        # Locked; others may still refer to it. SQLite has no such clause: whoever writes is alone.
        row = db.execute(asked.with_for_update(key_share=True)).mappings().first()
        return None if row is None else record_of_row(of, row)
