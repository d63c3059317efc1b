"""Districts, held whole against every store: activity, facts, settings, releases and draws."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from facts_oracle import World, bags
from sqlalchemy import create_engine, make_url, text
from store_records import MEMBERS, TENANT, TOWN

from geo.errors import ConflictError, InputError, MitoyenError, NotFoundError, StoreError
from indexes.copying import copy_store, restore
from indexes.district_facts import ActivityWeek, Quarter
from indexes.entities import Household, Member, Tenant
from indexes.migrations import migrate
from indexes.releases import RELEASE_SCHEMA, DistrictSettings, Release
from indexes.sqlite import APPLICATION_ID
from indexes.store import Store, open_store

Q3 = Quarter(2026, 3)
DRAWN = pa.table({"piece": ["a", "b"], "count": pa.array([3, -1], pa.int64())})


def made_release(version: int = 1, id: str = "2026Q3", value: float | None = 12.0) -> Release:
    rows = [
        {
            "zone": zone, "level": level, "measure": "registered", "category": "",
            "value": value, "lower": None, "upper": 20.0, "status": "ok", "parent": None,
            "denominator": 300.5, "source": "census", "vintage": 2020, "release": id,
        }
        for level, zone in (("commune", "13055"), ("iris", "132010101"), ("iris", "132010102"))
    ]  # fmt: skip
    return Release(
        tenant_id="t",
        id=id,
        version=version,
        created_at=datetime(2026, 10, 2, 8, 30, tzinfo=UTC),
        vintage=2020,
        head={"epsilon": {"adoption": 0.25, "all": 1.0}, "title": "Quartiers é", "flags": []},
        rows=pa.Table.from_pylist(rows, RELEASE_SCHEMA),
    )


def with_first(rows: pa.Table, name: str, value: str) -> pa.Table:
    first, *others = rows.to_pylist()
    return pa.Table.from_pylist([{**first, name: value}, *others], RELEASE_SCHEMA)


def told(release: Release) -> tuple[Any, ...]:
    return (
        *(release.tenant_id, release.id, release.version, release.created_at, release.vintage),
        *(release.head, release.rows.to_pylist()),
    )


# Activity.


def weeks_of(store: Store, quarter: Quarter = Q3) -> dict[str, int]:
    rows = store.facts("t", quarter).households.to_pylist()
    return {row["household"]: row["weeks"] for row in rows if row["weeks"]}


def test_a_week_of_a_household_counts_once_however_often_it_is_noted(town: Store) -> None:
    for household, week in (("h1", "2026-W27"), ("h1", "2026-W39"), ("h2", "2026-W30")) * 3:
        town.note_activity("t", household, week)
    assert weeks_of(town, Quarter(2026, 4)) == {}
    town.put_all(replace(one, created_at=datetime(2026, 1, 1, tzinfo=UTC)) for one in MEMBERS)
    assert weeks_of(town) == {"h1": 2, "h2": 1}
    assert weeks_of(town, Quarter(2026, 2)) == {}


def test_no_household_is_active_in_more_than_thirteen_weeks_of_a_quarter(town: Store) -> None:
    town.put_all(replace(one, created_at=datetime(2026, 1, 1, tzinfo=UTC)) for one in MEMBERS)
    mine = {"tenant_id": "t", "household_id": "h1"}
    town.put_activity(ActivityWeek(**mine, week=f"2026-W{week:02}") for week in range(1, 54))
    for number in range(1, 5):
        assert weeks_of(town, Quarter(2026, number)) == {"h1": 13}
    assert weeks_of(town, Quarter(2027, 1)) == {}


def test_activity_leaves_no_trace_but_its_week(town: Store, dsn: str) -> None:
    before = town.position(settled=False)
    town.note_activity("t", "h1", "2026-W34")
    assert town.position(settled=False) == before
    url = make_url(dsn) if "://" in dsn else make_url(f"sqlite:///{dsn}")
    engine = create_engine(url.set(drivername="postgresql+psycopg") if "://" in dsn else url)
    with engine.connect() as db:
        rows = db.execute(text("SELECT * FROM activity_weeks")).mappings().all()
    engine.dispose()
    assert [dict(row) for row in rows] == [
        {"tenant_id": "t", "week": "2026-W34", "household_id": "h1"}
    ]


def test_what_is_no_week_is_refused(town: Store) -> None:
    for week in ("2026-34", "2026-W54", "2025-W53", "2026-W00", "", "2026-W3٤", "2026-W34 "):
        with pytest.raises(InputError) as refused:
            town.note_activity("t", "h1", week)
        assert refused.value.code == "invalid-week"
        with pytest.raises(InputError):
            town.put_activity([ActivityWeek(tenant_id="t", household_id="h1", week=week)])


def test_activity_of_an_unknown_household_is_refused_whole(town: Store) -> None:
    for tenant, household in (("t", "nobody"), ("u", "h1"), ("t", "h\0"), ("t\ud800", "h1")):
        with pytest.raises(NotFoundError):
            town.note_activity(tenant, household, "2026-W34")
        with pytest.raises(InputError):
            town.put_activity(
                ActivityWeek(tenant_id=tenant_id, household_id=id, week="2026-W34")
                for tenant_id, id in (("t", "h1"), (tenant, household))
            )
    assert weeks_of(town) == {}


def test_activity_goes_with_its_household(town: Store) -> None:
    town.put(Household(tenant_id="t", id="h9", building_id="b1"))
    town.note_activity("t", "h9", "2026-W34")
    town.delete(Household, "t", "h9")
    town.put(Household(tenant_id="t", id="h9", building_id="b1"))
    early = datetime(2026, 1, 1, tzinfo=UTC)
    town.put(Member(tenant_id="t", id="m9", household_id="h9", created_at=early))
    assert weeks_of(town) == {}


# Facts.


@pytest.mark.parametrize("seed", range(3))
def test_facts_are_what_a_count_record_by_record_gives(store: Store, seed: int) -> None:
    world = World(seed)
    world.put(store)
    found, wanted = bags(store.facts("t", Q3)), world.expected()
    for name in wanted:
        assert found[name] == wanted[name], name
        assert wanted[name]


def test_a_member_counts_from_the_day_of_joining_and_keeps_it(town: Store) -> None:
    noon = datetime(2026, 9, 30, 12, tzinfo=UTC)
    town.put(replace(MEMBERS[0], created_at=noon))
    town.put(replace(MEMBERS[0], name="Ada L."))  # says nothing of it: it stays
    assert town.get(Member, "t", "m1").created_at == noon
    households = town.facts("t", Q3).households
    # The others were written today: in no quarter that is over.
    assert households["household"].to_pylist() == ["h1"]
    assert town.facts("t", Quarter(2026, 2)).households.num_rows == 0


def test_the_ends_of_a_quarter_are_midnights_of_its_tenant(store: Store) -> None:
    store.put_all([replace(TENANT, timezone="Indian/Reunion"), *TOWN[1:6]])
    midnight = datetime(2026, 9, 30, 20, tzinfo=UTC)  # + 4 hours
    for second, counted in ((midnight.replace(hour=19, minute=59, second=59), 1), (midnight, 0)):
        store.put(replace(MEMBERS[0], created_at=second))
        assert store.facts("t", Q3).households.num_rows == counted


def test_a_town_without_anything_has_empty_facts(store: Store) -> None:
    store.put(TENANT)
    facts = store.facts("t", Q3)
    tables = (facts.households, facts.buildings, facts.listings, facts.requests, facts.trips)
    assert [table.num_rows for table in tables] == [0] * 5


def test_facts_of_an_unknown_tenant_are_not_found(town: Store) -> None:
    for tenant in ("nobody", "t\0", "\ud800"):
        with pytest.raises(NotFoundError):
            town.facts(tenant, Q3)


def test_facts_of_one_tenant_hold_nothing_of_another(town: Store) -> None:
    town.put(Tenant(tenant_id="u", id="u", name="x"))
    town.note_activity("t", "h1", "2026-W47")
    facts = town.facts("u", Quarter(2026, 4))
    assert not any(
        table.num_rows for table in (facts.households, facts.buildings, facts.listings, facts.trips)
    )


def test_who_was_a_member_before_it_was_noted_counts_always(dsn: str) -> None:
    url = make_url(dsn) if "://" in dsn else make_url(f"sqlite:///{dsn}")
    engine = create_engine(url.set(drivername="postgresql+psycopg") if "://" in dsn else url)
    point = "'0020000001000010E640160000000000004045A00000000000'"
    point = f"{point}::geometry" if "://" in dsn else f"x{point}"
    with engine.begin() as db:
        migrate(db, to="0004")
        if "://" not in dsn:
            db.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(text("INSERT INTO tenants VALUES ('t', 't', 'x', 'Europe/Paris', 'fr')"))
        db.execute(
            text(
                "INSERT INTO buildings (tenant_id, id, geom, address, cell)"
                f" VALUES ('t', 'b', {point}, '', {0x893968152ABFFFF})"
            )
        )
        db.execute(text("INSERT INTO households VALUES ('t', 'h', 'b')"))
        db.execute(text("INSERT INTO members VALUES ('t', 'm', 'h', 1, '', 'fr', NULL)"))
    engine.dispose()
    with closing(open_store(dsn)) as store:
        assert store.get(Member, "t", "m").created_at is None
        assert store.facts("t", Quarter(2001, 1)).households.num_rows == 1
        start = store.position(settled=False)
        store.put(replace(store.get(Member, "t", "m"), created_at=datetime.now(UTC)))
        assert [change.id for change in store.changes(start)] == ["m"]
        assert store.facts("t", Quarter(2001, 1)).households.num_rows == 0


def test_weeks_before_one_are_forgotten_of_one_tenant_only(town: Store) -> None:
    town.put_all(replace(one, created_at=datetime(2026, 1, 1, tzinfo=UTC)) for one in MEMBERS)
    for week in ("2025-W52", "2026-W26", "2026-W27", "2026-W39"):
        town.note_activity("t", "h1", week)
    town.note_activity("t", "h2", "2026-W26")
    assert town.drop_activity("nobody", "2026-W30") == 0
    assert town.drop_activity("t", "2026-W27") == 3
    assert weeks_of(town) == {"h1": 2} and weeks_of(town, Quarter(2026, 2)) == {}
    assert town.drop_activity("t", "2026-W27") == 0
    with pytest.raises(InputError):
        town.drop_activity("t", "2026-W3")


# Settings.

CHOSEN = DistrictSettings(tenant_id="t", goals=(0.08, 0.2), epsilons={"active": 0.3})


def test_settings_come_back_as_they_were_chosen_last(town: Store) -> None:
    assert town.district_settings("t") == DistrictSettings(tenant_id="t")
    town.put_district_settings(replace(CHOSEN, goals=(0.1,)))
    town.put_district_settings(CHOSEN)
    assert town.district_settings("t") == CHOSEN


def test_settings_of_nobody_and_of_no_number_are_refused(town: Store) -> None:
    for id in ("nobody", "no\0body"):
        with pytest.raises(NotFoundError):
            town.district_settings(id)
        with pytest.raises(NotFoundError):
            town.put_district_settings(replace(CHOSEN, tenant_id=id))
    with pytest.raises(InputError):
        town.put_district_settings(replace(CHOSEN, goals=(float("nan"),)))


# Releases.


def test_a_release_comes_back_as_it_was(town: Store) -> None:
    release = made_release()
    before = town.position(settled=False)
    position = town.add_release(release)
    (change,) = town.changes(before)
    assert (change.position, change.entity, change.id) == (position, "releases", "")
    found = town.release("t")
    assert told(found) == told(release)
    assert found.rows.schema == RELEASE_SCHEMA
    assert list(found.head) == list(release.head)  # as it was written, in its order
    assert town.release("t", "2026Q3", 1).rows.equals(found.rows)


def test_the_newest_release_and_its_newest_version_are_what_is_asked_for(town: Store) -> None:
    for id, version, value in (
        ("2026Q2", 1, 1.0), ("2026Q3", 1, 2.0), ("2026Q2", 2, None), ("2025Q4", 1, 4.0)
    ):  # fmt: skip
        town.add_release(made_release(version, id, value))
    heads = [(head.id, head.version) for head in town.releases("t")]
    assert heads == [("2026Q3", 1), ("2026Q2", 2), ("2026Q2", 1), ("2025Q4", 1)]
    assert town.release("t").rows["value"][0].as_py() == 2.0
    assert town.release("t", "2026Q2").rows["value"][0].as_py() is None
    assert town.release("t", "2026Q2", 1).rows["value"][0].as_py() == 1.0


def test_a_release_that_is_not_there_is_not_found(town: Store) -> None:
    town.add_release(made_release())
    for tenant, id, version in (
        ("t", "2026Q1", None), ("t", "2026Q3", 2), ("u", None, None), ("t", "\0", None),
        ("t", "2026Q3", 10**12), ("t", "2026Q3", -1),
    ):  # fmt: skip
        with pytest.raises(NotFoundError) as missing:
            town.release(tenant, id, version)
        assert missing.value.code == "unknown-release"
    assert town.releases("u") == town.releases("\0") == []


def test_what_is_published_is_never_written_over(town: Store) -> None:
    town.add_release(made_release())
    for version in (1, 3):
        with pytest.raises(ConflictError) as refused:
            town.add_release(made_release(version, value=99.0))
        assert refused.value.code == "release-exists"
    assert told(town.release("t")) == told(made_release())


def test_a_release_that_can_not_be_kept_is_refused(town: Store) -> None:
    good = made_release()
    bad = [
        replace(good, id="2026Q5"),
        replace(good, id="Q3"),
        replace(good, version=0),
        replace(good, created_at=datetime(2026, 10, 2)),
        replace(good, head={"epsilon": float("nan")}),
        replace(good, head={"epsilon": {1, 2}}),
        replace(good, rows=good.rows.drop_columns("parent")),
        replace(good, rows=good.rows.take([2, 1, 0])),
        replace(good, rows=good.rows.take([0, 1, 1])),
        replace(good, rows=with_first(good.rows, "level", "canton")),
        replace(good, rows=with_first(good.rows, "status", "secret")),
    ]
    for one in bad:
        with pytest.raises(InputError):
            town.add_release(one)
    with pytest.raises(NotFoundError):
        town.add_release(replace(good, tenant_id="nobody"))
    assert town.releases("t") == []


def test_a_damaged_release_is_told_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with closing(open_store(path)) as store:
        store.put(TENANT)
        store.add_release(made_release())
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE releases SET rows = substr(rows, 1, 900) || x'00'")
            db.commit()
        with pytest.raises(StoreError, match="damaged"):
            store.release("t")
        assert len(store.releases("t")) == 1


# Draws.


def test_noise_is_drawn_once(town: Store) -> None:
    assert town.draws("t", "2026Q3", "adoption") is None
    town.add_draws("t", "2026Q3", {"adoption": DRAWN})
    town.add_draws("t", "2026Q3", {"adoption": DRAWN})
    for other in (DRAWN.slice(1), DRAWN.rename_columns(["piece", "n"]), DRAWN.slice(0, 0)):
        with pytest.raises(ConflictError) as refused:
            town.add_draws("t", "2026Q3", {"adoption": other})
        assert refused.value.code == "already-drawn"
    town.add_draws("t", "2026Q3", {"carpool": DRAWN.slice(1)})
    town.add_draws("t", "2026Q4", {"adoption": DRAWN.slice(0, 0)})
    found = town.draws("t", "2026Q3", "adoption")
    assert found is not None and found.equals(DRAWN)
    assert town.draws("u", "2026Q3", "adoption") is None
    assert town.draws("t", "\0", "adoption") is None


def test_draws_are_kept_all_or_none(town: Store) -> None:
    town.add_draws("t", "2026Q3", {"carpool": DRAWN})
    with pytest.raises(ConflictError):
        town.add_draws("t", "2026Q3", {"adoption": DRAWN, "carpool": DRAWN.slice(1), "x": DRAWN})
    assert [town.draws("t", "2026Q3", name) for name in ("adoption", "x")] == [None, None]
    town.add_draws("t", "2026Q3", {})
    town.add_draws("t", "2026Q3", {"adoption": DRAWN.slice(1), "carpool": DRAWN})
    assert town.draws("t", "2026Q3", "adoption") == DRAWN.slice(1)


def test_of_many_who_draw_at_once_one_draws_all(dsn: str) -> None:
    """So that the ε of a quarter are one choice, whatever the others chose."""
    families, processes = ("adoption", "carpool", "exchange"), 6
    with closing(open_store(dsn)) as store:
        store.put(TENANT)
    together = threading.Barrier(processes)
    outcomes: dict[int, str] = {}

    def draw(process: int) -> None:
        order = families[process % 3 :] + families[: process % 3]
        with closing(open_store(dsn)) as store:
            together.wait()
            try:
                store.add_draws("t", "2026Q3", {name: drawn_by(process) for name in order})
            except MitoyenError as error:
                outcomes[process] = error.code
            else:
                outcomes[process] = "kept"

    threads = [threading.Thread(target=draw, args=(process,)) for process in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes.values()) == ["already-drawn"] * (processes - 1) + ["kept"]
    (winner,) = (process for process, outcome in outcomes.items() if outcome == "kept")
    with closing(open_store(dsn)) as store:
        for name in families:
            found = store.draws("t", "2026Q3", name)
            assert found is not None and found.equals(drawn_by(winner), check_metadata=True)


def drawn_by(process: int) -> pa.Table:
    return DRAWN.replace_schema_metadata({"epsilon": f"{0.1 * process:g}"})


def test_draws_of_nothing_known_are_refused(town: Store) -> None:
    with pytest.raises(NotFoundError):
        town.add_draws("nobody", "2026Q3", {"adoption": DRAWN})
    for quarter, family in (("2026", "adoption"), ("2026Q3", ""), ("2026Q3", "x" * 65)):
        with pytest.raises(InputError):
            town.add_draws("t", quarter, {family: DRAWN})


# Copies.


@pytest.mark.parametrize("by", ["copy", "backup"])
def test_copies_hold_activity_settings_releases_and_draws(
    store: Store, tmp_path: Path, by: str
) -> None:
    world = World(3)
    world.put(store)
    store.add_release(made_release())
    store.add_draws("t", "2026Q3", {"adoption": DRAWN})
    store.put_district_settings(CHOSEN)
    target = open_store(tmp_path / "target.db")
    with closing(target):
        if by == "copy":
            copy_store(store, target)
        else:
            store.backup(tmp_path / "backup.db")
            restore(tmp_path / "backup.db", target)
        assert bags(target.facts("t", Q3)) == world.expected()
        assert told(target.release("t")) == told(made_release())
        assert target.district_settings("t") == CHOSEN
        kept = target.draws("t", "2026Q3", "adoption")
        assert kept is not None and kept.equals(DRAWN)
