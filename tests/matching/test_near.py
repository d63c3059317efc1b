"""Whole towns in real stores: what the engine answers is what the oracle finds by hand."""

import re
from collections.abc import Callable
from dataclasses import replace

import msgspec
import near_oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from near_checks import PAGES, assert_equal, reported, walked
from near_oracle import World
from worlds import NOW, Town, make_questions, make_town

from geo.arrays import LonLat
from geo.errors import CoordinateError, DeniedError, InputError, MitoyenError
from indexes.entities import Kind, Listing
from indexes.store import Store, open_store
from matching import ANYONE, Engine, NearAnswer, NearQuery, Viewer

seeds = st.integers(0, 2**32 - 1)
TOWNS = settings(max_examples=max(3, settings().max_examples // 5))


@TOWNS
@given(seed=seeds)
def test_near_equals_the_oracle(new_store: Callable[[], Store], seed: int) -> None:
    town = make_town(seed)
    store = new_store()
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    for viewer, query in make_questions(town, seed + 1, 25):
        assert_equal(walked(engine, viewer, query), town, viewer, query)


def test_postgis_answers_as_the_oracle_and_sqlite_do(
    new_store: Callable[[], Store], postgis_dsn: str
) -> None:
    town = make_town(1)
    engines = []
    for store in (new_store(), open_store(postgis_dsn)):
        town.put(store)
        engines.append(Engine.over(store, town.tenant_id))
    compared = 0
    for viewer, query in make_questions(town, 1, 40):
        here, there = (walked(engine, viewer, query) for engine in engines)
        compared += assert_equal(there, town, viewer, query)
        assert [told(answer) for answer in here] == [told(answer) for answer in there]
    assert compared > 100


def told(answer: NearAnswer) -> bytes:
    """What an answer says, byte by byte: all but how far its store has come."""
    return msgspec.json.encode(replace(answer, next=None, position=""))


def test_two_tenants_of_one_store_never_mix(new_store: Callable[[], Store]) -> None:
    """Both have members and listings of the same ids."""
    store = new_store()
    towns = [make_town(seed, tenant_id) for seed, tenant_id in ((5, "t"), (6, "u"))]
    for town in towns:
        town.put(store)
    for town in towns:
        engine = Engine.over(store, town.tenant_id)
        compared = 0
        for viewer, query in make_questions(town, 7, 25):
            compared += assert_equal(walked(engine, viewer, query), town, viewer, query)
        assert compared > 50


# -- what an answer must not tell --------------------------------------------------------------


def everything(town: Town) -> list[tuple[Viewer, NearQuery]]:
    """Everyone's view of all there is, as far as it goes."""
    wide = NearQuery(at=NOW, radius_m=20_000_000.0, limit=200)
    located = [id for id in town.world.members if (h := town.world.home(id)) and h.locatable]
    return [
        *((Viewer(id), wide) for id in located),
        (ANYONE, replace(wide, origin=(5.37, 43.29))),
        *make_questions(town, 3, 40),
    ]


@pytest.mark.parametrize("seed", [11, 12])
def test_no_answer_holds_a_digit_of_a_home(new_store: Callable[[], Store], seed: int) -> None:
    town = make_town(seed)
    store = new_store()
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    homes = [
        f"{value:.7f}"[:-2]  # 5 decimals, a metre
        for building in town.world.buildings.values()
        for value in (building.lon, building.lat)
    ]
    public = {
        f"{value:.7f}"[:-2]
        for listing in town.world.listings
        if not listing.personal
        for value in (listing.lon, listing.lat)
    }
    secret = [digits for digits in homes if digits not in public]
    assert len(secret) > 60
    seen = 0
    for viewer, query in everything(town):
        for answer in walked(engine, viewer, query):
            text = msgspec.json.encode(answer).decode()
            assert not [digits for digits in secret if digits in text]
            seen += sum(match.personal for match in answer.matches)
    assert seen > 100


@settings(max_examples=max(2, settings().max_examples // 20))
@given(seed=seeds)
def test_swapping_two_homes_of_a_group_changes_no_answer(
    new_store: Callable[[], Store], seed: int
) -> None:
    """Non-interference: where in a group a home is has no way into what others see."""
    town = make_town(seed)
    world = town.world
    pairs = [
        (one, other)
        for one in world.group_of
        for other in world.group_of
        if one < other
        and world.group_of[one] == world.group_of[other]
        and place_of(world, one) != place_of(world, other)
    ]
    one, other = (world.buildings[id] for id in pairs[seed % len(pairs)])
    store = new_store()
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    questions = [
        (viewer, query)
        for viewer, query in everything(town)
        if viewer.member_id is None
        or world.members[viewer.member_id].level < 2
        or world.building_of(viewer.member_id).id not in (one.id, other.id)
    ]
    before = [walked(engine, viewer, query) for viewer, query in questions]
    store.put_all(
        [
            replace(one, lon=other.lon, lat=other.lat),
            replace(other, lon=one.lon, lat=one.lat),
        ]
    )
    assert engine.refresh()
    for (viewer, query), answers in zip(questions, before, strict=True):
        after = walked(engine, viewer, query)
        # Cursors too: the store, and so its secret, is the same.
        assert [msgspec.json.encode(replace(answer, position="")) for answer in after] == [
            msgspec.json.encode(replace(answer, position="")) for answer in answers
        ]


def place_of(world: World, building_id: str) -> LonLat:
    building = world.buildings[building_id]
    return building.lon, building.lat


def test_households_are_counted_aloud_from_three_on(new_store: Callable[[], Store]) -> None:
    town = make_town(21)
    store = new_store()
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    spoken = {"fr": r"recommandé par (\d+) foyers", "en": r"recommended by (\d+) households"}
    quiet = {
        "fr": ("pas encore recommandé", "déjà recommandé"),
        "en": ("not recommended yet", "recommended before"),
    }
    counts = set()
    query = NearQuery(at=NOW, origin=(5.37, 43.29), radius_m=20_000.0, limit=200)
    for lang in ("fr", "en"):
        for answer in walked(engine, ANYONE, replace(query, lang=lang)):
            found = near_oracle.near(town.world, None, query)
            for match in answer.matches:
                endorsers = found[match.id].endorsers
                trust = [why.text for why in match.why if why.code.startswith("trust")]
                if endorsers >= 3 and trust:
                    spelt = re.fullmatch(spoken[lang], trust[0])
                    assert spelt is not None
                    assert int(spelt[1]) == endorsers
                elif trust:
                    assert trust == [quiet[lang][endorsers > 0]]
                counts.add((endorsers, bool(trust)))
    assert {(1, True), (2, True)} <= counts
    assert any(endorsers >= 3 and told for endorsers, told in counts)


# -- pages -------------------------------------------------------------------------------------


@settings(max_examples=max(3, settings().max_examples // 10))
@given(seed=seeds, limit=st.integers(1, 12))
def test_pages_are_stable_while_listings_come_and_go(
    new_store: Callable[[], Store], seed: int, limit: int
) -> None:
    town = make_town(seed)
    world = town.world
    comes = {f"{listing.id}-{i}": listing for i in (1, 2) for listing in world.listings[::5]}
    newer = [replace(listing, id=id) for id, listing in comes.items()]
    store = new_store()
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    asked = [(v, q) for v, q in make_questions(town, seed, 60) if q.radius_m][:6]
    firsts = [engine.near(viewer, replace(query, limit=limit)) for viewer, query in asked]
    gone = {answer.matches[-1].id for answer in firsts[:3] if answer.next}

    for id in gone:
        store.delete(Listing, town.tenant_id, id)
    store.put_all(newer)
    engine.refresh()
    # The oracle still knows what is gone: it marks where the first page ended.
    zones = {id: world.zone_of[one.id] for id, one in comes.items() if one.id in world.zone_of}
    later = replace(world, listings=world.listings + newer, zone_of=world.zone_of | zones)
    for (viewer, query), first in zip(asked, firsts, strict=True):
        if not first.next:
            continue
        query = replace(query, limit=limit)
        rest = walked(engine, viewer, replace(query, cursor=first.next))
        found = near_oracle.near(later, viewer.member_id, query)
        whole = replace(query, limit=10_000)
        order = near_oracle.pages(found, whole, reported([first, *rest], found))[0][1]
        after = order[order.index(first.matches[-1].id) + 1 :]
        expected = [id for id in after if id not in gone]
        assert [match.id for answer in rest for match in answer.matches] == expected[
            : PAGES * limit
        ]
        assert {answer.at for answer in rest} == {first.at}


def test_a_walk_keeps_its_instant_whenever_its_pages_are_asked(
    new_store: Callable[[], Store],
) -> None:
    town = make_town(31)
    store = new_store()
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    query = NearQuery(at=NOW, origin=(5.37, 43.29), radius_m=5_000.0, limit=4)
    whole = walked(engine, ANYONE, query)
    assert len(whole) > 3
    answers = [whole[0]]
    while cursor := answers[-1].next:
        # A year later, in English, on smaller pages: the ranking is that of the first page.
        later = replace(query, at=NOW.replace(year=2026), lang="en", limit=2, cursor=cursor)
        answers.append(engine.near(ANYONE, later))
        assert answers[-1].at == NOW
    assert [m.id for a in answers for m in a.matches] == [m.id for a in whole for m in a.matches]


# -- what is refused ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine(new_store: Callable[[], Store]) -> Engine:
    town = make_town(41)
    store = new_store()
    town.put(store)
    return Engine.over(store, town.tenant_id)


FREE = NearQuery(at=NOW, origin=(5.37, 43.29))


@pytest.mark.parametrize(
    ("viewer", "query", "error", "code"),
    [
        (ANYONE, replace(FREE, kinds=(Kind.SERVICE,)), DeniedError, "member-origin-required"),
        (
            Viewer("m1"),
            replace(FREE, kinds=(Kind.NEIGHBOUR, Kind.SERVICE)),
            DeniedError,
            "member-origin-required",
        ),
        (ANYONE, replace(FREE, origin=None), InputError, "origin-required"),
        (Viewer("nobody"), FREE, DeniedError, "unknown-member"),
        (ANYONE, replace(FREE, limit=0), InputError, "invalid-input"),
        (ANYONE, replace(FREE, limit=201), InputError, "invalid-input"),
        (ANYONE, replace(FREE, kinds=()), InputError, "invalid-input"),
        (ANYONE, replace(FREE, at=NOW.replace(tzinfo=None)), InputError, "invalid-input"),
        (ANYONE, replace(FREE, radius_m=-1.0), InputError, "invalid-input"),
        (ANYONE, replace(FREE, radius_m=float("nan")), InputError, "invalid-input"),
        (ANYONE, replace(FREE, min_distance_m=float("inf")), InputError, "invalid-input"),
        (ANYONE, replace(FREE, profile="cheapest"), InputError, "unknown-profile"),
        (ANYONE, replace(FREE, lang="de"), InputError, "unknown-language"),
        (ANYONE, replace(FREE, origin=(5.37, 91.0)), CoordinateError, "invalid-coordinates"),
        (ANYONE, replace(FREE, origin=(float("nan"), 0.0)), CoordinateError, "invalid-coordinates"),
    ],
)
def test_what_makes_no_sense_or_may_not_be_asked_is_refused(
    engine: Engine, viewer: Viewer, query: NearQuery, error: type[MitoyenError], code: str
) -> None:
    with pytest.raises(error) as caught:
        engine.near(viewer, query)
    assert caught.value.code == code


def test_a_language_is_refused_where_nothing_is_found_too(engine: Engine) -> None:
    with pytest.raises(InputError):
        engine.near(ANYONE, replace(FREE, origin=(0.0, 0.0), lang="de"))


def test_people_stay_unsearched_from_a_free_origin_in_a_mixture(engine: Engine) -> None:
    answer = engine.near(Viewer("m1"), replace(FREE, radius_m=50_000.0, limit=200))
    assert answer.people == "not_searched"
    assert answer.matches
    assert not any(match.personal for match in answer.matches)


def test_a_group_is_on_its_own_spot_however_its_point_was_written(
    new_store: Callable[[], Store],
) -> None:
    """Neighbours of one group are 0 m apart, though its point has more digits than are kept."""
    town = make_town(42)
    groups = tuple(
        replace(group, lon=group.lon + 3.7e-8, lat=group.lat - 2.1e-8)
        for group in town.partition.groups
    )
    town.partition = replace(town.partition, groups=groups)
    store = new_store()
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    same = 0
    for id, member in town.world.members.items():
        home = town.world.home(id)
        if home is None or not home.locatable:
            continue
        query = NearQuery(at=NOW, radius_m=10_000.0, limit=200)
        for match in engine.near(Viewer(member.id), query).matches:
            owner = next(one for one in town.world.listings if one.id == match.id).owner_id
            if match.personal:
                assert (match.distance_band == "same_group") == (town.world.home(owner) == home)
                same += match.distance_band == "same_group"
    assert same > 20


def test_instants_after_2088_are_answered(engine: Engine) -> None:
    query = replace(FREE, at=NOW.replace(year=2150), kinds=(Kind.PLACE,), radius_m=50_000.0)
    assert engine.near(ANYONE, query).matches
