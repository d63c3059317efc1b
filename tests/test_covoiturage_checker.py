"""The checker of the carpooling standard, held to servers that break it: one rule each."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import httpx
import pytest
from covoiturage_checker import Checker, standard

QUERY = {
    "departureLat": 43.30,
    "departureLng": 5.36,
    "arrivalLat": 43.30,
    "arrivalLng": 5.41,
    "departureDate": 1_795_417_200,  # Monday, 2026-11-23, 08:00 in Paris
    "count": 2,
}
WEEK = {k: v for k, v in QUERY.items() if k != "departureDate"} | {
    "departureTimeOfDay": "08:00:00",
    "departureWeekdays": "MON,TUE",
    "minDepartureDate": 1_795_413_600,
    "maxDepartureDate": 1_795_917_200,
}
USER = {"id": "1", "alias": "ada", "operator": "a.example"}
TRIP: dict[str, Any] = {
    "operator": "a.example",
    "duration": 400,
    "distance": 4_000,
    "passengerPickupLat": 43.30,
    "passengerPickupLng": 5.36,
    "passengerDropLat": 43.30,
    "passengerDropLng": 5.41,
    "webUrl": "https://a.example/1",
}
DATED = {
    "id": "j1",
    "passengerPickupDate": 1_795_417_200 + 60,
    "type": "PLANNED",
    "webUrl": "https://a.example/1",
}
DRIVER = TRIP | DATED | {"driver": USER, "availableSeats": 2, "price": {"type": "FREE"}}
PASSENGER = TRIP | DATED | {
    "passenger": USER,
    "driverDepartureDate": 1_795_417_200,
}  # fmt: skip
REGULAR = TRIP | {
    "driver": USER,
    "schedules": [
        {
            "passengerPickupDay": "MON",
            "passengerPickupTimeOfDay": "08:01:00",
            "journeySchedules": [DATED],
        }
    ],
}
BOOKING = {k: v for k, v in (TRIP | DATED).items() if k.startswith("passenger")} | {
    "id": "00000000-0000-0000-0000-000000000001",
    "driver": USER,
    "passenger": USER,
    "status": "CONFIRMED",
    "price": {},
}
Break = Callable[[Any], object]


def answer(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in
                                                   headers.items()}  # fmt: skip
    return httpx.Response(status, headers=sent, content=json.dumps(body))


@pytest.fixture
def checker() -> Checker:
    return Checker(standard())


GOOD = [
    ("/driver_journeys", [DRIVER], QUERY),
    ("/passenger_journeys", [PASSENGER], QUERY),
    ("/driver_regular_trips", [REGULAR], WEEK),
    ("/passenger_regular_trips", [], WEEK),
]


@pytest.mark.parametrize("path, body, query", GOOD)
def test_a_server_that_keeps_the_rules_breaks_none(
    checker: Checker, path: str, body: Any, query: Any
) -> None:
    assert checker.check("get", path, answer(body), query=query) == set()


def _set(**fields: Any) -> Break:
    return lambda found: found[0].update(fields)


def _drop(name: str) -> Break:
    return lambda found: found[0].pop(name)


def _dated(**fields: Any) -> Break:
    return lambda found: found[0]["schedules"][0]["journeySchedules"][0].update(fields)


def _schedule(**fields: Any) -> Break:
    return lambda found: found[0]["schedules"][0].update(fields)


DATED_BREAKS: list[tuple[Break, str]] = [
    (_set(passengerPickupLat=43.3092), "departure-radius"),  # 1.02 km
    (_set(passengerDropLng=5.4226), "arrival-radius"),
    (_set(passengerPickupDate=1_795_417_200 + 901), "time-delta"),
    (_set(passengerPickupDate=1_795_417_200 - 901), "time-delta"),
    (_set(passengerPickupDate=1_795_417_200.0), "format"),
    (_set(passengerPickupDate="1795417200"), "format"),
    (_set(duration=400.5), "format"),
    (_set(distance=4_000.0), "format"),
    (_set(price=None), "format"),
    (_set(car=None), "format"),
    (_drop("duration"), "format"),
    (_drop("driver"), "format"),
    (_drop("operator"), "format"),
    (_drop("passengerDropLat"), "format"),
    (_set(driver={"id": "1", "alias": "ada"}), "format"),
    (_set(driver=USER | {"grade": 6}), "format"),
    (_set(driver=USER | {"gender": "X"}), "format"),
    (_set(type="SOON"), "format"),
    (_set(type="DYNAMIC"), "type"),
    (_set(id=""), "format"),
    (_drop("id"), "id"),
    (lambda found: found.append(found[0]), "unique-ids"),
    (lambda found: found.extend([found[0] | {"id": str(n)} for n in range(2)]), "count"),
    (_set(operator="localhost"), "operator"),
    (_set(operator="https://a.example"), "operator"),
    (_set(operator="a.example/x"), "operator"),
    (_set(operator="me@a.example"), "operator"),
    (_set(driver=USER | {"operator": "b.example"}), "user-operator"),
    (_drop("webUrl"), "web-url"),
    (_set(webUrl="/1"), "web-url"),
    (_set(availableSeats=0), "seats"),
    (_set(price={"type": "PAYING", "amount": 1}), "price"),
    (_set(driverDepartureDate=1_795_417_261), "driver-departure"),
]
REGULAR_BREAKS: list[tuple[Break, str]] = [
    (_drop("schedules"), "schedules"),
    (_schedule(journeySchedules=[]), "schedules"),
    (_schedule(passengerPickupDay="LUN"), "format"),
    (_schedule(passengerPickupDay="TUE"), "schedule-time"),
    (_schedule(passengerPickupTimeOfDay="07:01:00"), "schedule-time"),
    (_dated(passengerPickupDate=1_795_417_200 + 3_600), "time-of-day"),
    (_dated(passengerPickupDate=1_795_417_260 + 2 * 86_400), "weekday"),
    (_dated(passengerPickupDate=1_795_417_260 + 7 * 86_400), "min-max"),
    (_dated(type="LINE"), "type"),
    (_dated(webUrl=""), "web-url"),
    (lambda found: found.append(found[0]), "unique-ids"),
]


@pytest.mark.parametrize(
    "path, body, query, break_, rule",
    [("/driver_journeys", [DRIVER], QUERY, *one) for one in DATED_BREAKS]
    + [("/driver_regular_trips", [REGULAR], WEEK, *one) for one in REGULAR_BREAKS]
    + [("/passenger_journeys", [PASSENGER], QUERY, _drop("driverDepartureDate"), "format")],
)
def test_a_server_that_breaks_a_rule_is_caught(
    checker: Checker, path: str, body: Any, query: Any, break_: Break, rule: str
) -> None:
    broken = deepcopy(body)
    break_(broken)
    assert rule in checker.check("get", path, answer(broken), query=query)


@pytest.mark.parametrize(
    ("sent", "more", "rule"),
    [
        (answer([], 422), {}, "format"),
        (answer([], 204), {}, "status"),
        (answer([], 503), {}, "format"),
        (answer({"error": "no"}, 403), {"status": 403}, "format"),
        (answer({"error": "no"}, 400), {}, "status"),
        (answer({"error": 3}, 400), {"status": 400}, "format"),
        (answer({"detail": "no"}, 400), {"status": 400}, "error"),
        (answer([], content_type="text/plain"), {}, "header"),
        (answer({"error": "no"}, 400, content_type="application/problem+json"), {"status": 400},
         "header"),
        (answer(None), {}, "format"),
        (answer([]), {"not_empty": True}, "empty"),
        (answer("", 429), {"status": 429}, "retry-after"),
        (answer("", 429, retry_after="soon"), {"status": 429}, "retry-after"),
    ],
)  # fmt: skip
def test_a_server_that_answers_in_other_words_is_caught(
    checker: Checker, sent: httpx.Response, more: dict[str, Any], rule: str
) -> None:
    assert rule in checker.check("get", "/driver_journeys", sent, query=QUERY, **more)


def test_an_id_that_means_another_journey_the_next_time_is_caught(checker: Checker) -> None:
    path = "/driver_journeys"
    assert checker.check("get", path, answer([DRIVER]), query=QUERY) == set()
    other = DRIVER | {"driver": USER | {"id": "2"}}
    assert checker.check("get", path, answer([other]), query=QUERY) == {"stable-ids"}


def test_a_booking_that_is_not_that_far_is_caught(checker: Checker) -> None:
    path = "/bookings/{bookingId}"
    good = answer(BOOKING)
    assert checker.check("get", path, good, booking_status="CONFIRMED") == set()
    assert checker.check("get", path, good, booking_status="CANCELLED") == {"booking-status"}
    assert checker.check("post", "/bookings", good) == {"status", "format"}
    bad = answer(BOOKING | {"passenger": {"id": "1"}})
    assert checker.check("get", path, bad) == {"format"}


def test_a_server_that_is_not_there_is_caught(checker: Checker) -> None:
    assert checker.check("get", "/status", answer("")) == set()
    assert checker.check("get", "/status", answer("", 204)) == {"status"}
