"""One day of a town: all its riders and drivers, paired at once.

Cars have several seats, and who is aboard already lengthens the way: which riders share a car is
a vehicle routing problem, which nobody solves exactly for a town. So it is done in rounds. In each,
a car has as many places as seats left, and `matching.rides.assign.best_pairs` picks the most pairs
that are possible and of these the cheapest, exactly, as if riders never got in each other's way.
Of each car's riders the cheapest gets in. Then those sit in the car, their stops are part of its
line, and all who are left are searched with it anew: seats on every leg, the detour in all and the
delay of those aboard are what `matching.trips` says. It ends when nobody who is left can join any
car.

So all pairs are possible together. Where every car takes one rider, the first round is the best
there is; otherwise nothing is promised of all rounds together.

Who would do either, drive or ride, does one: pairs are taken in the order of their cost, first
those of who only rides, and one that has somebody do both is left out.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import NamedTuple, cast

import msgspec
import numpy as np

from geo.errors import InputError
from indexes import rides as j
from indexes.journeys import Role, Trip
from matching.detour import Ride
from matching.reasons import LANGS
from matching.rides.answers import Joined, best_join, joins_of, match_of
from matching.rides.asks import LEAST_TRIP_M, Asked, Pass, ask_of, passes_of, times_between
from matching.rides.assign import best_pairs
from matching.rides.book import Current, TripBook, TripView
from matching.rides.carpool import Party, Prices, TripMatch
from matching.rides.clock import EPOCH
from matching.rides.meeting import MeetingPoints
from matching.rides.parts import DriverPart, Places
from matching.rides.rules import may_see, suits
from matching.schedule import days_of

__all__ = ["DayPair", "DayPairs", "pair_day"]

AT_FIRST = 256  # runs that a search for one rider begins with; more where there are more
GROWTH = 4


class DayPair(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A rider's trip, and the driver's trip that takes it.

    ``round`` counts from 1: in the second, who got in in the first sits in the car. ``match`` is
    what a search for the rider answers in that round; who joins later may move its times.
    """

    rider: str
    driver: str
    round: int
    match: TripMatch


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPairs:
    """What becomes of a day.

    ``riders`` and ``drivers`` count the trips of that day, those of either role in both;
    ``feasible_pairs`` those that are possible before anybody gets in.
    """

    day: date
    riders: int
    drivers: int
    feasible_pairs: int
    pairs: tuple[DayPair, ...]


class _Rider(NamedTuple):
    trip: Trip
    owner: Party
    places: Places
    asked: list[Asked]


class _Car(NamedTuple):
    """A driver's trip on one of its service days."""

    driver: str
    day: int


def pair_day(
    view: TripView,
    day: date,
    *,
    lang: str = "fr",
    prices: Prices | None = None,
    advance: Callable[[int, int, int], object] = lambda round, done, riders: None,
) -> DayPairs:
    """Pair the riders of a day with its drivers: most pairs first, then the least cost.

    Parameters
    ----------
    view : TripView
        The trips of a town, and what is accepted on them.
    day : date
        The riders' service day; around midnight a driver's may be another.
    lang : str
        Language of the reasons: "fr" or "en".
    prices : Prices, optional
        What a ride may cost; the defaults if none.
    advance : callable
        Told the round, for how many riders it has searched, and of how many, now and then.

    Returns
    -------
    DayPairs
        Pairs by round, then by the rider's id, bytewise.

    Raises
    ------
    InputError
        If the language is unknown, or the day is in no known year.
    """
    if lang not in LANGS:
        raise InputError(f"lang must be fr or en, got {lang!r}", code="unknown-language")
    parts = view.driver_parts()
    drivers = sum(
        days_of(trip.schedule, day, day).size for current in parts for trip, _ in current.trips()
    )
    riders = {rider.trip.id: rider for rider in _riders(view, day)}
    counts = len(riders), drivers
    town = _Town(riders, parts, view.meeting)
    feasible: list[int] = []
    pairs: list[DayPair] = []
    for number in itertools.count(1):
        town.search(partial(advance, number))
        feasible.append(sum(map(len, town.costs.values())))
        boarded = town.board(number, lang, prices or Prices())
        if not boarded:
            break
        pairs += sorted(boarded, key=lambda pair: pair.rider.encode())
    return DayPairs(
        day=day,
        riders=counts[0],
        drivers=counts[1],
        feasible_pairs=feasible[0],
        pairs=tuple(pairs),
    )


