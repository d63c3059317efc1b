"""The feed loses and doubles nothing: overlapping writers, cut connections, stores away."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import pairwise

import psycopg
import pytest
from sqlalchemy import make_url
from store_records import RESIDENCE, SHOP, TENANT
from waiting import PATIENCE_S

import indexes.feed
from geo.errors import FeedGapError, InputError, StoreError
from indexes.entities import Listing
from indexes.feed import Feed
from indexes.store import Position, Store, open_store

WRITERS, BATCHES, BATCH, CUTS = 8, 100, 25, 20
EXPECTED = sorted(f"{w}-{b:03d}-{i:02d}" for w in range(WRITERS) for b in range(BATCHES)
                  for i in range(BATCH))  # fmt: skip


@contextmanager
def running(*works: Callable[[], None]) -> Iterator[None]:
    """Each in a thread of its own; what one raises is raised here, at the end."""
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()
    assert failures == []


def cut_at_even_steps(seen: list[str], cut: Callable[[], int]) -> None:
    """Cut `CUTS` times, from the first changes seen to near the last, each time something."""
    until = time.monotonic() + PATIENCE_S
    for step in range(CUTS):
        while len(seen) < step * len(EXPECTED) // (CUTS + 1) or not cut():
            assert time.monotonic() < until
            time.sleep(0.001)


def test_on_sqlite_nothing_is_lost_or_doubled_by_readers_that_begin_again(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(indexes.feed, "AT_ONCE", 100)
    enough = len(EXPECTED) // (CUTS + 1) - 100  # to be read by one of them
    path = tmp_path / "store.db"
    with closing(open_store(path)) as store:
        store.put(TENANT)
        start = store.position()

    def write(writer: int) -> None:
        with closing(open_store(path)) as store:
            for batch in range(BATCHES):
                store.put_all(
                    replace(RESIDENCE, id=f"{writer}-{batch:03d}-{i:02d}") for i in range(BATCH)
                )

    seen: list[str] = []
    position, opened = str(start), 0
    until = time.monotonic() + PATIENCE_S
    with running(*(lambda w=w: write(w) for w in range(WRITERS))):
        while len(seen) < len(EXPECTED) and time.monotonic() < until:
            # A new process would know no more than this.
            opened, goal = opened + 1, min(len(seen) + enough, len(EXPECTED))
            with closing(open_store(path)) as store:
                feed = Feed(store, Position.parse(position))
                while len(seen) < goal and time.monotonic() < until:
                    seen += [change.id for change in feed.read(0.2)]
                position = str(feed.position)
                feed.close()
    assert opened > CUTS
    assert sorted(seen) == EXPECTED


def test_on_postgis_nothing_is_lost_or_doubled_while_the_reader_is_cut(postgis_dsn):
    url = make_url(postgis_dsn)
    reader_dsn = url.update_query_dict({"application_name": "reader"})
    store = open_store(reader_dsn.render_as_string(hide_password=False))
    store.put(TENANT)
    start = store.position()
    insert = "INSERT INTO residences (tenant_id, id, name) VALUES ('t', %s, 'Les Pins')"

    def write(writer: int) -> None:
        chance = random.Random(writer)
        with psycopg.connect(postgis_dsn) as db:
            for batch in range(BATCHES):
                ids = [(f"{writer}-{batch:03d}-{i:02d}",) for i in range(BATCH)]
                half = chance.randrange(BATCH)
                with db.transaction(), db.cursor() as run:
                    run.executemany(insert, ids[:half])
                    time.sleep(chance.uniform(0, 0.02))  # others begin and commit meanwhile
                    run.executemany(insert, ids[half:])

    done, all_cut = threading.Event(), threading.Event()
    naively: list[str] = []

    def read_naively() -> None:
        last = start.seq
        with psycopg.connect(postgis_dsn, autocommit=True) as db:
            while not done.wait(0.002):
                asked = "SELECT seq, id FROM outbox WHERE seq > %s ORDER BY seq"
                for seq, id in db.execute(asked, (last,)).fetchall():
                    naively.append(id)
                    last = seq

    def cut_reader() -> None:
        cut = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'reader'"
        )
        try:
            with psycopg.connect(postgis_dsn, autocommit=True) as db:
                cut_at_even_steps(seen, lambda: db.execute(cut).fetchone()[0])
        finally:
            all_cut.set()

    seen: list[str] = []
    failed = 0
    feed = Feed(store, start)
    until = time.monotonic() + PATIENCE_S
    with running(*(lambda w=w: write(w) for w in range(WRITERS)), read_naively, cut_reader):
        try:
            # There must be a reader to be cut, even if it has seen all.
            while not (all_cut.is_set() and len(seen) >= len(EXPECTED)):
                assert time.monotonic() < until
                try:
                    seen += [change.id for change in feed.read(0.1)]
                except StoreError:
                    failed += 1
        finally:
            done.set()
    assert sorted(seen) == EXPECTED
    assert failed
    # The test can fail: whoever takes the order of numbers for the order of commits loses some.
    assert len(set(naively)) < len(EXPECTED)
    feed.close()
    store.close()


def test_a_read_is_woken_by_a_commit_and_does_not_wait_for_the_next_look(
    dsn, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(indexes.feed, "POLL_S", 2 * PATIENCE_S)
    with closing(open_store(dsn)) as store, closing(open_store(dsn)) as other:
        store.put(TENANT)
        for writer in (store, other):
            feed = Feed(store, store.position())
            assert feed.read(0) == []  # listens from now on

            def write(writer: Store = writer) -> None:
                time.sleep(0.1)
                writer.put_all([replace(RESIDENCE, name=str(time.monotonic_ns()))])

            with running(write):
                assert [change.id for change in feed.read(PATIENCE_S)] == ["r1"]
            feed.close()


def test_of_transactions_that_write_at_once_one_wakes_who_listens(postgis_dsn):
    """So that the others needn't wait for it at their commit; the feed finds them all the same."""
    insert = "INSERT INTO residences (tenant_id, id, name) VALUES ('t', %s, 'Les Pins')"
    with (
        closing(open_store(postgis_dsn)) as store,
        closing(store.listen()) as listener,
        psycopg.connect(postgis_dsn) as first,
        psycopg.connect(postgis_dsn, autocommit=True) as second,
    ):
        store.put(TENANT)
        assert listener.wait(PATIENCE_S)
        feed = Feed(store, store.position())
        first.execute(insert, ("a",))
        second.execute(insert, ("b",))
        assert not listener.wait(0.3)
        first.commit()
        assert listener.wait(PATIENCE_S)
        assert sorted(change.id for change in feed.read(PATIENCE_S)) == ["a", "b"]
        second.execute(insert, ("c",))
        assert listener.wait(PATIENCE_S)
        feed.close()


