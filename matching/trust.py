"""Trust as each viewer has it: who is reached, what they say of others, the level shown.

Walks from the viewer follow trust, stop with probability 0.3 before each step, and count whom
they enter: a viewer's *reach* of t is the probability that a walk enters t. What t does with its
own ratings cannot change that, and accounts that nobody trusts are entered by nobody, however
many they are. The ratings by whom the viewer reaches best, weighted by that reach, are the
*evidence* on others; the lower bound of what it implies is shown as a *level*, 0 to 4, and
neither the number nor the path is. Two rules keep what is reached from making itself credible:
a rater whom the viewer reaches only by way of t says nothing about t, and a rater's word is
divided among those it rates.

References
----------
J. Hopcroft, D. Sheldon, "Manipulation-resistant reputations using hitting time", WAW 2007.
A. Jøsang, R. Ismail, "The beta reputation system", Bled 2002.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo.arrays import FloatArray, IntArray
from geo.errors import InputError
from matching.trusting.edges import (
    ATTESTED_LEVEL,
    HALF_LIFE_S,
    Keys,
    Levels,
    Nodes,
    TrustColumns,
    to_rows,
)
from matching.trusting.walks import WALKS, rank_of_equals, walk, weigh

__all__ = [
    "Evidence",
    "TrustColumns",
    "TrustGraph",
    "expectation",
    "lower_bound",
    "shown_levels",
]

RATERS = 200  # whose ratings count for a viewer: those reached best
FULL_RATER = 20  # the reach of the 20th best is enough to count as much as the viewer
NEWCOMER_EDGES = 3  # with fewer, a viewer's walks also start at verified neighbours


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a viewer's raters say of others, as of 1970-01-01: `TrustGraph.levels_from` ages it.

    It stays right until one of ``reached`` or the viewer has changed, whatever else does.

    Attributes
    ----------
    reached : ndarray of int32, shape (r,)
        Members whom the viewer's walks entered.
    targets : ndarray of int32, shape (t,)
        Whom, or which listing (n + i), a rater that counts has rated or recommends, ascending.
        Of all others nothing is known.
    positive, negative : ndarray of float64, shape (t,)
        Sums of the weights of their ratings.
    """

    reached: Nodes
    targets: Nodes
    positive: FloatArray
    negative: FloatArray


