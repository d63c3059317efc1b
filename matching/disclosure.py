"""What may be published about few people: noise drawn once, thresholds, dominance.

Kernels: arrays and numbers in, arrays out. `noisy_counts` alone is random, and its randomness
is OpenDP's, which no seed repeats.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from geo.arrays import BoolArray, FloatArray, IntArray
from geo.errors import InputError

if TYPE_CHECKING:
    from opendp.mod import Measurement

__all__ = [
    "BUSINESS_SHARE",
    "BUSINESS_UNITS",
    "CONFIDENCE",
    "FLOW_THRESHOLD",
    "dominated",
    "half_widths",
    "laplace",
    "noisy_counts",
    "visible",
    "visible_flows",
]

FLOW_MARGIN = 1.5  # half-widths: of pairs without a flow one in 500 is told
FLOW_THRESHOLD = 6  # Registre de preuve de covoiturage: origin, destination and pair
BUSINESS_UNITS = 3  # INSEE's rules for tables of businesses, and the largest one's share
BUSINESS_SHARE = 0.85
CONFIDENCE = 0.95
AT_ONCE = 1_000_000  # counts that OpenDP gives back as a list: other parts, independent noise
MANY_TERMS = 200  # above, the sum of noises is normal: quantiles differ by less than 0.1 %


def noisy_counts(counts: IntArray, bound: int, epsilon: float) -> IntArray:
    """Counts with discrete Laplace noise on each: ε-differentially private.

    Parameters
    ----------
    counts : ndarray of int64, any shape
        Exact counts; adding or removing one household changes them by at most ``bound``, all
        changes added up.
    bound : int
        That L1 sensitivity.
    epsilon : float
        Above 0.

    Returns
    -------
    ndarray of int64, of the same shape
        Drawn anew at each call: keep the result, and never draw twice.

    Raises
    ------
    InputError
        If ``bound`` or ``epsilon`` is no number above 0.

    References
    ----------
    C. Canonne, G. Kamath, T. Steinke, "The Discrete Gaussian for Differential Privacy"
    (2020), algorithm 2: the sampler of OpenDP, exact in integers.
    """
    if not (bound > 0 and 0.0 < epsilon < np.inf):
        raise InputError(f"bound and epsilon must be above 0, got {bound} and {epsilon}")
    mechanism = laplace(bound, epsilon)
    flat = np.ascontiguousarray(counts, dtype=np.int64).ravel()
    noisy = np.empty_like(flat)
    for start in range(0, len(flat), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        noisy[part] = mechanism(flat[part])
    return noisy.reshape(np.shape(counts))


def laplace(bound: int, epsilon: float) -> "Measurement":
    """OpenDP's mechanism for a vector of counts that a household changes by ``bound`` in all.

    Raises
    ------
    InputError
        If it would spend more than ``epsilon``.
    """
    # Here, since whoever reads a release draws nothing, and without the prelude, which would load
    # scikit-learn.
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_laplace
    from opendp.metrics import l1_distance
    from opendp.mod import enable_features

    enable_features("contrib")  # what all of OpenDP's mechanisms are
    domain = vector_domain(atom_domain(T="i64"))
    mechanism = make_laplace(domain, l1_distance(T="i64"), bound / epsilon)
    spent: float = mechanism.map(bound)  # type: ignore[no-untyped-call]
    if spent > epsilon * (1.0 + 1e-9):  # the division above rounds
        raise InputError(f"a draw would spend {spent} of {epsilon}")
    return mechanism


def half_widths(terms: IntArray, scale: float) -> FloatArray:
    """How far a sum of noisy counts may be from the truth, at 95 %.

    Parameters
    ----------
    terms : ndarray of int64, any shape
        How many counts are added up, 0 or more.
    scale : float
        Of the noise on each: bound / ε.

    Returns
    -------
    ndarray of float64, of the same shape
        Smallest whole h so that the noise lies within -h to h with probability 0.95 or more; 0
        for no terms.

    Examples
    --------
    >>> half_widths(np.array([0, 1, 4]), scale=4.0)
    array([ 0., 12., 23.])
    """
    found, index = np.unique(terms, return_inverse=True)
    widths = np.array([_half_width(int(n), scale) for n in found], dtype=np.float64)
    return widths[index].reshape(np.shape(terms))


@lru_cache(maxsize=4096)
def _half_width(terms: int, scale: float) -> float:
    if terms == 0:
        return 0.0
    q = np.exp(-1.0 / scale)
    deviation = float(np.sqrt(2.0 * q * terms)) / (1.0 - q)
    if terms > MANY_TERMS:
        return float(np.ceil(norm.ppf((1.0 + CONFIDENCE) / 2.0) * deviation))
    # The distribution of the sum, by its characteristic function on a circle wide enough that
    # what wraps around it is below 1e-12.
    size = 1 << int(np.ceil(np.log2(2.0 * (8.0 * deviation + 32.0 * (scale + 1.0)))))
    angle = 2.0 * np.pi * np.arange(size // 2 + 1) / size
    one = (1.0 - q) ** 2 / (1.0 - 2.0 * q * np.cos(angle) + q * q)
    chance = np.fft.irfft(one**terms, size)[: size // 2]
    within = chance[0] + np.concatenate(([0.0], np.cumsum(2.0 * chance[1:])))
    return float(np.searchsorted(within, CONFIDENCE))


def visible(values: FloatArray, widths: FloatArray, threshold: int) -> BoolArray:
    """Which noisy counts are told.

    Those that reach the threshold, and that noise on an empty place would hardly make.

    Parameters
    ----------
    values, widths : ndarray of float64, shape (n,)
        Noisy counts, and what noise alone must not reach: `half_widths` or more.
    threshold : int

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    return (values >= threshold) & (values > widths)


def visible_flows(flows: FloatArray, widths: FloatArray) -> BoolArray:
    """Which flows are told: six or more, at the origin, the destination and of the pair.

    Parameters
    ----------
    flows : ndarray of float64, shape (n, n)
        Noisy counts, from zone (row) to zone (column).
    widths : ndarray of float64, shape (n, n)
        Their `half_widths`.

    Returns
    -------
    ndarray of bool, shape (n, n)
    """
    leaving, arriving = flows.sum(axis=1)[:, None], flows.sum(axis=0)
    enough: BoolArray = (leaving >= FLOW_THRESHOLD) & (arriving >= FLOW_THRESHOLD)
    return enough & visible(flows, FLOW_MARGIN * widths, FLOW_THRESHOLD)


def dominated(units: IntArray, total: IntArray, largest: IntArray) -> BoolArray:
    """Which counts of businesses would tell about one of them.

    Parameters
    ----------
    units, total, largest : ndarray of int64, any one shape
        How many businesses there are in a cell of the table, what they count for together, and
        what the largest counts for.

    Returns
    -------
    ndarray of bool
        True where there is one or two, or where one makes up more than 85 %. Nothing is told
        about anybody by an empty cell.
    """
    few = (units > 0) & (units < BUSINESS_UNITS)
    return few | (largest > BUSINESS_SHARE * total)
