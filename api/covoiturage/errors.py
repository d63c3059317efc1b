"""Errors as the standard wants them: 400 with ``{"error": …}``, and few statuses besides."""

import logging
from collections.abc import Mapping

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.covoiturage.limits import TooManyError
from api.problems import UnauthenticatedError, allowed_methods
from geo.errors import ConflictError, DeniedError, InputError, MitoyenError, NotFoundError

__all__ = [
    "ALREADY_SET",
    "MISSING_BOOKING",
    "MISSING_JOURNEY",
    "MISSING_USER",
    "failure",
    "install_errors",
]

log = logging.getLogger(__name__)

# The standard's own codes.
MISSING_BOOKING, MISSING_JOURNEY, MISSING_USER = (
    "missing_booking",
    "missing_journey",
    "missing_user",
)
ALREADY_SET = "status_already_set"

_STATUS_OF_CODE = {MISSING_BOOKING: 404, MISSING_JOURNEY: 404, MISSING_USER: 404, ALREADY_SET: 409}


def failure(status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says why not."""
    body = msgspec.json.encode({"error": error})
    return Response(body, status, headers, media_type="application/json")


def _on_mitoyen_error(request: Request, error: MitoyenError) -> Response:
    if isinstance(error, UnauthenticatedError):
        return Response(status_code=401)
    if isinstance(error, TooManyError):
        return Response(status_code=429, headers={"Retry-After": str(error.retry_after_s)})
    if error.code in _STATUS_OF_CODE:
        return failure(_STATUS_OF_CODE[error.code], error.code)
    if isinstance(error, InputError | ConflictError | DeniedError | NotFoundError):
        return failure(400, f"{error.code}: {error}")
    # 503 is no status of the standard's; which store, and where, is for the log.
    log.warning("%s: %s", error.code, error)
    return Response(status_code=500, headers={"Retry-After": "1"})


def _on_invalid(request: Request, error: RequestValidationError) -> Response:
    # Only place and message leave: what came may be anybody's place.
    faults = [
        f"{'.'.join(map(str, fault['loc'][1:]))[:200]}: {fault['msg']}"
        for fault in error.errors()[:20]
    ]
    return failure(400, "; ".join(faults))


def _on_http(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        allowed = allowed_methods(request)
        return failure(405, f"this path answers {allowed}", {"Allow": allowed})
    known = {404: "nothing is served at this path"}
    return failure(error.status_code, known.get(error.status_code, "this can't be answered"))


def _on_crash(request: Request, error: Exception) -> Response:
    return Response(status_code=500)


def install_errors(app: FastAPI) -> None:
    """Make an app answer every error as the standard does."""
    app.exception_handler(MitoyenError)(_on_mitoyen_error)
    app.exception_handler(RequestValidationError)(_on_invalid)
    app.exception_handler(HTTPException)(_on_http)
    app.exception_handler(Exception)(_on_crash)
