"""The Store port: the only truth, whichever database keeps it.

A store is one SQLite file or one PostGIS database. Both answer alike; one conformance suite
holds them to it. Every write commits whole, with its change in the outbox, before it returns.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

import pyarrow as pa

from geo.errors import InputError, StoreError
from indexes.district_facts import ActivityWeek, Facts, Quarter
from indexes.entities import ApiKey, Entity, GroupPartition, Zone
from indexes.journeys import Booking, Trip
from indexes.releases import DistrictSettings, Release, ReleaseHead
from indexes.rules import Checked

__all__ = [
    "LISTING_SCHEMA",
    "MEMBER_SCHEMA",
    "Admit",
    "BookingChange",
    "Change",
    "Desk",
    "ImportMark",
    "Listener",
    "Position",
    "Seat",
    "Store",
    "Touched",
    "file_of",
    "open_store",
    "utc_now",
]

E = TypeVar("E", bound=Entity)
T = TypeVar("T")

Admit = Callable[[Trip, Sequence[Booking]], None]
"""Refuses a booking, by raising: given its trip, and the bookings that hold seats that day."""

BookingChange = Callable[[Booking], Booking]
"""What becomes of a booking; refuses by raising."""

Seat = Callable[[Trip, Sequence[Booking], Booking], None]
"""Refuses to seat a passenger, by raising: given the passenger's own trip, the other bookings for
it that are not cancelled, and the one that is to be kept."""

# One row per listing, with what its owner implies already joined. A personal listing has no
# lon and lat here: its place is `owner_group`. Instants are whole seconds since 1970, UTC.
LISTING_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("personal", pa.bool_()),
        pa.field("title", pa.string()),
        pa.field("text", pa.string()),
        pa.field("category", pa.string()),
        pa.field("lang", pa.string()),
        pa.field("url", pa.string()),
        pa.field("address", pa.string()),
        pa.field("audience", pa.string()),
        pa.field("audience_id", pa.string()),
        pa.field("reach_m", pa.int32()),
        pa.field("valid_from", pa.int64()),
        pa.field("valid_to", pa.int64()),
        pa.field("starts_at", pa.int64()),
        pa.field("ends_at", pa.int64()),
        pa.field("published_at", pa.int64()),
        pa.field("opening_hours", pa.string()),
        pa.field("hours_text", pa.string()),
        pa.field("quota", pa.int32()),
        pa.field("quota_used", pa.int32()),
        pa.field("lon", pa.float64()),
        pa.field("lat", pa.float64()),
        pa.field("zone", pa.string()),
        pa.field("attested", pa.string()),
        pa.field("owner_id", pa.string()),
        pa.field("owner_level", pa.int8()),
        pa.field("owner_expires_at", pa.int64()),  # until when that level was proved
        pa.field("owner_building", pa.string()),
        pa.field("owner_residence", pa.string()),
        pa.field("owner_group", pa.string()),
        pa.field("endorsers", pa.int32()),  # households of level >= 2 that endorse it
    ]
)

# One row per member.
MEMBER_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("level", pa.int8()),
        pa.field("household", pa.string()),
        pa.field("building", pa.string()),
        pa.field("residence", pa.string()),
        pa.field("group", pa.string()),
        pa.field("gender", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """How far a store has come. Opaque outside; ``str()`` and `parse` are inverse.

    ``xid`` is PostgreSQL's transaction (0 on SQLite), ``seq`` the row of the outbox.

    Examples
    --------
    >>> Position.parse("3f2a9c01-0-42")
    Position(store='3f2a9c01', xid=0, seq=42)
    """

    store: str
    xid: int
    seq: int

    def __str__(self) -> str:
        return f"{self.store}-{self.xid}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        store, _, rest = text.partition("-")
        xid, _, seq = rest.partition("-")
        if not (store and xid.isascii() and seq.isascii() and xid.isdigit() and seq.isdigit()):
            raise InputError("a position is what a write returned", code="invalid-position")
        if len(text) > 60:
            raise InputError("a position is what a write returned", code="invalid-position")
        return cls(store, int(xid), int(seq))


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the outbox: what changed, not what it is now (read the row again)."""

    position: Position
    tenant_id: str
    entity: str  # table name: "listings", "members", …
    id: str


@dataclass(frozen=True, slots=True)
class Touched:
    """What of a tenant must be read again after some changes: ids, there or gone by now."""

    listings: frozenset[str] = frozenset()  # rows of `Store.listing_table` that may differ
    members: frozenset[str] = frozenset()  # rows of `Store.member_table` that may differ
    blocks: bool = False
    trips: frozenset[str] = frozenset()  # trips that, or whose owners or bookings, may differ
    everything: bool = False  # zones, groups or the tenant itself: then no ids are told


