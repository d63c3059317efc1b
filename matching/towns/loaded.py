"""A tenant's listings and members as they were read whole, and what has changed since."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from indexes.live import LiveIndex
from indexes.store import LISTING_SCHEMA, Change, Store, Touched
from matching.hours import HoursTable
from matching.towns.catalog import Catalog, Segment
from matching.towns.moves import Journal, Move, sight_of
from matching.towns.people import Members, People, blocks_by_member
from matching.towns.ranks import Ranks, RanksUsedUp
from matching.towns.saved import Base
from matching.towns.snapshot import Snapshot
from matching.towns.strings import SortedIds
from matching.towns.vocabulary import whole

__all__ = ["Loaded"]

PENDING_SHARE, PENDING_ROWS = 0.2, 50_000  # of the base or at all: beyond both, it is read anew


class Loaded:
    """A tenant read whole, and what has changed since. One writer at a time."""

    def __init__(self, store: Store, tenant_id: str, base: Base) -> None:
        self._store, self._tenant_id = store, tenant_id
        vocabulary = base.vocabulary
        self.trust = base.trust
        self.base = base = replace(base, trust=None)  # they are large: handed on, not kept
        self.ids = SortedIds(whole(base.listings.table["id"]))
        self.index = LiveIndex(base.index)
        self._ranks = Ranks(self.ids)
        self.journal: Journal[Move] = Journal(base.position)
        self.moves: list[Move] = []  # since the last batch
        self._rows: dict[str, int] = {}  # of ids that have changed, -1 for one that is gone
        self.snapshot = Snapshot(
            index=self.index.view,
            catalog=Catalog(vocabulary, base.listings),
            people=People(Members(base.members), blocks_by_member(base.blocks), {}),
            hours=HoursTable(vocabulary.hours.words, base.timezone),
            vocabulary=vocabulary,
            ranks=self._ranks,
            position=base.position,
        )

    @property
    def pending(self) -> int:
        """Rows that came since, dead ones included."""
        return self.index.pending

    @property
    def is_full(self) -> bool:
        """Whether so much has changed that a new base pays."""
        changed = self.index.pending + len(self.snapshot.people.changed)
        return changed > max(PENDING_SHARE * len(self.ids), PENDING_ROWS)

    def choose(self, chosen: Callable[[pa.Table], pa.Table]) -> pa.Table:
        """Those listings that are ``chosen`` from all."""
        base = chosen(self.base.listings.table)
        changed = pa.array(self._rows, pa.string())
        base = base.filter(pc.invert(pc.is_in(base["id"], value_set=changed)))
        rows = [row for row in self._rows.values() if row >= 0]
        now = pa.Table.from_pylist(self.snapshot.catalog.stored(rows), LISTING_SCHEMA)
        return pa.concat_tables([base, chosen(now)])

    @property
    def changed(self) -> int:
        """Listings and members that are not as the base has them."""
        return len(self._rows) + len(self.snapshot.people.changed)

    def take(self, changes: Sequence[Change]) -> bool:
        """Read again what changes touch; False where only a new base can show it."""
        if not changes:
            return True
        touched = self._store.touched(self._tenant_id, changes)
        if touched.everything:
            return False
        people = self._people(touched)
        ids = sorted(touched.listings)  # by code point, so by byte
        if ids:
            table = self._store.listing_table(self._tenant_id, ids).combine_chunks()
            if not self._replace(dict(zip(ids, self._rows_of(ids), strict=True)), table):
                return False
        self.snapshot = replace(self.snapshot, people=people)
        others = {(change.entity, change.id) for change in changes if change.entity != "listings"}
        self.moves += [Move(entity, id) for entity, id in sorted(others)]
        return True

    def _people(self, touched: Touched) -> People:
        people = self.snapshot.people
        if touched.members:
            table = self._store.member_table(self._tenant_id, touched.members)
            people = people.with_changes(touched.members, table)
        if touched.blocks:
            blocks = self._store.blocks(self._tenant_id)
            people = replace(people, blocks=blocks_by_member(blocks))
        return people

    def _rows_of(self, ids: Sequence[str]) -> list[int]:
        """The row of each id as it is now, -1 for none."""
        base = self.ids.rows_of(ids).tolist()
        return [self._rows.get(id, row) for id, row in zip(ids, base, strict=True)]

    def _replace(self, rows: dict[str, int], table: pa.Table) -> bool:
        """Let rows die, and those of a table appear that differ; False if there is no rank."""
        catalog, vocabulary = self.snapshot.catalog, self.snapshot.vocabulary
        ids = table["id"].to_pylist()
        known = [i for i, id in enumerate(ids) if rows[id] >= 0]
        before = catalog.stored([rows[ids[i]] for i in known])
        after = table.take(pa.array(known, pa.int64())).to_pylist()
        same = {ids[i] for i, old, new in zip(known, before, after, strict=True) if old == new}
        table = table.filter(pa.array([id not in same for id in ids], pa.bool_()))
        ids = table["id"].to_pylist()
        gone = [row for id, row in rows.items() if row >= 0 and id not in same]
        if not ids and not gone:
            return True
        ranks = self._ranks_of(ids)
        if ranks is None:
            return False
        columns = vocabulary.columns_of(table)
        places = {id: place for place, id in enumerate(ids)}
        for id, row in rows.items():
            if id in places or (row >= 0 and id not in same):
                was = catalog.sight(row) if row >= 0 else None
                now = sight_of(columns, places[id]) if id in places else None
                self.moves.append(Move("listings", id, was, now))
        self._rows |= {id: -1 for id in rows if id not in same}
        self._rows |= zip(ids, range(len(catalog), len(catalog) + len(ids)), strict=True)
        self.index.apply(np.array(gone, np.int64), columns, np.array(ranks, np.int64))
        if ids:
            catalog = catalog.with_segment(Segment(table, columns))
        hours = self.snapshot.hours
        hours = hours.extended(vocabulary.hours.words[len(hours) :])
        self.snapshot = replace(self.snapshot, catalog=catalog, hours=hours, ranks=self._ranks)
        return True

    def _ranks_of(self, ids: Sequence[str]) -> list[int] | None:
        """The rank of each id, others moved aside where there is none; None if that won't do."""
        spread = set()
        while True:
            try:
                return self._ranks.give(ids)
            except RanksUsedUp as used_up:
                if used_up.row in spread:
                    return None
                spread.add(used_up.row)
                self._spread_ranks(used_up.row)

    def _spread_ranks(self, before: int) -> None:
        """Give other ranks to what has come before a row of the base; searches under way keep
        those that they have."""
        self._ranks = self._ranks.spread(before)
        rows = {id: self._rows[id] for id in self._ranks.ids_before(before) if id in self._rows}
        pending = {id: row for id, row in rows.items() if row >= 0}
        ranks = [self._ranks.rank_of(id) for id in pending]
        self.index.rerank(np.array([*pending.values()], np.int64), np.array(ranks, np.int64))
