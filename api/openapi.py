"""The OpenAPI document: FastAPI's, with our bodies, our problems and our security said."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.answers import ProblemOut
from api.districts_schemas import DISTRICT_BODIES
from api.schemas import BODIES
from api.trip_questions import MatchBody
from api.trip_schemas import TripIn
from api.trust_schemas import TRUST_BODIES

__all__ = ["document"]

REF = "#/components/schemas/{model}"

PROBLEMS = {
    "400": "The body is not strict JSON, or a cursor or position is not one of ours.",
    "401": "A key is missing or not known.",
    "403": "This key, or this member, may not.",
    "404": "There is nothing of this id, or not for this caller.",
    "409": "What is stored says otherwise.",
    "413": "The body is too large.",
    "415": "The body is of another media type.",
    "422": "Something in the request is not what was wanted.",
    "503": "The index or the store is not there yet; `Retry-After` says when to ask again.",
}
OF_WRITES = {"409", "413", "415"}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an app, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    found = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    models: tuple[type[BaseModel], ...] = (
        *BODIES,
        *TRUST_BODIES,
        *DISTRICT_BODIES,
        TripIn,
        MatchBody,
        ProblemOut,
    )
    _, defined = models_json_schema([(m, "validation") for m in models], ref_template=REF)
    schemas.update(defined.get("$defs", {}))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    app.openapi_schema = found
    return found


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Say which problems an operation may answer, and who may ask."""
    content = {"application/problem+json": {"schema": {"$ref": REF.format(model="ProblemOut")}}}
    writes = method != "get"
    for status, description in PROBLEMS.items():
        if path.startswith("/v1/") and (writes or status not in OF_WRITES):
            operation["responses"][status] = {"description": description, "content": content}
    if path == "/readyz":
        operation["responses"]["503"] = {"description": PROBLEMS["503"], "content": content}
    for required in operation.get("security", ()):
        if required == {"key": []}:  # no scope needed: a reader on this machine needs no key
            operation["security"] = [required, {}]
    for parameter in operation.get("parameters", ()):
        # Nothing in a query string or header says null.
        schema = parameter["schema"]
        options = [o for o in schema.get("anyOf", ()) if o != {"type": "null"}]
        if len(options) == 1:
            del schema["anyOf"]
            schema |= options[0]