@dataclass(frozen=True, slots=True)
class ImportMark:
    """How far an import came: committed with each batch, so that a killed one can resume."""

    tenant_id: str
    source: str  # what identifies file, mapping and kind
    rows_done: int
    finished: bool = False


class Listener(Protocol):
    """Wakes a reader of changes. What it says is a hint: only `Store.changes` knows."""

    def wait(self, timeout_s: float) -> bool:
        """Return True soon after a commit, of any process, or False after some seconds.

        A commit since the last call, or since `Store.listen`, counts. Raises `StoreError`
        where the connection broke: then listen anew.
        """

    def close(self) -> None:
        """Let go of the connection."""


class Desk(Protocol):
    """What a decision works with: the records of one tenant, inside one transaction."""

    def get(self, of: type[E], id: str) -> E:
        """One record. Raises `NotFoundError`."""

    def find(self, of: type[E], id: str) -> E | None:
        """One record, or None."""

    def all(self, of: type[E], where: Mapping[str, str | int | bool]) -> list[E]:
        """Records whose columns equal these values, in bytewise order of id."""

    def put(self, entity: Entity) -> None:
        """Write a record: the next look sees it, others do once the decision is made."""

    def put_all(self, entities: Iterable[Entity]) -> None:
        """`put` of many, in any order; the last of an id wins."""


