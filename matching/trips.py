"""Who rides with whom: exact, ranked by what it costs both, with reasons.

**The rider** goes from one point to another, 1 km apart or more, and walks to the car and from it:
600 m at each end if nothing else is said, 2 km at most, and both walks together at most half of
the way itself. All distances are great-circle ones; one walks 1.12 m/s.

**The driver** follows a line with times. A rider gets in at a pick-up p and out at a drop-off d
later on the line. Each is one of two kinds:

- a point of the line: the nearest to the rider's end within the window;
- a public meeting point: one of the 8 nearest to the rider's end within the walk, that the line
  passes within 1 km inside the window. Going there between the neighbouring points a, b of the
  line adds 1.3 · (dist(a, p) + dist(p, b) - dist(a, b)) at 10 m/s; where p and d lie between the
  same two, it is the way over both. Of what is added, half is driven before the stop and half
  after it (a third before, between and after two), and all that comes later is later by it.

Each time that the line comes by, for as long as it stays in reach, counts once: there may be
several ps and several ds, of which the first 32 count for each place.

**The windows meet** if the driver's planned time at p (of a rider who asks for a departure) or at
d (for an arrival) can be shifted into the rider's window within the driver's flex.

**The detour** in all is at most min(15 min, max(5 min, a quarter of the trip)), and what the
driver says. **Seats** are free on every leg from p to d, and nobody who has booked already is
delayed by more than 5 minutes since then; further riders join the line as it was accepted.

**Of all pairs p, d** the one of least *effort* counts, in milliseconds: twice the walks, the
detour, and a minute for each stop that is no meeting point. Of equals the shortest ride.

**The cost**, minutes: ride + 2 · walk + shift + detour + 1 for each stop elsewhere than at a
meeting point + 2.5 for each day of two weeks asked for that is not matched - 6 · trust - 3 in the
same building. Shift is how far the driver's plan, without the detour, lies from the time asked
for; trust is how far who asks trusts the other, level / 4 (`matching.trusting.town`): in one of
whom nothing is known 1 / 4, or 0 if not verified. Lowest first, in 1e-6 minutes; then the earlier
pick-up, then the id, bytewise.

**The price** of a seat is what the driver asks or 0.06 € a kilometre; whatever is asked, at most
the share of what the car costs that all would bear with no seat free, so that nobody earns
(`matching.rides.carpool.Prices`). **CO₂** saved is 0.192 kg for each kilometre that the rider
doesn't drive alone, 1.3 times the air line, less the detour's.

**One seat at a time**: on a day on which a rider has a seat that is accepted, that trip of theirs
doesn't take place; nor does anybody ride on a trip on which they drive somebody that day, or have
still to answer who asked for a seat.

**Both ways** hold: verified people only, same building (both addresses proved), women only, blocks,
and who the trip is addressed to. Nobody rides with himself.

**A weekly search** looks 14 days far, so that odd and even weeks both count, and matches day by
day: a weekly trip, or one that takes place once. A trip of several times a week is one match.
"""

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo.arrays import FloatArray, as_lonlat, as_point
from geo.errors import InputError
from indexes import rides as j
from indexes.journeys import Role, Trip
from matching.query import MAX_LIMIT
from matching.reasons import LANGS
from matching.rides.answers import Joined, best_join, joins_of, match_of
from matching.rides.asks import (
    LEAST_TRIP_M,
    Pass,
    ask_of,
    asked_times,
    passes_of,
    times_between,
)
from matching.rides.book import TripView
from matching.rides.carpool import Party, Prices, TripMatch, TripQuery
from matching.rides.clock import EPOCH, FIRST_DAY, LAST_DAY
from matching.rides.parts import DriverPart, Places, Rides, driven_days
from matching.rides.rules import may_see, suits
from matching.schedule import check_schedule, excluding, once_day

__all__ = ["find_drivers", "find_riders", "matches_of_trip"]

MAX_SEATS = 8
SPARE = 4  # found beyond the limit: what comes next tells that nothing better is left out
GROWTH = 4


def find_drivers(
    view: TripView, viewer: Party, query: TripQuery, prices: Prices | None = None
) -> tuple[TripMatch, ...]:
    """The drivers that suit a rider, best first.

    Parameters
    ----------
    view : TripView
        The trips of a town.
    viewer : Party
        Who asks.
    query : TripQuery
        What is asked.
    prices : Prices, optional
        What a ride may cost; the defaults if none.

    Returns
    -------
    tuple of TripMatch
        Equal to looking at every trip by hand; empty if the way is under 1 km.

    Raises
    ------
    InputError
        If a part of the query is out of its range.
    CoordinateError
        If an end is not on the Earth.
    """
    _check(query.limit, query.lang)
    check_schedule(query.schedule)
    if not 1 <= query.seats <= MAX_SEATS:
        raise InputError(f"seats must be 1 to {MAX_SEATS}, got {query.seats}")
    if query.max_walk_m is not None and query.max_walk_m < 0:
        raise InputError(f"max_walk_m must be 0 or more, got {query.max_walk_m}")
    return _find_drivers(view, viewer, query, prices or Prices(), None)


