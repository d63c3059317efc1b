"""geo/iris.py: the three layouts, four formats, awkward codes, outlines and reference systems."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from geo.errors import CoordinateError, InputError, LayoutError, RowError
from geo.iris import ARRONDISSEMENTS, read_contours, whole_commune

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
SAMPLES = DATA / "layout_samples"
pytestmark = pytest.mark.filterwarnings("ignore")  # GDAL on the files that the tests write
needs_data = pytest.mark.skipif(not SAMPLES.exists(), reason="../shared/data is absent")

LAYOUTS = {
    "v1": ("DCOMIRIS", "NOM_IRIS", "TYP_IRIS", "DEPCOM", "NOM_COM"),
    "v2": ("CODE_IRIS", "NOM_IRIS", "TYP_IRIS", "INSEE_COM", "NOM_COM"),
    "v3": ("code_iris", "nom_iris", "type_iris", "code_insee", "nom_commune"),
}
ROWS = (
    ("990010102", "La Colline", "H", "99001", "Mitoyenville"),
    ("990010101", "Le Port", "A", "99001", "Mitoyenville"),
)
PORT = shapely.box(5.36, 43.29, 5.37, 43.30)
HILL = shapely.box(5.37, 43.29, 5.38, 43.30)


def write(path, layout="v2", rows=ROWS, shapes=(HILL, PORT), crs="EPSG:4326", dtype=object, **more):
    fields = [
        np.array([row[i] for row in rows], dtype=dtype if i in (0, 3) else object) for i in range(5)
    ]
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.array(shapes, dtype=object)),
        field_data=fields,
        fields=list(LAYOUTS[layout]),
        geometry_type="Unknown" if path.suffix == ".gpkg" else "Polygon",
        crs=crs,
        **more,
    )
    return path


def write_parquet(path, rows=ROWS, shapes=(HILL, PORT), geo=None):
    columns = {name: [row[i] for row in rows] for i, name in enumerate(LAYOUTS["v2"])}
    table = pa.table({**columns, "outline": shapely.to_wkb(np.array(shapes, dtype=object))})
    facts = {
        "version": "1.1.0",
        "primary_column": "outline",
        "columns": {"outline": {"encoding": "WKB", "geometry_types": []}},
    }
    for key, value in (geo or {}).items():
        facts["columns"]["outline"][key] = value
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(facts)}), path)
    return path


def check(contours):
    assert contours.vintage == 2020
    assert contours.codes == ("990010101", "990010102")
    assert contours.names == ("Le Port", "La Colline")
    assert contours.types == ("A", "H")
    assert contours.commune_codes == ("99001", "99001")
    assert contours.commune_names == ("Mitoyenville", "Mitoyenville")
    assert [
        g.centroid.distance(w.centroid)
        for g, w in zip(contours.geometries, (PORT, HILL), strict=True)
    ] == (pytest.approx([0.0, 0.0], abs=1e-8))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["z_2020.gpkg", "z_2020.shp", "z_2020.geojson"])
def test_each_layout_is_read_from_each_format(tmp_path, layout, name):
    check(read_contours(write(tmp_path / name, layout)))


@pytest.mark.parametrize("crs", ["EPSG:2154", "EPSG:4326", "EPSG:4171"])
def test_the_reference_system_is_the_files_own(tmp_path, crs):
    shapes = [HILL, PORT]
    if crs == "EPSG:2154":
        from pyproj import Transformer

        project = Transformer.from_crs(4326, 2154, always_xy=True).transform
        shapes = [shapely.transform(g, lambda xy: np.column_stack(project(*xy.T))) for g in shapes]
    check(read_contours(write(tmp_path / "z_2020.gpkg", shapes=shapes, crs=crs)))


def test_an_overseas_projection_is_read(tmp_path):
    metres = shapely.box(338_000, 7_690_000, 339_000, 7_691_000)  # La Réunion, UTM 40 south
    path = write(
        tmp_path / "z_2020.gpkg",
        rows=[("974110101", "Centre", "H", "97411", "Saint-Denis")],
        shapes=[metres],
        crs="EPSG:2975",
    )
    lon, lat = shapely.get_coordinates(read_contours(path).geometries[0].centroid)[0]
    assert (lon, lat) == pytest.approx((55.45, -20.88), abs=0.02)


@pytest.mark.parametrize("crs", [{}, {"crs": None}])
def test_geoparquet_names_its_geometry_and_may_leave_out_the_system(tmp_path, crs):
    check(read_contours(write_parquet(tmp_path / "z_2020.parquet", geo=crs)))


def test_without_a_system_degrees_are_taken_and_metres_refused(tmp_path):
    check(read_contours(write(tmp_path / "z_2020.shp", crs=None)))
    metres = write(
        tmp_path / "m_2020.shp",
        rows=ROWS[:1],
        crs=None,
        shapes=[shapely.box(892_000, 6_247_000, 893_000, 6_248_000)],
    )
    with pytest.raises(LayoutError, match="states no coordinate reference system"):
        read_contours(metres)


def test_degrees_off_the_earth_are_refused(tmp_path):
    path = write(tmp_path / "z_2020.gpkg", rows=ROWS[:1], shapes=[shapely.box(5, 89, 6, 91)])
    with pytest.raises(CoordinateError):
        read_contours(path)


def test_the_vintage_is_the_year_in_the_name_unless_told(tmp_path):
    path = write(tmp_path / "CONTOURS-IRIS_13201_LAMB93-2021.gpkg")
    assert read_contours(path).vintage == 2021
    assert read_contours(path, 2013).vintage == 2013


@pytest.mark.parametrize("name", ["contours_iris_13201_lamb93.gpkg", "zones_2019_2020.gpkg"])
def test_no_single_year_in_the_name_asks_for_vintage(tmp_path, name):
    with pytest.raises(InputError, match="--vintage"):
        read_contours(write(tmp_path / name))


def test_a_vintage_before_the_first_iris_is_refused(tmp_path):
    with pytest.raises(InputError, match="1999"):
        read_contours(write(tmp_path / "z.gpkg"), 1998)


def test_codes_kept_as_numbers_get_their_zeros_back(tmp_path):
    rows = [(10010101, "Centre", "H", 1001, "Bourg")]
    path = write(tmp_path / "z_2020.gpkg", rows=rows, shapes=[HILL], dtype=np.int64)
    contours = read_contours(path)
    assert contours.codes == ("010010101",) and contours.commune_codes == ("01001",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("10010101", "n", "H", "01001", "c"), "dropped the leading zero"),
        (("0100101010", "n", "H", "01001", "c"), "9 characters"),
        (("2C0010101", "n", "H", "2A001", "c"), "9 characters"),
        (("０１００１０１０１", "n", "H", "01001", "c"), "9 characters"),
        ((None, "n", "H", "01001", "c"), "9 characters"),
        (("010010101", "n", "H", "1001", "c"), "5 characters"),
        (("010010101", "n", "H", "01002", "c"), "can't lie in commune"),
        (("010010101", "n", "X", "01001", "c"), "H, A, D or Z"),
    ],
)
def test_what_is_no_code_is_refused_with_its_line(tmp_path, row, message):
    path = write(tmp_path / "z_2020.gpkg", rows=[ROWS[0], row])
    with pytest.raises(RowError, match=message) as caught:
        read_contours(path)
    assert caught.value.line == 2


def test_corsican_codes_are_codes(tmp_path):
    path = write(
        tmp_path / "z_2020.gpkg", rows=[("2A0040101", "n", "H", "2A004", "Ajaccio")], shapes=[HILL]
    )
    assert read_contours(path).codes == ("2A0040101",)


def test_a_zone_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(RowError, match="990010102 comes twice"):
        read_contours(write(tmp_path / "z_2020.gpkg", rows=[ROWS[0], ROWS[0]]))


def test_an_outline_that_crosses_itself_is_repaired_and_named(tmp_path):
    bow_tie = shapely.Polygon([(5.36, 43.29), (5.37, 43.30), (5.37, 43.29), (5.36, 43.30)])
    contours = read_contours(write(tmp_path / "z_2020.gpkg", shapes=[HILL, bow_tie]))
    assert contours.repaired == ("990010101",)
    assert contours.geometries[0].is_valid
    assert contours.geometries[0].area == pytest.approx(PORT.area / 2)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (shapely.Polygon([(5, 43), (6, 43), (5, 43)]), "can't be repaired"),
        (shapely.Point(5, 43), "must be a polygon"),
        (shapely.Polygon(), "has no outline"),
        (None, "has no outline"),
    ],
)
def test_what_is_no_outline_is_refused_with_its_code(tmp_path, shape, message):
    with pytest.raises(RowError, match=f"zone 990010101 {message}"):
        read_contours(write(tmp_path / "z_2020.gpkg", shapes=[HILL, shape]))


def test_heights_are_dropped(tmp_path):
    path = write(tmp_path / "z_2020.gpkg", shapes=[HILL, shapely.force_3d(PORT, 12.0)])
    assert not shapely.has_z(read_contours(path).geometries).any()


def test_other_columns_are_another_layout(tmp_path):
    path = tmp_path / "z_2020.geojson"
    path.write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":1},'
        '"geometry":{"type":"Point","coordinates":[5,43]}}]}'
    )
    with pytest.raises(LayoutError, match=r"no layout of IRIS contours.*\['id'\]"):
        read_contours(path)


@pytest.mark.parametrize("name", ["z_2020.gpkg", "z_2020.parquet", "z_2020.geojson", "z_2020.shp"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no such thing", b'{"type": "Feature'])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LayoutError):
        read_contours(path)


def test_parquet_without_geometry_is_refused(tmp_path):
    path = tmp_path / "z_2020.parquet"
    pq.write_table(pa.table({"code_iris": ["990010101"]}), path)
    with pytest.raises(LayoutError, match="no GeoParquet"):
        read_contours(path)
    write_parquet(path, geo={"encoding": "polygon"})
    with pytest.raises(LayoutError, match="WKB"):
        read_contours(path)


def test_a_file_that_is_not_there_is_an_input_error(tmp_path):
    for name in ("z_2020.gpkg", "z_2020.parquet"):
        with pytest.raises(InputError, match="no such file"):
            read_contours(tmp_path / name)


def test_the_layer_with_zones_is_found_among_others(tmp_path):
    path = tmp_path / "z_2020.gpkg"
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb([shapely.Point(0, 0)]),
        field_data=[np.array(["x"], dtype=object)],
        fields=["note"],
        geometry_type="Point",
        crs="EPSG:4326",
        layer="notes",
    )
    write(path, layer="zones", append=True)
    check(read_contours(path))


def test_arrondissements_belong_to_their_commune():
    assert {name: len(codes) for name, codes in ARRONDISSEMENTS.values()} == {
        "Marseille": 16,
        "Lyon": 9,
        "Paris": 20,
    }
    assert whole_commune("75120") == ("75056", "Paris")
    assert whole_commune("69389") == ("69123", "Lyon")
    assert whole_commune("75121") == ("75121", None)


@needs_data
@pytest.mark.parametrize(
    ("file", "zones", "first"),
    [
        ("contours_iris_v1_13201_lamb93.gpkg", 19, "132010101"),
        ("contours_iris_v2_91345_lamb93.gpkg", 8, "913450101"),
        ("contours_iris_v3_91345_lamb93.gpkg", 8, "913450101"),
    ],
)
def test_the_official_samples_are_read(file, zones, first):
    contours = read_contours(SAMPLES / file, 2020)
    assert len(contours) == zones and contours.codes[0] == first
    west, south, east, north = shapely.total_bounds(contours.geometries)
    assert 2 < west < east < 6 and 43 < south < north < 49
    assert contours.repaired == ()


@needs_data
def test_parquet_and_geojson_of_the_same_zones_are_equal():
    one, other = (read_contours(DATA / f"iris_zones_2020.{ext}") for ext in ("parquet", "geojson"))
    assert len(one) == 460 and one.codes == other.codes and one.names == other.names
    assert (shapely.hausdorff_distance(one.geometries, other.geometries) < 1e-9).all()


@needs_data
def test_a_lambert_93_sample_lies_on_the_same_zones_in_degrees():
    sample = read_contours(SAMPLES / "contours_iris_v2_91345_lamb93.gpkg", 2020)
    whole = read_contours(DATA / "iris_zones_2020.parquet")
    outlines = dict(zip(whole.codes, whole.geometries, strict=True))
    for code, outline in zip(sample.codes, sample.geometries, strict=True):
        assert shapely.hausdorff_distance(outline, outlines[code]) < 1e-6