class _Town:
    """Who is left on a day, what each pair of them costs, and who sits where."""

    def __init__(
        self,
        riders: dict[str, _Rider],
        drivers: Sequence[Current[DriverPart]],
        meeting: MeetingPoints,
    ) -> None:
        self.riders = riders
        self.costs: dict[str, dict[_Car, int]] = {id: {} for id in riders}  # 1e-6 minutes
        self._meeting = meeting
        self._unsearched = drivers
        self._found_in: dict[str, tuple[DriverPart, int]] = {}

    def search(self, advance: Callable[[int, int], object]) -> None:
        """Learn what each rider costs with each driver who is new, or somebody got in with."""
        for current in self._unsearched:
            for row in np.flatnonzero(current.alive).tolist():
                self._found_in[current.part.trips[row].id] = current.part, row
        for done, (id, rider) in enumerate(self.riders.items(), 1):
            for current in self._unsearched:
                for driver, joined in _joins(rider, current):
                    self.costs[id][_Car(driver, joined.service_day)] = joined.cost
            advance(done, len(self.riders))
        self._unsearched = []

    def board(self, round: int, lang: str, prices: Prices) -> list[DayPair]:
        """Let the best pairs of those left get in; who has got in is left no more."""
        boarded: list[DayPair] = []
        riding: set[str] = set()
        full: set[_Car] = set()
        rides: dict[str, dict[date, list[Ride]]] = {}
        for id, car in self._best():
            if car in full or id in rides or car.driver in riding:
                continue
            full.add(car)
            part, row = self._found_in[car.driver]
            rider = self.riders[id]
            # Found when searched for; nothing has changed since.
            joined = cast(Joined, _joined(rider, part, row, _passes(rider, part)))
            match = match_of(
                joined, part.trips[row], rider.places, self._meeting, lang, prices, Role.DRIVER
            )
            boarded.append(DayPair(rider=id, driver=car.driver, round=round, match=match))
            riding.add(id)
            of_driver = rides.setdefault(
                car.driver,
                {day: list(held) for day, held in part.rides.get(car.driver, {}).items()},
            )
            of_driver.setdefault(EPOCH + timedelta(days=car.day), []).append(_ride(match, rider))
        self._leave(riding | rides.keys(), rides)
        return boarded

    def _best(self) -> list[tuple[str, _Car]]:
        """The best pairs, in the order in which they are taken."""
        places = [
            (id, car, place)
            for id, cars in self.costs.items()
            for car in cars
            for place in range(self._places(car))
        ]
        rows = {id: row for row, id in enumerate(sorted(self.costs))}
        columns = {one: column for column, one in enumerate(sorted({one[1:] for one in places}))}
        chosen = best_pairs(
            np.array([rows[id] for id, _, _ in places], np.int64),
            np.array([columns[one[1:]] for one in places], np.int64),
            np.array([self.costs[id][car] for id, car, _ in places], np.int64),
        )
        found = [places[i][:2] for i in chosen.tolist()]
        return sorted(
            found,
            key=lambda pair: (
                self.riders[pair[0]].trip.role is Role.EITHER,
                self.costs[pair[0]][pair[1]],
                pair[0].encode(),
            ),
        )

    def _places(self, car: _Car) -> int:
        """Seats that are left if nobody aboard gets out; one where a rider fits in nonetheless."""
        part, row = self._found_in[car.driver]
        aboard = part.rides.get(car.driver, {}).get(EPOCH + timedelta(days=car.day), ())
        return max(1, part.trips[row].seats - sum(ride.seats for ride in aboard))

    def _leave(
        self, settled: Collection[str], rides: Mapping[str, Mapping[date, Sequence[Ride]]]
    ) -> None:
        """Forget who has settled; the cars among them come back, riders aboard."""
        for id in settled:
            self.riders.pop(id, None)
            self.costs.pop(id, None)
        for cars in self.costs.values():
            for car in [car for car in cars if car.driver in settled]:
                del cars[car]
        held = [self._found_in[driver] for driver in rides]
        drivers = [(part.trips[row], part.owners[row]) for part, row in held]
        book = TripBook(
            [replace(trip, role=Role.DRIVER) for trip, _ in drivers],
            {trip.owner_id or "": owner for trip, owner in drivers},
            rides,
            self._meeting,
        )
        self._unsearched = book.view.driver_parts()


def _riders(view: TripView, day: date) -> Iterator[_Rider]:
    """Who wants to ride on a service day."""
    for current in view.riders:
        for row in np.flatnonzero(current.alive).tolist():
            trip = current.part.trips[row]
            asked = times_between(trip.schedule, day, day)
            if asked:
                yield _Rider(trip, current.part.owners[row], current.part.places[row], asked)


def _passes(rider: _Rider, part: DriverPart) -> list[Pass]:
    ask = ask_of(rider.trip.schedule, rider.places, rider.trip.seats)
    return passes_of(rider.asked, part.timezone, part.span_s, ask, weekly=False)


def _joins(rider: _Rider, current: Current[DriverPart]) -> Iterator[tuple[str, Joined]]:
    """Every driver of a part that a rider can join, and how at the least cost."""
    if rider.places.direct_m < LEAST_TRIP_M:
        return
    part = current.part
    passes = _passes(rider, part)
    rows: set[int] = set()
    levels = part.levels_for(rider.owner, current.alive)
    for one in passes:
        limit = AT_FIRST
        while True:
            found = part.index.search(
                one.ask, one.days, rider.places.rows, limit, part.run_trip, levels
            )
            if len(found) < limit:
                break
            limit *= GROWTH
        rows.update(part.run_trip[found[:, j.RUN].astype(np.int64)].tolist())
    for row in sorted(rows):
        joined = _joined(rider, part, row, passes)
        if joined is not None:
            yield part.trips[row].id, joined


def _joined(rider: _Rider, part: DriverPart, row: int, passes: Sequence[Pass]) -> Joined | None:
    """How a rider joins one driver at the least cost, if both would have it."""
    trip, owner = part.trips[row], part.owners[row]
    if (
        trip.id == rider.trip.id
        or not suits(rider.owner, rider.trip, trip, owner)
        or not may_see(owner, rider.trip, rider.owner)
    ):
        return None
    joins = joins_of(part, row, passes, rider.places)
    return best_join(
        part, joins, rider.places, rider.owner, owner, len(rider.asked), by_driver=False
    )


def _ride(match: TripMatch, rider: _Rider) -> Ride:
    up, down = match.pickup, match.dropoff
    return Ride(
        (up.lon, up.lat), (down.lon, down.lat), up.line_s, down.line_s, seats=rider.trip.seats
    )
