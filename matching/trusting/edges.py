"""Ratings and recommendations → one weighted edge per pair, in rows by rater.

A pair's weights are sums over its ratings, newest first: the i-th counts log₂(1 + i) - log₂(i)
of its size, so that n equal ones count log₂(1 + n), and only the newest 31 count, so that no
pair counts more than 5. Each halves in 365 days. Weights are kept as of 1970-01-01: they do not
depend on the instant, on the order of the ratings or on any other pair, and all shrink alike.
"""

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

import geo.kernels  # noqa: F401  # first: it says where compiled kernels are kept
from geo.arrays import BoolArray, FloatArray, IntArray
from geo.errors import InputError

__all__ = [
    "ATTESTED_LEVEL",
    "HALF_LIFE_S",
    "MAX_PER_PAIR",
    "MOST_SAID",
    "Endorsed",
    "TrustColumns",
    "TrustRows",
    "to_rows",
]

HALF_LIFE_S = 365 * 86_400.0
MAX_PER_PAIR = 31  # log₂(1 + 31) = 5
# What all ratings of one member weigh at most. Else whoever is trusted once, by however few,
# makes as many others trusted as it likes.
MOST_SAID = 10.0
BOND = 0.2  # what a vouch adds to how much two members trust each other
ATTESTED_LEVEL = 3  # from this verification level on, a member's home has been proved
MAX_LEVEL = 4
# What a random number of 31 bits is compared with: all of a row is 2^31.
WHOLE = float(2**31)

N = TypeVar("N", np.int64, np.float64)

Keys = npt.NDArray[np.uint64]
Nodes = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int8]
Thresholds = npt.NDArray[np.uint32]


def _none() -> IntArray:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Endorsed:
    """Who recommends which listing: each a rating of 1, by which nobody walks on.

    Attributes
    ----------
    verification : ndarray of integers, shape (l,)
        Of each listing: 4 if the town or a registry attests it, else 1.
    owners : ndarray of integers, shape (l,)
        Row of the member whose listing it is, -1 where there is none.
    members : ndarray of integers, shape (k,)
        Rows of members. Nobody recommends a listing twice.
    listings : ndarray of integers, shape (k,)
        Numbers of listings, 0 to l - 1.
    at : ndarray of integers, shape (k,)
        Seconds since 1970-01-01T00:00:00Z.
    """

    verification: IntArray = field(default_factory=_none)
    owners: IntArray = field(default_factory=_none)
    members: IntArray = field(default_factory=_none)
    listings: IntArray = field(default_factory=_none)
    at: IntArray = field(default_factory=_none)


@dataclass(frozen=True, slots=True, eq=False)
class TrustColumns:
    """Who has rated whom, and what is known of each; a member is a row of the first columns.

    Attributes
    ----------
    keys : ndarray of uint64, shape (n,)
        A number of the member's own, the same in every process and after every change: it
        seeds the walks. All differ.
    verification : ndarray of integers, shape (n,)
        0 none, 1 e-mail and phone, 2 vouched, 3 letter code, 4 attested.
    groups : ndarray of integers, shape (n,)
        Number of the published group the member lives in, -1 where there is none.
    standing : ndarray of float, shape (n,)
        1; less for a voucher of somebody who was removed for fraud; 0 while a confirmed safety
        report waits for review. What others trust the member with, and what the member's own
        ratings count, are multiplied by it.
    raters, ratees : ndarray of integers, shape (m,)
        Rows of members.
    values : ndarray of float, shape (m,)
        -1 worst to 1 best.
    rated_at : ndarray of integers, shape (m,)
        Seconds since 1970-01-01T00:00:00Z.
    bonds : ndarray of integers, shape (b, 2)
        Rows of two members, one of whom has vouched for the other.
    bonded_at : ndarray of integers, shape (b,)
        Seconds since 1970-01-01T00:00:00Z.
    endorsed : Endorsed
        Listings, and who recommends them. What is said of listing i is said of row n + i.
    """

    keys: Keys
    verification: IntArray
    groups: IntArray
    standing: FloatArray
    raters: IntArray
    ratees: IntArray
    values: FloatArray
    rated_at: IntArray
    bonds: IntArray
    bonded_at: IntArray
    endorsed: Endorsed = field(default_factory=Endorsed)


