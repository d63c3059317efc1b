"""Near me by hand: a town looked at listing by listing, to hold the engine to.

As in `oracles`, nothing here is imported from the rooms: records are read by their fields.
"""

import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import levels_oracle
from oracles import (
    HALF_EARTH_M,
    Scored,
    availability_factor,
    band_edge_m,
    band_name,
    distance_factor,
    distance_m,
    event_factor,
    half_life_factor,
    ranked,
    weighed,
)

NOW = datetime(2025, 6, 14, 9, 30, tzinfo=UTC)  # what the engines held to this take for now

RINGS_M = (150.0, 300.0, 600.0, 1_200.0, 2_500.0, 5_000.0)
ALWAYS_PERSONAL = {"neighbour", "service"}

# (distance, trust, fresh, available, fit), and how distance fades.
GAUSS = ("gauss", 200.0, 600.0, 0.5)
PROFILES = {
    "neighbour": ((0.55, 0.35, 0.00, 0.10, 0.00), GAUSS),
    "service": ((0.45, 0.25, 0.15, 0.10, 0.05), GAUSS),
    "artisan": ((0.30, 0.45, 0.00, 0.15, 0.10), GAUSS),
    "merchant": ((0.55, 0.15, 0.00, 0.20, 0.10), GAUSS),
    "offer": ((0.50, 0.10, 0.10, 0.25, 0.05), GAUSS),
    "event": ((0.35, 0.10, 0.30, 0.20, 0.05), GAUSS),
    "ad": ((0.45, 0.20, 0.25, 0.05, 0.05), GAUSS),
    "place": ((0.85, 0.00, 0.00, 0.10, 0.05), GAUSS),
    "nearest": ((1.00, 0.00, 0.00, 0.00, 0.00), ("linear", 0.0, HALF_EARTH_M, 0.0)),
}


def _hours(wall: datetime) -> float:
    return wall.hour + wall.minute / 60 + wall.second / 3600


# What some opening hours mean, by hand. What is not here says nothing that can be read.
HOURS: dict[str, Callable[[datetime], str]] = {
    "24/7": lambda wall: "open",
    "Mo-Fr 09:00-18:00": lambda wall: (
        "open" if wall.weekday() < 5 and 9 <= _hours(wall) < 18 else "closed"
    ),
    "Sa,Su 10:00-12:30,14:00-19:00": lambda wall: (
        "open"
        if wall.weekday() >= 5 and (10 <= _hours(wall) < 12.5 or 14 <= _hours(wall) < 19)
        else "closed"
    ),
    "22:00-02:00": lambda wall: "open" if _hours(wall) >= 22 or _hours(wall) < 2 else "closed",
    '08:00-20:00 "sur appel"': lambda wall: "unknown" if 8 <= _hours(wall) < 20 else "closed",
    "sur rendez-vous": lambda wall: "unknown",
}


