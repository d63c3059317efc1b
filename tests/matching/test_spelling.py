"""Typing errors: the compiled search against edits made one by one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.spelling import Spellings, edits_allowed

LETTERS = st.text(st.sampled_from("abcé🦀"), max_size=7)


def one_edit(word: str, alphabet: str) -> set[str]:
    """All words that one edit makes of a word."""
    found = set()
    for i in range(len(word) + 1):
        left, right = word[:i], word[i:]
        found |= {left + letter + right for letter in alphabet}
        if right:
            found.add(left + right[1:])
            found |= {left + letter + right[1:] for letter in alphabet}
        if len(right) > 1:
            found.add(left + right[1] + right[0] + right[2:])
    return found


def aligned(one: str, other: str) -> int:
    """Optimal string alignment by its definition, without a table."""
    if not one or not other:
        return len(one) + len(other)
    best = min(
        aligned(one[:-1], other) + 1,
        aligned(one, other[:-1]) + 1,
        aligned(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    )
    if one[-1:] == other[-2:-1] and one[-2:-1] == other[-1:]:
        best = min(best, aligned(one[:-2], other[:-2]) + 1)
    return best


@given(st.lists(LETTERS, max_size=12), LETTERS, st.integers(1, 2))
def test_words_are_found_at_just_so_many_edits(words, word, edits):
    expected = [i for i, other in enumerate(words) if aligned(word, other) == edits]
    assert Spellings(words).at(word, edits).tolist() == expected


@given(st.text(string.ascii_lowercase, min_size=1, max_size=14))
def test_every_single_edit_is_found_as_one(word):
    edited = sorted(one_edit(word, "aez") - {word})
    assert Spellings([*edited, word]).at(word, 1).tolist() == list(range(len(edited)))


def test_a_word_of_any_length_is_compared():
    long = "anticonstitutionnellement" * 400
    assert Spellings([long, long[:-3], ""]).at(long[:-2], 2).tolist() == [0]


def test_without_words_none_is_like_another():
    assert Spellings([]).at("plombier", 2).tolist() == []


@pytest.mark.parametrize(
    ("word", "edits"),
    [
        ("", 0),
        ("sac", 0),
        ("pain", 1),
        ("peintre", 1),
        ("plombier", 2),
        ("plombi3r", 0),
        ("²²²²", 0),
    ],
)
def test_the_longer_a_word_the_more_edits_it_bears(word, edits):
    assert edits_allowed(word) == edits
