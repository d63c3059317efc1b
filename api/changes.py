"""Server-sent events of what changed: told only to whom could see it, before or after.

A stream reads the moves of its town from memory whenever there are new ones: it has no thread,
no queue and asks no store. One that falls behind is told to begin anew; one that takes nothing
for half a minute is dropped.
"""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.auth import Caller
from api.clock import Clock
from geo.errors import IndexBehindError
from indexes.store import Position
from matching.engine import Engine
from matching.towns.moves import Batch, Eyes, Move

__all__ = ["EventStream", "Streams", "events", "teller"]

log = logging.getLogger(__name__)

MAX_STREAMS = 200  # of one process
LOOK_EVERY_S = 0.1
HEARTBEAT_S = 15.0
LIFE_S = 600.0  # then a client comes again by itself, and its key is looked at again
STALLED_S = 30.0
RETRY_MS = 2_000


class Streams:
    """The open streams of one process: how many there are, and whether they must end.

    Parameters
    ----------
    limit : int
        How many may be open at once.
    life_s : float
        How long one stays open, in seconds.
    """

    def __init__(self, limit: int = MAX_STREAMS, life_s: float = LIFE_S) -> None:
        self.limit = limit
        self.life_s = life_s
        self.open = 0
        self.closing = False

    def require_room(self) -> None:
        """Refuse one too many.

        Raises
        ------
        IndexBehindError
            With code ``too-many-streams``.
        """
        if self.open >= self.limit or self.closing:
            raise IndexBehindError("as many streams are open as may be", code="too-many-streams")

    @contextmanager
    def ending_at_exit(self) -> Iterator[None]:
        """End all streams as soon as the process is told to leave.

        The server waits for answers under way before it lets the app go, and a stream would
        keep it waiting: so this listens to what the server listens to.
        """
        before: dict[int, Callable[[int, FrameType | None], Any]] = {}

        def leave(number: int, frame: FrameType | None) -> None:
            self.closing = True
            before[number](number, frame)

        if threading.current_thread() is threading.main_thread():
            for one in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(one)
                if callable(handler):
                    before[one] = handler
                    signal.signal(one, leave)
        try:
            yield
        finally:
            self.closing = True
            for number, previous in before.items():
                signal.signal(number, previous)


async def events(
    engine: Engine, asking: Caller, after: Position, streams: Streams, clock: Clock
) -> AsyncIterator[bytes]:
    """Events of a town from a position on, and a heartbeat where there are none.

    An event's id is the position that has been told whole; only the last of a batch has one,
    so that who comes again misses nothing.
    """
    yield f"retry: {RETRY_MS}\nid: {after}\n\n".encode()
    ends_at = time.monotonic() + streams.life_s
    told_at = time.monotonic()
    while not streams.closing and time.monotonic() < ends_at:
        watched = engine.watch(asking.viewer, after)
        if watched is None:  # the member is gone
            return
        # Until searches see something new there is nothing to begin anew with.
        if watched.batches is None and after != (shown := engine.position):
            after = shown
            yield f"event: gap\nid: {after}\ndata: {{}}\n\n".encode()
        for batch in watched.batches or ():
            before, after = after, batch.position
            tell = teller(asking, watched.eyes)
            told = [b"data: " + event for event in map(tell, batch.moves) if event]
            told += await trips_matched(engine, asking, batch, before, clock())
            if told:
                yield b"\n\n".join(told) + f"\nid: {after}\n\n".encode()
                told_at = time.monotonic()
        if time.monotonic() - told_at > HEARTBEAT_S:
            yield f": heartbeat\nid: {after}\n\n".encode()
            told_at = time.monotonic()
        await asyncio.sleep(LOOK_EVERY_S)


def teller(asking: Caller, eyes: Eyes) -> Callable[[Move], bytes | None]:
    """What to tell somebody of a move, or None.

    Of a listing: that it is there to be read, or, if they could see it before, that it is not
    any more. Of anything else, to who may read everything, that it is to be read again.
    """

    def tell(move: Move) -> bytes | None:
        if move.entity != "listings":
            return _event(move, "changed") if asking.sees_all else None
        if asking.sees_all:
            return _event(move, "delete" if move.after is None else "put")
        if eyes.see(move.after):
            return _event(move, "put")
        return _event(move, "delete") if eyes.see(move.before) else None

    return tell


def _event(move: Move, op: str) -> bytes:
    return msgspec.json.encode({"entity": move.entity, "id": move.id, "op": op})


async def trips_matched(
    engine: Engine, asking: Caller, batch: Batch[Move], before: Position, now: datetime
) -> list[bytes]:
    """What to tell a member of trips that came or changed, or have a seat again, since a position,
    and match one of their own.

    Found when it is told: by who may see which trip, who blocks whom, and what is there, now.
    """
    came = {move.id for move in batch.moves if move.entity == "trips"}
    if not came or asking.member_id is None:
        return []
    matched = await run_in_threadpool(
        engine.standing_matches, asking.member_id, came, before, batch.position, now
    )
    return [
        b"event: trip-matched\ndata: " + msgspec.json.encode({"id": own, "match": other})
        for own, other in matched
    ]


class EventStream(Response):
    """A stream of events as a response that is dropped where nobody takes it.

    Parameters
    ----------
    parts : async iterator of bytes
        What to send, part by part.
    streams : Streams
        Where it counts, from now until it has been sent.
    """

    media_type = "text/event-stream"

    def __init__(self, parts: AsyncIterator[bytes], streams: Streams) -> None:
        # Proxies that hold back answers until they are whole would hold this one for ever.
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._parts = parts
        self._streams = streams
        streams.open += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            leaving = asyncio.create_task(_left(receive))
            sending = asyncio.create_task(self._send(send))
            done, others = await asyncio.wait(
                (leaving, sending), return_when=asyncio.FIRST_COMPLETED
            )
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            for task in done:
                task.result()
        except TimeoutError:
            log.info("a stream was dropped: nobody took its events")
        finally:
            self._streams.open -= 1

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for part in self._parts:
            async with asyncio.timeout(STALLED_S):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    """Return once the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
