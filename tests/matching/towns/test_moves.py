"""The journal of moves: what readers are told since a position, and when they are not."""

from hypothesis import given
from hypothesis import strategies as st

from indexes.entities import Audience
from indexes.store import Position
from matching.towns.moves import OWNS_NOTHING, Eyes, Journal, Move, Sight
from matching.towns.people import Seen
from matching.towns.vocabulary import CITY, NOBODY, PUBLIC


def at(seq):
    return Position("s", 0, seq)


@given(
    sizes=st.lists(st.integers(0, 5), max_size=30),
    room=st.integers(1, 20),
    asked=st.integers(0, 30),
)
def test_a_journal_tells_all_since_a_position_or_says_that_it_can_not(sizes, room, asked):
    journal, told = Journal(at(0), room), []
    for number, size in enumerate(sizes, 1):
        moves = [Move("listings", f"{number}-{i}") for i in range(size)]
        told += [(number, move) for move in moves]
        journal.note(at(number), moves)
    found = journal.since(at(asked))
    missed = [(number, move) for number, move in told if number > asked]
    if found is None:
        assert len(missed) > room or sum(sizes) > room
        assert asked < len(sizes)
    else:
        assert [(b.position.seq, m) for b in found for m in b.moves] == missed
    assert journal.since(at(len(sizes))) == []


def test_what_a_journal_holds_is_bounded():
    journal = Journal(at(0), room=10)
    for number in range(1, 100):
        journal.note(at(number), [Move("listings", str(number))] * 3)
    assert journal.since(at(0)) is None
    assert len(journal.since(at(96))) == 3
    journal.note(at(100), [Move("listings", "x")] * 11)  # more at once than there is room for
    assert journal.since(at(99)) is None and journal.since(at(100)) == []


def test_positions_of_another_store_or_before_the_beginning_are_a_gap():
    journal = Journal(at(5))
    assert journal.since(at(4)) is None
    assert journal.since(Position("other", 0, 6)) is None
    assert journal.since(at(9)) == []


def test_eyes_see_what_is_addressed_to_them_and_not_by_whom_they_are_blocked():
    seen = Seen(
        {Audience.PUBLIC: (PUBLIC,), Audience.CITY: (CITY,), Audience.ZONE: (7,)}, (3,), None
    )
    ana, nobody = Eyes(seen, owner=1), Eyes(Seen({Audience.PUBLIC: (PUBLIC,)}, (), None), None)
    assert not ana.see(None) and not nobody.see(None)
    for audience in (PUBLIC, CITY, 7):
        assert ana.see(Sight(audience, -1, False)) and ana.see(Sight(audience, 2, True))
        assert not ana.see(Sight(audience, 3, False))
    assert not ana.see(Sight(8, 2, True)) and not ana.see(Sight(NOBODY, 2, True))
    assert ana.see(Sight(NOBODY, 1, True))  # her own
    assert nobody.see(Sight(PUBLIC, -1, False)) and not nobody.see(Sight(PUBLIC, 2, True))
    assert not nobody.see(Sight(CITY, -1, False))
    assert not Eyes(seen, OWNS_NOTHING).see(Sight(NOBODY, -1, False))
