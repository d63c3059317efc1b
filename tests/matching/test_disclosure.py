from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import chisquare

from geo.errors import InputError
from matching.disclosure import (
    dominated,
    half_widths,
    laplace,
    noisy_counts,
    visible,
    visible_flows,
)
from matching.planning.measures import DRAWS, EPSILONS, FLOWS, MEASURES


def pmf(scale: float, reach: int) -> np.ndarray:
    """Chances of discrete Laplace noise from -reach to reach."""
    q = np.exp(-1.0 / scale)
    return (1.0 - q) / (1.0 + q) * q ** np.abs(np.arange(-reach, reach + 1))


@pytest.mark.parametrize("draw", [*DRAWS, FLOWS], ids=lambda draw: draw.name)
def test_each_draw_spends_exactly_its_share_of_epsilon(draw) -> None:
    epsilon = EPSILONS[draw.family] * draw.share
    assert laplace(draw.bound, epsilon).map(draw.bound) == pytest.approx(epsilon, rel=1e-12)


def test_a_household_spends_one_epsilon_in_a_quarter() -> None:
    assert sum(EPSILONS.values()) == pytest.approx(1.0)
    for family in EPSILONS:
        shares = [draw.share for draw in (*DRAWS, FLOWS) if draw.family == family]
        assert sum(shares) == pytest.approx(1.0)
    assert {measure.draw for measure in MEASURES} == {draw.name for draw in DRAWS}


def test_noise_is_discrete_laplace() -> None:
    drawn = noisy_counts(np.full(20_000, 7), bound=1, epsilon=0.5) - 7
    reach = 9
    counts = [np.sum(drawn == k) for k in range(-reach, reach + 1)]
    chances = pmf(2.0, reach)
    beyond = 20_000 - sum(counts)
    found = chisquare([*counts, beyond], 20_000 * np.append(chances, 1.0 - chances.sum()))
    assert found.pvalue > 1e-6  # false once in a million runs, if it is
    wrong = chisquare(
        [*counts, beyond], 20_000 * np.append(pmf(2.3, reach), 1 - pmf(2.3, reach).sum())
    )
    assert wrong.pvalue < 1e-6  # and it can tell another scale


def test_noise_is_fresh_in_every_count_and_at_every_call() -> None:
    zeros = np.zeros((200, 3), dtype=np.int64)
    one, other = noisy_counts(zeros, 1, 0.1), noisy_counts(zeros, 1, 0.1)
    assert one.shape == zeros.shape
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[:, 0], one[:, 1])


@pytest.mark.parametrize(
    "bound, epsilon", [(1, 0.0), (1, -1.0), (1, np.nan), (1, np.inf), (0, 1.0)]
)
def test_noise_needs_a_bound_and_epsilon_above_zero(bound: int, epsilon: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        noisy_counts(np.zeros(1, dtype=np.int64), bound, epsilon)


@pytest.mark.parametrize("scale", [0.5, 4.0, 40.0])
@pytest.mark.parametrize("terms", [1, 2, 5])
def test_half_widths_are_the_smallest_that_hold_95_percent(scale: float, terms: int) -> None:
    reach = int(60 * scale) + 60
    one = pmf(scale, reach)
    chances = one
    for _ in range(terms - 1):
        chances = np.convolve(chances, one)
    centre = len(chances) // 2
    width = int(half_widths(np.array([terms]), scale)[0])
    assert chances[centre - width : centre + width + 1].sum() >= 0.95 - 1e-9
    assert chances[centre - width + 1 : centre + width].sum() < 0.95


def test_half_widths_pass_from_exact_to_normal_without_a_step() -> None:
    widths = half_widths(np.array([198, 199, 200, 201, 202]), 4.0)
    assert all(0 <= b - a <= 2 for a, b in pairwise(widths))
    assert half_widths(np.array([[0, 0]]), 4.0).tolist() == [[0.0, 0.0]]


def test_noisy_counts_lie_in_their_interval_19_times_in_20() -> None:
    sums = noisy_counts(np.zeros((4_000, 3), dtype=np.int64), 2, 0.5).sum(axis=1)
    inside = np.mean(np.abs(sums) <= half_widths(np.array([3]), 4.0)[0])
    assert 0.93 <= inside <= 0.975


def test_only_what_reaches_the_threshold_and_stands_out_of_the_noise_is_visible() -> None:
    values = np.array([10.0, 11.0, 12.0, 30.0, -40.0])
    widths = np.array([2.0, 2.0, 12.0, 12.0, 12.0])
    assert visible(values, widths, 11).tolist() == [False, True, False, True, False]


def test_flows_need_six_at_the_origin_the_destination_and_of_the_pair() -> None:
    flows = np.array([[6.0, 0.0, -9.0], [0.0, 5.0, 9.0], [0.0, 0.0, 0.0]])
    told = visible_flows(flows, np.zeros((3, 3)))
    # From the first zone, 6 - 9 leave in all; to the third, 0 arrive.
    assert not told.any()
    flows[:, 2] = [0.0, 9.0, 0.0]
    assert np.argwhere(visible_flows(flows, np.zeros((3, 3)))).tolist() == [[0, 0], [1, 2]]


def test_businesses_are_told_from_three_on_where_none_has_more_than_85_percent() -> None:
    units = np.array([0, 1, 2, 3, 3, 20])
    total = np.array([0, 4, 9, 3, 100, 100])
    largest = np.array([0, 4, 5, 1, 86, 85])
    assert dominated(units, total, largest).tolist() == [False, True, True, False, True, False]
