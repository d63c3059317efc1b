"""What the records of `indexes.trusting` must be to be kept; `indexes.rules` checks them by it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from indexes.fields import CATEGORY, FLAG, ID, INSTANT, SHA256, Rule, or_none, text, whole
from indexes.trusting import (
    Interaction,
    LetterCode,
    Rating,
    Reason,
    Reply,
    Report,
    ReportState,
    Request,
    Standing,
    Vouch,
)

__all__ = ["AMONG_TRUSTING", "MAX_TEXT", "TRUSTING_RULES"]

MAX_TEXT = 2_000
TEXT = text(MAX_TEXT, lines=True)
LEVEL = whole(0, 4)

TRUSTING_RULES: dict[type, dict[str, Rule]] = {
    Request: {
        "asker_id": ID,
        "helper_id": ID,
        "created_at": INSTANT,
        "text": TEXT,
        "category": CATEGORY,
        "listing_id": or_none(ID),
    },
    Reply: {"request_id": ID, "accepted": FLAG, "created_at": INSTANT, "text": TEXT},
    Interaction: {
        "request_id": ID,
        "asker_id": ID,
        "helper_id": ID,
        "created_at": INSTANT,
        "category": CATEGORY,
        "asker_done_at": or_none(INSTANT),
        "helper_done_at": or_none(INSTANT),
    },
    Rating: {
        "interaction_id": ID,
        "rater_id": ID,
        "ratee_id": ID,
        "stars": whole(1, 5),
        "created_at": INSTANT,
        "opens_at": INSTANT,
        "text": TEXT,
    },
    Vouch: {"voucher_id": ID, "vouchee_id": ID, "created_at": INSTANT},
    LetterCode: {
        "member_id": ID,
        "household_id": ID,
        "digest": SHA256,
        "sent_at": INSTANT,
        "expires_at": INSTANT,
        "used_at": or_none(INSTANT),
    },
    Report: {
        "member_id": ID,
        "reason": Rule((Reason,), "a reason", None),
        "created_at": INSTANT,
        "reporter_id": or_none(ID),
        "text": TEXT,
        "state": Rule((ReportState,), "a state", None),
        "decided_at": or_none(INSTANT),
    },
    Standing: {
        "level": LEVEL,
        "expires_at": or_none(INSTANT),
        "tries": whole(0, 1_000),
        "suspended": FLAG,
        "penalised_until": or_none(INSTANT),
    },
}

Columns = Mapping[str, Sequence[Any]]
Faults = Iterable[tuple[int, str, str]]


def _two(one: str, other: str, code: str, wanted: str) -> Callable[[Columns], Faults]:
    """The rule that two members of a record are not one."""

    def faults(columns: Columns) -> Faults:
        for row, pair in enumerate(zip(columns[one], columns[other], strict=True)):
            if pair[0] == pair[1]:
                yield row, code, wanted

    return faults


_dealing = _two("asker_id", "helper_id", "self-dealing", "nobody has dealings with himself")

AMONG_TRUSTING: dict[type, Callable[[Columns], Faults]] = {
    Request: _dealing,
    Interaction: _dealing,
    Rating: _two("rater_id", "ratee_id", "self-dealing", "nobody rates himself"),
    Vouch: _two("voucher_id", "vouchee_id", "self-vouch", "nobody vouches for himself"),
}
