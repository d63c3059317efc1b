"""How far who asks for a ride trusts the others: as far as trust itself has it."""

from datetime import timedelta
from pathlib import Path

import pytest
from store_records import TOWN, partition_of
from trust_records import NEIGHBOURS, NOW, dealing

from geo.errors import DeniedError
from indexes.entities import Member
from indexes.store import Store, open_store
from matching.engine import Engine
from matching.query import Viewer
from matching.rides.carpool import ANYBODY
from matching.trusting.dealings import rate

LATER = NOW + timedelta(days=40)


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path / "town.db")
    opened.put_all([*TOWN, *NEIGHBOURS])
    opened.put_groups(partition_of(opened))
    opened.put(Member(tenant_id="t", id="new", household_id="h-ana", level=0, name=""))
    for n in range(5):
        for rater, ratee in (("ana", "bob"), ("cleo", "bob"), ("ana", "cleo"), ("dan", "bob")):
            id = f"{rater}-{ratee}-{n}"
            dealing(opened, rater, ratee, id, NOW)
            rate(opened, "t", rater, id, 5, "", NOW, f"{id}-1")
            rate(opened, "t", ratee, id, 4, "", NOW, f"{id}-2")
    yield opened
    opened.close()


def test_a_traveller_trusts_each_as_the_levels_of_trust_say(store: Store) -> None:
    engine = Engine(store, "t", clock=lambda: LATER)
    ids = [member.id for member in store.page(Member, "t", limit=100)]
    seen = set()
    for viewer in ids:
        me = engine.traveller(viewer, LATER)
        others = [id for id in ids if id != viewer and id not in me.blocked]
        levels = [me.trust(engine.party(id)) for id in others]
        assert levels == engine.trust_levels(Viewer(viewer), others, LATER)
        seen.update(levels)
    assert {0, 1} <= seen and max(seen) >= 2
    assert engine.traveller(None, LATER) == ANYBODY


def test_a_traveller_who_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(DeniedError, match="no such member"):
        Engine(store, "t").traveller("nobody", LATER)
