"""Bookings, messages and events between two platforms."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from covoiturage_town import (
    ENDS,
    OURS,
    PARTNER,
    TRIPS,
    WAY,
    at,
    booking_of,
    fill,
    instant,
    once,
    served,
)
from waiting import until_shown

from indexes.journeys import Anchor, Booking, BookingStatus, Message, Trip
from indexes.store import open_store

WAITING, CONFIRMED, PENDING, VALIDATED, CANCELLED = (
    "WAITING_CONFIRMATION",
    "CONFIRMED",
    "COMPLETED_PENDING_VALIDATION",
    "VALIDATED",
    "CANCELLED",
)
UNKNOWN = "00000000-0000-0000-0000-000000000000"
DAYS = iter(range(2, 28))
MONDAYS = "passenger-2026-11-23-rider-weekly"


def journey(town: Any, id: str, **query: Any) -> dict[str, Any]:
    (found,) = [one for one in town.search("/driver_journeys", **query) if one["id"] == id]
    return dict(found)


def a_workday(town: Any) -> dict[str, Any]:
    """A journey of the weekly driver, on a day that no other test books."""
    while True:
        hour = 24 * next(DAYS) + 8.15
        found = town.search("/driver_journeys", departureDate=instant(hour))
        if weekly := [one for one in found if one["id"].endswith("-weekly")]:
            return dict(weekly[0])


def posted(town: Any, **fields: Any) -> dict[str, Any]:
    """A booking that was taken, on a day of its own."""
    body = booking_of(a_workday(town), **fields)
    answer = town.ask("POST", "/bookings", json=body)
    assert answer.status_code == 201, answer.text
    return body


def mirrored(**fields: Any) -> dict[str, Any]:
    """A booking between two other platforms' people, which takes no seat of ours."""
    user = {"id": "1", "alias": "bob", "operator": PARTNER}
    return {
        "id": str(uuid4()),
        "driver": user,
        "passenger": user | {"id": "2"},
        "status": WAITING,
        "price": {},
        "passengerPickupDate": 0,
        "passengerPickupLat": 0,
        "passengerPickupLng": 0,
        "passengerDropLat": 0,
        "passengerDropLng": 0,
        **fields,
    }


def patch(town: Any, id: str, status: str, key: str | None = None, **query: Any) -> Any:
    return town.ask("PATCH", f"/bookings/{id}", key, params={"status": status, **query})


def status_of(town: Any, id: str) -> str:
    return str(town.get(f"/bookings/{id}").json()["status"])


def test_a_booking_is_answered_and_read_again_as_it_was_told(town: Any, checker: Any) -> None:
    body = booking_of(journey(town, "driver-2026-11-23-once"), status=WAITING)
    answer = town.ask("POST", "/bookings", json=body)
    assert checker.check("post", "/bookings", answer, booking_status=WAITING) == set()
    again = town.get(f"/bookings/{body['id']}")
    path = "/bookings/{bookingId}"
    assert checker.check("get", path, again, booking_status=WAITING) == set()
    assert again.json() == answer.json()
    assert body.items() <= again.json().items()


def test_a_booking_takes_its_seat_and_gives_it_back(town: Any) -> None:
    one = journey(town, "driver-2026-11-23-last-seat", departureDate=instant(9.6))
    body = booking_of(one)
    assert town.ask("POST", "/bookings", json=body).status_code == 201
    refused = town.ask("POST", "/bookings", json=booking_of(one, "pol"))
    assert refused.status_code == 400 and "error" in refused.json()
    assert patch(town, body["id"], CANCELLED).status_code == 200
    assert town.ask("POST", "/bookings", json=booking_of(one, "pol")).status_code == 201


