"""`/v1/activity`: a member's household was active this week, and nothing finer."""

from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from pydantic import Field

from api.answers import Output
from api.auth import App
from api.routes.records import town_of
from api.trust_pages import member_of, now_of
from indexes.district_facts import week_of
from indexes.entities import Member, Tenant

__all__ = ["router"]

router = APIRouter(tags=["activity"])


class ActivityOut(Output):
    """The week that is noted."""

    week: str = Field(
        description="ISO 8601, on the town's clock. Nothing finer is kept.", examples=["2026-W34"]
    )


@router.post(
    "/v1/activity",
    name="note activity",
    summary="Note that a member's household is active this week; again changes nothing",
)
def note_activity(request: Request, asking: App) -> ActivityOut:
    town = town_of(request, asking)
    store, tenant_id = town.store, town.tenant_id
    member = store.get(Member, tenant_id, member_of(asking, town))
    zone = ZoneInfo(store.get(Tenant, tenant_id, tenant_id).timezone)
    week = week_of(now_of(request), zone)
    store.note_activity(tenant_id, member.household_id, week)
    return ActivityOut(week=week)