def find_riders(
    view: TripView,
    viewer: Party,
    trip: Trip,
    *,
    first: date | None = None,
    limit: int = 20,
    lang: str = "fr",
    rides: Rides | None = None,
    prices: Prices | None = None,
) -> tuple[TripMatch, ...]:
    """The passengers that suit a driver, best first: the same matches, seen from the other side.

    Parameters
    ----------
    view : TripView
        The trips of a town.
    viewer : Party
        The driver.
    trip : Trip
        What is driven; in the view or not.
    first : date, optional
        From which day on a weekly trip looks, 14 days far. Needed for a weekly one.
    limit, lang, prices
        As for `find_drivers`.
    rides : Rides, optional
        What is accepted on the trip already.

    Raises
    ------
    InputError
        If a part of the question is out of its range.
    """
    _check(limit, lang)
    check_schedule(trip.schedule)
    return _find_riders(view, viewer, trip, first, limit, lang, rides, prices or Prices())


def _find_riders(
    view: TripView,
    viewer: Party,
    trip: Trip,
    first: date | None,
    limit: int,
    lang: str,
    rides: Rides | None,
    prices: Prices,
) -> tuple[TripMatch, ...]:
    days = [one.day for one in asked_times(trip.schedule, first)]
    if not days:
        return ()
    part = DriverPart([trip], [viewer], {trip.id: rides} if rides else {})
    # A rider's day is another than the driver's where midnight lies between.
    around = (
        max(EPOCH + timedelta(days=days[0] - 2), FIRST_DAY),
        min(EPOCH + timedelta(days=days[-1] + 2), LAST_DAY),
    )
    line = as_lonlat(trip.lonlat)
    found = []
    for current in view.riders:
        for row in current.part.index.along(line).tolist():
            rider, owner = current.part.trips[row], current.part.owners[row]
            places = current.part.places[row]
            if (
                not current.alive[row]
                or rider.id == trip.id
                or places.direct_m < LEAST_TRIP_M
                or not suits(viewer, trip, rider, owner)
                or not may_see(owner, trip, viewer)
            ):
                continue
            ask = ask_of(rider.schedule, places, rider.seats)
            asked = times_between(rider.schedule, *around)
            passes = _on_days(passes_of(asked, part.timezone, part.span_s, ask, False), days)
            joins = joins_of(part, 0, passes, places)
            joined = best_join(part, joins, places, viewer, owner, len(days), by_driver=True)
            if joined is not None:
                found.append((joined.rank(rider.id), joined, rider, places))
    found.sort(key=lambda one: one[0])
    return tuple(
        match_of(joined, rider, places, view.meeting, lang, prices, Role.PASSENGER)
        for _, joined, rider, places in found[:limit]
    )


def matches_of_trip(
    view: TripView,
    id: str,
    *,
    first: date | None = None,
    limit: int = 20,
    lang: str = "fr",
    prices: Prices | None = None,
    trusts: Mapping[str, int] | None = None,
    among: TripView | None = None,
) -> tuple[TripMatch, ...]:
    """What matches a trip of the view, in each role it has, best first: a standing search.

    Neither side is scanned: drivers are found by where they pass, passengers by their ends.

    Parameters
    ----------
    view : TripView
        The trips of a town.
    id : str
        Of a trip in it.
    first, limit, lang, prices
        As for `find_riders`. A trip that took place once, before ``first``, matches nothing.
    trusts : mapping of member id to int, optional
        Whom the trip's owner trusts (`matching.rides.carpool.Party`).
    among : TripView, optional
        What is searched, if not all of the view: `matching.rides.book.TripView.only` some trips.

    Raises
    ------
    InputError
        ``unknown-trip`` if the view has none of this id.
    """
    _check(limit, lang)
    held = view.trip(id)
    if held is None:
        raise InputError("no such trip", code="unknown-trip")
    trip, owner, rides = held
    day = once_day(trip.schedule)
    if first is not None and day is not None and day < first:
        return ()
    view = among or view
    owner = replace(owner, trusts=trusts or {})
    found: list[TripMatch] = []
    if trip.role is not Role.PASSENGER:
        found += _find_riders(view, owner, trip, first, limit, lang, rides, prices or Prices())
    if trip.role is not Role.DRIVER:
        query = TripQuery(
            origin=trip.lonlat[0],
            destination=trip.lonlat[-1],
            schedule=excluding(trip.schedule, driven_days(rides)),
            first=first,
            seats=trip.seats,
            max_walk_m=trip.max_walk_m,
            verified_only=trip.verified_only,
            same_building=trip.same_building,
            women_only=trip.women_only,
            limit=limit,
            lang=lang,
        )
        found += _find_drivers(view, owner, query, prices or Prices(), trip)
    found.sort(key=lambda match: (match.cost_min, match.pickup.at, match.id.encode()))
    return tuple(found[:limit])