def test_a_lost_wake_up_delays_a_change_and_loses_none(dsn, monkeypatch: pytest.MonkeyPatch):
    class Deaf:
        def wait(self, timeout_s: float) -> bool:
            time.sleep(timeout_s)
            return False

        def close(self) -> None:
            pass

    with closing(open_store(dsn)) as store:
        monkeypatch.setattr(type(store), "listen", lambda self: Deaf())
        store.put(TENANT)
        feed = Feed(store, store.position())

        def write() -> None:
            time.sleep(0.1)
            store.put(RESIDENCE)

        with running(write):
            assert [change.id for change in feed.read(PATIENCE_S)] == ["r1"]


def test_a_read_of_nothing_returns_after_its_timeout(town: Store):
    feed = Feed(town, town.position())
    began = time.monotonic()
    assert feed.read(0.3) == []
    assert time.monotonic() - began >= 0.3
    feed.close()


def test_changes_come_once_and_in_order_however_many(town: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(indexes.feed, "AT_ONCE", 7)
    feed = Feed(town, town.position())
    town.put_all(replace(SHOP, id=f"shop{i:03d}") for i in range(30))
    found = []
    while some := feed.read(0):
        assert len(some) <= 7
        assert feed.position == some[-1].position
        found += some
    assert [change.id for change in found] == [f"shop{i:03d}" for i in range(30)]
    assert all(one.position < next_.position for one, next_ in pairwise(found))
    feed.close()


def test_the_lag_is_that_of_the_last_look_at_everything(
    town: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(indexes.feed, "AT_ONCE", 3)
    feed = Feed(town, town.position())
    town.put_all(replace(SHOP, id=f"shop{i}") for i in range(4))
    time.sleep(0.2)
    feed.read(0)  # one is left
    assert feed.lag_s >= 0.2
    looked_at = time.monotonic()
    feed.read(0)
    assert feed.lag_s <= time.monotonic() - looked_at
    feed.close()


def test_a_transaction_under_way_holds_up_later_changes_and_shows_as_lag(postgis_dsn):
    note = "INSERT INTO outbox (tenant_id, entity, id) VALUES ('t', 'listings', 'early')"
    with closing(open_store(postgis_dsn)) as store, psycopg.connect(postgis_dsn) as straggler:
        store.put(TENANT)
        feed = Feed(store, store.position())
        straggler.execute(note)
        store.put(RESIDENCE)
        assert feed.read(0.3) == []
        assert feed.lag_s >= 0.3
        with running(lambda: (time.sleep(0.1), straggler.commit())[0]):
            found = feed.read(PATIENCE_S)
        looked_at = time.monotonic()
        found += feed.read(0)
        assert [change.id for change in found] == ["early", "r1"]
        assert feed.lag_s <= time.monotonic() - looked_at
        feed.close()


def test_a_read_fails_while_the_store_is_away_and_goes_on_once_it_is_back(postgis, postgis_dsn):
    name = make_url(postgis_dsn).database
    with (
        closing(open_store(postgis_dsn)) as store,
        psycopg.connect(postgis.dsn, autocommit=True) as operator,
    ):
        store.put(TENANT)
        feed = Feed(store, store.position())
        assert feed.read(0) == []
        store.put(RESIDENCE)
        operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        for _ in range(3):
            with pytest.raises(StoreError):
                feed.read(0.1)
        operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert [change.id for change in feed.read(1)] == ["r1"]
        feed.close()


def test_a_cut_while_a_read_waits_is_an_error_and_no_silence(postgis_dsn):
    with closing(open_store(postgis_dsn)) as store, psycopg.connect(postgis_dsn) as operator:
        operator.autocommit = True
        store.put(TENANT)
        feed = Feed(store, store.position())
        assert feed.read(0) == []  # listens from now on, however soon it is cut

        def cut() -> None:
            time.sleep(0.1)
            operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        with running(cut), pytest.raises(StoreError):
            feed.read(PATIENCE_S)
        store.put(RESIDENCE)
        assert [change.id for change in feed.read(1)] == ["r1"]
        feed.close()


def test_a_file_that_is_gone_is_an_error_and_is_not_made_again(tmp_path):
    path = tmp_path / "store.db"
    with closing(open_store(path)) as store:
        store.put(TENANT)
        feed = Feed(store, store.position())
        for file in tmp_path.iterdir():
            file.rename(file.with_name(f"moved-{file.name}"))
        with pytest.raises(StoreError):
            feed.read(0)
        assert not path.exists()


def test_a_position_of_another_store_is_refused(town: Store):
    with pytest.raises(InputError, match="another store"):
        Feed(town, replace(town.position(), store="00000000")).read(0)


def test_a_reader_that_fell_behind_is_told_so(town: Store):
    behind, edge = Feed(town, town.position()), Feed(town, town.put(SHOP))
    assert edge.position == town.put(SHOP)
    town.put(replace(SHOP, title="Brioche"))
    edge.read(0)
    town.trim(older_than_s=0)
    with pytest.raises(FeedGapError):
        behind.read(0)
    assert edge.read(0) == []
    town.delete(Listing, "t", "p1")
    assert [change.id for change in edge.read(1)] == ["p1"]
    behind.close()
    edge.close()
