"""Columns of strings, read and searched where they lie: in Arrow's buffers, mapped or not."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

import geo.kernels  # noqa: F401  # first: it says where compiled kernels are kept
from geo.arrays import IntArray

__all__ = ["SortedIds", "Strings"]

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int32]


class Strings:
    """A column of strings, many times as fast to read as by Arrow's scalars.

    Parameters
    ----------
    column : pyarrow.Array
        Strings; null reads as empty.

    Examples
    --------
    >>> Strings(pa.array(["a", "é", None, "d"])).of([1, 2, 1])
    ['é', '', 'é']
    """

    def __init__(self, column: pa.Array) -> None:
        _, offsets, text = column.buffers()
        self._starts = memoryview(offsets or b"").cast("i")[column.offset :]
        self._text = memoryview(text or b"")

    def of(self, rows: Sequence[int]) -> list[str]:
        """The strings of some rows."""
        starts, text = self._starts, self._text
        return [str(text[starts[row] : starts[row + 1]], "utf-8") for row in rows]


class SortedIds:
    """Distinct ids in bytewise order, found by bisection without a copy.

    Parameters
    ----------
    column : pyarrow.Array
        Strings, sorted by their UTF-8 bytes, none of them null.

    Examples
    --------
    >>> ids = SortedIds(pa.array(["a", "b", "é"]))
    >>> ids.rows_of(["b", "c", "é"])
    array([ 1, -1,  2])
    >>> ids.first_from("c")
    (2, False)
    """

    def __init__(self, column: pa.Array) -> None:
        column = column if len(column) else pa.array([""])[:0]  # an empty one may lack buffers
        _, offsets, text = column.buffers()
        ends = slice(column.offset, column.offset + len(column) + 1)
        self._starts = np.frombuffer(offsets, np.int32)[ends]
        # A column of empty strings alone has no bytes to point at.
        self._text = np.frombuffer(text if text and text.size else b"\0", np.uint8)
        for array in (self._starts, self._text):
            array.setflags(write=False)  # else compiled code takes it for another type

    def __len__(self) -> int:
        return len(self._starts) - 1

    def first_from(self, id: str) -> tuple[int, bool]:
        """Row of the first id that is not before this one, and whether it is this one."""
        found = int(_bisect(self._starts, self._text, *_joined((id,)))[0])
        return found >> 1, bool(found & 1)

    def row_of(self, id: str) -> int:
        """Row of an id, -1 if it is not among them."""
        row, known = self.first_from(id)
        return row if known else -1

    def rows_of(self, ids: Sequence[str]) -> IntArray:
        """Row of each id, -1 where it is not among them, shape (n,)."""
        found = _bisect(self._starts, self._text, *_joined(ids))
        return np.where(found & 1, found >> 1, -1)


def _joined(ids: Sequence[str]) -> tuple[Offsets, Bytes]:
    """Some ids as a column of strings has them."""
    # What is no text is no id: no encoded one is equal to it.
    encoded = [id.encode(errors="surrogatepass") for id in ids]
    starts = np.array([0, *accumulate(map(len, encoded))], np.int32)
    return starts, np.frombuffer(b"".join(encoded) + b"\0", np.uint8)


@njit(cache=True, nogil=True)
def _bisect(starts: Offsets, text: Bytes, wanted_starts: Offsets, wanted: Bytes) -> IntArray:
    """Twice the first row that is not before each id wanted, and one more if it is the id."""
    found = np.empty(len(wanted_starts) - 1, np.int64)
    for i in range(len(found)):
        first, last = wanted_starts[i], wanted_starts[i + 1]
        low, high, equal = 0, len(starts) - 1, 0
        while low < high:
            middle = (low + high) >> 1
            at, end = starts[middle], starts[middle + 1]
            shared = min(end - at, last - first)
            k = 0
            while k < shared and text[at + k] == wanted[first + k]:
                k += 1
            if k < shared:
                before = text[at + k] < wanted[first + k]
            else:
                before = end - at < last - first
                if end - at == last - first:
                    equal = 1
            if before:
                low = middle + 1
            else:
                high = middle
        found[i] = 2 * low + equal
    return found
