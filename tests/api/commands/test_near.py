"""`mitoyen near`: what HTTP answers, on a terminal."""

import json

import pytest

from api.cli import main

HERE = ["--lat", "43.301", "--lon", "5.351"]
AT = ["--at", "2025-06-15T18:00:00+02:00"]


@pytest.fixture
def near(served, capsys):
    def run(*args):
        code = main(["near", "--store", str(served.path), "--tenant", "north", *args])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.mark.parametrize(
    "options, params, member",
    [
        (HERE, {"lat": 43.301, "lon": 5.351}, None),
        (
            [*HERE, "--kind", "merchant", "--radius", "2000", "--profile", "nearest"],
            {"lat": 43.301, "lon": 5.351, "kind": "merchant", "radius_m": 2000}
            | {"profile": "nearest"},
            None,
        ),
        (
            [*HERE, "--kind", "merchant,place", "--kind", "event", "--min", "300", "--limit", "3"],
            {"lat": 43.301, "lon": 5.351, "kind": "merchant,place,event", "min_distance_m": 300}
            | {"limit": 3},
            None,
        ),
        (["--as", "bob", "--lang", "en"], {"lang": "en"}, "bob"),
        (
            ["--as", "cleo", "--verified", "--q", "soutien"],
            {"verified_only": "true", "q": "soutien"},
            "cleo",
        ),
        (
            ["--as", "dan", "--within", "990010101", "--category", "food"],
            {"within": "990010101", "category": "food"},
            "dan",
        ),
    ],
)
def test_json_is_the_answer_over_http(near, served, options, params, member):
    code, out, _ = near(*options, *AT, "--json")
    assert code == 0
    answer = json.loads(out)
    asked = params | {"at": "2025-06-15T18:00:00+02:00"}
    over_http = served.get("/v1/near", "app" if member else "local", member, params=asked).json()
    assert answer["matches"], "nothing to compare"
    for changing in ("index_age_s", "position"):
        answer.pop(changing), over_http.pop(changing)
    assert answer == over_http


def test_a_table_tells_score_distance_title_and_reasons(near):
    code, out, err = near("--as", "bob", *AT, "--lang", "en", "--limit", "30")
    assert code == 0
    for told in ("score", "distance", "Boulangerie", "Soutien scolaire", " m "):
        assert told in out
    assert "people were not searched" not in err


def test_a_table_leaves_out_that_a_match_fits_where_nothing_was_asked(near):
    options = ["--as", "bob", *AT, "--lang", "en", "--kind", "merchant"]
    _, table, _ = near(*options)
    _, told, _ = near(*options, "--json")
    codes = {why["code"] for match in json.loads(told)["matches"] for why in match["why"]}
    assert "fit-any" in codes and "your search" not in table
    _, table, _ = near(*options, "--category", "food")
    assert "category asked" in " ".join(table.split())


def test_a_title_is_told_as_it_was_written(near, served, monkeypatch):
    title = "Chez [/b] :smile: [red]Jo[/red]"
    body = {"kind": "place", "title": title, "lat": 43.301, "lon": 5.351}
    assert served.ask("PUT", "/v1/listings/brackets", "app", json=body).status_code == 201
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = near(*HERE, *AT, "--kind", "place")
    assert code == 0 and title in out
    served.ask("DELETE", "/v1/listings/brackets", "app")


def test_below_an_event_is_when_it_starts_by_the_towns_clocks(near, served):
    body = {"kind": "event", "title": "Le bal du bout du quai", "lat": 43.301, "lon": 5.351}
    body |= {"starts_at": "2025-06-21T19:30:00Z", "category": "sortie.bal"}
    assert served.ask("PUT", "/v1/listings/bal", "app", json=body).status_code == 201
    code, out, _ = near(*HERE, *AT, "--kind", "event", "--category", "sortie.bal")
    served.ask("DELETE", "/v1/listings/bal", "app")
    assert code == 0 and "2025-06-21 21:30" in out


def test_where_nothing_is_found_one_line_says_so(near):
    for lang, said in (
        ("en", "nothing found within 5,000 m"),
        ("fr", "rien à moins de 5\u202f000 m"),
    ):
        code, out, err = near("--lat", "0", "--lon", "0", *AT, "--lang", lang)
        assert code == 0 and out == "" and err.startswith(f"{said}\n")


