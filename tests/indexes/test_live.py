"""A live index answers as one built anew of what is alive, whatever came, went and moved."""

import threading
from bisect import bisect_left
from dataclasses import fields, replace
from typing import Any

import numpy as np
import oracles
from hypothesis import given, settings
from hypothesis import strategies as st
from point_cases import Case, cases, columns_from

from indexes.columns import PointColumns
from indexes.live import LiveIndex
from indexes.points import Found, PointIndex, PointView

GAP = 1 << 20  # between two ids of the base: ids are numbers here


def some(columns: PointColumns, rows: Any) -> PointColumns:
    """Some rows of columns, in that order."""
    return PointColumns(**{f.name: getattr(columns, f.name)[rows] for f in fields(columns)})


def joined(parts: list[PointColumns]) -> PointColumns:
    names = [f.name for f in fields(PointColumns)]
    return PointColumns(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


class Model:
    """What a live index holds, kept as plain lists beside it."""

    def __init__(self, case: Case, rng: np.random.Generator) -> None:
        self.case, self.rng = case, rng
        self.base_rows = len(case.columns)
        self.live = LiveIndex(PointIndex.build(case.columns))
        self.columns = case.columns  # of every row that there ever was
        self.ids = [GAP * (1 + row) for row in range(self.base_rows)]
        self.base_ids = list(self.ids)
        self.alive = list(range(self.base_rows))
        self.apart = 1  # ranks between two ids that came since

    def rank(self, id: int) -> int:
        """As the index wants it: the gap between two rows of the base, and a place in it."""
        gap = bisect_left(self.base_ids, id)
        return (gap << 31) + self.apart * (id - GAP * gap)

    def rerank(self) -> None:
        """Other ranks for all that came since and is alive."""
        self.apart = int(self.rng.integers(1, 1 << 11))
        rows = [row for row in self.alive if row >= self.base_rows]
        ranks = [self.rank(self.ids[row]) for row in rows]
        self.live.rerank(np.array(rows, np.int64), np.array(ranks, np.int64))

    def change(self, gone: int, moved: int, new: int) -> None:
        """Some die, some move elsewhere, some are new; all of it at once."""
        chosen = self.rng.permutation(self.alive)
        dying, moving = chosen[:gone], chosen[gone : gone + moved]
        ids = [self.ids[row] for row in moving]
        while len(ids) < len(moving) + new:
            id = int(self.rng.integers(1, GAP * (self.base_rows + 1)))
            if id % GAP and id not in self.ids:
                ids.append(id)
        like = self.rng.integers(0, len(self.columns), len(ids))
        places = self.columns.lonlat[like]
        added = columns_from(self.rng, places, plain=bool(self.rng.random() < 0.5))
        first = len(self.columns)
        dead = np.concatenate([dying, moving]).astype(np.int64)
        ranks = np.array([self.rank(id) for id in ids], np.int64)
        self.live.apply(dead, added if ids else None, ranks)
        self.columns = joined([self.columns, added])
        self.ids += ids
        self.alive = sorted(set(self.alive) - set(dead.tolist()))
        self.alive += range(first, first + len(ids))

    def expected(self) -> list[int]:
        """Rows of the best, by the oracle: it ranks what is alive in the order of ids."""
        rows = sorted(self.alive, key=lambda row: self.ids[row])
        if not rows:
            return []
        case = replace(self.case, columns=some(self.columns, rows))
        scored = case.scored
        reported: dict[int, tuple[int, int]] = {}
        found = self.answer(self.live.view)
        place = {row: i for i, row in enumerate(rows)}
        for row, score, tie in zip(found.rows, found.scores, found.ties, strict=True):
            reported[place[int(row)]] = (int(score), int(tie))
        return [rows[i] for _, _, i in oracles.ranked(scored, reported)[: case.limit]]

    def answer(self, view: PointView) -> Found:
        case = self.case
        return view.search(case.plan, case.ask, case.filters, case.limit)


@given(cases(most=120), st.data())
def test_any_changes_equal_brute_force_over_what_is_alive(case: Case, data: st.DataObject) -> None:
    model = Model(case, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))
    earlier: list[tuple[PointView, list[int]]] = []
    for step in data.draw(st.lists(st.sampled_from("cccccbprv"), max_size=12)):
        if step == "c":
            most = st.sampled_from([0, 0, 1, 1, 2, 40])
            gone = min(data.draw(most), len(model.alive))
            moved = min(data.draw(most), len(model.alive) - gone)
            model.change(gone, moved, data.draw(most))
        elif step == "b":
            model.change(0, 0, 700)  # more than a leaf or two can take
        elif step == "p":
            model.live.compact()
        elif step == "r":
            model.rerank()
        else:
            earlier.append((model.live.view, model.answer(model.live.view).rows.tolist()))
    found = model.answer(model.live.view)
    assert found.rows.tolist() == model.expected()
    for view, rows in earlier:  # a view sees its own version for ever
        assert model.answer(view).rows.tolist() == rows


