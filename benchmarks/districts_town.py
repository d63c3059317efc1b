"""A made-up town, or country, for districts: columns into a store, or straight to facts."""

from collections.abc import Sequence
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo.cells import cells_to_parents, points_to_cells
from indexes.district_facts import (
    BUILDING_FACTS,
    HOUSEHOLD_FACTS,
    LISTING_FACTS,
    REQUEST_FACTS,
    TRIP_FACTS,
    ActivityWeek,
    Facts,
    Quarter,
)
from indexes.entities import (
    Building,
    CommuneCode,
    Entity,
    Figures,
    Household,
    IrisCode,
    Kind,
    Listing,
    Member,
    Tenant,
    Zone,
)
from indexes.rules import require
from indexes.store import Store

__all__ = ["QUARTER", "TENANT", "Town"]

TENANT = "t"
QUARTER = Quarter(2026, 3)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
IRIS_OF_COMMUNE, IRIS_OF_QUARTIER = 400, 4
HOMES = 10  # dwellings a building, and households of the census
ACTIVE = 0.15  # of the households in a week
AT_ONCE = 50_000
# A third of listings is a person's.
SORTS = (
    (Kind.SERVICE, "cours.maths"), (Kind.AD, "vente.meuble"), (Kind.MERCHANT, "food.bakery"),
    (Kind.ARTISAN, "artisan.plombier"), (Kind.PLACE, "health.pharmacy"),
    (Kind.SERVICE, "bricolage"), (Kind.MERCHANT, "shop.books"),
    (Kind.OFFER, "food.market"), (Kind.PLACE, "mobility.stop"),
)  # fmt: skip
PERSONAL = np.array([kind in (Kind.SERVICE, Kind.AD) for kind, _ in SORTS])

Ints = npt.NDArray[np.int64]


