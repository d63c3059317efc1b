"""Compiled: walks from a viewer, and what the raters they reach say of others.

The random numbers of a walk are a function of four things: viewer, walk, step and the node the
walk stands on. So a walk runs as before until it enters a node that has changed.
"""

import numpy as np
from numba import njit

import geo.kernels  # noqa: F401  # first: it says where compiled kernels are kept
from geo.arrays import FloatArray, IntArray
from matching.trusting.edges import Keys, Nodes, Thresholds

__all__ = ["MAX_STEPS", "STOP", "WALKS", "rank_of_equals", "walk", "weigh"]

WALKS = 4_000
STOP = 0.3  # probability that a walk ends before its next step
# The bound of a walk's memory: 0.7^64 is 1e-10, a walk in two million questions.
MAX_STEPS = 64

# SplitMix64: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
# OOPSLA 2014.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_LOW31 = np.uint64(2**31 - 1)
_STOP = np.uint64(int(STOP * 2**32))


@njit(cache=True, nogil=True, inline="always")
def _mixed(bits: np.uint64) -> np.uint64:
    bits = (bits ^ (bits >> _S30)) * _MIX1
    bits = (bits ^ (bits >> _S27)) * _MIX2
    return bits ^ (bits >> _S31)


@njit(cache=True, nogil=True)
def walk(
    viewer: int,
    keys: Keys,
    starts: IntArray,
    ratees: Nodes,
    thresholds: Thresholds,
    neighbours: Nodes,
) -> tuple[Nodes, Nodes, Nodes]:
    """Walk from a viewer until each walk stops or stands where nobody is trusted.

    Parameters
    ----------
    viewer : int
        Where all walks begin.
    keys, starts, ratees, thresholds
        Columns of `edges.TrustColumns` and `edges.TrustRows`.
    neighbours : ndarray of int32, shape (k,)
        Half of the first steps go to one of them, if there are any.

    Returns
    -------
    path : ndarray of int32, shape (p,)
        Nodes of one walk after the other, each once where the walk first enters it. Each walk
        begins with the viewer, who is nowhere else.
    reached : ndarray of int32, shape (r,)
        Nodes that a walk entered, the viewer not among them.
    hits : ndarray of int32, shape (n,)
        Walks that entered each node.
    """
    hits = np.zeros(len(keys), np.int32)
    path = np.empty(WALKS * (MAX_STEPS + 1), np.int32)
    reached = np.empty(min(len(keys), len(path)), np.int32)
    size = found = 0
    for number in range(WALKS):
        seed = _mixed(keys[viewer] + _GAMMA * np.uint64(number + 1))
        node = viewer
        begin = size
        path[size] = viewer
        size += 1
        for step in range(MAX_STEPS):
            bits = _mixed(_mixed(seed + _GAMMA * np.uint64(step + 1)) ^ keys[node])
            if bits >> _S32 < _STOP:
                break
            choice = bits & _LOW31
            if step == 0 and len(neighbours) > 0 and (bits >> _S31) & np.uint64(1) == 0:
                node = neighbours[np.int64((choice * np.uint64(len(neighbours))) >> _S31)]
            else:
                low, high = starts[node], starts[node + 1]
                if low == high or thresholds[high - 1] == 0:
                    break
                while low < high:
                    middle = (low + high) >> 1
                    if np.uint64(thresholds[middle]) > choice:
                        high = middle
                    else:
                        low = middle + 1
                node = ratees[low]
            for i in range(begin, size):
                if path[i] == node:
                    break
            else:
                path[size] = node
                size += 1
                if hits[node] == 0:
                    reached[found] = node
                    found += 1
                hits[node] += 1
    return path[:size].copy(), reached[:found].copy(), hits


@njit(cache=True, nogil=True)
def rank_of_equals(viewer_key: np.uint64, keys: Keys) -> Keys:
    """A number by which nodes that are hit equally often are told apart, another for each viewer.

    By the keys themselves, whoever has a low one would come first everywhere.
    """
    found = np.empty(len(keys), np.uint64)
    for i in range(len(keys)):
        found[i] = _mixed(_mixed(viewer_key) ^ keys[i])
    return found


@njit(cache=True, nogil=True)
def weigh(
    viewer: int,
    path: Nodes,
    hits: Nodes,
    raters: Nodes,
    full: int,
    starts: IntArray,
    ratees: Nodes,
    positive: FloatArray,
    negative: FloatArray,
    voices: FloatArray,
    owners: Nodes,
) -> tuple[Nodes, FloatArray, FloatArray]:
    """What a viewer's raters say of others, each rater counted by the walks that reached it.

    For a target, only walks count that had not been at the target before: what lies behind a
    target, which it chose itself, says nothing about it. A listing is its owner's choice.

    Parameters
    ----------
    viewer, path, hits
        As `walk` took and gave them.
    raters : ndarray of int32, shape (r,)
        Those who count, the viewer not among them.
    full : int
        From so many walks on, a rater counts as much as the viewer.
    starts, ratees, positive, negative, voices
        Columns of `edges.TrustRows`.
    owners : ndarray of int32, shape (l,)
        Row of the owner of each listing that has one, else -1.

    Returns
    -------
    targets : ndarray of int32, shape (t,)
        Whom any of them, or the viewer, has rated; not the viewer.
    positive, negative : ndarray of float64, shape (t,)
        Sums of their weights, in the unit of the edges.
    """
    slots = np.full(len(hits), -1, np.int32)
    for slot in range(len(raters)):
        slots[raters[slot]] = slot
    # Where each rater is in the path: a linked list for each.
    last = np.full(len(raters), -1, np.int64)
    previous = np.empty(len(path), np.int64)
    for at in range(len(path)):
        slot = slots[path[at]]
        if slot >= 0:
            previous[at] = last[slot]
            last[slot] = at

    most = starts[viewer + 1] - starts[viewer]
    for rater in raters:
        most += starts[rater + 1] - starts[rater]
    members = len(hits)
    targets = np.empty(min(most, members + len(owners)), np.int32)
    plus, minus = np.zeros(len(targets)), np.zeros(len(targets))
    places = np.full(members + len(owners), -1, np.int32)
    before = np.zeros(len(hits), np.int32)
    count = 0
    for slot in range(-1, len(raters)):
        rater = viewer if slot < 0 else raters[slot]
        if slot >= 0:
            at = last[slot]
            while at >= 0:
                i = at - 1
                while path[i] != viewer:
                    before[path[i]] += 1
                    i -= 1
                at = previous[at]
        for edge in range(starts[rater], starts[rater + 1]):
            target = ratees[edge]
            rated = positive[edge] != 0.0 or negative[edge] != 0.0
            if target == viewer or not rated:
                continue
            share = 1.0
            if slot >= 0:
                chooser = target if target < members else owners[target - members]
                behind = before[chooser] if chooser >= 0 else 0
                share = voices[rater] * min(1.0, (hits[rater] - behind) / full)
            place = places[target]
            if place < 0:
                place = places[target] = count
                targets[count] = target
                count += 1
            plus[place] += share * positive[edge]
            minus[place] += share * negative[edge]
        if slot >= 0:
            at = last[slot]
            while at >= 0:
                i = at - 1
                while path[i] != viewer:
                    before[path[i]] = 0
                    i -= 1
                at = previous[at]
    return targets[:count].copy(), plus[:count].copy(), minus[:count].copy()
