"""Lines to search and rides to ask for: the sample's commutes, or real transit lines."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import shapely

from geo.arrays import FloatArray
from geo.lines import along_m
from indexes import rides as j
from indexes.journeys import Schedule
from indexes.rides import UNIT, Lines, Runs
from indexes.routes import RouteIndex, pack_lines
from indexes.sample.routes import sample_routes
from matching.detour import budget_s
from matching.rides.asks import ask_of
from matching.rides.meeting import MeetingPoint, MeetingPoints
from matching.rides.parts import NO_CHANGE_S, Places

__all__ = ["DAYS", "REAL_LINES", "Ride", "index_of", "meeting_points", "rides", "transit"]

REAL_LINES = Path(__file__).parents[1] / "../shared/data/marseille_transit_lines.parquet"
TRANSIT_M_S = 7.0  # of a car in town, 25 km/h
SPACING_M = 110.0  # of the points of a line, at least
WINDOW_S = 2_400.0
WALK_M = 600
OFF_DEGREES = 0.002  # how far from a line its riders live, a standard deviation
DAYS = np.array([20_000])
ANY_TIME = Schedule(timezone="Europe/Paris")


@dataclass(frozen=True, slots=True)
class Ride:
    """A ride asked for: its question to the index, its places, its ends, and its time of day."""

    ask: FloatArray
    places: FloatArray
    origin: tuple[float, float]
    destination: tuple[float, float]
    at_s: float


def index_of(n: int, seed: int) -> RouteIndex:
    """The sample's commutes, each day at its time."""
    routes = sample_routes(n, seed)
    ways, times = routes.ways, routes.times
    points = np.column_stack((ways.points, ways.ms)).astype(np.int32)
    lines = Lines(np.asarray(ways.first, np.int64), points, points[:, 2])
    return _every_day(lines, times.second, times.arrive, times.flex_s, times.seats)


def transit(n: int, seed: int) -> RouteIndex:
    """Real lines, driven by seeded departures around the peaks, at a stated speed.

    Raises
    ------
    FileNotFoundError
        Where they are not.
    """
    table = pq.read_table(REAL_LINES)
    lonlat, times_s = [], []
    for shape in shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False)):
        for part in shapely.get_parts(shape):
            line = shapely.get_coordinates(part)
            along = along_m(line)
            steps = np.floor(along / SPACING_M)
            kept = np.flatnonzero(np.diff(steps, prepend=-1.0) > 0)
            if len(kept) > 2:
                lonlat.append(np.round(line[kept], 7))
                times_s.append((along[kept] - along[kept[0]]) / TRANSIT_M_S)
    rng = np.random.default_rng(seed)
    lines = pack_lines(lonlat, times_s)
    peak = rng.choice([8 * 3_600, 17.5 * 3_600], n)
    second = np.round(rng.normal(peak, 3_600)).astype(np.int32)
    which = rng.integers(len(lonlat), size=n)
    index = _every_day(
        lines, second, np.zeros(n, bool), rng.choice([300, 600, 900], n), rng.integers(1, 4, n),
        which,
    )  # fmt: skip
    return index


def _every_day(
    lines: Lines,
    second: np.ndarray,
    arrive: np.ndarray,
    flex_s: np.ndarray,
    seats: np.ndarray,
    which: np.ndarray | None = None,
) -> RouteIndex:
    lasting_ms = lines.points[lines.first[1:] - 1, 2]
    rows = np.zeros((len(second), j.RUN_COLUMNS), np.int32)
    line = np.arange(len(second)) if which is None else which
    rows[:, j.LINE], rows[:, j.SECOND] = line, second
    rows[:, j.LEAD_MS] = np.where(arrive, lasting_ms[line], 0)
    rows[:, j.FLEX_BEFORE] = rows[:, j.FLEX_AFTER] = np.minimum(flex_s, 900)
    rows[:, j.DAY_MASK], rows[:, j.LAST_DAY] = 127, 2**31 - 1
    rows[:, j.SEATS], rows[:, j.BUILDING] = seats, -1
    rows[:, j.BUDGET_MS] = [round(budget_s(ms / 1000) * 1000) for ms in lasting_ms[line].tolist()]
    return RouteIndex(lines, Runs(rows, np.empty((0, 4))))


def meeting_points(index: RouteIndex, n: int, seed: int) -> MeetingPoints:
    """Stops beside the lines."""
    rng = np.random.default_rng(seed)
    points = index.lines.points[rng.integers(len(index.lines.points), size=n), :2] / UNIT
    points = np.round(points + rng.normal(0.0, OFF_DEGREES / 2, points.shape), 7)
    return MeetingPoints(
        [MeetingPoint(f"stop-{i:05}", f"Stop {i}", lon, lat) for i, (lon, lat) in enumerate(points)]
    )


def rides(index: RouteIndex, count: int, seed: int) -> list[Ride]:
    """Rides along some of the lines, a third of one at least, within 20 minutes of its time."""
    rng = np.random.default_rng(seed)
    lines, rows = index.lines, index.runs.rows
    found: list[Ride] = []
    while len(found) < count:
        run = rng.integers(len(rows))
        line = rows[run, j.LINE]
        first, last = lines.first[line], lines.first[line + 1]
        up, down = np.sort(rng.integers(first, last, 2))
        if down - up < (last - first) / 3:
            continue
        ends = lines.points[[up, down], :2] / UNIT + rng.normal(0.0, OFF_DEGREES, (2, 2))
        (lon1, lat1), (lon2, lat2) = np.round(ends, 7).tolist()
        origin, destination = (lon1, lat1), (lon2, lat2)
        places = Places.of(origin, destination, WALK_M, MeetingPoints())
        if places.direct_m < 1_000.0:
            continue
        starts_s = rows[run, j.SECOND] - rows[run, j.LEAD_MS] / 1000.0
        at_s = starts_s + lines.points[up, 2] / 1000.0
        ask = ask_of(ANY_TIME, places, 1)
        ask[[j.EARLIEST, j.LATEST]] = at_s - WINDOW_S / 2, at_s + WINDOW_S / 2
        ask[j.ASKED], ask[j.EDGE_S] = at_s, NO_CHANGE_S
        found.append(Ride(ask, places.rows, origin, destination, float(at_s)))
    return found
