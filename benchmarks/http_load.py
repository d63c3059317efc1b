"""Load over HTTP: wrk where it is installed, else a small client of our own.

Both keep eight connections busy, each with one request at a time, going through the same
requests again and again.
"""

import json
import os
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np

__all__ = [
    "CONNECTIONS",
    "Asked",
    "Load",
    "client_name",
    "free_port",
    "load",
    "load_average",
    "one",
]

CONNECTIONS = 8

SCRIPT = """
local requests, i = {}, 0
function init(args)
  for line in io.lines(args[1]) do
    local path, member = line:match("^(%S+) ?(.*)$")
    local headers = {Authorization = args[2]}
    if member ~= "" then headers["Mitoyen-Member"] = member end
    table.insert(requests, wrk.format("GET", path, headers))
  end
end
function request()
  i = i % #requests + 1
  return requests[i]
end
function done(summary, latency)
  io.write(string.format('JSON {"answered": %d, "us": %d, "failed": %d, "p50": %f, "p99": %f}\\n',
    summary.requests, summary.duration,
    summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: method, path with its query, and perhaps a member or a body."""

    path: str
    member: str = ""
    body: bytes | None = None

    def encoded(self, key: str) -> bytes:
        """The request as it goes over the wire."""
        lines = [f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1", "Host: bench"]
        lines.append(f"Authorization: Bearer {key}")
        if self.member:
            lines.append(f"Mitoyen-Member: {self.member}")
        if self.body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + (self.body or b"")


@dataclass(frozen=True, slots=True)
class Load:
    """What a round brought: answers a second, and microseconds of one."""

    rps: float
    p50_us: float
    p99_us: float


@dataclass(slots=True)
class _Connection:
    sock: socket.socket
    began: int = 0
    parts: bytearray = field(default_factory=bytearray)
    wanted: int = 0  # bytes of the whole answer; 0 while its head is not there yet


def client_name() -> str:
    """Which client `load` uses here."""
    return "wrk" if shutil.which("wrk") else "own"


def load(port: int, key: str, requests: Sequence[Asked], seconds: float) -> Load:
    """Keep a server on this machine busy for a while.

    Raises
    ------
    SystemExit
        If an answer is not 200.
    """
    if client_name() == "wrk" and all(asked.body is None for asked in requests):
        return _wrk(port, key, requests, seconds)
    return _own(port, key, requests, seconds)


def one(port: int, key: str, asked: Asked) -> bytes:
    """The body of one answer."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        connection = _Connection(sock)
        sock.sendall(asked.encoded(key))
        while not _whole(connection):
            pass
        return bytes(connection.parts).partition(b"\r\n\r\n")[2]


def _wrk(port: int, key: str, requests: Sequence[Asked], seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        script, paths = Path(folder) / "near.lua", Path(folder) / "paths"
        script.write_text(SCRIPT)
        paths.write_text("".join(f"{asked.path} {asked.member}\n" for asked in requests))
        told = subprocess.run(
            [
                "wrk",
                "-t1",
                f"-c{CONNECTIONS}",
                f"-d{seconds:.0f}s",
                "-s",
                str(script),
                f"http://127.0.0.1:{port}",
                "--",
                str(paths),
                f"Bearer {key}",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    found = json.loads(told.partition("JSON ")[2])
    if found["failed"]:
        raise SystemExit(f"{found['failed']} requests failed")
    return Load(found["answered"] / found["us"] * 1e6, found["p50"], found["p99"])


def _own(port: int, key: str, requests: Sequence[Asked], seconds: float) -> Load:
    waiting = cycle([asked.encoded(key) for asked in requests])
    taken: list[int] = []
    with selectors.DefaultSelector() as ready:
        for _ in range(CONNECTIONS):
            connection = _Connection(socket.create_connection(("127.0.0.1", port)))
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(connection.sock, selectors.EVENT_READ, connection)
            _send(connection, next(waiting))
        start = time.perf_counter_ns()
        until = start + int(seconds * 1e9)
        while time.perf_counter_ns() < until:
            for selected, _ in ready.select(timeout=1):
                connection = selected.data
                if _whole(connection):
                    taken.append(time.perf_counter_ns() - connection.began)
                    _send(connection, next(waiting))
        elapsed = time.perf_counter_ns() - start
        for selected in list(ready.get_map().values()):
            selected.data.sock.close()
    times = np.array(taken) / 1e3
    return Load(
        len(taken) / elapsed * 1e9, float(np.median(times)), float(np.percentile(times, 99))
    )


def _send(connection: _Connection, request: bytes) -> None:
    connection.parts.clear()
    connection.wanted = 0
    connection.began = time.perf_counter_ns()
    connection.sock.sendall(request)


def _whole(connection: _Connection) -> bool:
    """Receive what is there, and say whether the answer is whole."""
    part = connection.sock.recv(1 << 18)
    if not part:
        raise SystemExit("the server closed a connection")
    connection.parts += part
    if not connection.wanted:
        end = connection.parts.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(connection.parts[:end]).lower()
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(f"wanted 200, got {connection.parts[:500]!r}")
        length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
        connection.wanted = end + 4 + int(length)
    return len(connection.parts) >= connection.wanted


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def load_average() -> float:
    """How busy the machine is with other things."""
    return os.getloadavg()[0]
