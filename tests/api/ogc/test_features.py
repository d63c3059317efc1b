"""Features over HTTP: which ones, in which order, how they are written, and what is refused."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
ITEMS = "/collections/{}/items"
REMOTE = ("192.0.2.7", 50_000)
LEVELS = ("iris", "quartier", "arrondissement", "commune")


def follow(town, url):
    """Every page from one on: ids, and how many features each said there were."""
    ids, matched = [], set()
    while url:
        page = town.client.get(url).json()
        assert page["numberReturned"] == len(page["features"])
        ids += [feature["id"] for feature in page["features"]]
        matched.add(page["numberMatched"])
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    return ids, matched


def test_features_come_level_by_level_in_order_of_code(town):
    wanted = [code for level in LEVELS for code in town.outlines.codes(level)]
    assert town.ids("districts") == town.ids("zones") == wanted


@given(st.integers(12, 60), st.integers(0, 60))
def test_pages_of_any_size_hold_every_feature_once(town, limit, offset):
    url = f"/ogc/collections/districts/items?limit={limit}&offset={offset}"
    ids, matched = follow(town, url)
    assert ids == town.ids("districts")[offset:] and matched == {50}


def test_links_to_other_pages_keep_every_parameter_and_name_the_release(town):
    asked = {
        "limit": "5", "offset": "10", "level": "iris", "crs": f"{EPSG}2154", "f": "json",
        "bbox": "5.2,43.2,5.4,43.4", "filter": "name <> 'L''Estaque 1' AND households <> 3",
        "filter-lang": "cql2-text", "datetime": "2026-01-01/..",
    }  # fmt: skip
    links = {
        link["rel"]: link["href"]
        for link in town.get(ITEMS.format("districts"), **asked).json()["links"]
    }
    for rel, offset in (("next", "15"), ("prev", "5")):
        params = TestClient(town.app).build_request("GET", links[rel]).url.params
        assert dict(params) == {**asked, "offset": offset, "release": "2026Q3", "version": "2"}
    wanted = town.ids(
        "districts", **{k: v for k, v in asked.items() if k not in ("limit", "offset")}
    )
    assert follow(town, links["next"])[0] == wanted[15:]


def test_a_page_after_another_release_is_of_the_release_that_was_begun(town):
    first = town.get(ITEMS.format("districts"), limit=3, release="2026Q2").json()
    (url,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
    told = [feature["properties"] for feature in town.client.get(url).json()["features"]]
    assert {properties["release"] for properties in told} == {"2026Q2"}


def test_an_older_release_and_a_first_version_tell_their_own_figures(town):
    code = town.outlines.codes("iris")[0]

    def households(**params):
        return town.get(f"/collections/districts/items/{code}", **params).json()["properties"][
            "households"
        ]

    assert households() == households(release="2026Q3") == households(version=2) == 3.0
    assert households(release="2026Q3", version=1) == 5.0
    assert households(release="2026Q2") == 4.0


def test_each_status_and_what_is_missing_is_told_as_it_is(town):
    told = [f["properties"] for f in town.features("districts", level="iris")]
    assert {row["households_status"] for row in told} == {
        "ok",
        "hidden",
        "merged",
        "zero",
        "unknown",
    }
    for row in told:
        assert (row["households"] is None) == (
            row["households_status"] in ("hidden", "merged", "unknown")
        )
        assert row["households"] != 0 or row["households_status"] == "zero"
    # Of a category nobody is told a denominator: the column is left out.
    assert "households_denominator" in told[0] and "listings__cours_denominator" not in told[0]
    assert not any(name.startswith("flows") for name in told[0])


def test_every_area_is_a_multipolygon_and_its_outer_rings_turn_left(town):
    for collection in ("districts", "cells", "zones", "gaps"):
        for feature in town.features(collection):
            assert feature["geometry"]["type"] == "MultiPolygon"
            for outer, *holes in feature["geometry"]["coordinates"]:
                assert shapely.LinearRing(outer).is_ccw
                assert not any(shapely.LinearRing(hole).is_ccw for hole in holes)


# In one list with the corner that touches nothing but the island.
@pytest.mark.parametrize(
    "box",
    [
        (5.302, 43.262, 5.318, 43.268), (5.3, 43.26, 5.3, 43.26), (5.2, 43.2, 5.21, 43.201),
        (5.3145, 43.2745, 5.3155, 43.2755),  # within the hole of a zone
        (0.0, 0.0, 1.0, 1.0), (-180.0, -90.0, 180.0, 90.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("collection", ["zones", "cells"])
def test_a_box_keeps_what_it_meets(town, collection, box):
    levels = ("cell",) if collection == "cells" else LEVELS
    wanted = [
        code
        for level in levels
        for code in town.outlines.codes(level)
        if shapely.transform(town.outlines.outline(code), lambda c: np.round(c, 7)).intersects(
            shapely.box(*box)
        )
    ]
    assert town.ids(collection, bbox=",".join(map(str, box))) == wanted


def test_what_has_no_shape_is_in_every_box(town):
    within = [f["id"] for f in town.features("flows") if f["geometry"] is None]
    assert within and town.ids("flows", bbox="0,0,1,1") == within


def test_a_box_may_have_heights_another_order_of_axes_or_cross_the_antimeridian(town):
    wanted = town.ids("zones", bbox="5.302,43.262,5.318,43.268")
    assert 0 < len(wanted) < 10
    assert town.ids("zones", bbox="5.302,43.262,-10,5.318,43.268,10") == wanted
    latitude_first = {"bbox": "43.262,5.302,43.268,5.318", "bbox-crs": f"{EPSG}4326"}
    assert town.ids("zones", **latitude_first) == wanted
    assert town.ids("zones", bbox="5.302,43.262,-170,43.268") == town.ids(
        "zones", bbox="5.302,43.262,180,43.268"
    )
    assert town.ids("zones", bbox="170,-90,-170,90") == []


def test_latitude_comes_first_in_epsg_4326_only(town):
    def corner(**params):
        answer = town.get("/collections/zones/items/132010101", **params)
        return answer.json()["geometry"]["coordinates"][0][0][0], answer.headers["content-crs"]

    (lon, lat), crs = corner()
    assert 5 < lon < 6 and 43 < lat < 44 and crs == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    assert corner(crs=f"{EPSG}4326") == ([lat, lon], f"<{EPSG}4326>")
    (east, north), crs = corner(crs="EPSG:2154")
    assert 880_000 < east < 900_000 and 6_240_000 < north < 6_260_000 and crs == f"<{EPSG}2154>"
    assert east == round(east, 2) and north == round(north, 2)


def test_a_shape_in_a_filter_follows_its_reference_system(town):
    wanted = town.ids("zones", filter="S_INTERSECTS(geometry,POINT(5.305 43.265))")
    assert wanted and wanted == town.ids(
        "zones",
        filter="S_INTERSECTS(geometry,POINT(43.265 5.305))",
        **{"filter-crs": f"{EPSG}4326"},
    )


def test_a_parameter_named_as_a_property_keeps_what_is_equal(town):
    told = {f["id"]: f["properties"] for f in town.features("gaps")}

    def among(**wanted):
        return [id for id, row in told.items() if all(row[k] == v for k, v in wanted.items())]

    assert town.ids("gaps", category="garde", level="iris") == among(category="garde", level="iris")
    assert town.ids("gaps", under_median="true") == among(under_median=True) != []
    assert town.ids("gaps", rate="3") == town.ids("gaps", rate="3.0") == among(rate=3.0) != []
    assert town.ids("gaps", name="Endoume (100 %) 5") == among(name="Endoume (100 %) 5") != []
    assert town.ids("gaps", status="nothing") == []


def test_all_conditions_hold_at_once(town):
    found = town.ids(
        "districts", level="iris", type="H", bbox="5.3,43.26,5.36,43.29",
        filter="households > 20 AND name LIKE '%a%'",
    )  # fmt: skip
    box = shapely.box(5.3, 43.26, 5.36, 43.29)
    wanted = [
        f["id"]
        for f in town.features("districts")
        if f["properties"]["level"] == "iris"
        and f["properties"]["type"] == "H"
        and (f["properties"]["households"] or 0) > 20
        and "a" in f["properties"]["name"]
        and shapely.geometry.shape(f["geometry"]).intersects(box)
    ]
    assert found == wanted and 0 < len(wanted) < 15


def test_more_than_the_most_is_answered_with_the_most(town):
    answer = town.get(ITEMS.format("districts"), limit=10_000_000).json()
    assert answer["numberReturned"] == answer["numberMatched"] == 50
    assert town.get(ITEMS.format("districts")).json()["numberReturned"] == 50
    assert town.get(ITEMS.format("gaps")).json()["numberReturned"] == 100
    assert town.get(ITEMS.format("districts"), limit=1, offset=1_000).json()["features"] == []


@pytest.mark.parametrize(
    "text", ["2026-01-01", "2026-01-01T00:00:00Z", "../2026-01-01", "2026-01-01/"]
)
def test_every_interval_matches_what_has_no_instant(town, text):
    assert len(town.ids("zones", datetime=text)) == 50


@pytest.mark.parametrize(
    "name, value, code",
    [
        ("limit", "0", "invalid-parameter"), ("limit", "-1", "invalid-parameter"),
        ("limit", "many", "invalid-parameter"), ("limit", "1.5", "invalid-parameter"),
        ("limit", "²", "invalid-parameter"), ("limit", "", "invalid-parameter"),
        ("offset", "-1", "invalid-parameter"), ("offset", "99999999999999", "invalid-parameter"),
        ("bbox", "1,2,3", "invalid-box"), ("bbox", "a,b,c,d", "invalid-box"),
        ("bbox", "1_0,2,3,4", "invalid-box"), ("households", "1_0", "invalid-parameter"),
        ("bbox", "1,2,3,nan", "invalid-box"), ("bbox", "1,2,3,1e999", "invalid-box"),
        ("bbox", "5,44,6,43", "invalid-box"), ("bbox", "", "invalid-box"),
        ("bbox-crs", "EPSG:27700", "unknown-crs"), ("crs", "2154", "unknown-crs"),
        ("filter-crs", "http://example.org", "unknown-crs"),
        ("filter-lang", "cql-text", "invalid-parameter"), ("filter", "level ==", "invalid-filter"),
        ("filter", "nothing = 1", "invalid-filter"), ("filter", "(" * 200 + "a", "invalid-filter"),
        ("datetime", "yesterday", "invalid-parameter"), ("datetime", "a/b/c", "invalid-parameter"),
        ("datetime", "/", "invalid-parameter"), ("nothing", "1", "invalid-parameter"),
        ("households", "many", "invalid-parameter"), ("version", "0", "invalid-parameter"),
        ("f", "xml", "invalid-parameter"), ("name", "\x07", "invalid-text"),
        ("properties", "code", "invalid-parameter"),
    ],
)  # fmt: skip
def test_a_parameter_that_can_not_be_is_refused_in_a_problem(town, name, value, code):
    answer = town.get(ITEMS.format("districts"), **{name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(value) < 5 or value not in answer.text  # it might be a place


def test_a_parameter_that_comes_twice_is_refused(town):
    answer = town.client.get("/ogc/collections/zones/items?level=iris&level=commune")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")


@pytest.mark.parametrize(
    "path, params, code",
    [
        ("/collections/nothing/items", {}, "unknown-collection"),
        ("/collections/nothing", {}, "unknown-collection"),
        ("/collections/zones/items/nothing", {}, "unknown-item"),
        ("/collections/zones/items/a/b", {}, "unknown-item"),
        ("/collections/zones/items", {"release": "2020Q1"}, "unknown-release"),
        ("/collections/zones/items", {"release": "2026Q2", "version": "2"}, "unknown-release"),
        ("/collections", {"release": "x"}, "unknown-release"),
        ("/nothing", {}, "not-found"),
    ],
)  # fmt: skip
def test_what_there_is_not_is_not_found(town, path, params, code):
    answer = town.get(path, **params)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_one_feature_is_the_one_of_the_list_with_links(town):
    for collection in ("districts", "cells", "flows", "gaps", "zones"):
        listed = town.features(collection)[0]
        one = town.get(f"/collections/{collection}/items/{listed['id']}").json()
        links = {link["rel"]: link["href"] for link in one.pop("links")}
        assert one.pop("epsilon") == {"total": 1.0}
        assert one == listed
        assert town.client.get(links["self"]).status_code == 200
        assert links["collection"].endswith(f"/ogc/collections/{collection}")


def test_an_answer_is_named_by_what_was_asked_and_of_which_release(town):
    url = "/ogc/collections/districts/items?level=iris"
    first = town.client.get(url)
    again = town.client.get(url)
    assert first.content == again.content and first.headers["etag"] == again.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    known = town.client.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    tags = {first.headers["etag"]}
    others = ("&limit=1", "&crs=EPSG:2154", "&release=2026Q2", "&release=2026Q3&version=1")
    tags |= {town.client.get(url + other).headers["etag"] for other in others}
    assert len(tags) == 5
    pinned = town.client.get(f"{url}&release=2026Q3&version=2")
    assert pinned.headers["cache-control"] == "private, max-age=86400"
    assert pinned.json()["features"] == first.json()["features"]
    tile = town.get("/collections/zones/tiles/WebMercatorQuad/11/0/0")
    assert tile.headers["etag"] and tile.headers["content-type"].endswith("vector-tile")


def test_who_is_elsewhere_needs_a_key_and_reads_its_own_town_only(town):
    path = ITEMS.format("zones")
    with_key = town.get(path, who="planner")
    assert with_key.status_code == 200
    remote = TestClient(town.app, client=REMOTE, raise_server_exceptions=False)
    for url in ("/ogc/", "/ogc/api", "/ogc/collections", f"/ogc{path}", "/ogc/sprite.png"):
        refused = remote.get(url)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        keyed = remote.get(url, headers={"Authorization": "Bearer secret-of-planner"})
        assert keyed.status_code == 200
        wrong = remote.get(url, headers={"Authorization": "Bearer nothing"})
        assert wrong.status_code == 401
    assert town.get(path, who="elsewhere").json()["code"] == "unknown-release"


def test_a_town_without_a_release_has_no_collections_yet(town):
    assert town.get("/", who="elsewhere").status_code == 200
    assert town.get("/collections", who="elsewhere").json()["collections"] == []
    document = town.get("/api", who="elsewhere")
    assert document.status_code == 200
    assert not any("/collections/" in path for path in document.json()["paths"])


def test_nothing_can_be_written(town):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = town.client.request(method, "/ogc/collections/zones/items")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_the_address_without_a_slash_leads_to_the_one_with_it(town):
    answer = town.client.get("/ogc?f=json", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("/ogc/?f=json")
