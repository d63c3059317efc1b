"""The sample town, its people and its points: made up, lawful to keep, the same every time."""

import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import shapely

from geo.distance import haversine_m
from geo.errors import InputError
from geo.zones import ZoneMap
from indexes.columns import EPOCH_S, KIND_CODES
from indexes.entities import PERSON_KINDS, CommuneCode, Figures, IrisCode, Kind, Zone
from indexes.grouping import build_groups
from indexes.sample import (
    COMMUNE_NAME,
    HARBOUR,
    sample_city,
    sample_over_zones,
    sample_points,
    town_zones,
)
from indexes.store import open_store

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def town():
    return sample_city(1, NOW)


def outlines(seed):
    return [zone.geometry for zone in town_zones("t", np.random.default_rng(seed))]


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 17])
def test_sixty_zones_cover_the_land_once_and_share_borders_to_the_last_digit(seed):
    zones = outlines(seed)
    assert len(zones) == 60
    assert all(shapely.is_valid(zones))
    assert shapely.coverage_is_valid(zones)
    assert sum(zone.area for zone in zones) == pytest.approx(shapely.union_all(zones).area)
    assert (np.abs(np.round(shapely.get_coordinates(zones), 7) - shapely.get_coordinates(zones))
            < 1e-12).all()  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_harbour_is_a_hole_and_the_sea_is_no_zone(seed):
    town = shapely.union_all(outlines(seed))
    assert sum(len(part.interiors) for part in shapely.get_parts(town)) == 1
    assert len(shapely.get_parts(town)) == 2  # the town and its islet
    zones = ZoneMap([str(i) for i in range(60)], outlines(seed))
    basin, quay, sea = (4.6, 42.6054), HARBOUR, (4.6, 42.55)
    located = zones.locate(np.array([basin, quay, sea]))
    assert located.nearest.tolist() == [True, False, False]
    assert (located.index[:2] >= 0).all()
    assert located.index[2] == -1


def test_nobody_takes_the_town_for_official(town):
    assert all(zone.code.startswith("99") and len(zone.code) == 9 for zone in town.zones)
    assert "fictive" in COMMUNE_NAME
    assert town.tenant.name == COMMUNE_NAME
    assert all(COMMUNE_NAME in building.address for building in town.buildings)
    assert all("fictif" in zone.name for zone in town.zones)
    assert all(
        entity.id.startswith("sample-") for entity in town.entities() if entity != town.tenant
    )


def fingerprint(sample):
    zones = [(zone.code, zone.geometry.wkb_hex, dict(zone.figures.values)) for zone in sample.zones]
    return hashlib.sha256(repr([zones, list(sample.entities())]).encode()).hexdigest()


def test_the_same_seed_and_instant_give_the_same_town_and_another_seed_another():
    small = {"listings": 200, "adoption": 0.01}
    prints = [fingerprint(sample_city(seed, NOW, **small)) for seed in (5, 5, 6)]
    assert prints[0] == prints[1] != prints[2]
    elsewhere = NOW.astimezone().replace(microsecond=7)
    assert fingerprint(sample_city(5, elsewhere, **small)) == prints[0]


def test_each_zone_has_the_dwellings_of_its_census(town):
    zones = ZoneMap([zone.code for zone in town.zones], [zone.geometry for zone in town.zones])
    points = np.array([(building.lon, building.lat) for building in town.buildings])
    located = zones.locate(points)
    counted = Counter()
    for building, index in zip(town.buildings, located.index.tolist(), strict=True):
        counted[zones.codes[index]] += building.dwellings
    for zone in town.zones:
        # Rounding to 1e-7 degree may carry a building over a border, never many.
        assert counted[zone.code] == pytest.approx(zone.figures.values["logements"], abs=5)
    total = sum(zone.figures.values["logements"] for zone in town.zones)
    assert sum(counted.values()) == total