def test_who_is_not_answered_in_a_day_has_no_seat_from_that_second_on(
    town: Any, checker: Any
) -> None:
    one = a_workday(town)
    body = booking_of(one)
    assert town.ask("POST", "/bookings", json=body).status_code == 201
    town.set(clock=at(24 - 1 / 3_600))
    assert status_of(town, body["id"]) == WAITING
    assert town.ask("POST", "/bookings", json=booking_of(one, "pol")).status_code == 400
    town.set(clock=at(24))
    assert town.store.get(Booking, "town", body["id"]).status == WAITING  # nobody wrote it down
    read = town.get(f"/bookings/{body['id']}")
    path = "/bookings/{bookingId}"
    assert checker.check("get", path, read, booking_status=CANCELLED) == set()
    late = patch(town, body["id"], CONFIRMED)
    assert (late.status_code, late.json()) == (409, {"error": "status_already_set"})
    assert town.ask("POST", "/bookings", json=booking_of(one, "pol")).status_code == 201


@pytest.mark.parametrize("hour", [23.99, 24.01], ids=["before midnight", "after it"])
def test_a_drive_that_is_told_to_begin_on_another_day_can_be_booked(
    town: Any, checker: Any, hour: float
) -> None:
    (home,) = [trip for trip in TRIPS if trip.id == "from-home"]
    anchor = Anchor.DEPART if hour < 24 else Anchor.ARRIVE
    trip = replace(home, id=f"night-{anchor}", schedule=once(hour, anchor=anchor), seats=1)
    engine = town.app.state.towns.town("town").engine
    until_shown(engine, town.store.put(trip))
    query = {"departureLat": 43.28, "departureLng": 5.32, "departureRadius": 10}
    query |= {"departureDate": instant(24), "timeDelta": 3_600}
    (one,) = [one for one in town.search("/driver_journeys", **query) if trip.id in one["id"]]
    assert trip.schedule.at is not None
    own = trip.schedule.at.astimezone(ZoneInfo("Europe/Paris")).date()
    assert str(own) not in one["id"]
    body = booking_of(one)
    answer = town.ask("POST", "/bookings", json=body)
    assert checker.check("post", "/bookings", answer, status=201) == set()
    assert answer.json()["driverJourneyId"] == one["id"]
    kept = town.store.get(Booking, "town", body["id"])
    assert kept.day == own
    assert town.ask("POST", "/bookings", json=booking_of(one, "pol")).status_code == 400  # full
    until_shown(engine, town.store.position())
    assert all(trip.id not in one["id"] for one in town.search("/driver_journeys", **query))
    read = town.get(f"/bookings/{body['id']}").json()
    assert read["driverJourneyId"] == one["id"]
    assert patch(town, body["id"], CANCELLED).status_code == 200
    assert town.ask("POST", "/bookings", json=booking_of(one, "pol")).status_code == 201


def test_fifty_at_once_get_the_last_seat_exactly_once(town: Any, checker: Any) -> None:
    one = a_workday(town)
    bodies = [booking_of(one, f"p{number}") for number in range(50)]

    def post(body: dict[str, Any]) -> Any:
        return town.ask("POST", "/bookings", json=body)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, bodies))
    assert sorted(answer.status_code for answer in answers) == [201, *[400] * 49]
    for body, answer in zip(bodies, answers, strict=True):
        broken = checker.check("post", "/bookings", answer, status=answer.status_code)
        assert broken == set()
        kept = town.get(f"/bookings/{body['id']}").status_code
        assert kept == (200 if answer.status_code == 201 else 404)


def test_the_same_id_is_refused_and_changes_nothing(town: Any) -> None:
    body = posted(town)
    again = town.ask("POST", "/bookings", json=mirrored(id=body["id"]))
    assert again.status_code == 400
    assert town.get(f"/bookings/{body['id']}").json()["driver"] == body["driver"]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": CONFIRMED},
        {"driverJourneyId": None},
        {"driverJourneyId": "driver-2026-11-23-nobody"},
        {"driverJourneyId": "passenger-2026-11-23-once"},
        {"driverJourneyId": "driver-2027-11-23-once"},
        {"driverJourneyId": "driver-2026-11-23-full-of-limits"},
        {"driverJourneyId": "driver-2026-11-23-cancelled"},
        {"driver": {"id": "somebody", "alias": "", "operator": OURS}},
        {"passengerPickupDate": instant(9.0)},
        {"passengerPickupLat": 43.31},
        {"passengerDropLng": 5.30},
        {"price": {"type": "PAYING", "amount": 1, "currency": "CHF"}},
        {"id": "not-a-uuid"},
        {"passengerPickupLat": 100},
        {"passengerPickupDate": "1700000000"},
        {"passenger": None},
        {"price": None},
        {"status": "ALMOST"},
        {"driverJourneyId": "x" * 256},
        {"passengerPickupAddress": "bell\x07"},
        {"webUrl": "javascript:alert(1)"},
    ],
)
def test_what_cannot_be_booked_is_refused_and_not_kept(
    town: Any, checker: Any, fields: dict[str, Any]
) -> None:
    body = booking_of(journey(town, "driver-2026-11-23-once"), "eva") | fields
    body = {name: value for name, value in body.items() if value is not None}
    answer = town.ask("POST", "/bookings", json=body)
    assert checker.check("post", "/bookings", answer, status=400) == set()
    assert town.get(f"/bookings/{body['id']}").status_code in (400, 404)


