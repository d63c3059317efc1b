"""The feed: each change of a store, once and in order, soon after it is committed."""

import time
from contextlib import suppress

from geo.errors import StoreError
from indexes.store import Change, Listener, Position, Store

__all__ = ["Feed"]

POLL_S = 0.25  # the net under the wake-ups: a hint may get lost, a change may not
SOON_S = 0.01  # after a hint that came before older transactions were done
AT_ONCE = 10_000  # changes


class Feed:
    """Reads a store's changes from a position on. For one thread.

    Parameters
    ----------
    store : Store
        Whose changes.
    after : Position
        The last change that is known already.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from indexes import Tenant, open_store
    >>> store = open_store(Path(mkdtemp()) / "town.db")
    >>> feed = Feed(store, store.position())
    >>> _ = store.put(Tenant(tenant_id="t", id="t", name="Marseille"))
    >>> [(change.entity, change.id) for change in feed.read(timeout_s=1)]
    [('tenants', 't')]
    >>> feed.read(timeout_s=0)
    []
    >>> feed.close()
    """

    def __init__(self, store: Store, after: Position) -> None:
        self.position = after
        self._store = store
        self._listener: Listener | None = None
        self._current_at = time.monotonic()

    @property
    def lag_s(self) -> float:
        """Seconds since every change that was there had been read.

        It grows while the store is away, and while a transaction under way holds up the
        changes of later ones.
        """
        return time.monotonic() - self._current_at

    def read(self, timeout_s: float) -> list[Change]:
        """Changes after `position`, which moves on past them.

        Returns at once where there are some, else as soon as there are, or with none after
        ``timeout_s`` seconds.

        Raises
        ------
        StoreError
            While the store is away. Read again later: nothing is lost or doubled.
        FeedGapError
            If changes after `position` were dropped: begin anew, with a new feed.
        InputError
            If `position` is another store's.
        """
        until, soon_s = time.monotonic() + timeout_s, SOON_S
        try:
            # Before the first look, so that nothing falls between the look and the wait.
            listener = self._listener = self._listener or self._store.listen()
            while True:
                asked_at = time.monotonic()
                found = self._store.changes(self.position, AT_ONCE)
                if found:
                    self.position = found[-1].position
                    if len(found) < AT_ONCE:
                        self._current_at = asked_at
                    return found
                pause_s = POLL_S
                if self._store.position(settled=False) > self.position:
                    # Something waits for an older transaction: look often at first, then less.
                    pause_s, soon_s = soon_s, min(POLL_S, 2 * soon_s)
                else:
                    self._current_at = asked_at
                left_s = until - time.monotonic()
                if left_s <= 0:
                    return []
                if listener.wait(min(pause_s, left_s)):
                    soon_s = SOON_S
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of what listens."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(StoreError):
                listener.close()
