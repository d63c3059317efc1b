"""Rides that took place are dealings: who drove and who rode may judge each other.

A booking that was confirmed and not cancelled, a day after its pick-up, is an interaction of the
same id, done by both sides. Only members of ours on either side count: for people of other
platforms nobody here has looked at an address.
"""

from datetime import datetime, timedelta

from geo.errors import ConflictError, DeniedError, InputError, NotFoundError
from indexes.journeys import Booking, BookingStatus
from indexes.store import Desk, Store
from indexes.trusting import Interaction, Reply, Request
from matching.trusting.dealings import require_apart

__all__ = ["CATEGORY", "note_driven"]

CATEGORY = "carpool"
DRIVEN = (
    BookingStatus.CONFIRMED,
    BookingStatus.COMPLETED_PENDING_VALIDATION,
    BookingStatus.VALIDATED,
)
# Until then it can be said that nobody came, by cancelling; then, in case no server was up.
AFTER, UNTIL = timedelta(days=1), timedelta(days=30)


def note_driven(store: Store, tenant_id: str, now: datetime) -> int:
    """Make interactions of the rides that took place: how many. To be asked regularly.

    Two who block each other, or live in one dwelling, have none; nor has who is gone.
    """
    noted = 0
    for status in DRIVEN:
        after, asked = "", {"status": status.value, "driver_operator": "", "passenger_operator": ""}
        while found := store.page(Booking, tenant_id, after=after, limit=1_000, where=asked):
            for one in found:
                if AFTER <= now - one.pickup_at < UNTIL:
                    noted += _note(store, tenant_id, one.id)
            after = found[-1].id
    return noted


def _note(store: Store, tenant_id: str, id: str) -> bool:
    def decision(desk: Desk) -> bool:
        booking = desk.get(Booking, id)
        if booking.status not in DRIVEN or desk.find(Request, id) is not None:
            return False  # cancelled just now; or noted before
        asker, helper = booking.passenger_id, booking.driver_id
        require_apart(desk, asker, helper)
        begun = booking.pickup_at
        done = begun + timedelta(seconds=round(booking.dropoff_s - booking.pickup_s))
        desk.put(
            Request(
                tenant_id=tenant_id,
                id=id,
                asker_id=asker,
                helper_id=helper,
                category=CATEGORY,
                created_at=begun,
            )
        )
        desk.put(Reply(tenant_id=tenant_id, id=id, request_id=id, accepted=True, created_at=begun))
        desk.put(
            Interaction(
                tenant_id=tenant_id,
                id=id,
                request_id=id,
                asker_id=asker,
                helper_id=helper,
                category=CATEGORY,
                created_at=begun,
                asker_done_at=done,
                helper_done_at=done,
            )
        )
        return True

    try:
        return store.decide(tenant_id, [(Booking, id)], decision)[0]
    except (ConflictError, DeniedError, InputError, NotFoundError):
        return False  # these two have no dealings