def test_buildings_have_a_heavy_tail_and_the_old_port_is_dense(town):
    sizes = np.array([building.dwellings for building in town.buildings])
    assert sizes.min() == 1
    assert sizes.max() > 100 > 10 * np.median(sizes)
    density = {}
    for zone in town.zones:
        quarter = zone.code[5:7]
        homes, area = density.get(quarter, (0, 0.0))
        density[quarter] = (homes + zone.figures.values["logements"], area + zone.geometry.area)
    old_port, hill = (homes / area for homes, area in (density["01"], density["04"]))
    assert old_port > 20 * hill
    assert 0.17 < density["01"][0] / sum(homes for homes, _ in density.values()) < 0.27


def test_people_hang_together(town):
    buildings = {building.id for building in town.buildings}
    households = {household.id for household in town.households}
    members = {member.id for member in town.members}
    residences = Counter(building.residence_id for building in town.buildings)
    assert {household.building_id for household in town.households} <= buildings
    assert {member.household_id for member in town.members} == households
    assert {residence.id for residence in town.residences} == set(residences) - {None}
    assert all(residences[residence.id] > 1 for residence in town.residences)
    assert {member.level for member in town.members} == {0, 1, 2, 3, 4}
    dwellings = sum(building.dwellings for building in town.buildings)
    assert len(households) == pytest.approx(0.05 * dwellings, rel=0.1)
    assert {block.member_id for block in town.blocks} <= members
    owners = {listing.id: listing.owner_id for listing in town.listings}
    pairs = [(one.member_id, one.listing_id) for one in town.endorsements]
    assert len(set(pairs)) == len(pairs)
    assert all(member != owners[listing] for member, listing in pairs)


def test_listings_are_of_all_kinds_and_lively_at_the_instant(town):
    assert {listing.kind for listing in town.listings} == set(Kind)
    assert {listing.kind for listing in town.listings if listing.personal} == PERSON_KINDS
    neighbours = [one.owner_id for one in town.listings if one.kind is Kind.NEIGHBOUR]
    assert len(set(neighbours)) == len(neighbours)
    events = [one for one in town.listings if one.kind is Kind.EVENT]
    assert any(one.starts_at <= NOW < one.event_end for one in events)
    assert any(NOW < one.starts_at < NOW + timedelta(days=2) for one in events)
    coming = [one.starts_at.astimezone(ZoneInfo("Europe/Paris")) for one in events]
    assert all(9 <= start.hour < 21 for start in coming if start > NOW)
    offers = [one for one in town.listings if one.kind is Kind.OFFER]
    running = [one for one in offers if one.valid_from <= NOW < one.valid_to]
    assert 0.7 < len(running) / len(offers) < 1
    around_the_clock = [one for one in running if one.opening_hours == "24/7"]
    points = np.array([(one.lon, one.lat) for one in around_the_clock])
    assert haversine_m(HARBOUR, points).min() < 1_500  # open near the harbour at any hour
    assert any(one.quota is not None and one.quota_used == one.quota for one in offers)


def test_no_shop_makes_an_offer_twice(town):
    shops = Counter(
        (one.lon, one.lat, f"{one.title}.") for one in town.listings if one.kind is Kind.MERCHANT
    )
    made = Counter(
        (one.lon, one.lat, one.text, one.title) for one in town.listings if one.kind is Kind.OFFER
    )
    assert made
    assert all(count <= shops[offer[:3]] for offer, count in made.items())


def test_most_that_have_a_door_are_attested_and_nobody_else_is(town):
    doors = [one for one in town.listings if one.kind in ("artisan", "merchant", "place")]
    attested = [one.attested is not None for one in doors if not one.personal]
    assert 0.8 < sum(attested) / len(attested) < 0.95
    others = [one for one in town.listings if one.personal or one.kind in ("offer", "event")]
    assert {one.attested for one in others} == {None}


def test_some_artisans_are_recommended_by_many_and_some_by_nobody(town):
    count = Counter(one.listing_id for one in town.endorsements)
    artisans = [count[one.id] for one in town.listings if one.kind is Kind.ARTISAN]
    assert max(artisans) >= 15
    assert 0 in artisans


