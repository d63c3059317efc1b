"""One line per request in the log, and the headers that every answer has.

The line names method, route template, status and milliseconds. It holds no path, query
string or address of the caller: they hold places and ids of people. It replaces the
server's own access log, which prints the query string.
"""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AccessLog"]

log = logging.getLogger(__name__)

HEADERS = [
    (b"cache-control", b"no-store"),  # what is answered depends on who asks
    (b"x-content-type-options", b"nosniff"),
]


class AccessLog:
    """ASGI middleware around a whole app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        finally:
            route = scope.get("route")
            log.info(
                "%s %s %d %.1f ms",
                scope["method"],
                getattr(route, "path_format", "-"),
                status,
                1e3 * (time.perf_counter() - start),
            )
