"""Ranking in numpy, as any peer of ours would do it, and brute force with it to check them all."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from benchmarks.near_workloads import LIMIT, Question, Workload
from geo.distance import haversine_m
from indexes.columns import ALWAYS_TO, EPOCH_S, IN_STOCK, SOLD_OUT, PointColumns
from indexes.points import Rule

__all__ = ["Ranked", "Shard", "best", "brute_force", "factor", "most_beyond", "shards_of"]

BANDS_M = np.array([0.0, 500.0, 1000.0, 2000.0, 5000.0])
DAY_S = 86_400.0

Ranked = list[tuple[int, int, int]]  # score in 1e-9 (by distance: minus mm), tie in mm, row


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """The points of one class side by side, which is what a peer keeps a tree of.

    ``rank(shard, question, rule, places)`` gives the best 20 of some of its points.
    """

    columns: PointColumns
    rows: np.ndarray  # the row of each of its points
    rank: Callable[["Shard", Question, Rule, np.ndarray], Ranked]


def shards_of(workload: Workload) -> dict[int, Shard]:
    """One shard a class, ranked no harder than the workload asks for."""
    classes = workload.columns.classes
    rank = {"W1": _by_score, "W2": _by_profile, "KNN": _by_distance}[workload.name]
    found = {}
    for code in np.unique(classes).tolist():
        rows = np.flatnonzero(classes == code)
        columns = PointColumns(
            *(getattr(workload.columns, field.name)[rows] for field in fields(PointColumns))
        )
        found[code] = Shard(columns, rows, rank)
    return found


def best(ranked: Ranked) -> Ranked:
    """The best 20 of the answers of several shards."""
    return sorted(ranked, key=lambda one: (-one[0], one[1], one[2]))[:LIMIT]


def brute_force(shards: dict[int, Shard], question: Question) -> Ranked:
    """Every point ranked: what all engines must answer."""
    ranked: Ranked = []
    for code, rule in question.rules.items():
        if code in shards:
            shard = shards[code]
            ranked += shard.rank(shard, question, rule, np.arange(len(shard.rows)))
    return best(ranked)


def most_beyond(rule: Rule, d_m: float, by_distance: bool) -> float:
    """No point farther than this scores more; 1e-9."""
    if by_distance:
        return -d_m * 1000.0
    return float(rule.weights[0] * factor(rule, np.array([d_m]))[0] + sum(rule.weights[1:])) * 1e9


def factor(rule: Rule, d: np.ndarray) -> np.ndarray:
    """The distance factor of a rule."""
    x = np.maximum(0.0, d - rule.offset_m) / rule.scale_m
    if rule.shape == "linear":
        return np.maximum(0.0, 1.0 - x * (1.0 - rule.decay))
    return rule.decay ** (x * x if rule.shape == "gauss" else x)


def _by_distance(shard: Shard, question: Question, rule: Rule, places: np.ndarray) -> Ranked:
    d = haversine_m(question.ask.origin, shard.columns.lonlat[places])
    return _top(-np.floor(d * 1000.0 + 0.5), np.zeros(len(d)), shard.rows[places])


def _by_score(shard: Shard, question: Question, rule: Rule, places: np.ndarray) -> Ranked:
    """W1: valid now, near, distance and trust; nothing else is looked at."""
    columns, ask = shard.columns, question.ask
    at = ask.at - EPOCH_S
    places = places[(columns.valid_from[places] <= at) & (at < columns.valid_to[places])]
    d = haversine_m(ask.origin, columns.lonlat[places])
    near = d <= ask.radius_m
    places, d = places[near], d[near]
    score = rule.weights[0] * factor(rule, d) + rule.weights[1] * columns.trust[places]
    return _top(np.floor(score * 1e9 + 0.5), np.floor(d * 1000.0 + 0.5), shard.rows[places])


def _by_profile(shard: Shard, question: Question, rule: Rule, places: np.ndarray) -> Ranked:
    """W2: every filter and factor of the product."""
    columns, ask = shard.columns, question.ask
    at = ask.at - EPOCH_S
    keep = (columns.valid_from[places] <= at) & (at < columns.valid_to[places])
    keep &= np.isin(columns.audience[places], question.visible)
    if question.blocked:
        keep &= ~np.isin(columns.owner[places], question.blocked)
    if ask.open_now:
        hours = columns.hours[places]
        keep &= (hours >= 0) & (question.hours[hours] == 2)
    if question.depths is not None:
        keep &= question.depths[columns.category[places]] > 0
    places = places[keep]
    d = haversine_m(ask.origin, columns.lonlat[places])
    reach = columns.reach_m[places]
    near = (d <= ask.radius_m) & ((reach == ALWAYS_TO) | (d <= reach))
    places, d = places[near], d[near]

    hours, stock = columns.hours[places], columns.stock[places]
    state = np.where(hours >= 0, question.hours[hours], 1)
    available = np.where((state == 2) | (stock == IN_STOCK), 1.0, 0.5)
    available[(stock == SOLD_OUT) | (state == 0)] = 0.0
    fit: np.ndarray | float = 1.0
    if question.depths is not None:
        fit = ask.depth / question.depths[columns.category[places]]
    scored = _banded(d) if len(places) and columns.personal[0] else d
    w = rule.weights
    score = w[0] * factor(rule, scored) + w[1] * columns.trust[places]
    score = score + w[2] * _fresh(rule, at - columns.fresh_at[places]) + w[3] * available
    score = np.floor((score + w[4] * fit) * 1e9 + 0.5)
    tie = np.where(np.isinf(scored), 2.0**62, np.floor(np.nan_to_num(scored) * 1000.0 + 0.5))
    return _top(score, tie, shard.rows[places])


def _top(score: np.ndarray, tie: np.ndarray, rows: np.ndarray) -> Ranked:
    if len(rows) > 4 * LIMIT:  # a partial sort first: ties at the edge are all kept
        edge = np.partition(score, len(score) - LIMIT)[len(score) - LIMIT]
        kept = score >= edge
        score, tie, rows = score[kept], tie[kept], rows[kept]
    order = np.lexsort((rows, tie, -score))[:LIMIT]
    return list(
        zip(
            score[order].astype(np.int64).tolist(),
            tie[order].astype(np.int64).tolist(),
            rows[order].tolist(),
            strict=True,
        )
    )


def _banded(d: np.ndarray) -> np.ndarray:
    edges = np.append(BANDS_M, np.inf)
    return np.where(d == 0.0, 0.0, edges[1 + np.searchsorted(BANDS_M[1:], d, side="right")])


def _fresh(rule: Rule, age_s: np.ndarray) -> np.ndarray | float:
    if rule.fresh == "half-life":
        return 0.5 ** (np.maximum(0.0, age_s) / (14 * DAY_S))
    if rule.fresh == "event":
        return np.clip((30 * DAY_S + age_s) / (28 * DAY_S), 0.0, 1.0)
    return 1.0
