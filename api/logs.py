"""How a server's log looks: text for a terminal, or one JSON object a line for programs.

The engine logs by the standard library alone; here each record, uvicorn's errors among them,
becomes fields. What an exception says is left out unless it is one of ours: a driver's quotes
the row it was given, which may be somebody's place.
"""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

import msgspec
import structlog

from api.settings import LogFormat
from geo.errors import MitoyenError

__all__ = ["formatter", "log_config", "request_id"]

# The request being answered, where one is; empty elsewhere.
request_id: ContextVar[str] = ContextVar("request_id", default="")

Event = MutableMapping[str, Any]


def _name_request(logger: Any, method: str, event: Event) -> Event:
    id = request_id.get()
    if id:
        event["request_id"] = id
    return event


def _tell_crash(logger: Any, method: str, event: Event) -> Event:
    found = event.pop("exc_info", None)
    if found and found[1] is not None:
        event["exception"] = "\n".join(_lines(traceback.TracebackException(*found)))
    return event


def _lines(crash: traceback.TracebackException) -> list[str]:
    """Where an exception came from and of which class, and the same of what caused it."""
    before = crash.__cause__ or (None if crash.__suppress_context__ else crash.__context__)
    ours = crash.exc_type is not None and issubclass(crash.exc_type, MitoyenError)
    return [
        *([] if before is None else _lines(before)),
        *(f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in crash.stack),
        str(crash) if ours else getattr(crash.exc_type, "__name__", "Exception"),
    ]


def _tell_fields(logger: Any, method: str, event: Event) -> Event:
    """What a record's ``extra={"fields": …}`` adds."""
    event.update(getattr(event["_record"], "fields", {}))
    return event


def _json(event: Mapping[str, Any], **_: Any) -> str:
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
    renderer: Any = structlog.processors.JSONRenderer(serializer=_json)
    if format == "text":
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False
        )
    stamped: list[Any] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _name_request,
        *([_tell_fields] if format == "json" else []),
        _tell_crash,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=stamped,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def log_config(format: LogFormat) -> dict[str, Any]:
    """The same for `logging.config.dictConfig`, as a server hands it to its workers."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"mitoyen": {"()": "api.logs.formatter", "format": format}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "mitoyen"}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
    }
