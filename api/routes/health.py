"""`/healthz`, `/readyz` and `/`: whether the process lives, and whether it may be asked."""

from fastapi import APIRouter, Request

from api.answers import HealthOut, ReadyOut
from api.towns import Towns
from api.version import VERSION

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/healthz", name="health", summary="Tell that the process lives")
async def health() -> HealthOut:
    return HealthOut(version=VERSION)


@router.get("/readyz", name="ready", summary="Tell whether every town's index is loaded, else why")
async def ready(request: Request) -> ReadyOut:
    # From memory alone: a store that is away makes nothing unready, its answers go on.
    towns: Towns = request.app.state.towns
    ages = towns.ages()
    return ReadyOut(
        towns=len(ages),
        index_age_s=max(ages.values(), default=0.0),
        store="up" if towns.store_up else "away",
    )


@router.get("/", name="home", summary="Tell where to go from here")
async def home() -> dict[str, str]:
    return {"name": "mitoyen", "version": VERSION, "docs": "/docs", "openapi": "/openapi.json"}
