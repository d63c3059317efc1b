"""Changes through a store: written by other processes, read by the feed, seen by an engine."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from benchmarks.live_writer import LAT, LON, STEP, TENANT, listing_id
from indexes.entities import Kind, Listing, Tenant
from indexes.feed import Feed
from indexes.store import Store, open_store
from matching import ANYONE, Engine, NearQuery

__all__ = ["Delivered", "fill", "lost_and_doubled", "visible_ms"]

LOOK_M = 40.0
PAUSE_S = 0.001  # between two looks
GIVE_UP_S = 60.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a feed gave of changes that were all committed."""

    changes: int
    lost: int
    doubled: int
    refused: int  # writes that had to be tried again
    seconds: float


class Writer:
    """A process that writes when told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ready(self) -> None:
        """Return once it has opened the store."""
        self._line()

    def put(self, first: int, until: int) -> None:
        """Have it put listings, each in a commit of its own."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{first} {until}\n")
        self._process.stdin.flush()

    def done(self) -> tuple[int, int]:
        """When the last commit was, ns, and how many writes were refused before."""
        at_ns, refused = self._line().split()
        return int(at_ns), int(refused)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a writer ended before its work was done")
        return line


@contextmanager
def _writer(dsn: str, name: str) -> Iterator[Writer]:
    command = [sys.executable, "-m", "benchmarks.live_writer", dsn, name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Writer(process)  # leaving closes its input, which ends it


def fill(dsn: str, listings: int, seed: int) -> Store:
    """A new store with a tenant and some listings around the old port."""
    rng = np.random.default_rng(seed)
    store = open_store(dsn)
    store.put(Tenant(tenant_id=TENANT, id=TENANT, name="Port-Mitoyen (ville fictive)"))
    store.put_all(
        Listing(
            tenant_id=TENANT,
            id=listing_id("there", i),
            kind=Kind.MERCHANT,
            title="Le Four",
            lon=lon,
            lat=lat,
        )
        for i, (lon, lat) in enumerate(rng.normal((5.37, 43.29), 0.02, (listings, 2)).tolist())
    )
    return store


def visible_ms(dsn: str, engine: Engine, times: int) -> np.ndarray:
    """Milliseconds from a commit in another process to the first query here that shows it.

    Parameters
    ----------
    dsn : str
        The store that the other process writes to.
    engine : Engine
        Follows that store.
    times : int
        How many listings are put, each only after the one before was seen.

    Returns
    -------
    ndarray of float64, shape (times,)
    """
    taken = []
    with _writer(dsn, "seen") as writer:
        writer.ready()
        for i in range(times):
            writer.put(i, i + 1)
            seen_ns = _seen_ns(engine, i)
            # What is seen before the writer hears of its commit was seen at once.
            taken.append(max(0, seen_ns - writer.done()[0]) / 1e6)
    return np.array(taken)


def _seen_ns(engine: Engine, i: int) -> int:
    until = time.monotonic() + GIVE_UP_S
    while time.monotonic() < until:
        query = NearQuery(
            at=datetime.now(UTC),
            origin=(LON, LAT + i * STEP),
            kinds=(Kind.MERCHANT,),
            radius_m=LOOK_M,
        )
        if engine.near(ANYONE, query).matches:
            return time.monotonic_ns()
        time.sleep(PAUSE_S)
    raise SystemExit(f"a committed listing was not seen within {GIVE_UP_S:g} s")


def lost_and_doubled(store: Store, dsn: str, writers: int, each: int) -> Delivered:
    """Have processes write at the same time while a feed reads, and count what it gave."""
    feed = Feed(store, store.position())
    names = [f"writer-{number}" for number in range(writers)]
    wanted = {listing_id(name, i) for name in names for i in range(each)}
    found: Counter[str] = Counter()
    with ExitStack() as stack:
        processes = [stack.enter_context(_writer(dsn, name)) for name in names]
        for process in processes:
            process.ready()
        started_ns = time.monotonic_ns()
        for process in processes:
            process.put(0, each)
        until = time.monotonic() + GIVE_UP_S
        while wanted - found.keys() and time.monotonic() < until:
            changes = feed.read(1.0)
            found.update(change.id for change in changes)
            if changes:
                until = time.monotonic() + GIVE_UP_S
        done = [process.done() for process in processes]
    while changes := feed.read(1.0):  # what comes twice may come late
        found.update(change.id for change in changes)
    feed.close()
    return Delivered(
        changes=len(wanted),
        lost=len(wanted - found.keys()),
        doubled=sum(count - 1 for count in found.values()),
        refused=sum(refused for _, refused in done),
        seconds=(max(at_ns for at_ns, _ in done) - started_ns) / 1e9,
    )
