"""Released figures for QGIS and other maps: OGC API Features and Tiles, under ``/ogc``.

Addresses, parameters and statuses are the standards', not those of the rest of the interface:
this is an application of its own, mounted into the other. It has an OpenAPI document of its own
as well, one of version 3.0 that names each collection's queryables: see ``/ogc/api``.
"""

from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Request, Response

from api.access import UNTRACED
from api.ogc import describing, features, tiling
from api.ogc.asking import PREFIX
from api.ogc.catalogue import Catalogue
from api.problems import install_problems, problem
from api.version import VERSION
from geo.errors import InputError

__all__ = ["PREFIX", "ogc_app"]

KEPT = 8  # releases whose features are kept in memory


def ogc_app(state: Any) -> FastAPI:
    """The application that serves releases to maps.

    Parameters
    ----------
    state : State
        Of the application that it is mounted into: its towns, keys and releases once it runs.
    """
    app = FastAPI(
        title="Mitoyen: districts",
        version=VERSION,
        redirect_slashes=False,
        openapi_url=None,  # whose collections it names depends on who asks
        docs_url=None,
        redoc_url=None,
        telemetry=UNTRACED,
    )
    state.catalogue = lru_cache(maxsize=KEPT)(Catalogue)
    app.state = state
    install_problems(app)

    @app.exception_handler(InputError)
    def refuse(request: Request, error: InputError) -> Response:
        return problem(request, 400, error.code, str(error))  # 422 is no status of the standards

    for part in (describing, features, tiling):
        app.include_router(part.router)
    return app
