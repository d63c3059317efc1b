"""What comes in and goes out of dealings, vouches, letters and reports over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.answers import Absent, Output
from api.schemas import Category, Id, Input, Whole
from indexes.trust_rules import MAX_TEXT
from indexes.trusting import Reason, ReportState

__all__ = [
    "TRUST_BODIES",
    "AskIn",
    "AttestationIn",
    "CodeIn",
    "CompletionIn",
    "DecisionIn",
    "InteractionOut",
    "LetterIn",
    "LetterOut",
    "LevelOut",
    "LevelsIn",
    "LevelsOut",
    "RatingIn",
    "RatingOut",
    "ReplyIn",
    "ReportIn",
    "ReportOut",
    "RequestOut",
    "TrustOut",
    "VerificationOut",
    "VouchIn",
    "VouchOut",
]

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


class AskIn(Input):
    """What a member asks of another: named, or the owner of a listing."""

    helper_id: Id | None = None
    listing_id: Id | None = None
    text: Text = ""
    category: Category = ""

    @model_validator(mode="after")
    def _one_of_two(self) -> "AskIn":
        if (self.helper_id is None) == (self.listing_id is None):
            raise PydanticCustomError("invalid-dealing", "give helper_id or listing_id, not both")
        return self


class ReplyIn(Input):
    """What the member who was asked answers, once."""

    request_id: Id
    accepted: bool
    text: Text = ""


class CompletionIn(Input):
    """One side says that an interaction is done."""

    interaction_id: Id


class RatingIn(Input):
    """One side of a completed interaction judges the other, once, within 14 days."""

    interaction_id: Id
    stars: Annotated[int, Field(ge=1, le=5, description="1 worst to 5 best."), Whole]
    text: Text = ""


class VouchIn(Input):
    """A member vouches for a neighbour."""

    vouchee_id: Id


class LetterIn(Input):
    """To whose address a letter goes."""

    member_id: Id


class CodeIn(Input):
    """The code of a letter, as it was typed: spaces, hyphens and case don't matter."""

    code: Annotated[str, StringConstraints(max_length=40)]


class AttestationIn(Input):
    """A home was proved in person (3), or by landlord or town (4)."""

    member_id: Id
    level: Annotated[int, Field(ge=3, le=4), Whole]


class ReportIn(Input):
    """Somebody is reported."""

    member_id: Id
    reason: Reason
    text: Text = ""


class DecisionIn(Input):
    """What is true of a report; one that was confirmed is cleared by a review."""

    report_id: Id
    state: Literal["confirmed", "dismissed", "cleared"]


class LevelsIn(Input):
    """Members whom the one who asks sees somewhere."""

    member_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]
    after: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = Field(
        None, description="A write's `Mitoyen-Position`: wait until it is counted."
    )


TRUST_BODIES: tuple[type[Input], ...] = (
    AskIn,
    AttestationIn,
    CodeIn,
    CompletionIn,
    DecisionIn,
    LetterIn,
    LevelsIn,
    RatingIn,
    ReplyIn,
    ReportIn,
    VouchIn,
)


class RequestOut(Output):
    id: str
    asker_id: str
    helper_id: str | Absent = Field(
        None, description="Of a listing's owner, who has not accepted: told to the owner only."
    )
    listing_id: str | Absent = None
    category: str | Absent = None
    text: str
    created_at: datetime
    accepted: bool | Absent = Field(None, description="Absent while there is no reply.")
    reply: str | Absent = None


class InteractionOut(Output):
    id: str
    asker_id: str
    helper_id: str
    category: str | Absent = None
    created_at: datetime
    asker_done_at: datetime | Absent = None
    helper_done_at: datetime | Absent = None


class RatingOut(Output):
    """A rating that is open: both have rated, or 14 days are over; or the reader's own."""

    id: str
    interaction_id: str
    rater_id: str
    ratee_id: str
    stars: int = Field(ge=1, le=5)
    text: str
    created_at: datetime


class VouchOut(Output):
    id: str
    voucher_id: str
    vouchee_id: str
    created_at: datetime


class LetterOut(Output):
    """A letter to print and post. Its code is answered this once, and kept nowhere."""

    id: str
    code: str
    expires_at: datetime


class LevelOut(Output):
    """A member's level from now on."""

    level: int = Field(ge=0, le=4)
    position: str


class TrustOut(Output):
    member_id: str
    level: int = Field(ge=0, le=4, description="How far the one who asks can trust them.")


class LevelsOut(Output):
    """Levels of trust, in the order asked; 0 for who isn't there."""

    levels: list[TrustOut]


class VerificationOut(Output):
    """How far a member is verified, and until when."""

    member_id: str
    level: int = Field(ge=0, le=4)
    expires_at: datetime | Absent = Field(None, description="To be proved again by then.")
    suspended: bool = Field(description="A confirmed report is being reviewed.")


class ReportOut(Output):
    id: str
    member_id: str
    reason: Reason
    text: str
    state: ReportState
    created_at: datetime
    decided_at: datetime | Absent = None
