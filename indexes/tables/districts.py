"""The tables of districts: weeks of activity, settings, published releases, their draws."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
)

from indexes.sqltypes import Instant
from indexes.tables.base import key, metadata, of_tenant, refers, required

__all__ = ["activity_weeks", "district_settings", "draws", "releases"]

# Nothing finer than a week is kept: no row tells when it was written, not by its place in the
# file either (SQLite keeps these in order of their key), and the outbox does not hear of it.
activity_weeks = Table(
    "activity_weeks",
    metadata,
    *key("tenant_id", "week", "household_id"),  # weeks of ISO 8601, as 2026-W34
    refers("activity_weeks", "tenant_id household_id", "households", cascade=True),
    CheckConstraint("length(week) = 8", "ck_activity_weeks_week"),
    Index("ix_activity_weeks_household", "tenant_id", "household_id"),
    sqlite_with_rowid=False,
)

releases = Table(
    "releases",
    metadata,
    *key("tenant_id", "id"),  # the quarter, as 2026Q3
    Column("version", Integer, primary_key=True, autoincrement=False),
    required("created_at", Instant),
    required("vintage", Integer),
    required("head"),  # JSON
    required("sha256"),  # of the rows
    required("rows", LargeBinary),  # an Arrow file; last, so that heads read fast
    of_tenant("releases", cascade=True),
    CheckConstraint("version >= 1", "ck_releases_version"),
)

# What noise was drawn, once for a family of measures and a quarter: drawn anew for each version of
# a release, it would average out.
draws = Table(
    "draws",
    metadata,
    *key("tenant_id", "quarter", "family"),
    required("sha256"),
    required("rows", LargeBinary),
    of_tenant("draws", cascade=True),
    CheckConstraint("length(family) BETWEEN 1 AND 64", "ck_draws_family"),
)

# What a town has chosen for its releases to come. Those that are made have a copy in their head.
district_settings = Table(
    "district_settings",
    metadata,
    *key("tenant_id"),
    required("settings"),  # JSON
    of_tenant("district_settings", cascade=True),
)
