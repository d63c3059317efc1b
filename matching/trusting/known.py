"""What a store has of trust, as columns: read whole once, and again what changes touch."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo.arrays import BoolArray, IntArray
from indexes.store import Change, Store
from indexes.trusting import Standing
from matching.towns.strings import SortedIds
from matching.towns.vocabulary import Words, numbers_of, whole
from matching.trusting.edges import Endorsed, TrustColumns
from matching.trusting.neighbours import Neighbours
from matching.trusting.verifying import trust_weight

__all__ = ["Known", "Lasting", "TrustTables"]

NEVER = 2**62
# What a listing counts as verified, by who attests it.
ATTESTED, UNATTESTED = 4, 1

Read = Callable[[pa.Table], tuple[IntArray, ...]]
Lasting = tuple[int, int]
"""From which second on, and until which one, the same ratings and standings count."""


@dataclass(frozen=True, slots=True, eq=False)
class TrustTables:
    """What a store had of trust: see `indexes.trusting` for the columns."""

    ratings: pa.Table
    vouches: pa.Table
    standings: pa.Table
    endorsements: pa.Table

    @classmethod
    def read(cls, store: Store, tenant_id: str) -> "TrustTables":
        """All of a tenant's."""
        return cls(
            store.rating_table(tenant_id).combine_chunks(),
            store.vouch_table(tenant_id).combine_chunks(),
            store.standing_table(tenant_id).combine_chunks(),
            store.endorsement_table(tenant_id).combine_chunks(),
        )


class Records:
    """Records of one table, by a key that they are sorted by: numbers only.

    Parameters
    ----------
    table : pyarrow.Table
        All records.
    key : str
        The column of the key; several records may share one.
    read : callable
        Gives the columns of a table, as numbers.
    """

    def __init__(self, table: pa.Table, key: str, read: Read) -> None:
        self._key, self._read = key, read
        column = whole(table[key])
        fresh = np.ones(len(column), np.bool_)
        fresh[1:] = pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
        firsts = np.flatnonzero(fresh)
        keys = column if fresh.all() else column.take(pa.array(firsts))
        self._keys = SortedIds(keys.cast(pa.string()))  # they may be numbered
        self._ends = np.append(firsts, len(column))
        self._base = read(table)
        self._old = np.zeros(len(column), np.bool_)  # read again since
        self._since: dict[str, list[tuple[int, ...]]] = {}

    def replace(self, keys: Collection[str], table: pa.Table) -> bool:
        """Have these records of some keys, and no others; says whether any differ."""
        now: dict[str, list[tuple[int, ...]]] = {key: [] for key in keys}
        for key, *record in zip(
            table[self._key].to_pylist(), *(one.tolist() for one in self._read(table)), strict=True
        ):
            now[key].append(tuple(record))
        changed = False
        for key, row in zip(now, self._keys.rows_of(list(now)).tolist(), strict=True):
            before = self._since.get(key)
            if before is None:
                some = slice(*self._ends[row : row + 2]) if row >= 0 else slice(0)
                before = list(zip(*(one[some].tolist() for one in self._base), strict=True))
                if before == now[key]:
                    continue
                self._old[some] = True
            changed |= before != now[key]
            self._since[key] = now[key]
        return changed

    def columns(self) -> tuple[IntArray, ...]:
        """All of them, in any order but among those of one key."""
        if not self._since:
            return self._base
        kept, records = ~self._old, list(chain.from_iterable(self._since.values()))
        since = np.array(records, np.int64).reshape(-1, len(self._base))
        return tuple(
            np.concatenate((one[kept], new)) for one, new in zip(self._base, since.T, strict=True)
        )


