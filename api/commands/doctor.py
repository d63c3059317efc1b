"""``mitoyen doctor``: what runs here, what is wrong with it, and what to do."""

import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from api.commands.common import JsonOption, StoreOption, note, print_json, print_table
from api.settings import Settings
from api.version import VERSION
from geo.errors import InputError, NotFoundError, SnapshotError, StoreError
from indexes.inspection import StoreReport, inspect_store
from indexes.store import file_of

__all__ = ["Check", "diagnose", "register"]

State = Literal["ok", "warning", "wrong"]

LIBRARIES = ("numba", "numpy", "h3", "shapely", "sqlalchemy", "psycopg", "pyarrow", "fastapi")
LOW_BYTES, FULL_BYTES = 1 << 30, 100 << 20
CLOCK_S = 5.0  # how far the clocks of two machines may be apart
SCARCE_SPACE = "make room: a store that can't grow refuses every write"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: how it is, what was found, and what to do about it."""

    name: str
    state: State
    found: str
    do: str = ""


def register(app: typer.Typer) -> None:
    """Add ``doctor`` to the command line."""
    app.command("doctor")(doctor)


def doctor(
    warm: Annotated[
        bool, typer.Option("--warm", help="Compile all kernels now, so that no start waits.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what runs here, what is wrong with it and what to do; code 1 if something is wrong.

    It makes no store, and changes none.
    """
    checks, told = diagnose(store, warm=warm)
    worst = "wrong" if any(c.state == "wrong" for c in checks) else "ok"
    if as_json:
        print_json({"healthy": worst == "ok", "checks": [asdict(c) for c in checks], **told})
    else:
        rows = [(c.name, c.state, c.found, c.do) for c in checks]
        print_table("mitoyen doctor", ("what", "state", "found", "what to do"), rows)
        note("Something is wrong: see above." if worst == "wrong" else "Nothing is wrong.")
    if worst == "wrong":
        raise typer.Exit(1)


def diagnose(dsn: str | None = None, *, warm: bool = False) -> tuple[list[Check], dict[str, Any]]:
    """Look at everything once.

    Parameters
    ----------
    dsn : str, optional
        The store; by default as the settings say.
    warm : bool
        Whether to compile the kernels instead of only looking for them.

    Returns
    -------
    list of Check
        In the order of the table.
    dict
        ``versions``, ``settings`` and ``store``, for programs.
    """
    versions = {"mitoyen": VERSION, "python": platform.python_version()} | dict(_libraries())
    told: dict[str, Any] = {"versions": versions, "settings": {}, "store": None}
    checks = [_versions(versions)]
    try:
        settings = Settings.read() if dsn is None else Settings.read(store=dsn)
    except InputError as error:
        checks.append(Check("settings", "wrong", str(error), "correct or unset that variable"))
        return checks, told
    label = label_of(settings.dsn)
    folder = settings.snapshot_folder
    told["settings"] = settings.model_dump() | {"store": label, "snapshots": str(folder or "")}
    shown = ", ".join(
        f"{name} {value}" for name, value in told["settings"].items() if value not in ("", None)
    )
    checks.append(Check("settings", "ok", shown))
    report, found = _store(settings.dsn, label)
    checks += found
    if report is not None:
        told["store"] = {"label": label, **asdict(report)}
        versions |= report.versions
    checks += [
        _snapshots(folder),
        _space(settings.dsn),
        _clock(report, datetime.now(UTC)),
        _kernels(warm),
    ]
    return checks, told


def label_of(dsn: str) -> str:
    """Which store a DSN names, without a password.

    Examples
    --------
    >>> label_of("postgresql://app:secret@db.example/town?sslpassword=secret")
    'postgresql://db.example/town'
    """
    if not _is_database(dsn):
        return str(Path(dsn).expanduser())
    scheme, _, rest = dsn.partition("://")
    place = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{place}"


def _is_database(dsn: str) -> bool:
    return "://" in dsn


def _libraries() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "missing"


def _versions(versions: dict[str, str]) -> Check:
    shown = ", ".join(f"{name} {found}" for name, found in versions.items())
    if "missing" in versions.values():
        return Check("versions", "wrong", shown, "install the project again: ./run makes .venv")
    return Check("versions", "ok", shown)


def _store(dsn: str, label: str) -> tuple[StoreReport | None, list[Check]]:
    do = "name another: --store or MITOYEN_STORE"
    try:
        path = file_of(dsn)
        if path is None:
            do = "see that the server runs, listens there and knows this user: pg_isready, its log"
            report = inspect_store(dsn)
        else:
            path = path.expanduser()
            if not path.exists():
                do = "nothing: the first import, sample or serve makes it"
                return None, [Check("store", "warning", f"none yet at {label}", do)]
            do = "see that this is the right file; a damaged one: mitoyen restore from a backup"
            report = inspect_store(str(path))
    except StoreError as error:
        return None, [Check("store", "wrong", str(error), do)]
    return report, [*_contents(report, label)]