def test_a_store_keeps_the_town_and_groups_it(town, tmp_path):
    store = open_store(tmp_path / "town.db")
    try:
        store.put(town.tenant)
        store.put_zones(town.zones)
        store.put_all(town.entities())
        store.put_groups(build_groups(store, "default"))
        table = store.listing_table("default")
        assert table.num_rows == len(town.listings)
        personal = table.filter(table["personal"])
        assert personal["owner_group"].null_count == 0
        assert max(table["endorsers"].to_pylist()) >= 8
    finally:
        store.close()


def test_the_member_near_the_harbour_is_verified_and_near(town):
    member = town.member_near(HARBOUR)
    assert member.level >= 3
    (building,) = {
        household.building_id
        for household in town.households
        if household.id == member.household_id
    }
    (point,) = [(b.lon, b.lat) for b in town.buildings if b.id == building]
    assert haversine_m(HARBOUR, np.array([point])).item() < 400
    with pytest.raises(InputError, match="no member of level 3"):
        sample_city(1, NOW, listings=0, adoption=0).member_near(HARBOUR)


def square(code, west, dwellings):
    figures = Figures(census_year=2021, geography_year=2024, values={"logements": dwellings})
    return Zone(
        tenant_id="t",
        code=IrisCode(code),
        vintage=2024,
        name=code,
        type="H",
        commune_code=CommuneCode(code[:5]),
        commune_name="Ville",
        geometry=shapely.box(west, 43.0, west + 0.01, 43.01),
        figures=figures if dwellings else None,
    )


def test_people_are_drawn_over_given_zones_from_their_census():
    zones = [square("130010101", 5.0, 300), square("130010102", 5.1, 0)]
    sample = sample_over_zones(zones, 3, NOW, listings=300, adoption=0.5)
    assert sample.tenant is None
    assert sum(building.dwellings for building in sample.buildings) == 300
    assert all(5.0 <= building.lon <= 5.01 for building in sample.buildings)
    assert all("adresse inventée" in building.address for building in sample.buildings)
    assert len(sample.listings) == 300


def test_over_given_zones_commutes_and_stops_are_where_people_live():
    zones = [square("130010101", 5.0, 900), square("130010102", 5.1, 900)]
    sample = sample_over_zones(zones, 3, NOW, listings=400, adoption=0.5)
    homes = np.array([(building.lon, building.lat) for building in sample.buildings])
    ends = np.array([trip.lonlat[end] for trip in sample.trips for end in (0, -1)])
    assert len(ends) > 200
    stops = [one for one in sample.listings if one.category == "mobility.stop"]
    assert stops
    for places, within_m in ((ends, 1), ([(stop.lon, stop.lat) for stop in stops], 310)):
        assert max(haversine_m(tuple(place), homes).min() for place in places) < within_m


def test_a_sample_without_members_has_public_things_only():
    sample = sample_over_zones([square("130010101", 5.0, 50)], 3, NOW, listings=100, adoption=0)
    assert len(sample.listings) == 100
    assert not any(listing.personal for listing in sample.listings)
    assert sample.endorsements == sample.blocks == ()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sample_city(-1, NOW), "seed and listings must be zero or more"),
        (lambda: sample_city(1, NOW, listings=-1), "seed and listings must be zero or more"),
        (lambda: sample_city(1, NOW, adoption=1.5), "adoption 0 to 1"),
        (lambda: sample_city(1, NOW.replace(tzinfo=None)), "now must have a time zone"),
        (lambda: sample_over_zones([], 1, NOW), "no zones to draw over"),
        (lambda: sample_over_zones([square("130010101", 5.0, 0)], 1, NOW), "no zone has dwellings"),
        (lambda: sample_points(0, 1), "n must be one or more"),
        (lambda: sample_points(10, 1, [square("130010101", 5.0, 0)]), "no zone has dwellings"),
    ],
)
def test_what_can_not_be_drawn_is_refused(call, says):
    with pytest.raises(InputError, match=says):
        call()


# -- points ---------------------------------------------------------------------------------


