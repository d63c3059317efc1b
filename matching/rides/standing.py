"""Trips that stand: each is matched anew when another comes that may suit it."""

from collections.abc import Iterable
from datetime import datetime

from matching.query import MAX_LIMIT
from matching.rides.book import TripView
from matching.rides.clock import as_zone
from matching.trips import matches_of_trip

__all__ = ["standing_matches"]


def standing_matches(
    view: TripView, own: Iterable[str], came: TripView, now: datetime
) -> list[tuple[str, str]]:
    """What of the trips that came matches trips that stand.

    No trip is looked at one by one: each that stands is searched for in an index of those that
    came, however many there are beside.

    Parameters
    ----------
    view : TripView
        The trips of a town.
    own : iterable of str
        Ids of those that stand; one that is cancelled, or can't be published, matches nothing.
    came : TripView
        Those that came (`TripView.only`).
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
        matches = matches_of_trip(view, id, first=first, limit=MAX_LIMIT, among=came)
        found += sorted({(id, match.id) for match in matches})
    return found
