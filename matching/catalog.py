"""A tenant's listings and members in memory: the words behind an index's numbers.

The index knows numbers only. A catalog makes them, once, from what the store holds, and
turns answers back into words. It never changes: the next one replaces it whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geo.arrays import BoolArray, IntArray
from indexes.columns import (
    ALWAYS_TO,
    EPOCH_S,
    IN_STOCK,
    KIND_CODES,
    NEVER_FROM,
    NEVER_TO,
    NO_STOCK,
    SOLD_OUT,
    PointColumns,
    to_seconds,
)
from indexes.entities import VERIFIED_LEVEL, Audience, Group, GroupPartition, IrisCode, Kind

__all__ = ["Catalog", "Seen", "public_trust_level"]

Ints = npt.NDArray[np.int32]

# Numbers of audiences: these two, then one for each zone set, building and residence addressed.
PUBLIC, CITY = 0, 1
NOBODY = -1
EVENT_S = 3 * 3600  # how long an event without an end lasts


def public_trust_level(endorsers: IntArray) -> IntArray:
    """Trust level 0 to 4 of public listings: min(4, ⌊log₂(1 + n)⌋) of n endorsing households.

    Examples
    --------
    >>> public_trust_level(np.array([0, 1, 2, 3, 14, 15, 900]))
    array([0, 1, 1, 2, 3, 4, 4])
    """
    # frexp's exponent is exact where a logarithm may round.
    levels: IntArray = np.minimum(4, np.frexp(1.0 + endorsers)[1] - 1).astype(np.int64)
    return levels


@dataclass(frozen=True, slots=True)
class Seen:
    """What a viewer brings to a search.

    ``audiences`` are numbers of audiences the viewer is in, by audience; ``blocked`` numbers
    of owners never shown; ``group`` the viewer's own, if it can be located.
    """

    audiences: dict[Audience, tuple[int, ...]]
    blocked: tuple[int, ...]
    group: Group | None


class Catalog:
    """Listings and members of one tenant, as of one position of the store.

    Parameters
    ----------
    listings, members : pyarrow.Table
        `indexes.store.LISTING_SCHEMA` and `MEMBER_SCHEMA`, sorted by id, bytewise.
    blocks : sequence of (str, str)
        Pairs of members who never see each other.
    partition : GroupPartition or None
        The current published groups.
    """

    def __init__(
        self,
        listings: pa.Table,
        members: pa.Table,
        blocks: Sequence[tuple[str, str]],
        partition: GroupPartition | None,
    ) -> None:
        self.listings = listings.combine_chunks()
        self._members = members.combine_chunks()
        self._groups = {group.id: group for group in (partition.groups if partition else ())}
        self._blocks: dict[str, list[str]] = {}
        for one, other in blocks:
            self._blocks.setdefault(one, []).append(other)
            self._blocks.setdefault(other, []).append(one)

        self.categories = _Words(self._column("category"))
        self.hours = _Words(self._column("opening_hours"))
        self._owners = _Words(self._column("owner_id"))
        self._zone_sets, zones = self._number_zones()
        self._audiences, audience = self._number_audiences(zones)
        self.columns = self._columns(zones, audience)

    def __len__(self) -> int:
        return len(self.listings)

    def _column(self, name: str) -> pa.Array:
        return _whole_array(self.listings[name])

    def _numbers(self, name: str, missing: int) -> IntArray:
        """A column of whole numbers with ``missing`` for null."""
        filled = pc.fill_null(self._column(name), missing).to_numpy()
        return np.asarray(filled, dtype=np.int64)

    def _is(self, name: str, value: str) -> BoolArray:
        return _as_bools(pc.equal(self._column(name), value))

    # -- numbering ------------------------------------------------------------------------

    def _number_zones(self) -> tuple[list[tuple[IrisCode, ...]], Ints]:
        """Distinct sets of zones, and the number of each row's (-1: none).

        A public listing is in the zone of its point; a personal one in all zones of its group.
        """
        words = _Words(self._column("zone"))
        groups = _Words(self._column("owner_group"))
        sets: list[tuple[IrisCode, ...]] = [(IrisCode(code),) for code in words.words]
        numbers = {codes: number for number, codes in enumerate(sets)}
        of_group = np.full(len(groups.words) + 1, -1, np.int32)  # the last stands for none
        for code, name in enumerate(groups.words):
            zones = self._groups[name].zones if name in self._groups else ()
            if zones:
                of_group[code] = numbers.setdefault(zones, len(numbers))
        sets = list(numbers)
        return sets, np.where(self.personal, of_group[groups.codes], words.codes).astype(np.int32)

    def _number_audiences(self, zones: Ints) -> tuple[dict[tuple[Audience, str], int], Ints]:
        """Numbers of audiences, and that of each row.

        Walls are a proof of address: a listing for a building or residence is one only if
        its owner is verified there, else nobody sees it.
        """
        numbers: dict[tuple[Audience, str], int] = {}
        found = np.full(len(self), PUBLIC, np.int32)
        found[self._is("audience", Audience.CITY)] = CITY
        by_zone = self._is("audience", Audience.ZONE)
        found[by_zone] = np.where(zones[by_zone] >= 0, zones[by_zone] + CITY + 1, NOBODY)
        next_number = CITY + 1 + len(self._zone_sets)
        unproven = self.personal & (self._numbers("owner_level", 0) < VERIFIED_LEVEL)
        for level, column in (
            (Audience.BUILDING, "owner_building"),
            (Audience.RESIDENCE, "owner_residence"),
        ):
            rows = self._is("audience", level)
            walls = _Words(pc.coalesce(self._column("audience_id"), self._column(column)))
            for code, name in enumerate(walls.words):
                numbers[level, name] = next_number + code
            known = rows & (walls.codes >= 0) & ~unproven
            found[rows] = NOBODY
            found[known] = walls.codes[known] + next_number
            next_number += len(walls.words)
        return numbers, found

    # -- columns --------------------------------------------------------------------------

    @property
    def personal(self) -> BoolArray:
        """Which rows are a person's, at a home."""
        return _as_bools(self._column("personal"))

    def _columns(self, zones: Ints, audience: Ints) -> PointColumns:
        n = len(self)
        personal = self.personal
        kinds = _Words(self._column("kind"))
        kind = np.array([KIND_CODES[Kind(word)] for word in kinds.words] or [0], np.int32)[
            kinds.codes
        ]
        event = kind == KIND_CODES[Kind.EVENT]

        lonlat = np.zeros((n, 2))
        for axis, name in enumerate(("lon", "lat")):
            lonlat[:, axis] = pc.fill_null(self._column(name), 0.0).to_numpy()
        placed, points = self._group_points()
        lonlat[personal] = points[personal]

        starts_at = self._numbers("starts_at", 0)
        valid_from, valid_to = self._validity(event, starts_at)
        valid_from[personal & ~placed] = NEVER_FROM  # no group, no place: never near
        valid_to[personal & ~placed] = NEVER_TO

        level = self._numbers("owner_level", 0)
        endorsed = public_trust_level(self._numbers("endorsers", 0))
        self.levels = np.where(personal, level, endorsed)
        quota = self._numbers("quota", -1)
        left = quota - self._numbers("quota_used", 0)
        return PointColumns(
            lonlat=lonlat,
            kind=kind,
            personal=personal,
            trust=self.levels / 4.0,
            valid_from=valid_from,
            valid_to=valid_to,
            fresh_at=to_seconds(np.where(event, starts_at, self._numbers("published_at", 0))),
            audience=audience,
            reach_m=np.minimum(self._numbers("reach_m", ALWAYS_TO), ALWAYS_TO).astype(np.int32),
            hours=self.hours.codes,
            owner=self._owners.codes,
            zones=zones,
            category=self.categories.codes,
            stock=np.where(quota < 0, NO_STOCK, np.where(left > 0, IN_STOCK, SOLD_OUT)).astype(
                np.int32
            ),
            verified=level >= VERIFIED_LEVEL,
        )

    def _validity(self, event: BoolArray, starts_at: IntArray) -> tuple[Ints, Ints]:
        """Each row's first instant, and the first after it; an event is over with its end."""
        never = 2**40  # beyond any instant that is kept
        over = self._numbers("ends_at", never)
        over = np.where(over == never, starts_at + EVENT_S, over)
        valid_to = np.minimum(self._numbers("valid_to", never), np.where(event, over, never))
        return to_seconds(self._numbers("valid_from", -never)), to_seconds(valid_to)

    def _group_points(self) -> tuple[BoolArray, npt.NDArray[np.float64]]:
        """Per row: has its owner a group that can be located, and where is that."""
        groups = _Words(self._column("owner_group"))
        found = [self._groups.get(name) for name in groups.words]
        known = np.array([g is not None and g.locatable for g in found] + [False])
        points = np.array([(g.lon, g.lat) if g else (0.0, 0.0) for g in found] + [(0.0, 0.0)])
        return known[groups.codes], points[groups.codes]

    # -- a viewer ---------------------------------------------------------------------------

    def seen_by(self, member_id: str | None) -> Seen | None:
        """What a member brings to a search, or None if there is no such member."""
        everyone: dict[Audience, tuple[int, ...]] = {Audience.PUBLIC: (PUBLIC,)}
        if member_id is None:
            return Seen(everyone, (), None)
        row = _find(self._members["id"], member_id)
        if row is None:
            return None
        member = {name: self._members[name][row].as_py() for name in self._members.column_names}
        group = self._groups.get(member["group"] or "")
        mine = set(group.zones) if group else set()
        audiences = everyone | {
            Audience.CITY: (CITY,),
            Audience.ZONE: tuple(
                CITY + 1 + number
                for number, codes in enumerate(self._zone_sets)
                if not mine.isdisjoint(codes)
            ),
        }
        if member["level"] >= VERIFIED_LEVEL:
            for audience in (Audience.BUILDING, Audience.RESIDENCE):
                number = self._audiences.get((audience, member[audience.value] or ""))
                audiences[audience] = () if number is None else (number,)
        blocked = (self._owners.number(other) for other in self._blocks.get(member_id, ()))
        return Seen(
            audiences,
            tuple(sorted(number for number in blocked if number is not None)),
            group if group is not None and group.locatable else None,
        )

    # -- filters by word ----------------------------------------------------------------------

    def zones_asked(self, codes: Sequence[IrisCode]) -> npt.NDArray[np.int32]:
        """1 for each set of zones with one of these; never empty, so that it filters."""
        asked = set(codes)
        sets = [int(not asked.isdisjoint(zones)) for zones in self._zone_sets]
        return np.array(sets or [0], np.int32)

    def depths_asked(self, category: str) -> npt.NDArray[np.int32]:
        """The depth of each category that is the one asked for or lies below it, else 0."""
        below = category + "."
        return np.array(
            [
                word.count(".") + 1 if word == category or word.startswith(below) else 0
                for word in self.categories.words
            ]
            or [0],
            np.int32,
        )

    # -- back to words --------------------------------------------------------------------------

    def row_of(self, listing_id: str) -> int:
        """Row of an id, or of the first id after it."""
        return _bisect(self.listings["id"], listing_id)

    def has_id(self, row: int, listing_id: str) -> bool:
        """Whether a row is that of an id."""
        return row < len(self) and self.id_of(row) == listing_id

    def id_of(self, row: int) -> str:
        """The id of a row."""
        return str(self.listings["id"][row].as_py())

    def records(self, rows: IntArray) -> list[dict[str, Any]]:
        """All that is known of some rows, as `indexes.store.LISTING_SCHEMA` names it."""
        found: list[dict[str, Any]] = self.listings.take(rows).to_pylist()
        return found

    def valid_to(self, row: int) -> int | None:
        """When a row ends to count, seconds since 1970; None: never."""
        until = int(self.columns.valid_to[row])
        return None if until == ALWAYS_TO else until + EPOCH_S

    def zones_of(self, row: int) -> tuple[IrisCode, ...]:
        """IRIS codes a row belongs to."""
        number = int(self.columns.zones[row])
        return self._zone_sets[number] if number >= 0 else ()


class _Words:
    """Distinct words of a column and the number of each row's; -1 for null."""

    def __init__(self, column: pa.Array) -> None:
        encoded = pc.dictionary_encode(column)
        self.words: list[str] = encoded.dictionary.to_pylist()
        self.codes: Ints = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int32)
        self._numbers: dict[str, int] | None = None

    def number(self, word: str) -> int | None:
        """Number of a word, if a row has it."""
        if self._numbers is None:
            self._numbers = {known: number for number, known in enumerate(self.words)}
        return self._numbers.get(word)


def _whole_array(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array; a table without rows has no chunk to take."""
    chunks = column.combine_chunks()
    return pa.concat_arrays(chunks.chunks) if isinstance(chunks, pa.ChunkedArray) else chunks


def _as_bools(column: pa.Array) -> BoolArray:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _bisect(ids: pa.ChunkedArray, wanted: str) -> int:
    # Code points and UTF-8 bytes sort alike.
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) // 2
        if ids[middle].as_py() < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def _find(ids: pa.ChunkedArray, wanted: str) -> int | None:
    row = _bisect(ids, wanted)
    return row if row < len(ids) and ids[row].as_py() == wanted else None
