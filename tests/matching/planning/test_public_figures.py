from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely
from districts_oracle import SIDE, SOUTH, WEST, Town, away, grid_zones, little_noise

from matching.districts import Districts
from matching.planning.drawing import draw_counts
from matching.planning.measures import EPSILONS, PUBLIC_CATEGORIES
from matching.planning.outlines import Outlines
from matching.planning.telling import build_release

ZONES = grid_zones()
OUTLINES = Outlines(ZONES)
NOW = datetime(2026, 10, 5, tzinfo=UTC)
WALK_M = {minutes: minutes * 60 * 1.2 / 1.3 for minutes in (5, 10, 15)}


def told(town: Town, epsilon: float = 1.0) -> Districts:
    facts = town.facts()
    with little_noise():
        draws = draw_counts(facts, OUTLINES, epsilons=dict.fromkeys(EPSILONS, epsilon))
    release = build_release(facts, OUTLINES, draws, tenant_id="t", version=1, created_at=NOW)
    return Districts(release, OUTLINES, draws)


def row_of(districts: Districts, code: str, measure: str, category: str) -> dict:
    rows = districts.rows(code).to_pylist()
    return next(row for row in rows if (row["measure"], row["category"]) == (measure, category))


def word_of(row: dict) -> str:
    first = row["category"].split(".")[0]
    return first if first in PUBLIC_CATEGORIES else "autre"


def zone_of(row: dict) -> str | None:
    """The zone that covers a point; None where none does, or one is only near."""
    point = shapely.Point(row["lon"], row["lat"])
    return min((z.code for z in ZONES if z.geometry.covers(point)), default=None)


@pytest.fixture(scope="module")
def town() -> Town:
    town = Town(ZONES, 150, seed=3)
    inner = shapely.box(WEST, SOUTH, WEST + 4 * SIDE, SOUTH + 4 * SIDE)
    # Points outside but near count in the nearest zone: kept out of these comparisons.
    town.rows["buildings"] = [row for row in town.rows["buildings"] if inner.covers(point_of(row))]
    town.rows["listings"] = [
        row for row in town.rows["listings"] if not row["public"] or inner.covers(point_of(row))
    ]
    return town


def point_of(row: dict) -> shapely.Point:
    return shapely.Point(row["lon"], row["lat"])


@pytest.fixture(scope="module")
def districts(town: Town) -> Districts:
    return told(town)


def test_access_is_that_of_every_dwelling_to_every_thing(town: Town, districts: Districts) -> None:
    compared: Counter[int] = Counter()
    for word in ("commerce", "artisan", "lieu", "sortie"):
        things = [
            (row["lat"], row["lon"])
            for row in town.rows["listings"]
            if row["public"] and word_of(row) == word
        ]
        for zone in ZONES:
            homes = [row for row in town.rows["buildings"] if zone_of(row) == zone.code]
            total = sum(row["dwellings"] or 0 for row in homes)
            if not total or zone.type != "H":
                continue
            for minutes, reach in WALK_M.items():
                within = [
                    sum(away((row["lat"], row["lon"]), thing) <= reach for thing in things)
                    for row in homes
                ]
                for wanted, name in ((1, f"access_{minutes}"), (3, f"access_{minutes}_3")):
                    near = sum(
                        row["dwellings"] or 0
                        for row, n in zip(homes, within, strict=True)
                        if n >= wanted
                    )
                    found = row_of(districts, zone.code, name, word)
                    assert found["value"] == pytest.approx(100.0 * near / total)
                    assert (found["status"], found["source"]) == ("ok", "walk-estimate")
                    compared[wanted] += 0 < near < total
    assert compared[1] and compared[3]


def test_access_of_a_town_is_that_of_its_zones_by_their_households(districts: Districts) -> None:
    inside = total = 0.0
    for zone in ZONES:
        households = zone.figures.values["menages"]
        total += households
        inside += households * row_of(districts, zone.code, "access_10", "commerce")["value"] / 100
    town = row_of(districts, "13055", "access_10", "commerce")
    assert town["value"] == pytest.approx(100 * inside / total)
    assert town["denominator"] == pytest.approx(total)


