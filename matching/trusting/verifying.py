"""How far a member is verified: by a letter to the address, or attested in person; and how long.

A letter carries 8 characters of base32, 40 random bits, against which 5 tries a letter and 3
letters an address in 90 days are nothing. What is wrong with a code is never told: wrong, used,
expired, of another address and too many tries are one answer, and take one way to it.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from geo.errors import ConflictError, DeniedError, InputError, NotFoundError
from indexes.entities import Household, Member
from indexes.store import Desk, Position, Store
from indexes.trusting import LetterCode, Standing, Vouch
from matching.trusting.edges import ATTESTED_LEVEL
from matching.trusting.vouches import VOUCHERS_NEEDED

__all__ = [
    "GRACE",
    "LETTERS",
    "LETTER_PERIOD",
    "LETTER_VALID_FOR",
    "MAX_HOUSEHOLD",
    "TRIES",
    "VERIFIED_FOR",
    "VOUCHED_LEVEL",
    "Letter",
    "attest",
    "enter_code",
    "is_vouched",
    "lapse",
    "level_at",
    "make_code",
    "send_letter",
    "standing_of",
    "trust_weight",
]

LETTER_VALID_FOR = timedelta(days=30)
LETTERS, LETTER_PERIOD = 3, timedelta(days=90)
TRIES = 5
MAX_HOUSEHOLD = 6  # accounts of one dwelling to which letters are sent
VERIFIED_FOR = timedelta(days=730)
GRACE = timedelta(days=30)  # to prove it again
CODE_BYTES = 5
SECRET = "letters"
MAX_LEVEL = 4
VOUCHED_LEVEL = 2

# What is read wrong on paper: base32 has no 0, 1 or 8.
_AS_WRITTEN = str.maketrans("018", "OIB", " -")


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to be posted: its code is kept nowhere else."""

    id: str
    code: str
    expires_at: datetime


def make_code() -> str:
    """A fresh code: 8 characters, A to Z and 2 to 7."""
    return base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode()


def send_letter(store: Store, tenant_id: str, member_id: str, now: datetime, id: str) -> Letter:
    """Make a letter for a member's address; it replaces those that were sent before.

    Raises
    ------
    NotFoundError
        If there is no such member.
    DeniedError
        ``letter-quota``: three in 90 days have gone to this address. ``household-full``: more
        than six accounts give it as theirs.
    ConflictError
        If the member is moving just now.
    """
    household_id = store.get(Member, tenant_id, member_id).household_id
    code, key = make_code(), store.secret(SECRET)
    expires_at = now + LETTER_VALID_FOR

    def decision(desk: Desk) -> None:
        if desk.get(Member, member_id).household_id != household_id:
            raise ConflictError("this member is moving: ask again")
        sent = desk.all(LetterCode, {"household_id": household_id})
        if sum(one.sent_at > now - LETTER_PERIOD for one in sent) >= LETTERS:
            raise DeniedError(
                f"an address gets {LETTERS} letters in {LETTER_PERIOD.days} days",
                code="letter-quota",
            )
        if len(desk.all(Member, {"household_id": household_id})) > MAX_HOUSEHOLD:
            raise DeniedError(
                f"a dwelling has {MAX_HOUSEHOLD} accounts at most", code="household-full"
            )
        desk.put(
            LetterCode(
                tenant_id=tenant_id,
                id=id,
                member_id=member_id,
                household_id=household_id,
                digest=_digest(key, tenant_id, member_id, household_id, code),
                sent_at=now,
                expires_at=expires_at,
            )
        )
        desk.put(replace(standing_of(desk, tenant_id, member_id), tries=0))

    # The dwelling too: of two letters at once to it, the second must see the first.
    store.decide(tenant_id, [(Member, member_id), (Household, household_id)], decision)
    return Letter(id, code, expires_at)


def enter_code(
    store: Store, tenant_id: str, member_id: str, code: str, now: datetime
) -> tuple[int, Position]:
    """Take the code of a letter: level 3, for 24 months.

    Returns
    -------
    level : int
        The member's from now on: 0 while a report on them is reviewed.
    position : Position

    Raises
    ------
    NotFoundError
        If there is no such member.
    InputError
        ``wrong-code``, whatever is wrong with it. A wrong try is kept.
    """
    key = store.secret(SECRET)

    def decision(desk: Desk) -> int | None:
        member, standing = desk.get(Member, member_id), standing_of(desk, tenant_id, member_id)
        letters = desk.all(LetterCode, {"member_id": member_id})
        newest = max(letters, key=lambda one: (one.sent_at, one.id), default=None)
        usable = newest is not None and newest.used_at is None and now < newest.expires_at
        digest = _digest(key, tenant_id, member_id, member.household_id, code)
        wanted = newest.digest if newest is not None and usable else "-" * len(digest)
        right = hmac.compare_digest(digest, wanted)
        if standing.tries >= TRIES:
            return None
        if newest is None or not right:
            desk.put(replace(standing, tries=standing.tries + 1))
            return None
        desk.put(replace(newest, used_at=now))
        level = max(ATTESTED_LEVEL, 0 if _lapsed(standing, now) else _proved(member, standing))
        return _prove(desk, member, standing, level, now)

    level, position = store.decide(tenant_id, [(Member, member_id)], decision)
    if level is None:
        raise InputError(
            "this is not the code of the last letter, or it can't be used any more",
            code="wrong-code",
        )
    return level, position


