"""The recommendation benchmark: no id decides, and its closed forms are the textbook's."""

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.bench_recommend import measured
from benchmarks.recommend_data import read_check_ins
from benchmarks.recommend_models import cells_walk, ease, friends_jaccard, user_knn, walk
from benchmarks.recommend_ranking import candidates, most_visited, precision_recall, top_of
from geo.errors import InputError

USERS, PLACES = 90, 150
GOWALLA = Path(__file__).parents[2] / "../shared/data/recommendation/gowalla_u5628"


def written(folder, user_ids, place_ids, order):
    """A small town with tastes, written under some ids, its rows in some order."""
    rng = np.random.default_rng(5)
    lonlat = rng.normal((5.37, 43.3), 0.03, (PLACES, 2)).round(6)
    taste, style = rng.integers(0, 3, USERS), rng.integers(0, 3, PLACES)
    likely = rng.random((USERS, PLACES)) * np.where(taste[:, None] == style[None, :], 1.0, 0.4)
    visits = [(u, p) for u in range(USERS) for p in np.argsort(-likely[u])[:30]]
    parts = rng.permutation(np.repeat((0, 0, 0, 0, 0, 0, 0, 1, 2, 2), 3 * USERS))
    times = rng.integers(1, 9, len(visits))
    friends = {tuple(sorted(pair)) for pair in rng.integers(0, USERS, (150, 2)).tolist()}
    shuffled = np.random.default_rng(order).permutation
    folder.mkdir()
    for part, name in enumerate(("train", "tune", "test")):
        rows = [
            (user_ids[visits[i][0]], place_ids[visits[i][1]], times[i])
            for i in shuffled(np.flatnonzero(parts == part))
        ]
        save(folder / f"{name}.csv", ("user_id", "poi_id", "checkins"), rows)
    rows = [(place_ids[p], lonlat[p, 1], lonlat[p, 0]) for p in shuffled(PLACES)]
    save(folder / "pois.csv", ("poi_id", "lat", "lon"), rows)
    rows = [(user_ids[b], user_ids[a]) for a, b in sorted(friends) if a != b]
    save(folder / "friends.csv", ("user_a", "user_b"), rows)
    return folder