@pytest.mark.parametrize(
    "values, built, status",
    [
        ({"menages": 0.0, "pop": 0.0, "logements": 0.0}, 0, "zero"),
        ({"menages": 0.0, "pop": 0.0, "logements": 0.0}, 40, "unknown"),  # since the census
        ({"menages": 0.0, "pop": 0.0, "logements": 9.0}, 0, "unknown"),  # all of them vacant
    ],
)
def test_access_is_zero_only_where_no_dwelling_is(values, built: int, status: str) -> None:
    zone = ZONES[6]
    assert zone.figures is not None
    zones = [
        replace(zone, figures=replace(zone.figures, values=values)) if one is zone else one
        for one in ZONES
    ]
    town = Town(ZONES, 150, seed=3)
    inside = [row for row in town.rows["buildings"] if row["zone"] == zone.code]
    assert inside
    for row in inside:
        row["dwellings"] = built
    facts, outlines = town.facts(), Outlines(zones)
    draws = draw_counts(facts, outlines)
    release = build_release(facts, outlines, draws, tenant_id="t", version=1, created_at=NOW)
    row = row_of(Districts(release, outlines), zone.code, "access_10", "commerce")
    assert (row["status"], row["value"]) == (status, 0.0 if status == "zero" else None)


def test_a_zone_whose_buildings_nobody_counted_lives_all_over() -> None:
    """One shop in a corner: the share within reach is that of the ground."""
    town = Town(ZONES, 30, seed=1)
    zone = ZONES[0]
    for row in town.rows["buildings"]:
        row["dwellings"] = None
    shop = next(row for row in town.rows["listings"] if row["public"])
    shop |= {"lon": WEST, "lat": SOUTH, "category": "commerce.x", "kind": "merchant"}
    town.rows["listings"] = [shop]
    found = row_of(told(town), zone.code, "access_5", "commerce")["value"]
    grid = np.linspace(0, SIDE, 200)
    near = np.mean(
        [[away((SOUTH + y, WEST + x), (SOUTH, WEST)) <= WALK_M[5] for x in grid] for y in grid]
    )
    assert found == pytest.approx(100 * near, abs=3.0)


def test_businesses_are_counted_exactly_or_not_told(town: Town, districts: Districts) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    owners: dict[tuple[str, str], set[str]] = {}
    for row in town.rows["listings"]:
        if row["public"] and row["kind"] in ("merchant", "artisan") and (code := zone_of(row)):
            for zone in (code, *OUTLINES.parents(code)):
                counts[zone, word_of(row)] += 1
                owners.setdefault((zone, word_of(row)), set()).add(row["owner"])
    seen = Counter()
    for level in ("iris", "quartier", "arrondissement", "commune"):
        for code in districts.codes(level):
            for word in PUBLIC_CATEGORIES:
                row = row_of(districts, code, "businesses", word)
                seen[row["status"]] += 1
                if row["status"] == "ok":
                    assert row["value"] == counts[code, word]
                    assert not 0 < len(owners.get((code, word), ())) < 3
    assert seen["ok"] and seen["merged"]


def test_supply_is_told_where_enough_of_it_is_within_reach() -> None:
    """Everybody minds children: with hardly any noise, the rate is the share of the two steps."""
    town = Town(ZONES, 400, seed=5)
    for row in town.rows["listings"]:
        row |= {"public": False, "category": "garde.enfants", "lon": None, "lat": None}
    districts = told(town, epsilon=50.0)
    rows = [row_of(districts, zone.code, "supply_rate", "garde") for zone in ZONES]
    assert sum(row["status"] == "ok" for row in rows) >= 12
    empty = next(row for row, zone in zip(rows, ZONES, strict=True) if zone.type == "A")
    assert (empty["status"], empty["value"]) == ("unknown", None)
    offering = {row["household"] for row in town.rows["listings"]}
    placed = sum(
        row["household"] in offering and row["zone"] not in (None, ZONES[5].code)
        for row in town.rows["households"]
    )
    given = sum(
        row["value"] / 1000 * row["denominator"] for row in rows if row["value"] is not None
    )
    assert given == pytest.approx(placed, rel=0.05)  # all supply is shared out
    for zone in ZONES:
        gap = row_of(districts, zone.code, "supply_gap", "garde")
        rate = row_of(districts, zone.code, "supply_rate", "garde")
        assert gap["status"] == rate["status"]
    none = row_of(districts, ZONES[0].code, "supply_rate", "couture")
    assert none["status"] == "hidden"
    assert row_of(districts, "13055", "under_median", "couture")["status"] == "hidden"
    assert 0 < row_of(districts, "13055", "under_median", "garde")["value"] < 100


def test_whoever_lives_in_no_zone_is_counted_apart() -> None:
    town = Town(ZONES, 60, seed=2)
    for row in town.rows["households"]:
        row["zone"] = None
    districts = told(town, epsilon=50.0)
    assert districts.release.head["unplaced"] == pytest.approx(60, abs=2)
    assert row_of(districts, "13055", "households", "")["status"] == "hidden"
    assert told(Town(ZONES, 1, seed=2)).release.head["unplaced"] is None
