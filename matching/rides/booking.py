"""Whether a seat can be had, and how long it is kept: the rules that a booking is held to."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

from geo.errors import ConflictError, InputError
from indexes.journeys import Anchor, Booking, BookingStatus, Role, Trip
from indexes.store import Store
from matching.rides.asks import times_between
from matching.rides.clock import DAY_S, EPOCH, FIRST_DAY, LAST_DAY
from matching.schedule import days_of

__all__ = [
    "ACCEPTED",
    "ANSWER_WITHIN",
    "admit",
    "as_of",
    "cancel_unanswered",
    "is_seated",
    "is_unanswered",
    "seated_days",
    "seats_free",
]

ANSWER_WITHIN = timedelta(days=1)

# Who is that far has agreed.
ACCEPTED = frozenset(
    {
        BookingStatus.CONFIRMED,
        BookingStatus.COMPLETED_PENDING_VALIDATION,
        BookingStatus.VALIDATED,
    }
)


def seats_free(trip: Trip, taken: Sequence[Booking], pickup_s: float, dropoff_s: float) -> int:
    """The seats that are free all the way from one point of a trip to another.

    Parameters
    ----------
    trip : Trip
        A driver's.
    taken : sequence of Booking
        Those that hold seats on one day.
    pickup_s, dropoff_s : float
        Seconds from the line's first point. Who gets out at a point leaves the seat to who gets
        in there.
    """
    legs = [one for one in taken if one.pickup_s < dropoff_s and pickup_s < one.dropoff_s]
    # Seats in use only ever grow where somebody gets in.
    stops = [pickup_s, *(one.pickup_s for one in legs if one.pickup_s > pickup_s)]
    used = (
        sum(one.seats for one in legs if one.pickup_s <= stop < one.dropoff_s) for stop in stops
    )
    return trip.seats - max(used)


def admit(trip: Trip, taken: Sequence[Booking], booking: Booking) -> None:
    """Refuse a booking that its trip can't take; for `indexes.store.Store.book`.

    Parameters
    ----------
    trip : Trip
        The one that it names.
    taken : sequence of Booking
        Those that hold seats on the same day; what nobody has answered in time holds none.
    booking : Booking
        A new one, made now: at its ``created_at``.

    Raises
    ------
    InputError
        ``not-a-driver``: the trip is a passenger's. ``self-booking``: it is the passenger's own.
        ``invalid-legs``: the drop-off lies past the end of the line.
    ConflictError
        ``trip-cancelled``; ``unknown-day``: it doesn't take place on that day; ``trip-full``:
        too few seats are free on some leg; ``booked-already``: the passenger has a seat then.
    """
    if trip.role is Role.PASSENGER:
        raise InputError("seats are a driver's to give, not a passenger's", code="not-a-driver")
    ours = not booking.passenger_operator
    if ours and trip.owner_id is not None and trip.owner_id == booking.passenger_id:
        raise InputError("nobody books a seat on a trip of their own", code="self-booking")
    if trip.cancelled:
        raise ConflictError("this trip is cancelled", code="trip-cancelled")
    # A line that was made up is published as another one.
    if booking.dropoff_s > trip.times_s[-1] and not trip.estimated:
        raise InputError("the drop-off must lie on the trip's line", code="invalid-legs")
    if not days_of(trip.schedule, booking.day, booking.day).size:
        raise ConflictError(
            f"this trip does not take place on {booking.day.isoformat()}", code="unknown-day"
        )
    if booking.status is BookingStatus.CANCELLED:
        return
    made_at = booking.created_at
    taken = [one for one in taken if made_at is None or not is_unanswered(one, made_at)]
    who = booking.passenger_id, booking.passenger_operator
    if any(
        (one.passenger_id, one.passenger_operator) == who
        and one.pickup_s < booking.dropoff_s
        and booking.pickup_s < one.dropoff_s
        for one in taken
    ):
        raise ConflictError("this passenger has a seat on that trip", code="booked-already")
    free = seats_free(trip, taken, booking.pickup_s, booking.dropoff_s)
    if free < booking.seats:
        raise ConflictError(
            f"seats wanted: {booking.seats}; {max(0, free)} are free all the way", code="trip-full"
        )


def is_unanswered(booking: Booking, now: datetime) -> bool:
    """Whether a booking has waited for its driver too long: a day, or until the pick-up.

    Never so of one on another platform's trip: that is for the platform to see to.

    Examples
    --------
    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 30, 7, tzinfo=UTC)
    >>> booking = Booking(
    ...     tenant_id="t", id="1", trip_id="d", driver_id="ada", passenger_id="tom",
    ...     day=at.date(), pickup_at=at, pickup_lon=5.37, pickup_lat=43.29, dropoff_lon=5.4,
    ...     dropoff_lat=43.3, pickup_s=0.0, dropoff_s=600.0, created_at=at - timedelta(days=3),
    ... )
    >>> [is_unanswered(booking, at - timedelta(hours=hours)) for hours in (49, 48, 0)]
    [False, True, True]
    """
    if booking.trip_id is None or booking.status is not BookingStatus.WAITING_CONFIRMATION:
        return False
    begun = booking.created_at
    return now >= booking.pickup_at or (begun is not None and now - begun >= ANSWER_WITHIN)


def as_of(booking: Booking, now: datetime) -> Booking:
    """A booking as it stands at an instant: cancelled if its driver has not answered in time."""
    if is_unanswered(booking, now):
        return replace(booking, status=BookingStatus.CANCELLED)
    return booking


def seated_days(trip: Trip, bookings: Iterable[Booking]) -> frozenset[date]:
    """The service days of a rider's trip on which seats are for it; of no driver's trip any.

    Parameters
    ----------
    trip : Trip
        As its schedule says, days with a seat among them.
    bookings : iterable of Booking
        Those for this trip that count. Seats with drivers of other platforms do, too.

    Notes
    -----
    A booking has the day of its driver's trip, which is another where midnight lies between.
    """
    if trip.role is Role.DRIVER:
        return frozenset()
    return frozenset(day for one in bookings if (day := _ridden_day(trip, one)) is not None)


def is_seated(trip: Trip, others: Iterable[Booking], booking: Booking) -> bool:
    """Whether a rider has an accepted seat already on the day that a booking is for.

    Parameters
    ----------
    trip : Trip
        The rider's own, as it is.
    others : iterable of Booking
        The other bookings for it. Many may wait for their drivers, of whom one accepts.
    booking : Booking
        New, or no longer waiting; one that is cancelled wants no seat.
    """
    if booking.status is BookingStatus.CANCELLED:
        return False
    accepted = (one for one in others if one.status in ACCEPTED)
    return _ridden_day(trip, booking) in seated_days(trip, accepted)


def _ridden_day(trip: Trip, booking: Booking) -> date | None:
    """The service day of a rider's trip that a booking is for: of those around, the one whose
    time is nearest. None half a day from all: the day was taken out of the schedule since."""
    at = booking.pickup_at.timestamp()
    if trip.schedule.anchor is Anchor.ARRIVE:
        at += booking.dropoff_s - booking.pickup_s
    first, last = booking.day - timedelta(days=1), booking.day + timedelta(days=1)
    asked = times_between(trip.schedule, max(first, FIRST_DAY), min(last, LAST_DAY))
    nearest = min(asked, key=lambda one: abs(one.meant - at), default=None)
    if nearest is None or abs(nearest.meant - at) > DAY_S / 2:
        return None
    return EPOCH + timedelta(days=nearest.day)


def cancel_unanswered(store: Store, tenant_id: str, now: datetime) -> int:
    """Cancel the bookings that no driver has answered, so that their seats are free: how many.

    To be asked regularly; for who reads one, `as_of` has cancelled it by then.
    """
    cancelled, after = 0, ""
    waiting = {"status": BookingStatus.WAITING_CONFIRMATION.value}
    while found := store.page(Booking, tenant_id, after=after, limit=1_000, where=waiting):
        for one in found:
            if is_unanswered(one, now):
                new, _ = store.change_booking(tenant_id, one.id, partial(as_of, now=now))
                cancelled += new.status is BookingStatus.CANCELLED
        after = found[-1].id
    return cancelled
