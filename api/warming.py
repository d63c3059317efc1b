"""Compile what a server needs before somebody waits for it; kept for every later start."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import shapely
from numba.core.dispatcher import Dispatcher

from api.commands.sample import fill
from api.towns import Town
from indexes.entities import Kind, Listing
from indexes.sample import HARBOUR, sample_city
from indexes.store import open_store
from matching.query import ANYONE, NearQuery, Viewer
from matching.rides.clock import DAY_S
from matching.rides.journey import Way, Within
from matching.rides.journeys import driver_journeys

__all__ = ["Warmed", "kernels", "unkept", "warm"]

ROOMS = ("geo", "indexes", "matching", "api")


@dataclass(frozen=True, slots=True)
class Warmed:
    """How many kernels a first use compiled, how many it found kept, and how long that took."""

    compiled: int
    kept: int
    seconds: float


def kernels() -> Iterator[Any]:
    """Every compiled function of the rooms that numba keeps between runs."""
    seen: set[int] = set()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ROOMS:
            for value in list(vars(module).values()):
                if (
                    isinstance(value, Dispatcher)
                    and id(value) not in seen
                    and value.stats.cache_path
                ):
                    seen.add(id(value))
                    yield value


def unkept() -> list[str]:
    """Modules of whose kernels none is kept, or what is kept is older than the source."""
    missing = set()
    for kernel in kernels():
        source = Path(kernel.py_func.__code__.co_filename)
        kept = Path(kernel.stats.cache_path).glob(f"{source.stem}.*.nbi")
        changed = source.stat().st_mtime
        if not any(index.stat().st_mtime >= changed for index in kept):
            missing.add(kernel.__module__)
    return sorted(missing)


def warm() -> Warmed:
    """Use a small made-up town in each way that compiles something."""
    started, now = time.perf_counter(), datetime.now(UTC)
    before = _counted()
    with TemporaryDirectory(prefix="mitoyen-warm-") as folder:
        store = open_store(Path(folder) / "town.db")
        try:
            made = sample_city(1, now, listings=400)
            fill(store, made, created_at=now)
            member = made.member_near(HARBOUR)
            town = Town(store, member.tenant_id)
            try:
                _use(town, member.id, now)
            finally:
                town.close()
        finally:
            store.close()
    compiled, kept = (after - was for after, was in zip(_counted(), before, strict=True))
    return Warmed(compiled, kept, round(time.perf_counter() - started, 1))


def _use(town: Town, member_id: str, now: datetime) -> None:
    lon, lat = HARBOUR
    town.outlines.zone_at(HARBOUR)
    polygon = shapely.box(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01)
    for query in (
        NearQuery(at=now, origin=HARBOUR),
        NearQuery(at=now, origin=HARBOUR, text="pian"),  # mistyped
        NearQuery(at=now, origin=HARBOUR, polygon=polygon),
        NearQuery(at=now, origin=HARBOUR, profile="nearest", radius_m=2_000),
    ):
        town.engine.near(ANYONE, query)
    town.engine.near(Viewer(member_id), NearQuery(at=now))
    at = int(now.timestamp())
    some_day = Within(at, at + DAY_S, at)
    way = Way(HARBOUR, (lon + 0.02, lat + 0.02), 20_000.0, 20_000.0)
    driver_journeys(town.engine.trips, way, [some_day], now=now)
    town.ask_for_rides(town.engine.traveller(member_id, now), now)
    new = Listing(
        tenant_id=town.tenant_id, id="warm", kind=Kind.PLACE, title="warm", lon=lon, lat=lat
    )
    town.engine.wait_for(str(town.store.put(new)), timeout_s=600)
    town.engine.near(ANYONE, NearQuery(at=now, origin=HARBOUR))


def _counted() -> tuple[int, int]:
    stats = [kernel.stats for kernel in kernels()]
    return (
        sum(sum(one.cache_misses.values()) for one in stats),
        sum(sum(one.cache_hits.values()) for one in stats),
    )
