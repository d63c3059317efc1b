"""Scorers of places for users: each spreads what users visited over users like them.

All have one form, ``score[u, p] = sum over v of affinity[u, v] * visits[v, p] * scale[p]``, so
that no matrix of places by places (31,803 squared is 4 GB) is ever made.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from geo.cells import points_to_cells

__all__ = ["Scorer", "cells_walk", "ease", "friends_jaccard", "user_knn", "walk"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """``affinity`` of users (u, u), ``visits`` (u, p), ``scale`` of places (p,)."""

    affinity: Floats
    visits: sp.csr_array
    scale: Floats

    def scores(self, users: slice) -> Floats:
        """Of all places for some users, shape (b, p)."""
        spread: Floats = (self.visits.T @ self.affinity[users].T).T
        return spread * self.scale


def ease(visits: sp.csr_array, ridge: float, active: float, popular: float) -> Scorer:
    """EASE, solved in the space of users.

    Each place is predicted from all others by ridge regression with a zero diagonal:
    ``B = I - P / diag(P)``, ``P = inv(X'X + ridge I)``. By the push-through identity
    ``X P = K X`` with ``K = inv(X X' + ridge I)``, and by Woodbury's ``diag(P)`` is
    ``(1 - x' K x) / ridge`` of each column x: what is inverted is users by users. Of places not
    visited, the score ``X B`` is ``-K X / diag(P)``.

    Parameters
    ----------
    visits : csr_array, shape (u, p)
        1 where a user was.
    ridge : float
        Of the regression, in units of the mean squared row of ``X``.
    active, popular : float
        ``X`` is ``visits`` over these powers of a user's and of a place's number of visits; the
        scores are scaled back.

    References
    ----------
    H. Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.
    """
    users, places = _degrees(visits)
    weighted = _scaled(visits, users**-active, places**-popular)
    gram = (weighted @ weighted.T).toarray().astype(np.float64)
    ridge *= np.trace(gram) / len(gram)
    gram[np.diag_indices_from(gram)] += ridge
    inverse = np.linalg.inv(gram).astype(np.float32)
    spread = weighted.T @ inverse  # (p, u)
    owned = weighted.T.tocoo()
    explained = np.zeros(len(places))
    np.add.at(explained, owned.coords[0], owned.data * spread[owned.coords])
    scale = places**popular * ridge / (1.0 - explained)
    return Scorer(-inverse, weighted, scale.astype(np.float32))


def user_knn(visits: sp.csr_array, neighbours: int, popular: float) -> Scorer:
    """The users most alike by cosine, places weighed by a power of their popularity."""
    _, places = _degrees(visits)
    weighted = _scaled(visits, np.ones(visits.shape[0]), places**-popular)
    length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(1)).ravel())
    unit = _scaled(weighted, 1.0 / np.maximum(length, 1e-12), np.ones(len(places)))
    alike: Floats = (unit @ unit.T).toarray()
    np.fill_diagonal(alike, 0.0)
    if neighbours < len(alike):
        least = np.partition(alike, -neighbours, axis=1)[:, -neighbours, None]
        alike[alike < least] = 0.0
    return Scorer(alike, visits, np.ones(len(places), np.float32))


def walk(visits: sp.csr_array, popular: float) -> Scorer:
    """Three random steps, user to place to user to place, over a power of popularity.

    References
    ----------
    B. Paudel et al., "Updatable, accurate, diverse, and scalable recommendations for
    interactive applications", ACM TiiS 7(1), 2016 (RP3beta).
    """
    users, places = _degrees(visits)
    step = _scaled(visits, 1.0 / users, np.ones(len(places)))
    to_users = (step @ _scaled(visits, np.ones(len(users)), 1.0 / places).T).toarray()
    return Scorer(to_users.astype(np.float32), step, (places**-popular).astype(np.float32))


def cells_walk(visits: sp.csr_array, lonlat: npt.NDArray[np.float64], resolution: int) -> Scorer:
    """`walk` by way of H3 cells: users are alike who go to the same parts of a town."""
    _, cell = np.unique(points_to_cells(lonlat, resolution), return_inverse=True)
    member = sp.csr_array(
        (np.ones(len(cell), np.float32), (np.arange(len(cell)), cell)), (len(cell), cell.max() + 1)
    )
    by_cell = sp.csr_array(visits @ member)
    by_cell.data = np.log1p(by_cell.data)
    return Scorer(walk(by_cell, 0.0).affinity, walk(visits, 0.0).visits, _ones(visits))


def friends_jaccard(visits: sp.csr_array, friends: sp.csr_array) -> Scorer:
    """Friends, by the share of places they have in common."""
    users, _ = _degrees(visits)
    common = (visits @ visits.T).toarray()
    jaccard = common / (users[:, None] + users[None, :] - common) + 0.01
    return Scorer((friends.toarray() * jaccard).astype(np.float32), visits, _ones(visits))


def _degrees(visits: sp.csr_array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How many places a user visited, how many users a place; 1 where none, to divide by."""
    users, places = np.diff(visits.indptr), np.bincount(visits.indices, minlength=visits.shape[1])
    return np.maximum(users, 1.0), np.maximum(places, 1.0)


def _scaled(
    visits: sp.csr_array, users: npt.NDArray[np.float64], places: npt.NDArray[np.float64]
) -> sp.csr_array:
    return sp.csr_array(
        sp.diags_array(users.astype(np.float32))
        @ visits
        @ sp.diags_array(places.astype(np.float32))
    )


def _ones(visits: sp.csr_array) -> Floats:
    return np.ones(visits.shape[1], np.float32)
