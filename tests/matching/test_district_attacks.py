"""What an informed attacker tries, and beside each attempt the same on a table without protection.

The control must succeed: otherwise the attack is none.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from math import e

import numpy as np
import pytest
import shapely
from districts_oracle import QUARTER, SOUTH, WEST, Town, grid_zones

from geo import cells_to_lonlat
from indexes import Building, Household, Member, Tenant, open_store
from indexes.releases import table_to_bytes
from indexes.store import Store
from matching.disclosure import noisy_counts
from matching.districts import Districts
from matching.planning.contributions import count_pieces
from matching.planning.drawing import draw_counts
from matching.planning.measures import DRAWS, EPSILONS
from matching.planning.noisy_figures import Drawn
from matching.planning.outlines import Outlines
from matching.planning.pieces import Pieces, level_weights, own_weights
from matching.planning.releasing import load_districts, release_quarter
from matching.planning.telling import build_release

ZONES = grid_zones()
OUTLINES = Outlines(ZONES)
TOWN = Town(ZONES, 600, seed=11)
FACTS = TOWN.facts()
NOW = datetime(2026, 10, 5, tzinfo=UTC)
EPSILON = EPSILONS["households"]
HOUSEHOLDS = DRAWS[0]


def best_guess(present: np.ndarray, absent: np.ndarray) -> float:
    """Accuracy of the best threshold that tells who is in from what was seen, known afterwards."""
    seen = np.unique(np.concatenate((present, absent)))
    right = [(np.mean(present >= at) + np.mean(absent < at)) / 2 for at in seen]
    return float(max(right))


@pytest.fixture(scope="module")
def exact() -> np.ndarray:
    return count_pieces(FACTS, Pieces.of(OUTLINES, [ZONES[5].code]), HOUSEHOLDS)


@pytest.fixture(scope="module")
def districts() -> Districts:
    draws = draw_counts(FACTS, OUTLINES)
    release = build_release(FACTS, OUTLINES, draws, tenant_id="t", version=1, created_at=NOW)
    return Districts(release, OUTLINES, draws)


@pytest.fixture
def store(tmp_path) -> Store:
    store = open_store(tmp_path / "town.db")
    store.put(Tenant(tenant_id="t", id="t", name="Ville"))
    store.put_zones(ZONES)
    store.put_all(home(i) for i in range(40))
    store.put_all(Household(tenant_id="t", id=f"h{i}", building_id=f"b{i}") for i in range(40))
    store.put_all(member(i) for i in range(40))
    return store


def home(i: int) -> Building:
    lon, lat = WEST + 0.0007 * (i % 20), SOUTH + 0.003 * (i // 20)
    return Building(tenant_id="t", id=f"b{i}", lon=lon, lat=lat, dwellings=12)


def member(i: int) -> Member:
    joined = datetime(2026, 8, 1, tzinfo=UTC)
    return Member(tenant_id="t", id=f"m{i}", household_id=f"h{i}", created_at=joined)


# Averaging.


def test_asking_again_gives_the_same_noise(store: Store) -> None:
    first = release_quarter(store, "t", QUARTER, created_at=NOW)
    drawn = store.draws("t", "2026Q3", "households")
    for correct in (False, True, True):
        again = release_quarter(store, "t", QUARTER, created_at=NOW, correct=correct)
        assert table_to_bytes(again.rows) == table_to_bytes(first.rows)
    assert store.draws("t", "2026Q3", "households").equals(drawn)
    answers = {str(load_districts(store, "t").rows("13055").to_pylist()) for _ in range(3)}
    assert len(answers) == 1
    store.close()


def test_control_fresh_noise_averages_out() -> None:
    """Why a draw per question would be worthless: a hundred of them give the count away."""
    right = np.mean(noisy_counts(np.full((100, 400), 17), 1, 0.5).mean(axis=0).round() == 17)
    assert right > 0.8


# Differences in space.


def circles(step_m: float, steps: int, radius_m: float = 900.0) -> list[shapely.Polygon]:
    """Circles that slide to the east."""
    degrees = 1.0 / 81_000.0  # of longitude, here
    centres = (WEST + 0.012 + i * step_m * degrees for i in range(steps))
    return [shapely.Point(lon, SOUTH + 0.016).buffer(radius_m * degrees) for lon in centres]


def test_sliding_circles_change_by_whole_cells_only(districts: Districts) -> None:
    centres = cells_to_lonlat(OUTLINES.cells)
    answers: dict[tuple[bool, ...], set[str]] = {}
    for circle in circles(step_m=10.0, steps=60):
        inside = tuple(shapely.contains_xy(circle, centres[:, 0], centres[:, 1]).tolist())
        answers.setdefault(inside, set()).add(str(districts.union(circle).to_pylist()))
    assert 1 < len(answers) < 20
    assert all(len(same) == 1 for same in answers.values())


def test_control_sliding_circles_over_homes_single_out_a_household() -> None:
    rows = TOWN.rows["buildings"]
    lon, lat = (np.array([row[name] for row in rows]) for name in ("lon", "lat"))
    homes = np.array([row["households"] for row in rows])
    seen = [homes[shapely.contains_xy(c, lon, lat)].sum() for c in circles(10.0, 60)]
    assert (np.abs(np.diff(seen)) == 1).any()


def membership(count: Callable[[np.ndarray], np.ndarray], trials: int = 2_000) -> float:
    """How well IRIS less cells tell whether one household is in a piece.

    The piece is what is left of its IRIS when all cells but one are taken away: the attacker
    knows the pieces' geography, and here even all other households.
    """
    empty, one = np.zeros((trials, 4), dtype=np.int64), np.zeros((trials, 4), dtype=np.int64)
    one[:, 0] = 1
    left = [counts.sum(axis=1) - counts[:, 1:].sum(axis=1) for counts in (count(one), count(empty))]
    return best_guess(*left)


def test_iris_less_cells_tell_no_more_than_epsilon_allows() -> None:
    bound = e**EPSILON / (1.0 + e**EPSILON)
    accuracy = membership(lambda counts: noisy_counts(counts, HOUSEHOLDS.bound, EPSILON))
    assert accuracy <= bound + 4.5 * 0.5 / np.sqrt(2 * 2_000) + 0.01
    half = membership(lambda counts: noisy_counts(counts, 1, 0.5))
    assert half <= 0.65 + 0.02


def test_control_exact_iris_less_exact_cells_tell_who_is_in() -> None:
    assert membership(lambda counts: counts) == 1.0


def test_a_hidden_count_had_from_sums_is_the_noisy_one(districts: Districts, exact) -> None:
    """Hiding serves reading, noise serves privacy: subtraction gives what was drawn, no more."""
    drawn = Drawn.of(draw_table(districts), HOUSEHOLDS)
    weights = level_weights(drawn.pieces, OUTLINES, own_weights(drawn.pieces, OUTLINES))
    noisy = weights["iris"] @ drawn.counts[:-1, 0]
    true = weights["iris"] @ exact[:-1, 0]
    arrondissement = OUTLINES.level("arrondissement").of_iris
    for i in range(len(ZONES)):
        siblings = (arrondissement == arrondissement[i]) & (np.arange(len(ZONES)) != i)
        total = weights["arrondissement"][[arrondissement[i]], :] @ drawn.counts[:-1, 0]
        assert total[0] - noisy[siblings].sum() == noisy[i]
    lived_in = [i for i, zone in enumerate(OUTLINES.zones) if zone.type == "H"]
    assert np.mean(noisy[lived_in] == true[lived_in]) < 0.5  # sd is 5.7 for each piece


def draw_table(districts: Districts):
    return districts._draws["households"]


# Differences in time.


def test_what_happens_after_the_draw_changes_no_byte(store: Store) -> None:
    before = release_quarter(store, "t", QUARTER, created_at=NOW)
    store.delete(Member, "t", "m3")
    store.put_all([Household(tenant_id="t", id="h40", building_id="b0"), member(40)])
    after = release_quarter(store, "t", QUARTER, created_at=NOW, correct=True)
    assert table_to_bytes(after.rows) == table_to_bytes(before.rows)
    store.close()


def test_control_counting_again_tells_who_came(store: Store) -> None:
    pieces = Pieces.of(OUTLINES)
    before = count_pieces(store.facts("t", QUARTER), pieces, HOUSEHOLDS)
    store.put_all([Household(tenant_id="t", id="h40", building_id="b0"), member(40)])
    after = count_pieces(store.facts("t", QUARTER), pieces, HOUSEHOLDS)
    assert np.abs(after - before).sum() == 1
    store.close()


# Empty places.


def test_a_place_where_nobody_lives_looks_like_one_where_one_does() -> None:
    trials = 2_000
    none = noisy_counts(np.zeros(trials, dtype=np.int64), 1, EPSILON)
    one = noisy_counts(np.ones(trials, dtype=np.int64), 1, EPSILON)
    assert best_guess(one, none) <= e**EPSILON / (1.0 + e**EPSILON) + 0.045
    assert np.mean(none == 0) < 0.2


def test_every_piece_has_noise_whoever_lives_there(exact) -> None:
    draws = draw_counts(replace(FACTS, households=FACTS.households.slice(0, 0)), OUTLINES)
    drawn = Drawn.of(draws["households"], HOUSEHOLDS)
    assert len(drawn.counts) == len(exact)
    assert np.mean(drawn.counts != 0) > 0.6
