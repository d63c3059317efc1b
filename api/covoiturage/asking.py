"""Which platform asks, and whether it may: an optional ``X-API-Key``, one of the town's keys.

Without a key, or with an empty one, whoever is on this machine may ask everything, as a platform
on trial does; nobody else anything but ``/status``. A key that is named like a domain name is
that operator's: it knows the bookings that the operator takes part in, and no other.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from api.auth import KeyRing, digest_of, is_local, require_once
from api.clock import Clock
from api.covoiturage.limits import Limiter
from api.problems import UnauthenticatedError
from api.towns import Town
from geo.errors import InputError
from indexes.journeys import Booking
from matching.rides.book import TripView
from matching.rides.carpool import Prices

__all__ = ["DOMAIN", "Asking", "AskingPlatform", "Platform", "counted", "given_once"]

# At least one dot, and a last label that is no number: what the standard calls a domain name.
DOMAIN = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
)


@dataclass(frozen=True, slots=True)
class Platform:
    """What we are to other platforms.

    ``operator`` is our domain name, ``clock`` tells what time it is, ``prices`` what a ride may
    cost.
    """

    operator: str
    clock: Clock
    limiter: Limiter
    prices: Prices


@dataclass(frozen=True, slots=True)
class Asking:
    """A platform that asks, of one town.

    ``operator`` is None for somebody who speaks for any: ourselves, or a trial on this machine.
    """

    platform: Platform
    town: Town
    operator: str | None

    @property
    def ours(self) -> str:
        """Our own operator."""
        return self.platform.operator

    @property
    def view(self) -> TripView:
        """The town's trips, as of now."""
        return self.town.engine.trips

    def takes_part(self, booking: Booking) -> bool:
        """Whether the booking is the asking platform's, too."""
        sides = booking.driver_operator, booking.passenger_operator
        return self.operator is None or self.operator in (side or self.ours for side in sides)


def _secret_of(request: Request) -> str:
    return request.headers.get("x-api-key", "").strip()


async def counted(request: Request) -> None:
    """Count a request to its caller: a key that is known, else the machine it comes from.

    Raises
    ------
    TooManyError
        If there were too many.
    """
    platform: Platform = request.app.state.platform
    ring: KeyRing = request.app.state.main.keys
    digest = digest_of(_secret_of(request))
    known = ring.remembered(digest) is not None
    platform.limiter.take(digest if known else request.client.host if request.client else "")


async def given_once(request: Request) -> None:
    """Refuse a key or a parameter that is given twice: one would win without a word.

    Raises
    ------
    InputError
        If one is.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    if len(set(names)) < len(names):
        raise InputError("a parameter is given once; several weekdays go in one, with commas")
    require_once(request, "x-api-key")


async def _asking(
    request: Request,
    _documented: Annotated[
        object, Security(APIKeyHeader(name="X-API-Key", scheme_name="key", auto_error=False))
    ],
) -> Asking:
    main, platform = request.app.state.main, request.app.state.platform
    secret = _secret_of(request)
    if not secret:
        if not is_local(request):
            raise UnauthenticatedError("a key is needed: X-API-Key")
        return Asking(platform, main.towns.town(main.towns.keyless_tenant()), None)
    key = await main.keys.key(digest_of(secret))
    if key is None:
        raise UnauthenticatedError("this key is not known")
    named = key.name if DOMAIN.fullmatch(key.name) else None
    return Asking(platform, main.towns.town(key.tenant_id), named)


AskingPlatform = Annotated[Asking, Depends(_asking)]
