"""What every request leaves: one line in the log, its time in the metrics, the same headers.

The line names method, route template, status, milliseconds and an id of the request. It holds
no path, query string or address of the caller: they hold places and ids of people. It replaces
the server's own access log, which prints the query string.
"""

import logging
import random
import re
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.logs import request_id
from api.metrics import Metrics

__all__ = ["HEADERS", "REQUEST_ID", "UNTRACED", "AccessLog"]

log = logging.getLogger(__name__)

CACHE_CONTROL = b"cache-control"
HEADERS = [
    (CACHE_CONTROL, b"no-store"),  # what is answered depends on who asks
    (b"x-content-type-options", b"nosniff"),
]
REQUEST_ID = b"x-request-id"
# FastAPI would hand each request's path and query string to a tracer: places and ids of people.
UNTRACED: Any = {"tracing": False, "metrics": False, "logs": False}  # a TelemetryConfig

LINE = "%s %s %d %.1f ms"

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class AccessLog:
    """ASGI middleware around a whole app.

    Parameters
    ----------
    app : ASGI application
        What answers.
    metrics : Metrics
        Where the times go.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, above = time.perf_counter(), scope.get("root_path", "")
        id = _id_of(scope)
        # Each request has a context of its own, so that nothing need be taken back; and what the
        # server says about a crash, after us, still has the id.
        request_id.set(id.decode())
        status = 500  # what the server answers for an app that raises

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                # A release never changes: its answers say themselves how long they keep.
                ours = HEADERS[any(name == CACHE_CONTROL for name, _ in headers) :]
                message["headers"] = [*headers, *ours, (REQUEST_ID, id)]
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        finally:
            seconds = time.perf_counter() - start
            # Both are ours: whatever else a client sends would be kept for ever.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path_format", "-")
            if route != "-":  # of what is mounted: without where that is
                route = f"{scope.get('root_path', '').removeprefix(above)}{route}"
            self.metrics.observe(method, route, status, seconds)
            ms = round(1e3 * seconds, 1)
            fields = {"method": method, "route": route, "status": status, "ms": ms}
            if log.isEnabledFor(logging.INFO):
                # By hand: `log.info` looks for its caller in the stack, longer than all else takes.
                told, extra = (method, route, status, ms), {"fields": fields}
                log.handle(
                    log.makeRecord(log.name, logging.INFO, "", 0, LINE, told, None, extra=extra)
                )


def _id_of(scope: Scope) -> bytes:
    """The id that the caller gave its request, if it is one; else a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID and _SANE_ID.fullmatch(value):
            return bytes(value)
    return b"%016x" % random.getrandbits(64)  # no secret: it need only differ
