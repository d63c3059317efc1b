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


ENDINGS = """
    age agiste ateur ation atrice e ement er ere erie eur euse icien icienne icite ie ien ienne
    ier iere ique iste re ure
"""


def stem(word):
    """The shortest beginning of five letters or more that an ending follows."""
    cuts = [word[:i] for i in range(5, len(word)) if word[i:] in ENDINGS.split()]
    return cuts[0] if cuts else word


def brute_force(titles, texts, categories, query, counting=None):
    """The formula again, row by row: {row: fit}. ``counting`` are the rows that count."""
    rows = [
        (fold(title or "") + fold(category or ""), fold(text or ""))
        for title, text, category in zip(titles, texts, categories, strict=True)
    ]
    known = {
        word
        for row, parts in enumerate(rows)
        if counting is None or row in counting
        for part in parts
        for word in part
    }
    points = [0] * len(rows)
    words = sorted(set(fold(query)))
    for word in words:

        def begun(other, word=word):
            return other == word or (len(word) >= 3 and other[: len(word)] == word)

        meant, worth = {word}, ((10, 8), (7, 5))
        if not any(begun(other) or stem(other) == stem(word) for other in known):
            limit = 0 if any(c.isdigit() for c in word) else (len(word) > 3) + (len(word) > 7)
            one, two = ({w for w in known if edits(w, word) == n} for n in (1, 2))
            if one and limit:
                meant, worth = one, ((6, 5), (4, 3))
            elif two and limit == 2:
                meant, worth = two, ((4, 3), (3, 2))
            else:
                continue
        stems = {stem(one) for one in meant}
        for row, parts in enumerate(rows):
            for part, (itself, kin) in zip(parts, worth, strict=True):
                if any(w in meant or (meant == {word} and begun(w)) for w in part):
                    points[row] += itself
                elif any(stem(w) in stems for w in part):
                    points[row] += kin
                else:
                    continue
                break
    return {row: n / (10 * len(words)) for row, n in enumerate(points) if n}


VOCABULARY = """
    plombier plomb plomberie plo pl cours cour de d'eau l'œil oeil garde enfants enfant pianos été
    ete zzz 12 123 garde.enfants plombeir plonb piona enfnats jradin cuors 124 plombreie
    plobmier plombir electricien électricité eletrician coiffeuse coifure coiffeur
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


def test_words_beyond_the_eighth_count_as_they_are_typed():
    words = ["jardin", "piano", "plombier", "peintre", "serrure", "guitare", "pompier", "fleur"]
    index = TextIndex([*words, "couture"], [""] * 9, [""] * 9)
    mistyped = [word + "z" for word in words]
    assert match_words([index], " ".join([*mistyped[:7], "cuoture"])).rows.tolist() == [
        *range(7),
        8,
    ]
    assert match_words([index], " ".join([*mistyped, "cuoture"])).rows.tolist() == [*range(8)]
    assert match_words([index], " ".join([*mistyped, "couture"])).rows.tolist() == [*range(9)]


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


def test_a_word_also_finds_its_family_behind_itself():
    index = TextIndex(["Plomberie", "Plombier", "Peinture"], ["", "", ""], ["", "", ""])
    rows, fits, _ = match_words([index], "plombier")
    assert dict(zip(rows.tolist(), fits.tolist(), strict=True)) == {0: 0.8, 1: 1.0}


def test_words_read_at_one_edit_bring_their_family():
    index = TextIndex(["Plomberie", "Plombier"], ["", ""], ["", ""])
    rows, fits, corrected = match_words([index], "plobmier")
    assert dict(zip(rows.tolist(), fits.tolist(), strict=True)) == {0: 0.5, 1: 0.6}
    assert corrected == {"plobmier": {"plomb"}}


def test_a_hidden_word_lends_its_family_to_nobody():
    index = TextIndex(["Griffeur", "Griffure", "Coiffeur"], ["", "", ""], ["", "", ""])
    # The first, which is hidden, is one edit away, and of the second's family.
    found = match_words([index], "grifeurs", lambda _, rows: bool((rows != 0).any()))
    assert found.rows.tolist() == []
    assert match_words([index], "grifeurs").rows.tolist() == [0, 1]


def test_what_is_meant_is_told_as_it_is_written():
    assert spelled("L'ÉLECTRICITÉ, d’abord l'électricité") == {
        "electricite": "électricité",
        "abord": "abord",
    }
