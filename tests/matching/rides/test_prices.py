"""What a seat costs: a little, and never so much that a driver earns by driving."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from trip_records import DRIVER

from matching.rides.carpool import Prices

CENT = 0.01
euros = st.floats(0, 10)


@given(st.integers(1, 8), st.none() | st.floats(0, 10_000), euros, euros, st.floats(1, 900))
def test_all_seats_together_never_cost_more_than_the_car(seats, asked, per_km, cost_per_km, km):
    prices = Prices(per_km=per_km, cost_per_km=cost_per_km)
    price = prices.of(replace(DRIVER, seats=seats, price_eur=asked), km)
    whole = cost_per_km * km
    assert price >= 0 and seats * price <= whole * seats / (seats + 1) + seats * CENT / 2 + 1e-6
    wanted = per_km * km if asked is None else asked
    assert price <= wanted + CENT / 2 + 1e-6


def test_what_is_suggested_is_under_what_is_allowed_however_many_ride_along():
    for seats in range(1, 9):
        assert Prices().of(replace(DRIVER, seats=seats, price_eur=None), 50.0) == 3.0


def test_a_driver_may_ask_for_nothing():
    assert Prices().of(replace(DRIVER, price_eur=0.0), 50.0) == 0.0
