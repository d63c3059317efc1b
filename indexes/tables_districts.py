"""The tables of districts: weeks of activity, settings, published releases, their draws."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from indexes.sqltypes import Id, Instant
from indexes.tables import metadata

__all__ = ["activity_weeks", "district_settings", "draws", "releases"]


def _of_tenant(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id"], ["tenants.tenant_id"], name=f"fk_{table}_tenant_id", ondelete="CASCADE"
    )


# Nothing finer than a week is kept: no row tells when it was written, not by its place in the
# file either (SQLite keeps these in order of their key), and the outbox does not hear of it.
activity_weeks = Table(
    "activity_weeks",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("week", Id, primary_key=True),  # ISO 8601, as 2026-W34
    Column("household_id", Id, primary_key=True),
    ForeignKeyConstraint(
        ["tenant_id", "household_id"],
        ["households.tenant_id", "households.id"],
        name="fk_activity_weeks_household_id",
        ondelete="CASCADE",
    ),
    CheckConstraint("length(week) = 8", "ck_activity_weeks_week"),
    Index("ix_activity_weeks_household", "tenant_id", "household_id"),
    sqlite_with_rowid=False,
)

releases = Table(
    "releases",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("id", Id, primary_key=True),  # the quarter, as 2026Q3
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created_at", Instant, nullable=False),
    Column("vintage", Integer, nullable=False),
    Column("head", Text, nullable=False),  # JSON
    Column("sha256", Text, nullable=False),  # of the rows
    Column("rows", LargeBinary, nullable=False),  # an Arrow file; last, so that heads read fast
    _of_tenant("releases"),
    CheckConstraint("version >= 1", "ck_releases_version"),
)

# What noise was drawn, once for a family of measures and a quarter: drawn anew for each version of
# a release, it would average out.
draws = Table(
    "draws",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("quarter", Id, primary_key=True),
    Column("family", Id, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("rows", LargeBinary, nullable=False),
    _of_tenant("draws"),
    CheckConstraint("length(family) BETWEEN 1 AND 64", "ck_draws_family"),
)

# What a town has chosen for its releases to come. Those that are made have a copy in their head.
district_settings = Table(
    "district_settings",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("settings", Text, nullable=False),  # JSON
    _of_tenant("district_settings"),
)
