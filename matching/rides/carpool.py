"""What is asked of carpooling, and what is answered. Records only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import msgspec

from geo.arrays import LonLat
from indexes.entities import IrisCode
from indexes.journeys import Role, Schedule, Trip
from matching.query import Reason

__all__ = ["ANYBODY", "Party", "Prices", "RoundTrip", "Stop", "TripMatch", "TripQuery", "WeekCover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """What counts of a person when two are to share a car.

    ``id`` is None for somebody unknown. ``level`` is 0 to 4, from 2 on the address is proved;
    ``building`` and ``residence`` are "" where not known; ``blocked`` are members that this one
    never sees, whoever of the two said so. ``trusts`` are the levels of those whom this one
    trusts more than anybody would, 2 to 4, by id.
    """

    id: str | None = None
    level: int = 0
    building: str = ""
    residence: str = ""
    zones: frozenset[IrisCode] = frozenset()
    gender: str | None = None
    blocked: frozenset[str] = frozenset()
    trusts: Mapping[str, int] = field(default_factory=dict, hash=False)

    def trust(self, other: "Party") -> int:
        """The level that this one trusts another, 0 to 4.

        Of whom nothing is known it is 1, or 0 where nothing is verified.

        Examples
        --------
        >>> ada, tom = Party(id="ada", level=3), Party(id="tom", level=0, trusts={"ada": 4})
        >>> tom.trust(ada), ada.trust(tom), ANYBODY.trust(ada)
        (4, 0, 1)
        """
        known = self.trusts.get(other.id or "")
        return min(other.level, 1) if known is None else known


ANYBODY = Party()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a ride may cost, euros per kilometre.

    ``per_km`` is suggested for each seat. ``cost_per_km`` is what the car costs: the barème
    kilométrique of the French tax office for 5 CV, up to 5,000 km a year (incomes of 2024; the
    same since those of 2022). A seat costs the equal share of it that everybody would bear, the
    driver too, if all seats were taken, at most: so nobody earns anything, whoever rides along.
    """

    per_km: float = 0.06
    cost_per_km: float = 0.636

    def of(self, trip: Trip, km: float) -> float:
        """Euros for one seat on some kilometres of a driver's trip, to the cent.

        Examples
        --------
        >>> trip = Trip(
        ...     tenant_id="t", id="1", role=Role.DRIVER, lonlat=((5.37, 43.29), (5.40, 43.30)),
        ...     times_s=(0, 300), schedule=Schedule(timezone="Europe/Paris"), seats=3,
        ... )
        >>> Prices().of(trip, 10.0), Prices(per_km=0.5).of(trip, 10.0)
        (0.6, 1.59)
        """
        asked = self.per_km * km if trip.price_eur is None else trip.price_eur
        return round(min(asked, self.cost_per_km * km / (trip.seats + 1)), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class TripQuery:
    """A ride that is looked for, once or weekly.

    Parameters
    ----------
    origin, destination : (lon, lat)
        Degrees, EPSG:4326; of a member, the points of the published group.
    schedule : Schedule
        When: its time is of the pick-up (depart) or of the drop-off (arrive).
    first : date, optional
        From which day on a weekly search looks, 14 days far. Needed for a weekly one.
    seats : int
        How many are needed, 1 to 8.
    max_walk_m : int, optional
        At each end; 600 if none, 2,000 at most.
    verified_only, same_building, women_only : bool
        Whom the rider rides with.
    limit : int
        1 to 200.
    lang : str
        Language of the reasons: "fr" or "en".
    """

    origin: LonLat
    destination: LonLat
    schedule: Schedule
    first: date | None = None
    seats: int = 1
    max_walk_m: int | None = None
    verified_only: bool = False
    same_building: bool = False
    women_only: bool = False
    limit: int = 20
    lang: str = "fr"


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where a rider gets in or out, and when, as the driver plans it.

    ``meeting_point`` and ``name`` are those of a public meeting point; without one it is a point
    of the driver's line, rounded to 1e-5 degree. ``at`` is the instant of the first day matched,
    ``time`` the clock of the driver's trip then. ``line_s`` are the seconds along the line as
    published, which a booking takes.
    """

    lat: float
    lon: float
    at: datetime
    time: str
    walk_m: float
    line_s: float
    meeting_point: str = ""
    name: str = ""


class TripMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A trip that suits: a driver's for a rider, or a passenger's for a driver.

    ``seats`` are those free (a driver's) or needed (a passenger's). ``days`` are the weekdays
    matched, ``dates`` the service days, ``coverage`` their share of the days asked for.
    ``terms`` are the minutes that ``cost_min`` is the sum of, and ``score`` is
    exp(-cost / 30 minutes), 1 at most.
    """

    id: str
    role: Role
    owner_id: str | None = None
    pickup: Stop
    dropoff: Stop
    walk_m: float
    ride_s: float
    detour_s: float
    detour_share: float
    seats: int
    days: tuple[str, ...]
    dates: tuple[date, ...]
    coverage: float
    price_eur: float
    co2_saved_kg: float
    cost_min: float
    score: float
    terms: dict[str, float]
    why: tuple[Reason, ...]
    level: int = 0
    estimated: bool = False
    origin_name: str = ""
    destination_name: str = ""
    url: str = ""


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A way there and a way back: with the same owner, with another, or none at all.

    ``back_by`` is "same", "other" or "none"; ``cost_min`` that of both and of the risk.
    """

    out: TripMatch
    back: TripMatch | None
    back_by: str
    cost_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekCover:
    """A few drivers that cover a week between them.

    ``chosen`` pairs each match with the days it is meant for, ``missing`` are days that nobody
    covers, in the order of the week. ``back`` are the ways back, by the same drivers among
    others, where they were asked for.
    """

    chosen: tuple[tuple[TripMatch, tuple[str, ...]], ...]
    missing: tuple[str, ...] = field(default=())
    back: "WeekCover | None" = None
