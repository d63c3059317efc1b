"""Recommendations by hand: every listing looked at one by one, to hold the engine to.

As in `oracles`, nothing here is imported from the rooms: records are read by their fields.
"""

import hashlib
import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import near_oracle
from near_oracle import World, seconds
from oracles import Scored, band_edge_m, distance_factor, distance_m, ranked

YEAR_S = 365 * 86_400
FORMULA = (0.25, 0.30, 0.20, 0.20, 0.05)
GAUSS = ("gauss", 200.0, 600.0, 0.5)


@dataclass
class Said:
    """What is said beside endorsements: who used what when, and what the trusted say."""

    uses: list[tuple[str, str, int]] = field(default_factory=list)  # member, listing, second
    weights: Mapping[str, float] = field(default_factory=dict)  # of the trusted, by listing
    circle: frozenset[str] = frozenset()  # members


@dataclass
class One:
    """A listing that may be recommended."""

    listing: Any
    scored: Scored
    terms: tuple[float, ...]  # distance, trusted, near, taste, popularity
    households: tuple[int, int, int]  # that are trusted, near, that endorse
    known: bool
    available: str


def voices(world: World, said: Said, at: int) -> list[tuple[Any, Any, float, bool]]:
    """(member, listing, weight, whether endorsed) of all said by then, but for owners' people."""
    listings = {one.id: one for one in world.listings}
    found = []
    for one in world.endorsements:
        member, listing = world.members[one.member_id], listings[one.listing_id]
        given = seconds(one.created_at)
        owner = world.members.get(listing.owner_id)
        if given <= at and (owner is None or owner.household_id != member.household_id):
            found.append((member, listing, 0.5 ** ((at - given) / YEAR_S), True))
    for member_id, listing_id, done in said.uses:
        if done <= at and listing_id in listings and member_id in world.members:
            weight = 0.5 * 0.5 ** ((at - done) / YEAR_S)
            found.append((world.members[member_id], listings[listing_id], weight, False))
    return found


def step(weight: float) -> float:
    """Levels 1 to 4 of the lower bound, in thirds."""
    mean = (1 + weight) / (2 + weight)
    bound = mean - math.sqrt(mean * (1 - mean) / (weight + 3))
    if bound >= 0.70 and weight >= 5:
        return 1.0
    return 2 / 3 if bound >= 0.55 else 1 / 3 if bound >= 0.35 else 0.0


def alike(one: str, other: str) -> float:
    first, second = one.split("."), other.split(".")
    shared = 0
    while shared < min(len(first), len(second)) and first[shared] == second[shared]:
        shared += 1
    return shared / max(len(first), len(second)) if one and other else 0.0


def nearness(world: World, viewer_id: str, member: Any) -> float:
    """1 in the viewer's group, less up to a kilometre, 0 beyond; of no group 0."""
    here, there = world.home(viewer_id), world.home(member.id)
    if there is None or not there.locatable or member.level < 3:
        return 0.0
    if member.household_id == world.members[viewer_id].household_id:
        return 0.0
    edge = band_edge_m(distance_m(here.lon, here.lat, there.lon, there.lat))
    return distance_factor(*GAUSS, edge) if edge <= 1_000 else 0.0


