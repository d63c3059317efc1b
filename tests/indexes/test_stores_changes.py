"""The Store port on changes, many writers and killed ones, against every store."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from store_records import (
    SHOP,
    TENANT,
    TOWN,
    start_of,
)
from waiting import PATIENCE_S

from geo.errors import InputError
from indexes.entities import (
    Listing,
    Residence,
)
from indexes.store import ImportMark, Position, Store, open_store


def test_every_change_is_noted_once_in_order(town: Store) -> None:
    start = town.position()
    town.put(replace(SHOP, title="Brioche"))
    town.put_all([replace(SHOP, id="p2"), replace(SHOP, id="p3")])
    town.delete(Listing, "t", "p2")
    changes = town.changes(start)
    assert [(c.entity, c.id) for c in changes] == [
        *(("listings", "p1"), ("listings", "p2"), ("listings", "p3"), ("listings", "p2")),
    ]
    assert changes[-1].position == town.position()
    assert town.changes(start, limit=2) == changes[:2]
    assert town.changes(changes[1].position) == changes[2:]


def test_what_is_put_again_unchanged_is_no_change(town: Store) -> None:
    before = town.position()
    assert town.put_all(TOWN) == before
    assert town.changes(before) == []


def test_of_thousands_put_again_only_the_changed_are_noted(town: Store) -> None:
    # More than any statement or message of a store takes at once, and no round number.
    shops = [replace(SHOP, id=f"shop{i:05d}", title=f"Boutique {i}") for i in range(2_345)]
    town.put_all(reversed(shops))
    kept = town.page(Listing, "t", after="shop", limit=3_000)
    assert [(shop.id, shop.title) for shop in kept[: len(shops)]] == [
        (shop.id, shop.title) for shop in shops
    ]
    before = town.position()
    moved = [replace(shop, lat=43.3) if i % 1_000 == 7 else shop for i, shop in enumerate(shops)]
    added = replace(SHOP, id="shop99999")
    town.put_all([*moved, added])
    changed = ["shop00007", "shop01007", "shop02007", "shop99999"]
    assert sorted(change.id for change in town.changes(before)) == changed
    assert [town.get(Listing, "t", id).lat for id in changed[:3]] == [43.3] * 3
    assert town.get(Listing, "t", "shop00008").lat == SHOP.lat


def test_both_instants_of_a_repeated_hour_are_kept(town: Store) -> None:
    # Python calls the two equal, as their clocks show the same.
    paris = ZoneInfo("Europe/Paris")
    first = datetime(2025, 10, 26, 2, 30, tzinfo=paris)
    second = first.replace(fold=1)
    town.put_all(
        replace(SHOP, id=id, valid_from=start) for id, start in (("one", first), ("two", second))
    )
    assert town.get(Listing, "t", "one").valid_from == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert town.get(Listing, "t", "two").valid_from == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


def test_a_write_tells_its_position(town: Store) -> None:
    before = town.position()
    after = town.put(replace(SHOP, title="Brioche"))
    assert after > before
    assert town.position() == after == Position.parse(str(after))


def test_a_foreign_position_is_refused(town: Store) -> None:
    for foreign in (Position("00000000", 0, 0), Position("", 0, 0)):
        with pytest.raises(InputError) as raised:
            town.changes(foreign)
        assert raised.value.code == "invalid-position"


def test_followers_lose_no_change_of_many_writers(dsn: str) -> None:
    store = open_store(dsn)
    store.put(TENANT)
    after, seen = store.position(), []
    per_writer, writers = 40, 4

    def write(writer: int) -> None:
        for i in range(per_writer):
            store.put(replace(SHOP, id=f"{writer}-{i}"))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + PATIENCE_S
    while len(seen) < per_writer * writers and time.monotonic() < until:
        for change in store.changes(after, limit=7):
            seen.append(change.id)
            after = change.position
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(f"{w}-{i}" for w in range(writers) for i in range(per_writer))
    assert store.count(Listing, "t") == per_writer * writers
    store.close()


def test_the_feed_waits_for_a_transaction_that_began_before(postgis_dsn: str) -> None:
    import psycopg

    store = open_store(postgis_dsn)
    store.put(TENANT)
    start = store.position()
    note = "INSERT INTO outbox (tenant_id, entity, id) VALUES ('t', 'listings', 'early')"
    with psycopg.connect(postgis_dsn) as straggler:
        straggler.execute(note)
        late = store.put(SHOP)
        assert store.changes(start) == []
        assert store.position() == start < late
    assert [change.id for change in store.changes(start)] == ["early", "p1"]
    assert store.position() == late
    store.close()


# Several processes, and their end.


def test_concurrent_writers_of_the_same_records_all_succeed(dsn: str) -> None:
    store = open_store(dsn)
    store.put(TENANT)
    records = [replace(SHOP, id=str(i)) for i in range(200)]
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for round_ in range(5):
                mine = [replace(one, title=f"{writer} {round_}") for one in records]
                store.put_all(mine if writer % 2 else reversed(mine))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    # Each batch is whole: the last one to commit wrote all of them.
    assert len({one.title for one in store.page(Listing, "t", limit=1000)}) == 1
    store.close()


def test_a_writer_replaces_what_another_inserts_meanwhile(postgis_dsn: str) -> None:
    import psycopg

    store = open_store(postgis_dsn)
    store.put(TENANT)
    start = store.position()
    ours = [Residence(tenant_id="t", id=f"r{i}", name="ours") for i in range(3)]
    writer = threading.Thread(target=store.put_all, args=(ours,))
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with (
        psycopg.connect(postgis_dsn, autocommit=True) as observer,
        psycopg.connect(postgis_dsn) as other,
    ):
        other.execute("INSERT INTO residences (tenant_id, id, name) VALUES ('t', 'r1', 'theirs')")
        writer.start()
        deadline = time.monotonic() + PATIENCE_S
        while observer.execute(waiting).fetchone() == (0,):
            assert writer.is_alive() and time.monotonic() < deadline
            time.sleep(0.01)
        other.commit()
    writer.join()
    assert store.page(Residence, "t") == ours
    assert sorted(one.id for one in store.changes(start)) == ["r0", "r1", "r1", "r2"]
    store.close()


BATCH = 300


def _write_for_ever(dsn: str, begun: Callable[[], None]) -> None:
    store = open_store(dsn)
    begun()
    for number in range(1_000_000):
        batch = [replace(SHOP, id=f"{number:06d}-{i:03d}") for i in range(BATCH)]
        store.put_all(batch, ImportMark("t", "file", (number + 1) * BATCH))


def test_a_killed_writer_leaves_whole_batches(dsn: str) -> None:
    store = open_store(dsn)
    store.put(TENANT)
    spawn = multiprocessing.get_context("spawn")
    for delay in (0.05, 0.3):
        begun = spawn.Event()
        writer = spawn.Process(target=_write_for_ever, args=(dsn, begun.set))
        writer.start()
        assert begun.wait(PATIENCE_S)
        time.sleep(delay)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        mark = store.import_mark("t", "file")
        rows = store.count(Listing, "t")
        assert rows % BATCH == 0
        assert mark is None or rows >= mark.rows_done
        noted = sum(change.entity == "listings" for change in store.changes(start_of(store), 10**6))
        assert noted == rows
    store.close()
