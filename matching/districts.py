"""A release as it is read: zones and their figures, in memory, never changing."""

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from shapely import Geometry

from geo import cell_to_text, cells_to_lonlat, cells_to_polygons, text_to_cell
from geo.arrays import BoolArray, CellArray, FloatArray, IntArray
from geo.errors import InputError, NotFoundError
from indexes.releases import STATUSES, Release
from matching.planning.measures import DRAWS, MEASURES, Draw
from matching.planning.noisy_figures import Drawn, counted_figures, goal_gaps, sums_of
from matching.planning.outlines import Outlines
from matching.planning.tabulating import UNKNOWN, level_rows

__all__ = ["COMPANIONS", "Districts", "column_name"]

MAX_VERTICES = 10_000
COMPANIONS = ("lower", "upper", "status", "parent", "denominator")
"""What stands beside a figure in a wide table, a column each."""


def column_name(measure: str, category: str) -> str:
    """What a figure's column is called in a wide table.

    Examples
    --------
    >>> column_name("households", ""), column_name("listings", "garde")
    ('households', 'listings__garde')
    """
    return f"{measure}__{category}" if category else measure


class _Sheet:
    """One level of a release: as many rows for each zone, measures in the same order."""

    def __init__(self, start: int, rows: pa.Table) -> None:
        zone = np.asarray(rows["zone"].combine_chunks().dictionary_encode().indices)
        self.start = start
        self.height = int(np.searchsorted(zone, 1)) if len(zone) else 0  # codes come ascending
        self.codes: tuple[str, ...] = tuple(rows["zone"].take(_starts(zone)).to_pylist())
        one = rows.slice(0, self.height)
        self.figures: list[tuple[str, str]] = list(
            zip(one["measure"].to_pylist(), one["category"].to_pylist(), strict=True)
        )
        if len(rows) != self.height * len(self.codes):
            raise InputError("each zone of a level must have the same measures")
        self.index = {code: i for i, code in enumerate(self.codes)}
        self.rows = rows

    def column(self, name: str, figure: int) -> pa.Array:
        """One column of one figure, a value per zone."""
        at = np.arange(len(self.codes)) * self.height + figure
        return self.rows[name].take(pa.array(at)).combine_chunks()


def _check_polygon(polygon: Geometry) -> None:
    problem = ""
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or polygon.is_empty:
        problem = "is none"
    elif shapely.get_num_coordinates(polygon) > MAX_VERTICES:
        problem = f"has more than {MAX_VERTICES:,} vertices"
    elif not polygon.is_valid:
        problem = "crosses itself"
    elif polygon.bounds[2] - polygon.bounds[0] > 180.0 or np.abs(polygon.bounds).max() > 180.0:
        problem = "crosses the antimeridian: split it there"
    if problem:
        raise InputError(f"the polygon {problem}", code="invalid-polygon")


def _starts(keys: IntArray) -> IntArray:
    return np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else keys