def recommended(
    world: World,
    said: Said,
    viewer_id: str,
    query: Any,
    now: Any,
    weights: tuple[float, ...] = FORMULA,
) -> dict[str, One]:
    """All that may be recommended, by id: `query` is near me's for the same kinds.
    What is said is as of `now`."""
    spoken = voices(world, said, seconds(now))
    own: dict[str, float] = {}
    near: dict[str, dict[str, float]] = {}
    circle: dict[str, set[str]] = {}
    counted: dict[str, set[str]] = {}
    mine = world.members[viewer_id].household_id
    for member, listing, weight, endorsed in spoken:
        if member.id == viewer_id:
            own[listing.id] = max(weight, own.get(listing.id, 0.0))
            continue
        if endorsed and member.id in said.circle and member.household_id != mine:
            circle.setdefault(listing.id, set()).add(member.household_id)
        if close := nearness(world, viewer_id, member):
            counted.setdefault(listing.id, set()).add(member.household_id)
            pair = {viewer_id, member.id}
            if any(pair == {one.member_id, one.other_id} for one in world.blocks):
                continue  # counted, and of no weight
            of = near.setdefault(listing.id, {})
            of[member.household_id] = max(close * weight, of.get(member.household_id, 0.0))
    likes: dict[str, float] = {}
    for listing in world.listings:
        if listing.id in own:
            likes[listing.category] = likes.get(listing.category, 0.0) + own[listing.id]
    liked = math.fsum(likes.values())
    found = {}
    seen = copy(world)
    seen.levels = lambda *_: lambda _: 0  # type: ignore[method-assign]  # no term here
    for id, one in near_oracle.near(seen, viewer_id, query).items():
        listing = one.listing
        if one.scored.distance_m > 5_000 or listing.owner_id == viewer_id:
            continue
        if listing.quota is not None and listing.quota_used >= listing.quota:
            continue
        edge = band_edge_m(one.scored.distance_m) if listing.personal else one.scored.distance_m
        taste = math.fsum(w * alike(c, listing.category) for c, w in likes.items())
        heard = near.get(id, {})
        terms = (
            distance_factor(*GAUSS, edge),
            step(said.weights.get(id, 0.0)),
            step(math.fsum(heard.values())),
            taste / liked if liked else 0.0,
            min(8, math.floor(math.log2(1 + one.endorsers))) / 8,
        )
        score = math.fsum(w * t for w, t in zip(weights, terms, strict=True))
        scored = Scored(score, edge, one.scored.distance_m, terms)
        households = len(circle.get(id, ())), len(counted.get(id, ())), one.endorsers
        found[id] = One(listing, scored, terms, households, id in own, one.available)
    return found


def is_new(world: World, one: One, at: int) -> bool:
    """A verified member's, endorsed by nobody yet, and out for thirty days at most."""
    listing = one.listing
    owner = world.members.get(listing.owner_id)
    return (
        listing.kind.value in ("service", "artisan")
        and owner is not None
        and owner.level >= 2
        and one.households[2] == 0
        and not one.known
        and listing.published_at is not None
        and 0 <= at - seconds(listing.published_at) < 30 * 86_400
    )


def page(
    world: World,
    found: Mapping[str, One],
    viewer_id: str,
    query: Any,
    reported: Mapping[str, tuple[int, int]],
) -> tuple[list[str], set[str]]:
    """Ids of a page, and which of them are there for being new. `query` is the recommendations'."""
    at = seconds(query.at)
    ordinary = {
        id.encode(): one.scored
        for id, one in found.items()
        if one.listing.kind in query.kinds and (query.known or not one.known)
    }
    order = [
        id.decode()
        for _, _, id in ranked(ordinary, {id.encode(): given for id, given in reported.items()})
    ]
    queue = [id for id, one in found.items() if is_new(world, one, at)]
    # By whole millimetres: what lies on one spot is in order of id.
    queue.sort(key=lambda id: (round(found[id].scored.distance_m * 1_000), id.encode()))
    queue = queue[:100]
    places = query.limit // 10
    begun = int.from_bytes(hashlib.blake2b(viewer_id.encode(), digest_size=4).digest(), "big")
    for _ in range((begun + at // 86_400 * places) % max(1, len(queue))):
        queue.append(queue.pop(0))

    def first(ids: list[str], beside: list[str], most: int) -> list[str]:
        kept: list[str] = []
        for id in ids:
            owner = found[id].listing.owner_id
            of_owner = [one for one in kept + beside if found[one].listing.owner_id == owner]
            if len(kept) < most and (owner is None or len(of_owner) < 3):
                kept.append(id)
        return kept

    likely = first(order, [], query.limit - places)
    new = first([id for id in queue if id not in likely], likely, places)
    best = first([id for id in order if id not in new], new, query.limit - len(new))
    for place, id in zip((9, 19), new, strict=False):
        best.insert(place, id)
    return best, set(new)