class Store(Protocol):
    """What both stores do. Every method filters by tenant; none returns another's rows.

    All raise `StoreError` where the database fails, `InputError` where a record breaks a
    rule (a coordinate, a missing owner), and nothing is half-written.
    """

    @property
    def label(self) -> str:
        """Which store this is, without secrets: a path, or host and database."""

    def put_all(self, entities: Iterable[Entity], mark: ImportMark | None = None) -> Position:
        """Insert or replace records in one transaction, placed (cell, zone, group) on the way.

        A replaced listing keeps its ``published_at`` unless the new one states another; a new
        one that states none has the instant of the write. Instants are kept in whole seconds.
        A record that is there already, just so, is no change. The last of an id wins.
        Order among the records doesn't matter as long as what they refer to is stored or
        among them. ``mark`` is written in the same transaction.

        With a trip that is cancelled, the bookings of rides to come are: on it, or for it.
        """

    def put_columns(self, records: Checked, mark: ImportMark | None = None) -> Position:
        """`put_all` of records of one class, checked and by column. No id may come twice."""

    def put(self, entity: Entity) -> Position:
        """`put_all` of one."""

    def get(self, of: type[E], tenant_id: str, id: str) -> E:
        """One record. Raises `NotFoundError`."""

    def delete(self, of: type[Entity], tenant_id: str, id: str) -> Position:
        """Remove a record and what hangs on it alone: a member's endorsements and blocks, a
        listing's endorsements. A member's seats on rides to come are cancelled. Raises
        `NotFoundError`, or `ConflictError` while others still refer to it."""

    def page(
        self,
        of: type[E],
        tenant_id: str,
        *,
        after: str = "",
        limit: int = 100,
        where: Mapping[str, str | int | bool] | None = None,
    ) -> list[E]:
        """Records with id > ``after``, in bytewise order of id, at most ``limit``.

        ``where`` keeps rows whose columns equal these values.
        """

    def count(self, of: type[Entity], tenant_id: str) -> int:
        """How many records of a kind a tenant has."""

    def tenants(self) -> list[str]:
        """Ids of all tenants, sorted."""

    def find_key(self, secret_sha256: str) -> ApiKey | None:
        """The key whose secret has this digest, in any tenant."""

    def put_zones(self, zones: Sequence[Zone]) -> Position:
        """Insert or replace zones by (tenant, code, vintage), then place again every building
        and public listing of those tenants. The newest vintage is the one that places.
        A zone that states no figures keeps those that are stored of it."""

    def zones(self, tenant_id: str, vintage: int | None = None) -> list[Zone]:
        """Zones of a vintage (None: the newest), sorted by code."""

    def vintages(self, tenant_id: str) -> list[int]:
        """Vintages loaded, ascending."""

    def put_groups(self, partition: GroupPartition) -> Position:
        """Make a partition the current one and give every building its group. Raises
        `ConflictError` if a later version is there."""

    def groups(self, tenant_id: str, version: int | None = None) -> GroupPartition | None:
        """The partition of a version (None: the current one), or None if there is none."""

    def listing_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """Listings as columns (`LISTING_SCHEMA`), sorted by id, bytewise.

        All of them, or of some ids those that are there.
        """

    def listing_ids(self, tenant_id: str, categories: Collection[str]) -> list[str]:
        """Ids of the listings in some categories, or below them, sorted bytewise."""

    def member_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """Members as columns (`MEMBER_SCHEMA`), sorted by id, bytewise.

        All of them, or of some ids those that are there.
        """

    def endorsement_table(
        self, tenant_id: str, listing_ids: Collection[str] | None = None
    ) -> pa.Table:
        """Endorsements as columns (`indexes.trusting.ENDORSEMENT_SCHEMA`), sorted by listing and
        member, bytewise.

        Of all listings, or of some. Those by the household of a listing's owner are left out.
        ``created_at`` is when an endorsement was given, or first written where none was stated.
        """

    def use_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """Uses of listings as columns (`indexes.trusting.USE_SCHEMA`), sorted by id, bytewise.

        An id is that of the interaction, completed. Of all, or of some ids those that are there;
        the listing may be gone by now.
        """

    def rating_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """Ratings as columns (`indexes.trusting.RATING_SCHEMA`), sorted by id, bytewise.

        All of them, or of some ids those that are there.
        """

    def vouch_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """Vouches as columns (`indexes.trusting.VOUCH_SCHEMA`), sorted by id, bytewise.

        All of them, or of some ids those that are there.
        """

    def standing_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        """Members whose word counts less, or did (`indexes.trusting.STANDING_SCHEMA`), by id.

        All of them, or of some ids those that are there.
        """

    def blocks(self, tenant_id: str) -> list[tuple[str, str]]:
        """Pairs of members who never see each other, each pair once."""

    def trips(self, tenant_id: str, ids: Collection[str] | None = None) -> list[Trip]:
        """Trips as their owners stated them, sorted by id, bytewise: exact ends and all.

        All of them, or of some ids those that are there.
        """

    def bookings(self, tenant_id: str, trip_ids: Collection[str] | None = None) -> list[Booking]:
        """Bookings that hold seats on trips, sorted by id: all but the cancelled ones.

        Of all trips, or of some: of drivers that they are on, of passengers that they are for.
        """

    def book(self, booking: Booking, admit: Admit, seat: Seat | None = None) -> Position:
        """Take seats: keep a new booking unless ``admit`` refuses it, or ``seat``.

        ``admit`` is called with the trip as it is and the bookings that hold seats on that day,
        ``seat`` with the passenger's own trip, if one is named, and the seats there are for it:
        while nobody else can book either trip or change it. They must not call the store.

        Raises what ``admit`` and ``seat`` do; `NotFoundError` if there is no such trip;
        `ConflictError` if there is a booking of that id, or the passenger's own trip is cancelled.
        """

    def change_booking(
        self, tenant_id: str, id: str, change: BookingChange, seat: Seat | None = None
    ) -> tuple[Booking, Position]:
        """Replace a booking by what ``change`` makes of it, while nobody else changes it.

        ``seat`` is asked, as for `book`, about one that no longer waits for its driver then.

        Raises what ``change`` and ``seat`` do; `NotFoundError`; `ConflictError` for a cancelled
        one that would come back, or where trips, day, legs or seats would be others.
        """

    def decide(
        self,
        tenant_id: str,
        locked: Collection[tuple[type[Entity], str]],
        decision: Callable[[Desk], T],
        *,
        claimed: Collection[tuple[type[Entity], str]] = (),
    ) -> tuple[T, Position]:
        """Look at what is there and write what follows from it, in one transaction.

        The records in ``locked``, each a class and an id, are changed by nobody else meanwhile:
        two decisions that lock one in common are made one after the other. So are two that claim
        one in common, whether there is such a record or not. Only so are the records of
        `indexes.trusting` written. ``decision`` must not call the store.

        Returns what ``decision`` does, and the position. Raises what it does, and then nothing
        is written; `NotFoundError` for one to be locked that isn't there.
        """

    def note_activity(self, tenant_id: str, household_id: str, week: str) -> None:
        """Note that somebody of a household was active in an ISO week, such as ``2026-W34``.

        Once noted, it stays so. No change in the outbox tells of it, as that would tell when.
        Raises `NotFoundError` if there is no such household.
        """

    def put_activity(self, weeks: Iterable[ActivityWeek]) -> None:
        """`note_activity` of many, in one transaction; those noted already stay.

        Raises `InputError` where a household is unknown.
        """

    def drop_activity(self, tenant_id: str, before: str) -> int:
        """Forget what was noted of weeks before an ISO week: how many households' weeks."""

    def facts(self, tenant_id: str, quarter: Quarter) -> Facts:
        """What a quarter's figures are counted from, as of one instant. Raises `NotFoundError`.

        A member counts from ``created_at`` on; who was there before that was noted, always.
        """

    def district_settings(self, tenant_id: str) -> DistrictSettings:
        """What a town has chosen for its releases. Raises `NotFoundError`."""

    def put_district_settings(self, settings: DistrictSettings) -> None:
        """Keep what a town has chosen, in place of what it had. Raises `NotFoundError`."""

    def add_release(self, release: Release) -> Position:
        """Keep a release for good. Its version is 1, or one more than the newest of its id:
        else `ConflictError`. Raises `InputError` for one that can't be kept."""

    def releases(self, tenant_id: str) -> list[ReleaseHead]:
        """What releases say of themselves, the newest first: by id, then by version."""

    def release(self, tenant_id: str, id: str | None = None, version: int | None = None) -> Release:
        """One release: by default the newest, and its newest version.

        Raises `NotFoundError`, its code ``unknown-release``.
        """

    def draws(self, tenant_id: str, quarter: str, family: str) -> pa.Table | None:
        """The noisy counts that were drawn for a family of measures and a quarter, or None."""

    def add_draws(self, tenant_id: str, quarter: str, tables: Mapping[str, pa.Table]) -> None:
        """Keep noisy counts by family for good, all or none: their ε were chosen together.

        Raises `ConflictError`, its code ``already-drawn``, if others are there of any of the
        families: noise drawn twice is half the noise."""

    def position(self, *, settled: bool = True) -> Position:
        """The last change that is certain to have no earlier one still under way.

        Or, if not ``settled``, the last that is there at all: `changes` may not give it yet.
        """

    def changes(self, after: Position, limit: int = 10_000) -> list[Change]:
        """Changes after a position, oldest first: each once, none before it is certain to be
        next. All zones of a tenant, or its groups, are one change each, with no id.

        An endorsement that comes, goes or moves is a change of its listing too.

        Raises `InputError` for a foreign position, `FeedGapError` for one older than what
        `trim` dropped: read everything again, from `position` on.
        """

    def touched(self, tenant_id: str, changes: Iterable[Change]) -> Touched:
        """Which joined rows of a tenant may differ after these changes."""

    def listen(self) -> Listener:
        """Be woken by commits from now on, over a connection of its own."""

    def trim(self, older_than_s: float) -> int:
        """Drop changes that were there already at a `trim` that many seconds ago, but the last.

        So ask regularly: each call remembers how far the changes had come. Returns how many
        were dropped.
        """

    def import_mark(self, tenant_id: str, source: str) -> ImportMark | None:
        """How far an import came."""

    def secret(self, name: str) -> bytes:
        """32 random bytes kept in the store under a name, made on first use."""

    def backup(self, path: Path) -> None:
        """Write the whole store to a new file, consistent, whole or not at all.

        The file is a SQLite store, of PostGIS too, and its owner's only.
        """

    def close(self) -> None:
        """Let go of connections."""


