"""The migrations make what `indexes.tables` says, column by column and constraint by constraint."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, make_url, text

import indexes.migrations
from geo.errors import StoreError
from indexes.entities import Residence
from indexes.migrations import HEAD, migrate
from indexes.sqlite import APPLICATION_ID
from indexes.store import open_store
from indexes.tables import metadata


@pytest.fixture(params=["sqlite", "postgis"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = create_engine(f"sqlite:///{tmp_path / 'store.db'}")
    else:
        dsn = request.getfixturevalue("postgis_dsn")
        made = create_engine(make_url(dsn).set(drivername="postgresql+psycopg"))
    yield made
    made.dispose()


def dsn_of(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def schema_of(engine: Engine) -> dict[str, object]:
    """Columns, keys, checks and indexes as the database itself tells them."""
    found = inspect(engine)
    return {
        table: (
            sorted(
                (check["name"], check["sqltext"]) for check in found.get_check_constraints(table)
            ),
            sorted(map(str, found.get_foreign_keys(table))),
            sorted(map(str, found.get_unique_constraints(table))),
            sorted(map(_index, found.get_indexes(table))),
            found.get_pk_constraint(table)["constrained_columns"],
            [
                (c["name"], str(c["type"]), c["nullable"], c["default"])
                for c in found.get_columns(table)
            ],
        )
        for table in metadata.tables
    }


def _index(found: Mapping[str, Any]) -> str:
    options = {name: str(value) for name, value in found.get("dialect_options", {}).items()}
    return str((found["name"], found["column_names"], found["unique"], options))


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
def test_migrations_make_the_tables_of_the_models(engine: Engine) -> None:
    with engine.begin() as db:
        migrate(db)
    migrated = schema_of(engine)
    with engine.begin() as db:
        for table in reversed(metadata.sorted_tables):
            db.execute(text(f"DROP TABLE {table.name}"))
        metadata.create_all(db)
    assert schema_of(engine) == migrated


def test_the_newest_revision_is_the_one_stated() -> None:
    scripts = ScriptDirectory(str(Path(indexes.migrations.__file__).parent))
    assert scripts.get_heads() == [HEAD]


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    for _ in range(2):
        with engine.begin() as db:
            migrate(db)
            assert db.scalar(text("SELECT version_num FROM alembic_version")) == HEAD


def test_a_store_of_the_first_schema_keeps_its_changes(engine: Engine) -> None:
    with engine.begin() as db:
        migrate(db, to="0001")
        if engine.dialect.name == "sqlite":
            db.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(text("INSERT INTO tenants VALUES ('t', 't', 'x', 'Europe/Paris', 'fr')"))
        for id in "ab":
            db.execute(text("INSERT INTO residences VALUES ('t', :id, 'x')"), {"id": id})
    with closing(open_store(dsn_of(engine))) as store:
        start = replace(store.position(), xid=0, seq=0)
        found = [(change.entity, change.id) for change in store.changes(start)]
        assert found == [("tenants", "t"), ("residences", "a"), ("residences", "b")]
        after = store.put(Residence(tenant_id="t", id="c", name="x"))
        assert [change.id for change in store.changes(start)] == ["t", "a", "b", "c"]
        assert store.trim(older_than_s=0) == 3
        assert store.position() == after


def test_a_store_of_a_newer_version_is_left_alone(engine: Engine) -> None:
    with engine.begin() as db:
        migrate(db)
        if engine.dialect.name == "sqlite":
            db.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="schema 9999, written by a newer version"):
        open_store(dsn_of(engine))


def test_every_table_of_records_notes_each_kind_of_change(engine: Engine) -> None:
    with engine.begin() as db:
        migrate(db)
        if engine.dialect.name == "sqlite":
            asked = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        else:
            asked = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
        triggers = set(db.scalars(text(asked)))
    from indexes.codec import TABLES

    noting = {
        f"note_{table.name}_{event}"
        for table in TABLES.values()
        for event in ("insert", "update", "delete")
    }
    # An endorsement is a change of its listing too, old and new, and a booking of its trip.
    sides = ("insert_new", "update_old", "update_new", "delete_old")
    waking = set() if engine.dialect.name == "sqlite" else {"wake_listeners"}
    referred = {f"note_{table}_{side}" for table in ("listings", "trips") for side in sides}
    assert triggers == noting | referred | waking


IMPOSSIBLE = [
    "INSERT INTO tenants VALUES ('t', 'u', 'x', 'x', 'fr')",
    "INSERT INTO residences VALUES ('nobody', 'r', 'x')",
    "INSERT INTO residences VALUES ('t', '', 'x')",
    "INSERT INTO households VALUES ('t', 'h', 'nowhere')",
    "INSERT INTO zones VALUES ('t', 'z', 20, 'n', 'H', 'c', 'n', {point}, NULL, NULL)",
    *(
        "INSERT INTO buildings (tenant_id, id, geom, address) VALUES"
        f" ('t', 'b', {{point:{lon},{lat}}}, '')"
        for lon, lat in (
            *((180.1, 0), (-180.1, 0), (0, 90.1), (0, -90.1)),
            *(("nan", 0), (0, "nan"), ("inf", 0), (0, "-inf")),
        )
    ),
]


@pytest.mark.parametrize("statement", IMPOSSIBLE)
def test_the_database_itself_refuses_what_can_not_be(engine: Engine, statement: str) -> None:
    from sqlalchemy.exc import DBAPIError

    with engine.begin() as db:
        migrate(db)
        if engine.dialect.name == "sqlite":
            db.execute(text("PRAGMA foreign_keys = ON"))
        db.execute(text("INSERT INTO tenants VALUES ('t', 't', 'x', 'x', 'fr')"))
    with pytest.raises(DBAPIError), engine.begin() as db:
        if engine.dialect.name == "sqlite":
            db.exec_driver_sql("PRAGMA foreign_keys = ON")
        db.exec_driver_sql(_with_points(statement, engine.dialect.name))


@pytest.mark.parametrize("lonlat", ["180,90", "-180,-90", "0,0", "-0.0,-0.0", "5.374,43.2951"])
def test_the_database_takes_every_point_on_the_earth(engine: Engine, lonlat: str) -> None:
    insert = (
        "INSERT INTO buildings (tenant_id, id, geom, address) VALUES"
        f" ('t', 'b', {{point:{lonlat}}}, '')"
    )
    with engine.begin() as db:
        migrate(db)
        db.execute(text("INSERT INTO tenants VALUES ('t', 't', 'x', 'x', 'fr')"))
        db.exec_driver_sql(_with_points(insert, engine.dialect.name))


def _with_points(statement: str, dialect: str) -> str:
    """``{point:lon,lat}`` as a literal of the database, written without the project's code."""
    import re
    import struct

    def literal(found: "re.Match[str]") -> str:
        lon, lat = (float(part) for part in (found[1] or "5,43").split(","))
        ewkb = struct.pack(">BIIdd", 0, 0x20000001, 4326, lon, lat).hex()
        return f"x'{ewkb}'" if dialect == "sqlite" else f"'{ewkb}'::geometry"

    return re.sub(r"\{point:?([^}]*)\}", literal, statement)
