"""The numbers that an index has for words: given once, never changed, and more as words come.

One thread gives numbers, any number of threads look them up meanwhile. Whatever a row of an
index refers to was given its number before that row could be found, so a search that takes its
rows first and looks words up afterwards knows them all.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geo.arrays import BoolArray, FloatArray, IntArray
from indexes.columns import (
    ALWAYS_TO,
    IN_STOCK,
    KIND_CODES,
    NEVER_FROM,
    NEVER_TO,
    NO_STOCK,
    SOLD_OUT,
    Ints,
    PointColumns,
    to_seconds,
)
from indexes.entities import VERIFIED_LEVEL, Audience, Group, GroupPartition, IrisCode, Kind
from matching.trusting.care import CARE_LEVEL, is_care
from matching.trusting.verifying import GRACE

__all__ = [
    "CITY",
    "EVENT_S",
    "PUBLIC",
    "Vocabulary",
    "Wording",
    "Words",
    "audience_number",
    "numbers_of",
    "whole",
]

# Numbers of audiences: these two, then `audience_number` of those that are one of many.
PUBLIC, CITY = 0, 1
NOBODY = -1
ONE_OF_MANY = (Audience.ZONE, Audience.BUILDING, Audience.RESIDENCE)

EVENT_S = 3 * 3600  # how long an event without an end lasts
GRACE_S = int(GRACE.total_seconds())
NEVER = 2**40  # seconds, beyond any instant that is kept


def audience_number(audience: Audience, code: int) -> int:
    """The number of a zone set, a building or a residence as an audience."""
    return CITY + 1 + len(ONE_OF_MANY) * code + ONE_OF_MANY.index(audience)


def numbers_of(column: pa.Array, missing: int) -> IntArray:
    """A column of whole numbers with ``missing`` for null."""
    return np.asarray(pc.fill_null(column, missing).to_numpy(), dtype=np.int64)


class Words:
    """Words and their numbers, in the order they came."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, word: str | None) -> int | None:
        """Number of a word, if it has one."""
        return self._numbers.get(word or "")

    def codes(self, column: pa.Array) -> Ints:
        """The number of each row's word, given where it had none; -1 for null."""
        encoded = pc.dictionary_encode(column)
        found = self._give(encoded.dictionary.to_pylist())
        codes: Ints = found[pc.fill_null(encoded.indices, -1).to_numpy()]
        return codes

    def _give(self, words: Sequence[str]) -> Ints:
        """Numbers of distinct words, and -1 behind them."""
        new = [word for word in words if word not in self._numbers]
        known = len(self.words)
        self.words += new  # first: a number never lacks its word
        self._numbers.update(zip(new, range(known, len(self.words)), strict=True))
        return np.array([*map(self._numbers.__getitem__, words), -1], np.int32)


class Wording(msgspec.Struct, frozen=True):
    """All that a vocabulary has numbered, each in the order of its numbers."""

    categories: list[str]
    hours: list[str]
    owners: list[str]
    buildings: list[str]
    residences: list[str]
    zone_sets: list[tuple[IrisCode, ...]]
    addressed: list[int]  # zone sets


