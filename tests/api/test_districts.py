"""api/districts.py: releases on the shelf are the store's, also while it is away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import districts_town
import pytest
import shapely
from waiting import PATIENCE_S

from api.districts import Shelf
from geo.errors import NotFoundError, StoreError
from indexes.entities import Tenant
from indexes.store import open_store


class Away:
    """A store that can go away, or keep readers waiting, and counts releases read whole."""

    def __init__(self, store):
        self.store, self.away, self.read = store, False, 0
        self.opened = threading.Event()
        self.opened.set()
        self.moved = False

    def __getattr__(self, name):
        if self.away:
            raise StoreError("gone")
        if name == "release":
            self.read += 1
            assert self.opened.wait(PATIENCE_S)
        if name == "zones" and self.moved:
            return lambda *of: [
                replace(zone, geometry=shapely.transform(zone.geometry, lambda at: at + 0.001))
                for zone in self.store.zones(*of)
            ]
        return getattr(self.store, name)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = open_store(tmp_path_factory.mktemp("shelf") / "town.db")
    for town in ("north", "south"):
        store.put(Tenant(tenant_id=town, id=town, name=town))
    districts_town.fill(store, "north")
    with districts_town.without_noise():
        for _ in range(3):
            districts_town.release(store, "north", correct=True)
    yield store
    store.close()


@pytest.fixture
def away(store):
    return Away(store)


def test_the_newest_version_is_the_default_and_others_are_there_by_name(away):
    shelf = Shelf(away)
    assert shelf.of("north").release.version == 3
    assert shelf.of("north", "2026Q3").release.version == 3
    assert shelf.of("north", "2026Q3", 2).release.version == 2


def test_a_release_is_read_once_and_the_one_asked_for_longest_ago_is_let_go(away):
    shelf = Shelf(away, kept=2)
    first = shelf.of("north", "2026Q3", 1)
    assert shelf.of("north", "2026Q3", 1) is first and away.read == 1
    shelf.of("north", "2026Q3", 2)
    assert shelf.of("north", "2026Q3", 1) is first
    shelf.of("north", "2026Q3", 3)  # one too many: version 2 goes
    assert shelf.of("north", "2026Q3", 1) is first and away.read == 3
    shelf.of("north", "2026Q3", 2)
    assert away.read == 4


def test_what_is_there_is_answered_while_something_else_is_loaded(away):
    shelf = Shelf(away)
    first = shelf.of("north", "2026Q3", 1)
    away.opened.clear()
    with ThreadPoolExecutor(3) as readers:
        slow = [readers.submit(shelf.of, "north", "2026Q3", 2) for _ in range(2)]
        assert readers.submit(shelf.of, "north", "2026Q3", 1).result(PATIENCE_S) is first
        assert not any(one.done() for one in slow)
        away.opened.set()
        assert slow[0].result(PATIENCE_S) is slow[1].result(PATIENCE_S)
    assert away.read == 2


def test_while_the_store_is_away_the_shelf_goes_on_answering(away):
    shelf = Shelf(away)
    known = shelf.of("north")
    away.away = True
    assert shelf.of("north") is known
    assert [head.version for head in shelf.heads("north")][:1] == [3]
    with pytest.raises(StoreError):
        shelf.of("south")  # never asked before: nobody can tell


def test_zones_that_are_imported_again_are_seen(away):
    zones = [0]
    shelf = Shelf(away, zones_of=lambda _: zones[0])
    known = shelf.of("north")
    assert shelf.of("north") is known
    zones[0] = 1
    again = shelf.of("north")
    assert again is not known and shelf.of("north") is again
    zones[0], away.away = 2, True
    assert shelf.of("north") is again


def test_an_answer_under_way_when_outlines_move_has_the_etag_of_what_it_is_made_of(away):
    zones = [0]
    shelf = Shelf(away, zones_of=lambda _: zones[0])
    under_way = shelf.of("north")
    before = shelf.etag(under_way)
    zones[0], away.moved = 1, True
    assert shelf.etag(under_way) == before
    now = shelf.etag(shelf.of("north"))
    assert now != before == shelf.etag(under_way)


@pytest.mark.parametrize(
    "asked", [("south",), ("north", "2026Q4"), ("north", "2026Q3", 99), ("nowhere",)]
)
def test_what_was_not_released_is_refused(away, asked):
    with pytest.raises(NotFoundError) as refused:
        Shelf(away).of(*asked)
    assert refused.value.code == "unknown-release"


def test_an_etag_differs_by_release_and_question_and_not_by_process(away):
    one, other = Shelf(away), Shelf(away)
    tags = [one.etag(one.of("north", "2026Q3", v), q) for v in (1, 2) for q in ("?a", "?b")]
    assert len(set(tags)) == len(tags)
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)
    assert [other.etag(other.of("north", "2026Q3", 1), q) for q in ("?a", "?b")] == tags[:2]
