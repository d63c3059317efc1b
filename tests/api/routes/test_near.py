"""Near me over HTTP: the same answers as the engine, and poison refused."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from waiting import PATIENCE_S, until

import api.routes.near
from api.answers import NearOut, near_answer
from indexes.entities import Kind
from indexes.store import open_store
from matching import ANYONE, Engine, NearQuery, Viewer

HERE = {"lat": 43.301, "lon": 5.351}
POLYGON = {
    "type": "Polygon",
    "coordinates": [[[5.34, 43.29], [5.40, 43.29], [5.40, 43.31], [5.34, 43.31], [5.34, 43.29]]],
}
AT = "2025-06-15T18:00:00+02:00"


def test_an_answer_is_the_engines(served):
    store = open_store(served.path)
    try:
        engine = Engine.over(store, "north")
        at = datetime.fromisoformat(AT).astimezone(UTC)
        query = NearQuery(at=at, origin=(5.351, 43.301), kinds=(Kind.MERCHANT,), radius_m=2_000.0)
        public = near_answer(engine.near(ANYONE, query))
        people = near_answer(engine.near(Viewer("bob"), NearQuery(at=at, lang="en")))
    finally:
        store.close()
    params = HERE | {"kind": "merchant", "radius_m": 2_000, "at": AT}
    by_get = served.get("/v1/near", params=params).json()
    by_post = served.ask("POST", "/v1/near", json=params | {"kind": ["merchant"]}).json()
    from_home = served.get("/v1/near", "app", "bob", params={"at": AT, "lang": "en"}).json()
    assert public["matches"] and people["matches"]
    assert by_get["matches"] == by_post["matches"] == public["matches"]
    assert from_home["matches"] == people["matches"]


def test_a_match_has_metres_or_a_band_and_an_id_a_kind_a_score_and_reasons(served):
    answer = served.get("/v1/near", "app", "cleo", params={"limit": 50}).json()
    NearOut.model_validate(answer)
    personal = {match["personal"] for match in answer["matches"]}
    assert personal == {True, False}
    for match in answer["matches"]:
        assert ("distance_m" in match) != ("distance_band" in match)
        assert match["personal"] == ("distance_band" in match) == ("lat" not in match)
        assert match["why"] and all(set(r) == {"code", "text", "share"} for r in match["why"])


def test_pages_join_to_the_whole_answer(served):
    params = HERE | {"kind": "merchant", "radius_m": 5_000, "at": AT}
    whole = served.get("/v1/near", params=params | {"limit": 200}).json()["matches"]
    joined, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = served.get("/v1/near", params=params | {"limit": 5} | more).json()
        joined += page["matches"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(whole) >= 12 and joined == whole


def test_a_cursor_of_another_query_or_a_forged_one_is_refused(served):
    params = HERE | {"kind": "merchant", "limit": 2, "radius_m": 5_000}
    cursor = served.get("/v1/near", params=params).json()["next"]
    for changed in ({"radius_m": 900}, {"kind": "place"}, {"lat": 43.302}, {"q": "pain"}):
        answer = served.get("/v1/near", params=params | {"cursor": cursor} | changed)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")
    forged = served.get("/v1/near", params=params | {"cursor": cursor[:-4] + "AAAA"})
    assert (forged.status_code, forged.json()["code"]) == (400, "invalid-cursor")
    assert "43.3" not in cursor


def test_a_write_is_read_back_from_its_position_on(served):
    body = {"kind": "place", "title": "Kiosque", **HERE}
    for n in range(3):
        made = served.ask("PUT", f"/v1/listings/kiosque-{n}", "app", json=body)
        params = HERE | {"kind": "place", "after": made.json()["position"], "limit": 200}
        found = served.get("/v1/near", params=params).json()["matches"]
        assert f"kiosque-{n}" in [match["id"] for match in found]


def test_a_position_that_is_foreign_damaged_or_not_reached_is_refused(served, monkeypatch):
    monkeypatch.setattr(api.routes.near, "WAIT_S", 0.1)
    position = served.ask("PUT", "/v1/residences/r-after", "operator", json={"name": "R"}).json()[
        "position"
    ]
    store, xid, seq = position.split("-")
    for text, status, code in (
        (f"ffffffff-{xid}-{seq}", 400, "invalid-position"),
        ("hier", 400, "invalid-position"),
        (f"{store}-{xid}-{int(seq) + 1_000}", 503, "index-behind"),
    ):
        answer = served.get("/v1/near", params=HERE | {"after": text})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Retry-After"] == "1"


def test_those_who_wait_for_a_position_hold_up_nobody_else(served, monkeypatch):
    asking, read = [], threading.Event()

    def has_read(engine, position):
        asking.append(position)
        return read.is_set()

    monkeypatch.setattr(Engine, "has_read", has_read)
    position = served.get("/v1/near", params=HERE).json()["position"]
    with ThreadPoolExecutor(40) as pool:
        waiting = [
            pool.submit(served.get, "/v1/near", params=HERE | {"after": position})
            for _ in range(40)
        ]
        until(lambda: len(asking) >= 40)
        # A key that is not remembered is looked up in the store, which takes a thread.
        headers = {"Authorization": "Bearer unheard-of"}
        answer = served.get("/v1/near", params=HERE, headers=headers)
        assert answer.status_code == 401
        assert not any(each.done() for each in waiting)
        read.set()
    assert {each.result().status_code for each in waiting} == {200}


@pytest.mark.parametrize("asked", [{"q": "boulangerie"}, {"polygon": POLYGON}])
def test_a_question_that_looks_at_every_listing_holds_up_nobody_else(served, monkeypatch, asked):
    inside, go_on = threading.Event(), threading.Event()
    search = Engine.near_json

    def slow(engine, viewer, query):
        if query.text is not None or query.polygon is not None:
            inside.set()
            assert go_on.wait(PATIENCE_S)
        return search(engine, viewer, query)

    monkeypatch.setattr(Engine, "near_json", slow)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(served.ask, "POST", "/v1/near", json=HERE | asked)
        try:
            assert inside.wait(PATIENCE_S)
            assert served.get("/v1/near", params=HERE).status_code == 200
            assert not asking.done()
        finally:
            go_on.set()
        assert asking.result().json()["matches"]


def test_a_free_origin_reaches_public_things_only(served):
    for who, member in (("local", None), ("app", None), ("app", "bob"), ("planner", None)):
        alone = served.get("/v1/near", who, member, params=HERE | {"kind": "neighbour"})
        assert (alone.status_code, alone.json()["code"]) == (403, "member-origin-required")
        mixed = served.get(
            "/v1/near", who, member, params=HERE | {"kind": "neighbour,service,merchant"}
        ).json()
        assert mixed["people"] == "not_searched"
        assert mixed["matches"] and not any(match["personal"] for match in mixed["matches"])


def test_without_an_origin_or_a_member_the_question_is_where(served):
    for who in ("local", "app", "planner"):
        answer = served.get("/v1/near", who)
        assert (answer.status_code, answer.json()["code"]) == (422, "origin-required")


def test_a_member_who_does_not_exist_may_not_ask(served):
    answer = served.get("/v1/near", "app", "nobody")
    assert (answer.status_code, answer.json()["code"]) == (403, "unknown-member")


POISON = [
    {"lat": "nan"},
    {"lat": "inf"},
    {"lon": "-inf"},
    {"lat": "1e400"},
    {"lat": "91"},
    {"lat": "-90.0001"},
    {"lon": "180.1"},
    {"lat": "43,3"},
    {"lat": "0x1p3"},
    {"lat": "4_3"},
    {"lat": " 43"},
    {"lat": "٤٣"},
    {"lat": ""},
    {"lat": "true"},
    {"lat": "9" * 5_000},
    {"radius_m": "0"},
    {"radius_m": "100000.1"},
    {"radius_m": "nan"},
    {"min_distance_m": "-1"},
    {"limit": "0"},
    {"limit": "201"},
    {"limit": "1e2"},
    {"limit": "9" * 5_000},
    {"kind": "person"},
    {"kind": ""},
    {"kind": "merchant,"},
    {"open_now": "yes"},
    {"open_now": "1"},
    {"at": "2025-06-16"},
    {"at": "2025-06-16T18:00:00"},
    {"at": "1750003200"},
    {"at": "2025-13-01T00:00:00Z"},
    {"at": "2025-02-30T00:00:00Z"},
    {"at": "2025-06-16T24:30:00Z"},
    {"at": "0001-01-01T00:00:00+14:00"},
    {"at": "9999-12-31T23:59:59-14:00"},
    {"q": ""},
    {"q": "x" * 201},
    {"q": "a\x00b"},
    {"q": "a\x07b"},
    {"within": "13201"},
    {"within": ",".join(["132010402"] * 51)},
    {"profile": "../etc/passwd"},
    {"lang": "de"},
    {"lng": "5.35"},
    {"Lat": "43"},
]


@pytest.mark.parametrize("poison", POISON, ids=[str(p)[:50] for p in POISON])
def test_poison_in_the_query_is_refused_and_not_echoed(served, poison):
    answer = served.get("/v1/near", params=HERE | poison)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["status"] == 422 and problem["code"] and problem["detail"]
    value = next(iter(poison.values()))
    assert len(value) < 5 or value not in answer.text


def test_an_unescaped_plus_in_an_instant_is_understood(served):
    url = "/v1/near?lat=43.301&lon=5.351&at=2025-06-15T18:00:00+02:00"
    assert served.get(url).json()["at"] == "2025-06-15T16:00:00Z"


def test_an_unknown_profile_is_answered_with_the_known_ones(served):
    answer = served.get("/v1/near", params=HERE | {"profile": "closest"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-profile")
    assert "nearest" in answer.json()["detail"]


def test_a_parameter_given_twice_is_refused_unless_it_is_a_list(served):
    twice = "/v1/near?lat=43.301&lon=5.351&lat=43.302"
    assert served.get(twice).status_code == 422
    listed = "/v1/near?lat=43.301&lon=5.351&kind=merchant&kind=place"
    assert served.get(listed).status_code == 200


def test_an_unknown_parameter_is_answered_with_the_known_ones(served):
    detail = served.get("/v1/near", params=HERE | {"rayon": "500"}).json()["detail"]
    assert "radius_m" in detail and "rayon" not in detail
    assert served.get("/healthz", params={"a": "1"}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"lat": True, "lon": 5.351},
        {"lat": "43.301", "lon": 5.351},
        {"lat": 43.301},
        HERE | {"limit": 2.5},
        HERE | {"limit": True},
        HERE | {"open_now": "true"},
        HERE | {"open_now": 1},
        HERE | {"kind": "merchant"},
        HERE | {"kind": ["merchant,place"]},
        HERE | {"at": 1_750_003_200},
        HERE | {"tenant_id": "south"},
        [],
        "lat",
    ],
)
def test_a_body_is_read_strictly(served, body):
    assert served.ask("POST", "/v1/near", json=body).status_code == 422


def test_swapped_coordinates_are_refused_and_the_swap_offered(served):
    swapped = {"lat": HERE["lon"], "lon": HERE["lat"]}
    for answer in (
        served.get("/v1/near", params=swapped),
        served.ask("POST", "/v1/near", json=swapped),
        served.get("/v1/locate", params=swapped),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "swapped-coordinates")
    # Outside both ways round: an honest question, with an empty answer.
    elsewhere = served.get("/v1/near", params={"lat": 48.85, "lon": 2.35})
    assert elsewhere.status_code == 200 and elsewhere.json()["matches"] == []


@pytest.mark.parametrize(
    ("lang", "told"),
    [
        ("fr", "« Boulagnerie » compris comme « boulangerie »"),
        ("en", "“boulagnerie” read as “boulangerie”"),
    ],
)
def test_a_mistyped_word_is_understood_and_the_reason_says_as_what(served, lang, told):
    params = HERE | {"lang": lang, "limit": 3}
    right = served.get("/v1/near", params=params | {"q": "boulangerie"}).json()["matches"]
    matches = served.get("/v1/near", params=params | {"q": "Boulagnerie"}).json()["matches"]
    assert [match["id"] for match in matches] == [match["id"] for match in right]
    for match in matches:
        assert match["why"][-1]["code"] == "fit-corrected"
        assert match["why"][-1]["text"].lower() == told.lower()
