"""The compiled look at given rows: for words and polygons, which the trees do not know."""

from math import cos, radians

import numpy as np

from geo.distance import arc_m
from geo.kernels import forget_stale
from indexes import header as h
from indexes import packing as p
from indexes import scores as s
from indexes import topk as t
from indexes.columns import CLASSES, UNIT
from indexes.memory import floats_at, ints32_at, ints_at
from indexes.scores import compiled

__all__ = ["NEWEST_PART", "PLACE_BITS", "scan"]

PLACE_BITS = 40
NEWEST_PART = h.MAX_PARTS  # the newest leaves, which are in no tree


@compiled
def scan(question, filters, k, view, plan_at, rows, places, fits):
    """The k best among given rows: for words and polygons, which the trees don't know.

    Parameters
    ----------
    question, filters, k, view, plan_at
        As in `search`.
    rows : ndarray of int64, shape (m,)
        The candidates.
    places : ndarray of int64, shape (m,)
        Where each lies: part x 2^40 + leaf x 32 + place in the leaf, the newest leaves being
        part `NEWEST_PART`; -1 for a row that is no more.
    fits : ndarray of float64, shape (m,) or (0,)
        How well each fits the words asked; empty for 1.

    Returns
    -------
    ndarray of float64, shape (found, 9)
        As in `search`.
    """
    header = ints_at(view, (h.HEADER_SIZE,))
    seen = t.seen_in(header)
    plan = floats_at(plan_at, (CLASSES, s.PLAN_COLUMNS))
    parts = t.offsets(filters, np.int64(0))
    lon, lat = question[t.LON_ASKED], question[t.LAT_ASKED]
    cos_lat, by_distance = cos(radians(lat)), question[t.BY_DISTANCE] != 0.0
    now = np.int32(question[t.AT])
    order = np.empty(k, np.int64)
    best = np.empty((k, 3), np.int64)
    found = np.empty((k, t.FOUND_COLUMNS))
    count = 0
    part = np.int64(-1)
    hot = ints32_at(header[h.HOT], (header[h.LEAVES], p.HOT_COLUMNS, p.LEAF))
    cold = ints32_at(header[h.COLD], (header[h.LEAVES], p.LEAF, p.COLD_COLUMNS))
    for j in range(len(rows)):
        if rows[j] >= seen[0] or places[j] < 0:
            continue
        if places[j] >> PLACE_BITS != part:
            part = places[j] >> PLACE_BITS
            if part < NEWEST_PART:
                at = header[h.PART_BLOCKS + part]
                blocks = ints32_at(at, (p.HEADER,))
                hot = ints32_at(at + 4 * blocks[5], (blocks[2], p.HOT_COLUMNS, p.LEAF))
                cold = ints32_at(at + 4 * blocks[6], (blocks[2], p.LEAF, p.COLD_COLUMNS))
            else:
                hot = ints32_at(header[h.HOT], (header[h.LEAVES], p.HOT_COLUMNS, p.LEAF))
                cold = ints32_at(header[h.COLD], (header[h.LEAVES], p.LEAF, p.COLD_COLUMNS))
        slot = places[j] & ((1 << PLACE_BITS) - 1)
        leaf, i = slot // p.LEAF, slot % p.LEAF
        if hot[leaf, p.VALID_FROM, i] > now or now >= hot[leaf, p.VALID_TO, i]:
            continue
        if plan[(cold[leaf, i, p.TRAITS] >> 3) & 15, s.ACTIVE] == 0.0:
            continue
        d = arc_m(lon, lat, cos_lat, hot[leaf, p.LON, i] / UNIT, hot[leaf, p.LAT, i] / UNIT)
        if by_distance:
            count = t.consider_near(
                cold, leaf, i, d, question, filters, parts, seen, k, order, best, found, count
            )
        else:
            fit = fits[j] if len(fits) > 0 else 1.0
            count = t.consider(
                hot, cold, leaf, i, d, fit, 1.0, plan, question, filters, parts,
                seen, k, order, best, found, count,
            )  # fmt: skip
    answered = np.empty((count, t.FOUND_COLUMNS))
    t.write_answer(order, best, found, count, answered, 0)
    return answered


forget_stale(
    scan,
    "geo.distance",
    "indexes.columns",
    "indexes.header",
    "indexes.memory",
    "indexes.packing",
    "indexes.scores",
    "indexes.topk",
)
