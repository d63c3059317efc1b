"""The OpenAPI document of `/ogc`: version 3.0, as OGC API Features wants it.

Each collection has paths of its own, below the server's address, and each of its queryables is
a parameter there, written in full: GDAL and QGIS send a filter only for what they find so.
"""

from typing import Any

from api.ogc.answering import GEOJSON, HTML, JSON, MVT, PNG, SCHEMA, STYLE
from api.ogc.asking import DEFAULT_LIMIT, MAX_LIMIT, OF_ITEMS, OF_RELEASE
from api.ogc.catalogue import COLLECTIONS, Catalogue
from api.ogc.collections import property_schema
from api.ogc.crs import CRS84, SYSTEMS
from api.ogc.filters import MAX_FILTER
from api.ogc.styles import categories_of
from api.ogc.tiles import MAX_ZOOM
from api.version import VERSION

__all__ = ["OPENAPI", "document"]

OPENAPI = "application/vnd.oai.openapi+json;version=3.0"

_URIS = [crs.uri for crs in SYSTEMS]
_TEXT = {"type": "string"}


def _parameter(
    name: str, schema: dict[str, Any], description: str, place: str = "query"
) -> dict[str, Any]:
    # Form, not exploded: QGIS takes no other for a queryable.
    style = {"style": "form", "explode": False} if place == "query" else {}
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        **style,
        "schema": schema,
    }


def _crs(name: str, of: str) -> dict[str, Any]:
    schema = {"type": "string", "format": "uri", "enum": _URIS, "default": CRS84.uri}
    return _parameter(name, schema, f"Reference system of {of}.")


PARAMETERS = {
    "limit": _parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "Features of a page.",
    ),
    "offset": _parameter(
        "offset", {"type": "integer", "minimum": 0, "default": 0}, "Features before the page."
    ),
    "bbox": _parameter(
        "bbox",
        {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
        "Features that this box meets: lower corner, upper corner.",
    ),
    "bbox-crs": _crs("bbox-crs", "the box"),
    "crs": _crs("crs", "the answer"),
    "datetime": _parameter("datetime", _TEXT, "An interval: nothing here has an instant."),
    "filter": _parameter("filter", _TEXT | {"maxLength": MAX_FILTER}, "CQL2, over queryables."),
    "filter-lang": _parameter(
        "filter-lang",
        _TEXT | {"enum": ["cql2-text", "cql2-json"], "default": "cql2-text"},
        "How the filter is written.",
    ),
    "filter-crs": _crs("filter-crs", "shapes in the filter"),
    "release": _parameter("release", _TEXT, "A quarter, as 2026Q3; by default the newest."),
    "version": _parameter(
        "version", {"type": "integer", "minimum": 1}, "Of the release; by default its last one."
    ),
    "f": _parameter(
        "f",
        _TEXT | {"enum": ["json", "html"]},
        "JSON of the kind there is, or a page; by default what Accept names first.",
    ),
    "f-tile": _parameter("f", _TEXT | {"enum": ["mvt"]}, "The format of tiles."),
    "properties": _parameter(
        "properties", {"type": "array", "items": _TEXT}, "Properties that a tile carries."
    ),
    "category": _parameter("category", _TEXT, "The category that colours tell of."),
    "measure": _parameter("measure", _TEXT, "The property that colours tell."),
}
_PATH = {
    "featureId": _parameter("featureId", _TEXT, "A feature's id.", "path"),
    **{
        name: _parameter(
            name, {"type": "integer", "minimum": 0, "maximum": most}, "Of the tile.", "path"
        )
        for name, most in (("z", MAX_ZOOM), ("row", 2**MAX_ZOOM - 1), ("col", 2**MAX_ZOOM - 1))
    },
}
_PROBLEM = {"application/problem+json": {"schema": {"type": "object"}}}


