"""Everything that matches is told, over HTTP: against walking every line of a town by hand."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import journeys_oracle as oracle
import numpy as np
import pytest
from covoiturage_checker import Checker, dated, standard
from covoiturage_town import MONDAY, NOW, Asked, instant, once, served, weekly

from api.covoiturage.limits import Limiter
from indexes.entities import Tenant
from indexes.journeys import Anchor, Role, Trip
from indexes.store import open_store

CITY = np.array((5.40, 43.30))
EDGE_M = 3 * oracle.STEP_M
QUERIES = 4
DAYS = [MONDAY + timedelta(days=k) for k in range(-1, 10)]


def a_trip(rng: np.random.Generator, number: int) -> Trip:
    """Some kilometres through town, on a Monday or on some days of the week."""
    line = CITY + np.cumsum(rng.normal(0.0, 0.006, (5, 2)), axis=0)
    times = np.concatenate(([0.0], np.cumsum(rng.uniform(60.0, 240.0, 4))))
    anchor = Anchor.ARRIVE if rng.random() < 0.3 else Anchor.DEPART
    hour = float(rng.integers(28, 36)) / 4
    days = tuple(sorted(rng.choice(7, int(rng.integers(1, 6)), replace=False).tolist()))
    dated_once = rng.random() < 0.4
    return Trip(
        tenant_id="t",
        id=f"trip-{number:03}",
        role=Role.DRIVER if rng.random() < 0.6 else Role.PASSENGER,
        lonlat=tuple((lon, lat) for lon, lat in line.round(7).tolist()),
        times_s=tuple(times.round(3).tolist()),
        schedule=once(hour, anchor=anchor) if dated_once else weekly(hour, days, anchor=anchor),
    )


@pytest.fixture(scope="module")
def commuters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asked, list[Trip]]]:
    rng = np.random.default_rng(4)
    trips = [a_trip(rng, number) for number in range(60)]
    path = tmp_path_factory.mktemp("commuters") / "town.db"
    store = open_store(path)
    store.put_all([Tenant(tenant_id="t", id="t", name="Ville"), *trips])
    store.close()
    for asked in served(path):
        asked.set(clock=lambda: NOW, limiter=Limiter(burst=10**9))
        yield asked, trips


def query(rng: np.random.Generator) -> dict[str, Any]:
    (lon1, lat1), (lon2, lat2) = (CITY + rng.normal(0.0, 0.006, (2, 2))).round(6).tolist()
    return {
        "departureLat": lat1,
        "departureLng": lon1,
        "arrivalLat": lat2,
        "arrivalLng": lon2,
        "departureRadius": round(float(rng.uniform(0.4, 2.0)), 2),
        "arrivalRadius": round(float(rng.uniform(0.4, 2.0)), 2),
        "timeDelta": int(rng.integers(300, 3_600)),
    }


def matches(trip: Trip, start: float, asked: dict[str, Any], meant: int, edge_m: float) -> bool:
    """Whether a trip matches by hand, with radii and window that much wider."""
    departure = asked["departureLng"], asked["departureLat"]
    arrival = asked["arrivalLng"], asked["arrivalLat"]
    radii = (1_000 * asked["departureRadius"] + edge_m, 1_000 * asked["arrivalRadius"] + edge_m)
    delta = asked["timeDelta"] + edge_m / 4
    window = meant - delta, meant + delta
    if start > window[1] or start + trip.times_s[-1] < window[0]:
        return False
    if trip.role is Role.DRIVER:
        return oracle.rides(trip, start, departure, arrival, radii, window) is not None
    return (
        oracle.metres(trip.lonlat[0], departure) <= radii[0]
        and oracle.metres(trip.lonlat[-1], arrival) <= radii[1]
        and window[0] <= start <= window[1]
    )


def by_hand(
    trips: list[Trip], role: Role, asked: dict[str, Any], meant: list[int], edge_m: float
) -> set[str]:
    """Ids of the journeys that match at one of the instants meant, and are to come."""
    now = NOW.timestamp()
    return {
        f"{role}-{day}-{trip.id}"
        for trip in trips
        if trip.role is role and (len(meant) == 1 or trip.schedule.at is None)
        for day, start in oracle.starts(trip, DAYS[0], DAYS[-1])
        if start + trip.times_s[-1] >= now
        and any(matches(trip, start, asked, at, edge_m) for at in meant)
    }


@pytest.mark.parametrize("role", [Role.DRIVER, Role.PASSENGER])
@pytest.mark.parametrize("seed", range(QUERIES))
def test_every_dated_journey_that_matches_is_told(commuters: Any, role: Role, seed: int) -> None:
    town, trips = commuters
    rng = np.random.default_rng(seed)
    meant = instant(float(rng.uniform(7.0, 9.0)))
    asked = query(rng) | {"departureDate": meant}
    answer = town.get(f"/{role}_journeys", asked)
    path = f"/{role}_journeys"
    assert Checker(standard()).check("get", path, answer, query=asked) == set()
    told = {one["id"] for one in answer.json()}
    assert by_hand(trips, role, asked, [meant], -EDGE_M) <= told
    assert told <= by_hand(trips, role, asked, [meant], EDGE_M)


@pytest.mark.parametrize("role", [Role.DRIVER, Role.PASSENGER])
@pytest.mark.parametrize("seed", range(QUERIES))
def test_every_regular_journey_that_matches_is_told(commuters: Any, role: Role, seed: int) -> None:
    town, trips = commuters
    rng = np.random.default_rng(100 + seed)
    hour = int(rng.integers(28, 36)) / 4
    weekdays = sorted(rng.choice(7, 3, replace=False).tolist())
    last = int(NOW.timestamp()) + 8 * 86_400
    asked = query(rng) | {
        "departureTimeOfDay": str(timedelta(hours=hour)).zfill(8),
        "departureWeekdays": ",".join(
            ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"][d] for d in weekdays
        ),
        "maxDepartureDate": last,
    }
    path = f"/{role}_regular_trips"
    answer = town.get(path, asked)
    assert Checker(standard()).check("get", path, answer, query=asked) == set()
    told = {one["id"] for one in dated(answer.json())}
    meant = [instant(hour, day) for day in DAYS if day.weekday() in weekdays]
    meant = [at for at in meant if at <= last - asked["timeDelta"] - 60]
    meant = [at for at in meant if at >= NOW.timestamp() + asked["timeDelta"] + 60]
    assert by_hand(trips, role, asked, meant, -EDGE_M) <= told
    later = [instant(hour, day) for day in DAYS if day.weekday() in weekdays]
    assert told <= by_hand(trips, role, asked, later, EDGE_M)


def test_the_queries_find_something_and_not_everything(commuters: Any) -> None:
    town, trips = commuters
    found = []
    for seed in range(QUERIES):
        rng = np.random.default_rng(seed)
        meant = instant(float(rng.uniform(7.0, 9.0)))
        answer = town.get("/driver_journeys", query(rng) | {"departureDate": meant})
        found.append(len(answer.json()))
    assert sum(found) >= QUERIES and max(found) < len(trips) / 2
