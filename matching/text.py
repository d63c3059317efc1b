"""Words that match: an inverted index over titles, texts and categories."""

import re
import threading
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array

from geo.arrays import FloatArray, IntArray
from matching.spelling import Spellings, edits_allowed

__all__ = [
    "MAX_WORDS",
    "Matched",
    "Postings",
    "Rows",
    "TextIndex",
    "asked_words",
    "family",
    "fold",
    "match_words",
    "spelled",
]

Rows: TypeAlias = npt.NDArray[np.integer[Any]]
Column: TypeAlias = "Sequence[str | None] | pa.Array | pa.ChunkedArray"

MAX_WORDS = 32  # of a query; those after it don't count
MAX_CORRECTED = 8  # the first of them; to look through all words takes a millisecond or two
PREFIX_LETTERS = 3  # from here on a word of a query also matches what it begins
PLURAL_LETTERS = 4  # from here on a final s or x is dropped
FAMILY_LETTERS = 5  # that the words of a family begin with

# What a word found there counts, by its edits: itself, and another of its family.
IN_TITLE = ((10, 8), (6, 5), (4, 3))
IN_TEXT = ((7, 5), (4, 3), (3, 2))

CHUNK_ROWS = 65_536  # bounds what the build holds beside its result

_WORD = re.compile(r"[^\W_]+")
_ELISION = re.compile(r"\b(?:[cdjlmnst]|(?:jus|lors|puis)?qu)['’ʼ]")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae"})
# What French puts behind the stem of a trade: plombier, plomberie; coiffeuse, coiffure.
_ENDINGS = """
    age agiste ateur ation atrice e ement er ere erie eur euse icien icienne icite ie ien ienne
    ier iere ique iste re ure
"""
_FAMILY = re.compile(rf"(.{{{FAMILY_LETTERS},}}?)(?:{'|'.join(_ENDINGS.split())})")
_STOP_TEXT = """
    a au aux avec ce ces cet cette chez dans de des du elle elles en et il ils je la le les leur
    leurs ma mes mon ne nos notre nous on ou par pas pour qui que sa sans se ses son sur ta tes
    ton tu un une vos votre vous y
    an and at by for from in is my of or our the to with your
"""
_STOP_WORDS = frozenset(_STOP_TEXT.split())


def fold(text: str) -> list[str]:
    """The words of a text, as they are compared.

    Parameters
    ----------
    text : str
        French or English.

    Returns
    -------
    list of str
        In their order: lower case, without accents and ligatures, without elisions and stop
        words; a word of four letters or more without its final s or x.

    Examples
    --------
    >>> fold("L'Œuvre des Ateliers d’été")
    ['oeuvre', 'atelier', 'ete']
    """
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_LIGATURES)
    # Casefolding may bring marks back (İ), so they are dropped after it.
    plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    words = _WORD.findall(_ELISION.sub(" ", plain))
    return [_singular(word) for word in words if word not in _STOP_WORDS]


def spelled(text: str) -> dict[str, str]:
    """The words of a text as they are compared, each as it stands there first, in lower case.

    Examples
    --------
    >>> spelled("L'Électricité des Chaudières")
    {'electricite': 'électricité', 'chaudiere': 'chaudières'}
    """
    found: dict[str, str] = {}
    for word in _WORD.findall(_ELISION.sub(" ", unicodedata.normalize("NFC", text).lower())):
        for folded in fold(word):
            found.setdefault(folded, word)
    return found


def asked_words(query: str) -> list[str]:
    """The words of a query that count, each once."""
    return list(dict.fromkeys(fold(query)))[:MAX_WORDS]


def _singular(word: str) -> str:
    return word[:-1] if len(word) >= PLURAL_LETTERS and word[-1] in "sx" else word


def family(word: str) -> str:
    """What a folded word begins with, as others of its family do: five letters at least.

    Examples
    --------
    >>> [family(word) for word in ("plombier", "plomberie", "plomb", "electricite", "pain")]
    ['plomb', 'plomb', 'plomb', 'electr', 'pain']
    """
    found = _FAMILY.fullmatch(word)
    return found[1] if found else word


