"""`/v1/vouches`: a member vouches for a neighbour; two make level 2."""

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
from api.trust_pages import listed, member_of, now_of, written
from api.trust_schemas import VouchIn, VouchOut
from indexes.trusting import Vouch
from matching.trusting.vouching import vouch

__all__ = ["router"]

router = APIRouter(tags=["vouches"])


@router.post(
    "/v1/vouches",
    name="vouch",
    summary="Vouch for a neighbour of the same building or group",
    status_code=201,
    responses=CREATED,
    openapi_extra=accepts(VouchIn),
)
def vouch_for(
    request: Request,
    response: Response,
    asking: App,
    body: Annotated[VouchIn, Depends(JsonBody(VouchIn))],
) -> WrittenOut:
    town, id = town_of(request, asking), str(uuid.uuid4())
    voucher_id = member_of(asking, town)
    now = now_of(request)
    _, position = vouch(town.store, town.tenant_id, voucher_id, body.vouchee_id, now, id)
    return written(response, id, position)


@router.get(
    "/v1/vouches",
    name="list vouches",
    summary="List vouches in order of id: a member's given and received, or all for the app",
    response_model=page_model("vouches", VouchOut),
    response_model_exclude_none=True,
)
def page(request: Request, asking: App, params: Annotated[PageParams, Query()]) -> dict[str, Any]:
    def show(found: Vouch, town: Town) -> VouchOut:
        return VouchOut(
            id=found.id,
            voucher_id=found.voucher_id,
            vouchee_id=found.vouchee_id,
            created_at=found.created_at,
        )

    return listed(request, asking, params, "vouches", Vouch, ("voucher_id", "vouchee_id"), show)
