from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import h3
import numpy as np
import pyarrow as pa
import pytest
import shapely
from districts_oracle import QUARTER, SOUTH, WEST, Town, grid_zones, little_noise

from geo.errors import InputError, NotFoundError
from indexes.district_facts import BUILDING_FACTS
from indexes.releases import RELEASE_SCHEMA, Release, require_release
from matching.districts import COMPANIONS, Districts
from matching.planning.drawing import draw_counts
from matching.planning.measures import DRAWS, EPSILONS, MEASURES, TITLES
from matching.planning.outlines import Outlines
from matching.planning.telling import build_release

ZONES = grid_zones()
OUTLINES = Outlines(ZONES)
TOWN = Town(ZONES, 900, seed=7)
NOW = datetime(2026, 10, 5, tzinfo=UTC)


def release_of(draws, **more) -> Release:
    given = {"tenant_id": "t", "version": 1, "created_at": NOW} | more
    return build_release(TOWN.facts(), OUTLINES, draws, **given)


@pytest.fixture(scope="module")
def draws() -> dict[str, pa.Table]:
    # Little noise, so that some figures are told even in so small a town.
    with little_noise():
        return draw_counts(TOWN.facts(), OUTLINES, epsilons=dict.fromkeys(EPSILONS, 8.0))


@pytest.fixture(scope="module")
def release(draws) -> Release:
    return release_of(draws)


@pytest.fixture(scope="module")
def districts(release, draws) -> Districts:
    return Districts(release, OUTLINES, draws)


def row_of(districts: Districts, code: str, measure: str, category: str = "") -> dict:
    return rows_of(districts, code)[measure, category]


