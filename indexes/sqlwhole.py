"""Whole tables in SQL: what indexes are built from, as columns."""

from abc import abstractmethod
from collections.abc import Collection, Mapping

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

__all__ = ["WholeTables"]

# Where each column of LISTING_SCHEMA comes from, if not from the listing's own of that name.
_JOINED = {
    "owner_level": "m.level",
    "owner_building": "h.building_id",
    "owner_residence": "b.residence_id",
    "owner_group": "b.group_id",
    "endorsers": "coalesce(e.households, 0)",
}
_INSTANTS = ("valid_from", "valid_to", "starts_at", "ends_at")

# Of the people who endorse a listing, the households that count: verified, and not the owner's.
_ENDORSERS = """
    SELECT e.listing_id, count(DISTINCT m.household_id) AS households
    FROM endorsements e
    JOIN members m ON m.tenant_id = e.tenant_id AND m.id = e.member_id
    JOIN listings l ON l.tenant_id = e.tenant_id AND l.id = e.listing_id
    LEFT JOIN members o ON o.tenant_id = l.tenant_id AND o.id = l.owner_id
    WHERE e.tenant_id = :tenant_id AND m.level >= 2 {some}
      AND (o.household_id IS NULL OR o.household_id <> m.household_id)
    GROUP BY e.listing_id"""

_ALL_ENDORSERS = f"LEFT JOIN ({_ENDORSERS}) e ON e.listing_id = l.id"

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


class WholeTables(TrustRecords):
    """The part of a `indexes.store.Store` that gives whole tables."""

    # A listing's own lon and lat, and seconds since 1970.
    _lon: str
    _lat: str
    _epoch: str
    # Joins the households that endorse some of the listings.
    _some_endorsers = _ALL_ENDORSERS
    _outbox: sqlfeed.Dialect

    @abstractmethod
    def _fetch(
        self, db: Connection, sql: str, values: Mapping[str, str], schema: pa.Schema
    ) -> pa.Table:
        """Run a bulk read with some parameters and give its columns."""

    def _columns(self, sql: str, values: Mapping[str, str], schema: pa.Schema) -> pa.Table:
        """A bulk read of its own."""
        with self._reading(bulk=True) as db:
            return self._fetch(db, sql, values, schema)

    def listing_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """See `indexes.store.Store.listing_table`."""
        own = {name: self._epoch.format(f"l.{name}") for name in _INSTANTS}
        own["published_at"] = self._epoch.format("coalesce(l.published_at, l.first_written_at)")
        own |= {"lon": self._lon, "lat": self._lat}
        own["owner_expires_at"] = self._epoch.format("s.expires_at")
        wanted = ((_JOINED | own).get(name, f"l.{name}") for name in LISTING_SCHEMA.names)
        sql = f"""
            SELECT {", ".join(wanted)}
            FROM listings l
            LEFT JOIN members m ON m.tenant_id = l.tenant_id AND m.id = l.owner_id {_HOME}
            LEFT JOIN standings s ON s.tenant_id = l.tenant_id AND s.id = l.owner_id
            {_ALL_ENDORSERS if ids is None else self._some_endorsers}
            WHERE l.tenant_id = :tenant_id {{some}} ORDER BY l.id"""
        return self._table(sql, "l.id", tenant_id, ids, LISTING_SCHEMA)

    def member_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """See `indexes.store.Store.member_table`."""
        return self._table(_MEMBERS, "m.id", tenant_id, ids, MEMBER_SCHEMA)

    def endorsement_table(
        self, tenant_id: str, listing_ids: Collection[str] | None = None
    ) -> pa.Table:
        """See `indexes.store.Store.endorsement_table`."""
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
        if ids is None:
            return self._columns(sql.format(some=""), {"tenant_id": tenant_id}, schema)
        some = f"AND {key} IN ({self._outbox.ids})"
        values = {"tenant_id": tenant_id, "ids": sqlfeed.as_json(ids)}
        return self._columns(sql.format(some=some), values, schema)

    def blocks(self, tenant_id: str) -> list[tuple[str, str]]:
        """See `indexes.store.Store.blocks`."""
        asked = select(blocks.c.member_id, blocks.c.other_id)
        with self._reading(bulk=True) as db:
            rows = db.execute(asked.where(blocks.c.tenant_id == tenant_id)).all()
        return sorted({(min(pair), max(pair)) for pair in rows})
