"""The four searches, held to the standard by the checker."""

from typing import Any

import pytest
from covoiturage_town import ENDS, MONDAY, OURS, WAY, WEEK, at, instant

SEARCHES = {
    "/driver_journeys": WAY,
    "/passenger_journeys": WAY | ENDS | {"departureDate": instant(8.0)},
    "/driver_regular_trips": WEEK,
    "/passenger_regular_trips": WEEK | ENDS | {"departureTimeOfDay": "08:00:00"},
}


def ids_of(found: list[Any]) -> list[str]:
    return [one["id"] for one in found]


@pytest.mark.parametrize("path", SEARCHES)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"departureRadius": 0.3, "arrivalRadius": 5, "timeDelta": 3_600},
        {"departureRadius": 20, "arrivalRadius": 20, "timeDelta": 86_400},
        {"count": 1},
        {"departureRadius": 0, "arrivalRadius": 0, "timeDelta": 0, "count": 0},
    ],
)
def test_what_is_found_is_as_the_standard_has_it(
    town: Any, checker: Any, path: str, more: dict[str, Any]
) -> None:
    query = {**SEARCHES[path], **more}
    found = "departureRadius" not in more or more["departureRadius"]
    answer = town.get(path, query)
    assert checker.check("get", path, answer, query=query, not_empty=bool(found)) == set()


def test_a_driver_is_told_where_and_when_and_for_how_much(town: Any) -> None:
    (one,) = [one for one in town.search("/driver_journeys") if "once" in one["id"]]
    assert one == {
        "id": "driver-2026-11-23-once",
        "type": "PLANNED",
        "operator": OURS,
        "driver": {"id": "once", "alias": "Conducteur", "operator": OURS},
        "passengerPickupLat": 43.3,
        "passengerPickupLng": 5.36,
        "passengerPickupDate": instant(8.0) + 485,
        "passengerDropLat": 43.3,
        "passengerDropLng": pytest.approx(5.41, abs=1e-5),
        "duration": 405,
        "distance": pytest.approx(4_046, abs=2),
        "departureToPickupWalkingDistance": 222,
        "departureToPickupWalkingDuration": 199,
        "dropoffToArrivalWalkingDistance": 111,
        "dropoffToArrivalWalkingDuration": 99,
        "availableSeats": 3,
        "price": {"type": "PAYING", "amount": 0.64, "currency": "EUR"},
        "preferences": {"smoking": False, "luggageSize": 2},
        "webUrl": "https://town.example/covoiturage/driver-2026-11-23-once",
    }


def test_weekly_trips_are_dated_journeys_too_and_free_ones_are_free(town: Any) -> None:
    found = {one["id"]: one for one in town.search("/driver_journeys")}
    assert sorted(found) == [
        "driver-2026-11-23-by-arrival",
        "driver-2026-11-23-once",
        "driver-2026-11-23-weekly",
    ]
    assert found["driver-2026-11-23-by-arrival"]["price"] == {"type": "FREE"}
    assert found["driver-2026-11-23-weekly"]["webUrl"] == "https://town.example/weekly"


def test_the_count_keeps_the_best_of_the_whole_answer(town: Any) -> None:
    whole = ids_of(town.search("/driver_journeys"))
    for count in range(len(whole) + 1):
        assert ids_of(town.search("/driver_journeys", count=count)) == whole[:count]


def test_a_passenger_tells_when_the_driver_has_to_leave(town: Any) -> None:
    (one,) = town.search("/passenger_journeys", **ENDS, departureDate=instant(8.0), timeDelta=60)
    assert one["id"] == "passenger-2026-11-23-rider" and one["requestedSeats"] == 2
    assert one["passengerPickupDate"] == instant(8.0)
    assert one["driverDepartureDate"] == instant(8.0) - 36  # 275 m, 1.3 times as far, at 36 km/h
    assert one["passenger"] == {"id": "rider", "alias": "Passager", "operator": OURS}


def test_a_regular_trip_tells_the_days_that_match_and_no_other(town: Any) -> None:
    query = {"departureWeekdays": "MON,WED,SUN", "maxDepartureDate": instant(24 * 9)}
    (one, _) = town.search("/driver_regular_trips", **query)
    assert one["webUrl"] == "https://town.example/weekly"
    told = [
        (s["passengerPickupDay"], s["passengerPickupTimeOfDay"], ids_of(s["journeySchedules"]))
        for s in one["schedules"]
    ]
    assert told == [
        ("MON", "08:14:05", ["driver-2026-11-23-weekly", "driver-2026-11-30-weekly"]),
        ("WED", "08:14:05", ["driver-2026-11-25-weekly"]),
    ]


