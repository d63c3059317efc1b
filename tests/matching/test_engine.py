"""The engine of one process: it reads once, follows its store, and says how far it has come."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from waiting import PATIENCE_S, until

import indexes.feed
from geo.errors import IndexBehindError, InputError, NotFoundError, StoreError
from indexes.entities import Kind, Listing, Tenant
from indexes.journeys import Trip
from indexes.store import Store, open_store
from matching import ANYONE, Engine, NearQuery
from matching.recommending.voices import VoiceTown
from matching.towns.follower import Follower
from matching.trusting.town import TrustTown

QUERY = NearQuery(at=datetime(2025, 6, 14, 9, 30, tzinfo=UTC), origin=(5.37, 43.29))
TENANT = Tenant(tenant_id="t", id="t", name="Port-Mitoyen")
SHOP = Listing(tenant_id="t", id="four", kind=Kind.MERCHANT, title="Le Four", lon=5.37, lat=43.29)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "town.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_store(path)
    store.put_all([TENANT, SHOP])
    yield store
    store.close()


def found(engine: Engine) -> list[str]:
    return [match.id for match in engine.near(ANYONE, QUERY).matches]


def test_reads_come_from_memory_until_it_is_refreshed(store: Store) -> None:
    engine = Engine.over(store, "t")
    assert found(engine) == ["four"]
    store.put(replace(SHOP, id="a"))
    store.delete(Listing, "t", "four")
    assert found(engine) == ["four"]
    assert engine.refresh() is True
    assert found(engine) == ["a"]
    assert engine.refresh() is False
    store.close()
    assert found(engine) == ["a"]


def test_its_position_is_that_of_what_it_answers(store: Store) -> None:
    engine = Engine.over(store, "t")
    before = engine.position
    assert before == store.position()
    written = store.put(replace(SHOP, id="a"))
    assert engine.position == before
    engine.refresh()
    assert engine.position >= written
    assert engine.near(ANYONE, QUERY).position == str(engine.position)


def test_waiting_for_a_write_reads_it(store: Store) -> None:
    engine = Engine.over(store, "t")
    written = store.put(replace(SHOP, id="a"))
    engine.wait_for(str(written), timeout_s=PATIENCE_S)
    assert found(engine) == ["a", "four"]
    engine.wait_for(str(written), timeout_s=0.0)


def test_a_position_that_is_not_reached_in_time_is_an_error(store: Store) -> None:
    engine = Engine.over(store, "t")
    now = store.position()
    with pytest.raises(IndexBehindError) as caught:
        engine.wait_for(str(replace(now, seq=now.seq + 1)), timeout_s=0.05)
    assert caught.value.code == "index-behind"


@pytest.mark.parametrize("text", ["", "x", "1-2", "-0-1", "a-b-c", "a-0-" + "9" * 80])
def test_what_is_no_position_is_refused(store: Store, text: str) -> None:
    with pytest.raises(InputError) as caught:
        Engine.over(store, "t").wait_for(text, timeout_s=0.0)
    assert caught.value.code == "invalid-position"


def test_a_position_of_another_store_is_refused(store: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path / "other.db")
    written = other.put(TENANT)
    other.close()
    with pytest.raises(InputError) as caught:
        Engine.over(store, "t").wait_for(str(written), timeout_s=0.0)
    assert caught.value.code == "invalid-position"


def test_started_it_follows_its_store_until_it_is_stopped(store: Store) -> None:
    engine = Engine.over(store, "t")
    engine.start()
    try:
        written = store.put(replace(SHOP, id="a"))
        engine.wait_for(str(written), timeout_s=PATIENCE_S)
        assert found(engine) == ["a", "four"]
    finally:
        engine.stop()
    store.put(replace(SHOP, id="b"))
    time.sleep(0.5)  # two turns of its thread, were there one
    assert found(engine) == ["a", "four"]
    engine.stop()  # once more does nothing


class Failing:
    """A store that stops answering when it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.down = False

    def __getattr__(self, name: str) -> object:
        if self.down and name in ("changes", "position", "touched", "listing_table"):
            raise StoreError("the store is away")
        return getattr(self._store, name)


def test_its_age_counts_from_the_last_time_it_was_current(store: Store) -> None:
    failing = Failing(store)
    engine = Engine(failing, "t")  # type: ignore[arg-type]
    time.sleep(0.05)
    assert engine.age_s == engine.lag_s == 0.0  # nobody follows, so nothing grows old
    engine.start()
    try:
        until(lambda: engine.age_s < 0.3)
        current_at = time.monotonic() - engine.age_s
        failing.down = True
        until(lambda: engine.age_s >= 0.5)
        assert engine.age_s <= time.monotonic() - current_at + 0.001  # it is rounded
        assert engine.near(ANYONE, QUERY).index_age_s >= 0.5
        failing.down = False
        until(lambda: engine.age_s < 0.3)
    finally:
        engine.stop()
    assert engine.age_s == 0.0


def test_while_the_store_is_away_it_answers_from_memory_and_goes_on_after(store: Store) -> None:
    failing = Failing(store)
    engine = Engine(failing, "t")  # type: ignore[arg-type]
    failing.down = True
    with pytest.raises(StoreError):
        engine.refresh()
    failing.down = False
    engine.start()
    try:
        failing.down = True
        written = store.put(replace(SHOP, id="a"))
        with pytest.raises(IndexBehindError):
            engine.wait_for(str(written), timeout_s=0.5)
        assert found(engine) == ["four"]
        assert engine.age_s > 0.0
        failing.down = False
        engine.wait_for(str(written), timeout_s=PATIENCE_S)
        assert found(engine) == ["a", "four"]
    finally:
        engine.stop()


