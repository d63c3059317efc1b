"""Figures of one level as columns, and all of them as the rows of a release."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geo.arrays import FloatArray, IntArray
from indexes.releases import BATCH, RELEASE_SCHEMA, STATUSES

__all__ = ["HIDDEN", "MERGED", "OK", "UNKNOWN", "ZERO", "Figure", "StatusArray", "level_rows"]

OK, MERGED, HIDDEN, ZERO, UNKNOWN = range(len(STATUSES))
StatusArray = npt.NDArray[np.int8]  # positions in STATUSES
NO_PARENT = -1


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One measure and category for every zone of a level: entry i of each array is one zone.

    Attributes
    ----------
    measure, category : str
    value, lower, upper : ndarray of float64, shape (n,)
        NaN for none.
    status : ndarray of int8, shape (n,)
        Positions in ``STATUSES``.
    denominator : ndarray of float64, shape (n,)
        NaN for none.
    source : str
    parent : ndarray of int64, shape (n,), optional
        Position of the zone that carries a merged one, in the codes given to `level_rows`;
        -1 for none.
    """

    measure: str
    category: str
    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    status: StatusArray
    denominator: FloatArray
    source: str
    parent: IntArray | None = None

    @classmethod
    def told(
        cls,
        measure: str,
        category: str,
        value: FloatArray,
        width: FloatArray | float,
        status: StatusArray,
        denominator: FloatArray,
        source: str,
        *,
        parent: IntArray | None = None,
        least: float = -np.inf,
    ) -> "Figure":
        """A figure whose numbers stand where it is told (``ok``, ``zero``) and only there.

        Parameters
        ----------
        width : ndarray of float64, shape (n,), or float
            The interval reaches from ``value - width``, or ``least``, to ``value + width``.
        """
        kept = (status == OK) | (status == ZERO)
        with np.errstate(invalid="ignore"):
            bounds = np.maximum(value - width, least), value + width
        lower, upper = (np.where(kept, bound, np.nan) for bound in bounds)
        return cls(
            measure, category, np.where(kept, value, np.nan), lower, upper, status, denominator,
            source, parent,
        )  # fmt: skip


def level_rows(
    level: str,
    codes: Sequence[str],
    figures: Sequence[Figure],
    parents: Sequence[str],
    vintage: int,
    release: str,
) -> pa.Table:
    """Rows of one level of a release.

    Parameters
    ----------
    level : str
    codes : sequence of str, length n
        Of its zones, ascending.
    figures : sequence of Figure
        In any order.
    parents : sequence of str
        What ``Figure.parent`` points into.
    vintage : int
        Of the zones.
    release : str
        Its id.

    Returns
    -------
    Table
        In ``RELEASE_SCHEMA`` and its order.
    """
    figures = sorted(figures, key=lambda figure: (figure.measure, figure.category))
    zones, height = len(codes), len(figures)

    def numbers(name: str) -> pa.Array:
        columns = [getattr(figure, name) for figure in figures]
        return pa.array(np.stack(columns, axis=1).ravel(), pa.float64(), from_pandas=True)

    def words(of: Sequence[str], index: IntArray) -> pa.Array:
        masked = pa.array(index, pa.int32(), mask=index < 0)
        return pa.DictionaryArray.from_arrays(masked, pa.array(of, pa.string())).cast(pa.string())

    # A country's rows repeat what they say of each figure: in chunks that are one in memory.
    most = max(1, BATCH // height)  # zones of a chunk
    again = pa.array(np.tile(np.arange(height), min(zones, most)))

    def each(of: pa.Array) -> pa.ChunkedArray:
        """What is said of each figure of a zone, for all zones."""
        chunk, starts = of.take(again), range(0, zones, most)
        return pa.chunked_array([chunk[: (zones - i) * height] for i in starts], of.type)

    none = np.full(zones, NO_PARENT)
    carried = [none if figure.parent is None else figure.parent for figure in figures]
    return pa.table(
        [
            words(codes, np.repeat(np.arange(zones), height)),
            each(pa.repeat(level, height)),
            each(pa.array([figure.measure for figure in figures])),
            each(pa.array([figure.category for figure in figures])),
            *(numbers(name) for name in ("value", "lower", "upper")),
            words(STATUSES, np.stack([f.status for f in figures], axis=1).ravel().astype(int)),
            words(parents, np.stack(carried, axis=1).ravel()),
            numbers("denominator"),
            each(pa.array([figure.source for figure in figures])),
            each(pa.repeat(pa.scalar(vintage, pa.int32()), height)),
            each(pa.repeat(release, height)),
        ],
        schema=RELEASE_SCHEMA,
    )
