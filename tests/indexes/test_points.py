"""The packed index equals brute force: rows, scores, ties, distances and factors."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.columns import (
    ALWAYS_FROM,
    ALWAYS_TO,
    EPOCH_S,
    IN_STOCK,
    NO_STOCK,
    SOLD_OUT,
    PointColumns,
    class_code,
)
from indexes.entities import PERSON_KINDS, PERSONAL_KINDS, Kind
from indexes.points import Ask, Found, Plan, PointIndex, Rule, pack_filters

KINDS = tuple(Kind)
NOW = 1_750_000_000
DAY_S = 86_400
STOCKS = {NO_STOCK: "none", IN_STOCK: "in stock", SOLD_OUT: "sold out"}
DOORS = ("closed", "unknown", "open")
EVERYTHING_M = oracles.HALF_EARTH_M + 1.0
AUDIENCES, OWNERS, ZONE_SETS, HOURS, CATEGORIES = 6, 8, 5, 7, 150
FRESH = {Kind.SERVICE: "half-life", Kind.AD: "half-life", Kind.EVENT: "event"}


@dataclass
class Case:
    """An index's content and one question to it, both as the index and the oracle want it."""

    columns: PointColumns
    rules: dict[tuple[Kind, bool], Rule]
    ask: Ask
    visible: tuple[int, ...] = (0,)
    blocked: tuple[int, ...] = ()
    zones: tuple[int, ...] | None = None
    hours: tuple[int, ...] = (0, 1, 2, 2, 2, 0, 1)
    depths: dict[int, int] | None = None
    limit: int = 20
    rows: tuple[int, ...] | None = None
    fits: tuple[float, ...] | None = None

    @property
    def plan(self) -> Plan:
        return Plan({class_code(*which): rule for which, rule in self.rules.items()})

    @property
    def filters(self) -> Any:
        depths = self.depths or {}
        return pack_filters(
            self.visible,
            self.blocked,
            () if self.zones is None else [int(i in self.zones) for i in range(ZONE_SETS)],
            self.hours,
            () if self.depths is None else [depths.get(i, 0) for i in range(CATEGORIES)],
        )

    @property
    def scored(self) -> dict[int, oracles.Scored]:
        columns, ask = self.columns, self.ask
        points = [
            {
                "lon": columns.lonlat[i, 0].item(),
                "lat": columns.lonlat[i, 1].item(),
                "kind": KINDS[columns.kind[i]],
                "personal": bool(columns.personal[i]),
                "trust": columns.trust[i].item(),
                "valid_from": -np.inf
                if columns.valid_from[i] == ALWAYS_FROM
                else int(columns.valid_from[i]) + EPOCH_S,
                "valid_to": np.inf
                if columns.valid_to[i] == ALWAYS_TO
                else int(columns.valid_to[i]) + EPOCH_S,
                "fresh_at": int(columns.fresh_at[i]) + EPOCH_S,
                "audience": int(columns.audience[i]),
                "reach_m": None if columns.reach_m[i] == ALWAYS_TO else int(columns.reach_m[i]),
                "hours": int(columns.hours[i]),
                "owner": int(columns.owner[i]),
                "zones": int(columns.zones[i]),
                "category": int(columns.category[i]),
                "stock": STOCKS[int(columns.stock[i])],
                "verified": bool(columns.verified[i]),
            }
            for i in range(len(columns))
        ]
        rules = {
            which: {
                "weights": rule.weights,
                "decay": (rule.shape, rule.offset_m, rule.scale_m, rule.decay),
                "fresh": rule.fresh,
            }
            for which, rule in self.rules.items()
        }
        question = {
            "origin": ask.origin,
            "at": ask.at,
            "radius_m": ask.radius_m,
            "min_m": ask.min_m,
            "inner_m": ask.inner_m,
            "open_now": ask.open_now,
            "verified": ask.verified,
            "visible": self.visible,
            "blocked": self.blocked,
            "zones": self.zones,
            "doors": [DOORS[state] for state in self.hours],
            "depths": self.depths,
            "depth": ask.depth,
            "rows": self.rows,
            "fits": self.fits,
        }
        return oracles.score_points(points, rules, question)


# -- columns from a generator ------------------------------------------------------------------


def spots(rng: np.random.Generator, where: str, n: int) -> np.ndarray:
    """Points of a region, some of them on its very edges, rounded as they are kept."""
    east, north = rng.uniform(-1, 1, n), rng.uniform(-1, 1, n)
    lon, lat = {
        "town": (5.37 + 0.05 * east, 43.3 + 0.03 * north),
        "country": (2.5 + 5 * east, 46.5 + 4 * north),
        "north pole": (180 * east, 90 - 0.05 * north**2),
        "south pole": (180 * east, -90 + 0.5 * north**2),
        "antimeridian": (((180 + 0.05 * east) + 180) % 360 - 180, -16.8 + 0.05 * north),
        "null island": (0.02 * east, 0.02 * north),
        "Earth": (180 * east, np.degrees(np.arcsin(north))),
    }[where]
    lonlat = np.column_stack([lon, lat])
    edges = {
        "north pole": [(0.0, 90.0), (180.0, 90.0)],
        "south pole": [(-180.0, -90.0), (77.0, -90.0)],
        "antimeridian": [(180.0, -16.8), (-180.0, -16.8)],
        "null island": [(0.0, 0.0), (-0.0, 0.0)],
        "Earth": [(180.0, 0.0), (-180.0, 0.0), (0.0, 90.0), (0.0, -90.0)],
    }.get(where, [])
    for i, edge in enumerate(edges[:n]):
        lonlat[i] = edge
    return np.round(lonlat, 7)


