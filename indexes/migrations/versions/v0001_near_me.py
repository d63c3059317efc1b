"""Everything near me needs: residents, listings, zones, groups, imports, the outbox."""

import sqlalchemy as sa
from alembic import op

from indexes.migrations.noting import make_function, note_changes
from indexes.sqltypes import Geom, Id, Instant, Xid, current_xid, point_checks

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "outbox",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("xid", Xid(), server_default=current_xid(), nullable=False),
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "secrets",
        sa.Column("name", Id, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "tenants",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_tenants_id"),
        sa.CheckConstraint("length(lang) <= 16", "ck_tenants_lang"),
        sa.CheckConstraint("length(name) <= 300", "ck_tenants_name"),
        sa.CheckConstraint("length(timezone) <= 64", "ck_tenants_timezone"),
        sa.CheckConstraint("tenant_id = id", "ck_tenants_own"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", name="uq_tenants_tenant_id"),
    )
    op.create_table(
        "api_keys",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=True),
        sa.Column("first_written_at", Instant(), nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_api_keys_id"),
        sa.CheckConstraint("length(name) <= 300", "ck_api_keys_name"),
        sa.CheckConstraint("length(secret_sha256) = 64", "ck_api_keys_secret"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_api_keys_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("secret_sha256", name="uq_api_keys_secret"),
    )
    op.create_table(
        "imports",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("source", Id, nullable=False),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.CheckConstraint("length(source) BETWEEN 1 AND 500", "ck_imports_source"),
        sa.CheckConstraint("rows_done >= 0", "ck_imports_rows_done"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_imports_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "source"),
    )
    op.create_table(
        "partitions",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("version >= 1", "ck_partitions_version"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_partitions_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "version"),
    )
    op.create_table(
        "placements",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_placements_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id"),
    )
    op.create_table(
        "residences",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_residences_id"),
        sa.CheckConstraint("length(name) <= 300", "ck_residences_name"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_residences_tenant_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_table(
        "zones",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("code", Id, nullable=False),
        sa.Column("vintage", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("commune_code", Id, nullable=False),
        sa.Column("commune_name", sa.Text(), nullable=False),
        sa.Column("geom", Geom("GEOMETRY"), nullable=False),
        sa.Column("census_year", sa.Integer(), nullable=True),
        sa.Column("geography_year", sa.Integer(), nullable=True),
        sa.CheckConstraint("length(code) <= 20", "ck_zones_code"),
        sa.CheckConstraint("length(commune_code) <= 20", "ck_zones_commune_code"),
        sa.CheckConstraint("length(commune_name) <= 300", "ck_zones_commune_name"),
        sa.CheckConstraint("length(name) <= 300", "ck_zones_name"),
        sa.CheckConstraint("length(type) <= 20", "ck_zones_type"),
        sa.CheckConstraint("vintage BETWEEN 1900 AND 2999", "ck_zones_vintage"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_zones_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "code", "vintage"),
    )
    op.create_table(
        "buildings",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("geom", Geom(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("dwellings", sa.Integer(), nullable=True),
        sa.Column("residence_id", Id, nullable=True),
        sa.Column("cell", sa.BigInteger(), nullable=True),
        sa.Column("cell5", sa.BigInteger(), nullable=True),
        sa.Column("zone", Id, nullable=True),
        sa.Column("vintage", sa.Integer(), nullable=True),
        sa.Column("zone_nearest", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("group_id", Id, nullable=True),
        *point_checks("buildings"),
        sa.CheckConstraint("dwellings BETWEEN 0 AND 100000", "ck_buildings_dwellings"),
        sa.CheckConstraint("length(address) <= 500", "ck_buildings_address"),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_buildings_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "residence_id"],
            ["residences.tenant_id", "residences.id"],
            name="fk_buildings_residence_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_buildings_tenant_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_buildings_residence", "buildings", ["tenant_id", "residence_id"])
    op.create_index("ix_buildings_zone", "buildings", ["tenant_id", "zone", "id"])
    op.create_table(
        "groups",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("geom", Geom(), nullable=False),
        sa.Column("dwellings", sa.Integer(), nullable=False),
        sa.Column("locatable", sa.Boolean(), nullable=False),
        sa.Column("zones", sa.Text(), nullable=False),
        sa.Column("commune_code", Id, nullable=True),
        sa.Column("commune_name", sa.Text(), nullable=False),
        *point_checks("groups"),
        sa.CheckConstraint("dwellings >= 0", "ck_groups_dwellings"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version"],
            ["partitions.tenant_id", "partitions.version"],
            name="fk_groups_version",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "version", "id"),
    )
    op.create_table(
        "zone_figures",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("code", Id, nullable=False),
        sa.Column("vintage", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", Id, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "code", "vintage"],
            ["zones.tenant_id", "zones.code", "zones.vintage"],
            name="fk_zone_figures_vintage",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "code", "vintage", "name"),
    )
    op.create_table(
        "group_cells",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version", "group_id"],
            ["groups.tenant_id", "groups.version", "groups.id"],
            name="fk_group_cells_group_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "version", "cell"),
    )
    op.create_index("ix_group_cells_group", "group_cells", ["tenant_id", "version", "group_id"])
    op.create_table(
        "households",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("building_id", Id, nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_households_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "building_id"],
            ["buildings.tenant_id", "buildings.id"],
            name="fk_households_building_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_households_tenant_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_households_building", "households", ["tenant_id", "building_id"])
    op.create_table(
        "members",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("household_id", Id, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_members_id"),
        sa.CheckConstraint("length(lang) <= 16", "ck_members_lang"),
        sa.CheckConstraint("length(name) <= 300", "ck_members_name"),
        sa.CheckConstraint("level BETWEEN 0 AND 4", "ck_members_level"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "household_id"],
            ["households.tenant_id", "households.id"],
            name="fk_members_household_id",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_members_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_members_household", "members", ["tenant_id", "household_id"])
    op.create_table(
        "blocks",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("member_id", Id, nullable=False),
        sa.Column("other_id", Id, nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_blocks_id"),
        sa.CheckConstraint("member_id <> other_id", "ck_blocks_two"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name="fk_blocks_member_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "other_id"],
            ["members.tenant_id", "members.id"],
            name="fk_blocks_other_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_blocks_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_blocks_member", "blocks", ["tenant_id", "member_id"])
    op.create_index("ix_blocks_other", "blocks", ["tenant_id", "other_id"])
    op.create_table(
        "listings",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("personal", sa.Boolean(), nullable=False),
        sa.Column("owner_id", Id, nullable=True),
        sa.Column("geom", Geom(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("audience_id", Id, nullable=True),
        sa.Column("reach_m", sa.Integer(), nullable=True),
        sa.Column("valid_from", Instant(), nullable=True),
        sa.Column("valid_to", Instant(), nullable=True),
        sa.Column("starts_at", Instant(), nullable=True),
        sa.Column("ends_at", Instant(), nullable=True),
        sa.Column("published_at", Instant(), nullable=True),
        sa.Column("opening_hours", sa.Text(), nullable=True),
        sa.Column("hours_text", sa.Text(), nullable=True),
        sa.Column("quota", sa.Integer(), nullable=True),
        sa.Column("quota_used", sa.Integer(), nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=True),
        sa.Column("cell5", sa.BigInteger(), nullable=True),
        sa.Column("zone", Id, nullable=True),
        sa.Column("vintage", sa.Integer(), nullable=True),
        sa.Column("zone_nearest", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("first_written_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "audience IN ('building', 'residence', 'zone', 'city', 'public')",
            "ck_listings_audience",
        ),
        sa.CheckConstraint("kind <> 'event' OR starts_at IS NOT NULL", "ck_listings_event"),
        sa.CheckConstraint(
            "kind IN ('neighbour', 'service', 'artisan', 'merchant', 'offer', 'event',"
            " 'ad', 'place')",
            "ck_listings_kind",
        ),
        *point_checks("listings"),
        sa.CheckConstraint("ends_at >= starts_at", "ck_listings_duration"),
        sa.CheckConstraint("geom IS NOT NULL OR owner_id IS NOT NULL", "ck_listings_owner"),
        sa.CheckConstraint("length(address) <= 500", "ck_listings_address"),
        sa.CheckConstraint("length(category) <= 200", "ck_listings_category"),
        sa.CheckConstraint("length(hours_text) <= 2000", "ck_listings_hours_text"),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_listings_id"),
        sa.CheckConstraint("length(lang) <= 16", "ck_listings_lang"),
        sa.CheckConstraint("length(opening_hours) <= 1000", "ck_listings_opening_hours"),
        sa.CheckConstraint("length(text) <= 20000", "ck_listings_text"),
        sa.CheckConstraint("length(title) <= 300", "ck_listings_title"),
        sa.CheckConstraint("length(url) <= 2000", "ck_listings_url"),
        sa.CheckConstraint("personal = (geom IS NULL)", "ck_listings_personal"),
        sa.CheckConstraint("quota >= 0 AND quota_used >= 0", "ck_listings_quota"),
        sa.CheckConstraint("reach_m BETWEEN 1 AND 100000", "ck_listings_reach"),
        sa.CheckConstraint("valid_from < valid_to", "ck_listings_validity"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "owner_id"],
            ["members.tenant_id", "members.id"],
            name="fk_listings_owner_id",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_listings_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "ix_listings_audience",
        "listings",
        ["tenant_id", "audience_id"],
        sqlite_where=sa.text("audience_id IS NOT NULL"),
        postgresql_where=sa.text("audience_id IS NOT NULL"),
    )
    op.create_index("ix_listings_cell", "listings", ["tenant_id", "cell", "id"])
    op.create_index(
        "ix_listings_owner",
        "listings",
        ["tenant_id", "owner_id"],
        sqlite_where=sa.text("owner_id IS NOT NULL"),
        postgresql_where=sa.text("owner_id IS NOT NULL"),
    )
    op.create_index("ix_listings_zone", "listings", ["tenant_id", "zone", "id"])
    op.create_table(
        "endorsements",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("member_id", Id, nullable=False),
        sa.Column("listing_id", Id, nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=True),
        sa.Column("first_written_at", Instant(), nullable=False),
        sa.CheckConstraint("length(category) <= 200", "ck_endorsements_category"),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_endorsements_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "listing_id"],
            ["listings.tenant_id", "listings.id"],
            name="fk_endorsements_listing_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name="fk_endorsements_member_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_endorsements_tenant_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "member_id", "listing_id", name="uq_endorsements_once"),
    )
    op.create_index("ix_endorsements_listing", "endorsements", ["tenant_id", "listing_id"])
    if op.get_bind().dialect.name == "postgresql":
        # On SQLite the outbox is in the order of its key.
        op.create_index("ix_outbox_order", "outbox", ["xid", "seq"])

    make_function()
    note_changes("tenants", ["name", "timezone", "lang"])
    note_changes("residences", ["name"])
    note_changes("buildings", ["geom", "address", "dwellings", "residence_id"])
    note_changes("households", ["building_id"])
    note_changes("members", ["household_id", "level", "name", "lang"])
    note_changes(
        "listings",
        [
            *("kind", "title", "personal", "owner_id", "geom", "address", "text", "category"),
            *("lang", "url", "audience", "audience_id", "reach_m", "valid_from", "valid_to"),
            *("starts_at", "ends_at", "published_at", "opening_hours", "hours_text", "quota"),
            "quota_used",
        ],
    )
    note_changes("endorsements", ["member_id", "listing_id", "category", "created_at"])
    note_changes("blocks", ["member_id", "other_id"])
    note_changes("api_keys", ["name", "scopes", "secret_sha256", "created_at"])


def downgrade() -> None:
    """There is nothing before the first schema: drop the database instead."""
    raise NotImplementedError("the first schema can't be taken back")
