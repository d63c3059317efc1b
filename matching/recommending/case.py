"""What listings have to say for themselves to one viewer: the terms of a recommendation."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import fsum
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import structs

from geo.arrays import BoolArray, FloatArray, IntArray, LonLat
from geo.distance import haversine_m
from indexes.columns import CLASSES, SOLD_OUT
from indexes.points import Found
from indexes.scores import BANDS_M
from matching.paging import Search
from matching.recommending.model import Terms
from matching.recommending.reasons import Evidence
from matching.recommending.voices import Heard, Spoken, Voices, heard
from matching.scoring import Decay
from matching.trust import shown_levels
from matching.trusting.edges import ATTESTED_LEVEL, HALF_LIFE_S

__all__ = ["DECAY", "Case", "Trusted", "alike"]

DECAY = Decay("gauss", 200.0, 600.0)
# How much a neighbour's word counts, by the upper edge of the band they live in: those of the
# same group, of less than 500 m and of less than 1 km.
NEARNESS = {edge: 0.5 ** ((max(0.0, edge - 200.0) / 600.0) ** 2) for edge in (0.0, *BANDS_M[:2])}
USE = 0.5  # having used something says half of what recommending it does
POPULAR = 8  # doublings of endorsing households, and it's as popular as can be: 255
NEW_S = 30 * 86_400
IN_TURNS = 100  # the nearest new ones, so that each has its turn within weeks


@dataclass(frozen=True, slots=True, eq=False)
class Trusted:
    """What those whom a viewer trusts say of listings.

    ``weights`` are those of their recommendations, by id of the listing, as of now; ``members``
    whom the viewer's walks reach.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    members: Collection[str] = ()


class Case:
    """All that counts when a member asks.

    Parameters
    ----------
    search : Search
        What near me would search, its plan that of the recommendations.
    voices : Voices
        What members recommend and have used.
    trusted : Trusted
        What those say whom the member trusts.
    weights : Terms
        What each term weighs.
    member_id : str
        Who asks.
    now_s : int
        What time it is, seconds since 1970: the voices are those of then, while the search is
        for the instant asked about.
    endorsers : ndarray of int64, shape (rows,), optional
        Households that endorse each row, where that is not as of now.

    Attributes
    ----------
    search : Search
        What was given.
    """

    def __init__(
        self,
        search: Search,
        voices: Voices,
        trusted: Trusted,
        weights: Terms,
        member_id: str,
        now_s: int,
        endorsers: IntArray | None = None,
    ) -> None:
        snapshot = search.snapshot
        self.search = search
        self._weights, self._voices, self._endorsers = weights, voices, endorsers
        self._now_s = now_s
        self._catalog = snapshot.catalog
        self._owner = snapshot.vocabulary.owners.number(member_id)
        me = voices.member(member_id)
        endorsed, used = (voices.endorsed, 1.0), (voices.used, USE)
        own = self._heard(_among(voices, [member_id]), endorsed, used)
        self._liked = self._rows(own)
        self._taste = self._tastes(own)
        # In the steps that trust is told in, so that no score tells more.
        rows = self._catalog.rows_of(list(trusted.weights))
        self._trusted = self._by_row(rows, _steps([*trusted.weights.values()]))
        others = _other_dwellings(voices, me)
        circle = self._heard(np.where(others, _among(voices, trusted.members), 0.0), endorsed)
        self._trusted_households = self._by_row(self._rows(circle), circle.households)
        nearness = np.where(others, _nearness(voices, search.ask.origin), 0.0)
        # Who is blocked has no weight, and is counted all the same: else whoever blocks somebody
        # would see by a count one lower what they recommend.
        near = self._heard(nearness, endorsed, used)
        self._near_households = self._by_row(self._rows(near), near.households)
        if blocked := snapshot.people.blocks.get(member_id, ()):
            nearness[_among(voices, blocked) > 0.0] = 0.0
            near = self._heard(nearness, endorsed, used)
        self._near = self._by_row(self._rows(near), _steps(near.weight))

    def _heard(self, weight: FloatArray, *how: tuple[Spoken, float]) -> Heard:
        """What is said by members, each with a weight, in some ways, each with a share, by now."""
        voices, now_s = self._voices, self._now_s
        spoken = []
        for said, share in how:
            strength = share * weight[said.member]
            rows = np.flatnonzero((strength > 0.0) & (said.at <= now_s))
            aged = strength[rows] * np.exp2((said.at[rows] - now_s) / HALF_LIFE_S)
            spoken.append((said.listing[rows], voices.household[said.member[rows]], aged))
        return heard(*map(np.concatenate, zip(*spoken, strict=True)))

    def _rows(self, said: Heard) -> IntArray:
        words = self._voices.listings.words
        return self._catalog.rows_of([words[number] for number in said.listing.tolist()])

    def _by_row(self, rows: IntArray, values: npt.NDArray[Any]) -> FloatArray:
        found = np.zeros(len(self._catalog))
        found[rows[rows >= 0]] = values[rows >= 0]
        return found

    def _tastes(self, own: Heard) -> FloatArray:
        """How like each category is to what the viewer likes, by its number."""
        words = self.search.snapshot.vocabulary.categories.words[:]
        there = self._liked >= 0
        numbers = self._catalog.column("category", self._liked[there]).tolist()
        liked: Counter[str] = Counter()
        for number, weight in zip(numbers, own.weight[there].tolist(), strict=True):
            liked[words[number]] += weight
        whole = fsum(liked.values())
        if whole == 0.0:
            return np.zeros(len(words))
        sums = [fsum(liked[one] * alike(one, word) for one in liked) for word in words]
        return np.array(sums) / whole

    # Which listings, and in what order.

    def rows_of(self, classes: Collection[int], known: bool) -> IntArray:
        """Rows of some classes that may be recommended: no own ones, nothing sold out, and
        what the viewer knows already only if asked for."""
        wanted = np.isin(np.arange(CLASSES), [*classes])
        parts = []
        for first, segment in self._catalog.parts:
            columns = segment.columns
            keep = wanted[columns.classes] & (columns.stock != SOLD_OUT)
            if self._owner is not None:
                keep &= columns.owner != self._owner
            parts.append(first + np.flatnonzero(keep))
        rows = np.concatenate(parts)
        if not known:
            rows = rows[~np.isin(rows, self._liked)]
        if self.search.rows is not None:  # those that match the words asked for
            rows = rows[np.isin(rows, self.search.rows)]
        return rows

    def new_of(self, rows: IntArray) -> IntArray:
        """Of some rows those that take turns to be discovered, the nearest first.

        They are of verified members, first published within 30 days, and endorsed by nobody.
        """
        column, at = self._catalog.column, self.search.ask.at
        rows = rows[column("verified", rows)]
        rows = rows[self._endorsing(rows) == 0]
        published = column("published_at", rows)
        rows = rows[(published <= at) & (published > at - NEW_S)]
        return structs.replace(self.search, rows=rows, fits=None).nearest(IN_TURNS).rows

    def best(self, rows: IntArray, count: int) -> Found:
        """The best of some rows."""
        return structs.replace(self.search, rows=rows, fits=self._fits(rows)).best(count)

    def _fits(self, rows: IntArray) -> FloatArray:
        """All terms but the distance, weighed, as a share of what they weigh together."""
        weighed: FloatArray = self.terms(rows) @ np.array(self._weights[1:])
        np.divide(weighed, sum(self._weights[1:]), out=weighed, where=weighed > 0.0)
        return weighed

    # What is known of each.

    def terms(self, rows: IntArray) -> FloatArray:
        """Every term but the distance, shape (n, 4)."""
        doublings = np.frexp(1.0 + self._endorsing(rows))[1] - 1  # exact
        return np.column_stack(
            (
                self._trusted[rows],
                self._near[rows],
                self._taste[self._catalog.column("category", rows)],
                np.minimum(doublings, POPULAR) / POPULAR,
            )
        )

    def _endorsing(self, rows: IntArray) -> IntArray:
        if self._endorsers is not None:
            return self._endorsers[rows]
        found: IntArray = self._catalog.column("endorsers", rows)
        return found

    def evidence(self, row: int) -> Evidence:
        """How many households stand behind a row."""
        return Evidence(
            int(self._trusted_households[row]),
            int(self._near_households[row]),
            int(self._endorsing(np.array([row])).item()),
        )

    def owners(self, rows: IntArray) -> dict[int, int]:
        """Numbers of the owners of some rows, -1 for none."""
        return dict(zip(rows.tolist(), self._catalog.column("owner", rows).tolist(), strict=True))

    def knows(self, row: int) -> bool:
        """Whether the viewer recommends it or has used it."""
        return row in self._liked


