"""Whatever comes while a part of a town is kept current, it is shown, or known not to be."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from interleaving import Step, Turns, every_order
from store_records import MEMBERS, SHOP, TOWN, partition_of
from trip_records import DRIVER, TRIPS
from waiting import PATIENCE_S

from geo.errors import FeedGapError
from indexes.entities import Endorsement
from indexes.store import Store, open_store
from matching.recommending.voices import VoiceTown
from matching.rides.town import TripTown
from matching.towns.live import LiveTown
from matching.trusting.town import TrustTown

Town = LiveTown | TripTown | TrustTown | VoiceTown

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
# What each part reads last when it reads everything.
LAST: dict[type[Town], str] = {
    LiveTown: "endorsement_table",
    TripTown: "bookings",
    TrustTown: "member_table",
    VoiceTown: "member_table",
}


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


def made(part: type[Town], store: Any) -> Town:
    if part in (LiveTown, VoiceTown):
        return part(store, "t")
    return part(store, "t", clock=lambda: NOW)


@pytest.fixture(params=LAST, ids=lambda part: part.__name__)
def town(request: pytest.FixtureRequest, store: Any) -> Town:
    return made(request.param, store)


def come(store: Store, id: str) -> None:
    """A listing, what somebody says of it, and a trip more."""
    said = Endorsement(tenant_id="t", id=id, member_id="m4", listing_id=id)
    store.put_all([replace(SHOP, id=id), said, replace(DRIVER, id=id, owner_id="m4")])


def shown(town: Town) -> dict[str, Any]:
    """What a part shows, by id."""
    members = [member.id for member in MEMBERS]
    match town:
        case LiveTown():
            return {row["id"]: row for row in town.choose(lambda table: table)[0].to_pylist()}
        case TripTown():
            ids = [id for member in members for id in town.owned_by(member)]
            return {id: held for id in ids if (held := town.view.trip(id)) is not None}
        case TrustTown():
            at_s = int(NOW.timestamp())
            said = {
                id: n
                for id in ("new", "newer", *(f"new{i}" for i in range(9)))
                for n in town.neighbours("m1", [id])
                if n
            }
            return said | {
                id: (town.levels(id, members, NOW), town.recommended(id, at_s)) for id in members
            }
        case VoiceTown():
            voices, words = town.voices, town.voices.listings.words
            endorsed = {words[number]: True for number in voices.endorsed.listing.tolist()}
            numbers = [voices.member(id) for id in members]
            groups = [int(voices.group[n]) for n in numbers]
            places = [voices.group_lonlat[n].tolist() if n >= 0 else None for n in groups]
            return endorsed | dict(zip(members, places, strict=True))


def shows(town: Town, id: str) -> bool:
    return id in shown(town)


def while_read(store: Any, town: Town, happen: Callable[[], object]) -> None:
    """Have something happen, once, when all has been read but not put in its place."""
    name = LAST[type(town)]

    def once(result: Any) -> None:
        del store.after[name]
        happen()

    store.after[name] = once


def test_what_comes_while_all_is_read_is_shown_whoever_else_is_told(store: Any, town: Town) -> None:
    town.expire()  # or trust would be worked out anew from what has been read
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

    town.expire()
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

    town.expire()
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
    town.expire()
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


class Recorded:
    """A store at one of some moments, each a copy of its file; what was read once is not again.

    Who has looked for changes lets others go first.
    """

    def __init__(self, moments: Sequence[Store]) -> None:
        self._moments = moments
        self._known: dict[tuple[Any, ...], Any] = {}
        self.now = 0
        self.turns = Turns()

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            key = self.now, name, repr(args), repr(named)
            if key not in self._known:
                self._known[key] = getattr(self._moments[self.now], name)(*args, **named)
            if name == "changes":
                self.turns.pause()
            return self._known[key]

        return call


def rebuild(town: Town) -> None:
    town.rebuild()


def read_anew(town: Town) -> None:
    town.expire()  # or trust would be worked out anew from what has been read
    town.rebuild()


def catch_up(town: Town) -> None:
    town.catch_up()


Deeds = tuple[Callable[[Town], None], ...]
# What comes second, and what is done meanwhile.
SECOND: dict[str, tuple[Callable[[Store], object], Deeds]] = {
    "moves little": (lambda store: store.put(replace(SHOP, title="Pains")), (rebuild, catch_up)),
    "moves much": (lambda store: come(store, "newer"), (read_anew,)),
    "wants a rebuild": (lambda store: store.put_groups(partition_of(store)), (rebuild,)),
}


@pytest.fixture(scope="module", params=SECOND)
def moments(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[Store], Deeds]]:
    """A store before two batches of changes, between them and after; what is done meanwhile."""
    second, deeds = SECOND[request.param]
    changes = [lambda store: store.put_all([*TOWN, *TRIPS]), lambda store: come(store, "new")]
    stores: list[Store] = []
    folder = tmp_path_factory.mktemp("moments")
    path = folder / "now.db"
    for n, change in enumerate((*changes, second)):
        with closing(open_store(path)) as store:
            change(store)
        kept = folder / f"{n}.db"
        shutil.copy(path, kept)
        stores.append(open_store(kept))
    yield stores, deeds
    for store in stores:
        store.close()


@pytest.mark.parametrize("part", LAST)
def test_in_whatever_order_it_is_kept_current_all_is_shown_or_known_not_to_be(
    part: type[Town], moments: tuple[list[Store], Deeds]
) -> None:
    stores, deeds = moments
    store: Any = Recorded(stores)
    store.now = 2
    whole = shown(made(part, store))

    def run(order: Sequence[int]) -> list[Step]:
        store.now, store.turns = 0, Turns()
        town = made(part, store)
        town._writing = store.turns.lock(silent=True)
        town._rebuilding = store.turns.lock()
        if isinstance(town, TrustTown):
            town._renewing = store.turns.lock()
        feed, later = [town.position], store.turns.lock()
        later.held = True

        def follow() -> None:
            store.now += 1
            found = store.changes(feed[0])
            feed[0] = found[-1].position
            town.apply(found, feed[0])
            later.held = False

        def follow_on() -> None:
            with later:
                follow()
            town.compact()

        meanwhile = [partial(deed, town) for deed in deeds]
        steps = store.turns.run([follow, follow_on, *meanwhile], order)
        told = [step.actor for step in steps]
        if town.wants_rebuild:
            town.rebuild()
        assert not town.wants_rebuild and town.stale_s == 0, told
        assert town.position == store.position() and shown(town) == whole, told
        return steps

    assert every_order(run, interruptions=1) > 30
