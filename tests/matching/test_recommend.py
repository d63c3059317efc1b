"""Whole towns: what is recommended is what the oracle finds by hand."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pytest
import recommend_oracle as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from recommend_oracle import Said
from town_changes import Changes
from worlds import NOW, Town, make_town

from geo.errors import InputError, MitoyenError
from indexes.entities import Endorsement, Household, Kind, Listing, Member
from indexes.store import Store, open_store
from indexes.trusting import Request
from matching import ANYONE, Engine, NearQuery, Viewer
from matching.recommend import (
    KINDS,
    RecommendAnswer,
    RecommendQuery,
    compose,
    recommend,
    turn_of,
)
from matching.recommending.case import Trusted
from matching.recommending.model import FORMULA, Model, Terms
from matching.recommending.voices import VoiceTown
from matching.scoring import Profiles
from matching.trusting.dealings import ask, complete, reply

seeds = st.integers(0, 2**32 - 1)
TOWNS = settings(max_examples=max(3, settings().max_examples // 25))
PROFILES = Profiles.load()
EVERY_KIND = (*KINDS, Kind.SERVICE)


def made(store: Store, seed: int, listings: int = 200) -> tuple[Town, Said, np.random.Generator]:
    """A town whose endorsements have dates, and where some have used what others offer."""
    town, rng = make_town(seed, listings=listings), np.random.default_rng(seed)
    dated = [
        replace(one, created_at=NOW - timedelta(seconds=int(rng.integers(-(10**6), 6 * 10**7))))
        for one in town.world.endorsements
    ]
    town.world.endorsements[:] = dated
    town.records = [one for one in town.records if not isinstance(one, Endorsement)] + dated
    town.put(store)
    said = Said()
    for number in range(40):
        use(town, store, said, rng, f"use-{number}")
    return town, said, rng


def use(town: Town, store: Store, said: Said, rng: np.random.Generator, id: str) -> None:
    """Somebody asks for what a listing offers, and it is done; unless it may not be."""
    world = town.world
    listing = world.listings[int(rng.integers(len(world.listings)))]
    asker = list(world.members)[int(rng.integers(len(world.members)))]
    done = NOW - timedelta(seconds=int(rng.integers(-(10**6), 6 * 10**7)))
    if listing.owner_id is None:
        return
    request = Request(
        tenant_id=town.tenant_id,
        id=id,
        asker_id=asker,
        helper_id=listing.owner_id,
        created_at=done,
        listing_id=listing.id,
    )
    try:
        ask(store, request)
    except MitoyenError:  # of one household, or blocked
        return
    reply(store, town.tenant_id, listing.owner_id, id, True, "", done)
    complete(store, town.tenant_id, asker, id, done - timedelta(days=1))
    if rng.random() < 0.8:
        complete(store, town.tenant_id, listing.owner_id, id, done)
        said.uses.append((asker, listing.id, int(done.timestamp())))


def drawn(town: Town, rng: np.random.Generator, said: Said) -> Trusted:
    """Whom somebody trusts, and what those say: as if by walks."""
    members = list(town.world.members)
    said.circle = frozenset(rng.choice(members, 12, replace=False).tolist())
    ids = [one.id for one in town.world.listings]
    chosen = rng.choice(len(ids), 30, replace=False).tolist()
    said.weights = {ids[i]: float(rng.exponential(2.0)) for i in chosen}
    return Trusted(said.weights, said.circle)


def located(town: Town) -> list[str]:
    return [id for id in town.world.members if (home := town.world.home(id)) and home.locatable]


def questions(
    town: Town, rng: np.random.Generator, count: int
) -> Iterator[tuple[str, RecommendQuery]]:
    for _ in range(count):
        kinds = tuple(kind for kind in EVERY_KIND if rng.random() < 0.5)
        yield (
            str(rng.choice(located(town))),
            RecommendQuery(
                at=NOW + timedelta(days=int(rng.integers(-20, 20))),
                kinds=kinds if kinds and rng.random() < 0.5 else KINDS,
                text="piano velo pain" if rng.random() < 0.2 else None,
                known=bool(rng.random() < 0.4),
                limit=int(rng.choice([1, 5, 10, 19, 20])),
                lang="en",
            ),
        )


def assert_equal(
    answer: RecommendAnswer,
    town: Town,
    said: Said,
    viewer: str,
    query: RecommendQuery,
    model: Model = FORMULA,
) -> int:
    """The answer is the oracle's; returns how many matches were compared."""
    searched = {*query.kinds}
    if searched == {*KINDS}:
        searched |= {Kind.SERVICE}
    asked = NearQuery(
        at=query.at, kinds=tuple(searched), text=query.text, radius_m=5_000.0, limit=200
    )
    found = oracle.recommended(town.world, said, viewer, asked, NOW, model.weights)
    total = {match.id: sum_of(found[match.id], model) for match in answer.matches}
    reported = {
        match.id: (
            round((match.score if model is FORMULA else total[match.id]) * 1e9),
            0 if match.distance_m is None else round(match.distance_m * 1000),
        )
        for match in answer.matches
    }
    ids, new = oracle.page(town.world, found, viewer, query, reported)
    assert [match.id for match in answer.matches] == ids
    assert {match.id for match in answer.matches if match.discovery} == new
    for match in answer.matches:
        one = found[match.id]
        assert match.score == pytest.approx(model.score(one.scored.score), abs=2e-9)
        assert match.known is one.known
        assert match.available == one.available
        above = match.score - model.score(0.0)
        assert sum(reason.share for reason in match.why) == pytest.approx(above, abs=6e-9)
        told = {reason.code: reason for reason in match.why}
        trusted, near, endorsers = one.households
        untold = one.terms[4] * model.weights[4]
        for code, term, number in (
            ("recommended-trusted", 1, trusted),
            ("recommended-near", 2, near),
        ):
            gave = one.terms[term] * model.weights[term]
            assert (code in told) == (number >= 3 and gave > 0)
            untold += 0.0 if code in told else gave
        assert ("recommended-by" in told) == (endorsers >= 3 and untold > 0)
        assert ("recommended" in told) == (endorsers < 3 and untold > 0)
        counts = ("recommended-trusted", "recommended-near", "recommended-by")
        for code, number in zip(counts, one.households, strict=True):
            assert code not in told or str(number) in told[code].text.split()
        assert ("taste" in told) == (one.terms[3] * model.weights[3] > 0)
        assert ("discovery" in told) == match.discovery
    return len(ids)


