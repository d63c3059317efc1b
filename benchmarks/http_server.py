"""One process, two apps over the same index: ours, and near me as FastAPI is usually written.

``/v1/near`` is the product's. ``/model/near`` is a plain FastAPI route of the same parameters,
the same keys and the same engine, that returns its response model. Both log and count alike.
"""

import sys
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import uvicorn
from fastapi import FastAPI, Query, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access import AccessLog
from api.answers import NearOut
from api.app import create_app
from api.auth import Anyone
from api.connections import Connection
from api.logs import log_config
from api.problems import install_problems, language_of
from api.questions import near_query
from api.routes.near import require_origin
from api.schemas import NearParams
from api.settings import Settings

__all__ = ["MODEL", "OURS", "main"]

OURS, MODEL = "/v1/near", "/model/near"


def idiomatic(ours: FastAPI) -> FastAPI:
    """Near me with a response model; it shares what the other app has opened."""
    app = FastAPI(docs_url=None, redoc_url=None)
    app.state = ours.state
    app.add_middleware(AccessLog, metrics=ours.state.metrics)
    install_problems(app)

    @app.get(MODEL, response_model_exclude_unset=True)
    async def near(
        request: Request, asking: Anyone, params: Annotated[NearParams, Query()]
    ) -> NearOut:
        town = request.app.state.towns.town(asking.tenant_id)
        query = near_query(params, now=datetime.now(UTC), lang=language_of(request))
        require_origin(town, asking, query)
        found = town.engine.near(asking.viewer, query)
        return NearOut.model_validate(msgspec.to_builtins(found, builtin_types=(datetime,)))

    return app


def both(store: str) -> ASGIApp:
    """The app that hands each request to the one of its path."""
    ours = create_app(Settings(store=store))
    model = idiomatic(ours)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (model if scope.get("path") == MODEL else ours)(scope, receive, send)

    return app


def main() -> None:
    store, port = sys.argv[1:]
    uvicorn.run(
        both(store),
        host="127.0.0.1",
        port=int(port),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        http=Connection,
        log_config=log_config("json"),
    )


if __name__ == "__main__":
    main()
