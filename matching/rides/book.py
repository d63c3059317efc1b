"""All trips of a town in memory, and how they follow its changes.

A `TripView` never changes: a search that takes one reads one state from end to end. `TripBook`
makes the next view of each change: trips that are gone are crossed out, those that came are a
small part of their own, and parts of one kind are merged as they add up.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from indexes.journeys import Role, Trip
from matching.rides.carpool import ANYBODY, Party
from matching.rides.meeting import MeetingPoints
from matching.rides.parts import DriverPart, RiderPart, Rides, driven_days
from matching.schedule import excluding

__all__ = ["Current", "TripBook", "TripView", "without"]

# Very flexible trips would blur the times of all that share an index with them.
FLEX_CLASSES_S = (900, 3_600)
MERGED = 2  # a part is merged into one of at most so many times its size

Part = TypeVar("Part", DriverPart, RiderPart)


@dataclass(frozen=True, slots=True, eq=False)
class Current(Generic[Part]):
    """A part, and which of its trips still count: 1 for each that does."""

    part: Part
    alive: npt.NDArray[np.uint8]

    def has(self, id: str) -> bool:
        """Whether a trip is here and counts."""
        row = self.part.row_of.get(id)
        return row is not None and bool(self.alive[row])

    def without(self, ids: Iterable[str]) -> "Current[Part]":
        """The same, some trips crossed out."""
        rows = [row for id in ids if (row := self.part.row_of.get(id)) is not None]
        if not rows:
            return self
        alive = self.alive.copy()
        alive[rows] = 0
        return replace(self, alive=alive)

    def trips(self) -> list[tuple[Trip, Party]]:
        """The trips that count, and their owners."""
        rows = np.flatnonzero(self.alive).tolist()
        return [(self.part.trips[row], self.part.owners[row]) for row in rows]


@dataclass(frozen=True, slots=True, eq=False)
class TripView:
    """The trips of a town as of one moment.

    ``drivers`` are by time zone and class of flex, larger parts first, as are ``riders``.
    """

    meeting: MeetingPoints
    drivers: Mapping[tuple[str, int], tuple[Current[DriverPart], ...]]
    riders: tuple[Current[RiderPart], ...]

    def driver_parts(self) -> list[Current[DriverPart]]:
        """All parts of drivers' trips."""
        return [one for parts in self.drivers.values() for one in parts]

    def ids(self) -> set[str]:
        """The ids of all trips."""
        drivers = {trip.id for one in self.driver_parts() for trip, _ in one.trips()}
        return drivers | {trip.id for one in self.riders for trip, _ in one.trips()}

    def trip(self, id: str) -> tuple[Trip, Party, Rides] | None:
        """A trip by its id, its owner, and what is accepted on it."""
        for driven in self.driver_parts():
            if driven.has(id):
                row = driven.part.row_of[id]
                rides = driven.part.rides.get(id, {})
                return driven.part.trips[row], driven.part.owners[row], rides
        for ridden in self.riders:
            if ridden.has(id):
                row = ridden.part.row_of[id]
                return ridden.part.trips[row], ridden.part.owners[row], {}
        return None

    def only(
        self, ids: Iterable[str], before: Mapping[str, tuple[Trip, Rides]] | None = None
    ) -> "TripView":
        """The same meeting points, and of the trips those of some ids that there are.

        As they were ``before``, and what was accepted on them then, where that is given.
        """
        held = [found for id in ids if (found := self.trip(id)) is not None]
        then = {trip.id: (trip, rides) for trip, _, rides in held} | dict(before or {})
        return TripBook(
            (then[trip.id][0] for trip, _, _ in held),
            {owner.id: owner for _, owner, _ in held if owner.id is not None},
            {id: rides for id, (_, rides) in then.items()},
            self.meeting,
        ).view


