"""Every format and spelling of a file gives the same records."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio.raw
import pytest
import shapely
from pyproj import CRS, Transformer

from api.importing import import_file
from geo.errors import InputError, LayoutError
from indexes.entities import Building, Endorsement, Household, Listing, Member, Residence, Tenant
from indexes.store import Store, open_store

IDS = ["a", "b", "c"]
TITLES = ["Chez Noé", "L'été", "Épicerie"]
LONS = [5.374, 5.38, 5.3912345]
LATS = [43.2951, 43.3, 43.2812345]
STATED = {"id": IDS, "title": TITLES, "quota": [1, None, 3]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "town.db")
    opened.put(Tenant(tenant_id="t", id="t", name="Ville"))
    yield opened
    opened.close()


def expected() -> list[tuple[object, ...]]:
    return list(zip(IDS, TITLES, LONS, LATS, STATED["quota"], strict=True))


def stored(store: Store) -> list[tuple[object, ...]]:
    return [(x.id, x.title, x.lon, x.lat, x.quota) for x in store.page(Listing, "t")]


def csv_text(delimiter: str = ",", decimal: str = ".", end: str = "\n") -> str:
    rows = [["id", "title", "lon", "lat", "quota"]]
    for id, title, lon, lat, quota in expected():
        numbers = [str(n).replace(".", decimal) for n in (lon, lat)]
        rows.append([str(id), str(title), *numbers, "" if quota is None else str(quota)])
    return end.join(delimiter.join(f'"{v}"' for v in row) for row in rows) + end


def features() -> list[dict[str, object]]:
    return [
        {
            "type": "Feature",
            "id": id,
            "properties": {"title": title, "quota": quota},
            "geometry": {"type": "Point", "coordinates": [lon, lat]},
        }
        for id, title, lon, lat, quota in expected()
    ]


def write_gpkg(path: Path, crs: str) -> None:
    to = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    points = [shapely.Point(*to.transform(*at)) for at in zip(LONS, LATS, strict=True)]
    pyogrio.raw.write(
        path,
        geometry=np.array([shapely.to_wkb(p) for p in points], dtype=object),
        field_data=[
            np.array(IDS, dtype=object),
            np.array(TITLES, dtype=object),
            np.array([1, 0, 3], dtype=np.int32),
        ],
        field_mask=[None, None, np.array([False, True, False])],
        fields=["id", "title", "quota"],
        crs=crs,
        geometry_type="Point",
    )


def write_geoparquet(path: Path, crs: str | None) -> None:
    to = Transformer.from_crs("EPSG:4326", crs or "EPSG:4326", always_xy=True)
    points = [shapely.Point(*to.transform(*at)) for at in zip(LONS, LATS, strict=True)]
    column: dict[str, object] = {"encoding": "WKB", "geometry_types": ["Point"]}
    if crs is not None:
        column["crs"] = CRS(crs).to_json_dict()
    geo = {"version": "1.0.0", "primary_column": "geom", "columns": {"geom": column}}
    table = pa.table({**STATED, "geom": [shapely.to_wkb(p) for p in points]})
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)


WRITERS = {
    "plain.csv": lambda path: path.write_text(csv_text(), "utf-8"),
    "bom.csv": lambda path: path.write_text(csv_text(), "utf-8-sig"),
    "windows.csv": lambda path: path.write_text(csv_text(";", ",", "\r\n"), "cp1252"),
    "tabs.tsv": lambda path: path.write_text(csv_text("\t"), "utf-8"),
    "bars.txt": lambda path: path.write_text(csv_text("|"), "utf-8"),
    "old-mac.csv": lambda path: path.write_text(csv_text(end="\r"), "utf-8"),
    "a.geojson": lambda path: path.write_text(
        json.dumps({"type": "FeatureCollection", "features": features()}, indent=1)
    ),
    "b.json": lambda path: path.write_text(
        json.dumps({"features": features(), "type": "FeatureCollection"})
    ),
    "features.ndjson": lambda path: path.write_text(
        "\n\n".join(json.dumps(feature) for feature in features())
    ),
    "sequence.geojsons": lambda path: path.write_text(
        "".join(f"\x1e{json.dumps(feature)}\n" for feature in features())
    ),
    "objects.jsonl": lambda path: path.write_text(
        "\ufeff"
        + "\r\n".join(
            json.dumps(dict(zip(("id", "title", "lon", "lat", "quota"), row, strict=True)))
            for row in expected()
        )
    ),
    "lambert.gpkg": lambda path: write_gpkg(path, "EPSG:2154"),
    "degrees.gpkg": lambda path: write_gpkg(path, "EPSG:4326"),
    "lambert.parquet": lambda path: write_geoparquet(path, "EPSG:2154"),
    "default.geoparquet": lambda path: write_geoparquet(path, None),
    "columns.parquet": lambda path: pq.write_table(
        pa.table({**STATED, "lon": LONS, "lat": LATS}), path
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_rows_come_out_of_every_format(store: Store, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    report = import_file(store, "t", path, "merchant")
    assert (report.read, report.stored, report.rejected) == (3, 3, [])
    assert stored(store) == expected()
    assert (report.encoding == "cp1252") is (name == "windows.csv")


def test_quoted_line_breaks_stay_in_text_and_leave_addresses(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        'id,title,lon,lat,address,description\r\na,A,5.4,43.3,"1 quai\r\n13001 Marseille","un\r\n'
        'deux"\r\nb,B,5.4,943,,\r\n',
        newline="",
    )
    report = import_file(store, "t", path, "place")
    listing = store.get(Listing, "t", "a")
    assert (listing.address, listing.text) == ("1 quai 13001 Marseille", "un\ndeux")
    assert [error.line for error in report.rejected] == [5]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"", "header"),
        ("a.csv", b"\n\n", "header"),
        ("a.csv", b"\xff\xfei\x00d\x00", "UTF-16"),
        ("a.csv", b"id,title,title,lon,lat\n", "'title' appears 2 times"),
        ("a.csv", b"name,lon,lat\nA,5,43\n", "found name, lon, lat; say which: --map id=COLUMN"),
        ("a.parquet", b"PAR1", "not a Parquet"),
        ("a.gpkg", b"SQLite format 3\0", "not a GeoPackage"),
        ("a.shp", b"", "wanted a file that ends in"),
        ("a.geojson", b'{"type": "FeatureCollection", "crs": {"name": "EPSG:2154"}', "crs"),
        ("a.geojson", b'{"type": "\xff"}', "UTF-8"),
    ],
)
def test_a_file_in_no_layout_is_refused_with_a_reason(
    store: Store, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LayoutError, match=reason):
        import_file(store, "t", tmp_path / name, "place")


def test_a_file_that_is_not_there_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="No such file"):
        import_file(store, "t", tmp_path / "none.csv", "place")


def test_columns_are_mapped_as_said_joined_and_listed(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "code;NOM;Longitude;Latitude;Numéro;Nom voie;cle;valeur;reste\n"
        "7;Le Bar;5,374;43,2951;12;rue Haute;food;Bar à vins;x\n"
    )
    report = import_file(
        store,
        "t",
        path,
        "merchant",
        columns={"id": "code", "category": "cle+valeur", "text": "reste"},
    )
    listing = store.get(Listing, "t", "7")
    assert (listing.address, listing.category) == ("12 rue Haute", "food.bar-a-vins")
    assert (listing.title, listing.text) == ("Le Bar", "x")
    assert report.used["address"] == "Numéro+Nom voie"
    assert report.unused == ()


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"colour": "id"}, "no field 'colour'; there are id, lon"),
        ({"title": "nom"}, "no column 'nom'; found id, lon, lat"),
        ({}, "no column for title of a place; found id, lon, lat; say which: --map title=COLUMN"),
    ],
)
def test_a_wrong_mapping_tells_what_there_is(
    store: Store, tmp_path: Path, columns: dict[str, str], reason: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,lon,lat\n")
    path.write_text("id,lon,lat\na,5,43\n")
    with pytest.raises(LayoutError, match=reason):
        import_file(store, "t", path, "place", columns=columns)


def test_an_unknown_kind_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no kind 'shop'; there are neighbour"):
        import_file(store, "t", tmp_path / "rows.csv", "shop")


def test_a_town_is_imported_kind_by_kind(store: Store, tmp_path: Path) -> None:
    files = {
        "residence": "id,name\nr1,Les Pins\n",
        "building": "id,adresse,lon,lat,logements,residence_id\nb1,1 rue A,5.37,43.29,12,r1\n"
        "b2,2 rue A,5.37,43.291,,\nb3,3 rue A,5.37,43.29,4,r9\nb4,4 rue A,5.37,43.29,4.5,\n",
        "household": "id,building_id\nh1,b1\nh2,b9\n",
        "member": "id,household_id,level,name\nm1,h1,3,Zoé\nm2,h1,5,Luc\nm3,h9,1,Max\n",
        "service": "id,title,owner_id,lang\ns1,Cours,m1,en\ns2,Cours,,\ns3,Cours,m9,\n",
        "neighbour": "id,title,owner_id\nn1,Zoé,m1\n",
        "artisan": "id,title,lon,lat\na1,Plombier,5.37,43.29\n",
        "endorsement": "id,member_id,listing_id\ne1,m1,a1\ne2,m1,a1\ne3,m1,a9\n",
    }
    refused = {}
    for kind, text in files.items():
        path = tmp_path / f"{kind}.csv"
        path.write_text(text)
        report = import_file(store, "t", path, kind)
        refused[kind] = [(error.line, error.field) for error in report.rejected]
    assert refused == {
        "residence": [],
        "building": [(4, "residence_id"), (5, "dwellings")],
        "household": [(3, "building_id")],
        "member": [(3, "level"), (4, "household_id")],
        "service": [(3, "owner_id"), (4, "owner_id")],
        "neighbour": [],
        "artisan": [],
        "endorsement": [(3, "listing_id"), (4, "listing_id")],
    }
    assert store.get(Building, "t", "b1").dwellings == 12
    assert store.get(Building, "t", "b2").dwellings is None
    assert store.get(Member, "t", "m1").level == 3
    personal = store.get(Listing, "t", "s1")
    assert (personal.personal, personal.lon, personal.lang) == (True, None, "en")
    assert store.get(Listing, "t", "n1").personal
    assert not store.get(Listing, "t", "a1").personal
    assert [store.count(of, "t") for of in (Residence, Household, Endorsement)] == [1, 1, 1]


def test_times_are_read_by_the_clock_of_the_tenant(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "id,title,lon,lat,debut,fin\n"
        "offset,A,5.4,43.3,2025-06-15T18:00:00+02:00,2025-06-15T20:00:00Z\n"
        "summer,A,5.4,43.3,2025-06-15 18:00,\n"
        "twice,A,5.4,43.3,2026-10-25T02:30,\n"  # the first of the two
        "skipped,A,5.4,43.3,2027-03-28T02:30,\n"  # by the offset before the gap
        "day,A,5.4,43.3,2025-06-15,2025-06-15\n"  # a date alone is a whole day
        "backwards,A,5.4,43.3,2025-06-15T18:00,2025-06-15T17:00\n"
        "nothing,A,5.4,43.3,,\n"
        "french,A,5.4,43.3,15/06/2025,\n"
    )
    report = import_file(store, "t", path, "event")
    starts = {x.id: x.starts_at for x in store.page(Listing, "t")}
    assert starts == {
        "day": datetime(2025, 6, 14, 22, tzinfo=UTC),
        "offset": datetime(2025, 6, 15, 16, tzinfo=UTC),
        "skipped": datetime(2027, 3, 28, 1, 30, tzinfo=UTC),
        "summer": datetime(2025, 6, 15, 16, tzinfo=UTC),
        "twice": datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    }
    assert store.get(Listing, "t", "day").ends_at == datetime(2025, 6, 15, 22, tzinfo=UTC)
    assert [(e.line, e.field) for e in report.rejected] == [
        (7, "ends_at"),
        (8, "starts_at"),
        (9, "starts_at"),
    ]
    assert report.warnings["clock_change_repeats_it"] == 1
    assert report.warnings["clock_change_skips_it"] == 1
    assert report.warnings["end_is_missing"] == 3


@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_what_says_that_it_is_published_later_than_now_is_refused(
    store: Store, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"rows.{suffix}"
    rows = [("past", "2001-01-01T00:00Z"), ("ahead", "2999-01-01T00:00Z"), ("none", "")]
    if suffix == "csv":
        lines = [f"{id},A,5.4,43.3,{at}" for id, at in rows]
        path.write_text("\n".join(["id,title,lon,lat,published_at", *lines]))
    else:
        path.write_text(
            "\n".join(
                json.dumps({"id": id, "title": "A", "lon": 5.4, "lat": 43.3, "published_at": at})
                for id, at in rows
            )
        )
    report = import_file(store, "t", path, "ad")
    assert [(e.field, str(e)) for e in report.rejected] == [("published_at", "must not lie ahead")]
    assert {x.id for x in store.page(Listing, "t")} == {"past", "none"}


@pytest.mark.parametrize(
    "text",
    [
        "43.3",
        "+43.3",
        "43,3",
        "4.33e1",
        " 43.3",
        "43_0",
        "٤٣",
        "inf",
        "nan",
        "0x2b",
        "--43",
        "4.3.3",
    ],
)
@pytest.mark.parametrize("company", ["43.25", "43,25"])
def test_a_number_is_read_alike_among_plain_ones_and_among_others(
    store: Store, tmp_path: Path, text: str, company: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f'id,title,lon,lat\na,A,5.4,"{text}"\nb,B,5.4,"{company}"\n')
    report = import_file(store, "t", path, "merchant")
    good = text in ("43.3", "+43.3", "43,3", "4.33e1")
    kept = {x.id: x.lat for x in store.page(Listing, "t")}
    assert kept == ({"a": 43.3} if good else {}) | {"b": 43.25}
    assert [(e.line, e.field) for e in report.rejected] == ([] if good else [(2, "lat")])


def test_hours_in_osm_syntax_are_told_from_prose(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "id,title,lon,lat,horaires\n"
        "osm,A,5.4,43.3,Mo-Fr 08:00-12:00\n"
        "prose,A,5.4,43.31,Ouvert du lundi au vendredi\n"
        "none,A,5.4,43.32,\n"
    )
    report = import_file(store, "t", path, "merchant")
    hours = {x.id: (x.opening_hours, x.hours_text) for x in store.page(Listing, "t")}
    assert hours == {
        "none": (None, None),
        "osm": ("Mo-Fr 08:00-12:00", None),
        "prose": (None, "Ouvert du lundi au vendredi"),
    }
    assert report.warnings["hours_kept_as_text"] == 1


@pytest.mark.parametrize("text", ["1,000", "1 000", "1.5", "0x10", "١٢", "1e3", "-"])
def test_a_number_of_dwellings_that_may_mean_another_is_refused(
    store: Store, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f'id,adresse,lon,lat,logements\na,A,5.4,43.3,"{text}"\nb,B,5.4,43.3,"12,0"\n')
    report = import_file(store, "t", path, "building")
    assert [(error.line, error.field) for error in report.rejected] == [(2, "dwellings")]
    assert store.get(Building, "t", "b").dwellings == 12


def test_who_attests_a_listing_is_told_by_its_column_alone(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "siret,title,lon,lat,attested\n"
        "12345678900011,A,5.4,43.3,registry\n"
        "12345678900012,B,5.4,43.31,\n"
        "12345678900013,C,5.4,43.32,myself\n"
    )
    report = import_file(store, "t", path, "merchant")
    found = {x.title: x.attested for x in store.page(Listing, "t")}
    assert found == {"A": "registry", "B": None}
    assert [(one.line, one.field) for one in report.rejected] == [(4, "attested")]
