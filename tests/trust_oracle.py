"""Trust in plain slow Python and dense algebra: no walks where exact, no arrays where counted.

Shares no code with `matching.trust`; the columns are read as the documentation describes them.
"""

from math import log2

import numpy as np

DAY_S = 86_400.0
STOP = 0.3
MASK = 2**64 - 1


def columns(n, ratings=(), bonds=(), listings=(), endorsements=(), **members):
    """`TrustColumns` of ratings (rater, ratee, value, at) and bonds (one, other, at), of listings
    (verification, owner or -1) and endorsements (member, listing, at)."""
    from matching.trust import TrustColumns
    from matching.trusting.edges import Endorsed

    ratings, bonds = list(ratings), list(bonds)
    shops = np.array(list(listings), np.int64).reshape(-1, 2)
    given = np.array(list(endorsements), np.int64).reshape(-1, 3)
    rows = np.array([row[:2] for row in ratings], np.int64).reshape(-1, 2)
    defaults = {
        "keys": np.arange(1, n + 1, dtype=np.uint64),
        "verification": np.full(n, 3),
        "groups": np.full(n, -1),
        "standing": np.ones(n),
    }
    return TrustColumns(
        **(defaults | members),
        raters=rows[:, 0],
        ratees=rows[:, 1],
        values=np.array([row[2] for row in ratings], np.float64),
        rated_at=np.array([row[3] for row in ratings], np.int64),
        bonds=np.array([row[:2] for row in bonds], np.int64).reshape(-1, 2),
        bonded_at=np.array([row[2] for row in bonds], np.int64),
        endorsed=Endorsed(*shops.T, *given.T),
    )


def statements(cols):
    """All that is said of members and listings: (rater, target, value, at), listing i being
    target n + i."""
    n, endorsed = len(cols.keys), cols.endorsed
    ratings = zip(cols.raters, cols.ratees, cols.values, cols.rated_at, strict=True)
    given = zip(endorsed.members, endorsed.listings, endorsed.at, strict=True)
    return [(int(u), int(t), float(value), int(at)) for u, t, value, at in ratings] + [
        (int(u), n + int(i), 1.0, int(at)) for u, i, at in given
    ]


def pair_weights(cols, now):
    """(rater, ratee) -> positive and negative weight of their ratings, at an instant."""
    by_pair = {}
    for rater, ratee, value, at in statements(cols):
        by_pair.setdefault((rater, ratee), []).append((-at, value))
    found = {}
    for pair, rated in by_pair.items():
        positive = negative = 0.0
        for i, (minus_at, value) in enumerate(sorted(rated)[:31]):
            weight = abs(value) * (log2(i + 2) - log2(i + 1))
            weight *= 2.0 ** ((-minus_at - now) / (365 * DAY_S))
            if value > 0:
                positive += weight
            else:
                negative += weight
        found[pair] = positive, negative
    return found


def trust_weights(cols, now):
    """(one, other) -> what a walk chooses the other by, at an instant."""
    n = len(cols.keys)
    found = {
        pair: max(0.0, p - q) for pair, (p, q) in pair_weights(cols, now).items() if pair[1] < n
    }
    newest = {}
    for (one, other), at in zip(cols.bonds.tolist(), cols.bonded_at.tolist(), strict=True):
        for pair in ((one, other), (other, one)):
            newest[pair] = max(at, newest.get(pair, at))
    for pair, at in newest.items():
        found[pair] = found.get(pair, 0.0) + 0.2 * 2.0 ** ((at - now) / (365 * DAY_S))
    return {pair: w * cols.standing[pair[1]] for pair, w in found.items()}


def voices(cols):
    """Row -> what a member's ratings are multiplied by for others: 10 in all at the last one."""
    n = len(cols.keys)
    last, said = [None] * n, [0.0] * n
    for rater, _, _, at in statements(cols):
        last[rater] = at if last[rater] is None else max(last[rater], at)
    newest = max((at for at in last if at is not None), default=0)
    for (rater, _), pair in pair_weights(cols, newest).items():
        said[rater] += sum(pair) * 2.0 ** ((newest - last[rater]) / (365 * DAY_S))
    return [
        float(standing) * (min(1.0, 10.0 / weight) if weight else 1.0)
        for standing, weight in zip(cols.standing, said, strict=True)
    ]


