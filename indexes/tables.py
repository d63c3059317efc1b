"""The tables, once, for both stores: SQLAlchemy Core with GeoAlchemy2's geometry.

The migrations build what stands here; a test compares the two. Every table of a tenant's
things begins its key and its indexes with ``tenant_id``.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    text,
)

from indexes.entities import Audience, Kind
from indexes.journeys import BookingStatus, Role
from indexes.sqltypes import Geom, Id, Instant, Xid, current_xid, point_checks
from indexes.trusting import Reason, ReportState

__all__ = [
    "api_keys",
    "blocks",
    "bookings",
    "buildings",
    "endorsements",
    "group_cells",
    "groups",
    "households",
    "imports",
    "interactions",
    "letter_codes",
    "listings",
    "members",
    "messages",
    "metadata",
    "outbox",
    "outbox_marks",
    "partitions",
    "placements",
    "ratings",
    "replies",
    "reports",
    "requests",
    "residences",
    "secrets",
    "standings",
    "tenants",
    "trips",
    "vouches",
    "zone_figures",
    "zones",
]

metadata = MetaData()


def _required(name: str, kind: Any = Text, **kw: Any) -> Column[Any]:
    return Column(name, kind, nullable=False, **kw)


def _key(*names: str) -> list[Column[Any]]:
    return [Column(name, Id, primary_key=True) for name in names]


def _check(table: str, **rules: str) -> list[CheckConstraint]:
    return [CheckConstraint(rule, f"ck_{table}_{name}") for name, rule in rules.items()]


def _sizes(table: str, **limits: int) -> list[CheckConstraint]:
    return _check(table, **{name: f"length({name}) <= {top}" for name, top in limits.items()})


def _refers(
    table: str, columns: str, target: str, *, to: str = "tenant_id id", cascade: bool = False
) -> ForeignKeyConstraint:
    names = columns.split()
    return ForeignKeyConstraint(
        names,
        [f"{target}.{name}" for name in to.split()],
        name=f"fk_{table}_{names[-1]}",
        ondelete="CASCADE" if cascade else None,
    )


def _of_tenant(table: str, *, cascade: bool = False) -> ForeignKeyConstraint:
    return _refers(table, "tenant_id", "tenants", to="tenant_id", cascade=cascade)


def _entities(name: str, *items: Any) -> Table:
    """A table of records known by (tenant_id, id)."""
    return Table(
        name,
        metadata,
        *_key("tenant_id", "id"),
        *items,
        *_check(name, id="length(id) BETWEEN 1 AND 200"),
    )


def _place() -> list[Column[Any]]:
    """What the point of a building or a public listing implies (`indexes.placement`)."""
    return [
        Column("cell", BigInteger),
        Column("cell5", BigInteger),
        Column("zone", Id),
        Column("vintage", Integer),
        _required("zone_nearest", Boolean, server_default=false()),
    ]


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


tenants = _entities(
    "tenants",
    _required("name"),
    _required("timezone"),
    _required("lang"),
    UniqueConstraint("tenant_id", name="uq_tenants_tenant_id"),
    *_check("tenants", own="tenant_id = id"),
    *_sizes("tenants", name=300, timezone=64, lang=16),
)

residences = _entities(
    "residences", _required("name"), _of_tenant("residences"), *_sizes("residences", name=300)
)

buildings = _entities(
    "buildings",
    _required("geom", Geom()),
    _required("address"),
    Column("dwellings", Integer),
    Column("residence_id", Id),
    *_place(),
    Column("group_id", Id),
    _of_tenant("buildings"),
    _refers("buildings", "tenant_id residence_id", "residences"),
    *point_checks("buildings"),
    *_check("buildings", dwellings="dwellings BETWEEN 0 AND 100000"),
    *_sizes("buildings", address=500),
    Index("ix_buildings_residence", "tenant_id", "residence_id"),
    Index("ix_buildings_zone", "tenant_id", "zone", "id"),
)

households = _entities(
    "households",
    _required("building_id", Id),
    _of_tenant("households"),
    _refers("households", "tenant_id building_id", "buildings"),
    Index("ix_households_building", "tenant_id", "building_id"),
)

members = _entities(
    "members",
    _required("household_id", Id),
    _required("level", Integer),
    _required("name"),
    _required("lang"),
    Column("gender", Text),
    Column("created_at", Instant),
    Column("first_written_at", Instant),  # none: before it was noted
    _of_tenant("members"),
    _refers("members", "tenant_id household_id", "households"),
    *_check("members", level="level BETWEEN 0 AND 4", gender="gender IN ('F', 'M', 'O')"),
    *_sizes("members", name=300, lang=16),
    Index("ix_members_household", "tenant_id", "household_id"),
)

# Owners are few beside public things, so that a partial index is small and cheap to keep.
_owned = text("owner_id IS NOT NULL")
_addressed = text("audience_id IS NOT NULL")

listings = _entities(
    "listings",
    _required("kind"),
    _required("title"),
    _required("personal", Boolean),
    Column("owner_id", Id),
    Column("geom", Geom()),
    _required("address"),
    _required("text"),
    _required("category"),
    _required("lang"),
    _required("url"),
    _required("audience"),
    Column("audience_id", Id),
    Column("reach_m", Integer),
    Column("valid_from", Instant),
    Column("valid_to", Instant),
    Column("starts_at", Instant),
    Column("ends_at", Instant),
    Column("published_at", Instant),
    Column("opening_hours", Text),
    Column("hours_text", Text),
    Column("quota", Integer),
    _required("quota_used", Integer),
    *_place(),
    _required("first_written_at", Instant),
    Column("attested", Text),
    _of_tenant("listings"),
    _refers("listings", "tenant_id owner_id", "members"),
    *point_checks("listings"),
    *_check(
        "listings",
        kind=_one_of("kind", Kind),
        audience=_one_of("audience", Audience),
        owner="geom IS NOT NULL OR owner_id IS NOT NULL",
        personal="personal = (geom IS NULL)",
        reach="reach_m BETWEEN 1 AND 100000",
        validity="valid_from < valid_to",
        event="kind <> 'event' OR starts_at IS NOT NULL",
        duration="ends_at >= starts_at",
        quota="quota >= 0 AND quota_used >= 0",
        attested="attested IN ('town', 'registry')",
    ),
    *_sizes(
        "listings",
        title=300,
        address=500,
        text=20_000,
        category=200,
        lang=16,
        url=2_000,
        opening_hours=1_000,
        hours_text=2_000,
    ),
    Index(
        "ix_listings_owner",
        "tenant_id",
        "owner_id",
        sqlite_where=_owned,
        postgresql_where=_owned,
    ),
    Index(
        "ix_listings_audience",
        "tenant_id",
        "audience_id",
        sqlite_where=_addressed,
        postgresql_where=_addressed,
    ),
    Index("ix_listings_zone", "tenant_id", "zone", "id"),
    Index("ix_listings_cell", "tenant_id", "cell", "id"),
)

endorsements = _entities(
    "endorsements",
    _required("member_id", Id),
    _required("listing_id", Id),
    _required("category"),
    Column("created_at", Instant),
    _required("first_written_at", Instant),
    _of_tenant("endorsements"),
    _refers("endorsements", "tenant_id member_id", "members", cascade=True),
    _refers("endorsements", "tenant_id listing_id", "listings", cascade=True),
    UniqueConstraint("tenant_id", "member_id", "listing_id", name="uq_endorsements_once"),
    *_sizes("endorsements", category=200),
    Index("ix_endorsements_listing", "tenant_id", "listing_id"),
)

blocks = _entities(
    "blocks",
    _required("member_id", Id),
    _required("other_id", Id),
    _of_tenant("blocks"),
    _refers("blocks", "tenant_id member_id", "members", cascade=True),
    _refers("blocks", "tenant_id other_id", "members", cascade=True),
    *_check("blocks", two="member_id <> other_id"),
    Index("ix_blocks_member", "tenant_id", "member_id"),
    Index("ix_blocks_other", "tenant_id", "other_id"),
)

api_keys = _entities(
    "api_keys",
    _required("name"),
    _required("scopes"),  # space-separated and sorted, as OAuth writes them
    _required("secret_sha256"),
    Column("created_at", Instant),
    _required("first_written_at", Instant),
    _of_tenant("api_keys", cascade=True),
    UniqueConstraint("secret_sha256", name="uq_api_keys_secret"),
    *_check("api_keys", secret="length(secret_sha256) = 64"),
    *_sizes("api_keys", name=300),
)

trips = _entities(
    "trips",
    Column("owner_id", Id),
    _required("role"),
    _required("geom", Geom("LINESTRINGM")),  # M: seconds from the first point
    _required("estimated", Boolean),
    _required("schedule"),  # JSON, see `indexes.schedules`
    _required("seats", Integer),
    Column("max_detour_s", Integer),
    Column("max_walk_m", Integer),
    _required("audience"),
    Column("audience_id", Id),
    _required("verified_only", Boolean),
    _required("same_building", Boolean),
    _required("women_only", Boolean),
    Column("luggage", Integer),
    Column("smoking", Boolean),
    Column("animals", Boolean),
    Column("music", Boolean),
    Column("talker", Boolean),
    _required("origin_name"),
    _required("destination_name"),
    Column("price_eur", Double),
    _required("url"),
    Column("published_at", Instant),
    _required("cancelled", Boolean),
    _required("first_written_at", Instant),
    _of_tenant("trips"),
    _refers("trips", "tenant_id owner_id", "members"),
    *_check(
        "trips",
        role=_one_of("role", Role),
        audience=_one_of("audience", Audience),
        seats="seats BETWEEN 1 AND 8",
        detour="max_detour_s BETWEEN 0 AND 86400",
        walk="max_walk_m BETWEEN 0 AND 2000",
        luggage="luggage BETWEEN 1 AND 5",
        price="price_eur BETWEEN 0 AND 10000",
    ),
    *_sizes("trips", origin_name=300, destination_name=300, url=2_000, schedule=20_000),
    Index(
        "ix_trips_owner",
        "tenant_id",
        "owner_id",
        sqlite_where=_owned,
        postgresql_where=_owned,
    ),
    Index(
        "ix_trips_audience",
        "tenant_id",
        "audience_id",
        sqlite_where=_addressed,
        postgresql_where=_addressed,
    ),
)

# Carpoolers may be another operator's: they are no references.
bookings = _entities(
    "bookings",
    Column("trip_id", Id),
    Column("passenger_trip_id", Id),
    _required("driver_id", Id),
    _required("passenger_id", Id),
    _required("day"),  # ISO 8601
    _required("pickup_at", Instant),
    *(
        _required(name, Double)
        for name in (
            *("pickup_lon", "pickup_lat", "dropoff_lon", "dropoff_lat"),
            *("pickup_s", "dropoff_s"),
        )
    ),
    _required("seats", Integer),
    _required("status"),
    Column("price_eur", Double),
    *(
        _required(name)
        for name in (
            *("pickup_address", "dropoff_address", "driver_alias", "driver_operator"),
            *("passenger_alias", "passenger_operator", "url"),
        )
    ),
    Column("created_at", Instant),
    _required("first_written_at", Instant),
    _of_tenant("bookings"),
    _refers("bookings", "tenant_id trip_id", "trips"),
    _refers("bookings", "tenant_id passenger_trip_id", "trips"),
    *_check(
        "bookings",
        status=_one_of("status", BookingStatus),
        seats="seats BETWEEN 1 AND 8",
        legs="trip_id IS NULL OR pickup_s < dropoff_s",
        day="length(day) = 10",
        price="price_eur BETWEEN 0 AND 10000",
    ),
    *_sizes(
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

messages = _entities(
    "messages",
    _required("sender_id", Id),
    _required("recipient_id", Id),
    _required("recipient_role"),
    _required("text"),
    _required("sender_alias"),
    _required("sender_operator"),
    Column("trip_id", Id),
    Column("booking_id", Id),
    Column("sent_at", Instant),
    _required("first_written_at", Instant),
    _of_tenant("messages"),
    _refers("messages", "tenant_id trip_id", "trips", cascade=True),
    _refers("messages", "tenant_id booking_id", "bookings", cascade=True),
    *_check("messages", role=_one_of("recipient_role", Role)),
    *_sizes("messages", text=500, sender_alias=300, sender_operator=300),
    Index("ix_messages_recipient", "tenant_id", "recipient_id"),
    Index("ix_messages_trip", "tenant_id", "trip_id"),
    Index("ix_messages_booking", "tenant_id", "booking_id"),
)

requests = _entities(
    "requests",
    _required("asker_id", Id),
    _required("helper_id", Id),
    _required("created_at", Instant),
    _required("text"),
    _required("category"),
    Column("listing_id", Id),
    _of_tenant("requests"),
    _refers("requests", "tenant_id asker_id", "members", cascade=True),
    _refers("requests", "tenant_id helper_id", "members", cascade=True),
    *_check("requests", two="asker_id <> helper_id"),
    *_sizes("requests", text=2_000, category=200),
    Index("ix_requests_asker", "tenant_id", "asker_id", "id"),
    Index("ix_requests_helper", "tenant_id", "helper_id", "id"),
)

replies = _entities(
    "replies",
    _required("request_id", Id),
    _required("accepted", Boolean),
    _required("created_at", Instant),
    _required("text"),
    _of_tenant("replies"),
    _refers("replies", "tenant_id request_id", "requests", cascade=True),
    UniqueConstraint("tenant_id", "request_id", name="uq_replies_once"),
    *_sizes("replies", text=2_000),
)

interactions = _entities(
    "interactions",
    _required("request_id", Id),
    _required("asker_id", Id),
    _required("helper_id", Id),
    _required("created_at", Instant),
    _required("category"),
    Column("asker_done_at", Instant),
    Column("helper_done_at", Instant),
    _of_tenant("interactions"),
    _refers("interactions", "tenant_id request_id", "requests", cascade=True),
    _refers("interactions", "tenant_id asker_id", "members", cascade=True),
    _refers("interactions", "tenant_id helper_id", "members", cascade=True),
    UniqueConstraint("tenant_id", "request_id", name="uq_interactions_once"),
    *_check("interactions", two="asker_id <> helper_id"),
    *_sizes("interactions", category=200),
    Index("ix_interactions_asker", "tenant_id", "asker_id", "id"),
    Index("ix_interactions_helper", "tenant_id", "helper_id", "id"),
)

ratings = _entities(
    "ratings",
    _required("interaction_id", Id),
    _required("rater_id", Id),
    _required("ratee_id", Id),
    _required("stars", Integer),
    _required("created_at", Instant),
    _required("opens_at", Instant),
    _required("text"),
    _of_tenant("ratings"),
    _refers("ratings", "tenant_id interaction_id", "interactions", cascade=True),
    _refers("ratings", "tenant_id rater_id", "members", cascade=True),
    _refers("ratings", "tenant_id ratee_id", "members", cascade=True),
    UniqueConstraint("tenant_id", "interaction_id", "rater_id", name="uq_ratings_once"),
    *_check("ratings", two="rater_id <> ratee_id", stars="stars BETWEEN 1 AND 5"),
    *_sizes("ratings", text=2_000),
    Index("ix_ratings_ratee", "tenant_id", "ratee_id", "id"),
    Index("ix_ratings_rater", "tenant_id", "rater_id", "id"),
)

vouches = _entities(
    "vouches",
    _required("voucher_id", Id),
    _required("vouchee_id", Id),
    _required("created_at", Instant),
    _of_tenant("vouches"),
    _refers("vouches", "tenant_id voucher_id", "members", cascade=True),
    _refers("vouches", "tenant_id vouchee_id", "members", cascade=True),
    UniqueConstraint("tenant_id", "voucher_id", "vouchee_id", name="uq_vouches_once"),
    *_check("vouches", two="voucher_id <> vouchee_id"),
    Index("ix_vouches_vouchee", "tenant_id", "vouchee_id", "id"),
)

# The household is no reference: what was sent to an address counts when all have moved out.
letter_codes = _entities(
    "letter_codes",
    _required("member_id", Id),
    _required("household_id", Id),
    _required("digest"),
    _required("sent_at", Instant),
    _required("expires_at", Instant),
    Column("used_at", Instant),
    _of_tenant("letter_codes"),
    _refers("letter_codes", "tenant_id member_id", "members", cascade=True),
    *_check("letter_codes", digest="length(digest) = 64"),
    Index("ix_letter_codes_household", "tenant_id", "household_id"),
    Index("ix_letter_codes_member", "tenant_id", "member_id"),
)

reports = _entities(
    "reports",
    _required("member_id", Id),
    _required("reason"),
    _required("created_at", Instant),
    Column("reporter_id", Id),
    _required("text"),
    _required("state"),
    Column("decided_at", Instant),
    _of_tenant("reports"),
    _refers("reports", "tenant_id member_id", "members", cascade=True),
    *_check("reports", reason=_one_of("reason", Reason), state=_one_of("state", ReportState)),
    *_sizes("reports", text=2_000),
    Index("ix_reports_member", "tenant_id", "member_id"),
    Index("ix_reports_reporter", "tenant_id", "reporter_id", "id"),
)

standings = _entities(
    "standings",
    _required("level", Integer),
    Column("expires_at", Instant),
    _required("tries", Integer),
    _required("suspended", Boolean),
    Column("penalised_until", Instant),
    _of_tenant("standings"),
    _refers("standings", "tenant_id id", "members", cascade=True),
    *_check("standings", level="level BETWEEN 0 AND 4", tries="tries >= 0"),
    Index(
        "ix_standings_suspended",
        "tenant_id",
        "id",
        sqlite_where=text("suspended"),
        postgresql_where=text("suspended"),
    ),
)

zones = Table(
    "zones",
    metadata,
    *_key("tenant_id", "code"),
    Column("vintage", Integer, primary_key=True, autoincrement=False),
    _required("name"),
    _required("type"),
    _required("commune_code", Id),
    _required("commune_name"),
    _required("geom", Geom("GEOMETRY")),
    Column("census_year", Integer),
    Column("geography_year", Integer),
    _of_tenant("zones", cascade=True),
    *_check("zones", vintage="vintage BETWEEN 1900 AND 2999"),
    *_sizes("zones", code=20, name=300, type=20, commune_code=20, commune_name=300),
)

zone_figures = Table(
    "zone_figures",
    metadata,
    *_key("tenant_id", "code"),
    Column("vintage", Integer, primary_key=True, autoincrement=False),
    Column("name", Id, primary_key=True),
    _required("value", Double),
    _refers(
        "zone_figures",
        "tenant_id code vintage",
        "zones",
        to="tenant_id code vintage",
        cascade=True,
    ),
)

# One row a tenant, raised whenever its zones or groups change. Writers share-lock it, so that
# nothing is placed by old zones after the new ones have placed everything again.
placements = Table(
    "placements",
    metadata,
    *_key("tenant_id"),
    _required("version", BigInteger),
    _of_tenant("placements", cascade=True),
)

partitions = Table(
    "partitions",
    metadata,
    *_key("tenant_id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _required("created_at", Instant),
    _of_tenant("partitions", cascade=True),
    *_check("partitions", version="version >= 1"),
)

groups = Table(
    "groups",
    metadata,
    *_key("tenant_id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    *_key("id"),
    _required("geom", Geom()),
    _required("dwellings", Integer),
    _required("locatable", Boolean),
    _required("zones"),  # codes, space-separated, in the order given
    Column("commune_code", Id),
    _required("commune_name"),
    _refers("groups", "tenant_id version", "partitions", to="tenant_id version", cascade=True),
    *point_checks("groups"),
    *_check("groups", dwellings="dwellings >= 0"),
)

group_cells = Table(
    "group_cells",
    metadata,
    *_key("tenant_id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    _required("group_id", Id),
    _refers(
        "group_cells",
        "tenant_id version group_id",
        "groups",
        to="tenant_id version id",
        cascade=True,
    ),
    Index("ix_group_cells_group", "tenant_id", "version", "group_id"),
)

imports = Table(
    "imports",
    metadata,
    *_key("tenant_id", "source"),
    _required("rows_done", BigInteger),
    _required("finished", Boolean),
    _of_tenant("imports", cascade=True),
    *_check("imports", rows_done="rows_done >= 0", source="length(source) BETWEEN 1 AND 500"),
)

# The store's own, not a tenant's: its identity, and the key that signs cursors.
secrets = Table("secrets", metadata, *_key("name"), _required("value", LargeBinary))

outbox = Table(
    "outbox",
    metadata,
    Column(
        "seq",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    _required("xid", Xid, server_default=current_xid()),
    _required("tenant_id", Id),
    _required("entity"),
    _required("id", Id),
    sqlite_autoincrement=True,
)

# On SQLite `seq` is the order of commits; on PostgreSQL two transactions may commit in another
# order than they drew numbers. A key of another name by dialect is more than a Table can say.
_ordered = DDL(  # type: ignore[no-untyped-call]
    "ALTER TABLE outbox DROP CONSTRAINT outbox_pkey, ADD PRIMARY KEY (xid, seq)"
)
event.listen(outbox, "after_create", _ordered.execute_if(dialect="postgresql"))

# How far the outbox had come at some instants, seconds since 1970: so that its many lines need
# no time of their own. The first row is how far it is trimmed; there always is one.
outbox_marks = Table(
    "outbox_marks",
    metadata,
    Column("xid", Xid, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _required("at", BigInteger),
)
