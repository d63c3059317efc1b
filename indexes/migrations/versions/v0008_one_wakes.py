"""Of transactions that write at once one wakes who listens; the others needn't wait for it."""

from alembic import op

revision = "0008"
down_revision = "0007"

# NOTIFY takes a lock of the whole server before the commit is on the disk, and keeps it until
# after: commits that notify go one by one, and can't share a write to the disk. So only who has
# the advisory lock does. Who hears nothing looks again by itself, a little later.
_ONE_WAKES = """
CREATE OR REPLACE FUNCTION wake_listeners() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_xact_lock(x'6F7574626F78'::bigint) THEN  -- "outbox"
        NOTIFY outbox;
    END IF;
    RETURN NULL;
END $$"""


def upgrade() -> None:
    """SQLite has no such lock: there listeners watch the file."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_ONE_WAKES)


def downgrade() -> None:
    """Nothing takes it back."""
    raise NotImplementedError("a newer schema can't be made an older one: restore a backup")