def _among(voices: Voices, ids: Iterable[str]) -> FloatArray:
    """1 for some members, 0 for all others."""
    found = np.zeros(len(voices.level))
    found[[number for number in map(voices.member, ids) if number >= 0]] = 1.0
    return found


def _other_dwellings(voices: Voices, me: int) -> BoolArray:
    """Members of other households than one's own."""
    if me < 0:
        return np.ones(len(voices.household), np.bool_)
    others: BoolArray = voices.household != voices.household[me]
    return others


def _nearness(voices: Voices, origin: LonLat) -> FloatArray:
    """How much each member's word counts for living near: of those who have proved where they
    live."""
    distance_m = haversine_m(origin, voices.group_lonlat)
    of_group = np.zeros(len(distance_m) + 1)  # the last stands for no group
    for edge, weight in sorted(NEARNESS.items(), reverse=True):
        of_group[:-1][distance_m < edge if edge else distance_m == 0.0] = weight
    counts = voices.level >= ATTESTED_LEVEL
    return np.where(counts, of_group[voices.group], 0.0)


def _steps(weights: npt.ArrayLike) -> FloatArray:
    """What voices say together, from 0 for nothing in thirds to 1: levels 1 to 4 of trust."""
    positive = np.asarray(weights, np.float64)
    levels = shown_levels(np.full(len(positive), 4), positive, np.zeros(len(positive)))
    return (levels - 1) / 3


@lru_cache(maxsize=100_000)
def alike(one: str, other: str) -> float:
    """How alike two categories are: parts that both begin with, over the parts of the longer.

    Examples
    --------
    >>> alike("commerce.boulangerie", "commerce.epicerie"), alike("sortie", "sortie.concert")
    (0.5, 0.5)
    >>> alike("", ""), alike("don", "donnees")
    (0.0, 0.0)
    """
    if not one or not other:
        return 0.0
    first, second = one.split("."), other.split(".")
    shared = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        shared += 1
    return shared / max(len(first), len(second))
