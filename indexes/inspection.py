"""A look at a store from outside: nothing is made, migrated or written, whatever is there."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from geo.errors import StoreError
from indexes.codec import TABLES
from indexes.migrations import HEAD
from indexes.sqlite import APPLICATION_ID
from indexes.store import file_of

__all__ = ["StoreReport", "inspect_store"]

CONNECT_S = 3
COUNTED = ("zones", *(table.name for table in TABLES.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReport:
    """What a look at a store found.

    Attributes
    ----------
    kind : str
        ``"sqlite"`` or ``"postgis"``.
    schema, newest : str
        The revision of its tables, empty where there are none, and the one of this version.
    size_bytes : int
        On the disk, with what is not merged yet.
    tenants : tuple of str
        Their ids, sorted.
    counts : dict of str to int
        Records by table, of all tenants together; none where a newer version wrote them.
    versions : dict of str to str
        Of the database, and of PostGIS.
    faults : tuple of str
        What the database found damaged.
    clock_ahead_s : float
        Its clock less this machine's, in seconds; 0 for a file.
    """

    kind: str
    schema: str
    newest: str = HEAD
    size_bytes: int = 0
    tenants: tuple[str, ...] = ()
    counts: dict[str, int]
    versions: dict[str, str]
    faults: tuple[str, ...] = ()
    clock_ahead_s: float = 0.0


def inspect_store(dsn: str) -> StoreReport:
    """Look at the store that a DSN names.

    Parameters
    ----------
    dsn : str
        As `indexes.store.open_store`.

    Raises
    ------
    StoreError
        If it can't be reached or read, or is no store. The message holds no password.

    Examples
    --------
    >>> inspect_store("/nowhere/town.db")
    Traceback (most recent call last):
    ...
    geo.errors.StoreError: there is no store at /nowhere/town.db
    """
    path = file_of(dsn)
    return _inspect_postgis(dsn) if path is None else _inspect_sqlite(path)


def _inspect_sqlite(path: Path) -> StoreReport:
    if not path.exists():
        raise StoreError(f"there is no store at {path}")
    versions = {"sqlite": sqlite3.sqlite_version}
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                raise StoreError(f"{path} is no store of Mitoyen's")
            faults = [said for (said,) in db.execute("PRAGMA quick_check(3)") if said != "ok"]
            (schema,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
            counts: dict[str, int] = {}
            tenants: tuple[str, ...] = ()
            if schema <= HEAD:
                tenants = tuple(id for (id,) in db.execute("SELECT id FROM tenants ORDER BY id"))
                for name in COUNTED:
                    (counts[name],) = db.execute(f"SELECT count(*) FROM {name}").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"{path} can't be read: {error}") from error
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal")]
    return StoreReport(
        kind="sqlite",
        schema=schema,
        size_bytes=sum(file.stat().st_size for file in files if file.exists()),
        tenants=tenants,
        counts=counts,
        versions=versions,
        faults=tuple(faults),
    )


def _inspect_postgis(dsn: str) -> StoreReport:
    try:
        url = make_url(dsn).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError) as error:  # the latter for a port that is no number
        raise StoreError("wanted postgresql://user:password@host:port/database") from error
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_S}
    ).execution_options(postgresql_readonly=True)
    try:
        with engine.begin() as db:
            run = db.exec_driver_sql
            now = run("SELECT clock_timestamp()").scalar_one()
            ahead_s = (now - datetime.now(UTC)).total_seconds()
            versions = {"postgresql": run("SHOW server_version").scalar_one()}
            found = "SELECT extversion FROM pg_extension WHERE extname = 'postgis'"
            if postgis := run(found).scalar():
                versions["postgis"] = postgis
            counts: dict[str, int] = {}
            schema, tenants = "", ()
            if run("SELECT to_regclass('alembic_version')").scalar():
                schema = run("SELECT version_num FROM alembic_version").scalar_one()
            if schema and schema <= HEAD:
                tenants = tuple(run("SELECT id FROM tenants ORDER BY id").scalars())
                for name in COUNTED:
                    counts[name] = run(f"SELECT count(*) FROM {name}").scalar_one()
            size = run("SELECT pg_database_size(current_database())").scalar_one()
    except DBAPIError as error:
        said = str(error.orig).strip().partition("\n")[0]
        raise StoreError(f"the database can't be read: {said}") from error
    finally:
        engine.dispose()
    return StoreReport(
        kind="postgis",
        schema=schema,
        size_bytes=size,
        tenants=tenants,
        counts=counts,
        versions=versions,
        clock_ahead_s=ahead_s,
    )
