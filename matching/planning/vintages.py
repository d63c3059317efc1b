"""Zones of two years side by side: pieces of the one, apportioned to the zones of the other."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from scipy.sparse import csr_array

from geo import cells_to_polygons
from geo.arrays import FloatArray
from matching.planning.outlines import Outlines
from matching.planning.pieces import Pieces

__all__ = ["apportioned"]


def apportioned(
    pieces: Pieces, source: Outlines, target: Outlines, buildings: pa.Table
) -> csr_array:
    """How much of each piece lies in each IRIS of another vintage.

    Parameters
    ----------
    pieces : Pieces
        Cut from zones of ``source``.
    source, target : Outlines
        Of two vintages.
    buildings : Table
        `BUILDING_FACTS`.

    Returns
    -------
    sparse array, shape (IRIS of ``target``, len(pieces))
        Shares by the dwellings of the piece's buildings where any are known, else by its area.
        Those of a piece add up to 1, or to 0 where it touches none of the zones: limits drawn
        anew along a coast lose nobody.

    References
    ----------
    M. Goodchild, N. Lam, "Areal interpolation: a variant of the traditional spatial problem"
    (1980); with dwellings, J. Wright's dasymetric map (1936).
    """
    zones, size = len(target.map.codes), (len(target.map.codes), len(pieces))
    counted = buildings.filter(pc.greater(buildings["dwellings"], 0))
    points = np.column_stack([np.asarray(counted[name]) for name in ("lon", "lat")])
    at = source.map.locate(points).index
    codes = pa.array(source.map.codes, pa.string())
    own = pa.chunked_array([codes.take(pa.array(at, mask=at < 0))])
    piece, zone = pieces.place(own, counted["cell8"]), target.map.locate(points).index
    dwellings = np.asarray(counted["dwellings"], dtype=np.float64)
    inside = (piece < len(pieces)) & (zone >= 0)
    by_homes = csr_array((dwellings[inside], (zone[inside], piece[inside])), shape=size)

    bare = np.flatnonzero(np.asarray(by_homes.sum(axis=0)) == 0.0)
    position = np.searchsorted(np.array(source.map.codes), np.array(pieces.zones, dtype=str))
    shapes = source.outlines("iris")[position[pieces.zone[bare]]]
    if not pieces.whole:
        shapes = shapely.intersection(shapes, cells_to_polygons(pieces.cell[bare]))
    outlines = target.outlines("iris")
    i, j = shapely.STRtree(outlines).query(shapes, predicate="intersects")
    area = shapely.area(shapely.intersection(shapes[i], outlines[j]))
    by_area = csr_array((area, (j, bare[i])), shape=(zones, len(pieces)))

    whole = by_homes + by_area
    totals: FloatArray = np.asarray(whole.sum(axis=0), dtype=np.float64)
    shares = np.divide(1.0, totals, out=np.zeros(len(pieces)), where=totals > 0.0)
    return csr_array(whole.multiply(shares[None, :]))
