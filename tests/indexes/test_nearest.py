"""indexes/nearest.py where much must be looked at; `test_points` holds it to brute force."""

import numpy as np
import oracles
import pytest
from point_cases import KINDS, NOW, columns_from

from indexes.columns import ALWAYS_FROM, ALWAYS_TO, PointColumns, class_code
from indexes.entities import Kind
from indexes.points import Ask, Plan, PointIndex, Rule, pack_filters

HERE = (5.3740, 43.2951)
PLAN = Plan({class_code(Kind.PLACE, False): Rule((1.0, 0, 0, 0, 0), "linear", 0.0, 20_000.0, 0.0)})


def places(n: int, verified: int, seed: int) -> PointColumns:
    """n public places in a town, always valid; some of them of verified owners."""
    rng = np.random.default_rng(seed)
    columns = columns_from(rng, np.round(HERE + rng.uniform(-0.05, 0.05, (n, 2)), 7), plain=True)
    columns.kind[:], columns.personal[:] = KINDS.index(Kind.PLACE), False
    columns.valid_from[:], columns.valid_to[:] = ALWAYS_FROM, ALWAYS_TO
    columns.audience[:], columns.reach_m[:] = 0, ALWAYS_TO
    columns.verified[:] = False
    columns.verified[rng.choice(n, verified, replace=False)] = True
    return columns


def nearest_rows(columns: PointColumns, rows: np.ndarray) -> list[int]:
    """Rows by whole millimetres, then as they stand."""
    mm = [round(oracles.distance_m(*HERE, *columns.lonlat[row].tolist()) * 1e3) for row in rows]
    return rows[np.lexsort((rows, mm))].tolist()


@pytest.mark.parametrize("limit", [1, 20, 60])
def test_a_few_among_tens_of_thousands_are_found_however_far_the_frontier_grows(limit: int) -> None:
    columns = places(40_000, verified=40, seed=3)
    index = PointIndex.build(columns)
    ask = Ask(HERE, NOW, verified=True)
    expected = nearest_rows(columns, np.flatnonzero(columns.verified))[:limit]
    assert index.nearest(PLAN, ask, pack_filters(), limit).rows.tolist() == expected
    # By this rule the score falls with distance all the way, so that order is the same.
    assert index.search(PLAN, ask, pack_filters(), limit).rows.tolist() == expected


def test_more_may_be_asked_for_than_points_can_wait() -> None:
    columns = places(3_000, verified=0, seed=4)
    index = PointIndex.build(columns)
    everything = nearest_rows(columns, np.arange(3_000))
    for limit in (511, 512, 1_500, 3_000):
        found = index.nearest(PLAN, Ask(HERE, NOW), pack_filters(), limit)
        assert found.rows.tolist() == everything[:limit]


def test_weights_that_add_up_to_many_are_ranked_exactly() -> None:
    columns = places(2_000, verified=0, seed=5)
    heavy = Rule((9.0, 0.0, 0.0, 0.0, 0.0), "linear", 0.0, 20_000.0, 0.0)
    plan = Plan({class_code(Kind.PLACE, False): heavy})
    found = PointIndex.build(columns).search(plan, Ask(HERE, NOW), pack_filters(), 50)
    assert found.rows.tolist() == nearest_rows(columns, np.arange(2_000))[:50]
    assert found.scores[-1] > 2**31  # the frontier keeps no order among such scores