class Vocabulary:
    """Numbers of categories, opening hours, owners, zone sets and audiences of one tenant.

    Parameters
    ----------
    partition : GroupPartition or None
        The current published groups.

    Attributes
    ----------
    categories, hours, owners : Words
        What `columns_of` numbers.
    """

    def __init__(self, partition: GroupPartition | None) -> None:
        self._groups = {group.id: group for group in (partition.groups if partition else ())}
        self.categories = Words()
        self.hours = Words()
        self.owners = Words()
        self._walls = {Audience.BUILDING: Words(), Audience.RESIDENCE: Words()}
        self._zone_sets: list[tuple[IrisCode, ...]] = []
        self._set_numbers: dict[tuple[IrisCode, ...], int] = {}
        self._sets_with: dict[IrisCode, list[int]] = {}
        self._sets_addressed: dict[IrisCode, list[int]] = {}
        self._addressed: set[int] = set()
        self._depths: list[int] = []  # of each category
        self._care: list[bool] = []  # whether it is one of care
        self._below: dict[str, list[int]] = {}  # numbers of a category and of all below it

    # -- kept beside the columns that refer to it ------------------------------------------------

    def wording(self) -> Wording:
        """What it has numbered so far."""
        return Wording(
            self.categories.words[:],
            self.hours.words[:],
            self.owners.words[:],
            self._walls[Audience.BUILDING].words[:],
            self._walls[Audience.RESIDENCE].words[:],
            self._zone_sets[:],
            sorted(self._addressed),
        )

    @classmethod
    def of(cls, partition: GroupPartition | None, wording: Wording) -> "Vocabulary":
        """A vocabulary that gives the same numbers as the one that had this `wording`."""
        made = cls(partition)
        made._categories(pa.array(wording.categories, pa.string()))
        for words, known in (
            (made.hours, wording.hours),
            (made.owners, wording.owners),
            (made._walls[Audience.BUILDING], wording.buildings),
            (made._walls[Audience.RESIDENCE], wording.residences),
        ):
            words.codes(pa.array(known, pa.string()))
        for codes in wording.zone_sets:
            made._number_set(codes)
        made._address(wording.addressed)
        return made

    # -- words to columns ---------------------------------------------------------------------

    def columns_of(self, table: pa.Table) -> PointColumns:
        """Listings as an index keeps them; words that are new get their numbers.

        Parameters
        ----------
        table : pyarrow.Table
            `indexes.store.LISTING_SCHEMA`, any number of rows, one chunk a column.

        Returns
        -------
        PointColumns
            A row for each, in the same order.
        """
        columns = {name: whole(table[name]) for name in table.column_names}
        personal = _as_bools(columns["personal"])
        kinds = pc.dictionary_encode(columns["kind"])
        codes = [KIND_CODES[Kind(word)] for word in kinds.dictionary.to_pylist()]
        kind = np.array(codes, np.int32)[kinds.indices.to_numpy()]
        event = kind == KIND_CODES[Kind.EVENT]

        placed, points, zones_of_group = self._of_groups(columns["owner_group"])
        lonlat = np.empty((len(table), 2))
        for axis, name in enumerate(("lon", "lat")):
            lonlat[:, axis] = pc.fill_null(columns[name], 0.0).to_numpy()
        lonlat[personal] = points[personal]

        starts_at = numbers_of(columns["starts_at"], 0)
        over = numbers_of(columns["ends_at"], NEVER)
        over = np.where(over == NEVER, starts_at + EVENT_S, over)
        valid_from = to_seconds(numbers_of(columns["valid_from"], -NEVER))
        valid_to = to_seconds(
            np.minimum(numbers_of(columns["valid_to"], NEVER), np.where(event, over, NEVER))
        )
        nowhere = personal & ~placed  # no group, no place: never near
        valid_from[nowhere] = NEVER_FROM
        valid_to[nowhere] = NEVER_TO

        level = numbers_of(columns["owner_level"], 0)
        category = self._categories(columns["category"])
        owned = _as_bools(pc.is_valid(columns["owner_id"])) & (
            personal | ~_as_bools(pc.is_valid(columns["attested"]))
        )
        care = owned & np.array([*self._care, False])[category]
        lapses = numbers_of(columns["owner_expires_at"], NEVER) + GRACE_S
        valid_to[care] = np.minimum(valid_to, to_seconds(lapses))[care]
        zones = np.where(personal, zones_of_group, self._zones_of_points(columns["zone"]))
        audience = self._audiences(columns, zones, personal & (level < VERIFIED_LEVEL))
        audience[care & (level < CARE_LEVEL)] = NOBODY
        quota = numbers_of(columns["quota"], -1)
        left = quota - numbers_of(columns["quota_used"], 0)
        reach_m = np.minimum(numbers_of(columns["reach_m"], ALWAYS_TO), ALWAYS_TO)
        return PointColumns(
            lonlat=lonlat,
            kind=kind,
            personal=personal,
            # What is shown to whom nothing is known by: `matching.trusting.viewing` has the rest.
            trust=np.where(personal, np.minimum(level, 1), 1) / 4.0,
            valid_from=valid_from,
            valid_to=valid_to,
            fresh_at=to_seconds(np.where(event, starts_at, numbers_of(columns["published_at"], 0))),
            audience=audience,
            reach_m=reach_m.astype(np.int32),
            hours=self.hours.codes(columns["opening_hours"]),
            owner=self.owners.codes(columns["owner_id"]),
            zones=zones,
            category=category,
            stock=np.where(quota < 0, NO_STOCK, np.where(left > 0, IN_STOCK, SOLD_OUT)).astype(
                np.int32
            ),
            verified=level >= VERIFIED_LEVEL,
        )

    def _of_groups(self, column: pa.Array) -> tuple[BoolArray, FloatArray, Ints]:
        """Per row: has its owner a group that can be located, where, and in which zone set."""
        names = pc.dictionary_encode(column)
        found = [self._groups.get(name) for name in names.dictionary.to_pylist()]
        found.append(None)  # stands for null
        row = pc.fill_null(names.indices, -1).to_numpy()
        known = np.array([g is not None and g.locatable for g in found])
        points = np.array([(g.lon, g.lat) if g else (0.0, 0.0) for g in found])
        zones = [self._number_set(g.zones) if g and g.zones else -1 for g in found]
        return known[row], points[row], np.array(zones, np.int32)[row]

    def _zones_of_points(self, column: pa.Array) -> Ints:
        """The zone set of each row's own zone, -1 for none."""
        codes = pc.dictionary_encode(column)
        sets = [self._number_set((IrisCode(code),)) for code in codes.dictionary.to_pylist()]
        found: Ints = np.array([*sets, -1], np.int32)[pc.fill_null(codes.indices, -1).to_numpy()]
        return found

    def _number_set(self, codes: tuple[IrisCode, ...]) -> int:
        number = self._set_numbers.get(codes)
        if number is None:
            number = self._set_numbers[codes] = len(self._zone_sets)
            self._zone_sets.append(codes)
            for code in codes:
                self._sets_with.setdefault(code, []).append(number)
        return number

    def _audiences(self, columns: dict[str, pa.Array], zones: Ints, unproven: BoolArray) -> Ints:
        """The number of each row's audience.

        Walls are a proof of address: a listing for a building or residence is one only if
        its owner is verified there, else nobody sees it.
        """
        addressed = pc.dictionary_encode(columns["audience"])
        words = addressed.dictionary.to_pylist()
        of_row = addressed.indices.to_numpy()
        found = np.full(len(of_row), PUBLIC, np.int32)
        for code, audience in enumerate(map(Audience, words)):
            rows = np.flatnonzero(of_row == code)
            if audience is Audience.PUBLIC:
                continue
            if audience is Audience.CITY:
                found[rows] = CITY
                continue
            if audience is Audience.ZONE:
                numbers = zones[rows]
                self._address(np.unique(numbers[numbers >= 0]).tolist())
            else:
                walls = pc.coalesce(columns["audience_id"], columns[f"owner_{audience}"])
                numbers = self._walls[audience].codes(walls.take(pa.array(rows)))
                numbers[unproven[rows]] = -1
            first, step = audience_number(audience, 0), len(ONE_OF_MANY)
            found[rows] = np.where(numbers < 0, NOBODY, first + step * numbers)
        return found

    def _address(self, zone_sets: Iterable[int]) -> None:
        """Remember zone sets that a listing addresses: a viewer needs no others."""
        for number in zone_sets:
            if number not in self._addressed:
                self._addressed.add(number)
                for code in self._zone_sets[number]:
                    self._sets_addressed.setdefault(code, []).append(number)

    def _categories(self, column: pa.Array) -> Ints:
        known = len(self.categories.words)
        codes = self.categories.codes(column)
        for number, word in enumerate(self.categories.words[known:], known):
            self._depths.append(word.count(".") + 1)
            self._care.append(is_care(word))
            for end in [i for i, letter in enumerate(word) if letter == "."] + [len(word)]:
                self._below.setdefault(word[:end], []).append(number)
        return codes

    # -- looked up by searches ------------------------------------------------------------------

    def group(self, id: str | None) -> Group | None:
        """A published group by its id."""
        return self._groups.get(id or "")

    def zones_of(self, number: int) -> tuple[IrisCode, ...]:
        """The codes of a zone set, by its number."""
        return self._zone_sets[number] if number >= 0 else ()

    def walls(self, audience: Audience, id: str | None) -> tuple[int, ...]:
        """The audience of a building or residence, if any listing addresses it."""
        code = self._walls[audience].number(id)
        return () if code is None else (audience_number(audience, code),)

    def zone_audiences(self, codes: Iterable[IrisCode]) -> tuple[int, ...]:
        """Audiences of those who live in some zones: sets with one of them."""
        sets = {number for code in codes for number in self._sets_addressed.get(code, ())}
        return tuple(audience_number(Audience.ZONE, number) for number in sorted(sets))

    def zones_asked(self, codes: Sequence[IrisCode]) -> Ints:
        """1 for each zone set with one of these codes; never empty, so that it filters."""
        sets = [number for code in codes for number in self._sets_with.get(code, ())]
        asked = np.zeros(max(1, len(self._zone_sets)), np.int32)
        asked[sets] = 1
        return asked

    def depths_asked(self, category: str) -> npt.NDArray[np.int32]:
        """The depth of each category that is the one asked for or lies below it, else 0."""
        below = self._below.get(category, [])[:]
        asked = np.zeros(max(1, len(self.categories.words)), np.int32)
        asked[below] = [self._depths[number] for number in below]
        return asked


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array; a table without rows may have no chunk to take."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def _as_bools(column: pa.Array) -> BoolArray:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.bool_)
