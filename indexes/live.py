"""The near-me index while things change: a packed base, and what came and went since.

A change is a row that dies, a row that appears, or both: a move. Rows die by a note of the
version they died in. New rows go to the *newest leaves*, 32 to a leaf as in a tree, but in no
tree: every search reads those of the classes it asks for. When there are many, `compact` packs
them into a small tree, and merges small trees as they add up, while searches go on.

Nothing that a search may be reading is ever changed under it: each change makes a new
`PointView`, and a view sees the rows and the deaths of its own version only.
"""

import threading
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from geo.arrays import BoolArray, IntArray
from geo.kernels import forget_stale
from indexes import header as h
from indexes.columns import ALWAYS_TO, CLASSES, Ints, PointColumns
from indexes.memory import address_of, ints32_at, ints_at
from indexes.packing import COLD_COLUMNS, HOT_COLUMNS, LEAF, ROW, TRAITS, pack_rows
from indexes.points import PointIndex, PointView
from indexes.scan import NEWEST_PART, PLACE_BITS
from indexes.scores import compiled, inlined
from indexes.topk import dead_bit

__all__ = ["LiveIndex"]

LEAVES = 160  # at first: room for 4,000 newest rows, and a leaf begun for each class
ROOM = 8_192  # rows that the other arrays have room for at first
MERGED = 2  # a small tree is merged into one of at least half its size

Numbers = TypeVar("Numbers", IntArray, Ints)


@inlined
def _append(header: IntArray, hot: Ints, cold: Ints, at: int, used: IntArray) -> int:
    """Put row ``at`` of ``hot`` and ``cold`` into the last leaf of its class; returns its place.

    A search may be reading that leaf: it skips what its view has not come to, and the row
    number of an unfilled place is one that no view comes to.
    """
    leaves = header[h.LEAVES]
    newest_hot = ints32_at(header[h.HOT], (leaves, HOT_COLUMNS, LEAF))
    newest_cold = ints32_at(header[h.COLD], (leaves, LEAF, COLD_COLUMNS))
    chain = ints_at(header[h.CHAIN], (leaves,))
    klass = (cold[at, TRAITS] >> 3) & 15
    leaf = header[h.NEWEST + klass]
    if leaf < 0 or used[1 + klass] == LEAF:
        chain[used[0]] = leaf
        leaf = used[0]
        header[h.NEWEST + klass] = leaf
        used[0] += 1
        used[1 + klass] = 0
    i = used[1 + klass]
    for column in range(COLD_COLUMNS):
        newest_cold[leaf, i, column] = cold[at, column]
    for column in range(HOT_COLUMNS):
        newest_hot[leaf, column, i] = hot[at, column]
    used[1 + klass] += 1
    place: int = (NEWEST_PART << PLACE_BITS) + leaf * LEAF + i
    return place


@compiled
def _take(
    header: IntArray, gone: IntArray, hot: Ints, cold: Ints, ranks: IntArray,
    all_hot: Ints, all_cold: Ints, places: IntArray, used: IntArray,
) -> None:  # fmt: skip
    """One version on: rows die, and new ones are kept and put into the newest leaves."""
    header[h.VERSION] += 1
    first, base_rows = header[h.ROWS], header[h.BASE_ROWS]
    header[h.ROWS] = first + len(hot)
    died = ints32_at(header[h.DIED], (first,))
    dead = ints_at(header[h.DEAD], (h.DEAD_WORDS,))
    all_ranks = ints_at(header[h.RANKS], (first + len(hot) - base_rows,))
    for i in range(len(gone)):
        died[gone[i]] = header[h.VERSION]
        word, bit = dead_bit(gone[i])
        dead[word] |= bit
    for i in range(len(hot)):
        at = first + i - base_rows
        for column in range(HOT_COLUMNS):
            all_hot[at, column] = hot[i, column]
        for column in range(COLD_COLUMNS):
            all_cold[at, column] = cold[i, column]
        all_cold[at, ROW] = first + i
        all_ranks[at] = ranks[i]
        places[at] = _append(header, all_hot, all_cold, at, used)


@compiled
def _put_again(
    header: IntArray, first: int, all_hot: Ints, all_cold: Ints, places: IntArray, used: IntArray
) -> None:
    """Put the rows from ``first`` on that are alive into leaves that are all free."""
    base_rows = header[h.BASE_ROWS]
    died = ints32_at(header[h.DIED], (header[h.ROWS],))
    for row in range(first, header[h.ROWS]):
        places[row - base_rows] = -1
        if died[row] == 0:
            places[row - base_rows] = _append(header, all_hot, all_cold, row - base_rows, used)


