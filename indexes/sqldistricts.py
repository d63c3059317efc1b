"""Districts in SQL: the facts of a quarter, settings, releases and their draws."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, insert, select, text

from geo.errors import ConflictError, InputError, NotFoundError
from indexes import sqlfeed
from indexes.district_facts import Facts, Quarter
from indexes.facts_joining import RawFacts, RawTrips, joined_facts
from indexes.placement import Placer
from indexes.releases import (
    VERSIONS,
    DistrictSettings,
    Release,
    ReleaseHead,
    digest,
    head_to_text,
    require_release,
    settings_from_text,
    settings_to_text,
    table_from_bytes,
    table_to_bytes,
)
from indexes.schedules import as_zone, schedule_of_text
from indexes.sqlactivity import ActivityRecords
from indexes.sqlrecords import storable
from indexes.sqltypes import line_ends_of_ewkb
from indexes.sqlwhole import Value
from indexes.store import Position
from indexes.tables import bookings, district_settings, draws, releases, tenants, trips

__all__ = ["DistrictRecords"]

MAX_FAMILY = 64  # characters

_HEAD = [column for column in releases.c if column.name not in ("rows", "sha256")]

# What facts are joined from: each table once, as it lies there, in no set order. `{…}` are what
# the databases say differently, and whole seconds since 1970.
_SCANS: dict[str, tuple[str, dict[str, tuple[str, pa.DataType]]]] = {
    "buildings": (
        "FROM buildings l {whole} WHERE l.tenant_id = :tenant_id",  # lon and lat are of an l
        {
            "id": ("l.id", pa.string()),
            "zone": ("l.zone", pa.string()),
            "cell": ("l.cell", pa.uint64()),
            "lon": ("{lon}", pa.float64()),
            "lat": ("{lat}", pa.float64()),
            "dwellings": ("l.dwellings", pa.int32()),
        },
    ),
    "households": (
        "FROM households {whole} WHERE tenant_id = :tenant_id",
        {"id": ("id", pa.string()), "building": ("building_id", pa.string())},
    ),
    "members": (
        "FROM members {whole} WHERE tenant_id = :tenant_id",
        {
            "id": ("id", pa.string()),
            "household": ("household_id", pa.string()),
            "joined": ("coalesce({joined} < {ends}, true)", pa.bool_()),
        },
    ),
    "activity": (
        "FROM (SELECT household_id, count(*) AS weeks FROM activity_weeks"
        " WHERE tenant_id = :tenant_id AND week BETWEEN :first_week AND :last_week"
        " GROUP BY household_id) a",
        {"household": ("household_id", pa.string()), "weeks": ("weeks", pa.int32())},
    ),
    "listings": (
        "FROM listings l {whole} WHERE l.tenant_id = :tenant_id AND {published} < {ends}"
        # Exact figures are of what anybody may see; a notice to a building is nobody else's.
        " AND (l.personal OR l.audience = 'public')"
        " AND (l.valid_from IS NULL OR {valid_from} < {ends})"
        " AND (l.valid_to IS NULL OR {valid_to} > {begins})"
        # An event without an end lasts three hours, see `indexes.entities.Listing.event_end`.
        " AND (l.kind <> 'event' OR coalesce({ends_at}, {starts_at} + 10800) > {begins})",
        {
            "id": ("l.id", pa.string()),
            "owner": ("l.owner_id", pa.string()),
            "zone": ("l.zone", pa.string()),
            "cell": ("l.cell", pa.uint64()),
            "lon": ("{lon}", pa.float64()),
            "lat": ("{lat}", pa.float64()),
            "kind": ("l.kind", pa.string()),
            "category": ("l.category", pa.string()),
            "public": ("NOT l.personal", pa.bool_()),
        },
    ),
    "requests": (
        "FROM requests r LEFT JOIN replies p"
        " ON p.tenant_id = r.tenant_id AND p.request_id = r.id"
        " WHERE r.tenant_id = :tenant_id AND {asked} >= {begins} AND {asked} < {ends}",
        {
            "asker": ("r.asker_id", pa.string()),
            "category": ("r.category", pa.string()),
            "answered_48h": ("coalesce({replied} - {asked} <= 172800, false)", pa.bool_()),
            "unmet": ("NOT coalesce(p.accepted, false)", pa.bool_()),
        },
    ),
}
_INSTANTS = {
    "joined": "coalesce(created_at, first_written_at)",
    "published": "coalesce(l.published_at, l.first_written_at)",
    "valid_from": "l.valid_from",
    "valid_to": "l.valid_to",
    "starts_at": "l.starts_at",
    "ends_at": "l.ends_at",
    "asked": "r.created_at",
    "replied": "p.created_at",
}


class DistrictRecords(ActivityRecords):
    """The part of a `indexes.store.Store` that districts are drawn from, and kept in."""

    _ewkb: str  # a point or line as EWKB
    _whole = ""  # after a table's name: read it from end to end, without an index

    @abstractmethod
    def _placer(self, db: Connection, tenant_id: str) -> Placer:
        """Places points by the newest zones."""

    # Facts.

    def facts(self, tenant_id: str, quarter: Quarter) -> Facts:
        """See `indexes.store.Store.facts`."""
        if not storable(tenant_id):
            raise NotFoundError(f"no tenant {ascii(tenant_id)[:80]}")
        with self._reading(bulk=True) as db:
            timezone = db.scalar(select(tenants.c.timezone).where(tenants.c.id == tenant_id))
            if timezone is None:
                raise NotFoundError(f"no tenant {ascii(tenant_id)[:80]}")
            zone = as_zone(timezone)
            put_in = {name: self._epoch.format(of) for name, of in _INSTANTS.items()}
            put_in |= {
                "lon": self._lon,
                "lat": self._lat,
                "whole": self._whole,
                "begins": str(int(quarter.begins(zone).timestamp())),
                "ends": str(int(quarter.ends(zone).timestamp())),
            }
            asked = {
                "tenant_id": tenant_id,
                "first_week": quarter.weeks[0],
                "last_week": quarter.weeks[-1],
            }
            scans = {name: self._scan(db, name, put_in, asked) for name in _SCANS}
            raw = RawFacts(
                **scans,
                trips=self._trip_rows(db, tenant_id, put_in["ends"]),
                booked=self._booked(db, tenant_id, quarter),
            )
            placer = self._placer(db, tenant_id)
        return joined_facts(quarter, zone, raw, placer)

    def _scan(
        self, db: Connection, name: str, put_in: Mapping[str, str], asked: Mapping[str, str]
    ) -> pa.Table:
        """One of the tables that facts are joined from."""
        source, columns = _SCANS[name]
        schema = pa.schema([(column, kind) for column, (_, kind) in columns.items()])
        wanted = [sql.format(**put_in) for sql, _ in columns.values()]
        values = {key: value for key, value in asked.items() if f":{key}" in source}
        return self._whole_table(db, wanted, source.format(**put_in), values, schema)

    def _whole_table(
        self,
        db: Connection,
        wanted: Sequence[str],
        source: str,
        values: Mapping[str, Value],
        schema: pa.Schema,
    ) -> pa.Table:
        """`_fetch` of nearly all rows of a table, in no set order."""
        return self._fetch(db, f"SELECT {', '.join(wanted)} {source}", values, schema)

    def _trip_rows(self, db: Connection, tenant_id: str, ends: str) -> RawTrips:
        """Trips there before an instant."""
        published = self._epoch.format("coalesce(published_at, first_written_at)")
        sql = (
            f"SELECT id, owner_id, role, seats, schedule, {self._ewkb} FROM {trips.name}"
            f" WHERE tenant_id = :tenant_id AND NOT cancelled AND {published} < {ends}"
        )
        rows = db.execute(text(sql), {"tenant_id": tenant_id}).all()
        *columns, lines = zip(*rows, strict=True) if rows else ((),) * 6
        ids, owners, roles, seats, schedules = columns
        return RawTrips(
            ids=ids,
            owners=owners,
            roles=roles,
            seats=seats,
            schedules=list(map(schedule_of_text, schedules)),
            ends=line_ends_of_ewkb(lines),
        )

    @staticmethod
    def _booked(db: Connection, tenant_id: str, quarter: Quarter) -> set[str]:
        """Ids of trips, both sides', with a booking within a quarter that stands."""
        asked = select(bookings.c.trip_id, bookings.c.passenger_trip_id).where(
            bookings.c.tenant_id == tenant_id,
            bookings.c.status != "CANCELLED",
            bookings.c.day.between(quarter.first_day.isoformat(), quarter.last_day.isoformat()),
        )
        return {id for row in db.execute(asked) for id in row if id is not None}

    # Settings.

    def district_settings(self, tenant_id: str) -> DistrictSettings:
        """See `indexes.store.Store.district_settings`."""
        if not storable(tenant_id):
            raise NotFoundError(f"no tenant {ascii(tenant_id)[:80]}")
        with self._reading() as db:
            _require_tenant(db, tenant_id)
            told = select(district_settings.c.settings).where(
                district_settings.c.tenant_id == tenant_id
            )
            return settings_from_text(tenant_id, db.scalar(told) or "{}")

    def put_district_settings(self, settings: DistrictSettings) -> None:
        """See `indexes.store.Store.put_district_settings`."""
        row = {"tenant_id": settings.tenant_id, "settings": settings_to_text(settings)}
        if not storable(settings.tenant_id):
            raise NotFoundError(f"no tenant {ascii(settings.tenant_id)[:80]}")
        written = text(
            f"INSERT INTO {district_settings.name} (tenant_id, settings)"
            " VALUES (:tenant_id, :settings)"
            " ON CONFLICT (tenant_id) DO UPDATE SET settings = excluded.settings"
        )
        with self._writing() as db:
            _require_tenant(db, settings.tenant_id)
            db.execute(written, row)

    # Releases.

    def add_release(self, release: Release) -> Position:
        """See `indexes.store.Store.add_release`."""
        require_release(release)
        data = table_to_bytes(release.rows)
        row = {
            **{column.name: getattr(release, column.name) for column in _HEAD},
            "head": head_to_text(release.head),
            "sha256": digest(data),
            "rows": data,
        }
        with self._writing(bulk=True) as db:
            _require_tenant(db, release.tenant_id)
            newest = self._release_rows(release.tenant_id, [releases.c.version], release.id)
            version = (db.scalar(newest.limit(1)) or 0) + 1
            if release.version != version:
                raise ConflictError(
                    f"the next version of release {release.id} is {version}, got"
                    f" {release.version}: what is published stays as it is",
                    code="release-exists",
                )
            db.execute(insert(releases), row)
            sqlfeed.note(db, releases.name, [release.tenant_id])
            return self._newest(db)

    def releases(self, tenant_id: str) -> list[ReleaseHead]:
        """See `indexes.store.Store.releases`."""
        if not storable(tenant_id):
            return []
        with self._reading() as db:
            rows = db.execute(self._release_rows(tenant_id, _HEAD)).mappings()
            return [ReleaseHead(**_head(row)) for row in rows]

    def release(self, tenant_id: str, id: str | None = None, version: int | None = None) -> Release:
        """See `indexes.store.Store.release`."""
        row = None
        if storable(tenant_id, id) and (version is None or version in VERSIONS):
            asked = self._release_rows(tenant_id, list(releases.c), id)
            if version is not None:
                asked = asked.where(releases.c.version == version)
            with self._reading(bulk=True) as db:
                row = db.execute(asked.limit(1)).mappings().first()
        if row is None:
            which = "any" if id is None else ascii(id)[:40]
            if version is not None:
                which += f" of version {version}"
            raise NotFoundError(f"no release: wanted {which}", code="unknown-release")
        return Release(**_head(row), rows=table_from_bytes(bytes(row["rows"]), row["sha256"]))

    @staticmethod
    def _release_rows(tenant_id: str, wanted: list[Any], id: str | None = None) -> Select[Any]:
        """Releases, or the versions of one, the newest first."""
        asked = select(*wanted).where(releases.c.tenant_id == tenant_id)
        if id is not None:
            asked = asked.where(releases.c.id == id)
        return asked.order_by(releases.c.id.desc(), releases.c.version.desc())

    # Draws.

    def draws(self, tenant_id: str, quarter: str, family: str) -> pa.Table | None:
        """See `indexes.store.Store.draws`."""
        if not storable(tenant_id, quarter, family):
            return None
        with self._reading(bulk=True) as db:
            return _drawn(db, tenant_id, quarter, family)

    def add_draws(self, tenant_id: str, quarter: str, tables: Mapping[str, pa.Table]) -> None:
        """See `indexes.store.Store.add_draws`."""
        Quarter.parse(quarter)
        if not storable(tenant_id):
            raise NotFoundError(f"no tenant {ascii(tenant_id)[:80]}")
        for family in tables:
            if not (storable(family) and 1 <= len(family) <= MAX_FAMILY):
                raise InputError(f"a family is named in 1 to {MAX_FAMILY} characters")
        once = text(
            f"INSERT INTO {draws.name} (tenant_id, quarter, family, sha256, rows)"
            " VALUES (:tenant_id, :quarter, :family, :sha256, :rows) ON CONFLICT DO NOTHING"
        )
        with self._writing(bulk=True) as db:
            _require_tenant(db, tenant_id)
            # Two processes may both have drawn: the first to write decides. In one order, so that
            # the second waits for it at the first family that both have.
            for family, table in sorted(tables.items()):
                data = table_to_bytes(table)
                row = {"tenant_id": tenant_id, "quarter": quarter, "family": family}
                db.execute(once, {**row, "sha256": digest(data), "rows": data})
                kept = _drawn(db, **row)
                if kept is None or not kept.equals(table, check_metadata=True):
                    raise ConflictError(
                        f"the noise of {family} is drawn for {quarter} already, and never again",
                        code="already-drawn",
                    )


def _require_tenant(db: Connection, tenant_id: str) -> None:
    if db.scalar(select(tenants.c.id).where(tenants.c.id == tenant_id)) is None:
        raise NotFoundError(f"no tenant {ascii(tenant_id)[:80]}")


def _head(row: RowMapping) -> dict[str, Any]:
    found = {column.name: row[column.name] for column in _HEAD}
    return {**found, "head": msgspec.json.decode(found["head"])}


def _drawn(db: Connection, tenant_id: str, quarter: str, family: str) -> pa.Table | None:
    key: tuple[ColumnElement[bool], ...] = (
        *(draws.c.tenant_id == tenant_id, draws.c.quarter == quarter),
        draws.c.family == family,
    )
    row = db.execute(select(draws.c.rows, draws.c.sha256).where(*key)).first()
    return None if row is None else table_from_bytes(bytes(row.rows), row.sha256)
