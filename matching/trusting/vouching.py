"""A member vouches for a neighbour: two of them make level 2 (`matching.trusting.vouches`)."""

from dataclasses import replace
from datetime import datetime

from geo.errors import ConflictError, InputError, NotFoundError
from indexes.entities import Building, Household, Member
from indexes.store import Desk, Position, Store
from indexes.trusting import Standing, Vouch
from matching.trusting.dealings import require_apart
from matching.trusting.edges import ATTESTED_LEVEL
from matching.trusting.verifying import level_at, standing_of
from matching.trusting.vouches import VOUCHERS_NEEDED, require_voucher

__all__ = ["VOUCHED_LEVEL", "trust_weight", "vouch"]

VOUCHED_LEVEL = 2


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
        if len(_dwellings_for(desk, tenant_id, vouchee_id, now)) < VOUCHERS_NEEDED:
            return False
        desk.put(replace(its, level=VOUCHED_LEVEL, expires_at=None))
        desk.put(replace(vouchee, level=VOUCHED_LEVEL))
        return True

    try:
        return store.decide(tenant_id, [(Member, voucher_id), (Member, vouchee_id)], decision)
    except NotFoundError:
        # As of those who block each other.
        raise InputError("no such member", code="unknown-reference") from None


def trust_weight(standing: Standing, now: datetime) -> float:
    """How much what a member says counts: all, half after vouching for a fraud, or nothing."""
    if standing.suspended:
        return 0.0
    penalised = standing.penalised_until is not None and now < standing.penalised_until
    return 0.5 if penalised else 1.0


def _dwellings_for(desk: Desk, tenant_id: str, vouchee_id: str, now: datetime) -> set[str]:
    """Dwellings whose people vouch for a member and may: two accounts of one are one voice."""
    found = set()
    for one in desk.all(Vouch, {"vouchee_id": vouchee_id}):
        voucher = desk.get(Member, one.voucher_id)
        standing = standing_of(desk, tenant_id, one.voucher_id)
        proved = level_at(voucher, standing, now) >= ATTESTED_LEVEL
        if proved and trust_weight(standing, now) == 1.0:
            found.add(voucher.household_id)
    return found


def _places(desk: Desk, member: Member) -> set[tuple[str, str]]:
    """The building of a member's home, and its published group."""
    home = desk.get(Building, desk.get(Household, member.household_id).building_id)
    places = {("building", home.id)}
    if home.place is not None and home.place.group is not None:
        places.add(("group", home.place.group))
    return places
