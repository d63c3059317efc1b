"""Trust against exact algebra and counted walks, and what nobody can do to it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trust_oracle as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from trust_worlds import DAY, NOW, N, worlds

from geo.errors import InputError
from matching.trust import TrustGraph, expectation, lower_bound, shown_levels

ROOT = Path(__file__).parents[2]


def town(members, ratings, seed, **columns):
    """A random graph: some are rated much oftener, nine in ten ratings are good."""
    rng = np.random.default_rng(seed)
    ratees = (members * rng.random(ratings) ** 2).astype(int)
    raters = rng.integers(0, members, ratings)
    values = np.where(rng.random(ratings) < 0.9, rng.uniform(0.2, 1.0, ratings), -1.0)
    at = NOW - rng.integers(0, 700, ratings) * DAY
    rows = [
        row
        for row in zip(raters.tolist(), ratees.tolist(), values.tolist(), at.tolist(), strict=True)
        if row[0] != row[1]
    ]
    return oracle.columns(members, rows, **columns)


def evidence_of(graph, viewer, now):
    found = graph.evidence(viewer)
    aged = 2.0 ** (-now / (365 * DAY))
    return {
        t: (p * aged, q * aged)
        for t, p, q in zip(found.targets.tolist(), found.positive, found.negative, strict=True)
    }


@settings(max_examples=15)
@given(worlds(), st.integers(0, N - 1))
def test_reach_and_evidence_are_those_of_the_same_walks_counted_by_hand(cols, viewer):
    graph = TrustGraph(cols)
    paths = oracle.walks(cols, viewer)
    nodes, probability = graph.reach(viewer)
    counts = {node: sum(node in path for path in paths) for node in range(N) if node != viewer}
    assert dict(zip(nodes.tolist(), probability.tolist(), strict=True)) == {
        node: count / 4000 for node, count in counts.items() if count
    }
    assert (np.diff(probability) <= 0).all()
    found, wanted = evidence_of(graph, viewer, NOW), oracle.counted(cols, viewer, NOW, paths)
    # A rating of 0 leaves nothing to count.
    assert {t for t, pair in wanted.items() if any(pair)} <= found.keys() <= wanted.keys()
    for target, pair in found.items():
        assert pair == pytest.approx(wanted[target], rel=1e-9)


def test_walks_miss_the_exact_reach_by_at_most_four_thousandths():
    cols = town(400, 4_000, seed=1)
    graph, exact = TrustGraph(cols), oracle.hitting(oracle.steps(cols))
    for viewer in range(0, 400, 40):
        estimate = np.zeros(400)
        nodes, probability = graph.reach(viewer)
        estimate[nodes] = probability
        true = np.delete(exact[viewer], viewer)
        top = np.argsort(-true)[:50]
        error = np.abs(np.delete(estimate, viewer) - true)
        assert error[top].mean() <= 0.004
        spread = np.sqrt(true * (1 - true) / 4_000)
        assert (error <= 5.5 * spread + 1e-3).all()  # 4,000 comparisons


def test_a_newcomers_walks_begin_at_proved_neighbours_half_of_the_time():
    n = 40
    groups = np.repeat([0, 1], n // 2)
    cols = town(n, 200, seed=2, groups=groups, verification=np.tile([1, 3], n // 2))
    none = (cols.raters != 4) & (cols.raters != 5)
    cols = oracle.columns(
        n,
        zip(
            *(c[none] for c in (cols.raters, cols.ratees, cols.values, cols.rated_at)), strict=True
        ),
        groups=groups,
        verification=cols.verification,
    )
    for viewer in (4, 5):
        exact = oracle.reach(cols, viewer)
        nodes, probability = TrustGraph(cols).reach(viewer)
        estimate = np.zeros(n)
        estimate[nodes] = probability
        estimate[viewer] = 1.0
        assert np.abs(estimate - exact).max() <= 5 * np.sqrt(0.25 / 4_000)
        assert exact[1] > 0.5 * 0.7 / 10  # the tenth part of the half, and what leads there


def test_evidence_by_walks_is_near_the_evidence_by_exact_reach():
    cols = town(60, 500, seed=3)
    graph = TrustGraph(cols)
    errors = []
    for viewer in range(0, 60, 6):
        found, wanted = evidence_of(graph, viewer, NOW), oracle.evidence(cols, viewer, NOW)
        assert {t for t, pair in wanted.items() if sum(pair) > 0.05} <= found.keys()
        for target, pair in wanted.items():
            near = found.get(target, (0.0, 0.0))
            errors.append(expectation(*map(np.array, near)) - expectation(*map(np.array, pair)))
    assert np.abs(errors).mean() < 0.01
    assert abs(np.mean(errors)) < 0.002


def test_one_inverse_gives_what_taking_each_targets_ratings_away_gives():
    cols = town(40, 300, seed=6)
    exact = oracle.Exact(cols, NOW)
    for viewer in range(0, 40, 8):
        if oracle.neighbours_of(cols, viewer, oracle.trust_weights(cols, NOW)):
            continue
        assert exact.reach(viewer) == pytest.approx(oracle.reach(cols, viewer), abs=1e-12)
        found = exact.evidence(viewer)
        for target, pair in oracle.evidence(cols, viewer, NOW).items():
            assert found[:, target] == pytest.approx(pair, rel=1e-6)


def with_own_ratings(cols, member, ratings):
    """The same world, the member's own ratings replaced."""
    others = cols.raters != member
    kept = zip(
        cols.raters[others],
        cols.ratees[others],
        cols.values[others],
        cols.rated_at[others],
        strict=True,
    )
    bonds = [(*pair, at) for pair, at in zip(cols.bonds.tolist(), cols.bonded_at, strict=True)]
    changed = oracle.columns(
        len(cols.keys),
        [*kept, *((member, ratee, value, NOW) for ratee, value in ratings if ratee != member)],
        bonds,
        keys=cols.keys,
        verification=cols.verification,
        groups=cols.groups,
        standing=cols.standing,
    )
    return replace(changed, endorsed=cols.endorsed)


