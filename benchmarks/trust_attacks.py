"""Rings of fakes against trust, and against peers that know no viewer.

Whoever is fooled rates a fake once, as members rate on average; fakes rate each other best, three
times. What a ring gains is what its best fake has, of a single account's that fooled the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from trust_oracle import Exact

from benchmarks.trust_peers import mean, pagerank
from benchmarks.trust_ratings import DAY_S, Ratings, columns_of
from geo.errors import DeniedError
from matching.trust import TrustGraph, expectation, lower_bound
from matching.trusting.edges import HALF_LIFE_S
from matching.trusting.vouches import VOUCHERS_NEEDED, require_voucher
from matching.trusting.walks import WALKS

__all__ = ["SHAPES", "Town", "evidence_on", "fakes_on_top", "slander", "sybil", "vouch_ring"]

SHAPES = ("star", "loop", "chain", "cluster")
REPEATS = 3  # fakes rate each other so often
FRIENDS = 10  # whom each fake of a cluster rates
TOP = 100


@dataclass(frozen=True, slots=True, eq=False)
class Town:
    """Honest ratings, who looks, and in which order members are fooled."""

    ratings: Ratings
    viewers: np.ndarray
    fooled: np.ndarray

    @classmethod
    def of(cls, ratings: Ratings, viewers: int, seed: int) -> "Town":
        """Viewers and fooled at random among those who trust somebody."""
        rng = np.random.default_rng(seed)
        trusting = rng.permutation(np.unique(ratings.raters[ratings.values > 0]))
        return cls(ratings, trusting[:viewers], rng.permutation(trusting))

    @property
    def now_s(self) -> int:
        return int(self.ratings.at.max())

    def attacked(
        self, edges: int, fooled_by: np.ndarray, ring: tuple[np.ndarray, np.ndarray], fakes: int
    ) -> Ratings:
        """The town, fakes who rate each other, and members who were fooled by them, all today."""
        values = self.ratings.values
        count = edges + REPEATS * len(ring[0])
        attack = Ratings(
            self.ratings.members + fakes,
            np.concatenate((self.fooled[:edges], np.tile(ring[0], REPEATS))),
            np.concatenate((fooled_by, np.tile(ring[1], REPEATS))),
            np.where(np.arange(count) < edges, values[values > 0].mean(), 1.0),
            np.full(count, self.now_s),
        )
        return self.ratings.joined(attack)

    def alone(self, edges: int) -> Ratings:
        """One fake whom so many were fooled by."""
        nobody = np.empty(0, np.int64)
        return self.attacked(edges, np.full(edges, self.ratings.members), (nobody, nobody), fakes=1)

    def ring(self, shape: str, edges: int, fakes: int, seed: int) -> Ratings:
        """Many fakes: all around a leader whom members were fooled by, or a random cluster."""
        rng = np.random.default_rng(seed)
        leader = self.ratings.members
        others = np.arange(leader + 1, leader + fakes)
        leaders = np.full(len(others), leader)
        to_leader = np.full(edges, leader)
        if shape == "star":
            return self.attacked(edges, to_leader, (others, leaders), fakes)
        if shape == "loop":
            ring = np.concatenate((others, leaders)), np.concatenate((leaders, others))
            return self.attacked(edges, to_leader, ring, fakes)
        if shape == "chain":  # both ways, and closed
            all_fakes = np.append(leader, others)
            after = np.roll(all_fakes, -1)
            ring = np.concatenate((all_fakes, after)), np.concatenate((after, all_fakes))
            return self.attacked(edges, to_leader, ring, fakes)
        raters = np.repeat(np.append(leader, others), FRIENDS)
        steps = rng.integers(1, fakes, len(raters))  # never to oneself
        ratees = leader + (raters - leader + steps) % fakes
        fooled_by = leader + rng.permutation(fakes)[:edges]
        return self.attacked(edges, fooled_by, (raters, ratees), fakes)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the viewers of a town think of all, exactly: a row each."""

    reach: np.ndarray
    score: np.ndarray

    @classmethod
    def of(cls, ratings: Ratings, viewers: np.ndarray, now_s: int) -> "Seen":
        """By one inverse; the columns of a town have no newcomers."""
        exact = Exact(columns_of(ratings), now_s)
        evidence = np.array([exact.evidence(viewer) for viewer in viewers])
        return cls(
            np.array([exact.reach(viewer) for viewer in viewers]),
            expectation(evidence[:, 0], evidence[:, 1]),
        )


