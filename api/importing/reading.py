"""Opens a file with the reader of its format, told by the end of its name."""

from pathlib import Path

from api.importing.delimited import CsvTable
from api.importing.jsons import GeoJsonTable, NdjsonTable
from api.importing.table import Table
from geo.errors import LayoutError

__all__ = ["FORMATS", "open_table"]

FORMATS = (
    ".csv .tsv .txt .geojson .json .ndjson .jsonl .geojsonl .geojsons .parquet .geoparquet .gpkg"
)


def open_table(path: Path, geometry: str = "Point") -> Table:
    """The rows of a file.

    Parameters
    ----------
    path : Path
        CSV, GeoJSON, NDJSON, GeoParquet or GeoPackage, by the end of its name. A ``.json`` is
        GeoJSON if it holds a FeatureCollection, else NDJSON.
    geometry : str
        What features of GeoJSON and NDJSON must be: Point or LineString.

    Raises
    ------
    LayoutError
        If it can't be read, or is in no format we read.
    """
    try:
        return _open(path, path.suffix.lower(), geometry)
    except OSError as error:
        raise LayoutError(f"{path.name}: {error.strerror or 'can not be read'}") from error


def _open(path: Path, suffix: str, geometry: str) -> Table:
    if suffix in (".csv", ".tsv", ".txt"):
        return CsvTable(path)
    if suffix == ".geojson" or (suffix == ".json" and _holds_a_collection(path)):
        return GeoJsonTable(path, geometry)
    if suffix in (".json", ".ndjson", ".jsonl", ".geojsonl", ".geojsons"):
        return NdjsonTable(path, geometry)
    # pyarrow, pyogrio and pyproj take a second to import: only who reads such a file waits.
    if suffix in (".parquet", ".geoparquet"):
        from api.importing.columnar import ParquetTable

        return ParquetTable(path)
    if suffix == ".gpkg":
        from api.importing.columnar import GeoPackageTable

        return GeoPackageTable(path)
    raise LayoutError(f"{path.name}: wanted a file that ends in {FORMATS}")


def _holds_a_collection(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"FeatureCollection"' in file.read(4096)
