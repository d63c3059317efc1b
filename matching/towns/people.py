"""Members in memory: who lives where, who is blocked, and so what a viewer may see."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from indexes.entities import VERIFIED_LEVEL, Audience, Group
from matching.towns.strings import SortedIds, Strings
from matching.towns.vocabulary import CITY, PUBLIC, Vocabulary, numbers_of, whole

__all__ = ["Home", "Members", "People", "Seen", "blocks_by_member"]

MAX_KEPT = 16_384  # homes kept of those who asked last, about 100 bytes each


class Home(NamedTuple):
    """A member's verification level, and where the member lives; "" where that is not known.

    ``gender`` is F, M or O, "" where nobody said.
    """

    level: int
    building: str
    residence: str
    group: str
    gender: str = ""


class Members:
    """Members as the store had them once.

    Parameters
    ----------
    table : pyarrow.Table
        `indexes.store.MEMBER_SCHEMA`, sorted by id, one chunk a column.
    """

    def __init__(self, table: pa.Table) -> None:
        self._ids = SortedIds(whole(table["id"]))
        self._levels = numbers_of(whole(table["level"]), 0)
        names = ("building", "residence", "group", "gender")
        self._words = [Strings(whole(table[name])) for name in names]
        self._kept: dict[str, Home] = {}

    def home(self, member_id: str) -> Home | None:
        """A member's home, or None if there is no such member."""
        home = self._kept.get(member_id)
        if home is None:
            row = self._ids.row_of(member_id)
            if row < 0:
                return None
            home = Home(int(self._levels[row]), *(words.of((row,))[0] for words in self._words))
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[member_id] = home
        return home


@dataclass(frozen=True, slots=True)
class Seen:
    """What a viewer brings to a search.

    ``audiences`` are numbers of audiences the viewer is in, by audience; ``blocked`` numbers
    of owners never shown; ``group`` the viewer's own, if it can be located.
    """

    audiences: dict[Audience, tuple[int, ...]]
    blocked: tuple[int, ...]
    group: Group | None


@dataclass(frozen=True, slots=True)
class People:
    """Members of one tenant as of one position of the store.

    ``changed`` tells those who have changed since ``base`` was read, None for one who is gone;
    ``blocks`` whom each member has blocked or is blocked by.
    """

    base: Members
    blocks: Mapping[str, Sequence[str]]
    changed: Mapping[str, Home | None]

    def with_changes(self, ids: Iterable[str], table: pa.Table) -> "People":
        """The same, some members read again: those of ``ids`` not in the table are gone."""
        now = {
            row["id"]: Home(
                row["level"],
                *(row[name] or "" for name in ("building", "residence", "group", "gender")),
            )
            for row in table.to_pylist()
        }
        changed = dict(self.changed) | {id: now.get(id) for id in ids}
        return People(self.base, self.blocks, changed)

    def home(self, member_id: str) -> Home | None:
        """A member's home, or None if there is no such member."""
        if member_id in self.changed:
            return self.changed[member_id]
        return self.base.home(member_id)

    def seen_by(self, member_id: str | None, vocabulary: Vocabulary) -> Seen | None:
        """What a member brings to a search, or None if there is no such member."""
        if member_id is None:
            return Seen({Audience.PUBLIC: (PUBLIC,)}, (), None)
        home = self.home(member_id)
        if home is None:
            return None
        group = vocabulary.group(home.group)
        audiences = {
            Audience.PUBLIC: (PUBLIC,),
            Audience.CITY: (CITY,),
            Audience.ZONE: vocabulary.zone_audiences(group.zones) if group else (),
        }
        if home.level >= VERIFIED_LEVEL:
            audiences[Audience.BUILDING] = vocabulary.walls(Audience.BUILDING, home.building)
            audiences[Audience.RESIDENCE] = vocabulary.walls(Audience.RESIDENCE, home.residence)
        blocked = (vocabulary.owners.number(id) for id in self.blocks.get(member_id, ()))
        return Seen(
            audiences,
            tuple(sorted(number for number in blocked if number is not None)),
            group if group is not None and group.locatable else None,
        )


def blocks_by_member(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Whom each member never sees, from pairs who never see each other."""
    blocks: dict[str, list[str]] = {}
    for one, other in pairs:
        blocks.setdefault(one, []).append(other)
        blocks.setdefault(other, []).append(one)
    return blocks
