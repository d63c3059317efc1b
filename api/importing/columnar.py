"""Reads GeoParquet and GeoPackage batch by batch, in whatever reference system they state."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from api.importing.table import CHUNK_ROWS, GEOMETRY_LAT, GEOMETRY_LON, Chunk
from geo.errors import CoordinateError, LayoutError, RowError
from geo.projection import to_degrees

__all__ = ["GeoPackageTable", "ParquetTable"]

DEGREES = "OGC:CRS84"  # what GeoParquet means where it states nothing


class ParquetTable:
    """The rows of a GeoParquet file, or of a plain one with columns for the coordinates.

    Parameters
    ----------
    path : Path

    Raises
    ------
    LayoutError
        If it is no Parquet, or its geometry is not WKB in a stated reference system.
    """

    encoding = ""
    typed = True

    def __init__(self, path: Path) -> None:
        self.done = 0.0
        self._name = path.name
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise LayoutError(f"{path.name}: not a Parquet file") from error
        self._geometry, self._crs = self._geo()

    def chunks(self) -> Iterator[Chunk]:
        """The rows, in the order of the file; a row's line is its number."""
        batches = self._file.iter_batches(batch_size=CHUNK_ROWS)
        total = max(self._file.metadata.num_rows, 1)
        yield from _chunks(self, self._name, batches, total, self._geometry, self._crs)

    def _geo(self) -> tuple[str, str]:
        metadata = (self._file.schema_arrow.metadata or {}).get(b"geo")
        if metadata is None:
            return "", DEGREES
        try:
            geo = msgspec.json.decode(metadata)
            name = geo["primary_column"]
            column = geo["columns"][name]
            encoding = column["encoding"]
            crs = column.get("crs", DEGREES)
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
            raise LayoutError(f"{self._name}: its GeoParquet metadata can't be read") from error
        if encoding != "WKB":
            raise LayoutError(f"{self._name}: wanted geometry as WKB, got {str(encoding)[:40]!r}")
        if crs is None:
            raise LayoutError(f"{self._name}: it does not state its reference system")
        return name, crs if isinstance(crs, str) else msgspec.json.encode(crs).decode()


class GeoPackageTable:
    """The rows of the one layer of a GeoPackage.

    Parameters
    ----------
    path : Path

    Raises
    ------
    LayoutError
        If it can't be opened, has several layers, or states no reference system.
    """

    encoding = ""
    typed = True

    def __init__(self, path: Path) -> None:
        self.done = 0.0
        self._path = path
        try:
            layers = [str(name) for name, _ in pyogrio.list_layers(path)]
        except DataSourceError as error:
            raise LayoutError(f"{path.name}: not a GeoPackage") from error
        if len(layers) != 1:
            raise LayoutError(f"{path.name}: wanted one layer, found {', '.join(layers) or 'none'}")

    def chunks(self) -> Iterator[Chunk]:
        """The features, in the order of the file; a row's line is the feature's number."""
        name = self._path.name
        try:
            total = max(pyogrio.read_info(self._path, force_feature_count=True)["features"], 1)
            with pyogrio.open_arrow(
                self._path, batch_size=CHUNK_ROWS, use_pyarrow=True, return_fids=True
            ) as (meta, batches):
                placed = meta["geometry_type"] is not None
                if placed and meta["crs"] is None:
                    raise LayoutError(f"{name}: it does not state its reference system")
                geometry = (meta["geometry_name"] or "wkb_geometry") if placed else ""
                yield from _chunks(self, name, batches, total, geometry, meta["crs"])
        except (DataSourceError, DataLayerError) as error:
            raise LayoutError(f"{name}: damaged GeoPackage") from error


def _chunks(
    table: ParquetTable | GeoPackageTable,
    name: str,
    batches: Iterator[pa.RecordBatch],
    total: int,
    geometry: str,
    crs: str,
) -> Iterator[Chunk]:
    read = 0
    try:
        for batch in batches:
            yield _chunk(batch, read, geometry, crs)
            read += batch.num_rows
            table.done = read / total
    except (pa.ArrowException, OSError) as error:
        raise LayoutError(f"{name}: damaged after row {read}; rows before it are stored") from error


