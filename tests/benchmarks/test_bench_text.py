"""Words as people type them: a floor for what is found, and what the labels are."""

from collections import Counter

import pytest

from benchmarks.bench_text import rankers
from benchmarks.text_queries import Labelled, figures, read_labelled


@pytest.fixture(scope="module")
def labelled() -> Labelled:
    return read_labelled()


def test_two_hundred_queries_are_labelled(labelled: Labelled) -> None:
    assert len(labelled.queries) == 200
    assert len({query for _, query, _ in labelled.queries}) == 200
    assert len(labelled.titles) == len(labelled.texts) == len(labelled.categories) == 151
    assert min(Counter(sort for sort, *_ in labelled.queries).values()) >= 10


def test_mistyped_queries_find_what_was_meant(labelled: Labelled) -> None:
    ways = rankers(labelled)
    now, before = (figures(labelled, ways[name]) for name in ("mitoyen", "words alone"))
    assert now["p5"] >= 0.35 > 2 * before["p5"]
    assert now["r5"] >= 0.75 > 2 * before["r5"]
    assert now["mrr"] >= 0.97 > 2 * before["mrr"]
    assert now["silent"] == 1.0


def test_figures_are_those_of_a_page_by_hand() -> None:
    labelled = Labelled(
        ["a"] * 9,
        [""] * 9,
        [""] * 9,
        [
            ("x", "one", frozenset({0, 1})),
            ("x", "two", frozenset({5})),
            ("nothing", "no", frozenset()),
        ],
    )
    answers = {"one": [3, 0, 2, 4, 6, 1], "two": [], "no": [1]}
    assert figures(labelled, answers.__getitem__) == {
        "p5": 0.1,
        "r5": 0.25,
        "mrr": 0.25,
        "silent": 0.0,
    }
