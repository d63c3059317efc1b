"""Who says that a listing is attested, and what endorsements are refused."""

import pytest

PLUMBER = {"kind": "artisan", "title": "Plombier du Port", "lat": 43.3005, "lon": 5.3505}


def put(served, id, who, member=None, **more):
    return served.ask("PUT", f"/v1/listings/{id}", who, member, json={**PLUMBER, **more})


def attested(served, id):
    return served.get(f"/v1/listings/{id}", "app").json().get("attested")


def code(answer):
    return answer.status_code, answer.json()["code"]


def test_operators_attest_and_nobody_else_does(served):
    refused = (403, "attested-by-operator")
    assert code(put(served, "at-1", "app", attested="registry")) == refused
    assert code(put(served, "at-1", "app", "ana", owner_id="ana", attested="town")) == refused
    assert served.get("/v1/listings/at-1", "app").status_code == 404
    assert put(served, "at-1", "root", attested="registry").status_code == 201
    assert attested(served, "at-1") == "registry"
    assert code(put(served, "at-1", "app", attested="town")) == refused
    assert put(served, "at-1", "root").status_code == 200
    assert attested(served, "at-1") is None
    assert put(served, "at-1", "root", attested="myself").status_code == 422


@pytest.mark.parametrize("more", [{}, {"attested": "registry"}])
def test_what_stays_the_same_thing_stays_attested(served, more):
    id = f"at-2-{len(more)}"
    put(served, id, "root", attested="registry", owner_id="ana")
    answer = put(served, id, "app", "ana", owner_id="ana", opening_hours="24/7", **more)
    assert answer.status_code == 200 and attested(served, id) == "registry"
    put(served, id, "app", "ana", owner_id="ana", title="Tout autre chose", **more)
    assert attested(served, id) is None


def test_a_household_does_not_endorse_what_is_its_own(served):
    put(served, "at-3", "app", "ana", owner_id="ana")
    body = {"member_id": "ana", "listing_id": "at-3"}
    answer = served.ask("PUT", "/v1/endorsements/at-own", "app", "ana", json=body)
    assert code(answer) == (403, "same-household")
    body["member_id"] = "bob"
    answer = served.ask("PUT", "/v1/endorsements/at-bob", "app", "bob", json=body)
    assert answer.status_code == 201
