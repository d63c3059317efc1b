"""A file -> the store, in batches that a later run can take up again."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from api.importing.area import ServiceArea
from api.importing.kinds import RecordKind, record_kind
from api.importing.mapping import Columns, match_columns
from api.importing.reading import open_table
from api.importing.report import ImportReport, source_of
from api.importing.rows import RowReader
from api.importing.table import Table
from geo.errors import RowError
from indexes.entities import Entity, Tenant
from indexes.rules import Checked, require
from indexes.store import ImportMark, Store

__all__ = ["import_file"]

PAGE = 10_000


def import_file(
    store: Store,
    tenant_id: str,
    path: Path,
    kind: str,
    *,
    columns: Mapping[str, str] | None = None,
    strict: bool = False,
    dry_run: bool = False,
    on_reject: Callable[[RowError], None] = lambda error: None,
    on_progress: Callable[[float], None] = lambda done: None,
) -> ImportReport:
    """Import the rows of one file: good ones are stored, bad ones are told.

    Parameters
    ----------
    store : Store
    tenant_id : str
        Whose records they become.
    path : Path
        CSV, GeoJSON, NDJSON, GeoParquet or GeoPackage, by the end of its name.
    kind : str
        One of `api.importing.kinds.KIND_NAMES`.
    columns : mapping of str to str, optional
        Field -> column; the rest is guessed.
    strict : bool
        All or nothing: one refused row, and nothing is stored. Everything is then written in
        one transaction, and held in memory for it.
    dry_run : bool
        Look at every row, and store nothing.
    on_reject : callable
        Takes each refused row, as a `RowError`.
    on_progress : callable
        Takes the share of the file that is done, 0 to 1.

    Returns
    -------
    ImportReport

    Raises
    ------
    LayoutError
        If the file, or the columns asked for, can't be read.
    InputError
        If the kind is unknown.
    StoreError
        If the store fails; whole batches before that are stored.

    Notes
    -----
    A batch is 5,000 rows of the file, written in one transaction with a mark of how far it
    came. The mark belongs to the file's content, kind and columns. A run that finds one left
    by an interrupted run reads and checks the rows before it again, without writing them, so
    that both the store and the report end up as from a run without interruption.
    """
    if kind == "trip":
        # What a trip is made of, and by: only who imports trips waits for it.
        from api.importing.trips import import_trips

        return import_trips(
            store,
            tenant_id,
            path,
            columns=columns,
            strict=strict,
            dry_run=dry_run,
            on_reject=on_reject,
            on_progress=on_progress,
        )
    started = time.monotonic()
    report = ImportReport(path.name.encode("utf-8", "replace").decode(), kind)
    found = record_kind(kind)
    tenant = store.get(Tenant, tenant_id, tenant_id)
    table = open_table(path)
    report.encoding = table.encoding.removesuffix("-sig")
    loading = _Loading(store, tenant, found, columns or {}, report, on_reject)
    if strict or dry_run:
        read = loading.batches(table, on_progress)
        batches = [batch for batch in read if batch is not None and not dry_run]
        report.complete = not (strict and report.rejected_count)
        if report.complete and batches:
            records = _joined(batches)
            report.position = str(store.put_columns(records))
            report.stored = len(records)
    else:
        _store_batches(store, tenant_id, path, loading, table, on_progress)
    report.seconds = time.monotonic() - started
    return report


def _store_batches(
    store: Store,
    tenant_id: str,
    path: Path,
    loading: "_Loading",
    table: Table,
    on_progress: Callable[[float], None],
) -> None:
    report = loading.report
    source = ""
    with ThreadPoolExecutor(1) as writer:  # one batch is written while the next one is read
        under_way: Future[object] | None = None
        for batch in loading.batches(table, on_progress):
            if batch is None:  # not one row so far, so the columns are not known
                continue
            if not source:
                source = source_of(path, report)
                mark = store.import_mark(tenant_id, source)
                report.resumed_at = mark.rows_done if mark and not mark.finished else 0
            if under_way is not None:
                under_way.result()
            if report.read > report.resumed_at:
                mark = ImportMark(tenant_id, source, report.read)
                under_way = writer.submit(store.put_columns, batch, mark)
            report.stored += len(batch)
        if under_way is not None:
            under_way.result()
    if source:
        done = ImportMark(tenant_id, source, report.read, finished=True)
        report.position = str(store.put_all([], done))


def _joined(batches: Sequence[Checked]) -> Checked:
    first = batches[0]
    parts = {name: [batch.columns[name] for batch in batches] for name in first.columns}
    return require(first.of, {name: list(chain.from_iterable(p)) for name, p in parts.items()})


class _Loading:
    """The rows of a file as batches of records, counted into a report on the way."""

    def __init__(
        self,
        store: Store,
        tenant: Tenant,
        kind: RecordKind,
        said: Mapping[str, str],
        report: ImportReport,
        on_reject: Callable[[RowError], None],
    ) -> None:
        self.report = report
        self._store, self._tenant, self._kind, self._said = store, tenant, kind, said
        self._on_reject = on_reject
        self._ids: dict[type[Entity], set[str]] = {}

    def batches(
        self, table: Table, on_progress: Callable[[float], None]
    ) -> Iterator[Checked | None]:
        """Records of each chunk, refused rows left out; None before the first row."""
        report = self.report
        reader: RowReader | None = None
        for chunk in table.chunks():
            if reader is None and chunk.lines:
                columns = match_columns(self._kind, chunk.names, self._said)
                report.used, report.unused = columns.described(), columns.unused
                reader = self._reader(columns, typed=table.typed)
            rows = reader.read(chunk) if reader else None
            report.read += chunk.read
            for error in rows.refused if rows else chunk.refused:
                report.reject(error)
                self._on_reject(error)
            if reader:
                report.warnings = reader.warnings
            yield rows.records if rows else None
            on_progress(table.done)

    def _reader(self, columns: Columns, *, typed: bool) -> RowReader:
        store, tenant = self._store, self._tenant
        area = ServiceArea(store.zones(tenant.tenant_id) if "lon" in self._kind.fields else [])
        now = datetime.now(UTC)
        return RowReader(self._kind, columns, tenant, area, self._is_stored, now, typed=typed)

    def _is_stored(self, of: type[Entity], id: str) -> bool:
        """Whether a record is stored; all ids of a class are read on the first question."""
        if of not in self._ids:
            self._ids[of] = set(self._all_ids(of))
        return id in self._ids[of]

    def _all_ids(self, of: type[Entity]) -> Iterable[str]:
        after = ""
        while page := self._store.page(of, self._tenant.tenant_id, after=after, limit=PAGE):
            yield from (record.id for record in page)
            after = page[-1].id
