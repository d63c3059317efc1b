"""Radius and pages: the rings that widen by themselves, and where the next page begins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec
from msgspec import structs

from geo.arrays import FloatArray, IntArray
from indexes.columns import Ints
from indexes.points import Ask, Found, Plan
from matching.cursor import Cursor
from matching.hours import StateArray
from matching.towns.snapshot import Snapshot

__all__ = ["RINGS_M", "Search", "next_cursor", "resumed", "ring_radius"]

RINGS_M = (150.0, 300.0, 600.0, 1_200.0, 2_500.0, 5_000.0)
"""The radii tried where none is asked for."""

MILLIMETRE = 0.001


class Search(msgspec.Struct, frozen=True, eq=False):
    """A query made ready for the index.

    ``rows`` and ``fits`` are those of the listings that match the words and lie in the polygon,
    None where neither was asked for. ``digest`` is that of the query, ``people`` whether they
    are searched, ``auto`` whether the radius widens by itself, ``trust`` the digest of the levels
    shown. ``corrected`` has the words of the query that were read as others: see
    `matching.text.Matched`. ``neighbours`` counts households of the viewer's building that
    recommend some listings; None where nobody in particular asks.
    """

    snapshot: Snapshot
    plan: Plan
    ask: Ask
    filters: Ints
    states: StateArray
    rows: IntArray | None
    fits: FloatArray | None
    digest: str
    people: bool
    auto: bool
    trust: str
    corrected: Mapping[str, frozenset[str]]
    neighbours: Callable[[Sequence[str]], Sequence[int]] | None = None

    def best(self, limit: int) -> Found:
        """The best, by score."""
        index = self.snapshot.index
        if self.rows is None:
            return index.search(self.plan, self.ask, self.filters, limit)
        return index.scan(self.plan, self.ask, self.filters, limit, self.rows, self.fits)

    def nearest(self, limit: int) -> Found:
        """The nearest, whatever they score."""
        index = self.snapshot.index
        if self.rows is None:
            return index.nearest(self.plan, self.ask, self.filters, limit)
        return index.scan(self.plan, self.ask, self.filters, limit, self.rows, by_distance=True)

    def within(self, radius_m: float, inner_m: float = -1.0) -> "Search":
        """The same, no farther than ``radius_m`` and beyond ``inner_m``."""
        return structs.replace(self, ask=replace(self.ask, radius_m=radius_m, inner_m=inner_m))


def ring_radius(search: Search, limit: int) -> float:
    """The smallest ring that fills a page, else the largest."""
    nearest = search.within(RINGS_M[-1]).nearest(limit)
    if len(nearest) < limit:
        return RINGS_M[-1]
    farthest_m = float(nearest.distance_m.max())
    ring_m, inside_m = _ring(farthest_m), _ring(farthest_m - MILLIMETRE)
    # The nearest are told by whole millimetres: one on either side of an edge may be the same.
    if inside_m < ring_m and len(search.within(inside_m).nearest(limit)) == limit:
        return inside_m
    return ring_m


def _ring(distance_m: float) -> float:
    return next(ring for ring in RINGS_M if distance_m <= ring)


def resumed(search: Search, cursor: Cursor) -> Search:
    """The search of the page that a cursor begins."""
    search = structs.replace(search.within(cursor.radius_m, cursor.inner_m), auto=cursor.auto)
    if cursor.score is None:
        return search
    # If the last match is gone, whatever stands where it stood has a greater rank.
    after = cursor.score, cursor.tie, search.snapshot.ranks.rank_of(cursor.id)
    return structs.replace(search, ask=replace(search.ask, after=after))


def next_cursor(search: Search, found: Found, limit: int, profiles: str) -> Cursor | None:
    """Where the next page begins: after the last match, or with the next ring that has one.

    ``found`` holds one match more than the page where there are more.
    """
    ask = search.ask
    if len(found) > limit:
        last = limit - 1
        return Cursor(
            query=search.digest,
            profiles=profiles,
            at=ask.at,
            radius_m=ask.radius_m,
            inner_m=ask.inner_m,
            auto=search.auto,
            score=int(found.scores[last]),
            tie=int(found.ties[last]),
            id=search.snapshot.catalog.id_of(int(found.rows[last])),
            trust=search.trust,
        )
    if not search.auto or ask.radius_m >= RINGS_M[-1]:
        return None
    nearest = search.within(RINGS_M[-1], inner_m=ask.radius_m).nearest(1)
    if len(nearest) == 0:
        return None
    return Cursor(
        query=search.digest,
        profiles=profiles,
        at=ask.at,
        radius_m=_ring(float(nearest.distance_m[0])),
        inner_m=ask.radius_m,
        auto=search.auto,
        trust=search.trust,
    )