def test_regular_journeys_are_the_same_as_when_they_are_searched_by_date(town: Any) -> None:
    (one, *_) = town.search("/driver_regular_trips", departureWeekdays="MON")
    (dated, *_) = one["schedules"][0]["journeySchedules"]
    found = town.search("/driver_journeys", departureDate=dated["passengerPickupDate"])
    assert dated["id"] in ids_of(found)
    assert one["passengerPickupLng"] == found[0]["passengerPickupLng"]


def test_both_ends_of_the_window_count(town: Any) -> None:
    pickup = instant(8.0) + 485
    for off, found in ((900, True), (901, False)):
        for sign in (-1, 1):
            exactly = {"departureLat": 43.3, "departureRadius": 0.001}
            asked = town.search("/driver_journeys", departureDate=pickup + sign * off, **exactly)
            assert ("driver-2026-11-23-once" in ids_of(asked)) is found


def test_minutes_after_midnight_are_near_those_before(town: Any) -> None:
    query = {"departureTimeOfDay": "23:55:00", "departureWeekdays": "MON", "timeDelta": 900}
    (one,) = town.search("/driver_regular_trips", **query)
    assert one["schedules"][0]["passengerPickupDay"] == "TUE"
    assert one["schedules"][0]["passengerPickupTimeOfDay"] == "00:05:05"


def test_what_is_past_is_told_no_more(town: Any) -> None:
    assert town.search("/driver_journeys")
    town.set(clock=at(24.0))
    assert not town.search("/driver_journeys")
    found = town.search("/driver_regular_trips")
    dates = [j["passengerPickupDate"] for one in found for s in one["schedules"]
             for j in s["journeySchedules"]]  # fmt: skip
    assert found and min(dates) > instant(24.0, MONDAY)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/driver_journeys", {"departureLat": 91}),
        ("/driver_journeys", {"departureLng": -181}),
        ("/driver_journeys", {"arrivalLat": "NaN"}),
        ("/driver_journeys", {"arrivalLng": "1e308"}),
        ("/driver_journeys", {"departureRadius": -1}),
        ("/driver_journeys", {"departureRadius": 1_000}),
        ("/driver_journeys", {"arrivalRadius": "inf"}),
        ("/driver_journeys", {"timeDelta": -1}),
        ("/driver_journeys", {"timeDelta": 1.5}),
        ("/driver_journeys", {"count": -1}),
        ("/driver_journeys", {"departureDate": "tomorrow"}),
        ("/driver_journeys", {"departureDate": None}),
        ("/passenger_journeys", {"departureLat": "north"}),
        ("/driver_regular_trips", {"departureTimeOfDay": "25:00:00"}),
        ("/driver_regular_trips", {"departureTimeOfDay": "08:00"}),
        ("/driver_regular_trips", {"departureTimeOfDay": None}),
        ("/driver_regular_trips", {"departureWeekdays": "MON,YESTERDAY"}),
        ("/passenger_regular_trips", {"departureWeekdays": "mon"}),
        ("/passenger_regular_trips", {"minDepartureDate": "x"}),
    ],
)
def test_bad_parameters_are_refused_in_the_standards_words(
    town: Any, checker: Any, path: str, query: dict[str, Any]
) -> None:
    asked = {**SEARCHES[path], **query}
    answer = town.get(path, {k: v for k, v in asked.items() if v is not None})
    assert checker.check("get", path, answer, status=400) == set()
    assert set(answer.json()) == {"error"} and next(iter(query)) in answer.json()["error"]


def test_weekdays_come_in_one_value_and_no_parameter_twice(town: Any, checker: Any) -> None:
    query = [*WEEK.items(), ("departureWeekdays", "MON"), ("departureWeekdays", "TUE")]
    answer = town.ask("GET", "/driver_regular_trips", params=query)
    assert checker.check("get", "/driver_regular_trips", answer, status=400) == set()


def test_what_the_standard_may_add_one_day_is_passed_over(town: Any) -> None:
    assert town.search("/driver_journeys", femaleOnly="true") == town.search("/driver_journeys")


@pytest.mark.parametrize("date", [-(10**18), -(10**10), 10**10, 10**18, 10**30])
def test_dates_in_no_known_year_find_nothing(town: Any, date: int) -> None:
    assert town.search("/driver_journeys", departureDate=date) == []
    assert town.search("/passenger_journeys", departureDate=date) == []
    for name in ("minDepartureDate", "maxDepartureDate"):
        for role in ("driver", "passenger"):
            answer = town.get(f"/{role}_regular_trips", {**WEEK, name: date})
            assert answer.status_code == 200


def test_anything_else_under_the_prefix_is_refused_in_the_same_words(town: Any) -> None:
    for method, path, status in (("GET", "/ping", 404), ("DELETE", "/status", 405)):
        answer = town.ask(method, path)
        assert answer.status_code == status and set(answer.json()) == {"error"}
        assert status == 404 or answer.headers["allow"] == "GET"
    path = "/bookings/00000000-0000-4000-8000-000000000000"
    assert town.ask("PUT", path).headers["allow"] == "GET, PATCH"