class TrustGraph:
    """Who trusts whom, and what each viewer may conclude. It never changes: build anew, and swap.

    Every answer is a function of the columns and the viewer, in any process, in any order of
    the ratings.

    Parameters
    ----------
    columns : TrustColumns
        Members, ratings, vouches, and listings with who recommends them.

    Raises
    ------
    InputError
        If columns differ in length, keys repeat, a row is out of range, a value or a level is,
        or a member rates or vouches for itself.

    Examples
    --------
    Ada has had good dealings with Bo, and Bo three with Cleo, who is attested:

    >>> ratings = np.array([[0, 1], [1, 2], [1, 2], [1, 2]])
    >>> graph = TrustGraph(
    ...     TrustColumns(
    ...         keys=np.arange(3, dtype=np.uint64),
    ...         verification=np.array([3, 2, 4]),
    ...         groups=np.full(3, -1),
    ...         standing=np.ones(3),
    ...         raters=ratings[:, 0],
    ...         ratees=ratings[:, 1],
    ...         values=np.ones(4),
    ...         rated_at=np.full(4, 1_795_000_000),
    ...         bonds=np.empty((0, 2), np.int64),
    ...         bonded_at=np.empty(0, np.int64),
    ...     )
    ... )
    >>> graph.reach(0)
    (array([1, 2], dtype=int32), array([0.69725, 0.49425]))
    >>> graph.levels(0, np.array([1, 2]), now_s=1_795_000_000)
    array([2, 3], dtype=int8)
    >>> graph.levels(2, np.array([0, 1]), now_s=1_795_000_000)
    array([1, 1], dtype=int8)
    """

    def __init__(self, columns: TrustColumns) -> None:
        rows = to_rows(columns)
        self._keys: Keys = np.ascontiguousarray(columns.keys, np.uint64)
        endorsed = columns.endorsed
        self._owners: Nodes = endorsed.owners.astype(np.int32)
        # Of members, then of listings.
        self._verification: Levels = np.concatenate(
            (columns.verification, endorsed.verification)
        ).astype(np.int8)
        self._groups: Nodes = columns.groups.astype(np.int32)
        self._standing: FloatArray = np.concatenate(
            (columns.standing, np.ones(len(endorsed.owners)))
        )
        self._rows = rows
        self._is_rater = np.zeros(len(self._keys), np.bool_)
        self._is_rater[columns.raters] = True
        self._is_rater[endorsed.members] = True
        proved = np.flatnonzero((columns.verification >= ATTESTED_LEVEL) & (self._groups >= 0))
        # By key, so that it is the same choice wherever a member stands in the columns.
        proved = proved[np.lexsort((self._keys[proved], self._groups[proved]))]
        self._proved: Nodes = proved.astype(np.int32)
        self._proved_groups = self._groups[proved]

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def edges(self) -> int:
        """Pairs: a member who has rated, or vouched with, another, or recommends a listing."""
        return len(self._rows.ratees)

    @property
    def nbytes(self) -> int:
        """Bytes that the graph holds."""
        own = (
            *(self._keys, self._verification, self._groups, self._standing),
            *(self._is_rater, self._owners),
        )
        rows = (getattr(self._rows, name) for name in self._rows.__slots__)
        return sum(array.nbytes for array in (*own, self._proved, self._proved_groups, *rows))

    def reach(self, viewer: int) -> tuple[Nodes, FloatArray]:
        """Whom a viewer's walks enter, and how probably: estimates from 4,000 walks.

        Parameters
        ----------
        viewer : int
            A member's row.

        Returns
        -------
        nodes : ndarray of int32, shape (r,)
            Rows of others, the best reached first.
        probability : ndarray of float64, shape (r,)
            About 0.7 at most: a walk may stop at once.

        Raises
        ------
        InputError
            If there is no such row.
        """
        _, nodes, hits = self._walk(viewer)
        return nodes, hits[nodes] / WALKS

    def evidence(self, viewer: int, unheard: Collection[int] = ()) -> Evidence:
        """What those whom a viewer reaches best say of others, but for rows that are ``unheard``.

        Raises
        ------
        InputError
            If there is no such row.
        """
        path, nodes, hits = self._walk(viewer)
        raters = nodes[self._is_rater[nodes]][:RATERS]
        full = int(hits[raters[min(FULL_RATER, len(raters)) - 1]]) if len(raters) else 1
        raters = raters[~np.isin(raters, [*unheard])]
        rows = self._rows
        targets, positive, negative = weigh(
            viewer,
            path,
            hits,
            raters,
            full,
            rows.starts,
            rows.ratees,
            rows.positive,
            rows.negative,
            rows.voices,
            self._owners,
        )
        order = np.argsort(targets)
        return Evidence(nodes, targets[order], positive[order], negative[order])

    def levels(self, viewer: int, targets: IntArray, now_s: float) -> Levels:
        """Levels of trust that a viewer is shown, 0 to 4.

        Parameters
        ----------
        viewer : int
            A member's row.
        targets : ndarray of integers, shape (t,)
            Rows of whom the viewer sees; n + i is listing i.
        now_s : float
            Seconds since 1970-01-01T00:00:00Z.

        Returns
        -------
        ndarray of int8, shape (t,)

        Raises
        ------
        InputError
            If there is no such row.
        """
        return self.levels_from(self.evidence(viewer), targets, now_s)

    def levels_from(self, evidence: Evidence, targets: IntArray | Nodes, now_s: float) -> Levels:
        """`levels` from evidence gathered before: at another instant, of other targets.

        Raises
        ------
        InputError
            If there is no such row.
        """
        last = len(self._verification) - 1
        if not ((targets >= 0) & (targets <= last)).all():
            raise InputError(f"targets must be rows 0 to {last}, some are not")
        positive, negative = np.zeros(len(targets)), np.zeros(len(targets))
        if len(evidence.targets):
            at = np.minimum(np.searchsorted(evidence.targets, targets), len(evidence.targets) - 1)
            known = evidence.targets[at] == targets
            positive[known] = evidence.positive[at[known]]
            negative[known] = evidence.negative[at[known]]
        return self._aged(targets, positive, negative, now_s)

    def known_levels(self, evidence: Evidence, now_s: float) -> Levels:
        """`levels_from` of those in ``evidence``, in its order. Of all others nothing is known:
        they have level 1, or 0 where they are not verified or are under review.

        While nothing else changes, levels never rise with time: nor does the lower bound where
        it is high enough to count.
        """
        return self._aged(evidence.targets, evidence.positive, evidence.negative, now_s)

    def _aged(
        self, targets: IntArray | Nodes, positive: FloatArray, negative: FloatArray, now_s: float
    ) -> Levels:
        """Levels at an instant from evidence as of 1970."""
        aged = np.exp2(-now_s / HALF_LIFE_S)
        levels = shown_levels(self._verification[targets], positive * aged, negative * aged)
        levels[self._standing[targets] == 0.0] = 0
        return levels

    def _walk(self, viewer: int) -> tuple[Nodes, Nodes, Nodes]:
        """As `walks.walk`, those reached ordered, the best first."""
        if not 0 <= viewer < len(self):
            raise InputError(f"the viewer must be a row 0 to {len(self) - 1}, got {viewer}")
        rows = self._rows
        neighbours = self._proved[:0]
        row = rows.thresholds[rows.starts[viewer] : rows.starts[viewer + 1]]
        if np.count_nonzero(row[1:] > row[:-1]) + (row[:1] > 0).sum() < NEWCOMER_EDGES:
            first, end = np.searchsorted(
                self._proved_groups, (self._groups[viewer], self._groups[viewer] + 1)
            )
            neighbours = self._proved[first:end]
            neighbours = neighbours[neighbours != viewer]
        path, reached, hits = walk(
            viewer, self._keys, rows.starts, rows.ratees, rows.thresholds, neighbours
        )
        equals = rank_of_equals(self._keys[viewer], self._keys[reached])
        return path, reached[np.lexsort((equals, -hits[reached]))], hits


