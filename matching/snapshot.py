"""One tenant as of one position of the store: everything that a search reads."""

from dataclasses import dataclass

from indexes.points import PointView
from indexes.store import Position
from matching.catalog import Catalog
from matching.hours import HoursTable
from matching.people import People, Seen
from matching.ranks import Ranks
from matching.vocabulary import Vocabulary

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What belongs together and never changes: a search that reads one from end to end never
    sees half of a change.

    ``vocabulary`` and ``ranks`` only grow: they know all that the rest refers to, and more.
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