def _get(
    name: str,
    summary: str,
    type: str,
    names: tuple[str, ...] = OF_RELEASE,
    more: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    content: dict[str, Any] = {type: {"schema": {"type": "object"}}}
    if type in (MVT, PNG):
        content = {type: {"schema": {"type": "string", "format": "binary"}}}
    elif "f" in names:
        content |= {HTML: {"schema": {"type": "string"}}}
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": [
                *({"$ref": f"#/components/parameters/{of}"} for of in names),
                *more,
            ],
            "responses": {
                "200": {"description": "Found.", "content": content},
                "304": {"description": "As the caller has it."},
                "400": {"description": "What was asked can't be; why.", "content": _PROBLEM},
                "401": {"description": "A key is needed.", "content": _PROBLEM},
                "404": {"description": "There is no such thing.", "content": _PROBLEM},
                "503": {"description": "The store is away.", "content": _PROBLEM},
            },
        }
    }


def _of_collection(catalogue: Catalogue, id: str, lang: int) -> dict[str, Any]:
    path, title = f"/collections/{id}", COLLECTIONS[id].titles[lang]
    collection = catalogue.collection(id)
    tiles = f"{path}/tiles/WebMercatorQuad"
    queryables = tuple(
        _parameter(column.name, property_schema(column, lang), "A queryable: equal to this.")
        for column in collection.table.schema
        if column.name not in OF_RELEASE
    )
    item = (PARAMETERS["crs"], _PATH["featureId"])
    tile = (PARAMETERS["properties"], _PATH["z"], _PATH["row"], _PATH["col"])
    properties, of_tile = ("properties",), ("release", "version", "f-tile")
    paths = {
        path: _get(f"{id}.collection", title, JSON),
        f"{path}/items": _get(f"{id}.items", title, GEOJSON, OF_ITEMS, queryables),
        f"{path}/items/{{featureId}}": _get(f"{id}.item", title, GEOJSON, more=item),
        f"{path}/queryables": _get(f"{id}.queryables", title, SCHEMA),
        f"{path}/schema": _get(f"{id}.schema", title, SCHEMA),
        f"{path}/tiles": _get(f"{id}.tilesets", title, JSON),
        tiles: _get(f"{id}.tileset", title, JSON),
        f"{tiles}/tilejson": _get(f"{id}.tilejson", title, JSON, (*OF_RELEASE, *properties)),
        f"{tiles}/{{z}}/{{row}}/{{col}}": _get(f"{id}.tile", title, MVT, of_tile, tile),
    }
    of_style = ("measure", "category") if categories_of(collection) else ("measure",)
    paths[f"{path}/style"] = _get(f"{id}.style", title, STYLE, (*OF_RELEASE, *of_style))
    return paths


def document(base: str, catalogue: Catalogue | None, lang: int) -> dict[str, Any]:
    """The document of one release's collections.

    Parameters
    ----------
    base : str
        Address of the landing page.
    catalogue : Catalogue, optional
        None where nothing is released yet.
    lang : int
        0 for French, 1 for English.
    """
    paths: dict[str, Any] = {
        "/": _get("landing", "Mitoyen", JSON, ("f",)),
        "/conformance": _get("conformance", "What holds", JSON, ("f",)),
        "/api": _get("api", "This document", OPENAPI),
        "/collections": _get("collections", "Collections", JSON),
        "/tileMatrixSets": _get("tileMatrixSets", "Pyramids of tiles", JSON, ("f",)),
        "/tileMatrixSets/WebMercatorQuad": _get("WebMercatorQuad", "The one", JSON, ("f",)),
        "/sprite.json": _get("sprite", "Patterns of styles", JSON, ()),
        "/sprite.png": _get("spriteImage", "Patterns of styles", PNG, ()),
    }
    if catalogue is not None:
        for id in COLLECTIONS:
            paths |= _of_collection(catalogue, id, lang)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": ("Mitoyen : quartiers", "Mitoyen: districts")[lang],
            "version": VERSION,
            "license": {"name": "Apache-2.0"},
        },
        "servers": [{"url": base}],
        "security": [{"key": []}, {}],
        "paths": paths,
        "components": {
            "parameters": PARAMETERS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
