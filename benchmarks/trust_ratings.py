"""Who rated whom: read from a file, or a generated town."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from geo.errors import LayoutError
from matching.trust import TrustColumns

__all__ = ["Ratings", "columns_of", "most_active", "read_ratings", "town_ratings"]

DAY_S = 86_400
TOWN_NOW = 1_795_000_000  # 2026-11-18


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """One row a rating: rows of members, -1 to 1, seconds since 1970-01-01."""

    members: int
    raters: np.ndarray
    ratees: np.ndarray
    values: np.ndarray
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.raters)

    def taken(self, rows: np.ndarray) -> "Ratings":
        """Some of them, of the same members."""
        return Ratings(
            self.members, self.raters[rows], self.ratees[rows], self.values[rows], self.at[rows]
        )

    def joined(self, other: "Ratings") -> "Ratings":
        """These and others; members are numbered alike."""
        names = ("raters", "ratees", "values", "at")
        columns = (np.concatenate((getattr(self, n), getattr(other, n))) for n in names)
        return Ratings(max(self.members, other.members), *columns)

    def dated(self, at: int) -> "Ratings":
        """The same ratings, all of one instant."""
        return replace(self, at=np.full(len(self), at))


def columns_of(ratings: Ratings) -> TrustColumns:
    """As the graph takes them: all verified, of no group, so that nobody starts at neighbours."""
    n = ratings.members
    return TrustColumns(
        keys=np.arange(n, dtype=np.uint64),
        verification=np.full(n, 3),
        groups=np.full(n, -1),
        standing=np.ones(n),
        raters=ratings.raters,
        ratees=ratings.ratees,
        values=ratings.values,
        rated_at=ratings.at,
        bonds=np.empty((0, 2), np.int64),
        bonded_at=np.empty(0, np.int64),
    )


def read_ratings(path: Path) -> Ratings:
    """A file of lines ``rater,ratee,rating,time`` below one of names, by any scale around 0.

    Raises
    ------
    LayoutError
        If its columns are others.
    """
    with path.open(encoding="utf-8") as file:
        names = file.readline().strip()
        if names != "rater,ratee,rating,time":
            raise LayoutError(f"columns must be rater,ratee,rating,time, got {names[:80]}")
        table = np.loadtxt(file, delimiter=",", ndmin=2)
    table = table[table[:, 0] != table[:, 1]]
    ids, rows = np.unique(table[:, :2], return_inverse=True)
    rows = rows.reshape(-1, 2)
    values = table[:, 2] / np.abs(table[:, 2]).max()
    return Ratings(len(ids), rows[:, 0], rows[:, 1], values, table[:, 3].astype(np.int64))


def town_ratings(members: int, ratings: int, seed: int) -> Ratings:
    """A town where neighbours deal with neighbours, and some are not what they seem.

    Seven in ten dealings are within 300 members on either side, and some members are asked much
    oftener. One member in eight mostly disappoints. One in ten belongs to a clique: half of its
    dealings are its own, it praises those, and damns most others.
    """
    rng = np.random.default_rng(seed)
    raters = rng.integers(0, members, ratings)
    near = raters + np.rint(300 * rng.uniform(-1, 1, ratings) ** 3).astype(np.int64)
    far = (members * rng.random(ratings) ** 3).astype(np.int64) * 7_919  # spread over the town
    ratees = np.where(rng.random(ratings) < 0.7, near, far) % members
    in_clique = np.arange(members) % 10 == 0
    among = in_clique[raters] & (rng.random(ratings) < 0.5)
    ratees = np.where(among, ratees - ratees % 10, ratees)
    good = np.where(in_clique | (rng.random(members) < 1 / 8), 0.3, 0.97)
    damned = np.where(in_clique[ratees], 1.0, 0.2)
    pleased = np.where(in_clique[raters], damned, good[ratees])
    values = np.where(rng.random(ratings) < pleased, rng.uniform(0.4, 1, ratings), -1.0)
    at = TOWN_NOW - rng.integers(0, 3 * 365 * DAY_S, ratings)
    return Ratings(members, raters, ratees, values, at).taken(np.flatnonzero(raters != ratees))


def most_active(ratings: Ratings, members: int) -> Ratings:
    """The ratings among those who gave and got most."""
    if ratings.members <= members:
        return ratings
    counts = np.bincount(np.concatenate((ratings.raters, ratings.ratees)))
    chosen = np.argsort(-counts, kind="stable")[:members]
    rows = np.full(ratings.members, -1)
    rows[np.sort(chosen)] = np.arange(members)
    raters, ratees = rows[ratings.raters], rows[ratings.ratees]
    some = (raters >= 0) & (ratees >= 0)
    return Ratings(members, raters[some], ratees[some], ratings.values[some], ratings.at[some])