def attest(
    store: Store, tenant_id: str, member_id: str, level: int, now: datetime
) -> tuple[int, Position]:
    """Say that a member's home was proved in person (3) or by landlord or town (4).

    Returns the level in force and the position, as `enter_code` does; so do errors.
    """
    if not ATTESTED_LEVEL <= level <= MAX_LEVEL:
        raise InputError(f"what is attested is level {ATTESTED_LEVEL} or {MAX_LEVEL}, got {level}")

    def decision(desk: Desk) -> int:
        member, standing = desk.get(Member, member_id), standing_of(desk, tenant_id, member_id)
        return _prove(desk, member, standing, level, now)

    return store.decide(tenant_id, [(Member, member_id)], decision)


def lapse(store: Store, tenant_id: str, now: datetime) -> int:
    """Lower whoever's proof has expired, grace included: how many.

    Whom neighbours still vouch for (`is_vouched`) keeps level 2, anybody else 1. To be asked
    regularly.
    """
    lowered, after = 0, ""
    while rows := store.page(Standing, tenant_id, after=after, limit=1_000):
        for row in rows:
            if _lapsed(row, now):
                lowered += _lapse_one(store, tenant_id, row.id, now)
        after = rows[-1].id
    return lowered


def level_at(member: Member, standing: Standing, now: datetime) -> int:
    """A member's level in force, also before `lapse` has come by."""
    return min(member.level, 1) if _lapsed(standing, now) else member.level


def trust_weight(standing: Standing, now: datetime) -> float:
    """How much what a member says counts: all, half after vouching for a fraud, or nothing."""
    if standing.suspended:
        return 0.0
    penalised = standing.penalised_until is not None and now < standing.penalised_until
    return 0.5 if penalised else 1.0


def is_vouched(desk: Desk, tenant_id: str, member_id: str, now: datetime) -> bool:
    """Whether people of two dwellings vouch for a member, and may: two of one are one voice."""
    dwellings = set()
    for one in desk.all(Vouch, {"vouchee_id": member_id}):
        voucher = desk.get(Member, one.voucher_id)
        standing = standing_of(desk, tenant_id, one.voucher_id)
        proved = level_at(voucher, standing, now) >= ATTESTED_LEVEL
        if proved and trust_weight(standing, now) == 1.0:
            dwellings.add(voucher.household_id)
    return len(dwellings) >= VOUCHERS_NEEDED


def standing_of(desk: Desk, tenant_id: str, member_id: str) -> Standing:
    """How a member's level came about; an empty one where nothing is known."""
    found = desk.find(Standing, member_id)
    return found or Standing(tenant_id=tenant_id, id=member_id)


def _prove(desk: Desk, member: Member, standing: Standing, level: int, now: datetime) -> int:
    desk.put(replace(standing, level=level, expires_at=now + VERIFIED_FOR))
    in_force = 0 if standing.suspended else level
    desk.put(replace(member, level=in_force))
    return in_force


def _proved(member: Member, standing: Standing) -> int:
    return standing.level if standing.suspended else member.level


def _lapse_one(store: Store, tenant_id: str, member_id: str, now: datetime) -> int:
    def decision(desk: Desk) -> int:
        member, standing = desk.get(Member, member_id), standing_of(desk, tenant_id, member_id)
        if not _lapsed(standing, now):  # proved again just now
            return 0
        vouched = is_vouched(desk, tenant_id, member_id, now)
        left = min(_proved(member, standing), VOUCHED_LEVEL if vouched else 1)
        desk.put(replace(standing, level=left, expires_at=None))
        if not standing.suspended:
            desk.put(replace(member, level=left))
        return 1

    try:
        return store.decide(tenant_id, [(Member, member_id)], decision)[0]
    except NotFoundError:  # gone meanwhile
        return 0


def _lapsed(standing: Standing, now: datetime) -> bool:
    return standing.expires_at is not None and now >= standing.expires_at + GRACE


def _digest(key: bytes, tenant_id: str, member_id: str, household_id: str, code: str) -> str:
    """What is kept of a code: of no use for another member or address, or without the key."""
    said = code.upper().translate(_AS_WRITTEN)
    text = "\n".join((tenant_id, member_id, household_id, said))
    return hmac.new(key, text.encode(errors="replace"), hashlib.sha256).hexdigest()
