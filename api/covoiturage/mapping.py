"""From journeys and bookings of ours to the standard's, and back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import indexes.journeys as kept
from api.covoiturage.schemas import (
    WEEKDAYS,
    Booking,
    CarpoolBooking,
    DriverJourney,
    DriverRegularTrip,
    JourneySchedule,
    PassengerJourney,
    PassengerRegularTrip,
    Preferences,
    Price,
    PriceType,
    Schedule,
    User,
)
from geo.arrays import LonLat, as_lonlat
from geo.distance import haversine_m
from geo.errors import InputError
from indexes.journeys import Role, Trip
from matching.detour import SECONDS_PER_EXTRA_M
from matching.rides.asks import WALK_M_S
from matching.rides.clock import as_zone
from matching.rides.journey import Journey, JourneyId

__all__ = [
    "SOMEBODY",
    "TIMEZONE",
    "booking_in",
    "booking_out",
    "driver_of",
    "journey_out",
    "name_of",
    "operator_of",
    "price_of",
    "regular_trips_out",
    "user_of",
]

TIMEZONE = "Europe/Paris"  # the standard's times of day have none, and are French
CURRENCY = "EUR"

_ALIASES = {Role.DRIVER: "Conducteur", Role.PASSENGER: "Passager", Role.EITHER: "Covoitureur"}

# What stands for a name that another platform left empty.
NO_OPERATOR = "unknown.invalid"
SOMEBODY = {Role.DRIVER: "unknown-driver", Role.PASSENGER: "unknown-passenger"}


def operator_of(named: str, ours: str) -> str:
    """An operator as it is kept: empty for ourselves."""
    return "" if named == ours else named or NO_OPERATOR


def name_of(kept_operator: str, ours: str) -> str:
    """An operator as it is told."""
    return kept_operator or ours


def driver_of(trip: Trip) -> str:
    """The id of who drives, or rides: the owner's; a public operator's trip is its own."""
    return trip.owner_id or trip.id


def user_of(trip: Trip, ours: str) -> User:
    """Who offers a trip. Nobody's name is told to whoever asks."""
    return User(id=driver_of(trip), alias=_ALIASES[trip.role], operator=ours)


def price_of(price: Price) -> float | None:
    """Euros of a price; None where it is not known.

    Raises
    ------
    InputError
        If it is of another currency.
    """
    if price.currency not in (None, CURRENCY):
        raise InputError(f"price.currency must be {CURRENCY}")
    if price.type is PriceType.FREE:
        return 0.0
    return None if price.type is PriceType.UNKNOWN else price.amount


def _price_out(euros: float | None) -> Price:
    if euros is None:
        return Price(type=PriceType.UNKNOWN)
    if euros == 0.0:
        return Price(type=PriceType.FREE)
    return Price(type=PriceType.PAYING, amount=euros, currency=CURRENCY)


def _preferences(trip: Trip) -> Preferences | None:
    told = Preferences(
        smoking=trip.smoking,
        animals=trip.animals,
        music=trip.music,
        isTalker=trip.talker,
        luggageSize=trip.luggage,
    )
    return told if told.model_dump(exclude_none=True) else None


def _web_url(journey: Journey, ours: str) -> str:
    """Where the journey is booked by hand: the owner's page of it, or the operator's."""
    return journey.trip.url or f"https://{ours}/covoiturage/{quote(str(journey.id), safe='')}"


def _common(journey: Journey, ours: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operator": ours,
        "duration": round(journey.duration_s),
        "distance": round(journey.distance_m),
        "passengerPickupLat": journey.pickup[1],
        "passengerPickupLng": journey.pickup[0],
        "passengerDropLat": journey.dropoff[1],
        "passengerDropLng": journey.dropoff[0],
        "preferences": _preferences(journey.trip),
        "webUrl": _web_url(journey, ours),
    }
    if journey.role is Role.PASSENGER:
        return told | {"passenger": user_of(journey.trip, ours)}
    there, back = journey.walks_m
    return told | {
        "driver": user_of(journey.trip, ours),
        "departureToPickupWalkingDistance": round(there),
        "departureToPickupWalkingDuration": round(there / WALK_M_S),
        "dropoffToArrivalWalkingDistance": round(back),
        "dropoffToArrivalWalkingDuration": round(back / WALK_M_S),
    }


def _driver_departure(journey: Journey, departure: LonLat) -> int:
    """When a driver leaves the place asked for, to be at the pick-up in time."""
    metres = haversine_m(departure, as_lonlat(journey.pickup)).item()
    return round(journey.pickup_at - SECONDS_PER_EXTRA_M * metres)


def _schedule_out(journey: Journey, departure: LonLat, ours: str) -> JourneySchedule:
    leaves = None
    if journey.role is Role.PASSENGER:
        leaves = _driver_departure(journey, departure)
    return JourneySchedule(
        id=str(journey.id),
        passengerPickupDate=journey.pickup_at,
        driverDepartureDate=leaves,
        webUrl=_web_url(journey, ours),
    )


def journey_out(journey: Journey, departure: LonLat, ours: str) -> DriverJourney | PassengerJourney:
    """A dated journey, as the standard tells it.

    Parameters
    ----------
    journey : Journey
        Of either role.
    departure : (lon, lat)
        What was asked for; degrees, EPSG:4326.
    ours : str
        Our operator.
    """
    told = {
        **_common(journey, ours),
        **_schedule_out(journey, departure, ours).model_dump(),
    }
    if journey.role is Role.PASSENGER:
        return PassengerJourney(**told, requestedSeats=journey.seats)
    return DriverJourney(**told, availableSeats=journey.seats, price=_price_out(journey.price_eur))


