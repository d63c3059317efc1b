"""What a process measures of itself, for Prometheus: no id, place or tenant's name in a label."""

import os

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

__all__ = ["MULTIPROCESS", "Metrics"]

# Names a folder in which the workers of one server add up their times.
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

BUCKETS_S = (*(n * unit for unit in (1e-4, 1e-3, 1e-2, 1e-1) for n in (1, 2.5, 5)), 1.0, 2.5, 10.0)


class Metrics:
    """The registry of one app; two apps in one process share nothing."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "mitoyen_http_request_seconds",
            "Time to answer, by method, route template and status.",
            ("method", "route", "status"),
            registry=self._registry,
            buckets=BUCKETS_S,
        )
        # A handful of each: finding one by its labels costs as much as all the rest.
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one answer."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(method, route, str(status))
        child.observe(seconds)

    def exposition(self, *others: Collector) -> bytes:
        """All of it, in Prometheus' text format.

        Parameters
        ----------
        *others : Collector
            What else there is to tell, asked now. With several workers the times are those of
            all, and the rest of the one that answers.
        """
        own = CollectorRegistry()
        for other in others:
            own.register(other)
        ProcessCollector(registry=own)
        times = self._registry
        if os.environ.get(MULTIPROCESS):
            times = CollectorRegistry()
            MultiProcessCollector(times)  # type: ignore[no-untyped-call]
        return generate_latest(times) + generate_latest(own)
