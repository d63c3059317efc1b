"""`/v1/districts`: figures by district of a release, as JSON and as files."""

import logging
from bisect import bisect_right
from collections.abc import Callable, Mapping
from math import isnan
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.auth import Anyone, Planner
from api.bodies import JsonBody, accepts
from api.districts import Shelf
from api.districts_answers import (
    district_answer,
    file_of,
    head_answer,
    release_answer,
    rows_of,
    sidecar_of,
    within,
    zone_answer,
)
from api.districts_files import FileFormat
from api.districts_schemas import (
    Code,
    DistrictFileParams,
    DistrictOut,
    DistrictParams,
    DistrictsOut,
    DistrictZoneParams,
    ExactBody,
    ExactOut,
    ReleaseParams,
    ReleasesOut,
    UnionBody,
    UnionOut,
)
from api.paging import Pager
from api.questions import polygon_of
from api.routes.records import town_of
from api.towns import Town
from geo.errors import InputError
from indexes.district_facts import Quarter
from matching.districts import Districts
from matching.planning.releasing import staff_table

__all__ = ["router"]

log = logging.getLogger(__name__)

router = APIRouter(tags=["districts"])

PATH = "/v1/districts"
PAGE = 100
DAY_S = 86_400
MAX_VERTICES = 10_000
MAX_BODY_ITEMS = 5 * MAX_VERTICES  # a position is a list of two or three numbers
JSON = "application/json"

EXACT_EXAMPLES = {
    "who is registered": {
        "value": {"release": "2026Q3", "purpose": "Choisir où ouvrir une permanence"}
    }
}
BY_MEDIA_TYPE: dict[str, FileFormat | None] = {
    JSON: None,
    **{
        format.media_type.split(";")[0]: format
        for format in FileFormat
        if format != FileFormat.CSV2  # both are text/csv
    },
}
encoded = msgspec.json.encode


BINARY = {"schema": {"type": "string", "format": "binary"}}
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "What `If-None-Match` names is still the answer."}
}
ZONES: dict[int | str, dict[str, Any]] = NOT_MODIFIED | {
    200: {
        "description": "Zones in order of code.",
        "model": DistrictsOut,
        "content": {format.media_type: BINARY for format in FileFormat}
        | {FileFormat.GEOJSON.media_type: {"schema": {"type": "object"}}},
    }
}
METADATA: dict[int | str, dict[str, Any]] = NOT_MODIFIED | {
    200: {"description": "What stands beside the file.", "model": dict[str, Any]}
}
EXAMPLES = {
    "around the Vieux-Port": {
        "value": {
            "polygon": {
                "type": "Polygon",
                "coordinates": [
                    [[5.36, 43.29], [5.39, 43.29], [5.39, 43.31], [5.36, 43.31], [5.36, 43.29]]
                ],
            }
        }
    }
}


def shelf_of(request: Request) -> Shelf:
    shelf: Shelf = request.app.state.shelf
    return shelf


def which(asked: ReleaseParams) -> tuple[str | None, int | None, int | None]:
    """What `Shelf.of` wants to know of the release."""
    return asked.release, asked.version, asked.vintage


def pinned(districts: Districts, path: str, asked: Mapping[str, Any]) -> str:
    """The path of the same answer, whatever is released later."""
    head = districts.release
    query = {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in {**asked, "release": head.id, "version": head.version}.items()
        if value not in (None, [])
    }
    return f"{path}?{urlencode(sorted(query.items()), safe=',:')}"


def is_known(request: Request, etag: str) -> bool:
    """Whether the caller has this answer already."""
    known = request.headers.get("if-none-match", "")
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return etag in tags or tags == ["*"]


