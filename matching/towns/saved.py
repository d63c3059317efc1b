"""A town as it was read whole: from the store, or from the file that another start left.

A file holds all that a start needs, ready to be searched where it lies: mapped, so that the
processes of one machine share its pages. It is a cache of the store. One of another version of
this code is refused, whatever the difference: to read the store again costs a minute at most,
and no rule about which change matters could be forgotten.
"""

import hashlib
import json
import os
import sys
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from geo.errors import MitoyenError, SnapshotError
from indexes.columns import PointColumns
from indexes.entities import GroupPartition, Tenant
from indexes.packing import pack
from indexes.points import PointIndex
from indexes.snapshot import open_snapshot, write_snapshot
from indexes.store import Position, Store, open_store
from matching.text import Postings, TextIndex
from matching.towns.catalog import Segment
from matching.towns.vocabulary import Vocabulary, Wording
from matching.trusting.known import TrustTables

__all__ = ["SUFFIX", "Base", "check_file", "open_base", "read_base", "save_base"]

SUFFIX = ".town"

ROOT = Path(__file__).parents[2]
CODE = (
    "indexes/*.py",
    "indexes/tables/*.py",
    "matching/text.py",
    "matching/towns/saved.py",
    "matching/towns/vocabulary.py",
    "matching/trusting/known.py",
)


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A tenant read whole: what a town begins with.

    Attributes
    ----------
    position : Position
        The store was at least there when the first row was read.
    partition : GroupPartition or None
        The published groups.
    listings : Segment
        All of them, sorted by id.
    members : pyarrow.Table
        `indexes.store.MEMBER_SCHEMA`, sorted by id, one chunk a column.
    blocks : list of (str, str)
        Pairs of members who never see each other.
    vocabulary : Vocabulary
        It knows no words but those of ``listings``.
    trust : TrustTables or None
        What trust begins with; None once it has been handed on.
    """

    position: Position
    timezone: str
    partition: GroupPartition | None
    listings: Segment
    members: pa.Table
    blocks: list[tuple[str, str]]
    vocabulary: Vocabulary
    index: PointIndex
    trust: TrustTables | None


class _Rest(msgspec.Struct, frozen=True):
    """What is neither an array nor a table."""

    tenant_id: str
    timezone: str
    partition: GroupPartition | None
    blocks: list[tuple[str, str]]
    wording: Wording
    words: tuple[list[str], list[str]]  # of the postings: titles and categories, then texts


def read_base(store: Store, tenant_id: str) -> Base:
    """Read all of a tenant from its store.

    Raises
    ------
    NotFoundError
        If there is no such tenant.
    StoreError
        If the store can't be read.
    """
    # The position is first: what changes while rows are read is read again, never missed.
    position = store.position()
    tenant = store.get(Tenant, tenant_id, tenant_id)
    partition = store.groups(tenant_id)
    vocabulary = Vocabulary(partition)
    listings = store.listing_table(tenant_id).combine_chunks()
    columns = vocabulary.columns_of(listings)
    return Base(
        position=position,
        timezone=tenant.timezone,
        partition=partition,
        listings=Segment(listings, columns),
        members=store.member_table(tenant_id).combine_chunks(),
        blocks=store.blocks(tenant_id),
        vocabulary=vocabulary,
        index=PointIndex(pack(columns)),
        trust=TrustTables.read(store, tenant_id),
    )


def save_base(path: Path, base: Base, tenant_id: str) -> None:
    """Write a town to a file, its index of words with it.

    Parameters
    ----------
    path : Path
        In a folder that exists; the file is for its owner's eyes.
    base : Base
        Nothing that came later may have been added to it.
    tenant_id : str
        Whose it is.

    Raises
    ------
    SnapshotError
        If it can't be written; the file that was there stays.
    """
    postings = base.listings.text.postings()
    rest = _Rest(
        tenant_id=tenant_id,
        timezone=base.timezone,
        partition=base.partition,
        blocks=base.blocks,
        wording=base.vocabulary.wording(),
        words=(postings[0].words, postings[1].words),
    )
    sections: dict[str, Any] = {
        "rest": msgspec.json.encode(rest),
        "listings": base.listings.table,
        "members": base.members,
        "blocks": base.index.blocks,
    }
    for field in fields(TrustTables):
        sections[f"trust.{field.name}"] = getattr(base.trust, field.name)
    for field in fields(PointColumns):
        sections[f"columns.{field.name}"] = getattr(base.listings.columns, field.name)
    for number, found in enumerate(postings):
        sections |= {f"words.{number}.starts": found.starts, f"words.{number}.rows": found.rows}
    write_snapshot(path, sections, schema=_schema(), position=str(base.position))


def open_base(path: Path, tenant_id: str, now: Position) -> Base:
    """Map the file of a town.

    Parameters
    ----------
    path : Path
        A file of `save_base`.
    tenant_id : str
        Whose town is wanted.
    now : Position
        The last change of the store that the file must be of.

    Raises
    ------
    NotFoundError
        If there is no such file.
    SnapshotError
        If it is damaged, of other code, of another store or tenant, or of a later state.
    """
    file = open_snapshot(path, _schema())
    position = Position.parse(file.position)
    rest = msgspec.json.decode(file.text("rest"), type=_Rest)
    if (position.store, rest.tenant_id) != (now.store, tenant_id):
        raise SnapshotError("the snapshot is of another store or tenant")
    if position > now:
        # The store was put back to what it was before.
        raise SnapshotError("the snapshot is of a later state than the store's")
    table = file.table("listings")
    postings = [
        Postings(words, file.array(f"words.{i}.starts"), file.array(f"words.{i}.rows"))
        for i, words in enumerate(rest.words)
    ]
    columns = {field.name: file.array(f"columns.{field.name}") for field in fields(PointColumns)}
    return Base(
        position=position,
        timezone=rest.timezone,
        partition=rest.partition,
        listings=Segment(
            table,
            PointColumns(**columns),
            TextIndex.of(table.num_rows, (postings[0], postings[1])),
        ),
        members=file.table("members"),
        blocks=rest.blocks,
        vocabulary=Vocabulary.of(rest.partition, rest.wording),
        index=PointIndex(file.array("blocks")),
        trust=TrustTables(*(file.table(f"trust.{one.name}") for one in fields(TrustTables))),
    )


def check_file(path: Path) -> None:
    """Say whether this version could map a file, whichever town it holds.

    Raises
    ------
    NotFoundError
        If there is no such file.
    SnapshotError
        If it is damaged, or of other code.
    """
    open_snapshot(path, _schema())


@cache
def _schema() -> str:
    """A digest of all code that a file's content may depend on, and of the order of bytes."""
    digest = hashlib.sha256(sys.byteorder.encode())
    for path in sorted(path for pattern in CODE for path in ROOT.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def main() -> None:
    """Read a town and write its file, in a process of its own; what to do comes as JSON.

    So that the process that serves goes on undisturbed: rows pass through the interpreter.
    """
    os.nice(5)
    wanted = json.load(sys.stdin)
    try:
        store = open_store(wanted["dsn"], create=False)
        try:
            base = read_base(store, wanted["tenant_id"])
        finally:
            store.close()
        save_base(Path(wanted["path"]), base, wanted["tenant_id"])
    except MitoyenError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
