"""Triggers that write every change of a record into the outbox, in the same transaction.

They are the only ones who do, so that no write can forget its change. To place all records
again, by new zones, is one change of the zones and none of the records.
"""

from collections.abc import Iterable

from alembic import op

__all__ = ["make_function", "note_changes", "note_referred", "wake_listeners"]

_FUNCTION = """
CREATE FUNCTION note_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('mitoyen.quiet', true), '') <> 'on' THEN
        INSERT INTO outbox (tenant_id, entity, id)
        SELECT tenant_id, TG_TABLE_NAME, id FROM changed ORDER BY tenant_id, id;
    END IF;
    RETURN NULL;
END $$"""

_REFERRED_FUNCTION = """
CREATE FUNCTION note_{target}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (tenant_id, entity, id)
    SELECT DISTINCT tenant_id, '{target}', {column} FROM changed
    WHERE {column} IS NOT NULL
    ORDER BY tenant_id, {column};
    RETURN NULL;
END $$"""

# A wake-up and nothing more: it may come before an older transaction is done, and is lost with
# the connection that listens.
_WAKE_FUNCTION = """
CREATE FUNCTION wake_listeners() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY outbox;
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


def note_referred(table: str, column: str, target: str) -> None:
    """Note what a record refers to, old and new, from now on, as if it had changed itself.

    Parameters
    ----------
    table : str
        A table of records.
    column : str
        Names what they refer to, by its id.
    target : str
        The table of that; of one table only.
    """
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        op.execute(_REFERRED_FUNCTION.format(target=target, column=column))
    for event, sides in (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",))):
        for rows in sides:
            name = f"note_{target}_{event.lower()}_{rows.lower()}"
            if postgres:
                op.execute(
                    f"CREATE TRIGGER {name} AFTER {event} ON {table}"
                    f" REFERENCING {rows} TABLE AS changed"
                    f" FOR EACH STATEMENT EXECUTE FUNCTION note_{target}()"
                )
            else:
                op.execute(
                    f"CREATE TRIGGER {name} AFTER {event} ON {table}"
                    f" WHEN {rows}.{column} IS NOT NULL BEGIN"
                    " INSERT INTO outbox (tenant_id, entity, id)"
                    f" VALUES ({rows}.tenant_id, '{target}', {rows}.{column}); END"
                )


def wake_listeners() -> None:
    """Wake who listens to PostgreSQL at each commit; on SQLite they watch the file."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_WAKE_FUNCTION)
        op.execute(
            "CREATE TRIGGER wake_listeners AFTER INSERT ON outbox"
            " FOR EACH STATEMENT EXECUTE FUNCTION wake_listeners()"
        )
