"""Near me over HTTP: ``./run bench http [--points N] [--rounds N] [--seconds S] [--json]``.

One worker serves the sample city at 100,000 listings. ``/v1/near`` takes turns with the same
route as FastAPI is usually written: validated parameters, the same keys, the same engine, and
a response model. Both answer the same requests, all with a key: half of them ask one kind,
half all, within 2 km; a quarter comes from a member's home. Before the clock starts, both
answer alike, byte by byte. The batch is asked 100 questions at a time.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import numpy as np

from api.auth import digest_of, new_secret
from api.commands.sample import fill
from benchmarks.http_load import (
    CONNECTIONS,
    Asked,
    Load,
    client_name,
    free_port,
    load,
    load_average,
    one,
)
from benchmarks.http_server import MODEL, OURS
from benchmarks.measuring import machine, print_result
from indexes.entities import PERSONAL_KINDS, ApiKey, Kind, Scope
from indexes.sample import Sample, sample_city
from indexes.store import open_store

QUESTIONS = 2_000
CHECKED = 200
IN_A_BATCH = 100
READY_S = 300
TARGET = 2.5
PUBLIC = [kind for kind in Kind if kind not in PERSONAL_KINDS]
CHANGING = re.compile(rb'"index_age_s":[0-9.e-]+')
AT = "2026-03-02T10:00:00Z"


def questions(town: Sample, seed: int) -> list[dict[str, object]]:
    """What is asked, as a body of near me; ``member`` where it comes from somebody's home."""
    rng = np.random.default_rng(seed)
    doors = [(door.lon, door.lat) for door in town.buildings]
    members = [member.id for member in town.members]
    found: list[dict[str, object]] = []
    for i in range(QUESTIONS):
        asked: dict[str, object] = {"radius_m": 2_000}
        if i % 2:
            asked["kind"] = [PUBLIC[int(rng.integers(len(PUBLIC)))].value]
        if i % 4 == 3:
            asked["member"] = members[int(rng.integers(len(members)))]
        else:
            lon, lat = doors[int(rng.integers(len(doors)))]
            asked["lat"] = round(lat + float(rng.uniform(-1e-3, 1e-3)), 7)
            asked["lon"] = round(lon + float(rng.uniform(-1e-3, 1e-3)), 7)
        found.append(asked)
    return found


def as_query(path: str, asked: dict[str, object], **more: object) -> Asked:
    """A question as a query string."""
    params = {name: value for name, value in asked.items() if name != "member"} | more
    return Asked(f"{path}?{urlencode(params, doseq=True)}", str(asked.get("member", "")))


def as_batches(asked: Sequence[dict[str, object]]) -> list[Asked]:
    """Questions from free places, many to a body."""
    free = [question for question in asked if "member" not in question]
    return [
        Asked(
            f"{OURS}/batch",
            body=json.dumps({"queries": free[i : i + IN_A_BATCH]}).encode(),
        )
        for i in range(0, len(free) - IN_A_BATCH + 1, IN_A_BATCH)
    ]


@contextmanager
def served(store: Path) -> Iterator[int]:
    """A server of one worker on a port of its own, stopped afterwards."""
    port = free_port()
    with (store.parent / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.http_server", str(store), str(port)], stderr=log
        )
        try:
            until = time.monotonic() + READY_S
            while not _ready(port):
                if server.poll() is not None or time.monotonic() > until:
                    raise SystemExit((store.parent / "server.log").read_text()[-2_000:])
                time.sleep(0.2)
            yield port
        finally:
            server.terminate()
            server.wait()


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def check(port: int, key: str, asked: Sequence[dict[str, object]]) -> None:
    """Raise unless both answer alike, and a batch as its questions alone."""
    for question in asked[:CHECKED]:
        ours, model = (
            CHANGING.sub(b"", one(port, key, as_query(path, question, at=AT)))
            for path in (OURS, MODEL)
        )
        if ours != model:
            raise SystemExit(f"the two routes differ:\n{ours!r}\n{model!r}")
    free = [{**question, "at": AT} for question in asked[:CHECKED] if "member" not in question]
    body = json.dumps({"queries": free}).encode()
    told = one(port, key, Asked(f"{OURS}/batch", body=body))
    alone = b",".join(one(port, key, as_query(OURS, question)) for question in free)
    if CHANGING.sub(b"", told) != CHANGING.sub(b"", b'{"answers":[' + alone + b"]}"):
        raise SystemExit("a batch answers otherwise than its questions alone")


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench http", description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    busy = load_average()
    key = new_secret()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "town.db"
        town = sample_city(chosen.seed, datetime.now(UTC), listings=chosen.points)
        store = open_store(path)
        fill(store, town)
        scopes = frozenset({Scope.APP})
        tenant = town.zones[0].tenant_id
        store.put(
            ApiKey(tenant_id=tenant, id="bench", name="bench", scopes=scopes,
                   secret_sha256=digest_of(key))
        )  # fmt: skip
        store.close()
        asked = questions(town, chosen.seed)
        del town
        requests = {
            "mitoyen": [as_query(OURS, question) for question in asked],
            "fastapi, response model": [as_query(MODEL, question) for question in asked],
            "mitoyen, batch": as_batches(asked),
        }
        rounds: dict[str, list[Load]] = {name: [] for name in requests}
        with served(path) as port:
            check(port, key, asked)
            for warming in requests.values():
                load(port, key, warming, 1.0)
            for _ in range(chosen.rounds):
                for name, each in requests.items():
                    rounds[name].append(load(port, key, each, chosen.seconds))
    rows = [
        {
            "route": name,
            "rps": round(median(each.rps for each in found), 1),
            "p50_us": round(median(each.p50_us for each in found)),
            "p99_us": round(median(each.p99_us for each in found)),
        }
        for name, found in rounds.items()
    ]
    ours, model, batch = (float(str(row["rps"])) for row in rows)
    result = {
        "points": chosen.points,
        "rps": ours,
        "rps_response_model": model,
        "ratio": round(ours / model, 3),
        "target_ratio": TARGET,
        "batch_queries_per_s": round(batch * IN_A_BATCH),
        "routes": rows,
        "client": client_name(),
        "connections": CONNECTIONS,
        "workers": 1,
        "parser": "httptools" if find_spec("httptools") else "h11",
        "loop": "uvloop" if find_spec("uvloop") else "asyncio",
        "load_before": round(busy, 2),
        "command": " ".join(["./run bench http", *sys.argv[1:]]),
        "machine": machine("fastapi", "pydantic", "msgspec", "uvicorn", "numpy"),
    }
    print_result(result, chosen.json, {"near me over HTTP": rows})


if __name__ == "__main__":
    main()
