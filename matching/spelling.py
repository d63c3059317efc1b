"""Words that differ by a typing error or two, found among all words of an index.

Edits are those of optimal string alignment: a letter put in, left out or replaced, or two
neighbours that changed places; no letter is edited twice.

References
----------
F. J. Damerau, "A technique for computer detection and correction of spelling errors",
Communications of the ACM 7(3), 1964: four of five errors are one such edit.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

import geo.kernels  # noqa: F401  # first: it says where compiled kernels are kept
from geo.arrays import IntArray

__all__ = ["Spellings", "edits_allowed"]

ONE_EDIT_LETTERS, TWO_EDITS_LETTERS = 4, 8  # shorter words mean another word, edited so

Letters = npt.NDArray[np.uint32]


def edits_allowed(word: str) -> int:
    """How many edits a word may be away from what was meant; none where it holds a digit.

    Examples
    --------
    >>> [edits_allowed(word) for word in ("sac", "pain", "plombier", "13002")]
    [0, 1, 2, 0]
    """
    if any(map(str.isdigit, word)):
        return 0
    return (len(word) >= ONE_EDIT_LETTERS) + (len(word) >= TWO_EDITS_LETTERS)


class Spellings:
    """Words, to be found by what they are like.

    Parameters
    ----------
    words : sequence of str
        Each has a place: its number in the sequence.

    Examples
    --------
    >>> Spellings(["plomberie", "plombier", "pompier"]).at("plobmier", 1)
    array([1])
    """

    def __init__(self, words: Sequence[str]) -> None:
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        # Sorted by length, so that those of one length lie side by side.
        self._places = np.argsort(lengths, kind="stable")
        self._letters = _letters("".join(words[place] for place in self._places.tolist()))
        self._lengths = lengths[self._places]
        self._starts = np.concatenate(([0], np.cumsum(self._lengths)))
        self._masks = _masks(self._letters, self._starts)

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        arrays = (self._places, self._letters, self._lengths, self._starts, self._masks)
        return sum(array.nbytes for array in arrays)

    def at(self, word: str, edits: int) -> IntArray:
        """Places of the words that are so many edits away, no fewer and no more; ascending."""
        wanted = _letters(word)
        ends = (len(wanted) - edits, len(wanted) + edits + 1)
        first, last = np.searchsorted(self._lengths, ends)
        found = _at(self._letters, self._starts, self._masks, first, last, wanted, edits)
        return np.sort(self._places[found])


def _letters(text: str) -> Letters:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@njit(cache=True, nogil=True)
def _mask(letters: Letters) -> int:
    """A bit for each letter there is; a to z have bits of their own."""
    mask = 0
    for letter in letters:
        mask |= 1 << (letter & 31)
    return mask


@njit(cache=True, nogil=True)
def _masks(letters: Letters, starts: IntArray) -> IntArray:
    masks = np.empty(len(starts) - 1, np.int64)
    for i in range(len(masks)):
        masks[i] = _mask(letters[starts[i] : starts[i + 1]])
    return masks


@njit(cache=True, nogil=True)
def _at(
    letters: Letters,
    starts: IntArray,
    masks: IntArray,
    first: int,
    last: int,
    wanted: Letters,
    edits: int,
) -> IntArray:
    """Which words from ``first`` to before ``last`` are ``edits`` away from the one wanted."""
    mask = _mask(wanted)
    rows = np.empty((3, len(wanted) + edits + 1), np.int64)
    found = np.empty(last - first, np.int64)
    count = 0
    for i in range(first, last):
        # An edit brings one letter and takes one at most: few words are left to be compared.
        differing, bits = masks[i] ^ mask, 0
        while differing and bits <= 2 * edits:
            differing &= differing - 1
            bits += 1
        if bits > 2 * edits:
            continue
        if _edits(wanted, letters[starts[i] : starts[i + 1]], edits, rows) == edits:
            found[count] = i
            count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def _edits(one: Letters, other: Letters, most: int, rows: IntArray) -> int:
    """Edits between two words, or any number above ``most`` if they are more.

    The table is filled near its diagonal only: what lies ``most`` beside it costs more.
    """
    before, last, now = rows[0], rows[1], rows[2]
    for j in range(len(other) + 1):
        last[j] = j
    for i in range(1, len(one) + 1):
        low, high = max(1, i - most), min(len(other), i + most)
        now[low - 1] = i if low == 1 else most + 1
        best = now[low - 1]
        for j in range(low, high + 1):
            found = min(last[j] + 1, now[j - 1] + 1, last[j - 1] + (one[i - 1] != other[j - 1]))
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                found = min(found, before[j - 2] + 1)
            now[j] = found
            best = min(best, found)
        if best > most:
            return most + 1
        if high < len(other):
            now[high + 1] = most + 1
        before, last, now = last, now, before
    result: int = last[len(other)]
    return result
