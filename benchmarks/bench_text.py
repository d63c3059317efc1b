"""Words as people type them: what is found, and what it costs.

``./run bench text [--titles N] [--json]``. Found: 200 labelled queries on 151 listings. Cost:
so many titles of made-up words, drawn by Zipf's law, asked for a word as it is and mistyped.
"""

import argparse
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.measuring import interleaved_us, machine, print_result
from benchmarks.text_queries import Labelled, Ranker, figures, read_labelled
from matching.text import TextIndex, asked_words, fold, match_words

__all__ = ["found_by", "rankers"]

IN_TITLE, IN_TEXT = 10, 7  # what a word counts there, where words alone do
GRAMS = (2, 4)
ALIKE = 0.2  # cosine from which a listing counts as found; below, something always is
WORD_ALIKE = 0.6  # and from which one word stands for another
VOCABULARY = 200_000
ROUNDS, QUERIES = 5, 40
Fits: TypeAlias = tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.float64]]

SYLLABLES = [c + v for c in "bcdfghjlmnprstv" for v in ("a", "e", "i", "o", "u", "an", "on")]


def words_alone(index: TextIndex, query: str) -> Fits:
    """Rows that hold words of a query as they are typed."""
    total, words = np.zeros(len(index), np.uint16), asked_words(query)
    for word in words:
        points, (titles, texts) = np.zeros(len(index), np.uint16), index.postings()
        points[texts.begun_by(word)] = IN_TEXT
        points[titles.begun_by(word)] = IN_TITLE
        total += points
    rows = np.flatnonzero(total)
    return rows, total[rows] / (IN_TITLE * max(1, len(words)))


def mitoyen(index: TextIndex, query: str) -> Fits:
    """As near me reads it."""
    return match_words([index], query)[:2]


def ranked(ask: Callable[[str], Fits]) -> Ranker:
    """Rows by their fit, the best first, then in their order."""

    def rank(query: str) -> list[int]:
        rows, fits = ask(query)
        best: list[int] = rows[np.argsort(-fits, kind="stable")].tolist()
        return best

    return rank


def rankers(labelled: Labelled) -> Mapping[str, Ranker]:
    """Ways of finding listings by words."""
    index = TextIndex(labelled.titles, labelled.texts, labelled.categories)
    columns = (labelled.titles, labelled.categories, labelled.texts)
    whole = [" ".join(fold(" ".join(row))) for row in zip(*columns, strict=True)]
    index.postings()

    return {
        "words alone": ranked(partial(words_alone, index)),
        "mitoyen": ranked(partial(mitoyen, index)),
        "scikit-learn character n-grams": ranked(character_grams(whole, ALIKE)),
        "words, then their nearest by n-grams": ranked(nearest_words(index)),
        "SQLite FTS5": full_text(columns, "unicode61 remove_diacritics 2", "*"),
        "SQLite FTS5, trigrams": full_text(columns, "trigram", ""),
    }


def character_grams(texts: Sequence[str], least: float) -> Callable[[str], Fits]:
    """Texts by the cosine of their n-grams, inside words, to those of a query."""
    learner = TfidfVectorizer(analyzer="char_wb", ngram_range=GRAMS, sublinear_tf=True)
    matrix = learner.fit_transform(texts)

    def fits(query: str) -> Fits:
        alike = (matrix @ learner.transform([" ".join(fold(query))]).T).toarray()[:, 0]
        rows = np.flatnonzero(alike >= least)
        return rows, alike[rows]

    return fits


def nearest_words(index: TextIndex) -> Callable[[str], Fits]:
    """Words that nothing holds are replaced by the one that shares most n-grams with each."""
    known = sorted({word for postings in index.postings() for word in postings.words})
    nearest = ranked(character_grams(known, WORD_ALIKE))

    def read(word: str) -> str:
        if any(len(postings.begun_by(word)) for postings in index.postings()):
            return word
        return next((known[place] for place in nearest(word)), word)

    return lambda query: words_alone(index, " ".join(map(read, asked_words(query))))


