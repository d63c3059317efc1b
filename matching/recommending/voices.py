"""Who recommends or has used what, kept current: what recommendations are made of."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from geo.arrays import FloatArray, IntArray, LonLatArray
from indexes.columns import Ints
from indexes.store import Change, Position, Store
from matching.towns.following import Following
from matching.towns.vocabulary import Words, numbers_of, whole

__all__ = ["Heard", "Spoken", "VoiceTown", "Voices", "heard"]


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """Endorsements, or uses: row i is member ``member[i]`` about listing ``listing[i]``.

    ``at`` are seconds since 1970; ``key`` is what a row is read again by: the number of its
    listing, or of its interaction.
    """

    key: Ints  # (n,)
    listing: Ints  # (n,)
    member: Ints  # (n,)
    at: IntArray  # (n,)

    def without(self, keys: Ints) -> "Spoken":
        """The same, but for the rows of some keys."""
        kept = ~np.isin(self.key, keys)
        return Spoken(self.key[kept], self.listing[kept], self.member[kept], self.at[kept])

    def also(self, other: "Spoken") -> "Spoken":
        """The same, and the rows of another."""
        return Spoken(
            np.concatenate((self.key, other.key)),
            np.concatenate((self.listing, other.listing)),
            np.concatenate((self.member, other.member)),
            np.concatenate((self.at, other.at)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """Everything said as of one position of the store. It never changes; its words only grow.

    Attributes
    ----------
    listings, members : Words
        What the numbers stand for.
    level, household, group : ndarray of integers, shape (m,)
        Verification level, household and published group by number of the member; of one who is
        not there, or has none, -1.
    group_lonlat : ndarray of float64, shape (g, 2)
        Degrees, EPSG:4326, by number of the group; of those that can be located.
    endorsed, used : Spoken
        Endorsements, and completed interactions that began with a listing.
    """

    listings: Words
    members: Words
    level: Ints
    household: Ints
    group: Ints
    group_lonlat: LonLatArray
    endorsed: Spoken
    used: Spoken

    def member(self, id: str) -> int:
        """The number of a member who was there, -1 for anybody else."""
        number = self.members.number(id)
        return -1 if number is None or number >= len(self.level) else number


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What some voices say together, by number of the listing, ascending.

    ``weight`` is the sum over households of each one's strongest voice, ``households`` how many
    there are.
    """

    listing: Ints  # (l,)
    weight: FloatArray  # (l,)
    households: IntArray  # (l,)


def heard(listing: Ints, household: Ints, weight: FloatArray) -> Heard:
    """What voices say of each listing, where the people of a household have one between them.

    Parameters
    ----------
    listing, household : ndarray of int32, shape (n,)
        Of whom each voice speaks, and whose it is.
    weight : ndarray of float64, shape (n,)
        How much it counts, above 0.

    Examples
    --------
    >>> said = heard(np.array([7, 5, 5, 5]), np.array([1, 1, 1, 2]), np.array([1.0, 0.5, 1.0, 0.2]))
    >>> said.listing, said.weight, said.households
    (array([5, 7]), array([1.2, 1. ]), array([2, 1]))
    """
    order = np.lexsort((weight, household, listing))
    listing, household, weight = listing[order], household[order], weight[order]
    strongest = np.ones(len(order), np.bool_)
    strongest[:-1] = (listing[1:] != listing[:-1]) | (household[1:] != household[:-1])
    listing, weight = listing[strongest], weight[strongest]
    # Added up from the least: so the sum hangs on no number that a household happened to get.
    order = np.lexsort((weight, listing))
    listing, weight = listing[order], weight[order]
    found, first = np.unique(listing, return_index=True)
    return Heard(
        found,
        np.add.reduceat(weight, first) if len(first) else np.empty(0),
        np.diff(np.append(first, len(listing))),
    )


