"""``mitoyen groups build``, as typed, on a store of its own."""

import json

import pytest

from api.cli import main
from indexes.entities import Building, Tenant
from indexes.store import open_store


@pytest.fixture
def built(tmp_path, capfd):
    """Builds groups of these dwellings at one place: status, output, errors."""
    path = tmp_path / "town.db"

    def run(dwellings, *words):
        store = open_store(path)
        store.put(Tenant(tenant_id="t", id="t", name="Town"))
        store.put(Building(tenant_id="t", id="a", lon=5.374, lat=43.2951, dwellings=dwellings))
        store.close()
        try:
            status = main(["groups", "build", "--store", str(path), *words])
        except SystemExit as leaving:
            status = leaving.code
        output = capfd.readouterr()
        return status or 0, output.out, output.err

    return run


def test_build_reports_groups_dwellings_and_the_share_locatable(built):
    status, out, _ = built(30, "--json")
    assert status == 0
    assert json.loads(out) == {
        "version": 1,
        "groups": 1,
        "locatable_groups": 1,
        "dwellings": 30,
        "locatable_share": 1.0,
        "smallest_group": 30,
        "kept_cuts": [],
    }
    assert json.loads(built(19, "--json")[1]) == {
        "version": 2,
        "groups": 1,
        "locatable_groups": 0,
        "dwellings": 19,
        "locatable_share": 0.0,
        "smallest_group": None,
        "kept_cuts": [],
    }


def test_build_tells_people_in_words(built):
    status, out, _ = built(1_200)
    assert status == 0
    for told in ("that can be located", "1,200", "100.0%"):
        assert told in out


def test_build_places_the_buildings_in_their_group(built, tmp_path):
    built(30)
    store = open_store(tmp_path / "town.db", create=False)
    place = store.get(Building, "t", "a").place
    partition = store.groups("t")
    store.close()
    assert place is not None and partition is not None and partition.created_at is not None
    assert place.group == partition.groups[0].id


def test_build_says_what_to_do_where_there_is_nothing(built):
    status, _, err = built(0)
    assert status == 0 and "import buildings" in err


def test_k_may_be_raised_but_not_lowered(built):
    assert json.loads(built(30, "--k", "31", "--json")[1])["locatable_groups"] == 0
    assert built(30, "--k", "19")[0] == 2
