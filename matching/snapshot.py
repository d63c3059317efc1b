"""One tenant as of one position of the store: everything that a search reads."""

from dataclasses import dataclass
from functools import cached_property

from indexes.entities import Tenant
from indexes.points import PointIndex
from indexes.store import Position, Store
from matching.catalog import Catalog
from matching.hours import HoursTable
from matching.text import TextIndex

__all__ = ["Snapshot"]


@dataclass(frozen=True, eq=False)  # without slots: the text index is made by need, and kept
class Snapshot:
    """Catalog, index and opening hours, built together and never changed.

    A search reads one snapshot from end to end, so it never sees half of a change.
    """

    catalog: Catalog
    index: PointIndex
    hours: HoursTable
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
        catalog = Catalog(
            store.listing_table(tenant_id),
            store.member_table(tenant_id),
            store.blocks(tenant_id),
            store.groups(tenant_id),
        )
        return cls(
            catalog,
            PointIndex.build(catalog.columns),
            HoursTable(catalog.hours.words, tenant.timezone),
            position,
        )

    @cached_property
    def text(self) -> TextIndex:
        """The words of all listings; built by the first query that asks for words."""
        table = self.catalog.listings
        return TextIndex(table["title"], table["text"], table["category"])
