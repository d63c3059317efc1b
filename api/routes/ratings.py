"""`/v1/ratings`: each side of a completed interaction judges the other, blind until both have."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from api.answers import WrittenOut
from api.auth import App
from api.bodies import JsonBody, accepts
from api.routes.interactions import CREATED
from api.routes.records import page_model, town_of
from api.schemas import PageParams
from api.towns import Town
from api.trust_pages import acting, listed, member_of, now_of, written
from api.trust_schemas import RatingIn, RatingOut
from indexes.store import Position
from indexes.trusting import Rating
from matching.trusting.dealings import opened, rate

__all__ = ["router"]

router = APIRouter(tags=["ratings"])


@router.post(
    "/v1/ratings",
    name="rate",
    summary="Judge the other side of a completed interaction, once, within 14 days",
    status_code=201,
    responses=CREATED,
    openapi_extra=accepts(RatingIn),
)
def rate_other(
    request: Request,
    response: Response,
    asking: App,
    body: Annotated[RatingIn, Depends(JsonBody(RatingIn))],
) -> WrittenOut:
    town, id = town_of(request, asking), str(uuid.uuid4())
    member_id, now = member_of(asking, town), now_of(request)

    def call() -> Position:
        of = body.interaction_id
        return rate(town.store, town.tenant_id, member_id, of, body.stars, body.text, now, id)

    return written(response, id, acting(call))


@router.get(
    "/v1/ratings",
    name="list ratings",
    summary="List ratings that are open, in order of id: a member's given and received, or all",
    response_model=page_model("ratings", RatingOut),
    response_model_exclude_none=True,
)
def page(request: Request, asking: App, params: Annotated[PageParams, Query()]) -> dict[str, Any]:
    now = now_of(request)

    def show(found: Rating, town: Town) -> RatingOut:
        return RatingOut(
            id=found.id,
            interaction_id=found.interaction_id,
            rater_id=found.rater_id,
            ratee_id=found.ratee_id,
            stars=found.stars,
            text=found.text,
            created_at=found.created_at,
        )

    def visible(found: Rating) -> bool:
        return bool(opened([found], now, asking.member_id))

    sides = ("rater_id", "ratee_id")
    return listed(request, asking, params, "ratings", Rating, sides, show, visible)