class _Newest:
    """Leaves that fill up. ``used``: how many are, then by class how far its last one is."""

    def __init__(self, leaves: int) -> None:
        self.hot = np.zeros((leaves, HOT_COLUMNS, LEAF), np.int32)
        self.cold = np.zeros((leaves, LEAF, COLD_COLUMNS), np.int32)
        self.cold[:, :, ROW] = ALWAYS_TO
        self.chain = np.zeros(leaves, np.int64)
        self.used = np.zeros(1 + CLASSES, np.int64)

    def has_room(self, rows: int) -> bool:
        """Whether so many rows surely fit, whatever their classes."""
        return bool(self.used[0] + _leaves_of(rows) <= len(self.hot))


def _leaves_of(rows: int) -> int:
    return CLASSES + rows // LEAF + 1


class _LiveView(PointView):
    """A view that knows where its pending rows lie."""

    def __init__(
        self,
        header: IntArray,
        held: tuple[object, ...],
        base: PointIndex,
        died: Ints,
        places: IntArray,
    ) -> None:
        super().__init__(header, held)
        self._base = base
        self._died = died
        self._pending = places

    def alive(self, rows: npt.NDArray[np.integer[Any]]) -> BoolArray:
        died = self._died[rows]
        # A later version may have noted a death here meanwhile.
        alive: BoolArray = (died == 0) | (died > self._header[h.VERSION])
        return alive

    def _places(self, rows: IntArray) -> IntArray:
        base_rows = len(self._base)
        places = np.empty(len(rows), np.int64)
        old = rows < base_rows
        places[old] = self._base.slots[rows[old]] if old.any() else -1
        places[~old] = self._pending[rows[~old] - base_rows]
        return places


