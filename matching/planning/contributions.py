"""What each household adds to a quarter's counts: bounded, whatever it did.

Every function counts rows of `Facts` by piece, in the columns of one draw. Leaving out all rows
of one household changes them by at most the draw's bound, all changes added up.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo.arrays import BoolArray, IntArray
from indexes.district_facts import WEEKS, Facts
from matching.planning.measures import (
    MEMBERS_COUNTED,
    OTHER,
    PEOPLE_CATEGORIES,
    SEATS_COUNTED,
    Draw,
)
from matching.planning.outlines import Level
from matching.planning.pieces import Pieces

__all__ = ["category_numbers", "count_flows", "count_pieces"]


def count_pieces(facts: Facts, pieces: Pieces, draw: Draw) -> IntArray:
    """Bounded counts of a draw by piece.

    Parameters
    ----------
    facts : Facts
    pieces : Pieces
        IRIS × cell or whole IRIS, as the draw wants.
    draw : Draw
        One of `DRAWS`.

    Returns
    -------
    ndarray of int64, shape (len(pieces) + 1, k)
        Columns as in ``Draw.columns``; the last row counts what lies in no piece.
    """
    counters: Mapping[str, Callable[[Facts, Pieces], tuple[IntArray, IntArray, IntArray]]] = {
        "households": _households,
        "active": _active,
        "members": _members,
        "buildings": _buildings,
        "exchange": _exchange,
        "carpool": _carpool,
        "seats": _seats,
    }
    piece, column, amount = counters[draw.name](facts, pieces)
    k = len(draw.columns)
    counts = np.bincount(piece * k + column, weights=amount, minlength=(len(pieces) + 1) * k)
    return counts.astype(np.int64).reshape(-1, k)


def count_flows(facts: Facts, level: Level, outlines_zones: tuple[str, ...]) -> IntArray:
    """Households by the zones that they carpool between.

    Parameters
    ----------
    facts : Facts
    level : Level
        Of the zones to tell.
    outlines_zones : tuple of str
        IRIS codes in the order of ``level.of_iris``.

    Returns
    -------
    ndarray of int64, shape (n, n)
        From zone (row) to zone (column). A household counts once: where most of its trips
        that begin and end in zones go; of equals, the first.
    """
    codes = pa.array(outlines_zones, pa.string())
    # One more for what is in no zone.
    zone_of = np.append(level.of_iris, -1)
    trips = facts.trips.filter(pc.is_valid(facts.trips["household"]))
    ends = [
        zone_of[np.asarray(pc.fill_null(pc.index_in(trips[name], value_set=codes), len(codes)))]
        for name in ("zone", "to_zone")
    ]
    n = len(level.codes)
    placed = (ends[0] >= 0) & (ends[1] >= 0)
    _, flow = _favourites(_numbers(trips["household"])[placed], (ends[0] * n + ends[1])[placed])
    return np.bincount(flow, minlength=n * n).reshape(n, n)


def category_numbers(category: pa.ChunkedArray, declared: tuple[str, ...]) -> IntArray:
    """Position of each dotted category's first word among the declared ones.

    Examples
    --------
    >>> category_numbers(pa.chunked_array([["cours.piano", "zzz"]]), ("autre", "cours"))
    array([1, 0])
    """
    words = pc.replace_substring_regex(category, r"(?s)\..*", "")
    found = pc.index_in(words, value_set=pa.array(declared, pa.string()))
    return np.asarray(pc.fill_null(found, declared.index(OTHER))).astype(np.int64)


def _homes(facts: Facts, pieces: Pieces) -> IntArray:
    return pieces.place(facts.households["zone"], facts.households["cell8"])


def _households(facts: Facts, pieces: Pieces) -> tuple[IntArray, IntArray, IntArray]:
    piece = _homes(facts, pieces)
    return piece, np.zeros_like(piece), np.ones_like(piece)


def _active(facts: Facts, pieces: Pieces) -> tuple[IntArray, IntArray, IntArray]:
    piece = _homes(facts, pieces)
    return piece, np.zeros_like(piece), _clipped(facts.households["weeks"], WEEKS)


def _members(facts: Facts, pieces: Pieces) -> tuple[IntArray, IntArray, IntArray]:
    piece = _homes(facts, pieces)
    return piece, np.zeros_like(piece), _clipped(facts.households["members"], MEMBERS_COUNTED)


def _buildings(facts: Facts, pieces: Pieces) -> tuple[IntArray, IntArray, IntArray]:
    piece = pieces.place(facts.buildings["zone"], facts.buildings["cell8"])
    households = np.asarray(facts.buildings["households"])
    opened, five = households >= 1, households >= 5
    piece = np.concatenate((piece[opened], piece[five]))
    column = np.repeat([0, 1], [opened.sum(), five.sum()])
    return piece, column, np.ones_like(piece)


def _exchange(facts: Facts, pieces: Pieces) -> tuple[IntArray, IntArray, IntArray]:
    own = facts.listings.filter(
        pc.and_(pc.invert(facts.listings["public"]), pc.is_valid(facts.listings["household"]))
    )
    who, chosen = _favourites(
        _numbers(own["household"]), category_numbers(own["category"], PEOPLE_CATEGORIES)
    )
    home = _first(_numbers(own["household"]), pieces.place(own["zone"], own["cell8"]))
    offers = home[who], chosen, np.ones_like(chosen)

    asked = facts.requests
    asker = _numbers(asked["household"])
    category = category_numbers(asked["category"], PEOPLE_CATEGORIES)
    who, chosen = _favourites(asker, category)
    home = _first(asker, pieces.place(asked["zone"], asked["cell8"]))
    favourite = np.full(len(home), -1)
    favourite[who] = chosen
    counted = favourite[asker] == category
    unmet = _any(asker, counted & np.asarray(asked["unmet"]), len(home))
    late = _any(asker, counted & ~np.asarray(asked["answered_48h"]), len(home))
    part = np.where(unmet[who], 3, np.where(late[who], 2, 1))
    requests = home[who], part * len(PEOPLE_CATEGORIES) + chosen, np.ones_like(chosen)
    return _joined(offers, requests)


def _carpool(facts: Facts, pieces: Pieces) -> tuple[IntArray, IntArray, IntArray]:
    trips = facts.trips.filter(pc.is_valid(facts.trips["household"]))
    of = _numbers(trips["household"])
    who, piece = _favourites(of, pieces.place(trips["zone"], trips["cell8"]))
    drives = np.asarray(pc.not_equal(trips["role"], "passenger"))
    driver = _any(of, drives, len(who))
    # Matched in the role that it counts in.
    matched = _any(of, np.asarray(trips["matched"]) & (drives == driver[of]), len(who))
    column = np.where(driver, 0, 2) + np.where(matched, 0, 1)
    return piece, column[who], np.ones_like(piece)


def _seats(facts: Facts, pieces: Pieces) -> tuple[IntArray, IntArray, IntArray]:
    trips = facts.trips.filter(
        pc.and_(
            pc.is_valid(facts.trips["household"]), pc.not_equal(facts.trips["role"], "passenger")
        )
    )
    of = _numbers(trips["household"])
    who, piece = _favourites(of, pieces.place(trips["zone"], trips["cell8"]))
    seats = np.zeros(len(who), dtype=np.int64)
    np.maximum.at(seats, of, _clipped(trips["seats"], SEATS_COUNTED))
    return piece, np.zeros_like(piece), seats[who]


def _numbers(ids: pa.ChunkedArray) -> IntArray:
    """Households as numbers from 0 on."""
    return np.asarray(ids.combine_chunks().dictionary_encode().indices).astype(np.int64)


def _clipped(values: pa.ChunkedArray, most: int) -> IntArray:
    return np.clip(np.asarray(values).astype(np.int64), 0, most)


def _any(who: IntArray, true: BoolArray, households: int) -> BoolArray:
    found = np.zeros(households, dtype=bool)
    found[who[true]] = True
    return found


def _first(who: IntArray, piece: IntArray) -> IntArray:
    """The piece of each household's first row: all have the same."""
    found = np.zeros(int(who.max(initial=-1)) + 1, dtype=np.int64)
    found[who[::-1]] = piece[::-1]
    return found


def _favourites(who: IntArray, what: IntArray) -> tuple[IntArray, IntArray]:
    """What each household has most of; of equals, the lowest number.

    Parameters
    ----------
    who, what : ndarray of int64, shape (n,)
        Households and things, numbers from 0 on.

    Returns
    -------
    households, things : ndarray of int64, shape (m,)
        Each household once, ascending.
    """
    span = int(what.max(initial=0)) + 1
    pairs, times = np.unique(who * span + what, return_counts=True)
    of, thing = pairs // span, pairs % span
    order = np.lexsort((thing, -times, of))
    of, thing = of[order], thing[order]
    starts = np.flatnonzero(np.append(True, of[1:] != of[:-1])) if len(of) else of
    return of[starts], thing[starts]


def _joined(*parts: tuple[IntArray, IntArray, IntArray]) -> tuple[IntArray, IntArray, IntArray]:
    piece, column, amount = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return piece, column, amount
