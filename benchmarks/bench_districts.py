"""Districts: a quarter's release, a country's, and what is read of one.

``./run bench districts [--quick] [--json]``. A town of 400 IRIS, 400,000 registered households and
1,000,000 listings in a SQLite file is released, and asked in this process, through the whole app.
A country of 49,280 IRIS is drawn and told from facts that are there already.
"""

import argparse
import asyncio
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import numpy as np
from fastapi import FastAPI

from api.app import create_app
from api.settings import Settings
from benchmarks.districts_town import QUARTER, TENANT, Town
from benchmarks.measuring import machine, print_result
from indexes.district_facts import Facts
from indexes.releases import Release, digest, table_to_bytes
from indexes.store import open_store
from matching.planning.drawing import draw_counts
from matching.planning.measures import GOALS
from matching.planning.outlines import Outlines
from matching.planning.releasing import release_quarter
from matching.planning.telling import build_release

__all__ = ["FULL", "QUICK", "Sizes", "run"]

NOW = datetime(2026, 10, 5, 9, 0, tzinfo=UTC)
TOWN_DEGREES = 0.02, 0.015  # 1.6 km square: 1,000 cells and more
COUNTRY_DEGREES = 0.041, 0.030  # 11 km², as in France on average
COUNTRY_ADOPTION, TOWN_ADOPTION = 0.05, 0.5
FEATURES = 1_000
ZOOMS = range(9, 15)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each."""

    iris: int
    households: int
    listings: int
    country_iris: int
    country_households: int
    country_listings: int
    asked: int


FULL = Sizes(400, 400_000, 1_000_000, 49_280, 1_500_000, 1_000_000, 200)
QUICK = Sizes(25, 3_000, 4_000, 60, 3_000, 1_000, 10)


def same(found: Facts, wanted: Facts) -> bool:
    """Whether two quarters' facts have the same rows."""
    return all(
        one.sort_by(one.schema.names[0]).equals(other.sort_by(other.schema.names[0]))
        for one, other in (
            (found.households, wanted.households),
            (found.buildings, wanted.buildings),
            (found.listings, wanted.listings),
        )
    )


def released(path: Path, sizes: Sizes) -> dict[str, Any]:
    """A town's release: the facts of its store are what was put there, and it is read as it was
    written."""
    town = Town(sizes.iris, sizes.households, sizes.listings, TOWN_DEGREES, TOWN_ADOPTION)
    with closing(open_store(path)) as store:
        began_at = time.perf_counter()
        town.put(store)
        filled_s = time.perf_counter() - began_at
        exact = same(store.facts(TENANT, QUARTER), town.facts())
        began_at = time.perf_counter()
        store.facts(TENANT, QUARTER)
        facts_s = time.perf_counter() - began_at
        began_at = time.perf_counter()
        release = release_quarter(store, TENANT, QUARTER, created_at=NOW)
        release_s = time.perf_counter() - began_at
        exact &= store.release(TENANT).rows.equals(release.rows)
    return {**_described(release), "exact": exact, "filled_s": round(filled_s, 1),
            "facts_s": round(facts_s, 2), "release_s": round(release_s, 2)}  # fmt: skip


def country(sizes: Sizes) -> dict[str, Any]:
    """A country's figures, drawn and told, and as the bytes that are kept. In a process of its own:
    what it needs of memory is told."""
    wanted = sizes.country_iris, sizes.country_households, sizes.country_listings
    town = Town(*wanted, COUNTRY_DEGREES, COUNTRY_ADOPTION)
    facts = town.facts()
    began_at = time.perf_counter()
    outlines = Outlines(town.zones)
    del town  # no part of a release
    draws = draw_counts(facts, outlines)
    release = build_release(
        facts, outlines, draws, tenant_id=TENANT, version=1, created_at=NOW, goals=GOALS,
        previous=None,
    )  # fmt: skip
    digest(table_to_bytes(release.rows))
    national_s = time.perf_counter() - began_at
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**_described(release), "national_s": round(national_s, 1),
            "national_peak_gb": round(peak_kb / 1e6, 2)}  # fmt: skip


def _described(release: Release) -> dict[str, Any]:
    rows = release.rows
    told = rows.group_by(["measure", "category"]).aggregate([]).num_rows
    zones = rows.group_by(["level", "zone"]).aggregate([]).num_rows
    return {"zones": zones, "measures": told, "rows": rows.num_rows}


