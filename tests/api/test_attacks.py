"""What an attacker gets at: what a member learns of others by refusals, and by odd paths."""

import itertools

import pytest

FRESH = itertools.count()


@pytest.fixture(scope="module")
def town(served):
    """The served town, and what zed, who has blocked ana, and others have in it."""
    lessons = {"kind": "service", "title": "Cours", "personal": True, "category": "cours"}
    records = {
        "members/max": {"household_id": "h-max", "building_id": "b3", "level": 4},
        "members/eva": {"household_id": "h-eve", "building_id": "b4", "level": 2},
        "listings/eve-public": lessons | {"owner_id": "eve"},
        "listings/zed-public": lessons | {"owner_id": "zed"},
        "listings/zed-square": {
            "kind": "place",
            "title": "Square",
            "owner_id": "zed",
            "lat": 43.301,
            "lon": 5.352,
            "attested": "town",
        },
        "trips/zed-trip": {
            "role": "driver",
            "owner_id": "zed",
            "waypoints": [{"lat": 43.301, "lon": 5.351}, {"lat": 43.3012, "lon": 5.481}],
            "schedule": {"weekly": [{"days": ["MON"], "time": "07:50"}]},
        },
    }
    for path, record in records.items():
        made = served.ask("PUT", f"/v1/{path}", "root", json=record)
        assert made.status_code == 201, made.text
    position = made.json()["position"]
    assert served.get(f"/v1/near?lat=43.3&lon=5.35&after={position}").status_code == 200
    return served


def told(answer):
    """All of an answer but what differs between any two."""
    headers = {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "date")}
    return answer.status_code, headers, answer.text


CARE = {
    "kind": "service",
    "title": "Garde d'enfants",
    "personal": True,
    "category": "garde.enfants",
}
SQUARE = {"kind": "place", "title": "Place", "owner_id": "ana", "lat": 43.301, "lon": 5.352}
GUESSES = {
    "who lives with the owner of a listing": [
        ("endorsements", {"member_id": "eva", "listing_id": listing})
        for listing in ("eve-public", "shop-00", "there-is-none")
    ],
    "who is a member": [
        ("endorsements", {"member_id": member, "listing_id": "eve-public"})
        for member in ("bob", "nobody")
    ],
    "who has proved a home": [
        ("listings", CARE | {"owner_id": member}) for member in ("max", "bob", "zed", "nobody")
    ],
    "in which building a dwelling is": [
        ("members", {"household_id": "h-zed", "building_id": building})
        for building in ("b1", "b2", "b9")
    ],
}


@pytest.mark.parametrize("guesses", GUESSES.values(), ids=GUESSES)
def test_a_write_in_the_name_of_another_is_refused_before_it_tells_anything(town, guesses):
    answers = [
        told(town.ask("PUT", f"/v1/{name}/guess-{next(FRESH)}", "app", "ana", json=body))
        for name, body in guesses
    ]
    assert answers[0][0] == 403
    assert all(answer == answers[0] for answer in answers), answers


def test_what_is_attested_of_anothers_listing_is_not_told_by_guessing(town):
    told_of = [
        told(
            town.ask("PUT", "/v1/listings/zed-square", "app", "ana", json=SQUARE | {"attested": by})
        )
        for by in ("town", "registry")
    ]
    assert told_of[0] == told_of[1] and told_of[0][0] == 403


RIDE = "from_lat=43.3012&from_lon=5.3563&to_lat=43.3011&to_lon=5.45"
RIDE += "&depart_at=07:50&flex_after_s=1800&days=MON&first=2026-11-30"

