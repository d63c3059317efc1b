"""One tenant as of one position of the store: everything that a search reads."""

from dataclasses import dataclass

import numpy as np

from geo.arrays import BoolArray
from indexes.columns import PointColumns, to_seconds
from indexes.points import PointView
from indexes.store import Position
from matching.hours import HoursTable
from matching.text import Matched, Rows
from matching.towns.catalog import Catalog
from matching.towns.people import People, Seen
from matching.towns.ranks import Ranks
from matching.towns.vocabulary import Vocabulary

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What belongs together and never changes: a search that reads one from end to end never
    sees half of a change.

    ``vocabulary`` and ``ranks`` only grow: they know all that the rest refers to, and more.
    Ranks that are spread anew come with an index of their own.
    """

    index: PointView
    catalog: Catalog
    people: People
    hours: HoursTable
    vocabulary: Vocabulary
    ranks: Ranks
    position: Position

    def seen_by(self, member_id: str | None) -> Seen | None:
        """What a member brings to a search, or None if there is no such member."""
        return self.people.seen_by(member_id, self.vocabulary)

    def matching(self, text: str, seen: Seen, at: int, people: bool) -> Matched:
        """Rows that hold words of a text, and how well they fit it.

        How a mistyped word is read depends on nothing but what could be found near somewhere:
        what is hidden, blocked, over or gone leaves no trace in the answer.

        Parameters
        ----------
        text : str
            Words.
        seen : Seen
            What who asks brings to a search.
        at : int
            The instant that counts, seconds since 1970.
        people : bool
            Whether personal listings are searched.
        """
        audiences = [number for numbers in seen.audiences.values() for number in numbers]
        instant = to_seconds(at)

        def counts(columns: PointColumns, first: int, rows: Rows) -> BoolArray:
            counted: BoolArray = (
                np.isin(columns.audience[rows], audiences)
                & (columns.valid_from[rows] <= instant)
                & (columns.valid_to[rows] > instant)
                & ~np.isin(columns.owner[rows], seen.blocked)
                & (people | ~columns.personal[rows])
                & self.index.alive(first + rows)
            )
            return counted

        return self.catalog.matching(text, counts)
