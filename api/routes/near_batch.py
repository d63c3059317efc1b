"""`/v1/near/batch`: many questions at once, each answered as if it had been asked alone."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError

from api.answers import NearBatchOut
from api.auth import Anyone, Caller
from api.bodies import accepts, read_json, strict_json, validated
from api.problems import language_of, problem_of
from api.questions import near_query
from api.routes.near import WAIT_S, require_origin, wait_for
from api.routes.records import town_of
from api.schemas import NearBatchBody, NearBody
from api.towns import Town
from geo.errors import InputError, MitoyenError
from indexes.store import Position
from matching.query import NearQuery

__all__ = ["answer_batch", "read_batch", "router"]

MAX_MATCHES = 20_000  # asked for in all: 12 MB or so
MAX_ITEMS = 100_000  # in the lists and objects of a body

router = APIRouter(tags=["near me"])

Asked = NearQuery | MitoyenError | RequestValidationError

EXAMPLES = {
    "the nearest bakery of two places": {
        "value": {
            "queries": [
                {"lat": 43.2951, "lon": 5.3740, "category": "food.bakery", "limit": 1},
                {"lat": 43.3012, "lon": 5.3811, "category": "food.bakery", "limit": 1},
            ]
        }
    }
}


class Batch(msgspec.Struct):
    """A body whose queries are left as they came: each is read by itself."""

    queries: list[msgspec.Raw]


async def read_batch(request: Request) -> list[msgspec.Raw]:
    """The queries of a body, each as JSON.

    Raises
    ------
    MalformedError, MediaTypeError, BodyTooLargeError
        As for any body.
    RequestValidationError
        If it is no object of 1 to 1,000 queries alone.
    """
    data = await read_json(request)
    strict_json(data, MAX_ITEMS)
    validated(NearBatchBody, data)
    return msgspec.json.decode(data, type=Batch).queries


async def answer_batch(request: Request, asking: Caller, queries: list[msgspec.Raw]) -> Response:
    """Answer each query as `/v1/near` answers it, or with the problem that it is."""
    town = town_of(request, asking)
    now, lang = datetime.now(UTC), language_of(request)
    until = time.monotonic() + WAIT_S  # all wait together
    asked: list[Asked] = []
    for query in queries:
        try:
            asked.append(await _query(town, asking, bytes(query), now, lang, until))
        except (MitoyenError, RequestValidationError) as error:
            asked.append(error)
    good = [query for query in asked if isinstance(query, NearQuery)]
    if sum(query.limit for query in good) > MAX_MATCHES:
        raise InputError(f"the limits of a batch add up to at most {MAX_MATCHES}")
    found = iter(await run_in_threadpool(town.engine.near_many_json, asking.viewer, good))
    answers = [next(found) if isinstance(each, NearQuery) else each for each in asked]
    told = [
        msgspec.Raw(each if isinstance(each, bytes) else problem_of(request, each).body)
        for each in answers
    ]
    return Response(msgspec.json.encode({"answers": told}), media_type="application/json")


async def _query(
    town: Town, asking: Caller, data: bytes, now: datetime, lang: str, until: float
) -> NearQuery:
    asked = validated(NearBody, data)
    if asked.after is not None:
        await wait_for(town.engine, Position.parse(asked.after), until)
    query = near_query(asked, now=now, lang=lang)
    require_origin(town, asking, query)
    return query


@router.post(
    "/v1/near/batch",
    name="near batch",
    summary="Find what is near, for up to 1,000 questions at once",
    description="One key, and one member or none, for all. `answers` are in the order of "
    "`queries`; each is what `/v1/near` answers, or the problem document that it answers.",
    responses={200: {"description": "An answer or a problem each.", "model": NearBatchOut}},
    openapi_extra=accepts(NearBatchBody, EXAMPLES),
)
async def near_batch(
    request: Request, asking: Anyone, queries: Annotated[list[Any], Depends(read_batch)]
) -> Response:
    return await answer_batch(request, asking, queries)
