"""What change costs: ``./run bench live [--points 1000000] [--json]``.

In memory: a move, queries with moves pending, and queries while they are compacted; answers are
compared with brute force over the moved points first. Through each store: commits of other
processes until the engine shows them, and whether the feed loses or doubles any.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cluster import PostgisMissingError, postgis_server

from api.app import SWITCH_S
from benchmarks.live_stores import fill, lost_and_doubled, visible_ms
from benchmarks.live_writer import TENANT
from benchmarks.measuring import interleaved_us, machine, print_result
from benchmarks.near_peers import PeerMissingError
from benchmarks.near_ranking import Ranked, brute_force, shards_of
from benchmarks.near_redis import redis_client
from benchmarks.near_workloads import LIMIT, Question, Workload, w1
from indexes.columns import PointColumns
from indexes.live import LiveIndex
from indexes.points import PointIndex, PointView
from indexes.sample import sample_points
from matching import Engine

RADIUS_M = 2_000.0
RANK_BITS = 31
ROUNDS = 5
STRIDE = 1e-3  # degrees that a thing moves at most
COMPACTIONS = 21
BATCH = 100
HEADLINES = ("move_us", "pending_slowdown", "compaction_held_ms", "exact")


class Moves:
    """Points that move: one row dies, and the same thing appears at its new place."""

    def __init__(self, columns: PointColumns, count: int, rng: np.random.Generator) -> None:
        self.rows = rng.choice(len(columns), count, replace=False)
        moved = _taken(columns, self.rows)
        steps = rng.uniform(-STRIDE, STRIDE, (count, 2))
        self.columns = replace(moved, lonlat=np.round(moved.lonlat + steps, 7))
        # In the order of ids, a thing stands where it stood.
        self.ranks = (self.rows.astype(np.int64) << RANK_BITS) + 1

    def one_by_one(self, size: int = 1) -> Iterator[tuple[np.ndarray, PointColumns, np.ndarray]]:
        """What `LiveIndex.apply` takes, for so many moves at once."""
        for first in range(0, len(self.rows), size):
            part = np.arange(first, min(first + size, len(self.rows)))
            yield self.rows[part], _taken(self.columns, part), self.ranks[part]


def _taken(columns: PointColumns, rows: np.ndarray) -> PointColumns:
    return PointColumns(*(getattr(columns, field.name)[rows] for field in fields(PointColumns)))


def in_memory(workload: Workload, pending: int, checks: int, seed: int) -> dict[str, Any]:
    """Microseconds of a move, and what pending ones and compaction do to queries."""
    rng = np.random.default_rng(seed)
    columns, questions = workload.columns, workload.questions["W1"]
    base = PointIndex.build(columns)
    still, live = LiveIndex(base), LiveIndex(base)
    _apply(LiveIndex(base), Moves(columns, 10, rng), 1)  # compiles, or loads what was compiled
    moves = Moves(columns, pending, rng)
    one_us = _apply(live, moves, 1)
    batch_us = _apply(LiveIndex(base), moves, BATCH) / BATCH
    exact = _exact(live.view, workload, moves, checks)

    times = interleaved_us(
        {
            name: partial(_turn, index, questions)
            for name, index in (("still", still), ("pending", live))
        },
        dict.fromkeys(("still", "pending"), len(questions)),
        ROUNDS,
    )
    still_us, pending_us = (float(np.median(times[name])) for name in ("still", "pending"))

    # One index after the other, each with the same moves pending.
    waiting = [LiveIndex(base) for _ in range(1 + COMPACTIONS)]
    for index in waiting:
        _apply(index, moves, BATCH)
    _, took_ms = _longest_ms([waiting.pop()], questions, LiveIndex.compact)
    quiet, _ = _longest_ms(waiting, questions, lambda index: time.sleep(took_ms / 1e3))
    compacting, compaction_ms = _longest_ms(waiting, questions, LiveIndex.compact)
    exact &= _exact(waiting[0].view, workload, moves, checks)
    return {
        "move_us": round(one_us, 2),
        "move_in_batch_us": round(batch_us, 2),
        "still_p50_us": round(still_us, 2),
        "pending": pending,
        "pending_p50_us": round(pending_us, 2),
        "pending_slowdown": round(pending_us / still_us, 3),
        "compaction_ms": round(compaction_ms, 2),
        "compaction_held_ms": round(float(np.median(compacting)), 3),
        "compaction_max_ms": round(max(compacting), 3),
        "idle_held_ms": round(float(np.median(quiet)), 3),
        "idle_max_ms": round(max(quiet), 3),
        "exact": exact,
    }


def _apply(index: LiveIndex, moves: Moves, size: int) -> float:
    """Median microseconds of a call of `LiveIndex.apply`."""
    taken = []
    for gone, columns, ranks in moves.one_by_one(size):
        start = time.perf_counter_ns()
        index.apply(gone, columns, ranks)
        taken.append(time.perf_counter_ns() - start)
    return float(np.median(taken)) / 1e3


def _exact(view: PointView, workload: Workload, moves: Moves, checks: int) -> bool:
    """Whether answers are those of brute force over the moved points."""
    lonlat = workload.columns.lonlat.copy()
    lonlat[moves.rows] = moves.columns.lonlat
    moved = replace(workload, columns=replace(workload.columns, lonlat=lonlat))
    shards = shards_of(moved)
    row_of = np.concatenate((np.arange(len(lonlat)), moves.rows))
    # Some of the questions are asked where something moved to.
    questions = [
        replace(one, ask=replace(one.ask, origin=tuple(moves.columns.lonlat[i].tolist())))
        if i % 2
        else one
        for i, one in enumerate(workload.questions["W1"][:checks])
    ]
    return all(
        _answer(view, question, row_of) == brute_force(shards, question) for question in questions
    )


def _answer(view: PointView, question: Question, row_of: np.ndarray) -> Ranked:
    found = view.search(question.plan, question.ask, question.filters, LIMIT)
    rows = row_of[found.rows].tolist()
    return list(zip(found.scores.tolist(), found.ties.tolist(), rows, strict=True))


def _asking(view: PointView, questions: list[Question]) -> Callable[[int], object]:
    def ask(i: int) -> object:
        question = questions[i]
        return view.search(question.plan, question.ask, question.filters, LIMIT)

    return ask


def _turn(index: LiveIndex, questions: list[Question]) -> Callable[[int], object]:
    """Copies of the questions: nothing of them is kept from the turn before."""
    return _asking(index.view, [replace(one, ask=replace(one.ask)) for one in questions])


def _longest_ms(
    indexes: list[LiveIndex], questions: list[Question], work: Callable[[LiveIndex], object]
) -> tuple[list[float], float]:
    """The longest query of this thread while another works on the same index, for each index;
    and how long the work takes, the median."""
    longest, took = [], []
    for index in indexes:

        def timed(index: LiveIndex = index) -> None:
            start = time.perf_counter()
            work(index)
            took.append(time.perf_counter() - start)

        worker = threading.Thread(target=timed)
        worker.start()
        slowest, i = 0, 0
        while worker.is_alive():
            start = time.perf_counter_ns()
            _asking(index.view, questions)(i % len(questions))
            slowest = max(slowest, time.perf_counter_ns() - start)
            i += 1
        worker.join()
        longest.append(slowest / 1e6)
    return longest, float(np.median(took)) * 1e3


def redis_move_us(columns: PointColumns, moves: Moves) -> float:
    """Median microseconds of a move in Redis: GEOADD of a member that is there."""
    with redis_client() as client:
        values: list[Any] = []
        for i, (lon, lat) in enumerate(columns.lonlat[:100_000].tolist()):
            values += (lon, lat, i)
        client.execute_command("GEOADD", "points", *values)
        taken = []
        for row, (lon, lat) in zip(
            (moves.rows % 100_000).tolist(), moves.columns.lonlat.tolist(), strict=True
        ):
            start = time.perf_counter_ns()
            client.execute_command("GEOADD", "points", "XX", lon, lat, row)
            taken.append(time.perf_counter_ns() - start)
    return float(np.median(taken)) / 1e3


def through_store(name: str, dsn: str, args: argparse.Namespace) -> dict[str, object]:
    """Visibility of commits, and the feed's account of them, in one store."""
    store = fill(dsn, args.listings, args.seed)
    try:
        engine = Engine.over(store, TENANT)
        engine.start()
        try:
            seen = visible_ms(dsn, engine, args.visible)
        finally:
            engine.close()
        delivered = lost_and_doubled(store, dsn, args.writers, args.changes // args.writers)
    finally:
        store.close()
    p50, p99 = np.percentile(seen, [50, 99]).tolist()
    return {
        "store": name,
        "visible_p50_ms": round(p50, 2),
        "visible_p99_ms": round(p99, 2),
        "changes": delivered.changes,
        "lost": delivered.lost,
        "doubled": delivered.doubled,
        "refused": delivered.refused,
        "changes_per_s": round(delivered.changes / delivered.seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench live", description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000, help="in memory")
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--pending", type=int, default=2_000, help="moves")
    parser.add_argument("--checks", type=int, default=60, help="answers compared before timing")
    parser.add_argument("--listings", type=int, default=20_000, help="in each store")
    parser.add_argument("--visible", type=int, default=300, help="commits waited for")
    parser.add_argument("--writers", type=int, default=8, help="at the same time")
    parser.add_argument("--changes", type=int, default=4_000, help="of all writers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    load_before = os.getloadavg()[0]
    sys.setswitchinterval(SWITCH_S)  # as the server has it
    skipped: list[dict[str, str]] = []
    points = sample_points(args.points, args.seed)
    workload = w1(points, args.queries, args.seed, RADIUS_M)
    memory = in_memory(workload, args.pending, args.checks, args.seed)
    moves = Moves(workload.columns, args.pending, np.random.default_rng(args.seed))
    try:
        memory["redis_move_us"] = round(redis_move_us(workload.columns, moves), 2)
    except PeerMissingError as error:
        skipped.append({"engine": "Redis", "why": str(error)})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores = [through_store("sqlite", str(folder / "bench.db"), args)]
        try:
            server = stack.enter_context(postgis_server(durable=True))
            stores.append(through_store("postgis", stack.enter_context(server.database()), args))
        except PostgisMissingError as error:
            skipped.append({"engine": "PostGIS", "why": str(error)})
    result = {
        "points": args.points,
        **{name: memory[name] for name in HEADLINES},
        "visible_p99_ms": max(float(str(store["visible_p99_ms"])) for store in stores),
        "lost": sum(int(str(store["lost"])) for store in stores),
        "doubled": sum(int(str(store["doubled"])) for store in stores),
        "memory": [memory],
        "stores": stores,
        "skipped": skipped,
        "seed": args.seed,
        "load_before": round(load_before, 2),
        "command": f"./run bench live {' '.join(sys.argv[1:])}".strip(),
        "machine": machine("numpy", "numba", "psycopg", "sqlalchemy"),
    }
    print_result(result, args.json, {"in memory": [memory], "through a store": stores})


if __name__ == "__main__":
    main()
