"""The levels that a viewer of a `near_oracle.World` is shown: its records, all walks, the formula.

As in `oracles`, nothing here is imported from the rooms.
"""

from functools import lru_cache
from hashlib import blake2b
from math import sqrt
from types import SimpleNamespace

import numpy as np
import trust_oracle as oracle

NEVER = 999
GAMMA = np.uint64(0x9E3779B97F4A7C15)
SHIFTS = tuple(np.uint64(n) for n in (27, 30, 31, 32))
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def levels(world, viewer_id, at):
    """Level of each member and of each public listing, by id; those of anybody for None."""
    members = sorted(world.members)
    shops = sorted(one.id for one in world.listings if not one.personal)
    found, standing = {}, standings(world, members)
    if viewer_id is not None:
        cols = columns(world, members, shops, standing)
        found = evidence(cols, members.index(viewer_id), at)
    attested = {one.id: one.attested for one in world.listings}
    verified = [world.members[id].level for id in members]
    verified += [4 if attested[id] else 1 for id in shops]
    shown = [
        level(verification, *found.get(row, (0.0, 0.0)))
        for row, verification in enumerate(verified)
    ]
    shown = [
        0 if row < len(members) and not standing[row] else one for row, one in enumerate(shown)
    ]
    n = len(members)
    return dict(zip(members, shown, strict=False)), dict(zip(shops, shown[n:], strict=True))


def level(verification, good, bad):
    """As it is written: min(V, 1), and more the better the lower bound."""
    mean = (1 + good) / (2 + good + bad)
    bound = mean - sqrt(mean * (1 - mean) / (good + bad + 3))
    if verification >= 3 and bound >= 0.70 and good + bad >= 5:
        return 4
    if verification >= 3 and bound >= 0.55:
        return 3
    if verification >= 2 and bound >= 0.35:
        return 2
    return min(verification, 1)


def standings(world, members):
    """1 for most, half for who vouched for a fraud, 0 under review."""
    return [world.standings.get(id, 1.0) for id in members]


def columns(world, members, shops, standing):
    """What `trust_oracle` reads, of the world's records."""
    row = {id: n for n, id in enumerate(members)}
    shop = {id: n for n, id in enumerate(shops)}
    owners = {one.id: one.owner_id for one in world.listings}
    home = {id: world.members[id].household_id for id in members}
    first = {}
    for one in sorted(world.endorsements, key=lambda one: (one.created_at, one.member_id)):
        owner = owners[one.listing_id]
        own = owner is not None and home[owner] == home[one.member_id]
        if one.listing_id in shop and not own:
            first.setdefault((one.listing_id, home[one.member_id]), one)
    # Those for personal listings count as what a member has said; nobody's level is theirs.
    people = sorted(one.id for one in world.listings if one.personal)
    for id in people:
        shop[id] = len(shop)
    for one in sorted(world.endorsements, key=lambda one: (one.created_at, one.member_id)):
        if one.listing_id in people and home[owners[one.listing_id]] != home[one.member_id]:
            first.setdefault((one.listing_id, home[one.member_id]), one)
    said = [one for one in world.ratings if one.open]
    groups = [world.group_of.get(world.building_of(id).id, "") for id in members]
    numbers = sorted(set(groups) - {""})
    tenant_id = next(iter(world.members.values())).tenant_id
    keys = [
        int.from_bytes(blake2b(f"{tenant_id}\n{id}".encode(), digest_size=8).digest(), "big")
        for id in members
    ]
    return SimpleNamespace(
        keys=np.array(keys, np.uint64),
        verification=np.array([world.members[id].level for id in members]),
        groups=np.array([numbers.index(group) if group else -1 for group in groups]),
        standing=np.array(standing),
        raters=np.array([row[one.rater] for one in said], int),
        ratees=np.array([row[one.ratee] for one in said], int),
        values=np.array([(one.stars - 3) / 2 for one in said], float),
        rated_at=np.array([one.at for one in said], int),
        bonds=np.array([(row[a], row[b]) for a, b, _ in world.vouches], int).reshape(-1, 2),
        bonded_at=np.array([at for *_, at in world.vouches], int),
        endorsed=SimpleNamespace(
            owners=np.array([row.get(owners[id], -1) for id in shop], int),
            members=np.array([row[one.member_id] for one in first.values()], int),
            listings=np.array([shop[one.listing_id] for one in first.values()], int),
            at=np.array([int(one.created_at.timestamp()) for one in first.values()], int),
        ),
    )


