"""Trips and bookings that tests keep: of the members of `store_records`."""

from dataclasses import replace
from datetime import UTC, date, datetime

from indexes.journeys import (
    Anchor,
    Booking,
    BookingStatus,
    Message,
    Role,
    Schedule,
    Trip,
    WeeklyTime,
    Weeks,
)

MONDAY = date(2026, 11, 30)
SUNDAY = date(2026, 11, 29)
WEEKLY = Schedule(
    timezone="Europe/Paris",
    weekly=(
        WeeklyTime(days=(0, 1, 2), second=28_200),
        WeeklyTime(days=(4,), second=90_000),
    ),
    valid_from=date(2026, 9, 1),
    valid_to=date(2027, 6, 30),
    removed=(date(2026, 12, 21),),
)
ONCE = Schedule(
    timezone="Europe/Paris",
    anchor=Anchor.ARRIVE,
    at=datetime(2026, 11, 27, 7, 30, tzinfo=UTC),
    flex_before_s=600,
)
DRIVER = Trip(
    tenant_id="t",
    id="d1",
    owner_id="m1",
    role=Role.DRIVER,
    lonlat=((5.37, 43.29), (5.38, 43.3), (5.4, 43.32), (5.43, 43.35)),
    times_s=(0.0, 150.5, 420.0, 900.125),
    schedule=WEEKLY,
    seats=3,
    max_detour_s=600,
    luggage=2,
    smoking=False,
    music=True,
    origin_name="Maison",
    price_eur=1.2,
)
PASSENGER = Trip(
    tenant_id="t",
    id="p1",
    owner_id="m2",
    role=Role.PASSENGER,
    lonlat=((5.371, 43.291), (5.42, 43.34)),
    times_s=(0.0, 800.0),
    schedule=ONCE,
    estimated=True,
    max_walk_m=800,
)
OPERATORS = Trip(
    tenant_id="t",
    id="o1",
    role=Role.EITHER,
    lonlat=((5.0, 43.0), (5.1, 43.1)),
    times_s=(0.0, 600.0),
    schedule=replace(WEEKLY, weeks=Weeks.ODD, public_holidays=False, added=(SUNDAY,)),
    url="https://example.org/o1",
    published_at=datetime(2026, 10, 1, tzinfo=UTC),
)
TRIPS = [DRIVER, PASSENGER, OPERATORS]


def booking(number: int = 1, **changes: object) -> Booking:
    return replace(
        Booking(
            tenant_id="t",
            id=f"00000000-0000-4000-8000-{number:012}",
            trip_id="d1",
            driver_id="m1",
            passenger_id=f"guest{number}",
            day=MONDAY,
            pickup_at=datetime(2026, 11, 30, 6, 52, 30, tzinfo=UTC),
            pickup_lon=5.38,
            pickup_lat=43.3,
            dropoff_lon=5.4,
            dropoff_lat=43.32,
            pickup_s=150.5,
            dropoff_s=420.0,
            passenger_operator="example.org",
            status=BookingStatus.CONFIRMED,
        ),
        **changes,
    )


MESSAGE = Message(
    tenant_id="t",
    id="msg1",
    sender_id="guest1",
    recipient_id="m1",
    recipient_role=Role.DRIVER,
    text="Bonjour,\nune place de libre ?",
    trip_id="d1",
)
