"""Who recommends or has used what, followed through the store."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_records import TOWN, partition_of
from trust_records import NEIGHBOURS, NOW

from indexes.entities import Endorsement, Household, Member
from indexes.store import Store, open_store
from indexes.trusting import Request
from matching.recommending.voices import VoiceTown, heard
from matching.trusting.dealings import ask, complete, reply


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "town.db")
    opened.put_all([*TOWN, *NEIGHBOURS])
    opened.put_groups(partition_of(opened))
    yield opened
    opened.close()


def told(town: VoiceTown) -> set[tuple[str, str, str, int]]:
    """Everything said, in words: how, who, of what, when."""
    voices = town.voices
    members, listings = voices.members.words, voices.listings.words
    return {
        (how, members[member], listings[listing], at)
        for how, said in (("endorsed", voices.endorsed), ("used", voices.used))
        for member, listing, at in zip(
            said.member.tolist(), said.listing.tolist(), said.at.tolist(), strict=True
        )
    }


def home_of(town: VoiceTown, member: str) -> tuple[int, int]:
    voices = town.voices
    number = voices.members.number(member)
    assert number is not None
    return int(voices.level[number]), int(voices.household[number])


def use(store: Store, asker: str, id: str, done: bool = True) -> None:
    request = Request(
        tenant_id="t", id=id, asker_id=asker, helper_id="m1", created_at=NOW, listing_id="s1"
    )
    ask(store, request)
    reply(store, "t", "m1", id, True, "", NOW)
    complete(store, "t", asker, id, NOW)
    if done:
        complete(store, "t", "m1", id, NOW + timedelta(hours=1))


def test_voices_follow_the_store(store: Store) -> None:
    town = VoiceTown(store, "t")
    begun = told(town)
    use(store, "ana", "i1", done=False)
    endorsement = Endorsement(
        tenant_id="t", id="new", member_id="bob", listing_id="s1", created_at=NOW
    )
    store.put(endorsement)
    town.catch_up()
    now = int(NOW.timestamp())
    assert told(town) - begun == {("endorsed", "bob", "s1", now)}
    complete(store, "t", "m1", "i1", NOW + timedelta(hours=1))
    town.catch_up()
    assert ("used", "ana", "s1", now + 3600) in told(town)
    store.put(Member(tenant_id="t", id="gus", household_id="h-bob", level=2))
    town.catch_up()
    assert home_of(town, "gus") == (2, home_of(town, "bob")[1])
    store.put_all(
        [
            Household(tenant_id="t", id="h-gus", building_id="b1"),
            Member(tenant_id="t", id="gus", household_id="h-gus", level=3),
        ]
    )
    store.delete(Endorsement, "t", "new")
    town.catch_up()
    assert told(town) - begun == {("used", "ana", "s1", now + 3600)}
    assert home_of(town, "gus")[0] == 3
    assert home_of(town, "gus")[1] != home_of(town, "bob")[1]
    store.delete(Member, "t", "gus")
    town.catch_up()
    assert home_of(town, "gus") == (-1, -1)
    assert told(town) == told(VoiceTown(store, "t"))
    assert town.position == store.position()


def test_groups_cut_anew_are_read_anew(store: Store) -> None:
    town = VoiceTown(store, "t")
    before = town.voices
    store.put_groups(partition_of(store, version=2))
    town.catch_up()
    assert town.wants_rebuild and town.voices is before
    town.rebuild()
    assert not town.wants_rebuild
    assert told(town) == told(VoiceTown(store, "t"))


SOME = settings(max_examples=max(20, settings().max_examples // 2))
voices_said = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([0.1, 0.5, 0.7, 1.0])),
    max_size=30,
)


@SOME
@given(said=voices_said)
def test_a_household_has_one_voice_and_it_is_its_strongest(
    said: list[tuple[int, int, float]],
) -> None:
    strongest: dict[int, dict[int, float]] = {}
    for listing, household, weight in said:
        of = strongest.setdefault(listing, {})
        of[household] = max(weight, of.get(household, 0.0))
    columns = [np.array(column) for column in zip(*said, strict=True)] or [np.empty(0)] * 3
    listing, household, weight = columns
    found = heard(listing.astype(np.int32), household.astype(np.int32), weight)
    assert found.listing.tolist() == sorted(strongest)
    assert found.households.tolist() == [len(strongest[one]) for one in sorted(strongest)]
    for one, total in zip(found.listing.tolist(), found.weight.tolist(), strict=True):
        assert total == pytest.approx(sum(strongest[one].values()), rel=1e-12)
    # To the last bit, whatever numbers households happen to have.
    again = heard(listing.astype(np.int32), (4 - household).astype(np.int32), weight)
    assert again.weight.tolist() == found.weight.tolist()
