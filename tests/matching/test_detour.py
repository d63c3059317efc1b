import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import distance_m

from matching.detour import Ride, accepted_line, budget_s

LINE = np.array([(5.37, 43.29), (5.39, 43.29), (5.41, 43.29)])
SECONDS = np.array([0.0, 162.0, 324.0])


@given(st.floats(0, 1e5), st.none() | st.floats(0, 2_000))
def test_a_budget_is_a_quarter_within_5_and_15_minutes_and_what_the_driver_says(lasting, own):
    budget = budget_s(lasting, own)
    wanted = sorted((300.0, lasting / 4, 900.0))[1]
    assert budget == (wanted if own is None else min(own, wanted))


def test_a_ride_on_the_line_changes_no_time():
    ride = Ride((5.38, 43.29), (5.40, 43.29), 81.0, 243.0, 1)
    accepted = accepted_line(LINE, SECONDS, [ride])
    assert accepted.detour_s == pytest.approx(0, abs=1e-3)
    np.testing.assert_allclose(accepted.times_s, [0, 81, 162, 243, 324], atol=1e-2)
    np.testing.assert_allclose(accepted.rides, [[81, 243, 1, 300]], atol=1e-2)


def test_a_second_ride_takes_from_what_the_first_may_be_delayed():
    first = Ride((5.37, 43.29), (5.41, 43.29), 0.0, 324.0, 1)
    off = Ride((5.38, 43.293), (5.40, 43.29), 81.0, 243.0, 2)
    accepted = accepted_line(LINE, SECONDS, [first, off])
    extra = distance_m(5.37, 43.29, 5.38, 43.293) + distance_m(5.38, 43.293, 5.39, 43.29)
    detour = 0.13 * (extra - distance_m(5.37, 43.29, 5.39, 43.29))
    assert accepted.detour_s == pytest.approx(detour, rel=1e-3)
    np.testing.assert_allclose(accepted.rides[:, 3], [300 - detour, 300], atol=1e-3)
    assert (np.diff(accepted.times_s) > 0).all()
