"""Files of the standard's objects, loaded and served: the test platform's own, and bad ones."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from covoiturage_checker import SHARED, Checker, standard
from covoiturage_town import OURS, Asked, served

from api.cli import main
from api.covoiturage.limits import Limiter
from api.covoiturage.loading import load_file
from geo.errors import LayoutError
from indexes.entities import Tenant
from indexes.journeys import Booking, Trip
from indexes.store import Store, open_store

PLAYGROUND = SHARED / "playground_testData.gen.json"
WEEK_S = 604_800
HERE = 46.160454, -1.2219607
NOWHERE = 0.0, 0.0

# What is asked each week, and whether something must be found: True, nothing may be: False, or
# either: None. Ends, radii in km; then what else.
CASES: list[tuple[tuple[float, float], tuple[float, float], dict[str, Any], bool | None]] = [
    (NOWHERE, NOWHERE, {}, None),
    (HERE, NOWHERE, {"departureRadius": 1}, True),
    (HERE, NOWHERE, {"departureRadius": 2}, True),
    (HERE, NOWHERE, {"departureRadius": 1}, False),
    (HERE, NOWHERE, {"departureRadius": 1}, True),
    (NOWHERE, HERE, {"arrivalRadius": 1}, True),
    (NOWHERE, HERE, {"arrivalRadius": 2}, True),
    (NOWHERE, HERE, {"arrivalRadius": 1}, False),
    (NOWHERE, HERE, {"arrivalRadius": 1}, True),
    (NOWHERE, NOWHERE, {"count": 1}, True),
    (NOWHERE, NOWHERE, {"count": 0}, False),
    (NOWHERE, NOWHERE, {"count": 2}, True),
    (NOWHERE, NOWHERE, {"count": 1}, None),
    (NOWHERE, NOWHERE, {"timeDelta": 10}, True),
    (NOWHERE, NOWHERE, {"timeDelta": 10}, False),
    (NOWHERE, NOWHERE, {"timeDelta": 20}, True),
]
ASKED = [
    *(("/driver_journeys", 1 + i, case) for i, case in enumerate(CASES)),
    *(("/passenger_journeys", 17 + i, case) for i, case in enumerate(CASES)),
    *(("/driver_regular_trips", 33 + i, case) for i, case in enumerate(CASES[:13])),
    *(("/passenger_regular_trips", 46 + i, case) for i, case in enumerate(CASES[:13])),
]


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    if not PLAYGROUND.exists():
        pytest.skip(f"the test platform's data is not at {PLAYGROUND}")
    path = tmp_path_factory.mktemp("playground") / "town.db"
    store = open_store(path)
    store.put(Tenant(tenant_id="t", id="t", name="Essai"))
    store.close()
    file = str(PLAYGROUND)
    assert main(["import", "--format", "standard-covoiturage", file, "--store", str(path)]) == 0
    for asked in served(path, now=datetime(1970, 1, 1, tzinfo=UTC)):
        asked.set(limiter=Limiter(burst=10**9))
        yield asked


@pytest.mark.parametrize("path, week, case", ASKED, ids=lambda value: str(value)[:30])
def test_the_test_platforms_searches_are_answered(
    playground: Asked, path: str, week: int, case: Any
) -> None:
    departure, arrival, more, found = case
    query: dict[str, Any] = {
        "departureLat": departure[0],
        "departureLng": departure[1],
        "arrivalLat": arrival[0],
        "arrivalLng": arrival[1],
        **more,
    }
    if "journeys" in path:
        query["departureDate"] = week * WEEK_S
    else:
        query |= {
            "departureTimeOfDay": "08:00:00",
            "minDepartureDate": week * WEEK_S,
            "maxDepartureDate": (week + 1) * WEEK_S,
        }
    answer = playground.get(path, query)
    broken = Checker(standard()).check("get", path, answer, query=query, not_empty=bool(found))
    assert broken == set()
    assert found is not False or answer.json() == []


def test_the_test_platforms_bookings_are_there_and_come_forward(playground: Asked) -> None:
    checker, path = Checker(standard()), "/bookings/{bookingId}"
    bookings = json.loads(PLAYGROUND.read_text())["bookings"]
    for body in bookings:
        url = f"/bookings/{body['id']}"
        for _ in range(2):
            answer = playground.get(url)
            assert checker.check("get", path, answer, booking_status=body["status"]) == set()
        again = playground.ask("POST", "/bookings", json=body)
        assert checker.check("post", "/bookings", again, status=400) == set()
        done = body["status"] in ("VALIDATED", "CANCELLED")
        for status, wanted in (("VALIDATED", 409 if done else 200), ("INVALID_STATUS", 400)):
            answer = playground.ask("PATCH", url, params={"status": status})
            assert checker.check("patch", path, answer, status=wanted) == set()
    new = bookings[0] | {"id": str(uuid4())}
    assert playground.ask("POST", "/bookings", json=new).status_code == 201
    assert checker.check("get", path, playground.get(f"/bookings/{new['id']}")) == set()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "town.db")
    opened.put(Tenant(tenant_id="t", id="t", name="Ville"))
    yield opened
    opened.close()


JOURNEY = {
    "id": "j1",
    "operator": "a.example",
    "driver": {"id": "1", "alias": "ada", "operator": "a.example"},
    "passengerPickupLat": 43.30,
    "passengerPickupLng": 5.36,
    "passengerDropLat": 43.31,
    "passengerDropLng": 5.41,
    "passengerPickupDate": 1_795_417_200,
    "duration": 600,
    "type": "PLANNED",
    "availableSeats": 2,
    "price": {"type": "PAYING", "amount": 2.5, "currency": "EUR"},
    "preferences": {"smoking": False},
}


def loaded(store: Store, tmp_path: Path, held: Any, **more: Any) -> Any:
    path = tmp_path / "file.json"
    path.write_text(held if isinstance(held, str) else json.dumps(held))
    return load_file(store, "t", path, operator=OURS, **more)


def trips(store: Store) -> list[Trip]:
    return store.trips("t")


def test_a_journey_becomes_a_trip_that_is_replaced_when_loaded_again(
    store: Store, tmp_path: Path
) -> None:
    for _ in range(2):
        assert loaded(store, tmp_path, {"driverJourneys": [JOURNEY]}).stored == 1
    (trip,) = trips(store)
    assert (trip.id, trip.role, trip.seats, trip.price_eur) == ("driver-j1", "driver", 2, 2.5)
    assert trip.lonlat == ((5.36, 43.30), (5.41, 43.31)) and trip.times_s == (0.0, 600.0)
    assert trip.schedule.at == datetime.fromtimestamp(1_795_417_200, UTC)
    assert trip.estimated and trip.owner_id is None and trip.smoking is False


def test_a_regular_trip_takes_place_on_its_dates_and_on_no_other(
    store: Store, tmp_path: Path
) -> None:
    dates = [1_795_417_200 + 7 * 86_400 * week for week in (0, 1, 3)]
    schedule = {
        "passengerPickupDay": "MON",
        "passengerPickupTimeOfDay": "08:00:00",
        "journeySchedules": [{"passengerPickupDate": at, "type": "PLANNED"} for at in dates],
    }
    evening = {"passengerPickupDay": "TUE", "passengerPickupTimeOfDay": "18:30:00"}
    regular = {k: v for k, v in JOURNEY.items() if k != "passengerPickupDate"}
    loaded(store, tmp_path, {"driverRegularTrips": [regular | {"schedules": [schedule, evening]}]})
    morning, late = trips(store)
    assert [morning.id, late.id] == ["driver-regular-j1-0800", "driver-regular-j1-1830"]
    assert str(morning.schedule.valid_from) == "2026-11-23"
    assert str(morning.schedule.valid_to) == "2026-12-14"
    assert [str(day) for day in morning.schedule.removed] == ["2026-12-07"]
    assert late.schedule.weekly[0].days == (1,) and late.schedule.valid_to is None


def test_times_of_day_that_differ_by_seconds_are_two_trips(store: Store, tmp_path: Path) -> None:
    times = ("08:00:00", "08:00:30")
    schedules = [{"passengerPickupDay": "MON", "passengerPickupTimeOfDay": time} for time in times]
    regular = JOURNEY | {"schedules": schedules}
    loaded(store, tmp_path, {"driverRegularTrips": [regular]})
    assert [trip.id[-7:] for trip in trips(store)] == ["j1-0800", "-080030"]


def test_a_regular_trip_whose_dates_are_on_no_day_of_its_own_is_refused(
    store: Store, tmp_path: Path
) -> None:
    monday = {"passengerPickupDate": 1_795_417_200, "type": "PLANNED"}
    schedule = {"passengerPickupDay": "TUE", "passengerPickupTimeOfDay": "08:00:00"}
    regular = JOURNEY | {"schedules": [schedule | {"journeySchedules": [monday]}]}
    told: list[Any] = []
    held = {"driverRegularTrips": [regular]}
    assert loaded(store, tmp_path, held, on_reject=told.append).stored == 0
    assert told[0].code == "no-days" and trips(store) == []


@pytest.mark.parametrize(
    ("odd", "field"),
    [
        ({"passengerPickupLat": 91}, "passengerPickupLat"),
        ({"passengerPickupLat": None}, "passengerPickupLat"),
        ({"passengerPickupDate": "soon"}, "passengerPickupDate"),
        ({"passengerPickupDate": 10**12}, "passengerPickupDate"),
        ({"duration": -1}, "duration"),
        ({"duration": 10**6}, ""),
        ({"availableSeats": 0}, "availableSeats"),
        ({"price": {"amount": 1, "currency": "CHF"}}, ""),
        ({"webUrl": "javascript:alert(1)"}, "webUrl"),
        ({"id": "j1"}, ""),
    ],
)
def test_a_bad_object_is_told_and_its_neighbours_are_stored(
    store: Store, tmp_path: Path, odd: dict[str, Any], field: str
) -> None:
    held = {"driverJourneys": [JOURNEY, JOURNEY | {"id": "bad"} | odd, JOURNEY | {"id": "j3"}]}
    told: list[Any] = []
    report = loaded(store, tmp_path, held, on_reject=told.append)
    assert (report.read, report.stored, report.rejected_count) == (3, 2, 1)
    assert (told[0].line, told[0].field) == (2, field)
    assert [trip.id for trip in trips(store)] == ["driver-j1", "driver-j3"]


def test_a_strict_or_a_dry_run_stores_nothing(store: Store, tmp_path: Path) -> None:
    bad = {"driverJourneys": [JOURNEY, {}]}
    assert not loaded(store, tmp_path, bad, strict=True).complete
    assert loaded(store, tmp_path, {"driverJourneys": [JOURNEY]}, dry_run=True).read == 1
    assert trips(store) == [] and store.count(Booking, "t") == 0


@pytest.mark.parametrize(
    "held", ["", "[]", "{}", '{"driverJourneys": 3}', '{"users": []}', '{"bookings": [}', "\xff"]
)
def test_a_file_that_is_none_is_refused(store: Store, tmp_path: Path, held: str) -> None:
    with pytest.raises(LayoutError):
        loaded(store, tmp_path, held)


@pytest.mark.parametrize(
    "more", [[], ["--kind", "place", "--format", "standard-covoiturage"], ["--format", "x"]]
)
def test_the_command_wants_a_kind_or_this_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    store = str(tmp_path / "town.db")
    assert main(["import", str(tmp_path / "file.json"), "--store", store, *more]) == 2
    assert "--format" in capsys.readouterr().err
