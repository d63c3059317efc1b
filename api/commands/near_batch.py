"""`mitoyen near --batch FILE`: a question a line in, an answer a line out, in the same order."""

import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec
from fastapi.exceptions import RequestValidationError
from rich.console import Console
from rich.progress import Progress

from api.bodies import strict_json, validated
from api.commands.common import note
from api.questions import near_query
from api.schemas import NearBody
from api.towns import Outlines
from geo.errors import InputError, MitoyenError
from matching.engine import Engine
from matching.query import NearAnswer, NearQuery, Viewer

__all__ = ["answer_lines"]

AT_ONCE = 1_000
MAX_LINE = 1 << 20
SHOWN = 10  # refused lines told to people


def answer_lines(engine: Engine, outlines: Outlines, viewer: Viewer, path: Path, lang: str) -> bool:
    """Answer each line of a file, as the body of `/v1/near`, on standard output.

    A line that can't be answered is ``{"line", "code", "detail"}`` in its place, and told on
    standard error. Empty lines are passed over.

    Parameters
    ----------
    engine : Engine
        What answers.
    outlines : Outlines
        The town's, to notice swapped coordinates.
    viewer : Viewer
        Who asks all of them.
    path : Path
        NDJSON; ``-`` is standard input.
    lang : str
        Language of the reasons where a line names none.

    Returns
    -------
    bool
        Whether every line was answered.

    Raises
    ------
    InputError
        If the file can't be read.
    """
    now = datetime.now(UTC)
    refused = 0
    console = Console(stderr=True)
    file, size = _opened(path)
    with closing(file), Progress(console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(path.name, total=size)
        lines = _lines(file)
        while chunk := list(islice(lines, AT_ONCE)):
            asked = [_query(outlines, viewer, line, now, lang) for _, line in chunk]
            good = [query for query in asked if isinstance(query, NearQuery)]
            found = iter(engine.near_many(viewer, good))
            for (number, line), query in zip(chunk, asked, strict=True):
                answer = next(found) if isinstance(query, NearQuery) else query
                if not isinstance(answer, NearAnswer):
                    refused += 1
                    if refused <= SHOWN:
                        note(f"line {number}: {answer}")
                    told: object = {"line": number, "code": answer.code, "detail": str(answer)}
                else:
                    told = answer
                sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
                bars.advance(bar, len(line))
    sys.stdout.flush()
    if refused > SHOWN:
        note(f"and {refused - SHOWN} more lines that could not be answered")
    return not refused


def _opened(path: Path) -> tuple[BinaryIO, int | None]:
    if str(path) == "-":
        return sys.stdin.buffer, None
    try:
        return path.open("rb"), path.stat().st_size
    except OSError as error:
        raise InputError(f"{path.name} can't be read: {error.strerror}") from error


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that hold something."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise InputError(f"line {number} has more than {MAX_LINE} bytes")
        if line.strip():
            yield number, line


def _query(
    outlines: Outlines, viewer: Viewer, line: bytes, now: datetime, lang: str
) -> NearQuery | MitoyenError:
    try:
        strict_json(line)
        query = near_query(validated(NearBody, line), now=now, lang=lang)
        if query.origin is not None:
            outlines.refuse_swapped(query.origin[1], query.origin[0])
        elif viewer.member_id is None:
            raise InputError("name an origin, or a member with --as", code="origin-required")
    except RequestValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()]
        return InputError("; ".join(faults), code="invalid-request")
    except MitoyenError as error:
        return error
    return query
