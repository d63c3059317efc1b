"""Batches, marks and reports: interrupted, repeated, strict, on both stores."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.importing import ImportReport, import_file
from api.importing.table import CHUNK_ROWS
from geo.errors import StoreError
from geo.iris import read_contours
from indexes.entities import Building, CommuneCode, IrisCode, Listing, Tenant, Zone
from indexes.rules import Checked
from indexes.store import ImportMark, Position, Store, open_store

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real data beside the repository")

BAD_EVERY = 1_000  # so a whole batch has five bad rows
IMPORT = """
import sys
from pathlib import Path
from api.importing import import_file
from indexes.store import open_store

class Endless:  # a store that waits, at its last batch, to be killed
    def __init__(self, store):
        self.store, self.batches = store, 0

    def put_columns(self, *args):
        self.batches += 1
        if self.batches == 6:
            sys.stdin.read()
        return self.store.put_columns(*args)

    def __getattr__(self, name):
        return getattr(self.store, name)

import_file(Endless(open_store(sys.argv[1])), "t", Path(sys.argv[2]), "merchant")
"""


@pytest.fixture(params=["sqlite", "postgis"])
def dsn(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgis":
        return str(request.getfixturevalue("postgis_dsn"))
    return str(tmp_path / "town.db")


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    opened = opened_store(dsn)
    yield opened
    opened.close()


def opened_store(dsn: str) -> Store:
    opened = open_store(dsn)
    opened.put(Tenant(tenant_id="t", id="t", name="Ville"))
    return opened


def write_csv(path: Path, rows: int) -> Path:
    with path.open("w") as file:
        file.write("id,title,lon,lat,published_at\n")
        for i in range(rows):
            lat = 991 if i % BAD_EVERY == 7 else 43.2 + i % 1_000 * 1e-4
            file.write(f"m{i:07d},Boutique {i},{5.3 + i % 777 * 1e-4:.4f},{lat:.4f},2025-01-01\n")
    return path


def everything(store: Store, of: type[Listing | Building] = Listing) -> list[object]:
    return list(store.page(of, "t", limit=1_000_000))


def without_time(report: ImportReport) -> dict[str, object]:
    told = report.as_dict()
    for name in ("seconds", "rows_per_s", "position", "resumed_at"):
        del told[name]
    return told


class Failing:
    """A store that fails at its n-th batch."""

    def __init__(self, store: Store, batches: int) -> None:
        self._store, self._left = store, batches

    def put_columns(self, records: Checked, mark: ImportMark | None = None) -> Position:
        self._left -= 1
        if self._left < 0:
            raise StoreError("the disk is full")
        return self._store.put_columns(records, mark)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_an_import_killed_in_the_middle_leaves_whole_batches_and_resumes_to_the_same_end(
    dsn: str, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "rows.csv", 6 * CHUNK_ROWS)
    store = opened_store(dsn)
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORT, dsn, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
    )
    try:
        while process.poll() is None and store.count(Listing, "t") == 0:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = store.count(Listing, "t")
    batch = CHUNK_ROWS - CHUNK_ROWS // BAD_EVERY
    assert 0 < left < 6 * batch, "it ended by itself"
    assert left % batch == 0

    resumed = import_file(store, "t", path, "merchant")
    assert resumed.resumed_at == left // batch * CHUNK_ROWS
    again = import_file(store, "t", path, "merchant")
    assert again.resumed_at == 0
    clean_store = opened_store(str(tmp_path / "clean.db"))
    clean = import_file(clean_store, "t", path, "merchant")
    assert everything(store) == everything(clean_store)
    assert without_time(resumed) == without_time(again) == without_time(clean)
    assert len(clean.rejected) == clean.rejected_count == 30
    clean_store.close()
    store.close()


def test_a_store_that_fails_keeps_the_batches_before(store: Store, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", 3 * CHUNK_ROWS)
    with pytest.raises(StoreError, match="disk is full"):
        import_file(Failing(store, 2), "t", path, "merchant")  # type: ignore[arg-type]
    assert store.count(Listing, "t") == 2 * (CHUNK_ROWS - CHUNK_ROWS // BAD_EVERY)
    assert import_file(store, "t", path, "merchant").resumed_at == 2 * CHUNK_ROWS
    assert store.count(Listing, "t") == 3 * (CHUNK_ROWS - CHUNK_ROWS // BAD_EVERY)


def test_another_file_kind_or_mapping_does_not_take_up_the_mark(
    store: Store, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "rows.csv", 2 * CHUNK_ROWS)
    with pytest.raises(StoreError):
        import_file(Failing(store, 1), "t", path, "merchant")  # type: ignore[arg-type]
    assert import_file(store, "t", path, "place").resumed_at == 0
    mapped = import_file(store, "t", path, "merchant", columns={"text": "published_at"})
    assert mapped.resumed_at == 0
    other = tmp_path / "other.csv"
    other.write_text(path.read_text() + "\n")
    assert import_file(store, "t", other, "merchant").resumed_at == 0
    assert import_file(store, "t", path, "merchant").resumed_at == CHUNK_ROWS


def test_importing_twice_changes_nothing_and_new_values_replace(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,title,lon,lat\na,A,5.4,43.3\nb,B,5.4,43.4\n")
    import_file(store, "t", path, "place")
    before, position = everything(store), store.position()
    import_file(store, "t", path, "place")
    assert everything(store) == before
    assert store.changes(position) == []
    path.write_text("id,title,lon,lat\nb,Bis,5.4,43.4\n")
    import_file(store, "t", path, "place")
    was = store.get(Listing, "t", "b")
    assert was.title == "Bis"
    assert everything(store) == [before[0], replace(was, title="Bis")]


def test_a_strict_import_is_all_or_nothing(store: Store, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", CHUNK_ROWS + 100)
    report = import_file(store, "t", path, "merchant", strict=True)
    assert (report.stored, report.rejected_count, report.complete) == (0, 6, False)
    assert store.count(Listing, "t") == 0
    path.write_text("\n".join(x for x in path.read_text().split("\n") if ",991.0000" not in x))
    report = import_file(store, "t", path, "merchant", strict=True)
    assert report.complete
    assert report.stored == store.count(Listing, "t") == CHUNK_ROWS + 94


def test_a_dry_run_stores_nothing(store: Store, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", 100)
    report = import_file(store, "t", path, "merchant", dry_run=True)
    assert (report.read, report.stored, report.rejected_count) == (100, 0, 1)
    assert store.count(Listing, "t") == 0


def test_an_id_twice_in_a_file_keeps_the_first_across_batches(store: Store, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", CHUNK_ROWS + 10)
    with path.open("a") as file:
        file.write("m0000000,Encore,5.4,43.3,2025-01-01\nm0000007,Corrigé,5.4,43.3,2025-01-01\n")
    report = import_file(store, "t", path, "merchant")
    last = report.rejected[-1]
    assert (last.line, last.field, str(last)) == (CHUNK_ROWS + 12, "id", "already on line 2")
    assert store.get(Listing, "t", "m0000000").title == "Boutique 0"
    # Its first appearance was refused for its latitude: the second one is the only one.
    assert store.get(Listing, "t", "m0000007").title == "Corrigé"


@needs_data
def test_the_files_of_marseille_are_taken_whole_and_what_is_odd_is_counted(tmp_path: Path) -> None:
    store = opened_store(str(tmp_path / "town.db"))
    found = read_contours(DATA / "iris_zones_2020.parquet", None)
    columns = (found.codes, found.names, found.types, found.commune_codes, found.commune_names)
    store.put_zones(
        [
            Zone(
                tenant_id="t",
                code=IrisCode(code),
                vintage=found.vintage,
                name=name,
                type=type_,
                commune_code=CommuneCode(commune),
                commune_name=commune_name,
                geometry=geometry,
            )
            for code, name, type_, commune, commune_name, geometry in zip(
                *columns, found.geometries, strict=True
            )
        ]
    )
    odd = {}
    for name, kind, rows in (
        ("restaurants", "merchant", 503),
        ("events", "event", 337),
        ("landmarks", "place", 113),
        ("bathing_sites", "place", 27),
        ("streets", "building", 4155),
    ):
        report = import_file(store, "t", DATA / f"marseille_{name}.csv", kind)
        assert (report.read, report.stored, report.rejected) == (rows, rows, [])
        odd[name] = report.as_dict()["warnings"]
    assert odd == {
        "restaurants": {
            "address_is_empty": 2,
            "hours_kept_as_text": 478,
            "in_no_zone": 1,
            "near_a_zone_but_in_none": 7,
            "postcode_differs_from_point": 17,
            "same_point_as_an_earlier_row": 13,
        },
        "events": {
            "end_is_missing": 1,
            "postcode_differs_from_address": 39,
            "postcode_differs_from_point": 26,
            "same_point_and_name_as_an_earlier_row": 2,
        },
        "landmarks": {
            "in_no_zone": 2,
            "near_a_zone_but_in_none": 4,
            "outside_the_service_area": 1,
        },
        "bathing_sites": {
            "address_is_empty": 22,
            "near_a_zone_but_in_none": 6,
            "same_point_as_an_earlier_row": 1,
        },
        "streets": {"near_a_zone_but_in_none": 10},
    }
    assert store.count(Listing, "t") == 503 + 337 + 113 + 27
    streets = store.page(Building, "t", limit=10_000)
    assert len(streets) == 4155
    assert {street.dwellings for street in streets} == {None}
    assert all(street.place is not None and street.place.zone for street in streets)
    store.close()


@needs_data
@pytest.mark.parametrize("suffix", ["geojson", "parquet"])
def test_lines_are_refused_one_by_one(tmp_path: Path, suffix: str) -> None:
    store = opened_store(str(tmp_path / "town.db"))
    report = import_file(store, "t", DATA / f"marseille_transit_lines.{suffix}", "place")
    assert (report.read, report.stored, report.rejected_count) == (98, 0, 98)
    assert "MultiLineString" in str(report.rejected[0])
    store.close()
