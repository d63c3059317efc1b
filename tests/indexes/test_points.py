"""The packed index equals brute force: rows, scores, ties, distances and factors."""

from dataclasses import replace
from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from point_cases import (
    ALL_CLASSES,
    EVERYTHING_M,
    KINDS,
    NOW,
    REGIONS,
    Case,
    cases,
    columns_from,
    rule_from,
    spots,
)

from indexes.columns import ALWAYS_FROM, ALWAYS_TO, EPOCH_S, NO_STOCK, PointColumns
from indexes.entities import Kind
from indexes.points import Ask, Found, PointIndex, Rule


def assert_best(found: Found, case: Case) -> None:
    """What was found is what brute force finds, number by number."""
    scored = case.scored
    reported = {
        int(row): (int(score), int(tie))
        for row, score, tie in zip(found.rows, found.scores, found.ties, strict=True)
    }
    expected = oracles.ranked(scored, reported)[: case.limit]
    assert [
        (int(score), int(tie), int(row))
        for score, tie, row in zip(found.scores, found.ties, found.rows, strict=True)
    ] == expected
    for i, row in enumerate(found.rows):
        one = scored[int(row)]
        assert found.distance_m[i] == pytest.approx(one.distance_m, rel=1e-12, abs=1e-6)
        assert tuple(found.factors[i]) == pytest.approx(one.factors, rel=1e-11, abs=1e-14)


def assert_nearest(found: Found, case: Case) -> None:
    """Ordered by whole millimetres of true distance, then by row; scores are minus those."""
    scored = {
        row: oracles.Scored(0.0, one.distance_m, one.distance_m, one.factors)
        for row, one in case.scored.items()
    }
    reported = {
        int(row): (0, -int(score)) for row, score in zip(found.rows, found.scores, strict=True)
    }
    expected = [(tie, row) for _, tie, row in oracles.ranked(scored, reported)[: case.limit]]
    assert [
        (-int(score), int(row)) for score, row in zip(found.scores, found.rows, strict=True)
    ] == expected


@given(cases())
def test_search_equals_brute_force(case: Case) -> None:
    index = PointIndex.build(case.columns)
    assert len(index) == len(case.columns)
    assert_best(index.search(case.plan, case.ask, case.filters, case.limit), case)


@given(cases())
def test_nearest_equals_brute_force(case: Case) -> None:
    index = PointIndex.build(case.columns)
    assert_nearest(index.nearest(case.plan, case.ask, case.filters, case.limit), case)


