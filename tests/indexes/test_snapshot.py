"""Snapshots come back as they were written, or not at all."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from waiting import PATIENCE_S

from geo.errors import NotFoundError, SnapshotError
from indexes.snapshot import open_snapshot, write_snapshot

ROOT = Path(__file__).parents[2]
SCHEMA = "points-1"

arrays = hnp.arrays(
    st.one_of(
        hnp.boolean_dtypes(),
        hnp.integer_dtypes(),
        hnp.unsigned_integer_dtypes(),
        hnp.floating_dtypes(),
        hnp.datetime64_dtypes(),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
rows = st.lists(
    st.fixed_dictionaries(
        {"id": words, "n": st.none() | st.integers(-(2**63), 2**63 - 1), "tags": st.lists(words)}
    ),
    max_size=20,
)
TABLE = pa.schema(
    [
        ("id", pa.large_string()),
        ("n", pa.int64()),
        ("tags", pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    ],
    metadata={"made": "by a test"},
)
tables = st.lists(rows, max_size=3).map(
    lambda chunks: pa.concat_tables(
        [TABLE.empty_table(), *(pa.Table.from_pylist(chunk, TABLE) for chunk in chunks)]
    )
)
sections = st.dictionaries(words, arrays | tables | st.binary(max_size=300), max_size=6)


def some_sections(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "blocks": rng.integers(-(2**31), 2**31, (50, 13), dtype=np.int32),
        "ids": pa.table({"id": [f"listing-{i}" for i in range(300)]}),
        "about": b"anything",
        "trust": rng.random(77),
    }


def assert_holds(path: Path, wanted: dict[str, Any], position: str) -> None:
    snapshot = open_snapshot(path, SCHEMA)
    assert snapshot.position == position
    assert snapshot.names == tuple(wanted)
    for name, section in wanted.items():
        if isinstance(section, bytes):
            assert snapshot.text(name) == section
        elif isinstance(section, pa.Table):
            got = snapshot.table(name)
            assert got.equals(section, check_metadata=True)
            got.validate(full=True)
        else:
            array = snapshot.array(name)
            assert (array.dtype, array.shape) == (section.dtype, section.shape)
            assert array.tobytes() == section.tobytes()
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert array.ctypes.data % 64 == 0 or not array.size


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "town.index"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sections, words)
def test_what_is_written_comes_back(path: Path, wanted: dict[str, Any], position: str) -> None:
    write_snapshot(path, wanted, schema=SCHEMA, position=position)
    assert_holds(path, wanted, position)


def test_arrays_in_any_order_of_memory_come_back_with_their_numbers(path: Path) -> None:
    grid = np.arange(24, dtype=">i4").reshape(2, 3, 4)
    wanted = {"fortran": np.asfortranarray(grid), "part": grid[:, ::2, 1:], "turned": grid.T}
    write_snapshot(path, wanted, schema=SCHEMA, position="1")
    snapshot = open_snapshot(path, SCHEMA)
    for name, array in wanted.items():
        assert snapshot.array(name).dtype == array.dtype
        np.testing.assert_array_equal(snapshot.array(name), array)


@pytest.mark.parametrize(
    "array", [np.array(["word"]), np.array([None]), np.zeros(2, [("a", "i4"), ("b", "f8")])]
)
def test_an_array_of_other_than_numbers_is_refused(path: Path, array: np.ndarray) -> None:
    with pytest.raises(SnapshotError, match="wanted numbers in section 'odd'"):
        write_snapshot(path, {"odd": array}, schema=SCHEMA, position="1")
    assert list(path.parent.iterdir()) == []


def test_a_section_is_asked_for_by_its_name_and_kind(path: Path) -> None:
    write_snapshot(path, some_sections(), schema=SCHEMA, position="1")
    snapshot = open_snapshot(path, SCHEMA)
    for ask in (snapshot.table, snapshot.text, snapshot.array):
        with pytest.raises(SnapshotError, match="has no"):
            ask("nothing")
    with pytest.raises(SnapshotError, match="has no table of the name 'blocks'"):
        snapshot.table("blocks")
    with pytest.raises(SnapshotError, match="has no array of the name 'ids'"):
        snapshot.array("ids")


def test_what_is_written_to_an_array_reaches_neither_the_file_nor_another_reader(
    path: Path,
) -> None:
    wanted = some_sections()
    write_snapshot(path, wanted, schema=SCHEMA, position="1")
    mine, other = (open_snapshot(path, SCHEMA).array("blocks") for _ in range(2))
    mine[:] = 0
    np.testing.assert_array_equal(other, wanted["blocks"])
    assert_holds(path, wanted, "1")


def test_arrays_and_tables_are_the_pages_of_the_file(path: Path) -> None:
    size = 3_000_000
    wanted = {
        "array": np.arange(size),
        "table": pa.table({"n": np.arange(size), "word": pa.array(["abc"] * size)}),
    }
    write_snapshot(path, wanted, schema=SCHEMA, position="1")
    snapshot = open_snapshot(path, SCHEMA)
    before = pa.total_allocated_bytes()
    array, table = snapshot.array("array"), snapshot.table("table")
    assert pa.total_allocated_bytes() - before < 100_000
    assert not array.flags.owndata
    del snapshot  # what was read keeps the map alive
    assert array[-1] == size - 1
    assert table["n"][size - 1].as_py() == size - 1
    if not Path("/proc/self/smaps").exists():
        pytest.skip("no /proc here to tell which pages are shared")
    pages = Path("/proc/self/smaps").read_text().split(str(path))[1].split("VmFlags")[0]
    fields = dict(line.split(":") for line in pages.splitlines()[1:] if ":" in line)
    assert int(fields["Private_Dirty"].split()[0]) == 0  # shared by whoever maps it


def test_it_is_for_its_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        write_snapshot(path, some_sections(), schema=SCHEMA, position="1")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


# -- refused -----------------------------------------------------------------------------------


def test_a_flipped_byte_is_never_missed(path: Path) -> None:
    write_snapshot(path, some_sections(), schema=SCHEMA, position="12")
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    head = np.arange(1_200)  # fields, digests and all of the JSON
    assert head.size < len(whole)
    places = np.concatenate([head, rng.choice(len(whole), 2_000, replace=False)])
    with path.open("r+b", buffering=0) as file:
        for place in places.tolist():
            os.pwrite(file.fileno(), bytes([whole[place] ^ int(rng.integers(1, 256))]), place)
            with pytest.raises(SnapshotError):
                open_snapshot(path, SCHEMA)
            os.pwrite(file.fileno(), whole[place : place + 1], place)
    assert_holds(path, some_sections(), "12")


def test_a_file_cut_short_or_grown_is_refused(path: Path) -> None:
    write_snapshot(path, some_sections(), schema=SCHEMA, position="12")
    whole = path.read_bytes()
    lengths = {*range(200), *range(0, len(whole), 97), len(whole) - 1}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotError):
            open_snapshot(path, SCHEMA)
    path.write_bytes(whole + b"\0")
    with pytest.raises(SnapshotError, match="bytes, got"):
        open_snapshot(path, SCHEMA)


def test_a_snapshot_of_another_schema_is_refused_by_name(path: Path) -> None:
    write_snapshot(path, some_sections(), schema="points-0", position="12")
    with pytest.raises(SnapshotError, match=r"wanted .* schema points-1, got schema points-0"):
        open_snapshot(path, SCHEMA)


def test_what_is_no_snapshot_is_refused(path: Path) -> None:
    for content in (b"", b"\0" * 5_000, b"SQLite format 3\0" * 300, b"MITOYEN\n"):
        path.write_bytes(content)
        with pytest.raises(SnapshotError, match="wanted a snapshot, got"):
            open_snapshot(path, SCHEMA)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SnapshotError):
        open_snapshot(path, SCHEMA)
    path.unlink()
    path.mkdir()
    with pytest.raises(SnapshotError):
        open_snapshot(path, SCHEMA)
    with pytest.raises(SnapshotError):
        write_snapshot(path, some_sections(), schema=SCHEMA, position="1")
    assert [left.name for left in path.parent.iterdir()] == [path.name]


def test_a_missing_file_is_told_from_a_bad_one(path: Path) -> None:
    with pytest.raises(NotFoundError):
        open_snapshot(path, SCHEMA)
    path.symlink_to(path.parent / "nowhere")
    with pytest.raises(NotFoundError):
        open_snapshot(path, SCHEMA)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may read and write everything; this test runs as somebody who may not."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    yield
    os.seteuid(user)


def test_without_permission_nothing_is_read_or_written(
    path: Path, request: pytest.FixtureRequest
) -> None:
    write_snapshot(path, some_sections(), schema=SCHEMA, position="1")
    path.chmod(0)
    path.parent.chmod(0o500)
    request.getfixturevalue("nobody")
    with pytest.raises(SnapshotError, match="Permission denied"):
        open_snapshot(path, SCHEMA)
    with pytest.raises(SnapshotError, match="Permission denied"):
        write_snapshot(path, some_sections(), schema=SCHEMA, position="2")


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_folder_that_is_none_is_refused(path: Path, folder: str) -> None:
    path.parent.joinpath("file").touch()
    with pytest.raises(SnapshotError):
        write_snapshot(path.parent / folder / "town", some_sections(), schema=SCHEMA, position="1")


# -- written whole or not at all ---------------------------------------------------------------

CHILD = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np, pyarrow as pa
from indexes.snapshot import write_snapshot

def write(number):
    sections = {
        "array": np.full(50_000, number),
        "table": pa.table({"n": np.full(50_000, number)}),
        "bytes": bytes([number % 256]) * 50_000,
    }
    write_snapshot(Path(sys.argv[1]), sections, schema="points-1", position=str(number))

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def child(path: Path, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + script, str(path)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def assert_of_one_piece(path: Path) -> int:
    snapshot = open_snapshot(path, SCHEMA)
    number = int(snapshot.position)
    assert (snapshot.array("array") == number).all()
    assert (snapshot.table("table")["n"].to_numpy() == number).all()
    assert snapshot.text("bytes") == bytes([number % 256]) * 50_000
    return number


def test_a_full_disk_leaves_the_old_snapshot_and_nothing_else(path: Path) -> None:
    """No file may grow beyond a limit: the system's own error, met at any part of a write."""
    done = child(
        path,
        """
from geo.errors import SnapshotError
write(1)
whole = Path(sys.argv[1]).stat().st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (0, 1, 500, whole // 3, whole // 2, whole - 50_001, whole - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write(2)
    except SnapshotError as error:
        print(error)
""",
    )
    told, failed = done.communicate(timeout=PATIENCE_S)
    assert (done.returncode, failed) == (0, "")
    assert told.splitlines() == ["the snapshot could not be written: File too large"] * 7
    assert assert_of_one_piece(path) == 1
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["hashlib.sha256", "os.pwrite", "os.fsync", "Path.replace"])
def test_death_at_any_step_leaves_the_old_snapshot(path: Path, step: str) -> None:
    done = child(path, f"import hashlib\nwrite(1)\n{step} = die\nwrite(2)\n")
    done.communicate(timeout=PATIENCE_S)
    assert done.returncode == -signal.SIGKILL
    assert assert_of_one_piece(path) == 1
    assert len(list(path.parent.iterdir())) == 2  # what the dead one left
    write_snapshot(path, some_sections(), schema=SCHEMA, position="3")
    assert list(path.parent.iterdir()) == [path]


