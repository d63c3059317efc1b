"""``mitoyen districts``, as typed."""

import csv
import hashlib
import json
from datetime import timedelta

import districts_town
import pyogrio
import pytest
import time_machine

from api.cli import main
from indexes.entities import Tenant
from indexes.releases import RELEASE_SCHEMA
from indexes.store import open_store


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A store with one release, drawn without noise."""
    return districts_town.stored(tmp_path_factory.mktemp("districts") / "town.db")


@pytest.fixture
def typed(town, capfd, monkeypatch):
    """Runs ``mitoyen districts …``: exit status, standard output, standard error."""
    monkeypatch.setenv("MITOYEN_STORE", str(town))
    monkeypatch.setenv("COLUMNS", "140")

    def run(*words):
        with time_machine.travel(districts_town.RELEASED):
            status = main(["districts", *map(str, words)])
        told = capfd.readouterr()
        return status, told.out, told.err

    return run


def test_show_tells_a_zone_its_release_and_what_it_cost_in_privacy(typed):
    status, out, _ = typed("show", "132010101", "--json")
    answer = json.loads(out)
    assert status == 0
    assert (answer["zone"], answer["release"], answer["version"]) == ("132010101", "2026Q3", 1)
    assert answer["epsilon"]["households"] == 0.25
    (row,) = [row for row in answer["rows"] if row["measure"] == "penetration"]
    assert row["value"] == 8.0 and row["status"] == "ok" and row["denominator"] == 2_000
    assert row["lower"] < 8.0 < row["upper"]
    assert {row["zone"] for row in answer["rows"]} == {"132010101"}
    assert list(row) == RELEASE_SCHEMA.names


def test_in_french_columns_and_notes_are_french(typed):
    for words, heads, said in (  # as everything that a town reads, unless told otherwise
        (("show", "132010101"), {"chiffre", "valeur", "état"}, "par foyer et trimestre"),
        (("list",), {"code", "nom"}, "par foyer et trimestre"),
        (("release", "2026Q3"), {"famille", "mesure"}, ""),
    ):
        status, out, err = typed(*words)
        assert status == 0 and heads <= set(out.split()) and said in err
        english = {"figure", "value", "name", "family", "measure"}
        assert english.isdisjoint(out.split())
        assert typed(*words, "--lang", "fr") == (status, out, err)
        assert english & set(typed(*words, "--lang", "en")[1].split())


@pytest.mark.parametrize(
    ("code", "measure", "status", "parent"),
    [
        ("132020101", "households", "merged", "13202"),
        ("132020102", "households", "zero", None),
        ("132020201", "penetration", "unknown", None),
        ("132010101", "carpool_drivers", "hidden", None),
    ],
)
def test_what_is_not_told_says_why(typed, code, measure, status, parent):
    _, out, _ = typed("show", code, "--measure", measure, "--json")
    (row,) = [row for row in json.loads(out)["rows"] if not row["category"]]
    assert (row["status"], row["parent"]) == (status, parent)
    assert row["value"] == (0.0 if status == "zero" else None)


def test_show_tells_people_in_a_table_and_in_french(typed):
    status, out, err = typed("show", "132020101")
    assert status == 0
    assert "Quartier 0101" in out and "regroupé → 13202" in out
    assert "ε = 0,94 par foyer" in err and "--measure : listings" in err
    assert "cours" not in out
    _, out, err = typed("show", "132020101", "--measure", "listings", "--lang", "en")
    assert "Households that offer: lessons" in out and "--measure" not in err


def test_every_level_and_code_can_be_shown(typed):
    for level in ("iris", "quartier", "arrondissement", "commune", "cell"):
        status, out, _ = typed("list", "--level", level, "--json")
        assert status == 0
        codes = [zone["zone"] for zone in json.loads(out)["districts"]]
        assert codes == sorted(codes) and codes
        status, out, _ = typed("show", codes[0], "--json")
        assert json.loads(out)["level"] == level


def test_list_has_the_measures_that_are_asked_for_in_that_order(typed):
    asked = ("list", "--measure", "penetration", "--measure", "households", "--lang", "en")
    _, out, _ = typed(*asked)
    assert out.index("of 100") < out.index("Households registered ")
    assert "7.50 %" in out and "merged" in out and "no figure" in out


def test_a_release_is_drawn_once_and_tells_what_stays_visible(typed, town):
    first = typed("release", "2026Q3", "--json")
    again = typed("release", "2026Q3", "--json")
    assert first == again and first[0] == 0
    head = json.loads(first[1])
    assert head["version"] == 1
    assert head["head"]["visible"]["households"]["iris_h"] == 0.8
    _, out, _ = typed("release", "2026Q3", "--lang", "en")
    assert "iris_h" in out and "households" in out and "80 %" in out
    _, out, _ = typed("releases", "--json")
    assert [one["release"] for one in json.loads(out)["releases"]] == ["2026Q3"]


def test_asked_again_a_release_says_since_when_it_stands(typed, town, capfd):
    assert "already" not in typed("release", "2026Q3", "--lang", "en")[2]
    for lang, said in (("en", "already: noise is drawn once"), ("fr", "n'est tiré qu'une fois")):
        with time_machine.travel(districts_town.RELEASED + timedelta(days=1)):
            assert main(["districts", "release", "2026Q3", "--lang", lang]) == 0
        told = capfd.readouterr().err
        assert said in told and f"{districts_town.RELEASED:%F %H:%M} UTC" in told


def test_a_correction_is_a_version_of_its_own_with_the_same_draws(typed, town, tmp_path):
    copy = tmp_path / "copy.db"
    copy.write_bytes(town.read_bytes())
    _, out, _ = typed("release", "2026Q3", "--correct", "--goal", "0.2", "--json", "--store", copy)
    assert json.loads(out)["version"] == 2 and json.loads(out)["head"]["goals"] == [0.2]
    rows = [
        json.loads(typed("show", "13201", "--version", v, "--json", "--store", copy)[1])["rows"]
        for v in (1, 2)
    ]
    one, two = ([r["value"] for r in found if r["measure"] == "households"] for found in rows)
    assert one == two
    goals = {row["category"] for row in rows[1] if row["measure"] == "goal_gap"}
    assert goals == {"20"}


def test_a_town_chooses_its_goals_and_epsilons_for_releases_to_come(typed, town, tmp_path):
    copy = tmp_path / "copy.db"
    copy.write_bytes(town.read_bytes())
    _, out, _ = typed("settings", "--store", copy)
    assert "0.25" in out
    chosen = ("settings", "--goal", "0.08", "--epsilon", "active=0.3", "--store", copy, "--json")
    told = json.loads(typed(*chosen)[1])
    assert told["goals"] == [0.08]
    assert told["epsilon"]["active"] == 0.3 and told["epsilon"]["total"] == pytest.approx(1.1)
    _, out, _ = typed("release", "2026Q2", "--json", "--store", copy)
    head = json.loads(out)["head"]
    assert head["goals"] == [0.08] and head["epsilon"]["active"] == 0.3
    _, out, _ = typed("release", "2026Q3", "--json", "--store", copy)
    assert json.loads(out)["head"]["goals"] == [0.05, 0.12]
    told = json.loads(typed("settings", "--reset", "--store", copy, "--json")[1])
    assert told["goals"] == [0.05, 0.12] and told["epsilon"]["total"] == 1.0


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:2154"])
def test_an_export_opens_in_qgis_and_says_what_it_is(typed, tmp_path, crs):
    path = tmp_path / "districts.gpkg"
    status, out, err = typed("export", "--format", "gpkg", "-o", path, "--crs", crs)
    assert status == 0 and out == "" and "6 zones" in err
    meta, _, _, columns = pyogrio.raw.read(path)
    assert meta["crs"] == crs and meta["geometry_type"] == "MultiPolygon"
    table = dict(zip(meta["fields"].tolist(), columns, strict=True))
    assert table["households"][0] == 160 and table["households_status"][3] == "merged"
    assert set(table["release"]) == {"2026Q3"}
    about = json.loads((tmp_path / "districts.gpkg.json").read_text())
    assert about["file"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert about["file"]["crs"] == crs and about["head"]["epsilon"]["households"] == 0.25
    assert [column["name"] for column in about["columns"]] == meta["fields"].tolist()


def test_an_export_of_one_measure_for_a_french_spreadsheet(typed, tmp_path):
    path = tmp_path / "penetration.csv"
    assert typed("export", "--format", "csv2", "-o", path, "--measure", "penetration")[0] == 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert rows[2]["penetration"] == "7,5" and rows[0]["code"] == "132010101"
    assert "households" not in rows[0]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "penetration.csv",
        "penetration.csv.json",
    ]


def test_a_map_is_a_picture_of_the_commune(typed, tmp_path):
    path = tmp_path / "map.png"
    status, _, err = typed("map", "--measure", "penetration", "-o", path)
    assert status == 0 and "6 zones of 13055" in err
    assert path.read_bytes().startswith(b"\x89PNG")
    goal = ("map", "--measure", "goal_gap", "--category", "5", "--level", "cell", "-o", path)
    assert typed(*goal)[0] == 0
    assert typed("map", "--measure", "penetration", "--within", "13201", "-o", path)[2].startswith(
        "3 zones of 13201"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["show", "999999999"], "no zone"),
        (["show", "132010101", "--release", "2019Q1"], "release"),
        (["show", "132010101", "--release", "summer"], "a quarter is written as 2026Q3"),
        (["show", "132010101", "--version", "7"], "release"),
        (["show", "132010101", "--vintage", "1999"], "told over zones of 2020"),
        (["show", "132010101", "--measure", "income"], "no measure"),
        (["list", "--level", "region"], "no level"),
        (["list", "--measure", "income"], "no measure"),
        (["release", "2026-3"], "a quarter is written as 2026Q3"),
        (["release", "2199Q1"], "ends on"),
        (["release", "2024Q1"], "activity is kept since 2025Q3"),
        (["release", "2026Q2", "--goal", "7"], "a goal is"),
        (["release", "2026Q2", "--epsilon", "people=1"], "families are"),
        (["release", "2026Q2", "--epsilon", "households=lots"], "wants a number"),
        (["release", "2026Q1", "--epsilon", "households=-1"], "must be 0.001 to 1"),
        (["release", "2026Q3", "--goal", "0.2"], "--correct"),
        (["release", "2026Q3", "--vintage", "1999"], "--correct"),
        (["release", "2026Q3", "--epsilon", "members=0.3"], "is spent"),
        (["release", "2025Q3", "--vintage", "1999"], "zones"),
        (["settings", "--goal", "1.5"], "a goal is"),
        (["settings", "--epsilon", "active=nan"], "must be 0.001 to 1"),
        (["settings", "--epsilon", "income=1"], "families are"),
        (["export", "--format", "gpkg", "-o", "x.gpkg", "--crs", "EPSG:3857"], "crs must be"),
        (["export", "--format", "csv", "-o", "/nowhere/at/all.csv"], "can't write"),
        (["map", "--measure", "income", "-o", "x.png"], "no measure"),
        (["map", "--measure", "goal_gap", "-o", "x.png"], "known: 12, 5"),
        (["map", "--measure", "households", "--within", "75056", "-o", "x.png"], "no zone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_t_be_told_is_refused_in_one_line(typed, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    status, out, err = typed(*words)
    assert status == 2 and out == ""
    assert told in err and err.count("\n") == 1 and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_releases_or_zones_says_so(typed, tmp_path):
    empty = tmp_path / "empty.db"
    store = open_store(empty)
    store.put(Tenant(tenant_id="default", id="default", name="Ville"))
    store.close()
    assert "release" in typed("show", "132010101", "--store", empty)[2]
    assert "zones" in typed("release", "2026Q2", "--store", empty)[2]
    assert typed("show", "132010101", "--store", tmp_path / "no.db")[0] == 2
    assert not (tmp_path / "no.db").exists()
