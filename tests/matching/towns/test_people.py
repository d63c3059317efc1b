"""What a viewer brings to a search: whose audience it is in, and who is blocked."""

from typing import Any

import pytest
from listing_tables import GROUPS, PERSON, listing_table, member, member_table

import matching.towns.people
from indexes.columns import PointColumns
from indexes.entities import Audience
from matching.towns.people import Home, Members, People, blocks_by_member
from matching.towns.vocabulary import Vocabulary


class Town:
    """Listings with ids a, b, c … and members."""

    def __init__(
        self,
        *listings: dict[str, Any],
        members: tuple[dict[str, Any], ...] = (),
        blocks: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.vocabulary = Vocabulary(GROUPS)
        self.columns: PointColumns = self.vocabulary.columns_of(listing_table(*listings))
        self.people = People(Members(member_table(*members)), blocks_by_member(blocks), {})

    def seen(self, member_id: str | None) -> str:
        """Ids that somebody may see, blocks included."""
        viewer = self.people.seen_by(member_id, self.vocabulary)
        assert viewer is not None
        numbers = {number for mine in viewer.audiences.values() for number in mine}
        rows = zip(self.columns.audience.tolist(), self.columns.owner.tolist(), strict=True)
        return "".join(
            chr(97 + row)
            for row, (audience, owner) in enumerate(rows)
            if audience in numbers and owner not in viewer.blocked
        )


WALLS: tuple[dict[str, Any], ...] = (
    {},
    {"audience": "city"},
    {"audience": "zone", "zone": "z2"},
    {"audience": "zone"},
    {"audience": "building", "audience_id": "b1"},
    {"audience": "residence", "audience_id": "r1"},
    PERSON | {"audience": "building", "owner_id": "o", "owner_level": 2,
              "owner_building": "b1", "owner_residence": "r1", "owner_group": "g"},
    PERSON | {"audience": "residence", "owner_id": "o", "owner_level": 1,
              "owner_building": "b1", "owner_residence": "r1", "owner_group": "g"},
    PERSON | {"audience": "zone", "owner_id": "p", "owner_level": 0, "owner_group": "g"},
)  # fmt: skip
RESIDENTS = (
    member("inside", building="b1", residence="r1", group="g"),
    member("unproven", level=1, building="b1", residence="r1", group="g"),
    member("next door", building="b2", residence="r1", group="small"),
    member("namesake", building="r1", residence="b1"),
)


def test_homes_are_told_alike_however_often_and_however_few_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matching.towns.people, "MAX_KEPT", 2)
    members = Town(members=RESIDENTS).people.base
    homes = {
        "inside": Home(2, "b1", "r1", "g"),
        "unproven": Home(1, "b1", "r1", "g"),
        "next door": Home(2, "b2", "r1", "small"),
    }
    for id in ("inside", "inside", "next door", "unproven", "nobody", "inside", "nobody"):
        assert members.home(id) == homes.get(id)
        assert len(members._kept) <= 2


def test_an_audience_holds_its_members_and_nobody_else() -> None:
    town = Town(*WALLS, members=RESIDENTS)
    assert town.seen(None) == "a"
    assert town.seen("inside") == "abcefgi"
    assert town.seen("unproven") == "abci"
    assert town.seen("next door") == "abf"
    assert town.seen("namesake") == "ab"
    assert town.people.seen_by("nobody", town.vocabulary) is None


def test_who_moves_sees_as_those_who_lived_there() -> None:
    town = Town(*WALLS, members=RESIDENTS)
    before = town.people
    moved = member_table(
        member("next door", building="b1", residence="r1", group="g"),
        member("newcomer", level=1, group="g"),
    )
    town.people = before.with_changes(["next door", "newcomer", "inside"], moved)
    assert town.seen("next door") == "abcefgi"
    assert town.seen("newcomer") == "abci"
    assert town.people.seen_by("inside", town.vocabulary) is None  # is gone
    assert town.seen("unproven") == "abci"
    town.people = town.people.with_changes(["inside"], member_table(RESIDENTS[0]))
    assert town.seen("inside") == town.seen("next door") == "abcefgi"
    town.people = before  # what a search under way still reads
    assert town.seen("next door") == "abf"


def test_a_block_hides_each_from_the_other_and_from_nobody_else() -> None:
    town = Town(
        *({"owner_id": owner} for owner in ("m", "n", "o")),
        {},
        members=(member("m"), member("n"), member("o"), member("p")),
        blocks=(("m", "n"), ("p", "q")),
    )
    assert town.seen("m") == "acd"
    assert town.seen("n") == "bcd"
    assert town.seen("o") == town.seen("p") == "abcd"


@pytest.mark.parametrize("audience", list(Audience))
def test_every_audience_has_numbers_of_its_own(audience: Audience) -> None:
    town = Town(
        {"audience": "zone", "zone": "z1"},
        {"audience": "building", "audience_id": "b1"},
        {"audience": "residence", "audience_id": "b1"},
        members=(member("m", building="b1", residence="b1", group="g"),),
    )
    viewer = town.people.seen_by("m", town.vocabulary)
    assert viewer is not None
    others = {
        number for key, numbers in viewer.audiences.items() if key != audience for number in numbers
    }
    assert viewer.audiences[audience]
    assert others.isdisjoint(viewer.audiences[audience])


def test_only_a_group_that_can_be_located_is_a_viewers_own() -> None:
    town = Town(members=(member("m", group="g"), member("n", group="small"), member("o")))
    groups = [town.people.seen_by(id, town.vocabulary) for id in ("m", "n", "o", None)]
    assert [seen and seen.group and seen.group.id for seen in groups] == ["g", None, None, None]
