"""Who drives where, and when: trips, their schedules, the seats taken on them, and what is said.

Records like those of `indexes.entities`: they belong to a tenant and are known by
``(tenant_id, id)``; a place is degrees, EPSG:4326, an instant is aware and in UTC. What happens
every week is kept on the wall clock of a time zone; `matching.schedule` turns it into instants.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from indexes.audience import Audience

__all__ = [
    "Anchor",
    "Booking",
    "BookingStatus",
    "Message",
    "Role",
    "Schedule",
    "Trip",
    "WeeklyTime",
    "Weeks",
]


class Role(StrEnum):
    """What the owner of a trip offers to be."""

    DRIVER = "driver"
    PASSENGER = "passenger"
    EITHER = "either"


class Anchor(StrEnum):
    """Which end of the trip the time of its schedule is of."""

    DEPART = "depart"
    ARRIVE = "arrive"


class Weeks(StrEnum):
    """ISO weeks in which a weekly schedule runs."""

    ALL = "all"
    ODD = "odd"
    EVEN = "even"


class BookingStatus(StrEnum):
    """How far a booking has come; its only way is forward, steps may be left out."""

    WAITING_CONFIRMATION = "WAITING_CONFIRMATION"
    CONFIRMED = "CONFIRMED"
    COMPLETED_PENDING_VALIDATION = "COMPLETED_PENDING_VALIDATION"
    VALIDATED = "VALIDATED"
    CANCELLED = "CANCELLED"

    @property
    def rank(self) -> int:
        """Its place in that order, from 0."""
        return list(BookingStatus).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyTime:
    """One time of day on some days of the week.

    ``days`` are 0 Monday to 6 Sunday. ``second`` is what the clock shows, in seconds from
    midnight; from 86,400 on it is the next day's clock, and the trip still counts for the day
    before: 25 h on Friday is one o'clock in the night to Saturday.
    """

    days: tuple[int, ...]
    second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a trip takes place: once (``at``), or weekly (``weekly``), never both.

    The time is of the start or of the end (``anchor``), and may be earlier by
    ``flex_before_s`` and later by ``flex_after_s``. Once: ``at`` is an instant. Weekly: on the
    wall clock of ``timezone``, an IANA name; from ``valid_from`` to ``valid_to``, both
    included; in odd or even ISO ``weeks``; also on the days ``added``, never on those
    ``removed`` (together 90 at most); on public holidays or not.
    """

    timezone: str
    anchor: Anchor = Anchor.DEPART
    flex_before_s: int = 900
    flex_after_s: int = 900
    at: datetime | None = None
    weekly: tuple[WeeklyTime, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None
    weeks: Weeks = Weeks.ALL
    added: tuple[date, ...] = ()
    removed: tuple[date, ...] = ()
    public_holidays: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A planned journey of a driver or passenger, along a line with times.

    ``lonlat`` are the 2 to 10,000 points of the line, ``times_s`` seconds from its first point
    to each, strictly rising; ``estimated`` if either was made up from waypoints. ``seats`` are
    offered by a driver, needed by a passenger. None of ``max_detour_s``, ``max_walk_m``: the
    engine's own limit. ``owner_id`` is None for the trips of a public operator. Luggage is 1
    (none to speak of) to 5; preferences are None where nobody said.
    """

    tenant_id: str
    id: str
    role: Role
    lonlat: tuple[tuple[float, float], ...]
    times_s: tuple[float, ...]
    schedule: Schedule
    owner_id: str | None = None
    estimated: bool = False
    seats: int = 1
    max_detour_s: int | None = None
    max_walk_m: int | None = None
    audience: Audience = Audience.PUBLIC
    audience_id: str | None = None
    verified_only: bool = False
    same_building: bool = False
    women_only: bool = False
    luggage: int | None = None
    smoking: bool | None = None
    animals: bool | None = None
    music: bool | None = None
    talker: bool | None = None
    origin_name: str = ""
    destination_name: str = ""
    price_eur: float | None = None
    url: str = ""
    published_at: datetime | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Seats taken on a driver's trip, on one service day, from pick-up to drop-off.

    ``day`` is the local day that the schedule counts the trip for. ``pickup_s`` and
    ``dropoff_s`` are seconds from the first point of the driver's line: the seats are free
    again from the drop-off on. An operator is a domain name; empty: our own.
    """

    tenant_id: str
    id: str  # a UUID, the same on both platforms
    trip_id: str | None
    driver_id: str
    passenger_id: str
    day: date
    pickup_at: datetime
    pickup_lon: float
    pickup_lat: float
    dropoff_lon: float
    dropoff_lat: float
    pickup_s: float
    dropoff_s: float
    seats: int = 1
    status: BookingStatus = BookingStatus.WAITING_CONFIRMATION
    passenger_trip_id: str | None = None
    price_eur: float | None = None
    pickup_address: str = ""
    dropoff_address: str = ""
    driver_alias: str = ""
    driver_operator: str = ""
    passenger_alias: str = ""
    passenger_operator: str = ""
    url: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one carpooler writes to another; 500 characters at most."""

    tenant_id: str
    id: str
    sender_id: str
    recipient_id: str
    recipient_role: Role
    text: str
    sender_alias: str = ""
    sender_operator: str = ""
    trip_id: str | None = None
    booking_id: str | None = None
    sent_at: datetime | None = None