class LiveIndex:
    """A `PointIndex` that takes changes: one writer at a time, any number of searches.

    Parameters
    ----------
    base : PointIndex
        Rows 0 to n - 1, in the order of ids.

    Attributes
    ----------
    view : PointView
        What a search reads now. Take it once, and a whole query sees one state.

    Notes
    -----
    A pending row's rank, its place in the order of ids (`indexes.topk`), is the caller's to
    give, since ids are; `rerank` gives others. A row that dies keeps its number, which is never
    used again: when pending rows are many, the caller builds a new base.
    """

    def __init__(self, base: PointIndex) -> None:
        self._base = base
        self._rows = self._first_newest = len(base)
        self._died = np.zeros(len(base) + ROOM, np.int32)  # untouched pages take no memory
        self._dead = np.zeros(h.DEAD_WORDS, np.int64)
        self._ranks = np.zeros(ROOM, np.int64)
        self._places = np.zeros(ROOM, np.int64)
        self._hot = np.zeros((ROOM, HOT_COLUMNS), np.int32)
        self._cold = np.zeros((ROOM, COLD_COLUMNS), np.int32)
        self._newest = _Newest(LEAVES)
        self._parts: tuple[PointIndex, ...] = (base,)
        self._rows_of_parts: tuple[IntArray, ...] = ()  # of all but the base
        self._writing = threading.Lock()
        self._compacting = threading.Lock()
        header = np.zeros(h.HEADER_SIZE, np.int64)
        header[h.BASE_ROWS] = header[h.ROWS] = len(base)
        header[h.NEWEST : h.NEWEST + CLASSES] = -1
        self._header = header
        self._publish(self._renamed(header))

    @property
    def pending(self) -> int:
        """Rows that have come since the base was made, dead ones included."""
        return self._rows - len(self._base)

    @property
    def newest(self) -> int:
        """Rows that are in no tree yet: what `compact` packs."""
        return self._rows - self._first_newest

    def apply(self, gone: IntArray, columns: PointColumns | None, ranks: IntArray) -> PointView:
        """Let rows die and others appear, all at once; a move is one of each.

        Parameters
        ----------
        gone : ndarray of int64, shape (m,)
            Rows that are alive.
        columns : PointColumns or None
            p new rows; their numbers follow the last one's.
        ranks : ndarray of int64, shape (p,)
            Their ranks.

        Returns
        -------
        PointView
            The current one from now on.
        """
        if columns is None:
            hot, cold = np.empty((0, HOT_COLUMNS), np.int32), np.empty((0, COLD_COLUMNS), np.int32)
        else:
            hot, cold = columns.packed()
        return self.apply_packed(gone, hot, cold, ranks)

    def apply_packed(self, gone: IntArray, hot: Ints, cold: Ints, ranks: IntArray) -> PointView:
        """As `apply`, of rows as `PointColumns.packed` makes them, whatever their row numbers."""
        with self._writing:
            self._make_room(len(hot))
            header = self._header.copy()
            _take(
                header, gone, hot, cold, ranks,
                self._hot, self._cold, self._places, self._newest.used,
            )  # fmt: skip
            self._rows += len(hot)
            self._publish(header)
            return self.view

    def rerank(self, rows: IntArray, ranks: IntArray) -> PointView:
        """Give pending rows other ranks; views taken before keep theirs.

        Parameters
        ----------
        rows : ndarray of int64, shape (m,)
            Pending rows; none of those left out may come between two of them.
        ranks : ndarray of int64, shape (m,)
            Their ranks.

        Returns
        -------
        PointView
            The current one from now on.
        """
        with self._writing:
            self._ranks = self._ranks.copy()
            self._ranks[rows - len(self._base)] = ranks
            self._publish(self._renamed(self._header))
            return self.view

    def compact(self) -> None:
        """Pack the newest rows into a small tree, and merge small trees that add up.

        Searches and changes go on meanwhile.
        """
        with self._compacting:
            with self._writing:
                first, until = self._first_newest, self._rows
                merged = [np.arange(first, until, dtype=np.int64)]
                kept = list(self._rows_of_parts)
                while kept and len(kept[-1]) <= MERGED * sum(map(len, merged)):
                    merged.append(kept.pop())
                rows = np.sort(np.concatenate(merged))
                alive = rows[self._died[rows] == 0]
                pending = alive - len(self._base)
                hot, cold = self._hot[pending], self._cold[pending]
            packed = PointIndex(pack_rows(hot, cold)) if len(alive) else None
            with self._writing:
                self._parts = self._parts[: 1 + len(kept)]
                self._rows_of_parts = tuple(kept)
                self._places = self._places.copy()  # views in use keep theirs
                self._places[rows - len(self._base)] = -1  # dead, unless it is in the tree
                if packed is not None:
                    self._places[pending] = (len(self._parts) << PLACE_BITS) + packed.slots
                    self._parts += (packed,)
                    self._rows_of_parts += (alive,)
                self._first_newest = until
                self._empty_newest(LEAVES)

    def _make_room(self, count: int) -> None:
        """See that so many rows more can be taken."""
        pending = self.pending + count
        if pending > len(self._ranks):
            # Views in use keep the arrays they have: none of their rows changes any more.
            self._died = _larger(self._died, len(self._base) + 2 * pending)
            self._ranks = _larger(self._ranks, 2 * pending)
            self._places = _larger(self._places, 2 * pending)
            self._hot, self._cold = (
                _larger(self._hot, 2 * pending),
                _larger(self._cold, 2 * pending),
            )
            self._header = self._renamed(self._header)
        if not self._newest.has_room(count):
            self._places = self._places.copy()
            self._empty_newest(2 * _leaves_of(self.newest + count))

    def _empty_newest(self, leaves: int) -> None:
        """Put the newest rows into new leaves, and go on with those."""
        self._newest = _Newest(max(leaves, _leaves_of(self.newest)))
        header = self._renamed(self._header)
        header[h.NEWEST : h.NEWEST + CLASSES] = -1
        first = self._first_newest
        _put_again(header, first, self._hot, self._cold, self._places, self._newest.used)
        self._publish(header)

    def _renamed(self, header: IntArray) -> IntArray:
        """A copy that names what there is now by its address."""
        header = header.copy()
        header[h.PARTS] = len(self._parts)
        for i, part in enumerate(self._parts):
            header[h.PART_BLOCKS + i] = address_of(part.blocks)
        header[h.DIED], header[h.RANKS] = address_of(self._died), address_of(self._ranks)
        header[h.DEAD] = address_of(self._dead)
        newest = self._newest
        header[h.LEAVES], header[h.CHAIN] = len(newest.hot), address_of(newest.chain)
        header[h.HOT], header[h.COLD] = address_of(newest.hot), address_of(newest.cold)
        return header

    def _publish(self, header: IntArray) -> None:
        self._header = header
        held = self._parts, self._died, self._dead, self._ranks, self._newest
        self.view: PointView = _LiveView(header, held, self._base, self._died, self._places)


def _larger(array: Numbers, room: int) -> Numbers:
    larger = np.zeros((room, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


forget_stale(
    _take,
    "indexes.columns",
    "indexes.header",
    "indexes.memory",
    "indexes.packing",
    "indexes.scan",
    "indexes.topk",
)
