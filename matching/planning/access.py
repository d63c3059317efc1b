"""Who has what within reach: exactly for public things, by catchments for what people offer.

Kernels: arrays and numbers in, arrays out. A walk is 1.3 times as long as the line through the
air, at 1.2 m/s, until a network of paths is plugged in; figures say that they are estimates.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from geo.arrays import FloatArray, IntArray, LonLatArray
from geo.distance import EARTH_RADIUS_M
from geo.sphere import on_sphere

__all__ = ["Catchment", "catchments", "nth_nearest_m", "reach_m", "within_reach"]

DETOUR = 1.3
WALK_M_PER_S = 1.2


def reach_m(minutes: float) -> float:
    """How far through the air a walk of so many minutes leads, metres.

    Examples
    --------
    >>> round(reach_m(15))
    831
    """
    return 60.0 * minutes * WALK_M_PER_S / DETOUR


def nth_nearest_m(
    origins: LonLatArray, things: LonLatArray, ranks: Sequence[int], within_m: float = np.inf
) -> FloatArray:
    """Great-circle distance from each origin to its n-th nearest thing, for several n.

    Parameters
    ----------
    origins, things : ndarray of float64, shape (h, 2) and (m, 2)
        Degrees, EPSG:4326.
    ranks : sequence of int, length k
        1 for the nearest.
    within_m : float
        Things farther away need not be looked for.

    Returns
    -------
    ndarray of float64, shape (h, k)
        Metres; infinite where there are fewer things, or fewer within ``within_m``.

    Examples
    --------
    >>> port, hill = (5.3740, 43.2951), (5.3712, 43.2839)
    >>> nth_nearest_m(np.array([port]), np.array([port, hill]), ranks=(1, 2, 3)).round()
    array([[   0., 1266.,   inf]])
    """
    away = np.full((len(origins), len(ranks)), np.inf)
    if not len(origins) or not len(things):
        return away
    # A hair more than asked for: rounding must not lose what lies on the limit.
    limit = _chord(within_m) * (1.0 + 1e-9)
    tree = cKDTree(on_sphere(things))
    chords, _ = tree.query(on_sphere(origins), k=list(ranks), distance_upper_bound=limit)
    chords = np.asarray(chords)
    found = np.isfinite(chords)
    away[found] = 2.0 * EARTH_RADIUS_M * np.arcsin(np.minimum(chords[found] / 2.0, 1.0))
    return away


class Catchment(NamedTuple):
    """What a two-step floating catchment gives: entry i of each is one zone.

    ``rate`` is supply for each unit of demand; ``supply`` what lies within reach, ``terms`` how
    many noises are in that; ``rate_terms`` how many full noises the rate's own noise is worth, as
    a variance.
    """

    rate: FloatArray  # (n,)
    supply: FloatArray  # (n,)
    terms: IntArray  # (n,)
    rate_terms: FloatArray  # (n,)


def within_reach(sites: LonLatArray, within_m: float) -> csr_array:
    """Which sites are near which: 1 where they are, itself included.

    Parameters
    ----------
    sites : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326.
    within_m : float
        Reach, metres.

    Returns
    -------
    sparse array, shape (n, n)
    """
    pairs = cKDTree(on_sphere(sites)).query_pairs(_chord(within_m), output_type="ndarray")
    one, other = pairs.astype(np.int64).T
    itself = np.arange(len(sites))
    at = np.concatenate((one, other, itself)), np.concatenate((other, one, itself))
    return csr_array((np.ones(len(at[0])), at), shape=(len(sites), len(sites)))


def catchments(
    near: csr_array, supply: FloatArray, terms: IntArray, demand: FloatArray
) -> Catchment:
    """Two-step floating catchment of zones, each at one site.

    Each zone's supply is divided by all demand within reach of it; a zone's rate adds up the
    quotients of the supply within reach.

    Parameters
    ----------
    near : sparse array, shape (n, n)
        `within_reach` of the sites.
    supply : ndarray of float64, shape (n,)
        Of each zone: noisy counts.
    terms : ndarray of int64, shape (n,)
        How many noises are in each.
    demand : ndarray of float64, shape (n,)
        Of each zone, 0 or more.

    Returns
    -------
    Catchment
        ``rate`` is 0 where no demand is within reach of any supply.

    References
    ----------
    W. Luo, F. Wang, "Measures of spatial accessibility to health care in a GIS environment"
    (2003).

    Examples
    --------
    Two sites 111 m apart, and one far away: three sitters for a hundred households, and none.

    >>> near = within_reach(np.array([[5.0, 43.0], [5.0, 43.001], [5.0, 44.0]]), 800.0)
    >>> supply, terms = np.array([3.0, 0.0, 0.0]), np.array([1, 1, 1])
    >>> catchments(near, supply, terms, demand=np.array([60.0, 40.0, 10.0])).rate
    array([0.03, 0.03, 0.  ])
    """
    served = np.asarray(near @ demand)
    share = np.divide(1.0, served, out=np.zeros(len(served)), where=served > 0.0)
    return Catchment(
        rate=np.asarray(near @ (supply * share)),
        supply=np.asarray(near @ supply),
        terms=np.asarray(near @ terms).astype(np.int64),
        rate_terms=np.asarray(near @ (terms * share**2)),
    )


def _chord(distance_m: float) -> float:
    """Length on the unit sphere of the chord under an arc."""
    return 2.0 * float(np.sin(min(distance_m / (2.0 * EARTH_RADIUS_M), np.pi / 2.0)))
