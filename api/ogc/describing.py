"""What there is under `/ogc`: landing page, conformance, collections, their properties."""

from typing import Any

from fastapi import APIRouter, Response

from api.ogc.answering import (
    GEOJSON,
    HTML,
    JSON,
    SCHEMA,
    STYLE,
    Link,
    alternate,
    link,
    told,
    url_of,
)
from api.ogc.asking import OF_RELEASE, Asked, AskedBy
from api.ogc.catalogue import COLLECTIONS, Catalogue
from api.ogc.collections import Collection, property_schema
from api.ogc.conformance import CONFORMANCE
from api.ogc.crs import CRS84, SYSTEMS
from api.ogc.filters import GEOMETRY
from api.ogc.openapi import OPENAPI, document
from geo.errors import NotFoundError

__all__ = ["router"]

router = APIRouter()

REL = "http://www.opengis.net/def/rel/ogc/1.0"
TITLE = ("Mitoyen : quartiers", "Mitoyen: districts")
CONFORMANCE_TITLE = ("Normes suivies", "Standards that are met")
COLLECTIONS_TITLE = ("Les cinq collections", "The five collections")
TILING_TITLE = ("Pyramides de tuiles", "Pyramids of tiles")
DESCRIPTION = (
    "Chiffres trimestriels par quartier, rendus confidentiels avant d'être publiés.",
    "Quarterly figures by district, made confidential before they are published.",
)


def schema_of(collection: Collection, address: str, lang: int) -> dict[str, Any]:
    """A collection's properties, and its geometry, as JSON Schema."""
    kind = COLLECTIONS[collection.id]
    properties: dict[str, Any] = {
        GEOMETRY: {
            "title": ("Géométrie", "Geometry")[lang],
            "$ref": f"https://geojson.org/schema/{kind.geometry}.json",
            "format": f"geometry-{kind.geometry.lower()}",
            "x-ogc-role": "primary-geometry",
        }
    }
    for column in collection.table.schema:
        properties[column.name] = property_schema(column, lang)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "type": "object",
        "title": kind.titles[lang],
        "properties": properties,
        "additionalProperties": False,
    }


def described_collection(asked: Asked, id: str) -> dict[str, Any]:
    """What a collection says of itself."""
    kind, lang = COLLECTIONS[id], asked.lang
    collection = asked.catalogue.collection(id)

    def at(*path: str, **query: object) -> str:
        return url_of(asked.base, "collections", id, *path, **query)

    tiles = ("tiles", "WebMercatorQuad")
    found: dict[str, Any] = {
        "id": id,
        "title": kind.titles[lang],
        "description": kind.descriptions[lang],
        "itemType": "feature",
        "crs": [crs.uri for crs in SYSTEMS],
        "storageCrs": CRS84.uri,
        "links": [
            link(at(), "self"),
            link(at(f="json"), "alternate"),
            link(at(f="html"), "alternate", HTML),
            link(at("items"), "items", GEOJSON, kind.titles[lang]),
            link(at("queryables"), f"{REL}/queryables", SCHEMA),
            link(at("schema"), f"{REL}/schema", SCHEMA),
            link(at("schema"), "describedby", SCHEMA),
            link(at("tiles"), f"{REL}/tilesets-vector"),
            link(at(*tiles, "tilejson"), "describedby", JSON, "TileJSON"),
            link(at("style"), "stylesheet", STYLE),
        ],
    }
    if collection.bounds is not None:
        found["extent"] = {"spatial": {"bbox": [collection.bounds], "crs": CRS84.uri}}
    return found


@router.get("/")
def landing(asked: AskedBy) -> Response:
    asked.only("f")
    base, lang = asked.base, asked.lang
    links: list[Link] = [
        link(f"{base}/", "self"),
        alternate(asked),
        link(url_of(base, "api"), "service-desc", OPENAPI),
        link(url_of(base, "api", f="html"), "service-doc", HTML),
        link(url_of(base, "conformance"), "conformance", title=CONFORMANCE_TITLE[lang]),
        link(url_of(base, "collections"), "data", title=COLLECTIONS_TITLE[lang]),
        link(url_of(base, "tileMatrixSets"), f"{REL}/tiling-schemes", title=TILING_TITLE[lang]),
    ]
    return told(asked, {"title": TITLE[lang], "description": DESCRIPTION[lang], "links": links})


@router.get("/conformance")
def conformance(asked: AskedBy) -> Response:
    asked.only("f")
    return told(asked, {"conformsTo": CONFORMANCE})


def released(asked: Asked) -> Catalogue | None:
    """The release asked about; None where no certain one is, and there is none yet."""
    try:
        return asked.catalogue
    except NotFoundError:
        if {"release", "version"} & asked.params.keys():
            raise
        return None


@router.get("/api")
def api(asked: AskedBy) -> Response:
    asked.only(*OF_RELEASE)
    return told(asked, document(asked.base, released(asked), asked.lang), OPENAPI)


@router.get("/collections")
def collections(asked: AskedBy) -> Response:
    asked.only(*OF_RELEASE)
    listed = [described_collection(asked, id) for id in COLLECTIONS] if released(asked) else []
    links = [link(url_of(asked.base, "collections"), "self"), alternate(asked)]
    return told(asked, {"title": TITLE[asked.lang], "collections": listed, "links": links})


@router.get("/collections/{id}")
def collection(asked: AskedBy, id: str) -> Response:
    asked.only(*OF_RELEASE)
    asked.catalogue.collection(id)
    return told(asked, described_collection(asked, id))


@router.get("/collections/{id}/queryables")
@router.get("/collections/{id}/schema")
def schema(asked: AskedBy, id: str) -> Response:
    asked.only(*OF_RELEASE)
    found = asked.catalogue.collection(id)
    path = str(asked.request.url.replace(query=""))
    return told(asked, schema_of(found, path, asked.lang), SCHEMA)
