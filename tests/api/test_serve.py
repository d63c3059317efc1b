"""The server as a process: several workers, its log, and how it leaves."""

import json
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from waiting import PATIENCE_S, lent_port, until, until_ready

from api.auth import digest_of, new_secret
from indexes.entities import ApiKey, Scope, Tenant
from indexes.store import open_store

PLACE = {"lat": 43.3014242, "lon": 5.3514242}


@pytest.fixture
def town(tmp_path):
    """A store with a key, and the header that shows the key."""
    secret, path = new_secret(), tmp_path / "town.db"
    store = open_store(path)
    store.put(Tenant(tenant_id="t", id="t", name="T"))
    scopes = frozenset({Scope.APP})
    digest = digest_of(secret)
    store.put(ApiKey(tenant_id="t", id="k", name="", scopes=scopes, secret_sha256=digest))
    store.close()
    return path, {"Authorization": f"Bearer {secret}"}


class Serving:
    """A process of `mitoyen serve`, and what it has logged."""

    def __init__(self, path, port, *options):
        command = [sys.executable, "-m", "api.cli", "serve", "--store", str(path)]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [*command, "--port", str(port), *options], stderr=subprocess.PIPE, text=True
        )
        self.lines = []
        self._reading = threading.Thread(target=lambda: self.lines.extend(self.process.stderr))
        self._reading.start()

    def leaves(self):
        """Ask it to leave; its code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        self._reading.join(PATIENCE_S)
        return code


@contextmanager
def serving(path, *options):
    with lent_port() as port:
        server = Serving(path, port, *options)
        try:
            until_ready(url=f"{server.url}/readyz", process=server.process)
            yield server
        finally:
            server.process.kill()
            server.process.wait()


def counted(url, route):
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=PATIENCE_S).text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name.endswith("request_seconds_count") and sample.labels["route"] == route
    )


def answers(*request, **parts):
    """The answers until a worker gives one whose index is neither being loaded nor late."""
    found = []

    def answered():
        found.append(httpx.request(*request, **parts, timeout=PATIENCE_S))
        late = found[-1].status_code == 503
        assert not late or found[-1].json()["code"] in ("index-loading", "index-behind")
        return not late

    until(answered)
    return found


def test_every_worker_sees_every_write_and_all_are_counted_together(town):
    path, key = town
    with serving(path, "--workers", "2") as server:
        url, asked = server.url, 0
        for number in range(5):
            body = {"kind": "place", "title": str(number), **PLACE}
            (*_, written) = answers("PUT", f"{url}/v1/listings/p{number}", json=body, headers=key)
            assert written.status_code == 201
            params = PLACE | {"after": written.json()["position"]}
            for _ in range(8):  # a connection each, so either worker may answer
                found = answers("GET", f"{url}/v1/near", params=params)
                asked += len(found)
                assert f"p{number}" in {match["id"] for match in found[-1].json()["matches"]}
        until(lambda: counted(url, "/v1/near") >= asked)  # an answer counts once it is sent
        assert {counted(url, "/v1/near") for _ in range(6)} == {asked}
        assert server.leaves() == 0


def test_a_server_with_open_streams_leaves_at_once_and_in_order(town):
    path, _ = town
    with (
        serving(path) as server,
        httpx.stream("GET", f"{server.url}/v1/changes", timeout=PATIENCE_S) as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        left = []
        leaving = threading.Thread(target=lambda: left.append(server.leaves()))
        leaving.start()
        list(lines)  # ends, and is whole
        leaving.join()
    assert left == [0]
    assert not [line for line in server.lines if "ERROR" in line or "Traceback" in line]


def test_each_line_of_a_json_log_is_an_object_that_tells_no_place_or_person(town):
    path, key = town
    with serving(path, "--log-format", "json") as server:
        named = key | {"X-Request-ID": "req-1", "Mitoyen-Member": "somebody"}
        asked = {"headers": key, "timeout": PATIENCE_S}
        httpx.get(f"{server.url}/v1/near", params=PLACE | {"q": "boulangerie"}, **asked)
        httpx.get(f"{server.url}/v1/listings/hidden-thing", headers=named, timeout=PATIENCE_S)
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as odd:
            odd.sendall(b"not http at all\r\n\r\n")
            odd.recv(1_000)
        assert server.leaves() == 0
    found = [json.loads(line) for line in server.lines]
    asked = [line for line in found if line["logger"] == "api.access"]
    assert {"/v1/near", "/v1/listings/{id}"} <= {line["route"] for line in asked}
    (one,) = (line for line in asked if line["request_id"] == "req-1")
    assert (one["method"], one["status"], one["level"]) == ("GET", 404, "info")
    assert one["ms"] > 0
    assert "uvicorn.error" in {line["logger"] for line in found}
    for told in ("4242", "boulangerie", "somebody", "hidden-thing", "127.0.0.1:"):
        assert told not in "".join(line for line in server.lines if "running on" not in line), told
