"""The embedded store: one SQLite file, write-ahead log, one writer at a time."""

import hashlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.exc import DBAPIError, TimeoutError

from geo.errors import ConflictError, InputError, MitoyenError, StoreError
from indexes import sqlfeed
from indexes.entities import Entity
from indexes.migrations import migrate
from indexes.sqlite_columns import batch_of_rows, table_of_texts, texts_of
from indexes.sqlrecords import Clock, Row, by_object, upsert_sql
from indexes.sqlstore import CHUNK, STORE_SECRET, SqlStore
from indexes.sqlwhole import Value
from indexes.store import utc_now

__all__ = ["SqliteListener", "SqliteStore", "new_file"]

# Rows that one statement writes: the driver lets other threads run for as long as a statement
# takes, and waits its turn after each. SQLite takes 32,766 values at a time.
AT_ONCE = 1_000
# Rows whose values are put into one text: of the longest ones that are kept, 80,000 bytes, it
# stays below the 10**9 bytes that SQLite allows.
TOGETHER = 10_000
# A table with more rows than so many times a tenant's isn't read from end to end for it.
SCANNED = 16
APPLICATION_ID = 0x4D49544F  # "MITO", in the header of each store
LOOK_S = 0.005  # how often who waits looks at the file again: 4 µs of work
BUSY_S = 30.0  # how long a writer waits for another process's