class Town:
    """Square zones side by side, each with as many homes; drawn from a seed.

    Parameters
    ----------
    iris : int
        How many zones.
    households, listings : int
        Registered ones, and what is listed.
    degrees : tuple of float
        Width and height of a zone.
    adoption : float
        Share of the census households that registered ones are.
    """

    def __init__(
        self,
        iris: int,
        households: int,
        listings: int,
        degrees: tuple[float, float],
        adoption: float,
    ) -> None:
        rng = np.random.default_rng(7)
        side = int(np.ceil(np.sqrt(iris)))
        corner = np.column_stack(np.divmod(np.arange(iris), side))[:, ::-1] * degrees + (0.0, 43.0)
        census = households / adoption / iris
        self.codes = [_code(i) for i in range(iris)]
        self.zones = [
            Zone(
                tenant_id=TENANT,
                code=IrisCode(code),
                vintage=2020,
                name=f"Zone {code}",
                type="H",
                commune_code=CommuneCode(code[:5]),
                commune_name=f"Commune {code[:5]}",
                geometry=shapely.box(west, south, west + degrees[0], south + degrees[1]),
                figures=Figures(
                    census_year=2021,
                    geography_year=2024,
                    values={"pop": 2.1 * census, "menages": census, "logements": 1.1 * census},
                ),
            )
            for code, (west, south) in zip(self.codes, corner.tolist(), strict=True)
        ]
        buildings = max(iris, int(households / adoption / HOMES))
        self.zone = np.arange(buildings) % iris
        # Off the edges, so that everybody agrees where a building lies.
        inside = rng.uniform(0.01, 0.99, (buildings, 2)) * degrees
        self.lonlat = np.round(corner[self.zone] + inside, 7)
        self.building = np.sort(rng.integers(buildings, size=households))
        self.household = np.repeat(np.arange(households), 1 + (rng.random(households) < 0.45))
        self.active = rng.random((households, len(QUARTER.weeks))) < ACTIVE
        self.sort = rng.integers(len(SORTS), size=listings)
        self.owner = rng.integers(len(self.household), size=listings)
        self.door = rng.integers(buildings, size=listings)

    def put(self, store: Store) -> None:
        """Keep all of it, and zones with their figures."""
        store.put(Tenant(tenant_id=TENANT, id=TENANT, name="Port-Mitoyen (ville fictive)"))
        store.put_zones(self.zones)
        lon, lat = self.lonlat.T
        dwellings = np.full(len(lon), HOMES)
        _put(store, Building, id=_ids("b", len(lon)), lon=lon, lat=lat, dwellings=dwellings)
        lives_in = _named("b", self.building)
        _put(store, Household, id=_ids("h", len(lives_in)), building_id=lives_in)
        lives_with = _named("h", self.household)
        joined = [SINCE] * len(lives_with)
        ids = _ids("m", len(lives_with))
        _put(store, Member, id=ids, household_id=lives_with, created_at=joined)
        personal = PERSONAL[self.sort]
        points = np.where(personal[:, None], None, self.lonlat[self.door].astype(object))
        _put(
            store,
            Listing,
            id=_ids("l", len(self.sort)),
            kind=[SORTS[sort][0] for sort in self.sort.tolist()],
            category=[SORTS[sort][1] for sort in self.sort.tolist()],
            title=["x"] * len(self.sort),
            personal=personal,
            owner_id=_named("m", self.owner),
            lon=points[:, 0],
            lat=points[:, 1],
            published_at=[SINCE + timedelta(days=10)] * len(self.sort),
        )
        for week, active in zip(QUARTER.weeks, self.active.T, strict=True):
            store.put_activity(
                ActivityWeek(tenant_id=TENANT, household_id=household, week=week)
                for household in _named("h", np.flatnonzero(active))
            )

    def facts(self) -> Facts:
        """What a store that keeps it must tell of the quarter."""
        cells = cells_to_parents(points_to_cells(self.lonlat, 9), 8)
        zones = pa.array(self.codes, pa.string())
        households = np.arange(len(self.building))
        home = self.building[self.household[self.owner]]
        personal = PERSONAL[self.sort]
        at = np.where(personal, home, self.door)
        sort = pa.array(self.sort)
        sorts = [pa.array([str(one[i]) for one in SORTS]).take(sort) for i in (0, 1)]
        point = [pa.array(self.lonlat[self.door, i], mask=personal) for i in (0, 1)]
        return Facts(
            quarter=QUARTER,
            households=_table(HOUSEHOLD_FACTS, (
                _strings("h", households), _strings("b", self.building),
                zones.take(pa.array(self.zone[self.building])), cells[self.building],
                np.bincount(self.household), self.active.sum(axis=1),
            )),
            buildings=_table(BUILDING_FACTS, (
                _strings("b", np.arange(len(cells))), zones.take(pa.array(self.zone)), cells,
                *self.lonlat.T, np.full(len(cells), HOMES),
                np.bincount(self.building, minlength=len(cells)),
            )),
            listings=_table(LISTING_FACTS, (
                _strings("l", np.arange(len(self.sort))),
                _strings("h", self.household[self.owner]), _strings("m", self.owner),
                zones.take(pa.array(self.zone[at])), cells[at], *point, *sorts, ~personal,
            )),
            requests=REQUEST_FACTS.empty_table(),
            trips=TRIP_FACTS.empty_table(),
        )  # fmt: skip


def _code(i: int) -> str:
    """Nine digits: a commune, a quartier of it, an IRIS of that; none is anybody's."""
    commune, rest = divmod(i, IRIS_OF_COMMUNE)
    return f"{99000 + commune:05}{rest // IRIS_OF_QUARTIER:02}{rest % IRIS_OF_QUARTIER:02}"


def _put(store: Store, of: type[Entity], **given: Sequence[Any] | npt.NDArray[Any]) -> None:
    """Keep records of a class by column, some at a time; a field that is not given has its
    default."""
    n = len(given["id"])
    for at in range(0, n, AT_ONCE):
        some = {
            name: values[at : at + AT_ONCE].tolist()
            if isinstance(values, np.ndarray)
            else values[at : at + AT_ONCE]
            for name, values in given.items()
        }
        size = len(some["id"])
        for field in fields(of):
            if field.name not in some and field.name not in ("tenant_id", "place"):
                assert field.default is not MISSING, field.name
                some[field.name] = [field.default] * size
        store.put_columns(require(of, {**some, "tenant_id": [TENANT] * size}))


def _named(what: str, numbers: Ints) -> list[str]:
    return [f"{what}{number:07}" for number in numbers.tolist()]


def _ids(what: str, n: int) -> list[str]:
    return _named(what, np.arange(n))


def _strings(what: str, numbers: Ints) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 7, "0")
    return pc.binary_join_element_wise(what, digits, "")


def _table(schema: pa.Schema, columns: Sequence[Any]) -> pa.Table:
    return pa.table([pa.array(one) if isinstance(one, np.ndarray) else one for one in columns],
                    names=schema.names).cast(schema)  # fmt: skip
