"""The official contours of IRIS zones: three layouts, four formats, any reference system.

GeoPackage, Shapefile, GeoJSON and GeoParquet. With `geo.figures`, the room's only file access.
Codes are text throughout.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from geo.errors import CoordinateError, InputError, LayoutError, RowError
from geo.projection import to_degrees

__all__ = [
    "ARRONDISSEMENTS",
    "Contours",
    "check_iris_code",
    "is_commune_code",
    "read_contours",
    "whole_commune",
]

# Columns of each layout, in lower case: zone code, zone name, zone type, commune code and name.
LAYOUTS = {
    "v1, to 2013": ("dcomiris", "nom_iris", "typ_iris", "depcom", "nom_com"),
    "v2, 2014 to 2022": ("code_iris", "nom_iris", "typ_iris", "insee_com", "nom_com"),
    "v3, from 2023": ("code_iris", "nom_iris", "type_iris", "code_insee", "nom_commune"),
}
SHAPEFILE_NAME = 10  # characters of a column name that a Shapefile keeps

IRIS_CODE = re.compile(r"([0-9]{2}|2[AB])[0-9]{7}")
COMMUNE_CODE = re.compile(r"([0-9]{2}|2[AB])[0-9]{3}")
ZONE_TYPES = frozenset("HADZ")  # habitat, activity, other, commune of one zone

Column = NDArray[np.generic]  # texts as objects, or numbers
Layer = tuple[list[Column], NDArray[np.object_], str | None]  # columns, geometries, CRS

ARRONDISSEMENTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "13055": ("Marseille", tuple(str(code) for code in range(13201, 13217))),
    "69123": ("Lyon", tuple(str(code) for code in range(69381, 69390))),
    "75056": ("Paris", tuple(str(code) for code in range(75101, 75121))),
}
"""The three communes that INSEE counts by arrondissement: name and codes of these."""


@dataclass(frozen=True, slots=True, eq=False)
class Contours:
    """Zones of one file: entry i of every column is one of them, sorted by code.

    ``types``: H habitat, A activity, D other, Z a commune of one zone. ``geometries`` are
    valid polygons, EPSG:4326. ``repaired`` are codes whose outline crossed itself.
    """

    vintage: int
    codes: tuple[str, ...]
    names: tuple[str, ...]
    types: tuple[str, ...]
    commune_codes: tuple[str, ...]
    commune_names: tuple[str, ...]
    geometries: NDArray[np.object_]
    repaired: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.codes)


def is_commune_code(code: str) -> bool:
    """Whether a text has the form of a commune's (or an arrondissement's) code."""
    return COMMUNE_CODE.fullmatch(code) is not None


def whole_commune(code: str) -> tuple[str, str | None]:
    """The commune that a commune or arrondissement belongs to, and its name if it is another.

    Examples
    --------
    >>> whole_commune("13201"), whole_commune("91345")
    (('13055', 'Marseille'), ('91345', None))
    """
    for commune, (name, parts) in ARRONDISSEMENTS.items():
        if code in parts:
            return commune, name
    return code, None


def read_contours(path: Path, vintage: int | None = None) -> Contours:
    """Read the outlines of zones.

    Parameters
    ----------
    path : Path
        ``.gpkg``, ``.shp``, ``.geojson``, ``.json`` or ``.parquet``, in one of the official
        layouts; upper or lower case.
    vintage : int, optional
        Year of the zones; by default the one in the file's name.

    Returns
    -------
    Contours

    Raises
    ------
    LayoutError
        If the file can't be read, lacks columns, or states no reference system where its
        numbers are no degrees.
    RowError
        If a code is no code, comes twice, or an outline is no polygon; the message says which.
    InputError
        If there is no such file, or nothing tells the vintage.
    """
    if not path.is_file():
        found = "a directory" if path.is_dir() else "no such file"
        raise InputError(f"{path.name}: wanted a file of zones, found {found}")
    year = vintage if vintage is not None else _year_in_name(path)
    if not 1999 <= year <= 2100:  # the first IRIS are those of the census of 1999
        raise InputError(f"a vintage is a year from 1999 on, got {year}")
    layer = _read_parquet(path) if _is_parquet(path) else _read_ogr(path)
    try:
        return _contours(year, *layer)
    except RowError as error:
        message = f"{path.name}, row {error.line}: {error}"
        raise RowError(message, line=error.line, field=error.field) from error


def _contours(
    vintage: int, columns: Sequence[Column], geometries: NDArray[np.object_], crs: str | None
) -> Contours:
    codes = _codes(columns[0], IRIS_CODE, 9, "IRIS code")
    communes = _codes(columns[3], COMMUNE_CODE, 5, "commune code")
    names, commune_names = (_texts(columns[i]) for i in (1, 4))
    types = _texts(columns[2])
    for line, (code, commune, kind) in enumerate(zip(codes, communes, types, strict=True), start=1):
        if not code.startswith(commune):
            raise RowError(f"zone {code} can't lie in commune {commune}", line=line)
        if kind not in ZONE_TYPES:
            raise RowError(f"zone {code}: type must be H, A, D or Z, got {kind[:20]!r}", line=line)
    outlines, repaired = _polygons(geometries, crs, codes)
    order = sorted(range(len(codes)), key=codes.__getitem__)
    for before, after in pairwise(order):
        if codes[before] == codes[after]:
            raise RowError(f"zone {codes[after]} comes twice", line=after + 1)
    return Contours(
        vintage=vintage,
        codes=tuple(codes[i] for i in order),
        names=tuple(names[i] for i in order),
        types=tuple(types[i] for i in order),
        commune_codes=tuple(communes[i] for i in order),
        commune_names=tuple(commune_names[i] for i in order),
        geometries=outlines[order],
        repaired=tuple(sorted(repaired)),
    )


def _year_in_name(path: Path) -> int:
    years = set(re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", path.name))
    if len(years) != 1:
        found = "several years" if years else "no year"
        raise InputError(f"{path.name} has {found} in its name: say which with --vintage")
    return int(years.pop())


def _is_parquet(path: Path) -> bool:
    if not path.is_file():
        raise InputError(f"no such file: {path.name}")
    return path.suffix.lower() in {".parquet", ".geoparquet"}


def _columns_of(names: Sequence[str], file: str) -> list[str]:
    """The five columns we need, as this file spells them, whichever layout it is in."""
    spelt = {name.lower(): name for name in names}
    for wanted in LAYOUTS.values():
        found = [spelt.get(name) or spelt.get(name[:SHAPEFILE_NAME]) for name in wanted]
        if all(found):
            return [name for name in found if name]
    layouts = "; ".join(f"{year}: {', '.join(wanted)}" for year, wanted in LAYOUTS.items())
    raise LayoutError(f"{file} is in no layout of IRIS contours ({layouts}); it has {list(names)}")


def _read_ogr(path: Path) -> Layer:
    try:
        layers = [str(name) for name in pyogrio.list_layers(path)[:, 0]]
        refused = LayoutError(f"{path.name} has no layer")
        for layer in layers:
            info = pyogrio.read_info(path, layer=layer)
            try:
                names = _columns_of([str(name) for name in info["fields"]], path.name)
            except LayoutError as error:
                refused = error
                continue
            meta, _, wkb, columns = pyogrio.raw.read(path, layer=layer, columns=names)
            by_name = dict(zip(meta["fields"], columns, strict=True))
            return [by_name[name] for name in names], shapely.from_wkb(wkb), meta["crs"]
    except (DataSourceError, DataLayerError, shapely.errors.GEOSException) as error:
        raise LayoutError(f"{path.name} can't be read: {error}") from error
    raise refused


def _read_parquet(path: Path) -> Layer:
    try:
        file = pq.ParquetFile(path)
        geo = json.loads((file.schema_arrow.metadata or {})[b"geo"])
        column = geo["primary_column"]
        facts = geo["columns"][column]
        if facts["encoding"] != "WKB":
            raise LayoutError(f"{path.name}: geometry must be encoded as WKB")
        names = _columns_of(file.schema_arrow.names, path.name)
        table = file.read(columns=[*names, column])
        geometries = shapely.from_wkb(table[column].to_numpy())
    except KeyError as error:
        raise LayoutError(f"{path.name} is Parquet, but no GeoParquet: no {error}") from error
    except (pa.ArrowException, ValueError, TypeError, shapely.errors.GEOSException) as error:
        if isinstance(error, LayoutError):
            raise
        raise LayoutError(f"{path.name} can't be read: {error}") from error
    # GeoParquet 1.1: left out means longitude and latitude; null means that nobody knows.
    crs = facts.get("crs", "OGC:CRS84")
    stated = json.dumps(crs) if isinstance(crs, dict) else crs
    return [table[name].to_numpy() for name in names], geometries, stated


def _texts(column: Column) -> list[str]:
    return ["" if value is None else str(value).strip() for value in column.tolist()]


def _codes(column: Column, pattern: re.Pattern[str], length: int, what: str) -> list[str]:
    if np.issubdtype(column.dtype, np.number):  # the file kept numbers: nothing but zeros is lost
        if not np.all(np.isfinite(column.astype(np.float64))):
            raise RowError(f"an {what} is missing", line=1)
        codes = [str(int(value)).zfill(length) for value in column.tolist()]
    else:
        codes = _texts(column)
    for line, code in enumerate(codes, start=1):
        _check_code(code, pattern, length, what, line)
    return codes


def check_iris_code(code: str, line: int) -> None:
    """Refuse what is no zone code.

    Raises
    ------
    RowError
        Naming the line; a leading zero lost on the way is said to be one.
    """
    _check_code(code, IRIS_CODE, 9, "IRIS code", line)


def _check_code(code: str, pattern: re.Pattern[str], length: int, what: str, line: int) -> None:
    if pattern.fullmatch(code):
        return
    hint = ""
    if code.isdigit() and len(code) == length - 1:
        hint = ": a program that took it for a number dropped the leading zero"
    raise RowError(f"{what} must have {length} characters, got {code[:20]!r}{hint}", line=line)


def _polygons(
    geometries: NDArray[np.object_], crs: str | None, codes: Sequence[str]
) -> tuple[NDArray[np.object_], list[str]]:
    """Outlines in degrees, valid; and the codes of those that had to be repaired."""
    for line, (code, geometry) in enumerate(zip(codes, geometries, strict=True), start=1):
        if geometry is None or geometry.is_empty:
            raise RowError(f"zone {code} has no outline", line=line)
        if geometry.geom_type not in ("Polygon", "MultiPolygon"):
            raise RowError(f"zone {code} must be a polygon, not {geometry.geom_type}", line=line)
    flat = shapely.force_2d(geometries)
    if crs is not None:
        flat = to_degrees(flat, crs)
    bounds = shapely.total_bounds(flat)
    on_earth = bool(np.all(np.abs(bounds[[0, 2]]) <= 180) and np.all(np.abs(bounds[[1, 3]]) <= 90))
    if len(flat) and not on_earth:
        if crs is None:
            raise LayoutError(
                "the file states no coordinate reference system, and holds no degrees"
            )
        raise CoordinateError("a zone's outline leaves the Earth")
    repaired = []
    for i in np.flatnonzero(~shapely.is_valid(flat)).tolist():
        # Rings that cross themselves are cut apart there, as PostGIS does; lines left over go.
        mended = shapely.make_valid(flat[i], method="structure", keep_collapsed=False)
        if mended.is_empty or mended.geom_type not in ("Polygon", "MultiPolygon"):
            why = shapely.is_valid_reason(flat[i]).partition("[")[0]
            raise RowError(f"zone {codes[i]} can't be repaired: {why}", line=i + 1)
        flat[i] = mended
        repaired.append(codes[i])
    return flat, repaired
