"""Ranks order ids by their bytes, whenever they come."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.ranks import GAP, Ranks, RanksUsedUp
from matching.strings import SortedIds

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


def test_where_no_rank_is_left_it_says_so_and_knows_the_others_still():
    ranks = ranks_over(["a", "z"])
    low, high = "b", "y"
    ranks.give([low, high])
    with pytest.raises(RanksUsedUp):
        for _ in range(40):  # each between the two before it
            low, high = (low + "y", high) if len(low) < len(high) else (low, low + "y" + "z")
            ranks.give([low, high])
    assert ranks.rank_of("a") == GAP < ranks.rank_of("b") < ranks.rank_of("y") < ranks.rank_of("z")
