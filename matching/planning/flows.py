"""Carpool flows from zone to zone: a draw of its own, over pairs."""

import numpy as np
import pyarrow as pa

from geo.arrays import BoolArray, IntArray
from matching.disclosure import half_widths, visible_flows
from matching.planning.measures import FLOWS
from matching.planning.noisy_figures import OWN
from matching.planning.outlines import PARENT_LEVELS, Outlines
from matching.planning.tabulating import HIDDEN, OK, UNKNOWN, Figure

__all__ = ["flow_figures", "flow_level", "flows_to_table"]

# So many zones that flows between them tell something, and so few that their pairs can be drawn.
ZONES = range(8, 1001)


def flow_level(outlines: Outlines) -> str | None:
    """The coarsest level of 8 to 1,000 zones: between these, flows are told; None without."""
    for level in (*reversed(PARENT_LEVELS), "iris"):
        if level in outlines.levels and len(outlines.codes(level)) in ZONES:
            return level
    return None


def flows_to_table(codes: tuple[str, ...], noisy: IntArray, level: str, epsilon: float) -> pa.Table:
    """Noisy flows, shape (n, n), as they are kept: ``zone, to, flows``, every pair."""
    n = len(codes)
    zones = pa.array(codes, pa.string())
    table = pa.table(
        {
            "zone": zones.take(pa.array(np.repeat(np.arange(n), n))),
            "to": zones.take(pa.array(np.tile(np.arange(n), n))),
            FLOWS.name: pa.array(noisy.ravel().astype(np.int32)),
        }
    )
    return table.replace_schema_metadata({"epsilon": repr(epsilon), "level": level})


def flow_figures(table: pa.Table, codes: tuple[str, ...], unknown: BoolArray) -> list[Figure]:
    """Flows as figures of their origins, a category per destination.

    Parameters
    ----------
    table : Table
        What `flows_to_table` made.
    codes : tuple of str
        Zones to tell, of the same level: ``unknown`` where nothing was drawn, as happens in
        another vintage.
    unknown : ndarray of bool, shape (n,)
        Zones that have grown or moved since.
    """
    drawn = table["zone"].unique().to_pylist()
    n = len(drawn)
    flows = np.asarray(table[FLOWS.name]).reshape(n, n).astype(np.float64)
    scale = FLOWS.bound / float(table.schema.metadata[b"epsilon"])
    widths = half_widths(np.ones((n, n), dtype=np.int64), scale)
    status = np.where(visible_flows(flows, widths), OK, HIDDEN).astype(np.int8)
    at = {code: i for i, code in enumerate(drawn)}
    rows = np.array([at.get(code, -1) for code in codes])
    rows[unknown] = -1
    none = np.full(len(codes), np.nan)
    figures = []
    for code, to in zip(codes, rows.tolist(), strict=True):
        known = np.where((rows >= 0) & (to >= 0), status[rows, to], UNKNOWN).astype(np.int8)
        figures.append(
            Figure.told(
                FLOWS.name, code, flows[rows, to], widths[rows, to], known, none, OWN, least=0.0
            )
        )
    return figures
