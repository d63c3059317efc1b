"""Searching trips over HTTP: as passenger, as driver, there and back, for a week, for a trip."""

import numpy as np
import pytest

import api.routes.trips_match
from indexes.store import Position

HOME, WORK = [5.351, 43.301], [5.481, 43.3012]  # work lies far out of town
ALL = {"from_lat": 43.3012, "from_lon": 5.3563, "to_lat": 43.3011, "to_lon": 5.45}
MONDAYS = {"depart_at": "07:50", "days": "MON-FRI", "first": "2026-11-30", "flex_after_s": 1800}


def way(start, end, points=61):
    share = np.linspace(0.0, 1.0, points)[:, None]
    return (np.array(start) * (1 - share) + np.array(end) * share).round(7).tolist()


def drive(owner="ana", back=False, **changes):
    line = way(WORK, HOME) if back else way(HOME, WORK)
    body = {
        "role": "driver",
        "owner_id": owner,
        "route": {"type": "LineString", "coordinates": line},
        "times_s": np.linspace(0, 900, 61).tolist(),
        "schedule": {
            "weekly": [{"days": ["MON", "TUE", "WED"], "time": "17:30" if back else "07:50"}],
            "valid_from": "2026-09-01",
        },
        "seats": 2,
    }
    return body | changes


@pytest.fixture(scope="module")
def road(served):
    """Ana drives there and back on three days, Dan there on the other two; Bob would ride."""
    ride = drive("bob", role="passenger", seats=1, max_walk_m=2_000)
    late = drive("dan", schedule={"weekly": [{"days": ["THU", "FRI"], "time": "07:50"}]})
    trips = {"out": drive(), "back": drive(back=True), "late": late, "ride": ride}
    for id, body in trips.items():
        answer = served.ask("PUT", f"/v1/trips/{id}", "app", json=body)
        assert answer.status_code == 201, answer.text
    return served, answer.json()["position"]


