"""Trips that stand: each is matched anew when another comes that may suit it."""

from collections.abc import Iterable
from datetime import date, datetime

from matching.query import MAX_LIMIT
from matching.rides.book import TripView
from matching.rides.clock import as_zone
from matching.trips import matches_of_trip

__all__ = ["standing_matches"]


def standing_matches(
    view: TripView, own: Iterable[str], came: TripView, was: TripView, now: datetime
) -> list[tuple[str, str]]:
    """What of the trips that came matches trips that stand, and what matches since seats are free.

    No trip is looked at one by one: each that stands is searched for in an index of those that
    came, however many there are beside.

    Parameters
    ----------
    view : TripView
        The trips of a town.
    own : iterable of str
        Ids of those that stand; one that is cancelled, or can't be published, matches nothing.
    came : TripView
        Those that came, or changed (`TripView.only`).
    was : TripView
        Those among them of which only the seats taken have changed, as they were before. They
        match on more days than they did, or it is no news; if they are among ``own``, who would
        ride in them is searched for in all of the town.
    now : datetime
        Aware; from that day on, in the time zone of each, as for `matches_of_trip`.

    Returns
    -------
    list of (str, str)
        The id of a trip that stands, and of one that matches it, in order; of each that stands
        200 at most.
    """
    found = []
    for id in sorted(own):
        held = view.trip(id)
        if held is None:
            continue
        first = now.astimezone(as_zone(held[0].schedule.timezone)).date()
        told = _gained(_days(view, id, first, came), _days(view, id, first, was))
        if was.trip(id) is not None:
            told |= _gained(_days(view, id, first, view), _days(was, id, first, view))
        found += [(id, other) for other in sorted(told)]
    return found


def _days(view: TripView, id: str, first: date, among: TripView) -> dict[str, set[date]]:
    """On which days each trip among some matches one of a view."""
    matches = matches_of_trip(view, id, first=first, limit=MAX_LIMIT, among=among)
    days: dict[str, set[date]] = {}
    for match in matches:  # of who would do either there are two: as driver, and as passenger
        days.setdefault(match.id, set()).update(match.dates)
    return days


def _gained(now: dict[str, set[date]], before: dict[str, set[date]]) -> set[str]:
    return {id for id, days in now.items() if days - before.get(id, set())}
