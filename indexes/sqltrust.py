"""Decisions in SQL: what is read, and what follows from it, in one transaction."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from sqlalchemy import Connection

from geo.errors import InputError, NotFoundError
from indexes.entities import Entity
from indexes.rules import columns_of, require
from indexes.sqltrips import TripRecords
from indexes.store import Desk, ImportMark, Position
from indexes.trusting import TRUSTING

__all__ = ["TrustRecords"]

E = TypeVar("E", bound=Entity)
T = TypeVar("T")


class TrustRecords(TripRecords):
    """The part of a `indexes.store.Store` that keeps what trust is earned by."""

    def put_all(self, entities: Iterable[Entity], mark: ImportMark | None = None) -> Position:
        """See `indexes.store.Store.put_all`."""
        found = list(entities)
        for entity in found:
            if type(entity) in TRUSTING:
                name = type(entity).__name__.lower()
                raise InputError(f"a {name} takes a look first: `decide` makes it")
        return super().put_all(found, mark)

    def decide(
        self,
        tenant_id: str,
        locked: Collection[tuple[type[Entity], str]],
        decision: Callable[[Desk], T],
    ) -> tuple[T, Position]:
        """See `indexes.store.Store.decide`."""
        # In one order for everybody, so that no two wait for each other.
        wanted = sorted(set(locked), key=lambda pair: (pair[0].__name__, pair[1]))
        with self._writing() as db:
            for of, id in wanted:
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
        if entity.tenant_id != self._tenant_id:
            raise InputError("a decision writes records of its own tenant only")
        of = type(entity)
        self._records._write(self._db, [require(of, columns_of(of, [entity]))])
