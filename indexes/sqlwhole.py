"""Whole tables in SQL: what indexes are built from, as columns."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa
from sqlalchemy import Connection, select

from indexes import sqlfeed
from indexes.sqltrust import TrustRecords
from indexes.store import LISTING_SCHEMA, MEMBER_SCHEMA
from indexes.tables import blocks
from indexes.trusting import (
    ENDORSEMENT_SCHEMA,
    RATING_SCHEMA,
    STANDING_SCHEMA,
    USE_SCHEMA,
    VOUCH_SCHEMA,
)
from indexes.whole_joining import joined_endorsements, joined_listings, joined_members

__all__ = ["Value", "WholeTables"]

Value = str | int
"""Of a parameter."""

# What of LISTING_SCHEMA is not a listing's own, and where it comes from.
_JOINED = {
    "owner_level": "m.level",
    "owner_expires_at": "s.expires_at",
    "owner_building": "h.building_id",
    "owner_residence": "b.residence_id",
    "owner_group": "b.group_id",
    # Of the people who endorse it, the households that count: verified, and not the owner's.
    "endorsers": """(
        SELECT count(DISTINCT em.household_id)
        FROM endorsements en
        JOIN members em ON em.tenant_id = en.tenant_id AND em.id = en.member_id
        WHERE en.tenant_id = l.tenant_id AND en.listing_id = l.id AND em.level >= 2
          AND (m.household_id IS NULL OR m.household_id <> em.household_id))""",
}
_LISTING = [name for name in LISTING_SCHEMA.names if name not in _JOINED]

_HOME = """
    LEFT JOIN households h ON h.tenant_id = m.tenant_id AND h.id = m.household_id
    LEFT JOIN buildings b ON b.tenant_id = h.tenant_id AND b.id = h.building_id"""

_MEMBERS = f"""
    SELECT m.id, m.level, m.household_id, h.building_id, b.residence_id, b.group_id, m.gender
    FROM members m {_HOME}
    WHERE m.tenant_id = :tenant_id {{some}} ORDER BY m.id"""

# A household does not recommend what is its own.
_ENDORSEMENTS = """
    SELECT e.listing_id, e.member_id, m.household_id, {at}, l.owner_id, l.attested
    FROM endorsements e
    JOIN members m ON m.tenant_id = e.tenant_id AND m.id = e.member_id
    JOIN listings l ON l.tenant_id = e.tenant_id AND l.id = e.listing_id
    LEFT JOIN members o ON o.tenant_id = l.tenant_id AND o.id = l.owner_id
    WHERE e.tenant_id = :tenant_id {some}
      AND (o.household_id IS NULL OR o.household_id <> m.household_id)
    ORDER BY e.listing_id, e.member_id"""

# What columns of tables become, if not text; a 64-bit number is an instant.
_TYPES = {
    **{field.name: field.type for field in LISTING_SCHEMA},
    "created_at": pa.int64(),
    "expires_at": pa.int64(),
    "level": pa.int8(),
}
_STATED = ("created_at", "published_at")  # else when it was first written


class WholeTables(TrustRecords):
    """The part of a `indexes.store.Store` that gives whole tables.

    What becomes large is read table by table and joined by column (`indexes.whole_joining`): a
    database takes many times as long to join it row by row, and to sort it.
    """

    # A listing's own lon and lat, and seconds since 1970.
    _lon: str
    _lat: str
    _epoch: str
    _outbox: sqlfeed.Dialect

    @abstractmethod
    def _fetch(
        self, db: Connection, sql: str, values: Mapping[str, Value], schema: pa.Schema
    ) -> pa.Table:
        """Run a bulk read with some parameters and give its columns."""

    def _raw_rows(
        self, db: Connection, table: str, tenant_id: str, wanted: Sequence[str], schema: pa.Schema
    ) -> pa.Table:
        """A tenant's rows of a table called l, in no set order."""
        sql = f"SELECT {', '.join(wanted)} FROM {table} l WHERE l.tenant_id = :tenant_id"
        return self._fetch(db, sql, {"tenant_id": tenant_id}, schema)

    def _raw(self, db: Connection, tenant_id: str, table: str, *columns: str) -> pa.Table:
        """Columns of a tenant's rows of a table, in no set order."""
        schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in columns])
        return self._raw_rows(db, table, tenant_id, list(map(self._own, columns)), schema)

    def _own(self, column: str) -> str:
        """A column of a table called l as it is told, in SQL."""
        if column in ("lon", "lat"):
            return self._lon if column == "lon" else self._lat
        sql = f"l.{column}"
        if column in _STATED:
            sql = f"coalesce({sql}, l.first_written_at)"
        return self._epoch.format(sql) if _TYPES.get(column) == pa.int64() else sql

    def listing_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """See `indexes.store.Store.listing_table`."""
        if ids is None:
            with self._reading(bulk=True) as db:
                return joined_listings(
                    self._raw(db, tenant_id, "listings", *_LISTING),
                    self._members(db, tenant_id),
                    self._raw(db, tenant_id, "standings", "id", "expires_at"),
                    self._raw(db, tenant_id, "endorsements", "listing_id", "member_id"),
                )
        told = _JOINED | {name: self._own(name) for name in _LISTING}
        told["owner_expires_at"] = self._epoch.format(told["owner_expires_at"])
        sql = f"""
            SELECT {", ".join(told[name] for name in LISTING_SCHEMA.names)}
            FROM listings l
            LEFT JOIN members m ON m.tenant_id = l.tenant_id AND m.id = l.owner_id {_HOME}
            LEFT JOIN standings s ON s.tenant_id = l.tenant_id AND s.id = l.owner_id
            WHERE l.tenant_id = :tenant_id {{some}} ORDER BY l.id"""
        return self._table(sql, "l.id", tenant_id, ids, LISTING_SCHEMA)

    def member_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """See `indexes.store.Store.member_table`."""
        if ids is None:
            with self._reading(bulk=True) as db:
                return self._members(db, tenant_id)
        return self._table(_MEMBERS, "m.id", tenant_id, ids, MEMBER_SCHEMA)

    def _members(self, db: Connection, tenant_id: str) -> pa.Table:
        return joined_members(
            self._raw(db, tenant_id, "members", "id", "level", "household_id", "gender"),
            self._raw(db, tenant_id, "households", "id", "building_id"),
            self._raw(db, tenant_id, "buildings", "id", "residence_id", "group_id"),
        )

    def endorsement_table(
        self, tenant_id: str, listing_ids: Collection[str] | None = None
    ) -> pa.Table:
        """See `indexes.store.Store.endorsement_table`."""
        if listing_ids is None:
            said = "listing_id", "member_id", "created_at"
            with self._reading(bulk=True) as db:
                return joined_endorsements(
                    self._raw(db, tenant_id, "endorsements", *said),
                    self._raw(db, tenant_id, "listings", "id", "owner_id", "attested"),
                    self._raw(db, tenant_id, "members", "id", "household_id"),
                )
        at = self._epoch.format("coalesce(e.created_at, e.first_written_at)")
        sql = _ENDORSEMENTS.replace("{at}", at)
        return self._table(sql, "e.listing_id", tenant_id, listing_ids, ENDORSEMENT_SCHEMA)

    def use_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """See `indexes.store.Store.use_table`."""
        asker_done, helper_done = map(self._epoch.format, ("i.asker_done_at", "i.helper_done_at"))
        sql = f"""
            SELECT i.id, r.listing_id, i.asker_id,
                CASE WHEN i.asker_done_at < i.helper_done_at
                    THEN {helper_done} ELSE {asker_done} END
            FROM interactions i
            JOIN requests r ON r.tenant_id = i.tenant_id AND r.id = i.request_id
            WHERE i.tenant_id = :tenant_id {{some}} AND r.listing_id IS NOT NULL
              AND i.asker_done_at IS NOT NULL AND i.helper_done_at IS NOT NULL
            ORDER BY i.id"""
        return self._table(sql, "i.id", tenant_id, ids, USE_SCHEMA)

    def rating_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """See `indexes.store.Store.rating_table`."""
        created_at, opens_at = map(self._epoch.format, ("r.created_at", "r.opens_at"))
        sql = f"""
            SELECT r.id, r.rater_id, r.ratee_id, r.stars, {created_at}, {opens_at}
            FROM ratings r WHERE r.tenant_id = :tenant_id {{some}} ORDER BY r.id"""
        return self._table(sql, "r.id", tenant_id, ids, RATING_SCHEMA)

    def vouch_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """See `indexes.store.Store.vouch_table`."""
        sql = f"""
            SELECT v.id, v.voucher_id, v.vouchee_id, {self._epoch.format("v.created_at")}
            FROM vouches v WHERE v.tenant_id = :tenant_id {{some}} ORDER BY v.id"""
        return self._table(sql, "v.id", tenant_id, ids, VOUCH_SCHEMA)

    def standing_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """See `indexes.store.Store.standing_table`."""
        sql = f"""
            SELECT s.id, s.suspended, {self._epoch.format("s.penalised_until")}
            FROM standings s
            WHERE s.tenant_id = :tenant_id AND (s.suspended OR s.penalised_until IS NOT NULL)
            {{some}} ORDER BY s.id"""
        return self._table(sql, "s.id", tenant_id, ids, STANDING_SCHEMA)

    def _table(
        self,
        sql: str,
        key: str,
        tenant_id: str,
        ids: Collection[str] | None,
        schema: pa.Schema,
    ) -> pa.Table:
        some, values = "", {"tenant_id": tenant_id}
        if ids is not None:
            some = f"AND {key} IN ({self._outbox.ids})"
            values["ids"] = sqlfeed.as_json(ids)
        with self._reading(bulk=True) as db:
            return self._fetch(db, sql.format(some=some), values, schema)

    def blocks(self, tenant_id: str) -> list[tuple[str, str]]:
        """See `indexes.store.Store.blocks`."""
        asked = select(blocks.c.member_id, blocks.c.other_id)
        with self._reading(bulk=True) as db:
            rows = db.execute(asked.where(blocks.c.tenant_id == tenant_id)).all()
        return sorted({(min(pair), max(pair)) for pair in rows})
