"""The near-me workloads: points of a dense town, and questions asked where people live.

W1 is one kind, valid now, public points, 0.6 · exp(−d / 300 m) + 0.4 · trust. W2 is the
product's: default profiles, all filters, people at group points, audience and reach; half of
the questions ask one kind, half all eight, and a quarter come from a member. KNN is the 20
nearest of one kind, at any distance. Radius 2 km, 20 answers.
"""

from dataclasses import dataclass, replace
from math import exp

import numpy as np

from indexes.columns import ALWAYS_FROM, ALWAYS_TO, Ints, PointColumns, class_code
from indexes.entities import PERSONAL_KINDS, Kind
from indexes.points import Ask, Plan, Rule, pack_filters
from indexes.sample import SamplePoints
from matching.near import plan_of, rules_of
from matching.scoring import Profiles

__all__ = ["LIMIT", "RADIUS_M", "Question", "Workload", "workloads"]

RADIUS_M = 2_000.0
LIMIT = 20
KINDS = tuple(Kind)
W1_WEIGHTS = (0.6, 0.4, 0.0, 0.0, 0.0)
W1_SCALE_M = 300.0


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
    """Points and the questions to them. ``by_distance`` asks for the nearest."""

    name: str
    columns: PointColumns
    questions: list[Question]
    by_distance: bool = False


def workloads(points: SamplePoints, questions: int, seed: int) -> list[Workload]:
    """W1, W2 and KNN over the same places.

    Parameters
    ----------
    points : SamplePoints
        n points of the sample city, or of real zones.
    questions : int
        How many each.
    seed : int
        Of the questions.
    """
    rng = np.random.default_rng(seed)
    plain = _plain(points.columns, rng)
    rule = Rule(W1_WEIGHTS, "exp", 0.0, W1_SCALE_M, exp(-1.0))
    plans = {kind: _one_kind(kind, rule) for kind in KINDS}
    n = len(plain)
    unfiltered = replace(
        plain,
        valid_from=np.full(n, ALWAYS_FROM, np.int32),
        valid_to=np.full(n, ALWAYS_TO, np.int32),
    )
    return [
        Workload("W1", plain, _simple(points, plans, questions, rng, RADIUS_M)),
        Workload("W2", points.columns, _product(points, questions, rng)),
        Workload("KNN", unfiltered, _simple(points, plans, questions, rng, None), by_distance=True),
    ]


def _plain(columns: PointColumns, rng: np.random.Generator) -> PointColumns:
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


def _one_kind(kind: Kind, rule: Rule) -> tuple[Plan, dict[int, Rule]]:
    rules = {class_code(kind, personal=False): rule}
    return Plan(rules), rules


def _origins(points: SamplePoints, n: int, rng: np.random.Generator) -> np.ndarray:
    """Where people live, give or take 100 m."""
    chosen = points.columns.lonlat[rng.integers(0, len(points.columns), n)]
    return np.round(chosen + rng.uniform(-1e-3, 1e-3, (n, 2)), 7)


def _simple(
    points: SamplePoints,
    plans: dict[Kind, tuple[Plan, dict[int, Rule]]],
    n: int,
    rng: np.random.Generator,
    radius_m: float | None,
) -> list[Question]:
    filters, hours = pack_filters(), np.empty(0, np.int32)
    found = []
    for lon, lat in _origins(points, n, rng).tolist():
        plan, rules = plans[KINDS[rng.integers(len(KINDS))]]
        ask = Ask((lon, lat), points.at)
        if radius_m is not None:
            ask.radius_m = radius_m
        found.append(Question(plan, rules, ask, filters, (0,), (), hours, None))
    return found


def _product(points: SamplePoints, n: int, rng: np.random.Generator) -> list[Question]:
    profiles = Profiles.load()
    found = []
    for lon, lat in _origins(points, n, rng).tolist():
        kinds = KINDS if rng.random() < 0.5 else (KINDS[rng.integers(len(KINDS))],)
        member = rng.random() < 0.25
        ask = Ask((lon, lat), points.at, RADIUS_M, open_now=rng.random() < 0.1)
        visible: tuple[int, ...] = (0,)
        blocked: tuple[int, ...] = ()
        if member:
            viewer = points.viewer(rng)
            ask.origin, visible, blocked = viewer.origin, viewer.audiences, viewer.blocked
        elif PERSONAL_KINDS.issuperset(kinds):
            kinds = (Kind.MERCHANT,)
        depths = None
        if len(kinds) == 1 and rng.random() < 0.2:
            ask.depth = 1
            depths, ask.categories = points.category_depths(rng)
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
