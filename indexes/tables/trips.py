"""The tables of trips, the seats taken in them, and messages about them."""

from sqlalchemy import Boolean, Column, Double, Index, Integer

from indexes.entities import Audience
from indexes.journeys import BookingStatus, Role
from indexes.sqltypes import Geom, Id, Instant
from indexes.tables.base import (
    ADDRESSED,
    OWNED,
    check,
    entities,
    of_tenant,
    one_of,
    refers,
    required,
    sizes,
)

__all__ = ["bookings", "messages", "trips"]

trips = entities(
    "trips",
    Column("owner_id", Id),
    required("role"),
    required("geom", Geom("LINESTRINGM")),  # M: seconds from the first point
    required("estimated", Boolean),
    required("schedule"),  # JSON, see `indexes.schedules`
    required("seats", Integer),
    Column("max_detour_s", Integer),
    Column("max_walk_m", Integer),
    required("audience"),
    Column("audience_id", Id),
    required("verified_only", Boolean),
    required("same_building", Boolean),
    required("women_only", Boolean),
    Column("luggage", Integer),
    Column("smoking", Boolean),
    Column("animals", Boolean),
    Column("music", Boolean),
    Column("talker", Boolean),
    required("origin_name"),
    required("destination_name"),
    Column("price_eur", Double),
    required("url"),
    Column("published_at", Instant),
    required("cancelled", Boolean),
    required("first_written_at", Instant),
    of_tenant("trips"),
    refers("trips", "tenant_id owner_id", "members"),
    *check(
        "trips",
        role=one_of("role", Role),
        audience=one_of("audience", Audience),
        seats="seats BETWEEN 1 AND 8",
        detour="max_detour_s BETWEEN 0 AND 86400",
        walk="max_walk_m BETWEEN 0 AND 2000",
        luggage="luggage BETWEEN 1 AND 5",
        price="price_eur BETWEEN 0 AND 10000",
    ),
    *sizes("trips", origin_name=300, destination_name=300, url=2_000, schedule=20_000),
    Index(
        "ix_trips_owner",
        "tenant_id",
        "owner_id",
        sqlite_where=OWNED,
        postgresql_where=OWNED,
    ),
    Index(
        "ix_trips_audience",
        "tenant_id",
        "audience_id",
        sqlite_where=ADDRESSED,
        postgresql_where=ADDRESSED,
    ),
)

# Carpoolers may be another operator's: they are no references.
bookings = entities(
    "bookings",
    Column("trip_id", Id),
    Column("passenger_trip_id", Id),
    required("driver_id", Id),
    required("passenger_id", Id),
    required("day"),  # ISO 8601
    required("pickup_at", Instant),
    *(
        required(name, Double)
        for name in (
            *("pickup_lon", "pickup_lat", "dropoff_lon", "dropoff_lat"),
            *("pickup_s", "dropoff_s"),
        )
    ),
    required("seats", Integer),
    required("status"),
    Column("price_eur", Double),
    *(
        required(name)
        for name in (
            *("pickup_address", "dropoff_address", "driver_alias", "driver_operator"),
            *("passenger_alias", "passenger_operator", "url"),
        )
    ),
    Column("created_at", Instant),
    required("first_written_at", Instant),
    of_tenant("bookings"),
    refers("bookings", "tenant_id trip_id", "trips"),
    refers("bookings", "tenant_id passenger_trip_id", "trips"),
    *check(
        "bookings",
        status=one_of("status", BookingStatus),
        seats="seats BETWEEN 1 AND 8",
        legs="trip_id IS NULL OR pickup_s < dropoff_s",
        day="length(day) = 10",
        price="price_eur BETWEEN 0 AND 10000",
    ),
    *sizes(
        "bookings",
        pickup_address=500,
        dropoff_address=500,
        driver_alias=300,
        driver_operator=300,
        passenger_alias=300,
        passenger_operator=300,
        url=2_000,
    ),
    Index("ix_bookings_trip", "tenant_id", "trip_id", "day"),
    Index("ix_bookings_passenger_trip", "tenant_id", "passenger_trip_id"),
)

messages = entities(
    "messages",
    required("sender_id", Id),
    required("recipient_id", Id),
    required("recipient_role"),
    required("text"),
    required("sender_alias"),
    required("sender_operator"),
    Column("trip_id", Id),
    Column("booking_id", Id),
    Column("sent_at", Instant),
    required("first_written_at", Instant),
    of_tenant("messages"),
    refers("messages", "tenant_id trip_id", "trips", cascade=True),
    refers("messages", "tenant_id booking_id", "bookings", cascade=True),
    *check("messages", role=one_of("recipient_role", Role)),
    *sizes("messages", text=500, sender_alias=300, sender_operator=300),
    Index("ix_messages_recipient", "tenant_id", "recipient_id"),
    Index("ix_messages_trip", "tenant_id", "trip_id"),
    Index("ix_messages_booking", "tenant_id", "booking_id"),
)
