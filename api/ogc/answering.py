"""Answers of a release: bytes that never change, named by an ETag and made only if wanted."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from fastapi import Response

from api.ogc.asking import Asked
from api.ogc.pages import HTML, POLICY, page
from api.routes.districts import is_known
from matching.districts import Districts

__all__ = [
    "GEOJSON",
    "HTML",
    "JSON",
    "MVT",
    "PNG",
    "SCHEMA",
    "STYLE",
    "alternate",
    "answer",
    "link",
    "told",
    "url_of",
]

JSON = "application/json"
GEOJSON = "application/geo+json"
SCHEMA = "application/schema+json"
MVT = "application/vnd.mapbox-vector-tile"
PNG = "image/png"
STYLE = "application/vnd.mapbox.style+json"
DAY_S = 86_400
PAGE = {"Content-Security-Policy": POLICY}
VARY = "Accept, Accept-Language, Authorization"

Link = dict[str, str]


def link(href: str, rel: str, type: str = JSON, title: str = "") -> Link:
    """A link as OGC APIs write it."""
    return {"href": href, "rel": rel, "type": type} | ({"title": title} if title else {})


def url_of(base: str, /, *path: str, **query: object) -> str:
    """An address below the landing page."""
    steps = "".join(f"/{quote(step, safe='{}')}" for step in path)
    asked = {name: value for name, value in query.items() if value is not None}
    return f"{base}{steps}" + (f"?{urlencode(asked, safe=',:{}/')}" if asked else "")


def told(asked: Asked, content: Any, type: str = JSON) -> Response:
    """An answer about the service: it may be another one the next time."""
    sent = {"Cache-Control": "private, no-cache", "Vary": VARY}
    if asked.html:
        shown = page(content, asked.lang, asked.base, asked.request.url.path.rpartition("/")[2])
        return Response(shown, headers=sent | PAGE, media_type=HTML)
    return Response(msgspec.json.encode(content), headers=sent, media_type=type)


def alternate(asked: Asked) -> Link:
    """The link to what a caller reads, as the other of HTML and JSON."""
    form, type = ("json", JSON) if asked.html else ("html", HTML)
    return link(str(asked.request.url.include_query_params(f=form)), "alternate", type)


def answer(
    asked: Asked,
    districts: Districts,
    make: Callable[[], bytes],
    type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer of a release: it keeps for a day where the address names the release.

    Parameters
    ----------
    asked : Asked
        The whole address, with the release's bytes, makes the ETag.
    districts : Districts
        The release.
    make : callable
        Makes the body, for a caller who hasn't got it.
    type : str
        Media type of the body.
    headers : mapping, optional
        More headers.
    """
    request = asked.request
    etag = request.app.state.shelf.etag(districts, str(request.url), asked.html, asked.lang)
    named = {"release", "version"} <= request.query_params.keys()
    sent = {
        "ETag": etag,
        # The caller's own, though figures are public: whose town is asked is said by the key.
        "Cache-Control": f"private, max-age={DAY_S}" if named else "private, no-cache",
        "Vary": VARY,
        **(PAGE if type == HTML else {}),
        **(headers or {}),
    }
    if is_known(request, etag):
        return Response(status_code=304, headers=sent)
    return Response(make(), headers=sent, media_type=type)
