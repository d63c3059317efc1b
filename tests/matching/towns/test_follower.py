"""What happens to a follower whose changes were dropped, or whose towns are in trouble."""

import gc
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from waiting import PATIENCE_S, until

from geo.errors import FeedGapError
from indexes.entities import Kind, Listing, Tenant
from indexes.feed import Feed
from indexes.store import Change, Store, open_store
from matching import ANYONE, Engine, NearQuery
from matching.rides.town import TripTown
from matching.towns.follower import Follower

QUERY = NearQuery(at=datetime(2025, 6, 14, 9, 30, tzinfo=UTC), origin=(5.37, 43.29))
SHOP = Listing(tenant_id="t", id="a", kind=Kind.MERCHANT, title="Le Four", lon=5.37, lat=43.29)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "town.db")
    store.put_all([Tenant(tenant_id=id, id=id, name="Port-Mitoyen") for id in "tu"])
    store.put_all([replace(SHOP, tenant_id=id) for id in "tu"])
    yield store
    store.close()


def found(engine: Engine) -> str:
    return "".join(match.id for match in engine.near(ANYONE, QUERY).matches)


def test_a_town_that_fell_behind_what_was_trimmed_is_read_anew(store: Store) -> None:
    engine = Engine.over(store, "t")
    store.put_all([replace(SHOP, id=id) for id in "bc"])
    for _ in range(2):  # the first remembers how far it is, the second drops all before
        store.trim(older_than_s=0.0)
    with pytest.raises(FeedGapError):
        store.changes(engine.position)
    engine.start()
    try:
        until(lambda: found(engine) == "abc")
        assert engine.rebuilds == 1
        written = store.put(replace(SHOP, id="d"))
        engine.wait_for(str(written), timeout_s=PATIENCE_S)
        assert found(engine) == "abcd"
    finally:
        engine.stop()


def test_a_gap_while_following_reads_every_town_anew_and_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = [Engine.over(store, id) for id in "tu"]
    follower = Follower(store)
    reads = Feed.read
    fallen_behind = True

    def read(feed: Feed, timeout_s: float) -> list[Change]:
        nonlocal fallen_behind
        changes = reads(feed, timeout_s)
        if changes and fallen_behind:
            fallen_behind = False
            raise FeedGapError("changes were dropped")
        return changes

    monkeypatch.setattr(Feed, "read", read)
    try:
        for engine in engines:
            engine.start(follower)
        written = store.put(replace(SHOP, id="b"))
        for engine in engines:
            engine.wait_for(str(written), timeout_s=PATIENCE_S)
        assert [found(engine) for engine in engines] == ["ab", "a"]
        assert [engine.rebuilds for engine in engines] == [1, 1]
        written = store.put(replace(SHOP, tenant_id="u", id="c"))
        engines[1].wait_for(str(written), timeout_s=PATIENCE_S)
        assert found(engines[1]) == "ac"
    finally:
        for engine in engines:
            engine.stop()
        follower.close()


def test_one_towns_trouble_is_not_the_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that cannot be applied, for whatever reason, is shown by reading all anew."""
    engines = [Engine.over(store, id) for id in "tu"]
    follower = Follower(store)
    touched = type(store).touched

    def fails_once(self: Store, tenant_id: str, changes: list[Change]) -> object:
        if tenant_id == "t":
            monkeypatch.setattr(type(store), "touched", touched)
            raise RuntimeError("nobody thought of this")
        return touched(self, tenant_id, changes)

    try:
        for engine in engines:
            engine.start(follower)
        monkeypatch.setattr(type(store), "touched", fails_once)
        written = store.put_all([replace(SHOP, tenant_id=id, id="b") for id in "tu"])
        for engine in engines:
            engine.wait_for(str(written), timeout_s=PATIENCE_S)
        assert [found(engine) for engine in engines] == ["ab", "ab"]
        assert [engine.rebuilds for engine in engines] == [1, 0]
    finally:
        for engine in engines:
            engine.stop()
        follower.close()


def test_a_town_that_cannot_be_tidied_up_is_read_anew_and_keeps_nobody_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips, others = TripTown(store, "t"), TripTown(store, "u")

    def fails_until_read_anew() -> None:
        if not trips.rebuilds:
            raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(trips, "compact", fails_until_read_anew)
    follower = Follower(store)
    try:
        follower.add(trips)
        follower.add(others)
        until(lambda: trips.rebuilds == 1 and not trips.wants_rebuild)
        others.expire()  # whose turn to be seen to comes after the other's
        until(lambda: others.rebuilds == 1 and not others.wants_rebuild)
        written = store.put_all([replace(SHOP, tenant_id=id, id="b") for id in "tu"])
        assert all(town.wait_for(written, PATIENCE_S) for town in (trips, others))
    finally:
        follower.close()


def read_anew_and_removed(follower: Follower, store: Store) -> "weakref.ref[TripTown]":
    town = TripTown(store, "t")
    follower.add(town)
    town.expire()
    store.put(replace(SHOP, id="b"))
    until(lambda: town.rebuilds == 1 and not town.wants_rebuild)
    follower.remove(town)
    return weakref.ref(town)


def test_a_town_that_goes_is_not_kept(store: Store) -> None:
    follower = Follower(store)
    try:
        kept = read_anew_and_removed(follower, store)
        until(lambda: gc.collect() >= 0 and kept() is None)
    finally:
        follower.close()


def test_the_last_town_that_goes_stops_nothing_for_the_next(store: Store) -> None:
    follower = Follower(store)
    try:
        for id in "tut":
            engine = Engine.over(store, id)
            engine.start(follower)
            written = store.put(replace(SHOP, tenant_id=id, title=f"Le Four {time.monotonic()}"))
            engine.wait_for(str(written), timeout_s=PATIENCE_S)
            engine.stop()
    finally:
        follower.close()
