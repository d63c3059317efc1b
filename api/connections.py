"""A client's connection: uvicorn's, with bounds to how a request may come.

Uvicorn's own bounds neither the bytes of a request's head (its line and headers), or of headers
that follow a body in chunks, nor how long head and body may take, so that anybody who reaches the
port, without a key, could fill the memory, keep the loop from all others, or hold a connection
for ever.
"""

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BODY_S", "HEAD_S", "MAX_HEAD_BYTES", "Connection"]

MAX_HEAD_BYTES = 1 << 16
HEAD_S = 20.0
BODY_S = 300.0  # what 32 MiB, the most that is read, need at 1 Mbit/s

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class Connection(HttpToolsProtocol):
    """Closed with status 431 once a head is longer than 64 KiB, give or take what is read at once.

    Closed without a word where no answer is due and none is asked for within 20 seconds, or where
    a body hasn't come within five minutes.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._closing: TimerHandle | None = None
        self._in_head = self._began = False
        self._head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_in(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._keep()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._began = False
        super().data_received(data)
        # The parser tells of a header once it is whole. Where a head neither began nor ended,
        # all that came belongs to it.
        if self._in_head and not self._began:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.logger.warning("A request's head was too large.")
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._closing is None:
            # What is left of a body that was refused unread counts as nothing.
            if self.cycle is None or self.cycle.response_complete:
                self._close_in(HEAD_S)
            elif self.cycle.more_body:
                self._close_in(BODY_S)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        self._end()
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._begin_head()  # after the last chunk, which has no body, come headers

    def on_body(self, body: bytes) -> None:
        self._in_head = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._end()
        super().on_message_complete()

    def _begin_head(self) -> None:
        self._in_head = self._began = True
        self._head_bytes = 0

    def _end(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._keep()

    def _close_in(self, seconds: float) -> None:
        self._closing = self.loop.call_later(seconds, self.transport.close)

    def _keep(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