def test_in_french_a_table_and_its_notes_are_french(near, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = near(*HERE, *AT, "--radius", "2000", "--limit", "5")
    assert code == 0 and {"titre", "pourquoi", "type", "commerce"} <= set(out.split())
    assert out.startswith("À moins de 2\u202f000 m") and "0." not in out
    assert "aucune personne" in err and "page suivante" in err
    _, out, _ = near("--as", "bob", *AT, "--lang", "en")
    assert {"title", "why", "kind"} <= set(out.split())


def test_a_page_tells_where_the_next_one_starts(near):
    options = [*HERE, "--kind", "merchant", "--radius", "5000", *AT]
    _, whole, _ = near(*options, "--json")
    ids, cursor = [], []
    while cursor is not None:
        code, out, _ = near(*options, "--limit", "5", *cursor, "--json")
        assert code == 0
        page = json.loads(out)
        ids += [match["id"] for match in page["matches"]]
        cursor = ["--cursor", page["next"]] if page["next"] else None
    assert ids == [match["id"] for match in json.loads(whole)["matches"]]


@pytest.mark.parametrize(
    "args, told",
    [
        ([], "name an origin"),
        (["--lat", "43.3"], "together"),
        (["--lat", "91", "--lon", "5"], "--lat"),
        (["--lat", "nan", "--lon", "5"], "--lat"),
        (["--lat", "5.351", "--lon", "43.301"], "swapped"),
        ([*HERE, "--kind", "person"], "--kind"),
        ([*HERE, "--kind", "neighbour"], "member"),
        ([*HERE, "--at", "2025-06-16"], "--at: an instant is spelled 2025-06-15T18:00:00+02:00"),
        ([*HERE, "--radius", "0"], "--radius: Input"),
        ([*HERE, "--min", "-1"], "--min: Input"),
        ([*HERE, "--limit", "201"], "--limit"),
        ([*HERE, "--profile", "closest"], "nearest"),
        ([*HERE, "--cursor", "x"], "cursor"),
        (["--as", "nobody"], "no such member"),
        (["--as", "\udcff"], "no such member"),  # bytes that are no text
        ([*HERE, "--tenant", "west"], "no tenant"),
    ],
)
def test_what_can_not_be_asked_is_one_line_that_names_the_option(near, args, told):
    code, out, err = near(*args)
    assert code == 2 and out == ""
    assert told in err and err.count("\n") == 1 and "Traceback" not in err


def test_a_store_that_is_not_there_is_an_error_and_not_made(tmp_path, capsys):
    missing = tmp_path / "typo.db"
    for command in (
        ["near", *HERE],
        ["locate", *HERE],
        ["groups", "build"],
        ["keys", "list"],
        ["keys", "revoke", "k"],
        ["backup", str(tmp_path / "kept")],
    ):
        assert main([*command, "--store", str(missing)]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1 and "there is no store" in told
        assert not missing.exists()


def batch_file(tmp_path, *lines):
    path = tmp_path / "asked.ndjson"
    path.write_text("\n".join(lines))
    return ["--batch", str(path)]


def test_a_batch_answers_each_line_as_it_is_answered_alone(near, served, tmp_path):
    at = {"at": "2025-06-15T18:00:00+02:00"}
    queries = [
        {"lat": 43.301, "lon": 5.351, "kind": ["merchant"], **at},
        at,
        {"limit": 3, "lang": "fr", **at},
    ]
    lines = [json.dumps(query) for query in queries]
    code, out, err = near("--as", "bob", "--lang", "en", *batch_file(tmp_path, *lines))
    assert (code, err) == (0, "")
    answers = [json.loads(line) for line in out.splitlines()]
    over_http = [
        served.ask("POST", "/v1/near", "app", "bob", json={"lang": "en", **query}).json()
        for query in queries
    ]
    for answer in (*answers, *over_http):
        answer.pop("index_age_s"), answer.pop("position")
    assert answers == over_http and all(answer["matches"] for answer in answers)


def test_a_line_that_can_not_be_answered_is_told_by_its_number(near, tmp_path):
    lines = [
        '{"lat": 43.301, "lon": 5.351}',
        "",
        "{",
        '{"lat": 91, "lon": 5.351}',
        "{}",
        '{"lat": 43.301, "lon": 5.351, "kind": ["neighbour"]}',
        '{"lat": 5.351, "lon": 43.301}',
        '{"lat": 43.301, "lon": 5.351, "limit": 1}',
    ]
    code, out, err = near(*batch_file(tmp_path, *lines))
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and [answer.get("line") for answer in answers] == [None, 3, 4, 5, 6, 7, None]
    assert [answer["code"] for answer in answers[1:-1]] == [
        "malformed-json",
        "invalid-request",
        "origin-required",
        "member-origin-required",
        "swapped-coordinates",
    ]
    assert [line.split(":")[0] for line in err.splitlines()] == [f"line {n}" for n in range(3, 8)]
    assert "lat" in answers[2]["detail"]


def test_a_batch_has_its_questions_in_the_file_alone(near, tmp_path):
    code, out, err = near(*HERE, *batch_file(tmp_path, "{}"))
    assert code == 2 and out == "" and "--batch" in err
    code, out, err = near("--batch", str(tmp_path / "missing"))
    assert code == 2 and out == "" and "missing can't be read" in err