@dataclass(frozen=True, eq=False)
class Postings:
    """Rows by word: those of ``words[i]`` are ``rows[starts[i]:starts[i + 1]]``."""

    words: list[str]  # sorted, so that all words of one beginning lie side by side
    starts: Rows
    rows: Rows

    @cached_property
    def spellings(self) -> Spellings:
        """The words, to be found by what they are like; made when first asked for."""
        return Spellings(self.words)

    def begun_by(self, word: str) -> Rows:
        """Rows that hold a word, or from three letters on one that begins so; some twice."""
        first, last = self._places(word, begun=len(word) >= PREFIX_LETTERS)
        return self.rows[self.starts[first] : self.starts[last]]

    def rows_of(self, words: Iterable[str]) -> Rows:
        """Rows that hold one of some words; some twice."""
        return self._rows_at(place for word in words for place in range(*self._places(word)))

    def kin_of(self, words: Iterable[str]) -> Rows:
        """Rows that hold a word of the families of some words; some twice."""
        return self._rows_at(
            place
            for stem in {family(word) for word in words}
            if len(stem) >= FAMILY_LETTERS
            for place in range(*self._places(stem, begun=True))  # as all of a family do
            if family(self.words[place]) == stem
        )

    def _places(self, word: str, *, begun: bool = False) -> tuple[int, int]:
        """The first place of a word, or of those it begins, and the place after the last."""
        # "\x00" follows a word itself, and "\U0010ffff" everything that begins with it.
        end = word + ("\U0010ffff" if begun else "\x00")
        return bisect_left(self.words, word), bisect_left(self.words, end)

    def _rows_at(self, places: Iterable[int]) -> Rows:
        rows = [self.rows[self.starts[place] : self.starts[place + 1]] for place in places]
        return np.concatenate(rows) if rows else self.rows[:0]


class Matched(NamedTuple):
    """Rows that match a query, ascending, and how well each fits it, above 0 up to 1.

    ``corrected`` has, for each word of the query that was read as others, their families.
    """

    rows: IntArray
    fits: FloatArray
    corrected: Mapping[str, frozenset[str]]


class TextIndex:
    """Which rows hold a word.

    Built at the first query, once; any number of threads may ask.

    Parameters
    ----------
    titles, texts, categories : sequence of str or None, or pyarrow string column
        One value per row each. A category's parts ("garde.enfants") are words.
    """

    def __init__(self, titles: Column, texts: Column, categories: Column) -> None:
        self._columns: Sequence[Sequence[Column]] = ((titles, categories), (texts,))
        self._rows = len(titles)
        self._built: tuple[Postings, Postings] | None = None
        self._building = threading.Lock()

    def __len__(self) -> int:
        return self._rows

    @classmethod
    def of(cls, rows: int, postings: tuple[Postings, Postings]) -> "TextIndex":
        """The index of so many rows that these `postings` were made of."""
        index = cls((), (), ())
        index._rows, index._built = rows, postings
        return index

    @property
    def is_built(self) -> bool:
        """Whether a query has been asked."""
        return self._built is not None

    def postings(self) -> tuple[Postings, Postings]:
        """Rows by word of titles and categories, and of texts; made when first asked for."""
        with self._building:
            if self._built is None:
                strong, weak = self._columns
                self._built = (_inverted(strong, self._rows), _inverted(weak, self._rows))
                self._columns = ()  # not needed any more
            return self._built


Sees = Callable[[int, Rows], bool]
"""Whether any of some rows of an index, given by its number, is one that who asks may see."""


def match_words(indexes: Sequence[TextIndex], query: str, sees: Sees | None = None) -> Matched:
    """Rows that hold words of a query, typing errors put right.

    Parameters
    ----------
    indexes : sequence of TextIndex
        Rows are numbered through them, one after the other.
    query : str
        Words; a query without any (empty, or stop words alone) finds nothing.
    sees : callable, optional
        ``(number of the index, rows of it) -> whether any counts``; every row does without.

    Notes
    -----
    A word of the query matches a word of a row that equals it, or begins with it if it has
    three letters or more, or is of its family, both folded. If no row that counts holds such a
    word, it is read as the words at the fewest edits that one does hold: at most one edit from
    four letters on, two from eight on, and none beyond the eighth word. So rows that don't count
    change nothing in what is found of the others.

    Each distinct word counts 10 if it matches in title or category, else 7 if in the text; 8
    and 5 if only its family does. Read with one edit it counts 6 and 4, its family 5 and 3;
    with two 4 and 3, its family 3 and 2. The fit is the sum over 10 times the number of
    distinct words.

    Examples
    --------
    >>> index = TextIndex(["Plombier", "Cours de piano"], ["", "au port"], ["artisan", None])
    >>> match_words([index], "plomb")
    Matched(rows=array([0]), fits=array([1.]), corrected={})
    >>> match_words([index], "pinao, port")
    Matched(rows=array([1]), fits=array([0.65]), corrected={'pinao': frozenset({'piano'})})
    """
    firsts = np.cumsum([0, *map(len, indexes)])
    total = np.zeros(firsts[-1], dtype=np.uint16)
    words, corrected = asked_words(query), {}
    for number, word in enumerate(words):
        most = edits_allowed(word) if number < MAX_CORRECTED else 0
        edits, read = _read(indexes, word, most, sees)
        if not read:
            continue
        points = np.zeros(len(total), dtype=np.uint16)
        for first, end, index in zip(firsts[:-1], firsts[1:], indexes, strict=True):
            titles, texts = index.postings()
            # From what counts least to what counts most.
            for found, (itself, kin) in ((texts, IN_TEXT[edits]), (titles, IN_TITLE[edits])):
                points[first:end][found.kin_of(read)] = kin
                held = found.rows_of(read) if edits else found.begun_by(word)
                points[first:end][held] = itself
        total += points
        if edits:
            corrected[word] = frozenset(map(family, read))
    rows = np.flatnonzero(total)
    return Matched(rows, total[rows] / (IN_TITLE[0][0] * max(1, len(words))), corrected)


