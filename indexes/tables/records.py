"""The tables of tenants and homes, of people, listings and what hangs on them, and of keys."""

from sqlalchemy import Boolean, Column, Index, Integer, Text, UniqueConstraint

from indexes.entities import Audience, Kind
from indexes.sqltypes import Geom, Id, Instant, point_checks
from indexes.tables.base import (
    ADDRESSED,
    OWNED,
    check,
    entities,
    of_tenant,
    one_of,
    place,
    refers,
    required,
    sizes,
)

__all__ = [
    "api_keys",
    "blocks",
    "buildings",
    "endorsements",
    "households",
    "listings",
    "members",
    "residences",
    "tenants",
]

tenants = entities(
    "tenants",
    required("name"),
    required("timezone"),
    required("lang"),
    UniqueConstraint("tenant_id", name="uq_tenants_tenant_id"),
    *check("tenants", own="tenant_id = id"),
    *sizes("tenants", name=300, timezone=64, lang=16),
)

residences = entities(
    "residences", required("name"), of_tenant("residences"), *sizes("residences", name=300)
)

buildings = entities(
    "buildings",
    required("geom", Geom()),
    required("address"),
    Column("dwellings", Integer),
    Column("residence_id", Id),
    *place(),
    Column("group_id", Id),
    of_tenant("buildings"),
    refers("buildings", "tenant_id residence_id", "residences"),
    *point_checks("buildings"),
    *check("buildings", dwellings="dwellings BETWEEN 0 AND 100000"),
    *sizes("buildings", address=500),
    Index("ix_buildings_residence", "tenant_id", "residence_id"),
    Index("ix_buildings_zone", "tenant_id", "zone", "id"),
)

households = entities(
    "households",
    required("building_id", Id),
    of_tenant("households"),
    refers("households", "tenant_id building_id", "buildings"),
    Index("ix_households_building", "tenant_id", "building_id"),
)

members = entities(
    "members",
    required("household_id", Id),
    required("level", Integer),
    required("name"),
    required("lang"),
    Column("gender", Text),
    Column("created_at", Instant),
    Column("first_written_at", Instant),  # none: before it was noted
    of_tenant("members"),
    refers("members", "tenant_id household_id", "households"),
    *check("members", level="level BETWEEN 0 AND 4", gender="gender IN ('F', 'M', 'O')"),
    *sizes("members", name=300, lang=16),
    Index("ix_members_household", "tenant_id", "household_id"),
)

listings = entities(
    "listings",
    required("kind"),
    required("title"),
    required("personal", Boolean),
    Column("owner_id", Id),
    Column("geom", Geom()),
    required("address"),
    required("text"),
    required("category"),
    required("lang"),
    required("url"),
    required("audience"),
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
    required("quota_used", Integer),
    *place(),
    required("first_written_at", Instant),
    Column("attested", Text),
    of_tenant("listings"),
    refers("listings", "tenant_id owner_id", "members"),
    *point_checks("listings"),
    *check(
        "listings",
        kind=one_of("kind", Kind),
        audience=one_of("audience", Audience),
        owner="geom IS NOT NULL OR owner_id IS NOT NULL",
        personal="personal = (geom IS NULL)",
        reach="reach_m BETWEEN 1 AND 100000",
        validity="valid_from < valid_to",
        event="kind <> 'event' OR starts_at IS NOT NULL",
        duration="ends_at >= starts_at",
        quota="quota >= 0 AND quota_used >= 0",
        attested="attested IN ('town', 'registry')",
    ),
    *sizes(
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
        sqlite_where=OWNED,
        postgresql_where=OWNED,
    ),
    Index(
        "ix_listings_audience",
        "tenant_id",
        "audience_id",
        sqlite_where=ADDRESSED,
        postgresql_where=ADDRESSED,
    ),
    Index("ix_listings_zone", "tenant_id", "zone", "id"),
    Index("ix_listings_cell", "tenant_id", "cell", "id"),
)

endorsements = entities(
    "endorsements",
    required("member_id", Id),
    required("listing_id", Id),
    required("category"),
    Column("created_at", Instant),
    required("first_written_at", Instant),
    of_tenant("endorsements"),
    refers("endorsements", "tenant_id member_id", "members", cascade=True),
    refers("endorsements", "tenant_id listing_id", "listings", cascade=True),
    UniqueConstraint("tenant_id", "member_id", "listing_id", name="uq_endorsements_once"),
    *sizes("endorsements", category=200),
    Index("ix_endorsements_listing", "tenant_id", "listing_id"),
)

blocks = entities(
    "blocks",
    required("member_id", Id),
    required("other_id", Id),
    of_tenant("blocks"),
    refers("blocks", "tenant_id member_id", "members", cascade=True),
    refers("blocks", "tenant_id other_id", "members", cascade=True),
    *check("blocks", two="member_id <> other_id"),
    Index("ix_blocks_member", "tenant_id", "member_id"),
    Index("ix_blocks_other", "tenant_id", "other_id"),
)

api_keys = entities(
    "api_keys",
    required("name"),
    required("scopes"),  # space-separated and sorted, as OAuth writes them
    required("secret_sha256"),
    Column("created_at", Instant),
    required("first_written_at", Instant),
    of_tenant("api_keys", cascade=True),
    UniqueConstraint("secret_sha256", name="uq_api_keys_secret"),
    *check("api_keys", secret="length(secret_sha256) = 64"),
    *sizes("api_keys", name=300),
)
