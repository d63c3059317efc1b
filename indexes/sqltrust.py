"""Decisions in SQL: what is read, and what follows from it, in one transaction."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection, select, update

from geo.errors import InputError, NotFoundError
from indexes.entities import Entity, Member
from indexes.rules import Checked, require
from indexes.sqlrecords import by_class, storable
from indexes.sqltrips import TripRecords
from indexes.store import Desk, ImportMark, Position
from indexes.tables import members, standings
from indexes.trusting import TRUSTING

__all__ = ["TrustRecords"]

E = TypeVar("E", bound=Entity)
T = TypeVar("T")


class TrustRecords(TripRecords):
    """The part of a `indexes.store.Store` that keeps what trust is earned by."""

    def _put(self, batches: Sequence[Checked], mark: ImportMark | None) -> Position:
        for of in (batch.of for batch in batches if batch.of in TRUSTING):
            raise InputError(f"a {of.__name__.lower()} takes a look first: `decide` makes it")
        return super()._put(batches, mark)

    def _write(self, db: Connection, batches: Sequence[Checked]) -> None:
        super()._write(db, batches)
        for columns in (batch.columns for batch in batches if batch.of is Member):
            # Whoever is under review has level 0, whatever was written. Looked at only now: who
            # decides on a report waits for the rows just written, or has been waited for.
            suspended = select(standings.c.tenant_id, standings.c.id).where(standings.c.suspended)
            found = {(row.tenant_id, row.id) for row in db.execute(suspended)}
            for key in found.intersection(zip(columns["tenant_id"], columns["id"], strict=True)):
                one = (members.c.tenant_id == key[0]) & (members.c.id == key[1])
                db.execute(update(members).where(one).values(level=0))

    def decide(
        self,
        tenant_id: str,
        locked: Collection[tuple[type[Entity], str]],
        decision: Callable[[Desk], T],
        *,
        claimed: Collection[tuple[type[Entity], str]] = (),
    ) -> tuple[T, Position]:
        """See `indexes.store.Store.decide`."""

        def in_order(pairs: Collection[tuple[type[Entity], str]]) -> list[tuple[type[Entity], str]]:
            # One for everybody, so that no two wait for each other.
            return sorted(set(pairs), key=lambda pair: (pair[0].__name__, pair[1]))

        with self._writing() as db:
            for of, id in in_order(claimed):
                if storable(tenant_id, id):
                    self._claim(db, of, tenant_id, id)
            for of, id in in_order(locked):
                self._locked(db, of, tenant_id, id)
            made = decision(_SqlDesk(self, db, tenant_id))
            return made, self._newest(db)


class _SqlDesk:
    """A `indexes.store.Desk` inside a transaction."""

    def __init__(self, records: TrustRecords, db: Connection, tenant_id: str) -> None:
        self._records, self._db, self._tenant_id = records, db, tenant_id

    def get(self, of: type[E], id: str) -> E:
        found = self.find(of, id)
        if found is None:
            raise NotFoundError(f"no {of.__name__.lower()} {ascii(id)[:80]}")
        return found

    def find(self, of: type[E], id: str) -> E | None:
        return next(iter(self.all(of, {"id": id})), None)

    def all(self, of: type[E], where: Mapping[str, str | int | bool]) -> list[E]:
        return self._records._rows(self._db, of, self._tenant_id, "", None, where)

    def put(self, entity: Entity) -> None:
        self.put_all([entity])

    def put_all(self, entities: Iterable[Entity]) -> None:
        found = list(entities)
        if any(entity.tenant_id != self._tenant_id for entity in found):
            raise InputError("a decision writes records of its own tenant only")
        self._records._write(self._db, [require(*batch) for batch in by_class(found)])
