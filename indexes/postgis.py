"""The PostGIS store: bulk by COPY, many writers, a feed that waits for stragglers."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import psycopg
import pyarrow as pa
from pyarrow import csv
from sqlalchemy import (
    URL,
    BigInteger,
    Boolean,
    Connection,
    Double,
    Engine,
    Integer,
    LargeBinary,
    Table,
    create_engine,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, TimeoutError

from geo.errors import ConflictError, InputError, MitoyenError, StoreError
from indexes import sqlfeed
from indexes.codec import TABLES
from indexes.entities import Entity
from indexes.migrations import migrate
from indexes.sqlite import SqliteStore, new_file
from indexes.sqlrecords import Clock, Row, by_object, upsert_sql
from indexes.sqlstore import SqlStore
from indexes.sqltypes import Geom, Instant
from indexes.sqlwhole import Value
from indexes.store import utc_now

__all__ = ["PostgisListener", "PostgisStore"]

# A store that is away must not hold up whoever asks: sooner no answer than a thread that waits.
CONNECT_S = 3
READ_S, WRITE_S = 2, 10  # for one statement; bulk work takes what it takes
LOCK_S = 10  # but no read waits longer for who changes a table, or it holds up those behind it
POOL_WAIT_S = 0.5
POOLED, OVERFLOW = 5, 5  # connections to read, and as many to write; fewer than there are threads
# A peer that vanished without a word is noticed in about ten seconds (TCP only).
TCP = {"tcp_user_timeout": 10_000, "keepalives_idle": 5, "keepalives_interval": 2}
MIGRATION_LOCK = 0x6D69746F79656E  # "mitoyen": one process migrates at a time


class PostgisStore(SqlStore):
    """A store in one PostgreSQL database with PostGIS.

    Use `open`.
    """

    _differs = "IS DISTINCT FROM"
    _lon, _lat = "ST_X(l.geom)", "ST_Y(l.geom)"
    _epoch = "extract(epoch FROM {})::bigint"
    _ewkb = "ST_AsEWKB(geom, 'XDR')"
    _outbox = sqlfeed.Dialect(
        order=("xid", "seq"),
        xid="xid::text",
        wanted_xid="CAST(CAST(:xid AS text) AS xid8)",
        # No transaction still under way can come before. A sequence alone loses changes: its
        # order is not the order of commits.
        settled="xid < pg_snapshot_xmin(pg_current_snapshot())",
        ids="SELECT json_array_elements_text(CAST(:ids AS json))",
    )

    @classmethod
    def open(cls, dsn: str, *, create: bool = True, clock: Clock = utc_now) -> "PostgisStore":
        """Open a database, at the newest schema.

        Parameters
        ----------
        dsn : str
            ``postgresql://user:password@host:port/database``.
        create : bool
            Make the tables if they are not there; the database itself must exist.
        clock : callable
            Gives the instant of a write.

        Raises
        ------
        StoreError
            If it can't be reached, has no PostGIS, or was written by a newer version.
        """
        try:
            url = make_url(dsn).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError) as error:  # the latter for a port that is no number
            raise StoreError("wanted postgresql://user:password@host:port/database") from error
        writer = _engine(url, WRITE_S, lock_s=0)  # for as long as it takes
        # Reads of several tables see one state of them.
        reader = _engine(url, READ_S, LOCK_S).execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        try:
            with _guard(), writer.begin() as db:
                _unhurried(db)  # another process may be migrating a large store
                db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
                if not create and not db.scalar(text("SELECT to_regclass('alembic_version')")):
                    raise StoreError("there is no store in this database")
                if not db.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'postgis'")):
                    db.execute(text("CREATE EXTENSION postgis"))
                migrate(db)
            return cls(writer, reader, clock)
        except BaseException:
            writer.dispose()
            reader.dispose()
            raise

    @property
    def label(self) -> str:
        """Host and database."""
        url = self._writer.url
        host = url.host or url.query.get("host") or "localhost"
        return f"postgresql://{host}/{url.database}"

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with _guard():
            yield

    def _claim(self, db: Connection, of: type[Entity], tenant_id: str, id: str) -> None:
        key = f"{TABLES[of].name}\n{tenant_id}\n{id}"  # two keys of one number only wait in vain
        db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})

    def _unhurried(self, db: Connection) -> None:
        _unhurried(db)

    def _identity(self, secret: bytes) -> str:
        # Restored into another cluster, a dump keeps its rows but not the transaction ids that
        # positions are made of: so the cluster and the database belong to the identity.
        asked = "SELECT system_identifier FROM pg_control_system()"
        own = "SELECT oid FROM pg_database WHERE datname = current_database()"
        with self._reading() as db:
            found = f"{db.scalar(text(asked))} {db.scalar(text(own))}"
        return hashlib.sha256(secret + found.encode()).hexdigest()[:8]

    def _instants(self, values: Iterable[datetime | None]) -> Sequence[datetime | None]:
        return by_object(lambda value: value.replace(microsecond=0), values)

    def _stage(
        self, db: Connection, name: str, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        names = ", ".join(columns)
        with _cursor(db) as run:
            run.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS {name} ON COMMIT DELETE ROWS"
                f" AS SELECT {names} FROM {table.name} WITH NO DATA"
            )
            run.execute(f"DELETE FROM {name}")  # staged before in this transaction
        self._fill(db, name, table, columns, rows)

    def _fill(
        self, db: Connection, name: str, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        copied = f"COPY {name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
        with _cursor(db) as run, run.copy(copied) as copy:
            copy.set_types([_copied(table, column) for column in columns])
            for row in rows:
                copy.write_row(row)

    def _upsert(
        self, db: Connection, of: type[Entity], columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        table = TABLES[of]
        if _are_new(db, table, rows) and self._insert(db, table, columns, rows):
            return
        self._stage(db, f"staged_{table.name}", table, columns, rows)
        source = f"SELECT {', '.join(columns)} FROM staged_{table.name} ORDER BY tenant_id, id"
        with _cursor(db) as run:
            run.execute(upsert_sql(of, columns, source, self._differs))

    def _insert(
        self, db: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
    ) -> bool:
        """Append rows, all or none: a first load needs no staging. False if one is there."""
        try:
            with db.begin_nested():
                self._fill(db, table.name, table, columns, rows)
        except psycopg.errors.UniqueViolation:  # written by another since it was looked for
            return False
        return True

    def _place_quietly(self, db: Connection) -> None:
        db.execute(text("SET LOCAL mitoyen.quiet = 'on'"))

    def listen(self) -> "PostgisListener":
        """See `indexes.store.Store.listen`."""
        with _guard():
            return PostgisListener(self._writer)

    def _fetch(
        self, db: Connection, sql: str, values: Mapping[str, Value], schema: pa.Schema
    ) -> pa.Table:
        # The server writes, and Arrow reads, CSV many times faster than rows become objects.
        # An unquoted empty field is a NULL, a quoted one an empty text.
        written = io.BytesIO()
        for name in values:
            sql = sql.replace(f":{name}", f"%({name})s")
        query = f"COPY ({sql}) TO STDOUT (FORMAT CSV)"
        with _cursor(db) as run:
            if "ids" not in values:
                # Without statistics the server takes tables for tiny, and would join whole
                # ones row by row: minutes for what takes a blink.
                run.execute("SET LOCAL enable_nestloop = off")
            with run.copy(query, values) as copy:
                for part in copy:
                    written.write(part)
        if not written.tell():
            return schema.empty_table()
        written.seek(0)
        return csv.read_csv(
            written,
            csv.ReadOptions(column_names=schema.names),
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(
                column_types=schema,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )

    def backup(self, path: Path) -> None:
        """See `indexes.store.Store.backup`. The file is a SQLite store."""
        with new_file(path) as partial:
            copy = SqliteStore.open(partial)
            try:
                copy.load(self.dump())
            finally:
                copy.close()


class PostgisListener:
    """Hears of commits by NOTIFY; see `indexes.store.Listener`."""

    def __init__(self, engine: Engine) -> None:
        pooled = engine.raw_connection()
        self._db = cast(psycopg.Connection[Any], pooled.driver_connection)
        pooled.detach()  # it listens for as long as it lives: not the pool's any more
        try:
            self._db.autocommit = True
            self._db.execute("LISTEN outbox")
        except BaseException:
            self._db.close()
            raise

    def wait(self, timeout_s: float) -> bool:
        """See `indexes.store.Listener.wait`."""
        with _guard():
            return any(True for _ in self._db.notifies(timeout=timeout_s, stop_after=1))

    def close(self) -> None:
        """See `indexes.store.Listener.close`."""
        self._db.close()


def _engine(url: URL, statement_s: float, lock_s: float) -> Engine:
    settings = {
        "timezone": "UTC",
        "client_min_messages": "warning",
        "statement_timeout": f"{statement_s}s",
        "lock_timeout": f"{lock_s}s",
    }
    return create_engine(
        url,
        pool_pre_ping=True,  # a connection that a restart has cut is replaced, not handed out
        pool_size=POOLED,
        max_overflow=OVERFLOW,
        pool_timeout=POOL_WAIT_S,
        connect_args={
            "connect_timeout": CONNECT_S,
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            **TCP,
        },
    )


def _unhurried(db: Connection) -> None:
    db.execute(text("SET LOCAL statement_timeout = 0"))


def _cursor(db: Connection) -> psycopg.Cursor[Any]:
    """The driver's own cursor, inside the transaction: for thousands of rows."""
    return cast(psycopg.Cursor[Any], db.connection.cursor())


