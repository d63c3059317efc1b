"""Releases and districts as JSON has them, over HTTP and on the command line."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from api.answers import instant_text
from api.districts_files import FileFormat, districts_file, metadata_of
from api.districts_words import words
from geo.arrays import IntArray
from geo.cells import cell_to_text
from geo.errors import NotFoundError
from indexes.releases import STATUSES, ReleaseHead
from matching.districts import COMPANIONS, Districts, column_name
from matching.planning.measures import FLOWS, TITLES

__all__ = [
    "district_answer",
    "file_of",
    "head_answer",
    "main_commune",
    "parts_of",
    "release_answer",
    "rows_of",
    "sidecar_of",
    "within",
    "zone_answer",
]


def head_answer(head: ReleaseHead) -> dict[str, Any]:
    """A release among others, with all that it says of itself."""
    return {
        "release": head.id,
        "version": head.version,
        "created_at": instant_text(head.created_at),
        "vintage": head.vintage,
        "head": head.head,
    }


def release_answer(head: ReleaseHead) -> dict[str, Any]:
    """Which release an answer is of, and its ε by family."""
    told = head_answer(head)
    return {name: told[name] for name in ("release", "version", "created_at", "vintage")} | {
        "epsilon": head.head["epsilon"]
    }


def rows_of(rows: pa.Table, measures: Collection[str] = ()) -> list[dict[str, Any]]:
    """Figures of one zone, all or those of some measures.

    Raises
    ------
    NotFoundError
        With code ``unknown-measure``.
    """
    if measures:
        names = rows["measure"].to_pylist()
        for measure in measures:
            if measure not in names:
                known = ", ".join(sorted(set(names)))
                raise NotFoundError(
                    f"no measure {measure[:40]!r} here; known: {known}", code="unknown-measure"
                )
        rows = rows.take(pa.array([i for i, name in enumerate(names) if name in measures]))
    return list(rows.to_pylist())


def zone_answer(districts: Districts, code: str, measures: Collection[str] = ()) -> dict[str, Any]:
    """A zone, what it is, and its figures.

    Raises
    ------
    NotFoundError
        With code ``unknown-zone`` or ``unknown-measure``.
    """
    rows = rows_of(districts.rows(code), measures)
    level = districts.level_of(code)
    name, kind, commune = code, None, None
    if level != "cell" and code in (zones := districts.zones.level(level)).index:
        name = zones.names[zones.index[code]]
        commune = (code, *districts.zones.parents(code))[-1]
        if level == "iris":
            kind = districts.zones.zones[zones.index[code]].type
    return {
        "zone": code,
        "name": name,
        "level": level,
        "type": kind,
        "commune": commune,
        "rows": rows,
    }


def district_answer(
    districts: Districts, code: str, measures: Collection[str] = ()
) -> dict[str, Any]:
    """One zone of a release: `zone_answer` with `release_answer`."""
    return zone_answer(districts, code, measures) | release_answer(districts.release)


def within(districts: Districts, level: str, bbox: Sequence[float] | None) -> IntArray:
    """Positions of a level's zones that meet a box of west, south, east, north."""
    count = len(districts.codes(level))
    if bbox is None:
        return np.arange(count)
    return np.flatnonzero(shapely.intersects(districts.outlines(level), shapely.box(*bbox)))


def parts_of(districts: Districts, code: str, level: str) -> IntArray:
    """Positions of a level's zones that a zone is made of; cells are all those that it touches.

    Raises
    ------
    NotFoundError
        With code ``unknown-zone`` or ``unknown-level``.
    """
    codes, zones = districts.codes(level), districts.zones
    own = zones.level_of(code)
    if own == "cell":
        found = {code}
    else:
        inside = zones.level(own).of_iris == zones.level(own).index[code]
        if level == "cell":
            of_iris, cells, _ = zones.pieces
            found = {cell_to_text(cell) for cell in cells[inside[of_iris]].tolist()}
        else:
            parts = zones.level(level)
            found = {parts.codes[i] for i in parts.of_iris[inside] if i >= 0}
    return np.array([i for i, one in enumerate(codes) if one in found], dtype=np.int64)


def main_commune(districts: Districts) -> str:
    """The commune of most IRIS: what a map shows unless told otherwise."""
    communes = districts.zones.level("commune")
    return communes.codes[int(np.bincount(communes.of_iris).argmax())]


def file_of(
    districts: Districts,
    level: str,
    format: FileFormat,
    crs: str,
    measures: Collection[str] = (),
    bbox: Sequence[float] | None = None,
) -> tuple[bytes, pa.Table]:
    """Zones of a level as a file, and the table that it holds.

    Flows have a column for each destination: only who asks for them gets them.

    Raises
    ------
    NotFoundError
        With code ``unknown-level`` or ``unknown-measure``.
    InputError
        With code ``unknown-crs``.
    """
    chosen = within(districts, level, bbox)
    told = measures or {name for name, _ in districts.measures(level)} - {FLOWS.name}
    table = districts.table(level, told).take(pa.array(chosen))
    release = pa.array([districts.release.id] * len(table), pa.string())
    table = table.append_column("release", release)
    outlines = districts.outlines(level)[chosen]
    created_at = districts.release.created_at
    return districts_file(table, outlines, format, crs, created_at), table


def sidecar_of(
    districts: Districts, level: str, data: bytes, table: pa.Table, format: FileFormat, crs: str
) -> bytes:
    """What stands beside a file of `file_of`."""
    columns: dict[str, dict[str, Any]] = {}
    for measure, category in districts.measures(level):
        name = column_name(measure, category)
        unit, french, english = TITLES[measure]
        told = {
            "measure": measure,
            "category": category,
            "unit": unit,
            "title": {"fr": french, "en": english},
        }
        columns[name] = told | {"is": "value"}
        columns |= {f"{name}_{suffix}": told | {"is": suffix} for suffix in COMPANIONS}
    statuses = {
        status: {"fr": words(status, "fr"), "en": words(status, "en")} for status in STATUSES
    }
    about = head_answer(districts.release) | {"level": level, "statuses": statuses}
    return metadata_of(data, table, format, crs, columns, about)
