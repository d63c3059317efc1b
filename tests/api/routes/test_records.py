"""PUT, GET, DELETE and lists of buildings, residences, members, endorsements, blocks, tenants."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.mark.parametrize(
    "name, body, shown",
    [
        ("residences", {"name": "Les Ifs"}, {"name": "Les Ifs"}),
        ("buildings", {"lat": 43.3, "lon": 5.35, "residence_id": "r1"}, {"residence_id": "r1"}),
        (
            "members",
            {"household_id": "h-new", "building_id": "b2", "level": 3, "name": "Noé"},
            {"household_id": "h-new", "building_id": "b2", "level": 3, "name": "Noé", "lang": "fr"},
        ),
        (
            "endorsements",
            {"member_id": "dan", "listing_id": "shop-04"},
            {"member_id": "dan", "listing_id": "shop-04"},
        ),
        (
            "blocks",
            {"member_id": "dan", "other_id": "cleo"},
            {"member_id": "dan", "other_id": "cleo"},
        ),
    ],
)
def test_what_is_written_is_read_listed_replaced_and_removed(served, name, body, shown):
    url = f"/v1/{name}/{name}-été 1"
    first = served.ask("PUT", url, "root", json=body)
    again = served.ask("PUT", url, "root", json=body)
    assert (first.status_code, again.status_code) == (201, 200), first.text
    read = served.get(url, "root").json()
    assert read["id"] == f"{name}-été 1" and shown.items() <= read.items()
    assert {"lat", "lon", "address", "tenant_id", "place"}.isdisjoint(read)
    listed = served.get(f"/v1/{name}", "root", params={"limit": 200}).json()[name]
    assert read in listed
    gone = served.ask("DELETE", url, "root")
    assert gone.status_code == 200 and gone.headers["Mitoyen-Position"]
    assert served.get(url, "root").status_code == 404
    assert served.ask("DELETE", url, "root").status_code == 404


def test_a_household_does_not_move_with_one_of_its_members(served):
    body = {"household_id": "h-ana", "building_id": "b4"}
    answer = served.ask("PUT", "/v1/members/ana2", "app", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert served.get("/v1/members/ana", "app").json()["building_id"] == "b1"


def test_what_others_refer_to_stays(served):
    for url in ("/v1/residences/r1", "/v1/buildings/b1"):
        answer = served.ask("DELETE", url, "operator")
        assert (answer.status_code, answer.json()["code"]) == (409, "still-referred-to")


@pytest.mark.parametrize(
    "field", ["tenant_id", "id", "place", "cell", "zone", "group", "owner_level", "secret_sha256"]
)
def test_a_field_that_is_not_the_callers_to_set_is_refused(served, field):
    for name, body in (
        ("listings", {"kind": "place", "title": "Banc", "lat": 43.3, "lon": 5.35}),
        ("members", {"household_id": "h-bob", "building_id": "b1"}),
        ("tenants", {"name": "North"}),
    ):
        id = "north" if name == "tenants" else "assigned"
        answer = served.ask("PUT", f"/v1/{name}/{id}", "root", json=body | {field: "x"})
        assert answer.status_code == 422, (name, field)


def test_one_tenants_id_may_be_another_ones_too(served):
    body = {"name": "La leur"}
    assert served.ask("PUT", "/v1/residences/r1", "other", json=body).status_code == 201
    assert served.get("/v1/residences/r1", "root").json()["name"] == "Les Pins"
    assert served.ask("DELETE", "/v1/residences/r1", "other").status_code == 200
    assert served.get("/v1/residences/r1", "root").status_code == 200


@pytest.mark.parametrize("id", ["x" * 201, "a%00b", "a%1Fb", ""])
def test_an_id_that_can_not_be_kept_is_refused(served, id):
    answer = served.ask("PUT", f"/v1/residences/{id}", "operator", json={"name": "R"})
    assert answer.status_code == 422


def test_a_member_endorses_what_they_see_and_hidden_is_told_as_missing(served):
    said = []
    for member, listing, status in (
        ("bob", "ana-building", 201),
        ("dan", "ana-building", 422),  # another building
        ("zed", "ana-public", 422),  # blocked
        ("dan", "nothing", 422),
    ):
        body = {"member_id": member, "listing_id": listing}
        answer = served.ask("PUT", f"/v1/endorsements/{member}-1", "app", member, json=body)
        assert answer.status_code == status, (member, listing, answer.text)
        said.append(answer.json().get("detail"))
    assert said[1] == said[2] == said[3]
    served.ask("DELETE", "/v1/endorsements/bob-1", "app")


def test_of_many_who_write_one_new_id_at_once_exactly_one_owns_it(served):
    members = ["ana", "bob", "cleo", "dan", "eve"]
    body = {"kind": "ad", "title": "Donne canapé", "personal": True}

    def put(turn):
        member, url = members[turn % 5], f"/v1/listings/race-{turn // 20}"
        answer = served.ask("PUT", url, "app", member, json=body | {"owner_id": member})
        return turn // 20, member, answer.status_code

    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(put, range(100)))
    for race in range(5):
        codes = Counter(code for number, _, code in told if number == race)
        (owner,) = (who for number, who, code in told if (number, code) == (race, 201))
        assert codes == {201: 1, 200: 3, 403: 16}  # each member asks four times
        shown = served.get(f"/v1/listings/race-{race}", "app", owner).json()
        assert shown["owner_id"] == owner