@dataclass(frozen=True, slots=True, eq=False)
class TrustRows:
    """Edges in rows by rater: to members, in the order of their keys, then to listings.

    Attributes
    ----------
    starts : ndarray of int64, shape (n + 1,)
        Where each member's row begins.
    ratees : ndarray of int32, shape (e,)
        Rows of members; listing i is row n + i.
    positive, negative : ndarray of float64, shape (e,)
        Weights of the pair's ratings above and below 0, as of 1970-01-01.
    voices : ndarray of float64, shape (n,)
        What each member's ratings are multiplied by: standing, and less for who has rated, and
        recommended, so many that at the instant of the last one all weighed more than 10.
    thresholds : ndarray of uint32, shape (e,)
        A walk leaves a member by the first edge whose threshold is above a random number under
        2^31; by none where the last threshold of the row is 0.
    """

    starts: IntArray
    ratees: Nodes
    positive: FloatArray
    negative: FloatArray
    voices: FloatArray
    thresholds: Thresholds


def to_rows(columns: TrustColumns) -> TrustRows:
    """Fold ratings, bonds and recommendations into edges.

    Raises
    ------
    InputError
        If columns differ in length, keys repeat, a row is out of range, a value or a level is,
        or a member rates or vouches for itself.
    """
    _require_sound(columns)
    n, bonds = len(columns.keys), columns.bonds.reshape(-1, 2)
    raters = np.concatenate((columns.raters, bonds[:, 0], bonds[:, 1]))
    ratees = np.concatenate((columns.ratees, bonds[:, 1], bonds[:, 0]))
    at = np.concatenate((columns.rated_at, columns.bonded_at, columns.bonded_at))
    values = np.concatenate((columns.values, np.zeros(2 * len(bonds))))
    is_bond = np.arange(len(raters)) >= len(columns.raters)
    rank = np.empty(n, np.int64)
    rank[np.argsort(columns.keys)] = np.arange(n)
    pairs = raters * n + rank[ratees]
    # A pair's ratings lie together, newest first, and its bonds after them. The last keys make
    # the order of equals one order, whatever the order of the columns.
    order = np.argsort(pairs, kind="stable")
    firsts = np.flatnonzero(np.diff(pairs[order], prepend=-1))
    sizes = np.diff(firsts, append=len(order))
    some = np.flatnonzero(np.repeat(sizes, sizes) > 1)  # most pairs have one rating
    mixed = order[some]
    order[some] = mixed[np.lexsort((values[mixed], -at[mixed], is_bond[mixed], pairs[mixed]))]
    raters, ratees = raters[order], ratees[order]
    positive, negative, trust = _fold(
        np.append(firsts, len(order)),
        values[order],
        np.exp2(at[order] / HALF_LIFE_S),
        is_bond[order],
    )
    raters, rated = raters[firsts], ratees[firsts]
    trust *= columns.standing[rated]

    endorsed = columns.endorsed
    # Those of one instant weigh the same: so this is one order, whatever the listings' numbers.
    order = np.lexsort((endorsed.at, endorsed.members))
    raters = np.concatenate((raters, endorsed.members[order]))
    by_rater = np.argsort(raters, kind="stable")
    raters = raters[by_rater]

    def joined(of_members: npt.NDArray[N], of_listings: npt.NDArray[N]) -> npt.NDArray[N]:
        return np.concatenate((of_members, of_listings))[by_rater]

    nothing = np.zeros(len(order))
    rated = joined(rated, n + endorsed.listings[order])
    positive = joined(positive, np.exp2(endorsed.at[order] / HALF_LIFE_S))
    negative, trust = joined(negative, nothing), joined(trust, nothing)
    starts = np.searchsorted(raters, np.arange(n + 1))
    last = np.full(n, -np.inf)
    for who, at in ((columns.raters, columns.rated_at), (endorsed.members, endorsed.at)):
        np.maximum.at(last, who, at / HALF_LIFE_S)
    said = np.bincount(raters, positive + negative, n)
    most = MOST_SAID * np.exp2(last)
    voices = columns.standing * np.divide(most, said, out=np.ones(n), where=said > most)
    return TrustRows(
        starts,
        rated.astype(np.int32),
        positive,
        negative,
        voices,
        _thresholds(starts, trust),
    )


