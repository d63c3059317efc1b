"""Many drivers who would take one passenger of ours along: for each day one is accepted."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

from covoiturage_town import ENDS, MONDAY, PARTNER, booking_of, instant

WEDNESDAY = MONDAY + timedelta(days=2)


def asked_by(town: Any, drivers: int) -> list[dict[str, Any]]:
    """Bookings of the weekly rider's Wednesday, one of each of some drivers of the partner's."""
    query = {**ENDS, "departureDate": instant(7.9, WEDNESDAY), "timeDelta": 60}
    (one,) = town.search("/passenger_journeys", **query)
    body = booking_of(one | {"driver": {}, "price": {}}, passengerJourneyId=one["id"])
    del body["driverJourneyId"]
    return [
        body
        | {
            "id": str(uuid4()),
            "driver": {"id": f"d{number}", "alias": "dan", "operator": PARTNER},
            "passenger": one["passenger"],
        }
        for number in range(drivers)
    ]


def test_of_many_drivers_who_accept_one_passenger_at_once_exactly_one_does(
    town: Any, checker: Any
) -> None:
    bodies = asked_by(town, 11)
    late = bodies.pop()
    for body in bodies:  # asked for is not agreed to
        assert town.ask("POST", "/bookings", json=body).status_code == 201

    def accept(body: dict[str, Any]) -> Any:
        return town.ask("PATCH", f"/bookings/{body['id']}", params={"status": "CONFIRMED"})

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(accept, bodies))
    assert sorted(answer.status_code for answer in answers) == [200, *[400] * 9]
    # At once, though no search may know of it yet.
    refused = town.ask("POST", "/bookings", json=late)
    for method, answer in [("patch", one) for one in answers] + [("post", refused)]:
        path = "/bookings" if method == "post" else "/bookings/{bookingId}"
        status = 200 if answer.status_code == 200 else 400
        assert checker.check(method, path, answer, status=status) == set()
        assert status == 200 or "has a seat" in answer.json()["error"]
    (accepted,) = [
        body["id"]
        for body in bodies
        if town.get(f"/bookings/{body['id']}").json()["status"] == "CONFIRMED"
    ]
    assert town.get(f"/bookings/{late['id']}").status_code == 404
    # Whoever was accepted gives up, and another may be.
    cancelled = town.ask("PATCH", f"/bookings/{accepted}", params={"status": "CANCELLED"})
    assert cancelled.status_code == 200
    again = next(body for body in bodies if body["id"] != accepted)
    assert accept(again).status_code == 200
