"""Words that match: folding by example, the index against a plain reading of its formula."""

import threading
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import matching.text
from matching.text import MAX_WORDS, TextIndex, fold, match_words, spelled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Plombier chauffagiste", ["plombier", "chauffagiste"]),
        ("Électricité GÉNÉRALE", ["electricite", "generale"]),
        ("e\u0301te\u0301", ["ete"]),  # accents as characters of their own
        ("cœur, Œuvres, ex æquo", ["coeur", "oeuvre", "ex", "aequo"]),
        ("l'eau, l’été, d'une, qu'il, jusqu'au bout", ["eau", "ete", "bout"]),
        ("cours de gâteaux", ["cour", "gateau"]),
        ("bus, prix, as", ["bus", "pri", "as"]),  # three letters keep their s
        ("le chat et la souris", ["chat", "souri"]),
        ("garde.enfants_soir", ["garde", "enfant", "soir"]),
        ("vélo-école n°3", ["velo", "ecole", "n", "3"]),
        ("2 chaises, 24/7", ["2", "chaise", "24", "7"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("İzmir ﬁn", ["izmir", "fin"]),
        ("d'", []),
        ("", []),
        ("à la de", []),
    ],
)
def test_a_text_is_folded_to_the_words_that_count(text, words):
    assert fold(text) == words