def evidence(cols, viewer, at):
    """target -> (positive, negative): `trust_oracle.counted`, all walks at once."""
    said, trust, voice, raters = prepared(cols)
    aged = 2.0 ** (-at / (365 * oracle.DAY_S))
    entry = first_entries(
        viewer,
        tuple(map(int, cols.keys)),
        tuple(sorted(trust.items())),
        tuple(oracle.neighbours_of(cols, viewer, trust)),
    )
    hits = (entry < NEVER).sum(0)
    hits[viewer] = 0
    key = int(cols.keys[viewer])
    raters = sorted(
        (u for u in raters if hits[u]),
        key=lambda u: (-hits[u], oracle.mixed(oracle.mixed(key) ^ int(cols.keys[u]))),
    )[:200]
    full = hits[raters[min(20, len(raters)) - 1]] if raters else 1
    found, n = {}, len(cols.keys)
    for (rater, target), weights in said.items():
        if target == viewer or rater not in (viewer, *raters):
            continue
        share = 1.0
        if rater != viewer:
            # A listing is its owner's: what lies behind the owner says nothing about it.
            chooser = target if target < n else int(cols.endorsed.owners[target - n])
            there = entry[:, rater] < NEVER
            if chooser not in (-1, viewer):
                there &= entry[:, chooser] >= entry[:, rater]
            share = voice[rater] * min(1.0, there.sum() / full)
        before = found.get(target, (0.0, 0.0))
        found[target] = tuple(b + share * w * aged for b, w in zip(before, weights, strict=True))
    return found


PREPARED = {}


def prepared(cols):
    """What is the same for every viewer: weights as of 1970, trust, voices, who says anything."""
    endorsed = vars(cols.endorsed).values()
    arrays = [one for name, one in vars(cols).items() if name != "endorsed"]
    key = b"|".join(one.tobytes() for one in (*arrays, *endorsed))
    if key not in PREPARED:
        PREPARED.clear()
        PREPARED[key] = (
            oracle.pair_weights(cols, 0.0),
            oracle.trust_weights(cols, 0.0),
            oracle.voices(cols),
            {rater for rater, *_ in oracle.statements(cols)},
        )
    return PREPARED[key]


@lru_cache(maxsize=500)
def first_entries(viewer, keys, trust, neighbours, count=4000):
    """In which step each of all walks enters each node first, (walks, nodes)."""
    keys = np.array(keys, np.uint64)
    rows = {}
    for (u, t), weight in trust:
        rows.setdefault(u, []).append((keys[t], t, weight))
    for u, row in rows.items():
        row.sort()
        parts, whole = [], sum(weight for *_, weight in row)
        for *_, weight in row:
            parts.append((parts[-1] if parts else 0.0) + weight)
        limits = [round(part / whole * 2**31) for part in parts] if whole else []
        rows[u] = np.array(limits), np.array([t for _, t, _ in row])
    entry = np.full((count, len(keys)), NEVER)
    entry[:, viewer] = 0
    seeds = _mixed(keys[viewer] + GAMMA * np.arange(1, count + 1).astype(np.uint64))
    node, going = np.full(count, viewer), np.ones(count, bool)
    for step in range(1, 65):
        bits = _mixed(_mixed(seeds + GAMMA * np.full(1, step, np.uint64)) ^ keys[node])
        going &= bits >> SHIFTS[3] >= int(oracle.STOP * 2**32)
        choice = (bits % np.uint64(2**31)).astype(int)
        first = np.zeros(count, bool)
        if step == 1 and neighbours:
            first = going & ((bits >> SHIFTS[2]) % np.uint64(2) == 0)
        after = node.copy()
        if first.any():
            after[first] = np.array(neighbours)[choice[first] * len(neighbours) // 2**31]
        for u in np.unique(node[going & ~first]).tolist():
            mine = going & ~first & (node == u)
            limits, targets = rows.get(u, ([], []))
            if len(limits):
                after[mine] = targets[np.searchsorted(limits, choice[mine], side="right")]
            else:
                going &= ~mine
        node = after
        new = going & (entry[np.arange(count), node] == NEVER)
        entry[np.flatnonzero(new), node[new]] = step
    return entry


def _mixed(bits):
    """The finalizer of SplitMix64, of many numbers."""
    bits = (bits ^ (bits >> SHIFTS[1])) * FACTORS[0]
    bits = (bits ^ (bits >> SHIFTS[0])) * FACTORS[1]
    return bits ^ (bits >> SHIFTS[2])
