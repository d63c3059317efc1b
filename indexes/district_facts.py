"""What a quarter's figures are counted from: exact rows of homes, which never leave the process.

A release (`indexes.releases`) is drawn from these and is all that anybody is shown. They carry
no names and no words. Every row says where it lies: ``zone``, the true IRIS code of the newest
vintage (null outside every zone), and ``cell8``, the parent at H3 resolution 8 of the cell at 9
that the store keeps.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pyarrow as pa

from geo.errors import InputError

__all__ = [
    "BUILDING_FACTS",
    "HOUSEHOLD_FACTS",
    "LISTING_FACTS",
    "REQUEST_FACTS",
    "TRIP_FACTS",
    "WEEKS",
    "ActivityWeek",
    "Facts",
    "Quarter",
    "require_week",
    "week_of",
]

WEEKS = 13  # of a quarter
ANSWERED_WITHIN = timedelta(hours=48)
_QUARTER = re.compile(r"(\d{4})Q([1-4])", re.ASCII)
_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)
YEARS = range(1970, 2900)  # far from the ends of what a date can be

_PLACE = [pa.field("zone", pa.string()), pa.field("cell8", pa.uint64(), nullable=False)]


def _id(name: str) -> pa.Field:
    return pa.field(name, pa.string(), nullable=False)


# Registered by the quarter's end: a member has joined before it. ``weeks``: how many of the
# quarter's weeks somebody of it was active in, 0 to 13.
HOUSEHOLD_FACTS = pa.schema(
    [
        _id("household"),
        _id("building"),
        *_PLACE,
        pa.field("members", pa.int32(), nullable=False),
        pa.field("weeks", pa.int32(), nullable=False),
    ]
)

# All that are stored. ``dwellings`` is null where nobody counted; ``households`` are those above.
BUILDING_FACTS = pa.schema(
    [
        _id("building"),
        *_PLACE,
        pa.field("lon", pa.float64(), nullable=False),  # an address is nobody's secret
        pa.field("lat", pa.float64(), nullable=False),
        pa.field("dwellings", pa.int32()),
        pa.field("households", pa.int32(), nullable=False),
    ]
)

# Published before the quarter's end, and valid at some instant of it: persons', and those that
# anybody may see, which are ``public``. A public one lies where it stands, a person's where its
# owner lives; only the former has a point.
LISTING_FACTS = pa.schema(
    [
        _id("listing"),
        pa.field("household", pa.string()),  # the owner's
        pa.field("owner", pa.string()),
        *_PLACE,
        pa.field("lon", pa.float64()),
        pa.field("lat", pa.float64()),
        _id("kind"),
        _id("category"),
        pa.field("public", pa.bool_(), nullable=False),
    ]
)

# Asked within the quarter, where the asker lives. ``answered_48h``: yes or no, within 48 hours;
# ``unmet``: nobody has said yes, as far as is known when the facts are read.
REQUEST_FACTS = pa.schema(
    [
        _id("household"),
        *_PLACE,
        _id("category"),
        pa.field("answered_48h", pa.bool_(), nullable=False),
        pa.field("unmet", pa.bool_(), nullable=False),
    ]
)

# Offered or asked before the quarter's end for a day within it, and not cancelled: from its first
# point to its last. ``matched``: a booking of a day within the quarter stands.
TRIP_FACTS = pa.schema(
    [
        pa.field("household", pa.string()),  # the owner's; an operator's trip has none
        *_PLACE,
        pa.field("to_zone", pa.string()),
        pa.field("to_cell8", pa.uint64(), nullable=False),
        _id("role"),
        pa.field("seats", pa.int32(), nullable=False),
        pa.field("matched", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """Three months of a year, and thirteen weeks. ``str()`` and `parse` are inverse.

    Examples
    --------
    >>> quarter = Quarter.parse("2026Q3")
    >>> quarter
    Quarter(year=2026, number=3)
    >>> quarter.begins(ZoneInfo("Europe/Paris")).isoformat()
    '2026-07-01T00:00:00+02:00'
    >>> quarter.ends(ZoneInfo("Europe/Paris")).isoformat()
    '2026-10-01T00:00:00+02:00'
    >>> quarter.weeks[0], quarter.weeks[-1]
    ('2026-W27', '2026-W39')
    """

    year: int
    number: int  # 1 to 4

    def __post_init__(self) -> None:
        if self.year not in YEARS or self.number not in range(1, 5):
            raise InputError(
                f"a quarter is of {YEARS[0]} to {YEARS[-1]} and 1 to 4, got"
                f" {self.year}Q{self.number}",
                code="invalid-quarter",
            )

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    @classmethod
    def parse(cls, text: str) -> "Quarter":
        """The quarter that a text such as ``2026Q3`` names.

        Raises
        ------
        InputError
            If it is none; its code is ``invalid-quarter``.
        """
        found = _QUARTER.fullmatch(text)
        if found is None:
            raise InputError(
                f"a quarter is written as 2026Q3, got {ascii(text)[:40]}", code="invalid-quarter"
            )
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> "Quarter":
        """The quarter that a day lies in."""
        return cls(day.year, (day.month + 2) // 3)

    @property
    def previous(self) -> "Quarter":
        """The one before."""
        if self.number == 1:
            return Quarter(self.year - 1, 4)
        return Quarter(self.year, self.number - 1)

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def last_day(self) -> date:
        """Its last day."""
        beyond = date(self.year + self.number // 4, 3 * self.number % 12 + 1, 1)
        return beyond - timedelta(days=1)

    def begins(self, zone: ZoneInfo) -> datetime:
        """Its first instant in a time zone."""
        return datetime(*self.first_day.timetuple()[:3], tzinfo=zone)

    def ends(self, zone: ZoneInfo) -> datetime:
        """The first instant after it in a time zone."""
        return datetime(*(self.last_day + timedelta(days=1)).timetuple()[:3], tzinfo=zone)

    def settles(self, zone: ZoneInfo) -> datetime:
        """From when on its figures no longer change by what its days bring, in a time zone.

        Its last request may be answered within 48 hours, and its last week may reach into the
        next quarter.

        Examples
        --------
        >>> Quarter(2026, 3).settles(ZoneInfo("Europe/Paris")).isoformat()
        '2026-10-02T22:00:00+00:00'
        """
        year, _, week = self.weeks[-1].partition("-W")
        after = date.fromisocalendar(int(year), int(week), 7) + timedelta(days=1)
        ends = datetime(*after.timetuple()[:3], tzinfo=zone).astimezone(UTC)
        # In UTC, where 48 hours are 48 hours even when clocks change.
        return max(self.ends(zone).astimezone(UTC) + ANSWERED_WITHIN, ends)

    @property
    def weeks(self) -> tuple[str, ...]:
        """Its ISO weeks: the first quarter of a year has weeks 1 to 13, the second 14 to 26, and
        so on. The 53rd week, which one year in six has, is of no quarter, so that all quarters
        have the same weight."""
        first = WEEKS * (self.number - 1) + 1
        return tuple(f"{self.year}-W{week:02}" for week in range(first, first + WEEKS))


def week_of(instant: datetime, zone: tzinfo) -> str:
    """The ISO week that an instant falls in.

    Parameters
    ----------
    instant : datetime
        Aware.
    zone : tzinfo
        Whose midnight parts the weeks.

    Examples
    --------
    >>> week_of(datetime.fromisoformat("2026-08-16T22:00:00Z"), ZoneInfo("Europe/Paris"))
    '2026-W34'
    """
    year, week, _ = instant.astimezone(zone).isocalendar()
    return f"{year}-W{week:02}"


def require_week(week: str) -> None:
    """Refuse a text that names no ISO week.

    Raises
    ------
    InputError
        With code ``invalid-week``.

    Examples
    --------
    >>> require_week("2026-W53")
    >>> require_week("2025-W53")
    Traceback (most recent call last):
    ...
    geo.errors.InputError: an ISO week is written as 2026-W34, got '2025-W53'
    """
    found = _WEEK.fullmatch(week)
    try:
        if found is None or int(found[1]) not in YEARS:
            raise ValueError
        date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        raise InputError(
            f"an ISO week is written as 2026-W34, got {ascii(week)[:40]}", code="invalid-week"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityWeek:
    """Somebody of a household was active in an ISO week: nothing finer is known.

    ``week`` is as ``2026-W34``.
    """

    tenant_id: str
    household_id: str
    week: str


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """All that a quarter's release is drawn from. Exact and private.

    Attributes
    ----------
    quarter : Quarter
        Which.
    households, buildings, listings, requests, trips : Table
        In `HOUSEHOLD_FACTS`, `BUILDING_FACTS`, `LISTING_FACTS`, `REQUEST_FACTS` and
        `TRIP_FACTS`. Rows come in no set order: what is counted must not depend on it.
    """

    quarter: Quarter
    households: pa.Table
    buildings: pa.Table
    listings: pa.Table
    requests: pa.Table
    trips: pa.Table
