"""What a town's history teaches: weights, probabilities, and when the formula goes on."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from indexes.entities import Endorsement, Member
from indexes.grouping import build_groups
from indexes.sample import sample_city
from indexes.store import Store, open_store
from matching.recommending.learned import (
    LEAST_EVENTS,
    LEAST_LIKED,
    Examples,
    Lesson,
    _Past,
    fit,
    learn,
)
from matching.recommending.model import FORMULA, TERMS
from matching.scoring import Profiles

NOW = datetime(2025, 6, 14, 9, 30, tzinfo=UTC)


def fill(store: Store, listings: int) -> None:
    made = sample_city(1, NOW, listings=listings)
    assert made.tenant is not None
    store.put(made.tenant)
    store.put_zones(made.zones)
    store.put_all(made.entities())
    store.put_groups(build_groups(store, made.tenant.id, created_at=NOW))


def drawn(weights: tuple[float, ...], bias: float, n: int = 20_000) -> Examples:
    """Listings that are liked as a logistic model has it."""
    rng = np.random.default_rng(1)
    terms = rng.random((n, 5))
    chance = 1 / (1 + np.exp(-(terms @ np.array(weights) + bias)))
    return Examples(terms, rng.random(n) < chance, np.ones(n))


def test_the_weights_of_a_logistic_model_are_found_again() -> None:
    found = fit(drawn((1.0, 3.0, 2.0, 0.5, 1.5), bias=-4.0))
    assert found is not None and sum(found) == pytest.approx(1.0, abs=1e-12)
    assert found == pytest.approx(np.array((1.0, 3.0, 2.0, 0.5, 1.5)) / 8, abs=0.03)


def test_a_term_that_would_count_against_a_listing_is_left_out() -> None:
    found = fit(drawn((2.0, -2.0, 0.0, 2.0, -0.5), bias=-1.0))
    assert found is not None
    assert found.trusted == found.popularity == 0.0 and min(found) >= 0.0
    assert fit(drawn((-1.0, -1.0, -1.0, -1.0, -1.0), bias=0.0)) is None
    plain = drawn((1.0, 1.0, 1.0, 1.0, 1.0), bias=0.0)
    assert fit(Examples(np.zeros_like(plain.terms), plain.liked, plain.weight)) is None


def test_a_drawn_example_counts_for_those_that_it_stands_for() -> None:
    """As many copies of a row say the same as its weight."""
    few = drawn((1.0, 3.0, 2.0, 0.5, 1.5), bias=-4.0, n=2_000)
    copies = np.random.default_rng(2).integers(1, 4, len(few.liked))
    rows = np.repeat(np.arange(len(copies)), copies)
    many = Examples(few.terms[rows], few.liked[rows], np.ones(len(rows)))
    one, other = fit(replace(few, weight=copies.astype(float))), fit(many)
    assert one is not None and other is not None
    assert one == pytest.approx(other, abs=1e-4)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A made-up town of 1,000 listings and some 2,000 recommendations."""
    opened = open_store(tmp_path_factory.mktemp("learned") / "town.db")
    fill(opened, 1_000)
    yield opened
    opened.close()


def test_what_is_learned_is_kept_where_it_foretells_better(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matching.recommending.learned.LEAST_LIKED", 10)  # a small town will do
    monkeypatch.setattr("matching.recommending.learned.VIEWERS", 60)
    (tenant,) = store.tenants()
    lesson = learn(store, tenant, NOW)
    assert lesson.events >= LEAST_EVENTS
    figures = lesson.figures
    better = figures["p10_learned"], figures["auc_learned"]
    assert (lesson.model is not None) == (better > (figures["p10_formula"], figures["auc_formula"]))
    assert figures["auc_formula"] > 0.8  # the sample's people recommend what is near them
    # A probability is one: about as many were liked as were expected to be.
    assert 1 / 3 < figures["expected_in_1000"] / figures["liked_in_1000"] < 3
    assert learn(store, tenant, NOW) == lesson


def test_examples_know_nothing_of_what_came_after_their_instant(
    store: Store, tmp_path: Path
) -> None:
    """Not who endorsed later, nor how many: else a listing would foretell its own endorsement."""
    (tenant,) = store.tenants()
    table = store.endorsement_table(tenant).to_pylist()
    since = sorted(row["created_at"] for row in table)[len(table) // 2]
    until = since + 100 * 86_400
    before = told(store, tenant, since, until)
    listings = sorted({row["listing"] for row in table})[:40]
    members = [one.id for one in store.page(Member, tenant, limit=60)]
    known = {(row["member"], row["listing"]) for row in table}
    later = [
        Endorsement(
            tenant_id=tenant,
            id=f"later-{listing}-{member}",
            member_id=member,
            listing_id=listing,
            created_at=datetime.fromtimestamp(until, UTC) + timedelta(hours=1),
        )
        for listing in listings
        for member in members
        if (member, listing) not in known
    ]
    assert len(later) > 1_000
    store.backup(tmp_path / "later.db")
    other_town = open_store(tmp_path / "later.db")
    other_town.put_all(later)
    after = told(other_town, tenant, since, until)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    lesson = learn(other_town, tenant, datetime.fromtimestamp(since, UTC))
    assert lesson.events == sum(row["created_at"] <= since for row in table)
    other_town.close()


def told(store: Store, tenant: str, since: int, until: int) -> tuple[np.ndarray, ...]:
    past = _Past(store, tenant, until, Profiles.load())
    examples = past.examples(since, until)
    assert examples.liked.sum() > 20 and examples.terms.shape[1] == len(TERMS)
    assert (examples.terms.max(axis=0) > 0).all()
    return examples.terms, examples.liked, examples.weight


def test_with_too_little_history_the_formula_goes_on_and_it_is_said_what_there_is(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tenant,) = store.tenants()
    lesson = learn(store, tenant, NOW - timedelta(days=290))
    assert lesson == Lesson(model=None, why="too-few-events", events=lesson.events)
    assert 0 < lesson.events < LEAST_EVENTS
    monkeypatch.setattr("matching.recommending.learned.VIEWERS", 20)
    lesson = learn(store, tenant, NOW)
    liked = lesson.liked
    assert lesson == Lesson(model=None, why="too-few-liked", events=lesson.events, liked=liked)
    assert lesson.events >= LEAST_EVENTS
    assert len(liked) == 3 and 0 < min(liked) < LEAST_LIKED
    empty = open_store(tmp_path / "empty.db")
    fill(empty, 0)
    (tenant,) = empty.tenants()
    assert learn(empty, tenant, NOW) == Lesson(model=None, why="too-few-events", events=0)
    empty.close()


def test_the_formula_is_what_is_documented() -> None:
    readme = (Path(__file__).parents[3] / "matching" / "README.md").read_text(encoding="utf-8")
    for term, weight in zip(TERMS, FORMULA.weights, strict=True):
        assert f"| {term} | {weight:.2f} |".replace("0.", ".") in readme
