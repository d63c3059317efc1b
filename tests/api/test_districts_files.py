"""api/districts_files.py: every format read back by another reader than the writer."""

import csv
import hashlib
import io
import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

from api.districts_files import FileFormat, districts_file, metadata_of
from geo.errors import InputError
from geo.projection import from_degrees

DRAWN = datetime(2026, 10, 1, 6, tzinfo=UTC)
TABLE = pa.table(
    {
        "code": ["010010101", "132010402", "2A0040101"],
        "name": ['Vieux-Port; "Est"', "Opéra, 4", "=Île"],
        "vintage": pa.array([2020, 2020, 2020], pa.int32()),
        "penetration": [0.0491, None, 1.0],
        "penetration_status": ["ok", "hidden", "ok"],
        "listings__cours.maths": [412.0, -3.0, None],
    }
)
HOLED = shapely.box(5.3, 43.2, 5.4, 43.3).difference(shapely.box(5.33, 43.23, 5.35, 43.25))
ISLES = shapely.MultiPolygon([shapely.box(5.4, 43.2, 5.5, 43.3), shapely.box(5.6, 43.2, 5.7, 43.3)])
OUTLINES = np.array([HOLED, ISLES, None], dtype=object)
PLACED = ("geojson", "gpkg", "geoparquet")


def written(format, crs="EPSG:4326", table=TABLE, outlines=OUTLINES):
    return districts_file(table, outlines, FileFormat(format), crs, DRAWN)


@pytest.fixture
def read(tmp_path):
    """A file as GDAL reads it, GeoParquet by its own metadata: CRS, columns, geometries."""

    def opened(format, crs="EPSG:4326"):
        path = tmp_path / f"districts{FileFormat(format).suffix}"
        path.write_bytes(written(format, crs))
        if format == "geoparquet":
            table = pa.parquet.read_table(path)
            geo = json.loads(table.schema.metadata[b"geo"])
            column = geo["columns"][geo["primary_column"]]
            assert (geo["version"], column["encoding"]) == ("1.1.0", "WKB")
            assert column["geometry_types"] == ["MultiPolygon", "Polygon"]
            named = column.get("crs", {"id": {"authority": "EPSG", "code": 4326}})["id"]
            shapes = shapely.from_wkb(table[geo["primary_column"]].to_numpy())
            assert column["bbox"] == pytest.approx(shapely.total_bounds(shapes))
            stated = f"{named['authority']}:{named['code']}"
            return stated, table.drop([geo["primary_column"]]).to_pydict(), shapes
        meta, _, wkb, columns = pyogrio.raw.read(path)
        table = dict(zip(meta["fields"].tolist(), columns, strict=True))
        return meta["crs"], table, shapely.from_wkb(wkb)

    return opened


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:2154"])
@pytest.mark.parametrize("format", PLACED)
def test_outlines_come_back_where_they_were_in_the_system_that_is_stated(read, format, crs):
    stated, columns, shapes = read(format, crs)
    assert stated == crs
    assert list(columns["code"]) == TABLE["code"].to_pylist()
    assert list(columns["name"]) == TABLE["name"].to_pylist()
    assert list(columns["vintage"]) == [2020, 2020, 2020]
    wanted = from_degrees(OUTLINES, crs)
    assert shapes[2] is None
    for shape, outline in zip(shapes[:2], wanted[:2], strict=True):
        assert shape.is_valid and shapely.equals(shape, outline)
    west, south, east, north = shapes[0].bounds
    if crs == "EPSG:2154":  # metres, easting first: Marseille is at (893 km, 6 247 km)
        assert 880_000 < west < east < 900_000 and 6_200_000 < south < north < 6_300_000
    else:
        assert (west, south, east, north) == (5.3, 43.2, 5.4, 43.3)


@pytest.mark.parametrize("format", PLACED)
def test_a_figure_that_isn_t_there_is_null_and_not_zero(read, format):
    _, columns, _ = read(format)
    for name in ("penetration", "listings__cours.maths"):
        found = [None if v is None or np.isnan(v) else v for v in columns[name]]
        assert found == TABLE[name].to_pylist()
    assert list(columns["penetration_status"]) == ["ok", "hidden", "ok"]


def test_geojson_turns_outer_rings_to_the_left_and_holes_to_the_right(read):
    collection = json.loads(written("geojson"))
    assert "crs" not in collection
    rings = collection["features"][0]["geometry"]["coordinates"]
    assert [shapely.LinearRing(ring).is_ccw for ring in rings] == [True, False]
    assert collection["features"][0]["id"] == "010010101"
    assert collection["features"][2]["geometry"] is None


def test_csv_is_what_programs_read():
    data = written("csv")
    assert not data.startswith(b"\xef\xbb\xbf") and data.count(b"\r\n") == 4
    rows = list(csv.reader(io.StringIO(data.decode())))
    assert rows[0] == TABLE.column_names
    assert rows[1] == ["010010101", 'Vieux-Port; "Est"', "2020", "0.0491", "ok", "412"]
    assert rows[2][3:] == ["", "hidden", "-3"]


def test_csv_for_french_spreadsheets_has_semicolons_decimal_commas_and_a_mark():
    data = written("csv2")
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig")), delimiter=";"))
    assert rows[1] == ["010010101", 'Vieux-Port; "Est"', "2020", "0,0491", "ok", "412"]
    assert rows[2][1] == "Opéra, 4"  # only numbers change their point


@pytest.mark.parametrize("format", list(FileFormat))
def test_the_same_table_gives_the_same_bytes(format, monkeypatch):
    first = written(format)
    with monkeypatch.context() as patch:  # as a later moment would have it
        patch.setenv("OGR_CURRENT_DATE", "2030-01-01T00:00:00.000Z")
        assert written(format) == first


@pytest.mark.parametrize("format", list(FileFormat))
def test_an_unknown_system_is_refused_in_every_format(format):
    with pytest.raises(InputError) as refused:
        written(format, "EPSG:3857")
    assert refused.value.code == "unknown-crs"


@pytest.mark.parametrize("format", list(FileFormat))
def test_a_table_without_rows_is_a_file_without_rows(tmp_path, format):
    data = written(format, table=TABLE.slice(0, 0), outlines=OUTLINES[:0])
    path = tmp_path / f"none{FileFormat(format).suffix}"
    path.write_bytes(data)
    if format == FileFormat.GEOPARQUET:
        assert pa.parquet.read_table(path).num_rows == 0
    elif format in (FileFormat.GPKG, FileFormat.GEOJSON):
        assert pyogrio.read_info(path)["features"] == 0
    else:
        assert data.count(b"\r\n") == 1


def test_the_metadata_names_the_file_by_its_hash_and_every_column():
    data = written("gpkg", "EPSG:2154")
    told = json.loads(
        metadata_of(
            data,
            TABLE,
            FileFormat.GPKG,
            "EPSG:2154",
            {"penetration": {"unit": "share"}},
            {"release": "2026Q3"},
        )
    )
    assert told["release"] == "2026Q3"
    assert told["file"] == {
        "format": "gpkg",
        "media_type": "application/geopackage+sqlite3",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "rows": 3,
        "crs": "EPSG:2154",
    }
    assert [column["name"] for column in told["columns"]] == TABLE.column_names
    assert told["columns"][3] == {"name": "penetration", "type": "double", "unit": "share"}
    without = json.loads(metadata_of(b"", TABLE, FileFormat.CSV, "EPSG:4326", {}, {}))
    assert without["file"]["crs"] is None