def test_death_at_any_moment_leaves_a_whole_snapshot(path: Path) -> None:
    rng = np.random.default_rng(11)
    for _ in range(4):
        writer = child(
            path, "write(0)\nprint('begun', flush=True)\nfor n in range(1, 10**9): write(n)"
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        time.sleep(float(rng.uniform(0.05, 0.2)))
        for _ in range(20):
            assert_of_one_piece(path)
        writer.kill()
        writer.communicate()
        assert_of_one_piece(path)
    write_snapshot(path, some_sections(), schema=SCHEMA, position="3")
    assert list(path.parent.iterdir()) == [path]


def test_what_another_writer_is_at_is_left_alone(path: Path) -> None:
    dead, alive, others = (
        path.parent / name for name in (".town.index.a.new", ".town.index.b.new", ".city.c.new")
    )
    for left in (dead, alive, others):
        left.write_bytes(b"half")
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_snapshot(path, some_sections(), schema=SCHEMA, position="1")
    assert set(path.parent.iterdir()) == {path, alive, others}


def test_writers_in_many_threads_all_leave_a_whole_snapshot(path: Path) -> None:
    failures = []

    def write(number: int) -> None:
        try:
            for _ in range(10):
                write_snapshot(path, some_sections(number), schema=SCHEMA, position=str(number))
        except SnapshotError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    number = open_snapshot(path, SCHEMA).position
    assert_holds(path, some_sections(int(number)), number)
    assert list(path.parent.iterdir()) == [path]