def sybil(town: Town, edge_counts: Sequence[int], fakes: int, seed: int) -> list[dict[str, object]]:
    """What rings of each shape gain over one account, exactly.

    Returns
    -------
    list of dict
        ``shape``, ``edges``, ``gain_reach``, ``gain_score``; ``walks_z``, by how many standard
        errors the walks' mean reach of the best fake is off the exact one; of peers
        ``mean_beats``, the share of honest members whom the best fake beats by mean rating,
        ``pagerank_gain`` of the best fake, and ``pagerank_mass`` of all fakes.
    """
    honest = town.ratings.members
    rows: list[dict[str, object]] = []
    for edges in edge_counts:
        alone = town.alone(edges)
        before = Seen.of(alone, town.viewers, town.now_s)
        lone_rank = pagerank(alone)[honest]
        for shape in SHAPES:
            ratings = town.ring(shape, edges, fakes, seed)
            after = Seen.of(ratings, town.viewers, town.now_s)
            reaches, scores = (seen[:, honest:].mean(axis=0) for seen in (after.reach, after.score))
            gain_reach = _gain(reaches.max(), before.reach[:, honest].mean())
            gain_score = _gain(scores.max(), before.score[:, honest].mean())
            best = honest + int(reaches.argmax())
            ranks = pagerank(ratings)
            rows.append(
                {
                    "shape": shape,
                    "edges": edges,
                    "gain_reach": round(gain_reach, 6),
                    "gain_score": round(gain_score, 6),
                    "walks_z": round(_walks_z(ratings, town.viewers, best, after.reach), 2),
                    "mean_beats": round(_beaten(mean(ratings), honest), 4),
                    "pagerank_gain": round(float(ranks[honest:].max() / lone_rank), 2),
                    "pagerank_mass": round(float(ranks[honest:].sum()), 4),
                }
            )
    return rows


def fakes_on_top(town: Town, shape: str, edges: int, fakes: int, seed: int) -> float:
    """Fakes among a viewer's best hundred: by reach or by score, whichever has more, the mean."""
    honest = town.ratings.members
    graph = TrustGraph(columns_of(town.ring(shape, edges, fakes, seed)))
    aged = 2.0 ** (-town.now_s / HALF_LIFE_S)
    counts = np.zeros(2)
    for viewer in town.viewers.tolist():
        found = graph.evidence(viewer)
        bound = lower_bound(found.positive * aged, found.negative * aged)
        # Of those scored alike, fakes come first.
        best = found.targets[np.lexsort((-found.targets, -bound))]
        counts += (found.reached[:TOP] >= honest).sum(), (best[:TOP] >= honest).sum()
    return float(counts.max() / len(town.viewers))


def _gain(ring: float, alone: float) -> float:
    return 1.0 if ring == alone else float(ring / alone)  # nobody may be reached in either case


def _beaten(scores: np.ndarray, honest: int) -> float:
    return float((scores[:honest] < scores[honest:].max()).mean())


def _walks_z(ratings: Ratings, viewers: np.ndarray, node: int, exact: np.ndarray) -> float:
    graph = TrustGraph(columns_of(ratings))
    off = 0.0
    for viewer, reach in zip(viewers.tolist(), exact[:, node], strict=True):
        nodes, probability = graph.reach(viewer)
        off += float(probability[nodes == node].sum() - reach)
    variance = (exact[:, node] * (1 - exact[:, node])).sum() / WALKS
    return off / float(np.sqrt(variance)) if variance > 0 else 0.0


