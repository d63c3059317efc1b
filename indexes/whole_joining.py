"""Whole tables from the rows of a store: joined by column, alike for every store.

Rows come as tables hold them, in no set order; `indexes.sqlwhole` says which columns. Of some ids
only, a store joins row by row, in SQL: both ways tell the same.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo.arrays import BoolArray, IntArray
from indexes.entities import VERIFIED_LEVEL
from indexes.store import LISTING_SCHEMA, MEMBER_SCHEMA
from indexes.trusting import ENDORSEMENT_SCHEMA

__all__ = ["joined_endorsements", "joined_listings", "joined_members"]


def joined_members(members: pa.Table, households: pa.Table, buildings: pa.Table) -> pa.Table:
    """Members and where they live.

    Parameters
    ----------
    members : pyarrow.Table
        Columns id, level, household_id, gender.
    households : pyarrow.Table
        Columns id, building_id.
    buildings : pyarrow.Table
        Columns id, residence_id, group_id.

    Returns
    -------
    pyarrow.Table
        `indexes.store.MEMBER_SCHEMA`, sorted by id.
    """
    members = _sorted(members)
    home = _rows(members["household_id"], households["id"])
    building = _taken(households["building_id"], home)
    at = _rows(building, buildings["id"])
    return _table(
        MEMBER_SCHEMA,
        id=members["id"],
        level=members["level"],
        household=members["household_id"],
        building=building,
        residence=_taken(buildings["residence_id"], at),
        group=_taken(buildings["group_id"], at),
        gender=members["gender"],
    )


def joined_listings(
    listings: pa.Table, members: pa.Table, standings: pa.Table, endorsements: pa.Table
) -> pa.Table:
    """Listings, and what their owners and those who endorse them imply.

    Parameters
    ----------
    listings : pyarrow.Table
        What of the schema is a listing's own.
    members : pyarrow.Table
        As `joined_members` gives them.
    standings : pyarrow.Table
        Columns id, expires_at.
    endorsements : pyarrow.Table
        Columns listing_id, member_id.

    Returns
    -------
    pyarrow.Table
        `indexes.store.LISTING_SCHEMA`, sorted by id.
    """
    listings = _sorted(listings)
    owner = _rows(listings["owner_id"], members["id"])
    proved = _rows(listings["owner_id"], standings["id"])
    said = _Said(endorsements, listings["id"], owner, members["id"], members["household"])
    verified = np.asarray(members["level"]) >= VERIFIED_LEVEL
    counted = said.by_others & verified[said.member]
    return _table(
        LISTING_SCHEMA,
        **{name: listings[name] for name in listings.column_names},
        **{
            f"owner_{name}": _taken(members[name], owner)
            for name in ("level", "building", "residence", "group")
        },
        owner_expires_at=_taken(standings["expires_at"], proved),
        endorsers=pa.array(said.voices(counted)),
    )


def joined_endorsements(endorsements: pa.Table, listings: pa.Table, members: pa.Table) -> pa.Table:
    """Endorsements that count: a household does not recommend what is its own.

    Parameters
    ----------
    endorsements : pyarrow.Table
        Columns listing_id, member_id, created_at.
    listings : pyarrow.Table
        Columns id, owner_id, attested.
    members : pyarrow.Table
        Columns id, household_id.

    Returns
    -------
    pyarrow.Table
        `indexes.trusting.ENDORSEMENT_SCHEMA`, sorted by listing and member.
    """
    listings, members = _sorted(listings), _sorted(members)
    owner = _rows(listings["owner_id"], members["id"])
    said = _Said(endorsements, listings["id"], owner, members["id"], members["household_id"])
    # Rows are in the order of ids, so their numbers are too.
    rows = np.flatnonzero(said.by_others)
    rows = rows[np.argsort(said.listing[rows] * len(members) + said.member[rows])]
    listing, member = said.listing[rows], said.member[rows]
    attested, attestors = _encoded(listings["attested"])
    return _table(
        ENDORSEMENT_SCHEMA,
        listing=_coded(listing, listings["id"]),
        member=_coded(member, members["id"]),
        household=_coded(said.household[member], said.households),
        created_at=endorsements["created_at"].take(pa.array(rows)),
        owner=_coded(owner[listing], members["id"]),
        attested=_coded(attested[listing], attestors),
    )


class _Said:
    """Endorsements by number: row i is by member ``member[i]`` about listing ``listing[i]``.

    Parameters
    ----------
    table : pyarrow.Table
        Columns listing_id, member_id.
    listings : pyarrow.ChunkedArray
        Ids of all of them.
    owner : ndarray of int64
        The row among the members of whom each listing is, -1 for nobody's.
    members, households : pyarrow.ChunkedArray
        Ids of all members, and the household of each.
    """

    def __init__(
        self,
        table: pa.Table,
        listings: pa.ChunkedArray,
        owner: IntArray,
        members: pa.ChunkedArray,
        households: pa.ChunkedArray,
    ) -> None:
        self.listing = _rows(table["listing_id"], listings)
        self.member = _rows(table["member_id"], members)
        self.household, self.households = _encoded(households)
        of_owner = np.append(self.household, -1)[owner]
        self.by_others: BoolArray = self.household[self.member] != of_owner[self.listing]
        self._listings = len(listings)

    def voices(self, counted: BoolArray) -> IntArray:
        """How many households there are among the endorsements that are counted, by listing."""
        many = max(1, len(self.households))
        pairs = np.sort(self.listing[counted] * many + self.household[self.member[counted]])
        once = pairs[np.diff(pairs, prepend=-1) > 0]
        return np.bincount(once // many, minlength=self._listings)


def _table(schema: pa.Schema, **columns: Any) -> pa.Table:
    return pa.table([columns[name] for name in schema.names], names=schema.names).cast(schema)


def _sorted(table: pa.Table) -> pa.Table:
    """The rows in bytewise order of their ids."""
    table = table.combine_chunks()
    ids = table["id"]
    if pc.all(pc.less(ids[:-1], ids[1:]), min_count=0).as_py():
        return table  # as they were written: quite often
    return table.take(pc.sort_indices(ids))


def _encoded(column: pa.ChunkedArray) -> tuple[IntArray, pa.Array]:
    """Each row's number, -1 for null, and what is numbered."""
    encoded = column.dictionary_encode().combine_chunks()
    codes: IntArray = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
    return codes, encoded.dictionary


def _rows(column: pa.ChunkedArray, ids: pa.ChunkedArray) -> IntArray:
    """The row of each id among others; -1 for null, and for one that is not there."""
    codes, known = _encoded(column)  # each is looked up once
    rows = pc.fill_null(pc.index_in(known, ids), -1).to_numpy().astype(np.int64)
    return np.append(rows, -1)[codes]


def _taken(column: pa.ChunkedArray, rows: IntArray) -> pa.ChunkedArray:
    """Some rows of a column, null for -1."""
    return column.take(pa.array(rows, mask=rows < 0))


def _coded(rows: IntArray, words: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Some rows of a column of distinct words, null for -1: numbers, and those words once."""
    named = np.zeros(len(words) + 1, np.bool_)
    named[rows] = True
    named[-1] = False  # what -1 meant
    numbers = np.cumsum(named, dtype=np.int32) - np.int32(1)
    told = words.filter(pa.array(named[:-1]))
    if isinstance(told, pa.ChunkedArray):
        told = told.combine_chunks()
    return pa.DictionaryArray.from_arrays(pa.array(numbers[rows], mask=rows < 0), told)
