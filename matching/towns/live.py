"""A tenant's town kept current: read whole once, then change by change, searched all the while."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from geo.errors import FeedGapError
from indexes.store import Position, Store
from matching.towns.following import Following
from matching.towns.keeping import Keeper
from matching.towns.loaded import Loaded
from matching.towns.moves import OWNS_NOTHING, Eyes, Watched
from matching.towns.saved import Base, read_base
from matching.towns.snapshot import Snapshot
from matching.trusting.town import Start

__all__ = ["LiveTown"]

log = logging.getLogger(__name__)

COMPACTED = 1_000  # rows in no tree yet that are packed into one
WAIT_S = 300.0  # for another process to read the store; then this one does
ASIDE_ROWS = 20_000  # from here on another process reads: rows would hold up searches here


class LiveTown(Following[Loaded]):
    """The listings and members of one tenant, as searches want them.

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

    Raises
    ------
    NotFoundError
        If there is no such tenant.
    StoreError
        If the store can't be read.
    """

    snapshot: Snapshot

    def __init__(self, store: Store, tenant_id: str, keeper: Keeper | None = None) -> None:
        self._keeper = keeper
        super().__init__(store, tenant_id)
        self._show()

    @property
    def pending(self) -> int:
        """Rows that have come since the base was read, dead ones included."""
        return self._state.pending

    @property
    def wants_rebuild(self) -> bool:
        """Whether `rebuild` should be called."""
        return self._must_rebuild or self._wants_file

    @property
    def _must_rebuild(self) -> bool:
        return self._stale or self._state.is_full

    @property
    def _wants_file(self) -> bool:
        """Whether another process has made a file, or this one should."""
        keeper, state = self._keeper, self._state
        return keeper is not None and (
            keeper.has_another
            or keeper.is_due(state.changed, len(state.ids), self._read_to, state.base.position)
        )

    def compact(self) -> None:
        """Pack rows that have come one by one, if there are many."""
        state = self._state
        if state.index.newest > COMPACTED:
            state.index.compact()
            with self._writing:
                self._show()

    def rebuild(self) -> None:
        """Read everything anew, while searches and changes go on with what there is.

        Where that is only for the sake of a file, and another process is about to make one,
        nothing happens: it will be there next time. Raises what `Following.rebuild` does.
        """
        with self._rebuilding:
            began_at = time.monotonic()
            may_wait = self._wants_file and not self._must_rebuild
            aside = len(self._state.ids) >= ASIDE_ROWS
            read = self._load(0.0 if may_wait else WAIT_S, aside=aside)
            if read is None and may_wait:
                return
            position, state = read or self._whole()
            state.trust = None
            if self.snapshot.catalog.has_text:
                state.snapshot.catalog.build_text()  # somebody may be asking for words
            self._put_in_place(position, state)
            log.info(
                "read %d listings anew in %.2f s, %d rows changed meanwhile",
                len(state.ids), time.monotonic() - began_at, state.changed,
            )  # fmt: skip

    def choose(self, chosen: Callable[[pa.Table], pa.Table]) -> tuple[pa.Table, Position]:
        """Those listings that are ``chosen`` from all, and a position that they are no older than.

        From memory: they are as `indexes.store.Store.listing_table` gives them, in any order.
        """
        with self._writing:
            return self._state.choose(chosen), self.position

    def hand_on_trust(self) -> Start | None:
        """What trust begins with, read along with the town; None from the second time on."""
        state = self._state
        tables, state.trust = state.trust, None
        return None if tables is None else (state.base.position, state.base.members, tables)

    def watch(self, member_id: str | None, after: Position) -> Watched | None:
        """What somebody may tell from the moves since a position, or None for no such member."""
        state = self._state  # eyes and moves go by the numbers of one vocabulary
        seen = state.snapshot.seen_by(member_id)
        if seen is None:
            return None
        owner = None
        if member_id is not None:
            owner = state.snapshot.vocabulary.owners.number(member_id)
            owner = OWNS_NOTHING if owner is None else owner
        return Watched(Eyes(seen, owner), state.journal.since(after))

    def _read(self) -> tuple[Position, Loaded]:
        return self._load(WAIT_S, aside=False) or self._whole()

    def _whole(self) -> tuple[Position, Loaded]:
        """The town as the store has it."""
        return self._begun(read_base(self._store, self.tenant_id))

    def _begun(self, base: Base) -> tuple[Position, Loaded]:
        return base.position, Loaded(self._store, self.tenant_id, base)

    def _load(self, timeout_s: float, *, aside: bool) -> tuple[Position, Loaded] | None:
        """The town from a file, made if need be, ``aside`` in a process of its own; None if none
        can be had."""
        keeper = self._keeper
        if keeper is None:
            return None
        if (read := self._from_file(keeper)) is not None:
            return read
        with keeper.turn(timeout_s) as mine:
            read = self._from_file(keeper)  # another process may have made one meanwhile
            if read is not None or not mine:
                return read
            if aside:
                return self._from_file(keeper) if keeper.make() else None
            base = read_base(self._store, self.tenant_id)
            kept = self._from_file(keeper) if keeper.write(base) else None
            return kept or self._begun(base)

    def _from_file(self, keeper: Keeper) -> tuple[Position, Loaded] | None:
        """The town from a file that has not been looked at, and what has changed since."""
        base = keeper.open()
        if base is None:
            return None
        position, loaded = self._begun(base)
        try:
            for changes, end in self._changes(position):
                position = end
                if not loaded.take(changes) or loaded.is_full:
                    keeper.refuse("too much has changed since it was made")
                    return None
        except FeedGapError as error:
            keeper.refuse(str(error))
            return None
        return position, loaded

    def _show(self) -> None:
        state = self._state
        moves, state.moves = state.moves, []
        found = replace(state.snapshot, index=state.index.view)
        if not self._stale:
            # What only a rebuild can show is behind a gap: nobody may read on past it.
            state.journal.note(self._read_to, moves)
            found = replace(found, position=self._read_to)
        state.snapshot = self.snapshot = found
        super()._show()