ROUTES = [
    ("GET", "/v1/members/{member}", None),
    ("GET", "/v1/listings/{listing}", None),
    ("DELETE", "/v1/listings/{listing}", None),
    ("GET", "/v1/trips/{trip}", None),
    ("DELETE", "/v1/trips/{trip}", None),
    ("GET", "/v1/trips/{trip}/matches", None),
    ("GET", "/v1/blocks/{block}", None),
    ("DELETE", "/v1/blocks/{block}", None),
    ("PUT", "/v1/endorsements/of-{fresh}", {"member_id": "ana", "listing_id": "{listing}"}),
    ("POST", "/v1/interactions/requests", {"helper_id": "{member}", "text": "Bonjour"}),
    ("POST", "/v1/interactions/requests", {"listing_id": "{listing}", "text": "Bonjour"}),
    ("POST", "/v1/vouches", {"vouchee_id": "{member}"}),
]
ZED = {"member": "zed", "listing": "zed-public", "trip": "zed-trip", "block": "zed-ana"}


@pytest.mark.parametrize("method, url, body", ROUTES)
def test_who_has_blocked_somebody_answers_them_as_who_is_not_there(town, method, url, body):
    def answer(names):
        names = names | {"fresh": next(FRESH)}
        sent = body and {key: value.format(**names) for key, value in body.items()}
        return told(town.ask(method, url.format(**names), "app", "ana", json=sent))

    assert answer(ZED)[0] in (404, 422)
    assert answer(ZED) == answer(dict.fromkeys(ZED, "nobody"))


def test_how_far_to_trust_who_has_blocked_somebody_is_told_as_of_who_is_not_there(town):
    answer = town.ask(
        "POST", "/v1/verifications/levels", "app", "ana", json={"member_ids": ["zed", "nobody"]}
    )
    assert [one["level"] for one in answer.json()["levels"]] == [0, 0]


SEARCHES = [  # and whether somebody else finds zed by it
    ("GET", "/v1/near", None, True),
    ("GET", "/v1/near?kind=service&limit=100", None, True),
    ("POST", "/v1/near", {"q": "cours", "kind": ["service"]}, True),
    ("POST", "/v1/near/batch", {"queries": [{"kind": ["service"]}, {"q": "cours"}]}, True),
    ("GET", "/v1/trips/match?" + RIDE, None, True),
    ("GET", "/v1/trips/week?" + RIDE, None, True),
    ("GET", "/v1/recommendations?kind=artisan", None, False),
    ("GET", "/v1/listings", None, True),
    ("GET", "/v1/trips", None, False),
    ("GET", "/v1/blocks", None, False),
    ("GET", "/v1/interactions", None, False),
    ("GET", "/v1/interactions/requests", None, False),
    ("GET", "/v1/ratings", None, False),
    ("GET", "/v1/vouches", None, False),
    ("GET", "/v1/verifications", None, False),
    ("GET", "/v1/reports", None, False),
]


@pytest.mark.parametrize("method, url, body, shown", SEARCHES)
def test_who_has_blocked_somebody_is_found_by_them_nowhere(town, method, url, body, shown):
    def found(member):
        answer = town.ask(method, url, "app", member, json=body)
        assert answer.status_code == 200, answer.text
        return "zed" in answer.text

    assert not found("ana")
    assert found("cleo") is shown


@pytest.mark.parametrize("after", ["%0A", "%0D%0A", "%0Ax"])
def test_a_line_break_in_a_path_names_nothing(town, after):
    for name in ("listings/shop-00", "members/ana", "trips/zed-trip"):
        assert town.get(f"/v1/{name}", "app").status_code == 200
        for method in ("GET", "DELETE"):
            answer = town.ask(method, f"/v1/{name}{after}", "app")
            assert answer.status_code == 422, (method, name)
    for path in ("/v1/near", "/healthz", "/v1/zones/990010101", "/metrics"):
        assert town.get(f"{path}{after}?lat=43.3&lon=5.35").status_code in (404, 422), path


def test_a_line_break_in_a_path_is_answered_by_what_is_mounted_there(town):
    answer = town.get("/covoiturage/v1/bookings/a%0Ab")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert answer.content == town.get("/covoiturage/v1/bookings/a%01b").content
    assert town.get("/ogc/collections/a%0A").status_code == 404
