"""Contents of a near-me index and questions to it, drawn from a generator."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import oracles
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
from indexes.points import Ask, Plan, Rule, pack_filters

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


ALL_CLASSES = tuple(
    (kind, personal)
    for kind in Kind
    for personal in (False, True)
    if (kind in PERSON_KINDS or not personal) and (personal or kind not in PERSONAL_KINDS)
)


def radii(rng: np.random.Generator, origin: tuple[float, float], pool: np.ndarray) -> list[float]:
    """Radii to try: the spot itself, a part of the pool several times, and round figures."""
    distances = sorted(oracles.distance_m(*origin, *spot) for spot in pool.tolist())
    part = distances[rng.integers(0, len(distances))] * 1.001 + 0.01
    return [0.0] + 6 * [float(part)] + 2 * [499_999.0, EVERYTHING_M]


@st.composite
def cases(draw: st.DrawFn, most: int = 300) -> Case:
    """Any content, any question; the filters each by itself, none, or several at once."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    where = draw(st.sampled_from(REGIONS))
    n = draw(st.sampled_from([1, 33, 100, most, most, most]))
    distinct = draw(st.sampled_from([1, 4, most]))
    pool = spots(rng, where, distinct)
    columns = columns_from(rng, pool[rng.integers(0, distinct, n)], plain=draw(st.booleans()))
    asked = [which for which in ALL_CLASSES if rng.random() < 0.7] or list(ALL_CLASSES)
    own_rules = rng.random() < 0.5
    rule = rule_from(rng, Kind.PLACE)
    rules = {
        (kind, personal): rule_from(rng, kind)
        if own_rules
        else replace(rule, fresh=FRESH.get(kind, "steady"))
        for kind, personal in asked
    }
    lon, lat = pool[0].tolist()
    origins = [(lon, lat), (lon, lat), tuple(spots(rng, where, 9)[-1].tolist())]
    if where == "Earth":
        origins.append((round(lon - 180.0 if lon > 0 else lon + 180.0, 7), -lat))
    origin = origins[rng.integers(0, len(origins))]
    ask = Ask(
        origin,
        NOW,
        radius_m=float(rng.choice(radii(rng, origin, pool))),
        min_m=float(rng.choice([0.0] * 18 + [0.01, 900.0])),
        inner_m=float(rng.choice([-1.0] * 18 + [0.0, 600.0])),
        open_now=rng.random() < 0.15,
        verified=rng.random() < 0.15,
    )
    case = Case(columns, rules, ask, limit=draw(st.integers(1, 60)))
    case.visible = (0, *(rng.permutation(AUDIENCES)[: rng.integers(0, AUDIENCES)] + 1).tolist())
    case.hours = tuple(rng.integers(0, 3, HOURS).tolist())
    if rng.random() < 0.2:
        case.blocked = tuple(rng.permutation(OWNERS)[: rng.integers(0, 3)].tolist())
    if rng.random() < 0.2:
        case.zones = tuple(rng.permutation(ZONE_SETS)[: rng.integers(1, ZONE_SETS)].tolist())
    if rng.random() < 0.2:
        depth = int(rng.integers(1, 4))
        chosen = np.flatnonzero(rng.random(CATEGORIES) < rng.choice([0.2, 0.6])).tolist()
        case.depths = {category: depth + category % 3 for category in chosen}
        categories = sum(1 << bit for bit in {category % 64 for category in chosen})
        case.ask = replace(ask, depth=depth, categories=categories)
    return case
