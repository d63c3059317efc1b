"""`/metrics`: what this process measures of itself, for Prometheus."""

from collections.abc import Iterator

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import SecurityScopes
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.auth import caller, is_local
from api.changes import Streams
from api.metrics import Metrics
from api.towns import Towns
from indexes.entities import Scope

__all__ = ["router"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["health"])


async def operator_or_local(request: Request) -> None:
    """Let in who runs this machine, or an operator: of any town, since no figure is one town's.

    Raises
    ------
    UnauthenticatedError, DeniedError
        If it is somebody else.
    """
    if "authorization" in request.headers or not is_local(request):
        await caller(request, SecurityScopes([Scope.OPERATOR.value]), None)


class TownsCollector(Collector):
    """What the indexes of a process say of themselves, the worst or the sum of all towns."""

    def __init__(self, towns: Towns, streams: Streams) -> None:
        self._towns = towns
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """Ask the indexes, now."""
        towns = self._towns
        engines = towns.engines
        yield _gauge("store_up", "Whether the store answered when last asked.", towns.store_up)
        yield _gauge("towns", "Tenants of the store.", len(towns.tenants))
        yield _gauge("towns_loaded", "Tenants whose index is loaded.", len(engines))
        oldest_s = max((engine.age_s for engine in engines), default=0.0)
        yield _gauge("index_age_seconds", "Since the oldest index was current.", oldest_s)
        lag_s = max((engine.lag_s for engine in engines), default=0.0)
        yield _gauge("feed_lag_seconds", "Since all changes there were had been read.", lag_s)
        pending = sum(engine.pending for engine in engines)
        yield _gauge("pending_rows", "Rows changed since indexes were read whole.", pending)
        applied = sum(engine.applied for engine in engines)
        yield _counter("changes_applied", "Changes taken into indexes.", applied)
        rebuilds = sum(engine.rebuilds for engine in engines)
        yield _counter("index_rebuilds", "Indexes read whole again.", rebuilds)
        keepers = [engine.keeper for engine in engines if engine.keeper is not None]
        ages = [age_s for keeper in keepers if (age_s := keeper.age_s) is not None]
        if ages:
            yield _gauge("snapshot_age_seconds", "Since the oldest was written.", max(ages))
        useless = sum(bool(keeper.trouble) for keeper in keepers)
        yield _gauge("snapshots_in_trouble", "Refused, or not to be written.", useless)
        refused = sum(keeper.refused for keeper in keepers)
        yield _counter("snapshots_refused", "Snapshots that could not be used.", refused)
        yield _gauge("change_streams", "Open streams of /v1/changes.", self._streams.open)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"mitoyen_{name}", told, value=value)


def _counter(name: str, told: str, value: float) -> Metric:
    return CounterMetricFamily(f"mitoyen_{name}", told, value=value)


@router.get(
    "/metrics",
    name="metrics",
    summary="Measure: ages of indexes, times of answers",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    dependencies=[Depends(operator_or_local)],
    description="In Prometheus' text format. On this machine without a key; from elsewhere with "
    "an operator's. With several workers, times are those of all, the rest of the one that "
    "answers.",
)
async def metrics(request: Request) -> Response:
    state = request.app.state
    measured: Metrics = state.metrics
    told = measured.exposition(TownsCollector(state.towns, state.streams))
    return Response(told, media_type=MEDIA_TYPE)
