"""From nothing to the first answer, with a snapshot and without: ``./run bench start [--json]``."""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np

from api.commands.sample import fill
from benchmarks.measuring import machine, print_result
from indexes.sample import HARBOUR, sample_city
from indexes.store import Store, open_store
from matching import ANYONE, Engine, NearQuery
from matching.towns.keeping import Keeper
from matching.towns.saved import SUFFIX

NOW = datetime(2025, 6, 14, 9, 30, tzinfo=UTC)
READY_S = 600.0
QUIET_S = 5.0
PAUSE_S = 0.002  # between queries


@contextmanager
def server(store: Path, snapshots: Path) -> Iterator[tuple[int, int, float]]:
    """A started server: its process, its port, and the seconds until it was ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys; from api.cli import main; sys.exit(main())"
    began_at = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--store", str(store), "--port", str(port)],
        env=os.environ | {"MITOYEN_SNAPSHOTS": str(snapshots)},
        stderr=subprocess.DEVNULL,
    )
    try:
        while not ready(port):
            if process.poll() is not None or time.perf_counter() - began_at > READY_S:
                raise RuntimeError("the server did not get ready")
            time.sleep(0.02)
        yield process.pid, port, time.perf_counter() - began_at
    finally:
        process.terminate()
        process.wait()


def ready(port: int) -> bool:
    """Whether the server answers that it may be asked."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def answers(port: int, origins: Sequence[tuple[float, float]]) -> list[list[object]]:
    """The best 50 around some places."""
    found = []
    for lon, lat in origins:
        asked = {"lon": str(lon), "lat": str(lat), "at": NOW.isoformat(), "limit": "50"}
        told = httpx.get(f"http://127.0.0.1:{port}/v1/near", params=asked, timeout=30)
        found.append(told.raise_for_status().json()["matches"])
    return found


def cpu_s(process: int) -> float:
    """Seconds that a process has computed: they tell more than the clock on a busy machine."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process: int) -> dict[str, float]:
    """What a process has of its own, and what it shares with others."""
    kb: dict[str, int] = {}
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
        name, number, _ = line.split()
        kb[name.rstrip(":")] = int(number)
    own = kb["Private_Clean"] + kb["Private_Dirty"]
    return {"own_mb": round(own / 1024, 1), "shared_mb": round((kb["Rss"] - own) / 1024, 1)}


def start(
    store: Path, folder: Path, origins: Sequence[tuple[float, float]], times: int
) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Start without a snapshot, then from it; answers are the same."""
    with server(store, folder) as (process, port, without_s):
        without_cpu_s = cpu_s(process)
        expected = answers(port, origins)
    taken_s, taken_cpu_s = [], []
    for _ in range(times):
        with server(store, folder) as (process, port, taken):
            taken_s.append(taken)
            taken_cpu_s.append(cpu_s(process))
            if answers(port, origins) != expected:
                raise AssertionError("the mapped index answers otherwise")
    with server(store, folder) as (first, _, _), server(store, folder) as (second, _, _):
        memory: list[dict[str, object]] = [
            {"process": name, **memory_mb(process)}
            for name, process in (("first", first), ("second", second))
        ]
    (file,) = folder.glob(f"*{SUFFIX}")
    measured: dict[str, object] = {
        "without_s": round(without_s, 2),
        "without_cpu_s": round(without_cpu_s, 2),
        "ready_s": round(statistics.median(taken_s), 2),
        "ready_cpu_s": round(statistics.median(taken_cpu_s), 2),
        "file_mb": round(file.stat().st_size / 1e6, 1),
        "exact": any(expected),
    }
    return measured, memory


def held(
    store: Store, dsn: str, folder: Path, origins: Sequence[tuple[float, float]]
) -> list[dict[str, object]]:
    """How long queries take while nothing else is done, and while a new snapshot is made."""
    (tenant_id,) = store.tenants()
    keeper = Keeper(store, tenant_id, folder, dsn)
    engine = Engine.over(store, tenant_id, keeper)
    queries = [NearQuery(at=NOW, origin=origin) for origin in origins]

    def timed(going_on: threading.Thread) -> np.ndarray:
        taken: list[int] = []
        while going_on.is_alive():
            query = queries[len(taken) % len(queries)]
            began_at = time.perf_counter_ns()
            engine.near(ANYONE, query)
            taken.append(time.perf_counter_ns() - began_at)
            time.sleep(PAUSE_S)
        return np.array(taken) / 1e3

    rows: list[dict[str, object]] = []
    for name, work in (
        ("nothing", lambda: time.sleep(QUIET_S)),
        ("made", engine._town.rebuild),
    ):
        thread = threading.Thread(target=work)
        thread.start()
        taken = timed(thread)
        p50, p99, most = np.percentile(taken, [50, 99, 100])
        rows.append(
            {
                "meanwhile": name,
                "queries": len(taken),
                "p50_us": round(float(p50), 1),
                "p99_us": round(float(p99), 1),
                "max_us": round(float(most), 1),
            }
        )
    if keeper.trouble or engine.rebuilds != 1:
        raise AssertionError(f"no snapshot was made: {keeper.trouble}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench start", description=__doc__)
    parser.add_argument("--listings", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path, help="a SQLite file of one tenant to use instead")
    parser.add_argument("--times", type=int, default=3, help="starts from the snapshot")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    rng = np.random.default_rng(args.seed)
    origins = [tuple(at) for at in (np.array(HARBOUR) + rng.normal(0, 0.01, (40, 2))).tolist()]
    with TemporaryDirectory(prefix="mitoyen-start-") as folder:
        path = args.store or Path(folder, "town.db")
        store = open_store(path)
        if args.store is None:
            fill(store, sample_city(args.seed, NOW, listings=args.listings), created_at=NOW)
        listings = sum(store.listing_table(id).num_rows for id in store.tenants())
        load_before = os.getloadavg()[0]
        measured, memory = start(path, Path(folder, "snapshots"), origins, args.times)
        queries = held(store, str(path), Path(folder, "snapshots"), origins)
        store.close()
    result = {
        "starts": [{"listings": listings, **measured}],
        "memory": memory,
        "queries": queries,
        "seed": args.seed,
        "load_before": round(load_before, 2),
        "command": f"./run bench start {' '.join(sys.argv[1:])}".strip(),
        "machine": machine("numpy", "numba", "pyarrow"),
    }
    tables = {"starts": "From nothing to ready", "memory": "Two servers", "queries": "Queries"}
    print_result(result, args.json, {told: result[name] for name, told in tables.items()})


if __name__ == "__main__":
    main()
