"""Trips out of files: what is taken, what is refused and why, and that nothing else is stored."""

import json
from datetime import UTC, date, datetime

import pytest
from store_records import TOWN, zone

from api.cli import main
from api.importing import delimited, import_file
from geo.errors import LayoutError, StoreError
from indexes.audience import Audience
from indexes.journeys import Anchor, Role, Trip, WeeklyTime, Weeks
from indexes.store import open_store

LINE = [[5.36, 43.28], [5.37, 43.29, 12.0], [5.44, 43.357]]


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "town.db")
    opened.put_all(TOWN)
    opened.put_zones([zone("990010101", 5.0, 5.5)])
    yield opened
    opened.close()


def feature(id, geometry=None, **properties):
    geometry = geometry or {"type": "LineString", "coordinates": LINE}
    return {"type": "Feature", "id": id, "geometry": geometry, "properties": properties}


def imported(store, path, text, **options):
    path.write_text(text)
    report = import_file(store, "t", path, "trip", **options)
    return report, {trip.id: trip for trip in store.trips("t")}


def test_geojson_lines_become_routes(store, tmp_path):
    collection = {
        "type": "FeatureCollection",
        "features": [
            feature("a", days="MON-FRI", depart="07:50", times_s=[0, 60, 1_200], seats=3),
            feature("b", role="passenger", arrive_at="2026-11-30T08:30:00+01:00", owner_id="m1"),
        ],
    }
    report, trips = imported(store, tmp_path / "trips.geojson", json.dumps(collection))
    assert (report.read, report.stored, report.rejected) == (2, 2, [])
    one, other = trips["a"], trips["b"]
    assert one.lonlat == ((5.36, 43.28), (5.37, 43.29), (5.44, 43.357))
    assert (one.times_s, one.estimated) == ((0.0, 60.0, 1_200.0), False)
    assert one.schedule.weekly == (WeeklyTime(days=(0, 1, 2, 3, 4), second=28_200),)
    assert (one.role, one.seats, one.owner_id) == (Role.DRIVER, 3, None)
    assert other.estimated and other.owner_id == "m1" and other.role is Role.PASSENGER
    assert other.schedule.anchor is Anchor.ARRIVE
    assert other.schedule.at == datetime(2026, 11, 30, 7, 30, tzinfo=UTC)


def test_ndjson_takes_what_a_put_takes(store, tmp_path):
    body = {
        "id": "n1",
        "role": "either",
        "owner_id": "m2",
        "route": {"type": "LineString", "coordinates": LINE[:1] + LINE[2:]},
        "schedule": {
            "weekly": [{"days": ["SAT", "FRI"], "time": "25:30"}],
            "weeks": "odd",
            "removed": ["2026-12-25"],
            "valid_from": "2026-09-01",
        },
        "women_only": True,
    }
    report, trips = imported(store, tmp_path / "trips.ndjson", json.dumps(body) + "\n")
    assert report.stored == 1
    schedule = trips["n1"].schedule
    assert schedule.weekly == (WeeklyTime(days=(4, 5), second=91_800),)
    assert (schedule.weeks, schedule.removed) == (Weeks.ODD, (date(2026, 12, 25),))
    assert trips["n1"].women_only and trips["n1"].role is Role.EITHER


def test_csv_has_two_ends_and_a_time(store, tmp_path):
    text = (
        "id;from_lat;from_lon;to_lat;to_lon;jours;arrive;seats;smoking;price_eur;remark\n"
        "c1;43,28;5,36;43,357;5,44;MON WED;08:30;2;non;1,5;x\n"
    )
    report, trips = imported(store, tmp_path / "trips.csv", text, columns={"days": "jours"})
    assert report.stored == 1, report.rejected
    trip = trips["c1"]
    assert trip.lonlat == ((5.36, 43.28), (5.44, 43.357)) and trip.estimated
    assert trip.schedule.anchor is Anchor.ARRIVE
    assert trip.schedule.weekly == (WeeklyTime(days=(0, 2), second=30_600),)
    assert (trip.seats, trip.smoking, trip.price_eur) == (2, False, 1.5)
    assert report.unused == ("remark",) and report.used["days"] == "jours"


GOOD = {"days": "MON", "depart": "07:50"}
BAD = [
    (feature("x", days="MON"), "depart or arrive"),
    (feature("x", **GOOD, arrive="08:30"), "not both"),
    (feature("x", days="LUN", depart="07:50"), "MON-FRI"),
    (feature("x", days="MON", depart="7h50"), "pattern"),
    (feature("x"), "once (at) or weekly"),
    (feature("x", **GOOD, schedule={"weekly": []}), "not both"),
    (feature("x", {"type": "Point", "coordinates": LINE[0]}, **GOOD), "wanted a LineString"),
    (feature("x", {"type": "LineString", "coordinates": [LINE[0]]}, **GOOD), "coordinates"),
    (feature("x", {"type": "LineString", "coordinates": [LINE[0]] * 2}, **GOOD), "two different"),
    (
        feature("x", {"type": "LineString", "coordinates": [[43.28, 5.36], LINE[2]]}, **GOOD),
        "swapped",
    ),
    (feature("x", **GOOD, times_s=[0, 5, 4]), "rise"),
    (feature("x", **GOOD, times_s=[0, 5, 1e308]), "48 hours at most"),
    (feature("x", **GOOD, seats=0), "greater than or equal to 1"),
    (feature("x", **GOOD, timezone="Europe/Marseille"), "IANA"),
    (
        feature("x", depart_at="2026-11-30T08:00:00Z", arrive_at="2026-11-30T07:00:00Z"),
        "after depart_at",
    ),
    (feature("x", **GOOD, owner_id="stranger"), "no such member"),
    (feature("x", **GOOD, audience="building", audience_id="b9"), "no such building"),
    (feature("x", **GOOD, audience="zone"), "owner"),
    (feature("x", **GOOD, women_only=True), "owner_id"),
    (feature("", **GOOD), "text of 1 to 200"),
    (feature("good", **GOOD), "already on line 1"),
]


