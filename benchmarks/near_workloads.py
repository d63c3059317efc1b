"""The near-me workloads: points of a dense town, and questions asked where people live.

W1 is one kind, valid now, public points, 0.6 · exp(−d / 300 m) + 0.4 · trust. W2 is the
product's: default profiles, all filters, people at group points, audience and reach; half of
the questions ask one kind, half all eight, and a quarter come from a member. KNN is the 20
nearest of one kind, at any distance. 20 answers each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

import numpy as np

from geo.distance import distance_m, haversine_m
from indexes.columns import ALWAYS_FROM, ALWAYS_TO, Ints, PointColumns, class_code
from indexes.entities import PERSONAL_KINDS, Kind
from indexes.points import Ask, Plan, Rule, pack_filters
from indexes.sample import SamplePoints, Viewpoint
from matching.near import plan_of, rules_of
from matching.scoring import Profiles

__all__ = ["LIMIT", "Around", "Question", "Workload", "plain_columns", "w1", "workloads"]

LIMIT = 20
KINDS = tuple(Kind)
W1_WEIGHTS = (0.6, 0.4, 0.0, 0.0, 0.0)
W1_SCALE_M = 300.0

Around = tuple[float, float, float] | None  # lon, lat, metres


@dataclass(frozen=True, slots=True)
class Question:
    """One query, ready for the index, and what its peers need to filter alike."""

    plan: Plan
    rules: dict[int, Rule]
    ask: Ask
    filters: Ints
    visible: tuple[int, ...]
    blocked: tuple[int, ...]
    hours: np.ndarray
    depths: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Workload:
    """Points, and questions to them: one list for each radius, under the name of its row."""

    name: str
    columns: PointColumns
    questions: dict[str, list[Question]]

    @property
    def by_distance(self) -> bool:
        """Whether the nearest are asked for, not the best."""
        return self.name == "KNN"


def workloads(
    points: SamplePoints, questions: int, seed: int, radii_m: Sequence[float], around: Around = None
) -> list[Workload]:
    """W1, W2 and KNN over the same places.

    Parameters
    ----------
    points : SamplePoints
        n points of the sample city, of real zones or places.
    questions : int
        How many each.
    seed : int
        Of the questions.
    radii_m : sequence of float
        W1 and W2 are asked with each, the same questions else; the first has no suffix.
    around : (lon, lat, metres), optional
        Ask within this circle only; by default wherever people live.
    """
    rng = np.random.default_rng(seed)
    origins = _origins(points, around)
    plain = plain_columns(points.columns, rng)
    n = len(plain)
    unfiltered = replace(
        plain,
        valid_from=np.full(n, ALWAYS_FROM, np.int32),
        valid_to=np.full(n, ALWAYS_TO, np.int32),
    )
    plans = _plans()
    simple = _simple(points, origins, plans, questions, rng)
    product = _product(points, origins, questions, rng, around)
    nearest = _simple(points, origins, plans, questions, rng)
    return [
        Workload("W1", plain, _at_radii("W1", simple, radii_m)),
        Workload("W2", points.columns, _at_radii("W2", product, radii_m)),
        Workload("KNN", unfiltered, {"KNN": nearest}),
    ]


def w1(points: SamplePoints, questions: int, seed: int, radius_m: float) -> Workload:
    """W1 alone."""
    rng = np.random.default_rng(seed)
    plain = plain_columns(points.columns, rng)
    asked = _simple(points, _origins(points, None), _plans(), questions, rng)
    return Workload("W1", plain, _at_radii("W1", asked, [radius_m]))


def _at_radii(
    name: str, questions: list[Question], radii_m: Sequence[float]
) -> dict[str, list[Question]]:
    first, *others = radii_m
    names = {first: name} | {radius_m: f"{name}, {radius_m:g} m" for radius_m in others}
    return {
        name: [replace(one, ask=replace(one.ask, radius_m=radius_m)) for one in questions]
        for radius_m, name in names.items()
    }


def plain_columns(columns: PointColumns, rng: np.random.Generator) -> PointColumns:
    """The same places, all public, for anybody, with a continuous trust."""
    n = len(columns)
    nothing = np.full(n, -1, np.int32)
    return replace(
        columns,
        personal=np.zeros(n, np.bool_),
        trust=np.round(rng.beta(2, 2, n), 9),
        audience=np.zeros(n, np.int32),
        reach_m=np.full(n, ALWAYS_TO, np.int32),
        hours=nothing,
        owner=nothing,
        zones=nothing,
        stock=np.zeros(n, np.int32),
    )


def _plans() -> dict[Kind, tuple[Plan, dict[int, Rule]]]:
    rule = Rule(W1_WEIGHTS, "exp", 0.0, W1_SCALE_M, exp(-1.0))
    by_kind = {kind: {class_code(kind, personal=False): rule} for kind in KINDS}
    return {kind: (Plan(rules), rules) for kind, rules in by_kind.items()}


def _origins(points: SamplePoints, around: Around) -> np.ndarray:
    """Where people live."""
    lonlat = points.columns.lonlat
    if around is None:
        return lonlat
    lon, lat, radius_m = around
    return lonlat[haversine_m((lon, lat), lonlat) <= radius_m]


def _drawn(origins: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Some of them, give or take 100 m."""
    chosen = origins[rng.integers(0, len(origins), n)]
    return np.round(chosen + rng.uniform(-1e-3, 1e-3, (n, 2)), 7)


def _simple(
    points: SamplePoints,
    origins: np.ndarray,
    plans: dict[Kind, tuple[Plan, dict[int, Rule]]],
    n: int,
    rng: np.random.Generator,
) -> list[Question]:
    filters, hours = pack_filters(), np.empty(0, np.int32)
    found = []
    for lon, lat in _drawn(origins, n, rng).tolist():
        plan, rules = plans[KINDS[rng.integers(len(KINDS))]]
        ask = Ask((lon, lat), points.at)
        found.append(Question(plan, rules, ask, filters, (0,), (), hours, None))
    return found


def _product(
    points: SamplePoints, origins: np.ndarray, n: int, rng: np.random.Generator, around: Around
) -> list[Question]:
    profiles = Profiles.load()
    found = []
    for lon, lat in _drawn(origins, n, rng).tolist():
        kinds = KINDS if rng.random() < 0.5 else (KINDS[rng.integers(len(KINDS))],)
        member = rng.random() < 0.25
        ask = Ask((lon, lat), points.at, open_now=rng.random() < 0.1)
        visible: tuple[int, ...] = (0,)
        blocked: tuple[int, ...] = ()
        if member:
            viewer = _viewer(points, rng, around)
            visible, blocked = viewer.audiences, viewer.blocked
            ask = replace(ask, origin=viewer.origin)
        elif PERSONAL_KINDS.issuperset(kinds):
            kinds = (Kind.MERCHANT,)
        depths = None
        if len(kinds) == 1 and rng.random() < 0.2:
            depths, categories_asked = points.category_depths(rng)
            ask = replace(ask, depth=1, categories=categories_asked)
        rules = rules_of(profiles, kinds, None, member)
        categories = () if depths is None else depths
        filters = pack_filters(visible, blocked, (), points.hours_states, categories)
        found.append(
            Question(
                plan_of(profiles, kinds, None, member),
                rules,
                ask,
                filters,
                visible,
                blocked,
                points.hours_states,
                depths,
            )
        )
    return found


def _viewer(points: SamplePoints, rng: np.random.Generator, around: Around) -> Viewpoint:
    while True:
        viewer = points.viewer(rng)
        if around is None or distance_m(*viewer.origin, *around[:2]) <= around[2]:
            return viewer
