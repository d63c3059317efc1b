"""A store copied, backed up or restored is the same store."""

import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from sqlalchemy import create_engine, event, make_url, select
from strategies import THE_TENANT, towns

from geo.errors import ConflictError, StoreError
from indexes.copying import copy_store, restore
from indexes.entities import (
    Building,
    Figures,
    Group,
    GroupPartition,
    IrisCode,
    Kind,
    Listing,
    Tenant,
    Zone,
)
from indexes.store import ImportMark, Position, Store, open_store
from indexes.tables import metadata

DATABASES = ["sqlite", "postgis"]
SHOP = Listing(
    tenant_id="t",
    id="p1",
    kind=Kind.EVENT,
    title="Fête",
    lon=5.371,
    lat=43.2951,
    starts_at=datetime(1955, 5, 5, tzinfo=UTC),
)


def canonical(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that is not the store's own, read by plain SQLAlchemy."""
    url = make_url(dsn) if "://" in dsn else make_url(f"sqlite:///{dsn}")
    engine = create_engine(url.set(drivername="postgresql+psycopg") if "://" in dsn else url)
    found = {}
    with engine.connect() as db:
        for table in metadata.sorted_tables:
            if table.name in ("outbox", "outbox_marks"):
                continue
            rows = [
                tuple(
                    shapely.to_wkb(shapely.normalize(value), byte_order=1)
                    if isinstance(value, shapely.Geometry)
                    else value
                    for value in row
                )
                for row in db.execute(select(table))
                if (table.name, row[0]) != ("secrets", "store")
            ]
            found[table.name] = sorted(rows, key=repr)
    engine.dispose()
    return found


@pytest.fixture
def dsns(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two empty stores: of the kinds that the test asks for."""
    made = []
    with_postgis = [kind for kind in request.param if kind == "postgis"]
    servers = [request.getfixturevalue("postgis") for _ in with_postgis[:1]]
    contexts = [servers[0].database() for _ in with_postgis]
    postgis = [context.__enter__() for context in contexts]
    for i, kind in enumerate(request.param):
        made.append(postgis.pop() if kind == "postgis" else str(tmp_path / f"{i}.db"))
    yield made[0], made[1]
    for context in contexts:
        context.__exit__(None, None, None)


def fill(store: Store) -> None:
    """A tenant with everything a store can hold, beyond what `towns` draws."""
    store.put(Tenant(tenant_id="t", id="t", name="Port-Mitoyen"))
    store.put_all(
        [SHOP, replace(SHOP, id="p2", text="a\n\"b\", 'c'\t\\", url="")], ImportMark("t", "f", 2)
    )
    outline = shapely.MultiPolygon(
        [
            shapely.box(5, 43, 6, 44).difference(shapely.box(5.1, 43.1, 5.2, 43.2)),
            shapely.box(7, 43, 7.5, 44),
        ]
    )
    figures = Figures(
        census_year=2021, geography_year=None, values={"pop": 0.1 + 0.2, "log": 1e-300}
    )
    zone = Zone(
        tenant_id="t",
        code=IrisCode("990010101"),
        vintage=2020,
        name="L'Estaque",
        type="H",
        commune_code="99001",
        commune_name="Port-Mitoyen",
        geometry=outline,
        figures=figures,
    )
    store.put_zones([zone, replace(zone, vintage=2013, figures=None)])
    store.put(Building(tenant_id="t", id="b1", lon=5.5, lat=43.5, dwellings=30))
    cell = store.get(Building, "t", "b1").place.cell
    group = Group(id="g", cells=(cell,), lon=5.5, lat=43.5, dwellings=30, locatable=True)
    for version in (1, 2):
        store.put_groups(GroupPartition(tenant_id="t", version=version, groups=(group,)))
    store.secret("cursor")


@pytest.mark.parametrize(
    "dsns", [(one, other) for one in DATABASES for other in DATABASES], indirect=True, ids="-".join
)
@settings(max_examples=1, suppress_health_check=list(HealthCheck))
@given(town=towns())
def test_a_copy_holds_every_row_of_its_source(dsns: tuple[str, str], town: list[Any]) -> None:
    source, target = map(open_store, dsns)
    fill(source)
    source.put_all(town)
    position = copy_store(source, target)
    assert canonical(dsns[0]) == canonical(dsns[1])
    assert position == target.position()
    assert source.secret("cursor") == target.secret("cursor")
    for tenant_id in ("t", THE_TENANT):
        assert source.listing_table(tenant_id) == target.listing_table(tenant_id)
        assert source.member_table(tenant_id) == target.member_table(tenant_id)
    # The copy goes on from here by itself.
    assert position.store != source.position().store
    noted = {(c.entity, c.id) for c in target.changes(Position(position.store, 0, 0), 10**6)}
    assert {("listings", "p1"), ("zones", ""), ("groups", "")} <= noted
    target.put(replace(SHOP, id="p3"))
    assert target.get(Listing, "t", "p3").place.zone == "990010101"
    with pytest.raises(ConflictError, match="is not empty"):
        copy_store(source, target)
    source.close()
    target.close()


@pytest.mark.parametrize(
    "dsns", [(one, other) for one in DATABASES for other in DATABASES], indirect=True, ids="-".join
)
def test_what_is_restored_from_a_backup_is_what_was(dsns: tuple[str, str], tmp_path: Path) -> None:
    source, target = map(open_store, dsns)
    fill(source)
    backup = tmp_path / "backup.mitoyen"
    source.backup(backup)
    before = backup.read_bytes()
    restore(backup, target)
    assert backup.read_bytes() == before
    assert canonical(dsns[0]) == canonical(dsns[1]) == canonical(str(backup))
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with pytest.raises(ConflictError, match="is there already"):
        source.backup(backup)
    with pytest.raises(ConflictError, match="is not empty"):
        restore(backup, target)
    source.close()
    target.close()


def test_a_backup_opened_is_another_store(tmp_path: Path) -> None:
    source = open_store(tmp_path / "one.db")
    fill(source)
    source.backup(tmp_path / "two.db")
    copy = open_store(tmp_path / "two.db", create=False)
    assert copy.position().store != source.position().store
    assert copy.listing_table("t") == source.listing_table("t")
    source.close()
    copy.close()


def test_a_backup_is_taken_while_others_write(tmp_path: Path) -> None:
    source = open_store(tmp_path / "one.db")
    fill(source)
    other = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE listings SET title = 'not committed'")
    source.backup(tmp_path / "two.db")
    other.execute("ROLLBACK")
    assert canonical(str(tmp_path / "one.db")) == canonical(str(tmp_path / "two.db"))
    other.close()
    source.close()


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    source = open_store(tmp_path / "one.db")
    fill(source)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreError, match="can't write"):
        source.backup(tmp_path / "no" / "folder.db")
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(StoreError, match="can't read"):
        restore(tmp_path / "none.db", source)
    source.close()


def test_a_copy_that_fails_leaves_the_target_empty(tmp_path: Path) -> None:
    source, target = open_store(tmp_path / "one.db"), open_store(tmp_path / "two.db")
    fill(source)

    def fail(*_: object) -> None:
        raise RuntimeError("the source is gone")

    event.listen(source._reader, "before_cursor_execute", fail)
    with pytest.raises(RuntimeError):
        copy_store(source, target)
    assert target.tenants() == []
    assert target.changes(Position(target.position().store, 0, 0)) == []
    source.close()
    target.close()
