"""One thread that reads a store's feed and hands each town its changes."""

import logging
import threading
from typing import Any

from geo.errors import FeedGapError, MitoyenError, StoreError
from indexes.feed import Feed
from indexes.store import Change, Store
from matching.towns.following import Following

__all__ = ["Follower"]

log = logging.getLogger(__name__)

READ_S = 0.5  # a read ends then, so that the thread can be stopped
RETRY_S = 0.2  # while the store is away
REBUILD_RETRY_S = 2.0  # it is costly

Town = Following[Any]  # or a part of one: its listings, its trips, whom its people trust


class Follower:
    """Keeps towns of one store current, however many, with one reader of its feed.

    Parameters
    ----------
    store : Store
        Whose changes, from now on.

    Raises
    ------
    StoreError
        If the store can't be read.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._feed = Feed(store, store.position())
        self._unapplied: list[Change] = []  # read, and not yet with every town
        self._towns: list[Town] = []
        self._rebuilds: dict[Town, threading.Thread] = {}
        self._applying = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lag_s(self) -> float:
        """Seconds since all changes that were there had been read."""
        return self._feed.lag_s

    def add(self, town: Town) -> None:
        """Bring a town up to here, and keep it current from now on.

        Raises
        ------
        StoreError
            If the store can't be read.
        """
        with self._applying:
            # What the feed has given to others already, and will not give again.
            town.refresh()
            self._towns.append(town)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
                self._thread.start()

    def remove(self, town: Town) -> None:
        """Keep a town current no longer."""
        with self._applying:
            if town in self._towns:
                self._towns.remove(town)
                self._rebuilds.pop(town, None)

    def close(self) -> None:
        """Stop following. Rebuilds under way end by themselves."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except StoreError as error:
                # Searches go on from memory; their age tells how old it is.
                log.warning("the store did not answer, indexes stay as they are: %s", error)
                self._stopping.wait(RETRY_S)
            except Exception:  # the thread must outlive what nobody thought of
                log.exception("changes could not be followed")
                self._stopping.wait(RETRY_S)
        self._feed.close()

    def _step(self) -> None:
        """Read some changes, and hand each town its own; those not handed on come again."""
        try:
            self._unapplied = self._unapplied or self._feed.read(READ_S)
        except FeedGapError as error:
            log.warning("%s", error)
            self._begin_anew()
        if self._unapplied:
            own: dict[str, list[Change]] = {}
            for change in self._unapplied:
                own.setdefault(change.tenant_id, []).append(change)
            with self._applying:
                for town in self._towns:
                    self._apply(town, own.get(town.tenant_id, []))
            self._unapplied = []
        for town in tuple(self._towns):
            self._tend(town)

    def _apply(self, town: Town, changes: list[Change]) -> None:
        try:
            town.apply(changes, self._feed.position)
        except StoreError:
            raise
        except Exception:  # one town's trouble is not the others'
            log.exception("changes could not be applied: the index is read anew")
            town.expire()

    def _tend(self, town: Town) -> None:
        """Tidy a town up, and rebuild it if it wants that: its trouble is not the others'."""
        try:
            town.compact()
        except Exception:
            log.exception("an index could not be tidied up: it is read anew")
            town.expire()
            self._stopping.wait(RETRY_S)  # it fails again until it has been
        try:
            self._see_to(town)
        except Exception:
            log.exception("an index could not be seen to")
            self._stopping.wait(RETRY_S)

    def _begin_anew(self) -> None:
        """Read on from here, and every town from the beginning."""
        with self._applying:  # or a town could come that is not told
            self._feed.close()
            self._feed = Feed(self._store, self._store.position())
            for town in self._towns:
                town.expire()

    def _see_to(self, town: Town) -> None:
        """Rebuild a town that wants it, beside everything else."""
        running = self._rebuilds.get(town)
        if not town.wants_rebuild or (running is not None and running.is_alive()):
            return
        thread = threading.Thread(target=self._rebuild, args=(town,), name="rebuild", daemon=True)
        with self._applying:
            if town in self._towns:  # or it would be kept for ever
                self._rebuilds[town] = thread
                thread.start()

    def _rebuild(self, town: Town) -> None:
        try:
            town.rebuild()
        except MitoyenError as error:
            log.warning("an index could not be read anew: %s: %s", error.code, error)
            self._stopping.wait(REBUILD_RETRY_S)
        except Exception:
            log.exception("an index could not be read anew")
            self._stopping.wait(REBUILD_RETRY_S)
