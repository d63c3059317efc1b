import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from districts_oracle import QUARTER, SIDE, SOUTH, WEST, Town, cell8, grid_zones

from geo.errors import ConflictError, InputError, NotFoundError
from indexes import Building, Figures, Household, Member, Tenant, Zone, open_store
from indexes.district_facts import HOUSEHOLD_FACTS, Facts
from indexes.releases import digest, table_from_bytes, table_to_bytes
from indexes.store import Store
from matching.planning.drawing import draw_counts
from matching.planning.measures import EPSILONS
from matching.planning.outlines import Outlines
from matching.planning.releasing import load_districts, release_quarter, staff_table
from matching.planning.settings import change_settings
from matching.planning.telling import build_release

NOW = datetime(2026, 10, 5, 9, 30, 1, 250_000, tzinfo=UTC)
ZONES = grid_zones()


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    store = open_store(tmp_path / "town.db")
    store.put(Tenant(tenant_id="t", id="t", name="Ville"))
    store.put_zones(ZONES)
    yield store
    store.close()


def test_a_release_is_kept_and_read_again_to_the_byte(store: Store) -> None:
    made = release_quarter(store, "t", QUARTER, created_at=NOW)
    assert (made.id, made.version, made.created_at) == ("2026Q3", 1, NOW.replace(microsecond=0))
    later = release_quarter(store, "t", QUARTER, created_at=NOW + timedelta(days=9))
    assert later.created_at == made.created_at
    assert table_to_bytes(later.rows) == table_to_bytes(made.rows)
    assert later.head == made.head
    districts = load_districts(store, "t")
    assert districts.release.version == 1
    assert districts.union(shapely.box(5.2, 43.1, 5.5, 43.4)).num_rows


def test_bytes_are_the_same_however_rows_are_chunked(store: Store, monkeypatch) -> None:
    rows = release_quarter(store, "t", QUARTER, created_at=NOW).rows
    cut = pa.concat_tables([rows.slice(0, 7), rows.slice(7, 1_000), rows.slice(1_007)])
    for batch in (1_000_000, 300):
        monkeypatch.setattr("indexes.releases.BATCH", batch)
        data = table_to_bytes(rows)
        assert table_to_bytes(cut) == data
        assert table_to_bytes(table_from_bytes(data, digest(data))) == data


def test_a_correction_is_a_version_with_the_same_draws_and_other_goals(store: Store) -> None:
    first = release_quarter(store, "t", QUARTER, created_at=NOW)
    second = release_quarter(store, "t", QUARTER, created_at=NOW, correct=True, goals=[0.2])
    assert second.version == 2
    assert second.head["goals"] == [0.2]
    assert [head.version for head in store.releases("t")] == [2, 1]
    counted = [
        one.rows.filter(pa.compute.field("measure") != "goal_gap") for one in (first, second)
    ]
    assert counted[0].equals(counted[1])
    assert load_districts(store, "t", "2026Q3", 1).release.head["goals"] == [0.05, 0.12]


def test_epsilon_of_what_was_drawn_stays_whatever_is_configured_later(
    store: Store,
) -> None:
    release_quarter(store, "t", QUARTER, created_at=NOW)
    change_settings(store, "t", goals=[0.3], epsilons=dict.fromkeys(EPSILONS, 0.3))
    again = release_quarter(store, "t", QUARTER, created_at=NOW, correct=True)
    assert again.head["epsilon"] == dict(EPSILONS) | {"total": 1.0}
    assert again.head["goals"] == [0.05, 0.12]
    earlier = release_quarter(store, "t", QUARTER.previous, created_at=NOW)
    assert earlier.head["epsilon"]["members"] == 0.3 and earlier.head["goals"] == [0.3]


