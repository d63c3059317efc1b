"""What the tables are made of, and what knows them all."""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Table,
    Text,
    false,
    text,
)

from indexes.sqltypes import Id

__all__ = [
    "ADDRESSED",
    "OWNED",
    "check",
    "entities",
    "key",
    "metadata",
    "of_tenant",
    "one_of",
    "place",
    "refers",
    "required",
    "sizes",
]

metadata = MetaData()


def required(name: str, kind: Any = Text, **kw: Any) -> Column[Any]:
    """A column that is never NULL."""
    return Column(name, kind, nullable=False, **kw)


def key(*names: str) -> list[Column[Any]]:
    """Ids that make a key."""
    return [Column(name, Id, primary_key=True) for name in names]


def check(table: str, **rules: str) -> list[CheckConstraint]:
    """What rows must fulfil, in SQL, by the name of the rule."""
    return [CheckConstraint(rule, f"ck_{table}_{name}") for name, rule in rules.items()]


def sizes(table: str, **limits: int) -> list[CheckConstraint]:
    """How many characters columns may hold."""
    return check(table, **{name: f"length({name}) <= {top}" for name, top in limits.items()})


def refers(
    table: str, columns: str, target: str, *, to: str = "tenant_id id", cascade: bool = False
) -> ForeignKeyConstraint:
    """Columns that name a row of another table; with ``cascade`` its own row goes with that one."""
    names = columns.split()
    return ForeignKeyConstraint(
        names,
        [f"{target}.{name}" for name in to.split()],
        name=f"fk_{table}_{names[-1]}",
        ondelete="CASCADE" if cascade else None,
    )


def of_tenant(table: str, *, cascade: bool = False) -> ForeignKeyConstraint:
    """The reference to whose a row is."""
    return refers(table, "tenant_id", "tenants", to="tenant_id", cascade=cascade)


def entities(name: str, *items: Any) -> Table:
    """A table of records known by (tenant_id, id)."""
    return Table(
        name,
        metadata,
        *key("tenant_id", "id"),
        *items,
        *check(name, id="length(id) BETWEEN 1 AND 200"),
    )


def place() -> list[Column[Any]]:
    """What the point of a building or a public listing implies (`indexes.placement`)."""
    return [
        Column("cell", BigInteger),
        Column("cell5", BigInteger),
        Column("zone", Id),
        Column("vintage", Integer),
        required("zone_nearest", Boolean, server_default=false()),
    ]


def one_of(column: str, values: type[StrEnum]) -> str:
    """The rule that a column holds a value of an enumeration."""
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


# Owners are few beside public things, so that a partial index is small and cheap to keep.
OWNED = text("owner_id IS NOT NULL")
ADDRESSED = text("audience_id IS NOT NULL")
