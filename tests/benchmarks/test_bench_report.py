"""The page of benchmarks says what the recorded results say."""

import json

import pytest

from benchmarks.bench_report import FOLDER, README, reported

RESULT = {
    "runs": {"W1": [{"engine": "ours", "p50_us": 1234.5, "exact": True}]},
    "load_before": 0.5,
    "command": "./run bench near",
    "machine": {"cores": 2, "cpu": "Z80", "python": "3.11.7"},
}


def test_every_table_of_the_page_is_as_its_result_has_it():
    page = README.read_text(encoding="utf-8")
    assert page.count("<!-- ") >= 2
    assert reported(page, FOLDER / "results") == page


def test_a_table_takes_the_place_of_the_old_one_and_leaves_the_text_alone(tmp_path):
    (tmp_path / "near.json").write_text(json.dumps(RESULT))
    comment = "<!-- near.json runs: engine p50_us exact -->\n"
    page = f"Before.\n\n{comment}| old |\n|---|\n\nAfter.\n"
    new = reported(page, tmp_path)
    assert new.startswith(
        f"Before.\n\n{comment}| runs | engine | p50_us | exact |\n| --- | --- | --- | --- |\n"
        "| W1 | ours | 1,234.5 | yes |\n"
        "<sub>`./run bench near`: 2 cores of Z80, Python 3.11.7, load 0.5"
    )
    assert new.endswith("</sub>\n\nAfter.\n")
    assert reported(new, tmp_path) == new


def test_a_result_that_is_not_there_is_no_empty_table(tmp_path):
    with pytest.raises(FileNotFoundError):
        reported("<!-- near.json runs: engine -->\n", tmp_path)
