"""Somebody is reported, and an operator decides what is true of it.

Whoever a report on safety or fraud is confirmed of has level 0 until it is reviewed; and who
vouched for a fraud counts half for 180 days, and vouches for nobody.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from geo.errors import ConflictError
from indexes.entities import Member
from indexes.store import Desk, Position, Store
from indexes.trusting import Reason, Report, ReportState, Standing, Vouch
from matching.trusting.verifying import level_at, standing_of

__all__ = ["PENALTY", "decide_report", "report"]

PENALTY = timedelta(days=180)

_NEXT = {
    ReportState.OPEN: {ReportState.CONFIRMED, ReportState.DISMISSED},
    ReportState.CONFIRMED: {ReportState.CLEARED},
}
_GRAVE = (Reason.SAFETY, Reason.FRAUD)


def report(store: Store, made: Report) -> Position:
    """Keep a report.

    Raises
    ------
    InputError
        ``unknown-reference``: no such member.
    """
    return store.decide(made.tenant_id, (), lambda desk: desk.put(made))[1]


def decide_report(
    store: Store, tenant_id: str, report_id: str, state: ReportState, now: datetime
) -> Position:
    """Confirm or dismiss a report that is open, or clear one that was confirmed.

    Raises
    ------
    NotFoundError
        If there is no such report.
    ConflictError
        ``report-decided``: it can't become so any more.
    """
    member_id = store.get(Report, tenant_id, report_id).member_id
    vouchers = _vouchers(
        store.page(Vouch, tenant_id, where={"vouchee_id": member_id}, limit=10_000)
    )

    def decision(desk: Desk) -> None:
        found, member = desk.get(Report, report_id), desk.get(Member, member_id)
        if state not in _NEXT.get(found.state, ()):
            raise ConflictError(
                f"a report that is {found.state} does not become {state}", code="report-decided"
            )
        desk.put(replace(found, state=state, decided_at=now))
        if found.reason not in _GRAVE or state is ReportState.DISMISSED:
            return
        if found.reason is Reason.FRAUD and state is ReportState.CONFIRMED:
            if _vouchers(desk.all(Vouch, {"vouchee_id": member_id})) - vouchers:
                raise ConflictError("somebody vouched for this member just now: ask again")
            for voucher_id in sorted(vouchers):
                theirs = standing_of(desk, tenant_id, voucher_id)
                desk.put(replace(theirs, penalised_until=now + PENALTY))
        _suspend_or_restore(desk, member, standing_of(desk, tenant_id, member_id), now)

    # Whose standing may change is locked, as everywhere, by the member.
    locked = [(Report, report_id), *((Member, id) for id in {member_id, *vouchers})]
    return store.decide(tenant_id, locked, decision)[1]


def _suspend_or_restore(desk: Desk, member: Member, standing: Standing, now: datetime) -> None:
    """Give a member the level that the reports on them leave."""
    confirmed = desk.all(Report, {"member_id": member.id, "state": ReportState.CONFIRMED})
    suspended = any(one.reason in _GRAVE for one in confirmed)
    if suspended is standing.suspended:
        return
    # What was in force is kept aside, and comes back unless its proof has expired meanwhile.
    kept = level_at(member, standing, now) if suspended else standing.level
    desk.put(replace(standing, suspended=suspended, level=kept))
    back = replace(member, level=kept)
    desk.put(
        replace(member, level=0)
        if suspended
        else replace(back, level=level_at(back, standing, now))
    )


def _vouchers(vouches: list[Vouch]) -> set[str]:
    return {one.voucher_id for one in vouches}
