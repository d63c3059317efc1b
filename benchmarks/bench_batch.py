"""All residents' best twenty at once: ``./run bench batch [--points 1000000] [--json]``.

W1 of one kind, asked from where every listing of the town stands. Once as they stand, many in
one building, which is asked about once; and once with everybody moved some metres, so that all
ask elsewhere. cKDTree answers a sample, from which its whole is extrapolated.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.measuring import machine, print_result
from benchmarks.near_peers import KDTreePeer
from benchmarks.near_ranking import brute_force, shards_of
from benchmarks.near_workloads import LIMIT, Question, Workload, w1
from indexes.batch import search_places
from indexes.points import Ask, PointIndex
from indexes.sample import sample_points

RADIUS_M = 2_000.0
MOVED = 2e-4  # degrees at most: some 20 m
RUNS = 3


def measure(
    workload: Workload, origins: np.ndarray, checks: int, sample: int, seed: int
) -> dict[str, object]:
    """Seconds of ours, on one thread and on all, and cKDTree's by a sample."""
    rng = np.random.default_rng(seed)
    one = workload.questions["W1"][0]
    index = PointIndex.build(workload.columns)
    asked = np.unique(origins, axis=0)

    def ask(threads: int) -> tuple[np.ndarray, np.ndarray]:
        return search_places(index, one.plan, one.ask, one.filters, LIMIT, origins, threads)

    rows, scores = ask(threads=1)
    shards = shards_of(workload)
    exact = True
    for i in rng.choice(len(origins), checks, replace=False).tolist():
        wanted = brute_force(shards, _at(one, origins[i]))
        some = rows[i] >= 0
        exact &= [row for _, _, row in wanted] == rows[i, some].tolist()
        exact &= [score for score, _, _ in wanted] == scores[i, some].tolist()

    peer = KDTreePeer(workload)
    chosen = [_at(one, origin) for origin in asked[rng.choice(len(asked), sample, replace=False)]]
    cores = os.cpu_count() or 1
    single, threaded, each = [], [], []
    for part in np.array_split(np.arange(sample), RUNS):  # in turns
        single.append(_seconds(partial(ask, 1)))
        threaded.append(_seconds(partial(ask, cores)))
        each.append(_seconds(partial(_answers, peer, [chosen[i] for i in part])) / len(part))
    seconds, peer_s = float(np.median(single)), float(np.median(each)) * len(asked)
    return {
        "residents": len(origins),
        "places": len(asked),
        "seconds": round(seconds, 2),
        "seconds_all_threads": round(float(np.median(threaded)), 2),
        "threads": cores,
        "us_per_place": round(seconds / len(asked) * 1e6, 2),
        "cKDTree_seconds": round(peer_s, 1),
        "cKDTree_sample": sample,
        "ratio": round(peer_s / seconds, 1),
        "exact": exact,
    }


def _at(question: Question, origin: np.ndarray) -> Question:
    lon, lat = origin.tolist()
    ask = Ask((lon, lat), question.ask.at, question.ask.radius_m)
    return Question(
        question.plan, question.rules, ask, question.filters, (0,), (), question.hours, None
    )


def _answers(peer: KDTreePeer, questions: list[Question]) -> None:
    for question in questions:
        peer.answer(question)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench batch", description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--checks", type=int, default=60, help="answers compared before timing")
    parser.add_argument("--sample", type=int, default=3_000, help="places that cKDTree is asked")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    load_before = os.getloadavg()[0]
    workload = w1(sample_points(args.points, args.seed), 1, args.seed, RADIUS_M)
    homes = workload.columns.lonlat
    moves = np.random.default_rng(args.seed).uniform(-MOVED, MOVED, homes.shape)
    measured = {
        "in their buildings": measure(workload, homes, args.checks, args.sample, args.seed),
        "each elsewhere": measure(
            workload, np.round(homes + moves, 7), args.checks, args.sample, args.seed
        ),
    }
    tables = [{"residents_are": where, **row} for where, row in measured.items()]
    result = {
        "points": args.points,
        "runs": tables,
        "seed": args.seed,
        "load_before": round(load_before, 2),
        "command": f"./run bench batch {' '.join(sys.argv[1:])}".strip(),
        "machine": machine("numpy", "numba", "scipy"),
    }
    print_result(result, args.json, {"all residents' best 20": tables})


if __name__ == "__main__":
    main()
