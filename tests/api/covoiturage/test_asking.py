"""Who may ask other platforms' questions, how often, and what they are told of our health."""

from typing import Any

import pytest
from covoiturage_town import OURS, PARTNER, WAY

from api.app import create_app
from api.covoiturage.asking import DOMAIN
from api.covoiturage.limits import Limiter, TooManyError
from api.settings import Settings
from geo.errors import InputError

OPERATIONS = [
    ("GET", "/driver_journeys"),
    ("GET", "/passenger_journeys"),
    ("GET", "/driver_regular_trips"),
    ("GET", "/passenger_regular_trips"),
    ("POST", "/bookings"),
    ("GET", "/bookings/{bookingId}"),
    ("PATCH", "/bookings/{bookingId}"),
    ("POST", "/booking_events"),
    ("POST", "/messages"),
]


@pytest.mark.parametrize("method, path", OPERATIONS)
def test_from_elsewhere_a_key_is_needed(town: Any, checker: Any, method: str, path: str) -> None:
    for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": "wrong"}):
        answer = town.remote.request(method, f"/covoiturage/v1{path}", headers=headers, json={})
        assert checker.check(method.lower(), path, answer, status=401) == set()


def test_with_a_key_it_may_be_asked_from_anywhere(town: Any) -> None:
    for client in (town.local, town.remote):
        for name in ("app", PARTNER):
            answer = client.get(
                "/covoiturage/v1/driver_journeys",
                params=WAY,
                headers={"X-API-Key": f"secret of {name}"},
            )
            assert answer.status_code == 200 and answer.json()


def test_on_this_machine_an_empty_key_is_as_none_and_a_wrong_one_is_refused(town: Any) -> None:
    url = "/covoiturage/v1/driver_journeys"
    assert town.local.get(url, params=WAY, headers={"X-API-Key": ""}).status_code == 200
    assert town.local.get(url, params=WAY, headers={"X-API-Key": "wrong"}).status_code == 401
    proxied = {"X-Forwarded-For": "192.0.2.9"}
    assert town.local.get(url, params=WAY, headers=proxied).status_code == 401


def test_of_two_keys_none_is_taken(town: Any, checker: Any) -> None:
    url = "/covoiturage/v1/driver_journeys"
    twice = [("X-API-Key", f"secret of {name}") for name in (PARTNER, "app")]
    answer = town.remote.get(url, params=WAY, headers=twice)
    assert checker.check("get", "/driver_journeys", answer, status=400) == set()
    assert "x-api-key" in answer.json()["error"]


def test_anybody_may_ask_whether_we_are_there(town: Any, checker: Any) -> None:
    for key in (None, "remote"):
        assert checker.check("get", "/status", town.get("/status", key=key)) == set()
    towns = town.app.state.towns
    towns.store_up = False
    try:
        assert town.get("/status").status_code == 500
    finally:
        towns.store_up = True


def test_who_asks_too_much_is_told_when_to_come_back(town: Any, checker: Any) -> None:
    now = [100.0]
    town.set(limiter=Limiter(per_second=0.1, burst=3, clock=lambda: now[0]))
    for _ in range(3):
        assert town.get("/driver_journeys", WAY).status_code == 200
    for method, path in [*OPERATIONS, ("GET", "/status")]:
        if path == "/status":
            continue
        answer = town.ask(method, path)
        assert checker.check(method.lower(), path, answer, status=429) == set()
        assert answer.headers["retry-after"] == "10" and answer.content == b""
    assert town.get("/status").status_code == 429
    assert town.get("/driver_journeys", WAY, key="remote").status_code == 401  # another's bucket
    now[0] += 10.0
    assert town.get("/driver_journeys", WAY).status_code == 200
    assert town.get("/driver_journeys", WAY).status_code == 429


def test_a_key_has_a_bucket_of_its_own_and_unknown_ones_have_none(town: Any) -> None:
    assert town.get("/status", key="app").status_code == 200
    assert town.get("/driver_journeys", WAY, key="app").status_code == 200  # it is known by now
    town.set(limiter=Limiter(per_second=0.1, burst=1, clock=lambda: 0.0))
    assert town.get("/driver_journeys", WAY, key="app").status_code == 200
    assert town.get("/driver_journeys", WAY, key="app").status_code == 429
    assert town.get("/driver_journeys", WAY, key="wrong").status_code == 401
    assert town.get("/driver_journeys", WAY, key="wronger").status_code == 429
    assert town.get("/driver_journeys", WAY).status_code == 429


def test_a_limiter_forgets_who_asked_longest_ago_and_nothing_more() -> None:
    limiter = Limiter(per_second=1.0, burst=1, clock=lambda: 0.0)
    limiter.take("first")
    for number in range(10_000):
        limiter.take(f"caller {number}")
    limiter.take("first")
    with pytest.raises(TooManyError):
        limiter.take("caller 9999")


@pytest.mark.parametrize(
    "name", ["localhost", "https://x.example", "x.example/", "x..example", "X.example", "1.2.3.4",
             "-x.example", "x.example:80", ""],
)  # fmt: skip
def test_an_operator_that_is_no_domain_name_stops_the_start(name: str) -> None:
    with pytest.raises(InputError, match="domain name"):
        create_app(Settings(store="unused.db", operator=name))
    assert DOMAIN.fullmatch(OURS)


def test_the_document_says_all_that_is_answered(town: Any) -> None:
    document = town.get("/openapi.json").json()
    told = {(method.upper(), path) for path, of in document["paths"].items() for method in of}
    assert told == {*OPERATIONS, ("GET", "/status")}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "422" not in operation["responses"], (method, path)
            assert {"400", "401", "429", "500"} <= operation["responses"].keys()


def test_the_metrics_name_operations_and_nobodys_booking(town: Any) -> None:
    town.get("/bookings/00000000-0000-0000-0000-00000000abcd")
    told = town.local.get("/metrics").text
    assert "/bookings/{bookingId}" in told and "abcd" not in told
