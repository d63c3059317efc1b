"""What is ranked: candidates, what is known of them, and how an answer is judged."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from benchmarks.recommend_data import CheckIns
from benchmarks.recommend_models import Scorer
from geo.cells import points_to_cells
from geo.distance import arc_m

__all__ = ["Candidates", "candidates", "most_visited", "precision_recall", "top_of"]

BLOCK = 256  # users scored at a time
BANDWIDTHS_M = (300.0, 3_000.0, 30_000.0)
CONTEXT = (
    "distance nearest",
    "distance most visited",
    *(f"distance kernel {metres:.0f} m" for metres in BANDWIDTHS_M),
    "distance kernel 3000 m by check-ins",
    "popularity visitors",
    "popularity check-ins each",
    "popularity share of cell",
    "friends there",
    "friends",
    "places visited",
    "check-ins each",
)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Places considered for users: row i is ``places[i]`` for ``users[i]``, users ascending."""

    users: npt.NDArray[np.int32]
    places: npt.NDArray[np.int32]
    features: npt.NDArray[np.float32]  # (n, f)
    names: tuple[str, ...]  # (f,)

    def labels(self, visits: sp.csr_array) -> npt.NDArray[np.bool_]:
        """Which of them were visited."""
        codes = self.users.astype(np.int64) * visits.shape[1] + self.places
        own = np.repeat(np.arange(visits.shape[0]), np.diff(visits.indptr))
        return np.isin(codes, own * visits.shape[1] + visits.indices)


def _blocks(users: int) -> Iterator[slice]:
    """All users, some at a time."""
    for first in range(0, users, BLOCK):
        yield slice(first, min(first + BLOCK, users))


def candidates(
    data: CheckIns, known: sp.csr_array, scorers: Mapping[str, Scorer], each: int
) -> Candidates:
    """The best of each scorer together, with what all of them say and where they are.

    Parameters
    ----------
    data : CheckIns
        Coordinates and friends.
    known : csr_array, shape (u, p)
        Check-ins that may be looked at; what is in them is no candidate.
    scorers : mapping of str to Scorer
        Their raw scores, and each as a share of the user's best, are features.
    each : int
        How many of each.
    """
    users, places, told_of = [], [], []
    each = min(each, known.shape[1] - 1)
    unknown = data.twins | (np.bincount(known.indices, minlength=known.shape[1]) == 0)
    for block in _blocks(known.shape[0]):
        scored = {name: scorer.scores(block) for name, scorer in scorers.items()}
        hidden = (known[block].toarray() > 0) | unknown
        chosen = np.zeros((block.stop - block.start, known.shape[1]), np.bool_)
        for scores in scored.values():
            scores[hidden] = -np.inf
            best = np.argpartition(-scores, each, axis=1)[:, :each]
            np.put_along_axis(chosen, best, True, axis=1)
        rows, found = np.nonzero(chosen)
        told = []
        for scores in scored.values():
            top = np.maximum(scores.max(axis=1), 1e-12)
            told += [scores[rows, found], scores[rows, found] / top[rows]]
        keep = np.isfinite(told[0])
        users.append((rows + block.start)[keep])
        places.append(found[keep])
        told_of.append(np.column_stack(told)[keep].astype(np.float32))
    who, where = np.concatenate(users).astype(np.int32), np.concatenate(places).astype(np.int32)
    names = [part for name in scorers for part in (name, f"{name} share")]
    context = _context(data, known, who, where)
    features = np.hstack([np.concatenate(told_of), context])
    return Candidates(who, where, features, (*names, *CONTEXT))


def _context(
    data: CheckIns,
    known: sp.csr_array,
    users: npt.NDArray[np.int32],
    places: npt.NDArray[np.int32],
) -> npt.NDArray[np.float32]:
    """Distance, popularity and friends of candidates, one column for each of ``CONTEXT``."""
    visited = sp.csr_array((np.ones_like(known.data), known.indices, known.indptr), known.shape)
    visitors = np.bincount(known.indices, minlength=known.shape[1])
    times = np.asarray(known.sum(axis=0)).ravel()
    _, cell = np.unique(points_to_cells(data.lonlat, 8), return_inverse=True)
    share = visitors / np.maximum(np.bincount(cell, visitors)[cell], 1)
    there = sp.csr_array(data.friends @ visited)
    degree = np.diff(known.indptr)
    return np.column_stack(
        [
            _near(
                data.lonlat, known.indptr, known.indices, known.data,
                users, places, np.array(BANDWIDTHS_M),
            ),
            np.log1p(visitors)[places],
            np.log((times + 1) / (visitors + 1))[places],
            share[places],
            _at(there, users, places),
            np.log1p(np.diff(data.friends.indptr))[users],
            np.log1p(degree)[users],
            np.log(np.asarray(known.sum(axis=1)).ravel() / np.maximum(degree, 1) + 1)[users],
        ]
    ).astype(np.float32)  # fmt: skip