class VoiceTown(Following["_Known"]):
    """What the members of one tenant recommend and have used. It follows the store.

    Parameters
    ----------
    store : Store
        The truth.
    tenant_id : str
        Whose members.

    Raises
    ------
    StoreError
        If the store can't be read.
    """

    def _read(self) -> "tuple[Position, _Known]":
        return self._store.position(), _Known(self._store, self.tenant_id)

    @property
    def voices(self) -> Voices:
        """What is known now. Take it once."""
        return self._state.voices


class _Known:
    """What the store has. One writer at a time; what was given out never changes."""

    def __init__(self, store: Store, tenant_id: str) -> None:
        self._store, self._tenant_id = store, tenant_id
        self._listings, self._members, self._groups = Words(), Words(), Words()
        self._households, self._uses = Words(), Words()
        partition = store.groups(tenant_id)
        located = [group for group in (partition.groups if partition else ()) if group.locatable]
        self._groups.codes(pa.array([group.id for group in located], pa.string()))
        nobody = np.empty(0, np.int32)
        empty = Voices(
            listings=self._listings,
            members=self._members,
            level=nobody,
            household=nobody,
            group=nobody,
            group_lonlat=np.array([(one.lon, one.lat) for one in located]).reshape(-1, 2),
            endorsed=self._endorsed(store.endorsement_table(tenant_id)),
            used=self._used(store.use_table(tenant_id)),
        )
        self.voices = self._placed(empty, store.member_table(tenant_id), ())

    def take(self, changes: Sequence[Change]) -> bool:
        """Read again what changes touch; False where only reading everything can show it."""
        if not changes:
            return True
        touched = self._store.touched(self._tenant_id, changes)
        if touched.everything:
            return False
        voices = self.voices
        if touched.listings:
            gone = self._listings.codes(pa.array(sorted(touched.listings), pa.string()))
            table = self._store.endorsement_table(self._tenant_id, touched.listings)
            now = voices.endorsed.without(gone).also(self._endorsed(table))
            voices = replace(voices, endorsed=now)
        used = {change.id for change in changes if change.entity == "interactions"}
        if used:
            gone = self._uses.codes(pa.array(sorted(used), pa.string()))
            table = self._store.use_table(self._tenant_id, used)
            voices = replace(voices, used=voices.used.without(gone).also(self._used(table)))
        table = self._store.member_table(self._tenant_id, touched.members)
        self.voices = self._placed(voices, table, touched.members)
        return True

    def _endorsed(self, table: pa.Table) -> Spoken:
        listing = self._listings.codes(whole(table["listing"]))
        member = self._members.codes(whole(table["member"]))
        return Spoken(listing, listing, member, numbers_of(whole(table["created_at"]), 0))

    def _used(self, table: pa.Table) -> Spoken:
        return Spoken(
            self._uses.codes(whole(table["id"])),
            self._listings.codes(whole(table["listing"])),
            self._members.codes(whole(table["member"])),
            numbers_of(whole(table["completed_at"]), 0),
        )

    def _placed(self, voices: Voices, table: pa.Table, asked: Collection[str]) -> Voices:
        """The same, members being where a table says; those asked for that it lacks are gone."""
        rows = self._members.codes(whole(table["id"]))
        gone = self._members.codes(pa.array(sorted(asked), pa.string()))
        groups = [self._groups.number(group) for group in table["group"].to_pylist()]
        level = numbers_of(whole(table["level"]), -1).astype(np.int32)
        household = self._households.codes(whole(table["household"]))
        group = np.array([-1 if one is None else one for one in groups], np.int32)

        def placed(known: Ints, values: Ints) -> Ints:
            found = np.full(len(self._members.words), -1, np.int32)
            found[: len(known)] = known
            found[gone] = -1
            found[rows] = values
            return found

        return replace(
            voices,
            level=placed(voices.level, level),
            household=placed(voices.household, household),
            group=placed(voices.group, group),
        )
