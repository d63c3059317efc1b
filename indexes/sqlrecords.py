"""Records in SQL: put, get, page, delete, each with its change in the outbox."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, text

from geo.errors import ConflictError, InputError, NotFoundError
from indexes.codec import KEPT, TABLES, Placing, record_of_row, row_columns
from indexes.entities import Audience, Building, Entity, Listing, Residence, Tenant
from indexes.rules import Columns, columns_of, require
from indexes.store import ImportMark, Position
from indexes.tables import outbox

__all__ = ["Clock", "Records", "storable"]

E = TypeVar("E", bound=Entity)
Clock = Callable[[], datetime]

# What a public listing of one of these audiences names in its audience_id.
_ADDRESSED: dict[Audience, type[Entity]] = {
    Audience.BUILDING: Building,
    Audience.RESIDENCE: Residence,
}

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Records(ABC):
    """The part of a `indexes.store.Store` that keeps records.

    Parameters
    ----------
    writer, reader : Engine
        Where transactions that write begin, and those that only read.
    clock : callable
        Gives the instant of a write.
    """

    # How the database says that two rows differ, a NULL being equal to a NULL.
    _differs: str

    def __init__(self, writer: Engine, reader: Engine, clock: Clock) -> None:
        self._writer, self._reader, self._clock = writer, reader, clock

    @abstractmethod
    def _guard(self) -> AbstractContextManager[None]:
        """Raise the driver's errors on as the project's own."""

    @abstractmethod
    def _instants(self, values: Iterable[datetime | None]) -> Sequence[Any]:
        """Instants as the driver takes them in bulk, whole seconds."""

    @abstractmethod
    def _stage(
        self, db: Connection, name: str, table: Table, columns: Mapping[str, Sequence[Any]]
    ) -> None:
        """Fill a temporary table, its columns typed like ``table``'s, until the commit."""

    @abstractmethod
    def _note_written(self, db: Connection, entity: str, returning: str) -> None:
        """Run a statement that returns (tenant_id, id) of what it writes, and note those."""

    @abstractmethod
    def _placing(self, db: Connection) -> Placing:
        """Places points by the zones and groups that a transaction sees."""

    @abstractmethod
    def _newest(self, db: Connection) -> Position:
        """The last change that a transaction sees, its own among them."""

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._guard(), self._writer.begin() as db:
            yield db

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._guard(), self._reader.begin() as db:
            yield db

    def _note(self, db: Connection, entity: str, changed: Iterable[Sequence[Any]]) -> None:
        """Write changes of (tenant, id) into the outbox."""
        rows = [{"tenant_id": t, "entity": entity, "id": id} for t, id in changed]
        if rows:
            db.execute(insert(outbox), rows)

    def put_all(self, entities: Iterable[Entity], mark: ImportMark | None = None) -> Position:
        """See `indexes.store.Store.put_all`."""
        now = self._clock()
        batches = _by_class(entities)
        for of, columns in batches.items():
            require(of, columns)
        with self._writing() as db:
            for of, columns in batches.items():
                self._require_references(db, of, columns)
                rows = row_columns(of, columns, self._instants, now, self._placing(db))
                self._upsert(db, of, rows)
            if mark is not None:
                self._write_mark(db, mark)
            return self._newest(db)

    def put(self, entity: Entity) -> Position:
        """See `indexes.store.Store.put`."""
        return self.put_all([entity])

    def _upsert(self, db: Connection, of: type[Entity], rows: Mapping[str, Sequence[Any]]) -> None:
        """Insert or replace; a record that is there already, just so, is left alone."""
        name = TABLES[of].name
        self._stage(db, f"staged_{name}", TABLES[of], rows)
        new = {c: f"excluded.{c}" for c in rows if c not in ("tenant_id", "id")}
        if of in KEPT:
            del new["first_written_at"]
            new[KEPT[of]] = f"coalesce(excluded.{KEPT[of]}, {name}.{KEPT[of]})"
        names = ", ".join(rows)
        self._note_written(
            db,
            name,
            f"INSERT INTO {name} ({names}) SELECT {names} FROM staged_{name} WHERE true"
            # Sorted, so that two writers of the same records lock them in the same order.
            f" ORDER BY tenant_id, id ON CONFLICT (tenant_id, id) DO UPDATE SET "
            + ", ".join(f"{column} = {value}" for column, value in new.items())
            + f" WHERE ({', '.join(f'{name}.{column}' for column in new)})"
            f" {self._differs} ({', '.join(new.values())})"
            f" RETURNING {name}.tenant_id, {name}.id",
        )
        if of is Tenant:
            db.execute(
                text(
                    "INSERT INTO placements (tenant_id, version)"
                    " SELECT tenant_id, 0 FROM staged_tenants WHERE true ON CONFLICT DO NOTHING"
                )
            )

    def _require_references(self, db: Connection, of: type[Entity], columns: Columns) -> None:
        """Raise `InputError` for the first record that refers to something unknown."""
        for field, target in _references(TABLES[of]):
            self._require_known(db, of, columns, field, columns[field], target)
        if of is Listing:
            for audience, target_class in _ADDRESSED.items():
                pairs = zip(columns["audience"], columns["audience_id"], strict=True)
                named = [id if asked is audience else None for asked, id in pairs]
                target = TABLES[target_class]
                self._require_known(db, of, columns, "audience_id", named, target)

    def _require_known(
        self,
        db: Connection,
        of: type[Entity],
        columns: Columns,
        field: str,
        values: Sequence[str | None],
        target: Table,
    ) -> None:
        pairs = list(zip(columns["tenant_id"], values, strict=True))
        wanted = sorted({(tenant, id) for tenant, id in pairs if id is not None})
        if not wanted:
            return
        tenants, ids = zip(*wanted, strict=True)
        name = f"wanted_{target.name}"
        self._stage(db, name, target, {"tenant_id": tenants, "id": ids})
        missing = db.execute(
            text(
                f"SELECT tenant_id, id FROM {name} EXCEPT SELECT t.tenant_id, t.id"
                f" FROM {target.name} t JOIN {name} USING (tenant_id, id) LIMIT 1"
            )
        ).first()
        if missing is not None:
            who = ascii(columns["id"][pairs.index(tuple(missing))])[:80]
            raise InputError(
                f"{of.__name__.lower()} {who}: {field} {ascii(missing.id)[:80]} is not among"
                f" the {target.name} of its tenant",
                code="unknown-reference",
            )

    def get(self, of: type[E], tenant_id: str, id: str) -> E:
        """See `indexes.store.Store.get`."""
        found = self.page(of, tenant_id, where={"id": id}, limit=1)
        if not found:
            raise _not_found(of, id)
        return found[0]

    def page(
        self,
        of: type[E],
        tenant_id: str,
        *,
        after: str = "",
        limit: int = 100,
        where: Mapping[str, str | int | bool] | None = None,
    ) -> list[E]:
        """See `indexes.store.Store.page`."""
        table = TABLES[of]
        values = {
            name: value.value if isinstance(value, Enum) else value
            for name, value in (where or {}).items()
        }
        unknown = sorted(values.keys() - table.c.keys())
        if unknown:
            raise InputError(f"{table.name} have no column {', '.join(map(ascii, unknown))}")
        if not storable(tenant_id, after, *values.values()):
            return []
        asked = (
            select(table)
            .where(table.c.tenant_id == tenant_id, table.c.id > after)
            .where(*(table.c[name] == value for name, value in values.items()))
            .order_by(table.c.id)
            .limit(limit)
        )
        with self._reading() as db:
            rows = db.execute(asked).mappings().all()
        return [record_of_row(of, row) for row in rows]

    def count(self, of: type[Entity], tenant_id: str) -> int:
        """See `indexes.store.Store.count`."""
        if not storable(tenant_id):
            return 0
        table = TABLES[of]
        asked = select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id)
        with self._reading() as db:
            return db.scalar(asked) or 0

    def delete(self, of: type[Entity], tenant_id: str, id: str) -> Position:
        """See `indexes.store.Store.delete`."""
        if not storable(tenant_id, id):
            raise _not_found(of, id)
        table = TABLES[of]
        with self._writing() as db:
            for other, column, cascade in _referring(table):
                here = (other.c.tenant_id == tenant_id, other.c[column] == id)
                if cascade:
                    gone = delete(other).where(*here).returning(other.c.tenant_id, other.c.id)
                    self._note(db, other.name, db.execute(gone).all())
                elif db.execute(select(other.c.id).where(*here).limit(1)).first():
                    self._raise_referred_to(of, id, other)
            for audience, target in _ADDRESSED.items():
                if target is of:
                    addressed = TABLES[Listing].c
                    asked = select(addressed.id).where(
                        addressed.tenant_id == tenant_id,
                        addressed.audience_id == id,
                        addressed.audience == audience.value,
                    )
                    if db.execute(asked.limit(1)).first():
                        self._raise_referred_to(of, id, TABLES[Listing])
            row = (table.c.tenant_id == tenant_id, table.c.id == id)
            gone = delete(table).where(*row).returning(table.c.tenant_id, table.c.id)
            deleted = db.execute(gone).all()
            if not deleted:
                raise _not_found(of, id)
            self._note(db, table.name, deleted)
            return self._newest(db)

    @staticmethod
    def _raise_referred_to(of: type[Entity], id: str, other: Table) -> None:
        what = f"{of.__name__.lower()} {ascii(id)[:80]}"
        raise ConflictError(f"{what} still has {other.name}", code="still-referred-to")

    @staticmethod
    def _write_mark(db: Connection, mark: ImportMark) -> None:
        db.execute(
            text(
                "INSERT INTO imports (tenant_id, source, rows_done, finished)"
                " VALUES (:tenant_id, :source, :rows_done, :finished)"
                " ON CONFLICT (tenant_id, source) DO UPDATE"
                " SET rows_done = excluded.rows_done, finished = excluded.finished"
            ),
            {
                "tenant_id": mark.tenant_id,
                "source": mark.source,
                "rows_done": mark.rows_done,
                "finished": mark.finished,
            },
        )