class SqliteStore(SqlStore):
    """A store in one SQLite file; several processes may open it.

    Use `open`.
    """

    _differs = "IS NOT"
    _whole = "NOT INDEXED"  # four times as fast as the rows one by one in order of the key
    _lon, _lat = "l.geom", "NULL"  # `sqlite_columns` takes the point apart
    _epoch = "{}"
    _ewkb = "geom"
    # One writer at a time: lines are in the order of commits, and what is visible is settled.
    _outbox = sqlfeed.Dialect(
        order=("seq",),
        xid="xid",
        wanted_xid=":xid",
        settled="true",
        ids="SELECT value FROM json_each(:ids)",
    )

    def __init__(self, path: Path, writer: Engine, reader: Engine, clock: Clock) -> None:
        self._path = path
        super().__init__(writer, reader, clock)

    @classmethod
    def open(cls, path: Path, *, create: bool = True, clock: Clock = utc_now) -> "SqliteStore":
        """Open a file, at the newest schema.

        Parameters
        ----------
        path : Path
            The file; its folder must exist.
        create : bool
            Make it if it is not there, readable by its owner only: it holds homes.
        clock : callable
            Gives the instant of a write.

        Raises
        ------
        StoreError
            If it can't be opened, is no store, or was written by a newer version.
        """
        try:
            if create:
                with suppress(FileExistsError):
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            elif not path.exists():
                raise StoreError(f"there is no store at {path}")
        except OSError as error:
            raise StoreError(f"can't make a store at {path}: {error.strerror}") from error
        with _guard(path):
            _require_ours(path, create)
        writer, reader = _engine(path, "BEGIN IMMEDIATE"), _engine(path, "BEGIN")
        try:
            with _guard(path), writer.begin() as db:
                db.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
                migrate(db)
            return cls(path, writer, reader, clock)
        except BaseException:
            writer.dispose()
            reader.dispose()
            raise

    @property
    def label(self) -> str:
        """The path of the file."""
        return str(self._path)

    def _guard(self) -> Any:
        return _guard(self._path)

    def _claim(self, db: Connection, of: type[Entity], tenant_id: str, id: str) -> None:
        pass  # whoever writes is alone

    def _unhurried(self, db: Connection) -> None:
        pass  # no statement is cut off; one that waits for the lock gives up by itself

    def _identity(self, secret: bytes) -> str:
        return hashlib.sha256(secret).hexdigest()[:8]

    def _instants(self, values: Iterable[datetime | None]) -> Sequence[int | None]:
        return by_object(lambda value: int(value.replace(microsecond=0).timestamp()), values)

    def _stage(
        self, db: Connection, name: str, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        names = ", ".join(columns)
        run = _cursor(db)
        run.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {name} AS SELECT {names} FROM {table.name} LIMIT 0"
        )
        run.execute(f"DELETE FROM {name}")  # staged before in this transaction
        self._fill(db, name, table, columns, rows)

    def _fill(
        self, db: Connection, name: str, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"
        _cursor(db).executemany(sql, rows)

    def _upsert(
        self, db: Connection, of: type[Entity], columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        one = f"({', '.join('?' * len(columns))})"

        def upsert(count: int) -> str:
            source = f"VALUES {', '.join([one] * count)}"
            return upsert_sql(of, columns, source, self._differs)

        run, whole = _cursor(db), len(rows) - len(rows) % AT_ONCE
        for at in range(0, whole, AT_ONCE):
            run.execute(upsert(AT_ONCE), list(chain.from_iterable(rows[at : at + AT_ONCE])))
        run.executemany(upsert(1), rows[whole:])

    def _place_quietly(self, db: Connection) -> None:
        pass  # the triggers look at the columns that a record states

    def listen(self) -> "SqliteListener":
        """See `indexes.store.Store.listen`."""
        with self._guard():
            return SqliteListener(self._path)

    def _fetch(
        self, db: Connection, sql: str, values: Mapping[str, Value], schema: pa.Schema
    ) -> pa.Table:
        batches = []
        run = _cursor(db)
        run.execute(sql, values)
        while rows := run.fetchmany(CHUNK):
            batches.append(batch_of_rows(rows, schema))
        return pa.Table.from_batches(batches, schema)

    def _raw_rows(
        self, db: Connection, table: str, tenant_id: str, wanted: Sequence[str], schema: pa.Schema
    ) -> pa.Table:
        run = _cursor(db)
        mine = run.execute(f"SELECT count(*) FROM {table} WHERE tenant_id = ?", (tenant_id,))
        (count,) = mine.fetchone()
        ends = f"SELECT (SELECT min(rowid) FROM {table}), (SELECT max(rowid) FROM {table})"
        first, last = run.execute(ends).fetchone()
        if not count or last - first > SCANNED * count:
            return super()._raw_rows(db, table, tenant_id, wanted, schema)
        source = (
            f"FROM {table} l NOT INDEXED WHERE l.tenant_id = :tenant_id"
            " AND l.rowid BETWEEN :first AND :last"
        )
        parts = []
        for begin in range(first, last + 1, TOGETHER):
            values: dict[str, Value] = {"first": begin, "last": begin + TOGETHER - 1}
            values["tenant_id"] = tenant_id
            parts.append(self._whole_table(db, wanted, source, values, schema))
        return pa.concat_tables(parts)

    def _whole_table(
        self,
        db: Connection,
        wanted: Sequence[str],
        source: str,
        values: Mapping[str, Value],
        schema: pa.Schema,
    ) -> pa.Table:
        run = _cursor(db)
        run.execute(f"SELECT count(*), {', '.join(texts_of(schema, wanted))} {source}", values)
        count, *texts = run.fetchone()
        return table_of_texts(texts, schema) if count else schema.empty_table()

    def backup(self, path: Path) -> None:
        """See `indexes.store.Store.backup`."""
        with (
            new_file(path) as partial,
            self._guard(),
            closing(sqlite3.connect(self._path)) as source,
            closing(sqlite3.connect(partial, isolation_level=None)) as copy,
        ):
            source.backup(copy)
            # It lives a life of its own: positions of the one mean nothing in the other.
            copy.execute("DELETE FROM secrets WHERE name = ?", (STORE_SECRET,))


class SqliteListener:
    """Watches a file for commits; see `indexes.store.Listener`.

    A connection of its own, as one doesn't see its own commits this way.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Its file must be there: a listener makes none.
        uri = f"{path.absolute().as_uri()}?mode=rw"
        self._db = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._seen = self._version()

    def _version(self) -> int:
        return cast(int, self._db.execute("PRAGMA data_version").fetchone()[0])

    def wait(self, timeout_s: float) -> bool:
        """See `indexes.store.Listener.wait`."""
        until = time.monotonic() + timeout_s
        with _guard(self._path):
            while (version := self._version()) == self._seen:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                time.sleep(min(LOOK_S, left))
        self._seen = version
        return True

    def close(self) -> None:
        """See `indexes.store.Listener.close`."""
        self._db.close()


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A path to write a store to, that becomes ``path`` once it is whole and on the disk.

    Raises
    ------
    ConflictError
        If there is such a file already.
    StoreError
        If it can't be written.
    """
    if path.exists():
        raise ConflictError(f"{path} is there already", code="file-exists")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            partial = Path(folder) / path.name
            yield partial
            partial.chmod(0o600)
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.replace(path)
    except OSError as error:
        raise StoreError(f"can't write {path}: {error.strerror}") from error


def _require_ours(path: Path, create: bool) -> None:
    """Look, without touching it, whether a file may be opened as a store: ours, or empty."""
    if path.is_dir():
        raise StoreError(f"{path} is a directory: a store is a file in one")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        db.execute("BEGIN")  # both as of one moment: another process may be making it
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or tables or not create):
        raise StoreError(f"{path} is no store of Mitoyen's")


def _engine(path: Path, begin: str) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_S}
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, record: Any) -> None:
        connection.isolation_level = None  # transactions begin as _begin says
        _write_ahead(connection)
        for pragma in (
            "synchronous = FULL",  # what is acknowledged survives a power cut
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "cache_size = -65536",  # KiB
            "wal_autocheckpoint = 4000",  # pages; 1000 is about one batch of an import
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once if another has written
        # in between, however long it would wait: so writers take the lock at the start.
        connection.exec_driver_sql(begin)

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn a file to the write-ahead log, which it keeps.

    Of two connections that do so at once SQLite refuses one without a wait, whatever its
    timeout, since each might wait for the other.
    """
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(LOOK_S)


def _cursor(db: Connection) -> sqlite3.Cursor:
    """The driver's own cursor, inside the transaction: for thousands of rows."""
    return cast(sqlite3.Cursor, db.connection.cursor())


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise StoreError(f"the store {path} is busy: no connection came free") from error
    except (DBAPIError, sqlite3.Error) as error:
        raised = error.orig if isinstance(error, DBAPIError) else error
        raise _ours(path, raised) from error


def _ours(path: Path, error: BaseException | None) -> MitoyenError:
    said = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        if said.startswith(("UNIQUE", "FOREIGN KEY")):
            return ConflictError(f"what is stored says otherwise ({said})")
        return InputError(f"the store refuses this record ({said})")
    if said == "database is locked":
        return StoreError(f"the store {path} is busy: another process is writing to it")
    return StoreError(f"the store {path} failed: {said}")
