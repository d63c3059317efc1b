"""Poison rows: each is refused with its line and field, and its neighbours are stored."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import shapely

from api.importing import ImportReport, import_file
from geo.errors import LayoutError
from indexes.entities import Listing, Tenant, Zone
from indexes.store import Store, open_store

GOOD = '{"id": "good-%d", "title": "Le bon", "lat": 43.2951, "lon": 5.374}'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "town.db")
    opened.put(Tenant(tenant_id="t", id="t", name="Ville"))
    yield opened
    opened.close()


def taken(store: Store) -> list[str]:
    return [listing.id for listing in store.page(Listing, "t")]


def import_lines(store: Store, path: Path, bad: str | bytes) -> ImportReport:
    """One bad line between two good ones."""
    raw = bad.encode() if isinstance(bad, str) else bad
    path.write_bytes(b"\n".join([(GOOD % 1).encode(), raw, (GOOD % 3).encode()]) + b"\n")
    return import_file(store, "t", path, "place")


def row(**fields: str) -> str:
    """A JSON object written by hand, so that it can be wrong."""
    whole = {"id": '"bad"', "title": '"Le pire"', "lat": "43.3", "lon": "5.4"} | fields
    return "{" + ", ".join(f'"{name}": {value}' for name, value in whole.items()) + "}"


@pytest.mark.parametrize(
    ("bad", "field", "reason"),
    [
        (row(lat="NaN"), "", "NaN"),
        (row(lon="Infinity"), "", "Infinity"),
        (row(lon="-Infinity"), "", "Infinity"),
        (row(lon="1e400"), "lon", "longitude of -180 to 180"),
        (row(lat="91"), "lat", "latitude of -90 to 90"),
        (row(lat="148.85"), "lat", "latitude of -90 to 90"),
        (row(lon="181"), "lon", "longitude of -180 to 180"),
        (row(lon="2e9"), "lon", "longitude of -180 to 180"),
        (row(lat="5.374", lon="43.2951"), "lat", "swapped"),
        (row(lat="true"), "lat", "wanted a number, got true or false"),
        (row(lat='"43.3"'), "lat", "wanted a number, got text"),
        (row(lat="[43.3]"), "lat", "wanted a number, got an array"),
        (row(lat="null"), "lat", "is empty"),
        (row(title='"\\ud800"'), "title", "control characters"),
        (row(title='"\\u0000"'), "title", "control characters"),
        (row(title='"bell \\u0007"'), "title", "control characters"),
        (row(title="true"), "title", "wanted text"),
        (row(title='""'), "title", "is empty"),
        (row(title='"' + "x" * 301 + '"'), "title", "1 to 300 characters"),
        (row(id="null"), "id", "is empty"),
        (row(id='"good-1"'), "id", "already on line 1"),
        (row(id="9" * 5000), "", "5000 digits"),
        (row(quota="9" * 30), "quota", "whole number, 0 to"),
        (row(quota="1.5"), "quota", "whole number"),
        (row(quota="true"), "quota", "whole number"),
        (row(reach_m="0"), "reach_m", "whole number, 1 to"),
        (row(opening_hours='"' + "x" * 2001 + '"'), "opening_hours", "0 to 2000 characters"),
        (row(personal="1"), "personal", "true or false"),
        (row(audience='"everybody"'), "audience", "wanted one of building"),
        (row(audience='"building"'), "audience_id", "goes with the audiences"),
        (row(valid_from='"soon"'), "valid_from", "ISO 8601"),
        (row(valid_from='"2025-13-01"'), "valid_from", "ISO 8601"),
        (row(valid_from="1750000000"), "valid_from", "got a whole number"),
        (row(valid_from='"0001-01-01T00:00:00+14:00"'), "valid_from", "year"),
        (row(valid_from='"2025-02-01"', valid_to='"2025-01-01"'), "valid_from", "before valid_to"),
        (row(title='"a", "title": "b"'), "", "key 'title' appears twice"),
        (row(unused='{"a": {"b": 1, "b": 2}}'), "", "key 'b' appears twice"),
        ("[" * 100_000 + "]" * 100_000, "", "nested too deep"),
        ('{"a":' * 100_000, "", "nested too deep"),
        ("[1, 2]", "", "wanted an object, got an array"),
        ('"text"', "", "wanted an object, got a string"),
        ("null", "", "wanted an object, got null"),
        ("{", "", "not JSON"),
        (row() + row(), "", "wanted one JSON value"),
        (row(pad='"' + "x" * (1 << 20) + '"'), "", "a line of more than"),
        (row().encode() + b"\xff", "", "not UTF-8"),
        (row(title='"Caf\xe9"').encode("latin-1"), "", "not UTF-8"),
    ],
)
def test_a_poisonous_line_is_refused_alone(
    store: Store, tmp_path: Path, bad: str | bytes, field: str, reason: str
) -> None:
    report = import_lines(store, tmp_path / "rows.ndjson", bad)
    assert [(error.line, error.field) for error in report.rejected] == [(2, field)]
    assert reason in str(report.rejected[0])
    assert (report.read, report.stored) == (3, 2)
    assert taken(store) == ["good-1", "good-3"]


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        ('{"type": "Point", "coordinates": []}', "empty"),
        ('{"type": "Point", "coordinates": [5.4]}', "empty"),
        ('{"type": "Point"}', "empty"),
        ('{"type": "LineString", "coordinates": [[5, 43], [6, 44]]}', "got 'LineString'"),
        ('{"type": "Polygon", "coordinates": []}', "got 'Polygon'"),
        ('{"type": "GeometryCollection", "geometries": []}', "got 'GeometryCollection'"),
        ('"POINT (5 43)"', "got a string"),
    ],
)
def test_a_geometry_that_is_no_point_is_refused_alone(
    store: Store, tmp_path: Path, geometry: str, reason: str
) -> None:
    feature = '{"type": "Feature", "id": "bad", "properties": {"title": "x"}, "geometry": %s}'
    report = import_lines(store, tmp_path / "rows.ndjson", feature % geometry)
    # The columns are those of flat rows here; the Feature is refused before they matter.
    assert [(error.line, error.field) for error in report.rejected] == [(2, "geometry")]
    assert reason in str(report.rejected[0])
    assert taken(store) == ["good-1", "good-3"]


@pytest.mark.parametrize(
    ("lat", "lon", "field"),
    [
        ("nan", "5.4", "lat"),
        ("43.3", "inf", "lon"),
        ("43.3", "1e999", "lon"),
        ("43_3", "5.4", "lat"),
        ("٤٣", "5.4", "lat"),
        ("43°", "5.4", "lat"),
        ("91", "5.4", "lat"),
        ("5.374", "43.2951", "lat"),
        ("43.3", "", "lon"),
    ],
)
def test_csv_coordinates_that_are_none_are_refused(
    store: Store, tmp_path: Path, lat: str, lon: str, field: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f'id,title,lat,lon\na,A,43.2951,5.374\nb,B,"{lat}","{lon}"\nc,C,"43,3","5,4"\n')
    report = import_file(store, "t", path, "place")
    assert [(error.line, error.field) for error in report.rejected] == [(3, field)]
    assert taken(store) == ["a", "c"]


def test_a_row_cut_short_and_a_quote_never_closed_are_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        'id,title,lat,lon\na,A,43.3,5.4\nb,B,43.3\nc,C,43.3,5.4,more\n\nd,"D"d,43.3,5.4\n'
        'e,E,43.3,5.4\nf,"never closed,43.3,5.4\ng,G,43.3,5.4\n'
    )
    report = import_file(store, "t", path, "place")
    assert [error.line for error in report.rejected] == [3, 4, 6, 8]
    assert taken(store) == ["a", "e"]


def test_an_overlong_csv_line_is_refused_and_the_next_ones_keep_their_numbers(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,title,lat,lon\na,A,43.3,5.4\nb," + "x" * (3 << 20) + ",1,2\nc,C,991,5.4\n")
    report = import_file(store, "t", path, "place")
    assert [error.line for error in report.rejected] == [3, 4]
    assert taken(store) == ["a"]


def test_bytes_that_are_no_text_spoil_their_own_row_only(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    text = "id,title,lat,lon\na,Café Noé à l'été,43.3,5.4\nb,B?,43.3,5.4\nc,\0,43.3,5.4\n"
    path.write_bytes(text.encode().replace(b"?", b"\xed\xa0\x80"))
    report = import_file(store, "t", path, "place")
    assert [(error.line, error.field) for error in report.rejected] == [(3, "title"), (4, "title")]
    assert store.get(Listing, "t", "a").title == "Café Noé à l'été"


def test_heights_are_dropped_and_counted(store: Store, tmp_path: Path) -> None:
    feature = {
        "type": "Feature",
        "id": "a",
        "properties": {"title": "Tour"},
        "geometry": {"type": "Point", "coordinates": [5.374, 43.2951, 9000.0]},
    }
    path = tmp_path / "rows.ndjson"
    path.write_text(json.dumps(feature))
    report = import_file(store, "t", path, "place")
    assert report.warnings["height_dropped"] == 1
    assert (store.get(Listing, "t", "a").lon, store.get(Listing, "t", "a").lat) == (5.374, 43.2951)


def test_swapped_coordinates_are_told_by_the_zones_where_there_are_any(
    store: Store, tmp_path: Path
) -> None:
    square = shapely.box(5.3, 5.2, 5.4, 5.3)  # around the diagonal, so that both ways are valid
    store.put_zones(
        [
            Zone(
                tenant_id="t",
                code="990010101",
                vintage=2025,
                name="Z",
                type="H",
                commune_code="99001",
                commune_name="C",
                geometry=square,
            )
        ]
    )
    path = tmp_path / "rows.csv"
    path.write_text(
        "id,title,lat,lon\n"
        "inside,A,5.25,5.35\n"
        "in-the-margin,B,5.25,5.44\n"  # 4.4 km east of the zone
        "far,C,48.85,2.35\n"
        "mirrored,D,5.38,5.21\n"  # 8.8 km off, its mirror image 1 km inside
        "impossible,E,148.0,5.25\n"
    )
    report = import_file(store, "t", path, "place")
    assert [(error.line, error.field) for error in report.rejected] == [(5, "lat"), (6, "lat")]
    assert "swapped" in str(report.rejected[0])
    assert "swapped" not in str(report.rejected[1])
    assert report.warnings["outside_the_service_area"] == 1
    assert taken(store) == ["far", "in-the-margin", "inside"]


def test_a_broken_feature_collection_names_its_line(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.geojson"
    for text, line in (
        ('{"type": "FeatureCollection",\n "features": [\n  {"type": "Feature", \n', "line 3"),
        ('{"type": "FeatureCollection",\n "features": [' + "[" * 100_000, "line 2"),
        ("[1, 2]", "line 1"),
        ('{"type": "Topology",\n "features": []}', "line 1"),
        ('{"type": "FeatureCollection"}', "line 1"),
        ('{"type": "FeatureCollection", "features": {}}', "line 1"),
        ("", "line 1"),
    ):
        path.write_text(text)
        with pytest.raises(LayoutError, match=line):
            import_file(store, "t", path, "place")


def test_empty_and_foreign_geometries_of_a_geopackage_are_refused_alone(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "rows.gpkg"
    geometries = [
        shapely.Point(5.374, 43.2951),
        shapely.Point(),
        shapely.LineString([(5, 43), (6, 44)]),
        shapely.Point(5.4, 43.3, 12.0),
        None,
        shapely.Point(math.inf, 43.3),
    ]
    pyogrio.raw.write(
        path,
        geometry=np.array(
            [None if g is None else shapely.to_wkb(g) for g in geometries], dtype=object
        ),
        field_data=[np.array(["a", "b", "c", "d", "e", "f"], dtype=object)] * 2,
        fields=["id", "title"],
        crs="EPSG:4326",
        geometry_type="Unknown",
    )
    report = import_file(store, "t", path, "place")
    assert [(error.line, error.field) for error in report.rejected] == [
        (2, "geometry"),
        (3, "geometry"),
        (5, "lon"),
        (6, "lon"),
    ]
    assert report.warnings["height_dropped"] == 1
    assert taken(store) == ["a", "d"]
