"""The benchmarks of changes and batches hold their answers to brute force."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import bench_batch, bench_live
from benchmarks.near_workloads import w1
from indexes.live import LiveIndex
from indexes.points import PointIndex
from indexes.sample import sample_points


@pytest.fixture(scope="module")
def workload():
    return w1(sample_points(3_000, 5), 40, 5, bench_live.RADIUS_M)


def test_moves_are_found_where_they_moved_to_before_and_after_compaction(workload):
    measured = bench_live.in_memory(workload, pending=200, checks=40, seed=5)
    assert measured["exact"]
    assert measured["move_us"] > 0
    assert measured["pending_slowdown"] > 0


def test_an_index_that_missed_the_moves_is_noticed(workload):
    moves = bench_live.Moves(workload.columns, 500, np.random.default_rng(5))
    still = LiveIndex(PointIndex.build(workload.columns))
    assert not bench_live._exact(still.view, workload, moves, checks=40)


def test_all_residents_answers_are_held_to_brute_force(workload):
    homes = workload.columns.lonlat
    measured = bench_batch.measure(workload, homes, checks=40, sample=30, seed=5)
    assert measured["exact"]
    assert measured["places"] == len(np.unique(homes, axis=0)) < measured["residents"] == 3_000


def test_a_batch_that_answers_about_other_places_is_noticed(workload, monkeypatch):
    def elsewhere(view, plan, ask, filters, limit, origins, threads):
        return found(view, plan, replace(ask), filters, limit, origins[::-1].copy(), threads)

    found = bench_batch.search_places
    monkeypatch.setattr(bench_batch, "search_places", elsewhere)
    measured = bench_batch.measure(workload, workload.columns.lonlat, checks=40, sample=30, seed=5)
    assert not measured["exact"]
