"""Districts as files: one row a zone, in five formats, each with its metadata beside it.

The same table and the same release give the same bytes, so that a file can be told by its hash.
"""

import csv
import hashlib
import io
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
from numpy.typing import NDArray

from geo.projection import crs_document, from_degrees

__all__ = ["WGS84", "FileFormat", "districts_file", "metadata_of"]

WGS84: Final = "EPSG:4326"
LAYER = "districts"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # without it Excel takes UTF-8 for the code page of its country
PARQUET_COLUMN = "geometry"

_gdal = threading.Lock()  # GDAL's configuration is one for all threads

Outlines = NDArray[np.object_]


class FileFormat(StrEnum):
    """What a table of districts is written as."""

    CSV = "csv"
    CSV2 = "csv2"  # as French spreadsheets read it: semicolons, decimal commas, a byte order mark
    GEOJSON = "geojson"
    GPKG = "gpkg"
    GEOPARQUET = "geoparquet"

    @property
    def media_type(self) -> str:
        """Its name in HTTP."""
        return _MEDIA_TYPES[self]

    @property
    def suffix(self) -> str:
        """How its files end."""
        return {FileFormat.CSV2: ".csv", FileFormat.GEOPARQUET: ".parquet"}.get(self, f".{self}")


_MEDIA_TYPES = {
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.CSV2: "text/csv; charset=utf-8",
    FileFormat.GEOJSON: "application/geo+json",
    FileFormat.GPKG: "application/geopackage+sqlite3",
    FileFormat.GEOPARQUET: "application/vnd.apache.parquet",
}


def districts_file(
    table: pa.Table, outlines: Outlines, format: FileFormat, crs: str, created_at: datetime
) -> bytes:
    """A table of districts as a file.

    Parameters
    ----------
    table : pa.Table
        One row a zone; its column ``code`` names it.
    outlines : ndarray of shapely geometries, shape (n,)
        Polygons of the rows, EPSG:4326; None for a zone without one.
    format : FileFormat
        CSV has no outlines.
    crs : str
        One of `geo.projection.FRENCH_CRS`. Easting or longitude comes first in every format.
    created_at : datetime
        When the figures were made, aware: a GeoPackage states it.

    Raises
    ------
    InputError
        With code ``unknown-crs``.
    """
    projected = from_degrees(outlines, crs)
    match format:
        case FileFormat.CSV:
            return _csv(table, ",", ".")
        case FileFormat.CSV2:
            return BYTE_ORDER_MARK + _csv(table, ";", ",")
        case FileFormat.GEOJSON:
            return _geojson(table, projected, crs)
        case FileFormat.GPKG:
            return _geopackage(table, projected, crs, created_at)
        case FileFormat.GEOPARQUET:
            return _geoparquet(table, projected, crs)


def _csv(table: pa.Table, delimiter: str, point: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(table.column_names)
    writer.writerows(zip(*(_cells(column, point) for column in table.columns), strict=True))
    return text.getvalue().encode()


def _cells(column: pa.ChunkedArray, point: str) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if not pa.types.is_floating(column.type):
        return values  # None is an empty cell
    # 412.0 is a count like any other: it is told as 412.
    return [None if v is None else repr(v).removesuffix(".0").replace(".", point) for v in values]


def _geojson(table: pa.Table, outlines: Outlines, crs: str) -> bytes:
    # RFC 7946 wants outer rings to the left; GEOS's normal form turns them to the right.
    drawn = shapely.to_geojson(shapely.reverse(shapely.normalize(outlines)))
    features = [
        {
            "type": "Feature",
            "id": row["code"],
            "properties": row,
            "geometry": msgspec.Raw(b"null" if shape is None else shape.encode()),
        }
        for row, shape in zip(table.to_pylist(), drawn, strict=True)
    ]
    collection: dict[str, Any] = {"type": "FeatureCollection", "name": LAYER}
    if crs != WGS84:
        # RFC 7946 knows degrees only; this is how GeoJSON named others before, and readers do.
        urn = "urn:ogc:def:crs:" + crs.replace(":", "::")
        collection["crs"] = {"type": "name", "properties": {"name": urn}}
    return msgspec.json.encode(collection | {"features": features})


def _with_outlines(table: pa.Table, outlines: Outlines) -> pa.Table:
    wkb = pa.array(shapely.to_wkb(outlines), pa.binary())
    return table.append_column(PARQUET_COLUMN, wkb)


def _geopackage(table: pa.Table, outlines: Outlines, crs: str, created_at: datetime) -> bytes:
    single = shapely.get_type_id(outlines) == shapely.GeometryType.POLYGON
    many = outlines.copy()
    many[single] = [shapely.MultiPolygon([outline]) for outline in outlines[single]]
    file = io.BytesIO()
    stamp = created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    with _gdal:
        # A GeoPackage says when it was written, and so would differ each time.
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": stamp})
        try:
            pyogrio.write_arrow(
                _with_outlines(table, many),
                file,
                layer=LAYER,
                driver="GPKG",
                geometry_name=PARQUET_COLUMN,
                geometry_type="MultiPolygon",
                crs=crs,
            )
        finally:
            pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
    return file.getvalue()


def _geoparquet(table: pa.Table, outlines: Outlines, crs: str) -> bytes:
    there = outlines[~shapely.is_missing(outlines)]
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted({outline.geom_type for outline in there}),
    }
    if len(there):
        column["bbox"] = shapely.total_bounds(there).tolist()
    if crs != WGS84:  # left out, it means longitude and latitude
        column["crs"] = crs_document(crs)
    geo = {
        "version": "1.1.0",
        "primary_column": PARQUET_COLUMN,
        "columns": {PARQUET_COLUMN: column},
    }
    file = io.BytesIO()
    marked = _with_outlines(table, outlines).replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(marked, file, compression="zstd")
    return file.getvalue()


def metadata_of(
    data: bytes,
    table: pa.Table,
    format: FileFormat,
    crs: str,
    columns: Mapping[str, Mapping[str, Any]],
    about: Mapping[str, Any],
) -> bytes:
    """What stands beside a file: what it is, of which release, and what each column means.

    Parameters
    ----------
    data : bytes
        The file, told by its SHA-256.
    table : pa.Table
        What it holds.
    format, crs
        As it was written.
    columns : mapping
        Column -> what is known of it. One that isn't named is told with its type alone.
    about : mapping
        What is said of the release.
    """
    document = {
        **about,
        "file": {
            "format": format.value,
            "media_type": format.media_type,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "rows": table.num_rows,
            "crs": None if format in (FileFormat.CSV, FileFormat.CSV2) else crs,
        },
        "columns": [
            {"name": field.name, "type": str(field.type), **columns.get(field.name, {})}
            for field in table.schema
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
