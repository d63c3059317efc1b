"""``mitoyen import``: files of open data, or of one's own, into the store."""

import gc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from api.commands.common import (
    JsonOption,
    StoreOption,
    TenantOption,
    note,
    opened,
    print_json,
    print_table,
    the_tenant,
)
from api.importing import KIND_NAMES, ImportReport, import_file, rejects_file
from api.settings import Settings
from geo.errors import InputError, RowError
from indexes.store import Store

__all__ = ["register"]

FORMAT = "standard-covoiturage"
SHOWN = 10  # refused rows shown to people


def register(app: typer.Typer) -> None:
    """Add ``import`` to the command line."""
    app.command("import")(import_files)


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="CSV, GeoJSON, NDJSON, GeoParquet or GeoPackage, by its name."
        ),
    ],
    kind: Annotated[str, typer.Option(help=f"What the rows are: {', '.join(KIND_NAMES)}.")] = "",
    layout: Annotated[
        str,
        typer.Option("--format", help=f"{FORMAT}: a file of that standard's objects; no kind."),
    ] = "",
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="FIELD=COLUMN", help="Which column is a field; A+B joins two columns."
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="All or nothing, for each file.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at every row, store nothing.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Refused rows go here: .csv or .ndjson."),
    ] = None,
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import rows by id: new ones are added, known ones replaced, bad ones told and left out.

    A row that can't be taken never stops a file. Interrupted, the same command takes up where
    it was. It ends with 0 also if rows were refused; with 1 if a strict import refused one,
    or not one row could be stored. With --json: an object for one file, an array for several.
    """
    if layout not in ("", FORMAT):
        raise InputError(f"--format must be {FORMAT}, got {layout[:80]!r}")
    if bool(kind) is bool(layout):
        raise InputError(
            f"say what is imported: --kind, one of {', '.join(KIND_NAMES)}, or --format"
        )
    said = _said(columns or [])
    reports: list[ImportReport] = []
    console = Console(stderr=True)
    gc.freeze()
    gc.disable()  # rows make no cycles, and looking for them takes a fifth of the time
    try:
        with (
            opened(store) as kept,
            rejects_file(rejects) as note_reject,
            Progress(console=console, transient=True, disable=not console.is_terminal) as bars,
        ):
            tenant_id = the_tenant(kept, tenant)
            for path in files:
                bar = bars.add_task(path.name, total=1.0)
                told = partial(note_reject, path.name)
                if layout:
                    reports.append(_standard(kept, tenant_id, path, strict, dry_run, told))
                    continue
                report = import_file(
                    kept,
                    tenant_id,
                    path,
                    kind,
                    columns=said,
                    strict=strict,
                    dry_run=dry_run,
                    on_reject=told,
                    on_progress=partial(_advance, bars, bar),
                )
                reports.append(report)
    finally:  # a file that can't be read does not hide what became of those before it
        gc.enable()
        if reports:
            _show(reports, rejects, as_json, alone=len(files) == 1)
    if any(not r.complete or (r.read and not r.stored and not dry_run) for r in reports):
        raise typer.Exit(1)


def _standard(
    store: Store,
    tenant_id: str,
    path: Path,
    strict: bool,
    dry_run: bool,
    told: Callable[[RowError], None],
) -> ImportReport:
    # Half of the interface: only who loads such a file waits for its import.
    from api.covoiturage.loading import load_file

    operator = Settings.read().operator
    return load_file(
        store, tenant_id, path, operator=operator, strict=strict, dry_run=dry_run, on_reject=told
    )


def _advance(bars: Progress, bar: TaskID, done: float) -> None:
    bars.update(bar, completed=done)


def _said(pairs: list[str]) -> dict[str, str]:
    said: dict[str, str] = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise InputError(f"--map wants FIELD=COLUMN, got {pair[:80]!r}")
        said[field] = column
    return said


def _show(reports: list[ImportReport], rejects: Path | None, as_json: bool, *, alone: bool) -> None:
    if as_json:
        found: list[dict[str, Any]] = [report.as_dict() for report in reports]
        print_json(found[0] if alone else found)
        return
    print_table(
        "Import",
        ("file", "kind", "read", "stored", "refused", "seconds"),
        [
            (r.file, r.kind, *(f"{n:,}" for n in (r.read, r.stored, r.rejected_count)),
             f"{r.seconds:,.1f}")
            for r in reports
        ],
        range(2, 6),
    )  # fmt: skip
    for report in reports:
        told = report.as_dict()
        if told["warnings"]:
            odd = ", ".join(f"{name}: {n:,}" for name, n in told["warnings"].items())
            note(f"{report.file}: odd, but taken: {odd.replace('_', ' ')}")
        if report.encoding == "cp1252":
            note(f"{report.file}: not UTF-8, read as Windows-1252")
        if report.unused:
            note(f"{report.file}: columns not used: {', '.join(report.unused)}")
        if report.resumed_at:
            note(f"{report.file}: taken up after row {report.resumed_at}")
        if not report.complete:
            note(f"{report.file}: strict, so nothing was stored")
        if report.rejected:
            print_table(
                f"Refused of {report.file}",
                ("line", "field", "reason"),
                [(error.line, error.field, str(error)) for error in report.rejected[:SHOWN]],
            )
            if rejects is None and report.rejected_count > SHOWN:
                note(f"{report.rejected_count - SHOWN} more; --report FILE.csv lists all")
