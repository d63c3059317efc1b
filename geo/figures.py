"""INSEE's census figures by IRIS: CSV as published, any census, one name for each figure."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from geo.errors import InputError, LayoutError, RowError
from geo.iris import check_iris_code

if TYPE_CHECKING:
    from _csv import Reader as CsvReader  # the class has no name at run time before 3.13

__all__ = ["FIGURE_NAMES", "FiguresTable", "merge_figures", "read_figures"]

CODE_COLUMNS = ("iris", "code_iris")
# What float() reads beyond this (nan, inf, 1_000, other scripts' digits) is no figure of INSEE's.
NUMBER = re.compile(r"[0-9]+([.,][0-9]*)?([eE][+-]?[0-9]+)?")

FIGURE_NAMES: Mapping[str, str] = {
    "POP": "pop",
    "POP0019": "pop_0_19",
    "POP2064": "pop_20_64",
    "POP65P": "pop_65p",
    "MEN": "menages",
    "LOG": "logements",
    "RP": "res_principales",
    "RSECOCC": "res_secondaires",
    "LOGVAC": "logements_vacants",
    "MAISON": "maisons",
    "APPART": "appartements",
    "RPAPPART": "rp_en_appartement",
}
"""INSEE's variables, without survey and year (``P21_``, ``C21_``), and our names for them."""


@dataclass(frozen=True, slots=True, eq=False)
class FiguresTable:
    """Census figures by zone code: names of `FIGURE_NAMES` to numbers.

    ``census_year`` is when people were counted; ``geography_year`` the year whose zones they
    were counted in, None where nothing says it.
    """

    census_year: int
    geography_year: int | None
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def read_figures(path: Path, geography_year: int | None = None) -> FiguresTable:
    """Read census figures by zone.

    Parameters
    ----------
    path : Path
        CSV as INSEE publishes it (``;``, ``IRIS`` and columns as ``P21_POP``), or with a
        column ``code_iris`` and names of `FIGURE_NAMES`. Other columns are left out.
    geography_year : int, optional
        Year of the zones that the figures use; by default one that follows ``geo`` in the
        file's name, else unknown.

    Returns
    -------
    FiguresTable

    Raises
    ------
    LayoutError
        If the columns are not there, or nothing tells the census year.
    RowError
        If a code is no code or comes twice, or a figure is no number.
    InputError
        If there is no such file.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path.name}")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")  # editions before 2015; labels only
    header, _, _ = text.partition("\n")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in header else ",")
    try:
        columns = [name.strip() for name in next(rows, [])]
        code_at = next((i for i, name in enumerate(columns) if name.lower() in CODE_COLUMNS), None)
        figures, years = _figure_columns(columns)
        if code_at is None or not figures:
            raise LayoutError(f"{path.name} has no column IRIS or code_iris, or none of figures")
        values = _values(rows, columns, code_at, figures)
    except RowError as error:
        message = f"{path.name}, line {error.line}: {error}"
        raise RowError(message, line=error.line, field=error.field) from error
    except csv.Error as error:
        raise LayoutError(f"{path.name}, line {rows.line_num}: no CSV: {error}") from error
    named = re.search(r"(?<![a-z])rp[-_]?((?:19|20)\d\d)(?!\d)", path.name.lower())
    if not years and named:
        years = {int(named[1])}
    if len(years) != 1:
        raise LayoutError(
            f"{path.name} must tell one census year, by its columns (P21_POP) or its name "
            f"(rp2021); found {sorted(years) or 'none'}"
        )
    geography = re.search(r"geo(?:graphie)?[-_]?((?:19|20)\d\d)(?!\d)", path.name.lower())
    if geography_year is None and geography:
        geography_year = int(geography[1])
    return FiguresTable(years.pop(), geography_year, values)


def _figure_columns(columns: Sequence[str]) -> tuple[dict[str, int], set[int]]:
    """Our names of the columns to read, and the census years that their prefixes state."""
    figures: dict[str, int] = {}
    years: set[int] = set()
    # P (the main survey) before C (the complementary one) where both give a figure.
    for survey in "CP":
        for i, column in enumerate(columns):
            match = re.fullmatch(rf"{survey}(\d\d)_(\w+)", column.upper())
            if match and match[2] in FIGURE_NAMES:
                figures[FIGURE_NAMES[match[2]]] = i
                years.add(int(match[1]) + (1900 if match[1] > "90" else 2000))
    for i, column in enumerate(columns):
        if column.lower() in FIGURE_NAMES.values():
            figures[column.lower()] = i
    return figures, years


def _values(
    rows: "CsvReader", columns: Sequence[str], code_at: int, figures: Mapping[str, int]
) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, float]] = {}
    for row in rows:
        if not any(row):
            continue
        line = rows.line_num
        if len(row) != len(columns):
            raise RowError(f"{len(row)} fields, the header has {len(columns)}", line=line)
        code = row[code_at].strip()
        check_iris_code(code, line)
        if code in values:
            raise RowError(f"zone {code} comes twice", line=line)
        found = {name: _figure(row[i], line, columns[i]) for name, i in figures.items()}
        values[code] = {name: value for name, value in found.items() if value is not None}
    return values


def _figure(text: str, line: int, column: str) -> float | None:
    text = text.strip()
    if not text:
        return None
    value = float(text.replace(",", ".")) if NUMBER.fullmatch(text) else math.inf
    if value == math.inf:
        raise RowError(f"{column} must be a number, got {text[:20]!r}", line=line, field=column)
    return value


def merge_figures(tables: Iterable[FiguresTable]) -> FiguresTable | None:
    """Figures of several files as one, joined by zone code.

    Returns
    -------
    FiguresTable or None
        None if there is no table. Where no file gives ``menages`` it is ``res_principales``:
        INSEE counts one household for each main residence.

    Raises
    ------
    InputError
        If the files are of different census or geography years, or two differ on a figure.
    """
    tables = list(tables)
    if not tables:
        return None
    years = {table.census_year for table in tables}
    geographies = {table.geography_year for table in tables} - {None}
    if len(years) > 1 or len(geographies) > 1:
        raise InputError(
            f"figures must share one census year and one geography, got {sorted(years)} "
            f"and {sorted(year for year in geographies if year)}"
        )
    merged: dict[str, dict[str, float]] = {}
    for table in tables:
        for code, values in table.values.items():
            known = merged.setdefault(code, {})
            for name, value in values.items():
                if not math.isclose(known.setdefault(name, value), value, abs_tol=1e-6):
                    raise InputError(f"two files differ on {name} of zone {code}")
    for known in merged.values():
        if "res_principales" in known:
            known.setdefault("menages", known["res_principales"])
    return FiguresTable(years.pop(), next(iter(geographies), None), merged)
