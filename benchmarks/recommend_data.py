"""Check-ins of a published split, in an order that no id decides.

Place ids of the public sets follow users' first visits, so that an id tells who visits next.
Here ids only join the files: users and places are ordered by hashes of what is known of them.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from geo.errors import InputError

__all__ = ["CheckIns", "read_check_ins"]

Hashes = npt.NDArray[np.uint64]
KEY = 0x9E3779B97F4A7C15
ROUNDS = 3  # of telling users apart by places, and places by users


@dataclass(frozen=True, slots=True, eq=False)
class CheckIns:
    """A split: users u, places p.

    Attributes
    ----------
    train, tune, test : csr_array of float32, shape (u, p)
        Check-ins by user and place.
    lonlat : ndarray of float64, shape (p, 2)
        Degrees, EPSG:4326.
    friends : csr_array of float32, shape (u, u)
        1 for friends, symmetric.
    twins : ndarray of bool, shape (p,)
        Places that nothing but an id tells from another: they can't be ranked without it.
    """

    train: sp.csr_array
    tune: sp.csr_array
    test: sp.csr_array
    lonlat: npt.NDArray[np.float64]
    friends: sp.csr_array
    twins: npt.NDArray[np.bool_]


def read_check_ins(folder: Path) -> CheckIns:
    """Read ``train.csv``, ``tune.csv``, ``test.csv``, ``pois.csv`` and, where it is there,
    ``friends.csv``.

    Parameters
    ----------
    folder : Path
        Columns ``user_id,poi_id,checkins`` in the first three, ``poi_id,lat,lon`` of the
        places, ``user_a,user_b`` of undirected friendships. Ids may be any text.

    Returns
    -------
    CheckIns
        The same whatever the ids are, and in whatever order the rows come.

    Raises
    ------
    InputError
        If a file or a column is missing, or a place has no coordinates.
    """
    pois = _columns(folder / "pois.csv", "poi_id", "lat", "lon")
    parts = [
        _columns(folder / f"{name}.csv", "user_id", "poi_id", "checkins")
        for name in ("train", "tune", "test")
    ]
    pairs = [[], []]
    if (folder / "friends.csv").exists():
        pairs = _columns(folder / "friends.csv", "user_a", "user_b")
    places = {place: row for row, place in enumerate(pois[0])}
    users = {user: row for row, user in enumerate(dict.fromkeys(parts[0][0]))}
    lonlat = np.array([pois[2], pois[1]], np.float64).T
    shape = (len(users), len(places))
    matrices = []
    for part, (who, where, times) in zip(("train", "tune", "test"), parts, strict=True):
        if not places.keys() >= set(where):
            raise InputError(f"every place of {part}.csv must be in pois.csv, some are not")
        known = [i for i, user in enumerate(who) if user in users]
        rows, columns = [users[who[i]] for i in known], [places[where[i]] for i in known]
        counts = np.array([times[i] for i in known], np.float32)
        matrices.append(sp.csr_array((counts, (rows, columns)), shape))
    both = [(users[a], users[b]) for a, b in zip(*pairs, strict=True) if {a, b} <= users.keys()]
    a, b = np.array([*both, *((b, a) for a, b in both)], np.int64).reshape(-1, 2).T
    friends = sp.csr_array((np.ones(len(a), np.float32), (a, b)), (len(users), len(users)))
    friends.data[:] = 1.0

    by_user, by_place, twins = _orders(matrices[0], friends, lonlat)
    train, tune, test = (_reordered(matrix, by_user, by_place) for matrix in matrices)
    friends = _reordered(friends, by_user, by_user)
    return CheckIns(train, tune, test, lonlat[by_place], friends, twins)


def _columns(path: Path, *names: str) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise InputError(f"no {path.name} in {path.parent}") from error
    missing = [name for name in names if rows and name not in rows[0]]
    if missing:
        raise InputError(f"{path.name} must have the columns {', '.join(names)}: no {missing[0]}")
    return [[row[name] for row in rows] for name in names]


def _reordered(
    matrix: sp.csr_array, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> sp.csr_array:
    ordered = sp.csr_array(matrix[rows][:, columns])
    ordered.sort_indices()
    return ordered


def _orders(
    train: sp.csr_array, friends: sp.csr_array, lonlat: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Orders of users and places by keyed hashes of coordinates, check-ins and friends.

    Colour refinement (Weisfeiler and Leman 1968): hashes of neighbours are added, which no
    order of them changes, and mixed again. Says which places share a hash, too.
    """
    visits = train.tocoo()
    who, where = visits.coords
    count = _mixed(visits.data.astype(np.uint64))
    known = friends.tocoo()
    degrees = np.round(lonlat * 1e6).astype(np.int64).astype(np.uint64)
    places = _mixed(degrees[:, 0] + _mixed(degrees[:, 1]))
    users = np.full(train.shape[0], KEY, np.uint64)
    here = places
    for _ in range(ROUNDS):
        users = _mixed(
            users
            + _summed(_mixed(places[where] + count), who, len(users))
            + _mixed(_summed(_mixed(users[known.coords[1]]), known.coords[0], len(users)))
        )
        places = _mixed(here + _summed(_mixed(users[who] + count), where, len(places)))
    by_place = np.argsort(places)
    same = np.diff(places[by_place]) == 0
    return np.argsort(users), by_place, np.append(same, False) | np.insert(same, 0, False)


def _summed(values: Hashes, at: npt.NDArray[np.integer], size: int) -> Hashes:
    total = np.zeros(size, np.uint64)
    np.add.at(total, at, values)
    return total


def _mixed(values: Hashes) -> Hashes:
    """SplitMix64's finaliser: every bit of the answer hangs on every bit of the value."""
    z = values + np.uint64(KEY)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
