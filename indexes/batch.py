"""Many questions in one call: compiled, and on as many threads as there are cores to spare."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from geo.arrays import IntArray, LonLatArray
from indexes import search as s
from indexes import topk as t
from indexes.columns import Ints, to_units
from indexes.packing import hilbert_keys
from indexes.points import Ask, Found, Plan, PointView

__all__ = ["Question", "search_each", "search_places"]

AT_ONCE = 4_096  # questions of one compiled call: their answers still lie in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What `PointView.search` takes, as one thing."""

    plan: Plan
    ask: Ask
    filters: Ints
    limit: int


def search_each(view: PointView, questions: Sequence[Question], threads: int = 1) -> list[Found]:
    """Each question's best points, as `PointView.search` finds them.

    Parameters
    ----------
    view : PointView
        All are asked of one state.
    questions : sequence of Question
        Any mixture.
    threads : int
        How many work on it; the interpreter is free meanwhile.

    Examples
    --------
    >>> from indexes.sample import sample_points
    >>> from indexes.points import PointIndex, Rule, pack_filters
    >>> sample = sample_points(1_000, seed=1)
    >>> plan = Plan({6: Rule((0.6, 0.4, 0, 0, 0), "exp", 0.0, 300.0)})
    >>> ask = Ask((5.374, 43.2951), sample.at)
    >>> question = Question(plan, ask, pack_filters(hours=sample.hours_states), limit=5)
    >>> [len(found) for found in search_each(PointIndex.build(sample.columns), [question] * 3)]
    [5, 5, 5]
    """
    if not questions:
        return []
    packed = np.stack([q.ask.packed() for q in questions])
    sizes = np.array([len(q.filters) for q in questions])
    packed[:, t.LIMIT] = [q.limit for q in questions]
    packed[:, t.FILTERS] = np.cumsum(sizes) - sizes
    packed[:, [t.PLAN, t.TABLES]] = [q.plan.addresses for q in questions]
    filters = np.concatenate([q.filters for q in questions])
    most = max(q.limit for q in questions)
    rows = np.empty((len(questions) * most, t.FOUND_COLUMNS))
    counts = np.empty(len(questions), np.int64)

    def answer(first: int, until: int) -> None:
        some = slice(first * most, until * most)
        s.search_many(
            packed[first:until], filters, most, view.address, rows[some], counts[first:until]
        )

    _in_turns(answer, len(questions), -(-len(questions) // (4 * threads)), threads)
    return [
        Found(rows[i * most : i * most + count].copy()) for i, count in enumerate(counts.tolist())
    ]


def search_places(
    view: PointView,
    plan: Plan,
    ask: Ask,
    filters: Ints,
    limit: int,
    origins: LonLatArray,
    threads: int = 1,
) -> tuple[IntArray, IntArray]:
    """One question asked at many places: all residents' best twenty, say.

    Parameters
    ----------
    view, plan, ask, filters, limit, threads
        As in `search_each`; the origin of ``ask`` doesn't matter.
    origins : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326, rounded as places are kept.

    Returns
    -------
    rows : ndarray of int64, shape (n, limit)
        Best first; -1 where there are fewer.
    scores : ndarray of int64, shape (n, limit)
        Whole 1e-9; 0 where there are fewer.

    Notes
    -----
    Each place is asked once, however many live there, and along a Hilbert curve, so that one
    reads what the last has just read.
    """
    keys = hilbert_keys(to_units(origins))
    _, places, of_place = np.unique(keys, return_index=True, return_inverse=True)
    rows = np.empty((len(places), limit), np.int64)
    scores = np.empty((len(places), limit), np.int64)
    question = ask.packed()
    question[t.LIMIT] = limit
    question[[t.PLAN, t.TABLES]] = plan.addresses

    def answer(first: int, until: int) -> None:
        some = slice(first, until)
        packed = np.tile(question, (until - first, 1))
        packed[:, [t.LON_ASKED, t.LAT_ASKED]] = origins[places[some]]
        found = np.empty((len(packed) * limit, 2))
        counts = np.empty(len(packed), np.int64)
        s.search_many(packed, filters, limit, view.address, found, counts)
        there = np.arange(limit) < counts[:, None]
        rows[some] = np.where(there, found[:, 0].reshape(-1, limit), -1)
        scores[some] = np.where(there, found[:, 1].reshape(-1, limit), 0)

    _in_turns(answer, len(places), AT_ONCE, threads)
    return rows[of_place], scores[of_place]


def _in_turns(answer: Callable[[int, int], None], count: int, at_once: int, threads: int) -> None:
    """Call with ranges that make up 0 to ``count``, on several threads."""
    spans = [(first, min(first + at_once, count)) for first in range(0, count, at_once)]
    if threads == 1 or len(spans) == 1:
        for span in spans:
            answer(*span)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(answer, *span) for span in spans]:
            done.result()
