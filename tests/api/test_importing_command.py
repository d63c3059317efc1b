"""`mitoyen import`: what it prints, writes and exits with."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from indexes.entities import Listing
from indexes.store import open_store

ROWS = "id,title,lon,lat,valid_from\na,A,5.4,43.3,\nb,B,5.4,943,\nc,C,5.4,43.3,=soon\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "good.csv").write_text("id,title,lon,lat\ng,G,5.4,43.3\n")
    (tmp_path / "some.csv").write_text(ROWS)
    (tmp_path / "none.csv").write_text("id,title,lon,lat\nx,X,5.4,943\n")
    return tmp_path


def run(files: Path, *args: str) -> int:
    """Exit code of an import into one store."""
    try:
        return main(["import", "--store", str(files / "town.db"), "--kind", "place", *args])
    except SystemExit as leaving:
        return int(leaving.code or 0)


def stored(files: Path) -> int:
    store = open_store(files / "town.db")
    try:
        return store.count(Listing, "default")
    finally:
        store.close()


def test_json_holds_the_report_of_one_file(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, str(files / "some.csv"), "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {name: told[name] for name in ("file", "kind", "read", "stored", "resumed_at")} == {
        "file": "some.csv",
        "kind": "place",
        "read": 3,
        "stored": 1,
        "resumed_at": 0,
    }
    assert told["rejected"] == [
        {"line": 3, "field": "lat", "reason": "wanted a latitude of -90 to 90 degrees"},
        {
            "line": 4,
            "field": "valid_from",
            "reason": "wanted a date or time in ISO 8601, such as 2025-06-15T18:00:00+02:00",
        },
    ]
    assert told["columns"]["unused"] == []
    assert told["seconds"] > 0


def test_several_files_give_an_array_and_the_exit_code_of_the_worst(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(files / name) for name in ("good.csv", "some.csv", "none.csv")]
    assert run(files, *names, "--json") == 1  # of none.csv, nothing could be stored
    told = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["stored"]) for one in told] == [
        ("good.csv", 1),
        ("some.csv", 1),
        ("none.csv", 0),
    ]


def test_strict_ends_with_1_and_stores_nothing(files: Path) -> None:
    assert run(files, str(files / "some.csv"), "--strict") == 1
    assert stored(files) == 0
    assert run(files, str(files / "good.csv"), "--strict") == 0
    assert stored(files) == 1


def test_a_dry_run_ends_with_0_and_stores_nothing(files: Path) -> None:
    assert run(files, str(files / "good.csv"), "--dry-run") == 0
    assert stored(files) == 0


@pytest.mark.parametrize("name", ["refused.csv", "refused.ndjson"])
def test_refused_rows_go_to_the_report(files: Path, name: str) -> None:
    report = files / name
    report.write_text("left from an earlier run")
    assert run(files, str(files / "good.csv"), "--report", str(report)) == 0
    assert not report.exists()
    names = [str(files / "some.csv"), str(files / "none.csv")]
    assert run(files, *names, "--report", str(report)) == 1
    text = report.read_text()
    if name.endswith(".csv"):
        rows: list[dict[str, Any]] = list(csv.DictReader(text.splitlines()))
    else:
        rows = [json.loads(line) for line in text.splitlines()]
    assert [(row["file"], int(row["line"]), row["field"]) for row in rows] == [
        ("some.csv", 3, "lat"),
        ("some.csv", 4, "valid_from"),
        ("none.csv", 2, "lat"),
    ]
    assert "943" not in text  # a place is never repeated
    assert "=soon" not in text  # nor what a spreadsheet would run


def test_people_see_a_table_the_first_refusals_and_what_is_odd(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "odd.csv").write_text(
        "id,title,lon,lat,colour\n"
        + "a,A,5.4,43.3,red\n"
        + "".join(f"b{i},B,5.4,943,red\n" for i in range(12))
    )
    assert run(files, str(files / "odd.csv")) == 0
    out, err = capsys.readouterr()
    assert "odd.csv" in out
    assert out.count("wanted a latitude") == 10
    assert "columns not used: colour" in err
    assert "odd, but taken: coordinates of three decimals: 1" in err
    assert "2 more; --report FILE.csv lists all" in err


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--map", "title"], "--map wants FIELD=COLUMN"),
        (["--map", "colour=id"], "no field 'colour'"),
        (["--report", "refused.xlsx"], "a report ends in .csv"),
        (["--kind", "shop"], "no kind 'shop'"),
        (["--tenant", "elsewhere"], "no tenant 'elsewhere'"),
    ],
)
def test_a_wrong_option_ends_with_2_and_one_line(
    files: Path, capsys: pytest.CaptureFixture[str], args: list[str], reason: str
) -> None:
    assert run(files, str(files / "good.csv"), *args) == 2
    err = capsys.readouterr().err
    assert reason in err
    assert "Traceback" not in err


def test_a_file_that_cannot_be_read_does_not_hide_the_one_before(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(files, str(files / "good.csv"), str(files / "gone.csv"), "--json") == 2
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["stored"] == 1
    assert "gone.csv: No such file" in err
