"""The outbox in SQL: what changed and how far, whom it touches, and what may be forgotten.

All works inside the caller's transaction. A place in the outbox is (xid, seq), as in
`indexes.store.Position`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, text

from geo.errors import FeedGapError
from indexes.sqlrecords import storable
from indexes.store import Change, Touched
from indexes.tables import outbox

__all__ = [
    "AT_ONCE",
    "Dialect",
    "Place",
    "as_json",
    "drop_lines",
    "mark_and_trim",
    "newest",
    "note",
    "read_lines",
    "touched",
]

Place = tuple[int, int]  # (xid, seq)

AT_ONCE = 50_000  # lines dropped in one transaction, so that writers needn't wait for long
WHOLE = frozenset({"groups", "tenants", "zones"})  # tables of which a change may touch all

_OF_HOUSEHOLDS = """
    SELECT id FROM members WHERE tenant_id = :tenant_id AND household_id IN ({ids})"""
_OF_BUILDINGS = """
    SELECT m.id FROM households h
    JOIN members m ON m.tenant_id = h.tenant_id AND m.household_id = h.id
    WHERE h.tenant_id = :tenant_id AND h.building_id IN ({ids})"""
_OWNED = "SELECT id FROM listings WHERE tenant_id = :tenant_id AND owner_id IN ({ids})"
_DRIVEN = "SELECT id FROM trips WHERE tenant_id = :tenant_id AND owner_id IN ({ids})"
_RIDDEN = "SELECT passenger_trip_id FROM bookings WHERE tenant_id = :tenant_id AND id IN ({ids})"
_ENDORSED = """
    SELECT listing_id FROM endorsements WHERE tenant_id = :tenant_id AND member_id IN ({ids})"""


@dataclass(frozen=True)
class Dialect:
    """How a database says what the outbox needs."""

    order: tuple[str, ...]  # the outbox's key, which is the order of its lines
    xid: str  # the column as the driver can take it
    wanted_xid: str  # the parameter :xid as the column's type
    settled: str  # a line before which none can appear any more
    ids: str  # one column of rows from the parameter :ids, a JSON list

    def compared(self, sign: str) -> str:
        """The key compared with the parameters :xid and :seq."""
        wanted = {"xid": self.wanted_xid, "seq": ":seq"}
        values = ", ".join(wanted[column] for column in self.order)
        return f"({', '.join(self.order)}) {sign} ({values})"

    def ordered(self, way: str = "") -> str:
        """ORDER BY the key."""
        return f"ORDER BY {', '.join(f'{column} {way}' for column in self.order)}"


def as_json(ids: Iterable[str]) -> str:
    """Ids as one parameter, however many: SQLite takes no lists and few parameters."""
    return json.dumps(sorted(id for id in ids if storable(id)))


def note(db: Connection, entity: str, owners: Sequence[str]) -> None:
    """Note one change of all zones, or of the groups, of each tenant."""
    if owners:
        rows = [{"tenant_id": owner, "entity": entity, "id": ""} for owner in owners]
        db.execute(insert(outbox), rows)


def newest(db: Connection, dialect: Dialect, *, settled: bool) -> Place:
    """The last line that a transaction sees; or the last that is settled, too."""
    where = f"WHERE {dialect.settled}" if settled else ""
    return _last(db, dialect, "outbox", where) or (0, 0)


def read_lines(
    db: Connection, dialect: Dialect, after: Place, limit: int
) -> list[tuple[Place, str, str, str]]:
    """Settled lines after a place, in order: where, tenant_id, entity, id.

    Raises
    ------
    FeedGapError
        If lines after that place were dropped.
    """
    # The first mark is how far lines were dropped; on a new store it is the start.
    floor = db.execute(
        text(f"SELECT {dialect.xid} AS x, seq FROM outbox_marks {dialect.ordered()} LIMIT 1")
    ).one()
    if after < (int(floor.x), floor.seq):
        raise FeedGapError("changes after this position were dropped: read everything again")
    asked = (
        f"SELECT {dialect.xid} AS x, seq, tenant_id, entity, id FROM outbox"
        f" WHERE {dialect.compared('>')} AND {dialect.settled} {dialect.ordered()} LIMIT :limit"
    )
    rows = db.execute(text(asked), {**_place(after), "limit": limit})
    return [((int(x), seq), tenant_id, entity, id) for x, seq, tenant_id, entity, id in rows]


def touched(db: Connection, dialect: Dialect, tenant_id: str, changes: Iterable[Change]) -> Touched:
    """Whose joined rows may differ after some changes, as things are now.

    What a link led to before it was cut is among the changes: triggers note an endorsement's
    listing and a booking's driver's trip, old and new, and everything else names its own old owner
    by its own change. A booking's passenger's trip is another's never; where the booking goes,
    that trip is among the changes.
    """
    changed: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        if change.tenant_id == tenant_id:
            changed[change.entity].add(change.id)
    if not WHOLE.isdisjoint(changed):
        return Touched(everything=True)

    def linked(sql: str, ids: set[str]) -> set[str]:
        if not ids:
            return set()
        values = {"tenant_id": tenant_id, "ids": as_json(ids)}
        return set(db.scalars(text(sql.format(ids=dialect.ids)), values)) - {None}

    people = changed["members"]
    moved = linked(_OF_HOUSEHOLDS, changed["households"])
    moved |= linked(_OF_BUILDINGS, changed["buildings"])
    owners = people | moved | changed["standings"]
    listings = changed["listings"] | linked(_OWNED, owners) | linked(_ENDORSED, people)
    trips = changed["trips"] | linked(_DRIVEN, people | moved)
    trips |= linked(_RIDDEN, changed["bookings"])
    return Touched(
        listings=frozenset(listings),
        members=frozenset(people | moved),
        blocks=bool(changed["blocks"]),
        trips=frozenset(trips),
    )


def mark_and_trim(db: Connection, dialect: Dialect, now: datetime, older_than_s: float) -> Place:
    """Remember how far the outbox has come by now, and forget what is older: up to where.

    `changes` refuses whoever is behind that place from now on; `drop_lines` drops them.
    """
    seconds = int(now.timestamp())
    values = {**_place(newest(db, dialect, settled=True)), "at": seconds}
    db.execute(
        text(
            f"INSERT INTO outbox_marks (xid, seq, at) VALUES ({dialect.wanted_xid}, :seq, :at)"
            " ON CONFLICT (xid, seq) DO NOTHING"
        ),
        values,
    )
    old = {"at": seconds - older_than_s}
    floor = _last(db, dialect, "outbox_marks", "WHERE at <= :at", old) or (0, 0)
    db.execute(text(f"DELETE FROM outbox_marks WHERE {dialect.compared('<')}"), _place(floor))
    return floor


def drop_lines(db: Connection, dialect: Dialect, floor: Place) -> int:
    """Drop the oldest lines before a place, at most `AT_ONCE`: how many there were.

    The line at the place stays, so that the last one always tells how far the outbox came,
    and PostgreSQL finds it without walking over dead ones.
    """
    key = ", ".join(dialect.order)
    oldest = (
        f"SELECT {key} FROM outbox WHERE {dialect.compared('<')} {dialect.ordered()}"
        f" LIMIT {AT_ONCE}"
    )
    dropping = text(f"DELETE FROM outbox WHERE ({key}) IN ({oldest})")
    return db.execute(dropping, _place(floor)).rowcount


def _last(
    db: Connection,
    dialect: Dialect,
    table: str,
    where: str = "",
    values: dict[str, Any] | None = None,
) -> Place | None:
    asked = f"SELECT {dialect.xid} AS x, seq FROM {table} {where} {dialect.ordered('DESC')} LIMIT 1"
    row = db.execute(text(asked), values or {}).first()
    return None if row is None else (int(row.x), row.seq)


def _place(place: Place) -> dict[str, Any]:
    return {"xid": str(place[0]), "seq": place[1]}
