"""Made-up accounts of a sample: all that an attacker can make, and no more."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from geo.errors import InputError
from indexes.entities import Building, Kind, Listing, Member
from indexes.sample import Ring, draw_ring
from indexes.trusting import Interaction, Rating, Request

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PRAISED = Listing(
    tenant_id="t", id="a", kind=Kind.ARTISAN, title="A", lon=4.6, lat=42.6, category="artisan.toits"
)
BUILDINGS = [Building(tenant_id="t", id=f"b{i}", lon=4.6, lat=42.6) for i in range(5)]
MEMBERS = [Member(tenant_id="t", id=f"m{i}", household_id=f"h{i}", level=i % 5) for i in range(50)]


def drawn(fakes: int, edges: int, seed: int = 1) -> Ring:
    rng = np.random.default_rng(seed)
    return draw_ring(PRAISED, BUILDINGS, MEMBERS, fakes=fakes, edges=edges, now=NOW, rng=rng)


@pytest.mark.parametrize(("fakes", "edges"), [(1, 0), (1, 3), (2, 30), (40, 10)])
def test_accounts_rate_each_other_and_praise_one_listing(fakes: int, edges: int) -> None:
    ring = drawn(fakes, edges)
    assert {member.level for member in ring.members} == {1}
    assert len({one.household_id for one in ring.members}) == len(ring.households) == fakes
    assert {one.listing_id for one in ring.endorsements} == {"a"}
    assert [one.member_id for one in ring.endorsements] == [one.id for one in ring.members]
    ratings = [one for one in ring.dealings if isinstance(one, Rating)]
    rated = Counter((one.rater_id, one.ratee_id) for one in ratings)
    assert len(rated) == len(ratings) == (fakes if fakes > 1 else 0) + edges
    fooled = [one.rater_id for one in ratings if not one.rater_id.startswith("ring-")]
    assert len(set(fooled)) == edges
    assert set(fooled) == set(ring.fooled) <= {one.id for one in MEMBERS if one.level >= 2}
    assert all(one.ratee_id.startswith("ring-") for one in ratings)
    assert all(one.created_at < one.opens_at < NOW for one in ratings)
    for of in (Request, Interaction):
        of_all = [one for one in ring.dealings if isinstance(one, of)]
        assert [one.id for one in of_all] == [one.id for one in ratings]


def test_a_seed_gives_one_ring() -> None:
    assert drawn(20, 5).fooled == drawn(20, 5).fooled != drawn(20, 5, seed=2).fooled


@pytest.mark.parametrize(("fakes", "edges"), [(0, 0), (5, 31), (5, -1)])
def test_more_than_there_are_can_t_be_fooled(fakes: int, edges: int) -> None:
    with pytest.raises(InputError, match="0 to 30 fooled members"):
        drawn(fakes, edges)
