"""Dealings, ratings, vouches, letters and reports over HTTP: who may, and who learns what."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

DAY = timedelta(days=1)
START = datetime(2027, 3, 1, 9, 0, 0, tzinfo=UTC)


class Clock:
    """An app's time, which a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(served):
    before, served.app.state.clock = served.app.state.clock, Clock()
    yield served.app.state.clock
    served.app.state.clock = before


@pytest.fixture
def people(served, clock):
    """Neighbours who know nothing of each other yet: Noa and Max of one building, Lou of none."""
    made = {"noa": ("b3", 1), "max": ("b3", 3), "kim": ("b3", 3), "lou": ("b4", 1)}
    for name, (home, level) in made.items():
        served.ask("DELETE", f"/v1/members/{name}", "root")
        body = {"household_id": f"h-{name}", "building_id": home, "level": level}
        assert served.ask("PUT", f"/v1/members/{name}", "root", json=body).status_code in (200, 201)
    return served


def post(served, path, member, who="app", **body):
    return served.ask("POST", f"/v1/{path}", who, member, json=body)


def done(answer, status=201):
    assert answer.status_code == status, answer.text
    assert answer.headers["Mitoyen-Position"] == answer.json()["position"]
    return answer.json()


def code(answer):
    return answer.status_code, answer.json()["code"]


def dealing(served, asker="noa", helper="max"):
    """An interaction that both sides have completed."""
    id = done(post(served, "interactions/requests", asker, helper_id=helper, text="?"))["id"]
    assert done(post(served, "interactions/replies", helper, request_id=id, accepted=True))
    for side in (asker, helper):
        done(post(served, "interactions/completions", side, interaction_id=id), 200)
    return id


def mine(served, name, member, **params):
    return served.get(f"/v1/{name}", "app", member, params=params).json()[name.split("/")[-1]]


def test_a_request_becomes_an_interaction_that_both_sides_see_and_nobody_else(people):
    id = done(post(people, "interactions/requests", "noa", helper_id="max", text="Une fuite ?"))[
        "id"
    ]
    (asked,) = mine(people, "interactions/requests", "max")
    assert asked == {
        "id": id,
        "asker_id": "noa",
        "helper_id": "max",
        "text": "Une fuite ?",
        "created_at": "2027-03-01T09:00:00Z",
    }
    assert mine(people, "interactions/requests", "lou") == []
    body = {"request_id": id, "accepted": True, "text": "J'arrive"}
    for member, status in (("noa", 404), ("lou", 404), ("max", 201), ("max", 409)):
        answer = post(people, "interactions/replies", member, **body)
        assert answer.status_code == status, member
    (asked,) = mine(people, "interactions/requests", "noa")
    assert (asked["accepted"], asked["reply"]) == (True, "J'arrive")
    for member, status in (("lou", 404), ("noa", 200), ("noa", 200), ("max", 200)):
        answer = post(people, "interactions/completions", member, interaction_id=id)
        assert answer.status_code == status, member
    (found,) = mine(people, "interactions", "noa")
    assert found["asker_done_at"] == found["helper_done_at"] == "2027-03-01T09:00:00Z"
    assert (
        mine(people, "interactions", "max") == [found] and mine(people, "interactions", "lou") == []
    )


def test_the_owner_of_a_listing_is_not_told_before_accepting(people):
    listing = {"kind": "service", "title": "Vélo", "personal": True, "owner_id": "max"}
    listing["category"] = "repair.bike"
    done(people.ask("PUT", "/v1/listings/bike", "app", json=listing))
    id = done(post(people, "interactions/requests", "noa", listing_id="bike"))["id"]
    (asked,) = mine(people, "interactions/requests", "noa")
    assert asked["listing_id"] == "bike" and asked["category"] == "repair.bike"
    assert "helper_id" not in asked and mine(people, "interactions", "noa") == []
    (theirs,) = mine(people, "interactions/requests", "max")
    assert theirs["helper_id"] == "max"
    done(post(people, "interactions/replies", "max", request_id=id, accepted=False))
    assert "helper_id" not in mine(people, "interactions/requests", "noa")[0]
    id = done(post(people, "interactions/requests", "noa", listing_id="bike"))["id"]
    done(post(people, "interactions/replies", "max", request_id=id, accepted=True))
    told = {one["id"]: one.get("helper_id") for one in mine(people, "interactions/requests", "noa")}
    assert told[id] == "max" and None in told.values()
    assert people.ask("DELETE", "/v1/listings/bike", "app").status_code == 200
    assert mine(people, "interactions", "noa")


