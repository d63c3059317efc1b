"""What a town has chosen for its releases: goals, and ε by family."""

import sqlalchemy as sa
from alembic import op

from indexes.sqltypes import Id

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """No town has chosen anything yet: the defaults hold."""
    op.create_table(
        "district_settings",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.tenant_id"],
            name="fk_district_settings_tenant_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id"),
    )


def downgrade() -> None:
    """Nothing takes it back."""
    raise NotImplementedError("a newer schema can't be made an older one: restore a backup")
