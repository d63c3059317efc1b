"""The application: settings in, an ASGI app out."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access import UNTRACED, AccessLog
from api.auth import KeyRing
from api.changes import Streams
from api.clock import clock_from
from api.covoiturage import PREFIX, covoiturage_app
from api.districts import Shelf
from api.docs import page_of
from api.fast import FastNear
from api.metrics import Metrics
from api.ogc import ogc_app
from api.ogc.asking import PREFIX as OGC
from api.openapi import document
from api.problems import install_problems
from api.settings import Settings
from api.towns import Towns
from api.trip_questions import prices_of
from api.version import VERSION
from indexes.store import open_store
from matching.towns.keeping import Keeper

__all__ = ["SWITCH_S", "create_app"]

# A search waits so long at most for a thread that reads changes or rebuilds an index. Python's
# own 5 ms are a hundred searches.
SWITCH_S = 0.0005

ROUTES = (
    "near",
    "near_batch",
    "recommendations",
    "listings",
    "buildings",
    "residences",
    "members",
    "endorsements",
    "blocks",
    "interactions",
    "ratings",
    "vouches",
    "verifications",
    "reports",
    "activity",
    "trips_match",
    "trips",
    "districts",
    "zones",
    "imports",
    "changes",
    "tenants",
    "health",
    "metrics",
)

DESCRIPTION = """
Who or what near me suits me, and can I trust it?

Coordinates are degrees (EPSG:4326) and always named `lat` and `lon`; distances are metres;
instants are RFC 3339 with an offset; H3 cells are hexadecimal text. Send a key as
`Authorization: Bearer KEY`; an app's key may act for a person with `Mitoyen-Member: ID`.
Every error is a problem document (RFC 9457) with a stable `code`.
"""


class OneLinePaths:
    """ASGI middleware: a line break in a path counts as any other control character.

    Starlette's patterns stop at one, and overlook it at the end: a path that ends with ``%0A``
    would name the same record as the one without.

    Parameters
    ----------
    app : ASGI application
        What answers, and refuses control characters in its own words.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "\n" in scope.get("path", ""):
            scope["path"] = scope["path"].replace("\n", "\0")
        await self.app(scope, receive, send)


async def named_once(request: Request) -> None:
    """Refuse query parameters that the operation doesn't have, or a single one repeated.

    What the operation has is what the OpenAPI document says of it.
    """
    operations = request.app.openapi()["paths"].get(request.scope["route"].path_format, {})
    operation: dict[str, Any] | None = operations.get(request.method.lower())
    if operation is None:  # no page of the document: it says itself what it doesn't take
        return
    known = {p["name"]: p["schema"] for p in operation.get("parameters", ()) if p["in"] == "query"}
    allowed = ", ".join(known) or "none"
    faults = []
    for name in request.query_params:
        if name not in known:
            # The name is the caller's own text, and not echoed.
            faults.append({"loc": ("query",), "msg": f"unknown parameter; known here: {allowed}"})
        elif known[name].get("type") != "array" and len(request.query_params.getlist(name)) > 1:
            faults.append({"loc": ("query", name), "msg": "given more than once"})
    if faults:
        raise RequestValidationError([{"type": "query", **fault} for fault in faults])


def create_app(settings: Settings | None = None) -> FastAPI:
    """The HTTP application. Its store is opened when it starts, and closed when it stops.

    Parameters
    ----------
    settings : Settings, optional
        By default read from the environment, now.

    Examples
    --------
    >>> app = create_app(Settings(store="town.db"))
    >>> sorted(app.openapi()["paths"])[:3]
    ['/', '/healthz', '/metrics']
    """
    chosen = settings or Settings.read()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sys.setswitchinterval(SWITCH_S)
        store = open_store(chosen.dsn, clock=app.state.clock)
        folder = chosen.snapshot_folder
        towns = Towns(
            store,
            chosen.tenant,
            None if folder is None else lambda id: Keeper(store, id, folder, chosen.dsn),
            app.state.clock,
            chosen.model_folder,
        )
        try:
            towns.start()
            app.state.towns = towns
            app.state.keys = KeyRing(store)
            app.state.shelf = Shelf(store, zones_of=lambda id: towns.town(id).outlines)
            with app.state.streams.ending_at_exit():
                yield
        finally:
            towns.close()
            store.close()

    app = FastAPI(
        title="Mitoyen",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's pages load script from elsewhere
        redoc_url=None,
        telemetry=UNTRACED,
        dependencies=[Depends(named_once)],
    )
    app.state.metrics = Metrics()
    app.state.streams = Streams()
    app.state.clock = clock_from(chosen.now)
    app.state.prices = prices_of(chosen)
    app.add_middleware(OneLinePaths)
    app.add_middleware(FastNear)
    app.add_middleware(AccessLog, metrics=app.state.metrics)
    install_problems(app)
    for name in ROUTES:
        app.include_router(import_module(f"api.routes.{name}").router)
    app.mount(PREFIX, covoiturage_app(chosen.operator, app.state.clock, app.state))
    app.mount(OGC, ogc_app(app.state))

    @app.get(OGC, include_in_schema=False)
    def ogc(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.url.replace(path=request.url.path + '/')}")

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(
            page_of(app.openapi(), str(request.base_url).rstrip("/")), headers=policy
        )

    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app