def neighbours_of(cols, viewer, trust):
    """Whom half of a newcomer's first steps go to, by key; nobody if it is no newcomer."""
    if sum(weight > 0 for (one, _), weight in trust.items() if one == viewer) >= 3:
        return []
    group = cols.groups[viewer]
    proved = [
        i
        for i in range(len(cols.keys))
        if i != viewer and group >= 0 and cols.groups[i] == group and cols.verification[i] >= 3
    ]
    return sorted(proved, key=lambda i: int(cols.keys[i]))


def steps(cols, now=0.0):
    """Probabilities of a step from each to each, given that the walk goes on: (n, n)."""
    n = len(cols.keys)
    found = np.zeros((n, n))
    for (one, other), weight in trust_weights(cols, now).items():
        found[one, other] = weight
    whole = found.sum(1, keepdims=True)
    return np.divide(found, whole, out=found, where=whole > 0)


def hitting(step):
    """Probability that a walk from each ever enters each, exactly: (n, n), 1 on the diagonal."""
    visits = np.linalg.inv(np.eye(len(step)) - (1 - STOP) * step)
    return visits / np.diag(visits)


def hitting_one(step, target):
    """A column of `hitting` without an inverse; ``step`` may be sparse."""
    found = np.zeros(step.shape[0])
    for _ in range(120):  # 0.7^120 is 3e-19
        found[target] = 1.0
        found = (1 - STOP) * (step @ found)
    found[target] = 1.0
    return found


def reach(cols, viewer):
    """Exact reach of all others from a viewer, neighbours of a newcomer included: (n,)."""
    return _first_step(hitting(steps(cols)), steps(cols), cols, viewer)


def _first_step(hit, step, cols, viewer):
    neighbours = neighbours_of(cols, viewer, trust_weights(cols, 0.0))
    if not neighbours:
        return hit[viewer]
    found = (1 - STOP) * (0.5 * hit[neighbours].mean(0) + 0.5 * step[viewer] @ hit)
    found[viewer] = 1.0
    return found


def evidence(cols, viewer, now, exact_reach=None):
    """target -> (positive, negative) by exact reach: a target's own ratings taken away first."""
    step = steps(cols)
    own = reach(cols, viewer) if exact_reach is None else exact_reach
    raters = sorted(set(cols.raters.tolist()) - {viewer}, key=lambda u: -own[u])
    raters = [u for u in raters if own[u] > 1e-15][:200]
    full = own[raters[min(20, len(raters)) - 1]] if raters else 1.0
    found, voice = {}, voices(cols)
    for target in {t for _, t in pair_weights(cols, now)} - {viewer}:
        cut = step.copy()
        cut[target] = 0.0
        without = _first_step(hitting(cut), cut, cols, viewer)
        share = {u: voice[u] * min(1.0, without[u] / full) for u in raters} | {viewer: 1.0}
        rows = [
            (share[u], weights)
            for (u, t), weights in pair_weights(cols, now).items()
            if t == target and u in share
        ]
        if rows:
            found[target] = tuple(sum(w * pair[k] for w, pair in rows) for k in (0, 1))
    return found


