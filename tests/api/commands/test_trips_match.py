"""``mitoyen trips match``, as typed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from store_records import TOWN
from trip_records import OPERATORS, WEEKLY

from api.cli import main
from indexes.journeys import Anchor, Role
from indexes.store import open_store

ASKED = ("--from-lat", "43.2951", "--from-lon", "5.3740", "--to-lat", "43.3467", "--to-lon",
         "5.4285", "--first", "2026-11-30")  # fmt: skip
WEEK = ("--arrive-by", "08:30", "--days", "MON-FRI")
PROMISED = {"id", "role", "pickup", "dropoff", "walk_m", "detour_s", "seats", "days"}
PROMISED |= {"price_eur", "cost_min", "terms", "why"}


@pytest.fixture
def match(tmp_path, capfd):
    share = np.linspace(0.0, 1.0, 101)[:, None]
    line = np.array([5.36, 43.28]) * (1 - share) + np.array([5.44, 43.357]) * share
    driver = replace(
        OPERATORS,
        role=Role.DRIVER,
        lonlat=tuple(map(tuple, line.round(7).tolist())),
        times_s=tuple(np.linspace(0.0, 1_500.0, 101).tolist()),
        schedule=replace(WEEKLY, anchor=Anchor.ARRIVE, removed=()),
    )
    store = open_store(tmp_path / "town.db")
    store.put_all([*TOWN, driver, replace(driver, id="o2", role=Role.PASSENGER)])
    store.close()

    def run(*words):
        status = main(["trips", "match", *words, "--store", str(tmp_path / "town.db")])
        told = capfd.readouterr()
        return status, told.out, told.err

    return run


def test_what_is_printed_as_json_has_all_that_is_promised(match):
    status, out, _ = match(*ASKED, *WEEK, "--flex-before", "3600", "--max-walk", "2000", "--json")
    assert status == 0
    (found,) = json.loads(out)["matches"]
    assert set(found) >= PROMISED
    assert (found["id"], found["role"]) == ("o1", "driver")
    assert found["days"] == ["MON", "TUE", "WED"]


def test_the_price_of_a_kilometre_can_be_set_and_never_passes_what_the_car_costs(
    match, monkeypatch
):
    asked = (*ASKED, *WEEK, "--flex-before", "3600", "--max-walk", "2000", "--json")
    prices = []
    for per_km, cost_per_km in (("0.06", "0.6"), ("0.12", "0.6"), ("0.5", "0.6"), ("0.5", "0.12")):
        monkeypatch.setenv("MITOYEN_PRICE_PER_KM", per_km)
        monkeypatch.setenv("MITOYEN_COST_PER_KM", cost_per_km)
        (found,) = json.loads(match(*asked)[1])["matches"]
        prices.append(found["price_eur"])
    usual = prices[0]
    # One seat, so that two share what the car costs.
    assert prices == [usual, *(pytest.approx(usual * k, abs=0.03) for k in (2, 5, 1))]
    monkeypatch.setenv("MITOYEN_PRICE_PER_KM", "-1")
    status, _, said = match(*asked)
    assert status == 2 and "MITOYEN_PRICE_PER_KM" in said


def test_a_driver_finds_passengers(match):
    ends = ("--from-lat", "43.28", "--from-lon", "5.36", "--to-lat", "43.357", "--to-lon", "5.44")
    words = (*ends, "--first", "2026-11-30", *WEEK, "--flex-before", "3600")
    status, out, _ = match(*words, "--role", "driver", "--json")
    assert status == 0
    assert [one["id"] for one in json.loads(out)["matches"]] == ["o2"]


def test_a_table_is_for_people(match, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    words = (*ASKED, *WEEK, "--flex-before", "3600", "--max-walk", "2000")
    for lang, days, back, nobody in (
        ("en", "MON TUE WED", "back with nobody", "nobody goes that way"),
        ("fr", "LUN MAR MER", "retour avec personne", "personne ne fait ce chemin"),
    ):
        status, out, err = match(*words, "--back-depart-at", "17:30", "--lang", lang)
        assert status == 0 and days in " ".join(out.split())
        assert back in err
        status, out, err = match(*ASKED, "--arrive-by", "03:00", "--days", "SUN", "--lang", lang)
        assert (status, out) == (0, "") and nobody in err
    heads, _, row, *_ = match(*words)[1].splitlines()[2:]
    assert heads.replace("┃", " ").split() == [
        "trajet", "coût", "jours", "montée", "dépose", "prix", "pourquoi",
    ]  # fmt: skip
    assert row.split()[1] == "o1"  # which trip to ask for


def test_of_a_way_that_one_walks_the_true_reason_is_told(match):
    near = (*ASKED[:4], "--to-lat", "43.3000", "--to-lon", "5.3740", *WEEK)
    for lang, said in (("fr", "on le fait à pied\n"), ("en", "one walks it\n")):
        status, out, err = match(*near, "--lang", lang)
        assert (status, out) == (0, "") and said in err and err.count("\n") == 1
    answer = json.loads(match(*near, "--json")[1])
    assert answer["matches"] == [] and answer["reason"]["code"] == "walkable"
    assert "reason" not in json.loads(match(*ASKED, *WEEK, "--json")[1])
    # Who drives may pass riders whose way is another than theirs.
    assert "reason" not in json.loads(match(*near, "--role", "driver", "--json")[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (WEEK, "name a start"),
        ((*ASKED, "--days", "MON"), "depart_at and arrive_by"),
        ((*ASKED, "--arrive-by", "08:30"), "a time of day goes with days"),
        ((*ASKED, "--arrive-by", "8h30", "--days", "MON"), "--arrive-by"),
        ((*ASKED, *WEEK, "--as", "stranger"), "no such member"),
        ((*ASKED, *WEEK, "--max-walk", "3000"), "--max-walk: "),
        ((*ASKED, *WEEK, "--flex-before", "-5"), "--flex-before: "),
        ((*ASKED, "--arrive-by", "08:30", "--days", "LUNDI"), "--days: days are spelled MON"),
        ((*ASKED, *WEEK, "--role", "driver", "--back-depart-at", "17:00"), "asks for one way"),
        ((*ASKED, *WEEK, "--timezone", "Mars/Olympus"), "--timezone"),
    ],
)
def test_what_can_not_be_asked_is_one_line_on_standard_error(match, words, said):
    if words is WEEK:
        words = ("--to-lat", "43.3467", "--to-lon", "5.4285", *WEEK)
    status, out, err = match(*words)
    assert (status, out) == (2, "")
    assert said in err and err.count("\n") == 1