@given(cases(most=120), st.integers(0, 2**32 - 1), st.booleans())
def test_nearest_and_scans_see_what_search_sees(case: Case, seed: int, compacted: bool) -> None:
    model = Model(case, np.random.default_rng(seed))
    model.change(min(5, len(model.alive)), 0, 60)
    model.change(0, min(20, len(model.alive)), 3)
    if compacted:
        model.live.compact()
        model.change(0, min(2, len(model.alive)), 3)
    view = model.live.view
    asked = case.plan, case.ask, case.filters, case.limit
    everything = model.rng.permutation(len(model.columns))  # dead rows too: they stay dead
    scanned = view.scan(*asked, everything)
    assert scanned.rows.tolist() == model.answer(view).rows.tolist()
    nearest = view.nearest(*asked)
    assert view.scan(*asked, everything, by_distance=True).rows.tolist() == nearest.rows.tolist()
    assert nearest.scores.tolist() == sorted(nearest.scores.tolist(), reverse=True)
    fits = model.rng.integers(1, 11, len(everything)) / 10
    of_row = dict(zip(everything.tolist(), fits.tolist(), strict=True))
    fitting = view.scan(*asked, everything, fits)
    for row, factors in zip(fitting.rows.tolist(), fitting.factors.tolist(), strict=True):
        assert factors[4] <= of_row[row]


@given(cases(most=120), st.integers(0, 2**32 - 1))
def test_a_row_is_alive_where_another_one_set_the_bit_they_share(case: Case, seed: int) -> None:
    model = Model(case, np.random.default_rng(seed))
    dying = min(5, len(model.alive))
    model.change(dying, min(20, len(model.alive) - dying), 60)
    model.live._dead[:] = -1
    assert model.answer(model.live.view).rows.tolist() == model.expected()


@given(cases(most=120), st.integers(0, 2**32 - 1))
def test_pages_of_a_changed_index_have_no_gap_and_no_repeat(case: Case, seed: int) -> None:
    model = Model(case, np.random.default_rng(seed))
    dying = min(5, len(model.alive))
    model.change(dying, min(20, len(model.alive) - dying), 60)
    case.limit = len(model.columns)
    view, whole = model.live.view, model.expected()
    rows: list[int] = []
    while len(page := view.search(case.plan, case.ask, case.filters, 7)):
        rows += page.rows.tolist()
        rank = model.rank(model.ids[rows[-1]])
        if rows[-1] < model.base_rows:
            rank = (rows[-1] + 1) << 31
        after = int(page.scores[-1]), int(page.ties[-1]), rank
        case.ask = replace(case.ask, after=after)
    assert rows == whole


def test_small_trees_are_merged_so_that_few_remain() -> None:
    rng = np.random.default_rng(1)
    lonlat = np.round(rng.uniform((5.3, 43.2), (5.5, 43.4), (100, 2)), 7)
    live = LiveIndex(PointIndex.build(columns_from(rng, lonlat, plain=False)))
    for i in range(60):
        added = columns_from(rng, lonlat[rng.integers(0, 100, 50)], plain=False)
        live.apply(np.empty(0, np.int64), added, np.arange(50) + 50 * i + 1)
        live.compact()
        assert live.newest == 0
    assert live.pending == 3_000
    assert len(live._parts) <= 8


@settings(max_examples=5)
@given(cases(), st.integers(0, 2**32 - 1))
def test_searches_go_on_while_others_write_and_compact(case: Case, seed: int) -> None:
    model = Model(case, np.random.default_rng(seed))
    model.change(0, 0, 60)
    stop, faults = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            view = model.live.view
            once, twice = model.answer(view), model.answer(view)
            if once.rows.tolist() != twice.rows.tolist():
                faults.append("a view changed")
            rows = once.rows.tolist()
            if len(set(rows)) != len(rows) or any(row >= view.rows for row in rows):
                faults.append("a row twice, or one of the future")

    def compact() -> None:
        while not stop.is_set():
            model.live.compact()

    threads = [threading.Thread(target=search) for _ in range(2)]
    threads.append(threading.Thread(target=compact))
    for thread in threads:
        thread.start()
    try:
        for _ in range(40):
            model.change(5, 20, 10)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert model.answer(model.live.view).rows.tolist() == model.expected()
