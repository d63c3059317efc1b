"""The standard's own words: what comes in and goes out under ``/covoiturage/v1``.

Names, and what is required, are the standard's; what a field may hold is bounded. Instants are
whole seconds since 1970, UTC; radii kilometres, distances metres, durations seconds. What is
absent is left out: nothing is ever null.
"""
# ruff: noqa: N815  the names of the fields are the standard's

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from api.schemas import Url
from indexes.journeys import BookingStatus
from matching.rides.clock import DAY_S, FIRST_DAY, LAST_DAY, day_number

__all__ = [
    "MAX_DELTA_S",
    "MAX_RADIUS_KM",
    "WEEKDAYS",
    "Booking",
    "BookingEvent",
    "Car",
    "CarpoolBooking",
    "CarpoolerType",
    "DriverJourney",
    "DriverRegularTrip",
    "Failure",
    "JourneyParams",
    "JourneySchedule",
    "MessageIn",
    "PassengerJourney",
    "PassengerRegularTrip",
    "Preferences",
    "Price",
    "PriceType",
    "RegularTripParams",
    "Schedule",
    "User",
    "second_of_day",
    "weekdays_of",
]

MAX_RADIUS_KM = 100.0
MAX_DELTA_S = DAY_S
MAX_COUNT = 1_000_000
Weekday = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

_PARTIAL_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(\.[0-9]{1,9})?")
_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_FIRST, _LAST = (day_number(day) * DAY_S for day in (FIRST_DAY, LAST_DAY))


