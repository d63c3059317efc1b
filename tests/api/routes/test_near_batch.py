"""Many questions in one call: each answered as it is alone."""

import json
import re

import pytest

import api.routes.near_batch

HERE = {"lat": 43.301, "lon": 5.351}
AT = {"at": "2025-06-15T18:00:00+02:00"}
AGE = re.compile(r'"index_age_s":[0-9.e-]+')
QUERIES = [
    HERE | AT | {"kind": ["merchant"], "limit": 3},
    HERE | AT | {"q": "boulangerie", "lang": "en"},
    AT | {"kind": ["service"]},
    HERE | {"lat": 91},
    HERE | {"lng": 5.3},
    {"lat": HERE["lon"], "lon": HERE["lat"]},
    HERE | {"kind": ["neighbour"]},
    HERE | {"cursor": "AAAA"},
    HERE | {"profile": "closest"},
    HERE | {"after": "hier"},
    HERE | AT | {"kind": ["merchant"], "limit": 4},
]


def batch(served, queries, who="app", member=None):
    return served.ask("POST", "/v1/near/batch", who, member, json={"queries": queries})


@pytest.mark.parametrize("who, member", [("local", None), ("app", None), ("app", "bob")])
def test_each_is_answered_or_refused_as_it_is_alone(served, who, member):
    answer = batch(served, QUERIES, who, member)
    assert answer.status_code == 200
    alone = [served.ask("POST", "/v1/near", who, member, json=query).text for query in QUERIES]
    assert AGE.sub("", answer.text) == AGE.sub("", f'{{"answers":[{",".join(alone)}]}}')
    told = answer.json()["answers"]
    statuses = [each.get("status", 200) for each in told]
    home = 200 if member else 422
    assert statuses == [200, 200, home, 422, 422, 422, 403, 400, 422, 400, 200]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"queries": []},
        {"queries": {}},
        {"queries": [HERE], "member": "bob"},
        {"queries": [HERE] * 1_001},
    ],
)
def test_what_is_no_batch_is_refused_whole(served, body):
    answer = served.ask("POST", "/v1/near/batch", "app", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


@pytest.mark.parametrize("text", ["", "{", '{"queries": [{"lat": 1, "lat": 2}]}', "[NaN]"])
def test_a_batch_that_is_no_strict_json_is_refused_whole(served, text):
    headers = {"Content-Type": "application/json"}
    answer = served.ask("POST", "/v1/near/batch", "app", content=text, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")


def test_a_thousand_are_answered_in_order(served):
    queries = [
        HERE | AT | {"lon": round(5.351 + i * 1e-5, 7), "limit": 1, "kind": ["merchant"]}
        for i in range(1_000)
    ]
    answers = batch(served, queries).json()["answers"]
    distances = [answer["matches"][0]["distance_m"] for answer in answers]
    alone = served.ask("POST", "/v1/near", "app", json=queries[777]).json()
    assert len(answers) == 1_000 and distances[777] == alone["matches"][0]["distance_m"]
    assert len(set(distances)) > 100


def test_more_matches_than_a_batch_may_ask_for_are_refused(served):
    answer = batch(served, [HERE | {"limit": 200}] * 101)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert "20000" in answer.json()["detail"]


def test_a_batch_waits_for_positions_once(served, monkeypatch):
    monkeypatch.setattr(api.routes.near_batch, "WAIT_S", 0.1)
    position = served.get("/v1/near", params=HERE).json()["position"]
    never = position.rpartition("-")[0] + "-99999999"
    answers = batch(served, [HERE | {"after": never}] * 100 + [HERE | {"after": position}]).json()
    codes = [answer.get("code") for answer in answers["answers"]]
    assert codes == ["index-behind"] * 100 + [None]


def test_the_schema_names_answers_and_problems(served):
    document = json.dumps(served.app.openapi()["paths"]["/v1/near/batch"])
    assert "NearBatchOut" in document and "NearBatchBody" in document