class Known:
    """The members, ratings, vouches, standings and endorsements of one tenant.

    One writer at a time. What `columns` gives stays as it is.

    Parameters
    ----------
    store : Store
        Where changes are read from.
    tenant_id : str
        Whose.
    members : pyarrow.Table
        `indexes.store.MEMBER_SCHEMA`.
    tables : TrustTables
        All else.

    Attributes
    ----------
    version : object
        Another one after every change that a level may depend on.
    members, listings : Words
        Numbers of ids. They only grow: what has one keeps it.
    """

    def __init__(
        self, store: Store, tenant_id: str, members: pa.Table, tables: TrustTables
    ) -> None:
        self._store, self._tenant_id = store, tenant_id
        self.version = object()
        self.members, self.listings = Words(), Words()
        self._groups, self._buildings, self._households = Words(), Words(), Words()
        self._keys = np.empty(0, np.uint64)
        self._homes = np.empty((4, 0), np.int64)  # rows of `_house`, by member
        self._house((), members)
        self._ratings = Records(tables.ratings, "id", self._rated)
        self._vouches = Records(tables.vouches, "id", self._vouched)
        self._endorsed = Records(tables.endorsements, "listing", self._said)
        self._standings = {one.id: one for one in _standings(tenant_id, tables.standings)}

    @classmethod
    def read(cls, store: Store, tenant_id: str) -> "Known":
        """All that a store has now."""
        tables = TrustTables.read(store, tenant_id)
        return cls(store, tenant_id, store.member_table(tenant_id), tables)

    def take(self, changes: Sequence[Change]) -> bool:
        """Read again what changes touch; False where only reading everything can show it."""
        if not changes:
            return True
        store, tenant_id = self._store, self._tenant_id
        touched = store.touched(tenant_id, changes)
        if touched.everything:
            return False
        ids = {
            name: {change.id for change in changes if change.entity == name}
            for name in ("ratings", "vouches", "standings")
        }
        # All is read before anything is taken in: a store that fails half way changes nothing.
        people = store.member_table(tenant_id, touched.members) if touched.members else None
        said = [
            (records, some, read(tenant_id, some))
            for records, some, read in (
                (self._ratings, ids["ratings"], store.rating_table),
                (self._vouches, ids["vouches"], store.vouch_table),
                (self._endorsed, touched.listings, store.endorsement_table),
            )
            if some
        ]
        under: list[Standing] = []
        if ids["standings"]:
            under = _standings(tenant_id, store.standing_table(tenant_id, ids["standings"]))
        differs = False if people is None else self._house(touched.members, people)
        for records, some, table in said:
            differs |= records.replace(some, table)
        found = {one.id: one for one in under}
        for id in ids["standings"]:
            differs |= self._standings.pop(id, None) != found.get(id)
        self._standings |= found
        if differs:
            self.version = object()
        return True

    def columns(self, now: datetime) -> tuple[TrustColumns, BoolArray, Lasting]:
        """What `matching.trust.TrustGraph` takes, of records as they are at an instant.

        Returns
        -------
        columns : TrustColumns
            By the numbers of members and listings. Ratings that aren't open yet don't count:
            what follows from them would tell of them.
        there : ndarray of bool, shape (n,)
            Which members are there.
        lasting : (int, int)
            Between which seconds time alone changes none of it.
        """
        at = int(now.timestamp())
        level, group, *_ = self._homes
        there = level >= 0
        n = len(there)
        raters, ratees, stars, rated_at, opens_at = self._ratings.columns()
        vouchers, vouchees, bonded_at = self._vouches.columns()
        open_now = opens_at <= at
        counted = open_now & there[raters] & there[ratees]
        bonded = there[vouchers] & there[vouchees]
        standing = np.ones(n)
        ends = []
        for one in self._standings.values():
            number = self.members.number(one.id)
            if number is not None and number < n:
                standing[number] = trust_weight(one, now)
            if one.penalised_until is not None:
                ends.append(int(one.penalised_until.timestamp()))
        instants = np.concatenate((opens_at, np.array(ends, np.int64)))
        return (
            TrustColumns(
                keys=self._keys[:n],
                verification=np.maximum(level, 0),
                groups=group,
                standing=standing,
                raters=raters[counted],
                ratees=ratees[counted],
                values=(stars[counted] - 3) / 2,  # 3 of 5 says nothing
                rated_at=rated_at[counted],
                bonds=np.column_stack((vouchers, vouchees))[bonded],
                bonded_at=bonded_at[bonded],
                endorsed=self._recommended(there),
            ),
            there,
            (
                int(instants[instants <= at].max(initial=-NEVER)),
                int(instants[instants > at].min(initial=NEVER)),
            ),
        )

    def neighbours(self) -> Neighbours:
        """What the people of each building recommend."""
        level, _, building, household = self._homes
        return Neighbours(level, building, household, *self._endorsed.columns()[:2])

    def _recommended(self, there: BoolArray) -> Endorsed:
        """One endorsement for each household of a listing: the earliest."""
        listing, member, household, at, owner, attested = self._endorsed.columns()
        some = there[member]
        listing, member, household, at = (one[some] for one in (listing, member, household, at))
        voices = listing * len(self._households.words) + household
        order = np.lexsort((at, voices))  # of one instant, the first by id
        order = order[np.diff(voices[order], prepend=-1) > 0]
        count = len(self.listings.words)
        owners, verification = np.full(count, -1), np.full(count, UNATTESTED)
        owners[listing] = owner[some]
        verification[listing] = np.where(attested[some] > 0, ATTESTED, UNATTESTED)
        owners[~np.append(there, True)[owners]] = -1
        return Endorsed(verification, owners, member[order], listing[order], at[order])

    # Tables as numbers.

    def _rated(self, table: pa.Table) -> tuple[IntArray, ...]:
        return (
            *(self._numbered(self.members, table[name]) for name in ("rater", "ratee")),
            *(numbers_of(whole(table[name]), 0) for name in ("stars", "created_at", "opens_at")),
        )

    def _vouched(self, table: pa.Table) -> tuple[IntArray, ...]:
        return (
            *(self._numbered(self.members, table[name]) for name in ("voucher", "vouchee")),
            numbers_of(whole(table["created_at"]), 0),
        )

    def _said(self, table: pa.Table) -> tuple[IntArray, ...]:
        return (
            self._numbered(self.listings, table["listing"]),
            self._numbered(self.members, table["member"]),
            self._numbered(self._households, table["household"]),
            numbers_of(whole(table["created_at"]), 0),
            self._numbered(self.members, table["owner"]),
            pc.is_valid(whole(table["attested"])).to_numpy(zero_copy_only=False).astype(np.int64),
        )

    def _numbered(self, words: Words, column: pa.ChunkedArray) -> IntArray:
        numbers = words.codes(whole(column)).astype(np.int64)
        if words is self.members:
            self._make_room()
        return numbers

    def _make_room(self) -> None:
        """Every member that has a number has a key and a home."""
        new = self.members.words[len(self._keys) :]
        if new:
            keys = np.array([_key(self._tenant_id, id) for id in new], np.uint64)
            self._keys = np.concatenate((self._keys, keys))
            self._homes = np.hstack((self._homes, np.full((len(self._homes), len(new)), -1)))

    def _house(self, ids: Iterable[str], table: pa.Table) -> bool:
        """Have members as a table has them, others of ``ids`` not at all; says if any differ."""
        asked = self._numbered(self.members, pa.chunked_array([pa.array(sorted(ids), pa.string())]))
        found = self._numbered(self.members, table["id"])
        homes = self._homes.copy()  # whoever was given the one before keeps it
        homes[:, asked] = -1  # no level: not there
        homes[:, found] = (
            numbers_of(whole(table["level"]), 0),
            self._groups.codes(whole(table["group"])),
            self._buildings.codes(whole(table["building"])),
            self._households.codes(whole(table["household"])),
        )
        differs = not np.array_equal(homes, self._homes)
        self._homes = homes
        return differs


def _standings(tenant_id: str, table: pa.Table) -> list[Standing]:
    return [
        Standing(
            tenant_id=tenant_id,
            id=row["id"],
            suspended=row["suspended"],
            penalised_until=None
            if row["penalised_until"] is None
            else datetime.fromtimestamp(row["penalised_until"], UTC),
        )
        for row in table.to_pylist()
    ]


def _key(tenant_id: str, id: str) -> int:
    """A number of a member's own, the same in every process."""
    digest = hashlib.blake2b(f"{tenant_id}\n{id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