def _read(
    indexes: Sequence[TextIndex], word: str, most: int, sees: Sees | None
) -> tuple[int, Collection[str]]:
    """As which words one of a query is read, and how many edits away; as none if nowhere."""
    all_postings = [(n, one) for n, index in enumerate(indexes) for one in index.postings()]

    def seen(number: int, rows: Rows) -> bool:
        return len(rows) > 0 and (sees is None or sees(number, rows))

    for number, found in all_postings:
        if seen(number, found.begun_by(word)) or seen(number, found.kin_of([word])):
            return 0, [word]
    for edits in range(1, most + 1):
        read = {
            other
            for number, found in all_postings
            for other in map(found.words.__getitem__, found.spellings.at(word, edits).tolist())
            if seen(number, found.rows_of([other]))
        }
        if read:
            return edits, read
    return 0, ()


def _inverted(columns: Sequence[Column], rows: int) -> Postings:
    """All columns' words with the rows that hold them."""
    ids: dict[str, int] = {}
    of_raw: dict[str, list[int]] = {}  # what a run of letters between spaces folds to
    pairs = [
        _word_rows(chunk, start, ids, of_raw)
        for column in columns
        for start, chunk in _chunks(column)
    ]
    words = sorted(ids)
    rank = np.empty(len(words), dtype=np.int32)
    rank[[ids[word] for word in words]] = np.arange(len(words), dtype=np.int32)
    word_of = rank[np.concatenate([word for word, _ in pairs] or [rank])]
    row_of = np.concatenate([row for _, row in pairs] or [rank])
    ones = np.ones(len(row_of), dtype=np.bool_)
    by_word = coo_array((ones, (row_of, word_of)), shape=(rows, len(words))).tocsc()
    return Postings(words, by_word.indptr, by_word.indices)


def _chunks(column: Column) -> Iterator[tuple[int, pa.Array]]:
    """A column as plain string arrays, each with the number of its first row."""
    if not isinstance(column, pa.Array | pa.ChunkedArray):
        column = pa.array(column, pa.string())
    for start in range(0, len(column), CHUNK_ROWS):
        chunk = column.slice(start, CHUNK_ROWS)
        yield start, chunk.combine_chunks() if isinstance(chunk, pa.ChunkedArray) else chunk


def _word_rows(
    chunk: pa.Array, start: int, ids: dict[str, int], of_raw: dict[str, list[int]]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Word ids of a chunk and the row of each; ``ids`` and ``of_raw`` grow on the way.

    Folding looks at nothing beyond a space, so that each distinct run of letters is folded
    once, and the rest is done on columns.
    """
    split = pc.ascii_split_whitespace(pc.fill_null(chunk, ""))
    raw = split.flatten().dictionary_encode()
    folded = []
    for text in raw.dictionary.to_pylist():
        if text not in of_raw:
            of_raw[text] = [ids.setdefault(word, len(ids)) for word in fold(text)]
        folded.append(of_raw[text])
    counts = np.array([len(words) for words in folded], dtype=np.int64)
    flat = np.array([word for words in folded for word in words], dtype=np.int32)
    firsts = np.cumsum(counts) - counts
    occurrences = raw.indices.to_numpy(zero_copy_only=False)
    lengths = np.diff(split.offsets.to_numpy())
    rows = np.repeat(np.arange(start, start + len(chunk), dtype=np.int32), lengths)
    # Each occurrence becomes as many words as it folds to: none, one or several.
    each = counts[occurrences]
    within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    return flat[np.repeat(firsts[occurrences], each) + within], np.repeat(rows, each)
