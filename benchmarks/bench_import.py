"""Rows a second of an import, end to end: ``./run bench import [--rows N] [--json]``.

A generated CSV of listings is read, checked, placed in 400 zones and written with its changes
to each store: a first load into an empty store, then the same file again. What was stored is
compared with the file before a figure counts. PostgreSQL waits for the disk at each commit,
as SQLite does.
"""

import argparse
import csv
import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from cluster import PostgisMissingError, postgis_server

from api.importing import import_file
from benchmarks.measuring import machine, print_result
from indexes.entities import CommuneCode, IrisCode, Listing, Tenant, Zone
from indexes.store import Store, open_store

WEST, SOUTH, EAST, NORTH = 5.30, 43.20, 5.50, 43.36
SIDE = 20  # zones along a side
TARGET = 20_000  # rows a second, of each run on each store
CHECKED = 1_000  # listings compared with the file
WORDS = ("boulangerie", "fleuriste", "librairie", "pharmacie", "épicerie", "crémerie", "café")
HOURS = ("Mo-Fr 08:00-18:00", "Mo-Sa 07:00-19:30; Su 07:00-13:00", "", "du lundi au vendredi")
COLUMNS = (
    *("id", "title", "category", "address", "postcode", "lon", "lat", "opening_hours"),
    *("url", "valid_from", "valid_to", "text"),
)


def zones() -> list[Zone]:
    """A town of square zones whose borders have a vertex every 50 m or so, as real ones."""
    lons, lats = np.linspace(WEST, EAST, SIDE + 1), np.linspace(SOUTH, NORTH, SIDE + 1)
    return [
        Zone(
            tenant_id="bench",
            code=IrisCode(f"99001{i:02d}{j:02d}"),
            vintage=2025,
            name=f"Quartier {i}-{j}",
            type="H",
            commune_code=CommuneCode("99001"),
            commune_name="Port-Mitoyen (ville fictive)",
            geometry=shapely.segmentize(
                shapely.box(lons[i], lats[j], lons[i + 1], lats[j + 1]), 0.0005
            ),
        )
        for i in range(SIDE)
        for j in range(SIDE)
    ]


def rows(count: int, seed: int) -> Iterator[list[str]]:
    """Rows of `COLUMNS`; most points lie in the middle of the town."""
    rng = np.random.default_rng(seed)
    lon = np.clip(rng.normal((WEST + EAST) / 2, 0.03, count), WEST, EAST)
    lat = np.clip(rng.normal((SOUTH + NORTH) / 2, 0.025, count), SOUTH, NORTH)
    draws = rng.integers(0, 1 << 30, (count, 5)).tolist()
    for i, (x, y, (word, hours, number, street, day)) in enumerate(
        zip(lon.tolist(), lat.tolist(), draws, strict=True)
    ):
        name = WORDS[word % len(WORDS)]
        yield [
            f"bench-{i:08d}",
            f"{name.capitalize()} n° {i}",
            f"food.{name}",
            f"{number % 200} rue {street % 4_000}",
            "99001",
            f"{x:.6f}",
            f"{y:.6f}",
            HOURS[hours % len(HOURS)],
            f"https://exemple.fr/{i}",
            f"2025-{1 + day % 12:02d}-{1 + day % 28:02d}T08:00:00+02:00",
            "2027-01-01",
            f"{name} du quartier, ouverte depuis {1950 + day % 70}",
        ]


def check(store: Store, path: Path, count: int) -> None:
    """Raise unless the store holds the file."""
    if store.count(Listing, "bench") != count:
        raise SystemExit(f"{store.label}: wanted {count} rows, got {store.count(Listing, 'bench')}")
    with path.open(newline="") as file:
        wanted = [row for row, _ in zip(csv.DictReader(file), range(CHECKED), strict=False)]
    for row, found in zip(wanted, store.page(Listing, "bench", limit=CHECKED), strict=True):
        same = (found.id, found.title, found.lon, found.lat) == (
            row["id"],
            row["title"],
            float(row["lon"]),
            float(row["lat"]),
        )
        if not same or found.place is None or found.place.zone is None:
            raise SystemExit(f"{store.label}: {row['id']} is not as in the file")


def measure(name: str, dsn: str, path: Path, count: int) -> list[dict[str, Any]]:
    """First load and re-import of a file into one store."""
    store = open_store(dsn)
    found = []
    try:
        store.put(Tenant(tenant_id="bench", id="bench", name="Port-Mitoyen (ville fictive)"))
        store.put_zones(zones())
        for run in ("first load", "re-import"):
            gc.disable()  # as the command does
            busy = time.process_time()
            report = import_file(store, "bench", path, "merchant")
            busy = time.process_time() - busy
            gc.enable()
            check(store, path, count)
            found.append(
                {
                    "store": name,
                    "run": run,
                    "seconds": round(report.seconds, 3),
                    "rows_per_s": round(count / report.seconds),
                    "cpu_us_per_row": round(busy / count * 1e6, 1),  # this process's alone
                    "reached": count / report.seconds >= TARGET,
                }
            )
    finally:
        store.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench import", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]  # what else the machine does
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = folder / "listings.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(rows(chosen.rows, chosen.seed))
        # The first import of a process compiles kernels and loads libraries.
        warm = folder / "warm.csv"
        warm.write_text("\n".join(path.read_text().split("\n")[:101]))
        measure("warm-up", str(folder / "warm.db"), warm, 100)
        runs = measure("sqlite", str(folder / "bench.db"), path, chosen.rows)
        try:
            server = stack.enter_context(postgis_server(durable=True))
            runs += measure("postgis", stack.enter_context(server.database()), path, chosen.rows)
        except PostgisMissingError as error:
            sys.stderr.write(f"no PostGIS: {error}\n")
        result = {
            "rows": chosen.rows,
            "target_rows_per_s": TARGET,
            "runs": runs,
            "load_before": round(load, 2),
            "command": f"./run bench import --rows {chosen.rows} --seed {chosen.seed} --json",
            "machine": machine("numpy", "shapely", "h3", "pyarrow", "sqlalchemy", "psycopg"),
        }
    print_result(result, chosen.json, {"import": runs})


if __name__ == "__main__":
    main()