def test_nobody_books_a_seat_with_himself(town: Any) -> None:
    one = a_workday(town)
    answer = town.ask("POST", "/bookings", json=booking_of(one) | {"passenger": one["driver"]})
    assert answer.status_code == 400


def test_a_passenger_of_ours_is_booked_by_the_drivers_platform(town: Any) -> None:
    (one,) = town.search(
        "/passenger_journeys",
        departureLat=43.3,
        departureLng=5.30,
        arrivalLat=43.3,
        arrivalLng=5.423,
        departureDate=instant(8.0),
        timeDelta=60,
    )
    body = booking_of(one | {"driver": {}, "price": {}}) | {
        "driver": {"id": "d", "alias": "dan", "operator": PARTNER},
        "passenger": one["passenger"],
        "passengerJourneyId": one["id"],
    }
    del body["driverJourneyId"]
    assert town.ask("POST", "/bookings", json=body).status_code == 201
    told = town.get(f"/bookings/{body['id']}").json()
    assert told["passengerJourneyId"] == one["id"] and told["driver"] == body["driver"]
    for never in ("2026-11-23-nobody", "2026-11-22-rider", "9999-12-31-rider"):
        other = body | {"id": str(uuid4()), "passengerJourneyId": f"passenger-{never}"}
        assert town.ask("POST", "/bookings", json=other).status_code == 400


def test_a_passenger_who_has_a_seat_is_told_to_nobody_for_that_day(town: Any) -> None:
    engine = town.app.state.towns.town("town").engine

    def days() -> set[str]:
        until_shown(engine, town.store.position())
        dated = {one["id"] for one in town.search("/passenger_journeys", **query)}
        (weekly,) = town.search("/passenger_regular_trips", **ENDS, departureTimeOfDay="07:54:00")
        times = weekly["schedules"]
        every = {one["id"] for time in times for one in time["journeySchedules"]}
        assert dated <= every or dated == {MONDAYS}
        return every | dated

    query = {**ENDS, "departureDate": instant(7.9), "timeDelta": 60}
    before = days()
    assert MONDAYS in before
    (one,) = town.search("/passenger_journeys", **query)
    body = booking_of(one | {"driver": {}, "price": {}}) | {
        "driver": {"id": "d", "alias": "dan", "operator": PARTNER},
        "passenger": one["passenger"],
        "passengerJourneyId": MONDAYS,
    }
    del body["driverJourneyId"]
    assert town.ask("POST", "/bookings", json=body).status_code == 201
    assert days() == before  # asked for is not agreed to
    assert patch(town, body["id"], CONFIRMED).status_code == 200
    assert days() == before - {MONDAYS}
    other = town.ask("POST", "/bookings", json=body | {"id": str(uuid4())})
    assert other.status_code == 400 and "has a seat" in other.json()["error"]
    assert town.get(f"/bookings/{body['id']}").json()["passengerJourneyId"] == MONDAYS
    assert patch(town, body["id"], CANCELLED).status_code == 200
    assert days() == before