def test_trips_are_read_when_they_are_asked_for_or_followed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> list[Trip]:
        raise StoreError("the store is away")

    monkeypatch.setattr(store, "trips", away)
    engine = Engine.over(store, "t")
    assert found(engine) == ["four"]
    with pytest.raises(StoreError):
        _ = engine.trips
    with pytest.raises(StoreError):
        engine.start()
    monkeypatch.undo()
    assert engine.trips is engine.trips


def test_who_can_not_be_started_is_not_followed_at_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(town: TrustTown) -> None:
        raise StoreError("the store is away")

    engine, follower = Engine.over(store, "t"), Follower(store)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(TrustTown, "refresh", away)  # some of it has been added by then
            with pytest.raises(StoreError):
                engine.start(follower)
        assert follower._towns == []
        assert engine.age_s == 0.0  # nobody follows
        engine.start(follower)
        written = store.put(replace(SHOP, id="a"))
        engine.wait_for(str(written), timeout_s=PATIENCE_S)
    finally:
        engine.stop()
        follower.close()


def test_who_is_stopped_while_recommendations_are_read_is_not_followed_for_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, follower = Engine.over(store, "t"), Follower(store)
    engine.start(follower)
    stopping, add = threading.Thread(target=engine.stop), follower.add

    def interrupted(town: VoiceTown) -> None:
        stopping.start()
        stopping.join(0.1)  # long enough to stop, unless it has to wait for its turn
        add(town)

    monkeypatch.setattr(follower, "add", interrupted)
    try:
        engine.read_voices()
        stopping.join(PATIENCE_S)
        assert follower._towns == []
    finally:
        engine.stop()
        follower.close()


def test_what_was_read_when_the_store_went_away_is_not_lost(store: Store) -> None:
    """The feed has given a change, and the row behind it can't be read: it is read later."""
    failing = Failing(store)
    engine = Engine(failing, "t")  # type: ignore[arg-type]
    follower = Follower(failing)  # type: ignore[arg-type]
    changes = store.changes

    def once(*asked: object) -> object:
        found = changes(*asked)  # type: ignore[arg-type]
        failing.down = bool(found)
        return found

    store.changes = once  # type: ignore[method-assign, assignment]
    engine.start(follower)
    try:
        written = store.put(replace(SHOP, id="a"))
        until(lambda: failing.down)
        store.changes = changes  # type: ignore[method-assign]
        assert found(engine) == ["four"]
        failing.down = False
        engine.wait_for(str(written), timeout_s=PATIENCE_S)
        assert found(engine) == ["a", "four"]
    finally:
        engine.stop()
        follower.close()


def test_one_reader_of_the_feed_serves_every_tenant(store: Store) -> None:
    store.put(Tenant(tenant_id="u", id="u", name="Ailleurs"))
    store.put(replace(SHOP, tenant_id="u", id="other"))
    follower = Follower(store)
    engines = [Engine.over(store, tenant) for tenant in ("t", "u")]
    late = store.put(replace(SHOP, id="between"))  # read by one before it follows
    try:
        for engine in engines:
            engine.start(follower)
            assert engine.position >= late
        before = [engine.applied for engine in engines]
        written = store.put(replace(SHOP, tenant_id="u", id="a"))
        for engine in engines:
            engine.wait_for(str(written), timeout_s=PATIENCE_S)
        assert [found(engine) for engine in engines] == [["between", "four"], ["a", "other"]]
        # Another tenant's change is a position to this one, and no more.
        assert [engine.applied for engine in engines] == [before[0], before[1] + 1]
        engines[0].stop()
        written = store.put(replace(SHOP, id="b"))
        engines[1].wait_for(str(written), timeout_s=PATIENCE_S)
        assert found(engines[0]) == ["between", "four"]
    finally:
        engines[1].stop()
        follower.close()


def test_a_waiting_reader_is_woken_when_its_write_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes.feed, "POLL_S", 2 * PATIENCE_S)  # a poll alone would be too late
    engine = Engine.over(store, "t")
    engine.start()
    try:
        for i in range(20):
            written = store.put(replace(SHOP, id=f"n{i}"))
            engine.wait_for(str(written), timeout_s=PATIENCE_S)
            assert f"n{i}" in found(engine)
    finally:
        engine.stop()


def test_a_store_is_opened_by_name_and_closed_again(store: Store, path: Path) -> None:
    engine = Engine.open(path)
    assert found(engine) == ["four"]
    engine.start()
    engine.close()
    assert found(engine) == ["four"]


def test_only_what_it_opened_is_closed(store: Store) -> None:
    Engine.over(store, "t").close()
    assert store.tenants() == ["t"]


def test_several_tenants_want_one_to_be_named(store: Store, path: Path) -> None:
    store.put(Tenant(tenant_id="u", id="u", name="Ailleurs"))
    with pytest.raises(InputError, match="t, u"):
        Engine.open(path)
    engine = Engine.open(path, "u")
    assert found(engine) == []
    engine.close()


def test_no_tenant_of_that_name_and_no_store_there_are_errors(
    store: Store, path: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError):
        Engine.over(store, "nobody")
    with pytest.raises(NotFoundError):
        Engine.open(path, "nobody")
    with pytest.raises(StoreError):
        Engine.open(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
