"""The zones that figures are told for: IRIS, and all that they add up to."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from geo import ZoneMap, cell_to_text, cells_to_polygons, polygon_to_cells, text_to_cell
from geo.arrays import CellArray, FloatArray, IntArray
from geo.errors import InputError, NotFoundError
from geo.iris import ARRONDISSEMENTS, whole_commune
from indexes.entities import Zone

__all__ = ["CELL_RESOLUTION", "PARENT_LEVELS", "Level", "Outlines"]

CELL_RESOLUTION = 8
PARENT_LEVELS = ("quartier", "arrondissement", "commune")  # of an IRIS, the nearest first
SLIVER = 0.05
TILE = 0.5  # degrees: cells are laid over so much land at a time
ONE_ZONE = "0000"  # ends the code of a commune that is one zone


class Level:
    """The zones of one level, codes ascending.

    Attributes
    ----------
    codes, names : tuple of str
    of_iris : ndarray of int64, shape (n,)
        For each IRIS its zone's position here, -1 for none.
    """

    def __init__(self, codes: Sequence[str | None], names: Sequence[str]) -> None:
        named = {code: name for code, name in zip(codes, names, strict=True) if code}
        self.codes: tuple[str, ...] = tuple(sorted(named))
        self.names: tuple[str, ...] = tuple(named[code] for code in self.codes)
        self.index = {code: i for i, code in enumerate(self.codes)}
        self.of_iris: IntArray = np.array(
            [self.index[code] if code else -1 for code in codes], dtype=np.int64
        )


class Outlines:
    """A town's zones of one vintage, frozen, and what they add up to.

    An IRIS belongs to a *grand quartier* (the first seven characters of its code, where a
    commune is cut into IRIS at all), in Paris, Lyon and Marseille to an arrondissement, and to
    a commune. Beside these lie the cells at H3 resolution 8 that the IRIS touch.

    Parameters
    ----------
    zones : sequence of Zone
        IRIS of one vintage, as `Store.zones` gives them.

    Raises
    ------
    InputError
        If there is none (code ``no-zones``), a code comes twice, or they are of several vintages.

    Examples
    --------
    >>> box = shapely.box(5.37, 43.29, 5.38, 43.30)
    >>> zone = Zone(tenant_id="demo", code="132010402", vintage=2020, name="d'Estienne d'Orves",
    ...             type="H", commune_code="13201", commune_name="Marseille 1er", geometry=box)
    >>> outlines = Outlines([zone])
    >>> outlines.levels
    ('iris', 'quartier', 'arrondissement', 'commune', 'cell')
    >>> outlines.parents("132010402")
    ('1320104', '13201', '13055')
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        if not zones:
            raise InputError("figures by district need zones: import some first", code="no-zones")
        zones = sorted(zones, key=lambda zone: zone.code)
        vintages = {zone.vintage for zone in zones}
        if len(vintages) > 1:
            raise InputError(f"zones must be of one vintage, got {sorted(vintages)}")
        self.vintage = vintages.pop()
        self.zones = tuple(zones)
        self.map = ZoneMap([zone.code for zone in zones], [zone.geometry for zone in zones])
        whole = [whole_commune(zone.commune_code) for zone in zones]
        communes: list[str | None] = [code for code, _ in whole]
        commune_names = [
            name or zone.commune_name for zone, (_, name) in zip(zones, whole, strict=True)
        ]
        parts: list[str | None] = [
            str(zone.commune_code) if code in ARRONDISSEMENTS else None
            for zone, code in zip(zones, communes, strict=True)
        ]
        quartiers: list[str | None] = [
            None if zone.code.endswith(ONE_ZONE) else zone.code[:7] for zone in zones
        ]
        by_name = {
            "iris": Level([zone.code for zone in zones], [zone.name for zone in zones]),
            "quartier": Level(
                quartiers, [f"{zone.commune_name}, {zone.code[5:7]}" for zone in zones]
            ),
            "arrondissement": Level(parts, [zone.commune_name for zone in zones]),
            "commune": Level(communes, commune_names),
        }
        self._levels = {name: level for name, level in by_name.items() if level.codes}
        self._dissolved: dict[str, NDArray[np.object_]] = {}

    @cached_property
    def pieces(self) -> tuple[IntArray, CellArray, FloatArray]:
        """Every IRIS × cell that overlap, by IRIS and then cell: position, cell, and area.

        They follow from the outlines alone, so that they tell nothing about people. What is less
        than a twentieth of its IRIS, or of a cell, is left out, since each piece has its noise:
        it counts in the IRIS's next piece. Areas are in square degrees, to be compared within one
        IRIS.
        """
        found = [self._overlaps(zones) for zones in self._tiles()]
        zone, cell, area = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.lexsort((cell, zone))
        return zone[order], cell[order], area[order]

    def _tiles(self) -> list[IntArray]:
        """Zones by the tile that their south-west corner lies in."""
        corners = np.floor(shapely.bounds(self.outlines("iris"))[:, :2] / TILE).astype(np.int64)
        _, tile = np.unique(corners, axis=0, return_inverse=True)
        order = np.argsort(tile.ravel(), kind="stable")
        return np.split(order, np.flatnonzero(np.diff(tile.ravel()[order])) + 1)

    def _overlaps(self, zones: IntArray) -> tuple[IntArray, CellArray, FloatArray]:
        """Pieces of a few zones that lie together."""
        shapes = self.outlines("iris")[zones]
        shapely.prepare(shapes)
        cells = polygon_to_cells(shapely.box(*shapely.total_bounds(shapes)), CELL_RESOLUTION)
        hexagons = cells_to_polygons(cells)
        at, zone = shapely.STRtree(shapes).query(hexagons, predicate="intersects")
        one, other = hexagons[at], shapes[zone]
        sizes = shapely.area(one), shapely.area(other)
        # Most hexagons lie within one zone, and cost no intersection.
        area = sizes[0].copy()
        crossing = ~shapely.contains_properly(other, one)
        area[crossing] = shapely.area(shapely.intersection(one[crossing], other[crossing]))
        largest = np.zeros(len(zones))
        np.maximum.at(largest, zone, area)
        kept = (area >= SLIVER * np.minimum(*sizes)) | (area == largest[zone])
        return zones[zone[kept]], cells[at[kept]], area[kept]

    @cached_property
    def cells(self) -> CellArray:
        """Cells of all pieces, ascending."""
        return np.unique(self.pieces[1])

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels there are, from the finest zones to the coarsest, then cells."""
        return (*self._levels, "cell")

    def level(self, name: str) -> Level:
        """The zones of a level other than ``cell``.

        Raises
        ------
        NotFoundError
            If these zones have no such level; its code is ``unknown-level``.
        """
        if name not in self._levels:
            raise NotFoundError(
                f"no level {name[:30]!r} here, only {', '.join(self.levels)}", code="unknown-level"
            )
        return self._levels[name]

    def codes(self, level: str) -> tuple[str, ...]:
        """Codes of a level, ascending."""
        if level == "cell":
            return tuple(cell_to_text(cell) for cell in self.cells.tolist())
        return self.level(level).codes

    def level_of(self, code: str) -> str:
        """The level that a code belongs to.

        Raises
        ------
        NotFoundError
            If there is no such zone; its code is ``unknown-zone``.
        """
        for name, level in self._levels.items():
            if code in level.index:
                return name
        try:
            cell = text_to_cell(code)
        except InputError:
            cell = 0
        at = int(np.searchsorted(self.cells, np.uint64(cell)))
        if at < len(self.cells) and self.cells[at] == cell:
            return "cell"
        raise NotFoundError(f"no zone {code[:30]!r} of vintage {self.vintage}", code="unknown-zone")

    def parents(self, code: str) -> tuple[str, ...]:
        """Codes of the zones that a zone is part of, the nearest first; a cell has none."""
        own = self.level_of(code)
        if own == "cell":
            return ()
        member = int(np.flatnonzero(self._levels[own].of_iris == self._levels[own].index[code])[0])
        above = [name for name in PARENT_LEVELS if name in self._levels]
        found = []
        for name in above[above.index(own) + 1 if own in above else 0 :]:
            at = self._levels[name].of_iris[member]
            if at >= 0:
                found.append(self._levels[name].codes[at])
        return tuple(found)

    @property
    def parent_codes(self) -> tuple[str, ...]:
        """Codes of all zones that others are part of, level by level."""
        above = [self._levels[name].codes for name in PARENT_LEVELS if name in self._levels]
        return tuple(code for codes in above for code in codes)

    def positions(self, level: str, parent: str) -> IntArray:
        """For each zone of a level, the position of the coarser one it is part of; -1 for none."""
        own, coarser = self._levels[level].of_iris, self._levels[parent].of_iris
        found = np.full(len(self._levels[level].codes), -1, dtype=np.int64)
        found[own[own >= 0]] = coarser[own >= 0]
        return found

    def outlines(self, level: str) -> NDArray[np.object_]:
        """Outlines of a level in the order of `codes`: Polygon or MultiPolygon, EPSG:4326."""
        if level not in self._dissolved:
            self._dissolved[level] = self._dissolve(level)
        return self._dissolved[level]

    def outline(self, code: str) -> Geometry:
        """A zone's outline: Polygon or MultiPolygon, EPSG:4326."""
        level = self.level_of(code)
        if level == "cell":
            return cells_to_polygons(np.array([text_to_cell(code)], dtype=np.uint64))[0]
        return self.outlines(level)[self._levels[level].index[code]]

    def _dissolve(self, level: str) -> NDArray[np.object_]:
        if level == "cell":
            return cells_to_polygons(self.cells)
        geometries = np.array([zone.geometry for zone in self.zones], dtype=object)
        if level == "iris":
            return geometries
        found = self.level(level)
        order = np.argsort(found.of_iris, kind="stable")
        first = np.searchsorted(found.of_iris[order], np.arange(len(found.codes) + 1))
        merged = np.empty(len(found.codes), dtype=object)
        for i in range(len(merged)):
            merged[i] = shapely.union_all(geometries[order[first[i] : first[i + 1]]])
        return merged