def sum_of(one: oracle.One, model: Model) -> float:
    return sum(w * t for w, t in zip(model.weights, one.terms, strict=True))


@TOWNS
@given(seed=seeds)
def test_recommendations_equal_the_oracle(new_store: Callable[[], Store], seed: int) -> None:
    store = new_store()
    town, said, rng = made(store, seed)
    answers = asked_of(store, town, said, rng, 10)
    assert all(answer.model == "formula@1" for answer in answers)


def asked_of(
    store: Store,
    town: Town,
    said: Said,
    rng: np.random.Generator,
    count: int,
    model: Model = FORMULA,
) -> list[RecommendAnswer]:
    """Answers to some questions, each held to the oracle."""
    snapshot = Engine.over(store, town.tenant_id)._town.snapshot
    voices = VoiceTown(store, town.tenant_id).voices
    answers = []
    for viewer, query in questions(town, rng, count):
        trusted = drawn(town, rng, said)
        answer = recommend(
            snapshot, voices, trusted, model, PROFILES, Viewer(viewer), query, int(NOW.timestamp())
        )
        assert_equal(answer, town, said, viewer, query, model)
        answers.append(answer)
    return answers


def test_every_reason_and_place_of_discovery_is_among_what_the_oracle_is_held_to(
    new_store: Callable[[], Store],
) -> None:
    store = new_store()
    town, said, rng = made(store, 2, listings=400)
    matches = [one for answer in asked_of(store, town, said, rng, 16) for one in answer.matches]
    codes = {reason.code for match in matches for reason in match.why}
    assert codes >= {
        "recommended-trusted", "recommended-near", "recommended-by", "recommended", "taste",
        "known", "discovery", "distance-metres", "distance-same-group", "closed", "event-soon",
    }  # fmt: skip
    assert any(match.personal for match in matches) and any(match.known for match in matches)


def test_a_learned_model_ranks_by_its_weights_and_tells_a_probability(
    new_store: Callable[[], Store],
) -> None:
    store = new_store()
    town, said, rng = made(store, 3)
    model = Model(Terms(0.0, 0.1, 0.5, 0.4, 0.0), slope=9.0, intercept=-5.0)
    answers = asked_of(store, town, said, rng, 12, model)
    assert {answer.model for answer in answers} == {model.name}


def test_both_stores_say_the_same(new_store: Callable[[], Store], postgis_dsn: str) -> None:
    told = []
    for store in (new_store(), open_store(postgis_dsn)):
        town, said, rng = made(store, 4)
        answers = asked_of(store, town, said, rng, 10)
        told.append([msgspec.json.encode(replace(answer, position="")) for answer in answers])
    assert told[0] == told[1]


def test_what_changes_is_recommended_at_once_as_by_hand(new_store: Callable[[], Store]) -> None:
    store = new_store()
    town, said, rng = made(store, 5)
    engine = Engine.over(store, town.tenant_id, clock=lambda: NOW)
    changes = Changes(town, store)
    compared = 0
    for number, name in enumerate(
        (
            "endorse",
            "regret",
            "go",
            "move_home",
            "verify",
            "block",
            "join",
            "change",
            "twin",
            "unblock",
            "cut_groups",
            "endorse",
        )
    ):
        changes.some(number, name)
        use(town, store, said, rng, f"later-{number}")
        engine.refresh()
        for viewer, query in questions(town, rng, 2):
            # Undated endorsements were given as they were written: too late to count here.
            kept = town.world.endorsements[:]
            town.world.endorsements = [one for one in kept if one.created_at is not None]
            answer = engine.recommend(Viewer(viewer), query)
            # Whom they trust is held to walks by hand elsewhere.
            blocked = engine._town.snapshot.people.blocks.get(viewer, ())
            said.weights = engine._trust.recommended(viewer, int(NOW.timestamp()), blocked)
            said.circle = frozenset(engine._trust.reached(viewer))
            compared += assert_equal(answer, town, said, viewer, query)
            town.world.endorsements = kept
    assert compared > 60


