"""Holds answers to the French carpooling standard: what its own test tool asserts, and more.

Written from what the standard and its tool demand, sharing no code with the server. The format is
judged by the standard's OpenAPI document, which is read from beside the checkout, never copied.
Each check answers with the names of the rules that are broken, so that a server that breaks one can
be told from one that breaks another.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jsonschema_rs
import pytest
import yaml

SHARED = Path(__file__).parents[2] / "shared" / "standard-covoiturage"
DOCUMENT = SHARED / "standard-covoiturage_openapi.yaml"

PARIS = ZoneInfo("Europe/Paris")
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
WHOLE = re.compile(r"(Date|duration|distance|Distance|Duration|Seats)$")
HOST = re.compile(r"([a-z0-9-]+\.)+[a-z][a-z0-9-]*(:[0-9]+)?", re.IGNORECASE)
SEARCHES = {
    "/driver_journeys": "driver",
    "/passenger_journeys": "passenger",
    "/driver_regular_trips": "driver",
    "/passenger_regular_trips": "passenger",
}
MARGIN = 1.01  # what the standard's own tool allows beyond a radius


def standard() -> dict[str, Any]:
    """The standard's document, or a skipped test where it is not beside the checkout."""
    if not DOCUMENT.exists():
        pytest.skip(f"the standard's OpenAPI document is not at {DOCUMENT}")
    loaded: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())
    for operations in loaded["paths"].values():
        for operation in operations.values():  # its status codes are not quoted
            operation["responses"] = {str(k): v for k, v in operation["responses"].items()}
    return loaded