def test_with_a_cancelled_trip_go_its_bookings_to_come_by_the_clock_of_the_server(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path / "town.db")
    fill(store)
    begun, now, to_come = (datetime(2020, 11, 23, hour, tzinfo=UTC) for hour in (4, 5, 7))
    bookings = [
        Booking(
            tenant_id="town", id=str(uuid4()), trip_id="weekly", driver_id="weekly",
            passenger_id="pam", passenger_operator=PARTNER, day=at.date(), pickup_at=at,
            pickup_lon=5.36, pickup_lat=43.3, dropoff_lon=5.41, dropoff_lat=43.3,
            pickup_s=485.0, dropoff_s=900.0, status=BookingStatus.CONFIRMED,
        )
        for at in (begun, to_come)
    ]  # fmt: skip
    for one in bookings:
        store.book(one, lambda trip, taken: None)
    store.close()
    for town in served(tmp_path / "town.db", now=now):
        weekly = town.store.get(Trip, "town", "weekly")
        town.store.put(replace(weekly, cancelled=True))
        kept = [town.store.get(Booking, "town", one.id).status.value for one in bookings]
        assert kept == [CONFIRMED, CANCELLED]


def test_two_people_of_ours_may_be_booked_together(town: Any) -> None:
    one = journey(town, "driver-2026-11-23-once")
    body = booking_of(one, passengerJourneyId="passenger-2026-11-23-rider") | {
        "passenger": {"id": "rider", "alias": "", "operator": OURS}
    }
    assert town.ask("POST", "/bookings", json=body).status_code == 201
    kept = town.store.get(Booking, "town", body["id"])
    assert (kept.trip_id, kept.passenger_trip_id) == ("once", "rider")


@pytest.mark.parametrize("status", [CONFIRMED, PENDING, VALIDATED, CANCELLED])
def test_a_booking_comes_forward_by_any_step(town: Any, checker: Any, status: str) -> None:
    body = mirrored()
    town.ask("POST", "/bookings", json=body)
    answer = patch(town, body["id"], status)
    assert checker.check("patch", "/bookings/{bookingId}", answer) == set()
    assert answer.content == b"" and status_of(town, body["id"]) == status


ORDER = [WAITING, CONFIRMED, PENDING, VALIDATED, CANCELLED]


@pytest.mark.parametrize("reached", range(1, 5))
def test_a_booking_never_goes_back_nor_stays(town: Any, checker: Any, reached: int) -> None:
    body = mirrored()
    town.ask("POST", "/bookings", json=body)
    patch(town, body["id"], ORDER[reached])
    for status in ORDER[: reached + 1]:
        answer = patch(town, body["id"], status)
        assert checker.check("patch", "/bookings/{bookingId}", answer, status=409) == set()
        assert answer.json() == {"error": "status_already_set"}
        assert status_of(town, body["id"]) == ORDER[reached]


def test_of_two_who_bring_a_booking_to_the_same_status_one_does(town: Any) -> None:
    body = mirrored()
    town.ask("POST", "/bookings", json=body)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: patch(town, body["id"], CONFIRMED), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 7]


def test_what_is_not_known_is_missing(town: Any, checker: Any) -> None:
    answer = town.get(f"/bookings/{UNKNOWN}")
    assert checker.check("get", "/bookings/{bookingId}", answer, status=404) == set()
    assert answer.json() == {"error": "missing_booking"}
    answer = patch(town, UNKNOWN, CONFIRMED)
    assert checker.check("patch", "/bookings/{bookingId}", answer, status=404) == set()


def test_a_status_that_there_is_not_is_refused(town: Any, checker: Any) -> None:
    body = mirrored()
    town.ask("POST", "/bookings", json=body)
    for query in ({"status": "INVALID_STATUS"}, {}, {"status": CONFIRMED, "message": "x" * 501}):
        answer = town.ask("PATCH", f"/bookings/{body['id']}", params=query)
        assert checker.check("patch", "/bookings/{bookingId}", answer, status=400) == set()
    assert status_of(town, body["id"]) == WAITING


def messages(town: Any) -> list[Message]:
    return list(town.store.page(Message, "town", limit=1_000))


