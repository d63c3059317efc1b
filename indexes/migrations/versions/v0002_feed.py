"""The feed: the outbox in its own order, how far it is trimmed, and a wake-up at each commit."""

import sqlalchemy as sa
from alembic import op

from indexes.migrations.noting import note_referred, wake_listeners
from indexes.sqltypes import Xid

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the marks, and let the triggers say more."""
    op.create_table(
        "outbox_marks",
        sa.Column("xid", Xid(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("xid", "seq"),
    )
    op.execute("INSERT INTO outbox_marks (xid, seq, at) VALUES ('0', 0, 0)")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX ix_outbox_order")
        op.execute("ALTER TABLE outbox DROP CONSTRAINT outbox_pkey, ADD PRIMARY KEY (xid, seq)")
    wake_listeners()
    note_referred("endorsements", "listing_id", "listings")


def downgrade() -> None:
    """Nothing takes it back."""
    raise NotImplementedError("a newer schema can't be made an older one: restore a backup")
