"""Near me, one call from Python: ours beside its peers, each checked against brute force first.

``./run bench near [--points 1000000] [--place city|vieux-port|uniform|real] [--json]``
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import interleaved_us, machine, print_result
from benchmarks.near_peers import (
    BallTreePeer,
    Engine,
    KDTreePeer,
    PeerMissingError,
    STRTreePeer,
    TreePeer,
    TunedKDTreePeer,
)
from benchmarks.near_places import PLACES, PlaceMissingError, place_of
from benchmarks.near_postgis import PostgisTable, tuned_postgis
from benchmarks.near_ranking import Ranked, brute_force, shards_of
from benchmarks.near_redis import RedisPeer, redis_client
from benchmarks.near_workloads import LIMIT, Question, Workload, workloads
from indexes.points import PointIndex

PEERS = ("cKDTree", "cKDTree tuned", "BallTree", "STRtree", "PostGIS", "Redis")
BUILDS = 3
ROUNDS = 5
IN_PROCESS, SERVERS = 300, 60  # queries a round, of peers


class Ours:
    """The packed index, asked as `matching.near` asks it."""

    name = "mitoyen"
    slack = 0

    def __init__(self, workload: Workload) -> None:
        self._by_distance = workload.by_distance
        self._all_filters = workload.name == "W2"
        PointIndex.build(workload.columns)  # compiles, or loads what was compiled
        taken = []
        for _ in range(BUILDS):
            start = time.perf_counter()
            self.index = PointIndex.build(workload.columns)
            taken.append(time.perf_counter() - start)
        self.build_s = statistics.median(taken)

    def bytes_per_point(self) -> float:
        """With all filters on, all of it."""
        hot, everything = self.index.bytes_per_point
        return everything if self._all_filters else hot

    def bytes_in_all(self) -> float:
        return self.index.bytes_per_point[1]

    def ask(self, question: Question) -> Any:
        ask = self.index.nearest if self._by_distance else self.index.search
        return ask(question.plan, question.ask, question.filters, LIMIT)

    def answer(self, question: Question) -> Ranked:
        found = self.ask(question)
        return list(
            zip(found.scores.tolist(), found.ties.tolist(), found.rows.tolist(), strict=True)
        )


class Peers:
    """Who can be had beside us, and who can't, and why."""

    def __init__(self, stack: ExitStack, wanted: list[str]) -> None:
        self.skipped: list[dict[str, str]] = []
        self._wanted = wanted
        self._servers: dict[str, Any] = {}
        for name, server in (("PostGIS", tuned_postgis), ("Redis", redis_client)):
            if name in wanted:
                try:
                    self._servers[name] = stack.enter_context(server())
                except PeerMissingError as error:
                    self._skip(name, error)

    @contextmanager
    def of(self, workload: Workload) -> Iterator[list[Engine]]:
        """The peers that have an answer to a workload, built; servers forget it afterwards."""
        with ExitStack() as stack:
            ways: dict[str, Callable[[], Engine]] = {
                "cKDTree": lambda: KDTreePeer(workload),
                "cKDTree tuned": lambda: TunedKDTreePeer(workload),
                "BallTree": lambda: BallTreePeer(workload),
                "STRtree": lambda: STRTreePeer(workload),
            }
            ways = {name: make for name, make in ways.items() if name in self._wanted}
            if "PostGIS" in self._servers:
                table = PostgisTable(self._servers["PostGIS"], workload)
                stack.callback(table.drop)
                ways |= {"PostGIS": table.plain, "PostGIS cursor": table.smart}
            if "Redis" in self._servers:
                client = self._servers["Redis"]
                stack.callback(client.flushall)
                ways["Redis"] = lambda: RedisPeer(client, workload)
            found = []
            for name, make in ways.items():
                try:
                    found.append(make())
                except PeerMissingError as error:
                    self._skip(name, error, workload.name)
            yield found

    def _skip(self, engine: str, error: Exception, workload: str = "all") -> None:
        self.skipped.append({"engine": engine, "workload": workload, "why": str(error)})


