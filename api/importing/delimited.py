"""Reads CSV as it is found: comma, semicolon, tab or bar; UTF-8, or Windows-1252 in old files."""

import codecs
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from api.importing.table import CHUNK_ROWS, MAX_LINE_CHARS, Chunk
from geo.errors import LayoutError, RowError

__all__ = ["CsvTable"]

DELIMITERS = ",;\t|"
SCAN_BYTES = 1 << 20


class CsvTable:
    """The rows of a CSV file with a header line.

    Parameters
    ----------
    path : Path

    Raises
    ------
    LayoutError
        If there is no header, or it names a column twice.

    Notes
    -----
    Bytes that are no text in the encoding become lone surrogates (PEP 383), which no field
    accepts: the row that holds them is refused, the others are kept.
    """

    typed = False

    def __init__(self, path: Path) -> None:
        self.done = 0.0
        self._path = path
        self._bytes = max(path.stat().st_size, 1)
        self.encoding = _encoding(path)
        self._line = 0
        self._overlong: list[RowError] = []
        with self._open() as file:
            header = next(self._lines(file), "")
        self._delimiter = max(
            DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), []))
        )
        with self._open() as file:
            self.names = [name.strip() for name in next(self._reader(file), [])]
        if not any(self.names):
            raise LayoutError(f"{path.name}: wanted a header line with column names, found none")
        for name, times in Counter(self.names).items():
            if name and times > 1:
                raise LayoutError(f"{path.name}: column {name!r} appears {times} times")

    def chunks(self) -> Iterator[Chunk]:
        """The rows, in the order of the file."""
        with self._open() as file:
            self._line = 0
            self._overlong = []
            reader = self._reader(file)
            next(reader)
            while True:
                lines, rows, refused = self._some(reader)
                if not lines and not refused:
                    break
                self.done = min(1.0, file.buffer.tell() / self._bytes)
                yield Chunk(lines, self.names, _columns(self.names, rows), refused)

    def _some(
        self, reader: Iterator[list[str]]
    ) -> tuple[list[int], list[list[str]], list[RowError]]:
        lines: list[int] = []
        rows: list[list[str]] = []
        refused: list[RowError] = []
        width = len(self.names)
        while len(rows) + len(refused) < CHUNK_ROWS:
            start = self._line + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                refused.append(RowError(f"not CSV: {error}", line=start))
                continue
            if self._overlong:
                refused += self._overlong
                self._overlong.clear()
            if row is None:
                break
            if len(row) == width:
                rows.append(row)
                lines.append(start)
            elif any(row):
                wanted = f"wanted {width} values as in the header, got {len(row)}"
                refused.append(RowError(wanted, line=start))
        return lines, rows, refused

    def _open(self) -> TextIO:
        # newline="": line ends inside quotes belong to the value.
        return self._path.open(encoding=self.encoding, errors="surrogateescape", newline="")

    def _reader(self, file: TextIO) -> Iterator[list[str]]:
        # strict: a quote that is never closed is an error, not a value to the end of the file.
        return csv.reader(self._lines(file), delimiter=self._delimiter, strict=True)

    def _lines(self, file: TextIO) -> Iterator[str]:
        while line := file.readline(MAX_LINE_CHARS):
            self._line += 1
            if len(line) < MAX_LINE_CHARS or line[-1] in "\r\n":
                yield line
                continue
            while (rest := file.readline(MAX_LINE_CHARS)) and rest[-1] not in "\r\n":
                pass
            reason = f"a line of more than {MAX_LINE_CHARS} characters"
            self._overlong.append(RowError(reason, line=self._line))
            yield "\n"  # the reader passes over it, and counts it


def _columns(names: list[str], rows: list[list[str]]) -> Callable[[str], Sequence[str]]:
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    return lambda name: columns.get(name, ())


def _encoding(path: Path) -> str:
    """UTF-8, unless more of what is not ASCII breaks it than fits it."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    other = broken = 0
    with path.open("rb") as file:
        start = file.read(2)
        if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise LayoutError(f"{path.name}: wanted UTF-8, got UTF-16; save it as UTF-8")
        file.seek(0)
        while block := file.read(SCAN_BYTES):
            if not block.isascii():
                text = decoder.decode(block)
                other += len(text) - len(text.encode("ascii", "ignore"))
                broken += len(text) - len(text.encode("utf-8", "ignore").decode())
    return "cp1252" if broken > other - broken else "utf-8-sig"
