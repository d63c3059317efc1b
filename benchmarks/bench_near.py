"""Near me in process: one call from Python, beside its peers, checked against brute force first.

``./run bench near [--points 1000000] [--zones FILE --figures FILE] [--json]``
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from api.commands.zones import zones_of
from benchmarks.measuring import interleaved_us, machine, print_result
from benchmarks.near_peers import BallTreePeer, GrowingPeer, KDTreePeer, Ranked, brute_force
from benchmarks.near_workloads import LIMIT, Question, Workload, workloads
from geo.figures import read_figures
from geo.iris import read_contours
from indexes.points import PointIndex
from indexes.sample import sample_points

BUILDS = 3
ROUNDS = 5


class Ours:
    """The packed index, asked as `matching.near` asks it."""

    name = "mitoyen"

    def __init__(self, workload: Workload) -> None:
        self._by_distance = workload.by_distance
        self._all_filters = workload.name == "W2"
        PointIndex.build(workload.columns)  # compiles, or loads what was compiled
        taken = []
        for _ in range(BUILDS):
            start = time.perf_counter()
            self._index = PointIndex.build(workload.columns)
            taken.append(time.perf_counter() - start)
        self.build_s = statistics.median(taken)

    def bytes_per_point(self) -> float:
        """What every visited point costs; with all filters on, that is all of it."""
        hot, everything = self._index.bytes_per_point
        return everything if self._all_filters else hot

    def bytes_in_all(self) -> float:
        return self._index.bytes_per_point[1]

    def ask(self, question: Question) -> object:
        ask = self._index.nearest if self._by_distance else self._index.search
        return ask(question.plan, question.ask, question.filters, LIMIT)

    def answer(self, question: Question) -> Ranked:
        found = self.ask(question)
        return list(
            zip(found.scores.tolist(), found.ties.tolist(), found.rows.tolist(), strict=True)
        )


def measure(workload: Workload, checks: int, peer_queries: int) -> list[dict[str, object]]:
    """One row per engine: exact or not, then p50 and p99 of calls taken in turns."""
    ours = Ours(workload)
    engines: list[Ours | GrowingPeer] = [ours, KDTreePeer(workload), BallTreePeer(workload)]
    questions = workload.questions
    checked = questions[:checks]
    expected = [
        brute_force(workload.columns, question, workload.by_distance) for question in checked
    ]
    exact = {
        engine.name: [engine.answer(question) for question in checked] == expected
        for engine in engines
    }
    times = interleaved_us(
        {engine.name: _asking(engine, questions) for engine in engines},
        {
            engine.name: len(questions) if engine is ours else min(peer_queries, len(questions))
            for engine in engines
        },
        ROUNDS,
    )
    ours_p50 = float(np.median(times[ours.name]))
    rows: list[dict[str, object]] = []
    for engine in engines:
        p50, p99 = np.percentile(times[engine.name], [50, 99]).tolist()
        rows.append(
            {
                "engine": engine.name,
                "p50_us": round(p50, 2),
                "p99_us": round(p99, 2),
                "exact": exact[engine.name],
                "build_s": round(engine.build_s, 3),
                "bytes_per_point": round(engine.bytes_per_point(), 1),
                "bytes_in_all": round(engine.bytes_in_all(), 1),
                "ratio_p50": round(p50 / ours_p50, 1),
            }
        )
    return rows


def _asking(engine: Ours | GrowingPeer, questions: list[Question]) -> Callable[[int], object]:
    return lambda i: engine.ask(questions[i])


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench near", description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=2_000, help="of each workload")
    parser.add_argument("--checks", type=int, default=60, help="answers compared before timing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zones", type=Path, help="draw over these official contours instead")
    parser.add_argument("--figures", type=Path, help="with their census")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    zones = None
    if args.zones is not None:
        census = read_figures(args.figures) if args.figures else None
        zones = list(zones_of(read_contours(args.zones), census, "bench"))
    load_before = os.getloadavg()[0]
    points = sample_points(args.points, args.seed, zones)
    measured = {
        workload.name: measure(workload, args.checks, peer_queries=300)
        for workload in workloads(points, args.queries, args.seed)
    }
    result = {
        "points": args.points,
        "place": "the sample city" if zones is None else f"{len(zones)} real zones",
        "seed": args.seed,
        "workloads": measured,
        "load_before": round(load_before, 2),
        "command": f"./run bench near {' '.join(sys.argv[1:])}".strip(),
        "machine": machine("numpy", "numba", "scipy", "scikit-learn"),
    }
    print_result(result, args.json, measured)


if __name__ == "__main__":
    main()
