"""The packed near-me index: built from columns, searched by one compiled call."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt

from geo.arrays import BoolArray, FloatArray, IntArray, LonLat
from geo.distance import HALF_CIRCUMFERENCE_M
from indexes import header as h
from indexes import scores as k
from indexes import search as s
from indexes import topk as t
from indexes.columns import ALWAYS_FROM, ALWAYS_TO, CLASSES, EPOCH_S, Ints, PointColumns
from indexes.memory import address_of
from indexes.nearest import nearest
from indexes.packing import COLD_COLUMNS, HEADER, LEAF, ROW, Blocks, pack
from indexes.scan import scan

__all__ = ["Ask", "Found", "Plan", "PointIndex", "PointView", "Rule", "pack_filters"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one class of points is scored.

    ``weights`` are those of distance, trust, freshness, availability and fit. ``shape`` is
    "gauss", "exp" or "linear": the factor is 1 up to ``offset_m`` and ``decay`` at
    ``offset_m + scale_m``. ``fresh`` is "steady" (always 1), "half-life" or "event".
    """

    weights: tuple[float, float, float, float, float]
    shape: str
    offset_m: float
    scale_m: float
    decay: float = 0.5
    fresh: str = "steady"


_SHAPES = {"gauss": k.GAUSS, "exp": k.EXPONENTIAL, "linear": k.LINEAR}
_FRESH = {"steady": k.STEADY, "half-life": k.HALF_LIFE, "event": k.EVENT}


class Plan:
    """The rules of the classes a query asks for, as the compiled search wants them.

    Parameters
    ----------
    rules : mapping of class code (`columns.class_code`) to Rule
        Classes left out are not searched.
    """

    def __init__(self, rules: Mapping[int, Rule]) -> None:
        self.rows = np.zeros((CLASSES, k.PLAN_COLUMNS))
        tables: dict[tuple[float, ...], int] = {}
        for code, rule in rules.items():
            shape = _SHAPES[rule.shape]
            # What the formula multiplies by: the slope of a line, else a logarithm.
            rate = rule.decay - 1.0 if shape == k.LINEAR else log(rule.decay)
            decay = (shape, rule.offset_m, rule.scale_m, rate)
            table = tables.setdefault((*decay, code & 1), len(tables))
            self.rows[code] = (1.0, *rule.weights, *decay, _FRESH[rule.fresh], table)
        self.tables = np.empty((len(tables), k.TABLE_SIZE), np.float32)
        for code in rules:
            k.fill_decay_table(self.rows, code, self.tables[int(self.rows[code, k.TABLE])])
        self.addresses = address_of(self.rows), address_of(self.tables)


def pack_filters(
    visible: Sequence[int] = (0,),
    blocked: Sequence[int] = (),
    zones: npt.ArrayLike = (),
    hours: npt.ArrayLike = (),
    depths: npt.ArrayLike = (),
) -> Ints:
    """Filters as one array for the compiled search.

    Parameters
    ----------
    visible : sequence of int
        Numbers of the audiences the viewer is in; 0 is the public.
    blocked : sequence of int
        Numbers of owners that the viewer never sees.
    zones : array_like, shape (zone sets,)
        1 where a set of zones was asked for; empty for no such filter.
    hours : array_like, shape (distinct hours,)
        0 closed, 1 unknown, 2 open at the instant.
    depths : array_like, shape (categories,)
        Depth of the categories asked for, 0 for others; empty for no such filter.

    Returns
    -------
    ndarray of int32
    """
    parts: tuple[Any, ...] = (
        sorted(set(visible)), sorted(set(blocked)), np.asarray(zones), np.asarray(hours),
        np.asarray(depths),
    )  # fmt: skip
    sizes = [len(part) for part in parts]
    filters = np.empty(len(sizes) + sum(sizes), np.int32)
    filters[: len(sizes)] = sizes
    at = len(sizes)
    for part, size in zip(parts, sizes, strict=True):
        if size:
            filters[at : at + size] = part
            at += size
    return filters