def save(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check-ins") / "plain"
    return written(folder, range(USERS), range(PLACES), order=1)


@pytest.fixture(scope="module")
def data(town):
    return read_check_ins(town)


def ones(counts):
    return sp.csr_array((counts > 0).astype(np.float32))


def test_a_permutation_of_ids_and_rows_changes_nothing(town, tmp_path):
    rng = np.random.default_rng(8)
    users = [f"u{number}" for number in rng.permutation(USERS)]
    places = [f"p{number}" for number in rng.permutation(PLACES)]
    other = written(tmp_path / "permuted", users, places, order=2)
    one, two = read_check_ins(town), read_check_ins(other)
    for name in ("train", "tune", "test", "friends"):
        assert (getattr(one, name) != getattr(two, name)).nnz == 0
    np.testing.assert_array_equal(one.lonlat, two.lonlat)
    assert measured(town) == measured(other)


def test_all_rows_are_read_and_users_and_places_are_in_no_order_of_ids(data):
    assert data.train.nnz + data.tune.nnz + data.test.nnz == 30 * USERS
    assert not data.twins.any()
    drawn = np.random.default_rng(5).normal((5.37, 43.3), 0.03, (PLACES, 2)).round(6)
    assert not (data.lonlat == drawn).all()
    np.testing.assert_array_equal(np.sort(data.lonlat[:, 0]), np.sort(drawn[:, 0]))


def test_places_that_only_an_id_tells_apart_are_never_recommended(town, tmp_path):
    folder = tmp_path / "twins"
    folder.mkdir()
    for file in town.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    with (folder / "pois.csv").open("a", encoding="utf-8") as file:
        file.write("x,43.3,5.37\ny,43.3,5.37\n")
    with (folder / "train.csv").open("a", encoding="utf-8") as file:
        file.write("0,x,1\n0,y,1\n")
    data = read_check_ins(folder)
    assert data.twins.sum() == 2
    chosen = candidates(data, data.train, {"walk": walk(ones(data.train), 0.2)}, each=60)
    assert not data.twins[chosen.places].any()


def test_ease_among_users_equals_ease_among_places(data):
    visits = ones(data.train)
    x = visits.toarray().astype(np.float64)
    ridge = 0.7 * (x * x).sum() / len(x)
    inverse = np.linalg.inv(x.T @ x + ridge * np.eye(x.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    found = ease(visits, 0.7, 0.0, 0.0).scores(slice(0, len(x)))
    np.testing.assert_allclose(found[x == 0], (x @ weights)[x == 0], atol=2e-5)


def test_the_walk_is_three_steps_by_hand(data):
    visits = ones(data.train)
    x = visits.toarray().astype(np.float64)
    out, back = x / x.sum(1, keepdims=True), (x / np.maximum(x.sum(0), 1)).T
    expected = out @ back @ out / np.maximum(x.sum(0), 1) ** 0.2
    found = walk(visits, 0.2).scores(slice(0, len(x)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_user_knn_spreads_the_neighbours_by_cosine(data):
    visits = ones(data.train)
    x = visits.toarray().astype(np.float64)
    length = np.linalg.norm(x, axis=1)
    alike = x @ x.T / np.outer(length, length)
    np.fill_diagonal(alike, 0.0)
    found = user_knn(visits, USERS, 0.0).scores(slice(0, USERS))
    np.testing.assert_allclose(found, alike @ x, rtol=1e-4, atol=1e-5)


def test_friends_alone_speak_among_friends(data):
    visits = ones(data.train)
    scorer = friends_jaccard(visits, data.friends)
    assert ((scorer.affinity > 0) == (data.friends.toarray() > 0)).all()
    assert scorer.affinity.max() <= 1.01


def test_users_of_the_same_cells_are_alike_without_a_common_place():
    lonlat = np.array([[5.37, 43.3], [5.3701, 43.3001], [2.35, 48.85]])
    visits = sp.csr_array(np.eye(3, dtype=np.float32))
    scores = cells_walk(visits, lonlat, 5).scores(slice(0, 3))
    assert scores[0, 1] > 0
    assert scores[0, 2] == 0


def test_candidates_leave_out_what_was_visited(data):
    visits = ones(data.train)
    chosen = candidates(data, data.train, {"walk": walk(visits, 0.2)}, each=20)
    assert not chosen.labels(data.train).any()
    assert chosen.labels(data.test).sum() > 0
    assert chosen.features.shape == (len(chosen.users), len(chosen.names))
    assert np.isfinite(chosen.features).all()
    best = top_of(chosen, chosen.features[:, 0].astype(float), USERS, 10)
    dense = np.where(visits.toarray() > 0, -np.inf, walk(visits, 0.2).scores(slice(0, USERS)))
    for user in range(USERS):
        np.testing.assert_allclose(
            dense[user, best[user]], np.sort(dense[user])[::-1][:10], rtol=1e-6
        )


def test_distances_and_densities_are_those_of_the_users_places(data):
    chosen = candidates(data, data.train, {"walk": walk(ones(data.train), 0.2)}, each=5)
    columns = dict(zip(chosen.names, chosen.features.T, strict=True))
    for i in range(0, len(chosen.users), 97):
        own = data.train.indices[slice(*data.train.indptr[chosen.users[i] : chosen.users[i] + 2])]
        lon, lat = np.radians(data.lonlat[own]).T
        lon0, lat0 = np.radians(data.lonlat[chosen.places[i]])
        inner = np.sin(lat) * np.sin(lat0) + np.cos(lat) * np.cos(lat0) * np.cos(lon - lon0)
        metres = 6_371_008.8 * np.arccos(np.clip(inner, -1, 1))
        assert columns["distance nearest"][i] == pytest.approx(np.log(metres.min() + 30), abs=1e-3)
        density = np.exp(-0.5 * (metres / 3000) ** 2).sum()
        assert columns["distance kernel 3000 m"][i] == pytest.approx(density, rel=1e-3)


def test_most_visited_leaves_out_what_each_has_visited(data):
    best = most_visited(data.train, 10)
    visited = data.train.toarray() > 0
    assert not np.take_along_axis(visited, best, axis=1).any()
    assert all(len(set(row)) == 10 for row in best.tolist())


def test_precision_and_recall_skip_users_without_a_visit():
    test = sp.csr_array(np.array([[1, 1, 0], [0, 0, 0]]))
    assert precision_recall(np.array([[0, 2], [0, 1]], np.int32), test) == (0.5, 0.5)


def test_a_folder_without_a_file_or_a_column_is_refused(town, tmp_path):
    with pytest.raises(InputError, match=r"no pois\.csv"):
        read_check_ins(tmp_path)
    folder = tmp_path / "partial"
    folder.mkdir()
    for file in town.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    save(folder / "tune.csv", ("user_id", "poi_id"), [(0, 0)])
    with pytest.raises(InputError, match="checkins"):
        read_check_ins(folder)


@pytest.mark.skipif(not GOWALLA.exists(), reason="no check-ins of Gowalla in ../shared/data")
def test_the_most_visited_places_of_gowalla_score_what_they_are_known_to():
    data = read_check_ins(GOWALLA)
    assert (data.train.nnz, data.tune.nnz, data.test.nnz) == (262_714, 37_362, 78_892)
    precision, recall = precision_recall(most_visited(data.train, 10), data.test)
    assert (precision, recall) == (pytest.approx(0.0225, abs=1e-4), pytest.approx(0.02, abs=1e-4))
