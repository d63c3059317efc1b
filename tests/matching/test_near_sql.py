"""A second oracle: the same queries as plain SQL on the PostGIS store, over thousands of rows.

The distance is the haversine formula written out, on our sphere of 6 371 008.8 m. PostGIS's own
`ST_DistanceSphere` takes 6 371 008.7714 m, 4.5e-9 shorter: equal to a tenth of a millimetre over
20 km, but not to the last one, which breaks ties.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import shapely

from indexes.entities import (
    Audience,
    Block,
    Building,
    CommuneCode,
    Endorsement,
    Entity,
    Household,
    IrisCode,
    Kind,
    Listing,
    Member,
    Tenant,
    Zone,
)
from indexes.store import open_store
from matching import ANYONE, Engine, NearAnswer, NearQuery, Viewer

NOW = datetime(2025, 6, 14, 9, 30, tzinfo=UTC)
RESTAURANTS = Path(__file__).parents[3] / "shared/data/marseille_restaurants.csv"
VIEUX_PORT = (5.3740, 43.2951)

SQL = """
WITH profile (name, w_distance, w_trust, w_fresh, w_available, w_fit) AS (VALUES
    ('service', .45::float8, .25::float8, .15::float8, .10::float8, .05::float8),
    ('artisan', .30, .45, 0, .15, .10), ('merchant', .55, .15, 0, .20, .10),
    ('offer', .50, .10, .10, .25, .05), ('event', .35, .10, .30, .20, .05),
    ('ad', .45, .20, .25, .05, .05), ('place', .85, 0, 0, .10, .05), ('nearest', 1, 0, 0, 0, 0)
),
placed AS (
    SELECT l.*, coalesce(o.level, 0) AS owner_level, p.*,
        2 * 6371008.8 * asin(sqrt(least(1,
            sin(radians(ST_Y(geom) - %(lat)s) / 2) ^ 2 + cos(radians(%(lat)s))
            * cos(radians(ST_Y(geom))) * sin(radians(ST_X(geom) - %(lon)s) / 2) ^ 2))) AS d,
        ST_DistanceSphere(geom, ST_SetSRID(ST_MakePoint(%(lon)s, %(lat)s), 4326)) AS sphere_d,
        .25::float8 AS trust,  -- nobody attests them: they are new to everybody
        coalesce(ends_at, starts_at + interval '3 hours') AS over_at,
        extract(epoch FROM starts_at - %(at)s) / 3600 AS starts_in_h,
        extract(epoch FROM %(at)s - published_at) / 86400 AS age_days,
        CASE WHEN %(category)s::text IS NULL THEN 1
            ELSE array_length(string_to_array(%(category)s, '.'), 1)::float8
                / array_length(string_to_array(category, '.'), 1) END AS fit
    FROM listings l
    LEFT JOIN members o ON o.tenant_id = l.tenant_id AND o.id = l.owner_id
    JOIN profile p ON p.name = coalesce(%(profile)s, l.kind)
    WHERE l.tenant_id = 't' AND NOT l.personal AND kind = ANY(%(kinds)s)
        AND l.audience = ANY(%(audiences)s)
        AND (valid_from IS NULL OR valid_from <= %(at)s)
        AND (valid_to IS NULL OR %(at)s < valid_to)
        AND (%(category)s::text IS NULL OR category = %(category)s
            OR starts_with(category, %(category)s || '.'))
        AND (%(zones)s::text[] IS NULL OR zone = ANY(%(zones)s))
        AND (%(polygon)s::text IS NULL
            OR ST_Intersects(geom, ST_GeomFromText(%(polygon)s, 4326)))
        AND (NOT %(verified)s OR o.level >= 2)
        AND (NOT %(open_now)s OR opening_hours = '24/7')
        AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.tenant_id = 't'
            AND (b.member_id, b.other_id) IN ((%(viewer)s, l.owner_id), (l.owner_id, %(viewer)s)))
),
scored AS (
    SELECT *,
        w_distance * CASE
            WHEN name = 'nearest' THEN 1 - d / (pi() * 6371008.8)
            ELSE power(.5::float8, (greatest(0, d - 200) / 600) ^ 2) END
        + w_trust * trust
        + w_fresh * CASE
            WHEN kind IN ('service', 'ad')
            THEN power(.5::float8, greatest(0, age_days::float8) / 14)
            WHEN kind = 'event'
            THEN greatest(0, least(1, (30 * 24 - starts_in_h::float8) / (28 * 24)))
            ELSE 1 END
        + w_available * CASE
            WHEN quota_used >= quota THEN 0
            WHEN quota_used < quota OR opening_hours = '24/7' THEN 1
            ELSE .5 END
        + w_fit * fit AS score
    FROM placed
    WHERE (kind <> 'event' OR %(at)s < over_at)
        AND d <= %(radius_m)s AND d >= %(min_m)s AND (reach_m IS NULL OR d <= reach_m)
)
SELECT id, kind, floor(score * 1e9 + .5)::bigint, d, sphere_d FROM scored
ORDER BY 3 DESC, floor(d * 1000 + .5), id COLLATE "C" LIMIT %(limit)s
"""


def asked(viewer: Viewer, query: NearQuery) -> dict[str, Any]:
    """A query as the parameters of `SQL`."""
    assert query.origin is not None
    lon, lat = query.origin
    return {
        "lon": lon,
        "lat": lat,
        "at": query.at,
        "kinds": [kind.value for kind in query.kinds],
        "audiences": [audience.value for audience in query.audiences],
        "category": query.category,
        "zones": list(query.zones) or None,
        "polygon": query.polygon.wkt if query.polygon else None,
        "verified": query.verified_only,
        "open_now": query.open_now,
        "profile": query.profile,
        "viewer": viewer.member_id,
        "radius_m": query.radius_m,
        "min_m": query.min_distance_m,
        "limit": query.limit,
    }


def assert_same(answer: NearAnswer, rows: list[tuple[Any, ...]]) -> None:
    assert [(m.id, m.kind.value, round(m.score * 1e9)) for m in answer.matches] == [
        row[:3] for row in rows
    ]
    for match, (*_, d, sphere_d) in zip(answer.matches, rows, strict=True):
        assert match.distance_m == pytest.approx(d, abs=0.000501)
        assert match.distance_m == pytest.approx(sphere_d, rel=1e-8, abs=0.001)


# -- thousands of public things ----------------------------------------------------------------


def town(rng: np.random.Generator, n: int) -> Iterator[Entity]:
    """A tenant with members who endorse, own and block, and n public listings."""

    def some(values: Any) -> Any:
        return values[int(rng.integers(0, len(values)))]

    def instant(days: float) -> datetime:
        return NOW + timedelta(seconds=int(rng.uniform(-days, days) * 86_400))

    def named(i: int) -> dict[str, str]:
        return {"tenant_id": "t", "id": f"{some(('a', 'Z', 'é', '🦀'))}{i}"}

    yield Tenant(tenant_id="t", id="t", name="Port-Mitoyen")
    yield Building(tenant_id="t", id="b", lon=5.37, lat=43.29)
    members = [f"m{i}" for i in range(40)]
    for id in members:
        household = f"h{rng.integers(0, 25)}"
        yield Household(tenant_id="t", id=household, building_id="b")
        yield Member(tenant_id="t", id=id, household_id=household, level=int(rng.integers(0, 5)))
    yield Block(tenant_id="t", id="b0", member_id="m0", other_id="m1")
    yield Block(tenant_id="t", id="b1", member_id="m2", other_id="m0")
    endorsements = 0
    for i in range(n):
        kind = some([kind for kind in Kind if kind is not Kind.NEIGHBOUR and kind != Kind.SERVICE])
        starts_at = instant(35) if kind is Kind.EVENT else None
        crowded = rng.random() < 0.2
        listing = Listing(
            **named(i),
            kind=kind,
            title="Une chose",
            # A fifth stands on few spots and has few traits, so that there are ties.
            lon=5.37 if crowded else round(float(rng.normal(5.37, 0.02)), 7),
            lat=some((43.29, 43.2951)) if crowded else round(float(rng.normal(43.29, 0.015)), 7),
            owner_id=some(members) if rng.random() < 0.1 else None,
            category=some(("", "food", "food.bakery", "food.bakery.organic", "foodie")),
            audience=some((Audience.PUBLIC, Audience.PUBLIC, Audience.CITY)),
            reach_m=some((None, None, 300, 2_000)),
            valid_from=instant(5) if rng.random() < 0.2 else None,
            valid_to=NOW + timedelta(days=some((6, 9, 30))) if rng.random() < 0.5 else None,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=30) if starts_at and rng.random() < 0.5 else None,
            published_at=NOW if crowded else instant(40),
            opening_hours=some((None, None, "24/7")),
            quota=some((None, None, 0, 3)),
            quota_used=some((0, 3)),
        )  # fmt: skip
        yield listing
        if listing.owner_id is None and rng.random() < 0.3:
            for member in rng.permutation(40)[: some((1, 3, 7, 20))].tolist():
                endorsements += 1
                yield Endorsement(
                    tenant_id="t",
                    id=f"e{endorsements}",
                    member_id=f"m{member}",
                    listing_id=listing.id,
                )


def question(rng: np.random.Generator) -> tuple[Viewer, NearQuery]:
    def some(values: Any) -> Any:
        return values[int(rng.integers(0, len(values)))]

    lon, lat = round(float(rng.normal(5.37, 0.02)), 7), round(float(rng.normal(43.29, 0.015)), 7)
    public = [kind for kind in Kind if kind not in (Kind.NEIGHBOUR, Kind.SERVICE)]
    member = rng.random() < 0.4
    query = NearQuery(
        at=NOW + timedelta(hours=float(rng.integers(-100, 100))),
        origin=some(((lon, lat), (5.37, 43.29), (5.37, 43.2951))),
        kinds=some([tuple(public), *((kind,) for kind in public)]),
        radius_m=some((300.0, 1_500.0, 4_000.0, 20_000.0)),
        audiences=(Audience.PUBLIC, Audience.CITY) if member else (Audience.PUBLIC,),
        profile=some((None, None, "nearest", "event", "offer")),
        limit=some((1, 20, 200)),
    )
    for share, change in (
        (0.2, {"category": some(("food", "food.bakery"))}),
        (0.2, {"min_distance_m": some((1.0, 500.0))}),
        (0.15, {"zones": (IrisCode("990010101"), IrisCode("990010103"))}),
        (0.15, {"polygon": shapely.Point(lon, lat).buffer(0.012, quad_segs=2)}),
        (0.15, {"verified_only": True}),
        (0.15, {"open_now": True}),
    ):
        if rng.random() < share:
            query = replace(query, **change)
    return Viewer("m0") if member else ANYONE, query


def test_near_equals_plain_sql_on_postgis(postgis_dsn: str) -> None:
    rng = np.random.default_rng(2025)
    store = open_store(postgis_dsn)
    store.put(Tenant(tenant_id="t", id="t", name="Port-Mitoyen"))
    store.put_zones(
        [
            Zone(
                tenant_id="t",
                code=IrisCode(f"99001010{i}"),
                vintage=2024,
                name=f"Zone {i}",
                type="H",
                commune_code=CommuneCode("99001"),
                commune_name="Port-Mitoyen",
                geometry=shapely.box(5.3 + 0.03 * i, 43.2, 5.33 + 0.03 * i, 43.4),
            )
            for i in range(5)
        ]
    )
    store.put_all(town(rng, 4_000))
    engine = Engine.over(store, "t")
    rows_seen, ties = 0, 0
    with psycopg.connect(postgis_dsn) as db:
        # Fresh tables have no statistics; and compiling a query takes longer than its answer.
        db.execute("ANALYZE")
        db.execute("SET jit = off")
        for _ in range(60):
            viewer, query = question(rng)
            answer = engine.near(viewer, query)
            rows = db.execute(SQL, asked(viewer, query)).fetchall()
            assert_same(answer, rows)
            rows_seen += len(rows)
            ties += len(rows) - len({(row[2], round(row[3] * 1000)) for row in rows})
    store.close()
    assert rows_seen > 1_000
    assert ties > 50


@pytest.mark.skipif(
    not RESTAURANTS.exists(), reason="the Marseille files are not beside the project"
)
def test_restaurants_around_the_vieux_port_equal_plain_sql(postgis_dsn: str) -> None:
    with RESTAURANTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    store = open_store(postgis_dsn)
    store.put(Tenant(tenant_id="t", id="t", name="Marseille"))
    store.put_all(
        Listing(
            tenant_id="t",
            id=row["place_id"],
            kind=Kind.MERCHANT,
            title=row["name"],
            lon=float(row["lon"]),
            lat=float(row["lat"]),
        )
        for row in rows
    )
    engine = Engine.over(store, "t")
    query = NearQuery(
        at=NOW, origin=VIEUX_PORT, kinds=(Kind.MERCHANT,), radius_m=2_000.0,
        audiences=(Audience.PUBLIC,),
    )  # fmt: skip
    with psycopg.connect(postgis_dsn) as db:
        for profile in ("nearest", None):
            wanted = replace(query, profile=profile)
            found = db.execute(SQL, asked(ANYONE, wanted)).fetchall()
            assert len(found) == 20
            assert_same(engine.near(ANYONE, wanted), found)
    store.close()
