"""Words that match: folding by example, the index against a plain reading of its formula."""

import threading

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import matching.text
from matching.text import MAX_WORDS, TextIndex, fold


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


def brute_force(titles, texts, categories, query):
    """The formula again, row by row: {row: fit}."""
    words = sorted(set(fold(query)))

    def holds(text, word):
        return any(
            w == word or (len(word) >= 3 and w[: len(word)] == word) for w in fold(text or "")
        )

    fits = {}
    for row, (title, text, category) in enumerate(zip(titles, texts, categories, strict=True)):
        points = 0
        for word in words:
            if holds(title, word) or holds(category, word):
                points += 10
            elif holds(text, word):
                points += 7
        if points:
            fits[row] = points / (10 * len(words))
    return fits


VOCABULARY = """
    plombier plomb plomberie plo pl cours cour de d'eau l'œil oeil garde enfants enfant pianos été
    ete zzz 12 123 garde.enfants
"""
WORDS = st.sampled_from(VOCABULARY.split())
PHRASES = st.lists(WORDS, max_size=5).map(" ".join)
ROWS = st.lists(st.tuples(*[st.one_of(PHRASES, TEXTS, st.none())] * 3), max_size=12)


@given(ROWS, st.one_of(PHRASES, TEXTS))
def test_scores_equal_brute_force(rows, query):
    titles, texts, categories = ([row[i] for row in rows] for i in range(3))
    found, fit = TextIndex(titles, texts, categories).scores(query)
    assert dict(zip(found.tolist(), fit.tolist(), strict=True)) == brute_force(
        titles, texts, categories, query
    )
    assert (np.diff(found) > 0).all()
    assert found.dtype == np.int64


def test_chunks_join_without_a_seam(monkeypatch):
    monkeypatch.setattr(matching.text, "CHUNK_ROWS", 7)
    rng = np.random.default_rng(5)
    vocabulary = ["plombier", "l'eau", "cours", "à", "piano", "garde", "jardin", "vélo-école"]
    titles, texts, categories = (
        [" ".join(rng.choice(vocabulary, rng.integers(0, 4))) for _ in range(50)] for _ in range(3)
    )
    pieces = pa.chunked_array([titles[:3], [], titles[3:31], titles[31:]], pa.string())
    index = TextIndex(pieces, pa.array(texts), categories)
    for query in ("pia", "eau jardin", "cours velo"):
        rows, fit = index.scores(query)
        expected = brute_force(titles, texts, categories, query)
        assert dict(zip(rows.tolist(), fit.tolist(), strict=True)) == expected


@pytest.mark.parametrize("query", ["plomb", "plombiers", "PLOMBIER", "un plombier"])
def test_a_word_is_found_by_its_beginning_plural_or_case(query):
    rows, fit = TextIndex(["Plombier"], [""], [""]).scores(query)
    assert rows.tolist() == [0]
    assert fit.tolist() == [1.0]


def test_two_letters_find_only_the_word_itself():
    index = TextIndex(["plombier", "pl"], ["", ""], ["", ""])
    assert index.scores("pl")[0].tolist() == [1]


@pytest.mark.parametrize("query", ["", "   ", "de la", "!?", "'"])
def test_a_query_without_words_finds_nothing(query):
    rows, fit = TextIndex(["de la !?"], ["x"], ["y"]).scores(query)
    assert rows.size == fit.size == 0


def test_an_index_without_rows_finds_nothing():
    assert TextIndex([], [], []).scores("plombier")[0].size == 0


def test_words_beyond_the_last_that_counts_are_ignored():
    words = [f"mot{i:02}" for i in range(MAX_WORDS + 5)]
    rows, fit = TextIndex(words, [""] * len(words), [""] * len(words)).scores(" ".join(words))
    assert rows.tolist() == list(range(MAX_WORDS))
    assert fit == pytest.approx([1 / MAX_WORDS] * MAX_WORDS)


def test_threads_that_ask_first_get_one_built_index():
    titles = [f"mot{i} plombier" for i in range(3000)]
    index = TextIndex(titles, titles, titles)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(index.scores("plombier")[0].size))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [3000] * 4
