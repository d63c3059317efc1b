"""`/ogc/collections/{id}/tiles`: vector tiles, TileJSON, and a style to draw them with."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import APIRouter, Response

from api.ogc.answering import JSON, MVT, PNG, SCHEMA, STYLE, answer, link, told, url_of
from api.ogc.asking import OF_RELEASE, Asked, AskedBy, whole
from api.ogc.catalogue import COLLECTIONS
from api.ogc.collections import Collection
from api.ogc.styles import (
    SPRITE,
    carried_by,
    categories_of,
    measures_of,
    sprite_png,
    style_of,
)
from api.ogc.tiles import MAX_ZOOM, headline, least_zoom
from geo.errors import InputError, NotFoundError

__all__ = ["router"]

router = APIRouter()

REL = "http://www.opengis.net/def/rel/ogc/1.0"
TMS = "WebMercatorQuad"
TMS_URI = f"http://www.opengis.net/def/tilematrixset/OGC/1.0/{TMS}"
WEB_MERCATOR = "http://www.opengis.net/def/crs/EPSG/0/3857"
HALF_M = 20037508.3427892  # from the middle of the map to its edge
MAX_PROPERTIES = 20
PIXEL_M = 0.00028  # what a scale denominator counts as a pixel


@cache
def matrix_set() -> dict[str, Any]:
    """The pyramid, as OGC's Two Dimensional Tile Matrix Set describes one."""
    matrices = []
    for zoom in range(MAX_ZOOM + 1):
        cell = 2 * HALF_M / 256 / 2**zoom
        matrices.append(
            {
                "id": str(zoom),
                "scaleDenominator": cell / PIXEL_M,
                "cellSize": cell,
                "pointOfOrigin": [-HALF_M, HALF_M],
                "tileWidth": 256,
                "tileHeight": 256,
                "matrixWidth": 2**zoom,
                "matrixHeight": 2**zoom,
            }
        )
    return {"id": TMS, "uri": TMS_URI, "crs": WEB_MERCATOR, "tileMatrices": matrices}


def template(asked: Asked, id: str, **query: object) -> str:
    """Where the tiles of the release asked about are."""
    head = asked.districts.release
    steps = ("collections", id, "tiles", TMS, "{z}", "{y}", "{x}")
    return url_of(asked.base, *steps, release=head.id, version=head.version, **query)


def names_of(asked: Asked, collection: Collection) -> tuple[str, ...]:
    """The properties that tiles are to carry.

    Raises
    ------
    InputError
        With code ``invalid-parameter``, if one is none or there are too many.
    """
    given = asked.params.get("properties")
    if given is None:
        return headline(collection)
    names = tuple(dict.fromkeys(given.split(",")))
    if not {*names} <= {*collection.table.column_names} or len(names) > MAX_PROPERTIES:
        raise InputError(
            f"properties must be up to {MAX_PROPERTIES} of the collection's, with commas between",
            code="invalid-parameter",
        )
    return names


def tileset_of(asked: Asked, id: str) -> dict[str, Any]:
    """A pyramid's metadata."""
    address = url_of(asked.base, "collections", id, "tiles", TMS)
    item = template(asked, id).replace("{z}", "{tileMatrix}")
    item = item.replace("{y}", "{tileRow}").replace("{x}", "{tileCol}")
    return {
        "title": COLLECTIONS[id].titles[asked.lang],
        "dataType": "vector",
        "crs": WEB_MERCATOR,
        "tileMatrixSetURI": TMS_URI,
        "links": [
            link(address, "self"),
            link(url_of(asked.base, "tileMatrixSets", TMS), f"{REL}/tiling-scheme"),
            link(item, "item", MVT) | {"templated": True},
            link(f"{address}/tilejson", "describedby", JSON, "TileJSON"),
            link(url_of(asked.base, "collections", id, "schema"), "describedby", SCHEMA),
        ],
        "layers": [
            {
                "id": id,
                "dataType": "vector",
                "geometryDimension": 1 if COLLECTIONS[id].geometry == "LineString" else 2,
            }
        ],
    }


@router.get("/tileMatrixSets")
def matrix_sets(asked: AskedBy) -> Response:
    asked.only("f")
    address = url_of(asked.base, "tileMatrixSets", TMS)
    listed = {"id": TMS, "title": TMS, "uri": TMS_URI, "crs": WEB_MERCATOR}
    return told(asked, {"tileMatrixSets": [listed | {"links": [link(address, "self")]}]})


