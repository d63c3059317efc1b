"""Trips from files: GeoJSON and NDJSON with lines, or CSV with two ends, row by row.

A row says what `PUT /v1/trips/{id}` takes; its schedule and its two ends may be columns of their
own, as in CSV they have to be: `FLAT`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from api.bodies import check_text
from api.importing import values
from api.importing.area import ServiceArea
from api.importing.reading import open_table
from api.importing.report import ImportReport, source_of
from api.importing.table import GEOMETRY_LINE, Chunk
from api.importing.values import ValueFault
from api.schemas import dotted
from api.trip_making import make_trip
from api.trip_schemas import TripIn
from geo.errors import InputError, LayoutError, RowError
from indexes.audience import Audience
from indexes.entities import Building, Residence, Tenant
from indexes.journeys import Trip
from indexes.router import AirRouter
from indexes.rules import columns_of, require
from indexes.store import ImportMark, Store

__all__ = ["KIND", "import_trips"]

KIND = "trip"
SUFFIXES = (".csv", ".tsv", ".txt", ".geojson", ".json", ".ndjson", ".jsonl", ".geojsonl")

ENDS = ("from_lat", "from_lon", "to_lat", "to_lon")
WEEKLY = ("days", "depart", "arrive")
SCHEDULE = (
    *("timezone", "depart_at", "arrive_at", "flex_before_s", "flex_after_s"),
    *("valid_from", "valid_to", "weeks", "public_holidays"),
)
FLAT = (*ENDS, *WEEKLY, *SCHEDULE)
READERS: tuple[tuple[tuple[str, ...], Callable[[str], Any]], ...] = (
    ((*ENDS, "price_eur"), values.number),
    (
        ("seats", "max_detour_s", "max_walk_m", "luggage", "flex_before_s", "flex_after_s"),
        values.whole,
    ),
    (
        (
            *("verified_only", "same_building", "women_only", "smoking", "animals", "music"),
            *("talker", "cancelled", "public_holidays"),
        ),
        values.flag,
    ),
)
FIELDS = frozenset({"id", GEOMETRY_LINE, *FLAT, *TripIn.model_fields})
WEEK = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def import_trips(
    store: Store,
    tenant_id: str,
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    strict: bool = False,
    dry_run: bool = False,
    on_reject: Callable[[RowError], None] = lambda error: None,
    on_progress: Callable[[float], None] = lambda done: None,
) -> ImportReport:
    """Import the trips of one file, as `api.importing.loading.import_file` does other kinds.

    An interrupted run leaves whole batches of 5,000 rows, and a mark of how far it came: the next
    one checks them again without writing them.
    """
    started = time.monotonic()
    report = ImportReport(path.name.encode("utf-8", "replace").decode(), KIND)
    if path.suffix.lower() not in SUFFIXES:
        raise LayoutError(f"{path.name}: trips come as CSV, GeoJSON or NDJSON")
    table = open_table(path, geometry="LineString")
    report.encoding = table.encoding.removesuffix("-sig")
    reader = _Reader(store, tenant_id, columns or {}, report, typed=table.typed)
    held: list[Trip] = []
    source = ""
    for chunk in table.chunks():
        report.read += chunk.read
        trips, refused = reader.read(chunk)
        for error in sorted([*chunk.refused, *refused], key=lambda error: error.line):
            report.reject(error)
            on_reject(error)
        if strict or dry_run:
            held += trips if strict else []
        elif report.read:
            if not source:
                source = source_of(path, report)
                mark = store.import_mark(tenant_id, source)
                report.resumed_at = mark.rows_done if mark and not mark.finished else 0
            if report.read > report.resumed_at:
                store.put_all(trips, ImportMark(tenant_id, source, report.read))
        report.stored += 0 if strict or dry_run else len(trips)
        on_progress(table.done)
    report.complete = not (strict and report.rejected_count)
    if strict and report.complete and held and not dry_run:
        report.position = str(store.put_all(held))
        report.stored = len(held)
    if source:
        done = ImportMark(tenant_id, source, report.read, finished=True)
        report.position = str(store.put_all([], done))
    report.seconds = time.monotonic() - started
    return report


class _Reader:
    """Rows of one file, in order, as trips."""

    def __init__(
        self,
        store: Store,
        tenant_id: str,
        said: Mapping[str, str],
        report: ImportReport,
        *,
        typed: bool,
    ) -> None:
        unknown = sorted(said.keys() - FIELDS)
        if unknown:
            raise LayoutError(f"a trip has no field {unknown[0][:40]!r}")
        self._store, self._tenant_id, self._said = store, tenant_id, said
        self._report, self._typed = report, typed
        self._timezone = store.get(Tenant, tenant_id, tenant_id).timezone
        self._area = ServiceArea(store.zones(tenant_id))
        self._router = AirRouter()
        self._line_of_id: dict[str, int] = {}

    def read(self, chunk: Chunk) -> tuple[list[Trip], list[RowError]]:
        """The trips of a chunk, and its refused rows."""
        missing = sorted(set(self._said.values()) - set(chunk.names))
        if missing and chunk.lines:
            raise LayoutError(f"there is no column {missing[0][:40]!r}")
        of_field = {name: name for name in chunk.names if name in FIELDS} | dict(self._said)
        if chunk.lines and not self._report.used:
            self._report.used = dict(sorted(of_field.items()))
            self._report.unused = tuple(
                name for name in chunk.names if name not in of_field.values()
            )
        fields = {field: chunk.column(column) for field, column in of_field.items()}
        found: list[tuple[int, Trip]] = []
        refused: list[RowError] = []
        for i, line in enumerate(chunk.lines):
            row = {name: column[i] for name, column in fields.items()}
            row = {name: value for name, value in row.items() if value not in (None, "")}
            try:
                found.append((line, self._trip(row, line)))
            except RowError as error:
                refused.append(error)
        known = self._known(trip for _, trip in found)
        kept = []
        for line, trip in found:
            if trip.owner_id is not None and trip.owner_id not in known:
                refused.append(RowError("no such member is stored", line=line, field="owner_id"))
                continue
            kept.append(trip)
        return kept, refused

    def _trip(self, row: dict[str, Any], line: int) -> Trip:
        if not self._typed:
            row = {field: _value(field, text, line) for field, text in row.items()}
        id = str(row.pop("id", ""))
        try:
            for value in (id, *row.values()):
                if isinstance(value, str):
                    check_text(value)
            trip = make_trip(
                TripIn.model_validate(_body(row)),
                tenant_id=self._tenant_id,
                id=id,
                owner_id=None,
                timezone=self._timezone,
                router=self._router,
            )
            self._require_placed(trip)
            # Here, not by the store, which would refuse the rows around it too.
            require(Trip, columns_of(Trip, [trip]))
            self._require_addressed(trip)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = dotted(fault["loc"])
            raise RowError(fault["msg"], line=line, field=where) from error
        except InputError as error:
            reason = str(error).removeprefix(f"trip {ascii(id)[:80]}: ")
            raise RowError(reason, line=line) from error
        first = self._line_of_id.setdefault(id, line)
        if first != line:
            raise RowError(f"already on line {first}", line=line, field="id")
        return trip

    def _require_placed(self, trip: Trip) -> None:
        for lon, lat in trip.lonlat[:1] + trip.lonlat[-1:]:
            as_sent, swapped = self._area.holds(np.array([(lon, lat), (lat, lon)])).tolist()
            if swapped and not as_sent:
                raise InputError("latitude and longitude look swapped")

    def _require_addressed(self, trip: Trip) -> None:
        if trip.audience_id is not None:
            of = Building if trip.audience is Audience.BUILDING else Residence
            if not self._store.page(of, self._tenant_id, where={"id": trip.audience_id}, limit=1):
                raise InputError(f"audience_id: no such {trip.audience} is stored")

    def _known(self, trips: Iterable[Trip]) -> set[str]:
        owners = {trip.owner_id for trip in trips if trip.owner_id is not None}
        if not owners:
            return set()
        return set(self._store.member_table(self._tenant_id, owners)["id"].to_pylist())


def _value(field: str, text: str, line: int) -> Any:
    """A value of CSV, which has text only."""
    read = next((read for names, read in READERS if field in names), str.strip)
    try:
        return read(text)
    except ValueFault as error:
        raise RowError(str(error), line=line, field=field) from error


def _body(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the body of a PUT."""
    flat = {name: row[name] for name in FLAT if name in row}
    body = {name: value for name, value in row.items() if name not in flat}
    body.setdefault("role", "driver")
    if GEOMETRY_LINE in body:
        body["route"] = {"type": "LineString", "coordinates": body.pop(GEOMETRY_LINE)}
    ends = [flat.get(name) for name in ENDS]
    if any(end is not None for end in ends):
        if None in ends:
            raise InputError(f"{', '.join(ENDS)} are given together")
        start, end = {"lat": ends[0], "lon": ends[1]}, {"lat": ends[2], "lon": ends[3]}
        body["waypoints"] = [start, *body.get("waypoints", ()), end]
    if "schedule" in body:
        if any(name in flat for name in (*WEEKLY, *SCHEDULE)):
            raise InputError("a schedule, or columns of one, not both")
        return body
    body["schedule"] = {name: flat[name] for name in SCHEDULE if name in flat}
    if "depart" in flat or "arrive" in flat:
        if "depart" in flat and "arrive" in flat:
            raise InputError("a weekly trip departs or arrives at a time, not both")
        clock = "depart" if "depart" in flat else "arrive"
        days = list(_days(str(flat.get("days", ""))))
        body["schedule"] |= {"anchor": clock, "weekly": [{"days": days, "time": flat[clock]}]}
    elif "days" in flat:
        raise InputError("days go with depart or arrive, a time of day")
    return body


def _days(text: str) -> Iterator[str]:
    """``MON-FRI`` or ``MON WED`` as days, in the order said."""
    for part in text.upper().replace(",", " ").replace(";", " ").split():
        first, _, last = part.partition("-")
        if first not in WEEK or (last or first) not in WEEK:
            raise InputError("days are spelled MON-FRI, or MON WED")
        begin = WEEK.index(first)
        for step in range((WEEK.index(last or first) - begin) % 7 + 1):
            yield WEEK[(begin + step) % 7]