@pytest.mark.parametrize(
    "member, body, refused",
    [
        ("noa", {"helper_id": "noa"}, (422, "self-dealing")),
        ("noa", {"helper_id": "nobody"}, (422, "unknown-reference")),
        ("noa", {"listing_id": "nothing"}, (422, "unknown-reference")),
        ("noa", {"listing_id": "shop-00"}, (422, "owner-required")),
        ("noa", {"helper_id": "max", "listing_id": "shop-00"}, (422, "invalid-dealing")),
        ("noa", {}, (422, "invalid-dealing")),
        ("noa", {"helper_id": "max", "text": "x" * 2_001}, (422, "invalid-request")),
        ("zed", {"helper_id": "ana"}, (422, "unknown-reference")),  # zed has blocked Ana
        ("ana", {"helper_id": "zed"}, (422, "unknown-reference")),
        ("ghost", {"helper_id": "max"}, (403, "unknown-member")),
        (None, {"helper_id": "max"}, (403, "forbidden")),
    ],
)
def test_who_can_not_be_asked_is_refused(people, member, body, refused):
    assert code(post(people, "interactions/requests", member, **body)) == refused


def test_two_accounts_of_one_dwelling_have_no_dealings(people):
    body = {"household_id": "h-noa", "building_id": "b3", "level": 3}
    people.ask("PUT", "/v1/members/noa2", "app", json=body)
    refused = (403, "same-household")
    assert code(post(people, "interactions/requests", "noa", helper_id="noa2")) == refused
    assert code(post(people, "vouches", "noa2", vouchee_id="noa")) == refused
    people.ask("DELETE", "/v1/members/noa2", "app")


def test_nothing_tells_of_a_rating_before_both_have_rated(people, clock):
    id = dealing(people)

    def all_that_max_reads():
        paths = ("ratings", "interactions", "interactions/requests", "vouches", "verifications")
        return [
            re.sub(rb'"position":"[^"]*"', b"", people.get(f"/v1/{path}", "app", member).content)
            for path in (*paths, "members/max", "members")
            for member in ("max",)
        ] + [people.get("/v1/ratings", "app", params={"limit": 1}).content]

    before = all_that_max_reads()
    clock.now += DAY
    theirs = done(post(people, "ratings", "noa", interaction_id=id, stars=1, text="Jamais venu"))
    assert all_that_max_reads() == before
    assert [one["id"] for one in mine(people, "ratings", "noa")] == [theirs["id"]]
    clock.now += DAY
    own = done(post(people, "ratings", "max", interaction_id=id, stars=5))
    for member in ("noa", "max"):
        ratings = mine(people, "ratings", member)
        assert {one["id"]: one["stars"] for one in ratings} == {theirs["id"]: 1, own["id"]: 5}
    assert mine(people, "ratings", "lou") == []


def test_a_rating_opens_after_fourteen_days_and_is_then_too_late_to_pay_back(people, clock):
    id = dealing(people)
    done(post(people, "ratings", "noa", interaction_id=id, stars=1))
    clock.now += 14 * DAY - timedelta(seconds=1)
    assert mine(people, "ratings", "max") == []
    clock.now += timedelta(seconds=1)
    assert [one["stars"] for one in mine(people, "ratings", "max")] == [1]
    late = post(people, "ratings", "max", interaction_id=id, stars=1)
    assert code(late) == (409, "rating-closed")


def test_pages_of_ratings_are_full_without_those_that_are_hidden(people, clock):
    shown = set()
    for _ in range(3):
        id = dealing(people)
        shown.add(done(post(people, "ratings", "noa", interaction_id=id, stars=4))["id"])
        done(post(people, "ratings", "max", interaction_id=id, stars=4))
        done(post(people, "ratings", "kim", interaction_id=dealing(people, "kim"), stars=2))
    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = people.get("/v1/ratings", "app", "max", params=params).json()
        found += page["ratings"]
        cursor = page.get("next")
        if cursor is None:
            break
        assert len(page["ratings"]) == 2
    assert len(found) == 6 and [one["id"] for one in found] == sorted(one["id"] for one in found)
    assert shown <= {one["id"] for one in found}


