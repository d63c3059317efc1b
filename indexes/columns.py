"""What the near-me index keeps of a listing: one number a column, no words.

Words (categories, hours, audiences, zones, owners) become small integers here; the
`Vocabulary` that `matching.engine` builds beside the columns knows the words behind them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from numba import njit

from geo.arrays import BoolArray, IntArray, LonLatArray
from indexes.entities import Kind

__all__ = [
    "ALWAYS_FROM",
    "ALWAYS_TO",
    "CLASSES",
    "EPOCH_S",
    "IN_STOCK",
    "KIND_CODES",
    "NEVER_FROM",
    "NEVER_TO",
    "NO_STOCK",
    "SOLD_OUT",
    "TRAIT_BITS",
    "UNIT",
    "Ints",
    "PointColumns",
    "class_code",
    "joined",
    "to_seconds",
    "to_units",
]

Ints = npt.NDArray[np.int32]

UNIT = 10_000_000  # coordinates are kept as whole 1e-7 degrees
TRUST_UNIT = 1_000_000_000
EPOCH_S = 1_577_836_800  # 2020-01-01T00:00:00Z: int32 seconds reach from 1951 to 2088
ALWAYS_FROM = -(2**31)
ALWAYS_TO = 2**31 - 1
NEVER_FROM = 2**31 - 1  # a validity that no instant is in
NEVER_TO = -(2**31)

NO_STOCK, IN_STOCK, SOLD_OUT = range(3)
TRAIT_BITS = 7  # stock, verified and class; the category takes the bits above them
KIND_CODES = {kind: code for code, kind in enumerate(Kind)}
CLASSES = 16  # kind x personal


def class_code(kind: Kind, personal: bool) -> int:
    """The tree a listing belongs to: its kind, and whether its place is a home's."""
    return 2 * KIND_CODES[kind] + int(personal)


def to_units(lonlat: LonLatArray) -> Ints:
    """Degrees as whole 1e-7 degrees, int32, exact for coordinates that are kept."""
    return np.rint(lonlat * UNIT).astype(np.int32)


def to_seconds(seconds: npt.ArrayLike) -> Ints:
    """Seconds since 1970 as int32 seconds since `EPOCH_S`; what lies beyond becomes always."""
    shifted = np.asarray(seconds, dtype=np.int64) - EPOCH_S
    return np.clip(shifted, ALWAYS_FROM, ALWAYS_TO).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class PointColumns:
    """n listings as columns; row i is the i-th id in bytewise order.

    Row numbers therefore break ties by id, and name the answer.
    """

    lonlat: LonLatArray  # (n, 2), degrees, EPSG:4326; a personal one's group point
    kind: Ints  # (n,) codes of KIND_CODES
    personal: BoolArray  # (n,)
    trust: npt.NDArray[np.float64]  # (n,) 0 to 1, kept to 1e-9
    valid_from: Ints  # (n,) seconds since EPOCH_S, inclusive
    valid_to: Ints  # (n,) exclusive
    fresh_at: Ints  # (n,) first publication; an event's start
    audience: Ints  # (n,) number of who is addressed, 0 public
    reach_m: Ints  # (n,) whole metres, ALWAYS_TO for no limit
    hours: Ints  # (n,) number of the opening hours, -1 for none
    owner: Ints  # (n,) number of the owner, -1 for none
    zones: Ints  # (n,) number of the set of zones, -1 for none
    category: Ints  # (n,) number of the category
    stock: Ints  # (n,) NO_STOCK, IN_STOCK, SOLD_OUT
    verified: BoolArray  # (n,) a verified member owns it

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def classes(self) -> Ints:
        """The tree of each row, as `class_code`."""
        return 2 * self.kind + self.personal

    def taken(self, rows: IntArray | BoolArray) -> "PointColumns":
        """Some rows, in the order asked for, or those where it says so."""
        columns = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        return PointColumns(**columns)

    def packed(self, rows: Ints | None = None) -> tuple[Ints, Ints]:
        """Hot (n, 5) and cold (n, 8) columns, in the order of `indexes.packing`.

        ``rows`` are the numbers to keep of the rows, 0 to n - 1 by default.
        """
        if rows is None:
            rows = np.arange(len(self), dtype=np.int32)
        return _packed(
            rows, self.lonlat, self.kind, self.personal, self.trust, self.valid_from,
            self.valid_to, self.fresh_at, self.audience, self.reach_m, self.hours, self.owner,
            self.zones, self.category, self.stock, self.verified,
        )  # fmt: skip


def joined(parts: Sequence[PointColumns]) -> PointColumns:
    """The rows of several, one after the other."""
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(PointColumns)
    }
    return PointColumns(**columns)


@njit(cache=True, nogil=True, error_model="numpy")
def _packed(
    rows: Ints, lonlat: LonLatArray, kind: Ints, personal: BoolArray,
    trust: npt.NDArray[np.float64], valid_from: Ints, valid_to: Ints, fresh_at: Ints,
    audience: Ints, reach_m: Ints, hours: Ints, owner: Ints, zones: Ints, category: Ints,
    stock: Ints, verified: BoolArray,
) -> tuple[Ints, Ints]:  # fmt: skip
    """Compiled, since a change is often of one row: two dozen array operations would take longer
    than all else that it needs."""
    hot = np.empty((len(rows), 5), np.int32)
    cold = np.empty((len(rows), 8), np.int32)
    for i in range(len(rows)):
        hot[i, 0] = np.rint(lonlat[i, 0] * UNIT)
        hot[i, 1] = np.rint(lonlat[i, 1] * UNIT)
        hot[i, 2] = valid_from[i]
        hot[i, 3] = valid_to[i]
        hot[i, 4] = np.rint(trust[i] * TRUST_UNIT)
        cold[i, 0] = rows[i]
        cold[i, 1] = audience[i]
        cold[i, 2] = fresh_at[i]
        cold[i, 3] = reach_m[i]
        cold[i, 4] = hours[i]
        cold[i, 5] = owner[i]
        cold[i, 6] = zones[i]
        tree = 2 * kind[i] + personal[i]
        cold[i, 7] = stock[i] | (verified[i] << 2) | (tree << 3) | (category[i] << TRAIT_BITS)
    return hot, cold