# Writes numbers twice as fast as an array is made of them; what is for one of many is 0.
_QUESTION = Struct(f"16d{8 * (t.ASK_SIZE - 16)}x")
_NO_BOUND = (t.NO_BOUND, 0, 0)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to the index.

    ``at`` is whole seconds since 1970. ``after`` is (score, tie, rank) of the last answer of
    the page before. ``depth`` is the depth of the category asked for.
    """

    origin: LonLat
    at: int
    radius_m: float = HALF_CIRCUMFERENCE_M + 1.0
    min_m: float = 0.0
    inner_m: float = -1.0  # only what lies strictly beyond: the rings already answered
    open_now: bool = False
    verified: bool = False
    after: tuple[int, int, int] | None = None
    depth: int = 0
    categories: int = 0  # 64 bits, one for each category number modulo 64

    def packed(self, by_distance: bool = False) -> FloatArray:
        """This question as the compiled search wants it."""
        lon, lat = self.origin
        at = self.at - EPOCH_S
        if not ALWAYS_FROM <= at < ALWAYS_TO:
            # Before 1951 or after 2088 it is the first or last second that the columns know.
            at = ALWAYS_FROM if at < 0 else ALWAYS_TO - 1
        score, tie, rank = self.after or _NO_BOUND
        low = high = 0
        if self.depth:
            low, high = _signed(self.categories), _signed(self.categories >> 32)
        question = np.empty(t.ASK_SIZE)
        buffer: Any = question  # that an array is one, not every numpy tells mypy
        _QUESTION.pack_into(
            buffer, 0, lon, lat, self.radius_m, self.min_m, self.inner_m, at, self.open_now,
            self.verified, by_distance, score, tie, rank >> t.RANK_BITS,
            rank & (1 << t.RANK_BITS) - 1, self.depth, low, high,
        )  # fmt: skip
        return question


def _signed(word: int) -> int:
    """The low 32 bits as the int32 that they are."""
    return ((word & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


class Found:
    """What a search found, best first: row i of every column is one point.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Rows of the columns the index was built from.
    scores, ties : ndarray of int64, shape (n,)
        Whole 1e-9; scored distance in mm.
    distance_m : ndarray of float64, shape (n,)
    factors : ndarray of float64, shape (n, 5)
        Distance, trust, fresh, available, fit.
    """

    __slots__ = ("_found",)

    def __init__(self, found: FloatArray) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    @property
    def rows(self) -> IntArray:
        return self._found[:, 0].astype(np.int64)

    @property
    def scores(self) -> IntArray:
        return self._found[:, 1].astype(np.int64)

    @property
    def ties(self) -> IntArray:
        return self._found[:, 2].astype(np.int64)

    @property
    def distance_m(self) -> FloatArray:
        return self._found[:, 3]

    @property
    def factors(self) -> FloatArray:
        return self._found[:, 4:]


class PointView(ABC):
    """What a search reads from end to end: packed points and those that came since.

    Parameters
    ----------
    header : ndarray of int64
        What `indexes.header` says.
    held : tuple
        Whatever the header names by address: it lives as long as the view.
    """

    def __init__(self, header: IntArray, held: tuple[object, ...]) -> None:
        self._header = header
        self._held = held
        self.address = address_of(header)

    @property
    def rows(self) -> int:
        """How many rows can be seen, dead ones included."""
        return int(self._header[h.ROWS])

    @abstractmethod
    def alive(self, rows: npt.NDArray[np.integer[Any]]) -> BoolArray:
        """Which of some rows have not died, shape (n,)."""

    def search(self, plan: Plan, ask: Ask, filters: Ints, limit: int) -> Found:
        """The best points, exactly: score, then scored distance, then rank.

        Parameters
        ----------
        plan : Plan
            Which classes count, and how each is scored.
        ask : Ask
            Where and when.
        filters : ndarray of int32
            Made by `pack_filters`.
        limit : int
            At most so many.
        """
        found = np.empty((limit, t.FOUND_COLUMNS))
        count = s.search(ask.packed(), filters, limit, self.address, *plan.addresses, found)
        return Found(found if count == limit else found[:count])

    def nearest(self, plan: Plan, ask: Ask, filters: Ints, limit: int) -> Found:
        """The nearest points, in whole millimetres, then by rank; scores are minus those."""
        found = np.empty((limit, t.FOUND_COLUMNS))
        question = ask.packed(by_distance=True)
        count = nearest(question, filters, limit, self.address, plan.addresses[0], found)
        return Found(found if count == limit else found[:count])

    def scan(
        self,
        plan: Plan,
        ask: Ask,
        filters: Ints,
        limit: int,
        rows: IntArray,
        fits: FloatArray | None = None,
        by_distance: bool = False,
    ) -> Found:
        """As `search` or `nearest`, among some rows only.

        Parameters
        ----------
        rows : ndarray of int64, shape (m,)
            Rows that may be answered.
        fits : ndarray of float64, shape (m,), optional
            How well each of them fits the words asked for.
        """
        return Found(
            scan(
                ask.packed(by_distance),
                filters,
                limit,
                self.address,
                plan.addresses[0],
                rows,
                self._places(rows),
                np.empty(0) if fits is None else fits,
            )
        )

    @abstractmethod
    def _places(self, rows: IntArray) -> IntArray:
        """Where rows lie, as `indexes.scan.scan` wants it."""


class PointIndex(PointView):
    """Points packed for near-me queries. It never changes: build anew and swap.

    Parameters
    ----------
    blocks : ndarray of int32
        What `packing.pack` made.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self._slots: IntArray | None = None
        header = np.zeros(h.HEADER_SIZE, np.int64)
        header[h.PARTS] = 1
        header[[h.ROWS, h.BASE_ROWS]] = blocks[0]
        header[h.NEWEST : h.NEWEST + CLASSES] = -1
        header[h.PART_BLOCKS] = address_of(blocks)
        super().__init__(header, (blocks,))

    @classmethod
    def build(cls, columns: PointColumns) -> "PointIndex":
        """Pack columns."""
        return cls(pack(columns))

    def __len__(self) -> int:
        return self.rows

    @property
    def bytes_per_point(self) -> tuple[float, float]:
        """Bytes a point takes: the hot part (nodes included), and all."""
        nodes_and_hot = int(self.blocks[6]) - int(self.blocks[4])
        return 4 * nodes_and_hot / max(1, len(self)), self.blocks.nbytes / max(1, len(self))

    def alive(self, rows: npt.NDArray[np.integer[Any]]) -> BoolArray:
        return np.ones(len(rows), np.bool_)

    def _places(self, rows: IntArray) -> IntArray:
        return self.slots[rows]

    @property
    def slots(self) -> IntArray:
        """Where each row lies in the leaves, in the order of rows; made when first asked for."""
        if self._slots is None:
            cold = self.blocks[int(self.blocks[6]) :].reshape(-1, COLD_COLUMNS)
            filled = self._filled()
            self._slots = filled[np.argsort(cold[filled, ROW])]
        return self._slots

    def _filled(self) -> IntArray:
        """Slots that hold a point: each class fills its leaves but for the last one's end."""
        table = self.blocks[HEADER : HEADER + CLASSES * 4].reshape(CLASSES, 4)
        parts, first = [np.empty(0, np.int64)], 0
        for count in table[:, 1]:
            parts.append(first + np.arange(count, dtype=np.int64))
            first += -(-int(count) // LEAF) * LEAF
        return np.concatenate(parts)
