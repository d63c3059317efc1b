"""A tenant's listings in memory: what an answer tells of the rows that an index found.

Rows are numbered throughout. Those of the base come first, in order of id; what changed since
has rows behind them, in the order in which it came. A row never changes: a listing that does
gets another, and the index knows which rows still count.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo.arrays import BoolArray, IntArray
from indexes.columns import ALWAYS_TO, EPOCH_S, KIND_CODES, PointColumns, joined
from indexes.entities import Kind
from matching.query import Match
from matching.text import Matched, Rows, TextIndex, match_words
from matching.towns.moves import Sight, sight_of
from matching.towns.strings import SortedIds, Strings
from matching.towns.vocabulary import EVENT_S, Vocabulary, numbers_of, whole

__all__ = ["Catalog", "Record", "Segment"]

KINDS = tuple(Kind)
EVENT = KIND_CODES[Kind.EVENT]
MERGED = 8  # segments of about one size become one, so that there are few
MAX_KEPT = 32_768  # records kept of a segment, about 1.5 kB each
AT_ONCE = 4_096  # rows looked at for one that counts: mostly the first ones do
NOT_GIVEN = -(2**62)

Counts = Callable[[PointColumns, int, Rows], BoolArray]


class Record(msgspec.Struct, frozen=True, gc=False):
    """What an answer tells of a row, whoever asks, wherever from and whenever.

    ``match`` is that of any question, but for its score, distance, reasons, level and
    availability. Instants are there as seconds since 1970 too. ``hours`` is the number of the
    opening hours, -1 for none; ``stock`` as `indexes.columns.NO_STOCK`. ``json`` is the match as
    JSON, cut where its score and reasons belong, and where its level and availability do.
    """

    match: Match
    json: tuple[bytes, bytes, bytes]
    kind: Kind
    personal: bool
    starts_s: int | None
    ends_s: int | None
    published_s: int | None
    endorsers: int
    hours: int
    stock: int


class Segment:
    """Some rows side by side: what the store said of them, and their numbers.

    Parameters
    ----------
    table : pyarrow.Table
        `indexes.store.LISTING_SCHEMA`, one chunk a column.
    columns : PointColumns
        What `Vocabulary.columns_of` makes of it.
    text : TextIndex, optional
        Of its words, where there is one already.
    """

    def __init__(
        self, table: pa.Table, columns: PointColumns, text: TextIndex | None = None
    ) -> None:
        self.table = table
        self.columns = columns
        self.text = text or TextIndex(table["title"], table["text"], table["category"])
        self._kept: dict[int, Record] = {}

    def __len__(self) -> int:
        return len(self.columns)

    def merged(self, *others: "Segment") -> "Segment":
        """One of this one's rows and those of others behind it."""
        parts = (self, *others)
        table = pa.concat_tables([part.table for part in parts]).combine_chunks()
        return Segment(table, joined([part.columns for part in parts]))

    def id_of(self, row: int) -> str:
        """The id of a row."""
        told = self._kept.get(row)
        return self._strings["id"].of((row,))[0] if told is None else told.match.id

    def column(self, name: str) -> npt.NDArray[Any]:
        """One thing of all rows, as `Catalog.column` names it."""
        told = name in ("endorsers", "published_at")
        found: npt.NDArray[Any] = self._numbers[name] if told else getattr(self.columns, name)
        return found

    def records(self, rows: list[int], vocabulary: Vocabulary) -> list[Record]:
        """What is told of some rows, from records kept where they have been told before."""
        kept = self._kept
        try:
            return [kept[row] for row in rows]
        except KeyError:
            missing = [row for row in rows if row not in kept]
        if len(kept) + len(missing) > MAX_KEPT:
            # Another thread may still read the one before.
            kept = self._kept = {row: kept[row] for row in rows if row in kept}
        kept |= zip(missing, self._read(missing, vocabulary), strict=True)
        return [kept[row] for row in rows]

    def _read(self, rows: list[int], vocabulary: Vocabulary) -> list[Record]:
        columns, words = self.columns, vocabulary.categories.words
        strings = {name: column.of(rows) for name, column in self._strings.items()}
        numbers = {name: column[rows].tolist() for name, column in self._numbers.items()}
        found = []
        for i, row in enumerate(rows):
            personal = bool(columns.personal[row])
            lon, lat = columns.lonlat[row].tolist()
            starts_s, published_s = numbers["starts_at"][i], numbers["published_at"][i]
            ends_s = numbers["valid_to"][i]
            if columns.kind.item(row) == EVENT:
                over = numbers["ends_at"][i]
                ends_s = min(ends_s, starts_s + EVENT_S if over == NOT_GIVEN else over)
            starts, ends = starts_s != NOT_GIVEN, ends_s < ALWAYS_TO + EPOCH_S
            match = Match(
                id=strings["id"][i],
                kind=KINDS[columns.kind.item(row)],
                title=strings["title"][i],
                lat=None if personal else lat,
                lon=None if personal else lon,
                zones=vocabulary.zones_of(columns.zones.item(row)),
                personal=personal,
                category=words[columns.category.item(row)],
                lang=strings["lang"][i],
                address="" if personal else strings["address"][i],
                url=strings["url"][i],
                starts_at=datetime.fromtimestamp(starts_s, UTC) if starts else None,
                valid_to=datetime.fromtimestamp(ends_s, UTC) if ends else None,
                score=0.0,
                why=(),
                level=0,
                available="unknown",
            )
            found.append(
                Record(
                    match,
                    _cut(msgspec.json.encode(match)),
                    match.kind,
                    personal,
                    starts_s=starts_s if starts else None,
                    ends_s=ends_s if ends else None,
                    published_s=None if published_s == NOT_GIVEN else published_s,
                    endorsers=numbers["endorsers"][i],
                    hours=columns.hours.item(row),
                    stock=columns.stock.item(row),
                )
            )
        return found

    def words(self, row: int) -> str:
        """Title, category and text of a row."""
        return " ".join(self._strings[name].of((row,))[0] for name in ("title", "category", "text"))

    # What records are read from, made when the first one is.

    @cached_property
    def _strings(self) -> dict[str, Strings]:
        return {
            name: Strings(whole(self.table[name]))
            for name in ("id", "title", "text", "category", "lang", "url", "address")
        }

    @cached_property
    def _numbers(self) -> dict[str, IntArray]:
        return {
            name: numbers_of(whole(self.table[name]), missing)
            for name, missing in (
                ("starts_at", NOT_GIVEN),
                ("published_at", NOT_GIVEN),
                ("valid_to", ALWAYS_TO + EPOCH_S),
                ("ends_at", NOT_GIVEN),
                ("endorsers", 0),
            )
        }

    # Whose rows, and which, for who counts some of them otherwise.

    def owned(self, owners: IntArray) -> tuple[IntArray, IntArray]:
        """Personal rows of some owners, and whose each is: a place in ``owners``."""
        rows, of_rows = self._owned
        first, last = (np.searchsorted(of_rows, owners, side) for side in ("left", "right"))
        counts = last - first
        starts = np.repeat(first - np.cumsum(counts) + counts, counts)
        return rows[starts + np.arange(counts.sum())], np.repeat(np.arange(len(owners)), counts)

    @cached_property
    def _owned(self) -> tuple[IntArray, IntArray]:
        """Personal rows in the order of their owners, and the owner of each."""
        rows = np.flatnonzero(self.columns.personal)
        owners = self.columns.owner[rows].astype(np.int64)
        order = np.argsort(owners, kind="stable")
        return rows[order], owners[order]

    def public(self, ids: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Public rows of some ids, and whose each is: a place in ``ids``."""
        rows, places = self.named(ids)
        public = ~self.columns.personal[rows]
        return rows[public], places[public]

    def named(self, ids: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Rows of some ids, dead ones too, and whose each is: a place in ``ids``."""
        if isinstance(self._by_id, SortedIds):
            found = self._by_id.rows_of(ids)
            places = np.flatnonzero(found >= 0)
            return found[places], places
        pairs = [(row, i) for i, id in enumerate(ids) for row in self._by_id.get(id, ())]
        rows, places = np.array(pairs, np.int64).reshape(-1, 2).T
        return rows, places

    @cached_property
    def _by_id(self) -> SortedIds | dict[str, list[int]]:
        """Ids where they lie if they are in order, else by hand: what changed came in any."""
        ids = whole(self.table["id"])
        if pc.all(pc.less(ids[:-1], ids[1:]), min_count=0).as_py():
            return SortedIds(ids)
        found: dict[str, list[int]] = {}
        for row, id in enumerate(ids.to_pylist()):
            found.setdefault(id, []).append(row)
        return found

    def inside(self, polygon: shapely.Polygon) -> IntArray:
        """Rows in a prepared polygon or on its border."""
        lon, lat = self.columns.lonlat.T
        west, south, east, north = polygon.bounds
        rows = np.flatnonzero((west <= lon) & (lon <= east) & (south <= lat) & (lat <= north))
        # For points, to intersect is to be covered: the border is inside.
        found: IntArray = rows[shapely.intersects_xy(polygon, lon[rows], lat[rows])]
        return found


def _cut(match: bytes) -> tuple[bytes, bytes, bytes]:
    """A match of no question as JSON, without what every question gives it.

    No words of a listing are taken for a seam: quotes in them are escaped.
    """
    first, _, rest = match.partition(b'"score":0.0,"why":[],')
    between, _, last = rest.partition(b'"level":0,"available":"unknown"')
    return first, between, last


class Catalog:
    """Listings of one tenant as of one position of the store.

    Parameters
    ----------
    vocabulary : Vocabulary
        Whose numbers the segments hold.
    segments : Segment, one or more
        The base, then what changed since. What is found tells dead rows too: only the index
        knows them.
    """

    def __init__(self, vocabulary: Vocabulary, *segments: Segment) -> None:
        self._vocabulary = vocabulary
        self._segments = segments
        *self._firsts, self._rows = accumulate(map(len, segments), initial=0)

    def __len__(self) -> int:
        return self._rows

    def with_segment(self, segment: Segment) -> "Catalog":
        """The same, and some rows more."""
        base, *pending = *self._segments, segment
        # As many of about one size become one of the next: few segments, each row merged seldom.
        while len(pending) >= MERGED and len(pending[-MERGED]) < MERGED * len(pending[-1]):
            last = pending[-MERGED:]
            pending[-MERGED:] = [last[0].merged(*last[1:])]
        return Catalog(self._vocabulary, base, *pending)

    @property
    def parts(self) -> Iterator[tuple[int, Segment]]:
        """Each segment, and its first row here."""
        return zip(self._firsts, self._segments, strict=True)

    def _place(self, row: int) -> tuple[Segment, int]:
        """The segment that holds a row, and its place there."""
        number = bisect_right(self._firsts, row) - 1
        return self._segments[number], row - self._firsts[number]

    def id_of(self, row: int) -> str:
        """The id of a row."""
        segment, place = self._place(row)
        return segment.id_of(place)

    def owners_of(
        self, ids: Sequence[str], alive: Callable[[IntArray], BoolArray]
    ) -> list[str | None]:
        """Whose a personal listing is, "" for a public one, None for one that is not there."""
        found: dict[str, str | None] = dict.fromkeys(ids)
        words = self._vocabulary.owners.words
        for first, segment in self.parts:
            rows, places = segment.named(ids)
            kept = alive(first + rows)
            columns = segment.columns
            for row, place in zip(rows[kept].tolist(), places[kept].tolist(), strict=True):
                found[ids[place]] = words[columns.owner[row]] if columns.personal[row] else ""
        return [found[id] for id in ids]

    def columns(self, rows: IntArray) -> PointColumns:
        """What the index knows of some rows, ascending."""
        ends = np.searchsorted(rows, [*self._firsts, self._rows])
        parts = [
            segment.columns.taken(rows[begin:end] - first)
            for (first, segment), begin, end in zip(self.parts, ends[:-1], ends[1:], strict=True)
        ]
        return joined(parts)

    def column(self, name: str, rows: IntArray) -> npt.NDArray[Any]:
        """One thing of some rows: a column of `PointColumns`, "endorsers" or "published_at"."""
        numbers = np.searchsorted(self._firsts, rows, side="right") - 1
        found = np.empty(len(rows), self._segments[0].column(name).dtype)
        for number in np.unique(numbers).tolist():
            mine = numbers == number
            found[mine] = self._segments[number].column(name)[rows[mine] - self._firsts[number]]
        return found

    def rows_of(self, ids: Sequence[str]) -> IntArray:
        """The last row of each id, -1 for one that there never was, shape (n,)."""
        found = np.full(len(ids), -1)
        for first, segment in self.parts:
            rows, places = segment.named(ids)
            found[places] = first + rows
        return found

    def sight(self, row: int) -> Sight:
        """Who may see a row."""
        segment, place = self._place(row)
        return sight_of(segment.columns, place)

    def records(self, rows: IntArray) -> list[Record]:
        """What is told of some rows, in their order."""
        wanted = rows.tolist()
        base = self._segments[0]
        if not wanted or max(wanted) < len(base):
            return base.records(wanted, self._vocabulary)
        places = [self._place(row) for row in wanted]
        return [segment.records([row], self._vocabulary)[0] for segment, row in places]

    def stored(self, rows: list[int]) -> list[dict[str, Any]]:
        """Rows as the store told them (`indexes.store.LISTING_SCHEMA`), in their order."""
        found: dict[int, dict[str, Any]] = {}
        numbers = np.searchsorted(self._firsts, rows, side="right") - 1
        for number in np.unique(numbers).tolist():
            mine = np.array(rows)[numbers == number]
            table = self._segments[number].table.take(pa.array(mine - self._firsts[number]))
            found |= zip(mine.tolist(), table.to_pylist(), strict=True)
        return [found[row] for row in rows]

    @property
    def has_text(self) -> bool:
        """Whether somebody has asked the base for words."""
        return self._segments[0].text.is_built

    def build_text(self) -> None:
        """Make the base ready for words, so that nobody waits for it."""
        self._segments[0].text.postings()

    def inside(self, polygon: shapely.Polygon) -> IntArray:
        """Rows in a polygon or on its border, ascending."""
        shapely.prepare(polygon)
        return np.concatenate(
            [
                first + segment.inside(polygon)
                for first, segment in zip(self._firsts, self._segments, strict=True)
            ]
        )

    def matching(self, text: str, counts: Counts | None = None) -> Matched:
        """Rows that hold words of a text, and how well they fit it: see `text.match_words`.

        Parameters
        ----------
        text : str
            Words.
        counts : callable, optional
            Which rows say what words there are: ``(columns, first, rows) -> ndarray of bool``,
            of some rows of a segment whose first one is row ``first`` here. All do without.
        """

        def sees(number: int, rows: Rows) -> bool:
            columns, first = self._segments[number].columns, self._firsts[number]
            parts = (rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE))
            return counts is None or any(counts(columns, first, part).any() for part in parts)

        return match_words([segment.text for segment in self._segments], text, sees)

    def words(self, rows: list[int]) -> list[str]:
        """All that words are looked for in, of some rows: title, category and text."""
        places = [self._place(row) for row in rows]
        return [segment.words(row) for segment, row in places]
