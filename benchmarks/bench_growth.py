"""W1 against size, ours and cKDTree: ``./run bench growth [--plot FILE] [--json]``."""

import argparse
import os
import sys
from pathlib import Path

from benchmarks.bench_near import measure
from benchmarks.measuring import machine, print_result
from benchmarks.near_peers import Engine, KDTreePeer, TunedKDTreePeer
from benchmarks.near_workloads import w1
from benchmarks.plots import plot_latency
from indexes.sample import sample_points

RADIUS_M = 2_000.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench growth", description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000, 5_000_000]
    )
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--checks", type=int, default=30, help="answers compared before timing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="write an SVG")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    load_before = os.getloadavg()[0]
    sizes = sorted(args.sizes)
    runs = []
    for size in sizes:
        workload = w1(sample_points(size, args.seed), args.queries, args.seed, RADIUS_M)
        peers: list[Engine] = [KDTreePeer(workload), TunedKDTreePeer(workload)]
        runs += [{"points": size, **row} for row in measure(workload, peers, args.checks)["W1"]]
    p50 = {
        engine: [float(str(row["p50_us"])) for row in runs if row["engine"] == engine]
        for engine in dict.fromkeys(str(row["engine"]) for row in runs)
    }
    result = {
        "sizes": sizes,
        "growth": {engine: round(times[-1] / times[0], 2) for engine, times in p50.items()},
        "W1": runs,
        "seed": args.seed,
        "load_before": round(load_before, 2),
        "command": f"./run bench growth {' '.join(sys.argv[1:])}".strip(),
        "machine": machine("numpy", "numba", "scipy"),
    }
    if args.plot is not None:
        plot_latency(args.plot, "The best 20 within 2 km (W1), one call from Python", sizes, p50)
    print_result(result, args.json, {"W1": runs})


if __name__ == "__main__":
    main()
