"""How long weeks of activity are kept: as long as a release may still be drawn from them."""

from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from indexes.district_facts import Quarter
from indexes.entities import Tenant
from indexes.store import Store

__all__ = ["KEPT_QUARTERS", "forget_activity", "oldest_kept"]

KEPT_QUARTERS = 5
"""Quarters before the present one whose weeks are kept: a release may come more than a year late,
and no household's habits of longer ago are anybody's business."""


def oldest_kept(now: datetime, zone: tzinfo) -> Quarter:
    """The oldest quarter whose weeks of activity are kept.

    Examples
    --------
    >>> str(oldest_kept(datetime.fromisoformat("2026-11-23T12:00:00Z"), ZoneInfo("Europe/Paris")))
    '2025Q3'
    """
    quarter = Quarter.of(now.astimezone(zone).date())
    for _ in range(KEPT_QUARTERS):
        quarter = quarter.previous
    return quarter


def forget_activity(store: Store, tenant_id: str, now: datetime) -> int:
    """Drop the weeks of activity that no release needs any more: how many. To be asked regularly.

    Raises
    ------
    NotFoundError
        If there is no such tenant.
    """
    zone = ZoneInfo(store.get(Tenant, tenant_id, tenant_id).timezone)
    return store.drop_activity(tenant_id, before=oldest_kept(now, zone).weeks[0])
