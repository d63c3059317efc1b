"""Models of recommendations: what they mean, and what of a file is believed."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import InputError
from matching.recommending.model import FORMULA, Model, Terms

LEARNED = Model(Terms(0.5, 0.2, 0.1, 0.2, 0.0), slope=9.0, intercept=-5.0)
shares = st.floats(0.0, 1.0)
models = st.sampled_from([FORMULA, LEARNED, Model(Terms(0, 0, 1, 0, 0), 1e-3, 40.0)])


@given(model=models, terms=st.tuples(*[shares] * 5), more=st.integers(0, 4))
def test_more_of_a_term_never_lowers_a_score_and_shares_sum_to_it(
    model: Model, terms: tuple[float, ...], more: int
) -> None:
    def total(terms: tuple[float, ...]) -> float:
        return sum(w * t for w, t in zip(model.weights, terms, strict=True))

    score = model.score(total(terms))
    assert 0.0 <= score <= 1.0
    richer = tuple(1.0 if i == more else term for i, term in enumerate(terms))
    assert model.score(total(richer)) >= score - 1e-12
    assert sum(model.shares(terms)) == pytest.approx(score - model.score(0.0), abs=1e-12)


def test_a_model_is_kept_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "model.json"
    LEARNED.save(path)
    assert Model.load(path) == LEARNED
    assert Model.load(path).name == LEARNED.name != FORMULA.name
    other = Model(LEARNED.weights, slope=9.0, intercept=-5.5)
    assert other.name != LEARNED.name
    other.save(path)
    assert Model.load(path) == other and [one.name for one in path.parent.iterdir()] == [path.name]


GOOD = {"layout": 1, "weights": LEARNED.weights._asdict(), "slope": 9.0, "intercept": -5.0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "not json",
        "x" * 20_000,
        '{"layout": 1}',
        json.dumps(GOOD | {"layout": 2}),
        json.dumps(GOOD | {"slope": None}),
        json.dumps(GOOD | {"slope": "9"}),
        json.dumps(GOOD | {"slope": -1.0}),
        json.dumps(GOOD | {"intercept": True}),
        json.dumps(GOOD | {"intercept": 1e999}),
        json.dumps(GOOD | {"slope": float("nan")}),
        json.dumps(GOOD | {"weights": GOOD["weights"] | {"near": 0.2}}),
        json.dumps(GOOD | {"weights": GOOD["weights"] | {"near": -0.1, "distance": 0.7}}),
        json.dumps(GOOD | {"weights": {"near": 1.0}}),
        json.dumps(GOOD | {"weights": GOOD["weights"] | {"fame": 0.0}}),
        json.dumps(GOOD | {"weights": GOOD["weights"] | {"near": [0.1]}}),
    ],
)
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"^model\.json: ") as raised:
        Model.load(path)
    assert raised.value.code == "invalid-model"


def test_a_missing_file_is_refused_and_bytes_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        Model.load(tmp_path / "none.json")
    path = tmp_path / "model.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="JSON"):
        Model.load(path)
