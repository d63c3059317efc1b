"""The store away: reads go on, writes say so, nothing acknowledged is lost, all comes back."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from cluster import PostgisMissingError, postgis_server
from conftest import QUICK, REQUIRE_POSTGIS
from sqlalchemy import make_url
from waiting import PATIENCE_S, lent_port, until, until_ready

from api.auth import digest_of, new_secret
from indexes.entities import ApiKey, Kind, Listing, Scope, Tenant
from indexes.store import Position, open_store

RESTARTS = 10
BACK_S = 5.0  # how soon after the database a write is taken again, if nothing else delays it
PLACE = {"lat": 43.3, "lon": 5.35}


@pytest.fixture(scope="module")
def server():
    if QUICK:
        pytest.skip("quick: SQLite only")
    try:
        with postgis_server() as server:
            if server.restart is None:
                pytest.skip("the server is not ours to restart")
            yield server
    except PostgisMissingError as error:
        if REQUIRE_POSTGIS:
            raise
        pytest.skip(str(error))


@contextmanager
def serving(dsn: str) -> Iterator[str]:
    """A server of its own process on a free port; it must leave in order."""
    with lent_port() as port:
        command = [sys.executable, "-m", "api.cli", "serve", "--store", dsn, "--port", str(port)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            until_ready(url=f"{url}/readyz", process=process)
            yield url
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()


class Traffic:
    """Readers and writers that note what they were answered, until told to stop."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self.key = {"Authorization": f"Bearer {secret}"}
        self.stop = threading.Event()
        self.reads: list[tuple[int, float]] = []  # status, age of the index
        self.stored: dict[str, Position] = {}  # id -> position of an acknowledged write
        self.stored_at: list[float] = []
        self.refused: list[httpx.Response] = []

    def read(self) -> None:
        with httpx.Client(base_url=self.url, headers=self.key, timeout=PATIENCE_S) as client:
            while not self.stop.is_set():
                for url in ("/v1/near", "/v1/locate", "/v1/zones", "/readyz"):
                    answer = client.get(url, params=PLACE if url in PLACED else None)
                    age = answer.json().get("index_age_s", 0.0)
                    self.reads.append((answer.status_code, age))

    def write(self, writer: int) -> None:
        with httpx.Client(base_url=self.url, headers=self.key, timeout=PATIENCE_S) as client:
            written = 0
            while not self.stop.is_set():
                id = f"w{writer}-{written}"
                body = {"kind": "place", "title": id, **PLACE}
                answer = client.put(f"/v1/listings/{id}", json=body)
                if answer.status_code in (200, 201):
                    self.stored[id] = Position.parse(answer.json()["position"])
                    self.stored_at.append(time.monotonic())
                    written += 1
                else:
                    self.refused.append(answer)
                    time.sleep(0.02)


PLACED = ("/v1/near", "/v1/locate")


def test_ten_restarts_under_traffic_fail_no_read_and_lose_no_write(
    server, record_testsuite_property
):
    secret, took = new_secret(), []
    with server.database() as dsn:
        # What the test servers leave out else: commits that outlive a crash of the server.
        # One of the machine is not tried, so that nothing waits for the disk.
        with psycopg.connect(dsn, autocommit=True) as connection:
            name = make_url(dsn).database
            connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
        store = open_store(dsn)
        store.put_all(
            [
                Tenant(tenant_id="t", id="t", name="T"),
                ApiKey(
                    tenant_id="t",
                    id="k",
                    name="",
                    scopes=frozenset({Scope.APP}),
                    secret_sha256=digest_of(secret),
                ),
                Listing(tenant_id="t", id="first", kind=Kind.PLACE, title="first", **PLACE),
            ]
        )
        with serving(dsn) as url, ThreadPoolExecutor(4) as threads:
            traffic = Traffic(url, secret)
            jobs = [threads.submit(traffic.read) for _ in range(2)]
            jobs += [threads.submit(traffic.write, writer) for writer in range(2)]
            try:
                until(lambda: len(traffic.stored) >= 20)
                for _ in range(RESTARTS):
                    server.restart()
                    up_at = time.monotonic()
                    before = len(traffic.stored_at)
                    until(lambda n=before: len(traffic.stored_at) >= n + 10)
                    took.append(traffic.stored_at[before] - up_at)
            finally:
                traffic.stop.set()
            for job in jobs:
                job.result()

            assert {status for status, _ in traffic.reads} == {200}
            assert max(age for _, age in traffic.reads) > 0.0
            assert min(took) <= BACK_S  # a busy machine delays some
            assert traffic.refused, "no write came while the store was away"
            for answer in traffic.refused:
                assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")
                assert answer.headers["Retry-After"]
                assert answer.headers["content-type"] == "application/problem+json"

            kept = {listing.id for listing in store.page(Listing, "t", limit=100_000)}
            assert traffic.stored.keys() <= kept
            # The index has all of it, and no more than the store.
            last = max(traffic.stored.values())
            found, cursor, key = set(), None, traffic.key
            params = PLACE | {"kind": "place", "radius_m": 100, "limit": 100}
            until(lambda: caught_up(url, key, last))
            while cursor is not None or not found:
                more = {"cursor": cursor} if cursor else {}
                page = httpx.get(
                    f"{url}/v1/near", params=params | more, headers=key, timeout=PATIENCE_S
                ).json()
                found |= {match["id"] for match in page["matches"]}
                cursor = page.get("next")
            assert found == kept
        store.close()
    record_testsuite_property("reads", len(traffic.reads))
    record_testsuite_property("writes_stored", len(traffic.stored))
    record_testsuite_property("writes_refused", len(traffic.refused))
    record_testsuite_property("writes_back_after_s", [round(seconds, 2) for seconds in took])


def caught_up(url: str, key: dict[str, str], position: Position) -> bool:
    params = PLACE | {"after": str(position)}
    return (
        httpx.get(f"{url}/v1/near", params=params, headers=key, timeout=PATIENCE_S).status_code
        == 200
    )
