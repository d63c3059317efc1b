"""`/v1/recommendations`: what a member may like, as HTTP answers it."""

import pytest

from api.recommend_schemas import RecommendOut

PATH = "/v1/recommendations"


def recommended(served, member, **params):
    answer = served.get(PATH, "app", member, params=params)
    assert answer.status_code == 200, answer.text
    RecommendOut.model_validate_json(answer.content, strict=True)
    return answer.json()


def endorse(served, member, listing):
    """A member recommends a listing; gives the position."""
    body = {"member_id": member, "listing_id": listing}
    url = f"/v1/endorsements/{member}-{listing}"
    answer = served.ask("PUT", url, "app", member, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.headers["Mitoyen-Position"]


def test_an_endorsement_is_recommended_to_neighbours_as_soon_as_it_is_waited_for(served):
    for member, home in (("ana", "b1"), ("cleo", "b2"), ("dan", "b3")):
        proved = {"household_id": f"h-{member}", "building_id": home, "level": 3}
        assert served.ask("PUT", f"/v1/members/{member}", "app", json=proved).status_code == 200
        position = endorse(served, member, "shop-02")
    found = recommended(served, "bob", after=position, lang="en")
    assert found["model"] == "formula@1"
    first = found["matches"][0]
    assert first["id"] == "shop-02"
    texts = [reason["text"] for reason in first["why"]]
    assert "3 households near you recommend it or have used it" in texts
    assert "recommended by 3 households" in texts
    french = recommended(served, "bob", limit=1)["matches"][0]["why"]
    assert "recommandé par 3 foyers" in [reason["text"] for reason in french]


def test_known_things_and_own_ones_are_left_out_unless_asked_for(served):
    position = endorse(served, "cleo", "shop-07")
    ids = [match["id"] for match in recommended(served, "cleo", after=position)["matches"]]
    assert ids and "shop-07" not in ids
    known = recommended(served, "cleo", known="true")["matches"]
    assert {match["id"]: match.get("known", False) for match in known}["shop-07"]
    services = recommended(served, "ana", kind="service")["matches"]
    assert not [match for match in services if match["id"].startswith("ana-")]


def test_what_is_not_for_a_member_is_not_recommended_to_them(served):
    asked = {"kind": "service", "limit": 20}
    assert "ana-building" in [m["id"] for m in recommended(served, "bob", **asked)["matches"]]
    assert "ana-building" not in [m["id"] for m in recommended(served, "cleo", **asked)["matches"]]
    assert recommended(served, "zed", **asked)["matches"] == []  # blocked


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 21},
        {"limit": 0},
        {"limit": "ten"},
        {"kind": "ad"},
        {"kind": ""},
        {"lang": "de"},
        {"at": "yesterday"},
        {"q": ""},
        {"known": "perhaps"},
        {"lat": 43.3},
        {"after": "elsewhere-0-1"},
    ],
)
def test_a_bad_question_is_a_problem_and_no_failure(served, params):
    answer = served.get(PATH, "app", "bob", params=params)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_words_keep_what_matches_and_a_mistyped_one_is_said(served):
    found = recommended(served, "dan", q="boulangrie", lang="en")["matches"]
    assert found and all("Boulangerie" in match["title"] for match in found)
    told = {reason["code"]: reason for reason in found[0]["why"]}
    assert "boulangerie" in told["fit-corrected"]["text"].lower()
    assert told["fit-corrected"]["share"] == 0.0
    assert recommended(served, "dan", q="xylophone")["matches"] == []


@pytest.mark.parametrize(
    "at", ["1902-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2199-12-31T23:59:59Z"]
)
def test_any_instant_has_an_answer(served, at):
    for match in recommended(served, "dan", at=at)["matches"]:
        assert 0 <= match["score"] <= 1


def test_recommendations_are_a_members(served):
    assert served.get(PATH, "app").json()["code"] == "member-required"
    assert served.get(PATH, "app", "nobody").json()["code"] == "unknown-member"