async def ask(app: FastAPI, target: str) -> bytes:
    """The body of a 200 or 204."""
    status, body = await asked(app, target)
    if status not in (200, 204):
        raise AssertionError(f"{target} answers {status}: {body[:300]!r}")
    return body


async def asked(app: FastAPI, target: str) -> tuple[int, bytes]:
    """GET, in this process, from this machine: status and body."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 80),
    }
    status, body = 0, b""

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3_600)  # nobody leaves
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    await app(scope, receive, send)
    return status, body


async def read(path: Path, sizes: Sizes) -> dict[str, Any]:
    """Milliseconds of a district, of a page of features, and of tiles, each asked once."""
    rng = np.random.default_rng(8)
    app = create_app(Settings(store=str(path), tenant=TENANT))
    async with app.router.lifespan_context(app):
        while (await asked(app, "/readyz"))[0] != 200:  # its indexes would be built meanwhile
            await asyncio.sleep(0.1)
        codes = [zone.code for zone in Outlines(_zones(path)).zones]
        tiles = [_tile(_zones(path), rng) for _ in range(sizes.asked)]
        targets = {
            "district": [f"/v1/districts/{rng.choice(codes)}" for _ in range(sizes.asked)],
            "items": [
                f"/ogc/collections/cells/items?limit={FEATURES}&offset={offset}"
                for offset in range(max(3, sizes.asked // 10))
            ],
            "tile": [f"/ogc/collections/districts/tiles/WebMercatorQuad/{z}/{y}/{x}"
                     for z, x, y in tiles],
        }  # fmt: skip
        taken: dict[str, list[float]] = {}
        sizes_of: dict[str, int] = {}
        for name, wanted in targets.items():
            sizes_of[name] = len(await ask(app, wanted[0]))  # builds what is kept of a release
            taken[name] = []
            for target in wanted[1:]:
                began_at = time.perf_counter()
                await ask(app, target)
                taken[name].append((time.perf_counter() - began_at) * 1e3)
    return {
        "district_ms": round(float(np.median(taken["district"])), 2),
        "items_ms": round(float(np.median(taken["items"])), 1),
        "tile_p99_ms": round(float(np.quantile(taken["tile"], 0.99)), 2),
        "bytes": sizes_of,
    }


def _zones(path: Path) -> Any:
    with closing(open_store(path)) as store:
        return store.zones(TENANT)


def _tile(zones: Any, rng: np.random.Generator) -> tuple[int, int, int]:
    """A tile of any zoom that holds the corner of some zone: zoom, column and row."""
    zoom = int(rng.choice(ZOOMS))
    lon, lat, *_ = zones[int(rng.integers(len(zones)))].geometry.bounds
    x = (lon + 180.0) / 360.0
    y = (1.0 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2.0
    return zoom, int(x * 2**zoom), int(y * 2**zoom)


def run(sizes: Sizes) -> dict[str, Any]:
    """All of it, one after the other."""
    load_before = round(os.getloadavg()[0], 2)
    with TemporaryDirectory(prefix="mitoyen-bench-") as folder:
        path = Path(folder) / "town.db"
        town = released(path, sizes)
        reading = asyncio.run(read(path, sizes))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        national = pool.submit(country, sizes).result()
    wanted = ("release_s", "national_s", "district_ms", "items_ms", "tile_p99_ms")
    found = {**reading, **national, **town}
    return {
        **{name: found[name] for name in wanted},
        "releases": [
            {"of": "town", **{name: town[name] for name in ("zones", "measures", "rows")},
             "facts_s": town["facts_s"], "release_s": town["release_s"], "exact": town["exact"]},
            {"of": "country", **{name: national[name] for name in ("zones", "measures", "rows")},
             "release_s": national["national_s"], "peak_gb": national["national_peak_gb"]},
        ],
        "read": [{name: reading[name] for name in wanted[2:]}],
        "filled_s": town["filled_s"],
        "bytes": reading["bytes"],
        "load_before": load_before,
        "machine": machine("numpy", "opendp", "pyarrow", "shapely"),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result = {"command": " ".join(["./run bench districts", *sys.argv[1:]])}
    result |= run(QUICK if args.quick else FULL)
    if not result["releases"][0]["exact"]:
        raise SystemExit("what was released is not what was put in")
    print_result(result, args.json, {"Releases": result["releases"], "Reading": result["read"]})


if __name__ == "__main__":
    main()