@dataclass
class World:
    """One tenant: its records as they are kept, and what their builder knows of their places."""

    timezone: str
    listings: list[Any]
    members: dict[str, Any]
    households: dict[str, Any]
    buildings: dict[str, Any]
    groups: dict[str, Any]
    group_of: dict[str, str]  # building to group
    zone_of: dict[str, str]  # public listing to the zone of its point
    endorsements: list[Any]
    blocks: list[Any]
    ratings: list[Any] = field(default_factory=list)  # rater, ratee, stars, at, open
    vouches: list[tuple[str, str, int]] = field(default_factory=list)
    standings: dict[str, float] = field(default_factory=dict)  # 1 where there is none

    def building_of(self, member_id: str) -> Any:
        return self.buildings[self.households[self.members[member_id].household_id].building_id]

    def home(self, member_id: str) -> Any | None:
        """The member's published group."""
        return self.groups.get(self.group_of.get(self.building_of(member_id).id, ""))

    def endorsers(self, listing: Any) -> int:
        """Households with a verified member who recommends it, its owner's own left out."""
        own = self.members[listing.owner_id].household_id if listing.owner_id else None
        verified = [
            self.members[one.member_id]
            for one in self.endorsements
            if one.listing_id == listing.id and self.members[one.member_id].level >= 2
        ]
        return len({member.household_id for member in verified} - {own})

    def levels(self, viewer_id: str | None, at: int) -> Callable[[Any], int]:
        """The trust that a viewer is shown, 0 to 4: a person's is the owner's."""
        members, shops = levels_oracle.levels(self, viewer_id, at)
        return lambda one: members[one.owner_id] if one.personal else shops[one.id]

    def zones(self, listing: Any) -> set[str]:
        if listing.personal:
            home = self.home(listing.owner_id)
            return set(home.zones) if home else set()
        return {self.zone_of[listing.id]} if listing.id in self.zone_of else set()

    def sees(self, viewer_id: str | None, listing: Any) -> bool:
        """Building ⊂ residence ⊂ zone ⊂ city ⊂ public, and nobody sees whom they blocked."""
        if listing.owner_id and is_care(listing.category):
            vouched_for = not listing.personal and listing.attested
            if self.members[listing.owner_id].level < 3 and not vouched_for:
                return False
        if viewer_id is None:
            return listing.audience.value == "public"
        for block in self.blocks:
            if {viewer_id, listing.owner_id} == {block.member_id, block.other_id}:
                return False
        if listing.audience.value in ("public", "city"):
            return True
        if listing.audience.value == "zone":
            home = self.home(viewer_id)
            return home is not None and bool(set(home.zones) & self.zones(listing))
        # Walls are a proof of address: of the viewer's, and of a person's who lists.
        if self.members[viewer_id].level < 2:
            return False
        if listing.personal and self.members[listing.owner_id].level < 2:
            return False
        mine = self.building_of(viewer_id)
        theirs = self.building_of(listing.owner_id) if listing.personal else None
        if listing.audience.value == "building":
            return mine.id == (theirs.id if theirs else listing.audience_id)
        residence = theirs.residence_id if theirs else listing.audience_id
        return residence is not None and mine.residence_id == residence

    def point(self, listing: Any) -> tuple[float, float] | None:
        """Where it is near from: its own point, or its owner's group's if that is published."""
        if not listing.personal:
            return listing.lon, listing.lat
        home = self.home(listing.owner_id)
        return (home.lon, home.lat) if home and home.locatable else None


def is_care(category: str) -> bool:
    """Of children, as the tests' categories have it: what is above them is no care."""
    return category.split(".")[:2] == ["garde", "enfants"]


def seconds(instant: datetime) -> int:
    """Whole seconds since 1970: what is finer does not count."""
    return math.floor(instant.timestamp())


def end_of(listing: Any) -> int | None:
    """The second from which it counts no more: its validity's end or the event's."""
    ends = [] if listing.valid_to is None else [seconds(listing.valid_to)]
    if listing.kind.value == "event":
        over = listing.starts_at + timedelta(hours=3)
        ends.append(seconds(over if listing.ends_at is None else listing.ends_at))
    return min(ends, default=None)


def is_valid(listing: Any, at: int) -> bool:
    """Does it count at an instant: from its beginning on, and no more at its end."""
    if listing.valid_from is not None and at < seconds(listing.valid_from):
        return False
    end = end_of(listing)
    return end is None or at < end


def fresh_of(listing: Any, at: int) -> float:
    if listing.kind.value == "event":
        return event_factor(seconds(listing.starts_at) - at)
    if listing.kind.value in ("service", "ad") and listing.published_at is not None:
        return half_life_factor(at - seconds(listing.published_at))
    return 1.0


def doors_of(world: World, listing: Any, at: int) -> str:
    if listing.opening_hours is None:
        return "unknown"
    wall = datetime.fromtimestamp(at, ZoneInfo(world.timezone))
    return HOURS[listing.opening_hours](wall)


def stock_of(listing: Any) -> str:
    if listing.quota is None:
        return "none"
    return "in stock" if listing.quota_used < listing.quota else "sold out"


def available_of(stock: str, doors: str) -> str:
    """In a word, for the answer."""
    if stock == "sold out":
        return "sold_out"
    if doors != "unknown":
        return doors
    return "in_stock" if stock == "in stock" else "unknown"


STOP_WORDS = {"a", "de", "du", "la", "le", "les", "des", "et", "the", "of", "un", "une"}