@router.get("/tileMatrixSets/{tms}")
def matrices(asked: AskedBy, tms: str) -> Response:
    asked.only("f")
    require_quad(tms)
    return told(asked, matrix_set())


def require_quad(tms: str) -> None:
    """Refuse another pyramid.

    Raises
    ------
    NotFoundError
        With code ``unknown-tile``.
    """
    if tms != TMS:
        raise NotFoundError(f"tiles come in {TMS} only", code="unknown-tile")


@router.get("/collections/{id}/tiles")
def tilesets(asked: AskedBy, id: str) -> Response:
    asked.only(*OF_RELEASE)
    asked.catalogue.collection(id)
    return told(asked, {"tilesets": [tileset_of(asked, id)]})


@router.get("/collections/{id}/tiles/{tms}")
def tileset(asked: AskedBy, id: str, tms: str) -> Response:
    asked.only(*OF_RELEASE)
    require_quad(tms)
    asked.catalogue.collection(id)
    return told(asked, tileset_of(asked, id))


@router.get("/collections/{id}/tiles/{tms}/tilejson")
def tilejson(asked: AskedBy, id: str, tms: str) -> Response:
    asked.only(*OF_RELEASE, "properties")
    require_quad(tms)
    collection = asked.catalogue.collection(id)
    names = names_of(asked, collection)
    types = {column.name: str(column.type) for column in collection.table.schema}
    least = least_zoom(collection)
    layer = {
        "id": id,
        "fields": {name: types[name] for name in names},
        "minzoom": least,
        "maxzoom": MAX_ZOOM,
    }
    found: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": COLLECTIONS[id].titles[asked.lang],
        "tiles": [template(asked, id, properties=asked.params.get("properties"))],
        "vector_layers": [layer],
        "minzoom": least,
        "maxzoom": MAX_ZOOM,
    }
    if collection.bounds is not None:
        found["bounds"] = collection.bounds
    return told(asked, found)


@router.get("/collections/{id}/tiles/{tms}/{z}/{row}/{col}")
def tile(asked: AskedBy, id: str, tms: str, z: str, row: str, col: str) -> Response:
    asked.only(*OF_RELEASE, "properties")
    if asked.params.get("f", "mvt") != "mvt":
        raise InputError("a tile's f is mvt", code="invalid-parameter")
    require_quad(tms)
    districts = asked.districts
    catalogue = asked.catalogue
    collection = catalogue.collection(id)
    most = 2**MAX_ZOOM
    zoom, y, x = (whole(text, "a tile's number", 0, most) for text in (z, row, col))
    made = catalogue.pyramid(id).tile(zoom, y, x, names_of(asked, collection))
    return answer(asked, districts, lambda: made, MVT)


@router.get("/collections/{id}/style")
def style(asked: AskedBy, id: str) -> Response:
    districts = asked.districts
    collection = asked.catalogue.collection(id)
    categories = categories_of(collection)
    asked.only(*OF_RELEASE, "measure", *(["category"] if categories else []))
    measure = chosen(asked, "measure", measures_of(collection), "penetration")
    category = chosen(asked, "category", categories)
    head = districts.release
    source = url_of(
        asked.base, "collections", id, "tiles", TMS, "tilejson",
        release=head.id, version=head.version,
        properties=",".join(carried_by(collection, measure)),
    )  # fmt: skip
    sprite = url_of(asked.base, "sprite")
    return told(asked, style_of(collection, measure, category, source, sprite, asked.lang), STYLE)


def chosen(asked: Asked, name: str, known: Sequence[str], usual: str = "") -> str | None:
    """What a parameter names of what there is: by default the usual one, or the first.

    Raises
    ------
    InputError
        With code ``invalid-parameter``.
    """
    given = asked.params.get(name)
    if given is None:
        return usual if usual in known else next(iter(known), None)
    if given not in known:
        raise InputError(
            f"{name} must be one that this collection has: {', '.join(known) or 'none'}",
            code="invalid-parameter",
        )
    return given


@router.get("/sprite.json")
@router.get("/sprite@2x.json")
def sprite(asked: AskedBy) -> Response:
    asked.only()
    return told(asked, SPRITE)


@router.get("/sprite.png")
@router.get("/sprite@2x.png")
def sprite_image(asked: AskedBy) -> Response:
    asked.only()
    return Response(
        sprite_png(), headers={"Cache-Control": "private, max-age=86400"}, media_type=PNG
    )
