"""Reads ride requests as ridesharing benchmarks publish them: `requests.csv` in a folder."""

from math import inf
from pathlib import Path

import numpy as np

from api.importing.delimited import CsvTable
from api.importing.values import ValueFault, number, whole
from geo.arrays import IntArray, as_lonlat
from geo.errors import LayoutError, RowError
from matching.rides.assign import Requests

__all__ = ["REQUESTS_FILE", "read_requests"]

REQUESTS_FILE = "requests.csv"

# The least and the most of each column; the id, a whole number, has none.
BOUNDS = {
    "origin_lon": (-180.0, 180.0),
    "origin_lat": (-90.0, 90.0),
    "dest_lon": (-180.0, 180.0),
    "dest_lat": (-90.0, 90.0),
    "early_s": (-inf, inf),
}
COLUMNS = ("request_id", *BOUNDS)


def read_requests(folder: Path) -> tuple[IntArray, Requests]:
    """The requests of a data set.

    Parameters
    ----------
    folder : Path
        Holds `requests.csv`: a header line, then `request_id` (whole), `origin_lon`,
        `origin_lat`, `dest_lon`, `dest_lat` (degrees, EPSG:4326) and `early_s` (seconds), in any
        order. Other columns and files are not looked at.

    Returns
    -------
    ids : ndarray of int64, shape (n,)
        In the order of the file.
    requests : Requests

    Raises
    ------
    LayoutError
        If the folder or the file is not there, is no such file or lacks a column.
    RowError
        For the first row that can't be taken, or has the id of an earlier one. The message
        names the file and the line, and never repeats a place.
    """
    path = folder / REQUESTS_FILE
    try:
        return _read(path)
    except OSError as error:
        raise LayoutError(
            f"wanted a folder with a {REQUESTS_FILE}; {path}: {error.strerror or 'can not be read'}"
        ) from error


def _read(path: Path) -> tuple[IntArray, Requests]:
    table = CsvTable(path)
    missing = [name for name in COLUMNS if name not in table.names]
    if missing:
        raise LayoutError(f"{path}: no column {', '.join(missing)}; found {', '.join(table.names)}")
    line_of: dict[int, int] = {}
    rows: list[list[float]] = []
    for chunk in table.chunks():
        for refused in chunk.refused:
            raise _located(path, refused.line, str(refused))
        for line, raw_id, *raws in zip(chunk.lines, *map(chunk.column, COLUMNS), strict=True):
            id = _id(path, line, raw_id)
            if id in line_of:
                raise _located(
                    path, line, f"request {id} is on line {line_of[id]} already", "request_id"
                )
            line_of[id] = line
            rows.append([_value(path, line, *named) for named in zip(BOUNDS, raws, strict=True)])
    values = np.array(rows, np.float64).reshape(-1, len(BOUNDS))
    requests = Requests(as_lonlat(values[:, :2]), as_lonlat(values[:, 2:4]), values[:, 4])
    return np.array(list(line_of), np.int64), requests


def _id(path: Path, line: int, raw: str) -> int:
    try:
        return whole(raw.strip())
    except ValueFault as fault:
        raise _located(path, line, f"request_id: {fault}", "request_id") from None


def _value(path: Path, line: int, name: str, raw: str) -> float:
    low, high = BOUNDS[name]
    try:
        value = number(raw.strip())
    except ValueFault as fault:
        raise _located(path, line, f"{name}: {fault}", name) from None
    if not low <= value <= high or value in (-inf, inf):
        wanted = "a finite number" if high == inf else f"{low:g} to {high:g}"
        raise _located(path, line, f"{name}: wanted {wanted}", name)
    return value


def _located(path: Path, line: int, reason: str, field: str = "") -> RowError:
    """A row that is refused, its place in the message too: no report lists it."""
    return RowError(f"{path}, line {line}: {reason}", line=line, field=field)
