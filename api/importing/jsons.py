"""Reads NDJSON line by line and GeoJSON feature by feature, strictly."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from api.importing.strict import StrictDecoder
from api.importing.table import (
    CHUNK_ROWS,
    GEOMETRY_LAT,
    GEOMETRY_LINE,
    GEOMETRY_LON,
    MAX_LINE_CHARS,
    Chunk,
)
from geo.errors import InputError, LayoutError, RowError

__all__ = ["GeoJsonTable", "NdjsonTable"]

INDENTS = (" ", "\t", "\r", "\n")
MAX_NAMES = 1_000  # distinct keys that are told apart in one chunk; a real table has fewer
DEGREES = ("CRS84", "EPSG::4326", "EPSG:4326")


class NdjsonTable:
    """The rows of an NDJSON file: one object, or one GeoJSON Feature, on each line.

    Parameters
    ----------
    path : Path
    geometry : str
        What features must be: Point or LineString.
    """

    encoding = "utf-8"
    typed = True

    def __init__(self, path: Path, geometry: str = "Point") -> None:
        self.done = 0.0
        self._path = path
        self._geometry = geometry

    def chunks(self) -> Iterator[Chunk]:
        """The rows, in the order of the file."""
        decoder = StrictDecoder()
        rows = _Rows(self._geometry)
        size = max(self._path.stat().st_size, 1)
        with self._path.open("rb") as file:
            for number, line in _lines(file):
                try:
                    if not line:
                        raise InputError(f"a line of more than {MAX_LINE_CHARS} bytes")
                    rows.add(number, decoder.decode(line.decode()))
                except UnicodeDecodeError:
                    rows.refuse(number, "not UTF-8")
                except InputError as error:
                    rows.refuse(number, str(error))
                if rows.full:
                    self.done = file.tell() / size
                    yield rows.chunk()
                    rows = _Rows(self._geometry)
        if not rows.empty:
            yield rows.chunk()


class GeoJsonTable:
    """The rows of a GeoJSON FeatureCollection; the text is held whole, the features are not.

    Parameters
    ----------
    path : Path
    geometry : str
        What features must be: Point or LineString.

    Raises
    ------
    LayoutError
        If the file is not UTF-8, or no FeatureCollection in degrees.
    """

    encoding = "utf-8"
    typed = True

    def __init__(self, path: Path, geometry: str = "Point") -> None:
        self.done = 0.0
        self._path = path
        self._geometry = geometry
        try:
            self._text = path.read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise LayoutError(f"{path.name}: GeoJSON must be UTF-8") from error
        self._decoder = StrictDecoder()
        self._at = 0

    def chunks(self) -> Iterator[Chunk]:
        """The features, in the order of the file; a row's line is where its feature starts."""
        rows = _Rows(self._geometry)
        for line, feature in self._features():
            if isinstance(feature, InputError):
                rows.refuse(line, str(feature))
            else:
                rows.add(line, feature)
            if rows.full:
                self.done = self._at / len(self._text)
                yield rows.chunk()
                rows = _Rows(self._geometry)
        if not rows.empty:
            yield rows.chunk()

    def _features(self) -> Iterator[tuple[int, Any]]:
        """Line and value of each feature, or the `InputError` of one that breaks a rule."""
        self._at = 0
        self._expect("{")
        found = False
        while True:
            key = self._member()
            self._expect(":")
            if key == "features":
                found = True
                yield from self._items()
            else:
                self._check_member(key, self._member())
            if not self._another("}"):
                break
        if not found:
            self._fail("no member 'features'")

    def _items(self) -> Iterator[tuple[int, Any]]:
        self._expect("[")
        self._skip_space()
        if self._text.startswith("]", self._at):
            self._at += 1
            return
        line, counted = 1, 0
        while True:
            self._skip_space()
            line += self._text.count("\n", counted, self._at)
            counted = self._at
            try:
                yield line, self._value()
            except InputError as error:
                if self._decoder.after == self._at:
                    self._fail("broken from here on, rows before it may be stored", error)
                self._at = self._decoder.after
                yield line, error
            if not self._another("]"):
                return

    def _check_member(self, key: object, value: Any) -> None:
        if key == "type" and value != "FeatureCollection":
            self._fail(f"its type is {str(value)[:40]!r}")
        if key == "crs" and value is not None and not any(name in str(value) for name in DEGREES):
            self._fail("it states a crs other than WGS84 degrees; use GeoPackage or GeoParquet")

    def _value(self) -> Any:
        value = self._decoder.decode_at(self._text, self._at)
        self._at = self._decoder.after
        return value

    def _member(self) -> Any:
        """A name or value outside the features: one that is wrong ends the reading."""
        self._skip_space()
        try:
            return self._value()
        except InputError as error:
            self._fail(str(error), error)

    def _skip_space(self) -> None:
        while self._text.startswith(INDENTS, self._at):
            self._at += 1

    def _expect(self, mark: str) -> None:
        self._skip_space()
        if not self._text.startswith(mark, self._at):
            self._fail(f"{mark!r} is missing")
        self._at += 1

    def _another(self, end: str) -> bool:
        self._skip_space()
        more = self._text.startswith(",", self._at)
        if not more and not self._text.startswith(end, self._at):
            self._fail(f"',' or {end!r} is missing")
        self._at += 1
        return more

    def _fail(self, what: str, cause: Exception | None = None) -> NoReturn:
        line = self._text.count("\n", 0, self._at) + 1
        raise LayoutError(
            f"{self._path.name}: wanted a GeoJSON FeatureCollection in WGS84 degrees; "
            f"line {line}: {what}"
        ) from cause