def measure(
    workload: Workload, peers: list[Engine], checks: int
) -> dict[str, list[dict[str, object]]]:
    """One row per engine: exact or not, then p50 and p99 of calls taken in turns."""
    engines: list[Engine] = [Ours(workload), *peers]
    shards = shards_of(workload)
    tables = {}
    for name, questions in workload.questions.items():
        checked = questions[:checks]
        expected = [brute_force(shards, question) for question in checked]
        exact = {
            engine.name: all(
                agrees(engine.answer(question), wanted, engine.slack)
                for question, wanted in zip(checked, expected, strict=True)
            )
            for engine in engines
        }
        times = interleaved_us(
            {engine.name: partial(_turn, engine, questions) for engine in engines},
            {engine.name: min(_queries(engine), len(questions)) for engine in engines},
            ROUNDS,
        )
        tables[name] = [_row(engine, times, exact[engine.name]) for engine in engines]
    return tables


def agrees(answer: Ranked, wanted: Ranked, slack: int) -> bool:
    """Whether an answer is the one wanted; scores that differ by the slack may change places."""
    if slack == 0 or len(answer) != len(wanted):
        return answer == wanted
    return {one[2] for one in answer} == {one[2] for one in wanted} and all(
        abs(one[0] - other[0]) <= slack for one, other in zip(answer, wanted, strict=True)
    )


def _queries(engine: Engine) -> int:
    if isinstance(engine, Ours):
        return 2_000
    return IN_PROCESS if isinstance(engine, TreePeer) else SERVERS


def _turn(engine: Engine, questions: list[Question]) -> Callable[[int], object]:
    """Copies of the questions: nothing of them is kept from the turn before."""
    new = [replace(question, ask=replace(question.ask)) for question in questions]
    return lambda i: engine.ask(new[i])


def _row(engine: Engine, times: dict[str, np.ndarray], exact: bool) -> dict[str, object]:
    p50, p99 = np.percentile(times[engine.name], [50, 99]).tolist()
    return {
        "engine": engine.name,
        "p50_us": round(p50, 2),
        "p99_us": round(p99, 2),
        "ratio_p50": round(p50 / float(np.median(times[Ours.name])), 1),
        "exact": exact,
        "build_s": round(engine.build_s, 3),
        "bytes_per_point": round(engine.bytes_per_point(), 1),
        "bytes_in_all": round(engine.bytes_in_all(), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench near", description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--place", choices=PLACES, default="city")
    parser.add_argument("--radius", type=float, nargs="+", default=[2_000.0, 500.0], metavar="M")
    parser.add_argument("--queries", type=int, default=2_000, help="of each workload")
    parser.add_argument("--checks", type=int, default=60, help="answers compared before timing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zones", type=Path, help="draw over these official contours instead")
    parser.add_argument("--figures", type=Path, help="with their census")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=PEERS,
        default=list(PEERS),
        help="by default all",
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    load_before = os.getloadavg()[0]
    try:
        place = place_of(args.place, args.points, args.seed, args.zones, args.figures)
    except PlaceMissingError as error:
        sys.exit(f"--place {args.place}: {error}")
    asked = workloads(place.points, args.queries, args.seed, args.radius, place.around)
    tables: dict[str, list[dict[str, object]]] = {}
    with ExitStack() as stack:
        peers = Peers(stack, args.peers)
        for workload in asked:
            with peers.of(workload) as engines:
                tables |= measure(workload, engines, args.checks)
    result = {
        "points": len(place.points.columns),
        "place": place.what,
        "seed": args.seed,
        "workloads": tables,
        "skipped": peers.skipped,
        "load_before": round(load_before, 2),
        "command": f"./run bench near {' '.join(sys.argv[1:])}".strip(),
        "machine": machine("numpy", "numba", "scipy", "scikit-learn", "shapely", "psycopg"),
    }
    print_result(result, args.json, tables)
    for missing in peers.skipped if not args.json else ():
        sys.stdout.write("skipped: {engine} ({workload}): {why}\n".format(**missing))


if __name__ == "__main__":
    main()
