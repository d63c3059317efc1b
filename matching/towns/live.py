"""A tenant's town kept current: read whole once, then change by change, searched all the while."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo.errors import FeedGapError
from indexes.live import LiveIndex
from indexes.store import LISTING_SCHEMA, Change, Position, Store, Touched
from matching.hours import HoursTable
from matching.towns.catalog import Catalog, Segment
from matching.towns.keeping import Keeper
from matching.towns.moves import OWNS_NOTHING, Eyes, Journal, Move, Watched, sight_of
from matching.towns.people import Members, People, blocks_by_member
from matching.towns.ranks import Ranks, RanksUsedUp
from matching.towns.saved import Base, read_base
from matching.towns.snapshot import Snapshot
from matching.towns.strings import SortedIds
from matching.towns.vocabulary import whole
from matching.trusting.town import Start

__all__ = ["LiveTown"]

log = logging.getLogger(__name__)

COMPACTED = 1_000  # rows in no tree yet that are packed into one
PENDING_SHARE, PENDING_ROWS = 0.2, 50_000  # of the base or at all: beyond both, it is read anew
WAIT_S = 300.0  # for another process to read the store; then this one does
ASIDE_ROWS = 20_000  # from here on another process reads: rows would hold up searches here


class LiveTown:
    """What is searched of one tenant, and how it follows the store.

    One thread applies changes, `rebuild` may run in another beside it, and searches read
    `snapshot`: what one batch of changes brings is there all at once.

    Parameters
    ----------
    store : Store
        The truth. All of the tenant is read from it here.
    tenant_id : str
        Whose listings.
    keeper : Keeper, optional
        Keeps a file of the town, to start from; none is kept without.

    Attributes
    ----------
    snapshot : Snapshot
        What a search reads now. Take it once.
    applied, rebuilds : int
        Changes of the tenant taken in, and how often it was read anew.

    Raises
    ------
    NotFoundError
        If there is no such tenant.
    StoreError
        If the store can't be read.
    """

    def __init__(self, store: Store, tenant_id: str, keeper: Keeper | None = None) -> None:
        self.tenant_id = tenant_id
        self.applied = self.rebuilds = 0
        self._store = store
        self._keeper = keeper
        self._writing = threading.Lock()
        self._rebuilding = threading.Lock()
        self._moved = threading.Condition()
        self._journal: list[Change] | None = None  # what has come since a rebuild began
        self._stale_at: float | None = None  # when something came that only a rebuild can show
        self._loaded = self._load(WAIT_S) or self._read()
        self.snapshot = self._loaded.snapshot
        self._read_to = self.snapshot.position
        self._note_moves()

    @property
    def pending(self) -> int:
        """Rows that have come since the base was read, dead ones included."""
        return self._loaded.pending

    @property
    def stale_s(self) -> float:
        """Seconds since something came that only `rebuild` can show; 0 if nothing has."""
        stale_at = self._stale_at
        return 0.0 if stale_at is None else time.monotonic() - stale_at

    @property
    def wants_rebuild(self) -> bool:
        """Whether `rebuild` should be called."""
        return self._must_rebuild or self._wants_file

    @property
    def _must_rebuild(self) -> bool:
        return self._stale_at is not None or self._loaded.is_full

    @property
    def _wants_file(self) -> bool:
        """Whether another process has made a file, or this one should."""
        keeper, loaded = self._keeper, self._loaded
        return keeper is not None and (
            keeper.has_another
            or keeper.is_due(loaded.changed, len(loaded.ids), self._read_to, loaded.base.position)
        )

    def apply(self, changes: Sequence[Change], position: Position) -> None:
        """Take in what the tenant's changes touch, and let searches see it all at once.

        Rows are read again as they are now, so changes may come late. Those that the town has
        read already count no more.

        Parameters
        ----------
        changes : sequence of Change
            The tenant's own among all changes up to ``position``.
        position : Position
            How far the store has then been read.

        Raises
        ------
        StoreError
            If the store can't be read. Nothing has changed then: apply them again.
        """
        with self._writing:
            new = [change for change in changes if change.position > self._read_to]
            if self._journal is not None:
                self._journal += new
            if not self._loaded.take(self._store, self.tenant_id, new):
                self.expire()
            self.applied += len(new)
            self._read_to = max(self._read_to, position)
            self._note_moves()
            self._publish()

    def expire(self) -> None:
        """Say that only `rebuild` can show what has changed. Until then the position stays."""
        self._stale_at = self._stale_at or time.monotonic()

    def compact(self) -> None:
        """Pack rows that have come one by one, if there are many."""
        loaded = self._loaded
        if loaded.index.newest > COMPACTED:
            loaded.index.compact()
            with self._writing:
                self._publish()

    def rebuild(self) -> None:
        """Read everything anew, while searches and changes go on with what there is.

        Where that is only for the sake of a file, and another process is about to make one,
        nothing happens: it will be there next time.

        Raises
        ------
        NotFoundError
            If there is no such tenant any more.
        StoreError
            If the store can't be read.
        """
        with self._rebuilding:
            with self._writing:
                missed: list[Change] = []
                self._journal = missed
            try:
                began_at = time.monotonic()
                may_wait = self._wants_file and not self._must_rebuild
                loaded = self._load(0.0 if may_wait else WAIT_S, searched=True)
                if loaded is None and may_wait:
                    return
                loaded = loaded or self._read()
                loaded.trust = None
                if self.snapshot.catalog.has_text:
                    loaded.snapshot.catalog.build_text()  # somebody may be asking for words
                with self._writing:
                    # What came meanwhile may or may not have been read: it is read again.
                    after = loaded.snapshot.position
                    missed = [change for change in missed if change.position > after]
                    shown = loaded.take(self._store, self.tenant_id, missed)
                    self._loaded = loaded
                    self._stale_at = None if shown else time.monotonic()
                    self._read_to = max(self._read_to, loaded.snapshot.position)
                    self.rebuilds += 1
                    self._note_moves()
                    self._publish()
                log.info(
                    "read %d listings anew in %.2f s, %d changes meanwhile",
                    len(loaded.ids), time.monotonic() - began_at, len(missed),
                )  # fmt: skip
            finally:
                self._journal = None

    def catch_up(self) -> None:
        """Apply all that the store has to tell, from the town's own position on.

        Raises
        ------
        StoreError
            If the store can't be read.
        FeedGapError
            If changes after that position were dropped: `rebuild`.
        """
        while changes := self._store.changes(self._read_to):
            mine = [change for change in changes if change.tenant_id == self.tenant_id]
            self.apply(mine, changes[-1].position)

    def wait_for(self, position: Position, timeout_s: float) -> bool:
        """Return True as soon as searches see a position, or False after some seconds."""
        with self._moved:
            return self._moved.wait_for(lambda: self.snapshot.position >= position, timeout_s)

    def choose(self, chosen: Callable[[pa.Table], pa.Table]) -> tuple[pa.Table, Position]:
        """Those listings that are ``chosen`` from all, and a position that they are no older than.

        From memory: they are as `indexes.store.Store.listing_table` gives them, in any order.
        """
        with self._writing:
            return self._loaded.choose(chosen), self.snapshot.position

    def hand_on_trust(self) -> Start | None:
        """What trust begins with, read along with the town; None from the second time on."""
        loaded = self._loaded
        tables, loaded.trust = loaded.trust, None
        return None if tables is None else (loaded.base.position, loaded.base.members, tables)

    def _read(self) -> "_Loaded":
        return _Loaded(read_base(self._store, self.tenant_id))

    def _load(self, timeout_s: float, *, searched: bool = False) -> "_Loaded | None":
        """The town as it is now from a file, made if need be; None if none can be had."""
        keeper = self._keeper
        if keeper is None:
            return None
        loaded = self._from_file(keeper)
        if loaded is not None:
            return loaded
        with keeper.turn(timeout_s) as mine:
            loaded = self._from_file(keeper)  # another process may have made one meanwhile
            if loaded is not None or not mine:
                return loaded
            if searched and len(self._loaded.ids) >= ASIDE_ROWS:
                return self._from_file(keeper) if keeper.make() else None
            base = read_base(self._store, self.tenant_id)
            kept = self._from_file(keeper) if keeper.write(base) else None
            return kept or _Loaded(base)

    def _from_file(self, keeper: Keeper) -> "_Loaded | None":
        """The town from a file that has not been looked at, and what has changed since."""
        base = keeper.open()
        if base is None:
            return None
        loaded = _Loaded(base)
        try:
            if loaded.catch_up(self._store, self.tenant_id):
                return loaded
            keeper.refuse("too much has changed since it was made")
        except FeedGapError as error:
            keeper.refuse(str(error))
        return None

    def watch(self, member_id: str | None, after: Position) -> Watched | None:
        """What somebody may tell from the moves since a position, or None for no such member."""
        loaded = self._loaded  # eyes and moves go by the numbers of one vocabulary
        seen = loaded.snapshot.seen_by(member_id)
        if seen is None:
            return None
        owner = None
        if member_id is not None:
            owner = loaded.snapshot.vocabulary.owners.number(member_id)
            owner = OWNS_NOTHING if owner is None else owner
        return Watched(Eyes(seen, owner), loaded.journal.since(after))

    def _note_moves(self) -> None:
        moves, self._loaded.moves = self._loaded.moves, []
        # What only a rebuild can show is behind a gap: nobody may read on past it.
        if self._stale_at is None:
            self._loaded.journal.note(self._read_to, moves)

    def _publish(self) -> None:
        found = self._loaded.snapshot
        if self._stale_at is None:
            found = replace(found, position=self._read_to)
        self._loaded.snapshot = found = replace(found, index=self._loaded.index.view)
        self.snapshot = found
        with self._moved:
            self._moved.notify_all()


class _Loaded:
    """A tenant read whole, and what has changed since. One writer at a time."""

    def __init__(self, base: Base) -> None:
        vocabulary = base.vocabulary
        self.trust = base.trust
        self.base = base = replace(base, trust=None)  # they are large: handed on, not kept
        self.ids = SortedIds(whole(base.listings.table["id"]))
        self.index = LiveIndex(base.index)
        self._ranks = Ranks(self.ids)
        self.journal = Journal(base.position)
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

    def catch_up(self, store: Store, tenant_id: str) -> bool:
        """`take` all that the store has to tell; False where a new base is better."""
        while changes := store.changes(self.snapshot.position):
            mine = [change for change in changes if change.tenant_id == tenant_id]
            if not self.take(store, tenant_id, mine) or self.is_full:
                return False
            self.snapshot = replace(
                self.snapshot, index=self.index.view, position=changes[-1].position
            )
        return True

    def take(self, store: Store, tenant_id: str, changes: Sequence[Change]) -> bool:
        """Read again what changes touch; False where only a new base can show it."""
        if not changes:
            return True
        touched = store.touched(tenant_id, changes)
        if touched.everything:
            return False
        people = self._people(store, tenant_id, touched)
        ids = sorted(touched.listings)  # by code point, so by byte
        if ids:
            table = store.listing_table(tenant_id, ids).combine_chunks()
            if not self._replace(dict(zip(ids, self._rows_of(ids), strict=True)), table):
                return False
        self.snapshot = replace(self.snapshot, people=people)
        others = {(change.entity, change.id) for change in changes if change.entity != "listings"}
        self.moves += [Move(entity, id) for entity, id in sorted(others)]
        return True

    def _people(self, store: Store, tenant_id: str, touched: Touched) -> People:
        people = self.snapshot.people
        if touched.members:
            table = store.member_table(tenant_id, touched.members)
            people = people.with_changes(touched.members, table)
        if touched.blocks:
            people = replace(people, blocks=blocks_by_member(store.blocks(tenant_id)))
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
