"""Columns hold what is kept exactly, and say always where their numbers end."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geo.arrays import rounded
from indexes.columns import ALWAYS_FROM, ALWAYS_TO, EPOCH_S, UNIT, class_code, to_seconds, to_units
from indexes.entities import Kind


@given(st.floats(-180, 180).map(rounded), st.floats(-90, 90).map(rounded))
def test_a_coordinate_as_it_is_kept_comes_back_to_the_last_bit(lon: float, lat: float) -> None:
    units = to_units(np.array([[lon, lat]]))
    assert units.dtype == np.int32
    assert (units / UNIT).tolist() == [[lon, lat]]


@given(st.integers(-(2**45), 2**45))
def test_seconds_are_exact_within_reach_and_always_beyond(second: int) -> None:
    kept = to_seconds([second]).item()
    assert ALWAYS_FROM <= kept <= ALWAYS_TO
    if ALWAYS_FROM < kept < ALWAYS_TO:
        assert kept + EPOCH_S == second
    elif kept == ALWAYS_TO:
        assert second >= ALWAYS_TO + EPOCH_S
    else:
        assert second <= ALWAYS_FROM + EPOCH_S


def test_each_kind_has_a_class_for_people_and_one_for_public_things() -> None:
    codes = [class_code(kind, personal) for kind in Kind for personal in (False, True)]
    assert sorted(codes) == list(range(16))
