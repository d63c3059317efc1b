"""`mitoyen recommend`: what HTTP answers, on a terminal."""

import json
from typing import get_args

import pytest

from api.cli import main
from api.commands.words import say
from api.models import ModelFile
from indexes.store import open_store
from matching.recommending.learned import Outcome

AT = ["--at", "2025-06-15T18:00:00+02:00"]


@pytest.fixture
def recommend(served, capsys):
    def run(*args):
        code = main(["recommend", "--store", str(served.path), "--tenant", "north", *args])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.mark.parametrize(
    "options, params",
    [
        (["--lang", "en"], {"lang": "en"}),
        (["--kind", "merchant,offer", "--limit", "3"], {"kind": "merchant,offer", "limit": 3}),
        (["--kind", "service", "--known", "--q", "soutien"],
         {"kind": "service", "known": "true", "q": "soutien"}),
    ],
)  # fmt: skip
def test_json_is_the_answer_over_http(recommend, served, options, params):
    code, out, _ = recommend("--as", "bob", *options, *AT, "--json")
    assert code == 0
    answer = json.loads(out)
    asked = params | {"at": AT[1]}
    over_http = served.get("/v1/recommendations", "app", "bob", params=asked).json()
    assert answer["matches"], "nothing to compare"
    for changing in ("index_age_s", "position"):
        answer.pop(changing), over_http.pop(changing)
    assert answer == over_http


def test_a_table_tells_by_what_it_is_ranked_and_why(recommend):
    code, out, _ = recommend("--as", "bob", *AT, "--lang", "en")
    assert code == 0
    for told in ("formula@1", "score", "Boulangerie", "away"):
        assert told in out


def test_nothing_to_recommend_is_said(recommend):
    for lang, said in (
        ("en", "nothing to recommend within 5,000 m"),
        ("fr", "rien à recommander à moins de 5\u202f000 m"),
    ):
        code, out, err = recommend("--as", "zed", "--kind", "artisan", *AT, "--lang", lang)
        assert (code, out, err) == (0, "", f"{said}\n")


@pytest.mark.parametrize(
    "args, told",
    [
        ((), "--as ID"),
        (("--as", "nobody"), "no such member"),
        (("--as", "bob", "--limit", "21"), "--limit"),
        (("--as", "bob", "--kind", "ad"), "--kind: Input should be 'artisan', 'merchant',"),
        (("--as", "bob", "--lang", "de"), "--lang"),
    ],
)
def test_what_is_refused_is_told_in_one_line(recommend, args, told):
    code, out, err = recommend(*args)
    assert (code, out) == (2, "")
    assert told in err and err.count("\n") == 1


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A made-up town with a past of some 1,500 recommendations."""
    path = tmp_path_factory.mktemp("past") / "town.db"
    at = ["--at", "2025-06-15T18:00:00+02:00"]
    args = ["sample", "--store", str(path), "--listings", "800", "--seed", "1", *at, "--json"]
    assert main(args) == 0
    return path


def test_training_tells_how_well_it_foretells_and_what_it_learned_is_used(
    town, capsys, monkeypatch
):
    monkeypatch.setattr("matching.recommending.learned.LEAST_LIKED", 5)  # a small town will do
    monkeypatch.setattr("matching.recommending.learned.VIEWERS", 60)
    capsys.readouterr()
    code = main(["recommend", "train", "--store", str(town), *AT, "--json"])
    lesson = json.loads(capsys.readouterr().out)
    assert {
        f"{what}_{who}" for what in ("auc", "p10", "r10") for who in ("formula", "learned")
    } <= {*lesson["figures"]}
    assert (code == 0) == (lesson["model"] is not None)
    asked = ["recommend", "--as", "sample-member-0000001", "--store", str(town), *AT, "--json"]
    assert main(asked) == 0
    used = json.loads(capsys.readouterr().out)["model"]
    assert used == (lesson["model"] or "formula@1")


def test_a_town_without_a_past_is_recommended_to_by_the_formula(served, capsys):
    args = ["recommend", "train", "--store", str(served.path), "--tenant", "north"]
    for lang, said in (("en", "800 are needed to learn from"), ("fr", "il en faut 800")):
        assert main([*args, "--lang", lang]) == 1
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_what_came_of_training_is_said_in_both_languages(outcome):
    found = {"events": "8,492", "liked": "12, 3, 9", "least_events": 800, "least_liked": 50}
    french, english = (say(outcome, lang, **found) for lang in ("fr", "en"))
    assert french != english
    if outcome == "too-few-liked":
        assert all(told in one for one in (french, english) for told in ("8,492", "12, 3, 9", "50"))


def test_a_damaged_model_is_refused_by_name(town, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MITOYEN_MODELS", str(tmp_path))
    store = open_store(town)
    ModelFile(store, store.tenants()[0], tmp_path).path.write_text("{}")
    store.close()
    capsys.readouterr()
    assert main(["recommend", "--as", "sample-member-0000001", "--store", str(town)]) == 2
    assert ".json: is not of layout 1" in capsys.readouterr().err