@cache
def rows_of(districts: Districts, code: str) -> dict[tuple[str, str], dict]:
    rows = districts.rows(code).to_pylist()
    found = {(row["measure"], row["category"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def pieces_of(table: pa.Table, code: str) -> list[dict]:
    """Rows of a draw that lie in a zone, by hand."""
    found = []
    for row in table.to_pylist():
        above = (row["zone"], *OUTLINES.parents(row["zone"])) if row["zone"] else ()
        if code in above or code == format(row["cell"], "x"):
            found.append(row)
    return found


def test_a_release_can_be_kept(release: Release) -> None:
    require_release(release)
    assert release.rows.schema.equals(RELEASE_SCHEMA)
    assert (release.id, release.vintage) == ("2026Q3", 2024)


def test_the_same_draws_give_the_same_bytes(release: Release, draws) -> None:
    again = release_of(draws)
    assert again.rows.equals(release.rows)
    assert again.head == release.head


def test_every_figure_is_the_sum_of_its_pieces_thresholded_after(districts, draws) -> None:
    by_name = {draw.name: draw for draw in DRAWS}
    told = hidden = 0
    for level in districts.levels:
        for code in districts.codes(level):
            for measure in MEASURES:
                draw = by_name[measure.draw]
                if level == "cell" and not draw.by_cell:
                    continue
                pieces = pieces_of(draws[draw.name], code)
                for category in draw.categories:
                    row = row_of(districts, code, measure.name, category)
                    names = [f"{p}:{category}" if category else p for p in measure.parts]
                    value = sum(piece[n] for piece in pieces for n in names) / measure.divisor
                    if row["status"] == "ok":
                        told += 1
                        assert row["value"] == pytest.approx(value)
                        assert value >= measure.threshold
                        assert max(0.0, row["lower"]) <= value <= row["upper"]
                    elif row["status"] == "zero":
                        assert row["value"] == 0.0 and not pieces
                    else:
                        hidden += 1
                        assert (row["value"], row["lower"], row["upper"]) == (None, None, None)
    assert told > 50 and hidden > 50


def test_children_that_are_all_told_add_up_to_their_parent(districts: Districts) -> None:
    children = defaultdict(list)
    for code in districts.codes("iris"):
        for parent in OUTLINES.parents(code):
            children[parent].append(row_of(districts, code, "households"))
    complete = 0
    for parent, rows in children.items():
        if all(row["status"] in ("ok", "zero") for row in rows):
            complete += 1
            mine = row_of(districts, parent, "households")
            assert mine["value"] == sum(row["value"] for row in rows)
    assert complete


def test_a_merged_figure_names_the_nearest_zone_that_tells_it(districts: Districts) -> None:
    merged = 0
    for code in districts.codes("iris"):
        for row in districts.rows(code).to_pylist():
            if row["measure"] not in {measure.name for measure in MEASURES}:
                continue
            key = row["measure"], row["category"]
            carriers = [
                parent
                for parent in OUTLINES.parents(code)
                if row_of(districts, parent, *key)["status"] == "ok"
            ]
            if row["status"] == "merged":
                merged += 1
                assert row["parent"] == carriers[0]
            elif row["status"] == "hidden":
                assert not carriers and row["parent"] is None
            else:
                assert row["parent"] is None
    assert merged


def test_zero_is_told_only_where_nobody_can_live(districts: Districts) -> None:
    empty = ZONES[5].code
    for code in districts.codes("iris"):
        status = row_of(districts, code, "households")["status"]
        assert (status == "zero") == (code == empty)
    assert row_of(districts, empty, "penetration")["status"] == "zero"


def test_a_zone_that_was_built_since_the_census_is_not_told_as_zero() -> None:
    code = ZONES[5].code
    for dwellings, zero in ((0, True), (40, False), (None, False)):
        rows = TOWN.facts().buildings.to_pylist()
        for row in rows:
            if row["zone"] == code:
                row["dwellings"] = dwellings
        assert any(row["zone"] == code for row in rows)
        facts = replace(TOWN.facts(), buildings=pa.Table.from_pylist(rows, BUILDING_FACTS))
        draws = draw_counts(facts, OUTLINES)
        release = build_release(facts, OUTLINES, draws, tenant_id="t", version=1, created_at=NOW)
        found = Districts(release, OUTLINES)
        assert (row_of(found, code, "households")["status"] == "zero") == zero
        assert (code in draws["exchange"]["zone"].to_pylist()) == (not zero)


def test_rates_are_held_against_the_census(districts: Districts) -> None:
    for code in districts.codes("commune"):
        count, rate = (row_of(districts, code, name) for name in ("households", "penetration"))
        menages = sum(zone.figures.values["menages"] for zone in ZONES)
        assert count["denominator"] == pytest.approx(menages)
        for name in ("value", "lower", "upper"):
            assert rate[name] == pytest.approx(100.0 * count[name] / menages)
        gap = row_of(districts, code, "goal_gap", "12")
        assert gap["value"] == pytest.approx(rate["value"] - 12.0)
        assert row_of(districts, code, "members")["denominator"] == pytest.approx(
            sum(zone.figures.values["pop"] for zone in ZONES)
        )


def test_cells_share_all_of_the_census_between_them(districts: Districts) -> None:
    table = districts.table("cell", ["households"])
    shared = sum(value or 0.0 for value in table["households_denominator"].to_pylist())
    assert shared == pytest.approx(sum(zone.figures.values["menages"] for zone in ZONES))


def test_a_zone_without_figures_has_unknown_rates(draws) -> None:
    zones = [replace(zone, figures=None) if zone is ZONES[0] else zone for zone in ZONES]
    outlines = Outlines(zones)
    release = build_release(TOWN.facts(), outlines, draws, tenant_id="t", version=1, created_at=NOW)
    found = Districts(release, outlines)
    assert row_of(found, ZONES[0].code, "penetration")["status"] == "unknown"
    assert row_of(found, ZONES[0].code, "households")["status"] != "unknown"
    assert row_of(found, "13055", "penetration")["status"] == "unknown"
    assert row_of(found, "13202", "penetration")["status"] == "ok"


def test_zones_without_any_figures_are_refused(draws) -> None:
    bare = [replace(zone, figures=None) for zone in ZONES]
    with pytest.raises(InputError) as caught:
        build_release(TOWN.facts(), Outlines(bare), draws, tenant_id="t", version=1, created_at=NOW)
    assert caught.value.code == "no-figures"


def test_the_trend_is_told_where_both_quarters_are(release: Release, draws) -> None:
    assert set(
        release.rows.filter(pa.compute.field("measure") == "trend")["status"].to_pylist()
    ) == {"unknown"}
    with little_noise():
        fresh = draw_counts(TOWN.facts(), OUTLINES, epsilons=dict.fromkeys(EPSILONS, 8.0))
    after = Districts(release_of(fresh, previous=release), OUTLINES)
    before = Districts(release, OUTLINES)
    told = empty = 0
    for code in after.codes("iris"):
        old, new, trend = (
            row_of(before, code, "households"),
            row_of(after, code, "households"),
            row_of(after, code, "trend"),
        )
        if old["status"] == new["status"] == "ok":
            told += 1
            assert trend["value"] == new["value"] - old["value"]
            assert trend["denominator"] == old["value"]
        elif old["status"] == new["status"] == "zero":
            assert (trend["status"], trend["value"]) == ("zero", 0.0)
            empty += 1
        else:
            assert trend["value"] is None
    assert told and empty == 1


def test_flows_are_told_between_zones_of_the_coarsest_level_with_eight(districts, draws) -> None:
    assert districts.release.head["flows_level"] == "iris"  # four quartiers are too few
    pairs = {(row["zone"], row["to"]): row["flows"] for row in draws["flows"].to_pylist()}
    flows = districts.flows().to_pylist()
    assert len(flows) == len(pairs) == 16 * 16
    for row in flows:
        if row["status"] == "ok":
            assert row["value"] == pairs[row["from"], row["to"]] >= 6
        else:
            assert row["value"] is None


def test_the_head_states_epsilon_thresholds_and_what_stays_visible(release: Release) -> None:
    head = release.head
    assert head["epsilon"] == dict.fromkeys(EPSILONS, 8.0) | {"total": 48.0}
    assert head["thresholds"]["households"] == 11
    shares = head["visible"]["households"]
    table = Districts(release, OUTLINES).table("iris", ["households"])
    status = np.array(table["households_status"].to_pylist())
    assert shares["iris"] == pytest.approx(np.mean(status[status != "zero"] == "ok"), abs=1e-4)
    assert {row["fr"] and row["en"] for row in head["rules"]}


def test_every_measure_has_a_title(release: Release) -> None:
    assert set(release.rows["measure"].to_pylist()) <= set(TITLES)


def test_a_table_has_a_row_per_zone_and_columns_per_measure(districts: Districts) -> None:
    table = districts.table("iris", ["households", "listings"])
    assert table["code"].to_pylist() == list(districts.codes("iris"))
    assert table["type"].to_pylist() == [zone.type for zone in sorted(ZONES, key=lambda z: z.code)]
    assert set(table["commune"].to_pylist()) == {"13055"}
    for row in table.to_pylist():
        own = row_of(districts, row["code"], "listings", "garde")
        assert row["listings__garde"] == own["value"]
        for companion in COMPANIONS:
            assert row[f"listings__garde_{companion}"] == own[companion]
    assert len(districts.table("cell")) == len(districts.codes("cell"))


def test_names_that_are_not_there_are_not_found(districts: Districts) -> None:
    for code, call in (
        ("unknown-zone", lambda: districts.rows("999999999")),
        ("unknown-zone", lambda: districts.outline("999999999")),
        ("unknown-level", lambda: districts.codes("region")),
        ("unknown-level", lambda: districts.table("region")),
        ("unknown-measure", lambda: districts.table("iris", ["wealth"])),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.code == code


def test_outlines_of_a_level_are_those_of_its_zones(districts: Districts) -> None:
    for level in districts.levels:
        shapes = districts.outlines(level)
        assert len(shapes) == len(districts.codes(level))
        for code, shape in list(zip(districts.codes(level), shapes, strict=True))[:5]:
            assert districts.outline(code).equals(shape)
    town = shapely.union_all([zone.geometry for zone in ZONES])
    assert districts.outline("13055").symmetric_difference(town).area < 1e-12


def test_a_polygon_is_the_union_of_the_cells_whose_centre_lies_inside(districts, draws) -> None:
    polygon = shapely.Point(WEST + 0.014, SOUTH + 0.014).buffer(0.011)
    inside = [
        code for code in districts.codes("cell") if polygon.contains(shapely.Point(*_centre(code)))
    ]
    assert 2 <= len(inside) < len(districts.codes("cell"))
    value = sum(
        row["households"] for code in inside for row in pieces_of(draws["households"], code)
    )
    rows = districts.union(polygon)
    assert rows.schema.equals(RELEASE_SCHEMA)
    (found,) = [row for row in rows.to_pylist() if row["measure"] == "households"]
    assert (found["status"], found["value"]) == ("ok", value)


def _centre(code: str) -> tuple[float, float]:
    lat, lon = h3.cell_to_latlng(code)
    return lon, lat


@pytest.mark.parametrize(
    "polygon, code",
    [
        (shapely.Polygon([(5.3, 43.2), (5.4, 43.3), (5.4, 43.2), (5.3, 43.3)]), "invalid-polygon"),
        (shapely.box(-179.0, 43.0, 179.0, 44.0), "invalid-polygon"),
        (shapely.Point(5.3, 43.2).buffer(0.1, quad_segs=3_000), "invalid-polygon"),
        (shapely.Point(5.3, 43.2), "invalid-polygon"),
        (shapely.Polygon(), "invalid-polygon"),
        (shapely.box(2.0, 48.0, 2.1, 48.1), "no-cell-inside"),
    ],
)
def test_a_polygon_that_can_not_be_answered_says_why(districts, polygon, code) -> None:
    with pytest.raises(InputError) as caught:
        districts.union(polygon)
    assert caught.value.code == code


def test_a_polygon_over_zones_added_since_is_of_the_cells_that_were_told(draws) -> None:
    some = Outlines(ZONES[:8])
    facts = TOWN.facts()
    kept = draw_counts(facts, some)
    release = build_release(facts, some, kept, tenant_id="t", version=1, created_at=NOW)
    before, after = Districts(release, some, kept), Districts(release, OUTLINES, kept)
    everywhere = shapely.box(5.0, 43.0, 6.0, 44.0)
    assert after.union(everywhere).equals(before.union(everywhere))
    new = max(set(OUTLINES.codes("cell")) - set(before.codes("cell")))
    with pytest.raises(InputError) as caught:
        after.union(shapely.Point(*_centre(new)).buffer(1e-4))
    assert caught.value.code == "no-cell-inside"


def test_outlines_of_another_vintage_are_refused(release: Release) -> None:
    other = [replace(zone, vintage=2020) for zone in ZONES]
    with pytest.raises(InputError, match="2020"):
        Districts(release, Outlines(other))


@pytest.mark.parametrize(
    "epsilons, told",
    [
        ({"households": 1.0}, "must be given for"),
        (EPSILONS | {"members": 0.0}, "ε of members"),
        (EPSILONS | {"members": 0.0009}, "ε of members"),
        (EPSILONS | {"members": 1.01}, "ε of members"),
        (EPSILONS | {"members": float("nan")}, "ε of members"),
        (dict.fromkeys(EPSILONS, 0.34), "together"),
    ],
)
def test_epsilons_that_protect_nobody_or_tell_nothing_are_refused(
    epsilons, told, monkeypatch
) -> None:
    monkeypatch.setattr("matching.planning.drawing.noisy_counts", None)  # nothing is drawn
    with pytest.raises(InputError, match=told):
        draw_counts(TOWN.facts(), OUTLINES, epsilons=epsilons)


def test_epsilons_at_their_limits_are_taken() -> None:
    assert draw_counts(TOWN.facts(), OUTLINES, epsilons=dict.fromkeys(EPSILONS, 1 / 3))
    assert draw_counts(TOWN.facts(), OUTLINES, epsilons=dict.fromkeys(EPSILONS, 1e-3))


def test_what_was_drawn_is_not_drawn_again(draws) -> None:
    assert draw_counts(TOWN.facts(), OUTLINES, draws) == {}
    kept = {name: table for name, table in draws.items() if name != "members"}
    assert list(draw_counts(TOWN.facts(), OUTLINES, kept)) == ["members"]


def test_the_quarter_is_that_of_the_facts(release: Release) -> None:
    assert release.id == str(QUARTER)
    assert set(release.rows["release"].to_pylist()) == {"2026Q3"}
