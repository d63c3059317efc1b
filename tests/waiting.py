"""What tests wait for, and the ports they lend to servers."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

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
