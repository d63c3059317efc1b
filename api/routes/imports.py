"""``POST /v1/import``: rows of NDJSON into the store, as ``mitoyen import`` does it."""

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from api.auth import Operator
from api.bodies import bounded_parts
from api.importing import KIND_NAMES, ImportReport, import_file
from api.importing.kinds import require_kind
from api.problems import MediaTypeError

__all__ = ["MAX_IMPORT_BYTES", "router"]

MAX_IMPORT_BYTES = 32 << 20
MAX_REJECTED = 1_000  # refused rows that an answer lists
MEDIA_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")

router = APIRouter(tags=["import"])


class RejectedRow(BaseModel):
    """A row that was refused, and why."""

    line: int
    field: str
    reason: str


class UsedColumns(BaseModel):
    """Which key of the rows became which field, and the keys left over."""

    used: dict[str, str]
    unused: list[str]


class ImportOut(BaseModel):
    """How an import went."""

    file: str
    kind: str
    read: int
    stored: int
    rejected: list[RejectedRow] = Field(max_length=MAX_REJECTED)
    rejected_count: int
    warnings: dict[str, int]
    columns: UsedColumns
    encoding: str
    resumed_at: int
    complete: bool = Field(description="False if a strict import stored nothing.")
    position: str = Field(description="What `near?after=` waits for; empty if nothing was stored.")
    seconds: float
    rows_per_s: int


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            MEDIA_TYPES[0]: {
                "schema": {"type": "string"},
                "examples": {
                    "merchants": {
                        "value": '{"id": "m1", "title": "Café", "lat": 43.2951, "lon": 5.374}\n'
                    }
                },
            }
        },
    }
}


@router.post(
    "/v1/import",
    name="import",
    summary="Import rows by id: new ones added, known ones replaced, bad ones told",
    response_model=ImportOut,
    openapi_extra=BODY,
)
async def import_rows(
    request: Request,
    response: Response,
    caller: Operator,
    kind: Annotated[
        str,
        Query(description="What the rows are.", json_schema_extra={"enum": list(KIND_NAMES)}),
    ],
    strict: Annotated[bool, Query(description="All or nothing.")] = False,
) -> dict[str, Any]:
    """Import rows by id, one JSON object or GeoJSON Feature a line, at most 32 MiB.

    New rows are added, known ones replaced, bad ones told with their line and left out.
    """
    require_kind(kind)
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise MediaTypeError(f"send {MEDIA_TYPES[0]}")
    # Nothing is stored of a body that is cut off or too long; nothing is held in memory but
    # one batch.
    with NamedTemporaryFile(suffix=".ndjson") as file:
        async for part in bounded_parts(request, MAX_IMPORT_BYTES):
            file.write(part)
        file.flush()
        store = request.app.state.towns.store
        report: ImportReport = await run_in_threadpool(
            import_file, store, caller.tenant_id, Path(file.name), kind, strict=strict
        )
    report.file = "body"
    if report.position:
        response.headers["Mitoyen-Position"] = report.position
    told = report.as_dict()
    return told | {"rejected": told["rejected"][:MAX_REJECTED]}