def test_all_epsilon_of_a_quarter_drawn_in_two_goes_stays_within_the_bound(store: Store) -> None:
    before = dict.fromkeys(EPSILONS, 0.1) | {"households": 1.0}
    drawn = draw_counts(store.facts("t", QUARTER), Outlines(ZONES), epsilons=before)
    store.add_draws("t", "2026Q3", {"households": drawn["households"]})  # and then it was stopped
    change_settings(store, "t", epsilons=dict.fromkeys(EPSILONS, 0.1) | {"members": 1.0})
    change_settings(store, "t", epsilons={"active": 0.4})
    with pytest.raises(InputError, match="all ε together"):
        release_quarter(store, "t", QUARTER, created_at=NOW)
    assert store.draws("t", "2026Q3", "members") is None
    change_settings(store, "t", epsilons=dict.fromkeys(EPSILONS, 0.1))
    told = release_quarter(store, "t", QUARTER, created_at=NOW).head["epsilon"]
    assert (told["households"], told["members"]) == (1.0, 0.1)
    assert told["total"] == pytest.approx(1.0 + 0.1 * (len(EPSILONS) - 1))


def test_a_quarter_whose_activity_is_forgotten_is_not_drawn(store: Store) -> None:
    late = NOW + timedelta(days=365 + 180)
    with pytest.raises(InputError) as caught:
        release_quarter(store, "t", QUARTER, created_at=late)
    assert caught.value.code == "quarter-too-old"
    assert store.draws("t", "2026Q3", "households") is None
    release_quarter(store, "t", QUARTER, created_at=NOW)
    assert release_quarter(store, "t", QUARTER, created_at=late, correct=True).version == 2


def test_of_two_that_draw_at_once_the_first_counts(store: Store, monkeypatch) -> None:
    """Another process draws between our looking and our keeping."""
    kept = store.add_draws
    others = draw_counts(store.facts("t", QUARTER), Outlines(ZONES))

    def beaten(tenant_id: str, quarter: str, tables: Mapping[str, pa.Table]) -> None:
        kept(tenant_id, quarter, others)
        kept(tenant_id, quarter, tables)  # raises ConflictError

    with pytest.raises(ConflictError):
        beaten("t", "2026Q2", draw_counts(store.facts("t", QUARTER), Outlines(ZONES)))
    monkeypatch.setattr(store, "add_draws", beaten)
    with pytest.raises(ConflictError) as refused:  # the others' ε is spent
        release_quarter(store, "t", QUARTER, created_at=NOW, epsilons={"carpool": 1.0})
    assert refused.value.code == "already-drawn" and not store.releases("t")
    made = release_quarter(store, "t", QUARTER, created_at=NOW)
    theirs = build_release(
        store.facts("t", QUARTER), Outlines(ZONES), others, tenant_id="t", version=1, created_at=NOW
    )
    assert made.rows.equals(theirs.rows)


def test_a_quarter_that_is_not_over_is_refused_and_nothing_is_drawn(store: Store) -> None:
    midnight = datetime(2026, 9, 30, 22, tzinfo=UTC)  # of 1 October, in Paris
    settled = midnight + timedelta(hours=48)  # for replies to requests of the last hour
    for early in (midnight - timedelta(seconds=1), midnight, settled - timedelta(seconds=1)):
        with pytest.raises(InputError) as caught:
            release_quarter(store, "t", QUARTER, created_at=early)
        assert caught.value.code == "quarter-not-over"
    assert store.draws("t", "2026Q3", "households") is None
    assert release_quarter(store, "t", QUARTER, created_at=settled).version == 1


