"""Trust: requests, replies, interactions and ratings; vouches, letters, reports, standings."""

import sqlalchemy as sa
from alembic import op

from indexes.migrations.noting import note_changes
from indexes.sqltypes import Id, Instant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables that trust is earned by."""
    op.create_table(
        "requests",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("asker_id", Id, nullable=False),
        sa.Column("helper_id", Id, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("listing_id", Id, nullable=True),
        sa.CheckConstraint("length(category) <= 200", "ck_requests_category"),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_requests_id"),
        sa.CheckConstraint("length(text) <= 2000", "ck_requests_text"),
        sa.CheckConstraint("asker_id <> helper_id", "ck_requests_two"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "asker_id"],
            ["members.tenant_id", "members.id"],
            name="fk_requests_asker_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "helper_id"],
            ["members.tenant_id", "members.id"],
            name="fk_requests_helper_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_requests_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_requests_asker", "requests", ["tenant_id", "asker_id", "id"])
    op.create_index("ix_requests_helper", "requests", ["tenant_id", "helper_id", "id"])
    note_changes(
        "requests", ["asker_id", "helper_id", "created_at", "text", "category", "listing_id"]
    )
    op.create_table(
        "replies",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("request_id", Id, nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_replies_id"),
        sa.CheckConstraint("length(text) <= 2000", "ck_replies_text"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "request_id"],
            ["requests.tenant_id", "requests.id"],
            name="fk_replies_request_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_replies_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "request_id", name="uq_replies_once"),
    )
    note_changes("replies", ["request_id", "accepted", "created_at", "text"])
    op.create_table(
        "interactions",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("request_id", Id, nullable=False),
        sa.Column("asker_id", Id, nullable=False),
        sa.Column("helper_id", Id, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("asker_done_at", Instant(), nullable=True),
        sa.Column("helper_done_at", Instant(), nullable=True),
        sa.CheckConstraint("length(category) <= 200", "ck_interactions_category"),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_interactions_id"),
        sa.CheckConstraint("asker_id <> helper_id", "ck_interactions_two"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "asker_id"],
            ["members.tenant_id", "members.id"],
            name="fk_interactions_asker_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "helper_id"],
            ["members.tenant_id", "members.id"],
            name="fk_interactions_helper_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "request_id"],
            ["requests.tenant_id", "requests.id"],
            name="fk_interactions_request_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_interactions_tenant_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "request_id", name="uq_interactions_once"),
    )
    op.create_index("ix_interactions_asker", "interactions", ["tenant_id", "asker_id", "id"])
    op.create_index("ix_interactions_helper", "interactions", ["tenant_id", "helper_id", "id"])
    note_changes(
        "interactions",
        [
            "request_id",
            "asker_id",
            "helper_id",
            "created_at",
            "category",
            "asker_done_at",
            "helper_done_at",
        ],
    )
    op.create_table(
        "ratings",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("interaction_id", Id, nullable=False),
        sa.Column("rater_id", Id, nullable=False),
        sa.Column("ratee_id", Id, nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("opens_at", Instant(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_ratings_id"),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", "ck_ratings_stars"),
        sa.CheckConstraint("length(text) <= 2000", "ck_ratings_text"),
        sa.CheckConstraint("rater_id <> ratee_id", "ck_ratings_two"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "interaction_id"],
            ["interactions.tenant_id", "interactions.id"],
            name="fk_ratings_interaction_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ratee_id"],
            ["members.tenant_id", "members.id"],
            name="fk_ratings_ratee_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "rater_id"],
            ["members.tenant_id", "members.id"],
            name="fk_ratings_rater_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_ratings_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "interaction_id", "rater_id", name="uq_ratings_once"),
    )
    op.create_index("ix_ratings_ratee", "ratings", ["tenant_id", "ratee_id", "id"])
    op.create_index("ix_ratings_rater", "ratings", ["tenant_id", "rater_id", "id"])
    note_changes(
        "ratings",
        ["interaction_id", "rater_id", "ratee_id", "stars", "created_at", "opens_at", "text"],
    )
    op.create_table(
        "vouches",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("voucher_id", Id, nullable=False),
        sa.Column("vouchee_id", Id, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_vouches_id"),
        sa.CheckConstraint("voucher_id <> vouchee_id", "ck_vouches_two"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_vouches_tenant_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "vouchee_id"],
            ["members.tenant_id", "members.id"],
            name="fk_vouches_vouchee_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "voucher_id"],
            ["members.tenant_id", "members.id"],
            name="fk_vouches_voucher_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "voucher_id", "vouchee_id", name="uq_vouches_once"),
    )
    op.create_index("ix_vouches_vouchee", "vouches", ["tenant_id", "vouchee_id", "id"])
    note_changes("vouches", ["voucher_id", "vouchee_id", "created_at"])
    op.create_table(
        "letter_codes",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("member_id", Id, nullable=False),
        sa.Column("household_id", Id, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("used_at", Instant(), nullable=True),
        sa.CheckConstraint("length(digest) = 64", "ck_letter_codes_digest"),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_letter_codes_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name="fk_letter_codes_member_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_letter_codes_tenant_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_letter_codes_household", "letter_codes", ["tenant_id", "household_id"])
    op.create_index("ix_letter_codes_member", "letter_codes", ["tenant_id", "member_id"])
    note_changes(
        "letter_codes", ["member_id", "household_id", "digest", "sent_at", "expires_at", "used_at"]
    )
    op.create_table(
        "reports",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("member_id", Id, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("reporter_id", Id, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_reports_id"),
        sa.CheckConstraint("reason IN ('safety', 'fraud', 'other')", "ck_reports_reason"),
        sa.CheckConstraint(
            "state IN ('open', 'confirmed', 'dismissed', 'cleared')", "ck_reports_state"
        ),
        sa.CheckConstraint("length(text) <= 2000", "ck_reports_text"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name="fk_reports_member_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="fk_reports_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_reports_member", "reports", ["tenant_id", "member_id"])
    op.create_index("ix_reports_reporter", "reports", ["tenant_id", "reporter_id", "id"])
    note_changes(
        "reports",
        ["member_id", "reason", "created_at", "reporter_id", "text", "state", "decided_at"],
    )
    op.create_table(
        "standings",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("penalised_until", Instant(), nullable=True),
        sa.CheckConstraint("length(id) BETWEEN 1 AND 200", "ck_standings_id"),
        sa.CheckConstraint("level BETWEEN 0 AND 4", "ck_standings_level"),
        sa.CheckConstraint("tries >= 0", "ck_standings_tries"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"],
            ["members.tenant_id", "members.id"],
            name="fk_standings_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_standings_tenant_id"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index(
        "ix_standings_suspended",
        "standings",
        ["tenant_id", "id"],
        sqlite_where=sa.text("suspended"),
        postgresql_where=sa.text("suspended"),
    )
    note_changes("standings", ["level", "expires_at", "tries", "suspended", "penalised_until"])


def downgrade() -> None:
    """Nothing takes it back."""
    raise NotImplementedError("a newer schema can't be made an older one: restore a backup")
