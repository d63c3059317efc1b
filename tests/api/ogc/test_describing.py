"""What `/ogc` says of itself: landing page, conformance, collections and their properties."""

import json

import jsonschema_rs
import pytest

from api.ogc.catalogue import COLLECTIONS
from api.ogc.collections import title_of
from matching.planning.measures import TITLES

REL = "http://www.opengis.net/def/rel/ogc/1.0"


def links(document):
    return {link["rel"]: link["href"] for link in document["links"]}


def test_everything_is_found_from_the_landing_page(town):
    landing = town.get("/").json()
    found = links(landing)
    assert {"self", "service-desc", "conformance", "data"} <= set(found)
    for url in found.values():
        assert town.client.get(url).status_code == 200
    collections = town.client.get(found["data"]).json()["collections"]
    assert [one["id"] for one in collections] == list(COLLECTIONS)
    for one in collections:
        assert town.client.get(links(one)["self"]).json() == one
        for rel in ("items", f"{REL}/queryables", f"{REL}/schema", f"{REL}/tilesets-vector"):
            assert town.client.get(links(one)[rel]).status_code == 200, rel
        assert one["storageCrs"] in one["crs"]
        ((west, south, east, north),) = one["extent"]["spatial"]["bbox"]
        assert 5.1 < west < east < 5.5 and 43.1 < south < north < 43.4


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_features_are_as_their_schema_says(town, collection):
    schema = town.get(f"/collections/{collection}/schema").json()
    assert schema == town.get(f"/collections/{collection}/queryables").json() | {
        "$id": schema["$id"]
    }
    geometry = schema["properties"].pop("geometry")
    kind = geometry["$ref"].removeprefix("https://geojson.org/schema/").removesuffix(".json")
    check = jsonschema_rs.validator_for(schema)
    for feature in town.features(collection):
        # What has no value is null, which a queryable's type leaves out.
        told = {name: value for name, value in feature["properties"].items() if value is not None}
        assert check.is_valid(told), json.dumps(told)
        assert set(feature["properties"]) == set(schema["properties"])
        assert feature["geometry"] is None or feature["geometry"]["type"] == kind


def test_pyramids_lead_to_their_tiles(town):
    (tileset,) = town.get("/collections/zones/tiles").json()["tilesets"]
    assert tileset == town.client.get(links(tileset)["self"]).json()
    scheme = town.client.get(links(tileset)[f"{REL}/tiling-scheme"]).json()
    assert scheme["uri"] == tileset["tileMatrixSetURI"]
    template = links(tileset)["item"]
    for matrix in (scheme["tileMatrices"][0], scheme["tileMatrices"][-1]):
        last = {"tileMatrix": matrix["id"], "tileRow": matrix["matrixHeight"] - 1, "tileCol": 0}
        assert town.client.get(template.format(**last)).status_code == 200
        assert matrix["cellSize"] * 256 * matrix["matrixWidth"] == pytest.approx(
            40_075_016.68557849
        )
        over = last | {"tileCol": matrix["matrixWidth"]}
        assert town.client.get(template.format(**over)).status_code == 404


def test_titles_are_in_the_readers_language(town):
    def titles(lang):
        headers = {"Accept-Language": lang}
        answer = town.client.get("/ogc/collections/districts/queryables", headers=headers)
        assert "Accept-Language" in answer.headers["vary"]
        return {name: schema["title"] for name, schema in answer.json()["properties"].items()}

    french, english = titles("fr"), titles("en")
    assert french["listings__garde_status"] == "Foyers qui proposent, garde (statut)"
    assert english["listings__garde_status"] == "Households that offer, garde (status)"
    assert all(french.values()) and all(english.values())


@pytest.mark.parametrize("measure", TITLES)
def test_every_measure_and_its_companions_have_a_title(measure):
    names = [measure, f"{measure}__garde", f"{measure}_lower", f"{measure}__5_denominator"]
    told = {title_of(name) for name in names}
    assert len(told) == len(names) and all(all(pair) for pair in told)
