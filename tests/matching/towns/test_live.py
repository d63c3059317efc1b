"""A town that changes all the time answers as one looked at by hand, whatever came before."""

import sys
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from near_checks import assert_equal, walked
from town_changes import EVERY, Changes
from waiting import until, until_shown
from worlds import NOW, make_questions, make_town

import matching.towns.live
import matching.towns.loaded
import matching.towns.ranks
from indexes.entities import GroupPartition, Kind, Listing, Tenant
from indexes.store import Change, Store, open_store
from matching import ANYONE, Engine, NearQuery, Profiles, near
from matching.towns.live import LiveTown

SEEDS = st.integers(0, 2**32 - 1)
EVERYWHERE_M = 20_000_000.0


class LiveTownMachine(RuleBasedStateMachine):
    """Any program of writes, searches, rebuilds and restarts. Each example is a tenant more."""

    dsn: str
    tenants: Iterator[int]
    failures: list[Exception]  # of all examples, as they came
    changes: Changes | None = None

    @initialize(seed=SEEDS, listings=st.sampled_from([0, 3, 30]), followed=st.booleans())
    def begin(self, seed: int, listings: int, followed: bool) -> None:
        self.store = open_store(self.dsn)
        town = make_town(seed, f"t{next(self.tenants)}", listings=listings)
        town.put(self.store)
        self.changes = Changes(town, self.store)
        self.followed = followed
        self.engine: Engine | None = None
        self.written = self.store.position()
        self.restart()

    @rule()
    def restart(self) -> None:
        if self.engine is not None:
            self.engine.stop()
        self.engine = Engine.over(self.store, self.changes.town.tenant_id)
        if self.followed:
            self.engine.start()

    @rule(seed=SEEDS, number=st.integers(1, 40))
    def come(self, seed: int, number: int) -> None:
        self.written = self.changes.come(seed, number)

    @rule(seed=SEEDS, what=st.lists(st.sampled_from(EVERY), min_size=1, max_size=5))
    def change(self, seed: int, what: list[str]) -> None:
        for i, name in enumerate(what):
            self.written = self.changes.some(seed + i, name)
        self.search(seed)

    @rule(seed=SEEDS)
    def cut_groups(self, seed: int) -> None:
        self.written = self.changes.cut_groups(seed)

    @rule()
    def compact(self) -> None:
        self.engine._town._state.index.compact()

    @rule()
    def rebuild(self) -> None:
        self.engine._town.rebuild()

    @rule(seed=SEEDS)
    def search(self, seed: int) -> None:
        town = self.changes.town
        until_shown(self.engine, self.written)
        # What has just changed for a member is asked for by that member.
        concerned, self.changes.concerned = self.changes.concerned[-5:], []
        asked = make_questions(town, seed, 2) + make_questions(town, seed, 2, concerned)
        # Pages and radii hide much of what may be wrong, filters too: some ask for all there is.
        wide = [(one, replace(query, radius_m=EVERYWHERE_M, limit=200)) for one, query in asked]
        viewer, query = asked[-1]
        everything = NearQuery(at=NOW, origin=query.origin, radius_m=EVERYWHERE_M, limit=200)
        asked += [*wide, (viewer, everything)]
        for viewer, query in asked:
            assert_equal(walked(self.engine, viewer, query), town, viewer, query)

    def teardown(self) -> None:
        if self.changes is None:
            return
        try:
            if sys.exception() is None:  # else a step has failed: nothing may hide how
                self.search(0)
        finally:
            if isinstance(failure := sys.exception(), Exception):
                self.failures.append(failure)
            self.engine.stop()
            self.store.close()


SHOP = Listing(tenant_id="t", id="a", kind=Kind.MERCHANT, title="Le Four", lon=5.37, lat=43.29)
QUERY = NearQuery(at=NOW, origin=(5.37, 43.29), radius_m=500.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "town.db")
    store.put_all([Tenant(tenant_id="t", id="t", name="Port-Mitoyen"), SHOP, shop("c")])
    yield store
    store.close()


def shop(id: str) -> Listing:
    return replace(SHOP, id=id)


def found(engine: Engine) -> str:
    return "".join(match.id for match in engine.near(ANYONE, QUERY).matches)