def _check(limit: int, lang: str) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InputError(f"limit must be 1 to {MAX_LIMIT}, got {limit}")
    if lang not in LANGS:
        raise InputError(f"lang must be fr or en, got {lang!r}", code="unknown-language")


def _on_days(passes: Iterable[Pass], days: Sequence[int]) -> list[Pass]:
    """Only those service days of some passes."""
    found = []
    for one in passes:
        kept = {service: day for service, day in one.asked.items() if service in days}
        if kept:
            found.append(Pass.on(one.ask, kept))
    return found


class _Source(NamedTuple):
    """A part of the drivers, how far their owners are trusted, and the passes that it is asked."""

    part: DriverPart
    levels: npt.NDArray[np.int8]
    passes: list[Pass]


def _find_drivers(
    view: TripView, viewer: Party, query: TripQuery, prices: Prices, own: Trip | None
) -> tuple[TripMatch, ...]:
    """As `find_drivers`; a trip of one's ``own`` is seen by some only, and never matches itself."""
    origin, destination = as_point(query.origin), as_point(query.destination)
    places = Places.of(origin, destination, query.max_walk_m, view.meeting)
    if places.direct_m < LEAST_TRIP_M:
        return ()
    asked = asked_times(query.schedule, query.first)
    ask = ask_of(query.schedule, places, query.seats)
    weekly = query.schedule.at is None
    sources = []
    for current in view.driver_parts():
        part = current.part
        ask[j.OWN_BUILDING] = part.building_of(viewer)
        passes = passes_of(asked, part.timezone, part.span_s, ask, weekly)
        sources.append(_Source(part, part.levels_for(viewer, current.alive), passes))

    def joined_with(source: _Source, row: int, one: Pass, found: list[float]) -> Joined | None:
        part = source.part
        trip, owner = part.trips[row], part.owners[row]
        if not suits(viewer, query, trip, owner):
            return None
        if own is not None and (own.id == trip.id or not may_see(owner, own, viewer)):
            return None
        if part.index.runs.rows[int(found[j.RUN]), j.SEVERAL]:
            joins = joins_of(part, row, source.passes, places)
        else:  # one run: in this pass it is joined as the index found it
            rest = [other for other in source.passes if other is not one]
            joins = chain([(one, found)], joins_of(part, row, rest, places))
        return best_join(part, joins, places, viewer, owner, len(asked), by_driver=False)

    # The index knows a lower bound of what a trip costs, in order. Trips are looked at in
    # that order until none that is left can rank among the best.
    best: list[tuple[tuple[int, int, bytes], Joined, Trip]] = []
    seen: set[str] = set()
    want = query.limit + SPARE
    while True:
        hits: list[tuple[float, FloatArray, _Source, Pass]] = []
        unseen = np.inf
        for source in sources:
            part = source.part
            for one in source.passes:
                # What costs more than the last of a full list is not looked at in this round.
                rows = part.index.search(
                    one.ask, one.days, places.rows, want, part.run_trip, source.levels, unseen
                )
                costs = rows[:, j.COST].tolist()
                hits += [(cost, row, source, one) for cost, row in zip(costs, rows, strict=True)]
                if len(rows) == want:
                    unseen = min(unseen, costs[-1])
        hits.sort(key=itemgetter(0))
        for cost, hit, source, one in hits:
            if len(best) >= query.limit and best[query.limit - 1][0][0] < cost - 2:
                break
            found = hit.tolist()
            row = int(source.part.run_trip[int(found[j.RUN])])
            trip = source.part.trips[row]
            if trip.id in seen:
                continue
            seen.add(trip.id)
            joined = joined_with(source, row, one, found)
            if joined is not None:
                insort(best, (joined.rank(trip.id), joined, trip))
        if len(best) >= query.limit and best[query.limit - 1][0][0] < unseen - 2:
            break
        if unseen == np.inf:
            break
        want *= GROWTH
    return tuple(
        match_of(joined, trip, places, view.meeting, query.lang, prices, Role.DRIVER)
        for _, joined, trip in best[: query.limit]
    )
