"""How trust is earned and lost: who asked, answered, did it and judged it; how levels are proved.

Records like those of `indexes.entities`. They are made by `indexes.store.Store.decide` only, in
one transaction with the look at what is there already: the rules are in `dealings`, `verifying`,
`vouching` and `reporting` of `matching.trusting`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import pyarrow as pa

__all__ = [
    "BLIND_FOR",
    "ENDORSEMENT_SCHEMA",
    "RATING_SCHEMA",
    "STANDING_SCHEMA",
    "TRUSTING",
    "USE_SCHEMA",
    "VOUCH_SCHEMA",
    "Interaction",
    "LetterCode",
    "Rating",
    "Reason",
    "Reply",
    "Report",
    "ReportState",
    "Request",
    "Standing",
    "Vouch",
]


BLIND_FOR = timedelta(days=14)  # ratings open once both sides have rated, or after this


class Reason(StrEnum):
    """Why somebody is reported."""

    SAFETY = "safety"
    FRAUD = "fraud"
    OTHER = "other"


class ReportState(StrEnum):
    """What became of a report. ``cleared``: confirmed once, and reviewed since."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A member asks another for something, perhaps for what a listing offers."""

    tenant_id: str
    id: str
    asker_id: str
    helper_id: str
    created_at: datetime
    text: str = ""
    category: str = ""
    listing_id: str | None = None  # no reference: what was asked outlives the listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the member who was asked says; one a request, by the same id."""

    tenant_id: str
    id: str
    request_id: str
    accepted: bool
    created_at: datetime
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Two members do something together: what came of an accepted request, by the same id.

    It is completed once both sides have said so.
    """

    tenant_id: str
    id: str
    request_id: str
    asker_id: str
    helper_id: str
    created_at: datetime
    category: str = ""
    asker_done_at: datetime | None = None
    helper_done_at: datetime | None = None

    @property
    def completed_at(self) -> datetime | None:
        """When the second side said that it was done."""
        if self.asker_done_at is None or self.helper_done_at is None:
            return None
        return max(self.asker_done_at, self.helper_done_at)

    def other(self, member_id: str) -> str | None:
        """The other side, or None if a member is on neither."""
        sides = {self.asker_id: self.helper_id, self.helper_id: self.asker_id}
        return sides.get(member_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One side of a completed interaction judges the other: 1 worst to 5 best.

    Nobody but the rater learns of it, or of anything that follows from it, before ``opens_at``.
    """

    tenant_id: str
    id: str
    interaction_id: str
    rater_id: str
    ratee_id: str
    stars: int
    created_at: datetime
    opens_at: datetime
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouch:
    """A neighbour whose home is proved says that another lives there too."""

    tenant_id: str
    id: str
    voucher_id: str
    vouchee_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterCode:
    """A code sent to a member's address by post. Only a keyed digest of it is kept, as hex."""

    tenant_id: str
    id: str
    member_id: str
    household_id: str
    digest: str
    sent_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A member, or the app for nobody in particular, reports a member."""

    tenant_id: str
    id: str
    member_id: str
    reason: Reason
    created_at: datetime
    reporter_id: str | None = None  # no reference: the report outlives who made it
    text: str = ""
    state: ReportState = ReportState.OPEN
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a member's level came about, by the member's id; none for whom nothing is to be said.

    The level in force is the member's own: this says until when, and what it comes back to.
    ``level`` is what was proved, and ``expires_at`` until when. While ``suspended`` the member
    has level 0. ``tries`` are the wrong codes since the last letter was sent. Until
    ``penalised_until`` the member's ratings count half, for having vouched for a fraud.
    """

    tenant_id: str
    id: str
    level: int = 0
    expires_at: datetime | None = None
    tries: int = 0
    suspended: bool = False
    penalised_until: datetime | None = None


TRUSTING = (Request, Reply, Interaction, Rating, Vouch, LetterCode, Report, Standing)

# As whole tables (`indexes.store.Store`). Instants are seconds since 1970, UTC.

# There are many times as many endorsements as anything else: each id is there once, and its number
# in every row.
_ONCE = pa.dictionary(pa.int32(), pa.string())

# One row per endorsement that counts: none by a household of what is its own.
ENDORSEMENT_SCHEMA = pa.schema(
    [
        pa.field("listing", _ONCE),
        pa.field("member", _ONCE),
        pa.field("household", _ONCE),
        pa.field("created_at", pa.int64()),
        pa.field("owner", _ONCE),  # of the listing
        pa.field("attested", _ONCE),  # the listing, by whom
    ]
)

# One row per completed interaction that began with a listing: who asked has used it.
USE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("listing", pa.string()),
        pa.field("member", pa.string()),
        pa.field("completed_at", pa.int64()),
    ]
)

# One row per rating, open by now or not.
RATING_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("rater", pa.string()),
        pa.field("ratee", pa.string()),
        pa.field("stars", pa.int8()),
        pa.field("created_at", pa.int64()),
        pa.field("opens_at", pa.int64()),
    ]
)

# One row per vouch.
VOUCH_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("voucher", pa.string()),
        pa.field("vouchee", pa.string()),
        pa.field("created_at", pa.int64()),
    ]
)

# One row per standing by which a member's word counts less, or did.
STANDING_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("suspended", pa.bool_()),
        pa.field("penalised_until", pa.int64()),
    ]
)