class Districts:
    """A release over its zones' outlines.

    Parameters
    ----------
    release : Release
    outlines : Outlines
        Of the release's vintage, maybe imported again since: a zone that is no longer among them
        is told without name and outline.
    draws : mapping of str to Table, optional
        The quarter's noisy counts, which `union` adds up.

    Raises
    ------
    InputError
        If the outlines are of another vintage, or the rows are no release's.
    """

    def __init__(
        self, release: Release, outlines: Outlines, draws: Mapping[str, pa.Table] | None = None
    ) -> None:
        if release.vintage != outlines.vintage:
            raise InputError(
                f"release {release.id} is of zones of {release.vintage}, got {outlines.vintage}"
            )
        self.release = release
        self.zones = outlines
        self._draws = draws
        level = np.asarray(release.rows["level"].combine_chunks().dictionary_encode().indices)
        starts = _starts(level)
        ends = np.append(starts[1:], len(level))
        names = release.rows["level"].take(starts).to_pylist() if len(level) else []
        self._sheets: dict[str, _Sheet] = {
            name: _Sheet(int(start), release.rows.slice(int(start), int(end - start)))
            for name, start, end in zip(names, starts, ends, strict=True)
        }

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels with figures, from the finest zones to the coarsest, then cells."""
        return tuple(level for level in self.zones.levels if level in self._sheets)

    def codes(self, level: str) -> tuple[str, ...]:
        """Codes of a level, ascending.

        Raises
        ------
        NotFoundError
            If the release has no such level; its code is ``unknown-level``.
        """
        return self._sheet(level).codes

    def rows(self, code: str) -> pa.Table:
        """A zone's figures.

        Returns
        -------
        Table
            In ``RELEASE_SCHEMA``, by measure and category.

        Raises
        ------
        NotFoundError
            If the release has no such zone; its code is ``unknown-zone``.
        """
        sheet = self._sheets[self.level_of(code)]
        return sheet.rows.slice(sheet.index[code] * sheet.height, sheet.height)

    def level_of(self, code: str) -> str:
        """The level that tells a zone.

        Raises
        ------
        NotFoundError
            If the release has no such zone; its code is ``unknown-zone``.
        """
        for level, sheet in self._sheets.items():
            if code in sheet.index:
                return level
        raise NotFoundError(
            f"release {self.release.id} has no zone {code[:30]!r}", code="unknown-zone"
        )

    def measures(self, level: str) -> tuple[tuple[str, str], ...]:
        """Measures and categories of a level, in the order of the rows."""
        return tuple(self._sheet(level).figures)

    def table(self, level: str, measures: Collection[str] | None = None) -> pa.Table:
        """A level's figures, one row per zone.

        Parameters
        ----------
        level : str
        measures : collection of str, optional
            Names of measures, all categories of each; all measures by default.

        Returns
        -------
        Table
            ``code, name, level, type`` (of an IRIS, else null), ``commune, vintage``; then for
            each measure ``households`` and its `COMPANIONS`: ``households_lower,
            households_upper, households_status, households_parent`` (the code of the zone that
            carries a merged one) and ``households_denominator``; with a category
            ``listings__garde`` and so on.

        Raises
        ------
        NotFoundError
            If there is no such level (``unknown-level``) or measure (``unknown-measure``).
        """
        sheet = self._sheet(level)
        known = {measure for measure, _ in sheet.figures}
        for measure in measures or ():
            if measure not in known:
                raise NotFoundError(
                    f"no measure {measure[:40]!r} at level {level}", code="unknown-measure"
                )
        columns = self._identity(level, sheet.codes)
        for i, (measure, category) in enumerate(sheet.figures):
            if measures is None or measure in measures:
                name = column_name(measure, category)
                columns[name] = sheet.column("value", i)
                for extra in COMPANIONS:
                    columns[f"{name}_{extra}"] = sheet.column(extra, i)
        return pa.table(columns)

    def outline(self, code: str) -> Geometry:
        """A zone's outline: Polygon or MultiPolygon, EPSG:4326.

        Raises
        ------
        NotFoundError
            If there is no such zone, or not any more; its code is ``unknown-zone``.
        """
        if self.level_of(code) == "cell":
            return cells_to_polygons(np.array([text_to_cell(code)], np.uint64))[0]
        return self.zones.outline(code)

    def outlines(self, level: str) -> NDArray[np.object_]:
        """Outlines of a level, in the order of `codes`: Polygon or MultiPolygon, EPSG:4326; None
        of a zone that isn't there any more."""
        told = self.codes(level)
        if level == "cell":
            return cells_to_polygons(np.array([text_to_cell(code) for code in told], np.uint64))
        shapes, known = self.zones.outlines(level), self.zones.level(level).index
        if self.zones.codes(level) == told:
            return shapes
        return np.array([shapes[known[code]] if code in known else None for code in told])

    def flows(self) -> pa.Table:
        """Carpool journeys from zone to zone.

        Returns
        -------
        Table
            ``from, to, level, value, lower, upper, status, release``, by ``from`` and ``to``.
        """
        rows = self.release.rows.filter(pc.field("measure") == "flows")
        names = ["zone", "category", "level", "value", "lower", "upper", "status", "release"]
        return rows.select(names).rename_columns(["from", "to", *names[2:]])

    def union(self, polygon: Geometry) -> pa.Table:
        """Figures of any polygon, as the union of the whole cells whose centre lies inside.

        What is told of cells is told of it: adoption, and the goal lines. The cells' noisy counts
        are added up, and thresholded after: nothing is counted anew, so that no polygon tells more
        than the cells do.

        Parameters
        ----------
        polygon : Polygon or MultiPolygon
            EPSG:4326.

        Returns
        -------
        Table
            In ``RELEASE_SCHEMA``, by measure and category; ``zone`` is ``union``.

        Raises
        ------
        InputError
            If it is no polygon, crosses itself or the antimeridian, has more than 10,000
            vertices (code ``invalid-polygon``), or no centre of a cell lies in it (code
            ``no-cell-inside``).
        NotFoundError
            If the release was read without its draws; its code is ``unknown-draws``.
        """
        if self._draws is None:
            raise NotFoundError(
                f"release {self.release.id} is here without its draws", code="unknown-draws"
            )
        _check_polygon(polygon)
        # Zones that were added since may lie in more cells: nothing was drawn of these.
        told = np.array([text_to_cell(code) for code in self.codes("cell")], dtype=np.uint64)
        centres = cells_to_lonlat(told)
        inside = shapely.contains_xy(polygon, centres[:, 0], centres[:, 1])
        if not inside.any():
            raise InputError(
                "no cell of this release has its centre in the polygon: draw it larger, or nearer",
                code="no-cell-inside",
            )
        cells = told[inside]
        sums = {}
        for draw in (draw for draw in DRAWS if draw.by_cell):
            drawn = Drawn.of(self._draws[draw.name], draw)
            chosen = csr_array(np.isin(drawn.pieces.cell, cells)[None, :].astype(np.float64))
            sums[draw.name] = sums_of(drawn, draw, chosen, self._uncounted(draw, cells))
        known = {
            "households": self._denominator("households", cells),
            "residents": self._denominator("members", cells),
        }
        figures = counted_figures(
            sums, known, cells=True, census=self.release.head["sources"]["census"]
        )
        penetration = next(figure for figure in figures if figure.measure == "penetration")
        figures += goal_gaps(penetration, self.release.head["goals"])
        return level_rows("cell", ["union"], figures, (), self.release.vintage, self.release.id)

    def _uncounted(self, draw: Draw, cells: CellArray) -> BoolArray:
        """Whether some may live in one of the cells of whom nothing was drawn."""
        measure = next(one.name for one in MEASURES if one.draw == draw.name)
        statuses = self._of_cells("status", measure, cells)
        return np.array([STATUSES[UNKNOWN] in statuses.to_pylist()])

    def _denominator(self, measure: str, cells: CellArray) -> FloatArray:
        """What cells hold together of what a measure is held against; NaN where one is unknown."""
        column = self._of_cells("denominator", measure, cells)
        return np.array([np.sum(np.asarray(column, dtype=np.float64))])

    def _of_cells(self, name: str, measure: str, cells: CellArray) -> pa.Array:
        """A column of a measure without categories, of some cells."""
        sheet = self._sheet("cell")
        at = pa.array([sheet.index[cell_to_text(cell)] for cell in cells.tolist()])
        return sheet.column(name, sheet.figures.index((measure, ""))).take(at)

    def _sheet(self, level: str) -> _Sheet:
        if level not in self._sheets:
            raise NotFoundError(
                f"no level {level[:30]!r} in release {self.release.id}, only "
                f"{', '.join(self.levels)}",
                code="unknown-level",
            )
        return self._sheets[level]

    def _identity(self, level: str, codes: tuple[str, ...]) -> dict[str, pa.Array]:
        n = len(codes)
        names: list[str] = list(codes)
        types: list[str | None] = [None] * n
        communes: list[str | None] = [None] * n
        if level != "cell":
            own, commune = self.zones.level(level), self.zones.level("commune")
            member = {int(zone): i for i, zone in reversed([*enumerate(own.of_iris)])}
            for row, code in enumerate(codes):
                if code in own.index:
                    iris = member[own.index[code]]
                    names[row] = own.names[own.index[code]]
                    communes[row] = commune.codes[commune.of_iris[iris]]
                    types[row] = self.zones.zones[iris].type if level == "iris" else None
        return {
            "code": pa.array(codes, pa.string()),
            "name": pa.array(names, pa.string()),
            "level": pa.array([level] * n, pa.string()),
            "type": pa.array(types, pa.string()),
            "commune": pa.array(communes, pa.string()),
            "vintage": pa.array([self.release.vintage] * n, pa.int32()),
        }
