"""How a part of a tenant follows its store: read whole once, then change by change."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from indexes.store import Change, Position, Store

__all__ = ["Following"]


class _State(Protocol):
    """What has been read, by one writer at a time."""

    def take(self, changes: Sequence[Change]) -> bool:
        """Read again what changes touch; False where only reading all anew can show it."""


S = TypeVar("S", bound=_State)


class Following(ABC, Generic[S]):
    """Something of a tenant that is kept current, as `matching.towns.follower.Follower` wants it.

    Parameters
    ----------
    store : Store
        The truth.
    tenant_id : str
        Whose.
    state : object with ``take``
        What has been read.
    position : Position
        How far the store had been read before ``state`` was.

    Attributes
    ----------
    position : Position
        How far the store has been read: all changes up to here are shown.
    """

    def __init__(self, store: Store, tenant_id: str, state: S, position: Position) -> None:
        self.tenant_id = tenant_id
        self.position = position
        self._store = store
        self._state = state
        self._writing = threading.Lock()
        self._moved = threading.Condition()
        self._stale = False

    @abstractmethod
    def _read(self) -> S:
        """Everything, anew from the store."""

    @property
    def wants_rebuild(self) -> bool:
        """Whether `rebuild` should be called."""
        return self._stale

    def apply(self, changes: Sequence[Change], position: Position) -> None:
        """Take in what the tenant's changes touch.

        Parameters
        ----------
        changes : sequence of Change
            The tenant's own among all changes up to ``position``. What they touch is read again
            as it is now, so they may come late, or twice.
        position : Position
            How far the store has then been read.

        Raises
        ------
        StoreError
            If the store can't be read. Nothing has changed then: apply them again.
        """
        with self._writing:
            if not self._state.take(changes):
                self.expire()
            self._reach(position)

    def expire(self) -> None:
        """Say that only `rebuild` can show what has changed. Until then the position stays."""
        self._stale = True

    def compact(self) -> None:
        """Nothing: what has come is merged when it is asked for."""

    def rebuild(self) -> None:
        """Read everything anew, while questions are answered with what there is.

        Raises
        ------
        StoreError
            If the store can't be read.
        """
        # The position is first: what changes while rows are read is read again, never missed.
        position = self._store.position()
        state = self._read()
        with self._writing:
            whole = True
            while changes := self._store.changes(position):
                position = changes[-1].position
                whole = state.take(self._mine(changes)) and whole
            self._state, self._stale = state, not whole
            self._reach(position)

    def catch_up(self) -> None:
        """Apply all that the store has to tell, from here on.

        Raises
        ------
        StoreError
            If the store can't be read.
        FeedGapError
            If changes after this position were dropped: `rebuild`.
        """
        after = self.position
        while changes := self._store.changes(after):
            after = changes[-1].position
            self.apply(self._mine(changes), after)

    def wait_for(self, position: Position, timeout_s: float) -> bool:
        """Return True as soon as a position is shown, or False after some seconds."""
        with self._moved:
            return self._moved.wait_for(lambda: self.position >= position, timeout_s)

    def _mine(self, changes: Sequence[Change]) -> list[Change]:
        return [change for change in changes if change.tenant_id == self.tenant_id]

    def _reach(self, position: Position) -> None:
        if not self._stale:
            with self._moved:
                self.position = max(self.position, position)
                self._moved.notify_all()