def test_what_is_said_with_a_change_reaches_the_other_side(town: Any) -> None:
    body = posted(town)
    before = {one.id for one in messages(town)}
    assert patch(town, body["id"], CANCELLED, message="Désolée, je suis malade.").status_code == 200
    (said,) = [one for one in messages(town) if one.id not in before]
    assert said.text == "Désolée, je suis malade." and said.booking_id == body["id"]
    assert (said.sender_id, said.sender_operator) == ("pam", PARTNER)
    assert said.recipient_id == body["driver"]["id"] and said.recipient_role == "driver"


def event(id: str, status: str, **fields: Any) -> dict[str, Any]:
    places = {name: 0 for name in mirrored() if name.startswith("passengerP")}
    places |= {"passengerDropLat": 0, "passengerDropLng": 0}
    driver = {"driver": {"id": "9", "alias": "dan", "operator": PARTNER}, "price": {"type": "FREE"}}
    data = {"id": id, "status": status, "webUrl": "", **places, **driver, **fields}
    data = {name: value for name, value in data.items() if value is not None}
    return {"id": str(uuid4()), "idToken": "", "data": data}


PASSENGER = {"id": "8", "alias": "pia", "operator": PARTNER}


def test_an_event_of_an_unknown_booking_makes_it(town: Any, checker: Any) -> None:
    for fields in ({}, {"driver": None, "price": None, "passenger": PASSENGER}):
        id = str(uuid4())
        answer = town.ask("POST", "/booking_events", json=event(id, CONFIRMED, **fields))
        assert checker.check("post", "/booking_events", answer) == set()
        told = town.get(f"/bookings/{id}")
        broken = checker.check("get", "/bookings/{bookingId}", told, booking_status=CONFIRMED)
        assert broken == set()
        assert {told.json()["driver"]["operator"], told.json()["passenger"]["operator"]} == {
            OURS,
            PARTNER,
        }


def test_an_event_brings_a_booking_forward_only(town: Any, checker: Any) -> None:
    body = mirrored()
    town.ask("POST", "/bookings", json=body)
    for status, wanted in ((CONFIRMED, 200), (CONFIRMED, 400), (CANCELLED, 200), (CONFIRMED, 400)):
        answer = town.ask("POST", "/booking_events", json=event(body["id"], status))
        assert checker.check("post", "/booking_events", answer, status=wanted) == set()


@pytest.mark.parametrize(
    "fields",
    [
        {"passenger": PASSENGER},  # with driver and price it is of both kinds at once
        {"driver": None},
        {"price": None},
        {"driver": None, "price": None},
        {"status": "ALMOST"},
        {"webUrl": None},
    ],
)
def test_an_event_of_neither_kind_or_of_both_is_refused(
    town: Any, checker: Any, fields: dict[str, Any]
) -> None:
    id = str(uuid4())
    answer = town.ask("POST", "/booking_events", json=event(id, **{"status": CONFIRMED, **fields}))
    assert checker.check("post", "/booking_events", answer, status=400) == set()
    assert town.get(f"/bookings/{id}").status_code == 404


def message(**fields: Any) -> dict[str, Any]:
    return {
        "from": {"id": "x", "alias": "xav", "operator": PARTNER},
        "to": {"id": "once", "alias": "", "operator": OURS},
        "message": "Bonjour, vous passez par la gare ?",
        "recipientCarpoolerType": "DRIVER",
        **fields,
    }


def test_a_message_reaches_who_is_known_from_whoever_it_is(town: Any, checker: Any) -> None:
    for to in ({"id": "once", "operator": OURS}, {"id": "ana", "operator": OURS}):
        body = message(to=to | {"alias": "x"}, driverJourneyId="driver-2026-11-23-once")
        answer = town.ask("POST", "/messages", json=body)
        assert checker.check("post", "/messages", answer) == set() and answer.content == b""
    assert {"once", "ana"} <= {one.recipient_id for one in messages(town)}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"to": {"id": "nobody", "alias": "", "operator": OURS}}, "missing_user"),
        ({"to": {"id": "once", "alias": "", "operator": PARTNER}}, "missing_user"),
        ({"driverJourneyId": "driver-2026-11-23-nobody"}, "missing_journey"),
        ({"driverJourneyId": "x"}, "missing_journey"),
        ({"bookingId": UNKNOWN}, "missing_booking"),
    ],
)
def test_a_message_to_nobody_or_about_nothing_is_told_so(
    town: Any, checker: Any, fields: dict[str, Any], error: str
) -> None:
    before = len(messages(town))
    answer = town.ask("POST", "/messages", json=message(**fields))
    assert checker.check("post", "/messages", answer, status=404) == set()
    assert answer.json() == {"error": error} and len(messages(town)) == before