def answered(
    request: Request,
    districts: Districts,
    permalink: str,
    make: Callable[[], bytes],
    media_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """What was asked for, made only if the caller hasn't got it yet.

    Parameters
    ----------
    request : Request
        Its ``If-None-Match`` says what the caller has.
    districts : Districts
        The release.
    permalink : str
        All that was asked: with the release's bytes it makes the ETag.
    make : callable
        Makes the body.
    media_type : str
        Of the body.
    headers : mapping, optional
        More headers.
    """
    etag = shelf_of(request).etag(districts, permalink)
    named = {"release", "version"} <= request.query_params.keys()
    sent = {
        "ETag": etag,
        # The caller's own, though figures are public: whose town is asked is said by the key.
        "Cache-Control": f"private, max-age={DAY_S}" if named else "private, no-cache",
        "Vary": "Accept, Authorization",
        "Link": f'<{permalink}>; rel="bookmark"',
    }
    if is_known(request, etag):
        return Response(status_code=304, headers=sent)
    for name, value in (headers or {}).items():
        sent[name] = f"{sent[name]}, {value}" if name in sent else value
    return Response(make(), headers=sent, media_type=media_type)


def format_of(request: Request, asked: DistrictParams) -> FileFormat | None:
    """The file that is asked for, by ``format`` or by ``Accept``; None for JSON."""
    if asked.format is not None:
        return None if asked.format == "json" else FileFormat(asked.format)
    for item in request.headers.get("accept", "").split(","):
        media_type = item.split(";")[0].strip().lower()
        if media_type in BY_MEDIA_TYPE:
            return BY_MEDIA_TYPE[media_type]
    return None


def page_answer(town: Town, districts: Districts, asked: DistrictParams) -> dict[str, Any]:
    """A page of zones, and the cursor of the next."""
    head = districts.release
    scope = (head.id, head.version, asked.level, asked.measures, asked.bbox)
    pager = Pager(town.cursor_secret, "districts", town.tenant_id, *map(str, scope))
    after = pager.read(asked.cursor)
    codes = districts.codes(asked.level)
    chosen = [codes[i] for i in within(districts, asked.level, asked.bbox)]
    rest = chosen[bisect_right(chosen, after) :]
    listed = rest[: asked.limit or PAGE]
    return {
        **release_answer(head),
        "level": asked.level,
        "districts": [zone_answer(districts, code, asked.measures) for code in listed],
        "next": pager.write(listed[-1]) if len(rest) > len(listed) else None,
    }


@router.get(
    PATH,
    name="list districts",
    summary="Figures of a level's zones, in pages of JSON or as one file",
    responses=ZONES,
    description="Files hold one row a zone and are described by `/v1/districts/metadata`, which "
    "their `Link` header names. The same query of the same release gives the same bytes.",
)
def page(request: Request, asking: Anyone, params: Annotated[DistrictParams, Query()]) -> Response:
    town = town_of(request, asking)
    districts = shelf_of(request).of(town.tenant_id, *which(params))
    format = format_of(request, params)
    asked = params.model_dump(exclude_defaults=True) | {"level": params.level}
    if format is None:
        permalink = pinned(districts, PATH, asked | {"format": "json"})
        return answered(
            request,
            districts,
            permalink,
            lambda: encoded(page_answer(town, districts, params) | {"permalink": permalink}),
        )
    if params.limit is not None or params.cursor is not None:
        raise InputError("limit and cursor are for JSON: a file holds every zone")
    asked |= {"format": format.value}
    metadata = pinned(districts, f"{PATH}/metadata", asked)
    name = f"districts-{districts.release.id}-{params.level}{format.suffix}"
    return answered(
        request,
        districts,
        pinned(districts, PATH, asked),
        lambda: file_of(districts, params.level, format, params.crs, params.measures, params.bbox)[
            0
        ],
        format.media_type,
        {
            "Link": f'<{metadata}>; rel="describedby"; type="{JSON}"',
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


@router.get(
    f"{PATH}/metadata",
    name="describe district file",
    summary="What a file of districts is: its hash, its columns, its release",
    responses=METADATA,
)
def metadata(
    request: Request, asking: Anyone, params: Annotated[DistrictFileParams, Query()]
) -> Response:
    districts = shelf_of(request).of(asking.tenant_id, *which(params))
    asked = params.model_dump(exclude_defaults=True)
    asked |= {"level": params.level, "format": params.format}
    format = FileFormat(params.format)

    def make() -> bytes:
        data, table = file_of(
            districts, params.level, format, params.crs, params.measures, params.bbox
        )
        return sidecar_of(districts, params.level, data, table, format, params.crs)

    return answered(request, districts, pinned(districts, f"{PATH}/metadata", asked), make)


@router.get(
    f"{PATH}/releases",
    name="list releases",
    summary="Every release and version, newest first, with all that it says of itself",
    response_model=ReleasesOut,
)
def releases(request: Request, asking: Anyone) -> dict[str, Any]:
    town = town_of(request, asking)
    return {"releases": [head_answer(head) for head in shelf_of(request).heads(town.tenant_id)]}


@router.post(
    f"{PATH}/union",
    name="unite districts",
    summary="Figures of any polygon, as the union of the whole H3 cells whose centre lies inside",
    responses={200: {"description": "Its figures.", "model": UnionOut}},
    openapi_extra=accepts(UnionBody, EXAMPLES),
    description="The cells' unthresholded figures are added up, and thresholded after.",
)
def union(
    request: Request,
    asking: Anyone,
    body: Annotated[UnionBody, Depends(JsonBody(UnionBody, MAX_BODY_ITEMS))],
) -> Response:
    town = town_of(request, asking)
    districts = shelf_of(request).of(town.tenant_id, *which(body))
    rows = districts.union(polygon_of(body.polygon, MAX_VERTICES))
    answer = release_answer(districts.release) | {"rows": rows_of(rows, body.measures)}
    return Response(encoded(answer), media_type=JSON)


@router.post(
    f"{PATH}/exact",
    name="count districts exactly",
    summary="Exact households by zone, for a town's own staff and a purpose that goes on record",
    responses={200: {"description": "Not to be published.", "model": ExactOut}},
    openapi_extra=accepts(ExactBody, EXACT_EXAMPLES),
    description="Counts under 11 are hidden, and so many others that no sum gives one away. Only "
    "of quarters that were released, one table each and by category, made when it is first asked "
    "for and kept: a table a day would tell who joined on which.",
)
def exact(
    request: Request,
    asking: Planner,
    body: Annotated[ExactBody, Depends(JsonBody(ExactBody))],
) -> Response:
    town = town_of(request, asking)
    quarter = Quarter.parse(body.release)
    table = staff_table(town.store, town.tenant_id, quarter, body.category)
    # Who asked for what purpose is on record before anything is told.
    log.info(
        "exact table of %s, %s, category %s, for key %s; purpose: %s",
        town.tenant_id,
        quarter,
        body.category or "none",
        asking.key_id,
        ascii(body.purpose),
    )
    rows = [
        {
            "zone": zone,
            "level": level,
            "value": None if isnan(value) else round(value),
            "status": "hidden" if isnan(value) else "ok",
        }
        for zone, level, value in zip(table.zone, table.level, table.value.tolist(), strict=True)
    ]
    answer = {"release": body.release, "category": body.category, "purpose": body.purpose}
    return Response(encoded(answer | {"rows": rows}), media_type=JSON)


@router.get(
    f"{PATH}/{{code}}",
    name="get district",
    summary="Figures of one zone",
    responses=NOT_MODIFIED | {200: {"description": "The zone.", "model": DistrictOut}},
)
def get(
    request: Request,
    asking: Anyone,
    code: Annotated[Code, Path(description="Of an IRIS, commune or cell, and so on.")],
    params: Annotated[DistrictZoneParams, Query()],
) -> Response:
    town = town_of(request, asking)
    districts = shelf_of(request).of(town.tenant_id, *which(params))
    path = f"{PATH}/{code}"
    permalink = pinned(districts, path, params.model_dump(exclude_defaults=True))
    answer = district_answer(districts, code, params.measures) | {"permalink": permalink}
    return answered(request, districts, permalink, lambda: encoded(answer))