def _contents(report: StoreReport, label: str) -> Iterator[Check]:
    size = f"{report.kind}, {report.size_bytes / 1e6:,.1f} MB, {label}"
    if report.faults:
        do = "stop writing to it; mitoyen backup what can be read, or restore the last backup"
        yield Check("store", "wrong", f"{size}: damaged: {'; '.join(report.faults)}", do)
    else:
        yield Check("store", "ok", size)
    if report.kind == "postgis" and "postgis" not in report.versions:
        do = "install PostGIS on the server; CREATE EXTENSION postgis comes by itself if allowed"
        yield Check("postgis", "wrong", "the database has no PostGIS", do)
    yield _schema(report)
    counts = ", ".join(f"{n:,} {name}" for name, n in report.counts.items() if n)
    if not report.tenants:
        if report.schema and report.schema <= report.newest:
            yield Check("tenants", "ok", "none yet")
    else:
        yield Check("tenants", "ok", f"{len(report.tenants)}: {', '.join(report.tenants[:10])}")
        yield Check("records", "ok", counts)


def _schema(report: StoreReport) -> Check:
    if report.schema == report.newest:
        return Check("schema", "ok", report.schema)
    if not report.schema:
        return Check("schema", "warning", "no tables yet", "nothing: the first use makes them")
    found = f"{report.schema}; this version knows {report.newest}"
    if report.schema > report.newest:
        return Check("schema", "wrong", found, "install the newer version that wrote the store")
    return Check("schema", "warning", found, "mitoyen backup it; the next use brings it up to date")


def _snapshots(folder: Path | None) -> Check:
    """The files that servers start from: whether they could, and how old the files are."""
    if folder is None:
        do = "nothing; unset MITOYEN_SNAPSHOTS to start quicker"
        return Check("snapshots", "ok", "none kept, as told", do)
    try:
        files = sorted(folder.glob("*.town")) if folder.exists() else []
        if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK)):
            do = "let this user write there, or name another folder: MITOYEN_SNAPSHOTS"
            return Check("snapshots", "warning", f"{folder} can't be written to", do)
        if not files:
            return Check("snapshots", "ok", f"none yet at {folder}")
        found = [file.stat() for file in files]
        faults = list(_faults(files))
    except OSError as error:
        return Check("snapshots", "warning", f"{folder}: {error.strerror}", "see who may read it")
    hours = (datetime.now(UTC).timestamp() - min(one.st_mtime for one in found)) / 3600
    size = sum(one.st_size for one in found) / 1e6
    told = f"{len(files)} at {folder}, {size:,.1f} MB, the oldest written {hours:.1f} h ago"
    if faults:
        do = "nothing: a start reads the store instead, and writes it anew"
        return Check("snapshots", "warning", f"{told}; {len(faults)} refused: {faults[0]}", do)
    return Check("snapshots", "ok", told)


def _faults(files: Sequence[Path]) -> Iterator[str]:
    from matching.towns.saved import check_file  # loads numba: only where there is a file

    for file in files:
        try:
            check_file(file)
        except NotFoundError:
            continue  # another one took its place just now
        except SnapshotError as error:
            yield str(error)


def _space(dsn: str) -> Check:
    """Room where the store grows; temporary files and backups matter less."""
    folder = Path.cwd() if _is_database(dsn) else Path(dsn).expanduser().parent
    while not folder.exists():
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("disk", "warning", f"{folder}: {error.strerror}", "see whether it is mounted")
    found = f"{free / 1e9:,.1f} GB free at {folder}"
    if free < FULL_BYTES:
        return Check("disk", "wrong", found, SCARCE_SPACE)
    if not _is_database(dsn) and not os.access(folder, os.W_OK):
        do = "let this user write there, or name another store: MITOYEN_STORE"
        return Check("disk", "wrong", f"{folder} can't be written to", do)
    if free < LOW_BYTES:
        return Check("disk", "warning", found, SCARCE_SPACE)
    return Check("disk", "ok", found)


def _clock(report: StoreReport | None, now: datetime) -> Check:
    instant = now.isoformat(timespec="seconds")
    do = "set the clock (timedatectl, chrony): what is open, valid or fresh goes by it"
    # Nothing is older than the program that looks at it.
    built = Path(__file__).stat().st_mtime
    if now.timestamp() < built - CLOCK_S:
        return Check("clock", "wrong", f"{instant}, before this program was installed", do)
    if report is not None and abs(report.clock_ahead_s) > CLOCK_S:
        found = f"{instant}; the database's is {report.clock_ahead_s:+.0f} s off"
        return Check("clock", "warning", found, do)
    return Check("clock", "ok", instant)


def _kernels(warm: bool) -> Check:
    from api import warming  # loads every kernel; all else here tells what is wrong without

    if warm:
        done = warming.warm()
        found = f"{done.compiled} compiled now, {done.kept} kept before, {done.seconds} s"
        return Check("kernels", "ok", found)
    missing = warming.unkept()
    if missing:
        found = f"not compiled yet: {', '.join(missing)}"
        return Check("kernels", "warning", found, "mitoyen doctor --warm, or the first start waits")
    return Check("kernels", "ok", "compiled, and kept")
