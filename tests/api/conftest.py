"""A served town: two tenants in one SQLite file, keys of every scope, people in four homes."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely
from fastapi import FastAPI
from starlette.testclient import TestClient
from waiting import PATIENCE_S, until_ready

import api.auth
from api.app import create_app
from api.auth import digest_of
from api.settings import Settings
from indexes.district_facts import Quarter
from indexes.entities import (
    ApiKey,
    Audience,
    Block,
    Building,
    CommuneCode,
    Endorsement,
    Figures,
    Household,
    IrisCode,
    Kind,
    Listing,
    Member,
    Residence,
    Scope,
    Tenant,
    Zone,
)
from indexes.grouping import build_groups
from indexes.store import Store, open_store
from matching.planning.releasing import release_quarter

LOCAL, REMOTE = ("127.0.0.1", 50_000), ("192.0.2.7", 50_000)
RELEASED = datetime(2026, 10, 3, tzinfo=UTC)
WEST, EAST = IrisCode("990010101"), IrisCode("990010102")

KEYS = {
    "app": ("north", {Scope.APP}),
    "planner": ("north", {Scope.PLANNER}),
    "operator": ("north", {Scope.OPERATOR}),
    "other": ("south", set(Scope)),
    "root": ("north", set(Scope)),
}


def secret_of(who: str) -> str:
    return f"secret of {who}".replace(" ", "-")


def zone(code: IrisCode, west: float, east: float) -> Zone:
    return Zone(
        tenant_id="north",
        code=code,
        vintage=2020,
        name=f"Quartier {code[-1]}",
        type="H",
        commune_code=CommuneCode("99001"),
        commune_name="Port-Mitoyen (ville fictive)",
        geometry=shapely.box(west, 43.28, east, 43.32),
        figures=Figures(census_year=2021, geography_year=2020, values={"menages": 900.0}),
    )


HOMES = {  # building -> residence, lon, lat; each in a cell of its own
    "b1": ("r1", 5.351, 43.301),
    "b2": ("r1", 5.357, 43.301),
    "b3": (None, 5.351, 43.309),
    "b4": (None, 5.391, 43.301),
}
PEOPLE = {"ana": "b1", "bob": "b1", "cleo": "b2", "dan": "b3", "eve": "b4", "zed": "b1"}


def fill(store: Store) -> None:
    """Two towns; the people, homes and zones are in the north."""
    for town in ("north", "south"):
        store.put(Tenant(tenant_id=town, id=town, name=town.capitalize()))
    north: dict[str, Any] = {"tenant_id": "north"}
    store.put_zones([zone(WEST, 5.34, 5.37), zone(EAST, 5.37, 5.40)])
    records: list[Any] = [
        ApiKey(
            tenant_id=town,
            id=f"key-{who}",
            name=who,
            scopes=frozenset(scopes),
            secret_sha256=digest_of(secret_of(who)),
        )
        for who, (town, scopes) in KEYS.items()
    ]
    records.append(Residence(**north, id="r1", name="Les Pins"))
    for id, (residence, lon, lat) in HOMES.items():
        records.append(
            Building(**north, id=id, lon=lon, lat=lat, dwellings=30, residence_id=residence)
        )
    for name, home in PEOPLE.items():
        records.append(Household(**north, id=f"h-{name}", building_id=home))
        records.append(Member(**north, id=name, household_id=f"h-{name}", level=2, name=name))
    for audience in Audience:
        records.append(
            Listing(
                **north,
                id=f"ana-{audience.value}",
                kind=Kind.SERVICE,
                title=f"Soutien scolaire, {audience.value}",
                personal=True,
                owner_id="ana",
                audience=audience,
            )
        )
    for i in range(12):
        records.append(
            Listing(
                **north,
                id=f"shop-{i:02}",
                kind=Kind.MERCHANT,
                title=f"Boulangerie {i}",
                lon=5.350 + i * 0.004,
                lat=43.300,
                category="food.bakery",
            )
        )
    records.append(Block(**north, id="zed-ana", member_id="zed", other_id="ana"))
    records.append(Endorsement(**north, id="bob-shop", member_id="bob", listing_id="shop-00"))
    store.put_all(records)
    store.put_groups(build_groups(store, "north"))
    release_quarter(store, "north", Quarter(2026, 3), created_at=RELEASED)


@dataclass
class Served:
    """An app in this process, and how to ask it as somebody."""

    app: FastAPI
    path: Path
    local: TestClient
    remote: TestClient

    def ask(
        self, method: str, url: str, who: str = "local", member: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if who in KEYS:
            headers.setdefault("Authorization", f"Bearer {secret_of(who)}")
        if member is not None:
            headers["Mitoyen-Member"] = member
        client = self.remote if who == "remote" else self.local
        return client.request(method, url, headers=headers, **more)

    def get(self, url: str, who: str = "local", member: str | None = None, **more: Any) -> Any:
        return self.ask("GET", url, who, member, **more)


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """On a busy machine a key may be looked up, and what was written be read, late.

    Tests of how long that may take set a limit of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.auth, "STORE_WAIT_S", PATIENCE_S)
        for name, module in list(sys.modules.items()):
            if name.startswith("api.routes.") and hasattr(module, "WAIT_S"):
                patch.setattr(module, "WAIT_S", PATIENCE_S)
        yield


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("town") / "town.db"
    store = open_store(path)
    fill(store)
    store.close()
    app = create_app(Settings(store=str(path), tenant="north"))
    app.state.streams.life_s = 0.0  # these clients read an answer whole
    with TestClient(app, client=LOCAL, raise_server_exceptions=False) as local:
        until_ready(local.get)
        remote = TestClient(app, client=REMOTE, raise_server_exceptions=False)
        yield Served(app, path, local, remote)
