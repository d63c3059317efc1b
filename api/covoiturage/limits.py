"""How much one caller may ask: a bucket of tokens each, filled at a steady rate."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from geo.errors import MitoyenError

__all__ = ["BURST", "PER_SECOND", "Limiter", "TooManyError"]

PER_SECOND = 20.0
BURST = 600
MAX_CALLERS = 10_000


class TooManyError(MitoyenError):
    """More requests than are answered; ``retry_after_s`` whole seconds later the next one is."""

    code = "too-many-requests"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too many requests; slow down")
        self.retry_after_s = retry_after_s


class Limiter:
    """Lets each caller ask so many times at once, and so many times a second in the long run.

    Parameters
    ----------
    per_second : float
        Tokens that come back each second.
    burst : int
        Tokens that a bucket holds.
    clock : callable
        Seconds that pass.

    Examples
    --------
    >>> now = [0.0]
    >>> limiter = Limiter(per_second=0.5, burst=1, clock=lambda: now[0])
    >>> limiter.take("a")
    >>> limiter.take("a")
    Traceback (most recent call last):
    api.covoiturage.limits.TooManyError: too many requests; slow down
    >>> now[0] = 2.0
    >>> limiter.take("a")
    """

    def __init__(
        self,
        per_second: float = PER_SECOND,
        burst: int = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._lock = threading.Lock()
        # Of each caller the tokens there were, and when; who asked last comes last.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Take a token.

        Raises
        ------
        TooManyError
            If there is none.
        """
        now = self._clock()
        with self._lock:
            tokens, at = self._buckets.pop(caller, (float(self._burst), now))
            tokens = min(float(self._burst), tokens + (now - at) * self._per_second)
            taken = tokens >= 1.0
            self._buckets[caller] = (tokens - taken, now)
            if len(self._buckets) > MAX_CALLERS:
                self._buckets.popitem(last=False)
        if not taken:
            raise TooManyError(max(1, ceil((1.0 - tokens) / self._per_second)))
