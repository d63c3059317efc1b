"""What a clock on the wall means: local time → instants, days as numbers, public holidays.

Two rules say which instant is meant on the days when the clock changes:

- A time that the clock leaves out in spring is read with the offset before the change, as RFC
  5545 (3.3.5) has it: 02:30 is the instant that the clock calls 03:30.
- A time that the clock shows twice in autumn is the first of the two.
"""

from bisect import bisect_left
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise

import numpy as np
from opening_hours import OpeningHours, State

from geo.arrays import IntArray
from indexes.schedules import EPOCH, FIRST_DAY, LAST_DAY, YEARS, as_zone, day_number

__all__ = [
    "CLOCK_CHANGE_S",
    "DAY_S",
    "EPOCH",
    "FIRST_DAY",
    "LAST_DAY",
    "YEARS",
    "as_zone",
    "day_number",
    "local_to_utc",
    "public_holidays",
]

DAY_S = 86_400
CLOCK_CHANGE_S = 2 * 3_600  # no clock is set forth or back by more at once

# No clock on Earth was changed twice within six days since 1960, so that five miss nothing.
_STRIDE_S = 5 * DAY_S

_HOLIDAYS = OpeningHours("PH", country="FR", auto_timezone=False, auto_country=False)


def local_to_utc(timezone: str, seconds: IntArray) -> IntArray:
    """Instants that a clock on the wall stands for.

    Parameters
    ----------
    timezone : str
        IANA name.
    seconds : ndarray of int64
        What the clock shows: seconds since its own 1970-01-01 00:00, in `YEARS`.

    Returns
    -------
    ndarray of int64, same shape
        Seconds since 1970-01-01 UTC. Of a time shown twice, the first; one that is left out is
        read with the offset before the change.

    Raises
    ------
    InputError
        If the time zone is not known; its code is ``unknown-timezone``.

    Examples
    --------
    >>> shown = np.array(["2026-03-29T02:30", "2026-10-25T02:30"], dtype="M8[s]").astype(np.int64)
    >>> local_to_utc("Europe/Paris", shown).astype("M8[s]").astype(str).tolist()
    ['2026-03-29T01:30:00', '2026-10-25T00:30:00']
    """
    changes, offsets = _clock(timezone)
    return seconds - offsets[np.searchsorted(changes, seconds, side="right")]


@cache
def public_holidays(year: int) -> tuple[date, ...]:
    """The public holidays of all France, as the library of opening hours knows them.

    Parameters
    ----------
    year : int
        2000 to 2076; the library tells none of other years.

    Returns
    -------
    tuple of date
        In order.

    Notes
    -----
    Those of a part of the country are ordinary days: Good Friday and 26 December in Alsace and
    Moselle, the abolition of slavery overseas. Which of them holds depends on a trip's
    department, which a schedule doesn't tell.

    Examples
    --------
    >>> public_holidays(2026)[1]  # Easter Monday
    datetime.date(2026, 4, 6)
    """
    states = _HOLIDAYS.intervals(datetime(year, 1, 1), datetime(year + 1, 1, 1))
    return tuple(
        begin.date() + timedelta(days=after)
        for begin, end, state, _ in states
        if state != State.CLOSED
        for after in range((end - begin).days)  # neighbours are one interval
    )


@cache
def _clock(timezone: str) -> tuple[IntArray, IntArray]:
    """Local seconds at which the offset to UTC changes, and the offsets before and after them.

    Local time with ``fold=0`` is the rule wanted: the first of two, and the old offset in a gap.
    """
    midnight = datetime(1970, 1, 1, tzinfo=as_zone(timezone))

    def offset_s(second: int) -> int:
        return int(
            ((midnight + timedelta(seconds=second)).utcoffset() or timedelta()).total_seconds()
        )

    begin, end = ((day - EPOCH).days * DAY_S for day in (FIRST_DAY, LAST_DAY))
    changes, offsets = [], [offset_s(begin)]
    for low, high in pairwise(range(begin, end + 2 * _STRIDE_S, _STRIDE_S)):
        if offset_s(high) != offsets[-1]:
            stretch = range(low, high + 1)
            changes.append(
                stretch[bisect_left(stretch, True, key=lambda s: offset_s(s) != offsets[-1])]
            )
            offsets.append(offset_s(high))
    return np.array(changes, dtype=np.int64), np.array(offsets, dtype=np.int64)