def expectation(positive: FloatArray, negative: FloatArray) -> FloatArray:
    """How good the next dealing is expected to be, 0 to 1: the mean of the beta distribution.

    Examples
    --------
    >>> expectation(np.array([0.0, 3.0]), np.array([0.0, 0.0]))
    array([0.5, 0.8])
    """
    found: FloatArray = (1.0 + positive) / (2.0 + positive + negative)
    return found


def lower_bound(positive: FloatArray, negative: FloatArray) -> FloatArray:
    """The expectation less its standard deviation: little evidence implies little.

    Examples
    --------
    >>> lower_bound(np.array([0.0, 3.0, 30.0]), np.zeros(3)).round(3)
    array([0.211, 0.637, 0.938])
    """
    mean = expectation(positive, negative)
    found: FloatArray = mean - np.sqrt(mean * (1.0 - mean) / (positive + negative + 3.0))
    return found


def shown_levels(
    verification: npt.NDArray[np.integer], positive: FloatArray, negative: FloatArray
) -> Levels:
    """The level shown: 0 not verified, 1 new, 2 to 4 the better the evidence.

    Examples
    --------
    >>> shown_levels(np.array([0, 1, 2, 4, 4]), np.array([9.0, 9.0, 9.0, 3.0, 9.0]), np.zeros(5))
    array([0, 1, 2, 3, 4], dtype=int8)
    """
    bound = lower_bound(positive, negative)
    levels: Levels = np.minimum(verification, 1).astype(np.int8)
    levels[(verification >= 2) & (bound >= 0.35)] = 2
    levels[(verification >= ATTESTED_LEVEL) & (bound >= 0.55)] = 3
    enough = positive + negative >= 5.0
    levels[(verification >= ATTESTED_LEVEL) & (bound >= 0.70) & enough] = 4
    return levels