def test_equal_listings_are_in_the_order_of_ids_whenever_they_came(store: Store) -> None:
    engine = Engine.over(store, "t")
    for id in "bedB":
        store.put(shop(id))
        assert engine.refresh()
    assert found(engine) == "Babcde"
    assert [m.id for a in walked(engine, ANYONE, replace(QUERY, limit=1)) for m in a.matches] == [
        *"Babcde"
    ]
    store.put(replace(shop("b"), lon=5.371))
    store.delete(Listing, "t", "c")
    engine.refresh()
    assert found(engine) == "Badeb"
    store.put_all([shop("b"), shop("c")])
    engine.refresh()
    assert found(engine) == "Babcde"
    assert engine.rebuilds == 0


def test_a_row_that_is_read_again_and_is_the_same_takes_no_place(store: Store) -> None:
    town = LiveTown(store, "t")
    before = town.snapshot
    changes = [Change(town.snapshot.position, "t", "listings", id) for id in ("a", "c", "nobody")]
    later = replace(town.snapshot.position, seq=town.snapshot.position.seq + 1)
    town.apply([replace(change, position=later) for change in changes], later)
    assert town.pending == 0
    assert town.applied == 3
    assert town.snapshot.position == later
    assert town.snapshot.catalog is before.catalog


def test_a_batch_is_seen_all_at_once_and_not_by_a_search_under_way(store: Store) -> None:
    town = LiveTown(store, "t")
    under_way = town.snapshot
    profiles = Profiles.load()
    store.put_all([shop("b"), replace(shop("c"), opening_hours="24/7", category="new.words")])
    store.delete(Listing, "t", "a")
    town.catch_up()
    answers = [
        near(snapshot, profiles, b"", ANYONE, QUERY) for snapshot in (under_way, town.snapshot)
    ]
    assert [[match.id for match in answer.matches] for answer in answers] == [
        ["a", "c"],
        ["c", "b"],
    ]
    assert [match.category for match in answers[1].matches] == ["new.words", ""]


class Interrupted:
    """A store in which something happens right after all listings have been read."""

    def __init__(self, store: Store, meanwhile: Callable[[], object]) -> None:
        self._store = store
        self.meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def listing_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        table = self._store.listing_table(tenant_id, ids)
        if ids is None:
            self.meanwhile()
        return table


def test_what_changes_while_everything_is_read_anew_is_there_before_and_after(store: Store) -> None:
    interrupted = Interrupted(store, lambda: None)
    engine = Engine(interrupted, "t")  # type: ignore[arg-type]
    seen = []

    def meanwhile() -> None:
        store.put(shop("b"))
        store.delete(Listing, "t", "c")
        for part in engine._parts:
            part.catch_up()
        seen.append((found(engine), engine.position == store.position()))

    interrupted.meanwhile = meanwhile
    engine._town.rebuild()
    assert seen == [("ab", True)]
    assert found(engine) == "ab"
    assert engine.position == store.position()
    assert (engine.rebuilds, engine.pending) == (1, 1)  # what was read before it came


def test_new_groups_hold_the_position_until_they_are_shown(store: Store) -> None:
    town = LiveTown(store, "t")
    before = town.snapshot.position
    store.put_groups(GroupPartition(tenant_id="t", version=1, groups=()))
    written = store.put(shop("b"))
    town.catch_up()
    assert town.wants_rebuild
    assert town.stale_s > 0.0
    assert town.snapshot.position == before  # or whoever waits would see old groups
    assert not town.wait_for(written, timeout_s=0.0)
    town.rebuild()
    assert (town.wants_rebuild, town.stale_s) == (False, 0.0)
    assert town.wait_for(written, timeout_s=0.0)


def test_when_much_has_changed_everything_is_read_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching.towns.loaded, "PENDING_ROWS", 5)
    engine = Engine.over(store, "t")
    for i in range(6):
        assert engine.rebuilds == 0
        store.put(shop(f"n{i}"))
        engine.refresh()
    assert (engine.rebuilds, engine.pending) == (1, 0)