def full_text(columns: Sequence[Sequence[str]], tokenizer: str, end: str) -> Ranker:
    """SQLite's own index of words, any of which is enough, by BM25."""
    db = sqlite3.connect(":memory:")
    db.execute(f"CREATE VIRTUAL TABLE t USING fts5(title, category, text, tokenize='{tokenizer}')")
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", zip(*columns, strict=True))

    def rank(query: str) -> list[int]:
        words = " OR ".join(f'"{word}"{end}' for word in fold(query))
        found = db.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY rank, rowid", (words,))
        return [row - 1 for (row,) in found]

    return rank


def found_by(labelled: Labelled) -> list[dict[str, Any]]:
    """What each way finds, of all queries; and what could be found at most."""
    wanted = {query: sorted(rows) for _, query, rows in labelled.queries}
    ways = {**rankers(labelled), "all that is wanted": wanted.__getitem__}
    return [{"engine": name, **figures(labelled, rank)} for name, rank in ways.items()]


def by_sort(labelled: Labelled) -> list[dict[str, Any]]:
    """What is found of each sort of query: recall at 5, as typed and as near me reads it."""
    ways = rankers(labelled)
    sorts = dict.fromkeys(sort for sort, _, wanted in labelled.queries if wanted)
    return [
        {"sort": sort, "queries": len(some.queries)}
        | {
            name.replace(" ", "_"): figures(some, ways[name])["r5"]
            for name in ("words alone", "mitoyen")
        }
        for sort in sorts
        if (some := labelled.only(sort))
    ]


def cost(titles: int) -> list[dict[str, Any]]:
    """Microseconds of a query among so many titles, as it should be typed and mistyped."""
    rng = np.random.default_rng(4)
    known = sorted({"".join(rng.choice(SYLLABLES, rng.integers(3, 6))) for _ in range(VOCABULARY)})
    chances = 1 / np.arange(1, len(known) + 1) ** 0.9
    drawn = rng.choice(len(known), (titles, 4), p=chances / chances.sum())
    rows = [" ".join([known[i] for i in row]) for row in drawn.tolist()]
    index = TextIndex(rows, [""] * titles, ["artisan"] * titles)
    started = time.perf_counter()
    postings = index.postings()
    built_s = time.perf_counter() - started
    bytes_kept = sum(one.rows.nbytes + one.starts.nbytes for one in postings)
    started = time.perf_counter()
    spelled_bytes = sum(one.spellings.nbytes for one in postings)
    spelled_s = time.perf_counter() - started
    long = [word for word in known if len(word) > 7]
    right = rng.choice(long, ROUNDS * QUERIES, replace=False).tolist()
    wrong = [word[:3] + word[4] + word[3] + word[5:] for word in right]
    ways = {"words alone": words_alone, "mitoyen": mitoyen}
    asked = {"as it is": right, "mistyped": wrong}
    turns = [(typed, name) for typed in asked for name in ways]

    def turn(typed: str, name: str) -> Callable[[], Callable[[int], object]]:
        drawn = iter(asked[typed])  # each word is asked once
        return lambda: lambda _: ways[name](index, next(drawn))

    us = interleaved_us(
        {f"{name}, {typed}": turn(typed, name) for typed, name in turns},
        {f"{name}, {typed}": QUERIES for typed, name in turns},
        ROUNDS,
    )
    return [
        {
            "typed": typed,
            "engine": name,
            "p50_us": round(float(np.median(us[f"{name}, {typed}"])), 1),
            "p99_us": round(float(np.percentile(us[f"{name}, {typed}"], 99)), 1),
            "build_s": round(built_s + spelled_s * (name == "mitoyen"), 3),
            "mb": round((bytes_kept + spelled_bytes * (name == "mitoyen")) / 1e6, 1),
        }
        for typed, name in turns
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench text", description=__doc__)
    parser.add_argument("--titles", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    labelled = read_labelled()
    result = {
        "found": found_by(labelled),
        "by_sort": by_sort(labelled),
        "cost": cost(options.titles),
        "titles": options.titles,
        "command": f"./run bench text --titles {options.titles} --json",
        "machine": machine("numpy", "scikit-learn"),
        "load_before": round(load_before, 2),
    }
    tables = {name: result[name] for name in ("found", "by_sort", "cost")}
    print_result(result, options.json, tables)


if __name__ == "__main__":
    main()
