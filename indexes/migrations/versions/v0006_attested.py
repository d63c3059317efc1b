"""Who attests a listing: the town, a registry, or nobody."""

from alembic import op

from indexes.migrations.noting import note_changes

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Nobody attests what is there already."""
    op.execute(
        "ALTER TABLE listings ADD COLUMN attested TEXT"
        " CONSTRAINT ck_listings_attested CHECK (attested IN ('town', 'registry'))"
    )
    if op.get_bind().dialect.name == "sqlite":
        # Made anew, as these look at the columns that they name.
        for event in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER note_listings_{event}")
        note_changes(
            "listings",
            [
                *("kind", "title", "personal", "owner_id", "geom", "address", "text", "category"),
                *("lang", "url", "audience", "audience_id", "reach_m", "valid_from", "valid_to"),
                *("starts_at", "ends_at", "published_at", "opening_hours", "hours_text", "quota"),
                *("quota_used", "attested"),
            ],
        )


def downgrade() -> None:
    """Nothing takes it back."""
    raise NotImplementedError("a newer schema can't be made an older one: restore a backup")
