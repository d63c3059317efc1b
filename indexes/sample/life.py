"""What a sample's people have done: since when they are members, active weeks, who asked whom."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
from scipy.spatial import cKDTree

from geo.arrays import LonLatArray
from indexes.district_facts import ActivityWeek, Quarter, week_of
from indexes.entities import Block, Endorsement, Household, Kind, Listing, Member
from indexes.journeys import Trip
from indexes.sample.listings import Dice, sample_id
from indexes.trusting import BLIND_FOR, Interaction, Rating, Reply, Request

__all__ = ["Dealing", "draw_activity", "draw_dealings", "draw_ratings", "joined"]

JOINED_OVER = timedelta(days=730)
# How often a household is active: some nearly always, most now and then, in a third of weeks.
ACTIVE = (0.9, 1.6)  # of a beta distribution
ASKED_A_DAY = 0.3 / 91  # of each member
NEAR = 8  # the services among which who asks finds one
ANSWERED, REPLY_H = 0.8, 18.0
ACCEPTED = 0.75
DONE, DONE_H = 0.8, 72.0

RATED, RATED_H = 0.75, 40.0
STARS = (0.02, 0.03, 0.1, 0.3, 0.55)  # how often 1 to 5 are given

Dealing = Request | Reply | Interaction | Rating


def joined(
    members: Sequence[Member],
    listings: Sequence[Listing],
    endorsements: Sequence[Endorsement],
    trips: Sequence[Trip],
    dice: Dice,
) -> tuple[Member, ...]:
    """The members, each since an instant of the two years before the quarter that runs.

    So all count in the last quarter that is over. Nobody does anything before.
    """
    latest = _midnight(Quarter.of(dice.now.date())) - timedelta(days=1)
    ages = dice.rng.uniform(0.0, JOINED_OVER.total_seconds(), len(members)).astype(int).tolist()
    first: dict[str, datetime] = {}
    deeds = (
        *((one.owner_id, one.published_at) for one in listings),
        *((one.owner_id, one.published_at) for one in trips),
        *((one.member_id, one.created_at) for one in endorsements),
    )
    for member, at in deeds:
        if member is not None and at is not None:
            first[member] = min(at, first.get(member, at))
    return tuple(
        replace(
            member,
            created_at=min(
                latest - timedelta(seconds=age), first.get(member.id, latest) - timedelta(hours=1)
            ),
        )
        for member, age in zip(members, ages, strict=True)
    )


def draw_activity(
    households: Sequence[Household], members: Sequence[Member], dice: Dice
) -> tuple[ActivityWeek, ...]:
    """Weeks in which households were active: of the quarter that runs, and of the two before."""
    this = Quarter.of(dice.now.date())
    now = week_of(dice.now, UTC)
    quarters = (this.previous.previous, this.previous, this)
    weeks = np.array([week for one in quarters for week in one.weeks if week <= now])
    begun: dict[str, str] = {}
    for member in members:
        if member.created_at is not None:
            week = week_of(member.created_at, UTC)
            begun[member.household_id] = min(week, begun.get(member.household_id, week))
    since = np.array([begun[one.id] for one in households], dtype=weeks.dtype)
    often = dice.rng.beta(*ACTIVE, len(households))
    drawn = dice.rng.random((len(households), len(weeks))) < often[:, None]
    rows, columns = np.nonzero(drawn & (weeks >= since[:, None]))
    told = weeks.tolist()
    return tuple(
        ActivityWeek(
            tenant_id=households[row].tenant_id, household_id=households[row].id, week=told[column]
        )
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    )


def draw_dealings(
    members: Sequence[Member],
    homes: LonLatArray,
    listings: Sequence[Listing],
    blocks: Sequence[Block],
    dice: Dice,
) -> tuple[Dealing, ...]:
    """Who asked whom for a service nearby, who answered, and what came of it.

    Parameters
    ----------
    members : sequence of Member
        With ``created_at``.
    homes : ndarray of float64, shape (n, 2)
        Where each lives, degrees, EPSG:4326.
    listings : sequence of Listing
        Those of members who offer a service are asked for.
    blocks : sequence of Block
        Who have no dealings.
    dice : Dice
        Draws all, in the last quarter that is over and the one that runs.
    """
    row_of = {member.id: row for row, member in enumerate(members)}
    offers = [one for one in listings if one.kind is Kind.SERVICE and one.owner_id is not None]
    if not offers:
        return ()
    helpers = np.array([row_of[one.owner_id] for one in offers if one.owner_id is not None])
    shrink = np.array([np.cos(np.radians(homes[:, 1].mean())), 1.0])
    tree = cKDTree(homes[helpers] * shrink)
    apart = {pair for one in blocks for pair in ((one.member_id, one.other_id),
                                                 (one.other_id, one.member_id))}  # fmt: skip
    begins = _midnight(Quarter.of(dice.now.date()).previous)
    days = (dice.now - begins) / timedelta(days=1)
    askers = np.repeat(np.arange(len(members)), dice.rng.poisson(ASKED_A_DAY * days, len(members)))
    near = np.asarray(tree.query(homes[askers] * shrink, k=np.arange(1, NEAR + 1))[1])
    chosen = dice.rng.integers(min(NEAR, len(offers)), size=len(askers))
    rows = near[np.arange(len(askers)), chosen].tolist()
    dealings: list[Dealing] = []
    for number, (asker, row) in enumerate(zip(askers.tolist(), rows, strict=True)):
        offer = offers[row]
        member, helper = members[asker], members[row_of[str(offer.owner_id)]]
        if member.household_id == helper.household_id or (member.id, helper.id) in apart:
            continue
        since = max(begins, *(one.created_at for one in (member, helper) if one.created_at))
        asked_at = since + (dice.now - since) * float(dice.rng.random())
        published = offer.published_at is not None and offer.published_at <= asked_at
        request = Request(
            tenant_id=member.tenant_id,
            id=sample_id("request", number),
            asker_id=member.id,
            helper_id=helper.id,
            created_at=asked_at.replace(microsecond=0),
            category=offer.category,
            listing_id=offer.id if published else None,
        )
        dealings.append(request)
        reply = _reply(request, dice)
        if reply is not None:
            dealings.append(reply)
            if reply.accepted:
                dealings.append(_interaction(request, reply, dice))
    return tuple(dealings)


def _reply(request: Request, dice: Dice) -> Reply | None:
    answered, accepted = dice.often(ANSWERED), dice.often(ACCEPTED)
    at = _later(request.created_at, REPLY_H, dice)
    if not answered or at > dice.now:
        return None
    return Reply(**_of(request), accepted=accepted, created_at=at)


def _interaction(request: Request, reply: Reply, dice: Dice) -> Interaction:
    done, at = dice.often(DONE), _later(reply.created_at, DONE_H, dice)
    done_at = at if done and at <= dice.now else None
    return Interaction(
        **_of(request),
        asker_id=request.asker_id,
        helper_id=request.helper_id,
        created_at=reply.created_at,
        category=request.category,
        asker_done_at=done_at,
        helper_done_at=done_at,
    )


def draw_ratings(dealings: Sequence[Dealing], dice: Dice) -> tuple[Rating, ...]:
    """How those who have done something together judge each other, most of them kindly."""
    found: list[Rating] = []
    for one in dealings:
        if not isinstance(one, Interaction) or one.completed_at is None:
            continue
        until = min(dice.now, one.completed_at + BLIND_FOR)
        sides = ((one.asker_id, one.helper_id), (one.helper_id, one.asker_id))
        judged = [
            (rater, ratee, at)
            for rater, ratee in sides
            if dice.often(RATED) and (at := _later(one.completed_at, RATED_H, dice)) < until
        ]
        both = max(at for *_, at in judged) if len(judged) == 2 else None
        for rater, ratee, at in judged:
            found.append(
                Rating(
                    tenant_id=one.tenant_id,
                    id=f"{one.id}-by-{rater}",  # once each, whatever the seed
                    interaction_id=one.id,
                    rater_id=rater,
                    ratee_id=ratee,
                    stars=1 + int(dice.rng.choice(len(STARS), p=STARS)),
                    created_at=at,
                    opens_at=both or one.completed_at + BLIND_FOR,
                )
            )
    return tuple(found)


def _of(request: Request) -> Mapping[str, str]:
    return {"tenant_id": request.tenant_id, "id": request.id, "request_id": request.id}


def _later(instant: datetime, hours: float, dice: Dice) -> datetime:
    return instant + timedelta(seconds=int(dice.rng.exponential(hours * 3_600.0)))


def _midnight(quarter: Quarter) -> datetime:
    return datetime.combine(quarter.first_day, time(), UTC)
