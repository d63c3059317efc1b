"""Bookings: made by either platform, known to both, and only ever brought forward."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel

import indexes.journeys as kept
from api.bodies import JsonBody, accepts, check_text
from api.covoiturage.asking import Asking, AskingPlatform
from api.covoiturage.errors import (
    ALREADY_SET,
    MISSING_BOOKING,
    MISSING_JOURNEY,
    MISSING_USER,
)
from api.covoiturage.mapping import SOMEBODY, booking_in, booking_out, driver_of, operator_of
from api.covoiturage.schemas import (
    Booking,
    BookingEvent,
    CarpoolBooking,
    CarpoolerType,
    Failure,
    MessageIn,
    Price,
    User,
)
from geo.arrays import LonLat
from geo.errors import ConflictError, InputError, NotFoundError
from indexes.entities import Member
from indexes.journeys import BookingStatus, Role
from matching.rides.booking import admit, as_of, is_seated
from matching.rides.journey import JourneyId, is_open
from matching.rides.journeys import ride_on
from matching.schedule import days_of, once_day

__all__ = ["router"]

router = APIRouter(tags=["Interact"])

NO_RIDER = (
    f"{MISSING_JOURNEY}: this journey does not take place on that day, or its passenger has a seat"
)


def _uuid(text: str) -> str:
    try:
        return str(UUID(check_text(text)))
    except ValueError as error:
        raise InputError("bookingId must be a UUID") from error


def _kept(
    asking: Asking,
    body: Booking | CarpoolBooking,
    driver: User,
    passenger: User,
    price: Price | None,
) -> kept.Booking:
    return booking_in(
        body,
        driver,
        passenger,
        price,
        tenant_id=asking.town.tenant_id,
        ours=asking.ours,
        created_at=asking.platform.clock(),
    )


def _ends(body: Booking) -> tuple[LonLat, LonLat]:
    return (
        (body.passengerPickupLng, body.passengerPickupLat),
        (body.passengerDropLng, body.passengerDropLat),
    )


def _journey_id(named: str | None, role: Role) -> JourneyId:
    try:
        id = JourneyId.parse(named or "")
    except InputError:
        raise InputError(f"{MISSING_JOURNEY}: the booking must name a journey of ours") from None
    if id.role is not role:
        raise InputError(f"{MISSING_JOURNEY}: that journey is not a {role}'s")
    return id


def _on_our_driver(asking: Asking, body: Booking) -> dict[str, Any]:
    """What a booking of a seat with a driver of ours is on: trip, day and legs.

    Raises
    ------
    InputError
        If there is no such journey, or the driver is another.
    """
    id = _journey_id(body.driverJourneyId, Role.DRIVER)
    journey = ride_on(asking.view, id, *_ends(body), body.passengerPickupDate)
    if journey is None or journey.pickup_at < asking.platform.clock().timestamp() - 60:
        raise InputError(
            f"{MISSING_JOURNEY}: no such journey, between these places at that time, is to come"
        )
    if body.driver.id != driver_of(journey.trip):
        raise InputError(f"{MISSING_USER}: the driver of this journey is another")
    try:
        trip = asking.town.store.get(kept.Trip, asking.town.tenant_id, id.trip_id)
    except NotFoundError:
        published = None
    else:
        published = asking.town.engine.published(trip)
    if published is None:
        raise InputError(f"{MISSING_JOURNEY}: this journey was withdrawn")
    # Seats are counted along the trip's own line, which begins before what is told of it: for a
    # trip that takes place once, maybe on the day before.
    return {
        "trip_id": id.trip_id,
        "day": once_day(trip.schedule) or id.day,
        "pickup_s": published.start_s + journey.pickup_s,
        "dropoff_s": published.start_s + journey.dropoff_s,
    }


def _on_our_passenger(asking: Asking, body: Booking) -> dict[str, Any]:
    """What a booking of another platform's driver is for: a passenger's trip of ours, and a day."""
    id = _journey_id(body.passengerJourneyId, Role.PASSENGER)
    found = asking.view.trip(id.trip_id)
    if found is None or found[0].role is Role.DRIVER or not is_open(found[0]):
        raise InputError(f"{MISSING_JOURNEY}: no such journey is to come")
    if not days_of(found[0].schedule, id.day, id.day).size:
        raise InputError(NO_RIDER)
    if body.passenger.id != driver_of(found[0]):
        raise InputError(f"{MISSING_USER}: the passenger of this journey is another")
    return {"passenger_trip_id": id.trip_id, "day": id.day}


@router.post(
    "/bookings",
    status_code=201,
    summary="Tell of a booking that the other platform began",
    responses={201: {"model": Booking}},
    openapi_extra=accepts(Booking),
)
def post_booking(
    asking: AskingPlatform, body: Annotated[Booking, Depends(JsonBody(Booking))]
) -> Response:
    if body.status is not BookingStatus.WAITING_CONFIRMATION:
        raise InputError("a booking begins as WAITING_CONFIRMATION")
    ours: dict[str, Any] = {}
    if body.passenger.operator == asking.ours:
        ours |= _on_our_passenger(asking, body)
    if body.driver.operator == asking.ours:
        ours |= _on_our_driver(asking, body)
    booking = replace(_kept(asking, body, body.driver, body.passenger, body.price), **ours)
    _require_part(asking, booking)
    asking.town.store.book(booking, partial(admit, booking=booking), _require_unseated)
    return _json(_told(asking, booking), 201)


def _require_unseated(
    trip: kept.Trip, others: Sequence[kept.Booking], booking: kept.Booking
) -> None:
    """What the view tells, as the store knows it: of drivers who accept at once, one does."""
    if is_seated(trip, others, booking):
        raise InputError(NO_RIDER)


def _require_part(asking: Asking, booking: kept.Booking) -> None:
    if not asking.takes_part(booking):
        raise InputError("a platform tells of bookings that it takes part in, and no other")


@router.get(
    "/bookings/{bookingId}",
    summary="Read a booking, to compare it",
    responses={200: {"model": Booking}, 404: {"model": Failure}},
)
def get_booking(asking: AskingPlatform, bookingId: Annotated[str, Path()]) -> Response:  # noqa: N803
    return _json(_told(asking, _booking(asking, _uuid(bookingId))), 200)


def _told(asking: Asking, booking: kept.Booking) -> Booking:
    """A booking whose journeys are named as searches name them now."""
    days = {}
    for id in (booking.trip_id, booking.passenger_trip_id):
        held = None if id is None else asking.view.trip(id)
        if id is not None and held is not None:
            days[id] = once_day(held[0].schedule) or booking.day
    return booking_out(booking, asking.ours, days)


def _booking(asking: Asking, id: str) -> kept.Booking:
    try:
        found = asking.town.store.get(kept.Booking, asking.town.tenant_id, id)
    except NotFoundError:
        raise _missing() from None
    if not asking.takes_part(found):
        raise _missing()
    return as_of(found, asking.platform.clock())


def _missing() -> NotFoundError:
    return NotFoundError("no such booking", code=MISSING_BOOKING)


@router.patch(
    "/bookings/{bookingId}",
    response_class=Response,
    summary="Bring a booking forward, or cancel it",
    responses={404: {"model": Failure}, 409: {"model": Failure}},
)
def patch_booking(
    asking: AskingPlatform,
    bookingId: Annotated[str, Path()],  # noqa: N803
    status: Annotated[BookingStatus, Query()],
    message: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    id = _uuid(bookingId)
    check_text(message)
    booking = _bring_forward(asking, id, status)
    if message:
        asking.town.store.put(_note_of(asking, booking, message))
    return Response(status_code=200)


def _bring_forward(
    asking: Asking,
    id: str,
    status: BookingStatus,
) -> kept.Booking:
    def change(old: kept.Booking) -> kept.Booking:
        if not asking.takes_part(old):
            raise _missing()
        if status.rank <= as_of(old, asking.platform.clock()).status.rank:
            raise ConflictError("a booking is that far already", code=ALREADY_SET)
        return replace(old, status=status)

    try:
        booking, _ = asking.town.store.change_booking(
            asking.town.tenant_id, id, change, _require_unseated
        )
    except NotFoundError:
        raise _missing() from None
    return booking


def _note_of(asking: Asking, booking: kept.Booking, text: str) -> kept.Message:
    """What came with a change, from the side that is not ours to the other."""
    sides = {
        Role.DRIVER: (booking.driver_id, booking.driver_alias, booking.driver_operator),
        Role.PASSENGER: (
            booking.passenger_id,
            booking.passenger_alias,
            booking.passenger_operator,
        ),
    }
    sender, recipient = Role.PASSENGER, Role.DRIVER
    if not booking.passenger_operator or asking.operator == booking.driver_operator:
        sender, recipient = recipient, sender
    id, alias, operator = sides[sender]
    return kept.Message(
        tenant_id=booking.tenant_id,
        id=str(uuid4()),
        sender_id=id,
        sender_alias=alias,
        sender_operator=operator,
        recipient_id=sides[recipient][0],
        recipient_role=recipient,
        text=text,
        trip_id=booking.trip_id,
        booking_id=booking.id,
        sent_at=asking.platform.clock(),
    )


@router.post(
    "/booking_events",
    response_class=Response,
    tags=["Webhooks"],
    summary="Be told of a booking that one of our people made with another platform",
    openapi_extra=accepts(BookingEvent),
)
def post_booking_event(
    asking: AskingPlatform, body: Annotated[BookingEvent, Depends(JsonBody(BookingEvent))]
) -> Response:
    data = body.data
    by_driver = data.driver is not None and data.price is not None
    if by_driver is (data.passenger is not None):
        raise InputError("data must have driver and price, or passenger, and not all of them")
    nobody = User(id="", alias="", operator=asking.ours)
    booking = _kept(asking, data, data.driver or nobody, data.passenger or nobody, data.price)
    try:
        _bring_forward(asking, booking.id, booking.status)
    except NotFoundError:
        _require_part(asking, booking)
        asking.town.store.book(booking, partial(admit, booking=booking))
    except ConflictError as error:  # 409 is no status of this operation
        raise InputError(str(error)) from error
    return Response(status_code=200)


@router.post(
    "/messages",
    response_class=Response,
    status_code=201,
    summary="Write to the owner of a journey",
    responses={404: {"model": Failure}},
    openapi_extra=accepts(MessageIn),
)
def post_message(
    asking: AskingPlatform, body: Annotated[MessageIn, Depends(JsonBody(MessageIn))]
) -> Response:
    role = Role.DRIVER if body.recipientCarpoolerType is CarpoolerType.DRIVER else Role.PASSENGER
    trip_id = _trip_named(asking, body)
    if body.bookingId is not None:
        _booking(asking, body.bookingId)
    if not _is_known(asking, body.to):
        raise NotFoundError("no such user", code=MISSING_USER)
    asking.town.store.put(
        kept.Message(
            tenant_id=asking.town.tenant_id,
            id=str(uuid4()),
            sender_id=body.from_.id or SOMEBODY[_other(role)],
            sender_alias=body.from_.alias,
            sender_operator=operator_of(body.from_.operator, asking.ours),
            recipient_id=body.to.id,
            recipient_role=role,
            text=body.message,
            trip_id=trip_id,
            booking_id=body.bookingId,
            sent_at=asking.platform.clock(),
        )
    )
    return Response(status_code=201)


def _other(role: Role) -> Role:
    return Role.PASSENGER if role is Role.DRIVER else Role.DRIVER


def _trip_named(asking: Asking, body: MessageIn) -> str | None:
    """The trip of ours that a message is about; a journey of the recipient's must be one."""
    named = (
        body.driverJourneyId
        if body.recipientCarpoolerType is CarpoolerType.DRIVER
        else body.passengerJourneyId
    )
    if named is None or body.to.operator != asking.ours:
        return None
    try:
        trip_id = JourneyId.parse(named).trip_id
    except InputError:
        trip_id = ""
    if asking.view.trip(trip_id) is None:
        raise NotFoundError("no such journey", code=MISSING_JOURNEY)
    return trip_id


def _is_known(asking: Asking, user: User) -> bool:
    """Whether somebody is a member, offers a trip, or takes part in a booking."""
    store, tenant_id = asking.town.store, asking.town.tenant_id
    if user.operator == asking.ours:
        try:
            store.get(Member, tenant_id, user.id)
            return True
        except NotFoundError:
            held = asking.view.trip(user.id)
            if held is not None and driver_of(held[0]) == user.id:
                return True
    operator = operator_of(user.operator, asking.ours)
    return any(
        store.page(
            kept.Booking,
            tenant_id,
            limit=1,
            where={f"{role}_id": user.id, f"{role}_operator": operator},
        )
        for role in SOMEBODY
    )


def _json(model: BaseModel, status: int) -> Response:
    body = model.model_dump_json(exclude_none=True)
    return Response(body, status, media_type="application/json")
