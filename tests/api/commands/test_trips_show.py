"""``mitoyen trips show``, as typed."""

import json
from dataclasses import replace

import pytest
from store_records import TOWN
from trip_records import DRIVER, TRIPS

from api.cli import main
from indexes.store import open_store
from matching.engine import Engine


@pytest.fixture
def town(tmp_path):
    store = open_store(tmp_path / "town.db")
    home = DRIVER.lonlat[0]
    hidden = replace(DRIVER, id="hidden", lonlat=(home, (home[0] + 1e-4, home[1])), times_s=(0, 9))
    store.put_all([*TOWN, *TRIPS, hidden])
    yield store
    store.close()


@pytest.fixture
def show(town, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words):
        status = main(["trips", "show", *words, "--store", str(tmp_path / "town.db")])
        told = capfd.readouterr()
        return status, told.out, told.err

    return run


def test_a_persons_trip_is_shown_as_others_see_it_and_whole_to_its_owner(show, town):
    status, out, _ = show("d1", "--json")
    told = json.loads(out)
    published = Engine.over(town, "t").published(DRIVER).trip
    assert status == 0 and told["id"] == "d1" and told["owner_id"] == "m1" and not told["exact"]
    assert [tuple(point) for point in told["route"]["coordinates"]] == list(published.lonlat)
    assert "Maison" not in out and published.lonlat[0] != DRIVER.lonlat[0]
    whole = json.loads(show("d1", "--as", "m1", "--json")[1])
    assert whole["exact"] and whole["origin_name"] == "Maison"
    assert [tuple(point) for point in whole["route"]["coordinates"]] == list(DRIVER.lonlat)
    assert not json.loads(show("d1", "--as", "m4", "--json")[1])["exact"]
    assert json.loads(show("o1", "--json")[1])["exact"]  # nobody's


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("fr", ["conducteur", "du lundi au mercredi", "1,20 €", "tel que les autres le voient"]),
        ("en", ["driver", "Monday to Wednesday", "1.20 €", "as others may see it"]),
    ],
)
def test_a_table_is_for_people(show, lang, said):
    status, out, _ = show("d1", "--lang", lang)
    assert status == 0 and all(part in " ".join(out.split()) for part in said)
    assert "Maison" not in out and "43.29000" not in out
    assert "Maison (43.29000, 5.37000)" in show("d1", "--as", "m1", "--lang", lang)[1]


def test_where_nothing_of_the_way_can_be_shown_this_is_said(show):
    status, out, _ = show("hidden")
    assert status == 0 and "rien du chemin ne peut être montré" in out and "43." not in out
    told = json.loads(show("hidden", "--json")[1])
    assert "route" not in told and "origin_name" not in told


@pytest.mark.parametrize(
    ("words", "said"), [(("gone",), "gone"), (("d1", "--as", "stranger"), "no such member")]
)
def test_what_is_not_there_is_one_line_on_standard_error(show, words, said):
    status, out, err = show(*words)
    assert (status, out) == (2, "") and said in err and err.count("\n") == 1
