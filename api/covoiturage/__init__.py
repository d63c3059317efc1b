"""The French interoperability standard for carpooling, under ``/covoiturage/v1``.

Other platforms search our journeys, book seats on them and write to their owners. Rules and
errors are the standard's, not those of the rest of the interface: this is an application of its
own, mounted into the other.
"""

from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api.access import UNTRACED
from api.clock import Clock
from api.covoiturage import bookings, searching
from api.covoiturage.asking import DOMAIN, Platform, counted, given_once
from api.covoiturage.errors import install_errors
from api.covoiturage.limits import Limiter, TooManyError
from api.covoiturage.schemas import Booking, BookingEvent, Failure, MessageIn
from api.version import VERSION
from geo.errors import InputError, StoreError

__all__ = ["PREFIX", "TooManyError", "covoiturage_app"]

PREFIX = "/covoiturage/v1"

_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": Failure, "description": "What was asked can't be; why."},
    401: {"description": "A key is needed."},
    429: {
        "description": "Too many requests.",
        "headers": {"Retry-After": {"schema": {"type": "integer"}}},
    },
    500: {"description": "Something broke on our side; try again later."},
}


def covoiturage_app(
    operator: str, clock: Clock, main: Any, limiter: Limiter | None = None
) -> FastAPI:
    """The application that answers other platforms.

    Parameters
    ----------
    operator : str
        Our domain name, told with every journey.
    clock : callable
        What time it is.
    main : State
        Of the application that it is mounted into: its ``prices``; its ``towns`` and ``keys`` once
        it runs.
    limiter : Limiter, optional
        How much each caller may ask.

    Raises
    ------
    InputError
        If ``operator`` is no domain name.
    """
    if not DOMAIN.fullmatch(operator):
        raise InputError(f"MITOYEN_OPERATOR must be a domain name, got {operator!r}")
    app = FastAPI(
        title="Mitoyen: standard covoiturage",
        version=VERSION,
        description="The interoperability standard for carpooling.",
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry=UNTRACED,
        dependencies=[Depends(counted), Depends(given_once)],
        responses=_RESPONSES,
    )
    app.state.main = main
    app.state.platform = Platform(operator, clock, limiter or Limiter(), main.prices)
    install_errors(app)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    app.include_router(searching.router)
    app.include_router(bookings.router)

    @app.get(
        "/status",
        response_class=Response,
        tags=["status"],
        summary="Tell whether journeys can be searched and booked",
    )
    def status(request: Request) -> Response:
        towns = request.app.state.main.towns
        towns.ages()
        if not towns.store_up:
            raise StoreError("the store is away")
        return Response(status_code=200)

    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with the bodies that are read by hand, and without its own 422."""
    if app.openapi_schema:
        return app.openapi_schema
    found = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = found["components"]["schemas"]
    _, defined = models_json_schema(
        [(Booking, "validation"), (BookingEvent, "validation"), (MessageIn, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    for name, schema in defined["$defs"].items():
        schemas.setdefault(name, schema)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in found["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["security"] = [{"key": []}, {}]
    found["paths"]["/status"]["get"].pop("security")
    app.openapi_schema = found
    return found