class _Rows:
    """Rows of one chunk under way."""

    def __init__(self, geometry: str) -> None:
        self._geometry = geometry
        self._lines: list[int] = []
        self._rows: list[dict[str, Any]] = []
        self._refused: list[RowError] = []
        self._names: dict[str, None] = {}
        self._flattened = 0

    @property
    def full(self) -> bool:
        return len(self._lines) + len(self._refused) >= CHUNK_ROWS

    @property
    def empty(self) -> bool:
        return not self._lines and not self._refused

    def refuse(self, line: int, reason: str, field: str = "") -> None:
        self._refused.append(RowError(reason, line=line, field=field))

    def add(self, line: int, value: Any) -> None:
        if not isinstance(value, dict):
            self.refuse(line, f"wanted an object, got {_json_type(value)}")
            return
        row = value
        if value.get("type") == "Feature":
            try:
                row = self._flat(value)
            except InputError as error:
                self.refuse(line, str(error), "geometry")
                return
        if len(self._names) < MAX_NAMES:
            self._names.update(dict.fromkeys(row))
        self._lines.append(line)
        self._rows.append(row)

    def _flat(self, feature: dict[str, Any]) -> dict[str, Any]:
        """A Feature as one flat row. Raises `InputError` if its geometry is another."""
        properties = feature.get("properties")
        row = dict(properties) if isinstance(properties, dict) else {}
        if "id" in feature:
            row.setdefault("id", feature["id"])
        geometry = feature.get("geometry")
        if geometry is None:
            return row
        wanted = f"wanted a {self._geometry}"
        if not isinstance(geometry, dict):
            raise InputError(f"{wanted}, got {_json_type(geometry)}")
        if geometry.get("type") != self._geometry:
            raise InputError(f"{wanted}, got {ascii(geometry.get('type'))[:40]}")
        place = geometry.get("coordinates")
        if not isinstance(place, list) or len(place) < 2:
            raise InputError(f"{wanted}, its coordinates are empty")
        if self._geometry == "LineString":
            row[GEOMETRY_LINE] = place
            return row
        self._flattened += len(place) > 2
        row[GEOMETRY_LON], row[GEOMETRY_LAT] = place[0], place[1]
        return row

    def chunk(self) -> Chunk:
        rows = self._rows
        return Chunk(
            self._lines,
            tuple(self._names),
            lambda name: [row.get(name) for row in rows],
            self._refused,
            self._flattened,
        )


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers; an overlong one as an empty line."""
    number = 0
    while line := file.readline(MAX_LINE_CHARS):
        number += 1
        overlong = len(line) == MAX_LINE_CHARS and not line.endswith(b"\n")
        while overlong and line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_CHARS)
        text = line.removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n\x1e")  # \x1e: RFC 8142
        if overlong:
            yield number, b""
        elif text:
            yield number, text


def _json_type(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
