"""Open when: OSM opening hours, all of them at one instant.

A town has many places and few distinct expressions, so they are kept once each, and each local
day is evaluated once: between two changes of that day an answer is one look-up.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from opening_hours import (  # type: ignore[attr-defined]  # its stub leaves the errors out
    OpeningHours,
    ParserError,
    State,
    UnknownCountryError,
)

from geo.arrays import IntArray
from geo.errors import InputError

__all__ = ["CLOSED", "OPEN", "UNKNOWN", "HoursTable", "StateArray"]

StateArray = npt.NDArray[np.uint8]

CLOSED, UNKNOWN, OPEN = 0, 1, 2

YEARS = range(1901, 9999)  # the library knows 1900 to 9999; a day's neighbours must fit too
DAYS_KEPT = 16

_COMMENT = re.compile(r'"[^"]*"')
# What the library answers with a guess: sun times without a position are fixed hours, school
# holidays are taken never to be, and a fallback (||) counts only on days without any other rule.
_GUESSED = re.compile(r"sunrise|sunset|dawn|dusk|\bSH\b|\|\|", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class _Day:
    """One local day of every expression, as runs of one state.

    Row r's runs are ``first[r]`` up to the next row's; a run lasts until the next one begins.
    ``moments`` are all seconds at which any row changes.
    """

    moments: IntArray
    first: IntArray
    begins: IntArray
    states: StateArray

    def at(self, second: int) -> StateArray:
        # The first run begins with the day, so that every row has one that has begun.
        begun = np.add.reduceat(self.begins <= second, self.first, dtype=np.int64)
        return self.states[self.first + begun - 1]

    def followed_by(self, other: "_Day") -> "_Day":
        """The same day of these expressions and of others."""
        return _Day(
            moments=np.union1d(self.moments, other.moments),
            first=np.concatenate((self.first, len(self.begins) + other.first)),
            begins=np.concatenate((self.begins, other.begins)),
            states=np.concatenate((self.states, other.states)),
        )


class HoursTable:
    """Distinct opening hours, asked all at once.

    Parameters
    ----------
    expressions : sequence of str
        OSM ``opening_hours`` syntax. What can't be read, prose too, is unknown at any time; so
        is what depends on the sun, on school holidays or on a fallback (``||``), and so are
        hours with a comment ("sur rendez-vous") while they would be open.
    timezone : str
        IANA name of the wall clock that the hours are read on.
    country : str
        ISO code, for public holidays (``PH``).

    Raises
    ------
    InputError
        If the time zone or the country is not known.

    Notes
    -----
    Hours are read on the wall clock: what opens from 02:00 to 03:00 is open for two hours in
    the night when clocks go back, and not at all when they go forward. The library is asked in
    wall-clock time, on stretches of one UTC offset, since it skips the first of the repeated
    hours by itself. A whole day is evaluated, a bounded piece of work for any expression.

    Any number of threads may ask at once: days are added by swapping in a new mapping.

    Examples
    --------
    >>> from datetime import UTC
    >>> table = HoursTable(["Mo-Fr 09:00-12:30; PH off", "sur rendez-vous"], "Europe/Paris")
    >>> table.states_at(datetime(2026, 11, 10, 8, 30, tzinfo=UTC))  # 09:30 in France
    array([2, 1], dtype=uint8)
    >>> table.states_at(datetime(2026, 11, 11, 8, 30, tzinfo=UTC))  # Armistice day
    array([0, 1], dtype=uint8)
    """

    def __init__(self, expressions: Sequence[str], timezone: str, country: str = "FR") -> None:
        try:
            self._zone = ZoneInfo(timezone)
        except (LookupError, ValueError, OSError) as error:  # unknown, no key, a folder's name
            raise InputError(f"timezone must be an IANA name, got {timezone!r}") from error
        self._country = country
        self._hours = [_parsed(expression, country) for expression in expressions]
        self._days: dict[date, _Day] = {}
        self._latest: tuple[date, int, StateArray] | None = None

    def __len__(self) -> int:
        return len(self._hours)

    def extended(self, expressions: Sequence[str]) -> "HoursTable":
        """This table and some expressions behind its own; these alone are evaluated anew."""
        longer = copy(self)
        longer._hours = self._hours + [_parsed(one, self._country) for one in expressions]
        longer._latest = None
        return longer

    def states_at(self, instant: datetime) -> StateArray:
        """The state of every expression.

        Parameters
        ----------
        instant : datetime
            Aware, in the years 1901 to 9998.

        Returns
        -------
        ndarray of uint8, shape (n,)
            0 closed, 1 unknown, 2 open, in the order of the expressions. Shared and read-only.

        Raises
        ------
        InputError
            If the instant is naive or outside those years.
        """
        if instant.tzinfo is None:
            raise InputError("an instant must have a time zone or offset")
        if instant.year not in YEARS:
            raise InputError(f"an instant must be in {YEARS[0]} to {YEARS[-1]}, got {instant.year}")
        second = int(instant.timestamp() // 1)
        local_day = instant.astimezone(self._zone).date()
        day = self._days.get(local_day)
        if day is None or len(day.first) < len(self._hours):
            day = self._evaluated(local_day, day)
            kept = list(self._days.items())[1 - DAYS_KEPT :]
            self._days = {**dict(kept), local_day: day}
        changes = bisect_right(day.moments, second)
        latest = self._latest
        if latest is None or latest[:2] != (local_day, changes):
            states = day.at(second)
            states.setflags(write=False)
            self._latest = latest = (local_day, changes, states)
        return latest[2]

    def _evaluated(self, day: date, known: _Day | None) -> _Day:
        """A day of every expression; ``known`` is that of the first ones."""
        stretches = _stretches(day, self._zone)
        first: list[int] = []
        begins: list[int] = []
        states: list[int] = []
        for hours in self._hours[len(known.first) if known else 0 :]:
            first.append(len(begins))
            if hours is None:
                begins.append(stretches[0][0])
                states.append(UNKNOWN)
                continue
            for start, end, offset_s in stretches:
                wall = _wall(start, offset_s)
                for begin, _, state, comment in hours.intervals(wall, _wall(end, offset_s)):
                    begins.append(start + round((begin - wall).total_seconds()))
                    states.append(_state(state, comment))
        seconds = np.array(begins, dtype=np.int64)
        found = _Day(
            moments=np.unique(seconds),
            first=np.array(first, dtype=np.int64),
            begins=seconds,
            states=np.array(states, dtype=np.uint8),
        )
        return known.followed_by(found) if known else found


def _parsed(expression: str, country: str) -> OpeningHours | None:
    if _GUESSED.search(_COMMENT.sub("", expression)):
        return None
    try:
        return OpeningHours(expression, country=country, auto_timezone=False, auto_country=False)
    except ParserError:
        return None
    except UnknownCountryError as error:
        raise InputError(f"country must be an ISO code, got {country!r}") from error


def _state(state: State, comment: str) -> int:
    if state == State.CLOSED:
        return CLOSED
    return UNKNOWN if comment or state == State.UNKNOWN else OPEN


def _wall(second: int, offset_s: int) -> datetime:
    """What the clock on the wall shows, as the naive datetime that the library wants."""
    return datetime(1970, 1, 1) + timedelta(seconds=second + offset_s)


def _stretches(day: date, zone: ZoneInfo) -> list[tuple[int, int, int]]:
    """A local day as stretches of one UTC offset: (start, end, offset), seconds, UTC.

    One, or two on the day of a clock change.
    """
    start, end = (
        int(datetime(d.year, d.month, d.day, tzinfo=zone).timestamp())
        for d in (day, day + timedelta(days=1))
    )
    before, after = _offset_s(start, zone), _offset_s(end - 1, zone)
    if before == after:
        return [(start, end, before)]
    low, high = start, end - 1  # the offset is still `before` at low, and `after` at high
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(middle, zone) == before:
            low = middle
        else:
            high = middle
    return [(start, high, before), (high, end, after)]


def _offset_s(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset() or timedelta()
    return round(offset.total_seconds())