def _at(
    matrix: sp.csr_array, rows: npt.NDArray[np.int32], columns: npt.NDArray[np.int32]
) -> npt.NDArray[np.float32]:
    found = np.empty(len(rows), np.float32)
    for users in _blocks(matrix.shape[0]):
        first, end = np.searchsorted(rows, (users.start, users.stop))
        found[first:end] = matrix[users].toarray()[
            rows[first:end] - users.start, columns[first:end]
        ]
    return found


@numba.njit(cache=True)
def _near(lonlat, starts, visited, times, users, places, bandwidths):
    """Metres (logarithm) to the nearest and to the most visited place of a user; the density
    of the user's places around, by Gaussian kernels, the second weighed by check-ins too."""
    found = np.empty((len(users), 3 + len(bandwidths)))
    for i in range(len(users)):
        lon, lat = lonlat[places[i]]
        cos_lat = np.cos(np.radians(lat))
        nearest, favourite, most = np.inf, np.inf, -1.0
        density = np.zeros(len(bandwidths) + 1)
        for j in range(starts[users[i]], starts[users[i] + 1]):
            there = lonlat[visited[j]]
            metres = arc_m(lon, lat, cos_lat, there[0], there[1])
            nearest = min(nearest, metres)
            if times[j] > most or (times[j] == most and metres < favourite):
                favourite, most = metres, times[j]
            for k in range(len(bandwidths)):
                density[k] += np.exp(-0.5 * (metres / bandwidths[k]) ** 2)
            density[-1] += np.log1p(times[j]) * np.exp(-0.5 * (metres / bandwidths[1]) ** 2)
        found[i, 0] = np.log(nearest + 30.0)
        found[i, 1] = np.log(favourite + 30.0)
        found[i, 2:] = density
    return found


def top_of(
    chosen: Candidates, scores: npt.NDArray[np.float64], users: int, count: int
) -> npt.NDArray[np.int32]:
    """The best places for each user by scores of candidates, -1 where there are fewer."""
    order = np.lexsort((chosen.places, -scores, chosen.users))
    firsts = np.searchsorted(chosen.users, np.arange(users))
    place = np.arange(len(order)) - firsts[chosen.users[order]]
    keep = place < count
    best = np.full((users, count), -1, np.int32)
    best[chosen.users[order][keep], place[keep]] = chosen.places[order][keep]
    return best


def most_visited(known: sp.csr_array, count: int) -> npt.NDArray[np.int32]:
    """The places with most visitors, for each user without those visited."""
    visitors = np.bincount(known.indices, minlength=known.shape[1])
    order = np.argsort(-visitors, kind="stable").astype(np.int32)
    order = order[: count + int(np.diff(known.indptr).max())]
    visited = [known.indices[i:j] for i, j in itertools.pairwise(known.indptr)]
    return np.stack([order[~np.isin(order, own)][:count] for own in visited])


def precision_recall(best: npt.NDArray[np.int32], test: sp.csr_array) -> tuple[float, float]:
    """Precision and recall of the first places of each user, means over users with a visit.

    Examples
    --------
    >>> test = sp.csr_array(np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]]))
    >>> precision_recall(np.array([[1, 0], [1, 2], [0, 1]], np.int32), test)
    (0.25, 0.25)
    """
    precision, recall = [], []
    for user, (first, end) in enumerate(itertools.pairwise(test.indptr)):
        wanted = test.indices[first:end]
        if len(wanted):
            hits = np.isin(best[user], wanted).sum()
            precision.append(hits / best.shape[1])
            recall.append(hits / len(wanted))
    return float(np.mean(precision)), float(np.mean(recall))
