"""A small town whose districts have figures of every status, for tests of what planners see."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from indexes.district_facts import ActivityWeek, Quarter
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
from indexes.releases import Release
from indexes.store import Store, open_store
from matching.planning.releasing import release_quarter

QUARTER = Quarter(2026, 3)
RELEASED = datetime(2026, 10, 3, 12, tzinfo=UTC)
JOINED = datetime(2026, 2, 1, tzinfo=UTC)
SPRING = datetime(2026, 5, 1, tzinfo=UTC)

# Code, type, census households (None: no figures), registered ones.
DISTRICTS = (
    ("132010101", "H", 2_000, 160),
    ("132010102", "H", 1_500, 90),
    ("132010201", "H", 800, 60),
    ("132020101", "H", 900, 3),  # too few to tell: its arrondissement has too few as well
    ("132020102", "D", 0, 0),  # nobody lives there
    ("132020201", "H", None, 40),
)
WEST, SOUTH, WIDTH, HEIGHT = 5.36, 43.29, 0.012, 0.010


def zones(tenant_id: str) -> list[Zone]:
    """Six boxes in a row."""
    found = []
    for i, (code, kind, households, _) in enumerate(DISTRICTS):
        west = WEST + i * WIDTH
        values = {"menages": households, "pop": 2 * (households or 0), "logements": households}
        found.append(
            Zone(
                tenant_id=tenant_id,
                code=IrisCode(code),
                vintage=2020,
                name=f"Quartier {code[-4:]}",
                type=kind,
                commune_code=CommuneCode(code[:5]),
                commune_name=f"Marseille {code[3:5]}",
                geometry=shapely.box(west, SOUTH, west + WIDTH, SOUTH + HEIGHT),
                figures=None
                if households is None
                else Figures(census_year=2021, geography_year=2020, values=values),
            )
        )
    return found


def people(tenant_id: str) -> Iterator[Entity]:
    """Two buildings a district, its households spread over them, two bakeries."""
    for i, (code, _, dwellings, registered) in enumerate(DISTRICTS):
        if not registered:
            continue
        for side in (0, 1):
            lon, lat = WEST + (i + 0.3 + 0.4 * side) * WIDTH, SOUTH + HEIGHT / 2
            yield Building(
                tenant_id=tenant_id,
                id=f"b-{code}-{side}",
                lon=lon,
                lat=lat,
                dwellings=(dwellings or 400) // 2,
            )
        for number in range(registered):
            id = f"{code}-{number}"
            yield Household(tenant_id=tenant_id, id=f"h-{id}", building_id=f"b-{code}-{number % 2}")
            yield Member(
                tenant_id=tenant_id,
                id=f"m-{id}",
                household_id=f"h-{id}",
                level=2,
                created_at=JOINED if number % 3 else SPRING,
            )
    for number in range(4):
        yield Listing(
            tenant_id=tenant_id,
            id=f"bakery-{number}",
            kind=Kind.MERCHANT,
            title="Boulangerie",
            category="commerce.boulangerie",
            lon=WEST + 0.001 * (number + 1),
            lat=SOUTH + 0.004,
            published_at=JOINED,
        )


def fill(store: Store, tenant_id: str) -> None:
    """The town, and who was active in the quarter."""
    store.put_zones(zones(tenant_id))
    store.put_all(people(tenant_id))
    store.put_activity(
        ActivityWeek(tenant_id=tenant_id, household_id=f"h-{code}-{number}", week=week)
        for code, _, _, registered in DISTRICTS
        for number in range(0, registered, 2)
        for week in QUARTER.weeks
    )


@contextmanager
def without_noise() -> Iterator[None]:
    """Releases made meanwhile tell what was counted, so that a test knows what they say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "matching.planning.drawing.noisy_counts",
            lambda counts, bound, epsilon: np.asarray(counts, dtype=np.int64),
        )
        yield


def release(store: Store, tenant_id: str, **more: Any) -> Release:
    """The quarter's release."""
    asked: dict[str, Any] = {"quarter": QUARTER, "created_at": RELEASED, **more}
    return release_quarter(store, tenant_id, **asked)


def stored(path: Path) -> Path:
    """A new store with one release of the town, drawn without noise."""
    store = open_store(path)
    store.put(Tenant(tenant_id="default", id="default", name="Ville"))
    fill(store, "default")
    with without_noise():
        release(store, "default")
    store.close()
    return path
