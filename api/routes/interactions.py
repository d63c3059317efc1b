"""`/v1/interactions`: members ask each other, answer, do it, and both say when it is done."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from api.answers import WrittenOut
from api.auth import App
from api.bodies import JsonBody, accepts
from api.routes.listings import find
from api.routes.records import POSITION_HEADER, page_model, town_of
from api.schemas import PageParams
from api.towns import Town
from api.trust_pages import acting, listed, member_of, now_of, written
from api.trust_schemas import AskIn, CompletionIn, InteractionOut, ReplyIn, RequestOut
from geo.errors import InputError, NotFoundError
from indexes.store import Position
from indexes.trusting import Interaction, Reply
from indexes.trusting import Request as Asked
from matching.trusting.dealings import ask, complete, reply

__all__ = ["CREATED", "DONE", "router"]

router = APIRouter(tags=["interactions"])
CREATED: dict[int | str, dict[str, Any]] = {
    201: {"description": "New.", "model": WrittenOut, "headers": POSITION_HEADER}
}
DONE: dict[int | str, dict[str, Any]] = {
    200: {"description": "Done.", "model": WrittenOut, "headers": POSITION_HEADER}
}


@router.post(
    "/v1/interactions/requests",
    name="ask a member",
    summary="Ask a member, or the owner of a listing, for something",
    status_code=201,
    responses=CREATED,
    openapi_extra=accepts(AskIn),
)
def ask_member(
    request: Request,
    response: Response,
    asking: App,
    body: Annotated[AskIn, Depends(JsonBody(AskIn))],
) -> WrittenOut:
    town = town_of(request, asking)
    asker_id, helper_id, category = member_of(asking, town), body.helper_id, body.category
    if body.listing_id is not None:
        try:
            listing = find(asking, body.listing_id, town)
        except NotFoundError:
            raise InputError("listing_id names no listing", code="unknown-reference") from None
        helper_id, category = listing.owner_id, category or listing.category
    if helper_id is None:
        raise InputError("this listing has no owner to ask", code="owner-required")
    made = Asked(
        tenant_id=town.tenant_id,
        id=str(uuid.uuid4()),
        asker_id=asker_id,
        helper_id=helper_id,
        listing_id=body.listing_id,
        text=body.text,
        category=category,
        created_at=now_of(request),
    )
    return written(response, made.id, ask(town.store, made))


@router.get(
    "/v1/interactions/requests",
    name="list requests",
    summary="List requests with their replies, in order of id: a member's own, or all for the app",
    response_model=page_model("requests", RequestOut),
    response_model_exclude_none=True,
)
def requests(
    request: Request, asking: App, params: Annotated[PageParams, Query()]
) -> dict[str, Any]:
    def show(asked: Asked, town: Town) -> RequestOut:
        answered = next(iter(town.store.page(Reply, town.tenant_id, where={"id": asked.id})), None)
        accepted = None if answered is None else answered.accepted
        # Whose a listing is, its owner tells by accepting.
        known = asked.listing_id is None or accepted or asking.member_id != asked.asker_id
        return RequestOut(
            id=asked.id,
            asker_id=asked.asker_id,
            helper_id=asked.helper_id if known else None,
            listing_id=asked.listing_id,
            category=asked.category or None,
            text=asked.text,
            created_at=asked.created_at,
            accepted=accepted,
            reply=answered.text if answered else None,
        )

    return listed(request, asking, params, "requests", Asked, ("asker_id", "helper_id"), show)


@router.post(
    "/v1/interactions/replies",
    name="reply to a request",
    summary="Accept or refuse a request; an accepted one is an interaction of the same id",
    status_code=201,
    responses=CREATED,
    openapi_extra=accepts(ReplyIn),
)
def reply_to(
    request: Request,
    response: Response,
    asking: App,
    body: Annotated[ReplyIn, Depends(JsonBody(ReplyIn))],
) -> WrittenOut:
    town = town_of(request, asking)
    member_id, now = member_of(asking, town), now_of(request)

    def call() -> Position:
        return reply(
            town.store, town.tenant_id, member_id, body.request_id, body.accepted, body.text, now
        )

    return written(response, body.request_id, acting(call))


@router.post(
    "/v1/interactions/completions",
    name="complete an interaction",
    summary="Say for one side that an interaction is done",
    responses=DONE,
    openapi_extra=accepts(CompletionIn),
)
def complete_one(
    request: Request,
    response: Response,
    asking: App,
    body: Annotated[CompletionIn, Depends(JsonBody(CompletionIn))],
) -> WrittenOut:
    town = town_of(request, asking)
    member_id, now, id = member_of(asking, town), now_of(request), body.interaction_id
    position = acting(lambda: complete(town.store, town.tenant_id, member_id, id, now))
    return written(response, id, position)


@router.get(
    "/v1/interactions",
    name="list interactions",
    summary="List interactions in order of id: a member's own, or all for the app",
    response_model=page_model("interactions", InteractionOut),
    response_model_exclude_none=True,
)
def page(request: Request, asking: App, params: Annotated[PageParams, Query()]) -> dict[str, Any]:
    def show(found: Interaction, town: Town) -> InteractionOut:
        return InteractionOut(
            id=found.id,
            asker_id=found.asker_id,
            helper_id=found.helper_id,
            category=found.category or None,
            created_at=found.created_at,
            asker_done_at=found.asker_done_at,
            helper_done_at=found.helper_done_at,
        )

    sides = ("asker_id", "helper_id")
    return listed(request, asking, params, "interactions", Interaction, sides, show)
