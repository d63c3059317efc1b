"""A tenant's town kept current: read whole once, then change by change, searched all the while."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from geo.errors import FeedGapError
from indexes.store import Change, Position, Store
from matching.towns.keeping import Keeper
from matching.towns.loaded import Loaded
from matching.towns.moves import OWNS_NOTHING, Eyes, Watched
from matching.towns.saved import read_base
from matching.trusting.town import Start

__all__ = ["LiveTown"]

log = logging.getLogger(__name__)

COMPACTED = 1_000  # rows in no tree yet that are packed into one
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

    def _read(self) -> Loaded:
        return Loaded(read_base(self._store, self.tenant_id))

    def _load(self, timeout_s: float, *, searched: bool = False) -> Loaded | None:
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
            return kept or Loaded(base)

    def _from_file(self, keeper: Keeper) -> Loaded | None:
        """The town from a file that has not been looked at, and what has changed since."""
        base = keeper.open()
        if base is None:
            return None
        loaded = Loaded(base)
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
