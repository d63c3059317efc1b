"""`/healthz`, `/readyz` and `/`: whether the process lives, and whether it may be asked."""

from fastapi import APIRouter, Request

from api.answers import HealthOut, ReadyOut
from api.version import VERSION

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/healthz", name="health", summary="Tell that the process lives")
async def health() -> HealthOut:
    return HealthOut(version=VERSION)


@router.get("/readyz", name="ready", summary="Tell whether every town's index is loaded, else why")
def ready(request: Request) -> ReadyOut:
    ages = request.app.state.towns.ages()
    return ReadyOut(towns=len(ages), index_age_s=max(ages.values(), default=0.0))


@router.get("/", name="home", summary="Tell where to go from here")
async def home() -> dict[str, str]:
    return {"name": "mitoyen", "version": VERSION, "docs": "/docs", "openapi": "/openapi.json"}
