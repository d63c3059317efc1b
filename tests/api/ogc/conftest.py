"""A town with releases, asked in this process; and served on a port, for clients of their own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import ogc_town
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient
from waiting import until, until_ready

from api.app import create_app
from api.auth import digest_of
from api.settings import Settings
from indexes.entities import ApiKey, Scope, Tenant
from indexes.store import open_store
from matching.planning.outlines import Outlines

LOCAL = ("127.0.0.1", 50_000)
KEYS = {"planner": ogc_town.TENANT, "elsewhere": "south"}  # a town without a release


@dataclass
class Asked:
    """A request as it reached the server."""

    path: str
    params: dict[str, str]


@dataclass
class Town:
    """An app in this process, its zones, and what the server on a port was asked."""

    app: FastAPI
    outlines: Outlines
    client: TestClient
    log: list[Asked] = field(default_factory=list)

    def get(self, path: str, who: str | None = None, **params: Any) -> Any:
        headers = {} if who is None else {"Authorization": f"Bearer secret-of-{who}"}
        return self.client.get(f"/ogc{path}", params=params, headers=headers)

    def features(self, collection: str, **params: Any) -> list[dict[str, Any]]:
        answer = self.get(f"/collections/{collection}/items", limit=1000, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()["features"]

    def ids(self, collection: str, **params: Any) -> list[str]:
        return [feature["id"] for feature in self.features(collection, **params)]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):  # the fixture has started the app already
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
            return
        query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        self.log.append(Asked(scope["path"], dict(query)))
        await self.app(scope, receive, send)

    def asked(self, *, of: str) -> list[dict[str, str]]:
        """The parameters of each request for items since the log was cleared."""
        path = f"/ogc/collections/{of}/items"
        return [asked.params for asked in self.log if asked.path == path]


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    path: Path = tmp_path_factory.mktemp("ogc") / "town.db"
    store = open_store(path)
    outlines = ogc_town.fill(store)
    store.put(Tenant(tenant_id="south", id="south", name="Sud"))
    for who, tenant in KEYS.items():
        key = {"scopes": frozenset({Scope.PLANNER}), "secret_sha256": digest_of(f"secret-of-{who}")}
        store.put(ApiKey(tenant_id=tenant, id=f"key-{who}", name=who, **key))
    store.close()
    app = create_app(Settings(store=str(path), tenant=ogc_town.TENANT))
    with TestClient(app, client=LOCAL, raise_server_exceptions=False) as client:
        until_ready(client.get)
        yield Town(app, outlines, client)


@contextmanager
def on_a_port(app: Any) -> Iterator[str]:
    """Serve an app that has been started already, until the block ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_level="error", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/ogc"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def address(town: Town) -> Iterator[str]:
    """Where the town is served."""
    with on_a_port(town) as url:
        yield url
