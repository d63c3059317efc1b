"""Whatever is asked after the draw tells the draw, public things, and nothing of anybody.

Two towns have the same zones, buildings, shops and draws; in one of them nobody lives. Every answer
about districts must be the same to the byte, in every format, version and vintage.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import districts_town
import pytest
import shapely
from starlette.testclient import TestClient
from waiting import until_ready

from api.app import create_app
from api.districts_map import choropleth, map_png
from api.districts_report import report_html
from api.settings import Settings
from indexes import Building, Kind, Listing
from indexes.audience import Audience
from indexes.entities import Tenant
from indexes.store import Store, open_store
from matching.planning.contributions import count_pieces
from matching.planning.measures import DRAWS, FLOWS
from matching.planning.outlines import Outlines
from matching.planning.pieces import Pieces
from matching.planning.releasing import load_districts

TOWN = "default"
SQUARE = [[5.355, 43.285], [5.40, 43.285], [5.40, 43.305], [5.355, 43.305], [5.355, 43.285]]
VERSIONS = ({"version": 1}, {"vintage": 2013})  # before a correction, and over older zones
FILES = ("csv", "csv2", "geojson", "gpkg", "geoparquet")
PATHS = (
    *("/v1/districts", "/v1/districts/132020101", "/v1/districts/13055"),
    *(f"/v1/districts?format={format}" for format in FILES),
    "/v1/districts/metadata",
    *(
        f"/v1/districts?level={level}"
        for level in ("quartier", "arrondissement", "commune", "cell")
    ),
    *(
        f"/ogc/collections/{id}/items?limit=1000&f=json"
        for id in ("districts", "cells", "flows", "gaps", "zones")
    ),
    "/ogc/collections/districts/tiles/WebMercatorQuad/12/1497/2109",
)


def town(path: Path, draws: Store | None) -> Store:
    """The town with everybody, or without anybody and with the draws of another."""
    store = open_store(path)
    store.put(Tenant(tenant_id=TOWN, id=TOWN, name="Ville"))
    store.put_zones([replace(zone, vintage=2013) for zone in districts_town.zones(TOWN)])
    if draws is None:
        districts_town.fill(store, TOWN)
        only = Listing(
            tenant_id=TOWN, id="notice", kind=Kind.PLACE, title="Salle", category="lieu",
            lon=5.362, lat=43.292, audience=Audience.BUILDING, audience_id="b-132010101-0",
            published_at=districts_town.JOINED,
        )  # fmt: skip
        store.put(only)
    else:
        store.put_zones(districts_town.zones(TOWN))
        public = (Building, Listing)
        store.put_all(one for one in districts_town.people(TOWN) if isinstance(one, public))
        for name in (*(draw.name for draw in DRAWS), FLOWS.name):
            if (table := draws.draws(TOWN, str(districts_town.QUARTER), name)) is not None:
                store.add_draws(TOWN, str(districts_town.QUARTER), {name: table})
    districts_town.release(store, TOWN)
    districts_town.release(store, TOWN, correct=True, goals=(0.2,))
    return store


@pytest.fixture(scope="module")
def towns(tmp_path_factory) -> Iterator[tuple[Store, Store]]:
    folder = tmp_path_factory.mktemp("attacks")
    inhabited = town(folder / "inhabited.db", None)
    deserted = town(folder / "deserted.db", inhabited)
    yield inhabited, deserted
    inhabited.close()
    deserted.close()


def answers(store: Store) -> dict[str, bytes]:
    """Every answer about districts, by what was asked."""
    app = create_app(Settings(store=store.label))
    found = {}
    with TestClient(app, client=("127.0.0.1", 50_000)) as client:
        until_ready(client.get)
        for asked in ({}, *VERSIONS):
            for path in PATHS:
                if "vintage" in asked and path.startswith("/ogc"):
                    continue
                url = f"{path}{'&' if '?' in path else '?'}{urlencode(asked)}"
                answer = client.get(url)
                assert answer.status_code in (200, 204), (url, answer.text)
                headers = {name: answer.headers.get(name) for name in ("etag", "link")}
                found[url] = answer.content + repr(headers).encode()
            if not asked:
                found["releases"] = client.get("/v1/districts/releases").content
            polygon = {"type": "Polygon", "coordinates": [SQUARE]}
            answer = client.post("/v1/districts/union", json={"polygon": polygon, **asked})
            assert answer.status_code == 200
            found[f"union {asked}"] = answer.content
    districts = load_districts(store, TOWN)
    found["report"] = report_html(districts, "13055", "fr").encode()
    drawn = choropleth(districts, "penetration", "", level="iris", within="13055", lang="fr")
    found["map"] = map_png(drawn)
    return found


def test_no_answer_tells_more_than_the_draws_and_what_is_public(towns) -> None:
    inhabited, deserted = map(answers, towns)
    assert inhabited.keys() == deserted.keys()
    assert [asked for asked in inhabited if inhabited[asked] != deserted[asked]] == []
    assert len(inhabited) > 50


def test_control_what_is_counted_differs_between_the_two_towns(towns) -> None:
    zones = Outlines(districts_town.zones(TOWN))
    counts = [
        count_pieces(store.facts(TOWN, districts_town.QUARTER), Pieces.of(zones), DRAWS[0]).sum()
        for store in towns
    ]
    assert counts[0] > 300 and counts[1] == 0
    assert shapely.box(5.3, 43.2, 5.5, 43.4).contains(zones.outline("13055"))
