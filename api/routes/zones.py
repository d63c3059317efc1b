"""`/v1/zones` and `/v1/locate`: IRIS districts, and which one a point lies in."""

from typing import Annotated, Any

import shapely.geometry
from fastapi import APIRouter, Path, Query, Request

from api.answers import LocatedOut, ZoneFeatureOut, ZoneOut, zone_out
from api.auth import Anyone
from api.paging import Pager
from api.routes.records import missing, page_model, town_of
from api.schemas import LocateParams, VintageParams, ZoneCode, ZonePageParams
from api.towns import Town
from geo.arrays import rounded
from geo.cells import cell_to_text, point_to_cell
from indexes.entities import Zone
from indexes.placement import CELL_RESOLUTION

__all__ = ["router"]

router = APIRouter(tags=["zones"])


def zones_of(town: Town, vintage: int | None) -> tuple[Zone, ...]:
    """Zones of a vintage in order of code; the newest are at hand."""
    if vintage is None:
        return town.outlines.zones
    return tuple(town.store.zones(town.tenant_id, vintage))


@router.get(
    "/v1/zones",
    name="list zones",
    summary="List districts of a vintage, in order of code",
    response_model=page_model("zones", ZoneOut),
    response_model_exclude_none=True,
)
def page(
    request: Request, asking: Anyone, params: Annotated[ZonePageParams, Query()]
) -> dict[str, Any]:
    town = town_of(request, asking)
    pager = Pager(town.cursor_secret, "zones", town.tenant_id, str(params.vintage))
    after = pager.read(params.cursor)
    found = [zone for zone in zones_of(town, params.vintage) if zone.code > after]
    listed = found[: params.limit]
    return {
        "zones": [zone_out(zone, geometry=params.geometry) for zone in listed],
        "next": pager.write(listed[-1].code) if len(found) > params.limit else None,
    }


@router.get(
    "/v1/zones/{code}",
    name="get zone",
    summary="Read a district as a GeoJSON Feature",
    response_model=ZoneFeatureOut,
    response_model_exclude_none=True,
)
def get(
    request: Request,
    asking: Anyone,
    code: Annotated[ZoneCode, Path(description="IRIS code, nine characters.")],
    params: Annotated[VintageParams, Query()],
) -> ZoneFeatureOut:
    for zone in zones_of(town_of(request, asking), params.vintage):
        if zone.code == code:
            return ZoneFeatureOut(
                id=zone.code,
                geometry=shapely.geometry.mapping(zone.geometry),
                properties=zone_out(zone),
            )
    raise missing()


@router.get(
    "/v1/locate",
    name="locate",
    summary="Tell the district of a point",
    response_model=LocatedOut,
    response_model_exclude_none=True,
    description="A point on a border lies in the district of the lowest code; one within 300 m "
    "of a district, in the water say, gets the nearest, flagged.",
)
def locate(
    request: Request, asking: Anyone, params: Annotated[LocateParams, Query()]
) -> LocatedOut:
    outlines = town_of(request, asking).outlines
    outlines.refuse_swapped(params.lat, params.lon)
    origin = (rounded(params.lon), rounded(params.lat))
    zone, nearest = outlines.zone_at(origin)
    cell = cell_to_text(point_to_cell(origin, CELL_RESOLUTION))
    return LocatedOut(zone=zone_out(zone) if zone else None, nearest=nearest, cell=cell)
