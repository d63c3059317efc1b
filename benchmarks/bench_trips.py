"""Carpool: the corridor stage beside its peers, and the full match.

``./run bench trips [--routes 100000] [--place sample|transit] [--json]``
"""

import argparse
import os
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.measuring import interleaved_us, machine, print_result
from benchmarks.near_peers import PeerMissingError
from benchmarks.near_postgis import tuned_postgis
from benchmarks.trips_peers import LIMIT, PostgisRoutes, StrtreeRoutes
from benchmarks.trips_workload import (
    DAYS,
    WINDOW_S,
    Ride,
    index_of,
    meeting_points,
    rides,
    transit,
)
from indexes import rides as j
from indexes.journeys import Schedule
from indexes.routes import RouteIndex
from indexes.sample.routes import sample_routes
from matching.rides.book import TripBook, TripView
from matching.rides.carpool import ANYBODY, TripQuery
from matching.rides.parts import clock_of
from matching.trips import find_drivers

PEERS = ("STRtree", "PostGIS")
ROUNDS = 3
DAY = 20_704  # Tuesday, 8 September 2026: a day on which the sample drives
STOPS = 2_500
MOST_FULL = 100_000  # trips that are made as records, with a gigabyte of points
TOO_SLOW = f"minutes to load beyond {MOST_FULL:,} routes; name it with --peers"


class Ours:
    """The corridor stage alone: every run counts, each day."""

    name = "mitoyen"

    def __init__(self, index: RouteIndex) -> None:
        start = time.perf_counter()
        self._index = index
        _ = index.grid
        self.build_s = time.perf_counter() - start
        self._trips = np.arange(len(index), dtype=np.int64)
        self._levels = np.zeros(len(index), np.int8)

    def ask(self, ride: Ride) -> np.ndarray:
        rows = self._index.search(ride.ask, DAYS, ride.places, LIMIT, self._trips, self._levels)
        return rows[:, j.RUN].astype(np.int64)

    def by_hand(self, ride: Ride) -> np.ndarray:
        """Every run joined, one after the other; costs of the best, in order."""
        rows = self._index.scan(ride.ask, DAYS, ride.places)
        return np.sort(rows[:, j.COST])[:LIMIT]

    def costs(self, ride: Ride) -> np.ndarray:
        rows = self._index.search(ride.ask, DAYS, ride.places, LIMIT, self._trips, self._levels)
        return rows[:, j.COST]


class Full:
    """The whole way of a search from Python: schedule, seats, meeting points, cost, reasons."""

    name = "mitoyen"

    def __init__(self, view: TripView) -> None:
        self._view = view

    def ask(self, ride: Ride) -> Any:
        at = clock_of("Europe/Paris", DAY).midnight + round(ride.at_s)
        flex_s = round(WINDOW_S / 2)
        schedule = Schedule(
            timezone="Europe/Paris",
            at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at),
            flex_before_s=flex_s,
            flex_after_s=flex_s,
        )
        query = TripQuery(
            origin=ride.origin, destination=ride.destination, schedule=schedule, limit=LIMIT
        )
        return find_drivers(self._view, ANYBODY, query)


def stage(engines: list[Any], asked: list[Ride], slow: int) -> list[dict[str, object]]:
    """One row for each engine, p50 and p99 of calls taken in turns."""
    for engine in engines:
        engine.ask(asked[0])
    queries = {
        engine.name: len(asked) if engine.name == Ours.name else min(slow, len(asked))
        for engine in engines
    }
    times = interleaved_us(
        {e.name: lambda e=e: lambda i: e.ask(asked[i]) for e in engines},  # type: ignore[misc]
        queries,
        ROUNDS,
    )
    ours = float(np.median(times[Ours.name]))
    rows = []
    for engine in engines:
        p50, p99 = np.percentile(times[engine.name], [50, 99]).tolist()
        # Peers are asked fewer rides: ratios are of the same ones.
        same = times[Ours.name].reshape(ROUNDS, -1)[:, : queries[engine.name]]
        rows.append(
            {
                "engine": engine.name,
                "p50_ms": round(p50 / 1e3, 3),
                "p99_ms": round(p99 / 1e3, 3),
                **_of_processor(engine, asked[: queries[engine.name]]),
                "ratio_p50": round(p50 / float(np.median(same)), 1) if ours else 0.0,
            }
        )
    return rows


