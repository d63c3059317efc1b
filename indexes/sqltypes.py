"""The column types in which the two databases differ, so that the tables need not.

A geometry is PostGIS's own or an EWKB blob, an instant a ``timestamptz`` or whole seconds
since 1970, a transaction an ``xid8`` or zero.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely
from geoalchemy2 import Geometry, WKBElement
from geoalchemy2.shape import to_shape
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Dialect,
    LargeBinary,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import BindParameter, ColumnElement, FunctionElement
from sqlalchemy.types import TypeEngine

from geo.arrays import FloatArray, LonLatArray, as_lonlat

__all__ = [
    "SRID",
    "Geom",
    "Id",
    "Instant",
    "Xid",
    "current_xid",
    "ewkb_lines",
    "ewkb_points",
    "line_ends_of_ewkb",
    "point_checks",
    "points_of_ewkb",
]

SRID = 4326
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# EWKB of a point, big-endian. Byte order matters: it lets SQLite compare coordinates, see
# `point_checks`. PostGIS reads either.
_HEAD = bytes.fromhex("0020000001000010e6")
_LINE_HEAD = bytes.fromhex("0060000002000010e6")  # with a measure
_POINT = np.dtype([("head", "V9"), ("lon", ">f8"), ("lat", ">f8")])


def ewkb_points(lonlat: LonLatArray) -> list[bytes]:
    """Points as EWKB, 25 bytes each.

    Parameters
    ----------
    lonlat : ndarray of float64, shape (n, 2)
        Degrees, EPSG:4326.

    Examples
    --------
    >>> ewkb_points(np.array([[5.5, 43.25]]))[0].hex()
    '0020000001000010e640160000000000004045a00000000000'
    """
    rows = np.empty(len(lonlat), _POINT)
    rows["head"] = np.void(_HEAD)
    rows["lon"], rows["lat"] = lonlat[:, 0], lonlat[:, 1]
    data = rows.tobytes()
    return [data[at : at + _POINT.itemsize] for at in range(0, len(data), _POINT.itemsize)]


def ewkb_lines(
    lonlat: Iterable[Sequence[tuple[float, float]]], times_s: Iterable[Sequence[float]]
) -> list[bytes]:
    """Lines with times as EWKB, the time being each point's measure.

    Parameters
    ----------
    lonlat : iterable of sequences of (lon, lat)
        Degrees, EPSG:4326; rounded to 1e-7.
    times_s : iterable of sequences of float
        Seconds, one a point; rounded to milliseconds.

    Examples
    --------
    >>> (line,) = ewkb_lines([((5.5, 43.25), (5.75, 43.5))], [(0.0, 90.0)])
    >>> shapely.from_wkb(line).wkt
    'LINESTRING M (5.5 43.25 0, 5.75 43.5 90)'
    """
    found = []
    for points, seconds in zip(lonlat, times_s, strict=True):
        rows = np.empty((len(points), 3), ">f8")
        rows[:, :2] = as_lonlat(points) + 0.0  # makes -0.0 the 0.0 that it equals
        rows[:, 2] = np.round(seconds, 3)
        found.append(_LINE_HEAD + len(points).to_bytes(4, "big") + rows.tobytes())
    return found


def points_of_ewkb(blobs: Iterable[bytes]) -> tuple[FloatArray, FloatArray]:
    """Longitudes and latitudes of points made by `ewkb_points`.

    Examples
    --------
    >>> points_of_ewkb(ewkb_points(np.array([[5.5, 43.25]])))
    (array([5.5]), array([43.25]))
    """
    rows = np.frombuffer(b"".join(blobs), _POINT)
    return rows["lon"].astype(np.float64), rows["lat"].astype(np.float64)


def line_ends_of_ewkb(blobs: Iterable[bytes]) -> LonLatArray:
    """First and last points of lines made by `ewkb_lines`.

    Returns
    -------
    ndarray of float64, shape (n, 2, 2)
        Degrees, EPSG:4326: line, end, (lon, lat).

    Examples
    --------
    >>> line_ends_of_ewkb(ewkb_lines([((5.5, 43.25), (5.6, 43.3), (5.75, 43.5))], [(0, 60, 90)]))
    array([[[ 5.5 , 43.25],
            [ 5.75, 43.5 ]]])
    """
    start = len(_LINE_HEAD) + 4  # after it comes how many points there are
    # A point is three doubles, the last of them its measure.
    ends = b"".join(blob[start : start + 16] + blob[-24:-8] for blob in blobs)
    return np.frombuffer(ends, ">f8").reshape(-1, 2, 2).astype(np.float64)


class _FromEwkb(FunctionElement[Any]):
    inherit_cache = True


class _AsEwkb(FunctionElement[Any]):
    inherit_cache = True


@compiles(_FromEwkb)
def _from_ewkb(element: _FromEwkb, compiler: Any, **kw: Any) -> str:
    return f"ST_GeomFromEWKB({compiler.process(element.clauses, **kw)})"


@compiles(_AsEwkb)
def _as_ewkb(element: _AsEwkb, compiler: Any, **kw: Any) -> str:
    return f"ST_AsEWKB({compiler.process(element.clauses, **kw)})"


@compiles(_FromEwkb, "sqlite")
@compiles(_AsEwkb, "sqlite")
def _plain(element: FunctionElement[Any], compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


class Geom(TypeDecorator[shapely.Geometry]):
    """A shapely geometry, EPSG:4326: ``geometry`` on PostGIS, an EWKB blob on SQLite."""

    impl = Geometry
    cache_ok = True

    def __init__(self, geometry_type: str = "POINT", srid: int = SRID) -> None:
        super().__init__(geometry_type=geometry_type, srid=srid, spatial_index=False)
        self.geometry_type, self.srid = geometry_type, srid

    def load_dialect_impl(self, dialect: Dialect | None) -> TypeEngine[Any]:
        # GeoAlchemy2 asks without a dialect while a table is being made.
        if dialect is not None and dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary())
        own = Geometry(self.geometry_type, srid=self.srid, spatial_index=False)
        return own if dialect is None else dialect.type_descriptor(own)

    def bind_expression(self, bindparam: BindParameter[Any]) -> ColumnElement[Any]:
        return _FromEwkb(bindparam)

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        found = _AsEwkb(column)
        found.type = self  # else the value comes back as raw bytes
        return found

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        located = shapely.set_srid(value, self.srid)
        return bytes(shapely.to_wkb(located, include_srid=True, byte_order=0))

    def process_result_value(self, value: Any, dialect: Dialect) -> shapely.Geometry | None:
        if isinstance(value, WKBElement):  # Geometry's own processor runs first on PostGIS
            return to_shape(value)
        return None if value is None else shapely.from_wkb(bytes(value))

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        return self


class Instant(TypeDecorator[datetime]):
    """An aware datetime in UTC, whole seconds: what is finer is cut off on the way in."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        whole = value.replace(microsecond=0)
        return whole if dialect.name == "postgresql" else int(whole.timestamp())

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return EPOCH + timedelta(seconds=value)


