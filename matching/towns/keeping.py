"""Keeps the file of a town: who may write it, when, and what was wrong with it.

Any number of processes share a folder. One at a time writes a town's file, the one that holds
its lock; the system lets go of the lock when its holder dies. The others map the file once it
is there, and map the next one when they see it.
"""

import fcntl
import hashlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from geo.errors import NotFoundError, SnapshotError
from indexes.store import Position, Store
from matching.towns.saved import SUFFIX, Base, open_base, save_base

__all__ = ["Keeper"]

log = logging.getLogger(__name__)

OLD_S = 3600.0  # a file is made anew then, if the town has changed
VERY_OLD_S = 86_400.0  # or whether or not: a store forgets its changes some time
MUCH_SHARE, MUCH_ROWS = 0.1, 10_000  # changed since: a file is made anew at once
RETRY_S = 5.0  # after another process was found at it
AFTER_FAILURE_S = 3600.0  # a full disk stays full, and each attempt reads a whole town
LOOK_S = 0.05  # how often one looks whether a lock is free
ALIVE_S = 1800.0  # no child takes longer

Stamp = tuple[int, int, int]  # of a file: another one has another


class Keeper:
    """Keeps the file of one tenant's town.

    Parameters
    ----------
    store : Store
        Whose tenant it is.
    tenant_id : str
        Whose town.
    folder : Path
        Where files lie; made if it is not there, for its owner alone.
    dsn : str
        How another process opens the same store.

    Attributes
    ----------
    doing : str
        What it is at: for who waits for a town.
    trouble : str
        Why there was no use in a file when one was last looked at or written; empty if there was.
    refused : int
        How many files have been refused.

    Raises
    ------
    StoreError
        If the store can't be read.
    """

    def __init__(self, store: Store, tenant_id: str, folder: Path, dsn: str) -> None:
        self.doing = self.trouble = ""
        self.refused = 0
        self._store = store
        self._tenant_id = tenant_id
        self._folder = folder
        self._dsn = dsn
        # Hashed: a tenant's id may hold anything.
        whose = f"{store.position().store}/{tenant_id}"
        name = hashlib.sha256(whose.encode()).hexdigest()[:32]
        self._path = folder / f"{name}{SUFFIX}"
        self._seen: Stamp | None = None  # the file that was last opened or refused
        self._not_before = 0.0  # by the monotonic clock: no file is made earlier
        self._unwritable = False
        self._lock: int | None = None
        self._child: subprocess.Popen[str] | None = None

    @property
    def age_s(self) -> float | None:
        """Seconds since the file was written, None where there is none."""
        try:
            return max(0.0, time.time() - self._path.stat().st_mtime)
        except OSError:
            return None

    @property
    def has_another(self) -> bool:
        """Whether there is a file that has not been looked at."""
        stamp = self._stamp()
        return stamp is not None and stamp != self._seen

    def open(self) -> Base | None:
        """The town as the file has it; None if it is no use, or was looked at before.

        Raises
        ------
        StoreError
            If the store can't be read.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self.doing = "mapping the snapshot"
        self._seen = stamp
        try:
            base = open_base(self._path, self._tenant_id, self._store.position(settled=False))
        except NotFoundError:
            return None
        except SnapshotError as error:
            self.refuse(str(error))
            return None
        self.trouble = ""
        return base

    def refuse(self, why: str) -> None:
        """Say that the file which was opened is no use after all."""
        self.refused += 1
        self.trouble = why
        # If newer code was installed beside a running server, it refuses what its child writes.
        self._not_before = time.monotonic() + AFTER_FAILURE_S
        log.warning("a snapshot was refused, and the store is read whole: %s", why)

    def is_due(self, changed: int, rows: int, position: Position, base: Position) -> bool:
        """Whether a new file should be made.

        Parameters
        ----------
        changed, rows : int
            How much has changed since the town was read whole, of how many rows.
        position, base : Position
            How far the town has come, and how far it had when it was read whole.
        """
        if time.monotonic() < self._not_before:
            return False
        if changed > max(MUCH_SHARE * rows, MUCH_ROWS):
            return True
        age_s = self.age_s
        if age_s is None:
            return False
        return (age_s > OLD_S and changed > 0) or (age_s > VERY_OLD_S and position > base)

    @contextmanager
    def turn(self, timeout_s: float) -> Iterator[bool]:
        """Wait for the turn to write; gives False if it doesn't come, or nobody may write here."""
        self._lock = self._lock_file()
        try:
            yield self._lock is not None and self._locked(self._lock, timeout_s)
        finally:
            self.doing = ""
            if self._lock is not None:
                os.close(self._lock)

    def write(self, base: Base) -> bool:
        """Write a town that has been read; says whether that worked. Have the `turn`."""
        self.doing = "writing the snapshot"
        try:
            save_base(self._path, base, self._tenant_id)
        except SnapshotError as error:
            self._fail(str(error))
            return False
        self._unwritable = False
        return True

    def make(self) -> bool:
        """Let another process read the town and write it; says whether that worked.

        Have the `turn`. Rows pass through the interpreter, which is busy with searches here.
        """
        self.doing = "reading the store in a process of its own"
        wanted = {"dsn": self._dsn, "tenant_id": self._tenant_id, "path": str(self._path)}
        command = [sys.executable, "-m", "matching.towns.saved"]
        paths = os.pathsep.join(sys.path)  # it runs the code that runs here
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # not an argument: others may see those, and it names a password
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": paths},
            pass_fds=() if self._lock is None else (self._lock,),  # held as long as either lives
        ) as child:
            self._child = child
            try:
                _, told = child.communicate(json.dumps(wanted), timeout=ALIVE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                told = "it took too long"
            finally:
                self._child = None
        if child.returncode:
            lines = told.strip().splitlines()
            self._fail(lines[-1] if lines else f"the process ended with {child.returncode}")
        else:
            self._unwritable = False
        return child.returncode == 0

    def remove(self) -> None:
        """Remove the file: the tenant is gone, and what was known of it."""
        for path in (self._path, self._path.with_suffix(".lock")):
            with suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """End the process that makes a file, if there is one."""
        child = self._child
        if child is not None:
            child.terminate()

    def _stamp(self) -> Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _lock_file(self) -> int | None:
        if time.monotonic() < self._not_before and self._unwritable:
            return None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            self._fail(f"nobody may write there: {error.strerror}")
            return None

    def _locked(self, descriptor: int, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while True:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            if time.monotonic() >= until:
                self._not_before = time.monotonic() + RETRY_S
                return False
            self.doing = "waiting for another process to write the snapshot"
            time.sleep(LOOK_S)

    def _fail(self, why: str) -> None:
        self._not_before = time.monotonic() + AFTER_FAILURE_S
        if not self._unwritable:  # said once
            log.warning("no snapshot is kept: %s", why)
        self._unwritable = True
        self.trouble = why
