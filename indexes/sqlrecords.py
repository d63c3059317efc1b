"""Records in SQL: put, get, page, delete, each with its change in the outbox."""

import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from enum import Enum
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, delete, func, select, text

from geo.errors import ConflictError, InputError, NotFoundError
from indexes import sqlzones
from indexes.codec import KEPT, TABLES, Placing, record_of_row, row_columns
from indexes.entities import Audience, Building, Entity, Listing, Residence, Tenant
from indexes.journeys import Trip
from indexes.rules import Checked, Columns, columns_of, require
from indexes.store import ImportMark, Position

__all__ = ["Clock", "Records", "Row", "by_class", "by_object", "storable", "upsert_sql"]

E = TypeVar("E", bound=Entity)
Clock = Callable[[], datetime]
Row = tuple[Any, ...]

AT_ONCE = 100  # more records in one write are a bulk load, which no time limit cuts off
_KEY = itemgetter(0, 1)  # (tenant_id, id) of a row

# What a public listing, or an operator's trip, of one of these audiences names in its audience_id.
_ADDRESSING = (Listing, Trip)
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
        self, db: Connection, name: str, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        """Fill a temporary table, its columns typed like ``table``'s, until the commit."""

    @abstractmethod
    def _fill(
        self, db: Connection, name: str, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        """Append rows to a table, its columns typed like ``table``'s."""

    @abstractmethod
    def _upsert(
        self, db: Connection, of: type[Entity], columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        """Insert or replace rows, in order of their key, by `upsert_sql`."""

    @abstractmethod
    def _placing(self, db: Connection) -> Placing:
        """Places points by the zones and groups that a transaction sees."""

    @abstractmethod
    def _newest(self, db: Connection) -> Position:
        """The last change that a transaction sees, its own among them."""

    @abstractmethod
    def _claim(self, db: Connection, of: type[Entity], tenant_id: str, id: str) -> None:
        """Wait for other transactions that claim such a record, be it there or not."""

    @abstractmethod
    def _unhurried(self, db: Connection) -> None:
        """For the rest of the transaction, a statement may take as long as it takes."""

    @contextmanager
    def _writing(self, *, bulk: bool = False) -> Iterator[Connection]:
        with self._guard(), self._writer.begin() as db:
            if bulk:
                self._unhurried(db)
            yield db

    @contextmanager
    def _reading(self, *, bulk: bool = False) -> Iterator[Connection]:
        with self._guard(), self._reader.begin() as db:
            if bulk:
                self._unhurried(db)
            yield db

    def put_all(self, entities: Iterable[Entity], mark: ImportMark | None = None) -> Position:
        """See `indexes.store.Store.put_all`."""
        return self._put([require(*batch) for batch in by_class(entities)], mark)

    def put_columns(self, records: Checked, mark: ImportMark | None = None) -> Position:
        """See `indexes.store.Store.put_columns`."""
        ids = zip(records.columns["tenant_id"], records.columns["id"], strict=True)
        if len(set(ids)) < len(records):
            raise InputError("wanted each id once, one comes twice", code="duplicate-id")
        return self._put([records] if len(records) else [], mark)

    def _put(self, batches: Sequence[Checked], mark: ImportMark | None) -> Position:
        """Write records, by class in the order of writing, each id once."""
        with self._writing(bulk=sum(map(len, batches)) > AT_ONCE) as db:
            self._write(db, batches)
            if mark is not None:
                self._write_mark(db, mark)
            return self._newest(db)

    def _write(self, db: Connection, batches: Sequence[Checked]) -> None:
        now = self._clock()
        for of, columns in ((batch.of, batch.columns) for batch in batches):
            self._require_references(db, of, columns)
            ready = row_columns(of, columns, self._instants, now, self._placing(db))
            # In order of the key: neighbours in the tree are written together, and two
            # writers of the same records lock them in the same order.
            rows = sorted(zip(*ready.values(), strict=True), key=_KEY)
            self._upsert(db, of, list(ready), rows)
            if of is Tenant:
                sqlzones.add_placements(db)

    def put(self, entity: Entity) -> Position:
        """See `indexes.store.Store.put`."""
        return self.put_all([entity])

    def _require_references(self, db: Connection, of: type[Entity], columns: Columns) -> None:
        """Raise `InputError` for the first record that refers to something unknown."""
        for field, target in _references(TABLES[of]):
            self._require_known(db, of, columns, field, columns[field], target)
        if of in _ADDRESSING:
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
        wanted: dict[str, set[str]] = defaultdict(set)
        for tenant_id, id in set(zip(columns["tenant_id"], values, strict=True)):
            if id is not None:
                wanted[tenant_id].add(id)
        for tenant_id, ids in wanted.items():
            left = sorted(ids)
            for some in (left[at : at + 1000] for at in range(0, len(left), 1000)):
                known = select(target.c.id).where(
                    target.c.tenant_id == tenant_id, target.c.id.in_(some)
                )
                missing = sorted(set(some).difference(db.scalars(known)))
                if missing:
                    pairs = list(zip(columns["tenant_id"], values, strict=True))
                    who = ascii(columns["id"][pairs.index((tenant_id, missing[0]))])[:80]
                    raise InputError(
                        f"{of.__name__.lower()} {who}: {field} {ascii(missing[0])[:80]} is not"
                        f" among the {target.name} of its tenant",
                        code="unknown-reference",
                    )

    def get(self, of: type[E], tenant_id: str, id: str) -> E:
        """See `indexes.store.Store.get`."""
        found = self.page(of, tenant_id, where={"id": id}, limit=1)
        if not found:
            raise NotFoundError(f"no {of.__name__.lower()} {ascii(id)[:80]}")
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
        with self._reading() as db:
            return self._rows(db, of, tenant_id, after, limit, where or {})

    @staticmethod
    def _rows(
        db: Connection,
        of: type[E],
        tenant_id: str,
        after: str,
        limit: int | None,
        where: Mapping[str, str | int | bool],
    ) -> list[E]:
        """Records with id > ``after`` whose columns equal some values, in order of id."""
        table = TABLES[of]
        values = {
            name: value.value if isinstance(value, Enum) else value for name, value in where.items()
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
            raise NotFoundError(f"no {_named(of, id)}")
        with self._writing() as db:
            self._delete(db, of, tenant_id, id)
            return self._newest(db)

    def _delete(self, db: Connection, of: type[Entity], tenant_id: str, id: str) -> None:
        table, what = TABLES[of], _named(of, id)
        for users, *refers in _users_of(of, id):
            used = select(users.c.id).where(users.c.tenant_id == tenant_id, *refers)
            if db.execute(used.limit(1)).first():
                raise ConflictError(f"{what} still has {users.name}", code="still-referred-to")
        # What hangs on it alone goes with it: its foreign key says so.
        one = delete(table).where(table.c.tenant_id == tenant_id, table.c.id == id)
        if not db.execute(one).rowcount:
            raise NotFoundError(f"no {what}")

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


def _named(of: type[Entity], id: str) -> str:
    return f"{of.__name__.lower()} {ascii(id)[:80]}"


def storable(*values: object) -> bool:
    """Whether a database can hold these: no text with a NUL or half a surrogate pair."""
    return not any(isinstance(value, str) and _UNSTORABLE.search(value) for value in values)


def by_object(convert: Callable[[datetime], Any], values: Iterable[datetime | None]) -> list[Any]:
    """Convert a column of instants, None to None: one that many rows share only once.

    Which are the same is told by identity: the two 02:30 of a clock change compare equal.
    """
    column = list(values)
    if column.count(None) == len(column):  # quite often
        return column
    keys = list(map(id, column))
    found = {
        key: None if value is None else convert(value)
        for key, value in dict(zip(keys, column, strict=True)).items()
    }
    return list(map(found.__getitem__, keys))


def by_class(entities: Iterable[Entity]) -> list[tuple[type[Entity], Columns]]:
    """Records as columns, by class in the order of writing; the last of an id wins."""
    found: dict[type[Entity], dict[tuple[str, str], Entity]] = {of: {} for of in TABLES}
    for entity in entities:
        try:
            found[type(entity)][entity.tenant_id, entity.id] = entity
        except KeyError:
            raise InputError(f"a {type(entity).__name__} is no record to keep") from None
    return [(of, columns_of(of, list(rows.values()))) for of, rows in found.items() if rows]


def _references(table: Table) -> list[tuple[str, Table]]:
    """Columns of a table that name another's record: its tenant first."""
    keys = table.foreign_key_constraints
    return sorted(
        ((key.column_keys[-1], key.referred_table) for key in keys),
        key=lambda pair: (pair[0] != "tenant_id", pair[0]),
    )


def _users_of(of: type[Entity], id: str) -> Iterator[tuple[Any, ...]]:
    """Tables of records that keep one from being deleted, and the conditions on them."""
    for other in TABLES.values():
        for key in other.foreign_key_constraints:
            if key.referred_table is TABLES[of] and key.ondelete is None:
                yield other, other.c[key.column_keys[-1]] == id
    for audience, target in _ADDRESSED.items():
        if target is of:
            for users in (TABLES[one] for one in _ADDRESSING):
                yield users, users.c.audience_id == id, users.c.audience == audience.value


def upsert_sql(of: type[Entity], names: Sequence[str], source: str, differs: str) -> str:
    """Insert rows or replace those of the same id; what is there already, just so, stays.

    Parameters
    ----------
    of : type
        The class of the records.
    names : sequence of str
        Columns that ``source`` gives, among them tenant_id and id.
    source : str
        ``VALUES (…)`` or ``SELECT …``.
    differs : str
        How the database says that two rows differ, a NULL being equal to a NULL.
    """
    table = TABLES[of].name
    new = {name: f"excluded.{name}" for name in names if name not in ("tenant_id", "id")}
    if of in KEPT:
        del new["first_written_at"]
        new[KEPT[of]] = f"coalesce(excluded.{KEPT[of]}, {table}.{KEPT[of]})"
    return (
        f"INSERT INTO {table} ({', '.join(names)}) {source}"
        " ON CONFLICT (tenant_id, id) DO UPDATE SET "
        + ", ".join(f"{name} = {value}" for name, value in new.items())
        + f" WHERE ({', '.join(f'{table}.{name}' for name in new)})"
        f" {differs} ({', '.join(new.values())})"
    )