class Exact:
    """`reach` and `evidence` of whole graphs: one inverse, no newcomers, columns without bonds.

    Without target t's own ratings, visits are a rank-one change of those with them:
    N - N[:, t] N[t, :] / N[t, t].
    """

    def __init__(self, cols, now):
        n = len(cols.keys)
        self.visits = np.linalg.inv(np.eye(n) - (1 - STOP) * steps(cols))
        self.own = np.diag(self.visits).copy()
        self.weights = np.zeros((2, n, n), np.float32)
        for (rater, target), weights in pair_weights(cols, now).items():
            self.weights[:, rater, target] = weights
        self.voice = np.array(voices(cols))
        self.is_rater = np.zeros(n, bool)
        self.is_rater[cols.raters] = True

    def reach(self, viewer):
        """Reach of all from a viewer: (n,)."""
        return self.visits[viewer] / self.own

    def evidence(self, viewer):
        """Positive and negative weight of the evidence on all: (2, n)."""
        reach = np.where(self.is_rater, self.reach(viewer), 0.0)
        reach[viewer] = 0.0
        raters = np.argsort(-reach, kind="stable")[:200]
        raters = raters[reach[raters] > 1e-15]
        found = self.weights[:, viewer].astype(float)
        if len(raters):
            visits, own = self.visits, self.own
            # Rows are targets, columns raters.
            to, back = visits[viewer] / own, visits[:, raters]
            entered = visits[viewer, raters] - to[:, None] * back
            revisited = own[raters] - visits[raters].T / own[:, None] * back
            clean = np.divide(entered, revisited, out=np.zeros_like(back), where=revisited > 0.5)
            share = self.voice[raters] * np.minimum(
                1.0, clean / reach[raters[min(20, len(raters)) - 1]]
            )
            found += np.einsum("tr,krt->kt", share, self.weights[:, raters])
        found[:, viewer] = 0.0
        return found


def mixed(bits):
    """The finalizer of SplitMix64, in Python's integers."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & MASK
    return bits ^ (bits >> 31)


def walks(cols, viewer, count=4000):
    """The nodes of each walk in the order it first enters them, the viewer first."""
    gamma = 0x9E3779B97F4A7C15
    keys = [int(key) for key in cols.keys]
    trust = trust_weights(cols, 0.0)
    neighbours = neighbours_of(cols, viewer, trust)
    found = []
    for number in range(1, count + 1):
        seed = mixed((keys[viewer] + gamma * number) & MASK)
        node, path = viewer, [viewer]
        for step in range(1, 65):
            bits = mixed(mixed((seed + gamma * step) & MASK) ^ keys[node])
            if bits >> 32 < int(STOP * 2**32):
                break
            choice = bits % 2**31
            if step == 1 and neighbours and not bits >> 31 & 1:
                node = neighbours[choice * len(neighbours) // 2**31]
            else:
                row = sorted((keys[t], t, weight) for (u, t), weight in trust.items() if u == node)
                whole, part = sum(weight for _, _, weight in row), 0.0
                if whole == 0:
                    break
                for _, target, weight in row:
                    part += weight
                    if choice < round(part / whole * 2**31):
                        node = target
                        break
            if node not in path:
                path.append(node)
        found.append(path)
    return found


def counted(cols, viewer, now, paths):
    """`evidence` by counting walks: rater by rater, target by target, walk by walk."""
    entered = {}
    for path in paths:
        for node in path[1:]:
            entered[node] = entered.get(node, 0) + 1
    key = int(cols.keys[viewer])
    raters = sorted(
        (u for u in {rater for rater, *_ in statements(cols)} if u in entered),
        key=lambda u: (-entered[u], mixed(mixed(key) ^ int(cols.keys[u]))),
    )[:200]
    full = entered[raters[min(20, len(raters)) - 1]] if raters else 1
    found, voice, n = {}, voices(cols), len(cols.keys)
    for (rater, target), weights in pair_weights(cols, now).items():
        if target == viewer or rater not in (viewer, *raters):
            continue
        share = 1.0
        if rater != viewer:
            some = [path for path in paths if rater in path]
            # A listing is its owner's: what lies behind the owner says nothing about it.
            chooser = target if target < n else int(cols.endorsed.owners[target - n])
            clean = sum(chooser not in path[1 : path.index(rater)] for path in some)
            share = voice[rater] * min(1.0, clean / full)
        before = found.get(target, (0.0, 0.0))
        found[target] = tuple(b + share * w for b, w in zip(before, weights, strict=True))
    return found
