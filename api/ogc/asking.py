"""What may be asked of a collection: known parameters only, each once, and what they mean."""

import re
from collections.abc import Collection as Names
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from fastapi import Depends, Request
from shapely import Geometry

from api.auth import Anyone
from api.bodies import check_text
from api.ogc.catalogue import Catalogue
from api.ogc.collections import Collection
from api.ogc.crs import CRS84, Crs, crs_of
from api.ogc.filters import kept_rows, parse_filter
from api.problems import language_of
from api.routes.records import town_of
from geo.arrays import IntArray
from geo.errors import InputError
from matching.districts import Districts

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "OF_ITEMS",
    "OF_RELEASE",
    "PREFIX",
    "Asked",
    "AskedBy",
    "Query",
]

PREFIX = "/ogc"
DEFAULT_LIMIT, MAX_LIMIT = 100, 10_000
MAX_OFFSET = 2**31
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
FORMATS = ("json", "geojson", "html", "mvt")
READABLE = ("application/json", "application/geo+json", "text/html")  # what Accept chooses from
OF_RELEASE = ("release", "version", "f")
OF_ITEMS = (
    *OF_RELEASE,
    *("limit", "offset", "bbox", "bbox-crs", "crs", "datetime"),
    *("filter", "filter-lang", "filter-crs"),
)


def refused(name: str, wanted: str) -> InputError:
    return InputError(f"{name} must be {wanted}", code="invalid-parameter")


def whole(text: str, name: str, least: int, most: int) -> int:
    """A whole number in bounds."""
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise refused(name, f"a whole number from {least} to {most}")
    return int(text)


@dataclass(frozen=True, slots=True)
class Query:
    """Which features of a collection are asked for, and how they are written."""

    crs: Crs
    limit: int
    offset: int
    box: tuple[Crs, Geometry] | None
    filter: tuple[Crs, Any] | None
    equal: tuple[tuple[str, str], ...]

    def rows(self, collection: Collection) -> IntArray:
        """Rows of all that match, ascending.

        Raises
        ------
        InputError
            If the filter is none of this collection.
        """
        kept = np.ones(len(collection.ids), dtype=np.bool_)
        if self.box is not None:
            crs, box = self.box
            view = collection.view(crs)
            # The standard's way: what has no shape is in every box.
            kept &= view.related(shapely.intersects, box) | shapely.is_missing(view.geometries)
        for name, text in self.equal:
            kept &= np.asarray(pc.fill_null(_equal(collection.table, name, text), False))
        if self.filter is not None:
            crs, tree = self.filter
            kept &= kept_rows(tree, collection.view(crs))
        return np.flatnonzero(kept)


def _equal(table: pa.Table, name: str, text: str) -> pa.ChunkedArray:
    column = table[name]
    if pa.types.is_string(column.type):
        return pc.equal(column, text)
    if pa.types.is_boolean(column.type):
        if text not in ("true", "false"):
            raise refused(name, "true or false")
        return pc.equal(column, text == "true")
    if not NUMBER.fullmatch(text):
        raise refused(name, "a number")
    return pc.equal(column.cast(pa.float64()), float(text))


class Asked:
    """A request of one who may read: the release asked about, and the parameters.

    ``lang`` is 0 for French and 1 for English.
    """

    def __init__(self, request: Request, asking: Anyone) -> None:
        self.request = request
        self.town = town_of(request, asking)
        self.params = request.query_params
        self.base = f"{str(request.base_url).rstrip('/')}{PREFIX}"
        self.lang = ("fr", "en").index(language_of(request))

    def only(self, *names: str, of: Names[str] = ()) -> None:
        """Refuse parameters of other names, and any that is given twice.

        Raises
        ------
        InputError
            With code ``invalid-parameter``.
        """
        given = [name for name, _ in self.params.multi_items()]
        if len(set(given)) < len(given):
            raise InputError("a parameter is given once", code="invalid-parameter")
        if not {*given} <= {*names, *of}:
            known = f"known here: {', '.join(names) or 'none'}"
            more = ", and each queryable of the collection" if of else ""
            raise InputError(f"unknown parameter; {known}{more}", code="invalid-parameter")
        if "f" in given and self.params["f"] not in FORMATS:
            raise refused("f", f"one of {', '.join(FORMATS)}, which each address has one of")

    @cached_property
    def html(self) -> bool:
        """Whether the caller wants a page: by ``f``, or as browsers ask, which name it first."""
        if "f" in self.params:
            return self.params["f"] == "html"
        accepted = self.request.headers.get("accept", "").split(",")
        types = (one.partition(";")[0].strip().lower() for one in accepted)
        return next((one for one in types if one in READABLE), "") == "text/html"

    @cached_property
    def districts(self) -> Districts:
        """The release: the newest when this was asked, or that which is named.

        Raises
        ------
        NotFoundError
            With code ``unknown-release``.
        """
        version = self.params.get("version")
        return self.request.app.state.shelf.of(  # type: ignore[no-any-return]
            self.town.tenant_id,
            self.params.get("release"),
            None if version is None else whole(version, "version", 1, 10**6),
        )

    @cached_property
    def catalogue(self) -> Catalogue:
        """The collections of that release."""
        return self.request.app.state.catalogue(self.districts)  # type: ignore[no-any-return]

    def query(self, collection: Collection) -> Query:
        """What is asked of a collection.

        Raises
        ------
        InputError
            With a code that says which parameter to change.
        """
        properties = set(collection.table.column_names) - set(OF_RELEASE)
        self.only(*OF_ITEMS, of=properties)
        params = {name: check_text(value) for name, value in self.params.items()}
        limit = whole(params.get("limit", str(DEFAULT_LIMIT)), "limit", 1, 10**9)
        lang = params.get("filter-lang", "cql2-text")
        if lang not in ("cql2-text", "cql2-json"):
            raise refused("filter-lang", "cql2-text or cql2-json")
        filter_crs = crs_of(params.get("filter-crs", CRS84.uri))
        box_crs = crs_of(params.get("bbox-crs", CRS84.uri))
        _require_datetime(params.get("datetime", ".."))
        return Query(
            crs=crs_of(params.get("crs", CRS84.uri)),
            limit=min(limit, MAX_LIMIT),  # the standard's way: more is not refused
            offset=whole(params.get("offset", "0"), "offset", 0, MAX_OFFSET),
            box=(box_crs, box_crs.box(_numbers(params["bbox"]))) if "bbox" in params else None,
            filter=(filter_crs, parse_filter(params["filter"], lang))
            if "filter" in params
            else None,
            equal=tuple((n, value) for n, value in params.items() if n in properties),
        )


AskedBy = Annotated[Asked, Depends()]


def _numbers(text: str) -> list[float]:
    numbers = text.split(",")
    if not all(map(NUMBER.fullmatch, numbers)):
        raise InputError("a box has numbers, with commas between", code="invalid-box")
    return list(map(float, numbers))


def _require_datetime(text: str) -> None:
    """Nothing here has an instant, so that every interval matches: but it must be one."""
    ends = text.split("/")
    if len(ends) > 2 or not any(ends):
        raise refused("datetime", "an instant, or two with / between")
    for end in ends:
        if end in ("", ".."):
            continue
        try:
            datetime.fromisoformat(end) if "T" in end else date.fromisoformat(end)
        except ValueError:
            raise refused("datetime", "RFC 3339: a date, or an instant with an offset") from None
