"""What is asked of `/v1/districts`, and what it answers."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from api.answers import Output
from api.districts_files import WGS84
from api.schemas import Cursor, Input, Listed, Number, PolygonIn, Whole

__all__ = [
    "DISTRICT_BODIES",
    "Code",
    "DistrictFileParams",
    "DistrictOut",
    "DistrictParams",
    "DistrictZoneParams",
    "DistrictsOut",
    "ExactBody",
    "ExactOut",
    "ReleaseParams",
    "ReleasesOut",
    "UnionBody",
    "UnionOut",
]

MAX_MEASURES = 100
MAX_PAGE = 1_000

Level = Literal["iris", "quartier", "arrondissement", "commune", "cell"]
Crs = Literal["EPSG:4326", "EPSG:2154", "EPSG:5490", "EPSG:2972", "EPSG:2975", "EPSG:4471"]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9a-zA-Z]{3,16}$")]
ReleaseId = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}Q[1-4]$")]
MeasureName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,60}$")]
Measures = Annotated[list[MeasureName], Field(max_length=MAX_MEASURES), Listed]
Degrees = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False), Number]


def _box(value: list[float]) -> list[float]:
    if value[0] > value[2] or value[1] > value[3]:
        raise PydanticCustomError(
            "invalid-bbox", "bbox is west, south, east, north; none crosses the antimeridian"
        )
    return value


class ReleaseParams(Input):
    """Which release."""

    release: ReleaseId | None = Field(
        None, examples=["2026Q3"], description="A quarter; by default the newest release."
    )
    version: Annotated[int, Field(ge=1, le=1_000), Whole] | None = Field(
        None, description="Version of the release; by default its last, over the newest zones."
    )
    vintage: Annotated[int, Field(ge=1_900, le=9_999), Whole] | None = Field(
        None,
        examples=[2024],
        description="Year of the zones, of those that the release is told over; by default the "
        "newest.",
    )


class DistrictZoneParams(ReleaseParams):
    """Which figures of a zone."""

    measures: Measures = Field([], description="Which measures; all by default.")


class ZonesParams(DistrictZoneParams):
    """Which zones and figures of a release."""

    level: Level = Field("iris", description="Which kind of zones.")
    bbox: (
        Annotated[list[Degrees], Field(min_length=4, max_length=4), Listed, AfterValidator(_box)]
        | None
    ) = Field(None, description="West, south, east, north in degrees: zones that meet this box.")
    crs: Crs = Field(WGS84, description="Of a file's outlines; 2154 is Lambert-93.")


class DistrictParams(ZonesParams):
    """Which zones and figures: pages of JSON, or one file."""

    format: Literal["json", "csv", "csv2", "geojson", "gpkg", "geoparquet"] | None = Field(
        None,
        description="By default what `Accept` names, else json; "
        "csv2 has semicolons and decimal commas.",
    )
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE), Whole] | None = Field(
        None, description="Zones on a page of JSON, 100 by default; a file has them all."
    )
    cursor: Cursor | None = Field(None, description="`next` of the page before, of JSON.")


class DistrictFileParams(ZonesParams):
    """Which file is told about."""

    format: Literal["csv", "csv2", "geojson", "gpkg", "geoparquet"] = Field(
        "csv", description="As the file was asked for."
    )


class UnionBody(ReleaseParams):
    """A polygon, answered as the union of the whole H3 cells whose centre lies inside."""

    polygon: PolygonIn = Field(description="At most 10,000 vertices.")
    measures: Annotated[list[MeasureName], Field(max_length=MAX_MEASURES)] = Field(
        [], description="Which measures; all by default."
    )


# One line with something in it. Spelled out: `\s` and `\S` differ between dialects of regex.
ONE_LINE = (
    r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"
    r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]"
    r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
)


class ExactBody(Input):
    """Which exact table a town's own staff asks for, and what for."""

    release: ReleaseId = Field(description="A quarter that was released.")
    category: Annotated[str, StringConstraints(pattern=r"^[a-z]{1,40}$")] | None = Field(
        None, description="Households that offer something in it; by default those registered."
    )
    purpose: Annotated[str, StringConstraints(min_length=10, max_length=300, pattern=ONE_LINE)] = (
        Field(description="What the figures are needed for, in one line: it goes on record.")
    )


DISTRICT_BODIES: tuple[type[Input], ...] = (ExactBody, UnionBody)


class FigureOut(Output):
    """One published figure."""

    zone: str
    level: str
    measure: str
    category: str = Field(description="Empty where the measure has none.")
    value: float | None = Field(description="Null unless the status is ok.")
    lower: float | None
    upper: float | None
    status: Literal["ok", "merged", "hidden", "zero", "unknown"]
    parent: str | None = Field(description="The zone that carries a merged figure.")
    denominator: float | None
    source: str
    vintage: int
    release: str


class ReleaseOut(Output):
    """Which release an answer is of, and what it has cost in privacy."""

    release: str
    version: int
    created_at: str
    vintage: int = Field(description="Year of its zones.")
    epsilon: dict[str, float] = Field(description="ε of a household and quarter, by family.")


class PermanentOut(ReleaseOut):
    """An answer that can be asked for again."""

    permalink: str = Field(description="The same answer, whatever is released later.")


class ZoneFiguresOut(Output):
    """A zone and its figures."""

    zone: str
    name: str
    level: str
    type: str | None = Field(description="H habitat, A activity, D other, Z commune; or null.")
    commune: str | None
    rows: list[FigureOut]


class DistrictOut(PermanentOut, ZoneFiguresOut):
    """One zone of a release."""


class DistrictsOut(PermanentOut):
    """A page of zones, in order of code."""

    level: str
    districts: list[ZoneFiguresOut]
    next: str | None = Field(None, description="Cursor of the next page; null on the last.")


class UnionOut(ReleaseOut):
    """A polygon's figures: those of the whole cells whose centre lies inside."""

    rows: list[FigureOut]


class ExactRowOut(Output):
    """An exact count of households, or that it is hidden."""

    zone: str
    level: str
    value: int | None
    status: Literal["ok", "hidden"]


class ExactOut(Output):
    """Exact counts for a town's own staff; not to be published."""

    release: str
    category: str | None
    purpose: str
    rows: list[ExactRowOut]


class ReleaseHeadOut(Output):
    """What a release says of itself."""

    release: str
    version: int
    created_at: str
    vintage: int
    head: dict[str, Any] = Field(description="ε, thresholds, goals, sources, shares visible.")


class ReleasesOut(Output):
    """Every release and version, newest first."""

    releases: list[ReleaseHeadOut]
