"""The Earth: pure functions on arrays."""

import geo.kernels  # noqa: F401 (before the first kernel)
from geo.arrays import as_lonlat
from geo.cells import (
    cell_to_text,
    cells_to_lonlat,
    cells_to_parents,
    cells_to_polygons,
    cells_within,
    point_to_cell,
    points_to_cells,
    polygon_to_cells,
    text_to_cell,
)
from geo.distance import haversine_m
from geo.groups import CellGroups, Partition, partition_cells
from geo.zones import Located, ZoneMap

__all__ = [
    "CellGroups",
    "Located",
    "Partition",
    "ZoneMap",
    "as_lonlat",
    "cell_to_text",
    "cells_to_lonlat",
    "cells_to_parents",
    "cells_to_polygons",
    "cells_within",
    "haversine_m",
    "partition_cells",
    "point_to_cell",
    "points_to_cells",
    "polygon_to_cells",
    "text_to_cell",
]
