"""`mitoyen serve`: the HTTP interface."""

import ipaddress
import os
import signal
import socket
import sys
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.commands.common import StoreOption, note, opened, the_tenant
from api.connections import Connection
from api.logs import log_config
from api.metrics import MULTIPROCESS
from api.settings import Settings
from geo.errors import InputError
from indexes.entities import ApiKey

__all__ = ["refuse_busy", "register", "serve"]

GRACE_S = 10
ALIVE_S = 60  # within that a worker says that it lives; to import everything may take long


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_busy(host: str, port: int) -> None:
    """Find out before the work, not after it, that somebody else listens there.

    Raises
    ------
    InputError
        If so, or if there is no such address on this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the server does: a port that was just left is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"can't serve on {host}, port {port}: {error.strerror}. "
                "--port N and --host ADDRESS take others"
            ) from error


def _any_key(settings: Settings) -> bool:
    """Whether the store holds a key; what it can't serve is said here, before a server starts."""
    with opened(settings.store or None) as store:
        if settings.tenant:
            the_tenant(store, settings.tenant)
        return any(store.count(ApiKey, tenant) for tenant in store.tenants())


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    store: StoreOption = None,
    tenant: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Whose public things are read without a key."),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Processes that answer; they share an index in memory.", min=1)
    ] = 1,
    log_format: Annotated[
        str | None, typer.Option(metavar="text|json", help="How the log looks.")
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT", help="What time it is for carpooling and writes, from here on."
        ),
    ] = None,
) -> None:
    """Serve the HTTP interface; on this machine only, unless told otherwise."""
    given = {
        "host": host,
        "port": port,
        "store": store,
        "tenant": tenant,
        "log_format": log_format,
        "now": now,
    }
    # Unlike `model_copy`, building anew checks; what is not given comes from the environment.
    settings = Settings.read(**{k: v for k, v in given.items() if v is not None})
    if not _any_key(settings) and not _is_loopback(settings.host):
        note("no key exists yet, so nobody beyond this machine gets an answer: mitoyen keys create")
    refuse_busy(settings.host, settings.port)
    if workers == 1:
        _run(create_app(settings), settings)
        return
    with TemporaryDirectory(prefix="mitoyen-metrics-") as folder:
        # Workers are processes begun anew: what they are told, they find in the environment.
        for name, value in settings.model_dump().items():
            if value is not None:
                os.environ[f"MITOYEN_{name.upper()}"] = str(value)
        os.environ[MULTIPROCESS] = folder
        _run("api.app:create_app", settings, workers=workers, factory=True)


def _run(app: FastAPI | str, settings: Settings, **more: Any) -> None:
    # Uvicorn drains, then sends itself the signal again: this one leaves in good order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,  # it prints query strings, and with them places
        proxy_headers=False,  # a client is whoever connects; behind a proxy, everybody has a key
        server_header=False,
        http=Connection,
        ws="none",
        log_config=log_config(settings.log_format),
        timeout_graceful_shutdown=GRACE_S,
        timeout_worker_healthcheck=ALIVE_S,
        **more,
    )


def register(app: typer.Typer) -> None:
    """Add ``serve`` to the command line."""
    app.command()(serve)