def test_ids_that_come_between_the_last_two_for_ever_are_read_one_by_one(store: Store) -> None:
    engine = Engine.over(store, "t")
    low, high, before = 0, 10**40, []
    page = replace(QUERY, limit=4)
    for turn in range(120):  # a rank for every second number takes 120 bits
        low, high = (low, (low + high) // 2) if turn % 2 else ((low + high) // 2, high)
        store.put_all([shop(f"b{low:041}"), shop(f"b{high:041}")])
        engine.refresh()
        # A page that begins before the ranks are spread anew goes on after it.
        if before and before[0].next:
            ids = [match.id for match in before[0].matches]
            rest = engine.near(ANYONE, replace(page, limit=200, cursor=before.pop().next))
            ids += [match.id for match in rest.matches]
            assert ids == sorted(ids)
        before.append(engine.near(ANYONE, page))
    assert engine.rebuilds == 0
    ids = [match.id for match in engine.near(ANYONE, replace(QUERY, limit=200)).matches]
    assert ids == sorted(ids)
    assert len(ids) > 120


def test_when_no_rank_is_left_at_all_everything_is_read_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.over(store, "t")
    monkeypatch.setattr(matching.towns.ranks, "GAP", 8)
    store.put_all([shop(f"b{i}") for i in range(9)])
    engine.refresh()
    assert engine.rebuilds == 1


def test_many_rows_are_packed_while_they_are_searched(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching.towns.live, "COMPACTED", 10)
    engine = Engine.over(store, "t")
    newest = []
    for i in range(30):
        store.put(replace(shop(f"n{i:02}"), text=f"n{i}"))
        engine.refresh()
        newest.append(engine._town._state.index.newest)
        assert len(engine.near(ANYONE, replace(QUERY, limit=200)).matches) == i + 3
    assert max(newest) == 10
    assert [match.id for match in engine.near(ANYONE, replace(QUERY, text="n17")).matches] == [
        "n17"
    ]


def test_searches_beside_changes_and_rebuilds_never_see_half_of_a_batch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every listing is replaced in each batch: all titles of an answer are those of one."""
    monkeypatch.setattr(matching.towns.live, "COMPACTED", 50)
    ids = [f"n{i:02}" for i in range(20)]
    store.put_all([replace(shop(id), title="0") for id in ids])
    engine = Engine.over(store, "t")
    wide = replace(QUERY, limit=200, text="0 1 2 3 4 5 6 7 8 9")
    mixed: list[set[str]] = []
    asked, over = [0, 0], threading.Event()

    def ask(who: int) -> None:
        while not over.is_set():
            matches = engine.near(ANYONE, wide if who else replace(QUERY, limit=200)).matches
            titles = [match.title for match in matches if match.id in ids]
            if len(titles) != len(ids) or len(set(titles)) != 1:
                mixed.append(set(titles))
            asked[who] += 1

    def rebuild() -> None:
        while not over.is_set():
            engine._town.rebuild()

    threads = [
        *(threading.Thread(target=ask, args=(who,)) for who in (0, 1)),
        threading.Thread(target=rebuild),
    ]
    for thread in threads:
        thread.start()
    try:
        for batch in range(1, 30):
            written = store.put_all([replace(shop(id), title=str(batch % 10)) for id in ids])
            until_shown(engine, written)
        until(lambda: min(asked) > 10 and engine.rebuilds > 1)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert mixed == []


def run(dsn: str, examples: int) -> None:
    class Machine(LiveTownMachine):
        pass

    Machine.dsn, Machine.tenants, Machine.failures = dsn, count(), []
    try:
        run_state_machine_as_test(
            Machine, settings=settings(max_examples=max(2, examples), stateful_step_count=20)
        )
    except Flaky as error:
        # The threads of a town that is followed run otherwise when the program is run again: it
        # may succeed then, and all that would be told is that it does.
        raise next(iter(Machine.failures), error) from error


def test_any_program_equals_the_oracle_on_sqlite(tmp_path: Path) -> None:
    run(str(tmp_path / "town.db"), settings().max_examples // 6)


def test_any_program_equals_the_oracle_on_postgis(postgis_dsn: str) -> None:
    run(postgis_dsn, settings().max_examples // 10)
