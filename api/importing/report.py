"""What an import says of itself, and the file of rows it refused."""

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from geo.errors import InputError, RowError

__all__ = ["MAX_LISTED", "ImportReport", "rejects_file", "source_of"]

MAX_LISTED = 10_000  # refused rows that a report lists; a rejects file holds all of them


@dataclass(slots=True)
class ImportReport:
    """How the import of one file went.

    ``read`` counts rows, ``stored`` those taken, ``rejected_count`` those refused, of which
    ``rejected`` lists the first. ``resumed_at`` is how many rows an earlier, interrupted run
    had already stored. ``complete`` is False if a strict import stored nothing. ``position``
    is that of the last write, for who wants to read it.
    """

    file: str
    kind: str
    read: int = 0
    stored: int = 0
    rejected: list[RowError] = field(default_factory=list)
    rejected_count: int = 0
    warnings: Counter[str] = field(default_factory=Counter)
    used: dict[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    encoding: str = ""
    resumed_at: int = 0
    complete: bool = True
    position: str = ""
    seconds: float = 0.0

    def reject(self, error: RowError) -> None:
        """Note a refused row."""
        self.rejected_count += 1
        if len(self.rejected) < MAX_LISTED:
            self.rejected.append(error)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON shows it."""
        return {
            "file": self.file,
            "kind": self.kind,
            "read": self.read,
            "stored": self.stored,
            "rejected": [reject_row(error) for error in self.rejected],
            "rejected_count": self.rejected_count,
            "warnings": {name: n for name, n in sorted(self.warnings.items()) if n},
            "columns": {"used": self.used, "unused": list(self.unused)},
            "encoding": self.encoding,
            "resumed_at": self.resumed_at,
            "complete": self.complete,
            "position": self.position,
            "seconds": round(self.seconds, 3),
            "rows_per_s": round(self.read / self.seconds) if self.seconds else 0,
        }


def reject_row(error: RowError) -> dict[str, Any]:
    """A refused row as JSON shows it."""
    return {"line": error.line, "field": error.field, "reason": str(error)}


@contextmanager
def rejects_file(path: Path | None) -> Iterator[Callable[[str, RowError], None]]:
    """A file that takes refused rows as they come: CSV, or NDJSON by the end of its name.

    It appears with the first of them. Without a path they go nowhere.

    Raises
    ------
    InputError
        If the name ends in neither, or it can't be written.
    """
    if path is None:
        yield lambda file, error: None
        return
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".ndjson", ".jsonl"):
        raise InputError(f"a report ends in .csv, .ndjson or .jsonl, got {path.name!r}")
    try:
        path.unlink(missing_ok=True)  # an earlier run's must not pass for this one's
    except OSError as error:
        raise InputError(f"{path.name}: {error.strerror}") from error
    opened: list[Any] = []

    def note(file: str, error: RowError) -> None:
        row = {"file": file, **reject_row(error)}
        if not opened:
            try:
                opened.append(path.open("w", encoding="utf-8", newline=""))
            except OSError as error:
                raise InputError(f"{path.name}: {error.strerror}") from error
            if suffix == ".csv":
                csv.writer(opened[0]).writerow(row)
        if suffix == ".csv":
            csv.writer(opened[0]).writerow(row.values())
        else:
            opened[0].write(msgspec.json.encode(row).decode() + "\n")

    try:
        yield note
    finally:
        for stream in opened:
            stream.close()


def source_of(path: Path, report: ImportReport) -> str:
    """What a mark belongs to: a file's content, its kind and its columns."""
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    said = msgspec.json.encode([content, report.kind, report.used])
    return hashlib.sha256(said).hexdigest()