def regular_trips_out(
    journeys: Iterable[Journey], departure: LonLat, ours: str
) -> list[DriverRegularTrip | PassengerRegularTrip]:
    """Journeys of weekly trips, those of one trip from and to the same places together.

    Parameters
    ----------
    journeys : iterable of Journey
        Best first; trips are in the order of their best one.
    departure, ours
        As for `journey_out`.
    """
    trips: dict[tuple[Any, ...], list[Journey]] = {}
    for journey in journeys:
        trips.setdefault((journey.trip.id, journey.pickup, journey.dropoff), []).append(journey)
    found: list[DriverRegularTrip | PassengerRegularTrip] = []
    for same in trips.values():
        schedules = _schedules(same, departure, ours)
        told = _common(same[0], ours)
        if same[0].role is Role.PASSENGER:
            found.append(PassengerRegularTrip(**told, schedules=schedules))
        else:
            found.append(DriverRegularTrip(**told, schedules=schedules))
    return found


def _schedules(journeys: Sequence[Journey], departure: LonLat, ours: str) -> list[Schedule]:
    times: dict[tuple[int, str], list[JourneySchedule]] = {}
    for journey in sorted(journeys, key=lambda one: one.pickup_at):
        at = datetime.fromtimestamp(journey.pickup_at, UTC).astimezone(as_zone(TIMEZONE))
        key = at.weekday(), at.strftime("%H:%M:%S")
        times.setdefault(key, []).append(_schedule_out(journey, departure, ours))
    return [
        Schedule(
            passengerPickupDay=WEEKDAYS[weekday],
            passengerPickupTimeOfDay=time,
            journeySchedules=dated,
        )
        for (weekday, time), dated in sorted(times.items())
    ]


def booking_in(
    body: Booking | CarpoolBooking,
    driver: User,
    passenger: User,
    price: Price | None,
    *,
    tenant_id: str,
    ours: str,
    created_at: datetime,
) -> kept.Booking:
    """A booking as it is kept: on no trip of ours, as far as the body alone tells.

    Parameters
    ----------
    body : Booking or CarpoolBooking
        What came.
    driver, passenger, price
        Those of the body, or what stands for one that it doesn't name.
    tenant_id : str
        Whose it becomes.
    ours : str
        Our operator.
    created_at : datetime
        Now, aware.

    Raises
    ------
    InputError
        If the price is not in euros.
    """
    at = datetime.fromtimestamp(body.passengerPickupDate, UTC)
    return kept.Booking(
        tenant_id=tenant_id,
        id=body.id,
        trip_id=None,
        driver_id=driver.id or SOMEBODY[Role.DRIVER],
        driver_alias=driver.alias,
        driver_operator=operator_of(driver.operator, ours),
        passenger_id=passenger.id or SOMEBODY[Role.PASSENGER],
        passenger_alias=passenger.alias,
        passenger_operator=operator_of(passenger.operator, ours),
        day=at.astimezone(as_zone(TIMEZONE)).date(),
        pickup_at=at,
        pickup_lon=body.passengerPickupLng,
        pickup_lat=body.passengerPickupLat,
        dropoff_lon=body.passengerDropLng,
        dropoff_lat=body.passengerDropLat,
        pickup_s=0.0,
        dropoff_s=float(body.duration or 0),
        status=body.status,
        price_eur=None if price is None else price_of(price),
        pickup_address=body.passengerPickupAddress or "",
        dropoff_address=body.passengerDropAddress or "",
        url=body.webUrl or "",
        created_at=created_at,
    )


def booking_out(booking: kept.Booking, ours: str, days: Mapping[str, date]) -> Booking:
    """A booking as both platforms know it.

    Parameters
    ----------
    booking : indexes.journeys.Booking
    ours : str
        Our operator.
    days : mapping of trip id to date
        On which day a trip is told to take place, where that may be another than the booking's.
    """
    duration_s = round(booking.dropoff_s - booking.pickup_s)

    def journey_id(role: Role, trip_id: str | None) -> str | None:
        if trip_id is None:
            return None
        return str(JourneyId(role, days.get(trip_id, booking.day), trip_id))

    return Booking(
        id=booking.id,
        driver=User(
            id=booking.driver_id,
            alias=booking.driver_alias,
            operator=name_of(booking.driver_operator, ours),
        ),
        passenger=User(
            id=booking.passenger_id,
            alias=booking.passenger_alias,
            operator=name_of(booking.passenger_operator, ours),
        ),
        status=booking.status,
        price=_price_out(booking.price_eur),
        passengerPickupDate=int(booking.pickup_at.timestamp()),
        passengerPickupLat=booking.pickup_lat,
        passengerPickupLng=booking.pickup_lon,
        passengerDropLat=booking.dropoff_lat,
        passengerDropLng=booking.dropoff_lon,
        passengerPickupAddress=booking.pickup_address or None,
        passengerDropAddress=booking.dropoff_address or None,
        duration=duration_s if duration_s > 0 else None,
        webUrl=booking.url or None,
        driverJourneyId=journey_id(Role.DRIVER, booking.trip_id),
        passengerJourneyId=journey_id(Role.PASSENGER, booking.passenger_trip_id),
    )
