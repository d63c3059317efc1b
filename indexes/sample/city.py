"""A sample town's people and listings, as entities of a store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import cos, radians
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from geo.arrays import IntArray, LonLat, LonLatArray
from geo.distance import haversine_m
from geo.errors import InputError
from indexes.district_facts import ActivityWeek
from indexes.entities import (
    Block,
    Building,
    Endorsement,
    Entity,
    Household,
    Kind,
    Listing,
    Member,
    Residence,
    Tenant,
    Zone,
)
from indexes.journeys import Booking, Trip
from indexes.sample.catalogue import FAMILY_NAMES, FIRST_NAMES, LEVELS, STREETS
from indexes.sample.homes import draw_homes
from indexes.sample.life import Dealing, draw_activity, draw_dealings, draw_ratings, joined
from indexes.sample.listings import Dice, draw_listings, sample_id
from indexes.sample.rides import draw_bookings
from indexes.sample.roads import RoadNet
from indexes.sample.town import COMMUNE_CODE, COMMUNE_NAME, HARBOUR, town_zones
from indexes.sample.trips import draw_trips, roads_around, with_stops

__all__ = ["Sample", "sample_city", "sample_over_zones"]

SECOND_MEMBER = 0.45  # households with two members
ENDORSED = frozenset({Kind.SERVICE, Kind.ARTISAN, Kind.MERCHANT})
ENDORSERS_FROM = 150  # the nearest members, among whom a listing finds those who recommend it
MEMBERS_PER_BLOCK = 150


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Everything of a sample, ready to be stored.

    ``tenant`` is None where zones of a tenant who is there already were given.
    """

    tenant: Tenant | None
    zones: tuple[Zone, ...]
    residences: tuple[Residence, ...]
    buildings: tuple[Building, ...]
    households: tuple[Household, ...]
    members: tuple[Member, ...]
    listings: tuple[Listing, ...]
    endorsements: tuple[Endorsement, ...]
    blocks: tuple[Block, ...]
    trips: tuple[Trip, ...]
    dealings: tuple[Dealing, ...]
    activity: tuple[ActivityWeek, ...]
    bookings: tuple[Booking, ...]

    def entities(self) -> Iterator[Entity]:
        """All but the zones and what people have done since, each after what it refers to."""
        yield from (self.tenant,) if self.tenant else ()
        yield from self.residences
        yield from self.buildings
        yield from self.households
        yield from self.members
        yield from self.listings
        yield from self.endorsements
        yield from self.blocks
        yield from self.trips

    def members_near(self, origin: LonLat, level: int = 3) -> list[Member]:
        """Members of at least a verification level, by how near to a point they live."""
        building_of = {household.id: household.building_id for household in self.households}
        point_of = {building.id: (building.lon, building.lat) for building in self.buildings}
        able = [member for member in self.members if member.level >= level]
        homes = [point_of[building_of[member.household_id]] for member in able]
        order = haversine_m(origin, np.array(homes).reshape(-1, 2)).argsort(kind="stable")
        return [able[i] for i in order.tolist()]

    def member_near(self, origin: LonLat, level: int = 3) -> Member:
        """The member of at least a verification level who lives nearest to a point.

        Raises
        ------
        InputError
            If there is no such member.
        """
        found = self.members_near(origin, level)
        if not found:
            raise InputError(f"no member of level {level} or more in this sample")
        return found[0]


def sample_city(
    seed: int,
    now: datetime,
    *,
    tenant_id: str = "default",
    listings: int = 4_000,
    adoption: float = 0.05,
) -> Sample:
    """Port-Mitoyen, a town that is nowhere, with its people.

    Parameters
    ----------
    seed : int
        Zero or more. The same seed, instant and numbers give the same town, to the byte.
    now : datetime
        Aware. Offers run and events happen around it.
    tenant_id : str
        Whose town it is.
    listings : int
        How many listings.
    adoption : float
        Share of dwellings that have members, 0 to 1.

    Raises
    ------
    InputError
        If a number is out of its range, or ``now`` is naive.
    """
    rng = _generator(seed, now, listings, adoption)
    tenant = Tenant(tenant_id=tenant_id, id=tenant_id, name=COMMUNE_NAME)
    zones = town_zones(tenant_id, rng)
    return _Drawing(tenant_id, zones, now, rng).sample(tenant, listings, adoption)


