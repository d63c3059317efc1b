"""The indexes of one process, kept current."""

import hmac
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from geo.errors import IndexBehindError, InputError, StoreError
from indexes.store import Position, Store, open_store
from matching.near import near
from matching.query import NearAnswer, NearQuery, Viewer
from matching.scoring import Profiles
from matching.snapshot import Snapshot

__all__ = ["Engine"]

log = logging.getLogger(__name__)

POLL_S = 0.2


class Engine:
    """Near me for one tenant: reads come from memory, the store is only followed.

    Parameters
    ----------
    store : Store
        The truth. The engine closes it only if it opened it (`Engine.open`).
    tenant_id : str
        Whose listings.
    profiles : Profiles, optional
        Ranking profiles; the defaults if none.
    clock : callable, optional
        Seconds on a steady clock; for tests.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from tempfile import mkdtemp
    >>> from indexes import Kind, Listing, Tenant
    >>> from matching import ANYONE, NearQuery
    >>> store = open_store(Path(mkdtemp()) / "town.db")
    >>> _ = store.put_all([
    ...     Tenant(tenant_id="t", id="t", name="Marseille"),
    ...     Listing(tenant_id="t", id="four", kind=Kind.MERCHANT, title="Le Four",
    ...             lon=5.3751, lat=43.2955),
    ... ])
    >>> engine = Engine.over(store, "t")
    >>> query = NearQuery(at=datetime.now(UTC), origin=(5.3740, 43.2951), lang="en")
    >>> [match.id for match in engine.near(ANYONE, query).matches]
    ['four']
    """

    def __init__(
        self,
        store: Store,
        tenant_id: str,
        profiles: Profiles | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._owns_store = False
        self._tenant_id = tenant_id
        self._profiles = profiles or Profiles.load()
        self._clock = clock
        # Each tenant's cursors have a key of their own: another's are refused.
        self._secret = hmac.digest(store.secret("cursors"), tenant_id.encode(), "sha256")
        self._refreshing = threading.Lock()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._snapshot = Snapshot.read(store, tenant_id)
        self._current_at = clock()

    @classmethod
    def over(cls, store: Store, tenant_id: str) -> "Engine":
        """An engine over a store that somebody else opened, read once."""
        return cls(store, tenant_id)

    @classmethod
    def open(cls, dsn: str | Path, tenant: str | None = None) -> "Engine":
        """Open a store that exists, and read a tenant of it.

        Parameters
        ----------
        dsn : str or Path
            As `indexes.open_store`.
        tenant : str, optional
            Its id; by default the only one.

        Raises
        ------
        StoreError
            If there is no such store.
        InputError
            If the store has several tenants, or none, and none is named.
        """
        store = open_store(dsn, create=False)
        try:
            known = store.tenants()
            if tenant is None and len(known) != 1:
                raise InputError(f"name a tenant; known: {', '.join(known) or 'none'}")
            engine = cls(store, tenant or known[0])
        except BaseException:
            store.close()
            raise
        engine._owns_store = True
        return engine

    def near(self, viewer: Viewer, query: NearQuery) -> NearAnswer:
        """The best listings around a place, with reasons: see `matching.near.near`."""
        found = near(self._snapshot, self._profiles, self._secret, viewer, query)
        return replace(found, index_age_s=self.age_s)

    @property
    def position(self) -> Position:
        """How far the index has read."""
        return self._snapshot.position

    @property
    def age_s(self) -> float:
        """Seconds since the index was last known to be current; 0 where nobody follows."""
        return round(self._clock() - self._current_at, 3) if self._thread else 0.0

    def refresh(self) -> bool:
        """Read again if the store has changed; says whether it had.

        Searches go on with what they have, and take the new snapshot from then on.
        """
        with self._refreshing:
            asked_at = self._clock()
            stale = self._store.position() != self._snapshot.position
            if stale:
                self._snapshot = Snapshot.read(self._store, self._tenant_id)
            self._current_at = asked_at
        with self._changed:
            self._changed.notify_all()
        return stale

    def has_read(self, position: Position) -> bool:
        """Whether the index has read as far as a write's position.

        Raises
        ------
        InputError
            ``invalid-position`` for one of another store.
        """
        if position.store != self.position.store:
            raise InputError("this position is of another store", code="invalid-position")
        return self.position >= position

    def wait_for(self, position: str, timeout_s: float) -> None:
        """Return once the index has read as far as a write's position.

        Raises
        ------
        InputError
            ``invalid-position`` for one that is none, or of another store.
        IndexBehindError
            If it has not after ``timeout_s`` seconds.
        """
        wanted = Position.parse(position)
        if self.has_read(wanted):
            return
        if self._thread is None:
            self.refresh()
        with self._changed:
            if not self._changed.wait_for(lambda: self.has_read(wanted), timeout_s):
                raise IndexBehindError("the index has not read that far yet; ask again")

    def start(self) -> None:
        """Follow the store from a thread of its own until `stop`."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._follow, name="mitoyen-follow", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Stop following, and close the store if this engine opened it."""
        self.stop()
        if self._owns_store:
            self._store.close()

    def _follow(self) -> None:
        while not self._stopping.wait(POLL_S):
            try:
                self.refresh()
            except StoreError as error:
                # Reads go on from memory; their age tells how old it is.
                log.warning("the store did not answer, the index stays as it is: %s", error)
