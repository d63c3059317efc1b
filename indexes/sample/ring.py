"""A ring of made-up accounts that praise one listing: what trust must not fall for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from geo.errors import InputError
from indexes.entities import Building, Endorsement, Entity, Household, Listing, Member
from indexes.trusting import BLIND_FOR, Interaction, Rating, Request

__all__ = ["Ring", "draw_ring"]

LEVEL = 1  # an e-mail address and a telephone number: as many as one likes
BEST = 5  # stars


@dataclass(frozen=True, slots=True, eq=False)
class Ring:
    """Accounts that nobody stands behind, and what they and those they fooled have done.

    ``fooled`` are ids of the members who have rated one of them.
    """

    households: tuple[Household, ...]
    members: tuple[Member, ...]
    endorsements: tuple[Endorsement, ...]
    dealings: tuple[Request | Interaction | Rating, ...]
    fooled: tuple[str, ...]

    def entities(self) -> Iterator[Entity]:
        """All but the dealings, each after what it refers to."""
        yield from self.households
        yield from self.members
        yield from self.endorsements


def draw_ring(
    praised: Listing,
    buildings: Sequence[Building],
    members: Sequence[Member],
    *,
    fakes: int,
    edges: int,
    now: datetime,
    rng: np.random.Generator,
) -> Ring:
    """Accounts all over a town, each of which rates the next one best and recommends a listing.

    Parameters
    ----------
    praised : Listing
        What they recommend.
    buildings : sequence of Building
        Where they say that they live.
    members : sequence of Member
        Whom they may fool: those whose home is verified.
    fakes, edges : int
        How many accounts, one at least; and how many members are fooled: each has had to do
        with one of the accounts, and rated it best.
    now : datetime
        Aware. Everything happened in the month before, and all ratings are open.
    rng : Generator
        Draws homes and whom they fool.

    Raises
    ------
    InputError
        If there are fewer verified members than edges, or a number is out of its range.
    """
    able = [member.id for member in members if member.level >= 2]
    if fakes < 1 or not 0 <= edges <= len(able):
        raise InputError(
            f"wanted one account or more and 0 to {len(able)} fooled members,"
            f" got {fakes} and {edges}"
        )
    tenant_id, done_at = praised.tenant_id, now - timedelta(days=1) - BLIND_FOR
    ids = [f"ring-{i:07}" for i in range(fakes)]
    homes = rng.integers(len(buildings), size=fakes).tolist()
    fooled = [able[i] for i in rng.permutation(len(able))[:edges].tolist()]
    pairs = [*zip(ids, ids[1:] + ids[:1], strict=True)] if fakes > 1 else []
    pairs += [(member, ids[i % fakes]) for i, member in enumerate(fooled)]
    dealings: list[Request | Interaction | Rating] = []
    for number, (rater, ratee) in enumerate(pairs):
        id = f"ring-dealing-{number:07}"
        request = Request(
            tenant_id=tenant_id,
            id=id,
            asker_id=rater,
            helper_id=ratee,
            created_at=done_at - timedelta(days=1),
        )
        dealings += (
            request,
            Interaction(
                tenant_id=tenant_id,
                id=id,
                request_id=id,
                asker_id=rater,
                helper_id=ratee,
                created_at=request.created_at,
                asker_done_at=done_at,
                helper_done_at=done_at,
            ),
            Rating(
                tenant_id=tenant_id,
                id=id,
                interaction_id=id,
                rater_id=rater,
                ratee_id=ratee,
                stars=BEST,
                created_at=done_at,
                opens_at=done_at + BLIND_FOR,
            ),
        )
    return Ring(
        households=tuple(
            Household(tenant_id=tenant_id, id=id, building_id=buildings[home].id)
            for id, home in zip(ids, homes, strict=True)
        ),
        members=tuple(
            Member(tenant_id=tenant_id, id=id, household_id=id, level=LEVEL, name="Faux compte")
            for id in ids
        ),
        endorsements=tuple(
            Endorsement(
                tenant_id=tenant_id,
                id=id,
                member_id=id,
                listing_id=praised.id,
                category=praised.category,
                created_at=done_at,
            )
            for id in ids
        ),
        dealings=tuple(dealings),
        fooled=tuple(fooled),
    )
