"""A member vouches for a neighbour: two of them make level 2 (`matching.trusting.vouches`)."""

from dataclasses import replace
from datetime import datetime

from geo.errors import ConflictError, InputError, NotFoundError
from indexes.entities import Building, Household, Member
from indexes.store import Desk, Position, Store
from indexes.trusting import Vouch
from matching.trusting.dealings import require_apart
from matching.trusting.verifying import (
    VOUCHED_LEVEL,
    is_vouched,
    level_at,
    standing_of,
    trust_weight,
)
from matching.trusting.vouches import require_voucher

__all__ = ["vouch"]


def vouch(
    store: Store, tenant_id: str, voucher_id: str, vouchee_id: str, now: datetime, id: str
) -> tuple[bool, Position]:
    """Vouch for a neighbour.

    Returns
    -------
    verified : bool
        Whether the neighbour has at least level 2 by now.
    position : Position

    Raises
    ------
    InputError
        ``self-vouch``. ``unknown-reference``: one is not there, or they block each other.
    DeniedError
        ``same-household``, or as `matching.trusting.vouches.require_voucher` says.
    ConflictError
        ``vouched-already``.
    """
    if voucher_id == vouchee_id:
        raise InputError("nobody vouches for himself", code="self-vouch")

    def decision(desk: Desk) -> bool:
        voucher, vouchee = require_apart(desk, voucher_id, vouchee_id)
        given = desk.all(Vouch, {"voucher_id": voucher_id})
        if any(one.vouchee_id == vouchee_id for one in given):
            raise ConflictError("a member vouches for another once", code="vouched-already")
        standing = standing_of(desk, tenant_id, voucher_id)
        require_voucher(
            level_at(voucher, standing, now),
            trust_weight(standing, now),
            not _places(desk, voucher).isdisjoint(_places(desk, vouchee)),
            [one.created_at.timestamp() for one in given],
            now.timestamp(),
        )
        desk.put(
            Vouch(
                tenant_id=tenant_id,
                id=id,
                voucher_id=voucher_id,
                vouchee_id=vouchee_id,
                created_at=now,
            )
        )
        its = standing_of(desk, tenant_id, vouchee_id)
        if vouchee.level >= VOUCHED_LEVEL or its.suspended:
            return not its.suspended
        if not is_vouched(desk, tenant_id, vouchee_id, now):
            return False
        desk.put(replace(its, level=VOUCHED_LEVEL, expires_at=None))
        desk.put(replace(vouchee, level=VOUCHED_LEVEL))
        return True

    try:
        return store.decide(tenant_id, [(Member, voucher_id), (Member, vouchee_id)], decision)
    except NotFoundError:
        # As of those who block each other.
        raise InputError("no such member", code="unknown-reference") from None


def _places(desk: Desk, member: Member) -> set[tuple[str, str]]:
    """The building of a member's home, and its published group."""
    home = desk.get(Building, desk.get(Household, member.household_id).building_id)
    places = {("building", home.id)}
    if home.place is not None and home.place.group is not None:
        places.add(("group", home.place.group))
    return places