TEXTS = st.text(
    st.one_of(
        st.sampled_from("abcdqrsulx éÈœŒ'’  \t.-_19"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=20,
)


@given(TEXTS, TEXTS, st.sampled_from([" ", "\n", "\t", "\r\n"]))
def test_folding_looks_at_nothing_beyond_a_space(left, right, space):
    assert fold(left + space + right) == fold(left) + fold(right)


def edits(one, other):
    """Optimal string alignment, by its recursion."""

    @cache
    def between(i, j):
        if i == 0 or j == 0:
            return i + j
        found = min(
            between(i - 1, j) + 1,
            between(i, j - 1) + 1,
            between(i - 1, j - 1) + (one[i - 1] != other[j - 1]),
        )
        if i > 1 and j > 1 and one[i - 2 : i] == other[j - 2 : j][::-1]:
            found = min(found, between(i - 2, j - 2) + 1)
        return found

    return between(len(one), len(other))


def brute_force(titles, texts, categories, query, counting=None):
    """The formula again, row by row: {row: fit}. ``counting`` are the rows that count."""
    words = sorted(set(fold(query)))
    rows = [
        (fold(title or "") + fold(category or ""), fold(text or ""))
        for title, text, category in zip(titles, texts, categories, strict=True)
    ]

    def holds(where, word, most):
        if most == 0:
            return any(w == word or (len(word) >= 3 and w[: len(word)] == word) for w in where)
        return any(edits(w, word) == most for w in where)

    def read(word):
        limit = 0 if any(c.isdigit() for c in word) else (len(word) > 3) + (len(word) > 7)
        for most in range(limit + 1):
            for row, parts in enumerate(rows):
                counts = counting is None or row in counting
                if counts and any(holds(part, word, most) for part in parts):
                    return most
        return None

    points = [0] * len(rows)
    for word in words:
        most = read(word)
        if most is None:
            continue
        for row, (strong, weak) in enumerate(rows):
            if holds(strong, word, most):
                points[row] += (10, 6, 4)[most]
            elif holds(weak, word, most):
                points[row] += (7, 4, 3)[most]
    return {row: n / (10 * len(words)) for row, n in enumerate(points) if n}


VOCABULARY = """
    plombier plomb plomberie plo pl cours cour de d'eau l'œil oeil garde enfants enfant pianos été
    ete zzz 12 123 garde.enfants plombeir plonb piona enfnats jradin cuors 124 plombreie
"""
WORDS = st.sampled_from(VOCABULARY.split())
PHRASES = st.lists(WORDS, max_size=5).map(" ".join)
ROWS = st.lists(st.tuples(*[st.one_of(PHRASES, TEXTS, st.none())] * 3), max_size=12)


@given(ROWS, st.one_of(PHRASES, TEXTS), st.one_of(st.none(), st.sets(st.integers(0, 11))))
def test_matches_equal_brute_force(rows, query, counting):
    titles, texts, categories = ([row[i] for row in rows] for i in range(3))
    sees = None if counting is None else lambda _, some: not counting.isdisjoint(some.tolist())
    found, fits, corrected = match_words([TextIndex(titles, texts, categories)], query, sees)
    expected = brute_force(titles, texts, categories, query, counting)
    assert dict(zip(found.tolist(), fits.tolist(), strict=True)) == expected
    assert (np.diff(found) > 0).all()
    assert found.dtype == np.int64
    assert set(corrected) <= set(fold(query))
    for word, others in corrected.items():
        assert {edits(word, other) for other in others} in ({1}, {2})


@given(ROWS, st.integers(0, 12), st.one_of(PHRASES, TEXTS))
def test_rows_are_read_the_same_in_one_index_and_in_two(rows, at, query):
    columns = [[row[i] for row in rows] for i in range(3)]
    one = match_words([TextIndex(*columns)], query)
    parts = [
        TextIndex(*(column[part] for column in columns)) for part in (slice(at), slice(at, 99))
    ]
    two = match_words(parts, query)
    assert two.rows.tolist() == one.rows.tolist()
    assert two.fits.tolist() == one.fits.tolist()
    assert two.corrected == one.corrected


def test_chunks_join_without_a_seam(monkeypatch):
    monkeypatch.setattr(matching.text, "CHUNK_ROWS", 7)
    rng = np.random.default_rng(5)
    vocabulary = ["plombier", "l'eau", "cours", "à", "piano", "garde", "jardin", "vélo-école"]
    titles, texts, categories = (
        [" ".join(rng.choice(vocabulary, rng.integers(0, 4))) for _ in range(50)] for _ in range(3)
    )
    pieces = pa.chunked_array([titles[:3], [], titles[3:31], titles[31:]], pa.string())
    index = TextIndex(pieces, pa.array(texts), categories)
    for query in ("pia", "eau jardin", "cours velo", "jradin"):
        rows, fit, _ = match_words([index], query)
        expected = brute_force(titles, texts, categories, query)
        assert dict(zip(rows.tolist(), fit.tolist(), strict=True)) == expected


@pytest.mark.parametrize("query", ["plomb", "plombiers", "PLOMBIER", "un plombier"])
def test_a_word_is_found_by_its_beginning_plural_or_case(query):
    rows, fit, corrected = match_words([TextIndex(["Plombier"], [""], [""])], query)
    assert corrected == {}
    assert rows.tolist() == [0]
    assert fit.tolist() == [1.0]


def test_two_letters_find_only_the_word_itself():
    index = TextIndex(["plombier", "pl"], ["", ""], ["", ""])
    assert match_words([index], "pl").rows.tolist() == [1]


@pytest.mark.parametrize("query", ["", "   ", "de la", "!?", "'"])
def test_a_query_without_words_finds_nothing(query):
    rows, fit, _ = match_words([TextIndex(["de la !?"], ["x"], ["y"])], query)
    assert rows.size == fit.size == 0


def test_an_index_without_rows_finds_nothing():
    assert match_words([TextIndex([], [], [])], "plombier").rows.size == 0
    assert match_words([], "plombier").rows.size == 0


def test_words_beyond_the_last_that_counts_are_ignored():
    words = [f"mot{i:02}" for i in range(MAX_WORDS + 5)]
    index = TextIndex(words, [""] * len(words), [""] * len(words))
    rows, fit, _ = match_words([index], " ".join(words))
    assert rows.tolist() == list(range(MAX_WORDS))
    assert fit == pytest.approx([1 / MAX_WORDS] * MAX_WORDS)


def test_threads_that_ask_first_get_one_built_index():
    titles = [f"mot{i} plombier" for i in range(3000)]
    index = TextIndex(titles, titles, titles)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(match_words([index], "plombier").rows.size))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [3000] * 4


def test_a_word_is_corrected_only_where_nobody_who_asks_could_find_it():
    index = TextIndex(["Jardin", "Jradin"], ["", ""], ["", ""])
    seen_by_all = match_words([index], "jradin")
    assert (seen_by_all.rows.tolist(), seen_by_all.corrected) == ([1], {})
    hidden = match_words([index], "jradin", lambda _, rows: bool((rows != 1).any()))
    assert hidden.rows.tolist() == [0]
    assert hidden.corrected == {"jradin": {"jardin"}}


def test_what_is_meant_is_told_as_it_is_written():
    assert spelled("L'ÉLECTRICITÉ, d’abord l'électricité") == {
        "electricite": "électricité",
        "abord": "abord",
    }