def found(road, who="app", member=None, **params):
    served, position = road
    answer = served.get(
        "/v1/trips/match", who, member, params={**ALL, **MONDAYS, "after": position, **params}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_drivers_who_go_my_way_are_found_with_all_that_is_promised(road):
    answer = found(road, member="cleo")
    assert [match["id"] for match in answer["matches"]] == ["out", "late"]
    first = answer["matches"][0]
    assert {"id", "role", "pickup", "dropoff", "walk_m", "detour_s", "seats", "days"} <= set(first)
    assert {"price_eur", "cost_min", "terms", "why"} <= set(first)
    assert first["days"] == ["MON", "TUE", "WED"] and first["coverage"] == 0.6
    assert first["cost_min"] == pytest.approx(sum(first["terms"].values()), abs=1e-5)
    assert first["seats"] == 2 and first["level"] == 1  # verified, yet nobody has judged her
    assert "owner_id" not in first


def test_the_app_is_told_the_owner_and_nobody_learns_an_end(road):
    (first, _) = found(road)["matches"]
    assert first["owner_id"] == "ana"
    assert HOME[0] < first["pickup"]["lon"] < first["dropoff"]["lon"] < WORK[0]
    anybody = found(road, who="local")["matches"]
    assert "owner_id" not in anybody[0] and anybody[0]["id"] == "out"


def test_people_who_block_each_other_never_ride_together(road):
    assert [one["id"] for one in found(road, member="zed")["matches"]] == ["late"]
    assert [one["id"] for one in found(road, member="ana")["matches"]] == ["late"]  # not oneself


def test_the_way_back_is_the_same_drivers_if_possible(road):
    answer = found(road, member="cleo", back_depart_at="17:30")
    pairs = {pair["out"]["id"]: pair for pair in answer["round_trips"]}
    assert pairs["out"]["back_by"] == "same" and pairs["out"]["back"]["id"] == "back"
    assert pairs["late"]["back_by"] == "other"


def test_of_a_way_that_one_walks_the_reason_is_told_beside_the_empty_answer(road):
    near = {"from_lat": HOME[1], "from_lon": HOME[0], "to_lat": HOME[1], "to_lon": HOME[0] + 0.01}
    answer = found(road, **near, lang="fr")
    assert answer["matches"] == [] and answer["reason"]["code"] == "walkable"
    assert "à pied" in answer["reason"]["text"]
    served, _ = road
    week = served.get("/v1/trips/week", "app", "cleo", params={**ALL, **MONDAYS, **near}).json()
    assert week["drivers"] == [] and week["reason"]["code"] == "walkable"
    ends = [{"lat": HOME[1], "lon": HOME[0]}, {"lat": HOME[1], "lon": HOME[0] + 0.01}]
    body = {"role": "passenger", "waypoints": ends, "schedule": drive()["schedule"]}
    put = served.ask("PUT", "/v1/trips/near", "app", json=body).json()
    asked = {"after": put["position"]}
    standing = served.get("/v1/trips/near/matches", "app", params=asked).json()
    assert served.ask("DELETE", "/v1/trips/near", "app").status_code < 300
    assert standing["matches"] == [] and standing["reason"]["code"] == "walkable"
    assert "reason" not in found(road)
    assert "reason" not in served.get("/v1/trips/out/matches", "app").json()


def test_a_week_is_covered_by_few_drivers(road):
    served, position = road
    params = {**ALL, **MONDAYS, "after": position, "days": ["MON-THU", "SAT"]}
    answer = served.get("/v1/trips/week", "app", "cleo", params=params).json()
    assert [(one["match"]["id"], one["days"]) for one in answer["drivers"]] == [
        ("out", ["MON", "TUE", "WED"]),
        ("late", ["THU"]),
    ]
    assert answer["missing"] == ["SAT"] and "back" not in answer
    params |= {"back_depart_at": "17:30", "limit": 1}
    both = served.get("/v1/trips/week", "app", "cleo", params=params).json()
    assert [one["match"]["id"] for one in both["drivers"]] == ["out"]
    assert both["missing"] == ["THU", "SAT"] == both["back"]["missing"]
    assert [(one["match"]["id"], one["days"]) for one in both["back"]["drivers"]] == [
        ("back", ["MON", "TUE", "WED"])
    ]


def test_a_driver_finds_passengers_along_the_way(road):
    served, _ = road
    body = {
        "role": "driver",
        "from_lat": HOME[1],
        "from_lon": HOME[0],
        "to_lat": WORK[1],
        "to_lon": WORK[0],
        "depart_at": "07:50",
        "days": ["MON"],
        "first": "2026-11-30",
        "route": {"type": "LineString", "coordinates": way(HOME, WORK)},
        "times_s": np.linspace(0, 900, 61).tolist(),
        "seats": 3,
    }
    answer = served.ask("POST", "/v1/trips/match", "app", "cleo", json=body)
    assert [match["id"] for match in answer.json()["matches"]] == ["ride"], answer.text
    straight = {k: v for k, v in body.items() if k not in ("route", "times_s")}
    answer = served.ask("POST", "/v1/trips/match", "app", "cleo", json=straight)
    assert [match["id"] for match in answer.json()["matches"]] == ["ride"]
    body["times_s"][3] = 0
    answer = served.ask("POST", "/v1/trips/match", "app", "cleo", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-times")


def test_asked_by_body_and_by_query_the_answer_is_one(road):
    served, position = road
    body = {**ALL, **MONDAYS, "days": ["MON-FRI"], "after": position}
    answer = served.ask("POST", "/v1/trips/match", "app", "cleo", json=body).json()
    assert answer["matches"] == found(road, member="cleo")["matches"]


def test_a_stored_trip_is_matched_when_another_arrives(road):
    served, position = road
    url = "/v1/trips/{}/matches"
    params = {"first": "2026-11-30", "after": position}
    for trip, owner, expected in (("out", "ana", ["ride"]), ("ride", "bob", ["out"])):
        answer = served.get(url.format(trip), "app", owner, params=params)
        assert [one["id"] for one in answer.json()["matches"]] == expected, answer.text
    put = served.ask("PUT", "/v1/trips/new", "app", json=drive("cleo"))
    answer = served.get(
        url.format("ride"), "app", "bob", params={**params, "after": put.json()["position"]}
    )
    assert {one["id"] for one in answer.json()["matches"]} == {"out", "new"}
    served.ask("DELETE", "/v1/trips/new", "app")
    for who, member in (("app", "eve"), ("local", None)):
        assert served.get(url.format("out"), who, member).status_code == 404
    assert served.get(url.format("out"), "app").status_code == 200


@pytest.mark.parametrize(
    ("path", "search"),
    [("match", "find_drivers"), ("week", "cover_week"), ("out/matches", "matches_of_trip")],
)
def test_what_comes_during_a_search_is_in_no_position_that_it_tells(
    road, monkeypatch, path, search
):
    served, _ = road
    params = {"first": "2026-11-30"} if path == "out/matches" else ALL | MONDAYS
    searched = getattr(api.routes.trips_match, search)
    written = []

    def slow(*asked, **options):
        answer = searched(*asked, **options)
        if not written:
            put = served.ask("PUT", "/v1/trips/meanwhile", "app", json=drive("cleo"))
            written.append(put.json()["position"])
            after = params | {"after": written[0]}  # until searches show it
            assert served.get(f"/v1/trips/{path}", "app", params=after).status_code == 200
        return answer

    monkeypatch.setattr(api.routes.trips_match, search, slow)
    answer = served.get(f"/v1/trips/{path}", "app", params=params).json()
    served.ask("DELETE", "/v1/trips/meanwhile", "app")
    told, came = (Position.parse(text) for text in (answer["position"], *written))
    assert told < came


def test_a_trip_that_goes_while_its_matches_are_asked_for_is_no_error(road, monkeypatch):
    served, _ = road
    put = served.ask("PUT", "/v1/trips/brief", "app", json=drive("cleo"))
    asked = {"first": "2026-11-30", "after": put.json()["position"]}
    now_of = api.routes.trips_match.now_of

    def slow(request):
        if gone := served.ask("DELETE", "/v1/trips/brief", "app").json().get("position"):
            found(road, after=gone)  # searches show it no more
        return now_of(request)

    monkeypatch.setattr(api.routes.trips_match, "now_of", slow)
    answer = served.get("/v1/trips/brief/matches", "app", params=asked)
    assert answer.status_code == 200, answer.text
    assert "ride" in [match["id"] for match in answer.json()["matches"]]


@pytest.mark.parametrize("path", ["match", "week", "out/matches"])
def test_the_last_days_that_are_known_can_be_asked_for(road, path):
    served, _ = road
    asked = {} if path == "out/matches" else ALL | MONDAYS
    params = asked | {"first": "2099-12-21"}
    answer = served.get(f"/v1/trips/{path}", "app", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.json().get("matches", answer.json().get("drivers"))


def test_a_ride_once_is_found_on_its_day_only(road):
    once = {"days": [], "first": "2026-11-30"}
    monday = found(road, member="cleo", **once, depart_at="2026-11-30T07:55:00+01:00")
    assert [match["id"] for match in monday["matches"]] == ["out"]
    sunday = found(road, member="cleo", **once, depart_at="2026-11-29T07:55:00+01:00")
    assert sunday["matches"] == []


def test_a_member_needs_no_start_and_nobody_else_goes_without(road):
    served, _ = road
    here = {k: v for k, v in {**ALL, **MONDAYS}.items() if not k.startswith("from")}
    assert served.get("/v1/trips/match", "app", "cleo", params=here).status_code == 200
    answer = served.get("/v1/trips/match", "app", params=here)
    assert (answer.status_code, answer.json()["code"]) == (422, "origin-required")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"depart_at": None}, 422, "invalid-schedule"),
        ({"arrive_by": "08:30"}, 422, "invalid-schedule"),
        ({"days": None}, 422, "invalid-schedule"),
        ({"depart_at": "2026-11-30T08:00:00+01:00"}, 422, "invalid-schedule"),
        ({"depart_at": "2026-02-30T08:00:00+01:00"}, 422, "invalid-time"),
        ({"depart_at": "37:00"}, 422, "invalid-time"),
        ({"depart_at": "noon"}, 422, "invalid-time"),
        ({"days": "LUN"}, 422, "invalid-schedule"),
        ({"days": "MON\n"}, 422, "invalid-schedule"),
        ({"first": "2026-02-30"}, 422, "invalid-day"),
        ({"from_lat": None}, 422, "incomplete-origin"),
        ({"from_lat": 5.3563, "from_lon": 43.3012}, 422, "swapped-coordinates"),
        ({"to_lat": 5.3563, "to_lon": 43.3012}, 422, "swapped-coordinates"),
        ({"timezone": "Europe/Marseille"}, 422, "unknown-timezone"),
        ({"limit": 0}, 422, "invalid-request"),
        ({"seats": 0}, 422, "invalid-request"),
        ({"after": "x"}, 400, "invalid-position"),
        ({"lang": "de"}, 422, "invalid-request"),
        ({"back_depart_at": "17:00", "back_arrive_by": "18:00"}, 422, "invalid-schedule"),
        ({"first": "1950-01-01"}, 422, "invalid-day"),
        ({"first": "0001-01-01"}, 422, "invalid-day"),
        ({"first": "9999-12-31"}, 422, "invalid-day"),
    ],
)
def test_what_can_not_be_asked_is_a_clear_error(road, changes, status, code):
    served, _ = road
    params = {k: v for k, v in {**ALL, **MONDAYS, **changes}.items() if v is not None}
    for path in ("match", "week"):
        answer = served.get(f"/v1/trips/{path}", "app", "cleo", params=params)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_member_nobody_knows_is_refused(road):
    served, _ = road
    answer = served.get("/v1/trips/match", "app", "stranger", params={**ALL, **MONDAYS})
    assert (answer.status_code, answer.json()["code"]) == (403, "unknown-member")
