"""Small towns of everything that near me knows, drawn from a generator; and questions to them.

A `World` is what the oracle looks at; `records` are the same, for a store. Zones are boxes on
a grid, groups are made of H3 cells, and every building and shop is drawn inside one of each
by rejection, so that what a place implies is known without asking the code under test.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import shapely
from near_oracle import HOURS, World

from geo.cells import cells_to_lonlat, cells_to_parents, points_to_cells
from indexes.entities import (
    PERSON_KINDS,
    PERSONAL_KINDS,
    Audience,
    Block,
    Building,
    CommuneCode,
    Endorsement,
    Entity,
    Group,
    GroupPartition,
    Household,
    IrisCode,
    Kind,
    Listing,
    Member,
    Residence,
    Tenant,
    Zone,
)
from indexes.rules import columns_of, require
from indexes.sqltrips import TripRecords
from indexes.store import Position, Store
from indexes.trusting import Interaction, Rating, Request, Standing, Vouch
from matching.query import NearQuery, Viewer

NOW = datetime(2025, 6, 14, 9, 30, tzinfo=UTC)  # a Saturday, half past eleven in Marseille
WEST, SOUTH, STEP = 5.34, 43.27, 0.015
COLUMNS, ROWS = 4, 3
CATEGORIES = (
    *("", "food", "food.bakery", "food.bakery.organic", "foodie", "help", "help.children"),
    *("help.children.evening", "sport"),
)
TITLES = ("Boulangerie du Port", "L'Atelier vélo", "Cours de piano", "Garde d'enfants", "Marché")
TEXTS = ("", "pain et gâteaux au levain", "vélos, réparation", "piano le soir", "des enfants")
QUESTIONS = (
    *("boulangerie", "pian", "velo enfants", "Pains", "port piano marché", "le", "xylophone"),
    *("bulangeire", "pinao", "vlo enfnats", "Piani", "prot pianno marché"),  # mistyped
    *("boulangère", "réparateur", "reparatuer enfance"),  # families of words
)


@dataclass
class Town:
    """A world, its records as a store takes them, and where its homes are."""

    world: World
    records: list[Entity]
    zones: list[Zone]
    partition: GroupPartition
    tenant_id: str

    def put(self, store: Store) -> None:
        """Zones and groups first: what is put after them is placed by them."""
        store.put_all([one for one in self.records if isinstance(one, Tenant)])
        store.put_zones(self.zones)
        store.put_groups(self.partition)
        store.put_all(self.records)
        self.say(store, self.world.ratings)
        until = NOW + timedelta(days=300_000)
        vouches = [self._vouch(f"v{i}", *one) for i, one in enumerate(self.world.vouches)]
        standings = [
            Standing(tenant_id=self.tenant_id, id=id, penalised_until=until)
            for id in self.world.standings
        ]
        _keep(store, vouches, standings)

    def say(self, store: Store, ratings: Iterable[Any]) -> Position:
        """Keep ratings, as if what led to them had been."""
        requests, interactions, found = [], [], []
        for one in ratings:
            key = {"tenant_id": self.tenant_id, "id": one.id, "created_at": instant_of(one.at)}
            two = {"asker_id": one.rater, "helper_id": one.ratee}
            requests.append(Request(**key, **two))
            interactions.append(Interaction(**key, **two, request_id=one.id))
            found.append(
                Rating(
                    **key,
                    interaction_id=one.id,
                    rater_id=one.rater,
                    ratee_id=one.ratee,
                    stars=one.stars,
                    opens_at=instant_of(one.at if one.open else 2**34),
                )
            )
        return _keep(store, requests, interactions, found)

    def _vouch(self, id: str, voucher: str, vouchee: str, at: int) -> Vouch:
        two = {"voucher_id": voucher, "vouchee_id": vouchee}
        return Vouch(tenant_id=self.tenant_id, id=id, **two, created_at=instant_of(at))


def _keep(store: Any, *batches: list[Any]) -> Position:
    """Write what only decisions may, in one go: that they take a look first is told elsewhere."""
    checked = [require(type(some[0]), columns_of(type(some[0]), some)) for some in batches if some]
    return TripRecords._put(store, checked, None)


def instant_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class _Builder:
    def __init__(self, seed: int, tenant_id: str) -> None:
        self.rng = np.random.default_rng(seed)
        self.tenant_id = tenant_id

    def some(self, values: Any) -> Any:
        return values[int(self.rng.integers(0, len(values)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def instant(self, days: float) -> datetime:
        """Within some days of now, by the second."""
        return NOW + timedelta(seconds=int(self.rng.uniform(-days, days) * 86_400))

    def past(self) -> datetime:
        """Within two years before now, by the second."""
        return NOW - timedelta(seconds=int(self.rng.uniform(0, 700) * 86_400))

    def point(self) -> tuple[float, float]:
        """In the grid of zones, or now and then some kilometres east of it, in none."""
        east = self.rng.uniform(0, COLUMNS) if self.chance(0.95) else self.rng.uniform(6, 8)
        north = self.rng.uniform(0, ROWS)
        return round(WEST + STEP * east, 7), round(SOUTH + STEP * north, 7)

    def zone_at(self, lon: float, lat: float) -> str | None:
        column, row = (lon - WEST) / STEP, (lat - SOUTH) / STEP
        return f"99001{int(row):02d}{int(column):02d}" if column < COLUMNS else None


def make_town(seed: int, tenant_id: str = "t", listings: int = 150) -> Town:
    """A town of some 40 buildings, 60 members and so many listings, the same for a seed."""
    build = _Builder(seed, tenant_id)
    zones = _zones(tenant_id)
    groups, centres = _groups(build, [zone.code for zone in zones])
    residences = [Residence(tenant_id=tenant_id, id=f"r{i}", name=f"Les Pins {i}") for i in "123"]
    buildings, group_of = _buildings(build, groups, centres, residences)
    households = [
        Household(tenant_id=tenant_id, id=f"h{i}", building_id=build.some(buildings).id)
        for i in range(45)
    ]
    members = [
        Member(
            tenant_id=tenant_id,
            id=f"m{i}",
            household_id=build.some(households).id,
            level=int(build.rng.integers(0, 5)),
        )
        for i in range(60)
    ]
    found = [_listing(build, i, members, buildings, residences) for i in range(listings)]
    zone_of = {
        one.id: zone
        for one in found
        if not one.personal and (zone := build.zone_at(one.lon, one.lat)) is not None
    }
    endorsements = _endorsements(build, found, members)
    ratings, vouches = _said(build, members)
    blocks = [
        Block(tenant_id=tenant_id, id=f"b{i}", member_id=one.id, other_id=other.id)
        for i, (one, other) in enumerate(zip(members[::4], members[1::4], strict=False))
    ]
    world = World(
        "Europe/Paris",
        found,
        {one.id: one for one in members},
        {one.id: one for one in households},
        {one.id: one for one in buildings},
        {one.id: one for one in groups},
        group_of,
        zone_of,
        endorsements,
        blocks,
        ratings,
        vouches,
        {members[7].id: 0.5},
    )
    tenant = Tenant(tenant_id=tenant_id, id=tenant_id, name="Port-Mitoyen")
    records = [
        tenant, *residences, *buildings, *households, *members, *found, *endorsements, *blocks,
    ]  # fmt: skip
    partition = GroupPartition(tenant_id=tenant_id, version=1, groups=tuple(groups))
    return Town(world, records, zones, partition, tenant_id)


def _zones(tenant_id: str) -> list[Zone]:
    return [
        Zone(
            tenant_id=tenant_id,
            code=IrisCode(f"99001{row:02d}{column:02d}"),
            vintage=2024,
            name=f"Zone {row}{column}",
            type="H",
            commune_code=CommuneCode("99001"),
            commune_name="Port-Mitoyen",
            geometry=shapely.box(
                WEST + STEP * column,
                SOUTH + STEP * row,
                WEST + STEP * (column + 1),
                SOUTH + STEP * (row + 1),
            ),
        )
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]


def _groups(
    build: _Builder, codes: list[IrisCode]
) -> tuple[list[Group], dict[str, list[tuple[float, float]]]]:
    """Nine groups of one or two cells at resolution 8 or 9, and some points in each."""
    points = np.array([build.point() for _ in range(4_000)])
    nine = points_to_cells(points, 9)
    eight = cells_to_parents(nine, 8)
    groups, inside = [], {}
    taken: set[int] = set()
    for i in range(9):
        resolution = build.some((8, 8, 9))
        cells = eight if resolution == 8 else nine
        free = [
            c for c, parent in zip(cells.tolist(), eight.tolist(), strict=True)
            if parent not in taken
        ]  # fmt: skip
        chosen = {build.some(free) for _ in range(build.some((1, 1, 2)))}
        mine = np.isin(cells, np.array(sorted(chosen), np.uint64))
        taken |= set(eight[mine].tolist())
        id = f"g{i}"
        inside[id] = [(lon, lat) for lon, lat in points[mine].tolist()]
        lon, lat = cells_to_lonlat(np.array(sorted(chosen)[:1], np.uint64))[0].tolist()
        groups.append(
            Group(
                id=id,
                cells=tuple(sorted(chosen)),
                lon=round(lon, 7),
                lat=round(lat, 7),
                dwellings=20 if i else 7,
                locatable=i > 0,
                zones=tuple(sorted({build.some(codes) for _ in range(build.some((0, 1, 2, 2)))})),
            )
        )
    return groups, inside


def _buildings(
    build: _Builder,
    groups: list[Group],
    inside: dict[str, list[tuple[float, float]]],
    residences: list[Residence],
) -> tuple[list[Building], dict[str, str]]:
    """Four or so a group, and one far from all groups."""
    buildings, group_of = [], {}
    for i in range(40):
        group = build.some(groups)
        lon, lat = build.some(inside[group.id])
        building = Building(
            tenant_id=build.tenant_id,
            id=f"b{i}",
            lon=lon,
            lat=lat,
            residence_id=build.some(residences).id if build.chance(0.6) else None,
        )
        buildings.append(building)
        group_of[building.id] = group.id
    buildings.append(Building(tenant_id=build.tenant_id, id="alone", lon=5.9, lat=43.9))
    return buildings, group_of


def _listing(
    build: _Builder,
    i: int,
    members: list[Member],
    buildings: list[Building],
    residences: list[Residence],
) -> Listing:
    kind = build.some(tuple(Kind))
    personal = kind in PERSONAL_KINDS or (kind in PERSON_KINDS and build.chance(0.5))
    lon, lat = (None, None) if personal else build.point()
    audience = build.some((*Audience, Audience.PUBLIC, Audience.PUBLIC, Audience.PUBLIC))
    addressed = None
    if not personal and audience is Audience.BUILDING:
        addressed = build.some(buildings).id
    if not personal and audience is Audience.RESIDENCE:
        addressed = build.some(residences).id
    starts_at = build.instant(40) if kind is Kind.EVENT else None
    valid_from = build.instant(3) if build.chance(0.2) else None
    valid_to = build.instant(30) if build.chance(0.3) else None
    if valid_from and valid_to and valid_from >= valid_to:
        valid_from = None
    # Ids whose order differs by bytes, by code units and by case.
    name = build.some(("a", "Z", "é", "🦀", "\uff5e", "z")) + f"{i}"
    return Listing(
        tenant_id=build.tenant_id,
        id=name,
        kind=kind,
        title=build.some(TITLES),
        text=build.some(TEXTS),
        personal=personal,
        owner_id=build.some(members).id if personal or build.chance(0.3) else None,
        lon=lon,
        lat=lat,
        category=build.some(CATEGORIES),
        audience=audience,
        audience_id=addressed,
        reach_m=int(np.exp(build.rng.uniform(4, 9))) if build.chance(0.3) else None,
        valid_from=valid_from,
        valid_to=valid_to,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=build.some((0, 2, 50)))
        if starts_at and build.chance(0.5)
        else None,
        published_at=build.instant(30) if build.chance(0.9) else None,
        opening_hours=build.some((None, *HOURS)),
        quota=build.some((None, None, 0, 3)),
        quota_used=build.some((0, 2, 3)),
        attested=build.some((None, "town", "registry")),
    )


def _endorsements(
    build: _Builder, listings: list[Listing], members: list[Member]
) -> list[Endorsement]:
    """None for most, a whole crowd for some: all levels of public trust."""
    found = []
    for listing in listings:
        crowd = build.some((0, 0, 1, 3, 8, 25, 60))
        for member in build.rng.permutation(len(members))[:crowd].tolist():
            found.append(
                Endorsement(
                    tenant_id=build.tenant_id,
                    id=f"e{len(found)}",
                    member_id=members[member].id,
                    listing_id=listing.id,
                    created_at=build.past(),
                )
            )
    return found


def _said(build: _Builder, members: list[Member]) -> tuple[list[Any], list[tuple[str, str, int]]]:
    """Ratings and vouches: each member knows a few others, some of them well."""
    ratings: list[Any] = []
    for member in members:
        for other in build.rng.permutation(len(members))[: build.some((0, 1, 2, 4))].tolist():
            for _ in range(build.some((1, 1, 2, 8)) if members[other] is not member else 0):
                ratings.append(rating_of(build, f"r{len(ratings)}", member.id, members[other].id))
    pairs = build.rng.permutation(len(members))[:6].reshape(3, 2).tolist()
    return ratings, [
        (members[a].id, members[b].id, int(build.past().timestamp())) for a, b in pairs
    ]


def rating_of(build: _Builder, id: str, rater: str, ratee: str) -> Any:
    """Good, most often; one in ten is not open yet, and none of that may show."""
    stars, is_open = build.some((5, 5, 5, 4, 3, 1)), build.chance(0.9)
    at = int(build.past().timestamp())
    return SimpleNamespace(id=id, rater=rater, ratee=ratee, stars=stars, at=at, open=is_open)


def make_questions(
    town: Town, seed: int, count: int, members: Iterable[str] | None = None
) -> list[tuple[Viewer, NearQuery]]:
    """Who asks what: from anywhere or from home, with few filters at a time; of the members
    some, or any."""
    build = _Builder(seed, town.tenant_id)
    located = [
        id
        for id in (town.world.members if members is None else members)
        if (home := town.world.home(id)) is not None and home.locatable
    ]
    return [_question(build, located) for _ in range(count)]


def _question(build: _Builder, located: list[str]) -> tuple[Viewer, NearQuery]:
    member = build.some(located) if located and build.chance(0.7) else None
    free = member is None or build.chance(0.2)
    kinds = tuple(Kind)
    if build.chance(0.4):
        kinds = tuple(kind for kind in Kind if build.chance(0.4)) or (Kind.MERCHANT,)
    if free and PERSONAL_KINDS.issuperset(kinds):
        kinds = (*kinds, Kind.AD)
    lon, lat = build.point()
    query = NearQuery(
        at=build.instant(20) if build.chance(0.3) else NOW,
        # More digits than are kept: the engine rounds.
        origin=(lon + 3e-9, lat) if free else None,
        kinds=kinds,
        radius_m=build.some((None, None, 0.0, 400.0, 1_500.0, 20_000.0)),
        limit=build.some((1, 3, 10, 20, 200)),
        lang=build.some(("fr", "en")),
        profile=build.some((None, None, None, "nearest", "event", "service")),
    )
    for share, change in (
        (0.15, {"category": build.some(("food", "food.bakery", "help", "nothing"))}),
        (0.15, {"text": build.some(QUESTIONS)}),
        (0.1, {"min_distance_m": build.some((1.0, 300.0))}),
        (0.15, {"zones": (IrisCode("990010101"), IrisCode("990010002"), IrisCode("nowhere"))}),
        (0.1, {"polygon": _polygon(build)}),
        (0.1, {"audiences": (build.some(tuple(Audience)), Audience.CITY)}),
        (0.1, {"open_now": True}),
        (0.1, {"verified_only": True}),
    ):
        if build.chance(share):
            query = replace(query, **change)
    return Viewer(member), query


def _polygon(build: _Builder) -> shapely.Polygon:
    """A triangle or so with a dent, over a part of the town."""
    corners = sorted(build.rng.uniform(0, 2 * np.pi, 6))
    lon, lat = build.point()
    polygon = shapely.Polygon(
        [
            (lon + r * np.cos(angle), lat + r * np.sin(angle))
            for angle, r in zip(corners, build.rng.uniform(0.004, 0.03, 6), strict=True)
        ]
    )
    return polygon if polygon.is_valid else polygon.convex_hull
