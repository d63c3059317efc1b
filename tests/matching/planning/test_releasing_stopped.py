"""A release that was stopped: asked for again it is completed, and nothing is drawn twice."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from districts_oracle import QUARTER, grid_zones

from geo.errors import ConflictError
from indexes import Tenant, open_store
from indexes.store import Store
from matching.planning.releasing import release_quarter

NOW = datetime(2026, 10, 5, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ZONES = grid_zones(2, empty=())
# Everything that is written of a quarter told by two vintages: each in a transaction of its own.
WRITES = ("add_draws", "add_release", "add_release")
TOLD = [(1, 2024), (2, 2020)]


class Killed(BaseException):
    """The process is gone: nobody catches this."""


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    store = open_store(tmp_path / "town.db")
    store.put(Tenant(tenant_id="t", id="t", name="Ville"))
    for vintage in (2020, 2024):
        store.put_zones([replace(zone, vintage=vintage) for zone in ZONES])
    yield store
    store.close()


def stop_at(monkeypatch, store: Store, write: int, *, kept: bool) -> None:
    """Stop right before a write, or right after it is ``kept``."""
    calls = iter(range(len(WRITES)))

    def stopping(name: str) -> Callable[..., Any]:
        keep = getattr(store, name)

        def call(*args: Any) -> Any:
            at = next(calls)
            assert name == WRITES[at]
            if at < write or kept:
                keep(*args)
            if at == write:
                raise Killed

        return call

    for name in dict.fromkeys(WRITES):
        monkeypatch.setattr(store, name, stopping(name))


def bytes_of(tmp_path: Path, table: str) -> set[tuple[Any, ...]]:
    """All rows of a table, as they lie in the file."""
    with closing(sqlite3.connect(tmp_path / "town.db")) as db:
        return set(db.execute(f"SELECT * FROM {table}"))


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("write", range(len(WRITES)))
def test_a_release_stopped_anywhere_is_completed_by_asking_again(
    store: Store, tmp_path, monkeypatch, write: int, kept: bool
) -> None:
    with monkeypatch.context() as patched:
        stop_at(patched, store, write, kept=kept)
        with pytest.raises(Killed):
            release_quarter(store, "t", QUARTER, created_at=NOW)
    before = {table: bytes_of(tmp_path, table) for table in ("draws", "releases")}
    written = write + kept
    assert (len(before["draws"]) > 0, len(before["releases"])) == (
        written > 0,
        max(0, written - 1),
    )
    made = release_quarter(store, "t", QUARTER, created_at=LATER)
    assert (made.version, made.vintage) == TOLD[0]
    assert made.created_at == (NOW if written > 1 else LATER)
    heads = sorted((head.version, head.vintage) for head in store.releases("t"))
    assert heads == TOLD
    after = {table: bytes_of(tmp_path, table) for table in before}
    assert before["releases"] <= after["releases"]
    assert after["draws"] == before["draws"] or not before["draws"]
    # What is whole stays as it is, whoever asks again.
    for asked in ({}, {"vintage": 2020}, {"goals": made.head["goals"]}):
        release_quarter(store, "t", QUARTER, created_at=LATER, **asked)
    assert {table: bytes_of(tmp_path, table) for table in after} == after


def test_the_other_vintage_of_a_stopped_release_is_told_with_the_goals_of_its_first(
    store: Store, monkeypatch
) -> None:
    with monkeypatch.context() as patched:
        stop_at(patched, store, 2, kept=False)
        with pytest.raises(Killed):
            release_quarter(store, "t", QUARTER, created_at=NOW, goals=[0.2])
    with pytest.raises(ConflictError) as refused:  # and yet it is completed
        release_quarter(store, "t", QUARTER, created_at=LATER, goals=[0.3])
    assert refused.value.code == "release-exists"
    told = [(head.version, head.vintage, head.head["goals"]) for head in store.releases("t")]
    assert told == [(2, 2020, [0.2]), (1, 2024, [0.2])]


def test_a_stopped_correction_is_completed_and_no_more_is_corrected(
    store: Store, monkeypatch
) -> None:
    release_quarter(store, "t", QUARTER, created_at=NOW)
    draws = store.draws("t", str(QUARTER), "households")
    with monkeypatch.context() as patched:
        stop_at(patched, store, 2, kept=False)
        with pytest.raises(Killed):
            release_quarter(store, "t", QUARTER, created_at=NOW, correct=True)
    again = release_quarter(store, "t", QUARTER, created_at=LATER)
    assert (again.version, again.vintage) == (3, 2024)
    told = [(head.version, head.vintage) for head in store.releases("t")]
    assert told == [(4, 2020), (3, 2024), (2, 2020), (1, 2024)]
    assert store.draws("t", str(QUARTER), "households").equals(draws)


def test_zones_that_come_after_a_release_are_told_by_a_correction_alone(store: Store) -> None:
    release_quarter(store, "t", QUARTER, created_at=NOW, vintage=2024)
    assert release_quarter(store, "t", QUARTER, created_at=LATER).version == 1
    assert [head.vintage for head in store.releases("t")] == [2024]  # as it was asked for
    store.put_zones([replace(zone, vintage=2022) for zone in ZONES])
    assert release_quarter(store, "t", QUARTER, created_at=LATER).version == 1
    release_quarter(store, "t", QUARTER, created_at=LATER, correct=True)
    assert [head.vintage for head in store.releases("t")] == [2022, 2024, 2024]


def test_of_two_that_tell_at_once_the_first_counts(store: Store, monkeypatch) -> None:
    """Another process tells the quarter while ours draws, or while ours tells the first half."""
    keep = store.add_release
    for quarter, first in ((QUARTER, 1), (QUARTER.previous, 2)):
        seen: list[int] = []

        def beaten(release: Any, *, quarter=quarter, first=first, seen=seen) -> None:
            seen.append(release.version)
            if seen == list(range(1, first + 1)):
                with monkeypatch.context() as patched:
                    patched.setattr(store, "add_release", keep)
                    release_quarter(store, "t", quarter, created_at=LATER)
            keep(release)

        monkeypatch.setattr(store, "add_release", beaten)
        made = release_quarter(store, "t", quarter, created_at=NOW)
        assert made.created_at == (LATER if first == 1 else NOW)
        told = [head for head in store.releases("t") if head.id == str(quarter)]
        assert sorted((head.version, head.vintage) for head in told) == TOLD
        assert {head.created_at for head in told} == {LATER, made.created_at}
