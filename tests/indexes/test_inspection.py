"""Looking at a store: what is found is told, what is wrong too, and nothing is touched."""

import sqlite3
from contextlib import closing

import psycopg
import pytest
from store_records import TOWN

from geo.errors import StoreError
from indexes.inspection import inspect_store
from indexes.migrations import HEAD
from indexes.store import open_store


def test_a_look_tells_what_a_store_holds(dsn):
    store = open_store(dsn)
    store.put_all(TOWN)
    store.close()
    report = inspect_store(dsn)
    assert (report.schema, report.newest, report.faults) == (HEAD, HEAD, ())
    assert report.tenants == ("t",)
    assert report.counts["tenants"] == 1 and report.counts["zones"] == 0
    assert report.counts["listings"] == sum(type(r).__name__ == "Listing" for r in TOWN)
    assert report.size_bytes > 10_000
    assert report.kind in report.versions or {"postgresql", "postgis"} == set(report.versions)
    assert abs(report.clock_ahead_s) < 5


def test_a_look_makes_no_table(postgis_dsn):
    report = inspect_store(postgis_dsn)
    assert (report.schema, report.tenants, report.counts) == ("", (), {})
    with psycopg.connect(postgis_dsn) as db:
        asked = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert db.execute(asked).fetchone() == (1,)


def test_a_newer_store_is_told_and_not_read(dsn):
    open_store(dsn).close()
    if dsn.startswith("postgresql://"):
        with psycopg.connect(dsn) as db:
            db.execute("UPDATE alembic_version SET version_num = '9999'")
            db.execute("DROP TABLE blocks")
    else:
        with closing(sqlite3.connect(dsn)) as db:
            db.execute("UPDATE alembic_version SET version_num = '9999'")
            db.execute("DROP TABLE blocks")
            db.commit()
    report = inspect_store(dsn)
    assert (report.schema, report.counts) == ("9999", {})


def test_a_look_changes_no_byte(tmp_path):
    path = tmp_path / "town.db"
    store = open_store(path)
    store.put_all(TOWN)
    store.close()
    before = path.read_bytes()
    path.chmod(0o400)
    inspect_store(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"hello\n" * 1000, b"SQLite format 3\0" + b"\0" * 5000])
def test_what_is_no_store_is_refused(tmp_path, content):
    path = tmp_path / "other.db"
    path.write_bytes(content)
    with pytest.raises(StoreError):
        inspect_store(str(path))
    with pytest.raises(StoreError):
        inspect_store(str(tmp_path))
    assert path.read_bytes() == content


def test_a_damaged_file_is_told_wherever_it_is_hurt(tmp_path):
    path = tmp_path / "town.db"
    store = open_store(path)
    store.put_all(TOWN)
    store.close()
    whole = path.read_bytes()
    told = 0
    for page in range(1, len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + b"\xff" * 4096 + whole[(page + 1) * 4096 :])
        try:
            told += bool(inspect_store(str(path)).faults)
        except StoreError:
            told += 1
    assert told >= len(whole) // 4096 - 2  # a free page may be full of anything


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://app:secret@127.0.0.1:1/town",
        "postgresql://app:secret@127.0.0.1:port/town",
        "postgresql://app:secret@127.0.0.1:1/town?nonsense=secret",
        "postgresql://app:secret@127.0.0.1:1/town?connect_timeout=secret",
        "postgresql://app:secret@/town?host=/nowhere",
        "postgresql://",
    ],
)
def test_an_unreachable_database_is_told_without_its_password(dsn):
    with pytest.raises(StoreError) as refused:
        inspect_store(dsn)
    assert "secret" not in str(refused.value)
