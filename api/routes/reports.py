"""`/v1/reports`: somebody is reported; an operator decides what is true of it."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response, Security

from api.answers import WrittenOut
from api.auth import App, Caller, Operator, caller
from api.bodies import JsonBody, accepts
from api.routes.interactions import CREATED, DONE
from api.routes.records import page_model, town_of
from api.schemas import PageParams
from api.towns import Town
from api.trust_pages import acting, listed, member_of, now_of, require_no_member, written
from api.trust_schemas import DecisionIn, ReportIn, ReportOut
from indexes.entities import Scope
from indexes.trusting import Report, ReportState
from matching.trusting.reporting import decide_report, report

__all__ = ["router"]

router = APIRouter(tags=["reports"])
AppOrOperator = Annotated[Caller, Security(caller, scopes=[Scope.APP.value, Scope.OPERATOR.value])]


@router.post(
    "/v1/reports",
    name="report a member",
    summary="Report a member, for another or for the app itself",
    status_code=201,
    responses=CREATED,
    openapi_extra=accepts(ReportIn),
)
def report_member(
    request: Request,
    response: Response,
    asking: App,
    body: Annotated[ReportIn, Depends(JsonBody(ReportIn))],
) -> WrittenOut:
    town = town_of(request, asking)
    made = Report(
        tenant_id=town.tenant_id,
        id=str(uuid.uuid4()),
        member_id=body.member_id,
        reason=body.reason,
        text=body.text,
        reporter_id=None if asking.member_id is None else member_of(asking, town),
        created_at=now_of(request),
    )
    return written(response, made.id, report(town.store, made))


@router.post(
    "/v1/reports/decisions",
    name="decide a report",
    summary="Confirm or dismiss a report, or clear one that was confirmed",
    responses=DONE,
    openapi_extra=accepts(DecisionIn),
)
def decide(
    request: Request,
    response: Response,
    asking: Operator,
    body: Annotated[DecisionIn, Depends(JsonBody(DecisionIn))],
) -> WrittenOut:
    require_no_member(asking)
    town, now, state = town_of(request, asking), now_of(request), ReportState(body.state)
    id = body.report_id
    position = acting(lambda: decide_report(town.store, town.tenant_id, id, state, now))
    return written(response, id, position)


@router.get(
    "/v1/reports",
    name="list reports",
    summary="List reports in order of id: those that a member made, or all",
    response_model=page_model("reports", ReportOut),
    response_model_exclude_none=True,
)
def page(
    request: Request, asking: AppOrOperator, params: Annotated[PageParams, Query()]
) -> dict[str, Any]:
    def show(found: Report, town: Town) -> ReportOut:
        return ReportOut(
            id=found.id,
            member_id=found.member_id,
            reason=found.reason,
            text=found.text,
            state=found.state,
            created_at=found.created_at,
            decided_at=found.decided_at,
        )

    return listed(request, asking, params, "reports", Report, ("reporter_id",), show)