class TripBook:
    """Trips by id, as searches want them. One writer at a time, any number of searches.

    Parameters
    ----------
    trips : iterable of Trip
        In their published form, which is what searches see.
    parties : mapping of member id to Party
        What is known of their owners; nothing of those left out.
    rides : mapping of trip id to Rides
        What is accepted on drivers' trips.
    meeting : MeetingPoints
        Where riders may be met.

    Attributes
    ----------
    view : TripView
        What a search reads now. Take it once.
    """

    def __init__(
        self,
        trips: Iterable[Trip] = (),
        parties: Mapping[str, Party] | None = None,
        rides: Mapping[str, Rides] | None = None,
        meeting: MeetingPoints | None = None,
    ) -> None:
        self._writing = threading.Lock()
        self.view = TripView(meeting or MeetingPoints(), {}, ())
        self.put(trips, parties, rides)

    def put(
        self,
        trips: Iterable[Trip],
        parties: Mapping[str, Party] | None = None,
        rides: Mapping[str, Rides] | None = None,
    ) -> None:
        """Take trips in, in place of those of the same ids; cancelled ones go.

        Put a trip again when what is known of its owner has changed, or what is accepted on it.

        Parameters
        ----------
        trips, parties, rides
            As the book takes them.
        """
        came = {trip.id: trip for trip in trips}
        known = parties or {}
        drivers: dict[tuple[str, int], list[tuple[Trip, Party]]] = {}
        riders: list[tuple[Trip, Party]] = []
        for _, trip in sorted(came.items()):
            if trip.cancelled:
                continue
            pair = trip, known.get(trip.owner_id or "", ANYBODY)
            if trip.role is not Role.PASSENGER:
                drivers.setdefault(_key(trip), []).append(pair)
            if trip.role is not Role.DRIVER:
                driven = driven_days((rides or {}).get(trip.id, {}))
                riders.append((without(trip, driven), pair[1]))
        with self._writing:
            view = _without(self.view, came)
            parts = dict(view.drivers)
            for key, pairs in drivers.items():
                new = _driver_part(pairs, rides or {})
                parts[key] = _merged(parts.get(key, ()), new, _joined_drivers)
            held = view.riders
            if riders:
                meeting = view.meeting

                def joined(pairs: Pairs, _: Sequence[Current[RiderPart]]) -> RiderPart:
                    return _rider_part(pairs, meeting)

                held = _merged(held, _rider_part(riders, meeting), joined)
            self.view = replace(view, drivers=parts, riders=held)

    def remove(self, ids: Iterable[str]) -> None:
        """Forget trips; ids of none are passed over."""
        with self._writing:
            self.view = _without(self.view, list(ids))

    def meet_at(self, meeting: MeetingPoints) -> None:
        """Put other meeting points in place of those there are."""
        with self._writing:
            riders = tuple(
                replace(one, part=RiderPart(one.part.trips, one.part.owners, meeting))
                for one in self.view.riders
            )
            self.view = replace(self.view, meeting=meeting, riders=riders)


def without(trip: Trip, days: Iterable[date]) -> Trip:
    """The same trip, but for some of its service days."""
    return replace(trip, schedule=excluding(trip.schedule, days))


Pairs = Sequence[tuple[Trip, Party]]


def _key(trip: Trip) -> tuple[str, int]:
    flex_s = max(trip.schedule.flex_before_s, trip.schedule.flex_after_s)
    return trip.schedule.timezone, sum(flex_s > edge for edge in FLEX_CLASSES_S)


def _driver_part(pairs: Pairs, rides: Mapping[str, Rides]) -> DriverPart:
    return DriverPart([trip for trip, _ in pairs], [owner for _, owner in pairs], rides)


def _rider_part(pairs: Pairs, meeting: MeetingPoints) -> RiderPart:
    return RiderPart([trip for trip, _ in pairs], [owner for _, owner in pairs], meeting)


def _joined_drivers(pairs: Pairs, parts: Sequence[Current[DriverPart]]) -> DriverPart:
    rides = {
        id: taken
        for one in parts
        for id, taken in one.part.rides.items()
        if one.alive[one.part.row_of[id]]
    }
    return _driver_part(pairs, rides)


def _merged(
    parts: tuple[Current[Part], ...],
    new: Part,
    join: Callable[[Pairs, Sequence[Current[Part]]], Part],
) -> tuple[Current[Part], ...]:
    """Parts with a new one behind them; as long as the last two are of about one size, as one."""
    kept = [one for one in parts if one.alive.any()]
    kept.append(Current(new, np.ones(len(new.trips), np.uint8)))
    while len(kept) > 1:
        one: Current[Part] = kept[-2]
        other: Current[Part] = kept[-1]
        if int(one.alive.sum()) > MERGED * int(other.alive.sum()):
            break
        pairs = sorted((*one.trips(), *other.trips()), key=lambda pair: pair[0].id)
        joined = join(pairs, (one, other))
        kept[-2:] = [Current(joined, np.ones(len(joined.trips), np.uint8))]
    return tuple(kept)


def _without(view: TripView, ids: Iterable[str]) -> TripView:
    ids = tuple(ids)
    return replace(
        view,
        drivers={
            key: tuple(one.without(ids) for one in parts) for key, parts in view.drivers.items()
        },
        riders=tuple(one.without(ids) for one in view.riders),
    )
