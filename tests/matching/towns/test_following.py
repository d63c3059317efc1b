"""Whatever comes while a part of a town is read anew, it is shown, or known not to be."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from store_records import SHOP, TOWN, partition_of
from trip_records import DRIVER, TRIPS
from waiting import PATIENCE_S

from geo.errors import FeedGapError
from indexes.store import Store, open_store
from matching.rides.town import TripTown
from matching.towns.following import Following
from matching.towns.live import LiveTown

Town = LiveTown | TripTown

# What each part reads last when it reads everything.
LAST: dict[type[Following[Any]], str] = {LiveTown: "endorsement_table", TripTown: "bookings"}


class Interrupted:
    """A store in which something happens right after a method was called."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.after: dict[str, Callable[[Any], object]] = {}  # it is given the result

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in self.after:
            return found

        def call(*args: Any, **named: Any) -> Any:
            result = found(*args, **named)
            self.after[name](result)
            return result

        return call


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    opened = open_store(tmp_path / "town.db")
    opened.put_all([*TOWN, *TRIPS])
    yield Interrupted(opened)
    opened.close()


@pytest.fixture(params=LAST, ids=lambda part: part.__name__)
def town(request: pytest.FixtureRequest, store: Any) -> Town:
    return request.param(store, "t")


def come(store: Store, id: str) -> None:
    """A listing and a trip more."""
    store.put_all([replace(SHOP, id=id), replace(DRIVER, id=id, owner_id="m4")])


def shows(town: Town, id: str) -> bool:
    if isinstance(town, TripTown):
        return town.view.trip(id) is not None
    return id in town.choose(lambda table: table)[0]["id"].to_pylist()


def while_read(store: Any, town: Town, happen: Callable[[], object]) -> None:
    """Have something happen, once, when all has been read but not put in its place."""
    name = LAST[type(town)]

    def once(result: Any) -> None:
        del store.after[name]
        happen()

    store.after[name] = once


def test_what_comes_while_all_is_read_is_shown_whoever_else_is_told(store: Any, town: Town) -> None:
    while_read(store, town, lambda: come(store, "new"))
    town.rebuild()
    assert shows(town, "new") and not town.wants_rebuild
    assert town.position == store.position() and town.rebuilds == 1
    # The one reader of the feed, which was slower, tells it again.
    before, applied = town.pending if isinstance(town, LiveTown) else 0, town.applied
    town.apply(store.changes(replace(town.position, seq=0)), town.position)
    assert (town.pending if isinstance(town, LiveTown) else 0, town.applied) == (before, applied)


def test_a_gap_that_is_noticed_while_all_is_read_is_not_forgotten(store: Any, town: Town) -> None:
    def gap() -> None:
        come(store, "new")
        store.trim(older_than_s=-1)  # before anybody has read it
        town.expire()  # as a follower does, which goes on from the end

    while_read(store, town, gap)
    with pytest.raises(FeedGapError):
        town.rebuild()
    assert town.wants_rebuild and town.stale_s > 0
    assert not town.wait_for(store.position(), timeout_s=0)
    town.rebuild()
    assert shows(town, "new") and not town.wants_rebuild
    assert town.wait_for(store.position(), timeout_s=0)


def test_a_gap_that_is_noticed_after_the_last_look_at_the_feed_is_not_forgotten(
    store: Any, town: Town
) -> None:
    told: list[threading.Thread] = []

    def look(found: list[Any]) -> None:
        if found:
            return
        came = threading.Event()

        def fall_behind() -> None:
            come(store, f"new{len(told)}")
            came.set()
            town.expire()

        told.append(thread := threading.Thread(target=fall_behind))
        thread.start()
        came.wait(PATIENCE_S)
        thread.join(0.1)  # long enough to tell, unless it has to wait for its turn

    store.after["changes"] = look
    town.rebuild()
    del store.after["changes"]
    for thread in told:
        thread.join(PATIENCE_S)
    last = f"new{len(told)}"
    assert not shows(town, last)
    assert town.wants_rebuild and town.position < store.position()
    town.rebuild()
    assert shows(town, last) and not town.wants_rebuild


def test_what_only_a_rebuild_can_show_is_wanted_of_the_next_where_it_came_during_one(
    store: Any, town: Town
) -> None:
    while_read(store, town, lambda: store.put_groups(partition_of(store)))
    town.rebuild()
    assert town.wants_rebuild and town.position < store.position()
    town.refresh()
    assert not town.wants_rebuild and town.position == store.position()


def test_who_was_away_for_too_long_reads_all_anew(store: Any, town: Town) -> None:
    come(store, "new")
    store.trim(older_than_s=-1)
    come(store, "newer")
    with pytest.raises(FeedGapError):
        town.catch_up()
    assert not shows(town, "newer")
    town.refresh()
    assert shows(town, "new") and shows(town, "newer")
    assert (town.rebuilds, town.position) == (1, store.position())
