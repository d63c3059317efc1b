"""Who may share a car with whom: constraints that hold both ways."""

from typing import Protocol

from indexes.entities import VERIFIED_LEVEL, Audience
from indexes.journeys import Trip
from matching.rides.carpool import Party

__all__ = ["Wishes", "may_see", "suits"]


class Wishes(Protocol):
    """What one side asks of the other: a trip, or a search."""

    @property
    def verified_only(self) -> bool: ...
    @property
    def same_building(self) -> bool: ...
    @property
    def women_only(self) -> bool: ...


def may_see(viewer: Party, trip: Trip, owner: Party) -> bool:
    """Whether a trip is addressed to somebody: building ⊂ residence ⊂ zone ⊂ city ⊂ public.

    Walls are a proof of address: a trip for a building or a residence is seen by those who are
    verified there, and is one only if its owner is. A public operator names the place.
    """
    audience = trip.audience
    if audience is Audience.PUBLIC:
        return True
    if viewer.id is None:
        return False
    if audience is Audience.CITY:
        return True
    if audience is Audience.ZONE:
        return not viewer.zones.isdisjoint(owner.zones)
    if viewer.level < VERIFIED_LEVEL:
        return False
    if trip.owner_id is not None and owner.level < VERIFIED_LEVEL:
        return False
    if audience is Audience.BUILDING:
        wall, mine = owner.building, viewer.building
    else:
        wall, mine = owner.residence, viewer.residence
    return bool(mine) and mine == (trip.audience_id or wall)


def share_building(one: Party, other: Party) -> bool:
    """Whether two live in the same building, both addresses proved."""
    proved = min(one.level, other.level) >= VERIFIED_LEVEL
    return proved and bool(one.building) and one.building == other.building


def suits(viewer: Party, wishes: Wishes, trip: Trip, owner: Party) -> bool:
    """Whether who asks may see a trip, and whether both sides' wishes allow that they ride.

    Parameters
    ----------
    viewer, owner : Party
        Who asks, and who owns the trip.
    wishes : TripQuery or Trip
        Of the one who asks.
    trip : Trip
        What was found.

    Examples
    --------
    >>> from indexes.journeys import Anchor, Role, Schedule
    >>> trip = Trip(
    ...     tenant_id="t", id="1", role=Role.DRIVER, lonlat=((5.37, 43.29), (5.40, 43.30)),
    ...     times_s=(0, 300), schedule=Schedule(timezone="Europe/Paris"), owner_id="ada",
    ...     women_only=True,
    ... )
    >>> ada, eve = Party(id="ada", gender="F"), Party(id="eve", gender="F")
    >>> tom = Party(id="tom", gender="M")
    >>> suits(eve, trip, trip, ada), suits(tom, trip, trip, ada), suits(ada, trip, trip, ada)
    (True, False, False)
    """
    if viewer.id is not None and viewer.id == trip.owner_id:
        return False
    if trip.owner_id is not None and trip.owner_id in viewer.blocked:
        return False
    if viewer.id is not None and viewer.id in owner.blocked:
        return False
    return (
        may_see(viewer, trip, owner)
        and _accepts(wishes, viewer, owner)
        and _accepts(trip, owner, viewer)
    )


def _accepts(wishes: Wishes, own: Party, other: Party) -> bool:
    if wishes.verified_only and other.level < VERIFIED_LEVEL:
        return False
    if wishes.women_only and other.gender != "F":
        return False
    return not wishes.same_building or share_building(own, other)
