"""`mitoyen recommend`: what HTTP answers, on a terminal."""

import json

import pytest

from api.cli import main

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
    code, out, err = recommend("--as", "zed", "--kind", "artisan", *AT)
    assert (code, out) == (0, "")
    assert "nothing to recommend within 5,000 m" in err


@pytest.mark.parametrize(
    "args, told",
    [
        ((), "--as ID"),
        (("--as", "nobody"), "no such member"),
        (("--as", "bob", "--limit", "21"), "--limit"),
        (("--as", "bob", "--kind", "ad"), "--kind"),
        (("--as", "bob", "--lang", "de"), "--lang"),
    ],
)
def test_what_is_refused_is_told_in_one_line(recommend, args, told):
    code, out, err = recommend(*args)
    assert (code, out) == (2, "")
    assert told in err and err.count("\n") == 1
