"""The tables of requests and what came of them, vouches, letters, reports and standings."""

from sqlalchemy import Boolean, Column, Index, Integer, UniqueConstraint, text

from indexes.sqltypes import Id, Instant
from indexes.tables.base import check, entities, of_tenant, one_of, refers, required, sizes
from indexes.trusting import Reason, ReportState

__all__ = [
    "interactions",
    "letter_codes",
    "ratings",
    "replies",
    "reports",
    "requests",
    "standings",
    "vouches",
]

requests = entities(
    "requests",
    required("asker_id", Id),
    required("helper_id", Id),
    required("created_at", Instant),
    required("text"),
    required("category"),
    Column("listing_id", Id),
    of_tenant("requests"),
    refers("requests", "tenant_id asker_id", "members", cascade=True),
    refers("requests", "tenant_id helper_id", "members", cascade=True),
    *check("requests", two="asker_id <> helper_id"),
    *sizes("requests", text=2_000, category=200),
    Index("ix_requests_asker", "tenant_id", "asker_id", "id"),
    Index("ix_requests_helper", "tenant_id", "helper_id", "id"),
)

replies = entities(
    "replies",
    required("request_id", Id),
    required("accepted", Boolean),
    required("created_at", Instant),
    required("text"),
    of_tenant("replies"),
    refers("replies", "tenant_id request_id", "requests", cascade=True),
    UniqueConstraint("tenant_id", "request_id", name="uq_replies_once"),
    *sizes("replies", text=2_000),
)

interactions = entities(
    "interactions",
    required("request_id", Id),
    required("asker_id", Id),
    required("helper_id", Id),
    required("created_at", Instant),
    required("category"),
    Column("asker_done_at", Instant),
    Column("helper_done_at", Instant),
    of_tenant("interactions"),
    refers("interactions", "tenant_id request_id", "requests", cascade=True),
    refers("interactions", "tenant_id asker_id", "members", cascade=True),
    refers("interactions", "tenant_id helper_id", "members", cascade=True),
    UniqueConstraint("tenant_id", "request_id", name="uq_interactions_once"),
    *check("interactions", two="asker_id <> helper_id"),
    *sizes("interactions", category=200),
    Index("ix_interactions_asker", "tenant_id", "asker_id", "id"),
    Index("ix_interactions_helper", "tenant_id", "helper_id", "id"),
)

ratings = entities(
    "ratings",
    required("interaction_id", Id),
    required("rater_id", Id),
    required("ratee_id", Id),
    required("stars", Integer),
    required("created_at", Instant),
    required("opens_at", Instant),
    required("text"),
    of_tenant("ratings"),
    refers("ratings", "tenant_id interaction_id", "interactions", cascade=True),
    refers("ratings", "tenant_id rater_id", "members", cascade=True),
    refers("ratings", "tenant_id ratee_id", "members", cascade=True),
    UniqueConstraint("tenant_id", "interaction_id", "rater_id", name="uq_ratings_once"),
    *check("ratings", two="rater_id <> ratee_id", stars="stars BETWEEN 1 AND 5"),
    *sizes("ratings", text=2_000),
    Index("ix_ratings_ratee", "tenant_id", "ratee_id", "id"),
    Index("ix_ratings_rater", "tenant_id", "rater_id", "id"),
)

vouches = entities(
    "vouches",
    required("voucher_id", Id),
    required("vouchee_id", Id),
    required("created_at", Instant),
    of_tenant("vouches"),
    refers("vouches", "tenant_id voucher_id", "members", cascade=True),
    refers("vouches", "tenant_id vouchee_id", "members", cascade=True),
    UniqueConstraint("tenant_id", "voucher_id", "vouchee_id", name="uq_vouches_once"),
    *check("vouches", two="voucher_id <> vouchee_id"),
    Index("ix_vouches_vouchee", "tenant_id", "vouchee_id", "id"),
)

# The household is no reference: what was sent to an address counts when all have moved out.
letter_codes = entities(
    "letter_codes",
    required("member_id", Id),
    required("household_id", Id),
    required("digest"),
    required("sent_at", Instant),
    required("expires_at", Instant),
    Column("used_at", Instant),
    of_tenant("letter_codes"),
    refers("letter_codes", "tenant_id member_id", "members", cascade=True),
    *check("letter_codes", digest="length(digest) = 64"),
    Index("ix_letter_codes_household", "tenant_id", "household_id"),
    Index("ix_letter_codes_member", "tenant_id", "member_id"),
)

reports = entities(
    "reports",
    required("member_id", Id),
    required("reason"),
    required("created_at", Instant),
    Column("reporter_id", Id),
    required("text"),
    required("state"),
    Column("decided_at", Instant),
    of_tenant("reports"),
    refers("reports", "tenant_id member_id", "members", cascade=True),
    *check("reports", reason=one_of("reason", Reason), state=one_of("state", ReportState)),
    *sizes("reports", text=2_000),
    Index("ix_reports_member", "tenant_id", "member_id"),
    Index("ix_reports_reporter", "tenant_id", "reporter_id", "id"),
)

standings = entities(
    "standings",
    required("level", Integer),
    Column("expires_at", Instant),
    required("tries", Integer),
    required("suspended", Boolean),
    Column("penalised_until", Instant),
    of_tenant("standings"),
    refers("standings", "tenant_id id", "members", cascade=True),
    *check("standings", level="level BETWEEN 0 AND 4", tries="tries >= 0"),
    Index(
        "ix_standings_suspended",
        "tenant_id",
        "id",
        sqlite_where=text("suspended"),
        postgresql_where=text("suspended"),
    ),
)
