"""What a point implies: its H3 cells, its zone, its published group. Computed on the way in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geo.arrays import BoolArray, CellArray, LonLatArray
from geo.cells import cells_to_parents, points_to_cells
from geo.groups import CellGroups
from geo.zones import ZoneMap
from indexes.entities import GroupPartition, IrisCode, Zone

__all__ = ["CELL_RESOLUTION", "PARENT_RESOLUTION", "Placer", "Places"]

CELL_RESOLUTION = 9
PARENT_RESOLUTION = 5


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where points lie, by column: row i of every one belongs to point i."""

    cell: CellArray  # resolution 9
    cell5: CellArray  # its parent at 5
    zone: list[IrisCode | None]
    vintage: list[int | None]  # of the zone; None where there is none
    zone_nearest: BoolArray  # outside every zone, but near this one
    group: list[str | None]


class Placer:
    """Places points by the zones of one vintage and one partition into groups.

    Parameters
    ----------
    zones : sequence of Zone
        All of one vintage; may be empty.
    partition : GroupPartition, optional
        The current one.
    """

    def __init__(self, zones: Sequence[Zone], partition: GroupPartition | None) -> None:
        self._vintage = zones[0].vintage if zones else None
        self._map = ZoneMap([zone.code for zone in zones], [zone.geometry for zone in zones])
        self._codes: list[IrisCode | None] = [*map(IrisCode, self._map.codes), None]
        groups = partition.groups if partition else ()
        self._groups: list[str | None] = [*(group.id for group in groups), None]
        self._lookup = CellGroups([group.cells for group in groups])

    def place(self, lonlat: LonLatArray) -> Places:
        """Cells, zone and group of each point.

        Parameters
        ----------
        lonlat : ndarray of float64, shape (n, 2)
            Degrees, EPSG:4326.
        """
        cells = points_to_cells(lonlat, CELL_RESOLUTION)
        located = self._map.locate(lonlat)
        # -1 stands for "none", which both lists hold at their end.
        zones = [self._codes[i] for i in located.index.tolist()]
        groups = [self._groups[i] for i in self._lookup.group_of(cells).tolist()]
        return Places(
            cell=cells,
            cell5=cells_to_parents(cells, PARENT_RESOLUTION),
            zone=zones,
            vintage=[None if zone is None else self._vintage for zone in zones],
            zone_nearest=np.asarray(located.nearest, dtype=np.bool_),
            group=groups,
        )