def metres(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    lat1, lon1, lat2, lon2 = map(math.radians, (lat1, lon1, lat2, lon2))
    h = math.sin((lat2 - lat1) / 2) ** 2
    h += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_000 * math.asin(math.sqrt(h))


class Checker:
    """Checks answers, one by one, and remembers which ids it has seen."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.seen: dict[str, tuple[Any, ...]] = {}

    def check(
        self,
        method: str,
        path: str,
        answer: Any,
        *,
        query: Mapping[str, Any] | None = None,
        status: int | None = None,
        not_empty: bool = False,
        booking_status: str | None = None,
    ) -> set[str]:
        """The rules that an answer breaks.

        Parameters
        ----------
        method, path : str
            As in the document: ``get``, ``/bookings/{bookingId}``.
        answer : httpx.Response
            What came.
        query : mapping, optional
            What was asked of a search.
        status : int, optional
            What status the case expects; 200 or 201, as documented, if none.
        not_empty : bool
            Whether something must be found.
        booking_status : str, optional
            How far the booking that came must be.
        """
        responses = self.document["paths"][path][method]["responses"]
        wanted = status or (201 if "201" in responses else 200)
        broken = {"status"} if answer.status_code != wanted else set()
        if path == "/status":
            return broken
        if str(answer.status_code) not in responses:
            return broken | {"format"}
        response = responses[str(answer.status_code)]
        response = self._resolved(response)
        told = answer.headers.get("retry-after", "")
        if "Retry-After" in response.get("headers", {}) and not told.isdecimal():
            broken.add("retry-after")
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return broken
        if "application/json" not in answer.headers.get("content-type", ""):
            return broken | {"header"}
        body = answer.json()
        root = {"components": self.document["components"], **schema}
        if not jsonschema_rs.Draft4Validator(root).is_valid(body) or set(_odd(body)):
            return broken | {"format"}
        if answer.status_code >= 400:
            return broken if isinstance(body.get("error"), str) else broken | {"error"}
        if path in SEARCHES:
            broken |= set(self._search(path, body, query or {}))
            if not_empty and not body:
                broken.add("empty")
        if booking_status is not None and body["status"] != booking_status:
            broken.add("booking-status")
        return broken

    def _resolved(self, response: Any) -> Any:
        while "$ref" in response:
            path = response["$ref"].split("/")[1:]
            response = self.document
            for name in path:
                response = response[name]
        return response

    def _search(self, path: str, found: list[Any], query: Mapping[str, Any]) -> Iterator[str]:
        regular = path.endswith("trips")
        count = query.get("count")
        if count is not None and len(found) > int(count):
            yield "count"
        ids = [one["id"] for one in dated(found) if "id" in one]
        if len(set(ids)) < len(ids):
            yield "unique-ids"
        for one in found:
            for end, point in (("departure", "passengerPickup"), ("arrival", "passengerDrop")):
                radius_m = 1000 * float(query.get(f"{end}Radius", 1.0))
                asked = float(query[f"{end}Lat"]), float(query[f"{end}Lng"])
                if metres(*asked, one[f"{point}Lat"], one[f"{point}Lng"]) > MARGIN * radius_m:
                    yield f"{end}-radius"
            if not HOST.fullmatch(one["operator"]) or urlsplit(f"//{one['operator']}").username:
                yield "operator"
            if one[SEARCHES[path]]["operator"] != one["operator"]:
                yield "user-operator"
            if not one.get("webUrl", "").startswith("https://"):
                yield "web-url"
            yield from self._regular(one, query) if regular else self._dated(path, one, query)
        for one in dated(found):
            if not 1 <= len(one.get("id", "")) <= 255:
                yield "id"
            if one["type"] != "PLANNED":
                yield "type"
            if not one.get("webUrl", "").startswith("https://"):
                yield "web-url"

    def _dated(self, path: str, one: Any, query: Mapping[str, Any]) -> Iterator[str]:
        off = abs(one["passengerPickupDate"] - int(query["departureDate"]))
        if off > int(query.get("timeDelta", 900)):
            yield "time-delta"
        # An id means one person's journey, whatever was asked when it was told.
        meant = path, one[SEARCHES[path]]["id"]
        if self.seen.setdefault(one.get("id", ""), meant) != meant:
            yield "stable-ids"
        if path == "/driver_journeys" and not 1 <= one["availableSeats"] <= 8:
            yield "seats"
        price = one.get("price", {})
        if price.get("type") == "PAYING" and not {"amount", "currency"} <= price.keys():
            yield "price"
        if one.get("driverDepartureDate", 0) > one["passengerPickupDate"]:
            yield "driver-departure"

    def _regular(self, one: Any, query: Mapping[str, Any]) -> Iterator[str]:
        asked_days = query.get("departureWeekdays", ",".join(DAYS)).split(",")
        hours, minutes, seconds = map(float, query["departureTimeOfDay"].split(":"))
        asked = 3_600 * hours + 60 * minutes + seconds
        if not one.get("schedules") or not all(s["journeySchedules"] for s in one["schedules"]):
            yield "schedules"
        for schedule in one.get("schedules", ()):
            for journey in schedule["journeySchedules"]:
                at = journey["passengerPickupDate"]
                shown = datetime.fromtimestamp(at, UTC).astimezone(PARIS)
                told = schedule["passengerPickupDay"], schedule["passengerPickupTimeOfDay"]
                if told != (DAYS[shown.weekday()], shown.strftime("%H:%M:%S")):
                    yield "schedule-time"
                if (
                    not query.get("minDepartureDate", -math.inf)
                    <= at
                    <= query.get("maxDepartureDate", math.inf)
                ):
                    yield "min-max"
                # Around midnight the day asked for is the one before, or after.
                day_s = 3_600 * shown.hour + 60 * shown.minute + shown.second
                near = [
                    DAYS[(shown.weekday() + around) % 7]
                    for around in (-1, 0, 1)
                    if abs(day_s - asked - 86_400 * around) <= int(query.get("timeDelta", 900))
                ]
                if not near:
                    yield "time-of-day"
                elif not set(near) & set(asked_days):
                    yield "weekday"


def dated(found: list[Any]) -> list[Any]:
    """The dated journeys of an answer, whichever search it is of."""
    return [
        journey
        for one in found
        for journey in (
            [one]
            if "passengerPickupDate" in one
            else [j for schedule in one.get("schedules", ()) for j in schedule["journeySchedules"]]
        )
    ]


def _odd(body: Any, name: str = "") -> Iterator[str]:
    """Nulls, and numbers that must be whole and are written otherwise."""
    if body is None:
        yield name
    elif isinstance(body, dict):
        for key, value in body.items():
            yield from _odd(value, key)
    elif isinstance(body, list):
        for value in body:
            yield from _odd(value, name)
    elif WHOLE.search(name) and type(body) is not int:
        yield name