def test_points_are_the_same_for_a_seed_and_lie_in_the_old_port_by_22_percent():
    one, two, other = (sample_points(20_000, seed).columns for seed in (1, 1, 2))
    for field in one.__dataclass_fields__:
        assert (getattr(one, field) == getattr(two, field)).all()
    assert (one.lonlat != other.lonlat).any()
    # Three standard deviations of the core, less the few that other parts bring along.
    assert 0.19 < (haversine_m((4.6, 42.6054), one.lonlat) < 1_650).mean() < 0.30


def test_points_are_what_an_index_may_hold():
    points = sample_points(50_000, 4)
    columns = points.columns
    at = points.at - EPOCH_S
    shares = np.bincount(columns.kind, minlength=8) / len(columns)
    assert shares[KIND_CODES[Kind.NEIGHBOUR]] == pytest.approx(0.5, abs=0.02)
    assert shares.min() == pytest.approx(0.02, abs=0.005)
    valid = (columns.valid_from <= at) & (at < columns.valid_to)
    assert valid.mean() == pytest.approx(0.71, abs=0.01)
    assert (columns.valid_from < columns.valid_to).all()
    assert not columns.personal[columns.kind == KIND_CODES[Kind.MERCHANT]].any()
    assert columns.personal[columns.kind == KIND_CODES[Kind.NEIGHBOUR]].all()
    assert (columns.owner[columns.personal] >= 0).all()
    assert (columns.hours[columns.personal] == -1).all()
    assert columns.hours.max() < len(points.hours_states)
    assert columns.category.max() < len(points.categories)
    assert set(np.unique(columns.trust)) == {0, 0.25, 0.5, 0.75, 1}
    _, crowd = np.unique(columns.lonlat[columns.personal], axis=0, return_counts=True)
    assert crowd.max() > 100  # many people on one group point


def test_a_viewer_sees_what_is_addressed_to_the_own_wall_district_and_town():
    points = sample_points(20_000, 4)
    rng = np.random.default_rng(0)
    seen = [points.viewer(rng).audiences for _ in range(2_000)]
    assert all(len(set(audiences)) == 4 for audiences in seen)
    used = set(points.columns.audience.tolist())
    assert {0, 1} < used
    assert used & {audiences[2] for audiences in seen}
    assert used & {audiences[3] for audiences in seen}


def test_a_category_asked_for_is_marked_in_depths_and_bits():
    points = sample_points(100, 4)
    depths, bits = points.category_depths(np.random.default_rng(1))
    assert depths.shape == (len(points.categories),)
    tops = {
        word.split(".")[0]
        for word, depth in zip(points.categories, depths.tolist(), strict=True)
        if depth == 2
    }
    assert len(tops) == 1
    assert all(bits >> (number & 63) & 1 for number in np.flatnonzero(depths).tolist())


def test_points_over_zones_follow_their_dwellings():
    zones = [square("130010101", 5.0, 900), square("130010102", 5.1, 100)]
    columns = sample_points(20_000, 1, zones).columns
    public = ~columns.personal
    west = columns.lonlat[public, 0] < 5.05
    assert west.mean() == pytest.approx(0.9, abs=0.03)
    assert (columns.zones[public] == np.where(west, 0, 1)).all()


@pytest.mark.skipif(not DATA.exists(), reason="the real zones are not beside the project")
def test_marseille_is_peopled_from_its_census():
    features = json.loads((DATA / "iris_zones_2020.geojson").read_text())["features"]
    zones = [
        replace(
            square(feature["properties"]["code_iris"], 5.0, 700),
            geometry=shapely.geometry.shape(feature["geometry"]),
        )
        for feature in features
        if feature["properties"]["commune_code"] == "13055"
    ]
    sample = sample_over_zones(zones, 1, NOW, listings=500, adoption=0.01)
    assert sum(building.dwellings for building in sample.buildings) == 700 * 393
    points = np.array([(building.lon, building.lat) for building in sample.buildings])
    located = ZoneMap([z.code for z in zones], [z.geometry for z in zones]).locate(points)
    assert (located.index >= 0).all()
    assert located.nearest.mean() < 0.001  # rounding alone takes a point out of its zone