def _of_processor(engine: Any, asked: list[Ride]) -> dict[str, float]:
    """p50 and p99 of the processor's time: on a machine that others use too, waiting is left out.

    What a server takes is not told.
    """
    if isinstance(engine, PostgisRoutes):
        return {}
    times = []
    for ride in asked:
        start = time.thread_time()
        engine.ask(ride)
        times.append((time.thread_time() - start) * 1e3)
    p50, p99 = np.percentile(times, [50, 99]).tolist()
    return {"cpu_p50_ms": round(p50, 3), "cpu_p99_ms": round(p99, 3)}


def recall(ours: Ours, asked: list[Ride]) -> float:
    """The share of the best rides by hand that the index finds, by their cost to a millionth."""
    wanted = found = 0
    for ride in asked:
        best = ours.by_hand(ride)
        wanted += len(best)
        answer = ours.costs(ride)
        found += int((answer == best[: len(answer)]).sum()) if len(answer) == len(best) else 0
    return found / wanted if wanted else 1.0


def agreement(ours: Ours, peer: Any, asked: list[Ride]) -> float:
    """The share of our answers that a peer gives too."""
    pairs = [(set(ours.ask(ride).tolist()), set(peer.ask(ride).tolist())) for ride in asked]
    return sum(len(a & b) for a, b in pairs) / max(1, sum(len(a) for a, _ in pairs))


def full_stage(routes: int, seed: int, asked: list[Ride], index: RouteIndex) -> Any:
    """The full match on trips made as records."""
    sample = sample_routes(routes, seed)
    trips = [sample.trip(row) for row in range(routes)]
    book = TripBook(trips, meeting=meeting_points(index, STOPS, seed))
    return stage([Full(book.view)], asked, len(asked))


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench trips", description=__doc__)
    parser.add_argument("--routes", type=int, default=100_000)
    parser.add_argument("--place", choices=("sample", "transit"), default="sample")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--slow", type=int, default=40, help="rides a round that peers are asked")
    parser.add_argument("--checks", type=int, default=30, help="rides also searched by hand")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", nargs="*", choices=PEERS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    load_before = os.getloadavg()[0]
    try:
        make = index_of if args.place == "sample" else transit
        index = make(args.routes, args.seed)
    except FileNotFoundError as error:
        sys.exit(f"--place {args.place}: {error}")
    asked = rides(index, args.queries, args.seed + 1)
    ours = Ours(index)
    skipped: list[dict[str, str]] = []
    wanted = args.peers
    if wanted is None:
        wanted = PEERS if args.routes <= MOST_FULL else ()
        skipped += [{"engine": name, "why": TOO_SLOW} for name in PEERS if name not in wanted]
    with ExitStack() as stack:
        peers: list[Any] = [StrtreeRoutes(index)] if "STRtree" in wanted else []
        if "PostGIS" in wanted:
            try:
                dsn = stack.enter_context(tuned_postgis())
                peers.append(stack.enter_context(PostgisRoutes.over(dsn, index)))
            except PeerMissingError as error:
                skipped.append({"engine": "PostGIS", "why": str(error)})
        corridor = stage([ours, *peers], asked, args.slow)
        for row, engine in zip(corridor, (ours, *peers), strict=True):
            row["build_s"] = round(engine.build_s, 2)
            row["agreement"] = round(agreement(ours, engine, asked[: args.checks]), 4)
    grid, held = index.bytes_per_route
    result: dict[str, Any] = {
        "routes": args.routes,
        "place": args.place,
        "stages": {"corridor": corridor},
        "recall": recall(ours, asked[: args.checks]),
        "bytes_per_route": round(grid + held, 1),
        "bytes_of_grid": round(grid, 1),
        "skipped": skipped,
        "load_before": round(load_before, 2),
        "command": f"./run bench trips {' '.join(sys.argv[1:])}".strip(),
        "machine": machine("numpy", "numba", "shapely", "psycopg"),
    }
    if args.place == "sample" and args.routes <= MOST_FULL:
        result["stages"]["full"] = full_stage(args.routes, args.seed, asked, index)
    print_result(result, args.json, result["stages"])


if __name__ == "__main__":
    main()
