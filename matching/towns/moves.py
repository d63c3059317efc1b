"""What has lately appeared, changed or gone in a town, and who could see it before and after.

Only here is it still known who saw a listing that is gone: the store has dropped it, and to
name its id to anybody else would tell of a person they never saw.
"""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from indexes.columns import PointColumns
from indexes.store import Position
from matching.towns.people import Seen
from matching.towns.vocabulary import PUBLIC

__all__ = ["OWNS_NOTHING", "Batch", "Eyes", "Journal", "Move", "Sight", "Watched", "sight_of"]

OWNS_NOTHING = -2
ROOM = 10_000  # moves kept; a reader who is farther behind reads everything again

M = TypeVar("M")


class Sight(NamedTuple):
    """Who sees a listing: the number of its audience, of its owner (-1: none), and its sort."""

    audience: int
    owner: int
    personal: bool


def sight_of(columns: PointColumns, row: int) -> Sight:
    """Who sees a row of some columns."""
    return Sight(
        columns.audience.item(row), columns.owner.item(row), bool(columns.personal.item(row))
    )


class Move(NamedTuple):
    """One thing that changed: how a listing could be seen before and after, None for not at all.

    Of what is no listing neither is told.
    """

    entity: str
    id: str
    before: Sight | None = None
    after: Sight | None = None


class Eyes:
    """Tells which listings somebody may see, by the rules of reading one.

    Parameters
    ----------
    seen : Seen
        What they bring to a search.
    owner : int, optional
        Their own number as an owner, `OWNS_NOTHING` without one; None for who is no member.
    """

    def __init__(self, seen: Seen, owner: int | None) -> None:
        self._audiences = frozenset(n for numbers in seen.audiences.values() for n in numbers)
        self._blocked = frozenset(seen.blocked)
        self._owner = owner

    def see(self, sight: Sight | None) -> bool:
        """Whether they may see a listing."""
        if sight is None:
            return False
        if self._owner is None:
            return sight.audience == PUBLIC and not sight.personal
        if sight.owner == self._owner:
            return True
        return sight.audience in self._audiences and sight.owner not in self._blocked


class Batch(NamedTuple, Generic[M]):
    """Moves that searches saw all at once, and the position they then stood at."""

    position: Position
    moves: tuple[M, ...]


class Journal(Generic[M]):
    """The last moves of a town, batch by batch. One writer, any number of readers.

    Parameters
    ----------
    position : Position
        Where it begins.
    room : int
        How many moves to keep.

    Examples
    --------
    >>> at = [Position("s", 0, seq) for seq in range(3)]
    >>> journal: Journal[Move] = Journal(at[0])
    >>> journal.note(at[1], [Move("members", "ana")])
    >>> [batch.moves[0].id for batch in journal.since(at[0])]
    ['ana']
    >>> journal.since(at[1])
    []
    """

    def __init__(self, position: Position, room: int = ROOM) -> None:
        self._first = position
        self._room = room
        self._held = 0
        self._batches: deque[Batch[M]] = deque()
        self._writing = threading.Lock()

    def note(self, position: Position, moves: Sequence[M]) -> None:
        """Keep what has changed up to a position."""
        with self._writing:
            if moves:
                self._batches.append(Batch(position, tuple(moves)))
                self._held += len(moves)
            while self._held > self._room:
                self._first, dropped = self._batches.popleft()
                self._held -= len(dropped)

    def since(self, position: Position) -> list[Batch[M]] | None:
        """Batches after a position, each with its own; None if they are not known any more."""
        with self._writing:
            if position.store != self._first.store or position < self._first:
                return None
            found = []
            for batch in reversed(self._batches):
                if batch.position <= position:
                    break
                found.append(batch)
        return found[::-1]


class Watched(NamedTuple):
    """The eyes of somebody, and the batches to look at; None for those too long ago."""

    eyes: Eyes
    batches: list[Batch[Move]] | None