def words(text: str) -> list[str]:
    """Without accents, case, elisions, stop words and final s or x, by the letter."""
    found, letters = [], ""
    for character in unicodedata.normalize("NFD", text.lower()).replace("œ", "oe") + " ":
        if unicodedata.combining(character):
            continue
        if character.isalnum():
            letters += character
            continue
        elided = character in "'’" and letters in ("l", "d", "j", "c", "m", "n", "s", "t", "qu")
        if letters and not elided and letters not in STOP_WORDS:
            found.append(letters[:-1] if len(letters) >= 4 and letters[-1] in "sx" else letters)
        letters = ""
    return found


@cache
def aligned(one: str, other: str) -> int:
    """Letters put in, left out or replaced, or two neighbours exchanged, none of them twice."""
    if not one or not other:
        return len(one) + len(other)
    found = min(
        aligned(one[:-1], other) + 1,
        aligned(one, other[:-1]) + 1,
        aligned(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    )
    if one[-2:] == other[-2:][::-1] and len(one) > 1 < len(other):
        found = min(found, aligned(one[:-2], other[:-2]) + 1)
    return found


ENDINGS = (
    *("age", "agiste", "ateur", "ation", "atrice", "e", "ement", "er", "ere", "erie", "eur"),
    *("euse", "icien", "icienne", "icite", "ie", "ien", "ienne", "ier", "iere", "ique", "iste"),
    *("re", "ure"),
)


def stem(word: str) -> str:
    """What is left of a word, five letters at least, before the longest ending."""
    cuts = [i for i in range(5, len(word)) if word[i:] in ENDINGS]
    return word[: cuts[0]] if cuts else word


@dataclass
class Reading:
    """What a word that is asked for is taken for, and at how many edits."""

    edits: int
    words: set[str]

    def points(self, where: list[str], worth: tuple[int, int]) -> int:
        """What some words of a listing are worth: those meant, else others of their family."""
        if any(one in self.words or (not self.edits and begins(one, self.words)) for one in where):
            return worth[0]
        stems = {stem(word) for word in self.words}
        return worth[1] if any(stem(one) in stems for one in where) else 0


def begins(word: str, beginnings: set[str]) -> bool:
    return any(len(one) >= 3 and word.startswith(one) for one in beginnings)


def readings(world: World, viewer_id: str | None, query: Any) -> list[Reading]:
    """How each word asked is read: as itself where the viewer could find it, somewhere, of any
    kind; else as all that they could find at the fewest edits. Words that are nowhere are left
    out."""
    at, found = seconds(query.at), []
    known = {
        word
        for one in world.listings
        if world.sees(viewer_id, one)
        and is_valid(one, at)
        and world.point(one) is not None
        and (query.origin is None or not one.personal)
        for word in words(f"{one.title} {one.category} {one.text}")
    }
    for word in sorted(set(words(query.text))):
        itself = Reading(0, {word})
        digits = any(c.isdigit() for c in word)
        limit = 0 if digits else (len(word) >= 4) + (len(word) >= 8)
        near = [Reading(n, {w for w in known if aligned(w, word) == n}) for n in (1, 2)]
        if itself.points(sorted(known), (1, 1)):
            found.append(itself)
        else:
            found += [reading for reading in near[:limit] if reading.words][:1]
    return found


def text_fit(listing: Any, text: str, read: list[Reading]) -> float:
    """10 for a word found in title or category, 7 in the text; 8 and 5 for its family; less
    where it was read as another. Over 10 for each word asked."""
    strong = words(listing.title) + words(listing.category)
    weak = words(listing.text)
    points = [
        one.points(strong, ((10, 8), (6, 5), (4, 3))[one.edits])
        or one.points(weak, ((7, 5), (4, 3), (3, 2))[one.edits])
        for one in read
    ]
    return sum(points) / (10 * len(set(words(text)))) if points else 0.0


def is_corrected(listing: Any, read: list[Reading]) -> bool:
    """Whether it holds what a word that is not there was read as."""
    where = words(f"{listing.title} {listing.category} {listing.text}")
    return any(one.edits and one.points(where, (1, 1)) for one in read)


def category_fit(listing: Any, category: str) -> float:
    """Depth asked over depth of the item, 0 for what lies elsewhere in the tree."""
    asked, own = category.split("."), listing.category.split(".")
    return len(asked) / len(own) if own[: len(asked)] == asked else 0.0


def is_inside(polygon: Any, lon: float, lat: float) -> bool:
    """Even-odd rule over the edges of the outline; no point of the tests lies on one."""
    inside = False
    ring = list(polygon.exterior.coords)
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > lat) != (y2 > lat) and lon < x1 + (lat - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


@dataclass
class Near:
    """One listing that a query may answer, and all that the answer says of it."""

    listing: Any
    scored: Scored
    level: int
    available: str
    zones: set[str]
    endorsers: int

    @property
    def band(self) -> str | None:
        return band_name(self.scored.distance_m) if self.listing.personal else None


def near(world: World, viewer_id: str | None, query: Any) -> dict[str, Near]:
    """All listings that a query may answer, by id, whatever their distance or page."""
    at = seconds(query.at)
    people = query.origin is None
    if query.origin is None:
        assert viewer_id is not None
        home = world.home(viewer_id)
        assert home is not None
        lon, lat = home.lon, home.lat
    else:
        lon, lat = round(query.origin[0], 7), round(query.origin[1], 7)
    read = [] if query.text is None else readings(world, viewer_id, query)
    # Trust is as old as it is now, whatever instant is asked about.
    found, level_of = {}, world.levels(viewer_id, int(NOW.timestamp()))
    for listing in world.listings:
        point = world.point(listing)
        if listing.kind not in query.kinds or point is None:
            continue
        if (listing.personal and not people) or not world.sees(viewer_id, listing):
            continue
        if query.audiences and listing.audience not in query.audiences:
            continue
        if not is_valid(listing, at):
            continue
        zones = world.zones(listing)
        if query.zones and not zones & set(query.zones):
            continue
        if query.polygon is not None and not is_inside(query.polygon, *point):
            continue
        owner = world.members.get(listing.owner_id)
        if query.verified_only and (owner is None or owner.level < 2):
            continue
        doors, stock = doors_of(world, listing, at), stock_of(listing)
        if query.open_now and doors != "open":
            continue
        fit = 1.0
        if query.category:
            fit *= category_fit(listing, query.category)
        if query.text is not None:
            fit *= text_fit(listing, query.text, read)
        if fit == 0.0:
            continue
        d = distance_m(lon, lat, *point)
        if d < query.min_distance_m or (listing.reach_m is not None and d > listing.reach_m):
            continue
        scored_m = band_edge_m(d) if listing.personal else d
        weights, decay = PROFILES[query.profile or listing.kind.value]
        level = level_of(listing)
        factors = (
            distance_factor(*decay, scored_m),
            level / 4,
            fresh_of(listing, at),
            availability_factor(stock, doors),
            fit,
        )
        scored = Scored(weighed(weights, factors), scored_m, d, factors)
        endorsers = world.endorsers(listing)
        found[listing.id] = Near(
            listing, scored, level, available_of(stock, doors), zones, endorsers
        )
    return found


def pages(
    found: Mapping[str, Near], query: Any, reported: Mapping[str, tuple[int, int]]
) -> list[tuple[float, list[str]]]:
    """Every page of a query, as (radius, ids), the first even if it is empty.

    With a radius: its ranking, cut in pages. Without: the smallest ring that fills a page,
    else the last; then each ring further out that adds anything, ranked by itself.
    """

    def ranking(beyond_m: float, radius_m: float) -> list[str]:
        # An id is ranked as UTF-8 bytes.
        chosen = {
            id.encode(): one.scored
            for id, one in found.items()
            if beyond_m < one.scored.distance_m <= radius_m
        }
        given = {id.encode(): numbers for id, numbers in reported.items()}
        return [id.decode() for _, _, id in ranked(chosen, given)]

    def cut(radius_m: float, ids: list[str]) -> list[tuple[float, list[str]]]:
        starts = range(0, len(ids), query.limit)
        return [(radius_m, ids[start : start + query.limit]) for start in starts]

    if query.radius_m is not None:
        ids = ranking(-1.0, query.radius_m)
        return cut(query.radius_m, ids) or [(query.radius_m, [])]
    first = next((ring for ring in RINGS_M if len(ranking(-1.0, ring)) >= query.limit), RINGS_M[-1])
    answered = cut(first, ranking(-1.0, first)) or [(first, [])]
    within = first
    for ring in RINGS_M:
        if ring > first and (ids := ranking(within, ring)):
            answered += cut(ring, ids)
            within = ring
    return answered
