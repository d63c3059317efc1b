"""Ranks order ids by their bytes, whenever they come."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.towns.ranks import GAP, Ranks, RanksUsedUp
from matching.towns.strings import SortedIds

ID = st.text(st.sampled_from(["a", "b", "z", "é", "\uff5e", "🦀"]), min_size=1, max_size=5)


def by_bytes(ids):
    return sorted(ids, key=str.encode)


def ranks_over(ids):
    return Ranks(SortedIds(pa.array(by_bytes(ids), pa.string())))


@given(st.sets(ID, max_size=6), st.lists(st.sets(ID, max_size=6), max_size=6), st.lists(ID))
def test_ranks_order_all_ids_by_their_bytes(base, batches, others):
    ranks = ranks_over(base)
    given_ranks = {id: (row + 1) * GAP for row, id in enumerate(by_bytes(base))}
    for batch in batches:
        for id, rank in zip(by_bytes(batch), ranks.give(by_bytes(batch)), strict=True):
            assert given_ranks.setdefault(id, rank) == rank  # once given, it is kept
    ordered = by_bytes(given_ranks)
    numbers = [given_ranks[id] for id in ordered]
    assert numbers == sorted(set(numbers))
    for row, id in enumerate(by_bytes(base)):
        assert given_ranks[id] == (row + 1) * GAP
    for id in [*others, *ordered]:
        before = [one for one in ordered if one.encode() <= id.encode()]
        assert ranks.rank_of(id) == max((given_ranks[one] for one in before), default=0) or (
            # Before any id that came since, it is the rank of the base's last one before it.
            not before and ranks.rank_of(id) == 0
        )


@pytest.mark.parametrize("order", [1, -1])
def test_ids_that_come_in_order_have_room(order):
    ranks = ranks_over(["a", "z"])
    ids = [f"m{i:06}" for i in range(30_000)][::order]
    found = [ranks.give([id])[0] for id in ids]
    assert found == sorted(found)[::order]
    assert GAP < min(found) < max(found) < 2 * GAP


def test_batches_that_interleave_have_room():
    ranks = ranks_over(["a", "z"])
    given_ranks = {}
    for batch in range(4):
        ids = [f"m{i:06}" for i in range(batch, 20_000, 4)]
        given_ranks |= zip(ids, ranks.give(ids), strict=True)
    found = [given_ranks[id] for id in sorted(given_ranks)]
    assert found == sorted(set(found))


def test_where_no_rank_is_left_it_says_where_and_knows_the_others_still():
    ranks = ranks_over(["a", "z"])
    low, high = "b", "y"
    ranks.give([low, high])
    with pytest.raises(RanksUsedUp) as used_up:
        for _ in range(40):  # each between the two before it
            low, high = (low + "y", high) if len(low) < len(high) else (low, low + "y" + "z")
            ranks.give([low, high])
    assert used_up.value.row == 1
    assert ranks.rank_of("a") == GAP < ranks.rank_of("b") < ranks.rank_of("y") < ranks.rank_of("z")


@pytest.mark.parametrize("sides", [0, (4**500 - 1) // 3, 7**356])
def test_a_thousand_ids_between_the_last_two_find_room_once_spread(sides):
    ranks = ranks_over(["a", "z"])
    low, high = 0, 10**400
    known, spreads = ["a", "z"], 0
    for turn in range(1000):  # above the last one or below, by the bits of a number
        middle = f"m{(low + high) // 2:0401}"
        try:
            ranks.give([middle])
        except RanksUsedUp as used_up:
            before, spreads = ranks, spreads + 1
            ranks = ranks.spread(used_up.row)
            assert ranks.ids_before(1) == before.ids_before(1) == sorted(known)[1:-1]
            ranks.give([middle])
            assert before.rank_of(middle) in {before.rank_of(id) for id in known}
        known.append(middle)
        low, high = (low, int(middle[1:])) if sides >> turn & 1 else (int(middle[1:]), high)
    numbers = [ranks.rank_of(id) for id in sorted(known)]
    assert numbers == sorted(set(numbers))
    assert GAP == numbers[0] < numbers[-1] == 2 * GAP
    assert spreads < 100


def test_only_ids_before_one_row_are_spread():
    ranks = ranks_over(["b", "d"])
    given_ranks = dict(zip("ace", ranks.give(["a", "c", "e"]), strict=True))
    ranks.give(["cc"])
    other = ranks.spread(1)
    assert [other.rank_of(id) for id in "abde"] == [
        given_ranks["a"],
        GAP,
        2 * GAP,
        given_ranks["e"],
    ]
    assert [other.rank_of("c"), other.rank_of("cc")] == [GAP + GAP // 3, GAP + 2 * (GAP // 3)]
    assert [other.ids_before(row) for row in range(3)] == [["a"], ["c", "cc"], ["e"]]
