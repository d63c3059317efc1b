"""Peers in this process: cKDTree, BallTree and STRtree.

Each is given every advantage: one tree a class beside its columns, and the smart way to ask:
fetch some nearest, rank them, stop when nothing farther could still rank, else fetch four times
as many.
"""

import time
from abc import ABC, abstractmethod
from math import cos, radians, sin
from typing import Any, Protocol

import numpy as np
import shapely
from scipy.spatial import cKDTree
from sklearn.neighbors import BallTree

from benchmarks.near_ranking import Ranked, best, most_beyond, shards_of
from benchmarks.near_workloads import LIMIT, Question, Workload
from geo.distance import EARTH_RADIUS_M

__all__ = [
    "BallTreePeer",
    "Engine",
    "KDTreePeer",
    "PeerMissingError",
    "STRTreePeer",
    "TreePeer",
    "TunedKDTreePeer",
]

COLUMN_BYTES = 70  # of `PointColumns`, as numpy keeps them
GROWTH = 4


class PeerMissingError(Exception):
    """A peer can't be had here, or has no answer to a workload."""


class Engine(Protocol):
    """Whoever answers questions, ours or a peer."""

    name: str
    build_s: float
    slack: int  # units of 1e-9 (or mm) by which its scores may differ: its sine is another's

    def ask(self, question: Question) -> object:
        """What is timed."""

    def answer(self, question: Question) -> Ranked:
        """The best 20."""

    def bytes_per_point(self) -> float:
        """What every visited point costs."""

    def bytes_in_all(self) -> float:
        """And all that is kept."""


class TreePeer(ABC):
    """Some tree per class, in this process."""

    name: str
    slack = 0

    def __init__(self, workload: Workload) -> None:
        self._points = len(workload.columns)
        self._by_distance = workload.by_distance
        start = time.perf_counter()
        self._shards = shards_of(workload)
        self._trees = {
            code: self.build(shard.columns.lonlat) for code, shard in self._shards.items()
        }
        self.build_s = time.perf_counter() - start

    @abstractmethod
    def build(self, lonlat: np.ndarray) -> Any:
        """A tree over points, degrees."""

    @abstractmethod
    def tree_bytes(self, tree: Any) -> int:
        """Bytes of a tree, as far as the library tells."""

    @abstractmethod
    def of_class(self, question: Question, code: int, least: float) -> Ranked:
        """The best 20 of a class, or those of them that score at least so much."""

    def bytes_per_point(self) -> float:
        """The trees, and the row of each point; what they rank by comes on top."""
        total = sum(self.tree_bytes(tree) for tree in self._trees.values())
        total += sum(shard.rows.nbytes for shard in self._shards.values())
        return total / self._points

    def bytes_in_all(self) -> float:
        return self.bytes_per_point() + COLUMN_BYTES

    def ask(self, question: Question) -> object:
        return self.answer(question)

    def answer(self, question: Question) -> Ranked:
        ranked: Ranked = []
        for code in question.rules:
            if code in self._trees:
                least = ranked[-1][0] if len(ranked) == LIMIT else -np.inf
                found = self.of_class(question, code, least)
                ranked = best(ranked + found) if ranked else found
        return ranked


class GrowingPeer(TreePeer):
    """A tree that finds k nearest: asked for ever more of them until the best are sure."""

    first_k = 96

    @abstractmethod
    def nearest(
        self, tree: Any, origin: tuple[float, float], k: int, radius_m: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Metres and places of the k nearest points, at least those within the radius."""

    def ask(self, question: Question) -> object:
        """For the nearest of one kind, the bare library call; else the answer."""
        if not self._by_distance:
            return self.answer(question)
        (code,) = question.rules
        return self.nearest(self._trees[code], question.ask.origin, LIMIT, np.inf)

    def of_class(self, question: Question, code: int, least: float) -> Ranked:
        tree, shard, rule = self._trees[code], self._shards[code], question.rules[code]
        radius_m = question.ask.radius_m * (1 + 1e-9)
        k = self.first_k
        while True:
            metres, places = self.nearest(
                tree, question.ask.origin, min(k, len(shard.rows)), radius_m
            )
            near = metres <= radius_m
            ranked = shard.rank(shard, question, rule, places[near])
            if not near.all() or k >= len(shard.rows):
                return ranked
            if len(ranked) == LIMIT:
                least = max(least, ranked[-1][0])
            # Scores are below 2^30: one unit covers what rounding adds to the bound.
            if most_beyond(rule, float(metres[-1]), self._by_distance) + 1 < least:
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


class TunedKDTreePeer(KDTreePeer):
    """The same, begun where W1 over a million points of the sample city is answered soonest:
    of 48, 96, 128, 192, 256, 320 and 384 tried."""

    name = "cKDTree tuned"
    first_k = 256

    def __init__(self, workload: Workload) -> None:
        if workload.by_distance:
            raise PeerMissingError("there is nothing to tune: 20 are asked for")
        super().__init__(workload)


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


class STRTreePeer(TreePeer):
    """shapely's STRtree on a plane of metres: all within the radius, then ranked exactly.

    It knows the one nearest, not the k nearest, so its search can't stop at a bound.
    """

    name = "STRtree"

    def __init__(self, workload: Workload) -> None:
        if workload.by_distance:
            raise PeerMissingError("finds one nearest point, not the k nearest")
        lats = np.radians(workload.columns.lonlat[:, 1])
        # One degree of longitude counts as on this parallel, and is wrong by so much elsewhere.
        self._cos_lat = cos((lats.min() + lats.max()) / 2.0)
        self._stretch = self._cos_lat / min(cos(lats.min()), cos(lats.max()))
        if self._stretch > 1.1:
            raise PeerMissingError("its plane does not hold places so far apart")
        super().__init__(workload)

    def build(self, lonlat: np.ndarray) -> shapely.STRtree:
        return shapely.STRtree(shapely.points(self._metres(lonlat)))

    def _metres(self, lonlat: np.ndarray) -> np.ndarray:
        return np.radians(lonlat) * EARTH_RADIUS_M * (self._cos_lat, 1.0)

    def of_class(self, question: Question, code: int, least: float) -> Ranked:
        # The plane overstates a distance by its stretch at most, and by what an arc bends.
        reach_m = question.ask.radius_m * self._stretch * 1.001
        here = shapely.points(self._metres(np.array(question.ask.origin)))
        places = self._trees[code].query(here, predicate="dwithin", distance=reach_m)
        shard = self._shards[code]
        return shard.rank(shard, question, question.rules[code], places)

    def tree_bytes(self, tree: shapely.STRtree) -> int:
        return 8 * len(tree)  # the geometries' references; GEOS doesn't tell the rest


def _unit_vector(lon: float, lat: float) -> tuple[float, float, float]:
    lon, lat = radians(lon), radians(lat)
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)


def _unit_vectors(lonlat: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(lonlat.T)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