def _whole(value: Any) -> Any:
    """A date is "number" in the standard: 1700000000.0 is one, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def second_of_day(partial_time: str) -> int:
    """A time of day of RFC 3339 in seconds from midnight; what is finer is cut off.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> second_of_day("07:30:00.5")
    27000
    """
    found = _PARTIAL_TIME.fullmatch(partial_time)
    if found is None:
        raise ValueError("wanted a time of day such as 07:30:00")
    hours, minutes, seconds = (int(found[part]) for part in (1, 2, 3))
    return 3_600 * hours + 60 * minutes + seconds


def weekdays_of(listed: str) -> frozenset[int]:
    """Weekdays in one comma-separated value, as numbers from 0 Monday.

    Raises
    ------
    ValueError
        If one of them is no weekday.

    Examples
    --------
    >>> sorted(weekdays_of("MON,FRI"))
    [0, 4]
    """
    names = set(listed.split(","))
    days: dict[str, int] = {name: day for day, name in enumerate(WEEKDAYS)}
    if not names <= days.keys():
        raise ValueError(f"wanted weekdays out of {','.join(WEEKDAYS)}, separated by commas")
    return frozenset(day for name, day in days.items() if name in names)


def _of_day(text: str) -> str:
    second_of_day(text)
    return text


def _of_week(text: str) -> str:
    weekdays_of(text)
    return text


Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Radius = Annotated[float, Field(ge=0, le=MAX_RADIUS_KM, allow_inf_nan=False)]
Date = Annotated[int, BeforeValidator(_whole), Field(ge=_FIRST, le=_LAST)]
PartialTime = Annotated[str, AfterValidator(_of_day)]
JourneyId = Annotated[str, Field(min_length=1, max_length=255)]
Uuid = Annotated[str, Field(pattern=_UUID, json_schema_extra={"format": "uuid"})]
LowerUuid = Annotated[Uuid, AfterValidator(lambda text: str(UUID(text)))]
Name = Annotated[str, Field(max_length=300)]
Line = Annotated[str, Field(max_length=500)]
Metres = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=100_000_000)]
Seconds = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=1_000_000_000)]


class Model(BaseModel):
    """One object of the standard. What the standard may add one day is passed over."""

    model_config = ConfigDict(extra="ignore")


class JourneyParams(Model):
    """What both searches for dated journeys take."""

    departureLat: Latitude
    departureLng: Longitude
    arrivalLat: Latitude
    arrivalLng: Longitude
    departureDate: int
    timeDelta: int = Field(900, ge=0, le=MAX_DELTA_S)
    departureRadius: Radius = 1.0
    arrivalRadius: Radius = 1.0
    count: int | None = Field(None, ge=0, le=MAX_COUNT)


class RegularTripParams(Model):
    """What both searches for regular trips take."""

    departureLat: Latitude
    departureLng: Longitude
    arrivalLat: Latitude
    arrivalLng: Longitude
    departureTimeOfDay: PartialTime
    departureWeekdays: Annotated[str, AfterValidator(_of_week)] = ",".join(WEEKDAYS)
    timeDelta: int = Field(900, ge=0, le=MAX_DELTA_S)
    departureRadius: Radius = 1.0
    arrivalRadius: Radius = 1.0
    minDepartureDate: int | None = None
    maxDepartureDate: int | None = None
    count: int | None = Field(None, ge=0, le=MAX_COUNT)


class Failure(Model):
    error: str


class User(Model):
    id: Annotated[str, Field(max_length=200)]
    alias: Name
    operator: Name


class PriceType(StrEnum):
    FREE = "FREE"
    PAYING = "PAYING"
    UNKNOWN = "UNKNOWN"


class Price(Model):
    type: PriceType | None = None
    amount: Annotated[float | None, Field(ge=0, le=10_000, allow_inf_nan=False)] = None
    currency: Annotated[str | None, Field(pattern="^[A-Z]{3}$")] = None


class Car(Model):
    model: Name | None = None
    brand: Name | None = None


class Preferences(Model):
    smoking: bool | None = None
    animals: bool | None = None
    music: bool | None = None
    isTalker: bool | None = None
    luggageSize: Annotated[int | None, Field(ge=1, le=5)] = None


class Trip(Model):
    operator: str
    duration: int
    distance: int
    passengerPickupLat: float
    passengerPickupLng: float
    passengerDropLat: float
    passengerDropLng: float
    preferences: Preferences | None = None
    webUrl: str


class DriverTrip(Trip):
    driver: User
    departureToPickupWalkingDistance: int
    departureToPickupWalkingDuration: int
    dropoffToArrivalWalkingDistance: int
    dropoffToArrivalWalkingDuration: int


class PassengerTrip(Trip):
    passenger: User


class JourneySchedule(Model):
    id: JourneyId
    passengerPickupDate: int
    driverDepartureDate: int | None = None
    type: Literal["PLANNED"] = "PLANNED"
    webUrl: str


class DriverJourney(DriverTrip, JourneySchedule):
    availableSeats: int
    price: Price


class PassengerJourney(PassengerTrip, JourneySchedule):
    driverDepartureDate: int
    requestedSeats: int


class Schedule(Model):
    passengerPickupDay: Weekday
    passengerPickupTimeOfDay: str
    journeySchedules: list[JourneySchedule]


class DriverRegularTrip(DriverTrip):
    schedules: list[Schedule]


class PassengerRegularTrip(PassengerTrip):
    schedules: list[Schedule]


class Ride(Model):
    """What a booking and an event of one have in common."""

    passengerPickupDate: Date
    passengerPickupLat: Latitude
    passengerPickupLng: Longitude
    passengerDropLat: Latitude
    passengerDropLng: Longitude
    passengerPickupAddress: Line | None = None
    passengerDropAddress: Line | None = None
    status: BookingStatus
    duration: Seconds | None = None
    distance: Metres | None = None
    car: Car | None = None


class Booking(Ride):
    id: LowerUuid
    driver: User
    passenger: User
    price: Price
    webUrl: Url | None = None
    driverJourneyId: JourneyId | None = None
    passengerJourneyId: JourneyId | None = None


class CarpoolBooking(Ride):
    """A booking as an event tells it: with driver and price, or with passenger, never with all."""

    id: LowerUuid
    webUrl: Url
    driver: User | None = None
    price: Price | None = None
    passenger: User | None = None


class BookingEvent(Model):
    id: Uuid
    idToken: Annotated[str, Field(max_length=20_000)]
    data: CarpoolBooking


class CarpoolerType(StrEnum):
    DRIVER = "DRIVER"
    PASSENGER = "PASSENGER"


MessageText = Annotated[str, Field(min_length=1, max_length=500)]


class MessageIn(Model):
    from_: User = Field(alias="from")
    to: User
    message: MessageText
    recipientCarpoolerType: CarpoolerType
    driverJourneyId: JourneyId | None = None
    passengerJourneyId: JourneyId | None = None
    bookingId: LowerUuid | None = None