def sample_over_zones(
    zones: Sequence[Zone],
    seed: int,
    now: datetime,
    *,
    listings: int = 4_000,
    adoption: float = 0.05,
) -> Sample:
    """People and listings, all made up, over zones that are there already.

    Parameters
    ----------
    zones : sequence of Zone
        Of one tenant and vintage. Their census (``logements``) says how many dwellings each
        has; buildings stand at points uniform within it.
    seed, now, listings, adoption
        As in `sample_city`. Ids begin with ``sample-``.

    Raises
    ------
    InputError
        As `sample_city`; and if no zone has a dwelling.
    """
    rng = _generator(seed, now, listings, adoption)
    if not zones:
        raise InputError("no zones to draw over: import zones with their figures first")
    return _Drawing(zones[0].tenant_id, tuple(zones), now, rng).sample(None, listings, adoption)


def _generator(seed: int, now: datetime, listings: int, adoption: float) -> np.random.Generator:
    if now.tzinfo is None:
        raise InputError("now must have a time zone or offset")
    if seed < 0 or listings < 0 or not 0 <= adoption <= 1:
        raise InputError("seed and listings must be zero or more, adoption 0 to 1")
    return np.random.default_rng(seed)


class _Drawing:
    """One sample under way: the zones, their homes, and the dice."""

    def __init__(
        self, tenant_id: str, zones: tuple[Zone, ...], now: datetime, rng: np.random.Generator
    ) -> None:
        self.tenant_id = tenant_id
        self.zones = zones
        self.dice = Dice(now.astimezone(UTC).replace(microsecond=0), rng)
        self.rng = rng
        self.homes = draw_homes(zones, rng)
        if not len(self.homes):
            raise InputError("no zone has dwellings: import the zones' figures first")

    def sample(self, tenant: Tenant | None, listings: int, adoption: float) -> Sample:
        estates = np.bincount(self.homes.estate)
        residences = tuple(
            Residence(
                tenant_id=self.tenant_id, id=sample_id("residence", i), name=_residence_name(i)
            )
            for i in np.flatnonzero(estates > 1).tolist()
        )
        buildings = self._buildings(estates)
        households, members, lives_at = self._people(adoption)
        found = draw_listings(
            listings, members, buildings, self.homes.dwellings, self.tenant_id, self.dice
        )
        endorsements = self._endorsements(found, members, lives_at)
        blocks = self._blocks(members)
        # Of zones that were there already nobody knows where the sea is, but where people live.
        at = self.homes.lonlat if tenant is None else None
        net = RoadNet(HARBOUR) if at is None else roads_around(at)
        found = with_stops(found, net, self.dice, at)
        lives_at_point = self.homes.lonlat[lives_at]
        trips = draw_trips(net, members, lives_at_point, self.tenant_id, self.dice, at)
        members = joined(members, found, endorsements, trips, self.dice)
        dealings = draw_dealings(members, lives_at_point, found, blocks, self.dice)
        activity = draw_activity(households, members, self.dice)
        return Sample(
            tenant=tenant,
            zones=self.zones,
            residences=residences,
            buildings=buildings,
            households=households,
            members=members,
            listings=found,
            endorsements=endorsements,
            blocks=blocks,
            trips=trips,
            dealings=(*dealings, *draw_ratings(dealings, self.dice)),
            activity=activity,
            bookings=draw_bookings(trips, self.dice),
        )

    def _buildings(self, estates: IntArray) -> tuple[Building, ...]:
        homes = self.homes
        numbers = self.rng.integers(1, 140, len(homes)).tolist()
        streets = self.rng.integers(len(STREETS), size=len(homes)).tolist()
        columns = (homes.lonlat.tolist(), homes.zone.tolist(), homes.dwellings.tolist(),
                   homes.estate.tolist())  # fmt: skip
        return tuple(
            Building(
                tenant_id=self.tenant_id,
                id=sample_id("building", i),
                lon=lon,
                lat=lat,
                address=f"{numbers[i]} {STREETS[streets[i]]}, {_town(self.zones[zone])}",
                dwellings=dwellings,
                residence_id=sample_id("residence", estate) if estates[estate] > 1 else None,
            )
            for i, ((lon, lat), zone, dwellings, estate) in enumerate(zip(*columns, strict=True))
        )

    def _people(
        self, adoption: float
    ) -> tuple[tuple[Household, ...], tuple[Member, ...], IntArray]:
        """Households, members, and the building (row of homes) that each member lives in."""
        joined = self.rng.binomial(self.homes.dwellings, adoption)
        building_of = np.repeat(np.arange(len(self.homes)), joined)
        households = tuple(
            Household(
                tenant_id=self.tenant_id,
                id=sample_id("household", i),
                building_id=sample_id("building", b),
            )
            for i, b in enumerate(building_of.tolist())
        )
        sizes = 1 + (self.rng.random(len(households)) < SECOND_MEMBER)
        household_of = np.repeat(np.arange(len(households)), sizes)
        levels = self.rng.choice(len(LEVELS), len(household_of), p=LEVELS).tolist()
        members = tuple(
            Member(
                tenant_id=self.tenant_id,
                id=sample_id("member", i),
                household_id=sample_id("household", household),
                level=levels[i],
                name=self.dice.one(FIRST_NAMES),
                lang="en" if self.dice.often(0.03) else "fr",
            )
            for i, household in enumerate(household_of.tolist())
        )
        return households, members, building_of[household_of]

    def _endorsements(
        self, listings: tuple[Listing, ...], members: tuple[Member, ...], lives_at: IntArray
    ) -> tuple[Endorsement, ...]:
        """Members recommend what is near them; a few listings have many, most none."""
        if not members:
            return ()
        row_of = {member.id: row for row, member in enumerate(members)}
        at = self.homes.lonlat[lives_at]
        flat = _flat(at)
        tree = cKDTree(flat(at))
        found: list[Endorsement] = []
        for listing in listings:
            if listing.kind not in ENDORSED:
                continue
            liked = min(int(self.rng.pareto(1.1) * 1.5), ENDORSERS_FROM // 2, len(members) - 1)
            if not liked:
                continue
            owner = None if listing.owner_id is None else row_of[listing.owner_id]
            point = at[owner] if listing.personal else np.array((listing.lon, listing.lat))
            ranks = np.arange(1, min(ENDORSERS_FROM, len(members)) + 1)
            near = np.asarray(tree.query(flat(point), k=ranks)[1])
            who = self.rng.permutation(near[near != owner])[:liked].tolist()
            for row in sorted(who):
                found.append(
                    Endorsement(
                        tenant_id=self.tenant_id,
                        id=f"{listing.id}-by-{row:07}",  # once each, whatever the seed
                        member_id=members[row].id,
                        listing_id=listing.id,
                        category=listing.category,
                        created_at=self.dice.ago(self.rng.uniform(0.0, 300.0)),
                    )
                )
        return tuple(found)

    def _blocks(self, members: tuple[Member, ...]) -> tuple[Block, ...]:
        n = len(members) // MEMBERS_PER_BLOCK
        pairs = self.rng.permutation(len(members))[: 2 * n].reshape(n, 2).tolist()
        return tuple(
            Block(
                tenant_id=self.tenant_id,
                id=sample_id("block", i),
                member_id=members[one].id,
                other_id=members[other].id,
            )
            for i, (one, other) in enumerate(pairs)
        )


def _town(zone: Zone) -> str:
    """A commune's name that says the address is invented."""
    if zone.commune_code == COMMUNE_CODE:
        return zone.commune_name  # says so itself
    return f"{zone.commune_name} (adresse inventée)"


def _residence_name(number: int) -> str:
    return f"Résidence {FAMILY_NAMES[number % len(FAMILY_NAMES)]} {number}"


def _flat(around: LonLatArray) -> Any:
    """A function from degrees to even units near some points, for finding neighbours."""
    shrink = np.array([cos(radians(float(around[:, 1].mean()))), 1.0])
    return lambda lonlat: lonlat * shrink
