"""``mitoyen sample``, as typed."""

import json

import pytest

from api.cli import main
from indexes.entities import Building, Figures, Listing, Member, Tenant
from indexes.store import open_store
from matching.engine import Engine
from matching.query import NearQuery, Viewer

SMALL = ["--listings", "300", "--adoption", "0.02", "--at", "2026-11-23T10:00:00+01:00"]


@pytest.fixture
def sampled(tmp_path, capfd):
    path = tmp_path / "town.db"

    def run(*words):
        status = main(["sample", "--store", str(path), "--json", *SMALL, *words])
        told = capfd.readouterr()
        return status, json.loads(told.out) if told.out else None, told.err

    run.path = path
    return run


def counts(path):
    store = open_store(path, create=False)
    try:
        return {of.__name__: store.count(of, "default") for of in (Building, Listing, Member)}
    finally:
        store.close()


def test_a_town_is_kept_grouped_and_answers(sampled):
    status, report, _ = sampled("--seed", "4")
    assert status == 0
    assert report["zones"] == 60
    assert report["listings"] == 300
    assert counts(sampled.path) == {
        "Building": report["buildings"],
        "Listing": 300,
        "Member": report["members"],
    }
    store = open_store(sampled.path, create=False)
    try:
        assert "fictive" in store.get(Tenant, "default", "default").name
        answer = Engine.over(store, "default").near(
            Viewer(report["member_by_the_harbour"]),
            NearQuery(at=store.groups("default").created_at),
        )
    finally:
        store.close()
    assert answer.people == "searched"
    assert answer.matches


def test_the_same_town_again_changes_nothing(sampled):
    first, before = sampled("--seed", "4")[1], counts(sampled.path)
    assert sampled("--seed", "4")[1] == first
    assert counts(sampled.path) == before


def test_another_seed_may_follow_in_the_same_store(sampled):
    # Ids come again while people and things change: who recommends what must not collide.
    for seed in ("4", "5", "6"):
        assert sampled("--seed", seed, "--adoption", "0.005", "--listings", "2000")[0] == 0


def test_a_town_with_records_of_its_own_is_left_alone(sampled):
    store = open_store(sampled.path)
    store.put(Tenant(tenant_id="default", id="default", name="Real"))
    store.put(Building(tenant_id="default", id="b", lon=5.37, lat=43.3))
    store.close()
    status, _, told = sampled()
    assert status == 2
    assert "holds a town already" in told
    assert counts(sampled.path) == {"Building": 1, "Listing": 0, "Member": 0}


def test_zones_that_are_there_are_peopled(sampled):
    status, _, told = sampled("--over-zones")
    assert status == 2
    assert "no zones to draw over" in told

    _, report, _ = sampled("--seed", "4")
    store = open_store(sampled.path, create=False)
    zones = store.zones("default")
    store.close()
    assert isinstance(zones[0].figures, Figures)
    status, again, _ = sampled("--over-zones", "--seed", "5")
    assert status == 0
    assert again["dwellings"] == report["dwellings"]
    assert "member_by_the_harbour" not in again
