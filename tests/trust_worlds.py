"""Members who rate each other, vouch and recommend, drawn: what trust is computed from."""

import numpy as np
import trust_oracle as oracle
from hypothesis import strategies as st

NOW = 1_795_000_000
DAY = 86_400
N = 12


@st.composite
def worlds(draw, members=N, most=60):
    """Few members who rate each other much, some of them twice, some vouched for."""
    some = st.integers(0, members - 1)
    pairs = st.tuples(some, some).filter(lambda pair: pair[0] != pair[1])
    days = st.integers(0, 1500).map(lambda age: NOW - age * DAY)
    values = st.sampled_from([1.0, 1.0, 0.5, 0.2, -0.4, -1.0, 0.0])
    ratings = draw(st.lists(st.tuples(pairs, values, days), max_size=most))
    bonds = draw(st.lists(st.tuples(pairs, days), max_size=4))
    listings = draw(st.lists(st.tuples(st.sampled_from([1, 4]), st.integers(-1, members - 1))))
    given_to = st.tuples(some, st.integers(0, max(0, len(listings) - 1)))
    given = st.dictionaries(given_to, days, max_size=20 if listings else 0)
    levels, groups = st.integers(0, 4), st.integers(-1, 2)
    keys = st.lists(st.integers(0, 2**64 - 1), min_size=members, max_size=members, unique=True)
    return oracle.columns(
        members,
        [(*pair, value, at) for pair, value, at in ratings],
        [(*pair, at) for pair, at in bonds],
        listings,
        [(*pair, at) for pair, at in draw(given).items()],
        keys=np.array(draw(keys), np.uint64),
        verification=np.array([draw(levels) for _ in range(members)]),
        groups=np.array([draw(groups) for _ in range(members)]),
        standing=np.array([draw(st.sampled_from([1.0, 1.0, 0.5, 0.0])) for _ in range(members)]),
    )
