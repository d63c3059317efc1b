"""`/v1/districts`: figures by district as JSON and as files, the same bytes each time."""

import csv
import hashlib
import io
import json
import re
from dataclasses import replace

import districts_town
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from starlette.testclient import TestClient
from waiting import until_ready

from api.app import create_app
from api.auth import digest_of
from api.settings import Settings
from indexes.entities import ApiKey, Member, Scope, Tenant
from indexes.releases import RELEASE_SCHEMA
from indexes.store import open_store

FILES = ("csv", "csv2", "geojson", "gpkg", "geoparquet")
MEDIA_TYPES = {
    "csv": "text/csv",
    "csv2": "text/csv",
    "geojson": "application/geo+json",
    "gpkg": "application/geopackage+sqlite3",
    "geoparquet": "application/vnd.apache.parquet",
}
SQUARE = [[5.355, 43.285], [5.40, 43.285], [5.40, 43.305], [5.355, 43.305], [5.355, 43.285]]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store with one release, drawn without noise."""
    return districts_town.stored(tmp_path_factory.mktemp("districts") / "town.db")


@pytest.fixture(scope="module")
def client(stored):
    app = create_app(Settings(store=str(stored)))
    with TestClient(app, client=("127.0.0.1", 50_000), raise_server_exceptions=False) as client:
        until_ready(client.get)
        yield client


@pytest.fixture
def ask(client):
    def asked(path="", status=200, headers=None, **params):
        answer = client.get(f"/v1/districts{path}", params=params or None, headers=headers)
        assert answer.status_code == status, answer.text
        return answer

    return asked


def test_a_district_tells_its_figures_and_what_they_cost_in_privacy(ask):
    answer = ask("/132010101").json()
    assert (answer["zone"], answer["release"], answer["commune"]) == (
        "132010101",
        "2026Q3",
        "13055",
    )
    assert answer["epsilon"]["households"] == 0.25
    (row,) = [row for row in answer["rows"] if row["measure"] == "penetration"]
    assert list(row) == RELEASE_SCHEMA.names
    assert (row["value"], row["status"], row["denominator"]) == (8.0, "ok", 2_000.0)


def test_a_release_is_read_over_the_zones_of_either_vintage(tmp_path):
    store = open_store(tmp_path / "town.db")
    store.put(Tenant(tenant_id="default", id="default", name="Ville"))
    districts_town.fill(store, "default")
    first, second, *others = districts_town.zones("default")
    whole = replace(first, geometry=shapely.union(first.geometry, second.geometry))
    store.put_zones([replace(zone, vintage=2013) for zone in (whole, *others)])
    with districts_town.without_noise():
        districts_town.release(store, "default")
    store.close()
    app = create_app(Settings(store=str(tmp_path / "town.db")))
    with TestClient(app, client=("127.0.0.1", 50_000)) as client:
        until_ready(client.get)
        told = {}
        for year in (None, 2020, 2013):
            asked = {} if year is None else {"vintage": year}
            answer = client.get("/v1/districts/132010101", params=asked).json()
            assert "rows" in answer, answer["detail"]
            rows = {row["measure"]: row for row in answer["rows"] if not row["category"]}
            told[year] = answer["vintage"], rows["households"]["value"]
            again = client.get(answer["permalink"]).json()
            assert again["rows"] == answer["rows"] and again["vintage"] == answer["vintage"]
            listed = client.get("/v1/districts", params={"measures": "households", **asked}).json()
            assert listed["vintage"] == told[year][0]
            assert len(listed["districts"]) == (5 if year == 2013 else 6)
            body = {"polygon": {"type": "Polygon", "coordinates": [SQUARE]}, **asked}
            assert client.post("/v1/districts/union", json=body).json()["vintage"] == told[year][0]
        assert told == {None: (2020, 160.0), 2020: (2020, 160.0), 2013: (2013, 250.0)}
        for path in ("/v1/districts", "/v1/districts/132010101", "/v1/districts/metadata"):
            refused = client.get(path, params={"vintage": 1999})
            assert (refused.status_code, refused.json()["code"]) == (404, "unknown-vintage")
            assert "2013 and 2020" in refused.json()["detail"]
            assert client.get(path, params={"vintage": "new"}).status_code == 422


@pytest.mark.parametrize("format", FILES)
def test_a_file_names_the_zone_that_carries_a_merged_figure(ask, tmp_path, format):
    wanted = {
        zone["zone"]: {row["measure"]: row["parent"] for row in zone["rows"]}["households"]
        for zone in ask(measures="households").json()["districts"]
    }
    assert set(wanted.values()) == {"13202", None}
    data = ask(measures="households", format=format).content
    if format == "csv2":
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), delimiter=";")
        told = [(row["code"], row["households_parent"] or None) for row in rows]
    elif format == "geoparquet":
        table = pq.read_table(io.BytesIO(data))
        told = list(
            zip(*(table[name].to_pylist() for name in ("code", "households_parent")), strict=True)
        )
    else:
        (path := tmp_path / f"districts.{format}").write_bytes(data)
        meta, _, _, columns = pyogrio.raw.read(path)
        read = dict(zip(meta["fields"].tolist(), columns, strict=True))
        parents = [parent or None for parent in read["households_parent"]]
        told = list(zip(map(str, read["code"]), parents, strict=True))
    assert dict(told) == wanted


def test_a_level_is_listed_in_order_of_code_and_pages_join(ask):
    whole = ask(measures="households").json()
    assert [zone["zone"] for zone in whole["districts"]] == [
        code for code, *_ in districts_town.DISTRICTS
    ]
    assert whole["next"] is None
    found, cursor = [], None
    for _ in range(10):
        more = {} if cursor is None else {"cursor": cursor}
        page = ask(measures="households", limit=4, **more).json()
        found += page["districts"]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == whole["districts"]
    assert [zone["rows"][0]["status"] for zone in found] == [
        "ok", "ok", "ok", "merged", "zero", "ok",
    ]  # fmt: skip


def test_a_cursor_of_another_query_is_refused(ask):
    cursor = ask(limit=2).json()["next"]
    for other in ({"level": "quartier"}, {"measures": "households"}, {"bbox": "5,43,6,44"}):
        assert ask(limit=2, cursor=cursor, status=400, **other).json()["code"] == "invalid-cursor"


def test_a_box_keeps_the_zones_that_meet_it(ask):
    def codes(**more):
        return [zone["zone"] for zone in ask(measures="households", **more).json()["districts"]]

    assert codes(bbox="5.361,43.291,5.362,43.292") == ["132010101"]
    assert codes(bbox="5.365,43.20,5.38,43.40") == ["132010101", "132010102"]
    assert codes(bbox="0,0,1,1") == []
    assert codes(bbox="5.361,43.291,5.362,43.292", level="commune") == ["13055"]


@pytest.mark.parametrize("format", FILES)
def test_a_file_is_what_its_metadata_says_and_the_same_again(ask, format, tmp_path):
    answer = ask(format=format, crs="EPSG:2154")
    assert answer.headers["content-type"].split(";")[0] == MEDIA_TYPES[format]
    assert ask(format=format, crs="EPSG:2154").content == answer.content
    name = re.search(r'filename="([^"]+)"', answer.headers["content-disposition"])[1]
    assert name.startswith("districts-2026Q3-iris.")
    metadata = re.search(r'<([^>]+)>; rel="describedby"', answer.headers["link"])[1]
    about = ask(metadata.removeprefix("/v1/districts")).json()
    assert about["file"]["sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert about["file"]["rows"] == 6 and about["release"] == "2026Q3"
    assert about["head"]["thresholds"]["households"] == 11
    if format in ("gpkg", "geojson"):
        (tmp_path / name).write_bytes(answer.content)
        info = pyogrio.read_info(tmp_path / name)
        assert info["crs"] == "EPSG:2154" and info["features"] == 6


def test_a_file_holds_what_json_tells(ask):
    rows = list(csv.DictReader(io.StringIO(ask(format="csv").text)))
    for row, zone in zip(rows, ask().json()["districts"], strict=True):
        assert (row["code"], row["name"]) == (zone["zone"], zone["name"])
        for told in zone["rows"]:
            column = told["measure"] + (f"__{told['category']}" if told["category"] else "")
            assert row[f"{column}_status"] == told["status"]
            assert (float(row[column]) if row[column] else None) == told["value"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "application/json"),
        ("application/geo+json", "application/geo+json"),
        ("text/html, text/csv;q=0.9, */*;q=0.1", "text/csv"),
        ("application/json, text/csv", "application/json"),
        ("application/geopackage+sqlite3", "application/geopackage+sqlite3"),
    ],
)
def test_accept_names_the_format_and_a_parameter_rules_over_it(ask, accept, media_type):
    found = ask(headers={"Accept": accept}).headers["content-type"]
    assert found.split(";")[0] == media_type
    forced = ask(headers={"Accept": accept}, format="csv").headers["content-type"]
    assert forced.startswith("text/csv")


def test_what_the_caller_has_already_is_not_sent_again(ask):
    for path, query in (("", {}), ("", {"format": "gpkg"}), ("/13055", {}), ("/metadata", {})):
        first = ask(path, **query)
        etag = first.headers["etag"]
        for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            again = ask(path, 304, headers={"If-None-Match": known}, **query)
            assert again.content == b"" and again.headers["etag"] == etag
        assert ask(path, headers={"If-None-Match": '"other"'}, **query).content == first.content
    etags = {
        ask(**query).headers["etag"]
        for query in (
            {},
            {"level": "quartier"},
            {"measures": "households"},
            {"measures": "members"},
            {"bbox": "5,43,6,44"},
            {"format": "csv"},
            {"format": "csv2"},
            {"format": "gpkg"},
            {"format": "gpkg", "crs": "EPSG:2154"},
            {"limit": 2},
        )
    }
    assert len(etags) == 10


def test_a_permalink_gives_the_same_bytes_and_may_be_kept(ask):
    for path, query in (("", {"measures": "households,members", "limit": 3}), ("/13201", {})):
        answer = ask(path, **query)
        permalink = answer.json()["permalink"]
        assert "release=2026Q3" in permalink and "version=1" in permalink
        assert f'<{permalink}>; rel="bookmark"' in answer.headers["link"]
        again = ask(permalink.removeprefix("/v1/districts"))
        assert again.content == answer.content
        assert again.headers["etag"] == answer.headers["etag"]
        assert "max-age" in again.headers["cache-control"]
        assert answer.headers["cache-control"] == "private, no-cache"


def test_a_polygon_is_the_union_of_whole_cells(client, ask):
    def union(ring, **more):
        body = {"polygon": {"type": "Polygon", "coordinates": [ring]}, **more}
        return client.post("/v1/districts/union", json=body)

    answer = union(SQUARE).json()
    (row,) = [row for row in answer["rows"] if row["measure"] == "households"]
    assert (row["zone"], row["status"]) == ("union", "ok")
    cells = ask(level="cell", limit=1000, measures="households").json()["districts"]
    assert max(cell["rows"][0]["value"] or 0 for cell in cells) <= row["value"] <= 353
    moved = [[lon + 1e-6, lat] for lon, lat in SQUARE]
    assert union(moved).json()["rows"] == answer["rows"], "no circle slides past a home"
    only = union(SQUARE, measures=["households"], release="2026Q3", version=1).json()
    assert only["rows"] == [row]


@pytest.mark.parametrize(
    ("ring", "code"),
    [
        ([[5.3, 43.2], [5.4, 43.3], [5.4, 43.2], [5.3, 43.3], [5.3, 43.2]], "invalid-polygon"),
        ([[179, 43], [-179, 43], [-179, 44], [179, 44], [179, 43]], "invalid-polygon"),
        ([[5.3, 43.2], [5.4, 43.3]], "invalid-polygon"),
        ([[2, 48], [2.1, 48], [2.1, 48.1], [2, 48]], "no-cell-inside"),
        ([[5.36, 43.29], [5.3601, 43.29], [5.3601, 43.2901], [5.36, 43.29]], "no-cell-inside"),
    ],
)
def test_a_polygon_that_can_t_be_answered_is_refused(client, ring, code):
    body = {"polygon": {"type": "Polygon", "coordinates": [ring]}}
    answer = client.post("/v1/districts/union", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_ten_thousand_vertices_are_taken_and_one_more_is_not(client):
    def ring(count):
        middle, radius = complex(5.39, 43.295), 0.02
        points = [middle + radius * 1j ** (4 * i / count) for i in range(count)]
        return [[round(p.real, 9), round(p.imag, 9)] for p in (*points, points[0])]

    for count, status in ((9_999, 200), (10_000, 422)):
        body = {"polygon": {"type": "Polygon", "coordinates": [ring(count)]}}
        answer = client.post("/v1/districts/union", json=body)
        assert answer.status_code == status, answer.text[:300]


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/999999999", {}, 404, "unknown-zone"),
        ("/13055", {"release": "2019Q1"}, 404, "unknown-release"),
        ("/13055", {"version": 2}, 404, "unknown-release"),
        ("/13055", {"release": "2019"}, 422, "invalid-request"),
        ("/13055", {"measures": "income"}, 404, "unknown-measure"),
        ("/130 55", {}, 422, "invalid-request"),
        ("", {"measures": "income"}, 404, "unknown-measure"),
        ("", {"measures": "income", "format": "gpkg"}, 404, "unknown-measure"),
        ("", {"level": "region"}, 422, "invalid-request"),
        ("", {"bbox": "5,43,6"}, 422, "invalid-request"),
        ("", {"bbox": "6,43,5,44"}, 422, "invalid-bbox"),
        ("", {"bbox": "nan,43,5,44"}, 422, "invalid-request"),
        ("", {"crs": "EPSG:3857", "format": "gpkg"}, 422, "invalid-request"),
        ("", {"format": "shp"}, 422, "invalid-request"),
        ("", {"format": "csv", "limit": 3}, 422, "invalid-input"),
        ("", {"cursor": "forged"}, 400, "invalid-cursor"),
        ("", {"colour": "red"}, 422, "invalid-request"),
    ],
)
def test_what_can_t_be_answered_says_what_to_change(ask, path, query, status, code):
    problem = ask(path, status, **query)
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["code"] == code


def test_a_new_release_is_the_answer_at_once_and_the_old_one_stays(stored, tmp_path):
    copy = tmp_path / "copy.db"
    copy.write_bytes(stored.read_bytes())
    app = create_app(Settings(store=str(copy)))
    with TestClient(app, client=("127.0.0.1", 50_000)) as client:
        until_ready(client.get)
        first = client.get("/v1/districts/13055").json()
        store = open_store(copy)
        districts_town.release(store, "default", correct=True, goals=(0.2,))
        store.close()
        newest = client.get("/v1/districts/13055").json()
        assert (first["version"], newest["version"]) == (1, 2)
        assert client.get(first["permalink"]).json() == first
        listed = client.get("/v1/districts/releases").json()["releases"]
        assert [one["version"] for one in listed] == [2, 1]
        assert [one["head"]["goals"] for one in listed] == [[0.2], [0.05, 0.12]]


def test_no_answer_holds_a_count_that_was_hidden(ask):
    # Quarter 132020101 has three households: 3 must be told nowhere, nor what gives it away.
    for answer in (ask().text, ask(level="arrondissement").text, ask(level="cell").text):
        for zone in json.loads(answer)["districts"]:
            for row in zone["rows"]:
                if row["status"] in ("hidden", "merged", "unknown"):
                    assert row["value"] is row["lower"] is row["upper"] is None


def test_staff_gets_exact_counts_for_a_purpose_that_goes_on_record(stored, tmp_path, caplog):
    copy = tmp_path / "copy.db"
    copy.write_bytes(stored.read_bytes())
    store = open_store(copy)
    for who in ("planner", "app"):
        digest = digest_of(f"secret-of-{who}")
        key = {"tenant_id": "default", "id": who, "name": who, "scopes": frozenset({Scope(who)})}
        store.put(ApiKey(**key, secret_sha256=digest))
    store.close()
    app = create_app(Settings(store=str(copy)))

    def ask(status, who="planner", **body):
        headers = {"Authorization": f"Bearer secret-of-{who}"}
        answer = client.post("/v1/districts/exact", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer

    purpose = "Choisir où ouvrir une permanence"
    with TestClient(app, client=("127.0.0.1", 50_000)) as client:
        until_ready(client.get)
        with caplog.at_level("INFO", logger="api.routes.districts"):
            answer = ask(200, release="2026Q3", purpose=purpose)
            (record,) = caplog.records
            assert ascii(purpose) in record.getMessage() and "key planner" in record.getMessage()
            caplog.clear()
            ask(403, "app", release="2026Q3", purpose=purpose)
            ask(422, release="2026Q3")
            for said in (
                "why not",
                " " * 30,
                "\u00a0\u2009" * 9,
                "why \r\n2026 other table of",
                "why\x1b[31m did you",
            ):
                ask(422, release="2026Q3", purpose=said)
            ask(422, release="2026Q3", purpose=purpose, category="inconnue")
            assert ask(404, release="2026Q4", purpose=purpose).json()["code"] == "unknown-release"
            assert not caplog.records
        assert answer.headers["cache-control"] == "no-store"
        told = {row["zone"]: row["value"] for row in answer.json()["rows"]}
        assert told["132010101"] == 160 and told["132010102"] == 90
        assert told["132020101"] is None  # three households
        # Its quartier has no other household, and its arrondissement one other quartier.
        assert told["1320201"] is None and None in (told["1320202"], told["13202"])
        store = open_store(copy)
        store.delete(Member, "default", "m-132010101-0")
        store.close()
        again = ask(200, release="2026Q3", purpose=purpose).json()
        assert again == answer.json(), "who leaves isn't told by the difference"
        wrong = ask(422, release="2026Q3", purpose=purpose, category="inconnue")
        assert wrong.json()["code"] == "unknown-category"
