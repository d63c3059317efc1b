"""Who else could answer near me in process: cKDTree and BallTree, and brute force to check all.

Each peer is given every advantage: one tree a class, compact columns in each tree's own order,
and the smart way to ask: fetch some nearest, rank them, stop when nothing farther could still
rank, else fetch four times as many.
"""

import time
from abc import ABC, abstractmethod
from math import cos, radians, sin
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from sklearn.neighbors import BallTree

from benchmarks.near_workloads import LIMIT, Question, Workload
from geo.distance import EARTH_RADIUS_M, haversine_m
from indexes.columns import ALWAYS_TO, EPOCH_S, IN_STOCK, SOLD_OUT, PointColumns
from indexes.points import Rule

__all__ = ["BallTreePeer", "GrowingPeer", "KDTreePeer", "Ranked", "brute_force"]

COLUMN_BYTES = 70  # of `PointColumns`, as numpy keeps them
FIRST_K = 96
GROWTH = 4
BANDS_M = np.array([0.0, 500.0, 1000.0, 2000.0, 5000.0])
DAY_S = 86_400.0

Ranked = list[tuple[int, int, int]]  # score in 1e-9 (by distance: minus mm), tie in mm, row


class GrowingPeer(ABC):
    """Some tree per class, asked for ever more of its nearest points until the best are sure."""

    name: str

    def __init__(self, workload: Workload) -> None:
        self._columns = workload.columns
        self._by_distance = workload.by_distance
        start = time.perf_counter()
        classes = workload.columns.classes
        self._rows = {code: np.flatnonzero(classes == code) for code in np.unique(classes).tolist()}
        self._trees = {
            code: self.build(workload.columns.lonlat[rows]) for code, rows in self._rows.items()
        }
        self.build_s = time.perf_counter() - start

    @abstractmethod
    def build(self, lonlat: np.ndarray) -> Any:
        """A tree over points, degrees."""

    @abstractmethod
    def nearest(
        self, tree: Any, origin: tuple[float, float], k: int, radius_m: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Metres and places of the k nearest points, at least those within the radius."""

    @abstractmethod
    def tree_bytes(self, tree: Any) -> int:
        """Bytes of a tree, as far as the library tells."""

    def bytes_per_point(self) -> float:
        """The trees, and the row of each point; what they rank by comes on top."""
        total = sum(self.tree_bytes(tree) for tree in self._trees.values())
        total += sum(rows.nbytes for rows in self._rows.values())
        return total / len(self._columns)

    def bytes_in_all(self) -> float:
        """With the columns that a peer ranks by."""
        return self.bytes_per_point() + COLUMN_BYTES

    def ask(self, question: Question) -> object:
        """What is timed: for the nearest of one kind, the bare library call."""
        if not self._by_distance:
            return self.answer(question)
        (code,) = question.rules
        return self.nearest(self._trees[code], question.ask.origin, LIMIT, np.inf)

    def answer(self, question: Question) -> Ranked:
        """The best 20, exactly."""
        ranked: Ranked = []
        for code, rule in question.rules.items():
            if code in self._trees:
                ranked += self._of_class(question, code, rule)
        return sorted(ranked, key=lambda one: (-one[0], one[1], one[2]))[:LIMIT]

    def _of_class(self, question: Question, code: int, rule: Rule) -> Ranked:
        tree, rows = self._trees[code], self._rows[code]
        radius_m = question.ask.radius_m * (1 + 1e-9)
        k = FIRST_K
        while True:
            metres, places = self.nearest(tree, question.ask.origin, min(k, len(rows)), radius_m)
            near = metres <= radius_m
            ranked = rank(self._columns, question, rule, rows[places[near]], self._by_distance)
            if not near.all() or k >= len(rows):
                return ranked
            if len(ranked) == LIMIT:
                farthest_m = float(metres[-1])
                if self._by_distance:
                    at_most = -farthest_m * 1000.0
                else:
                    beyond = factor(rule, np.array([farthest_m]))[0]
                    at_most = (rule.weights[0] * beyond + sum(rule.weights[1:])) * 1e9
                if at_most * (1 - 1e-9) + 1 < ranked[-1][0]:
                    return ranked
            k *= GROWTH


class KDTreePeer(GrowingPeer):
    """scipy's cKDTree on the unit sphere: chords order as arcs do."""

    name = "cKDTree"

    def build(self, lonlat: np.ndarray) -> cKDTree:
        return cKDTree(_unit_vectors(lonlat))

    def nearest(
        self, tree: cKDTree, origin: tuple[float, float], k: int, radius_m: float
    ) -> tuple[np.ndarray, np.ndarray]:
        bound = np.inf
        if radius_m < np.pi * EARTH_RADIUS_M:
            bound = 2.0 * sin(radius_m / EARTH_RADIUS_M / 2.0)
        chords, places = tree.query(_unit_vector(*origin), k=k, distance_upper_bound=bound)
        with np.errstate(invalid="ignore"):  # what is beyond the bound is infinite
            return 2.0 * EARTH_RADIUS_M * np.arcsin(chords / 2.0), places

    def tree_bytes(self, tree: cKDTree) -> int:
        return int(tree.data.nbytes + tree.indices.nbytes)  # its nodes are not told


class BallTreePeer(GrowingPeer):
    """scikit-learn's BallTree with its own haversine."""

    name = "BallTree"

    def build(self, lonlat: np.ndarray) -> BallTree:
        return BallTree(np.radians(lonlat[:, ::-1]), metric="haversine")

    def nearest(
        self, tree: BallTree, origin: tuple[float, float], k: int, radius_m: float
    ) -> tuple[np.ndarray, np.ndarray]:
        arcs, places = tree.query([[radians(origin[1]), radians(origin[0])]], k=k)
        return arcs[0] * EARTH_RADIUS_M, places[0]

    def tree_bytes(self, tree: BallTree) -> int:
        return sum(np.asarray(array).nbytes for array in tree.get_arrays())


def brute_force(columns: PointColumns, question: Question, by_distance: bool) -> Ranked:
    """Every point ranked: what all engines must answer."""
    ranked: Ranked = []
    for code, rule in question.rules.items():
        rows = np.flatnonzero(columns.classes == code)
        ranked += rank(columns, question, rule, rows, by_distance)
    return sorted(ranked, key=lambda one: (-one[0], one[1], one[2]))[:LIMIT]


def rank(
    columns: PointColumns, question: Question, rule: Rule, rows: np.ndarray, by_distance: bool
) -> Ranked:
    """The best 20 of some rows of one class, filtered and scored in numpy."""
    ask = question.ask
    at = ask.at - EPOCH_S
    keep = (columns.valid_from[rows] <= at) & (at < columns.valid_to[rows])
    if not by_distance:
        hours = columns.hours[rows]
        state = np.ones(len(rows), np.int32)
        if len(question.hours):
            state = np.where(hours >= 0, question.hours[hours], 1)
        keep &= np.isin(columns.audience[rows], question.visible)
        if question.blocked:
            keep &= ~np.isin(columns.owner[rows], question.blocked)
        if ask.open_now:
            keep &= (hours >= 0) & (state == 2)
        if question.depths is not None:
            keep &= question.depths[columns.category[rows]] > 0
        state = state[keep]
    rows = rows[keep]
    d = haversine_m(ask.origin, columns.lonlat[rows])
    near = (d <= ask.radius_m) & (
        (columns.reach_m[rows] == ALWAYS_TO) | (d <= columns.reach_m[rows])
    )
    rows, d = rows[near], d[near]
    if by_distance:
        score = -np.floor(d * 1000.0 + 0.5)
        tie = np.zeros(len(rows))
    else:
        state = state[near]
        personal = columns.personal[rows]
        scored = np.where(personal, _banded(d), d)
        stock = columns.stock[rows]
        available = np.where((state == 2) | (stock == IN_STOCK), 1.0, 0.5)
        available[(stock == SOLD_OUT) | (state == 0)] = 0.0
        fit = 1.0
        if question.depths is not None:
            fit = ask.depth / question.depths[columns.category[rows]]
        w = rule.weights
        total = w[0] * factor(rule, scored) + w[1] * columns.trust[rows]
        total = total + w[2] * _fresh(rule, at - columns.fresh_at[rows]) + w[3] * available
        score = np.floor((total + w[4] * fit) * 1e9 + 0.5)
        tie = np.where(np.isinf(scored), 2.0**62, np.floor(np.nan_to_num(scored) * 1000.0 + 0.5))
    if len(rows) > LIMIT:  # a partial sort first: ties at the edge are all kept
        edge = np.partition(score, len(score) - LIMIT)[len(score) - LIMIT]
        best = score >= edge
        rows, score, tie = rows[best], score[best], tie[best]
    order = np.lexsort((rows, tie, -score))[:LIMIT]
    return [(int(score[i]), int(tie[i]), int(rows[i])) for i in order]


def factor(rule: Rule, d: np.ndarray) -> np.ndarray:
    """The distance factor of a rule."""
    x = np.maximum(0.0, d - rule.offset_m) / rule.scale_m
    if rule.shape == "linear":
        return np.maximum(0.0, 1.0 - x * (1.0 - rule.decay))
    return rule.decay ** (x * x if rule.shape == "gauss" else x)


def _banded(d: np.ndarray) -> np.ndarray:
    edges = np.append(BANDS_M, np.inf)
    return np.where(d == 0.0, 0.0, edges[1 + np.searchsorted(BANDS_M[1:], d, side="right")])


def _fresh(rule: Rule, age_s: np.ndarray) -> np.ndarray | float:
    if rule.fresh == "half-life":
        return 0.5 ** (np.maximum(0.0, age_s) / (14 * DAY_S))
    if rule.fresh == "event":
        return np.clip((30 * DAY_S + age_s) / (28 * DAY_S), 0.0, 1.0)
    return 1.0


def _unit_vector(lon: float, lat: float) -> tuple[float, float, float]:
    lon, lat = radians(lon), radians(lat)
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)


def _unit_vectors(lonlat: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(lonlat.T)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
