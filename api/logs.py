"""How a server's log looks: text for a terminal, or one JSON object a line for programs.

The engine logs by the standard library alone; here each record, uvicorn's errors among them,
becomes fields. What an exception says is left out unless it is one of ours: a driver's quotes
the row it was given, which may be somebody's place.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import StackSummary, walk_tb
from typing import Any

import msgspec
import structlog

from api.settings import LogFormat
from geo.errors import MitoyenError

__all__ = ["formatter", "log_config", "request_id"]

# The request being answered, where one is; empty elsewhere.
request_id: ContextVar[str] = ContextVar("request_id", default="")

Event = dict[str, Any]


class Lines(logging.Formatter):
    """One line a record, from the fields that it has.

    A server logs every request: what a chain of processors takes for one is a tenth of an answer.

    Parameters
    ----------
    render : callable
        Makes a line of fields.
    fields : bool
        Whether what a record's ``extra={"fields": …}`` adds is told, or is in its words already.
    """

    def __init__(self, render: Callable[[Event], str], *, fields: bool) -> None:
        super().__init__()
        self._render, self._fields = render, fields

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        event: Event = {
            "event": record.getMessage(),
            "timestamp": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        id = request_id.get()
        if id:
            event["request_id"] = id
        if self._fields:
            event.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            event["exception"] = "\n".join(_lines(record.exc_info[1]))
        if record.stack_info:
            event["stack_info"] = record.stack_info
        return self._render(event)


def _lines(error: BaseException | None) -> list[str]:
    """Where an exception came from and of which class, after the same of what caused it."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:  # one may be raised from what it caused
        chain.append(error)
        before = None if error.__suppress_context__ else error.__context__
        error = before if error.__cause__ is None else error.__cause__
    return [line for one in reversed(chain) for line in _lines_of(one)]


def _lines_of(error: BaseException) -> Iterator[str]:
    for frame in StackSummary.extract(walk_tb(error.__traceback__), lookup_lines=False):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
    yield str(error) if isinstance(error, MitoyenError) else type(error).__name__


def _json(event: Event) -> str:
    return msgspec.json.encode(event).decode()


def formatter(format: LogFormat) -> logging.Formatter:
    """What turns a record into a line.

    Parameters
    ----------
    format : {"json", "text"}
        One object a line, or words and, on a terminal, colours.

    Examples
    --------
    >>> record = logging.LogRecord("api", logging.INFO, "", 0, "%d towns", (2,), None)
    >>> msgspec.json.decode(formatter("json").format(record))["event"]
    '2 towns'
    """
    if format == "json":
        return Lines(_json, fields=True)
    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    return Lines(lambda event: console(None, "", event), fields=False)


def log_config(format: LogFormat) -> dict[str, Any]:
    """The same for `logging.config.dictConfig`, as a server hands it to its workers."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"mitoyen": {"()": "api.logs.formatter", "format": format}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "mitoyen"}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
    }
