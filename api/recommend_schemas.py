"""What recommendations take and answer over HTTP and on the command line."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from pydantic import Field, StringConstraints

from api.answers import MatchOut, Output
from api.bodies import check_text
from api.schemas import Flag, Input, Instant, Listed, Whole
from indexes.entities import Kind
from matching.recommend import KINDS, MAX_LIMIT, RecommendAnswer, RecommendQuery

__all__ = ["RecommendOut", "RecommendParams", "recommend_answer", "recommend_query"]

Wanted = Literal["artisan", "merchant", "offer", "event", "service"]


class RecommendParams(Input):
    """What the member who asks may like, around home."""

    kind: Annotated[list[Wanted], Field(min_length=1, max_length=20), Listed] = Field(
        [kind for kind in get_args(Wanted) if kind in KINDS],
        description="Which kinds; by default all but service.",
    )
    q: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="Only what matches these words."
    )
    known: Flag = Field(False, description="Also what the member recommends or has used already.")
    at: Instant | None = Field(None, description="The instant that counts; by default now.")
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), Whole] = Field(
        MAX_LIMIT, description="How many."
    )
    lang: Literal["fr", "en"] | None = Field(
        None, description="Language of the reasons; by default `Accept-Language`'s."
    )
    after: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = Field(
        None, description="A write's `Mitoyen-Position`: wait until it counts."
    )


class RecommendationOut(MatchOut):
    """A listing that the member may like."""

    known: bool = Field(False, description="The member recommends it, or has used it.")
    discovery: bool = Field(False, description="It is there for being new, and takes turns.")


class RecommendOut(Output):
    """What a member may like, best first but for every tenth place."""

    matches: list[RecommendationOut]
    model: str = Field(description="By what it is ranked: formula@VERSION, or learned@VERSION.")
    at: datetime
    radius_m: float
    position: str = Field(description="How far the index has read.")
    index_age_s: float = Field(description="Seconds since the index was known to be current.")


def recommend_query(asked: RecommendParams, *, now: datetime, lang: str) -> RecommendQuery:
    """The query of a request or a command.

    Parameters
    ----------
    asked : RecommendParams
        What was asked.
    now : datetime
        The instant that counts if none is named, aware.
    lang : str
        Language of the reasons if none is named.

    Raises
    ------
    InputError
        If the words can't be text.
    """
    return RecommendQuery(
        at=asked.at or now,
        kinds=tuple(Kind(kind) for kind in dict.fromkeys(asked.kind)),
        text=None if asked.q is None else check_text(asked.q),
        known=asked.known,
        limit=asked.limit,
        lang=asked.lang or lang,
    )


def recommend_answer(answer: RecommendAnswer) -> dict[str, Any]:
    """An answer as JSON has it; what a match doesn't have is left out."""
    shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    return shown
