"""What other platforms may be told of, by hand: every trip, every day, every few metres.

Nothing here is shared with the rooms. Lines are walked in small steps, so a journey at the very
edge of a radius can't be told from one beyond it: `rides` has a margin to be asked on either side.
"""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

STEP_M = 4.0


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    lon1, lat1, lon2, lat2 = map(math.radians, (*one, *other))
    h = math.sin((lat2 - lat1) / 2) ** 2
    h += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(h))


def steps(trip: Any) -> list[tuple[float, tuple[float, float]]]:
    """Seconds and places all along a trip's line."""
    found = []
    for i in range(len(trip.lonlat) - 1):
        (lon1, lat1), (lon2, lat2) = trip.lonlat[i], trip.lonlat[i + 1]
        t1, t2 = trip.times_s[i], trip.times_s[i + 1]
        count = max(1, math.ceil(metres(trip.lonlat[i], trip.lonlat[i + 1]) / STEP_M))
        for k in range(count):
            f = k / count
            place = (lon1 + f * (lon2 - lon1), lat1 + f * (lat2 - lat1))
            found.append((t1 + f * (t2 - t1), place))
    return [*found, (trip.times_s[-1], trip.lonlat[-1])]


def starts(trip: Any, first: date, last: date) -> Iterator[tuple[date, float]]:
    """The days on which a trip takes place, and the instant at which its line begins."""
    schedule = trip.schedule
    lead = trip.times_s[-1] if schedule.anchor == "arrive" else 0.0
    zone = ZoneInfo(schedule.timezone)
    if schedule.at is not None:
        yield schedule.at.astimezone(zone).date(), schedule.at.timestamp() - lead
        return
    day = first
    while day <= last:
        seconds = [time.second for time in schedule.weekly if day.weekday() in time.days]
        valid = (schedule.valid_from or day) <= day <= (schedule.valid_to or day)
        if seconds and valid and day not in schedule.removed:
            shown = datetime(day.year, day.month, day.day) + timedelta(seconds=seconds[0])
            yield day, shown.replace(tzinfo=zone).astimezone(UTC).timestamp() - lead
        day += timedelta(days=1)


def rides(
    trip: Any,
    start: float,
    departure: tuple[float, float],
    arrival: tuple[float, float],
    radii_m: tuple[float, float],
    window: tuple[float, float],
) -> float | None:
    """The least walk of all rides from one place to the other, or None if there is none."""
    least_up, least = math.inf, math.inf
    for second, place in steps(trip):
        down = metres(place, arrival)
        if down <= radii_m[1] and least_up + down < least:
            least = least_up + down
        up = metres(place, departure)
        if up <= radii_m[0] and window[0] <= start + second <= window[1]:
            least_up = min(least_up, up)
    return least if least < math.inf else None