@given(cases(), st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_scan_of_some_rows_equals_brute_force(
    case: Case, seed: int, with_fits: bool, by_distance: bool
) -> None:
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(rng.random(len(case.columns)) < rng.random())
    fits = rng.integers(1, 11, len(case.columns)) / 10 if with_fits else None
    case.rows = tuple(rows.tolist())
    case.fits = None if fits is None else tuple(fits.tolist())
    index = PointIndex.build(case.columns)
    found = index.scan(
        case.plan,
        case.ask,
        case.filters,
        case.limit,
        rows,
        None if fits is None else fits[rows],
        by_distance=by_distance,
    )
    (assert_nearest if by_distance else assert_best)(found, case)


@given(cases(), st.integers(1, 70))
def test_pages_give_the_whole_ranking_without_gap_or_repeat(case: Case, size: int) -> None:
    index = PointIndex.build(case.columns)
    case.limit = len(case.columns)
    whole = index.search(case.plan, case.ask, case.filters, case.limit)
    assert_best(whole, case)
    rows: list[int] = []
    while len(page := index.search(case.plan, case.ask, case.filters, size)):
        rows += page.rows.tolist()
        last = int(page.scores[-1]), int(page.ties[-1]), (int(page.rows[-1]) + 1) << 31
        case.ask = replace(case.ask, after=last)
    assert rows == whole.rows.tolist()


@given(cases(), st.integers(0, 2**32 - 1))
def test_radius_and_distances_include_what_lies_exactly_there(case: Case, seed: int) -> None:
    index = PointIndex.build(case.columns)
    everything = len(case.columns)
    case.ask = replace(case.ask, min_m=0.0, inner_m=-1.0)
    found = index.nearest(case.plan, case.ask, case.filters, everything)
    if len(found) == 0:
        return
    edge = float(found.distance_m[np.random.default_rng(seed).integers(0, len(found))])

    def rows(**changed: float) -> set[int]:
        ask = replace(case.ask, **changed)
        return set(index.search(case.plan, ask, case.filters, everything).rows.tolist())

    within = set(found.rows[found.distance_m <= edge].tolist())
    inside = set(found.rows[found.distance_m < edge].tolist())
    everywhere = set(found.rows.tolist())
    assert rows(radius_m=edge) == within
    assert rows(min_m=edge) == everywhere - inside
    assert rows(inner_m=edge) == everywhere - within
    if edge > 0:
        assert rows(radius_m=float(np.nextafter(edge, 0))) == inside


@pytest.mark.parametrize("personal", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_thousands_on_one_spot_are_ranked_exactly(personal: bool, plain: bool) -> None:
    rng = np.random.default_rng(7)
    spot, around = (5.3740001, 43.2951003), spots(rng, "town", 500)
    lonlat = np.vstack([np.tile(spot, (4_000, 1)), around])
    columns = columns_from(rng, lonlat, plain)
    columns.kind[:] = KINDS.index(Kind.AD)
    columns.personal[:] = personal
    rules = {(Kind.AD, personal): Rule((0.45, 0.2, 0.25, 0.05, 0.05), "gauss", 200.0, 600.0)}
    index = PointIndex.build(columns)
    for origin in (spot, tuple(around[0].tolist())):
        for fresh in ("steady", "half-life", "event"):
            for limit in (1, 20, 333):
                rules = {which: replace(rule, fresh=fresh) for which, rule in rules.items()}
                case = Case(columns, rules, Ask(origin, NOW), limit=limit, visible=(0, 1, 2))
                assert_best(index.search(case.plan, case.ask, case.filters, limit), case)
        assert_nearest(
            index.nearest(case.plan, case.ask, case.filters, 50), replace(case, limit=50)
        )


@pytest.mark.parametrize("where", REGIONS)
def test_thousands_of_points_of_every_class_are_ranked_exactly(where: str) -> None:
    rng = np.random.default_rng(11)
    pool = spots(rng, where, 2_500)
    columns = columns_from(rng, pool[rng.integers(0, len(pool), 3_000)], plain=False)
    index = PointIndex.build(columns)
    for origin in pool[:4].tolist():
        rules = {which: rule_from(rng, which[0]) for which in ALL_CLASSES}
        case = Case(columns, rules, Ask(tuple(origin), NOW), visible=(0, 3), limit=25)
        case.ask = replace(case.ask, radius_m=2_000.0 if where == "town" else EVERYTHING_M)
        assert_best(index.search(case.plan, case.ask, case.filters, case.limit), case)
        assert_nearest(index.nearest(case.plan, case.ask, case.filters, case.limit), case)


def simple(n: int, **changed: Any) -> PointColumns:
    """n public places on one spot, always valid, that nothing tells apart."""
    columns = columns_from(np.random.default_rng(0), np.tile((5.37, 43.3), (n, 1)), plain=True)
    values = {
        "kind": KINDS.index(Kind.PLACE), "personal": False, "trust": 0.5,
        "valid_from": ALWAYS_FROM, "valid_to": ALWAYS_TO, "audience": 0, "reach_m": ALWAYS_TO,
        "hours": -1, "owner": -1, "stock": NO_STOCK, "category": 0,
    }  # fmt: skip
    for name, value in (values | changed).items():
        getattr(columns, name)[:] = value
    return columns


PLACES = {(Kind.PLACE, False): Rule((0.5, 0.5, 0.0, 0.0, 0.0), "gauss", 200.0, 600.0)}


@pytest.mark.parametrize("limit", [1, 20])
def test_an_empty_index_finds_nothing(limit: int) -> None:
    case = Case(simple(0), PLACES, Ask((5.37, 43.3), NOW))
    index = PointIndex.build(case.columns)
    assert len(index) == 0
    assert len(index.search(case.plan, case.ask, case.filters, limit)) == 0
    assert len(index.nearest(case.plan, case.ask, case.filters, limit)) == 0
    none = np.empty(0, np.int64)
    assert len(index.scan(case.plan, case.ask, case.filters, limit, none)) == 0


def test_one_point_is_found_and_more_are_not_made_up() -> None:
    case = Case(simple(1), PLACES, Ask((5.37, 43.3), NOW), limit=200)
    found = PointIndex.build(case.columns).search(case.plan, case.ask, case.filters, 200)
    assert (found.rows.tolist(), found.scores.tolist()) == ([0], [750_000_000])
    assert found.ties.tolist() == [0]


def test_what_is_valid_at_no_instant_is_never_found() -> None:
    columns = simple(70, valid_from=ALWAYS_TO, valid_to=ALWAYS_FROM)
    index = PointIndex.build(columns)
    for at in (EPOCH_S, NOW, EPOCH_S + ALWAYS_FROM, EPOCH_S + ALWAYS_TO):
        case = Case(columns, PLACES, Ask((5.37, 43.3), at))
        assert len(index.search(case.plan, case.ask, case.filters, 100)) == 0
        assert len(index.nearest(case.plan, case.ask, case.filters, 100)) == 0
        assert len(index.scan(case.plan, case.ask, case.filters, 100, np.arange(70))) == 0


def test_validity_holds_from_its_first_second_and_ends_before_its_last() -> None:
    columns = simple(3)
    columns.valid_from[:] = np.array([NOW, NOW + 1, NOW - 1]) - EPOCH_S
    columns.valid_to[:] = np.array([NOW + 1, NOW + 9, NOW]) - EPOCH_S
    case = Case(columns, PLACES, Ask((5.37, 43.3), NOW))
    found = PointIndex.build(columns).search(case.plan, case.ask, case.filters, 9)
    assert found.rows.tolist() == [0]


def test_instants_beyond_the_seconds_kept_still_find_what_is_always_valid() -> None:
    columns = simple(2)
    columns.valid_from[1] = NOW - EPOCH_S
    index = PointIndex.build(columns)
    for year, rows in ((1920, [0]), (2100, [0, 1]), (2600, [0, 1])):
        ask = Ask((5.37, 43.3), int((year - 1970) * 365.2425 * 86_400))
        case = Case(columns, PLACES, ask)
        assert index.search(case.plan, ask, case.filters, 9).rows.tolist() == rows
        assert index.scan(case.plan, ask, case.filters, 9, np.arange(2)).rows.tolist() == rows


def test_equal_scores_are_broken_by_row_however_many_there_are() -> None:
    columns = simple(1_000)
    case = Case(columns, PLACES, Ask((5.38, 43.31), NOW))
    index = PointIndex.build(columns)
    for limit in (1, 31, 32, 33, 500, 1_000):
        found = index.search(case.plan, case.ask, case.filters, limit)
        assert found.rows.tolist() == list(range(limit))


def test_people_tie_within_a_band_and_public_things_do_not() -> None:
    """Two people at 100 and 400 m differ in nothing but their row; two places do differ."""
    columns = simple(2, kind=KINDS.index(Kind.ARTISAN))
    columns.lonlat[:, 1] = [43.3036, 43.3009]  # row 0 is the farther one
    weights = (0.0, 1.0, 0.0, 0.0, 0.0)
    for personal, order, ties in (
        (True, [0, 1], [500_000] * 2),
        (False, [1, 0], [100_076, 400_302]),
    ):
        columns.personal[:] = personal
        rules = {(Kind.ARTISAN, personal): Rule(weights, "gauss", 200.0, 600.0)}
        case = Case(columns, rules, Ask((5.37, 43.3), NOW))
        found = PointIndex.build(columns).search(case.plan, case.ask, case.filters, 9)
        assert found.rows.tolist() == order
        assert found.ties.tolist() == ties


def test_classes_left_out_of_the_plan_are_not_searched() -> None:
    columns = simple(3)
    columns.kind[:] = [KINDS.index(k) for k in (Kind.PLACE, Kind.MERCHANT, Kind.PLACE)]
    case = Case(columns, PLACES, Ask((5.37, 43.3), NOW))
    index = PointIndex.build(columns)
    assert index.search(case.plan, case.ask, case.filters, 9).rows.tolist() == [0, 2]
    assert index.scan(case.plan, case.ask, case.filters, 9, np.arange(2)).rows.tolist() == [0]
