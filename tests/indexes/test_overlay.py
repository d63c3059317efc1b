"""An overlaid view answers as an index in which those rows had that trust from the start."""

from dataclasses import replace
from typing import Any

import numpy as np
import oracles
from hypothesis import given
from hypothesis import strategies as st
from point_cases import Case, cases, columns_from

from indexes.batch import Question, search_each
from indexes.columns import PointColumns
from indexes.live import LiveIndex
from indexes.overlay import Overlay
from indexes.points import PointIndex, PointView


def drawn(rng: np.random.Generator, columns: PointColumns, share: float) -> tuple[Any, Any]:
    """Some rows, at least one, and another trust for each."""
    rows = np.flatnonzero(rng.random(len(columns)) < share)
    rows = rows if len(rows) else np.array([rng.integers(len(columns))])
    return rows, rng.integers(0, 5, len(rows)) / 4


def with_trust(columns: PointColumns, rows: Any, trust: Any) -> PointColumns:
    changed = columns.trust.copy()
    changed[rows] = trust
    return replace(columns, trust=changed)


def answers(view: PointView, case: Case, rows: Any, fits: Any) -> list[Any]:
    """What every way to ask says, to the last digit."""
    asked = case.plan, case.ask, case.filters, case.limit
    return [
        found._found.tolist()
        for found in (
            view.search(*asked),
            *search_each(view, [Question(*asked)]),
            view.nearest(*asked),
            view.scan(*asked, rows),
            view.scan(*asked, rows, fits),
            view.scan(*asked, rows, by_distance=True),
        )
    ]


@given(cases(most=200), st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.3, 1.0]))
def test_an_overlay_equals_brute_force_over_the_rows_with_their_trust(
    case: Case, seed: int, share: float
) -> None:
    if not len(case.columns):
        return
    rows, trust = drawn(np.random.default_rng(seed), case.columns, share)
    view = Overlay(rows, case.columns.taken(rows), trust).over(PointIndex.build(case.columns))
    found = view.search(case.plan, case.ask, case.filters, case.limit)
    changed = replace(case, columns=with_trust(case.columns, rows, trust))
    reported = {
        int(row): (int(score), int(tie))
        for row, score, tie in zip(found.rows, found.scores, found.ties, strict=True)
    }
    expected = oracles.ranked(changed.scored, reported)[: case.limit]
    assert found.rows.tolist() == [row for _, _, row in expected]


@given(cases(most=120), st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.5]), st.booleans())
def test_an_overlay_stays_right_while_rows_come_and_go(
    case: Case, seed: int, share: float, compacted: bool
) -> None:
    if not len(case.columns):
        return
    rng = np.random.default_rng(seed)
    n = len(case.columns)
    added = columns_from(rng, case.columns.lonlat[rng.integers(0, n, 50)], plain=True)
    both = PointColumns(
        **{
            name: np.concatenate([getattr(case.columns, name), getattr(added, name)])
            for name in PointColumns.__slots__
        }
    )
    rows, trust = drawn(rng, both, share)
    changed = with_trust(both, rows, trust)
    gone, later = np.split(rng.permutation(n)[: max(2, n // 4)], [max(1, n // 8)])
    ranks = rng.permutation(1 << 20)[:50] + (int(rng.integers(n + 1)) << 31)
    views = []
    for columns in (both, changed):
        live = LiveIndex(PointIndex.build(columns.taken(np.arange(n))))
        live.apply(gone, columns.taken(np.arange(n, n + 50)), ranks)
        if compacted:
            live.compact()
        before = live.view
        live.apply(later, None, np.empty(0, np.int64))
        views.append((before, live.view))
    overlay = Overlay(rows, both.taken(rows), trust)
    everything, fits = rng.permutation(n + 50), rng.integers(1, 11, n + 50) / 10
    for plain, wanted in zip(*views, strict=True):
        over = overlay.over(plain)
        assert answers(over, case, everything, fits) == answers(wanted, case, everything, fits)
        assert over.alive(everything).tolist() == wanted.alive(everything).tolist()
        untouched = answers(plain, case, everything, fits)
        overlay.over(plain)
        assert answers(plain, case, everything, fits) == untouched
