"""Releases: what is published of a quarter, frozen. Reading one again gives the same bytes."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo.arrays import BoolArray
from geo.errors import InputError, NotFoundError, StoreError
from indexes.district_facts import Quarter

__all__ = [
    "BATCH",
    "LEVELS",
    "RELEASE_SCHEMA",
    "STATUSES",
    "VERSIONS",
    "DistrictSettings",
    "Release",
    "ReleaseHead",
    "chosen_release",
    "digest",
    "head_to_text",
    "require_release",
    "settings_from_text",
    "settings_to_text",
    "table_from_bytes",
    "table_to_bytes",
]

LEVELS = ("iris", "quartier", "arrondissement", "commune", "cell")
BATCH = 250_000  # rows of a release at a time
STATUSES = ("ok", "merged", "hidden", "zero", "unknown")

VERSIONS = range(1, 1_000_000)

# One row per zone, measure and category, sorted by level, zone, measure and category, bytewise.
RELEASE_SCHEMA = pa.schema(
    [
        pa.field("zone", pa.string(), nullable=False),
        pa.field("level", pa.string(), nullable=False),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),  # "" where the measure has none
        pa.field("value", pa.float64()),
        pa.field("lower", pa.float64()),
        pa.field("upper", pa.float64()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("parent", pa.string()),  # the zone that carries a merged one
        pa.field("denominator", pa.float64()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("vintage", pa.int32(), nullable=False),
        pa.field("release", pa.string(), nullable=False),
    ]
)
_KEY = ("level", "zone", "measure", "category")


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictSettings:
    """What a town has chosen for its releases to come.

    Attributes
    ----------
    tenant_id : str
        Whose.
    goals : tuple of float
        Shares of households that it aims at; empty where it has chosen none.
    epsilons : mapping of str to float
        ε by family of measures, of those that it has chosen.
    """

    tenant_id: str
    goals: tuple[float, ...] = ()
    epsilons: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReleaseHead:
    """What a release says of itself.

    Attributes
    ----------
    tenant_id : str
        Whose.
    id : str
        Its quarter, as ``2026Q3``.
    version : int
        1, 2, …: a correction is a version of its own.
    created_at : datetime
        When it was drawn, aware, whole seconds.
    vintage : int
        Of its zones.
    head : dict
        Plain JSON: ε by family and in all, thresholds, goals, sources, shares that stay visible.
    """

    tenant_id: str
    id: str
    version: int
    created_at: datetime
    vintage: int
    head: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Release(ReleaseHead):
    """A quarter's published figures: ``rows`` in `RELEASE_SCHEMA`."""

    rows: pa.Table


def chosen_release(
    heads: Sequence[ReleaseHead],
    id: str | None = None,
    version: int | None = None,
    vintage: int | None = None,
) -> ReleaseHead:
    """Which of a tenant's releases is meant.

    Parameters
    ----------
    heads : sequence of ReleaseHead
        Newest first.
    id : str, optional
        The newest quarter by default.
    version : int, optional
        By default the last, over the newest zones that the quarter is told by.
    vintage : int, optional
        Of the zones; by default the newest ones that it is told by.

    Raises
    ------
    NotFoundError
        If there is none, with code ``unknown-release``, or none over zones of that vintage, with
        code ``unknown-vintage``.
    """
    of_id = [head for head in heads if head.id == (heads[0].id if id is None else id)]
    found = [head for head in of_id if version in (None, head.version)]
    if not found:
        known = ", ".join(sorted({head.id for head in heads})) or "none yet"
        raise NotFoundError(f"no such release; known here: {known}", code="unknown-release")
    over = [head for head in found if vintage in (None, head.vintage)]
    if not over:
        known = " and ".join(str(year) for year in sorted({head.vintage for head in found}))
        raise NotFoundError(
            f"{found[0].id} is told over zones of {known}, not of {vintage}: a correction can tell "
            "it over any that are imported with census figures",
            code="unknown-vintage",
        )
    return max(over, key=lambda head: (head.vintage, head.version))


