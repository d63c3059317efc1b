"""What the two stores share: nearly all. Each adds its connections, bulk load and errors."""

import secrets as random
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from sqlalchemy import (
    Connection,
    Engine,
    LargeBinary,
    Table,
    delete,
    literal_column,
    select,
    text,
)

from geo.arrays import LonLatArray
from geo.errors import ConflictError, InputError
from indexes import sqlfeed, sqlzones
from indexes.codec import PLACE, Placing, place_columns, record_of_row
from indexes.entities import ApiKey, GroupPartition, Zone
from indexes.placement import Placer, Places
from indexes.rules import Columns, require_zone
from indexes.sqldistricts import DistrictRecords
from indexes.sqlrecords import Clock, storable
from indexes.sqltypes import Instant, points_of_ewkb
from indexes.store import (
    Change,
    ImportMark,
    Listener,
    Position,
    Touched,
)
from indexes.tables import (
    api_keys,
    buildings,
    imports,
    listings,
    metadata,
    outbox,
    outbox_marks,
    secrets,
    tenants,
    zones,
)

__all__ = ["STORE_SECRET", "SqlStore"]

STORE_SECRET = "store"  # tells this store from every other; never copied to another
CHUNK = 50_000  # rows held as Python objects at a time


class SqlStore(DistrictRecords):
    """A `indexes.store.Store` over SQL; what differs by database is left to its subclass."""

    # How two rows differ, a NULL being equal to a NULL.
    _differs: str

    def __init__(self, writer: Engine, reader: Engine, clock: Clock) -> None:
        super().__init__(writer, reader, clock)
        self._placers: dict[str, tuple[int, Placer]] = {}
        self._id = self._identity(self.secret(STORE_SECRET))

    @property
    @abstractmethod
    def label(self) -> str:
        """Which store this is, without secrets."""

    @abstractmethod
    def _identity(self, secret: bytes) -> str:
        """Some hexadecimal digits that no other store has."""

    @abstractmethod
    def _place_quietly(self, db: Connection) -> None:
        """For the rest of the transaction, placing is no change of a record."""

    @abstractmethod
    def listen(self) -> Listener:
        """See `indexes.store.Store.listen`."""

    # Zones and groups.

    def put_zones(self, found: Sequence[Zone]) -> Position:
        """See `indexes.store.Store.put_zones`."""
        for zone in found:
            require_zone(zone)
        unique = {(zone.tenant_id, zone.code, zone.vintage): zone for zone in found}
        owners = sorted({zone.tenant_id for zone in found})
        with self._writing(bulk=True) as db:
            self._require_tenants(db, owners)
            if unique:
                sqlzones.write_zones(db, list(unique.values()))
            return self._place_again(db, "zones", owners)

    def put_groups(self, partition: GroupPartition) -> Position:
        """See `indexes.store.Store.put_groups`."""
        with self._writing(bulk=True) as db:
            self._require_tenants(db, [partition.tenant_id])
            sqlzones.write_groups(db, partition, self._clock())
            return self._place_again(db, "groups", [partition.tenant_id])

    def zones(self, tenant_id: str, vintage: int | None = None) -> list[Zone]:
        """See `indexes.store.Store.zones`."""
        with self._reading(bulk=True) as db:
            if vintage is None:
                vintage = sqlzones.newest_vintage(db, tenant_id)
            return [] if vintage is None else sqlzones.read_zones(db, tenant_id, vintage)

    def vintages(self, tenant_id: str) -> list[int]:
        """See `indexes.store.Store.vintages`."""
        asked = select(zones.c.vintage).distinct().where(zones.c.tenant_id == tenant_id)
        with self._reading() as db:
            return list(db.scalars(asked.order_by(zones.c.vintage)))

    def groups(self, tenant_id: str, version: int | None = None) -> GroupPartition | None:
        """See `indexes.store.Store.groups`."""
        with self._reading(bulk=True) as db:
            return sqlzones.read_groups(db, tenant_id, version)

    def _require_tenants(self, db: Connection, owners: Sequence[str]) -> None:
        known = set(db.scalars(select(tenants.c.id)))
        for owner in owners:
            if owner not in known:
                raise InputError(f"no tenant {ascii(owner)[:80]}", code="unknown-reference")

    def _placing(self, db: Connection) -> Placing:
        def place(tenant_id: str, lonlat: LonLatArray) -> Places:
            version = sqlzones.placement_version(db, tenant_id)
            cached = self._placers.get(tenant_id)
            if cached is None or cached[0] != version:
                cached = version, self._placer(db, tenant_id)
                self._placers[tenant_id] = cached
            return cached[1].place(lonlat)

        return place

    def _placer(self, db: Connection, tenant_id: str) -> Placer:
        vintage = sqlzones.newest_vintage(db, tenant_id)
        newest = [] if vintage is None else sqlzones.read_zones(db, tenant_id, vintage)
        return Placer(newest, sqlzones.read_groups(db, tenant_id))

    def _place_again(self, db: Connection, entity: str, owners: Sequence[str]) -> Position:
        """Place all that has a point by the new zones and groups, and note one change each."""
        self._place_quietly(db)
        for owner in owners:
            sqlzones.raise_placement(db, owner)
            # Not the cached one, and not cached: this transaction may yet fail.
            placer = self._placer(db, owner)
            for table in (buildings, listings):
                self._place_table_again(db, table, owner, placer)
        sqlfeed.note(db, entity, owners)
        return self._newest(db)

    def _place_table_again(self, db: Connection, table: Table, owner: str, placer: Placer) -> None:
        name, after = table.name, ""
        set_names = [column for column in (*PLACE, "group_id") if column in table.c]
        points = text(
            f"SELECT id, {self._ewkb} AS point FROM {name} WHERE tenant_id = :owner"
            f" AND id > :after AND geom IS NOT NULL ORDER BY id LIMIT {CHUNK}"
        )
        update = text(
            f"UPDATE {name} SET {', '.join(f'{c} = p.{c}' for c in set_names)}"
            f" FROM placed_{name} p WHERE {name}.tenant_id = p.tenant_id AND {name}.id = p.id"
            f" AND ({', '.join(f'{name}.{c}' for c in set_names)}) {self._differs}"
            f" ({', '.join(f'p.{c}' for c in set_names)})"
        )
        while rows := db.execute(points, {"owner": owner, "after": after}).all():
            ids, blobs = zip(*rows, strict=True)
            places = place_columns(placer.place(np.column_stack(points_of_ewkb(blobs))))
            columns = {"tenant_id": [owner] * len(ids), "id": ids}
            columns |= {column: places[column] for column in set_names}
            placed = zip(*columns.values(), strict=True)
            self._stage(db, f"placed_{name}", table, list(columns), placed)
            db.execute(update)
            after = ids[-1]

    # Tenants and keys.

    def tenants(self) -> list[str]:
        """See `indexes.store.Store.tenants`."""
        with self._reading() as db:
            return list(db.scalars(select(tenants.c.id).order_by(tenants.c.id)))

    def find_key(self, secret_sha256: str) -> ApiKey | None:
        """See `indexes.store.Store.find_key`."""
        if not storable(secret_sha256):
            return None
        asked = select(api_keys).where(api_keys.c.secret_sha256 == secret_sha256)
        with self._reading() as db:
            row = db.execute(asked).mappings().first()
        return None if row is None else record_of_row(ApiKey, row)

    # The feed.

    def position(self, *, settled: bool = True) -> Position:
        """See `indexes.store.Store.position`."""
        with self._reading() as db:
            return Position(self._id, *sqlfeed.newest(db, self._outbox, settled=settled))

    def _newest(self, db: Connection) -> Position:
        return Position(self._id, *sqlfeed.newest(db, self._outbox, settled=False))

    def changes(self, after: Position, limit: int = 10_000) -> list[Change]:
        """See `indexes.store.Store.changes`."""
        if after.store != self._id:
            raise InputError("this position is another store's", code="invalid-position")
        with self._reading() as db:
            lines = sqlfeed.read_lines(db, self._outbox, (after.xid, after.seq), limit)
        return [
            Change(Position(self._id, *place), tenant_id, entity, id)
            for place, tenant_id, entity, id in lines
        ]

    def touched(self, tenant_id: str, changes: Iterable[Change]) -> Touched:
        """See `indexes.store.Store.touched`."""
        with self._reading() as db:
            return sqlfeed.touched(db, self._outbox, tenant_id, changes)

    def trim(self, older_than_s: float) -> int:
        """See `indexes.store.Store.trim`."""
        with self._writing() as db:
            floor = sqlfeed.mark_and_trim(db, self._outbox, self._clock(), older_than_s)
        dropped, some = 0, sqlfeed.AT_ONCE
        while some == sqlfeed.AT_ONCE:
            with self._writing(bulk=True) as db:
                some = sqlfeed.drop_lines(db, self._outbox, floor)
            dropped += some
        return dropped

    # All of it.

    def dump(self) -> Iterator[tuple[Table, Columns]]:
        """All that is kept, as of one instant, by table, some rows at a time.

        What a row refers to comes before it. The outbox and the store's identity stay out: they
        are this store's alone. Points and outlines are EWKB, instants aware datetimes.
        """
        with self._reading(bulk=True) as db:
            for table in metadata.sorted_tables:
                if table in (outbox, outbox_marks):
                    continue
                wanted = [
                    literal_column(self._ewkb, LargeBinary).label("geom") if c.name == "geom" else c
                    for c in table.c
                ]
                asked = select(*wanted).select_from(table)
                if table is secrets:
                    asked = asked.where(secrets.c.name != STORE_SECRET)
                for rows in db.execute(asked).partitions(CHUNK):
                    yield table, dict(zip(table.c.keys(), zip(*rows, strict=True), strict=True))

    def load(self, dumped: Iterable[tuple[Table, Columns]]) -> Position:
        """Take in what another store's `dump` gives, in one transaction.

        Raises
        ------
        ConflictError
            If this store has a tenant already.
        """
        with self._writing(bulk=True) as db:
            if db.execute(select(tenants.c.id).limit(1)).first():
                raise ConflictError(f"{self.label} is not empty", code="store-not-empty")
            db.execute(delete(secrets).where(secrets.c.name != STORE_SECRET))
            for table, columns in dumped:
                instants = [c.name for c in table.c if isinstance(c.type, Instant)]
                ready = {**columns, **{c: self._instants(columns[c]) for c in instants}}
                rows = zip(*ready.values(), strict=True)
                self._fill(db, table.name, table, list(ready), rows)
            for entity in ("zones", "groups"):
                sqlfeed.note(db, entity, db.scalars(select(tenants.c.id)).all())
            return self._newest(db)

    # The store's own.

    def import_mark(self, tenant_id: str, source: str) -> ImportMark | None:
        """See `indexes.store.Store.import_mark`."""
        if not storable(tenant_id, source):
            return None
        mine = (imports.c.tenant_id == tenant_id, imports.c.source == source)
        with self._reading() as db:
            row = db.execute(select(imports).where(*mine)).mappings().first()
        return None if row is None else ImportMark(**row)

    def secret(self, name: str) -> bytes:
        """See `indexes.store.Store.secret`."""
        asked = select(secrets.c.value).where(secrets.c.name == name)
        with self._reading() as db:
            found = db.scalar(asked)
        if found is None:
            # Two processes may both find none: the first to write decides.
            made = "INSERT INTO secrets (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING"
            with self._writing() as db:
                db.execute(text(made), {"name": name, "value": random.token_bytes(32)})
                found = db.execute(asked).scalar_one()
        return bytes(found)

    def close(self) -> None:
        """See `indexes.store.Store.close`."""
        self._writer.dispose()
        self._reader.dispose()