def _chunk(batch: pa.RecordBatch, before: int, geometry: str, crs: str) -> Chunk:
    lines = np.arange(before + 1, before + batch.num_rows + 1)
    names = [name for name in batch.schema.names if name != geometry]
    if not geometry:
        return Chunk(lines.tolist(), names, _column_of(batch, {}))
    points, faults, flattened = _points(batch.column(geometry), crs)
    refused = [RowError(why, line=int(lines[i]), field="geometry") for i, why in faults.items()]
    kept = np.ones(batch.num_rows, dtype=bool)
    kept[list(faults)] = False
    places = {
        GEOMETRY_LON: _degrees(points[kept], shapely.get_x),
        GEOMETRY_LAT: _degrees(points[kept], shapely.get_y),
    }
    rows = batch.filter(pa.array(kept))
    return Chunk(
        lines[kept].tolist(), [*names, *places], _column_of(rows, places), refused, flattened
    )


def _points(column: pa.Array, crs: str) -> tuple[NDArray[np.object_], dict[int, str], int]:
    """Points in degrees (None where there is none), what is wrong by row, heights dropped."""
    wkb = np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
    geometries = shapely.from_wkb(wkb, on_invalid="ignore")
    faults: dict[int, str] = {}
    wrong = shapely.is_missing(geometries) & np.array([value is not None for value in wkb])
    faults |= dict.fromkeys(np.flatnonzero(wrong).tolist(), "wanted a Point, it can't be read")
    empty = shapely.is_empty(geometries)
    faults |= dict.fromkeys(np.flatnonzero(empty).tolist(), "wanted a Point, it is empty")
    kinds = shapely.get_type_id(geometries)
    for i in np.flatnonzero((kinds > 0) & ~empty).tolist():
        faults[i] = f"wanted a Point, got {geometries[i].geom_type}"
    good = (kinds == 0) & ~empty
    flattened = int((shapely.has_z(geometries) & good).sum())
    finite = np.flatnonzero(good)
    finite = finite[np.isfinite(shapely.get_coordinates(geometries[finite])).all(axis=1)]
    geometries = shapely.force_2d(geometries)
    _project(geometries, finite, crs, faults)
    return geometries, faults, flattened


def _project(
    geometries: NDArray[np.object_], rows: NDArray[np.intp], crs: str, faults: dict[int, str]
) -> None:
    """Turn rows into degrees in place; those that the reference system can't reach are faults."""
    if not rows.size:
        return
    try:
        geometries[rows] = to_degrees(geometries[rows], crs)
    except CoordinateError as error:
        if rows.size == 1:
            faults[int(rows[0])] = str(error)
            return
        half = rows.size // 2
        _project(geometries, rows[:half], crs, faults)
        _project(geometries, rows[half:], crs, faults)


def _degrees(points: NDArray[np.object_], read: Callable[..., Any]) -> list[float | None]:
    there = ~shapely.is_missing(points)
    return [value if has else None for value, has in zip(read(points).tolist(), there, strict=True)]


def _column_of(
    batch: pa.RecordBatch, places: dict[str, list[float | None]]
) -> Callable[[str], Sequence[Any]]:
    def column(name: str) -> Sequence[Any]:
        if name in places:
            return places[name]
        if name not in batch.schema.names:
            return [None] * batch.num_rows
        values = batch.column(name)
        if pa.types.is_timestamp(values.type):
            # Nanoseconds have no Python type; whole seconds are kept anyway.
            values = values.cast(pa.timestamp("us", values.type.tz), safe=False)
        try:
            return list(values.to_pylist())
        except UnicodeDecodeError:
            raw = values.cast(pa.large_binary()).to_pylist()
            return [v if v is None else v.decode(errors="surrogateescape") for v in raw]

    return column
