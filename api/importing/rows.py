"""Raw rows -> records: every row is taken or refused with its line, field and reason.

Worked by column: a chunk of thousands of rows is read field by field, checked by the same
rules as the store's (`indexes.rules`), and only then made into records.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import date, datetime
from typing import Any

import numpy as np

from api.importing.area import ServiceArea, arrondissement_of_postcode
from api.importing.kinds import RecordKind, Shape, read_value
from api.importing.mapping import Columns
from api.importing.table import Chunk
from api.importing.values import Instants, ValueFault, is_osm_hours, read_plain
from geo.arrays import COORDINATE_DECIMALS, BoolArray, LonLatArray
from geo.errors import InputError, RowError
from indexes.entities import PERSON_KINDS, Audience, Building, Entity, Kind, Residence, Tenant
from indexes.rules import CLOCK_SKEW, Checked, require

__all__ = ["Known", "RowReader", "Rows"]

Known = Callable[[type[Entity], str], bool]  # whether a record of a class and id is stored

SWAPPED = (
    "latitude and longitude look swapped: the point lies outside the area served, the other "
    "way round it lies inside; swap the columns, or the values of this row"
)
POSTCODE = re.compile(r"\b\d{5}\b")
ADDRESSED: dict[Any, type[Entity]] = {Audience.BUILDING: Building, Audience.RESIDENCE: Residence}


@dataclass(frozen=True, slots=True)
class Rows:
    """What a chunk gave: records in the order of the file, and rows refused, by line."""

    records: Checked
    refused: list[RowError]


class RowReader:
    """Reads the rows of one file, in order, chunk by chunk.

    Parameters
    ----------
    kind : RecordKind
    columns : Columns
        Which columns are which fields.
    tenant : Tenant
        Whose records; its timezone reads times without an offset, its language is the default.
    area : ServiceArea
        Where its points may lie.
    known : callable
        Tells whether a record that a row refers to is stored.
    now : datetime
        The instant of the import, aware.
    typed : bool
        Whether the file has types (all but CSV).

    Attributes
    ----------
    warnings : Counter
        What the file itself gets wrong, without being refused: how many rows by category.
    """

    def __init__(
        self,
        kind: RecordKind,
        columns: Columns,
        tenant: Tenant,
        area: ServiceArea,
        known: Known,
        now: datetime,
        *,
        typed: bool,
    ) -> None:
        self._kind, self._columns, self._typed = kind, columns, typed
        self._area, self._known, self._now = area, known, now
        self._instants = Instants(tenant.timezone)
        self._readers = {
            name: read_value(kind.fields[name].shape, typed, self._instants)
            for name in columns.used
        }
        self._defaults: dict[str, Any] = {
            f.name: None if f.default is MISSING else f.default
            for f in fields(kind.of)
            if f.name != "place"
        }
        self._defaults["tenant_id"] = tenant.tenant_id
        for name, value in (("kind", kind.listing), ("lang", tenant.lang)):
            if name in self._defaults:
                self._defaults[name] = value
        self._line_of_id: dict[str, int] = {}
        self._points: set[int] = set()
        self._named_points: set[int] = set()
        self.warnings: Counter[str] = Counter()

    def read(self, chunk: Chunk) -> Rows:
        """The records of a chunk, and its refused rows."""
        self.warnings["height_dropped"] += chunk.flattened
        n = len(chunk.lines)
        faults: dict[int, tuple[str, str]] = {}  # row -> field and reason; the first one counts
        values = {name: self._read_column(chunk, name, faults) for name in self._columns.used}
        checks = {name: values.pop(name, [None] * n) for name in ("postcode", "zone")}
        if self._kind.listing is not None:
            self._shape_listings(values, n)
        columns = {
            name: values[name] if name in values else [default] * n
            for name, default in self._defaults.items()
        }
        lonlat, held = self._round_points(columns, n, faults)
        self._require_filled(columns, faults)
        self._require_published(columns, faults)
        good = [i for i in range(n) if i not in faults]
        records = self._require_rules(columns, good, faults)
        self._require_known(columns, faults)
        self._require_once(columns, chunk.lines, faults)
        kept = [i for i in range(n) if i not in faults]
        columns = _taken(columns, kept)
        if records is None or len(kept) < len(records):
            records = require(self._kind.of, columns)
        self._look_at(columns, _taken(checks, kept), lonlat[kept], held[kept])
        refused = [
            RowError(reason, line=chunk.lines[i], field=field)
            for i, (field, reason) in faults.items()
        ]
        refused = sorted([*chunk.refused, *refused], key=lambda error: error.line)
        return Rows(records, refused)

    def _read_column(
        self, chunk: Chunk, name: str, faults: dict[int, tuple[str, str]]
    ) -> list[Any]:
        """One field of all rows; an empty cell is no value, so the field's default."""
        read = self._readers[name]
        default = self._defaults.get(name)
        glue = "." if self._kind.fields[name].shape is Shape.CATEGORY else " "
        raws = self._columns.values(chunk, name, glue)

        def value_of(raw: Any) -> Any:
            return default if raw is None or raw == "" else read(raw)

        try:
            found = None if self._typed else read_plain(read, raws)
            # Many columns say few things; but among typed values, 1 and true pass for equal.
            distinct = set() if self._typed or found is not None else set(raws)
            if 0 < 2 * len(distinct) < len(raws):
                found = list(map({raw: value_of(raw) for raw in distinct}.__getitem__, raws))
            elif found is None:
                found = [default if raw is None or raw == "" else read(raw) for raw in raws]
        except ValueFault:  # once more, row by row
            found = []
            for i, raw in enumerate(raws):
                try:
                    found.append(value_of(raw))
                except ValueFault as fault:
                    faults.setdefault(i, (name, str(fault)))
                    found.append(default)
        if self._instants.odd and self._kind.fields[name].shape in (Shape.INSTANT, Shape.END):
            odd = self._instants.odd
            told = [raw for raw in raws if isinstance(raw, str | date)]
            self.warnings.update(odd[raw] for raw in told if raw in odd)
        return [default if value == "" else value for value in found] if "" in found else found

    def _shape_listings(self, values: dict[str, list[Any]], n: int) -> None:
        """What a listing's fields say together: prose hours, and whether it is a person's."""
        hours = values.get("opening_hours", [None] * n)
        prose = [text is not None and not is_osm_hours(text) for text in hours]
        values["hours_text"] = [t if p else None for t, p in zip(hours, prose, strict=True)]
        values["opening_hours"] = [None if p else t for t, p in zip(hours, prose, strict=True)]
        self.warnings["hours_kept_as_text"] += sum(prose)
        kind = self._kind.listing
        if "personal" not in values and kind in PERSON_KINDS:
            # One that has an owner and no point of its own stands where the owner lives.
            placed = zip(*(values.get(f, [None] * n) for f in ("lon", "lat")), strict=True)
            values["personal"] = [
                kind is Kind.NEIGHBOUR or (lon is None and lat is None) for lon, lat in placed
            ]

    def _round_points(
        self, columns: dict[str, list[Any]], n: int, faults: dict[int, tuple[str, str]]
    ) -> tuple[LonLatArray, BoolArray]:
        """Round coordinates in place, refuse impossible and swapped ones.

        Gives the points (NaN where there is none), and whether each is in the area served.
        """
        if "lon" not in columns:
            return np.full((n, 2), np.nan), np.zeros(n, dtype=np.bool_)
        pairs = zip(columns["lon"], columns["lat"], strict=True)
        stated = np.array([lon is not None and lat is not None for lon, lat in pairs], dtype=bool)
        degrees = np.array([columns["lon"], columns["lat"]], dtype=np.float64).T
        lonlat = np.round(degrees, COORDINATE_DECIMALS)
        columns["lon"] = _rounded(columns["lon"], lonlat[:, 0])
        columns["lat"] = _rounded(columns["lat"], lonlat[:, 1])
        held = self._area.holds(lonlat)
        away = np.flatnonzero(stated & ~held)
        swapped = self._area.holds(lonlat[away][:, ::-1])
        for i in away[swapped].tolist():
            faults.setdefault(i, ("lat", SWAPPED))
        for field, column, most in (("lat", 1, 90), ("lon", 0, 180)):
            for i in np.flatnonzero(stated & ~(np.abs(lonlat[:, column]) <= most)).tolist():
                name = "latitude" if field == "lat" else "longitude"
                faults.setdefault(i, (field, f"wanted a {name} of -{most} to {most} degrees"))
        return lonlat, held

    def _require_filled(
        self, columns: dict[str, list[Any]], faults: dict[int, tuple[str, str]]
    ) -> None:
        for group in self._kind.required:
            # Where there is a choice, it depends on the row what it needs: the rules tell.
            for field in group[0] if len(group) == 1 else ():
                column = columns[field]
                if None in column or "" in column:
                    for i in [i for i, value in enumerate(column) if value in (None, "")]:
                        faults.setdefault(i, (field, "is empty"))

    def _require_published(
        self, columns: dict[str, list[Any]], faults: dict[int, tuple[str, str]]
    ) -> None:
        """Refuse what says that it was published later than now: it would stay fresh for long."""
        if "published_at" in self._columns.used:
            latest = self._now + CLOCK_SKEW
            for i, instant in enumerate(columns["published_at"]):
                if instant is not None and instant > latest:
                    faults.setdefault(i, ("published_at", "must not lie ahead"))

    def _require_rules(
        self,
        columns: dict[str, list[Any]],
        rows: Sequence[int],
        faults: dict[int, tuple[str, str]],
    ) -> Checked | None:
        """Refuse rows that the store would refuse; found by halving, as they are few.

        Gives all of the rows, checked, if none is refused.
        """
        try:
            return require(self._kind.of, _taken(columns, rows))
        except InputError as error:
            if len(rows) == 1:
                faults[rows[0]] = self._told(str(error), columns["id"][rows[0]])
                return None
            half = len(rows) // 2
            self._require_rules(columns, rows[:half], faults)
            self._require_rules(columns, rows[half:], faults)
            return None

    def _told(self, message: str, id: str) -> tuple[str, str]:
        """Field and reason of a rule's message, which names the record first."""
        reason = message.removeprefix(f"{self._kind.of.__name__.lower()} {ascii(id)[:80]}: ")
        words = re.findall(r"\w+", reason)
        named = [word for word in words if word in self._kind.fields]
        field = words[0] if words[0] in self._defaults else named[-1] if named else ""
        reason = reason.removeprefix(f"{field} ")
        return "opening_hours" if field == "hours_text" else field, reason

    def _require_known(
        self, columns: dict[str, list[Any]], faults: dict[int, tuple[str, str]]
    ) -> None:
        """Refuse rows that refer to a record that is not stored."""
        for field, of in self._kind.refers.items():
            for i, id in enumerate(columns[field]):
                if id is not None and i not in faults and not self._known(of, id):
                    faults[i] = (field, f"no such {of.__name__.lower()} is stored")
        if self._kind.listing is not None and "audience_id" in self._columns.used:
            for i, id in enumerate(columns["audience_id"]):
                target = ADDRESSED.get(columns["audience"][i])
                if id is not None and target and i not in faults and not self._known(target, id):
                    faults[i] = ("audience_id", f"no such {target.__name__.lower()} is stored")

    def _require_once(
        self,
        columns: dict[str, list[Any]],
        lines: Sequence[int],
        faults: dict[int, tuple[str, str]],
    ) -> None:
        """Refuse an id that an earlier row has; which of the two is right, nobody can tell."""
        pairs = "member_id" in columns and "listing_id" in columns
        for i, id in enumerate(columns["id"]):
            if i in faults:
                continue
            first = self._line_of_id.setdefault(id, lines[i])
            if first != lines[i]:
                faults[i] = ("id", f"already on line {first}")
                continue
            if pairs:
                pair = f"\n{columns['member_id'][i]}\n{columns['listing_id'][i]}"
                first = self._line_of_id.setdefault(pair, lines[i])
                if first != lines[i]:
                    faults[i] = ("listing_id", f"recommended by this member on line {first}")

    def _look_at(
        self,
        columns: dict[str, list[Any]],
        checks: dict[str, list[Any]],
        lonlat: LonLatArray,
        held: BoolArray,
    ) -> None:
        """Count what is odd about rows that are taken."""
        if "lon" not in columns:
            return
        warnings = self.warnings
        if "address" in self._columns.used:
            warnings["address_is_empty"] += columns["address"].count("")
            if "postcode" in self._columns.used:
                warnings["postcode_differs_from_address"] += sum(
                    bool(said and said not in address and POSTCODE.search(address))
                    for said, address in zip(checks["postcode"], columns["address"], strict=True)
                )
        if self._kind.listing is Kind.EVENT:
            warnings["end_is_missing"] += columns["ends_at"].count(None)
        placed = [i for i, lon in enumerate(columns["lon"]) if lon is not None]
        degrees, held = lonlat[placed], held[placed]
        columns, checks = _taken(columns, placed), _taken(checks, placed)
        points = list(zip(columns["lon"], columns["lat"], strict=True))
        titles = map(str.casefold, columns.get("title") or columns["address"])
        starts = columns.get("starts_at") or [None] * len(points)
        named = zip(points, titles, starts, strict=True)
        warnings["same_point_and_name_as_an_earlier_row"] += _add_all(self._named_points, named)
        if self._kind.listing is not Kind.EVENT:  # events share their venue's
            warnings["same_point_as_an_earlier_row"] += _add_all(self._points, points)
        coarse = np.round(degrees, 3) == degrees
        warnings["coordinates_of_three_decimals"] += int(coarse.all(axis=1).sum())
        warnings["outside_the_service_area"] += int((~held).sum())
        located = self._area.zones_of(degrees)
        if located is None:
            return
        zones, communes, nearest = located
        warnings["in_no_zone"] += zones.count(None)
        warnings["near_a_zone_but_in_none"] += int(nearest.sum())
        said = {
            "zone": checks["zone"],
            "postcode": map(arrondissement_of_postcode, checks["postcode"]),
        }
        for name, found_there in (("zone", zones), ("postcode", communes)):
            if name in self._columns.used:
                rows = zip(said[name], found_there, zones, nearest.tolist(), strict=True)
                warnings[f"{name}_differs_from_point"] += sum(
                    zone is not None and not near and told not in (None, "", there)
                    for told, there, zone, near in rows
                )


def _add_all(seen: set[int], values: Iterable[Hashable]) -> int:
    """Add the hashes of values to a set, and tell how many it had already."""
    hashes = list(map(hash, values))
    before = len(seen)
    seen.update(hashes)
    return before + len(hashes) - len(seen)


def _taken(columns: dict[str, list[Any]], rows: Sequence[int]) -> dict[str, list[Any]]:
    """Some rows of columns, in order; the columns themselves if that is all of them."""
    if all(len(rows) == len(column) for column in columns.values()):
        return columns
    return {name: [column[i] for i in rows] for name, column in columns.items()}


def _rounded(values: list[Any], degrees: Any) -> list[float | None]:
    rounded: list[float | None] = degrees.tolist()
    if None not in values:
        return rounded
    return [None if v is None else r for v, r in zip(values, rounded, strict=True)]
