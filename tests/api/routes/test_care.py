"""Offering care over HTTP: who may, who sees it, and what to do."""

SITTING = {
    "kind": "service",
    "title": "Garde d'enfants",
    "personal": True,
    "category": "garde.enfants",
}


def put(served, owner, member=None, **more):
    body = SITTING | {"owner_id": owner} | more
    return served.ask("PUT", f"/v1/listings/sits-{owner}", "app", member, json=body)


def raised(served, member, level):
    home = {"cleo": "b2", "eve": "b4"}[member]
    body = {"household_id": f"h-{member}", "building_id": home, "level": level}
    assert served.ask("PUT", f"/v1/members/{member}", "app", json=body).status_code == 200


def test_care_is_written_from_level_three_on_and_told_what_to_do_below(served):
    for member in (None, "cleo"):
        refused = put(served, "cleo", member)
        assert (refused.status_code, refused.json()["code"]) == (403, "level-required")
        assert "code of a letter" in refused.json()["detail"]
    assert put(served, "cleo", "cleo", category="garde.animaux").status_code == 201
    assert put(served, "cleo", "cleo").status_code == 403  # nor by changing what it is
    raised(served, "cleo", 3)
    assert put(served, "cleo", "cleo").status_code == 200


def test_calling_it_a_place_changes_nothing(served):
    place = {"kind": "place", "personal": False, "lat": 43.301, "lon": 5.352}
    assert put(served, "dan", "dan", **place).json()["code"] == "level-required"


def test_public_care_is_listed_only_while_its_owner_is_proved(served):
    raised(served, "eve", 3)
    shop = {"kind": "artisan", "personal": False, "lat": 43.301, "lon": 5.352}
    assert put(served, "eve", "eve", **shop).status_code == 201
    for level, shown in ((3, True), (2, False), (4, True)):
        raised(served, "eve", level)
        for who, member in (("local", None), ("app", "bob")):
            listed = served.get("/v1/listings?limit=200", who, member).json()["listings"]
            assert ("sits-eve" in {one["id"] for one in listed}) is shown
            status = served.get("/v1/listings/sits-eve", who, member).status_code
            assert status == (200 if shown else 404)


def test_care_by_somebody_unknown_is_refused_alike(served):
    assert put(served, "nobody").json()["code"] == "level-required"


def test_care_whose_owner_is_no_longer_proved_is_the_owners_and_the_apps_alone(served):
    raised(served, "cleo", 4)
    assert put(served, "cleo").status_code in (200, 201)
    url = "/v1/listings/sits-cleo"
    assert served.get(url, "app", "bob").status_code == 200
    raised(served, "cleo", 2)
    assert served.get(url, "app", "bob").status_code == 404
    assert served.get(url, "app", "cleo").status_code == 200
    assert served.get(url, "app").status_code == 200