def _are_new(db: Connection, table: Table, rows: Sequence[Row]) -> bool:
    """Whether none of these rows is there, as far as this transaction sees."""
    ids: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        ids[row[0]].append(row[1])
    # Counted: asked for any one, the planner hopes for an early one and reads the whole table.
    # One text is sent faster than an array; no id has a line break.
    given = "id = ANY(string_to_array(%s, E'\\n'))"
    asked = f"SELECT count(*) FROM {table.name} WHERE tenant_id = %s AND {given}"
    with _cursor(db) as run:
        return all(
            run.execute(asked, (tenant_id, "\n".join(mine))).fetchone() == (0,)
            for tenant_id, mine in ids.items()
        )


def _copied(table: Table, column: str) -> str:
    """The type in which a column travels in a binary COPY."""
    kind = table.c[column].type
    if isinstance(kind, Geom | LargeBinary):
        return "bytea"  # PostGIS takes EWKB for it
    if isinstance(kind, Instant):
        return "timestamptz"
    if isinstance(kind, BigInteger):
        return "int8"
    if isinstance(kind, Integer):
        return "int4"
    if isinstance(kind, Double):
        return "float8"
    return "bool" if isinstance(kind, Boolean) else "text"


@contextmanager
def _guard() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise StoreError("the store is busy: no connection came free in time") from error
    except (DBAPIError, psycopg.Error) as error:
        raised = error.orig if isinstance(error, DBAPIError) else error
        raise _ours(raised) from error


def _ours(error: BaseException | None) -> MitoyenError:
    # The first line only: the others quote the row, which may be somebody's place.
    said = str(error).strip().partition("\n")[0]
    if isinstance(error, psycopg.errors.UniqueViolation | psycopg.errors.ForeignKeyViolation):
        return ConflictError(f"what is stored says otherwise ({said})")
    if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
        return InputError(f"the store refuses this record ({said})")
    return StoreError(f"the store failed: {said}")
