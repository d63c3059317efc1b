"""Carpool: trips, bookings and messages; a member's gender where it was said."""

import sqlalchemy as sa
from alembic import op

from indexes.migrations.noting import note_changes, note_referred
from indexes.sqltypes import Geom, Id, Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables of carpooling."""
    op.execute(
        "ALTER TABLE members ADD COLUMN gender TEXT"
        " CONSTRAINT ck_members_gender CHECK (gender IN ('F', 'M', 'O'))"
    )
    if op.get_bind().dialect.name == "sqlite":
        # Made anew, as these look at the columns that they name.
        for event in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER note_members_{event}")
        note_changes("members", ["household_id", "level", "name", "lang", "gender"])
    op.create_table(
        "trips",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("owner_id", Id, nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("geom", Geom("LINESTRINGM"), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("max_detour_s", sa.Integer(), nullable=True),
        sa.Column("max_walk_m", sa.Integer(), nullable=True),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("audience_id", Id, nullable=True),
        sa.Column("verified_only", sa.Boolean(), nullable=False),
        sa.Column("same_building", sa.Boolean(), nullable=False),
        sa.Column("women_only", sa.Boolean(), nullable=False),
        sa.Column("luggage", sa.Integer(), nullable=True),
        sa.Column("smoking", sa.Boolean(), nullable=True),
        sa.Column("animals", sa.Boolean(), nullable=True),
        sa.Column("music", sa.Boolean(), nullable=True),
        sa.Column("talker", sa.Boolean(), nullable=True),
        sa.Column("origin_name", sa.Text(), nullable=False),
        sa.Column("destination_name", sa.Text(), nullable=False),
        sa.Column("price_eur", sa.Double(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("published_at", Instant(), nullable=True),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("first_written_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "audience IN ('building', 'residence', 'zone', 'city', 'public')", "ck_trips_audience"
        ),
        sa.CheckConstraint("length(destination_name) <= 300", "ck_trips_destination_name"),
        sa.CheckConstraint("max_detour_s BETWEEN 0 AND 86400", "ck_trips_detour"),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_trips_id"),
        sa.CheckConstraint("luggage BETWEEN 1 AND 5", "ck_trips_luggage"),
        sa.CheckConstraint("length(origin_name) <= 300", "ck_trips_origin_name"),
        sa.CheckConstraint("price_eur BETWEEN 0 AND 10000", "ck_trips_price"),
        sa.CheckConstraint("role IN ('driver', 'passenger', 'either')", "ck_trips_role"),
        sa.CheckConstraint("length(schedule) <= 20000", "ck_trips_schedule"),
        sa.CheckConstraint("seats BETWEEN 1 AND 8", "ck_trips_seats"),
        sa.CheckConstraint("length(url) <= 2000", "ck_trips_url"),
        sa.CheckConstraint("max_walk_m BETWEEN 0 AND 2000", "ck_trips_walk"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "owner_id"], ["members.tenant_id", "members.id"], name="fk_trips_owner_id"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_trips_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "ix_trips_audience",
        "trips",
        ["tenant_id", "audience_id"],
        sqlite_where=sa.text("audience_id IS NOT NULL"),
        postgresql_where=sa.text("audience_id IS NOT NULL"),
    )
    op.create_index(
        "ix_trips_owner",
        "trips",
        ["tenant_id", "owner_id"],
        sqlite_where=sa.text("owner_id IS NOT NULL"),
        postgresql_where=sa.text("owner_id IS NOT NULL"),
    )
    note_changes(
        "trips",
        [
            "owner_id",
            "role",
            "geom",
            "estimated",
            "schedule",
            "seats",
            "max_detour_s",
            "max_walk_m",
            "audience",
            "audience_id",
            "verified_only",
            "same_building",
            "women_only",
            "luggage",
            "smoking",
            "animals",
            "music",
            "talker",
            "origin_name",
            "destination_name",
            "price_eur",
            "url",
            "published_at",
            "cancelled",
        ],
    )
    op.create_table(
        "bookings",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("trip_id", Id, nullable=True),
        sa.Column("passenger_trip_id", Id, nullable=True),
        sa.Column("driver_id", Id, nullable=False),
        sa.Column("passenger_id", Id, nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("pickup_at", Instant(), nullable=False),
        sa.Column("pickup_lon", sa.Double(), nullable=False),
        sa.Column("pickup_lat", sa.Double(), nullable=False),
        sa.Column("dropoff_lon", sa.Double(), nullable=False),
        sa.Column("dropoff_lat", sa.Double(), nullable=False),
        sa.Column("pickup_s", sa.Double(), nullable=False),
        sa.Column("dropoff_s", sa.Double(), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("price_eur", sa.Double(), nullable=True),
        sa.Column("pickup_address", sa.Text(), nullable=False),
        sa.Column("dropoff_address", sa.Text(), nullable=False),
        sa.Column("driver_alias", sa.Text(), nullable=False),
        sa.Column("driver_operator", sa.Text(), nullable=False),
        sa.Column("passenger_alias", sa.Text(), nullable=False),
        sa.Column("passenger_operator", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=True),
        sa.Column("first_written_at", Instant(), nullable=False),
        sa.CheckConstraint("length(day) = 10", "ck_bookings_day"),
        sa.CheckConstraint("length(driver_alias) <= 300", "ck_bookings_driver_alias"),
        sa.CheckConstraint("length(driver_operator) <= 300", "ck_bookings_driver_operator"),
        sa.CheckConstraint("length(dropoff_address) <= 500", "ck_bookings_dropoff_address"),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_bookings_id"),
        sa.CheckConstraint("trip_id IS NULL OR pickup_s < dropoff_s", "ck_bookings_legs"),
        sa.CheckConstraint("length(passenger_alias) <= 300", "ck_bookings_passenger_alias"),
        sa.CheckConstraint("length(passenger_operator) <= 300", "ck_bookings_passenger_operator"),
        sa.CheckConstraint("length(pickup_address) <= 500", "ck_bookings_pickup_address"),
        sa.CheckConstraint("price_eur BETWEEN 0 AND 10000", "ck_bookings_price"),
        sa.CheckConstraint("seats BETWEEN 1 AND 8", "ck_bookings_seats"),
        sa.CheckConstraint(
            "status IN ('WAITING_CONFIRMATION', 'CONFIRMED', 'COMPLETED_PENDING_VALIDATION',"
            " 'VALIDATED', 'CANCELLED')",
            "ck_bookings_status",
        ),
        sa.CheckConstraint("length(url) <= 2000", "ck_bookings_url"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "passenger_trip_id"],
            ["trips.tenant_id", "trips.id"],
            name="fk_bookings_passenger_trip_id",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_bookings_tenant_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "trip_id"], ["trips.tenant_id", "trips.id"], name="fk_bookings_trip_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_bookings_passenger_trip", "bookings", ["tenant_id", "passenger_trip_id"])
    op.create_index("ix_bookings_trip", "bookings", ["tenant_id", "trip_id", "day"])
    note_changes(
        "bookings",
        [
            "trip_id",
            "passenger_trip_id",
            "driver_id",
            "passenger_id",
            "day",
            "pickup_at",
            "pickup_lon",
            "pickup_lat",
            "dropoff_lon",
            "dropoff_lat",
            "pickup_s",
            "dropoff_s",
            "seats",
            "status",
            "price_eur",
            "pickup_address",
            "dropoff_address",
            "driver_alias",
            "driver_operator",
            "passenger_alias",
            "passenger_operator",
            "url",
            "created_at",
        ],
    )
    op.create_table(
        "messages",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("sender_id", Id, nullable=False),
        sa.Column("recipient_id", Id, nullable=False),
        sa.Column("recipient_role", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sender_alias", sa.Text(), nullable=False),
        sa.Column("sender_operator", sa.Text(), nullable=False),
        sa.Column("trip_id", Id, nullable=True),
        sa.Column("booking_id", Id, nullable=True),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("first_written_at", Instant(), nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_messages_id"),
        sa.CheckConstraint(
            "recipient_role IN ('driver', 'passenger', 'either')", "ck_messages_role"
        ),
        sa.CheckConstraint("length(sender_alias) <= 300", "ck_messages_sender_alias"),
        sa.CheckConstraint("length(sender_operator) <= 300", "ck_messages_sender_operator"),
        sa.CheckConstraint("length(text) <= 500", "ck_messages_text"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "booking_id"],
            ["bookings.tenant_id", "bookings.id"],
            name="fk_messages_booking_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_messages_tenant_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "trip_id"],
            ["trips.tenant_id", "trips.id"],
            name="fk_messages_trip_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_messages_booking", "messages", ["tenant_id", "booking_id"])
    op.create_index("ix_messages_recipient", "messages", ["tenant_id", "recipient_id"])
    op.create_index("ix_messages_trip", "messages", ["tenant_id", "trip_id"])
    note_changes(
        "messages",
        [
            "sender_id",
            "recipient_id",
            "recipient_role",
            "text",
            "sender_alias",
            "sender_operator",
            "trip_id",
            "booking_id",
            "sent_at",
        ],
    )
    note_referred("bookings", "trip_id", "trips")


def downgrade() -> None:
    """Nothing takes it back."""
    raise NotImplementedError("a newer schema can't be made an older one: restore a backup")
