"""From noisy counts of pieces to figures of zones: sums first, thresholds after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from geo.arrays import BoolArray, FloatArray, IntArray
from geo.errors import StoreError
from matching.disclosure import half_widths, visible
from matching.planning.measures import DRAWS, MEASURES, Draw
from matching.planning.outlines import PARENT_LEVELS, Outlines
from matching.planning.pieces import Pieces
from matching.planning.tabulating import HIDDEN, MERGED, OK, UNKNOWN, ZERO, Figure, StatusArray

__all__ = [
    "OWN",
    "Above",
    "Drawn",
    "Sums",
    "counted_figures",
    "goal_gaps",
    "goal_name",
    "levels_above",
    "merged",
    "rate_of",
    "sums_of",
]

OWN = "mitoyen"
UNPLACED = ""  # the zone of the last row, which counts what lies in no piece


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A draw as it was kept: noisy counts of pieces, and what they cost.

    Attributes
    ----------
    pieces : Pieces
    counts : ndarray of int64, shape (len(pieces) + 1, k)
        The last row counts what lies in no piece.
    epsilon : float
        What was spent.
    vintage : int
        Of the zones that the pieces were cut from.
    empty : tuple of str
        Codes of those zones that have no piece, since nobody could live there.
    """

    pieces: Pieces
    counts: IntArray
    epsilon: float
    vintage: int
    empty: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: pa.Table, draw: Draw) -> "Drawn":
        """Read what `to_table` made.

        Raises
        ------
        StoreError
            If the columns are not those of the draw.
        """
        if table.column_names[2:] != list(draw.columns) or len(table) == 0:
            raise StoreError(f"what is stored of the draw {draw.name} has other columns")
        zone = table["zone"].combine_chunks().dictionary_encode()
        codes = zone.dictionary.to_pylist()[:-1]  # without the unplaced
        pieces = Pieces(
            tuple(codes),
            np.asarray(zone.indices)[:-1].astype(np.int64),
            np.asarray(table["cell"], dtype=np.uint64)[:-1],
        )
        counts = np.stack([np.asarray(table[name]) for name in draw.columns], axis=1)
        said = table.schema.metadata
        return cls(
            pieces,
            counts.astype(np.int64),
            float(said[b"epsilon"]),
            int(said[b"vintage"]),
            tuple(said.get(b"empty", b"").decode().split()),
        )

    def to_table(self, draw: Draw) -> pa.Table:
        """A draw as it is kept: ``zone, cell`` and a column per count; metadata tell the rest."""
        pieces, counts = self.pieces, self.counts
        codes = pa.array([*pieces.zones, UNPLACED], pa.string())
        zone = np.append(pieces.zone, len(pieces.zones)).astype(np.int32)
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(zone), codes).cast(pa.string()),
            pa.array(np.append(pieces.cell, np.uint64(0))),
            *(pa.array(counts[:, k].astype(np.int32)) for k in range(counts.shape[1])),
        ]
        table = pa.table(columns, names=["zone", "cell", *draw.columns])
        return table.replace_schema_metadata(
            {
                "epsilon": repr(self.epsilon),
                "vintage": str(self.vintage),
                "empty": " ".join(self.empty),
            }
        )


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """A draw summed by zone: row i of each array is one zone.

    ``terms`` is how many noises are in each count: 0 where nobody can live, so nothing is counted.
    ``uncounted`` is where some may live of whom nothing was drawn, as in zones added since.
    """

    counts: FloatArray  # (n, k)
    terms: IntArray  # (n,)
    uncounted: BoolArray  # (n,)
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Above:
    """A level that the zones of another one are part of.

    Attributes
    ----------
    position : ndarray of int64, shape (n,)
        For each of those zones the position of its part here, -1 for none.
    number : ndarray of int64, shape (m,)
        Where it stands among `Outlines.parent_codes`.
    figures : mapping of (measure, category) to Figure
        Of the zones here.
    """

    position: IntArray
    number: IntArray
    figures: Mapping[tuple[str, str], Figure]


def levels_above(
    level: str, outlines: Outlines, figures: Mapping[str, Sequence[Figure]]
) -> list[Above]:
    """The levels that a level's zones are part of, of those that have figures, nearest first."""
    found, first = [], 0
    for parent in PARENT_LEVELS:
        codes = outlines.codes(parent) if parent in outlines.levels else ()
        finer = level in PARENT_LEVELS and PARENT_LEVELS.index(parent) <= PARENT_LEVELS.index(level)
        if codes and parent in figures and level != "cell" and not finer:
            by_key = {(figure.measure, figure.category): figure for figure in figures[parent]}
            number = np.arange(first, first + len(codes))
            found.append(Above(outlines.positions(level, parent), number, by_key))
        first += len(codes)
    return found


def sums_of(drawn: Drawn, draw: Draw, weights: csr_array, uncounted: BoolArray) -> Sums:
    """Sum a draw's pieces by zone.

    Parameters
    ----------
    drawn : Drawn
    draw : Draw
    weights : sparse array, shape (n, len(pieces))
        How much of each piece (column) lies in each zone (row): 1 or 0, or between where pieces
        are of another vintage.
    uncounted : ndarray of bool, shape (n,)
        As in `Sums`.
    """
    counts = np.asarray(weights @ drawn.counts[:-1].astype(np.float64))
    # The variance of a part of a piece's noise goes with the square; a part of a term counts whole.
    terms = np.ceil(np.asarray(weights.power(2).sum(axis=1)) - 1e-9).astype(np.int64)
    return Sums(counts, terms, uncounted, draw.bound / drawn.epsilon)


