"""What tests wait for, and the ports they lend to servers."""

import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from geo.errors import IndexBehindError
from indexes.store import Position
from matching import Engine

# Only what never comes takes as long, and then it is a failure of its own before the whole run
# is given up: a machine with other work, that compiles every kernel first, needs half a minute
# of a processor, of which a process may have a tenth.
PATIENCE_S = 300.0


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"waited for {PATIENCE_S:.0f} s in vain"
        time.sleep(0.02)


def until_shown(engine: Engine, position: Position | str) -> None:
    """Wait until an engine shows a position; where it never does, its error tells why.

    That is: how far each part is and whether it wants to be read anew, and where each thread is.
    What was logged meanwhile is in the report of whoever runs the test.
    """
    try:
        engine.wait_for(str(position), PATIENCE_S)
    except IndexBehindError as error:
        error.add_note(f"wanted {position}; the feed lags {engine.lag_s:.1f} s")
        for part in engine._parts:
            error.add_note(
                f"{type(part).__name__} is at {part.position}, stale for {part.stale_s:.1f} s, "
                f"wants a rebuild: {part.wants_rebuild}, rebuilt {part.rebuilds} times"
            )
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            stack = "".join(traceback.format_stack(frame, limit=-4))
            error.add_note(f"thread {names.get(ident)}:\n{stack}")
        raise


def until_ready(
    get: Callable[[str], Any] = httpx.get,
    url: str = "/readyz",
    process: subprocess.Popen[Any] | None = None,
) -> None:
    """Wait until an app, or a server in a process of its own, says that it is ready."""

    def ready() -> bool:
        assert process is None or process.poll() is None, f"exit {process.returncode}"
        try:
            return bool(get(url).status_code == 200)
        except httpx.TransportError:
            return False

    until(ready)


@contextmanager
def lent_port() -> Iterator[int]:
    """A port of loopback where nobody listens, and that nobody else is given meanwhile."""
    with socket.socket() as held:
        # Bound but not listening: a server, which reuses addresses too, may listen there.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
