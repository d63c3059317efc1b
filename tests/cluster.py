"""PostGIS for tests and benchmarks: a private server, and empty databases on it.

The server is, in order: the one ``MITOYEN_TEST_DSN`` names; a throw-away cluster from the
installed PostgreSQL; the same from packages unpacked under ``.venv/postgis`` (``.ci/postgis``
gets either). A throw-away cluster listens on a socket only, never runs as root and doesn't
outlive the process that asked for it, however that one ends.
"""

import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

__all__ = ["PostgisMissingError", "Server", "postgis_server"]

UNPACKED = Path(__file__).resolve().parents[1] / ".venv" / "postgis"


class PostgisMissingError(Exception):
    """No PostGIS can be had here."""


@dataclass(frozen=True)
class Server:
    """A server on which databases may be made; ``template`` is an empty one with PostGIS.

    ``restart`` breaks all connections off at once, as a crash does, and returns when the
    server is up again; None for a server that is not ours.
    """

    dsn: str
    template: str
    restart: Callable[[], None] | None = None

    @contextmanager
    def database(self) -> Iterator[str]:
        """DSN of a database of one's own: empty but for PostGIS, and dropped afterwards."""
        with _database(self.dsn, self.template) as name:
            yield _dsn_of(self.dsn, name)


@contextmanager
def postgis_server(*, durable: bool = False) -> Iterator[Server]:
    """A PostGIS server for the time of a ``with``.

    Parameters
    ----------
    durable : bool
        Whether a throw-away cluster waits for the disk at each commit, as a real one does.

    Raises
    ------
    PostgisMissingError
        If none is named, installed or unpacked.
    """
    named = os.environ.get("MITOYEN_TEST_DSN")
    if named:
        with _with_template(named) as server:
            yield server
    else:
        with _cluster(_binaries(), durable) as (dsn, restart), _with_template(dsn) as server:
            yield replace(server, restart=restart)


@contextmanager
def _with_template(dsn: str) -> Iterator[Server]:
    with _database(dsn, "template1") as template:
        with psycopg.connect(_dsn_of(dsn, template), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        yield Server(dsn, template)


@contextmanager
def _database(dsn: str, template: str) -> Iterator[str]:
    name = f"mitoyen_test_{uuid.uuid4().hex}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield name
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _dsn_of(dsn: str, database: str) -> str:
    return make_url(dsn).set(database=database).render_as_string(hide_password=False)


def _binaries() -> Path:
    """Folder of a PostgreSQL server that has PostGIS; the newest version wins."""
    for root in (Path("/"), UNPACKED):
        found = [
            folder
            for folder in root.glob("usr/lib/postgresql/*/bin")
            if (folder / "initdb").exists()
            and (
                root / "usr/share/postgresql" / folder.parent.name / "extension/postgis.control"
            ).exists()
        ]
        if found:
            return max(found, key=lambda folder: float(folder.parent.name))
    raise PostgisMissingError(
        "no PostgreSQL with PostGIS: `./run test` installs it, or set MITOYEN_TEST_DSN"
    )


# The guard waits for its standard input to close, which the kernel does even if we are killed.
GUARD = 'cat >/dev/null; "$1/pg_ctl" -D "$2/data" -m immediate stop; rm -rf "$2"'


@contextmanager
def _cluster(binaries: Path, durable: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    # Not pytest's tmp_path: another user can't enter it, and a socket's path is 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="mitoyen-", dir="/tmp"))
    options: dict[str, Any] = {"cwd": folder, "env": _environment(binaries)}
    if os.geteuid() == 0:  # PostgreSQL refuses root
        account = _account()
        shutil.chown(folder, account.pw_uid, account.pw_gid)
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    guard = subprocess.Popen(
        ["sh", "-c", GUARD, "guard", str(binaries), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **options,
    )
    settings = f"-k {folder} -p 5432 -c listen_addresses="
    if not durable:
        settings += " -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
        # A change waits for all that began before it, in any database: of the server's own too.
        settings += " -c autovacuum=off"
    try:
        for command in (
            "initdb -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync",
            f"pg_ctl -D data -w -l log -o '{settings}' start",
        ):
            _run(binaries, command, folder, options)
        dsn = f"postgresql://postgres@/postgres?host={folder}&port=5432"
        restart = "pg_ctl -D data -w -l log -m immediate restart"
        yield dsn, lambda: _run(binaries, restart, folder, options)
    finally:
        guard.communicate()


def _run(binaries: Path, command: str, folder: Path, options: dict[str, Any]) -> None:
    program, *arguments = shlex.split(command)
    # Output goes to a file: the server would keep a pipe open for as long as it runs.
    with (folder / "output").open("w+") as output:
        done = subprocess.run(
            [binaries / program, *arguments], stdout=output, stderr=output, **options
        )
    if done.returncode:
        said = [path.read_text() for path in (folder / "output", folder / "log") if path.exists()]
        raise RuntimeError(f"{program} failed:\n{''.join(said)}")


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _environment(binaries: Path) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    if binaries.is_relative_to(UNPACKED):
        libraries = next((UNPACKED / "usr/lib").glob("*-linux-gnu*"))
        environment["LD_LIBRARY_PATH"] = ":".join(
            str(libraries / sub) for sub in ("", "blas", "lapack")
        )
        environment["PROJ_LIB"] = environment["PROJ_DATA"] = str(UNPACKED / "usr/share/proj")
    return environment