def test_what_is_no_rating_of_ones_own_interaction_is_refused(people):
    body = {"helper_id": "max"}
    open_id = done(post(people, "interactions/requests", "noa", **body))["id"]
    done(post(people, "interactions/replies", "max", request_id=open_id, accepted=True))
    refused = code(post(people, "ratings", "noa", interaction_id=open_id, stars=5))
    assert refused == (409, "interaction-open")
    id = dealing(people)
    nothing = post(people, "ratings", "noa", interaction_id="none", stars=5)
    others = post(people, "ratings", "lou", interaction_id=id, stars=5)
    assert nothing.status_code == others.status_code == 404
    assert nothing.content == others.content
    for stars in (0, 6, 4.5, "5", True, None):
        bad = post(people, "ratings", "noa", interaction_id=id, stars=stars)
        assert code(bad) == (422, "invalid-request"), stars
    assert code(post(people, "ratings", None, interaction_id=id, stars=5)) == (403, "forbidden")
    assert post(people, "ratings", "noa", "other", interaction_id=id, stars=5).status_code == 403


def test_of_fifty_parallel_posts_of_a_rating_exactly_one_is_kept(people):
    id = dealing(people)

    def rate(n):
        while (
            answer := post(people, "ratings", "noa", interaction_id=id, stars=1 + n % 5)
        ).status_code == 503:
            pass
        return answer.status_code

    with ThreadPoolExecutor(50) as pool:
        assert Counter(pool.map(rate, range(50))) == {201: 1, 409: 49}
    assert [one["interaction_id"] for one in mine(people, "ratings", "noa")] == [id]


def test_a_letter_proves_a_home_and_its_code_is_told_once(people, clock):
    made = post(people, "verifications/letters", None, member_id="noa")
    assert made.status_code == 201
    letter = made.json()
    assert re.fullmatch("[A-Z2-7]{8}", letter["code"])
    assert letter["expires_at"] == "2027-03-31T09:00:00Z"
    assert code(post(people, "verifications/letters", "noa", member_id="noa")) == (403, "forbidden")
    missing = post(people, "verifications/letters", None, "operator", member_id="nobody")
    assert code(missing) == (404, "not-found")
    wrong = post(people, "verifications/codes", "noa", code="AAAA-AAAA")
    elsewhere = post(people, "verifications/codes", "lou", code=letter["code"])
    assert code(wrong) == (422, "wrong-code") and wrong.content == elsewhere.content
    proved = done(post(people, "verifications/codes", "noa", code=letter["code"].lower()), 200)
    assert proved["level"] == 3
    assert people.get("/v1/members/noa", "app").json()["level"] == 3
    (shown,) = mine(people, "verifications", "noa")
    assert shown == {
        "member_id": "noa",
        "level": 3,
        "expires_at": "2029-02-28T09:00:00Z",
        "suspended": False,
    }
    again = post(people, "verifications/codes", "noa", code=letter["code"])
    assert again.content == wrong.content
    clock.now += 760 * DAY
    assert mine(people, "verifications", "noa")[0]["level"] == 1


def test_an_address_gets_three_letters(people):
    for _ in range(3):
        assert post(people, "verifications/letters", None, member_id="noa").status_code == 201
    refused = post(people, "verifications/letters", None, "operator", member_id="noa")
    assert code(refused) == (403, "letter-quota")


def test_operators_attest_and_nobody_else(people):
    body = {"member_id": "noa", "level": 4}
    assert post(people, "verifications/attestations", None, "app", **body).status_code == 403
    assert post(people, "verifications/attestations", "noa", "root", **body).status_code == 403
    assert (
        done(post(people, "verifications/attestations", None, "operator", **body), 200)["level"]
        == 4
    )
    body = {"member_id": "noa", "level": 2}
    refused = post(people, "verifications/attestations", None, "operator", **body)
    assert code(refused) == (422, "invalid-request")


