"""`/v1/changes`: what changed, as it changes."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from api.auth import Anyone
from api.changes import EventStream, Streams, events
from api.clock import Clock
from api.routes.records import town_of
from indexes.store import Position

__all__ = ["router"]

MAX_POSITION = 60

router = APIRouter(tags=["changes"])

ANSWERED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events without end: `data` is an object with `entity`, `id` and `op`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/v1/changes",
    name="changes",
    summary="Follow what changes, as server-sent events",
    response_class=Response,
    responses=ANSWERED,
    description='`{"entity": "listings", "id": …, "op": "put"}` when a listing appears or changes, '
    '`"delete"` when one that the caller could see is gone or hidden from them; an event comes '
    "once a search finds what it tells of. A member who has trips is told `trip-matched`, with "
    '`{"id": …, "match": …}`, when a trip of another came or changed and '
    "`/v1/trips/{id}/matches` finds it for theirs, or finds it on more days since a seat came "
    "free. The app's own key and an operator's are told "
    'of all listings, and of other records as `"changed"`: read them again. Resume with '
    "`Last-Event-ID`, as browsers do by themselves; an event `gap` says that too much was missed: "
    "read everything again. A stream ends after ten minutes, so that the key is looked at again.",
)
async def changes(
    request: Request,
    asking: Anyone,
    resumed: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            description="Id of the last event that came; by default from now on.",
            max_length=MAX_POSITION,
        ),
    ] = None,
) -> EventStream:
    streams: Streams = request.app.state.streams
    streams.require_room()
    engine = town_of(request, asking).engine
    after = Position.parse(resumed) if resumed else engine.position
    clock: Clock = request.app.state.clock
    return EventStream(events(engine, asking, after, streams, clock), streams)
