"""A file of the standard's objects → trips and bookings of a town.

The file is what a platform on trial keeps: one JSON object of lists, named as in `LISTS`. It needs
not be by the book: an empty user, a duration of nothing, a journey from a place to the same place
and dates long past are taken as they are meant. Trips become a public operator's, who is nobody.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, ValidationError

import indexes.journeys as kept
from api.bodies import strict_json
from api.covoiturage.mapping import TIMEZONE, booking_in, price_of
from api.covoiturage.schemas import (
    WEEKDAYS,
    Booking,
    Date,
    Latitude,
    Longitude,
    Model,
    Name,
    PartialTime,
    Preferences,
    Price,
    Seconds,
    Weekday,
    second_of_day,
)
from api.importing.report import ImportReport
from api.schemas import Url
from geo.arrays import LonLat, rounded
from geo.errors import ConflictError, InputError, LayoutError, RowError
from indexes.entities import Entity
from indexes.journey_rules import MAX_DURATION_S
from indexes.journeys import Role, Schedule, Trip, WeeklyTime
from indexes.router import AirRouter
from indexes.rules import columns_of, require
from indexes.schedules import MAX_EXCEPTIONS
from indexes.store import Store
from matching.rides.clock import as_zone
from matching.schedule import check_schedule

__all__ = ["FORMAT", "load_file"]

FORMAT = "standard-covoiturage"
MAX_BYTES = 64 << 20
MAX_ITEMS = 5_000_000
STEP_DEGREES = 1e-7  # 11 mm: a line has to lead somewhere


class _Dated(Model):
    passengerPickupDate: Date  # noqa: N815  the names are the standard's


class _Schedule(Model):
    day: Weekday = Field(alias="passengerPickupDay")
    time: PartialTime = Field(alias="passengerPickupTimeOfDay")
    dated: list[_Dated] = Field([], alias="journeySchedules")


class _Ride(Model):
    id: Annotated[str, Field(max_length=150)] = ""
    lat1: Latitude = Field(alias="passengerPickupLat")
    lng1: Longitude = Field(alias="passengerPickupLng")
    lat2: Latitude = Field(alias="passengerDropLat")
    lng2: Longitude = Field(alias="passengerDropLng")
    origin: Name = Field("", alias="passengerPickupAddress")
    destination: Name = Field("", alias="passengerDropAddress")
    duration: Seconds = 0
    seats: int = Field(
        1, ge=1, le=8, validation_alias=AliasChoices("availableSeats", "requestedSeats")
    )
    price: Price = Price()
    preferences: Preferences = Preferences()
    url: Url = Field("", alias="webUrl")


class _Journey(_Ride, _Dated):
    pass


class _RegularTrip(_Ride):
    # A test platform is known to write it with a capital.
    schedules: list[_Schedule] = Field(
        min_length=1, validation_alias=AliasChoices("schedules", "Schedules")
    )


LISTS: Mapping[str, tuple[str, Role, type[_Journey | _RegularTrip]]] = {
    "driverJourneys": ("driver", Role.DRIVER, _Journey),
    "passengerJourneys": ("passenger", Role.PASSENGER, _Journey),
    "driverRegularTrips": ("driver-regular", Role.DRIVER, _RegularTrip),
    "passengerRegularTrips": ("passenger-regular", Role.PASSENGER, _RegularTrip),
}
BOOKINGS = "bookings"


def load_file(
    store: Store,
    tenant_id: str,
    path: Path,
    *,
    operator: str,
    strict: bool = False,
    dry_run: bool = False,
    on_reject: Callable[[RowError], None] = lambda error: None,
) -> ImportReport:
    """Load a file of the standard's objects: good ones are stored, bad ones are told.

    Parameters
    ----------
    store : Store
    tenant_id : str
        Whose they become.
    path : Path
        One JSON object.
    operator : str
        Our domain name: which users of bookings are ours.
    strict : bool
        All or nothing: one refused object, and nothing is stored.
    dry_run : bool
        Look at every object, and store nothing.
    on_reject : callable
        Takes each refused object, as a `RowError` whose line counts the file's objects from 1.

    Returns
    -------
    ImportReport

    Raises
    ------
    LayoutError
        If the file can't be read, or holds none of the lists.
    StoreError
        If the store fails. Trips are written before bookings.

    Notes
    -----
    A trip is known by the id of its journey or, without one, by its place in its list: loaded
    again, it is replaced. A booking that is there already stays as it is.
    """
    started = time.monotonic()
    report = ImportReport(path.name, FORMAT, encoding="utf-8")
    held = _lists(path)
    report.unused = tuple(sorted(held.keys() - {*LISTS, BOOKINGS}))
    trips: list[Entity] = []
    ids: set[str] = set()
    bookings: list[kept.Booking] = []
    for name, number, raw in _objects(held):
        report.read += 1
        try:
            if name == BOOKINGS:
                bookings.append(_booking(raw, tenant_id, operator))
            else:
                made = _trips(raw, name, number, tenant_id)
                _require_new(made, ids)
                trips += made
        except ValidationError as fault:
            first = fault.errors(include_url=False, include_context=False)[0]
            field = ".".join(map(str, first["loc"]))
            error = RowError(f"{name}: {field}: {first['msg']}", line=report.read, field=field)
        except InputError as fault:
            error = RowError(f"{name}: {fault}", line=report.read, code=fault.code)
        else:
            continue
        report.reject(error)
        on_reject(error)
    report.complete = not (strict and report.rejected_count)
    if report.complete and not dry_run:
        if trips:
            report.position = str(store.put_all(trips))
        for booking in bookings:
            try:
                report.position = str(store.book(booking, lambda trip, taken: None))
            except ConflictError:
                report.warnings["there already"] += 1
        report.stored = report.read - report.rejected_count
    report.seconds = time.monotonic() - started
    return report


def _lists(path: Path) -> dict[str, list[Any]]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LayoutError(f"{path.name}: {error.strerror or 'can not be read'}") from error
    if len(data) > MAX_BYTES:
        raise LayoutError(f"{path.name}: wanted {MAX_BYTES} bytes at most")
    try:
        held = strict_json(data, MAX_ITEMS)
    except InputError as error:
        raise LayoutError(f"{path.name}: {error}") from error
    if not isinstance(held, dict) or not held.keys() & {*LISTS, BOOKINGS}:
        wanted = ", ".join((*LISTS, BOOKINGS))
        raise LayoutError(f"{path.name}: wanted an object with some of {wanted}")
    found = {name: value for name, value in held.items() if value is not None}
    for name, value in found.items():
        if not isinstance(value, list):
            raise LayoutError(f"{path.name}: {name[:80]} must be a list")
    return found


def _objects(held: Mapping[str, list[Any]]) -> Iterator[tuple[str, int, Any]]:
    for name in (*LISTS, BOOKINGS):
        for number, raw in enumerate(held.get(name, ()), 1):
            yield name, number, raw


def _booking(raw: Any, tenant_id: str, operator: str) -> kept.Booking:
    body = Booking.model_validate(raw)
    booking = booking_in(
        body,
        body.driver,
        body.passenger,
        body.price,
        tenant_id=tenant_id,
        ours=operator,
        created_at=datetime.now(UTC),
    )
    require(kept.Booking, columns_of(kept.Booking, [booking]))
    return booking


def _trips(raw: Any, name: str, number: int, tenant_id: str) -> list[Trip]:
    prefix, role, model = LISTS[name]
    ride = model.model_validate(raw)
    id = f"{prefix}-{ride.id or number}"
    lonlat, times_s = _line((ride.lng1, ride.lat1), (ride.lng2, ride.lat2), ride.duration)
    schedules = {"": _once(ride.passengerPickupDate)} if isinstance(ride, _Journey) else {}
    if isinstance(ride, _RegularTrip):
        schedules = _weekly(ride.schedules)
    said = ride.preferences
    trips = [
        Trip(
            tenant_id=tenant_id,
            id=f"{id}{suffix}",
            role=role,
            lonlat=lonlat,
            times_s=times_s,
            estimated=True,
            schedule=schedule,
            seats=ride.seats,
            price_eur=price_of(ride.price),
            luggage=said.luggageSize,
            smoking=said.smoking,
            animals=said.animals,
            music=said.music,
            talker=said.isTalker,
            origin_name=ride.origin,
            destination_name=ride.destination,
            url=ride.url,
        )
        for suffix, schedule in schedules.items()
    ]
    for trip in trips:
        check_schedule(trip.schedule)
    require(Trip, columns_of(Trip, trips))
    return trips


def _require_new(trips: Sequence[Trip], ids: set[str]) -> None:
    """Note the ids of trips; of two with one id the first would be lost without a word."""
    came = {trip.id for trip in trips}
    if came & ids:
        raise InputError("wanted each id once, one comes twice", code="duplicate-id")
    ids |= came


def _line(
    pickup: LonLat, dropoff: LonLat, duration_s: int
) -> tuple[tuple[LonLat, ...], tuple[float, ...]]:
    """A straight line, in the time that was said or, without one, in what it may take."""
    ends = [(rounded(lon), rounded(lat)) for lon, lat in (pickup, dropoff)]
    if ends[0] == ends[1]:
        lon, lat = ends[1]
        ends[1] = (lon, rounded(lat - STEP_DEGREES if lat > 0 else lat + STEP_DEGREES))
    may_take_s = AirRouter().route(ends).times_s[-1]
    seconds = float(duration_s) or min(max(1.0, may_take_s), float(MAX_DURATION_S))
    return tuple(ends), (0.0, seconds)


def _once(at: int) -> Schedule:
    return Schedule(
        timezone=TIMEZONE, at=datetime.fromtimestamp(at, UTC), flex_before_s=0, flex_after_s=0
    )


def _weekly(schedules: list[_Schedule]) -> dict[str, Schedule]:
    """A schedule for each time of day, by what tells its trip from the others."""
    by_second: dict[int, list[_Schedule]] = {}
    for one in schedules:
        by_second.setdefault(second_of_day(one.time), []).append(one)
    found = {}
    for second, same in by_second.items():
        days = tuple(sorted({WEEKDAYS.index(one.day) for one in same}))
        dates = {
            datetime.fromtimestamp(one.passengerPickupDate, UTC)
            .astimezone(as_zone(TIMEZONE))
            .date()
            for schedule in same
            for one in schedule.dated
        }
        clock = f"-{second // 3_600:02}{second // 60 % 60:02}"
        clock += f"{second % 60:02}" if second % 60 else ""
        suffix = clock if len(by_second) > 1 else ""
        found[suffix] = Schedule(
            timezone=TIMEZONE,
            flex_before_s=0,
            flex_after_s=0,
            weekly=(WeeklyTime(days=days, second=second),),
            valid_from=min(dates, default=None),
            valid_to=max(dates, default=None),
            removed=_left_out(days, dates),
        )
    return found


def _left_out(days: tuple[int, ...], dates: set[date]) -> tuple[date, ...]:
    """The days of a weekly trip between its first date and its last on which there is none."""
    if not dates:
        return ()
    first = min(dates)
    span = (first + timedelta(days=k) for k in range((max(dates) - first).days))
    removed = tuple(day for day in span if day.weekday() in days and day not in dates)
    if len(removed) > MAX_EXCEPTIONS:
        raise InputError(f"dates must leave out {MAX_EXCEPTIONS} days at most")
    return removed
