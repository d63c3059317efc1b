"""Files of named sections: written whole or not at all, checked, mapped into memory.

A snapshot spares a process that starts from reading a whole store. It is a cache: one that is
damaged, cut short or of another make is refused, and its owner builds anew from the store::

    magic | format | length of head | length of file | digest of body | digest of head
    head: JSON, what the sections are and where
    body: the sections, each from a multiple of 64 bytes on

The digests, SHA-256, find damage and not malice: who can write to the folder is trusted, and
files are for their owner's eyes. Nobody writes into a file once it has its name, so that any
number of processes can map it, and share its pages, while another one puts the next in place.
"""

import fcntl
import glob
import hashlib
import json
import mmap
import os
import stat
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geo.errors import NotFoundError, SnapshotError

__all__ = ["SnapshotFile", "open_snapshot", "write_snapshot"]

MAGIC = b"MITOYEN\n"
FORMAT = 1
ALIGNMENT = 64
FIELDS = struct.Struct("<8sIIQ32s")  # all of the first line but the head's own digest
DIGEST = 32
HEAD_AT = FIELDS.size + DIGEST
NUMBERS = "biufcmM"  # numpy's letters for what is numbers, true or false, or time

Array = npt.NDArray[Any]


class SnapshotFile:
    """An open snapshot; `open_snapshot` makes it.

    Attributes
    ----------
    position : str
        How far the feed had been read when it was made.
    names : tuple of str
        Its sections.
    """

    def __init__(self, pages: mmap.mmap, body_at: int, head: Mapping[str, Any]) -> None:
        self._pages = pages
        self._body_at = body_at
        self._sections: dict[str, dict[str, Any]] = {one["name"]: one for one in head["sections"]}
        self.position: str = head["position"]
        self.names = tuple(self._sections)

    def array(self, name: str) -> Array:
        """A section that is an array, on the pages of the file.

        It may be written to: what is written is this process's alone and never reaches the
        file. (Compiled kernels take a read-only array for another type.)

        Raises
        ------
        SnapshotError
            If there is no such array.
        """
        section = self._section(name, "array")
        at = self._body_at + section["offset"]
        return np.ndarray(section["shape"], section["dtype"], self._pages, at)

    def table(self, name: str) -> pa.Table:
        """A section that is a table, on the pages of the file.

        Raises
        ------
        SnapshotError
            If there is no such table.
        """
        return pa.ipc.open_stream(pa.py_buffer(self._view(name, "table"))).read_all()

    def text(self, name: str) -> bytes:
        """A section that is bytes.

        Raises
        ------
        SnapshotError
            If there are no such bytes.
        """
        return bytes(self._view(name, "bytes"))

    def _view(self, name: str, kind: str) -> memoryview:
        section = self._section(name, kind)
        at = self._body_at + section["offset"]
        return memoryview(self._pages)[at : at + section["length"]]

    def _section(self, name: str, kind: str) -> dict[str, Any]:
        section = self._sections.get(name)
        if section is None or section["kind"] != kind:
            raise SnapshotError(f"the snapshot has no {kind} of the name {name!r}")
        return section


def open_snapshot(path: Path, schema: str) -> SnapshotFile:
    """Check a snapshot from end to end, and map it.

    Parameters
    ----------
    path : Path
        A file of `write_snapshot`.
    schema : str
        What the sections must mean: what was said when it was written.

    Raises
    ------
    NotFoundError
        If there is no such file.
    SnapshotError
        If it is no snapshot, of another format or schema, cut short, damaged or unreadable.
    """
    pages = _map(path)
    fields = pages[: FIELDS.size]
    if len(pages) < HEAD_AT or not fields.startswith(MAGIC):
        raise SnapshotError(f"wanted a snapshot, got another file of {len(pages)} bytes")
    _, form, head_length, length, body_digest = FIELDS.unpack(fields)
    if form != FORMAT:
        raise SnapshotError(f"wanted a snapshot of format {FORMAT}, got format {form}")
    if length != len(pages):
        raise SnapshotError(f"wanted a snapshot of {length} bytes, got {len(pages)} of them")
    text = pages[HEAD_AT : HEAD_AT + head_length]
    if hashlib.sha256(fields + text).digest() != pages[FIELDS.size : HEAD_AT]:
        raise SnapshotError("the head of the snapshot is damaged")
    head = json.loads(text)
    if head["schema"] != schema:
        raise SnapshotError(f"wanted a snapshot of schema {schema}, got schema {head['schema']}")
    if _digest(pages, HEAD_AT + head_length) != body_digest:
        raise SnapshotError("the snapshot is damaged")
    return SnapshotFile(pages, HEAD_AT + head_length, head)


