"""More than one ride: there and back again, and a week covered by a few drivers."""

from collections.abc import Iterable
from dataclasses import replace

from geo.errors import InputError
from indexes.journeys import Schedule
from matching.query import MAX_LIMIT
from matching.rides.answers import WEEKDAYS
from matching.rides.asks import asked_times
from matching.rides.book import TripView
from matching.rides.carpool import Party, Prices, RoundTrip, TripMatch, TripQuery, WeekCover
from matching.trips import find_drivers

__all__ = ["cover_week", "find_round_trips"]

# What the risk of the way back counts, minutes: with another driver, and with nobody.
OTHER_MIN, NONE_MIN = 5.0, 30.0

DAY_WORTH_MIN = 90.0  # a day covered, less what the ride costs, is the gain
SWITCH_MIN = 15.0  # one driver more to agree with


def find_round_trips(
    there: Iterable[TripMatch],
    view: TripView,
    viewer: Party,
    query: TripQuery,
    back: Schedule,
    prices: Prices | None = None,
) -> tuple[RoundTrip, ...]:
    """Drivers there, each with the best way back, best pair first.

    Parameters
    ----------
    there : iterable of TripMatch
        What `matching.trips.find_drivers` answers to the same question: the ways there.
    view, viewer, query, prices
        As for that.
    back : Schedule
        When the way back is.

    Returns
    -------
    tuple of RoundTrip
        Back with the same owner if that is possible, else with the best other one, else not at
        all. The cost is that of both ways, 5 minutes more with another, 30 with nobody.
    """
    returning = replace(_returning(query, back), limit=MAX_LIMIT)
    ways_back = find_drivers(view, viewer, returning, prices)
    found = []
    for out in there:
        own = next((m for m in ways_back if m.owner_id and m.owner_id == out.owner_id), None)
        if own is not None:
            found.append(_pair(out, own, "same", 0.0))
        elif ways_back:
            found.append(_pair(out, ways_back[0], "other", OTHER_MIN))
        else:
            found.append(_pair(out, None, "none", NONE_MIN))
    found.sort(key=lambda pair: (pair.cost_min, pair.out.pickup.at, pair.out.id.encode()))
    return tuple(found)


def _returning(query: TripQuery, back: Schedule) -> TripQuery:
    """The same ride the other way round."""
    return replace(query, origin=query.destination, destination=query.origin, schedule=back)


def _pair(out: TripMatch, back: TripMatch | None, back_by: str, risk_min: float) -> RoundTrip:
    cost_min = out.cost_min + (back.cost_min if back else 0.0) + risk_min
    return RoundTrip(out=out, back=back, back_by=back_by, cost_min=round(cost_min, 6))


def cover_week(
    view: TripView,
    viewer: Party,
    query: TripQuery,
    prices: Prices | None = None,
    back: Schedule | None = None,
) -> WeekCover:
    """A few drivers that cover the days of a weekly search between them.

    Parameters
    ----------
    view, viewer, query, prices
        As for `matching.trips.find_drivers`; the search is weekly, and its ``limit`` is of drivers.
    back : Schedule, optional
        When the ways back are that are to be covered, too.

    Returns
    -------
    WeekCover
        The trips of each chosen driver with the days that are best with them, drivers in the order
        of choice.

    Raises
    ------
    InputError
        If the search is not weekly.

    Notes
    -----
    A day is worth 90 minutes less what its ride costs, there and back each for itself; each
    driver more costs 15, whatever ways and trips of theirs are taken. The worth of what is covered
    is submodular (a driver adds the less, the more are there already), so we take the driver who
    adds most, again and again, for as long as one adds more than he costs: greedy, and for a given
    number of drivers never under 1 - 1/e of the best worth (Nemhauser, Wolsey, Fisher, 1978). A day
    is covered if the driver comes on it in at least one of the two weeks that a search looks at.
    """
    if query.schedule.at is not None:
        raise InputError("a week is covered for a weekly search, this one is once")
    ways = [query] if back is None else [query, _returning(query, back)]
    offers: dict[tuple[str | None, str], list[tuple[int, TripMatch]]] = {}  # by driver
    for way, asked in enumerate(ways):
        for match in find_drivers(view, viewer, replace(asked, limit=MAX_LIMIT), prices):
            driver = match.owner_id, "" if match.owner_id else match.id
            offers.setdefault(driver, []).append((way, match))
    best: dict[tuple[int, str], TripMatch] = {}

    def taken(driver: tuple[str | None, str]) -> dict[tuple[int, str], TripMatch]:
        """The days, there and back, that are better with a driver than they are."""
        found: dict[tuple[int, str], TripMatch] = {}
        for way, match in offers[driver]:
            for slot in ((way, day) for day in match.days):
                if _worth(match) > _worth(found.get(slot) or best.get(slot)):
                    found[slot] = match
        return found

    def gain(driver: tuple[str | None, str]) -> float:
        more = taken(driver).items()
        return sum(_worth(match) - _worth(best.get(slot)) for slot, match in more) - SWITCH_MIN

    chosen: list[TripMatch] = []
    for _ in range(min(query.limit, len(offers))):
        driver = max(offers, key=gain)  # of equals the first, which ranks higher
        if gain(driver) <= 0.0:
            break
        best |= taken(driver)
        chosen += [match for _, match in offers[driver]]
    covers = []
    for way, asked in enumerate(ways):
        days = [day for day in WEEKDAYS if day in _weekdays(asked)]
        pairs = [(one, tuple(day for day in days if best.get((way, day)) is one)) for one in chosen]
        covers.append(
            WeekCover(
                chosen=tuple((match, own) for match, own in pairs if own),
                missing=tuple(day for day in days if (way, day) not in best),
            )
        )
    return covers[0] if back is None else replace(covers[0], back=covers[1])


def _worth(match: TripMatch | None) -> float:
    """What a day is worth with a ride, or with none."""
    return 0.0 if match is None else DAY_WORTH_MIN - _ride_min(match)


def _ride_min(match: TripMatch) -> float:
    """What a ride costs on a day that it takes place."""
    return match.cost_min - match.terms["unmatched_days"]


def _weekdays(query: TripQuery) -> set[str]:
    return {WEEKDAYS[(one.day + 3) % 7] for one in asked_times(query.schedule, query.first)}