def test_nothing_is_released_of_a_town_without_zones_or_that_is_unknown(store: Store) -> None:
    store.put(Tenant(tenant_id="u", id="u", name="Bourg"))
    with pytest.raises(InputError) as caught:
        release_quarter(store, "u", QUARTER, created_at=NOW)
    assert caught.value.code == "no-zones"
    for call in (
        lambda: release_quarter(store, "nobody", QUARTER, created_at=NOW),
        lambda: load_districts(store, "t"),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_nothing_is_drawn_where_zones_have_no_figures(store: Store) -> None:
    store.put_zones([replace(zone, figures=None, vintage=2025) for zone in ZONES])
    with pytest.raises(InputError) as caught:
        release_quarter(store, "t", QUARTER, created_at=NOW)
    assert caught.value.code == "no-figures"
    assert store.draws("t", "2026Q3", "households") is None


@pytest.mark.parametrize("goal", [0.0, -0.1, 1.5, float("nan")])
def test_a_goal_is_a_share_of_households(store: Store, goal: float) -> None:
    with pytest.raises(InputError, match="goal"):
        release_quarter(store, "t", QUARTER, created_at=NOW, goals=[goal])
    assert store.draws("t", "2026Q3", "households") is None


def merged_zones(vintage: int) -> list[Zone]:
    """Two by two zones, each four of `ZONES`."""
    coarse = []
    for i, zone in enumerate(grid_zones(2, empty=())):
        own = [ZONES[4 * (2 * (i // 2) + y) + 2 * (i % 2) + x] for y in (0, 1) for x in (0, 1)]
        geometry = shapely.union_all([part.geometry for part in own])
        coarse.append(replace(zone, vintage=vintage, geometry=geometry))
    return coarse


def test_a_quarter_is_told_by_zones_of_another_vintage_from_the_same_draws(store: Store) -> None:
    """Nothing else changes, and the zones of before are told once more beside them."""
    release_quarter(store, "t", QUARTER, created_at=NOW)
    store.put_zones(merged_zones(2025))
    told = release_quarter(store, "t", QUARTER, created_at=NOW, correct=True)
    assert (told.version, told.vintage, told.head["drawn_in"]) == (2, 2025, [2024])
    back = store.release("t", "2026Q3", 3)
    assert (back.vintage, back.head["drawn_in"]) == (2024, [2024])
    assert back.rows.equals(store.release("t", "2026Q3", 1).rows)
    again = release_quarter(store, "t", QUARTER, created_at=NOW, correct=True, vintage=2024)
    assert again.version == 4 and again.rows.equals(back.rows)
    assert [head.version for head in store.releases("t")] == [4, 3, 2, 1]
    town = [
        sum(row["households"] for row in store.draws("t", "2026Q3", "households").to_pylist()[:-1]),
        told.rows.filter(
            (pa.compute.field("zone") == "13055") & (pa.compute.field("measure") == "households")
        ).to_pylist()[0]["value"],
    ]
    assert town[1] is None or town[1] == pytest.approx(town[0])
    with pytest.raises(NotFoundError) as caught:
        release_quarter(store, "t", QUARTER, created_at=NOW, correct=True, vintage=1999)
    assert caught.value.code == "unknown-vintage"


def test_a_release_is_read_over_the_zones_of_either_vintage(store: Store) -> None:
    store.put_zones(merged_zones(2020))
    store.put_zones([replace(zone, vintage=2015, figures=None) for zone in ZONES])
    made = release_quarter(store, "t", QUARTER, created_at=NOW)
    assert (made.version, made.vintage) == (1, 2024)
    chosen = [load_districts(store, "t", vintage=year) for year in (None, 2024, 2020)]
    assert [one.release.vintage for one in chosen] == [2024, 2024, 2020]
    assert [len(one.codes("iris")) for one in chosen] == [16, 16, 4]
    assert chosen[2].release.head["epsilon"] == made.head["epsilon"]
    # Zones of the same code are no longer the same ground: nobody counted who goes between them.
    flows = [one.flows()["status"].to_pylist() for one in chosen[1:]]
    assert "unknown" not in flows[0] and set(flows[1]) == {"unknown"}
    asked = {"created_at": NOW, "vintage": 2020}
    assert release_quarter(store, "t", QUARTER, **asked).rows.equals(chosen[2].release.rows)
    for id, version, vintage, code in (
        (None, None, 1999, "unknown-vintage"),
        (None, None, 2015, "unknown-vintage"),  # without census figures
        ("2026Q3", 1, 2020, "unknown-vintage"),
        ("2026Q2", None, 2020, "unknown-release"),
        (None, 3, None, "unknown-release"),
    ):
        with pytest.raises(NotFoundError) as caught:
            load_districts(store, "t", id, version, vintage)
        assert caught.value.code == code
    with pytest.raises(InputError) as refused:
        release_quarter(store, "t", QUARTER, correct=True, created_at=NOW, vintage=2015)
    assert refused.value.code == "no-figures"


def test_nothing_is_drawn_with_an_epsilon_that_protects_nobody(store: Store) -> None:
    for epsilons in (dict.fromkeys(EPSILONS, 9.0), dict(EPSILONS) | {"exchange": 1e-9}):
        with pytest.raises(InputError, match="ε"):
            release_quarter(store, "t", QUARTER, created_at=NOW, epsilons=epsilons)
    assert store.draws("t", "2026Q3", "households") is None and not store.releases("t")


def test_a_trend_is_to_the_newest_version_over_the_same_zones(store: Store) -> None:
    spring = QUARTER.previous
    release_quarter(store, "t", spring, created_at=NOW)
    store.put_zones([replace(zone, vintage=2020) for zone in ZONES])
    old = release_quarter(store, "t", spring, created_at=NOW, vintage=2020, correct=True)
    assert (old.version, old.vintage) == (2, 2020)
    made = release_quarter(store, "t", QUARTER, created_at=NOW)
    trend = made.rows.filter(pa.compute.field("measure") == "trend").to_pylist()
    statuses = {row["status"] for row in trend}
    assert made.vintage == 2024 and "unknown" not in statuses
    empty = next(row for row in trend if row["zone"] == ZONES[5].code)
    assert (empty["status"], empty["value"]) == ("zero", 0.0)


def test_what_differs_from_what_is_kept_is_refused_and_not_ignored(store: Store) -> None:
    kept = release_quarter(store, "t", QUARTER, created_at=NOW)
    same = {"epsilons": EPSILONS, "goals": (0.12, 0.05), "vintage": 2024}
    assert release_quarter(store, "t", QUARTER, created_at=NOW, **same).rows.equals(kept.rows)
    more = {"epsilons": dict(EPSILONS) | {"members": 0.3}}
    for asked, code in (
        ({"goals": (0.2,)}, "release-exists"),
        ({"vintage": 2020}, "release-exists"),
        (more, "already-drawn"),
        (more | {"correct": True}, "already-drawn"),
    ):
        with pytest.raises(ConflictError) as caught:
            release_quarter(store, "t", QUARTER, created_at=NOW, **asked)
        assert caught.value.code == code
    assert [head.version for head in store.releases("t")] == [1]


def test_goals_that_read_alike_are_refused_before_anything_is_drawn(store: Store) -> None:
    for goals in ([0.05, 0.05], [0.05, 0.050000001]):
        with pytest.raises(InputError, match="differently"):
            release_quarter(store, "t", QUARTER, created_at=NOW, goals=goals)
    assert store.draws("t", "2026Q3", "households") is None


def settle(store: Store, households: int) -> None:
    """So many in the first zone."""
    lon, lat = WEST + SIDE / 2, SOUTH + SIDE / 2
    store.put(Building(tenant_id="t", id="b", lon=lon, lat=lat, dwellings=50))
    joined = datetime(2026, 8, 1, tzinfo=UTC)
    for i in range(households):
        id = f"h{i}"
        store.put(Household(tenant_id="t", id=id, building_id="b"))
        store.put(Member(tenant_id="t", id=id, household_id=id, created_at=joined))


def test_an_exact_table_stays_what_it_was_when_it_was_first_asked_for(store: Store) -> None:
    with pytest.raises(NotFoundError):
        staff_table(store, "t", QUARTER)
    settle(store, 20)
    release_quarter(store, "t", QUARTER, created_at=NOW)
    with pytest.raises(InputError) as refused:
        staff_table(store, "t", QUARTER, "drogue")
    assert refused.value.code == "unknown-category"
    first = staff_table(store, "t", QUARTER)
    assert dict(zip(first.zone, first.value, strict=True))[ZONES[0].code] == 20
    store.delete(Member, "t", "h3")
    moved = shapely.box(WEST, SOUTH, WEST + 4 * SIDE, SOUTH + 4 * SIDE)
    store.put_zones([replace(ZONES[0], vintage=2025, geometry=moved)])
    again = staff_table(store, "t", QUARTER)
    assert (again.level, again.zone) == (first.level, first.zone)
    np.testing.assert_array_equal(again.value, first.value)
    # By category nobody has asked yet: what would be counted now is no longer of the release.
    with pytest.raises(ConflictError) as caught:
        staff_table(store, "t", QUARTER, "garde")
    assert caught.value.code == "vintage-changed"


def test_of_two_exact_tables_made_at_once_the_first_counts(store: Store, monkeypatch) -> None:
    settle(store, 20)
    release_quarter(store, "t", QUARTER, created_at=NOW)
    kept = store.add_draws

    def beaten(tenant_id: str, quarter: str, tables: Mapping[str, pa.Table]) -> None:
        kept(tenant_id, quarter, {name: table.slice(0, 3) for name, table in tables.items()})
        kept(tenant_id, quarter, tables)  # raises ConflictError

    monkeypatch.setattr(store, "add_draws", beaten)
    assert len(staff_table(store, "t", QUARTER).zone) == 3


DATA = Path("../shared/data")


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data: Marseille's real zones")
def test_at_five_percent_nine_in_ten_inhabited_iris_of_marseille_are_visible() -> None:
    with (DATA / "iris_figures_rp2021.csv").open() as file:
        figures = {row["code_iris"]: row for row in csv.DictReader(file)}
    zones = [
        Zone(
            tenant_id="m", code=row["code_iris"], vintage=2020, name=row["nom_iris"],
            type=row["typ_iris"], commune_code=row["insee_com"], commune_name=row["nom_com"],
            geometry=shapely.from_wkb(row["geometry"]),
            figures=Figures(
                census_year=2021, geography_year=2024,
                values={
                    name: float(figures[row["code_iris"]][name])
                    for name in ("menages", "pop", "logements")
                },
            ),
        )
        for row in pq.read_table(DATA / "iris_zones_2020.parquet").to_pylist()
        if row["town"] == "marseille"
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    codes, cells = [], []
    for zone in zones:
        n = rng.binomial(int(zone.figures.values["menages"]), 0.05)
        inside = shapely.point_on_surface(zone.geometry)
        codes += [zone.code] * n
        cells += [cell8(inside.x, inside.y)] * n
    ones = np.ones(len(codes), dtype=np.int32)
    ids = [f"h{i}" for i in range(len(codes))]
    nothing = Town(zones, 1, 0).facts()
    facts = Facts(
        QUARTER,
        pa.table(
            [ids, ids, codes, pa.array(cells, pa.uint64()), ones, ones], schema=HOUSEHOLD_FACTS
        ),
        *(
            table.slice(0, 0)
            for table in (nothing.buildings, nothing.listings, nothing.requests, nothing.trips)
        ),
    )
    outlines = Outlines(zones)
    release = build_release(
        facts, outlines, draw_counts(facts, outlines), tenant_id="m", version=1, created_at=NOW
    )
    assert release.head["epsilon"]["households"] == 0.25
    shares = release.head["visible"]["households"]
    assert shares["iris_h"] >= 0.90
    assert shares["arrondissement"] == shares["commune"] == 1.0
