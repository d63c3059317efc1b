"""Near me in front of the framework: what is surely right is answered here, at once.

FastAPI's routing, dependencies and validation take several times as long as the search. This
ASGI layer answers near me itself where a request is plain and in order, and hands everything
else (any fault, anything odd) untouched to the route behind it, which says what is wrong. So
there is one set of rules: the route's. Whatever is answered here, the route answers alike.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import Caller, KeyRing, acting, digest_of, secret_of
from api.bodies import JsonBody
from api.problems import language_of
from api.questions import unplaced
from api.routes.near import answer
from api.routes.near_batch import answer_batch, read_batch
from api.schemas import Latitude, Longitude, NearBody, NearParams
from geo.arrays import rounded
from geo.errors import MitoyenError
from matching.query import NearQuery

__all__ = ["FastNear"]

MAX_QUERY = 2_000  # characters; a longer query string or header is for the route
MAX_KEPT = 1_024

PATHS = frozenset({"/v1/near", "/v1/near/batch"})
NEAR_BODY = JsonBody(NearBody)

LISTS = {"kind", "within", "audience"}  # the parameters that may be repeated
HEADERS = frozenset({b"accept-language", b"authorization", b"mitoyen-member"})

_latitude = TypeAdapter(Latitude).validate_python
_longitude = TypeAdapter(Longitude).validate_python


class Asked(NamedTuple):
    """All that a query string asks, but where and, perhaps, when."""

    query: Callable[..., NearQuery]
    at: datetime | None


class Heard:
    """A request's stream of messages, kept so that it can be heard again from its beginning."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: list[Message] = []

    async def first(self) -> Message:
        """The next message, for who listens first."""
        message = await self._receive()
        self._kept.append(message)
        return message

    async def again(self) -> Message:
        """The next message, for who listens after that."""
        return self._kept.pop(0) if self._kept else await self._receive()


class OddError(Exception):
    """This request is for the route."""


class FastNear:
    """ASGI middleware that answers ``/v1/near`` and its batch, and passes on all else.

    Only requests with a key that is remembered are answered here.

    Parameters
    ----------
    app : ASGIApp
        What is behind, routes of the same paths among it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: dict[tuple[str, str], Asked] = {}
        self._routes: dict[tuple[str, str], BaseRoute] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in PATHS and not scope["root_path"]:
            try:
                if scope["method"] == "GET":
                    response: Response = self._by_query(scope)
                elif scope["method"] == "POST":
                    heard = Heard(receive)
                    receive = heard.again
                    response = await _by_body(Request(scope, heard.first))
                else:
                    raise OddError
            except (OddError, MitoyenError, RequestValidationError, ValidationError):
                pass  # the route tells what is wrong, in its own words
            else:
                scope["route"] = self._route(scope)
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _by_query(self, scope: Scope) -> Response:
        """The answer to a query string."""
        if scope["path"] != "/v1/near":
            raise OddError
        headers = _headers(scope)
        asking = _caller(scope, headers)
        town = scope["app"].state.towns.town(asking.tenant_id)
        lat, lon, rest = _split(scope["query_string"])
        asked = self._asked(rest, headers.get(b"accept-language", ""), scope)
        origin = None
        if lat is not None and lon is not None:
            origin = (rounded(_longitude(lon)), rounded(_latitude(lat)))
            if town.outlines.may_be_swapped(origin[1], origin[0]):
                raise OddError
        elif lat is not None or lon is not None or asking.member_id is None:
            raise OddError
        query = asked.query(at=asked.at or datetime.now(UTC), origin=origin)
        found = town.engine.near_json(asking.viewer, query)
        return Response(found, media_type="application/json")

    def _asked(self, rest: str, languages: str, scope: Scope) -> Asked:
        """What is asked besides where: most requests ask one of few things, so it is kept."""
        key = (rest, languages)
        asked = self._kept.get(key)
        if asked is None:
            asked = _read(rest, language_of(Request(scope)))
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[key] = asked
        return asked

    def _route(self, scope: Scope) -> BaseRoute:
        """The route that would have answered: the log names it."""
        key = (scope["method"], scope["path"])
        if key not in self._routes:
            self._routes[key] = next(
                route for route in scope["app"].routes if route.matches(scope)[0] is Match.FULL
            )
        return self._routes[key]


def _split(query: bytes) -> tuple[str | None, str | None, str]:
    """Latitude and longitude as they are spelled, and the rest of a query string."""
    if len(query) > MAX_QUERY:
        raise OddError
    lat = lon = None
    rest = []
    for part in query.decode("latin-1").split("&"):
        if lat is None and part.startswith("lat="):
            lat = part[4:]
        elif lon is None and part.startswith("lon="):
            lon = part[4:]
        else:
            rest.append(part)
    return lat, lon, "&".join(rest)


def _read(rest: str, lang: str) -> Asked:
    """The rest of a query string, checked by the route's own model."""
    values: dict[str, Any] = {}
    for name, value in parse_qsl(rest, keep_blank_values=True):
        if name in LISTS:
            values.setdefault(name, []).append(value)
        elif name in values or name in ("lat", "lon"):
            raise OddError
        else:
            values[name] = value
    asked = NearParams.model_validate(values)
    if asked.q is not None or asked.after is not None:
        raise OddError  # words take a thread, and a position waits
    return Asked(unplaced(asked, lang=lang), asked.at)


async def _by_body(request: Request) -> Response:
    """The answer to a body, by the route's own functions."""
    if request.scope["query_string"]:
        raise OddError
    asking = _caller(request.scope, _headers(request.scope))
    if request.scope["path"] == "/v1/near":
        body = await NEAR_BODY(request)
        if body.after is not None:
            raise OddError  # the route would wait a second time
        return await answer(request, asking, body)
    return await answer_batch(request, asking, await read_batch(request))


def _caller(scope: Scope, headers: dict[bytes, str]) -> Caller:
    """Who asks, by a key that is remembered."""
    ring: KeyRing = scope["app"].state.keys
    secret = secret_of(headers.get(b"authorization"))
    key = None if secret is None else ring.remembered(digest_of(secret))
    if key is None:
        raise OddError
    return acting(key, headers.get(b"mitoyen-member"))


def _headers(scope: Scope) -> dict[bytes, str]:
    """Those headers that count here."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in HEADERS:
            if name in found or len(value) > MAX_QUERY:  # what is asked is kept by them
                raise OddError
            found[name] = value.decode("latin-1")
    return found
