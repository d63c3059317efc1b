"""``mitoyen trips assign``, as typed."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from api.cli import main
from indexes.entities import Tenant
from indexes.journeys import Booking, BookingStatus, Role, Schedule, Trip, WeeklyTime
from indexes.store import open_store

MANHATTAN = Path(__file__).parents[4] / "shared/data/mobility/ridesharing_manhattan"
HEADER = "request_id,origin_lon,origin_lat,dest_lon,dest_lat,early_s\n"
# 2 and 4 drive eastward; 1 goes a part of it, 3 the whole, 5 the other way, 7 much later.
ROWS = """\
2,5.37,43.29,5.41,43.29,0
4,5.3701,43.29,5.40,43.29,600
1,5.38,43.29,5.40,43.29,300
3,5.37,43.29,5.41,43.29,0
5,5.40,43.29,5.38,43.29,0
7,5.38,43.29,5.40,43.29,9000
"""


@pytest.fixture
def assign(capfd):
    """Runs the command: status, output, errors."""

    def run(*words):
        status = main(["trips", "assign", *map(str, words)])
        output = capfd.readouterr()
        return status, output.out, output.err

    return run


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "requests.csv").write_text(HEADER + ROWS)
    return tmp_path


@pytest.fixture
def town(tmp_path):
    """A store with a public operator's trips on Tuesdays: two drivers, three riders."""
    east = ((5.37, 43.30), (5.39, 43.30), (5.41, 43.30), (5.43, 43.30))
    schedule = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(1,), second=28_800),))
    driver = Trip(
        tenant_id="t", id="d1", role=Role.DRIVER, lonlat=east, times_s=(0.0, 162.0, 324.0, 486.0),
        schedule=schedule,
    )  # fmt: skip
    wide = replace(schedule, flex_before_s=3_600, flex_after_s=3_600)
    rider = replace(
        driver, role=Role.PASSENGER, lonlat=((5.38, 43.301), (5.42, 43.301)), times_s=(0.0, 400.0),
        schedule=wide,
    )  # fmt: skip
    path = tmp_path / "town.db"
    store = open_store(path)
    store.put(Tenant(tenant_id="t", id="t", name="Town", timezone="Europe/Paris"))
    store.put_all([driver, replace(driver, id="d2"), *(replace(rider, id=f"r{i}") for i in "123")])
    yield path, store
    store.close()


def test_a_day_of_the_town_is_paired(assign, town):
    path, _ = town
    status, out, err = assign("--day", "2026-11-24", "--store", path, "--json", "--lang", "en")
    assert (status, err) == (0, "")
    answer = json.loads(out)
    pairs = answer.pop("pairs")
    told = {"day": "2026-11-24", "riders": 3, "drivers": 2, "feasible_pairs": 6, "matched": 2}
    assert answer == told
    assert {pair["driver"] for pair in pairs} == {"d1", "d2"}
    assert len({pair["rider"] for pair in pairs}) == 2
    for pair in pairs:
        assert pair["round"] == 1
        assert pair["match"]["id"] == pair["driver"]
        assert pair["match"]["days"] == ["TUE"]
        assert pair["match"]["pickup"]["time"] == "08:01"
    _, lines, _ = assign("--day", "2026-11-24", "--store", path, "--ndjson", "--lang", "en")
    assert [json.loads(line) for line in lines.splitlines()] == pairs
    status, table, _ = assign("--day", "2026-11-24", "--store", path, "--lang", "en")
    assert status == 0
    assert "2 of 3 riders, 2 drivers, 2026-11-24" in table
    assert "08:01-08:06" in table


def test_a_day_without_trips_has_no_pairs(assign, town):
    status, out, _ = assign("--day", "2026-11-25", "--store", town[0], "--json")
    assert status == 0
    assert json.loads(out) == {
        "day": "2026-11-25",
        "riders": 0,
        "drivers": 0,
        "feasible_pairs": 0,
        "matched": 0,
        "pairs": [],
    }


def booking(**changes):
    return Booking(
        tenant_id="t", id="11111111-1111-4111-8111-111111111111", trip_id="d1",
        driver_id="d", passenger_id="p", passenger_trip_id="r2", day=date(2026, 11, 24),
        pickup_at=datetime(2026, 11, 24, 7, 1, tzinfo=UTC), pickup_lon=5.38,
        pickup_lat=43.30, dropoff_lon=5.42, dropoff_lat=43.30, pickup_s=81.0, dropoff_s=405.0,
        **changes,
    )  # fmt: skip