def write_snapshot(
    path: Path,
    sections: Mapping[str, bytes | Array | pa.Table],
    *,
    schema: str,
    position: str,
) -> None:
    """Write a snapshot, whole and lasting, in place of the one that was there.

    Other threads run meanwhile. If it fails, or the process dies, the old one stays.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    sections : mapping of str to bytes, ndarray or pyarrow.Table
        Arrays are of numbers, any shape.
    schema : str
        What the sections mean; change it with them, and older files are refused.
    position : str
        How far the feed had been read.

    Raises
    ------
    SnapshotError
        If it can't be written, or an array is not of numbers.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "town")
    ...     write_snapshot(path, {"rows": np.arange(3)}, schema="1", position="7")
    ...     snapshot = open_snapshot(path, schema="1")
    >>> snapshot.position, snapshot.array("rows")
    ('7', array([0, 1, 2]))
    """
    described: list[dict[str, Any]] = []
    at = 0
    for name, section in sections.items():
        at += -at % ALIGNMENT
        described.append({"name": name, "offset": at, **_described(name, section)})
        at += described[-1]["length"]
    text = json.dumps({"schema": schema, "position": position, "sections": described}).encode()
    text += b" " * (-(HEAD_AT + len(text)) % ALIGNMENT)
    body_at = HEAD_AT + len(text)
    try:
        with _written_aside(path) as (aside, descriptor):
            with pa.OSFile(str(aside), "wb") as sink:
                sink.write(bytes(body_at))
                for one, section in zip(described, sections.values(), strict=True):
                    sink.write(bytes(body_at + one["offset"] - sink.tell()))
                    _write(sink, section)
            with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as pages:
                fields = FIELDS.pack(MAGIC, FORMAT, len(text), len(pages), _digest(pages, body_at))
            os.pwrite(descriptor, fields + hashlib.sha256(fields + text).digest() + text, 0)
    except OSError as error:
        # Arrow's own errors have a number and other words.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SnapshotError(f"the snapshot could not be written: {reason}") from error


def _described(name: str, section: bytes | Array | pa.Table) -> dict[str, Any]:
    """What the head says of a section, but for where it is."""
    if isinstance(section, np.ndarray):
        if section.dtype.kind not in NUMBERS:
            raise SnapshotError(f"wanted numbers in section {name!r}, got {section.dtype}")
        return {
            "kind": "array",
            "length": section.nbytes,
            "dtype": section.dtype.str,
            "shape": section.shape,
        }
    if isinstance(section, pa.Table):
        counter = pa.MockOutputStream()  # counts, and copies nothing
        _write(counter, section)
        return {"kind": "table", "length": counter.size()}
    return {"kind": "bytes", "length": len(section)}


def _write(sink: pa.NativeFile, section: bytes | Array | pa.Table) -> None:
    if isinstance(section, pa.Table):
        with pa.ipc.new_stream(sink, section.schema) as stream:
            stream.write_table(section)
    elif isinstance(section, np.ndarray):
        # As bytes: arrow's buffers know no instants.
        sink.write(np.ascontiguousarray(section).reshape(-1).view(np.uint8))
    else:
        sink.write(section)


def _digest(pages: mmap.mmap, start: int) -> bytes:
    with memoryview(pages) as view, view[start:] as body:
        return hashlib.sha256(body).digest()


@contextmanager
def _written_aside(path: Path) -> Iterator[tuple[Path, int]]:
    """A new file beside ``path``, and its descriptor; it lasts and takes the name at the end.

    Whoever writes one holds its lock: so one whose writer died can be told, and is removed.
    """
    prefix, suffix = f".{path.name}.", ".new"
    for left in path.parent.glob(f"{glob.escape(prefix)}*{suffix}"):
        with suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    while True:
        descriptor, name = tempfile.mkstemp(suffix, prefix, path.parent)  # for its owner alone
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            break
        os.close(descriptor)  # another writer removed it before it was locked
    aside = Path(name)
    try:
        yield aside, descriptor
        os.fsync(descriptor)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _map(path: Path) -> mmap.mmap:
    """The pages of a file, private where written to."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for a writer
    except FileNotFoundError as error:
        raise NotFoundError("there is no snapshot") from error
    except OSError as error:
        raise SnapshotError(f"the snapshot could not be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or not os.fstat(descriptor).st_size:
            raise SnapshotError("wanted a snapshot, got an empty file or none")
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise SnapshotError("the snapshot could not be mapped") from error
    finally:
        os.close(descriptor)