class Xid(TypeDecorator[int]):
    """PostgreSQL's 64-bit transaction id; a plain integer on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(_Xid8())
        return dialect.type_descriptor(BigInteger())


class _Xid8(postgresql.OID):
    __visit_name__ = "XID8"


@compiles(_Xid8)
def _xid8(element: _Xid8, compiler: Any, **kw: Any) -> str:
    return "xid8"


class current_xid(FunctionElement[int]):  # noqa: N801 - reads as the SQL function it is
    """The transaction that writes; always 0 on SQLite, which has one writer at a time."""

    inherit_cache = True


@compiles(current_xid)
def _current_xid(element: current_xid, compiler: Any, **kw: Any) -> str:
    return "pg_current_xact_id()"


@compiles(current_xid, "sqlite")
def _no_xid(element: current_xid, compiler: Any, **kw: Any) -> str:
    return "0"


# Bytewise order on both stores, whatever the locale of the database.
Id = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def point_checks(table: str) -> list[CheckConstraint]:
    """The constraints that keep ``geom`` a finite point on the Earth, in both databases.

    SQLite has no geometry, but big-endian doubles of one sign compare as their bytes do:
    180 is 4066800000000000, -180 is C066800000000000; infinities and NaN lie beyond both.
    """

    def within(start: int, limit: str) -> str:
        part = f"substr(geom, {start}, 8)"
        negative = f"{int(limit, 16) | 1 << 63:016x}"
        return f"({part} <= x'{limit}' OR {part} BETWEEN x'8000000000000000' AND x'{negative}')"

    blob = f"length(geom) = {_POINT.itemsize} AND substr(geom, 1, 9) = x'{_HEAD.hex()}'"
    lon, lat = within(10, "4066800000000000"), within(18, "4056800000000000")
    name = f"ck_{table}_point"
    return [
        CheckConstraint(f"{blob} AND {lon} AND {lat}", name).ddl_if(dialect="sqlite"),
        CheckConstraint(
            "NOT ST_IsEmpty(geom) AND ST_X(geom) BETWEEN -180 AND 180"
            " AND ST_Y(geom) BETWEEN -90 AND 90",
            name,
        ).ddl_if(dialect="postgresql"),
    ]
