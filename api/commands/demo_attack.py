"""`mitoyen demo --attack`: a ring of made-up accounts against one answer of the demo."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from geo.errors import InputError
from indexes.entities import Kind, Listing
from indexes.sample import Sample, draw_ring
from indexes.store import Store
from matching.engine import Engine
from matching.query import MAX_LIMIT, Match, NearQuery, Viewer
from matching.scoring import Profile, Profiles
from matching.trusting.town import TrustTown

__all__ = ["Outcome", "attacked"]

TOP = 10
VIEWERS = 300  # of all members, drawn
# The control: as sites with stars do, a few middling ratings are assumed before the first.
ASSUMED, WORST, MIDDLING, BEST = 5, 1, 3, 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """For how many viewers the best ten have changed.

    ``viewers`` are those whose walks reach nobody who was fooled.
    """

    viewers: int
    changed_top10: int
    control_changed_top10: int


def attacked(
    store: Store,
    engine: Engine,
    town: Sample,
    query: NearQuery,
    now: datetime,
    *,
    fakes: int,
    edges: int,
    seed: int,
) -> Outcome:
    """Ask a question, let a ring praise one of its answers, and ask again.

    Parameters
    ----------
    store : Store
        Holds the town. The ring is kept in it.
    engine : Engine
        Over the store.
    town : Sample
        Whose members ask, and are fooled.
    query : NearQuery
        What is asked.
    now : datetime
        The instant that counts, aware.
    fakes, edges : int
        How many accounts; how many members they fool: see `indexes.sample.draw_ring`.
    seed : int
        Draws who asks and who is fooled.

    Returns
    -------
    Outcome
        The control ranks by the mean rating of everybody's instead of trust.

    Raises
    ------
    InputError
        If every listing is in somebody's best ten, or there are too few members.
    """
    tenant_id = town.members[0].tenant_id
    rng = np.random.default_rng(seed)
    asking = [town.members[i].id for i in rng.permutation(len(town.members))[:VIEWERS].tolist()]
    trust = TrustTown(store, tenant_id, lambda: now)
    # Walks begin at who asks.
    reached = {id: {id, *trust.reached(id)} for id in asking}
    before = {id: _everything(engine, id, query) for id in asking}
    praised = _runner_up(before)
    control = _by_mean_rating(store, tenant_id, before)
    ring = draw_ring(
        store.get(Listing, tenant_id, praised), town.buildings, town.members,
        fakes=fakes, edges=edges, now=now, rng=rng,
    )  # fmt: skip
    store.put_all(ring.entities())
    store.decide(tenant_id, (), lambda desk: desk.put_all(ring.dealings))
    engine.refresh()
    after = {id: _everything(engine, id, query) for id in asking}
    control_after = _by_mean_rating(store, tenant_id, after)
    viewers = [id for id in asking if reached[id].isdisjoint(ring.fooled)]
    return Outcome(
        viewers=len(viewers),
        changed_top10=sum(_ids(before[id]) != _ids(after[id]) for id in viewers),
        control_changed_top10=sum(control[id] != control_after[id] for id in viewers),
    )


def _everything(engine: Engine, member_id: str, query: NearQuery) -> list[Match]:
    """All that answers a query, page by page."""
    found: list[Match] = []
    page = replace(query, limit=MAX_LIMIT)
    while True:
        answer = engine.near(Viewer(member_id), page)
        found += answer.matches
        if answer.next is None:
            return found
        page = replace(page, cursor=answer.next)


def _ids(matches: Iterable[Match]) -> list[str]:
    return [match.id for match in matches][:TOP]


def _runner_up(answers: Mapping[str, list[Match]]) -> str:
    """Of the listings that are in nobody's best ten, the one that comes nearest to it."""
    best: dict[str, int] = {}
    for matches in answers.values():
        for rank, match in enumerate(matches):
            best[match.id] = min(rank, best.get(match.id, rank))
    others = [(rank, id) for id, rank in best.items() if rank >= TOP]
    if not others:
        raise InputError(f"every listing is in somebody's best {TOP}")
    return min(others)[1]


def _by_mean_rating(
    store: Store, tenant_id: str, answers: Mapping[str, list[Match]]
) -> dict[str, list[str]]:
    """Ids of each viewer's best, if the mean rating of everybody's stood for trust.

    A recommendation is a rating of five stars.
    """
    given = Counter(store.endorsement_table(tenant_id)["listing"].to_pylist())
    weight = {kind: one.weights.trust for kind, one in _profiles().items()}

    def score(match: Match) -> float:
        count = given[match.id]
        mean = (ASSUMED * MIDDLING + count * BEST) / (ASSUMED + count)
        others = sum(why.share for why in match.why if not why.code.startswith("trust"))
        return others + weight[match.kind] * (mean - WORST) / (BEST - WORST)

    return {
        id: _ids(sorted(matches, key=lambda match: (-score(match), match.id)))
        for id, matches in answers.items()
    }


def _profiles() -> dict[Kind, Profile]:
    profiles = Profiles.load()
    return {kind: profiles.of(kind) for kind in Kind}
