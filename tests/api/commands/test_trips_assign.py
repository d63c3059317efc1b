"""``mitoyen trips assign``, as typed."""

import json
from pathlib import Path

import pytest

from api.cli import main

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
    status, out, _ = assign("--dataset", folder)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    assert status == 0
    assert ["riders", "4"] in cells
    assert ["drivers", "2"] in cells
    assert ["matched", "2"] in cells


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


@pytest.mark.skipif(not MANHATTAN.exists(), reason="the data set is not beside the project")
def test_half_an_hour_of_manhattan(assign):
    status, out, _ = assign("--dataset", MANHATTAN, "--rule", "requests", "--json")
    assert status == 0
    assert json.loads(out) == {"feasible_pairs": 88_425, "matched": 1_663}
