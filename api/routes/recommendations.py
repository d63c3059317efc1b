"""`/v1/recommendations`: what the member who asks may like."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from api.auth import App
from api.problems import language_of
from api.recommend_schemas import RecommendOut, RecommendParams, recommend_query
from api.routes.near import WAIT_S
from api.routes.records import town_of

__all__ = ["router"]

router = APIRouter(tags=["recommendations"])

ANSWERED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Best first.", "model": RecommendOut}
}


@router.get(
    "/v1/recommendations",
    name="recommend",
    summary="Recommend artisans, merchants, offers and events to a member, with reasons",
    responses=ANSWERED,
    description="By whom people near the member and trusted by the member recommend or have used, "
    "how far it is, and what the member likes. Known things are left out unless asked for; every "
    "tenth place goes to new listings of verified members in their turn.",
)
def recommend(
    request: Request, asking: App, params: Annotated[RecommendParams, Query()]
) -> Response:
    engine = town_of(request, asking).engine
    if params.after is not None:
        engine.wait_for(params.after, WAIT_S)
    query = recommend_query(params, now=datetime.now(UTC), lang=language_of(request))
    found = engine.recommend(asking.viewer, query)
    return Response(msgspec.json.encode(found), media_type="application/json")