def test_two_neighbours_vouch_a_third_in(people):
    done(post(people, "vouches", "max", vouchee_id="noa"))
    assert people.get("/v1/members/noa", "app").json()["level"] == 1
    assert code(post(people, "vouches", "max", vouchee_id="noa")) == (409, "vouched-already")
    assert code(post(people, "vouches", "max", vouchee_id="lou")) == (403, "voucher-elsewhere")
    assert code(post(people, "vouches", "max", vouchee_id="max")) == (422, "self-vouch")
    assert code(post(people, "vouches", "max", vouchee_id="gone")) == (422, "unknown-reference")
    done(post(people, "vouches", "kim", vouchee_id="noa"))
    assert people.get("/v1/members/noa", "app").json()["level"] == 2
    assert code(post(people, "vouches", "noa", vouchee_id="kim")) == (403, "voucher-not-proved")
    assert {one["voucher_id"] for one in mine(people, "vouches", "noa")} == {"max", "kim"}


def test_a_confirmed_safety_report_sets_level_0_whatever_the_app_writes(people):
    id = done(post(people, "reports", "noa", member_id="max", reason="safety", text="!"))["id"]
    assert people.get("/v1/members/max", "app").json()["level"] == 3
    assert [one["state"] for one in mine(people, "reports", "noa")] == ["open"]
    assert mine(people, "reports", "max") == []
    decided = {"report_id": id, "state": "confirmed"}
    assert post(people, "reports/decisions", None, "app", **decided).status_code == 403
    assert post(people, "reports/decisions", "noa", "root", **decided).status_code == 403
    done(post(people, "reports/decisions", None, "operator", **decided), 200)
    again = post(people, "reports/decisions", None, "operator", **decided)
    assert code(again) == (409, "report-decided")
    body = {"household_id": "h-max", "building_id": "b3", "level": 4}
    people.ask("PUT", "/v1/members/max", "app", json=body)
    assert people.get("/v1/members/max", "app").json()["level"] == 0
    assert mine(people, "verifications", "max")[0]["suspended"] is True
    decided["state"] = "cleared"
    done(post(people, "reports/decisions", None, "operator", **decided), 200)
    assert people.get("/v1/members/max", "app").json()["level"] == 3
    unknown = post(people, "reports/decisions", None, "operator", report_id="x", state="cleared")
    assert code(unknown) == (404, "not-found")


def test_a_town_keeps_its_own(people):
    id = dealing(people)
    for path in ("interactions", "interactions/requests", "ratings", "vouches", "reports"):
        assert people.get(f"/v1/{path}", "other").json()[path.split("/")[-1]] == []
        assert people.get(f"/v1/{path}", "local").status_code == 401
        assert people.get(f"/v1/{path}", "planner").status_code == 403
    decided = post(people, "reports/decisions", None, "other", report_id=id, state="confirmed")
    assert decided.status_code == 404


def test_levels_of_trust_are_each_viewers_own_and_follow_what_opens(people, clock):
    def levels(viewer, after=None):
        body = {"member_ids": ["max", "ana", "nobody"]} | ({"after": after} if after else {})
        answer = post(people, "verifications/levels", viewer, **body)
        assert answer.status_code == 200, answer.text
        return {one["member_id"]: one["level"] for one in answer.json()["levels"]}

    for _ in range(4):
        body = {"interaction_id": dealing(people), "stars": 5}
        position = done(post(people, "ratings", "noa", **body))["position"]
    assert levels("noa", position)["max"] == 1
    clock.now += 14 * DAY
    assert levels("noa") == {"max": 3, "ana": 1, "nobody": 0}
    assert levels("eve")["max"] == 1  # she knows nobody who knows Max
    block = {"member_id": "max", "other_id": "noa"}
    position = done(people.ask("PUT", "/v1/blocks/max-noa", "app", json=block))["position"]
    assert levels("noa", position)["max"] == 0
    people.ask("DELETE", "/v1/blocks/max-noa", "app")
    refused = post(people, "verifications/levels", None, member_ids=["max"])
    assert code(refused) == (403, "forbidden")
    for ids in ([], ["x"] * 101, "max"):
        refused = post(people, "verifications/levels", "noa", member_ids=ids)
        assert code(refused) == (422, "invalid-request")
    foreign = post(people, "verifications/levels", "noa", member_ids=["max"], after="abc-0-1")
    assert code(foreign) == (400, "invalid-position")