def columns_from(rng: np.random.Generator, lonlat: np.ndarray, plain: bool) -> PointColumns:
    """Listings of all kinds at these places; ``plain``: few distinct values, so many ties."""
    n = len(lonlat)

    def whole(low: int, high: int) -> np.ndarray:
        return rng.integers(low, high, n, dtype=np.int32)

    kind = whole(0, len(KINDS))
    always = np.isin(kind, [KINDS.index(k) for k in PERSONAL_KINDS])
    sometimes = np.isin(kind, [KINDS.index(k) for k in PERSON_KINDS])
    now = NOW - EPOCH_S
    unlimited = rng.random(n) < 0.6
    days = 1 if plain else 40 * DAY_S
    return PointColumns(
        lonlat=lonlat,
        kind=kind,
        personal=always | (sometimes & (rng.random(n) < 0.5)),
        trust=whole(0, 5) / 4 if plain else np.round(rng.random(n), 9),
        valid_from=np.where(rng.random(n) < 0.7, ALWAYS_FROM, now + whole(-9, 3)).astype(np.int32),
        valid_to=np.where(rng.random(n) < 0.7, ALWAYS_TO, now + whole(-2, 9)).astype(np.int32),
        fresh_at=now + whole(-days, days),
        audience=np.where(rng.random(n) < 0.5, 0, whole(-1, AUDIENCES)).astype(np.int32),
        reach_m=np.where(unlimited, ALWAYS_TO, np.exp(rng.uniform(0, np.log(1e5), n))).astype(
            np.int32
        ),
        hours=whole(-1, HOURS),
        owner=whole(-1, OWNERS),
        zones=whole(-1, ZONE_SETS),
        category=whole(0, 3 if plain else CATEGORIES),
        stock=whole(0, 3),
        verified=rng.random(n) < 0.5,
    )


def rule_from(rng: np.random.Generator, kind: Kind) -> Rule:
    weights = rng.dirichlet(np.ones(5)) * (rng.random(5) < 0.8)
    return Rule(
        tuple(weights.tolist()),
        str(rng.choice(["gauss", "exp", "linear"])),
        float(rng.choice([0.0, 200.0])),
        float(rng.choice([50.0, 600.0, 20_000.0, oracles.HALF_EARTH_M])),
        float(rng.choice([0.1, 0.5])),
        FRESH.get(kind, "steady"),
    )


REGIONS = ("town", "country", "north pole", "south pole", "antimeridian", "null island", "Earth")


@st.composite
def cases(draw: st.DrawFn, most: int = 300) -> Case:
    """Any content, any question, all filters at once or each by itself."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    where = draw(st.sampled_from(REGIONS))
    n = draw(st.integers(0, most))
    distinct = draw(st.sampled_from([1, 4, most]))
    pool = spots(rng, where, distinct)
    columns = columns_from(rng, pool[rng.integers(0, distinct, n)], draw(st.booleans()))
    asked = [which for which in ALL_CLASSES if draw(st.booleans())] or list(ALL_CLASSES)
    one_rule = rule_from(rng, Kind.PLACE)
    own_rules = draw(st.booleans())
    rules = {
        (kind, personal): rule_from(rng, kind)
        if own_rules
        else replace(one_rule, fresh=FRESH.get(kind, "steady"))
        for kind, personal in asked
    }
    lon, lat = draw(
        st.sampled_from(
            [
                tuple(pool[0].tolist()),
                tuple(spots(rng, where, 5)[-1].tolist()),
                (round(pool[0, 0] - 180 * np.sign(pool[0, 0]), 7), -pool[0, 1].item()),
            ]
        )
    )
    ask = Ask(
        (float(lon), float(lat)),
        NOW,
        radius_m=draw(
            st.sampled_from([0.0, 700.0, 3_333.3, 60_000.0, 499_999.0, 5e6, EVERYTHING_M])
        ),
        min_m=draw(st.sampled_from([0.0, 0.0, 0.0, 0.01, 900.0])),
        inner_m=draw(st.sampled_from([-1.0, -1.0, -1.0, 0.0, 600.0])),
        open_now=draw(st.integers(0, 5)) == 0,
        verified=draw(st.integers(0, 5)) == 0,
    )
    case = Case(columns, rules, ask, limit=draw(st.integers(1, 60)))
    case.visible = (0, *draw(st.sets(st.integers(1, AUDIENCES), max_size=4)))
    case.blocked = tuple(draw(st.sets(st.integers(0, OWNERS), max_size=2)))
    case.hours = tuple(rng.integers(0, 3, HOURS).tolist())
    if draw(st.integers(0, 3)) == 0:
        case.zones = tuple(draw(st.sets(st.integers(0, ZONE_SETS - 1))))
    if draw(st.integers(0, 3)) == 0:
        ask.depth = draw(st.integers(1, 3))
        chosen = rng.random(CATEGORIES) < 0.4
        case.depths = {int(i): ask.depth + int(i) % 3 for i in np.flatnonzero(chosen)}
        ask.categories = sum(1 << bit for bit in {category % 64 for category in case.depths})
    return case


ALL_CLASSES = tuple(
    (kind, personal)
    for kind in Kind
    for personal in (False, True)
    if (kind in PERSON_KINDS or not personal) and (personal or kind not in PERSONAL_KINDS)
)


# -- what must hold ----------------------------------------------------------------------------


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
        case.plan, case.ask, case.filters, case.limit, rows, fits, by_distance=by_distance
    )
    (assert_nearest if by_distance else assert_best)(found, case)