def test_seats_that_are_booked_stay_booked(assign, town):
    path, store = town
    store.book(booking(status=BookingStatus.CONFIRMED), lambda trip, held: None)
    _, out, _ = assign("--day", "2026-11-24", "--store", path, "--json")
    answer = json.loads(out)
    assert (answer["riders"], answer["feasible_pairs"], answer["matched"]) == (2, 2, 1)
    assert [pair["driver"] for pair in answer["pairs"]] == ["d2"]
    # The week after nothing is booked.
    _, out, _ = assign("--day", "2026-12-01", "--store", path, "--json")
    assert json.loads(out)["feasible_pairs"] == 6


def test_a_seat_that_no_driver_answered_for_is_given_again(assign, town):
    path, store = town
    long_ago = datetime(2026, 11, 1, tzinfo=UTC)
    waits = booking(status=BookingStatus.WAITING_CONFIRMATION, created_at=long_ago)
    store.book(waits, lambda trip, held: None)
    _, out, _ = assign("--day", "2026-11-24", "--store", path, "--json")
    assert json.loads(out)["riders"] == 3 and json.loads(out)["matched"] == 2


def test_a_day_that_is_no_date_and_a_store_that_is_not_there_are_refused(assign, town, tmp_path):
    assert assign("--day", "20261124", "--store", town[0])[0] == 2
    status, out, err = assign("--day", "tuesday", "--store", town[0])
    assert (status, out) == (2, "")
    assert "--day must be a date such as 2026-11-24, got 'tuesday'" in err
    status, out, err = assign("--day", "2026-11-24", "--store", tmp_path / "none.db")
    assert (status, out) == (2, "")
    assert "none.db" in err


def test_json_tells_the_pairs_that_are_possible_and_those_that_are_made(assign, folder):
    status, out, err = assign("--dataset", folder, "--rule", "requests", "--json")
    assert (status, err) == (0, "")
    # 1 goes with either, 3 with 2 alone: from further on, 4 would turn back for it.
    assert json.loads(out) == {"feasible_pairs": 3, "matched": 2}


def test_ndjson_tells_who_goes_with_whom(assign, folder):
    status, out, _ = assign("--dataset", folder, "--ndjson")
    assert status == 0
    pairs = [json.loads(line) for line in out.splitlines()]
    assert [(pair["rider"], pair["driver"]) for pair in pairs] == [(1, 4), (3, 2)]
    assert [pair["detour_m"] for pair in pairs] == [0.0, 0.0]


def test_people_get_a_table(assign, folder):
    for lang, words in (
        ("en", ("riders", "drivers", "matched")),
        ("fr", ("passagers", "conducteurs", "appariés")),
    ):
        status, out, _ = assign("--dataset", folder, "--lang", lang)
        cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
        assert status == 0
        for word, number in zip(words, "422", strict=True):
            assert [word, number] in cells


def test_a_town_where_nobody_goes_with_anybody_has_no_pairs(assign, tmp_path):
    (tmp_path / "requests.csv").write_text(HEADER + "2,5.37,43.29,5.41,43.29,0\n")
    assert json.loads(assign("--dataset", tmp_path, "--json")[1]) == {
        "feasible_pairs": 0,
        "matched": 0,
    }
    assert assign("--dataset", tmp_path, "--ndjson")[:2] == (0, "")
    assert assign("--dataset", tmp_path)[0] == 0


def test_a_folder_that_can_not_be_read_is_told_by_one_line(assign, tmp_path):
    status, out, err = assign("--dataset", tmp_path, "--json")
    assert (status, out) == (2, "")
    assert err.startswith("mitoyen: wanted a folder with a requests.csv")
    (tmp_path / "requests.csv").write_text(HEADER + ROWS + "9,nan,43.29,5.40,43.29,0\n")
    status, out, err = assign("--dataset", tmp_path, "--json")
    assert (status, out) == (2, "")
    assert "requests.csv, line 8: origin_lon: wanted a number" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "say what to pair"),
        (("--dataset", "x", "--day", "2026-11-24"), "say what to pair"),
        (("--dataset", "x", "--store", "y"), "is of no town"),
        (("--dataset", "x", "--json", "--ndjson"), "one of --json and --ndjson"),
        (("--day", "2026-11-24", "--rule", "requests"), "--rule is of a --dataset"),
        (("--dataset", "x", "--lang", "de"), "--lang"),
    ],
)
def test_options_that_do_not_go_together_are_refused(assign, words, reason):
    status, out, err = assign(*words)
    assert (status, out) == (2, "")
    assert reason in err


@pytest.mark.skipif(not MANHATTAN.exists(), reason="the data set is not beside the project")
def test_half_an_hour_of_manhattan(assign):
    status, out, _ = assign("--dataset", MANHATTAN, "--rule", "requests", "--json")
    assert status == 0
    assert json.loads(out) == {"feasible_pairs": 88_425, "matched": 1_663}