@pytest.mark.parametrize(("bad", "said"), BAD)
def test_a_bad_row_is_told_and_the_good_one_beside_it_is_kept(store, tmp_path, bad, said):
    rows = [feature("good", **GOOD), bad, feature("last", **GOOD)]
    text = "\n".join(map(json.dumps, rows))
    report, trips = imported(store, tmp_path / "trips.ndjson", text)
    assert (report.read, report.stored, report.rejected_count) == (3, 2, 1)
    (error,) = report.rejected
    assert error.line == 2 and said in str(error), str(error)
    assert set(trips) == {"good", "last"}


def test_a_wrong_point_of_a_line_is_named_by_its_place(store, tmp_path):
    row = feature("x", {"type": "LineString", "coordinates": [LINE[0], [200, 43]]}, **GOOD)
    report, _ = imported(store, tmp_path / "trips.ndjson", json.dumps(row))
    assert [error.field for error in report.rejected] == ["route.coordinates.1.0"]


def test_strict_stores_all_or_nothing_and_a_dry_run_nothing(store, tmp_path):
    text = "\n".join(map(json.dumps, [feature("a", **GOOD), feature("b")]))
    report, trips = imported(store, tmp_path / "trips.ndjson", text, strict=True)
    assert not report.complete and (report.stored, trips) == (0, {})
    report, trips = imported(store, tmp_path / "trips.ndjson", text, dry_run=True)
    assert (report.stored, trips, report.rejected_count) == (0, {}, 1)
    one = json.dumps(feature("a", **GOOD, audience="building", audience_id="b1"))
    report, trips = imported(store, tmp_path / "trips.ndjson", one, strict=True)
    assert report.complete and trips["a"].audience is Audience.BUILDING
    assert report.position == str(store.position())


def test_the_same_file_again_changes_nothing(store, tmp_path):
    text = json.dumps(feature("a", **GOOD))
    imported(store, tmp_path / "trips.ndjson", text)
    before = store.position()
    report, _ = imported(store, tmp_path / "trips.ndjson", text)
    assert report.stored == 1 and store.changes(before) == []


def test_other_files_and_fields_are_refused(store, tmp_path):
    with pytest.raises(LayoutError, match="CSV, GeoJSON or NDJSON"):
        imported(store, tmp_path / "trips.parquet", "")
    with pytest.raises(LayoutError, match="no field 'where'"):
        imported(store, tmp_path / "t.csv", "id\n1\n", columns={"where": "id"})
    with pytest.raises(LayoutError, match="no column 'tage'"):
        imported(store, tmp_path / "t.csv", "id\n1\n", columns={"days": "tage"})


def test_the_command_imports_trips(tmp_path, capfd):
    path = tmp_path / "trips.ndjson"
    path.write_text(json.dumps(feature("a", **GOOD)))
    words = ["import", str(path), "--kind", "trip", "--json", "--store", str(tmp_path / "x.db")]
    assert main(words) == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["kind"], report["stored"]) == ("trip", 1)
    store = open_store(tmp_path / "x.db")
    assert store.count(Trip, "default") == 1
    store.close()


def test_an_interrupted_import_goes_on_where_it_ended(store, tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "CHUNK_ROWS", 4)
    rows = [f"t{i},43.28,5.36,43.357,5.44,MON-FRI,07:50" for i in range(10)]
    text = "\n".join(["id,from_lat,from_lon,to_lat,to_lon,days,depart", *rows])
    put_all, written = store.put_all, []

    def fails_at_the_third(entities, mark=None):
        found = list(entities)
        if len(written) == 2:
            raise StoreError("the disk is full")
        written.append(found)
        return put_all(found, mark)

    monkeypatch.setattr(store, "put_all", fails_at_the_third)
    with pytest.raises(StoreError):
        imported(store, tmp_path / "trips.csv", text)
    assert len(store.trips("t")) == 8
    written.clear()
    report, trips = imported(store, tmp_path / "trips.csv", text)
    assert (report.resumed_at, report.read, report.stored, len(trips)) == (8, 10, 10, 10)
    assert [len(batch) for batch in written] == [2, 0]  # and then the mark that it is finished
    monkeypatch.undo()
    assert imported(store, tmp_path / "trips.csv", text)[0].resumed_at == 0