own_ratings = st.lists(
    st.tuples(st.integers(0, N - 1), st.sampled_from([1.0, 1.0, 0.5, -1.0])), max_size=20
)


@given(worlds(), st.integers(0, N - 1), st.integers(0, N - 1), own_ratings)
def test_nobody_changes_how_they_are_reached_by_rating_others(cols, viewer, member, ratings):
    if viewer == member:
        return
    changed = with_own_ratings(cols, member, ratings)
    before, after = (dict(zip(*TrustGraph(c).reach(viewer), strict=True)) for c in (cols, changed))
    assert before.get(member) == after.get(member)
    exact = oracle.reach(cols, viewer)[member], oracle.reach(changed, viewer)[member]
    assert exact[0] == pytest.approx(exact[1], abs=1e-12)


def test_a_leader_gains_nothing_by_fakes_who_praise_each_other():
    honest = town(80, 800, seed=4)
    rows = list(zip(honest.raters, honest.ratees, honest.values, honest.rated_at, strict=True))
    leader, fakes = 80, range(81, 281)
    attack = [(fooled, leader, 1.0, NOW) for fooled in range(5)]
    shapes = {
        "star": [(fake, leader, 1.0, NOW) for fake in fakes],
        "loop": [edge for fake in fakes for edge in ((leader, fake), (fake, leader))],
        "chain": [(i, i + 1) for i in range(80, 280)] + [(i + 1, i) for i in range(80, 280)],
    }
    members = {"verification": np.full(281, 3)}
    alone = TrustGraph(oracle.columns(281, rows + attack, **members))
    for ring in shapes.values():
        ring = [(*edge[:2], 1.0, NOW) for edge in ring for _ in range(3)]
        graph = TrustGraph(oracle.columns(281, rows + attack + ring, **members))
        for viewer in range(0, 80, 4):
            without, within = (dict(zip(*g.reach(viewer), strict=True)) for g in (alone, graph))
            assert within.get(leader) == without.get(leader)
            # Fakes whom the viewer reaches make the 20th best no better reached.
            a, b = (evidence_of(g, viewer, NOW).get(leader, (0, 0)) for g in (alone, graph))
            assert b[0] <= a[0] * 1.0000001
            assert expectation(*b) <= expectation(*a) * 1.0000001


