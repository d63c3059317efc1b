"""Listings: who sees which, what is shown of them, and how they page."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import shapely

from api.auth import Caller
from api.routes.listings import show
from api.towns import Outlines
from indexes.entities import (
    Audience,
    Building,
    CommuneCode,
    Household,
    IrisCode,
    Kind,
    Listing,
    Member,
    Tenant,
    Zone,
)
from indexes.grouping import build_groups
from indexes.store import open_store

EVERYWHERE = {"radius_m": 100_000, "limit": 200, "kind": "service"}


def ids_near(served, member):
    found = served.get("/v1/near", "app", member, params=EVERYWHERE).json()["matches"]
    return {match["id"] for match in found}


@pytest.mark.parametrize(
    "member, seen",
    [
        ("bob", {"building", "residence", "zone", "city", "public"}),  # the same building
        ("cleo", {"residence", "zone", "city", "public"}),  # the same residence
        ("dan", {"zone", "city", "public"}),  # the same zone
        ("eve", {"city", "public"}),  # another zone
        ("zed", set()),  # blocked
    ],
)
def test_a_member_sees_what_is_addressed_to_them(served, member, seen):
    for audience in Audience:
        answer = served.get(f"/v1/listings/ana-{audience.value}", "app", member)
        assert answer.status_code == (200 if audience.value in seen else 404), audience


@pytest.mark.parametrize("member", ["bob", "cleo", "dan", "eve", "zed"])
def test_reading_one_and_searching_all_agree_on_who_sees_what(served, member):
    found = ids_near(served, member)
    for audience in Audience:
        id = f"ana-{audience.value}"
        readable = served.get(f"/v1/listings/{id}", "app", member).status_code == 200
        assert readable == (id in found), id


@pytest.mark.parametrize("who", ["local", "planner"])
def test_without_a_member_no_person_is_shown(served, who):
    for audience in Audience:
        assert served.get(f"/v1/listings/ana-{audience.value}", who).status_code == 404
    listed = served.get("/v1/listings", who, params={"limit": 200}).json()["listings"]
    assert listed and not any(item["personal"] for item in listed)


def test_a_person_is_shown_at_their_group_and_nowhere_else(served):
    shown = served.get("/v1/listings/ana-public", "app", "eve").json()
    assert {"lat", "lon", "cell", "address", "owner_id"}.isdisjoint(shown)
    assert shown["group"]["dwellings"] >= 20
    building = served.get("/v1/buildings/b1", "app").json()
    assert building["group"] == shown["group"]
    assert (building["group"]["lat"], building["group"]["lon"]) != (43.301, 5.351)
    assert "lat" not in building and "address" not in building


def test_a_person_in_a_group_too_small_is_shown_by_commune_only(tmp_path):
    store = open_store(tmp_path / "hamlet.db")
    try:
        mine = {"tenant_id": "t"}
        listing = Listing(
            **mine, id="l", kind=Kind.SERVICE, title="Couture", personal=True, owner_id="m"
        )
        store.put(Tenant(**mine, id="t", name="Town"))
        store.put_zones(
            [
                Zone(
                    **mine,
                    code=IrisCode("990010101"),
                    vintage=2020,
                    name="Hameau",
                    type="H",
                    commune_code=CommuneCode("99001"),
                    commune_name="Port-Mitoyen (ville fictive)",
                    geometry=shapely.box(5.34, 43.28, 5.37, 43.32),
                )
            ]
        )
        store.put_all(
            [
                Building(**mine, id="b", lon=5.351, lat=43.301, dwellings=3),
                Household(**mine, id="h", building_id="b"),
                Member(**mine, id="m", household_id="h"),
                listing,
            ]
        )
        store.put_groups(build_groups(store, "t"))
        town = SimpleNamespace(store=store, tenant_id="t", outlines=Outlines.read(store, "t"))
        shown = show(Caller("t"), listing, town).model_dump(exclude_none=True)
    finally:
        store.close()
    assert shown["group"]["commune_code"] == "99001"
    assert shown["zones"] == shown["group"]["zones"] == []
    assert {"lat", "lon", "dwellings"}.isdisjoint(shown["group"])


def test_a_personal_listing_takes_no_place_of_its_own(served):
    body = {"kind": "service", "title": "Couture", "personal": True, "owner_id": "ana"}
    for more, code in (
        ({"lat": 43.3, "lon": 5.35}, "personal-point"),
        ({"address": "12 rue de la Loge"}, "personal-place"),
        ({"lat": 43.3}, "incomplete-origin"),
    ):
        answer = served.ask("PUT", "/v1/listings/couture", "app", json=body | more)
        assert answer.status_code == 422 and answer.json()["code"] == code


def test_a_cells_listings_are_those_below_it_at_every_resolution(served):
    import h3  # the oracle; the rooms have one importer of it

    listed = served.get("/v1/listings", params={"limit": 200}).json()["listings"]
    for resolution in range(5, 10):
        for cell in {h3.cell_to_parent(item["cell"], resolution) for item in listed}:
            wanted = [i["id"] for i in listed if h3.cell_to_parent(i["cell"], resolution) == cell]
            found, cursor = [], None
            while True:
                params = {"cell": cell, "limit": 2} | ({"cursor": cursor} if cursor else {})
                page = served.get("/v1/listings", params=params).json()
                found += [item["id"] for item in page["listings"]]
                cursor = page.get("next")
                if cursor is None:
                    break
            assert found == wanted


@pytest.mark.parametrize(
    "cell", ["893968152abfff", "zzz968152abffff", "8a3968152abffff", "843968152abffff"[:15]]
)
def test_a_cell_that_is_none_or_too_fine_or_coarse_is_refused(served, cell):
    assert served.get("/v1/listings", params={"cell": cell}).status_code == 422


def test_a_zones_listings_are_the_public_ones_whose_point_is_in_it(served):
    for code in ("990010101", "990010102"):
        page = served.get("/v1/listings", params={"zone": code, "limit": 200}).json()
        assert page["listings"]
        assert all(code in item["zones"] and not item["personal"] for item in page["listings"])
    assert served.get("/v1/listings", params={"zone": "990019999"}).json()["listings"] == []


def test_a_put_says_whether_it_made_or_replaced_and_where_the_store_stands(served):
    body = {"kind": "place", "title": "Lavoir", "lat": 43.3, "lon": 5.36}
    first = served.ask("PUT", "/v1/listings/node/42", "app", json=body)
    again = served.ask("PUT", "/v1/listings/node/42", "app", json=body | {"title": "Vieux lavoir"})
    assert (first.status_code, again.status_code) == (201, 200)
    for answer in (first, again):
        assert answer.headers["Mitoyen-Position"] == answer.json()["position"]
    assert served.get("/v1/listings/node/42").json()["title"] == "Vieux lavoir"
    gone = served.ask("DELETE", "/v1/listings/node/42", "app")
    assert gone.status_code == 200 and gone.headers["Mitoyen-Position"] == gone.json()["position"]
    assert served.get("/v1/listings/node/42").status_code == 404


def test_a_swapped_point_is_refused_and_the_swap_offered(served):
    body = {"kind": "place", "title": "Lavoir", "lat": 5.36, "lon": 43.3}
    answer = served.ask("PUT", "/v1/listings/swapped", "app", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "swapped-coordinates"
    assert "5.36" not in answer.text and "43.3" not in answer.text


def test_a_member_addresses_the_walls_they_are_verified_behind_and_no_others(served):
    newcomer = {"household_id": "h-new", "building_id": "b1", "level": 1}
    served.ask("PUT", "/v1/members/new", "app", json=newcomer)
    for member, audience, walls, status in (
        ("bob", "building", "b1", 201),
        ("bob", "residence", "r1", 200),
        ("bob", "building", "b2", 403),
        ("bob", "residence", "b1", 403),
        ("dan", "residence", "r1", 403),
        ("new", "building", "b1", 403),
        ("nobody", "building", "b1", 403),
        (None, "building", "b2", 200),  # the app itself, for a landlord say
    ):
        body = {"kind": "ad", "title": "Vide-grenier", "lat": 43.301, "lon": 5.352}
        body |= {"owner_id": member or "bob", "audience": audience, "audience_id": walls}
        answer = served.ask(
            "PUT", f"/v1/listings/cour-{body['owner_id']}", "app", member, json=body
        )
        assert answer.status_code == status, (member, audience, walls, answer.text)
    served.ask("DELETE", "/v1/listings/cour-bob", "app")
    served.ask("DELETE", "/v1/members/new", "app")


def test_nothing_was_published_in_the_future(served):
    body = {"kind": "ad", "title": "Vélo", "lat": 43.3, "lon": 5.36}
    body["published_at"] = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    answer = served.ask("PUT", "/v1/listings/velo", "app", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-instant")
    body["published_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    assert served.ask("PUT", "/v1/listings/velo", "app", json=body).status_code == 201
    served.ask("DELETE", "/v1/listings/velo", "app")
