"""`/ogc/collections/{id}/items`: features as GeoJSON, by page, and one by its id."""

from typing import Any

import msgspec
import numpy as np
from fastapi import APIRouter, Response

from api.ogc.answering import GEOJSON, HTML, JSON, alternate, answer, link, url_of
from api.ogc.asking import OF_RELEASE, AskedBy
from api.ogc.catalogue import COLLECTIONS
from api.ogc.crs import CRS84, crs_of
from api.ogc.pages import features_page

__all__ = ["router"]

router = APIRouter()


@router.get("/collections/{id}/items")
def items(asked: AskedBy, id: str) -> Response:
    districts = asked.districts
    collection = asked.catalogue.collection(id)
    query = asked.query(collection)
    matched = query.rows(collection)
    page = matched[query.offset : query.offset + query.limit]
    type = HTML if asked.html else GEOJSON

    def made() -> bytes:
        head = districts.release
        # A page names its release, so that what is released meanwhile moves no feature.
        pinned = {**asked.params, "release": head.id, "version": head.version}
        pinned["limit"] = query.limit

        def at(offset: int) -> str:
            return url_of(asked.base, "collections", id, "items", **pinned | {"offset": offset})

        links = [link(str(asked.request.url), "self", type), alternate(asked)]
        if query.offset + query.limit < len(matched):
            links.append(link(at(query.offset + query.limit), "next", type))
        if query.offset:
            links.append(link(at(max(query.offset - query.limit, 0)), "prev", type))
        links.append(link(url_of(asked.base, "collections", id), "collection", JSON))
        if asked.html:
            return features_page(
                collection,
                page,
                title=COLLECTIONS[id].titles[asked.lang],
                lang=asked.lang,
                base=asked.base,
                links=links,
                epsilon=head.head["epsilon"]["total"],
                place=(query.offset, len(matched)),
                filter=asked.params.get("filter", ""),
            )
        start: dict[str, Any] = {
            "type": "FeatureCollection",
            "timeStamp": head.created_at,
            "numberMatched": len(matched),
            "numberReturned": len(page),
            "release": head.id,
            "epsilon": head.head["epsilon"],
            "links": links,
        }
        features = b",".join(collection.view(query.crs).features(page))
        return msgspec.json.encode(start)[:-1] + b',"features":[' + features + b"]}"

    return answer(asked, districts, made, type, {"Content-Crs": f"<{query.crs.uri}>"})


@router.get("/collections/{id}/items/{feature:path}")
def item(asked: AskedBy, id: str, feature: str) -> Response:
    asked.only(*OF_RELEASE, "crs")
    districts = asked.districts
    catalogue = asked.catalogue
    row = catalogue.item(id, feature)
    crs = crs_of(asked.params.get("crs", CRS84.uri))

    type = HTML if asked.html else GEOJSON

    def made() -> bytes:
        links = [
            link(str(asked.request.url), "self", type),
            alternate(asked),
            link(url_of(asked.base, "collections", id), "collection", JSON),
        ]
        epsilon = districts.release.head["epsilon"]
        if asked.html:
            collection = catalogue.collection(id)
            named = collection.table.slice(row, 1).to_pylist()[0].get("name")
            return features_page(
                collection,
                np.array([row]),
                title=f"{named} ({feature})" if named else feature,
                lang=asked.lang,
                base=asked.base,
                links=links,
                epsilon=epsilon["total"],
            )
        more = msgspec.json.encode({"epsilon": epsilon, "links": links})
        (encoded,) = catalogue.collection(id).view(crs).features(np.array([row]))
        return bytes(encoded[:-1]) + b"," + more[1:]

    return answer(asked, districts, made, type, {"Content-Crs": f"<{crs.uri}>"})
