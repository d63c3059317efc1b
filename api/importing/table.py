"""What every reader of a file hands on: its rows in chunks, column by column."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from geo.errors import RowError

__all__ = [
    "CHUNK_ROWS",
    "GEOMETRY_LAT",
    "GEOMETRY_LINE",
    "GEOMETRY_LON",
    "MAX_LINE_CHARS",
    "Chunk",
    "Table",
]

CHUNK_ROWS = 5_000  # rows of one transaction, refused ones counted

MAX_LINE_CHARS = 1 << 20  # a longer line is no row of a town's data

# Columns that a reader makes of a Point geometry.
GEOMETRY_LON = "geometry.lon"
GEOMETRY_LAT = "geometry.lat"
# And of a LineString, where one is wanted: its positions.
GEOMETRY_LINE = "geometry.line"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Up to `CHUNK_ROWS` rows of a file, and those among them that could not be read.

    ``lines[i]`` is where row ``i`` starts: a line of a text file, the number of a feature
    elsewhere, counted from 1. ``column(name)`` gives one raw value per row: text from CSV,
    the file's own types otherwise, None where a row has none. ``flattened`` counts points
    whose height was dropped.
    """

    lines: Sequence[int]
    names: Sequence[str]
    column: Callable[[str], Sequence[Any]]
    refused: Sequence[RowError] = field(default_factory=list)
    flattened: int = 0

    @property
    def read(self) -> int:
        """Rows of the file that this chunk stands for."""
        return len(self.lines) + len(self.refused)


class Table(Protocol):
    """A file of rows.

    Attributes
    ----------
    encoding : str
        Of a text file; empty for a binary one.
    typed : bool
        Whether its values have types; in CSV all are text.
    done : float
        Share of the file read so far, 0 to 1.
    """

    encoding: str
    typed: bool
    done: float

    def chunks(self) -> Iterator[Chunk]:
        """The rows, in the order of the file. Raises `LayoutError` where it breaks off."""
