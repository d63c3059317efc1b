"""What near me is to one viewer: levels that stay from page to page, kept in bounded memory."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import levels_oracle
import pytest
from near_checks import assert_equal, walked
from store_records import SHOP, TOWN, partition_of
from town_changes import Changes
from trust_records import NEIGHBOURS
from worlds import NOW, Town, make_questions, make_town

import matching.trusting.town
import matching.trusting.viewing
from geo.errors import DeniedError, MitoyenError
from indexes.entities import Endorsement, Kind
from indexes.store import Store, open_store
from matching import ANYONE, Engine, NearAnswer, NearQuery, Profiles, Viewer, near
from matching.towns.snapshot import Snapshot

EVERYWHERE = NearQuery(at=NOW, radius_m=20_000_000.0, limit=7)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "town.db")
    yield opened
    opened.close()


@pytest.fixture
def town(store: Store) -> Town:
    town = make_town(4)
    town.put(store)
    return town


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Town]]:
    """A town that tests only read."""
    opened, town = open_store(tmp_path_factory.mktemp("shared") / "town.db"), make_town(4)
    town.put(opened)
    yield opened, town
    opened.close()


def knowing(town: Town) -> list[str]:
    """Members who are shown more than anybody is, and can ask from home."""
    found = []
    for id in town.world.members:
        home = town.world.home(id)
        people, shops = levels_oracle.levels(town.world, id, int(NOW.timestamp()))
        if home is not None and home.locatable and max((*people.values(), *shops.values())) > 1:
            found.append(id)
    return found


def test_pages_go_on_at_the_levels_they_began_with(store: Store, town: Town) -> None:
    engine, changes = Engine.over(store, "t"), Changes(town, store)
    before = deepcopy(town)
    viewers = knowing(town)[:4]
    answers = {id: [engine.near(Viewer(id), EVERYWHERE)] for id in viewers}
    for seed in range(12):
        changes.rate(seed)
        changes.endorse(seed)
    engine.refresh()
    changed = 0
    for id, pages in answers.items():
        while pages[-1].next:
            pages.append(engine.near(Viewer(id), replace(EVERYWHERE, cursor=pages[-1].next)))
        assert_equal(pages, before, Viewer(id), EVERYWHERE)
        again = walked(engine, Viewer(id), EVERYWHERE)
        assert_equal(again, town, Viewer(id), EVERYWHERE)
        changed += levels_of(pages) != levels_of(again)
    assert changed > 0


def levels_of(pages: list[NearAnswer]) -> list[tuple[str, int]]:
    return [(match.id, match.level) for page in pages for match in page.matches]


def test_pages_at_levels_that_nobody_knows_go_on_at_those_of_now(store: Store, town: Town) -> None:
    """As after a page that another process answered, before it learnt what has been said since."""
    engine, changes = Engine.over(store, "t"), Changes(town, store)
    first = {id: engine.near(Viewer(id), EVERYWHERE) for id in knowing(town)}
    for seed in range(12):
        changes.rate(seed)
        changes.endorse(seed)
    other = Engine.over(store, "t")
    changed = 0
    for id, page in first.items():
        pages = [page]
        while pages[-1].next:
            pages.append(other.near(Viewer(id), replace(EVERYWHERE, cursor=pages[-1].next)))
        now = walked(other, Viewer(id), EVERYWHERE)
        assert_equal(now, town, Viewer(id), EVERYWHERE)
        ranked, rest = levels_of(now), levels_of(pages[1:])
        assert rest and rest == ranked[-len(rest) :]
        changed += levels_of(pages) != ranked
    assert changed > 0


def test_viewers_beyond_what_is_kept_are_answered_alike(
    shared: tuple[Store, Town], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, town = shared
    monkeypatch.setattr(matching.trusting.viewing, "KEPT_BYTES", 150_000)
    monkeypatch.setattr(matching.trusting.town, "KEPT_BYTES", 20_000)
    engine = Engine.over(store, "t")
    for viewer, query in make_questions(town, 9, 30):
        assert_equal(walked(engine, viewer, query), town, viewer, query)
    views, view = engine._views, engine._trust._view
    assert 0 < views._bytes == sum(one.nbytes for one in views._kept.values()) <= 150_000
    assert 0 < view._bytes <= 20_000 and len(view._kept) > 1


def test_an_overlay_stays_while_what_comes_is_of_others(store: Store, town: Town) -> None:
    engine = Engine.over(store, "t")
    viewer = knowing(town)[0]
    engine.near(Viewer(viewer), EVERYWHERE)
    (before,) = engine._views._kept.values()
    people, _ = levels_oracle.levels(town.world, viewer, int(NOW.timestamp()))
    unknown = [one for one in town.world.listings if not one.owner_id and not one.personal]
    store.put(replace(unknown[0], id="another", attested=None))
    engine.refresh()
    engine.near(Viewer(viewer), EVERYWHERE)
    (after,) = engine._views._kept.values()
    assert after.overlay is before.overlay and after.rows == before.rows + 1
    friend = next(one for one in town.world.listings if one.personal and people[one.owner_id] > 1)
    store.put(replace(friend, id="friends", audience=friend.audience.PUBLIC))
    town.world.listings.append(replace(friend, id="friends", audience=friend.audience.PUBLIC))
    town.world.listings.append(replace(unknown[0], id="another", attested=None))
    if unknown[0].id in town.world.zone_of:
        town.world.zone_of["another"] = town.world.zone_of[unknown[0].id]
    engine.refresh()
    assert_equal(walked(engine, Viewer(viewer), EVERYWHERE), town, Viewer(viewer), EVERYWHERE)
    (last,) = engine._views._kept.values()
    assert last.overlay is not before.overlay


@pytest.mark.parametrize("years", [-1, 1, 3, 30])
def test_what_is_known_grows_old_to_the_second(shared: tuple[Store, Town], years: float) -> None:
    store, town = shared
    engine = Engine.over(store, "t")
    kinds = (Kind.NEIGHBOUR, Kind.ARTISAN, Kind.MERCHANT)  # which are never less new
    at = NOW + timedelta(days=365 * years)
    query = replace(EVERYWHERE, at=at, kinds=kinds, limit=200)
    for id in knowing(town)[:4]:
        for step in (0, 1, 86_400):
            asked = replace(query, at=query.at + timedelta(seconds=step))
            assert_equal(walked(engine, Viewer(id), asked), town, Viewer(id), asked)


def test_a_batch_of_several_instants_and_pages_is_as_one_by_one(shared: tuple[Store, Town]) -> None:
    store, town = shared
    engine = Engine.over(store, "t")
    for id in knowing(town)[:3]:
        first = engine.near(Viewer(id), EVERYWHERE)
        queries = [
            EVERYWHERE,
            replace(EVERYWHERE, cursor=first.next),
            *(replace(EVERYWHERE, at=NOW + timedelta(days=days)) for days in (300, 900, 5_000)),
        ]
        together = engine.near_many(Viewer(id), queries, threads=2)
        assert together == [engine.near(Viewer(id), query) for query in queries]
        assert not any(isinstance(one, MitoyenError) for one in together)


def test_levels_asked_for_are_those_that_near_me_shows(shared: tuple[Store, Town]) -> None:
    store, town = shared
    engine = Engine.over(store, "t")
    ids = [one.id for one in town.world.listings]
    for id in knowing(town)[:5]:
        told = dict(zip(ids, engine.listing_levels(Viewer(id), ids, NOW), strict=True))
        shown = levels_of(walked(engine, Viewer(id), EVERYWHERE))
        assert shown and {told[one] for one, _ in shown} and all(told[i] == n for i, n in shown)
        people, shops = levels_oracle.levels(town.world, id, int(NOW.timestamp()))
        blocked = {
            other for one in town.world.blocks for other in (one.member_id, one.other_id)
            if id in (one.member_id, one.other_id)
        } - {id}  # fmt: skip
        for one in town.world.listings:
            level = people[one.owner_id] if one.personal else shops[one.id]
            assert told[one.id] == (0 if one.personal and one.owner_id in blocked else level)
    assert engine.listing_levels(Viewer(id), ["nothing"], NOW) == [0]
    with pytest.raises(DeniedError):
        engine.listing_levels(ANYONE, ids[:1], NOW)


def test_who_lives_in_a_building_is_told_what_its_households_recommend(store: Store) -> None:
    store.put_all([*TOWN, *NEIGHBOURS])
    store.put_groups(partition_of(store))
    given = [
        Endorsement(tenant_id="t", id=f"by-{who}", member_id=who, listing_id=SHOP.id)
        for who in ("ana", "bob", "cleo")
    ]
    store.put_all(given)
    engine = Engine.over(store, "t")
    query = NearQuery(at=NOW, origin=(SHOP.lon, SHOP.lat), lang="en")

    def told(viewer: Viewer) -> str:
        (match,) = (one for one in engine.near(viewer, query).matches if one.id == SHOP.id)
        (why,) = (why.text for why in match.why if why.code.startswith("trust"))
        return why

    assert told(Viewer("m1")) == "recommended by 3 households of your building"
    # Of two others nobody is told, nor whoever lives elsewhere, or hasn't proved to live there.
    for viewer in (Viewer("ana"), Viewer("zoe"), Viewer("m3"), ANYONE):
        assert told(viewer) == "recommended by 3 households"
    (batched,) = engine.near_many(Viewer("m1"), [query])
    assert not isinstance(batched, MitoyenError)
    assert "trust-building" in {why.code for match in batched.matches for why in match.why}


def test_no_instant_that_is_asked_about_changes_whom_a_viewer_trusts(
    shared: tuple[Store, Town],
) -> None:
    store, town = shared
    engine = Engine.over(store, "t")
    compared = 0
    for viewer in knowing(town)[:4]:
        now = dict(levels_of(walked(engine, Viewer(viewer), EVERYWHERE)))
        assert max(now.values()) > 1
        for years in (-100, -1, 3, 60):
            query = replace(EVERYWHERE, at=NOW + timedelta(days=365 * years))
            then = dict(levels_of(walked(engine, Viewer(viewer), query)))
            both = then.keys() & now.keys()
            assert {id: then[id] for id in both} == {id: now[id] for id in both}
            compared += sum(now[id] > 1 for id in both)
    assert compared > 0


def test_an_earlier_state_is_seen_as_it_was_after_a_later_one(store: Store, town: Town) -> None:
    engine = Engine.over(store, "t")
    viewer = knowing(town)[0]
    earlier = engine._town.snapshot
    query, key = replace(EVERYWHERE, limit=200), b"key"

    def seen(snapshot: Snapshot) -> list[tuple[str, int]]:
        return levels_of([
            near(snapshot, Profiles.load(), key, Viewer(viewer), query, views=engine._views)
        ])  # fmt: skip

    before = seen(earlier)
    trusted = {id for id, level in before if level > 1}
    assert trusted
    for one in town.world.listings:
        if one.id in trusted:
            store.put(replace(one, title=f"{one.title} bis"))
    engine.refresh()
    engine._views._kept.clear()
    assert {id for id, level in seen(engine._town.snapshot) if level > 1} == trusted
    assert seen(earlier) == before
