"""A town that other platforms ask: some trips of its own, and a clock that stands."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from starlette.testclient import TestClient
from waiting import until_ready

from api.app import create_app
from api.auth import digest_of
from api.covoiturage import PREFIX
from api.settings import Settings
from indexes.entities import ApiKey, Audience, Building, Household, Member, Scope, Tenant
from indexes.journeys import Anchor, Role, Schedule, Trip, WeeklyTime
from indexes.store import Store

OURS, PARTNER = "town.example", "partner.example"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MONDAY = date(2026, 11, 23)
WORKDAYS = tuple(range(5))


def instant(hour: float, day: date = MONDAY) -> int:
    """Seconds since 1970 of an hour in Paris, in winter."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + round(
        (hour - 1) * 3_600
    )


def east(id: str, **fields: Any) -> Trip:
    """Ten kilometres to the east at 36 km/h."""
    made: dict[str, Any] = {
        "role": Role.DRIVER,
        "lonlat": ((5.30, 43.30), (5.36, 43.30), (5.423, 43.30)),
        "times_s": (0.0, 485.0, 995.0),
        "schedule": once(8.0),
    }
    return Trip(tenant_id="town", id=id, **{**made, **fields})


def once(hour: float, **fields: Any) -> Schedule:
    at = datetime.fromtimestamp(instant(hour), UTC)
    return Schedule(timezone="Europe/Paris", at=at, **fields)


def weekly(hour: float, days: tuple[int, ...] = WORKDAYS, **fields: Any) -> Schedule:
    times = (WeeklyTime(days=days, second=round(hour * 3_600)),)
    return Schedule(timezone="Europe/Paris", weekly=times, **fields)


TRIPS = [
    east("once", seats=3, price_eur=1.5, smoking=False, luggage=2),
    east("weekly", schedule=weekly(8.1), url="https://town.example/weekly"),
    east("by-arrival", schedule=weekly(8.5, anchor=Anchor.ARRIVE), price_eur=0.0),
    east("full-of-limits", verified_only=True),
    east("for-the-town", audience=Audience.CITY, owner_id="ana"),
    east("cancelled", cancelled=True),
    east("last-seat", schedule=once(9.5)),
    east("rider", role=Role.PASSENGER, seats=2),
    east("rider-weekly", role=Role.PASSENGER, schedule=weekly(7.9, (0, 2))),
    east("late", schedule=weekly(23.95, (0,))),
    east("either", role=Role.EITHER, schedule=once(11.0)),
    east(
        "from-home",
        owner_id="ana",
        schedule=once(14.0),
        seats=2,
        lonlat=((5.32, 43.28), (5.33, 43.29), *((5.34 + k / 500, 43.30) for k in range(60))),
        times_s=(0.0, 200.0, *(400.0 + 20 * k for k in range(60))),
    ),
]


def fill(store: Store) -> None:
    """A town, a member, and keys: our own app's, and one that is a partner's."""
    store.put(Tenant(tenant_id="town", id="town", name="Port-Mitoyen"))
    town: dict[str, Any] = {"tenant_id": "town"}
    store.put_all(
        [
            Building(**town, id="b", lon=5.32, lat=43.28, dwellings=30),
            Household(**town, id="h", building_id="b"),
            Member(**town, id="ana", household_id="h", level=2),
            *TRIPS,
            *(
                ApiKey(
                    **town,
                    id=f"key-{name}",
                    name=name,
                    scopes=frozenset({Scope.APP}),
                    secret_sha256=digest_of(f"secret of {name}"),
                )
                for name in ("app", PARTNER, "other.example")
            ),
        ]
    )


@dataclass
class Asked:
    """The town, and how to ask it."""

    app: FastAPI
    local: TestClient
    remote: TestClient
    store: Store

    @property
    def platform(self) -> Any:
        return self.own.state.platform

    @property
    def own(self) -> Any:
        (mounted,) = [r.app for r in self.app.routes if getattr(r, "path", "") == PREFIX]
        return mounted

    def set(self, **fields: Any) -> None:
        self.own.state.platform = replace(self.platform, **fields)

    def ask(self, method: str, path: str, key: str | None = None, **more: Any) -> httpx.Response:
        client = self.remote if key == "remote" else self.local
        headers = {"X-API-Key": f"secret of {key}"} if key not in (None, "remote") else {}
        return client.request(method, PREFIX + path, headers=headers, **more)

    def get(self, path: str, query: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        return self.ask("GET", path, params=query or {}, **more)

    def search(self, path: str, **query: Any) -> list[Any]:
        answer = self.get(path, {**(WAY if "journeys" in path else WEEK), **query})
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()
        return found


WAY: dict[str, Any] = {
    "departureLat": 43.302,
    "departureLng": 5.36,
    "arrivalLat": 43.301,
    "arrivalLng": 5.41,
    "departureDate": instant(8.15),
}
WEEK: dict[str, Any] = {k: v for k, v in WAY.items() if k != "departureDate"} | {
    "departureTimeOfDay": "08:15:00"
}
ENDS = {
    "departureLat": 43.302,
    "departureLng": 5.302,
    "arrivalLat": 43.301,
    "arrivalLng": 5.42,
}


def booking_of(journey: dict[str, Any], passenger: str = "pam", **fields: Any) -> dict[str, Any]:
    """A booking of a driver's journey that a search answered, for somebody of the partner's."""
    places = ("passengerPickupLat", "passengerPickupLng", "passengerDropLat", "passengerDropLng")
    return {
        "id": str(uuid4()),
        "driver": journey["driver"],
        "passenger": {"id": passenger, "alias": passenger, "operator": PARTNER},
        "status": "WAITING_CONFIRMATION",
        "price": journey["price"],
        "passengerPickupDate": journey["passengerPickupDate"],
        **{name: journey[name] for name in places},
        "driverJourneyId": journey["id"],
        **fields,
    }


def served(path: Path, **settings: Any) -> Iterator[Asked]:
    """An app over a store, once its index is loaded."""
    app = create_app(Settings(store=str(path), operator=OURS, **({"now": NOW} | settings)))
    with TestClient(app, client=("127.0.0.1", 50_000), raise_server_exceptions=False) as local:
        until_ready(local.get)
        remote = TestClient(app, client=("192.0.2.7", 50_000), raise_server_exceptions=False)
        asked = Asked(app, local, remote, app.state.towns.store)
        yield asked


def at(hours: float) -> Any:
    """A clock that stands, some hours after the town's."""
    return lambda: NOW + timedelta(hours=hours)
