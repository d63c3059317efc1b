"""The benchmark of trust, small: fakes gain nothing, and gain with the peers it is held against."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import bench_trust
from benchmarks.trust_attacks import SHAPES, Town, fakes_on_top, slander, sybil, vouch_ring
from benchmarks.trust_near import near_cost
from benchmarks.trust_peers import beta, eigentrust, mean, pagerank, wilson
from benchmarks.trust_ratings import Ratings, most_active, read_ratings, town_ratings
from geo.errors import LayoutError

RATINGS = Path(__file__).parents[3] / "shared/data/trust/bitcoin_otc_ratings.csv"


@pytest.fixture(scope="module")
def town():
    ratings = town_ratings(400, 6_000, seed=2)
    return Town.of(ratings.dated(int(ratings.at.max())), viewers=25, seed=2)


@pytest.fixture(scope="module")
def rings(town):
    return sybil(town, edge_counts=(1, 10), fakes=150, seed=2)


def test_a_ring_is_worth_no_more_than_one_account(rings):
    assert {(row["shape"], row["edges"]) for row in rings} == {
        (shape, edges) for shape in SHAPES for edges in (1, 10)
    }
    for row in rings:
        assert row["gain_reach"] <= 1.000001
        assert row["gain_score"] <= 1.05
        assert abs(row["walks_z"]) <= 3


def test_few_fakes_are_among_the_best_hundred(town):
    for shape in SHAPES:
        assert fakes_on_top(town, shape, edges=5, fakes=150, seed=2) <= 1


def test_slander_by_fakes_hardly_moves_the_praised(town):
    slandered = slander(town, edges=5, fakes=150, victims=5, seed=2)
    assert slandered["drop"] <= 0.03
    assert slandered["levels_kept"] >= 0.95
    assert slandered["mean_drop"] >= 0.3


def test_the_same_attacks_succeed_against_means_and_pagerank(town, rings):
    slandered = slander(town, edges=5, fakes=150, victims=5, seed=2)
    assert bench_trust.controls_broken(rings, slandered)
    assert not bench_trust.controls_broken(rings, slandered | {"mean_drop": 0.1})
    for name, held in (("mean_beats", 0.9), ("pagerank_mass", 0.01), ("pagerank_gain", 2.0)):
        assert not bench_trust.controls_broken([rings[0] | {name: held}, *rings[1:]], slandered)


@pytest.mark.parametrize(("fooled", "days", "admitted"), [(10, 90, 15), (3, 90, 4), (4, 180, 12)])
def test_fooled_residents_admit_three_halves_of_their_number_a_quarter(fooled, days, admitted):
    assert vouch_ring(fooled, fakes=100, days=days) == admitted


def test_one_fooled_resident_admits_nobody():
    assert vouch_ring(1, fakes=50, days=90) == 0


def test_of_two_camps_each_is_predicted_by_its_own():
    """All are praised by half and damned by half, so that who asks is all that tells."""
    rng = np.random.default_rng(3)
    raters, steps = rng.integers(0, 200, 6_000), rng.integers(1, 200, 6_000)
    ratees = (raters + steps) % 200
    values = np.where(raters % 2 == ratees % 2, 1.0, -1.0)
    ratings = Ratings(200, raters, ratees, values, np.arange(6_000))
    for found in bench_trust.predict_splits(ratings, splits=1, seed=3).values():
        assert found["trust"] >= 0.95
        assert 0.4 <= found["beta"] <= 0.6


def test_bitcoin_otc_is_predicted_as_well_as_promised():
    if not RATINGS.exists():
        pytest.skip("no ../shared/data/trust/bitcoin_otc_ratings.csv")
    found = bench_trust.predict_splits(read_ratings(RATINGS), splits=1, seed=1)["random"]
    assert found["trust"] >= 0.85
    assert found["trust"] >= found["beta"] + 0.01


def test_costs_are_those_of_a_graph_of_that_size():
    found = bench_trust.cost(members=2_000, ratings=20_000, viewers=5, seed=1)
    assert 15_000 < found["edges"] <= 20_000
    assert 0 < found["mb"] < 40


def test_peers_score_as_their_formulas_say():
    one = np.array([0, 1, 2, 0])
    other = np.array([3, 3, 3, 1])
    ratings = Ratings(4, one, other, np.array([1.0, 0.5, -1.0, 1.0]), np.zeros(4, int))
    assert mean(ratings) == pytest.approx([0, 1, 0, 1 / 6])
    assert beta(ratings) == pytest.approx([0.5, 2 / 3, 0.5, 2.5 / 4.5])
    assert wilson(ratings)[3] == pytest.approx(0.2077, abs=1e-4)  # 2 of 3, by tables
    # 0 restarts, gives 3 half and 1 half, and 1 passes all on to 3; 3 and 2 give nothing.
    start = 0.25
    rest = pagerank(ratings)
    assert rest.sum() == pytest.approx(1)
    assert rest[0] == pytest.approx(rest[2])
    assert rest[1] == pytest.approx(rest[0] + 0.85 * rest[0] / 2)
    assert rest[3] == pytest.approx(rest[0] + 0.85 * (rest[0] / 2 + rest[1]))
    assert rest[0] > 0.15 * start
    assert eigentrust(ratings).sum() == pytest.approx(1)


def test_a_file_of_other_columns_is_refused(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(LayoutError):
        read_ratings(path)


def test_ratings_are_read_by_their_scale_and_rated_members_only(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("rater,ratee,rating,time\n7,9,10,100\n9,7,-5,200\n9,9,10,300\n9,3,1,400\n")
    ratings = read_ratings(path)
    assert ratings.members == 3
    assert list(zip(ratings.raters, ratings.ratees, ratings.values, strict=True)) == [
        (1, 2, 1.0),
        (2, 1, -0.5),
        (2, 0, 0.1),
    ]
    assert most_active(ratings, 2).members == 2
    assert len(most_active(ratings, 2)) == 2


def test_near_me_is_timed_with_overlays_that_hold_something():
    found = near_cost(1_000, 10_000, 20, seed=1)
    assert found["near_trust_rows"] > 1
    assert min(found["near_p50_ms"], found["near_trust_p50_ms"], found["near_trust_ratio"]) > 0
