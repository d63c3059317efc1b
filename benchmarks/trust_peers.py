"""What others score a member by: the same for every viewer. Published formulas, in numpy."""

import numpy as np
import scipy.sparse as sp

from benchmarks.trust_ratings import Ratings

__all__ = ["beta", "eigentrust", "mean", "pagerank", "wilson"]

WILSON_Z = 1.96
PRETRUSTED = 10


def mean(ratings: Ratings) -> np.ndarray:
    """The mean rating of each member, -1 to 1; 0 without one."""
    n = ratings.members
    sums = np.bincount(ratings.ratees, ratings.values, n)
    return sums / np.maximum(1, np.bincount(ratings.ratees, minlength=n))


def beta(ratings: Ratings) -> np.ndarray:
    """The beta reputation (Jøsang and Ismail): ratings count by their size."""
    positive, negative = _weights(ratings)
    return (1 + positive) / (2 + positive + negative)


def wilson(ratings: Ratings) -> np.ndarray:
    """Wilson's lower bound of the share of good ratings, at 95 %; 0 without one."""
    n = ratings.members
    count = np.maximum(1, np.bincount(ratings.ratees, minlength=n))
    share = np.bincount(ratings.ratees, ratings.values > 0, n) / count
    z2 = WILSON_Z**2
    spread = WILSON_Z * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return (share + z2 / (2 * count) - spread) / (1 + z2 / count)


def eigentrust(ratings: Ratings, restart: float = 0.15) -> np.ndarray:
    """EigenTrust (Kamvar, Schlosser, Garcia-Molina 2003), from those with most good ratings."""
    seeds = np.argsort(-_weights(ratings)[0], kind="stable")[:PRETRUSTED]
    start = np.zeros(ratings.members)
    start[seeds] = 1 / len(seeds)
    return _walked(ratings, start, restart)


def pagerank(ratings: Ratings, restart: float = 0.15) -> np.ndarray:
    """PageRank over good ratings, restarting anywhere alike."""
    return _walked(ratings, np.full(ratings.members, 1 / ratings.members), restart)


def _weights(ratings: Ratings) -> tuple[np.ndarray, np.ndarray]:
    size = np.abs(ratings.values)
    good = ratings.values > 0
    return tuple(  # type: ignore[return-value]
        np.bincount(ratings.ratees[some], size[some], ratings.members) for some in (good, ~good)
    )


def _walked(ratings: Ratings, start: np.ndarray, restart: float) -> np.ndarray:
    good, n = ratings.values > 0, ratings.members
    rows = (ratings.raters[good], ratings.ratees[good])
    trust = sp.coo_array((ratings.values[good], rows), shape=(n, n)).tocsr()
    given = np.asarray(trust.sum(axis=1))
    share = sp.diags_array(np.divide(1, given, out=np.zeros(n), where=given > 0))
    step = (share @ trust).T.tocsr()
    found = start
    for _ in range(100):  # 0.85^100 is 9e-8
        moved = (1 - restart) * (step @ found)
        found = moved + (1 - moved.sum()) * start  # who trusts nobody starts again
    return found
