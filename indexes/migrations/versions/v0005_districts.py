"""Districts: since when somebody is a member, weeks of activity, releases and their draws."""

import sqlalchemy as sa
from alembic import op

from indexes.migrations.noting import note_changes
from indexes.sqltypes import Id, Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables of districts. Members who are there already joined at no known instant."""
    op.add_column("members", sa.Column("created_at", Instant(), nullable=True))
    op.add_column("members", sa.Column("first_written_at", Instant(), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        # Made anew, as these look at the columns that they name.
        for event in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER note_members_{event}")
        note_changes("members", ["household_id", "level", "name", "lang", "gender", "created_at"])
    op.create_table(
        "activity_weeks",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("week", Id, nullable=False),
        sa.Column("household_id", Id, nullable=False),
        sa.CheckConstraint("length(week) = 8", "ck_activity_weeks_week"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "household_id"],
            ["households.tenant_id", "households.id"],
            name="fk_activity_weeks_household_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "week", "household_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_activity_weeks_household", "activity_weeks", ["tenant_id", "household_id"])
    op.create_table(
        "releases",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("vintage", sa.Integer(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("version >= 1", "ck_releases_version"),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.tenant_id"],
            name="fk_releases_tenant_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", "version"),
    )
    op.create_table(
        "draws",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("quarter", Id, nullable=False),
        sa.Column("family", Id, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(family) BETWEEN 1 AND 64", "ck_draws_family"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_draws_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "quarter", "family"),
    )


def downgrade() -> None:
    """Nothing takes it back."""
    raise NotImplementedError("a newer schema can't be made an older one: restore a backup")
