from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import shapely
from districts_oracle import SIDE, SOUTH, WEST, Town, grid_zones, little_noise
from districts_town import without_noise

from geo import cell_to_text
from indexes import Zone
from indexes.releases import Release
from matching.districts import Districts
from matching.planning.drawing import draw_counts
from matching.planning.measures import EPSILONS, MEASURES
from matching.planning.outlines import Outlines
from matching.planning.telling import build_release

ZONES = grid_zones()
TOWN = Town(ZONES, 900, seed=7)
NOW = datetime(2026, 10, 5, tzinfo=UTC)
COUNTED = {"goal_gap", *(name for one in MEASURES for name in (one.name, one.rate))}

Rows = dict[tuple[str, str, str], dict]


def drawn_over(zones: list[Zone], epsilon: float = 8.0) -> dict[str, pa.Table]:
    """What was counted, as if noise of an ε had been added: the same each time."""
    epsilons = dict.fromkeys(EPSILONS, epsilon)
    with little_noise(), without_noise():
        return draw_counts(TOWN.facts(), Outlines(zones), epsilons=epsilons)


def told_over(zones: list[Zone], draws: dict[str, pa.Table], **more) -> Release:
    given = {"tenant_id": "t", "version": 1, "created_at": NOW} | more
    return build_release(TOWN.facts(), Outlines(zones), draws, **given)


def rows_of(release: Release) -> Rows:
    rows = release.rows.to_pylist()
    return {(row["zone"], row["measure"], row["category"]): row for row in rows}


@pytest.fixture(scope="module")
def added() -> Zone:
    """A zone that is imported after the quarter was drawn: beside the others, in their commune."""
    x, y = WEST + 4 * SIDE, SOUTH
    return replace(ZONES[0], code="132010199", geometry=shapely.box(x, y, x + SIDE, y + SIDE))


@pytest.fixture(scope="module")
def draws() -> dict[str, pa.Table]:
    return drawn_over(ZONES)


@pytest.fixture(scope="module")
def grown(added: Zone, draws: dict[str, pa.Table]) -> Release:
    return told_over([*ZONES, added], draws)


def test_what_a_zone_added_since_is_part_of_is_unknown_and_all_else_stays(
    added: Zone, draws, grown: Release
) -> None:
    """Its households are in the denominators, and in no count."""
    before, after = rows_of(told_over(ZONES, draws)), rows_of(grown)
    outlines = Outlines([*ZONES, added])
    zone, cells, _ = outlines.pieces
    own = cells[zone == outlines.map.codes.index(added.code)]
    above = {added.code, *outlines.parents(added.code), *(cell_to_text(cell) for cell in own)}
    levels = set()
    for (code, measure, category), row in after.items():
        if measure in COUNTED and code in above:
            assert (row["status"], row["value"], row["parent"]) == ("unknown", None, None)
            levels.add(row["level"])
        elif measure in COUNTED:
            was = before[code, measure, category]
            assert (row["value"], row["lower"]) == (was["value"], was["lower"])
            if was["parent"] in above:  # what carried it is unknown now
                assert row["parent"] is None or row["parent"] not in above
            else:
                assert row["status"] == was["status"]
    assert levels == {"iris", "quartier", "arrondissement", "commune", "cell"}


def test_a_polygon_over_a_zone_added_since_is_unknown(added: Zone, draws, grown: Release) -> None:
    districts = Districts(grown, Outlines([*ZONES, added]), draws)
    for polygon, unknown in ((added.geometry.buffer(SIDE), True), (ZONES[9].geometry, False)):
        rows = districts.union(polygon).to_pylist()
        assert {row["status"] == "unknown" for row in rows} == {unknown}


def test_flows_and_supply_around_a_zone_added_since_are_unknown(added: Zone, grown: Release):
    after = rows_of(grown)
    flows = {key: row for key, row in after.items() if key[1] == "flows"}
    for (origin, _, destination), row in flows.items():
        assert (row["status"] == "unknown") == (added.code in (origin, destination))
    near, far = "132010104", "132020401"  # beside it, and in the other corner
    for code, unknown in ((added.code, True), (near, True), (far, False)):
        for measure in ("supply_rate", "supply_gap"):
            status = after[code, measure, "garde"]["status"]
            assert (status == "unknown") == unknown, (code, status)
    for code, unknown in (("13055", True), ("13201", True), ("13202", False)):
        assert (after[code, "under_median", "garde"]["status"] == "unknown") == unknown


def test_no_trend_is_told_between_zones_that_have_grown(added: Zone, draws) -> None:
    """In between, a zone was added: of what it is part of, no two counts are of the same place."""
    after = [*ZONES, added]
    previous = told_over(ZONES, draws)
    now = rows_of(told_over(after, drawn_over(after), previous=previous))
    above = {added.code, *Outlines(after).parents(added.code)}
    for (zone, measure, _), row in now.items():
        if measure == "trend":
            assert (row["status"] == "unknown") == (zone in above)
            assert now[zone, "households", ""]["status"] != "unknown"


def test_a_zone_without_figures_added_since_is_not_told_as_zero(added: Zone, draws) -> None:
    after = rows_of(told_over([*ZONES, replace(added, figures=None)], draws))
    assert after[added.code, "households", ""]["status"] == "unknown"
    # One where nobody can live changes nothing, but is zero itself.
    empty = replace(added.figures, values=dict.fromkeys(added.figures.values, 0.0))
    rows = [
        row | {"zone": added.code, "dwellings": 0} if row["zone"] is None else row
        for row in TOWN.facts().buildings.to_pylist()
    ]
    assert any(row["zone"] == added.code for row in rows)
    after = rows_of(told_over([*ZONES, replace(added, figures=empty)], draws))
    before = rows_of(told_over(ZONES, draws))
    assert after[added.code, "households", ""]["status"] == "zero"
    key = "13055", "penetration", ""
    assert after[key]["value"] == before[key]["value"] is not None


def test_a_merged_rate_names_a_zone_that_tells_the_rate() -> None:
    """One zone of a quartier has no census: the quartier carries counts there, but no rates."""
    zones = [replace(zone, figures=None) if i == 3 else zone for i, zone in enumerate(ZONES)]
    rows = rows_of(told_over(zones, drawn_over(zones, epsilon=0.2)))
    seen = 0
    for (zone, measure, category), row in rows.items():
        if row["status"] == "merged":
            carrier = rows[row["parent"], measure, category]
            assert carrier["status"] == "ok", (zone, measure, category)
            seen += measure in ("penetration", "active_rate", "member_rate", "goal_gap")
    assert seen
    assert rows[zones[0].code[:7], "households", ""]["status"] != "unknown"
    assert rows[zones[0].code[:7], "penetration", ""]["status"] == "unknown"


def test_where_no_dwelling_is_nobody_is_missing_to_the_goal(draws) -> None:
    rows = rows_of(told_over(ZONES, draws))
    empty = ZONES[5].code
    for goal in ("5", "12"):
        row = rows[empty, "goal_gap", goal]
        assert (row["status"], row["value"], row["lower"], row["upper"]) == ("zero", 0.0, 0.0, 0.0)
        for zone in ("13055", ZONES[0].code):
            rate, gap = rows[zone, "penetration", ""], rows[zone, "goal_gap", goal]
            assert gap["status"] == rate["status"]
            if rate["status"] == "ok":
                assert gap["value"] == pytest.approx(rate["value"] - float(goal))