def storable(*values: object) -> bool:
    """Whether a database can hold these: no text with a NUL or half a surrogate pair."""
    return not any(isinstance(value, str) and _UNSTORABLE.search(value) for value in values)


def _by_class(entities: Iterable[Entity]) -> dict[type[Entity], Columns]:
    """Records as columns, by class in the order of writing; the last of an id wins."""
    found: dict[type[Entity], dict[tuple[str, str], Entity]] = {of: {} for of in TABLES}
    for entity in entities:
        try:
            found[type(entity)][entity.tenant_id, entity.id] = entity
        except KeyError:
            raise InputError(f"a {type(entity).__name__} is no record to keep") from None
    return {of: columns_of(of, list(rows.values())) for of, rows in found.items() if rows}


def _references(table: Table) -> list[tuple[str, Table]]:
    """Columns of a table that name another's record: its tenant first."""
    keys = table.foreign_key_constraints
    return sorted(
        ((key.column_keys[-1], key.referred_table) for key in keys),
        key=lambda pair: (pair[0] != "tenant_id", pair[0]),
    )


def _referring(table: Table) -> list[tuple[Table, str, bool]]:
    """Tables of records that name this one's: their column, and whether they go with it."""
    return [
        (other, key.column_keys[-1], key.ondelete == "CASCADE")
        for other in TABLES.values()
        for key in sorted(other.foreign_key_constraints, key=lambda key: str(key.name))
        if key.referred_table is table
    ]


def _not_found(of: type[Entity], id: str) -> NotFoundError:
    return NotFoundError(f"no {of.__name__.lower()} {ascii(id)[:80]}")