def require_release(release: Release) -> None:
    """Refuse a release that can't be kept.

    Raises
    ------
    InputError
        If a field is not what it must be, or the rows are of another schema or order.
    """
    Quarter.parse(release.id)
    if release.version not in VERSIONS:
        raise InputError(f"a release's version must be 1 or more, got {release.version}")
    if release.created_at.tzinfo is None:
        raise InputError("a release's instant must have a time zone or offset")
    rows = release.rows
    if not rows.schema.equals(RELEASE_SCHEMA):
        raise InputError("a release's rows must be in RELEASE_SCHEMA")
    for name, known in (("level", LEVELS), ("status", STATUSES)):
        if odd := set(rows[name].unique().to_pylist()).difference(known):
            raise InputError(f"no {name} {ascii(min(odd))[:40]}: wanted {', '.join(known)}")
    risen, tied = _steps(rows)
    if tied.any():
        raise InputError("a release has one row for each zone, measure and category")
    if not risen.all():
        raise InputError("a release's rows must be sorted by level, zone, measure and category")
    head_to_text(release.head)


def _steps(rows: pa.Table) -> tuple[BoolArray, BoolArray]:
    """Whether each row but the first comes after the one before it, and whether it is of one key.

    Neighbours are compared: sorting a country's rows would take as much memory again.
    """
    before, after = rows.slice(0, max(len(rows) - 1, 0)), rows.slice(1)
    risen, tied = np.zeros(len(after), np.bool_), np.ones(len(after), np.bool_)
    for name in _KEY:
        risen |= tied & pc.less(before[name], after[name]).to_numpy()
        tied &= pc.equal(before[name], after[name]).to_numpy()
    return risen, tied


def head_to_text(head: dict[str, Any]) -> str:
    """What a release says of itself as JSON, its keys in their order.

    Raises
    ------
    InputError
        If it holds what JSON can't say.
    """
    try:
        return json.dumps(head, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"a release's head must be plain JSON: {error}") from error


def settings_to_text(settings: DistrictSettings) -> str:
    """What a town has chosen, as JSON.

    Raises
    ------
    InputError
        If a number is none that JSON can say.
    """
    told = {"goals": list(settings.goals), "epsilons": dict(settings.epsilons)}
    try:
        return json.dumps(told, allow_nan=False)
    except ValueError as error:
        raise InputError("goals and ε must be finite numbers") from error


def settings_from_text(tenant_id: str, text: str) -> DistrictSettings:
    """The inverse of `settings_to_text`; of ``{}`` what holds where nothing is chosen."""
    told = json.loads(text)
    return DistrictSettings(
        tenant_id=tenant_id,
        goals=tuple(told.get("goals", ())),
        epsilons=told.get("epsilons", {}),
    )


def table_to_bytes(table: pa.Table) -> bytes:
    """A table as an Arrow file, compressed."""
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        # Batches of one size, and never a copy of the whole. Joined to nothing each is a fresh
        # copy: the same bytes, however the table was chunked.
        for start in range(0, max(len(table), 1), BATCH):
            part = table.slice(start, BATCH)
            writer.write_table(pa.concat_tables([part, part.slice(0, 0)]).combine_chunks())
    return sink.getvalue()  # its own bytes, no copy


def table_from_bytes(data: bytes, sha256: str) -> pa.Table:
    """The table that `table_to_bytes` wrote.

    Raises
    ------
    StoreError
        If the bytes are not those that were written.
    """
    if digest(data) != sha256:
        raise StoreError("what is stored of a release is damaged: restore a backup")
    return pa.ipc.open_file(pa.BufferReader(data)).read_all()


def digest(data: bytes) -> str:
    """The SHA-256 of bytes, as hex."""
    return hashlib.sha256(data).hexdigest()
