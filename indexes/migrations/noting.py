"""Triggers that write every change of a record into the outbox, in the same transaction.

They are the only ones who do, so that no write can forget its change. To place all records
again, by new zones, is one change of the zones and none of the records.
"""

from collections.abc import Iterable

from alembic import op

__all__ = ["make_function", "note_changes"]

_FUNCTION = """
CREATE FUNCTION note_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('mitoyen.quiet', true), '') <> 'on' THEN
        INSERT INTO outbox (tenant_id, entity, id)
        SELECT tenant_id, TG_TABLE_NAME, id FROM changed ORDER BY tenant_id, id;
    END IF;
    RETURN NULL;
END $$"""


def note_changes(table: str, columns: Iterable[str]) -> None:
    """Note changes of a table from now on.

    Parameters
    ----------
    table : str
        A table of records, with ``tenant_id`` and ``id``.
    columns : iterable of str
        What the record states: all columns but those that its place implies.
    """
    postgres = op.get_bind().dialect.name == "postgresql"
    for event, rows in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        name = f"note_{table}_{event.lower()}"
        if postgres:
            op.execute(
                f"CREATE TRIGGER {name} AFTER {event} ON {table}"
                f" REFERENCING {rows} TABLE AS changed"
                " FOR EACH STATEMENT EXECUTE FUNCTION note_changes()"
            )
        else:
            of = f" OF {', '.join(columns)}" if event == "UPDATE" else ""
            op.execute(
                f"CREATE TRIGGER {name} AFTER {event}{of} ON {table} BEGIN"
                " INSERT INTO outbox (tenant_id, entity, id)"
                f" VALUES ({rows}.tenant_id, '{table}', {rows}.id); END"
            )


def make_function() -> None:
    """What the triggers of PostgreSQL call; SQLite's need nothing."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
