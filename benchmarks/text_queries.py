"""The labelled queries of `tests/words`, and how well ways of matching words rank for them."""

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

__all__ = ["LABELLED", "Labelled", "Ranker", "figures", "read_labelled"]

LABELLED = Path(__file__).parents[1] / "tests" / "words"
PAGE = 5

Ranker = Callable[[str], Sequence[int]]
"""A query -> rows, best first."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Listings as columns, and queries, each with its sort and the rows that are wanted."""

    titles: list[str]
    texts: list[str]
    categories: list[str]
    queries: list[tuple[str, str, frozenset[int]]]

    def only(self, sort: str) -> "Labelled":
        """The same with the queries of one sort."""
        return replace(self, queries=[query for query in self.queries if query[0] == sort])


def read_labelled(folder: Path = LABELLED) -> Labelled:
    """Read listings and queries."""
    listings, queries = (
        list(csv.DictReader((folder / name).open(encoding="utf-8"), delimiter=";"))
        for name in ("listings.csv", "queries.csv")
    )
    rows: dict[str, set[int]] = defaultdict(set)
    for row, listing in enumerate(listings):
        rows[listing["category"]].add(row)
    return Labelled(
        [listing["title"] for listing in listings],
        [listing["text"] for listing in listings],
        [listing["category"] for listing in listings],
        [
            (
                one["sort"],
                one["query"],
                frozenset().union(*(rows[c] for c in one["wanted"].split())),
            )
            for one in queries
        ],
    )


def figures(labelled: Labelled, rank: Ranker) -> dict[str, float]:
    """How well a way of ranking does.

    Returns
    -------
    dict of str to float
        Means over the queries that mean something: ``p5``, the share of the first five places
        that hold what is wanted; ``r5``, the share of what is wanted that is there; ``mrr``,
        one over the place of the first. ``silent``: the share of the others without an answer.
    """
    p5, r5, mrr, silent = [], [], [], []
    for _, query, wanted in labelled.queries:
        found = list(rank(query))
        if not wanted:
            silent.append(not found)
            continue
        good = [row in wanted for row in found]
        hits = sum(good[:PAGE])
        p5.append(hits / PAGE)
        r5.append(hits / len(wanted))
        mrr.append(1 / (1 + good.index(True)) if True in good else 0.0)
    columns: Mapping[str, Sequence[float]] = {"p5": p5, "r5": r5, "mrr": mrr, "silent": silent}
    return {name: round(float(np.mean(values)), 4) for name, values in columns.items() if values}