# -- rules --------------------------------------------------------------------------------------


def test_only_a_member_whose_group_is_published_is_recommended_anything(
    new_store: Callable[[], Store],
) -> None:
    store = new_store()
    town = make_town(6)
    town.put(store)
    engine = Engine.over(store, town.tenant_id)
    query = RecommendQuery(at=NOW)
    away = next(id for id in town.world.members if id not in located(town))
    for viewer, wanted in (
        (ANYONE, "member-required"),
        (Viewer("x"), "unknown-member"),
        (Viewer(away), "origin-required"),
    ):
        with pytest.raises(MitoyenError) as raised:
            engine.recommend(viewer, query)
        assert raised.value.code == wanted
    here = Viewer(located(town)[0])
    for bad in ({"limit": 0}, {"limit": 21}, {"kinds": ()}, {"kinds": (Kind.AD,)}, {"lang": "de"}):
        with pytest.raises(InputError):
            engine.recommend(here, replace(query, **bad))


@given(
    ranked=st.lists(st.integers(0, 80), unique=True, max_size=60),
    new=st.lists(st.integers(0, 80), unique=True, max_size=12),
    owners=st.lists(st.integers(-1, 6), min_size=81, max_size=81),
    turn=st.integers(0, 2**40),
    limit=st.integers(1, 20),
)
def test_a_page_has_three_of_an_owner_at_most_and_new_ones_in_every_tenth_place(
    ranked: list[int], new: list[int], owners: list[int], turn: int, limit: int
) -> None:
    of = dict(enumerate(owners))
    page, discovered = compose(ranked, new, turn, of, limit)
    assert len(set(page)) == len(page) <= limit
    assert set(page) <= {*ranked, *new} and discovered <= {*new} and len(discovered) <= limit // 10
    counted = Counter(of[row] for row in page if of[row] >= 0)
    assert max(counted.values(), default=0) <= 3
    best = [row for row in page if row not in discovered]
    assert best == sorted(best, key=ranked.index)
    if len(page) == limit:
        assert {page.index(row) + 1 for row in discovered} <= {10, 20}


def test_a_new_member_among_five_hundred_is_seen_within_a_week() -> None:
    """By one neighbour in twenty and more, on first pages, among as many others who are new as
    can be told for pages of twenty and of ten."""
    owners = dict.fromkeys(range(1_100), -1)
    for limit, others in ((20, 100), (10, 60)):
        newcomers = list(range(1_000, 1_000 + others))
        seen: Counter[int] = Counter()
        for neighbour in range(500):
            shown = set()
            for day in range(7):
                at = int(NOW.timestamp()) + day * 86_400
                turn = turn_of(f"member-{neighbour}", at, limit // 10)
                shown |= compose(range(40), newcomers, turn, owners, limit)[1]
            seen.update(shown)
        assert min(seen[row] for row in newcomers) >= 0.05 * 500


def test_somebody_new_has_their_turn_on_first_pages_of_the_whole_group(
    new_store: Callable[[], Store],
) -> None:
    """As it is asked: a town of one group, two hundred shops that all know, and one newcomer."""
    store = new_store()
    town = make_town(7, listings=0)
    world = town.world
    home = next(id for id in located(town))
    building = world.building_of(home).id
    people = [Household(tenant_id="t", id=f"n{i}", building_id=building) for i in range(100)]
    members = [Member(tenant_id="t", id=f"n{i}", household_id=f"n{i}", level=3) for i in range(100)]
    group = world.home(home)
    shops = [
        Listing(
            tenant_id="t",
            id=f"s{i}",
            kind=Kind.MERCHANT,
            title="Le Four",
            lon=group.lon,
            lat=group.lat,
        )
        for i in range(40)
    ]
    praise = [
        Endorsement(
            tenant_id="t",
            id=f"e{i}-{j}",
            member_id=f"n{j}",
            listing_id=f"s{i}",
            created_at=NOW - timedelta(days=1),
        )
        for i in range(40)
        for j in range(5)
    ]
    newcomer = Listing(
        tenant_id="t",
        id="new",
        kind=Kind.SERVICE,
        title="Bricolage",
        personal=True,
        owner_id="n99",
        published_at=NOW - timedelta(days=1),
    )
    town.put(store)
    store.put_all([*people, *members, *shops, *praise, newcomer])
    engine = Engine.over(store, "t")
    pages = [
        engine.recommend(Viewer(f"n{i}"), RecommendQuery(at=NOW, lang="en")).matches
        for i in range(5, 25)
    ]
    assert all("new" in {match.id for match in page if match.discovery} for page in pages)
    assert {page[9].id for page in pages} == {"new"}
