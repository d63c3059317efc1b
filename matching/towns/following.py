"""How a part of a tenant follows its store: read whole once, then change by change."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from geo.errors import FeedGapError
from indexes.store import Change, Position, Store

__all__ = ["Following"]


class _State(Protocol):
    """What has been read, by one writer at a time."""

    def take(self, changes: Sequence[Change]) -> bool:
        """Read again what changes touch; False where only reading all anew can show it."""


S = TypeVar("S", bound=_State)


class Following(ABC, Generic[S]):
    """Something of a tenant that is kept current, by `matching.towns.follower.Follower` or by hand.

    What was read is a *state*. Changes that come are taken into it one batch after the other;
    what can't be taken in, or has been dropped unread, makes it *stale*. `rebuild` reads another
    one beside it and puts that in its place, once it has all that came meanwhile. Subclasses say
    how a state is read, and how it is shown.

    Parameters
    ----------
    store : Store
        The truth.
    tenant_id : str
        Whose.
    read : (Position, object with ``take``), optional
        How far the store had been read, and then what was; read here if not given.

    Attributes
    ----------
    position : Position
        All changes up to here are shown.
    applied, rebuilds : int
        Changes of the tenant taken in, and how often it was read anew.
    """

    def __init__(
        self, store: Store, tenant_id: str, read: tuple[Position, S] | None = None
    ) -> None:
        self.tenant_id = tenant_id
        self.applied = self.rebuilds = 0
        self._store = store
        self._writing = threading.Lock()  # the state, and what is shown of it
        self._rebuilding = threading.Lock()
        self._moved = threading.Condition()
        self._stale_at: float | None = None
        self._read_to, self._state = read or self._read()
        self.position = self._read_to

    @abstractmethod
    def _read(self) -> tuple[Position, S]:
        """How far the store has been read, and then everything, anew.

        In this order: what changes while rows are read is read again, never missed.
        """

    def _show(self) -> None:
        """Let others see what has been read. Called with `_writing` held."""
        self._reach(self._read_to)

    @property
    def _stale(self) -> bool:
        return self._stale_at is not None

    @property
    def stale_s(self) -> float:
        """Seconds since something came that only `rebuild` can show; 0 if nothing has."""
        stale_at = self._stale_at
        return 0.0 if stale_at is None else time.monotonic() - stale_at

    @property
    def wants_rebuild(self) -> bool:
        """Whether `rebuild` should be called."""
        return self._stale

    def apply(self, changes: Sequence[Change], position: Position) -> None:
        """Take in what the tenant's changes touch, and let it be seen all at once.

        Rows are read again as they are now, so changes may come late. Those that have been read
        already count no more.

        Parameters
        ----------
        changes : sequence of Change
            The tenant's own among all changes up to ``position``.
        position : Position
            How far the store has then been read.

        Raises
        ------
        StoreError
            If the store can't be read. Nothing is shown then: apply them again.
        """
        with self._writing:
            new = [change for change in changes if change.position > self._read_to]
            if not self._state.take(new):
                self._stale_at = self._stale_at or time.monotonic()
            self.applied += len(new)
            self._read_to = max(self._read_to, position)
            self._show()

    def expire(self) -> None:
        """Say that only `rebuild` can show what has changed. Until then the position stays."""
        # Not while a rebuild puts its state in place: it would take this for what it has read.
        with self._writing:
            self._stale_at = self._stale_at or time.monotonic()

    def compact(self) -> None:
        """Tidy up what has come one by one, where there is something to tidy."""

    def rebuild(self) -> None:
        """Read everything anew, while questions are answered and changes go on being applied.

        Raises
        ------
        NotFoundError
            If there is no such tenant any more.
        StoreError
            If the store can't be read.
        FeedGapError
            If changes were dropped before they could be read: it is wanted still.
        """
        with self._rebuilding:
            self._put_in_place(*self._read())

    def _put_in_place(self, position: Position, state: S) -> None:
        """Show another state from now on, with all that came after it was begun to be read."""
        position, whole = self._brought_up(position, state)
        with self._writing:
            # Read to the end of the feed: whatever made the other one stale by now is in it.
            position, rest = self._brought_up(position, state)
            self._state = state
            self._stale_at = None if whole and rest else time.monotonic()
            self._read_to = max(self._read_to, position)
            self.rebuilds += 1
            self._show()

    def _brought_up(self, position: Position, state: S) -> tuple[Position, bool]:
        """Have a state take all that the store has to tell: up to where, and whether it could."""
        whole = True
        for changes, end in self._changes(position):
            whole = state.take(changes) and whole
            position = end
        return position, whole

    def catch_up(self) -> None:
        """Apply all that the store has to tell, from here on.

        Raises
        ------
        StoreError
            If the store can't be read.
        FeedGapError
            If changes after this position were dropped: `expire` and `rebuild`.
        """
        for changes, position in self._changes(self.position):
            self.apply(changes, position)

    def refresh(self) -> None:
        """`catch_up`, and `rebuild` where nothing else will do. Raises what that does."""
        try:
            self.catch_up()
        except FeedGapError:
            self.expire()
        if self._stale:
            self.rebuild()

    def wait_for(self, position: Position, timeout_s: float) -> bool:
        """Return True as soon as a position is shown, or False after some seconds."""
        with self._moved:
            return self._moved.wait_for(lambda: self.position >= position, timeout_s)

    def _changes(self, after: Position) -> Iterator[tuple[list[Change], Position]]:
        """The tenant's own changes after a position, batch by batch, and where each ends."""
        while changes := self._store.changes(after):
            after = changes[-1].position
            yield [change for change in changes if change.tenant_id == self.tenant_id], after

    def _reach(self, position: Position) -> None:
        """Say that all up to a position is shown, unless what came before it can't be."""
        if not self._stale:
            with self._moved:
                self.position = max(self.position, position)
                self._moved.notify_all()
