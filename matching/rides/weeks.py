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
    returning = replace(
        query,
        origin=query.destination,
        destination=query.origin,
        schedule=back,
        limit=MAX_LIMIT,
    )
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


def _pair(out: TripMatch, back: TripMatch | None, back_by: str, risk_min: float) -> RoundTrip:
    cost_min = out.cost_min + (back.cost_min if back else 0.0) + risk_min
    return RoundTrip(out=out, back=back, back_by=back_by, cost_min=round(cost_min, 6))


def cover_week(
    view: TripView, viewer: Party, query: TripQuery, prices: Prices | None = None
) -> WeekCover:
    """A few drivers that cover the days of a weekly search between them.

    Parameters
    ----------
    view, viewer, query, prices
        As for `matching.trips.find_drivers`; the search is weekly.

    Returns
    -------
    WeekCover
        Each chosen driver with the days that are best with him, in the order of choice.

    Raises
    ------
    InputError
        If the search is not weekly.

    Notes
    -----
    A day is worth 90 minutes less what its ride costs; each driver more costs 15. The worth of
    the days covered is submodular (a driver adds the less, the more are there already), so we
    take the driver who adds most, again and again, for as long as one adds more than he costs:
    greedy, and for a given number of drivers never under 1 - 1/e of the best worth
    (Nemhauser, Wolsey, Fisher, 1978). A day is covered if the driver comes on it in at least
    one of the two weeks that a search looks at.
    """
    if query.schedule.at is not None:
        raise InputError("a week is covered for a weekly search, this one is once")
    asked = [day for day in WEEKDAYS if day in _weekdays(query)]
    matches = find_drivers(view, viewer, replace(query, limit=MAX_LIMIT), prices)
    worth = dict.fromkeys(asked, 0.0)
    best: dict[str, TripMatch] = {}
    chosen: list[TripMatch] = []

    def gain(match: TripMatch) -> float:
        own = DAY_WORTH_MIN - _ride_min(match)
        return sum(max(0.0, own - worth[day]) for day in match.days) - SWITCH_MIN

    while left := [match for match in matches if match not in chosen]:
        match = max(left, key=gain)  # of equals the first, which ranks higher
        if gain(match) <= 0.0:
            break
        chosen.append(match)
        own = DAY_WORTH_MIN - _ride_min(match)
        for day in match.days:
            if own > worth[day]:
                worth[day], best[day] = own, match
    pairs = [(match, tuple(day for day in asked if best.get(day) is match)) for match in chosen]
    return WeekCover(
        chosen=tuple((match, days) for match, days in pairs if days),
        missing=tuple(day for day in asked if day not in best),
    )


def _ride_min(match: TripMatch) -> float:
    """What a ride costs on a day that it takes place."""
    return match.cost_min - match.terms["unmatched_days"]


def _weekdays(query: TripQuery) -> set[str]:
    return {WEEKDAYS[(one.day + 3) % 7] for one in asked_times(query.schedule, query.first)}
