"""``mitoyen zones`` and ``locate``, as typed, on a store of their own."""

import json
from pathlib import Path

import pytest
from wfs import Service, feature, wfs_service

from api.cli import main
from indexes.store import open_store

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")


@pytest.fixture
def typed(tmp_path, monkeypatch, capfd):
    """Runs a command line: exit status, standard output, standard error."""
    monkeypatch.setenv("MITOYEN_STORE", str(tmp_path / "town.db"))

    def run(*words):
        try:
            status = main([str(word) for word in words])
        except SystemExit as leaving:
            status = leaving.code
        output = capfd.readouterr()
        return status or 0, output.out, output.err

    return run


@pytest.fixture
def zones_file(tmp_path):
    path = tmp_path / "contours_2024.geojson"
    features = [feature("13201", 0), feature("13202", 1), feature("91345", 2)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def figures_file(tmp_path):
    path = tmp_path / "base-ic-2021.CSV"
    path.write_text("IRIS;P21_POP;C21_MEN\n132010000;10.4;4.6\n132020001;20.3;9.9\n132169999;1;1\n")
    return path


@pytest.fixture
def service():
    with wfs_service() as one:
        yield one


def test_import_sums_arrondissements_and_lists_what_does_not_match(typed, zones_file, figures_file):
    status, out, _ = typed(
        "zones", "import", zones_file, "--figures", figures_file, "--geography", 2024, "--json"
    )
    assert status == 0
    assert json.loads(out) == {
        "zones": 3,
        "vintages": [2024],
        "census_year": 2021,
        "geography_year": 2024,
        "communes": [
            {
                "commune": "13055",
                "name": "Marseille",
                "vintage": 2024,
                "zones": 2,
                "population": 31,
                "households": 14,
            },
            {
                "commune": "91345",
                "name": "Ville",
                "vintage": 2024,
                "zones": 1,
                "population": None,
                "households": None,
            },
        ],
        "zones_without_figures": ["913450002"],
        "figures_without_zone": ["132169999"],
        "repaired": [],
    }


def test_import_keeps_both_years_and_every_figure(typed, zones_file, figures_file, tmp_path):
    typed("zones", "import", zones_file, "--figures", figures_file, "--geography", 2024)
    store = open_store(tmp_path / "town.db", create=False)
    (first, _, last) = store.zones("default")
    store.close()
    assert (first.code, first.vintage, first.name, first.type) == ("132010000", 2024, "Zone 0", "H")
    assert first.figures is not None and last.figures is None
    assert (first.figures.census_year, first.figures.geography_year) == (2021, 2024)
    assert dict(first.figures.values) == {"pop": 10.4, "menages": 4.6}


def test_import_tells_people_in_a_table(typed, zones_file, figures_file):
    status, out, err = typed("zones", "import", zones_file, "--figures", figures_file)
    assert status == 0
    assert "3 zones of 2024, census of 2021" in out and "Marseille" in out
    assert "1 zones have no figures: 913450002" in err


def test_two_vintages_stand_side_by_side(typed, zones_file, tmp_path):
    assert typed("zones", "import", zones_file)[0] == 0
    assert typed("zones", "import", zones_file, "--vintage", 2013)[0] == 0
    store = open_store(tmp_path / "town.db", create=False)
    assert store.vintages("default") == [2013, 2024]
    assert len(store.zones("default", 2013)) == len(store.zones("default", 2024)) == 3
    store.close()


def test_the_same_zone_in_two_files_is_refused(typed, zones_file):
    status, _, err = typed("zones", "import", zones_file, zones_file)
    assert status == 2 and "132010000 of 2024 is in 2 of the files" in err


def test_a_bad_file_leaves_nothing_behind(typed, zones_file, tmp_path):
    bad = tmp_path / "bad_2024.geojson"
    bad.write_text("{")
    status, out, err = typed("zones", "import", zones_file, bad, "--json")
    assert status == 2 and out == "" and "bad_2024.geojson" in err
    assert not (tmp_path / "town.db").exists()


def test_fetch_keeps_what_the_service_sends(typed, service):
    status, out, err = typed(
        "zones", "fetch", "13201", "--url", service.url, "--vintage", 2024, "--json"
    )
    assert status == 0, err
    report = json.loads(out)
    assert report["vintages"] == [2024]
    assert report["communes"] == [
        {
            "commune": "13055",
            "name": "Marseille",
            "vintage": 2024,
            "zones": 7,
            "population": None,
            "households": None,
        }
    ]
    status, out, _ = typed("locate", "--lat", 43.005, "--lon", 5.065, "--json")
    assert json.loads(out)["zone"] == "132010006"


def test_fetch_of_marseille_asks_for_its_sixteen_arrondissements(typed, service):
    service.zones = {str(code): 1 for code in range(13201, 13217)}
    service.most = 1000
    status, out, err = typed("zones", "fetch", "13055", "--url", service.url, "--json")
    assert status == 0, err
    assert "states no vintage" in err
    assert len(service.asked) == 16
    (marseille,) = json.loads(out)["communes"]
    assert (marseille["commune"], marseille["zones"]) == ("13055", 16)


def test_fetch_says_so_when_the_service_fails_and_keeps_nothing(typed, service, tmp_path):
    service.answer = lambda request: Service.send(request, b"<html/>", 404)
    status, out, err = typed("zones", "fetch", "13201", "--url", service.url)
    assert status == 2 and out == ""
    assert "the zone service at 127.0.0.1" in err and "answers 404" in err
    assert not (tmp_path / "town.db").exists()


def test_locate_flags_the_nearest_and_says_none_far_away(typed, zones_file):
    assert typed("locate", "--lat", 43.0, "--lon", 5.0)[0] == 2  # no zones yet
    typed("zones", "import", zones_file)
    inside, near, far = (
        json.loads(typed("locate", "--lat", lat, "--lon", 5.005, "--json")[1])
        for lat in (43.005, 42.999, 42.9)
    )
    assert inside == {
        "zone": "132010000",
        "name": "Zone 0",
        "type": "H",
        "commune": "13201",
        "commune_name": "Ville",
        "vintage": 2024,
        "nearest": False,
        "cell": inside["cell"],
    }
    assert len(inside["cell"]) == 15
    assert (near["zone"], near["nearest"]) == ("132010000", True)
    assert (far["zone"], far["nearest"]) == (None, False)


def test_a_missing_file_is_told_before_what_its_name_lacks(typed, tmp_path):
    for path, found in (("nothing.gpkg", "no such file"), (tmp_path, "a directory")):
        status, out, err = typed("zones", "import", path)
        assert status == 2 and out == "" and f"wanted a file of zones, found {found}" in err


def test_locate_tells_people_where_they_are_and_no_more_than_that(typed, zones_file):
    typed("zones", "import", zones_file)
    status, out, err = typed("locate", "--lat", 43.005, "--lon", 5.005)
    assert (status, err) == (0, "") and "132010000" in out and "nearest" not in out
    status, out, err = typed("locate", "--lat", 42.9, "--lon", 5.005)
    assert (status, out) == (0, "")
    assert "In no zone of 2024" in err


def test_locate_refuses_latitude_and_longitude_the_wrong_way_round(typed, zones_file):
    typed("zones", "import", zones_file)
    status, out, err = typed("locate", "--lat", 5.005, "--lon", 43.005, "--json")
    assert (status, out) == (2, "") and "look swapped" in err


def test_locate_refuses_what_is_no_place(typed, zones_file):
    typed("zones", "import", zones_file)
    for lat, lon in ((91, 5), ("nan", 5), (43, "inf")):
        status, out, err = typed("locate", "--lat", lat, "--lon", lon, "--json")
        assert status == 2 and out == "" and ("--lat: " in err or "--lon: " in err)


@needs_data
def test_marseille_has_393_zones_873084_people_410241_households(typed):
    status, out, _ = typed(
        "zones",
        "import",
        DATA / "iris_zones_2020.parquet",
        "--figures",
        DATA / "iris_figures_rp2021.csv",
        "--json",
    )
    report = json.loads(out)
    assert status == 0
    assert (report["zones"], report["vintages"], report["census_year"]) == (460, [2020], 2021)
    assert report["zones_without_figures"] == report["figures_without_zone"] == []
    found = {
        c["commune"]: (c["zones"], c["population"], c["households"]) for c in report["communes"]
    }
    assert found == {
        "13055": (393, 873_084, 410_241),
        "91228": (29, 66_176, 26_646),
        "91345": (8, 20_621, 8_863),
        "77288": (15, 42_368, 18_070),
        "95268": (15, 42_840, 14_038),
    }
    status, out, _ = typed("locate", "--lat", 43.2951, "--lon", 5.3740, "--json")
    assert json.loads(out)["zone"] == "132010402"


@needs_data
def test_the_vintages_of_2013_and_2020_load_together(typed, tmp_path):
    for name in ("iris_zones_2020", "iris_marseille_2013_fullres"):
        assert typed("zones", "import", DATA / f"{name}.parquet")[0] == 0
    store = open_store(tmp_path / "town.db", create=False)
    assert store.vintages("default") == [2013, 2020]
    assert [len(store.zones("default", year)) for year in (2013, 2020)] == [393, 460]
    store.close()
