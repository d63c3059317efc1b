"""``mitoyen trips week``, as typed: what HTTP answers of the same town."""

import json
from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from store_records import TOWN
from trip_records import OPERATORS
from waiting import until_ready

from api.app import create_app
from api.cli import main
from api.settings import Settings
from indexes.journeys import Role, Schedule, WeeklyTime
from indexes.store import open_store

EAST = ((5.37, 43.30), (5.39, 43.30), (5.41, 43.30), (5.43, 43.30))
ASKED = {
    "from_lat": 43.3, "from_lon": 5.38, "to_lat": 43.3, "to_lon": 5.42, "depart_at": "08:00",
    "days": "MON-FRI", "first": "2026-11-30",
}  # fmt: skip
WORDS = [word for name, value in ASKED.items() for word in (f"--{name.replace('_', '-')}", value)]


def drives(id, days, second=28_800):
    weekly = (WeeklyTime(days=days, second=second),)
    return replace(
        OPERATORS, id=id, role=Role.DRIVER, lonlat=EAST, times_s=(0.0, 162.0, 324.0, 486.0),
        schedule=Schedule(timezone="Europe/Paris", weekly=weekly),
    )  # fmt: skip


@pytest.fixture
def path(tmp_path):
    store = open_store(tmp_path / "town.db")
    trips = [drives("a", (0, 1, 2)), drives("b", (3,), 28_860), drives("c", (2, 3), 29_400)]
    trips.append(replace(drives("back", (0, 1), 61_200), lonlat=EAST[::-1]))
    store.put_all([*TOWN, *trips])
    store.close()
    return tmp_path / "town.db"


@pytest.fixture
def week(path, capfd):
    def run(*words):
        status = main(["trips", "week", *map(str, words), "--store", str(path)])
        told = capfd.readouterr()
        return status, told.out, told.err

    return run


def test_json_is_the_answer_over_http(week, path):
    status, out, _ = week(*WORDS, "--json")
    answer = json.loads(out)
    assert status == 0
    assert [(one["match"]["id"], one["days"]) for one in answer["drivers"]] == [
        ("a", ["MON", "TUE", "WED"]),
        ("b", ["THU"]),
    ]
    assert answer["missing"] == ["FRI"]
    client = TestClient(create_app(Settings(store=str(path))), client=("::1", 1))
    with client:
        until_ready(client.get)
        over_http = client.get("/v1/trips/week", params=ASKED).json()
        params = ASKED | {"back_depart_at": "17:00", "limit": 2}
        back_over_http = client.get("/v1/trips/week", params=params).json()
    assert answer == {name: over_http[name] for name in ("drivers", "missing")}
    _, out, _ = week(*WORDS, "--back-depart-at", "17:00", "--limit", 2, "--json")
    names = "drivers", "missing", "back"
    assert json.loads(out) == {name: back_over_http[name] for name in names}
    assert [one["days"] for one in back_over_http["back"]["drivers"]] == [["MON", "TUE"]]


def test_a_table_is_for_people_in_their_language(week, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for lang, days, nobody in (
        ("en", "MON TUE WED", "nobody: FRI"),
        ("fr", "LUN MAR MER", "personne : VEN"),
    ):
        status, out, err = week(*map(str, WORDS), "--lang", lang)
        assert status == 0 and days in out and err == f"{nobody}\n"
    status, out, err = week(*WORDS, "--back-arrive-by", "17:10")
    assert status == 0 and "Qui me ramène" in out
    assert err == "personne : VEN\npersonne pour le retour : MER JEU VEN\n"
    for day in ("SUN", "DIM"):  # days are asked for in either, whatever is told
        status, out, err = week(*WORDS[:-4], "--days", day, "--lang", "en")
        assert (status, out, err) == (0, "", "nobody: SUN\n")
    assert week(*WORDS[:-4], "--days", "lun, Mar-VEN") == week(*WORDS[:-2])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (WORDS[4:], "name a start"),
        (WORDS[:8], "depart_at and arrive_by"),
        ((*WORDS[:8], "--depart-at", "2026-11-30T08:00:00+01:00"), "for a weekly search"),
        ((*WORDS, "--as", "stranger"), "no such member"),
        ((*WORDS, "--seats", "9"), "--seats"),
    ],
)
def test_what_can_not_be_asked_is_one_line_on_standard_error(week, words, said):
    status, out, err = week(*words)
    assert (status, out) == (2, "")
    assert said in err and err.count("\n") == 1