def counted_figures(
    sums: Mapping[str, Sums],
    denominators: Mapping[str, FloatArray],
    above: Sequence[Above] = (),
    *,
    cells: bool = False,
    census: str = "",
) -> list[Figure]:
    """All measures that are counted, and their rates, for the zones of a level.

    Parameters
    ----------
    sums : mapping of str to Sums
        By name of the draw.
    denominators : mapping of str to ndarray of float64, shape (n,)
        Census ``households`` and ``residents`` of each zone, NaN where nobody knows.
    above : sequence of Above
        Levels that zones are part of, the nearest first.
    cells : bool
        Only measures that are told for cells.
    census : str
        Source of the denominators.

    Returns
    -------
    list of Figure
    """
    found: dict[tuple[str, str], Figure] = {}
    rates: list[Figure] = []
    draws = {draw.name: draw for draw in DRAWS}
    for measure in MEASURES:
        draw = draws[measure.draw]
        if cells and not draw.by_cell:
            continue
        of = sums[measure.draw]
        known = denominators.get(measure.of, np.full(len(of.terms), np.nan))
        total = ("",) if len(draw.categories) > 1 else ()
        for category in (*total, *draw.categories):
            columns = _columns(draw, measure.parts, category)
            value = of.counts[:, columns].sum(axis=1) / measure.divisor
            width = half_widths(of.terms * len(columns), of.scale) / measure.divisor
            told = visible(value, measure.margin * width, measure.threshold)
            if measure.behind:
                told &= found[measure.behind, ""].status == OK
            empty = of.terms == 0
            # The census counts people where nobody could live when the draw was made.
            unknown = of.uncounted | (empty & (denominators["households"] > 0.0))
            status, parent = merged(
                np.select([unknown, empty, told], [UNKNOWN, ZERO, OK], HIDDEN),
                above,
                (measure.name, category),
            )
            figure = Figure.told(
                measure.name, category, value, width, status, known, OWN, parent=parent, least=0.0
            )
            found[measure.name, category] = figure
            if measure.rate:
                rates.append(rate_of(figure, measure.rate, f"{OWN}; {census}", above))
    return [*found.values(), *rates]


def rate_of(figure: Figure, name: str, source: str, above: Sequence[Above] = ()) -> Figure:
    """A figure as a percentage of its denominator; ``unknown`` where that is, or is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [
            100.0 * bound / figure.denominator
            for bound in (figure.value, figure.lower, figure.upper)
        ]
    zero = figure.status == ZERO
    unknown = (figure.status == UNKNOWN) | ~(zero | (figure.denominator > 0.0))
    value, lower, upper = (np.where(zero, 0.0, np.where(unknown, np.nan, part)) for part in parts)
    # A zone that carries the figure carries no rate if nobody knows what to hold it against.
    status, parent = merged(
        np.select([unknown, figure.status == MERGED], [UNKNOWN, HIDDEN], figure.status),
        above,
        (name, figure.category),
    )
    return Figure(
        name, figure.category, value, lower, upper, status, figure.denominator, source, parent
    )


def goal_gaps(penetration: Figure, goals: Sequence[float]) -> list[Figure]:
    """How far a zone is from each goal line, in points: below 0 short of it.

    Where no dwelling is, nobody is missing: 0.
    """
    lived_in = penetration.status != ZERO
    return [
        replace(
            penetration,
            measure="goal_gap",
            category=goal_name(goal),
            **{
                name: getattr(penetration, name) - np.where(lived_in, 100.0 * goal, 0.0)
                for name in ("value", "lower", "upper")
            },
        )
        for goal in goals
    ]


def goal_name(goal: float) -> str:
    """A goal in percent, as its category reads."""
    return f"{100.0 * goal:g}"


def _columns(draw: Draw, parts: Sequence[str], category: str) -> list[int]:
    """Positions of a draw's columns: of one category, or of all where it is empty."""
    chosen = [category] if category in draw.categories else list(draw.categories)
    k = len(draw.categories)
    return [
        draw.parts.index(part) * k + draw.categories.index(one) for part in parts for one in chosen
    ]


def merged(
    status: IntArray, above: Sequence[Above], key: tuple[str, str]
) -> tuple[StatusArray, IntArray | None]:
    """Make hidden figures of a level ``merged`` where a zone above tells them, and say which.

    Parameters
    ----------
    status : ndarray of int64, shape (n,)
    above : sequence of Above
    key : (measure, category)
    """
    found = status.astype(np.int8)
    if not above:
        return found, None
    parent = np.full(len(found), -1, dtype=np.int64)
    for level in above:
        carries = (level.position >= 0) & (level.figures[key].status[level.position] == OK)
        here = (found == HIDDEN) & carries
        found[here] = MERGED
        parent[here] = level.number[level.position[here]]
    return found, parent