@pytest.mark.parametrize(
    "fields", [{"message": "x" * 501}, {"message": ""}, {"recipientCarpoolerType": "BOTH"}]
)
def test_a_bad_message_is_refused(town: Any, checker: Any, fields: dict[str, Any]) -> None:
    answer = town.ask("POST", "/messages", json=message(**fields))
    assert checker.check("post", "/messages", answer, status=400) == set()


@pytest.mark.parametrize("path", ["/bookings", "/messages", "/booking_events"])
@pytest.mark.parametrize(
    ("content", "type"),
    [
        (b"{", "application/json"),
        (b'{"a": 1, "a": 2}', "application/json"),
        (b"[]", "application/json"),
        (b"", "application/json"),
        (b"{}", "text/plain"),
        (b"{}" + b" " * 2**20, "application/json"),
    ],
)
def test_a_body_that_is_none_is_refused(
    town: Any, checker: Any, path: str, content: bytes, type: str
) -> None:
    answer = town.local.post(
        f"/covoiturage/v1{path}", content=content, headers={"content-type": type}
    )
    assert checker.check("post", path, answer, status=400) == set()


def test_a_partner_knows_its_own_bookings_and_no_other(town: Any) -> None:
    body = booking_of(a_workday(town))
    other = "other.example"
    assert town.ask("POST", "/bookings", other, json=body).status_code == 400
    assert town.ask("POST", "/bookings", PARTNER, json=body).status_code == 201
    path = f"/bookings/{body['id']}"
    assert town.ask("GET", path, PARTNER).status_code == 200
    assert town.ask("GET", path, "app").status_code == 200
    assert town.ask("GET", path, other).json() == {"error": "missing_booking"}
    assert patch(town, body["id"], CONFIRMED, other).status_code == 404
    answer = town.ask("POST", "/booking_events", other, json=event(body["id"], CONFIRMED))
    assert answer.status_code == 400
    assert status_of(town, body["id"]) == WAITING
    assert patch(town, body["id"], CONFIRMED, PARTNER).status_code == 200


def test_every_booking_is_kept_with_the_trip_and_the_legs_it_is_of(town: Any) -> None:
    body = posted(town)
    kept = town.store.get(Booking, "town", body["id"])
    assert kept.trip_id == "weekly" and str(kept.day) in body["driverJourneyId"]
    assert kept.pickup_s == pytest.approx(485, abs=1)
    assert kept.dropoff_s == pytest.approx(485 + 405, abs=2)
    assert WAY["departureLng"] == pytest.approx(kept.pickup_lon, abs=1e-4)


def test_who_drives_from_home_is_joined_on_the_way_and_nowhere_near_it(town: Any) -> None:
    query = {"departureDate": instant(14.1), "timeDelta": 3_600, "departureLat": 43.28}
    query |= {"departureLng": 5.32, "departureRadius": 10}
    one = journey(town, "driver-2026-11-23-from-home", **query)
    # The line is told from its first point outside the home's region on.
    assert (one["passengerPickupLng"], one["passengerPickupLat"]) == (5.33, 43.29)
    assert one["driver"] == {"id": "ana", "alias": "Conducteur", "operator": OURS}
    body = booking_of(one)
    assert town.ask("POST", "/bookings", json=body).status_code == 201
    kept = town.store.get(Booking, "town", body["id"])
    assert kept.dropoff_s - kept.pickup_s == pytest.approx(one["duration"], abs=1)
    assert kept.pickup_s == pytest.approx(200, abs=1)  # on the driver's own line, from home on
    town.app.state.towns.town("town").engine.refresh()
    assert journey(town, one["id"], **query)["availableSeats"] == 1
