"""Somebody asks, is answered, does it with the other, and each judges the other.

Trust grows from completed interactions only, one judgement a side. Nobody learns of the other
side's, or that there is one, before having judged or after 14 days, when it is too late to
answer in kind: judgements get more honest where they can't be paid back.

References
----------
A. Fradkin, E. Grewal, D. Holtz, "Reciprocity and unveiling in two-sided reputation systems:
evidence from an experiment on Airbnb", Marketing Science 40 (6), 2021.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from geo.errors import ConflictError, DeniedError, InputError, NotFoundError
from indexes.entities import Block, Member
from indexes.store import Desk, Position, Store
from indexes.trusting import BLIND_FOR, Interaction, Rating, Reply, Request

__all__ = ["ask", "complete", "opened", "rate", "reply", "require_apart"]


def ask(store: Store, request: Request) -> Position:
    """Keep what one member asks of another.

    Raises
    ------
    InputError
        ``self-dealing``. ``unknown-reference``: no such member, or the two block each other.
    DeniedError
        ``same-household``.
    """

    def decision(desk: Desk) -> None:
        require_apart(desk, request.asker_id, request.helper_id)
        desk.put(request)

    return store.decide(request.tenant_id, (), decision)[1]


def reply(
    store: Store,
    tenant_id: str,
    member_id: str,
    request_id: str,
    accepted: bool,
    text: str,
    now: datetime,
) -> Position:
    """Answer a request; one that is accepted becomes an interaction of the same id.

    Raises
    ------
    NotFoundError
        If nothing of this id was asked of this member.
    ConflictError
        ``replied-already``.
    """

    def decision(desk: Desk) -> None:
        request = desk.get(Request, request_id)
        if request.helper_id != member_id:
            raise _nothing(Request, request_id)
        if desk.find(Reply, request_id) is not None:
            raise ConflictError("this request has its reply", code="replied-already")
        require_apart(desk, request.asker_id, request.helper_id)
        desk.put(
            Reply(
                tenant_id=tenant_id,
                id=request_id,
                request_id=request_id,
                accepted=accepted,
                created_at=now,
                text=text,
            )
        )
        if accepted:
            desk.put(
                Interaction(
                    tenant_id=tenant_id,
                    id=request_id,
                    request_id=request_id,
                    asker_id=request.asker_id,
                    helper_id=request.helper_id,
                    category=request.category,
                    created_at=now,
                )
            )

    return store.decide(tenant_id, [(Request, request_id)], decision)[1]


def complete(
    store: Store, tenant_id: str, member_id: str, interaction_id: str, now: datetime
) -> Position:
    """Say, for one side, that it is done. Saying so again changes nothing.

    Raises
    ------
    NotFoundError
        If this member has no such interaction.
    """

    def decision(desk: Desk) -> None:
        found = _of_member(desk, interaction_id, member_id)
        at = max(now, found.created_at)  # whatever the clocks of two processes say
        if member_id == found.asker_id and found.asker_done_at is None:
            desk.put(replace(found, asker_done_at=at))
        if member_id == found.helper_id and found.helper_done_at is None:
            desk.put(replace(found, helper_done_at=at))

    return store.decide(tenant_id, [(Interaction, interaction_id)], decision)[1]


def rate(
    store: Store,
    tenant_id: str,
    member_id: str,
    interaction_id: str,
    stars: int,
    text: str,
    now: datetime,
    id: str,
) -> Position:
    """Judge the other side of a completed interaction, once, within 14 days.

    Raises
    ------
    NotFoundError
        If this member has no such interaction.
    ConflictError
        ``interaction-open``: not both sides have said that it is done. ``rated-already``.
        ``rating-closed``: it was completed 14 days ago or more.
    DeniedError
        ``same-household``: the two live in one dwelling by now.
    InputError
        If a rating can't be so.
    """

    def decision(desk: Desk) -> None:
        found = _of_member(desk, interaction_id, member_id)
        ratee_id = found.other(member_id)
        completed_at = found.completed_at
        if completed_at is None:
            raise ConflictError(
                "both sides must say first that it is done", code="interaction-open"
            )
        ratings = desk.all(Rating, {"interaction_id": interaction_id})
        if any(one.rater_id == member_id for one in ratings):
            raise ConflictError("a side judges an interaction once", code="rated-already")
        if now >= completed_at + BLIND_FOR:
            raise ConflictError(
                f"an interaction is judged within {BLIND_FOR.days} days", code="rating-closed"
            )
        assert ratee_id is not None
        _require_two_homes(desk.get(Member, member_id), desk.get(Member, ratee_id))
        opens_at = now if ratings else completed_at + BLIND_FOR
        for first in ratings:
            desk.put(replace(first, opens_at=opens_at))
        desk.put(
            Rating(
                tenant_id=tenant_id,
                id=id,
                interaction_id=interaction_id,
                rater_id=member_id,
                ratee_id=ratee_id,
                stars=stars,
                text=text,
                created_at=now,
                opens_at=opens_at,
            )
        )

    return store.decide(tenant_id, [(Interaction, interaction_id)], decision)[1]


def opened(ratings: Iterable[Rating], now: datetime, viewer_id: str | None = None) -> list[Rating]:
    """The ratings that count and may be read now: those that are open, and a viewer's own."""
    return [one for one in ratings if one.opens_at <= now or one.rater_id == viewer_id]


def require_apart(desk: Desk, member_id: str, other_id: str) -> tuple[Member, Member]:
    """Two members of two dwellings who may have dealings.

    Raises
    ------
    InputError
        ``unknown-reference``: one is not there, or they block each other: told alike.
    DeniedError
        ``same-household``.
    """
    if member_id == other_id:
        raise InputError("nobody has dealings with himself", code="self-dealing")
    member, other = desk.find(Member, member_id), desk.find(Member, other_id)
    pairs = ((member_id, other_id), (other_id, member_id))
    blocked = any(desk.all(Block, {"member_id": a, "other_id": b}) for a, b in pairs)
    if member is None or other is None or blocked:
        raise InputError("no such member", code="unknown-reference")
    _require_two_homes(member, other)
    return member, other


def _require_two_homes(member: Member, other: Member) -> None:
    if member.household_id == other.household_id:
        raise DeniedError(
            "the people of one dwelling don't judge each other", code="same-household"
        )


def _of_member(desk: Desk, interaction_id: str, member_id: str) -> Interaction:
    found = desk.get(Interaction, interaction_id)
    if found.other(member_id) is None:
        raise _nothing(Interaction, interaction_id)
    return found


def _nothing(of: type, id: str) -> NotFoundError:
    # As the store says it of what is not there.
    return NotFoundError(f"no {of.__name__.lower()} {ascii(id)[:80]}")
