"""One tenant as of one position of the store: everything that a search reads."""

from dataclasses import dataclass

from indexes.entities import Tenant
from indexes.points import PointIndex, PointView
from indexes.store import Position, Store
from matching.catalog import Catalog, Segment
from matching.hours import HoursTable
from matching.people import Members, People, Seen, blocks_by_member
from matching.ranks import Ranks
from matching.strings import SortedIds
from matching.vocabulary import Vocabulary, whole

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

    @classmethod
    def read(cls, store: Store, tenant_id: str) -> "Snapshot":
        """All of a tenant, from the store.

        The position is taken first: what changes while rows are read is read again later,
        never missed.

        Raises
        ------
        NotFoundError
            If there is no such tenant.
        StoreError
            If the store can't be read.
        """
        position = store.position()
        tenant = store.get(Tenant, tenant_id, tenant_id)
        vocabulary = Vocabulary(store.groups(tenant_id))
        listings = store.listing_table(tenant_id).combine_chunks()
        columns = vocabulary.columns_of(listings)
        members = Members(store.member_table(tenant_id).combine_chunks())
        return cls(
            index=PointIndex.build(columns),
            catalog=Catalog(vocabulary, Segment(listings, columns)),
            people=People(members, blocks_by_member(store.blocks(tenant_id)), {}),
            hours=HoursTable(vocabulary.hours.words, tenant.timezone),
            vocabulary=vocabulary,
            ranks=Ranks(SortedIds(whole(listings["id"]))),
            position=position,
        )

    def seen_by(self, member_id: str | None) -> Seen | None:
        """What a member brings to a search, or None if there is no such member."""
        return self.people.seen_by(member_id, self.vocabulary)
