"""Changes of a town from `worlds`, made in a store and in the world that the oracle looks at."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from worlds import NOW, Town, _Builder, _listing, rating_of

from indexes.entities import (
    Block,
    Endorsement,
    GroupPartition,
    IrisCode,
    Listing,
    Member,
    Residence,
)
from indexes.store import Desk, Position, Store
from indexes.trusting import Standing


class Changes:
    """One change after another, each drawn from a seed; every method returns its position."""

    def __init__(self, town: Town, store: Store) -> None:
        self.town, self.world, self.store = town, town.world, store
        self.residences = [one for one in town.records if isinstance(one, Residence)]
        self.count = 1_000  # of things made up
        self.concerned: list[str] = []  # members who may see otherwise than before

    def some(self, seed: int, name: str) -> Position:
        """One of `EVERY`; where there are few listings, some come instead."""
        if len(self.world.listings) < 3:
            return self.come(seed, 3)
        return getattr(self, name)(seed)

    def _fresh(self, seed: int) -> _Builder:
        self.count += 1
        return _Builder(seed, self.town.tenant_id)

    def _drawn(self, build: _Builder) -> Listing:
        """A listing as in the town, sometimes with an end that has passed or is near."""
        buildings = list(self.world.buildings.values())
        members = list(self.world.members.values())
        found = _listing(build, self.count, members, buildings, self.residences)
        if build.chance(0.2):
            found = replace(
                found, valid_from=None, valid_to=NOW + timedelta(seconds=build.some((-5, 0, 5)))
            )
        return found

    def _keep(self, found: Sequence[Listing], build: _Builder) -> Position:
        world = self.world
        known = {one.id: one for one in world.listings}
        for one in found:
            world.zone_of.pop(one.id, None)
            if not one.personal and (zone := build.zone_at(one.lon, one.lat)) is not None:
                world.zone_of[one.id] = zone
            before = known.get(one.id)
            if before is not None and one.published_at is None:
                one = replace(one, published_at=before.published_at)  # it keeps the first
            known[one.id] = one
        world.listings = list(known.values())
        return self.store.put_all(found)

    def come(self, seed: int, number: int) -> Position:
        """Some listings are new, all in one transaction."""
        build = self._fresh(seed)
        found = []
        for _ in range(number):
            found.append(self._drawn(build))
            self.count += 1
        return self._keep(found, build)

    def change(self, seed: int) -> Position:
        """A listing becomes another, or comes back to where one was deleted."""
        build = self._fresh(seed)
        ids = [one.id for one in self.world.listings]
        return self._keep([replace(self._drawn(build), id=build.some(ids))], build)

    def twin(self, seed: int) -> Position:
        """A listing like another in all but its id, which stands next to it or anywhere."""
        build = self._fresh(seed)
        like = build.some(self.world.listings)
        others = [one.id for one in self.world.listings]
        id = build.some(
            (f"{like.id}-{self.count}", f"{like.id[:-1]}-{self.count}", build.some(others))
        )
        return self._keep([replace(like, id=id)], build)

    def again(self, seed: int) -> Position:
        """A listing is put as it is: no change at all."""
        return self.store.put(self._fresh(seed).some(self.world.listings))

    def go(self, seed: int) -> Position:
        """A listing goes, with what was said of it."""
        world = self.world
        gone = self._fresh(seed).some(world.listings)
        world.listings.remove(gone)
        world.zone_of.pop(gone.id, None)
        world.endorsements = [one for one in world.endorsements if one.listing_id != gone.id]
        return self.store.delete(Listing, self.town.tenant_id, gone.id)

    def verify(self, seed: int) -> Position:
        """A member's level rises or falls."""
        build = self._fresh(seed)
        one = build.some(list(self.world.members.values()))
        return self._member(replace(one, level=int(build.rng.integers(0, 5))))

    def join(self, seed: int) -> Position:
        """Somebody is new."""
        build = self._fresh(seed)
        household = build.some(list(self.world.households))
        return self._member(
            Member(
                tenant_id=self.town.tenant_id,
                id=f"n{self.count}",
                household_id=household,
                level=int(build.rng.integers(0, 5)),
            )
        )

    def _member(self, member: Member) -> Position:
        self.concerned.append(member.id)
        if self.world.standings.get(member.id) == 0.0:
            member = replace(member, level=0)  # whatever is written, while under review
        self.world.members[member.id] = member
        return self.store.put(member)

    def move_home(self, seed: int) -> Position:
        """A household, or one of its members, lives elsewhere."""
        build = self._fresh(seed)
        if build.chance(0.5):
            one = build.some(list(self.world.members.values()))
            return self._member(replace(one, household_id=build.some(list(self.world.households))))
        household = build.some(list(self.world.households.values()))
        household = replace(household, building_id=build.some(list(self.world.buildings)))
        self.world.households[household.id] = household
        self.concerned += [
            id for id, one in self.world.members.items() if one.household_id == household.id
        ]
        return self.store.put(household)

    def regroup_buildings(self, seed: int) -> Position:
        """A building joins another residence, or none."""
        build = self._fresh(seed)
        one = build.some(list(self.world.buildings.values()))
        residence = build.some([None, *self.residences])
        one = replace(one, residence_id=residence and residence.id)
        self.world.buildings[one.id] = one
        return self.store.put(one)

    def endorse(self, seed: int) -> Position:
        """Some members recommend a listing."""
        build = self._fresh(seed)
        listing = build.some(self.world.listings)
        known = {one.member_id for one in self.world.endorsements if one.listing_id == listing.id}
        found = [
            Endorsement(
                tenant_id=self.town.tenant_id,
                id=f"e{self.count}-{member}",
                member_id=member,
                listing_id=listing.id,
                created_at=build.past(),
            )
            for member in self.world.members
            if member not in known and build.chance(0.1)
        ]
        self.world.endorsements += found
        return self.store.put_all(found)

    def rate(self, seed: int) -> Position:
        """Somebody judges somebody else, once or often."""
        build = self._fresh(seed)
        rater, ratee = build.rng.permutation(sorted(self.world.members))[:2].tolist()
        self.concerned.append(rater)
        ratings = [
            rating_of(build, f"r{self.count}-{i}", rater, ratee) for i in range(build.some((1, 9)))
        ]
        self.world.ratings += ratings
        return self.town.say(self.store, ratings)

    def review(self, seed: int) -> Position:
        """Somebody comes under review, or out of it, or is forgiven."""
        build, tenant_id = self._fresh(seed), self.town.tenant_id
        one = build.some(list(self.world.members.values()))
        suspended = self.world.standings.pop(one.id, 1.0) > 0.0
        level = 0 if suspended else int(build.rng.integers(0, 5))
        if suspended:
            self.world.standings[one.id] = 0.0
        self.world.members[one.id] = member = replace(one, level=level)
        self.concerned.append(one.id)

        def decision(desk: Desk) -> None:
            desk.put(Standing(tenant_id=tenant_id, id=one.id, suspended=suspended))
            desk.put(member)

        return self.store.decide(tenant_id, [], decision)[1]

    def regret(self, seed: int) -> Position:
        """Somebody recommends a listing no longer."""
        if not self.world.endorsements:
            return self.endorse(seed)
        one = self._fresh(seed).some(self.world.endorsements)
        self.world.endorsements.remove(one)
        return self.store.delete(Endorsement, self.town.tenant_id, one.id)

    def block(self, seed: int) -> Position:
        """Two members never see each other any more."""
        build = self._fresh(seed)
        # Who has something to show is whom a block hides.
        owners = [one.owner_id for one in self.world.listings if one.owner_id is not None]
        other = build.some(owners or list(self.world.members))
        one = build.some([id for id in self.world.members if id != other])
        block = Block(
            tenant_id=self.town.tenant_id, id=f"x{self.count}", member_id=one, other_id=other
        )
        self.world.blocks.append(block)
        self.concerned += [one, other]
        return self.store.put(block)

    def unblock(self, seed: int) -> Position:
        """Two members see each other again, unless another block is between them."""
        if not self.world.blocks:
            return self.block(seed)
        one = self._fresh(seed).some(self.world.blocks)
        self.world.blocks.remove(one)
        self.concerned += [one.member_id, one.other_id]
        return self.store.delete(Block, self.town.tenant_id, one.id)

    def cut_groups(self, seed: int) -> Position:
        """Groups are cut anew: the same cells, other points, zones and sizes."""
        build, before = self._fresh(seed), self.town.partition
        codes = [zone.code for zone in self.town.zones]
        groups = tuple(
            replace(
                group,
                lon=round(group.lon + build.some((0.0, 0.001)), 7),
                locatable=build.chance(0.9),
                zones=tuple(sorted({IrisCode(build.some(codes)) for _ in range(2)})),
            )
            for group in before.groups
        )
        self.town.partition = GroupPartition(
            tenant_id=self.town.tenant_id, version=before.version + 1, groups=groups
        )
        self.world.groups = {group.id: group for group in groups}
        return self.store.put_groups(self.town.partition)


EVERY = [
    *("change", "twin", "twin", "again", "go", "verify", "join", "move_home", "regroup_buildings"),
    *("endorse", "endorse", "regret", "block", "unblock", "rate", "rate", "review"),
]
