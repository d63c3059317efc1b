"""Listings of a sample: who offers what, where, when and to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from geo.arrays import IntArray
from indexes.entities import PERSONAL_KINDS, Building, Kind, Listing, Member
from indexes.sample.catalogue import (
    AUDIENCES,
    FAMILY_NAMES,
    HOURS,
    OFFERS,
    REACHES_M,
    SHARES,
    WARES,
    Ware,
)

__all__ = ["HOMEBASED", "OF_PEOPLE", "Dice", "draw_listings", "sample_id"]

T = TypeVar("T")
Values = dict[str, Any]  # fields of a listing

OF_PEOPLE = PERSONAL_KINDS | {Kind.AD}
CLOCKS = ZoneInfo("Europe/Paris")
HOMEBASED = 0.3  # artisans who work from home, and are shown as people
KEEPS_HOURS = frozenset({Kind.ARTISAN, Kind.MERCHANT, Kind.OFFER, Kind.PLACE})
ATTESTED = {Kind.ARTISAN: "registry", Kind.MERCHANT: "registry", Kind.PLACE: "town"}
DAY = timedelta(days=1)


def sample_id(what: str, number: int) -> str:
    """An id that says it is made up; zero-padded, so that ids sort as their numbers do."""
    return f"sample-{what}-{number:07}"


@dataclass(frozen=True, slots=True)
class Dice:
    """Chance, and the instant around which everything happens."""

    now: datetime  # aware, whole seconds
    rng: np.random.Generator

    def one(self, choices: Sequence[T]) -> T:
        return choices[int(self.rng.integers(len(choices)))]

    def often(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def ago(self, days: float) -> datetime:
        return self.now - timedelta(seconds=int(days * 86_400))


def draw_listings(
    n: int,
    members: Sequence[Member],
    buildings: Sequence[Building],
    dwellings: IntArray,
    tenant_id: str,
    dice: Dice,
) -> tuple[Listing, ...]:
    """Listings of all kinds.

    Parameters
    ----------
    n : int
        How many.
    members : sequence of Member
        Who may own them; without any, what people would list becomes shops. So do offers that
        no shop is left to make.
    buildings : sequence of Building
        Where public ones stand.
    dwellings : ndarray of int64, shape (buildings,)
        Chance of each building: shops stand where people live.
    tenant_id : str
        Whose listings.
    dice : Dice
        Draws everything.
    """
    rng = dice.rng
    kinds = list(SHARES)
    drawn = rng.choice(len(kinds), n, p=list(SHARES.values())).tolist()
    doors = rng.choice(len(buildings), n, p=dwellings / dwellings.sum()).tolist()
    owners = rng.integers(max(1, len(members)), size=n).tolist()
    # Somebody is a neighbour once; when all are, the next offers a service.
    strangers = rng.permutation(len(members)).tolist()
    unmade: list[tuple[Listing, Ware]] = []  # offers of shops; none is made twice
    found = []
    for i, door in enumerate(doors):
        kind = kinds[drawn[i]]
        owner = members[owners[i]] if members else None
        if kind is Kind.NEIGHBOUR and strangers:
            owner = members[strangers.pop()]
        elif kind is Kind.NEIGHBOUR:
            kind = Kind.SERVICE
        if (kind in OF_PEOPLE and owner is None) or (kind is Kind.OFFER and not unmade):
            kind = Kind.MERCHANT
        at_home = kind in OF_PEOPLE or (kind is Kind.ARTISAN and dice.often(HOMEBASED))
        if at_home and owner is not None:
            values = _personal(kind, owner, dice)
        elif kind is Kind.OFFER:
            values = _offer(*unmade.pop(int(rng.integers(len(unmade)))), dice)
        else:
            owned = owner is not None and dice.often(0.6)
            values = _public(kind, buildings[door], owner.id if owner and owned else None, dice)
        listing = Listing(
            tenant_id=tenant_id,
            id=sample_id("listing", i),
            kind=kind,
            audience=dice.one(AUDIENCES[kind]),
            reach_m=dice.one(REACHES_M[kind]),
            # Nine in ten of those that have a door; by the number, so that it takes no throw.
            attested=ATTESTED.get(kind) if i % 10 and "lon" in values else None,
            **values,
        )
        if kind is Kind.MERCHANT:
            unmade += [(listing, ware) for ware in OFFERS[listing.category]]
        found.append(listing)
    return tuple(found)


def _personal(kind: Kind, owner: Member, dice: Dice) -> Values:
    return {
        "personal": True,
        "owner_id": owner.id,
        "published_at": dice.ago(dice.rng.exponential(20.0)),
        # An artisan's title takes a name of the sign's sort, also at home.
        **_worded(
            dice.one(WARES[kind]), dice.one(FAMILY_NAMES) if kind is Kind.ARTISAN else owner.name
        ),
    }


def _public(kind: Kind, door: Building, owner_id: str | None, dice: Dice) -> Values:
    values: Values = {
        "lon": door.lon,
        "lat": door.lat,
        "address": door.address,
        "owner_id": owner_id,
        "published_at": dice.ago(dice.rng.exponential(200.0)),
        **_worded(dice.one(WARES[kind]), dice.one(FAMILY_NAMES)),
    }
    if kind in KEEPS_HOURS:
        values["opening_hours"] = dice.one(HOURS)
    if kind is Kind.EVENT:
        values |= _event(dice)
    return values


def _offer(shop: Listing, ware: Ware, dice: Dice) -> Values:
    """What a shop offers, at its door and within its hours."""
    return {
        "lon": shop.lon,
        "lat": shop.lat,
        "address": shop.address,
        "owner_id": shop.owner_id,
        "opening_hours": shop.opening_hours,
        **_worded(ware, shop.title),
        **_while_it_lasts(dice),
    }


def _while_it_lasts(dice: Dice) -> Values:
    """Most offers run at the instant, some are over; of most quotas something is left."""
    begun = dice.ago(dice.rng.uniform(0.0, 10.0))
    ended = dice.ago(dice.rng.uniform(-14.0, 1.5))
    values: Values = {
        "published_at": begun,
        "valid_from": begun,
        "valid_to": ended if ended > begun else begun + DAY,
    }
    if dice.often(0.5):
        quota = int(dice.rng.integers(5, 100))
        used = quota if dice.often(0.15) else int(dice.rng.integers(quota))
        values |= {"quota": quota, "quota_used": used}
    return values


def _event(dice: Dice) -> Values:
    """One event in ten is on, the others come within three weeks, at quarters of an hour from
    nine in the morning to nine in the evening."""
    on = dice.often(0.1)
    start = dice.ago(dice.rng.uniform(0.0, 0.1) if on else dice.rng.uniform(-21.0, 0.0))
    start -= timedelta(minutes=start.minute % 15, seconds=start.second)
    if not on:
        local = start.astimezone(CLOCKS)
        start = local.replace(hour=9 + local.hour // 2).astimezone(UTC)
    values: Values = {
        "starts_at": start,
        "published_at": min(dice.now, start) - int(dice.rng.integers(1, 30)) * DAY,
    }
    if dice.often(0.9):
        values["ends_at"] = start + timedelta(hours=int(dice.rng.integers(3, 9)))
    if dice.often(0.3):
        quota = int(dice.rng.integers(10, 80))
        values |= {"quota": quota, "quota_used": int(dice.rng.integers(quota + 1))}
    return values


def _worded(ware: Ware, name: str) -> Values:
    words = {"category": ware.category, "title": ware.title, "text": ware.text}
    return {key: word.replace("{}", name) for key, word in words.items()}
