"""The tables of what has changed, how far imports came, and what is the store's own."""

from sqlalchemy import DDL, BigInteger, Boolean, Column, Integer, LargeBinary, Table, event

from indexes.sqltypes import Id, Xid, current_xid
from indexes.tables.base import check, key, metadata, of_tenant, required

__all__ = ["imports", "outbox", "outbox_marks", "secrets"]

imports = Table(
    "imports",
    metadata,
    *key("tenant_id", "source"),
    required("rows_done", BigInteger),
    required("finished", Boolean),
    of_tenant("imports", cascade=True),
    *check("imports", rows_done="rows_done >= 0", source="length(source) BETWEEN 1 AND 500"),
)

# The store's own, not a tenant's: its identity, and the key that signs cursors.
secrets = Table("secrets", metadata, *key("name"), required("value", LargeBinary))

outbox = Table(
    "outbox",
    metadata,
    Column(
        "seq",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    required("xid", Xid, server_default=current_xid()),
    required("tenant_id", Id),
    required("entity"),
    required("id", Id),
    sqlite_autoincrement=True,
)

# On SQLite `seq` is the order of commits; on PostgreSQL two transactions may commit in another
# order than they drew numbers. A key of another name by dialect is more than a Table can say.
_ordered = DDL(  # type: ignore[no-untyped-call]
    "ALTER TABLE outbox DROP CONSTRAINT outbox_pkey, ADD PRIMARY KEY (xid, seq)"
)
event.listen(outbox, "after_create", _ordered.execute_if(dialect="postgresql"))

# How far the outbox had come at some instants, seconds since 1970: so that its many lines need
# no time of their own. The first row is how far it is trimmed; there always is one.
outbox_marks = Table(
    "outbox_marks",
    metadata,
    Column("xid", Xid, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    required("at", BigInteger),
)
