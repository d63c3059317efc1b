"""`/v1/verifications`: letters, their codes, attestations, and what level came of them."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response, Security

from api.auth import App, Caller, Operator, caller
from api.bodies import JsonBody, accepts
from api.routes.near import WAIT_S
from api.routes.records import POSITION_HEADER, page_model, stored, town_of
from api.schemas import PageParams
from api.towns import Town
from api.trust_pages import acting, listed, member_of, now_of, require_no_member, written
from api.trust_schemas import (
    AttestationIn,
    CodeIn,
    LetterIn,
    LetterOut,
    LevelOut,
    LevelsIn,
    LevelsOut,
    TrustOut,
    VerificationOut,
)
from indexes.entities import Member, Scope
from indexes.trusting import Standing
from matching.trusting.verifying import attest, enter_code, level_at, send_letter

__all__ = ["router"]

router = APIRouter(tags=["verifications"])
AppOrOperator = Annotated[Caller, Security(caller, scopes=[Scope.APP.value, Scope.OPERATOR.value])]
PROVED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Done.", "model": LevelOut, "headers": POSITION_HEADER}
}


@router.post(
    "/v1/verifications/letters",
    name="make a letter",
    summary="Make a letter with a code, to be posted to a member's address",
    status_code=201,
    response_model=LetterOut,
    openapi_extra=accepts(LetterIn),
)
def make_letter(
    request: Request, asking: AppOrOperator, body: Annotated[LetterIn, Depends(JsonBody(LetterIn))]
) -> LetterOut:
    require_no_member(asking)  # the code goes by post
    town, id, now = town_of(request, asking), str(uuid.uuid4()), now_of(request)
    letter = acting(lambda: send_letter(town.store, town.tenant_id, body.member_id, now, id))
    return LetterOut(id=letter.id, code=letter.code, expires_at=letter.expires_at)


@router.post(
    "/v1/verifications/codes",
    name="enter a code",
    summary="Take the code of a letter: it proves the member's home",
    responses=PROVED,
    openapi_extra=accepts(CodeIn),
)
def enter(
    request: Request,
    response: Response,
    asking: App,
    body: Annotated[CodeIn, Depends(JsonBody(CodeIn))],
) -> LevelOut:
    town = town_of(request, asking)
    member_id, now = member_of(asking, town), now_of(request)
    level, position = acting(
        lambda: enter_code(town.store, town.tenant_id, member_id, body.code, now)
    )
    return LevelOut(level=level, position=written(response, member_id, position).position)


@router.post(
    "/v1/verifications/attestations",
    name="attest a home",
    summary="Say that a member's home was proved in person, or by landlord or town",
    responses=PROVED,
    openapi_extra=accepts(AttestationIn),
)
def attest_home(
    request: Request,
    response: Response,
    asking: Operator,
    body: Annotated[AttestationIn, Depends(JsonBody(AttestationIn))],
) -> LevelOut:
    require_no_member(asking)
    town, now = town_of(request, asking), now_of(request)
    level, position = acting(
        lambda: attest(town.store, town.tenant_id, body.member_id, body.level, now)
    )
    return LevelOut(level=level, position=written(response, body.member_id, position).position)


@router.post(
    "/v1/verifications/levels",
    name="levels of trust",
    summary="Tell a member how far to trust others: from 0 to 4, by whom the member trusts",
    response_model=LevelsOut,
    openapi_extra=accepts(LevelsIn),
)
def levels(
    request: Request, asking: App, body: Annotated[LevelsIn, Depends(JsonBody(LevelsIn))]
) -> LevelsOut:
    town = town_of(request, asking)
    member_of(asking, town)
    if body.after is not None:
        town.engine.wait_for(body.after, WAIT_S)
    found = town.engine.trust_levels(asking.viewer, body.member_ids, now_of(request))
    pairs = zip(body.member_ids, found, strict=True)
    return LevelsOut(levels=[TrustOut(member_id=id, level=level) for id, level in pairs])


@router.get(
    "/v1/verifications",
    name="list verifications",
    summary="List how members' levels were earned: a member's own, or all for the app",
    response_model=page_model("verifications", VerificationOut),
    response_model_exclude_none=True,
)
def page(request: Request, asking: App, params: Annotated[PageParams, Query()]) -> dict[str, Any]:
    now = now_of(request)

    def show(found: Standing, town: Town) -> VerificationOut:
        return VerificationOut(
            member_id=found.id,
            level=level_at(stored(town, Member, found.id), found, now),
            expires_at=found.expires_at,
            suspended=found.suspended,
        )

    return listed(request, asking, params, "verifications", Standing, ("id",), show)