def slander(town: Town, edges: int, fakes: int, victims: int, seed: int) -> dict[str, float]:
    """What fakes who all rate the most praised worst do to them in their neighbours' eyes.

    Returns
    -------
    dict
        ``drop`` of the mean score; ``levels_kept``, the share of viewers and victims whose level
        is as before; ``mean_drop``, that of the mean rating as a score of 0 to 1.
    """
    honest = town.ratings.members
    praise = np.bincount(town.ratings.ratees, town.ratings.values, honest)
    praised = np.argsort(-praise, kind="stable")[:victims]
    ring = town.ring("cluster", edges, fakes, seed)
    liars = np.repeat(np.arange(honest, honest + fakes), victims * REPEATS)
    lies = Ratings(
        ring.members,
        liars,
        np.resize(praised, len(liars)),
        np.full(len(liars), -1.0),
        np.full(len(liars), town.now_s),
    )
    attacked = ring.joined(lies)
    graphs = TrustGraph(columns_of(town.ratings)), TrustGraph(columns_of(attacked))
    scores, levels = np.zeros((2, len(town.viewers), victims)), []
    for i, graph in enumerate(graphs):
        for j, viewer in enumerate(town.viewers.tolist()):
            scores[i, j] = scores_of(graph, viewer, praised, town.now_s)
        levels.append([graph.levels(int(v), praised, town.now_s) for v in town.viewers])
    others = town.viewers[:, None] != praised
    means = [mean(ratings)[praised].mean() for ratings in (town.ratings, attacked)]
    return {
        "drop": float((scores[0] - scores[1])[others].mean()),
        "levels_kept": float((np.array(levels[0]) == np.array(levels[1]))[others].mean()),
        "mean_drop": float(means[0] - means[1]) / 2,
    }


def evidence_on(
    graph: TrustGraph, viewer: int, targets: np.ndarray, now_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative weight of a viewer's evidence on some, at an instant."""
    found = graph.evidence(viewer)
    known = np.isin(targets, found.targets)
    at = np.searchsorted(found.targets, targets[known])
    weights = np.zeros((2, len(targets)))
    aged = 2.0 ** (-now_s / HALF_LIFE_S)
    weights[:, known] = found.positive[at] * aged, found.negative[at] * aged
    return weights[0], weights[1]


def scores_of(graph: TrustGraph, viewer: int, targets: np.ndarray, now_s: float) -> np.ndarray:
    """What a viewer expects of some, 0 to 1."""
    return expectation(*evidence_on(graph, viewer, targets, now_s))


def vouch_ring(fooled: int, fakes: int, days: int) -> int:
    """How many fakes are admitted if so many residents vouch for any of them, as often as they may.

    Every day each resident and each fake tries to vouch for the fake that is nearest to being
    admitted: nothing that is refused is kept.
    """
    levels = [3] * fooled + [1] * fakes
    vouched_at: list[list[float]] = [[] for _ in levels]
    vouchers: list[set[int]] = [set() for _ in levels]
    for day in range(days):
        for voucher in range(len(levels)):
            now_s = float(day * DAY_S)
            try:
                require_voucher(levels[voucher], 1.0, True, vouched_at[voucher], now_s)
            except DeniedError:
                continue
            waiting = [
                fake
                for fake in range(fooled, len(levels))
                if levels[fake] < 2 and fake != voucher and voucher not in vouchers[fake]
            ]
            fake = max(waiting, key=lambda fake: len(vouchers[fake]))
            vouched_at[voucher].append(now_s)
            vouchers[fake].add(voucher)
            if len(vouchers[fake]) >= VOUCHERS_NEEDED:
                levels[fake] = 2
    return sum(level == 2 for level in levels[fooled:])
