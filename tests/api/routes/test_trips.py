"""Trips over HTTP: who writes, who sees, and that no end of a person's trip is ever told."""

import numpy as np
import pytest

from geo.distance import haversine_m

ANAS = [5.351, 43.301]  # where Ana lives, as the fixture has it
WORK = [5.3915, 43.3012]
WEEKDAYS = {"weekly": [{"days": ["MON", "TUE", "FRI"], "time": "07:50"}]}


def line(start=ANAS, end=WORK, points=60):
    share = np.linspace(0.0, 1.0, points)[:, None]
    return (np.array(start) * (1 - share) + np.array(end) * share).round(7).tolist()


def drive(**changes):
    body = {
        "role": "driver",
        "owner_id": "ana",
        "route": {"type": "LineString", "coordinates": line()},
        "times_s": np.linspace(0.0, 590.0, 60).tolist(),
        "schedule": WEEKDAYS,
        "seats": 3,
        "origin_name": "chez moi, 3 rue des Pins",
        "luggage": 2,
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def put(served, body, id="t1", who="app", member=None):
    return served.ask("PUT", f"/v1/trips/{id}", who, member, json=body)


@pytest.fixture
def trip(served):
    assert put(served, drive()).status_code in (200, 201)
    yield "/v1/trips/t1"
    served.ask("DELETE", "/v1/trips/t1", "app")


def test_an_owner_reads_the_trip_as_it_was_written(served, trip):
    shown = served.get(trip, "app", "ana").json()
    assert shown["exact"] and shown["owner_id"] == "ana"
    assert shown["route"]["coordinates"] == line()
    assert shown["times_s"][-1] == 590.0
    assert shown["schedule"]["timezone"] == "Europe/Paris"
    assert shown["schedule"]["weekly"] == [{"days": ["MON", "TUE", "FRI"], "time": "07:50"}]
    assert (shown["seats"], shown["luggage"]) == (3, 2)
    assert shown["origin_name"] == "chez moi, 3 rue des Pins"


@pytest.mark.parametrize("member", ["bob", "eve", None])
def test_nobody_else_is_told_an_end_of_it(served, trip, member):
    shown = served.get(trip, "app", member).json()
    assert not shown["exact"]
    points = shown["route"]["coordinates"]
    for end, place in ((points[0], ANAS), (points[-1], WORK)):
        assert haversine_m(tuple(end), np.array([place])).item() > 100
    assert "rue des Pins" not in str(shown)
    assert shown["origin_name"] == "Port-Mitoyen (ville fictive)"
    assert ("owner_id" in shown) == (member is None)
    assert shown["times_s"][0] == 0.0


def test_a_home_moved_within_its_group_changes_nothing_that_others_see(served):
    # The same way to the street, from another door of the same cell.
    shown = []
    for i, home in enumerate((ANAS, [5.3511, 43.3011], [5.3509, 43.3009])):
        way = [home, *line()[5:]]
        times = [0.0, *(60.0 + 10 * k for k in range(len(way) - 1))]
        body = drive(route={"type": "LineString", "coordinates": way}, times_s=times)
        assert put(served, body, f"moved-{i}").status_code == 201
        seen = served.get(f"/v1/trips/moved-{i}", "app", "eve").json()
        shown.append({**seen, "id": "", "published_at": ""})
        served.ask("DELETE", f"/v1/trips/moved-{i}", "app")
    assert shown[0]["route"]["coordinates"]
    assert shown[0] == shown[1] == shown[2]


def test_waypoints_alone_make_an_estimated_way_that_points_at_no_home(served):
    shown = []
    for home in (ANAS, [5.3511, 43.3011]):
        ends = [{"lat": lat, "lon": lon} for lon, lat in (home, WORK)]
        body = drive(route=None, times_s=None, waypoints=ends)
        assert put(served, body, "way").status_code in (200, 201)
        own = served.get("/v1/trips/way", "app", "ana").json()
        assert own["estimated"] and own["route"]["coordinates"] == [home, WORK]
        metres = haversine_m(tuple(home), np.array([WORK])).item()
        assert own["times_s"][-1] == pytest.approx(metres * 1.3 / 10.0, abs=0.01)
        shown.append(served.get("/v1/trips/way", "app", "eve").json())
    assert shown[0]["route"] == shown[1]["route"] and shown[0]["estimated"]
    served.ask("DELETE", "/v1/trips/way", "app")


def test_a_passengers_trip_is_shown_from_group_to_group(served):
    ends = [{"lat": lat, "lon": lon} for lon, lat in (ANAS, WORK)]
    body = drive(role="passenger", route=None, times_s=None, waypoints=ends, seats=1)
    assert put(served, body, "ride").status_code == 201
    shown = served.get("/v1/trips/ride", "app", "bob").json()
    start, _ = shown["route"]["coordinates"]
    group = served.get("/v1/listings/ana-public", "app", "bob").json()["group"]
    assert start == [group["lon"], group["lat"]]
    served.ask("DELETE", "/v1/trips/ride", "app")


def test_a_trip_within_one_group_is_the_owners_alone(served):
    near = [[5.351, 43.301], [5.3512, 43.3012]]
    body = drive(route={"type": "LineString", "coordinates": near}, times_s=[0, 30])
    assert put(served, body, "short").status_code == 201
    shown = served.get("/v1/trips/short", "app", "bob").json()
    assert {"route", "times_s", "schedule", "origin_name"}.isdisjoint(shown)
    assert served.get("/v1/trips/short", "app", "ana").json()["route"]
    served.ask("DELETE", "/v1/trips/short", "app")


@pytest.mark.parametrize(
    "audience, seers",
    [
        ("building", {"bob"}),
        ("residence", {"bob", "cleo"}),
        ("zone", {"bob", "cleo", "dan"}),
        ("city", {"bob", "cleo", "dan", "eve"}),
        ("public", {"bob", "cleo", "dan", "eve"}),
    ],
)
def test_a_trip_is_seen_by_whom_it_is_addressed_to(served, audience, seers):
    assert put(served, drive(audience=audience), "mine").status_code in (200, 201)
    for member in ("bob", "cleo", "dan", "eve", "zed"):  # zed has blocked Ana
        answer = served.get("/v1/trips/mine", "app", member)
        assert answer.status_code == (200 if member in seers else 404), member
    # Without a member, what is for everybody: as published.
    anybody = served.get("/v1/trips/mine", "local")
    assert anybody.status_code == (200 if audience == "public" else 404)
    assert not anybody.json().get("exact")
    assert served.get("/v1/trips/mine", "other").status_code == 404
    served.ask("DELETE", "/v1/trips/mine", "app")


def test_an_operators_trip_is_public_and_exact(served):
    body = drive(owner_id=None, origin_name="Gare routière")
    assert put(served, body, "bus").status_code == 201
    shown = served.get("/v1/trips/bus", "local").json()
    assert shown["exact"] and shown["origin_name"] == "Gare routière"
    assert shown["route"]["coordinates"] == line()
    served.ask("DELETE", "/v1/trips/bus", "app")


def test_a_member_writes_only_trips_of_their_own(served, trip):
    assert put(served, drive(), "b1", member="bob").status_code == 403
    assert put(served, drive(owner_id=None), "b1", member="bob").status_code == 201
    assert served.get("/v1/trips/b1", "app", "bob").json()["owner_id"] == "bob"
    assert put(served, drive(owner_id="bob"), "t1", member="bob").status_code == 403
    assert served.ask("DELETE", trip, "app", "bob").status_code == 403
    assert served.ask("DELETE", "/v1/trips/b1", "app", "bob").status_code == 200
    for who, status in (("local", 401), ("planner", 403), ("operator", 403)):
        assert put(served, drive(), who=who).status_code == status, who


def test_a_member_lists_their_own_trips_and_the_app_all_as_published(served, trip):
    assert put(served, drive(owner_id="bob"), "t2").status_code == 201
    own = served.get("/v1/trips", "app", "ana").json()["trips"]
    assert [(one["id"], one["exact"]) for one in own] == [("t1", True)]
    first = served.get("/v1/trips", "app", params={"limit": 1}).json()
    rest = served.get("/v1/trips", "app", params={"cursor": first["next"]}).json()
    listed = first["trips"] + rest["trips"]
    assert [(one["id"], one["exact"]) for one in listed] == [("t1", False), ("t2", False)]
    assert served.get("/v1/trips", "local").status_code == 401
    served.ask("DELETE", "/v1/trips/t2", "app")


def test_arrival_and_departure_say_how_long_a_trip_takes(served):
    schedule = {
        "depart_at": "2026-11-30T07:40:00+01:00",
        "arrive_at": "2026-11-30T08:00:00+01:00",
    }
    assert put(served, drive(schedule=schedule), "once").status_code == 201
    shown = served.get("/v1/trips/once", "app", "ana").json()
    assert shown["times_s"][-1] == 1_200.0
    assert shown["schedule"]["depart_at"] == "2026-11-30T06:40:00Z"
    served.ask("DELETE", "/v1/trips/once", "app")


def test_a_route_of_ten_thousand_points_is_taken(served):
    way = line(points=10_000)
    body = drive(route={"type": "LineString", "coordinates": way}, times_s=list(range(10_000)))
    assert put(served, body, "long").status_code == 201
    assert len(served.get("/v1/trips/long", "app", "ana").json()["times_s"]) == 10_000
    served.ask("DELETE", "/v1/trips/long", "app")
    body = drive(
        route={"type": "LineString", "coordinates": [*way, WORK]}, times_s=list(range(10_001))
    )
    assert put(served, body, "long").status_code == 422


def test_a_point_that_is_wrong_is_named_once_and_by_its_place(served):
    answer = put(served, drive(route=route((181, 43.3), ANAS)), "far").json()
    assert [fault["field"] for fault in answer["errors"]] == ["body.route.coordinates.0.0"]


@pytest.mark.parametrize("id", ["match", "week", "t1/matches"])
def test_a_trip_does_not_hide_behind_another_path(served, id):
    for answer in (put(served, drive(), id), served.ask("DELETE", f"/v1/trips/{id}", "app")):
        allowed = "GET, POST" if id == "match" else "GET"
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


def route(*points):
    return {"type": "LineString", "coordinates": [list(point) for point in points]}


WEEKLY = [{"days": ["MON"], "time": "07:50"}]
BAD = [
    ({"route": route(ANAS), "times_s": None}, "zero-length-route"),
    ({"route": route(ANAS), "times_s": [1]}, "invalid-route"),
    ({"route": route(ANAS), "times_s": [0]}, "invalid-route"),
    ({"route": route(), "times_s": []}, "invalid-route"),
    ({"route": route(ANAS, ANAS)}, None),
    ({"route": route(ANAS, ANAS), "times_s": [0, 10]}, "zero-length-route"),
    ({"route": route(), "times_s": None}, "zero-length-route"),
    ({"route": route(ANAS, WORK), "times_s": [0, 10, 20]}, "invalid-times"),
    ({"route": route(ANAS, WORK), "times_s": [10, 5]}, "invalid-times"),
    ({"route": route(ANAS, WORK), "times_s": [0, 0]}, "invalid-times"),
    ({"route": route(ANAS, WORK), "times_s": []}, "invalid-times"),
    ({"route": route(ANAS, WORK), "times_s": [0, 1e308]}, "invalid-times"),
    ({"route": None, "times_s": None}, None),
    ({"waypoints": [{"lat": 43.3, "lon": 5.35}]}, None),
    ({"route": None, "times_s": None, "waypoints": [{"lat": 43, "lon": 5}]}, "zero-length-route"),
    ({"seats": 0}, None),
    ({"seats": -2}, None),
    ({"seats": 9}, None),
    ({"owner_id": "stranger"}, "unknown-reference"),
    ({"audience_id": "b1"}, "invalid-audience"),
    ({"schedule": {}}, "invalid-schedule"),
    ({"schedule": {"weekly": WEEKLY, "timezone": "Europe/Marseille"}}, None),
    ({"schedule": {"weekly": [{"days": ["MON"], "time": "36:01"}]}}, None),
    ({"schedule": {"weekly": [{"days": ["MON"], "time": "7:50"}]}}, None),
    ({"schedule": {"weekly": [{"days": ["LUN"], "time": "07:50"}]}}, None),
    ({"schedule": {"weekly": WEEKLY * 2}}, "invalid-schedule"),
    ({"schedule": {"weekly": WEEKLY, "removed": ["2026-02-30"]}}, None),
    ({"schedule": {"weekly": WEEKLY, "valid_from": "1959-12-31"}}, "invalid-day"),
    (
        {"schedule": {"weekly": WEEKLY, "valid_from": "2026-12-02", "valid_to": "2026-12-01"}},
        "invalid-validity",
    ),
    (
        {"schedule": {"weekly": WEEKLY, "valid_from": "2026-12-01", "valid_to": "2026-12-02"}},
        "no-days",
    ),
    (
        {
            "schedule": {
                "depart_at": "2026-11-30T08:00:00+01:00",
                "arrive_at": "2026-11-30T07:59:00+01:00",
            }
        },
        None,
    ),
    ({"schedule": {"depart_at": "2026-11-30T08:00:00"}}, None),
    ({"schedule": {"depart_at": "2026-11-30T08:00:00Z", "weekly": WEEKLY}}, "invalid-schedule"),
    (
        {"route": route((43.301, 5.351), (43.3012, 5.3915)), "times_s": [0, 9]},
        "swapped-coordinates",
    ),
    ({"route": route((5.3, 91), WORK), "times_s": [0, 9]}, None),
]


@pytest.mark.parametrize(("changes", "code"), BAD)
def test_what_can_not_be_a_trip_is_a_clear_error(served, changes, code):
    body = {**drive(), **changes}
    answer = put(served, {name: value for name, value in body.items() if value is not None}, "bad")
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    if code is not None:
        assert problem["code"] == code, problem
    assert "5.351" not in str(problem) and "43.301" not in str(problem)
    assert served.get("/v1/trips/bad", "app").status_code == 404
