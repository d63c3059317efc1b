"""What time it is: the machine's clock, or one that was set otherwise."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["Clock", "clock_from"]

Clock = Callable[[], datetime]


def clock_from(start: datetime | None) -> Clock:
    """A clock that goes on from an instant, or the machine's own if there is none.

    Parameters
    ----------
    start : datetime, optional
        Aware; what it shows now.

    Examples
    --------
    >>> clock_from(datetime(1970, 1, 1, tzinfo=UTC))().year
    1970
    """
    if start is None:
        return lambda: datetime.now(UTC)
    since = time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - since)