def utc_now() -> datetime:
    """The instant it is."""
    return datetime.now(UTC)


def open_store(
    dsn: str | Path, *, create: bool = True, clock: Callable[[], datetime] = utc_now
) -> Store:
    """Open the store a DSN names, at the newest schema.

    Parameters
    ----------
    dsn : str or Path
        ``postgresql://…`` for PostGIS; anything else is the path of a SQLite file.
    create : bool
        Make it if it is not there.
    clock : callable
        Gives the instant of a write, which tells the rides that are to come from those that are
        over.

    Raises
    ------
    StoreError
        If it can't be reached or opened, was written by a newer version, or is of another kind.
    """
    path = file_of(dsn)
    # The databases are imported by need: importing `indexes` must not load SQLAlchemy.
    if path is None:
        from indexes.postgis import PostgisStore

        return PostgisStore.open(str(dsn), create=create, clock=clock)
    from indexes.sqlite import SqliteStore

    return SqliteStore.open(path, create=create, clock=clock)


def file_of(dsn: str | Path) -> Path | None:
    """The file that a DSN names; None where it names a PostgreSQL server.

    Raises
    ------
    StoreError
        If it names a store of another kind. The message holds no password.

    Examples
    --------
    >>> file_of("postgresql://app:secret@db.example/town") is None
    True
    >>> file_of("/srv/town.db")
    PosixPath('/srv/town.db')
    """
    scheme, separator, _ = str(dsn).partition("://")
    if not separator:
        return Path(dsn)
    if scheme in ("postgresql", "postgres"):
        return None
    raise StoreError(f"a store is postgresql://… or the path of a file, not {scheme}://…")