@njit(cache=True, nogil=True)
def _fold(
    firsts: IntArray, values: FloatArray, weights: FloatArray, is_bond: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Positive and negative weight of each pair, and what a walk chooses it by."""
    pairs = len(firsts) - 1
    positive, negative, trust = np.zeros(pairs), np.zeros(pairs), np.zeros(pairs)
    for pair in range(pairs):
        bond = 0.0
        for i in range(firsts[pair], firsts[pair + 1]):
            newer = i - firsts[pair]
            if is_bond[i]:
                bond = BOND * weights[i]
                break  # the newest; a second vouch adds nothing
            if newer >= MAX_PER_PAIR:
                continue
            weight = values[i] * weights[i] * np.log2((newer + 2.0) / (newer + 1.0))
            if weight > 0.0:
                positive[pair] += weight
            else:
                negative[pair] -= weight
        trust[pair] = max(0.0, positive[pair] - negative[pair]) + bond
    return positive, negative, trust


@njit(cache=True, nogil=True)
def _thresholds(starts: IntArray, trust: FloatArray) -> Thresholds:
    """Shares of each row added up. Row by row, so that no row depends on another's rounding."""
    found = np.zeros(len(trust), np.uint32)
    for row in range(len(starts) - 1):
        whole = 0.0
        for i in range(starts[row], starts[row + 1]):
            whole += trust[i]
        if whole == 0.0:
            continue
        part = 0.0
        for i in range(starts[row], starts[row + 1]):
            part += trust[i]
            found[i] = np.uint32(np.rint(part / whole * WHOLE))
    return found


def _require_sound(columns: TrustColumns) -> None:
    n, m = len(columns.keys), len(columns.raters)
    bonds, endorsed = columns.bonds.reshape(-1, 2), columns.endorsed
    listings = len(endorsed.verification)
    for name, length in (
        ("verification", n),
        ("groups", n),
        ("standing", n),
        ("ratees", m),
        ("values", m),
        ("rated_at", m),
        ("bonded_at", len(bonds)),
    ):
        if len(getattr(columns, name)) != length:
            raise InputError(f"{name} must have {length} rows, got {len(getattr(columns, name))}")
    if len(endorsed.owners) != listings:
        raise InputError(f"owners must have {listings} rows, got {len(endorsed.owners)}")
    if not len(endorsed.members) == len(endorsed.listings) == len(endorsed.at):
        raise InputError("recommendations must have a member, a listing and an instant each")
    if len(np.unique(columns.keys)) != n:
        raise InputError("each member must have a key of its own, some share one")
    for name, column, least, most in (
        ("verification", columns.verification, 0, MAX_LEVEL),
        ("standing", columns.standing, 0, 1),
        ("values", columns.values, -1, 1),
        ("raters", columns.raters, 0, n - 1),
        ("ratees", columns.ratees, 0, n - 1),
        ("bonds", bonds, 0, n - 1),
        ("verification of listings", endorsed.verification, 0, MAX_LEVEL),
        ("owners", endorsed.owners, -1, n - 1),
        ("recommending members", endorsed.members, 0, n - 1),
        ("recommended listings", endorsed.listings, 0, listings - 1),
    ):
        # Comparisons with NaN are false, so it is refused with the rest.
        if not ((column >= least) & (column <= most)).all():
            raise InputError(f"{name} must be {least} to {most}, some are not")
    if (columns.raters == columns.ratees).any() or (bonds[:, 0] == bonds[:, 1]).any():
        raise InputError("nobody rates or vouches for themselves, somebody does")
    if (np.diff(np.sort(endorsed.members * listings + endorsed.listings)) == 0).any():
        raise InputError("nobody recommends a listing twice, somebody does")
