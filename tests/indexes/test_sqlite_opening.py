"""Processes that open one SQLite file at the same time: each waits its turn."""

import multiprocessing
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from geo.errors import StoreError
from indexes.entities import Tenant
from indexes.sqlite import SqliteStore

PROCESSES = 8


def open_all(paths: list[Path]) -> list[str]:
    """What goes wrong when all processes open each of some files at once."""
    # A process that has imported once and has no threads splits up; the test's own has many.
    ran = subprocess.run(
        [sys.executable, __file__, *map(str, paths)], capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_a_directory_is_told_to_be_one(tmp_path: Path) -> None:
    for create in (True, False):
        with pytest.raises(StoreError, match="is a directory"):
            SqliteStore.open(tmp_path, create=create)


def test_a_store_that_another_process_writes_to_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexes.sqlite.BUSY_S", 0.05)
    path = tmp_path / "town.db"
    with closing(SqliteStore.open(path)) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is busy: another process is writing"):
            store.put(Tenant(tenant_id="t", id="t", name="Port-Mitoyen"))


def test_processes_that_make_a_store_at_once_make_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.db" for i in range(4)]
    assert open_all(paths) == []
    for path in paths:
        with closing(SqliteStore.open(path, create=False)) as store:
            assert store.tenants() == []


def test_processes_wait_for_the_one_that_turns_a_file_to_the_write_ahead_log(
    tmp_path: Path,
) -> None:
    SqliteStore.open(tmp_path / "made.db").close()
    with closing(sqlite3.connect(tmp_path / "made.db")) as db:
        db.execute("PRAGMA journal_mode = DELETE")  # as a file is before it is opened first
    made = (tmp_path / "made.db").read_bytes()
    paths = [tmp_path / f"{i}.db" for i in range(25)]
    for path in paths:
        path.write_bytes(made)
    assert open_all(paths) == []


def _work(barrier: "multiprocessing.synchronize.Barrier", paths: list[str]) -> None:
    for path in paths:
        barrier.wait()
        try:
            SqliteStore.open(Path(path)).close()
        except Exception as error:  # whatever it is, the test tells it
            sys.stdout.write(f"{error!r} {error.__cause__!r}\n")


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(PROCESSES)
    processes = [
        context.Process(target=_work, args=(barrier, sys.argv[1:])) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