@given(worlds(), st.integers(0, N - 1), st.integers(0, N - 1), own_ratings)
def test_a_change_that_no_walk_enters_changes_nothing(cols, viewer, member, ratings):
    before = TrustGraph(cols).evidence(viewer)
    if member == viewer or member in before.reached:
        return
    after = TrustGraph(with_own_ratings(cols, member, ratings)).evidence(viewer)
    for name in ("reached", "targets", "positive", "negative"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


@given(worlds(), st.integers(0, N - 1), st.randoms(use_true_random=False))
def test_neither_the_order_of_ratings_nor_that_of_members_matters(cols, viewer, random):
    new_row = list(range(N))
    random.shuffle(new_row)
    new_row = np.array(new_row)
    order = list(range(len(cols.raters)))
    random.shuffle(order)
    row_of = np.argsort(new_row)
    endorsed = cols.endorsed
    listings = list(zip(endorsed.verification, endorsed.owners, strict=True))
    given = list(zip(endorsed.members, endorsed.listings, endorsed.at, strict=True))
    last = len(listings) - 1
    moved = oracle.columns(
        N,
        zip(
            new_row[cols.raters[order]],
            new_row[cols.ratees[order]],
            cols.values[order],
            cols.rated_at[order],
            strict=True,
        ),
        [(*new_row[pair], at) for pair, at in zip(cols.bonds, cols.bonded_at, strict=True)][::-1],
        [(level, new_row[owner] if owner >= 0 else -1) for level, owner in listings][::-1],
        [(new_row[who], last - listing, at) for who, listing, at in given][::-1],
        keys=cols.keys[row_of],
        verification=cols.verification[row_of],
        groups=cols.groups[row_of],
        standing=cols.standing[row_of],
    )
    before, after = TrustGraph(cols), TrustGraph(moved)
    nodes, probability = before.reach(viewer)
    moved_nodes, moved_probability = after.reach(int(new_row[viewer]))
    assert new_row[nodes].tolist() == moved_nodes.tolist()
    assert probability.tolist() == moved_probability.tolist()
    levels = before.levels(viewer, np.arange(N + last + 1), NOW)
    rows = np.concatenate((new_row, np.arange(N + last, N - 1, -1)))
    assert levels.tolist() == after.levels(int(new_row[viewer]), rows, NOW).tolist()


@given(worlds(), st.integers(0, N - 1), st.integers(0, 4000))
def test_evidence_halves_in_365_days(cols, viewer, age):
    graph = TrustGraph(cols)
    now = NOW + age * DAY
    for target, (positive, negative) in evidence_of(graph, viewer, now).items():
        later = evidence_of(graph, viewer, now + 365 * DAY)[target]
        assert later == pytest.approx((positive / 2, negative / 2), rel=1e-9)


@given(st.tuples(st.floats(0, 2000), st.floats(0, 2000)), st.integers(1, 10**9), st.integers(0, 4))
def test_no_level_rises_by_growing_old(evidence, seconds, verification):
    good, bad = (np.array([weight]) for weight in evidence)
    aged = 2.0 ** (-seconds / (365 * DAY))
    before = shown_levels(np.array([verification]), good, bad)
    assert shown_levels(np.array([verification]), good * aged, bad * aged) <= before


def test_a_rating_fades_until_the_level_falls():
    cols = oracle.columns(2, [(0, 1, 1.0, NOW)] * 31)
    graph = TrustGraph(cols)
    ages = [0, 100, 365, 3 * 365, 10 * 365]
    levels = [int(graph.levels(0, np.array([1]), NOW + age * DAY)[0]) for age in ages]
    assert levels == [4, 3, 3, 2, 1]


def test_thirty_one_ratings_of_one_pair_weigh_five_and_no_more_do():
    for count, weight in ((1, 1.0), (3, 2.0), (7, 3.0), (31, 5.0), (1000, 5.0)):
        cols = oracle.columns(2, [(0, 1, 1.0, NOW)] * count)
        assert evidence_of(TrustGraph(cols), 0, NOW)[1] == pytest.approx((weight, 0.0))


def test_who_rates_many_says_less_of_each():
    """Else a leader whom one member trusts makes a thousand fakes as trusted as it likes."""
    ratings = [(0, 1, 1.0, NOW)] + [(1, target, 1.0, NOW) for target in range(2, 42)]
    found = evidence_of(TrustGraph(oracle.columns(42, ratings)), 0, NOW)
    assert sum(positive for positive, _ in found.values()) == pytest.approx(1 + 10)
    assert found[41] == pytest.approx((10 / 40, 0.0))
    later = [(*row[:3], NOW - 3 * 365 * DAY) for row in ratings]
    aged = evidence_of(TrustGraph(oracle.columns(42, later)), 0, NOW)
    assert aged[41] == pytest.approx((10 / 40 / 8, 0.0))


def test_a_listing_is_known_by_whom_the_viewer_reaches_that_recommend_it():
    trusted = [(0, member, 1.0, NOW) for member in range(1, 8)]
    given = [(member, listing, NOW) for member in range(1, 8) for listing in (0, 1)]
    cols = oracle.columns(9, trusted, [], [(4, -1), (1, -1), (4, -1)], given)
    graph = TrustGraph(cols)
    assert graph.levels(0, np.array([9, 10, 11]), NOW).tolist() == [4, 1, 1]
    assert graph.levels(8, np.array([9, 10, 11]), NOW).tolist() == [1, 1, 1]
    # Four years later, that is all forgotten; half way, some is.
    ages = [graph.levels(0, np.array([9]), NOW + years * 365 * DAY)[0] for years in (1, 2, 5)]
    assert ages == [3, 2, 1]


def test_whom_a_viewer_reaches_by_way_of_the_owner_says_nothing_of_the_listing():
    ring = range(2, 12)
    ratings = [(0, 1, 1.0, NOW)] + [(1, fake, 1.0, NOW) for fake in ring]
    given = [(fake, listing, NOW) for fake in ring for listing in (0, 1)]
    graph = TrustGraph(oracle.columns(12, ratings, [], [(4, 1), (4, -1)], given))
    assert graph.levels(0, np.array([12, 13]), NOW).tolist() == [1, 4]


def test_who_recommends_much_says_less_of_each():
    ratings, listings = [(0, 1, 1.0, NOW)], [(4, -1)] * 40
    given = [(1, listing, NOW) for listing in range(40)]
    found = evidence_of(TrustGraph(oracle.columns(2, ratings, [], listings, given)), 0, NOW)
    assert found[41] == pytest.approx((10 / 40, 0.0)) and found[1] == (1.0, 0.0)


@pytest.mark.parametrize(
    ("verification", "standing", "level"),
    [(0, 1.0, 0), (1, 1.0, 1), (2, 1.0, 2), (3, 1.0, 4), (4, 1.0, 4), (4, 0.0, 0)],
)
def test_what_is_verified_bounds_the_level_and_a_safety_report_ends_it(
    verification, standing, level
):
    cols = oracle.columns(
        2,
        [(0, 1, 1.0, NOW)] * 31,
        verification=np.array([3, verification]),
        standing=np.array([1.0, standing]),
    )
    assert TrustGraph(cols).levels(0, np.array([1]), NOW).tolist() == [level]


def test_two_viewers_may_see_the_same_member_differently():
    ratings = [(0, 2, 1.0, NOW)] * 7 + [(1, 2, -1.0, NOW)] * 7
    graph = TrustGraph(oracle.columns(3, ratings))
    assert [int(graph.levels(viewer, np.array([2]), NOW)[0]) for viewer in (0, 1)] == [3, 1]


def test_the_bound_never_leaves_nought_to_one():
    positive, negative = np.random.default_rng(5).exponential(5, (2, 1000))
    bound = lower_bound(positive, negative)
    assert ((bound > 0) & (bound < expectation(positive, negative))).all()


PROGRAM = """
import numpy as np, trust_oracle as oracle
from matching.trust import TrustGraph
ratings = [(i, (i * i + k) % 50, 1 - i % 3, 1_795_000_000 - k * 9_000_000)
           for i in range(50) for k in range(1, 6) if i != (i * i + k) % 50]
graph = TrustGraph(oracle.columns(50, ratings))
for viewer in range(50):
    found = graph.evidence(viewer)
    print(found.reached.tolist(), found.targets.tolist(), found.positive.tolist())
    print(graph.levels(viewer, np.arange(50), 1_795_000_000).tolist())
"""


def test_two_processes_give_the_same_answers():
    answers = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
    assert len(answers.pop().splitlines()) == 100


def test_an_empty_graph_and_a_member_alone_are_answered():
    assert len(TrustGraph(oracle.columns(0))) == 0
    graph = TrustGraph(oracle.columns(1))
    assert graph.reach(0)[0].tolist() == []
    assert graph.levels(0, np.array([0]), NOW).tolist() == [1]


def test_a_row_that_is_not_there_is_refused():
    graph = TrustGraph(oracle.columns(2))
    for ask in (lambda: graph.reach(2), lambda: graph.levels(0, np.array([-1]), NOW)):
        with pytest.raises(InputError):
            ask()
