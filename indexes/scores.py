"""How a point scores, and what it can score at most: compiled, for use inside searches."""

from collections.abc import Callable
from math import exp, floor, sqrt
from typing import Any

import numpy as np
from numba import njit

from geo.kernels import forget_stale
from indexes.columns import IN_STOCK, SOLD_OUT

Kernel = Callable[..., Any]

# Divisions here never meet zero, so nothing needs to check; no fast-math: sums keep their order.
compiled = njit(cache=True, nogil=True, error_model="numpy")
# Without its runtime numba counts no references to arrays, which costs a kernel that looks at
# points one by one a fifth of its time. Such kernels may not allocate.
uncounted: Callable[[Kernel], Kernel] = njit(  # type: ignore[call-overload]  # it hides _nrt
    cache=True, nogil=True, error_model="numpy", _nrt=False
)
inlined: Callable[[Kernel], Kernel] = njit(  # type: ignore[call-overload]
    cache=True, error_model="numpy", forceinline=True, _nrt=False
)

# A class's row of a plan: how a kind is scored.
ACTIVE, W_DISTANCE, W_TRUST, W_FRESH, W_AVAILABLE, W_FIT = range(6)
SHAPE, OFFSET_M, SCALE_M, RATE, FRESH_MODE, TABLE = range(6, 12)
PLAN_COLUMNS = 12
GAUSS, EXPONENTIAL, LINEAR = range(3)
STEADY, HALF_LIFE, EVENT = range(3)

SCORE_UNIT = 1e9
BANDS_M = (500.0, 1000.0, 2000.0, 5000.0)  # people: same group, then these, then farther
FARTHER_MM = 2**62

HALF_LIFE_S = 14 * 86_400.0
EVENT_FULL_S = 48 * 3_600.0
EVENT_NONE_S = 30 * 86_400.0

# The decay table: 128 steps per doubling of the squared distance, from 1 m² on.
STEP_BITS = 16
TABLE_SIZE = 50 * 128
ONE_BITS = 0x3F800000

SLACK = 1e-6  # more than float32 loses


@inlined
def banded_m(d):
    """The upper edge of the band that a distance between people falls in, metres.

    Zero only on the spot, which is the same group; infinite from 5 km on.
    """
    if d == 0.0:
        return 0.0
    for edge in BANDS_M:
        if d < edge:
            return edge
    return np.inf


@inlined
def decay_factor(plan, klass, d):
    """1 up to the offset, never rising, 0 at infinity."""
    if d == np.inf:
        return 0.0
    x = max(0.0, d - plan[klass, OFFSET_M]) / plan[klass, SCALE_M]
    if plan[klass, SHAPE] == LINEAR:
        return max(0.0, 1.0 + plan[klass, RATE] * x)
    if plan[klass, SHAPE] == GAUSS:
        x *= x
    return exp(plan[klass, RATE] * x)


@compiled
def fill_decay_table(plan, klass, table):
    """Upper bounds of a class's distance factor, one a step of the squared distance.

    Any factor that never rises with distance can be bounded so, whatever its formula.
    """
    for step in range(TABLE_SIZE):
        edge_m = 0.0
        if step > 0:
            bits = np.int32(ONE_BITS + (step << STEP_BITS))
            edge_m = sqrt(np.float64(bits.view(np.float32))) * (1.0 - SLACK)
        d = banded_m(edge_m) if klass & 1 else edge_m
        table[step] = np.float32(decay_factor(plan, klass, d)) + np.float32(SLACK)


@inlined
def table_step(squared_m):
    """Step of the decay table for a squared distance: the float's own exponent and top bits."""
    if squared_m < np.float32(1.0):
        return 0
    bits = np.float32(squared_m).view(np.int32)
    return min((bits - ONE_BITS) >> STEP_BITS, TABLE_SIZE - 1)


@inlined
def fresh_factor(mode, at, fresh_at):
    """1 where age doesn't count, else by half-life or by the time to an event's start."""
    if mode == HALF_LIFE:
        return 0.5 ** (max(0.0, at - fresh_at) / HALF_LIFE_S)
    if mode == EVENT:
        lead = fresh_at - at
        if lead <= EVENT_FULL_S:
            return 1.0
        return max(0.0, (EVENT_NONE_S - lead) / (EVENT_NONE_S - EVENT_FULL_S))
    return 1.0


@inlined
def available_factor(stock, state):
    """1 open or in stock, 0 closed or sold out, a half where nothing is known."""
    if stock == SOLD_OUT or state == 0:
        return 0.0
    if stock == IN_STOCK or state == 2:
        return 1.0
    return 0.5


@inlined
def weighted_sum(plan, klass, distance, trust, fresh, available, fit):
    """The score, always added in this order."""
    return (
        plan[klass, W_DISTANCE] * distance
        + plan[klass, W_TRUST] * trust
        + plan[klass, W_FRESH] * fresh
        + plan[klass, W_AVAILABLE] * available
        + plan[klass, W_FIT] * fit
    )


@inlined
def to_score_units(score):
    """A score in whole 1e-9."""
    return np.int64(floor(score * SCORE_UNIT + 0.5))


@inlined
def to_millimetres(d):
    """A distance in whole millimetres; an infinite one is larger than all."""
    if d == np.inf:
        return np.int64(FARTHER_MM)
    return np.int64(floor(d * 1000.0 + 0.5))


@inlined
def score_ceiling(score):
    """A score's upper bound in whole 1e-9, float32 errors covered."""
    return np.int64((score + SLACK) * SCORE_UNIT)


forget_stale(fill_decay_table, "indexes.columns")
