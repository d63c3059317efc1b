"""Weeks of activity in SQL: noted, and forgotten once no release needs them."""

from collections.abc import Iterable

from sqlalchemy import delete, select, text

from geo.errors import InputError, NotFoundError
from indexes.district_facts import ActivityWeek, require_week
from indexes.sqlrecords import storable
from indexes.sqlwhole import WholeTables
from indexes.tables import activity_weeks, households

__all__ = ["ActivityRecords"]


class ActivityRecords(WholeTables):
    """The part of a `indexes.store.Store` that keeps weeks of activity."""

    def note_activity(self, tenant_id: str, household_id: str, week: str) -> None:
        """See `indexes.store.Store.note_activity`."""
        require_week(week)
        if not storable(tenant_id, household_id):
            raise NotFoundError(f"no household {ascii(household_id)[:80]}")
        known = households.c.tenant_id == tenant_id, households.c.id == household_id
        noted = (
            *(activity_weeks.c.tenant_id == tenant_id, activity_weeks.c.week == week),
            activity_weeks.c.household_id == household_id,
        )
        # Looked at first: most weeks are noted already, and a look holds up no writer.
        with self._reading() as db:
            if db.execute(select(households.c.id).where(*known)).first() is None:
                raise NotFoundError(f"no household {ascii(household_id)[:80]}")
            if db.execute(select(activity_weeks.c.week).where(*noted)).first() is not None:
                return
        self.put_activity([ActivityWeek(tenant_id=tenant_id, household_id=household_id, week=week)])

    def put_activity(self, weeks: Iterable[ActivityWeek]) -> None:
        """See `indexes.store.Store.put_activity`."""
        rows = sorted({(one.tenant_id, one.week, one.household_id) for one in weeks})
        for week in {row[1] for row in rows}:
            require_week(week)
        if not all(storable(*row) for row in rows):
            raise InputError("an id holds what no store keeps: a NUL or half a character")
        columns = ("tenant_id", "week", "household_id")
        names = ", ".join(columns)
        staged = f"staged_{activity_weeks.name}"
        unknown = text(
            f"SELECT household_id FROM {staged} s WHERE NOT EXISTS (SELECT 1 FROM households h"
            " WHERE h.tenant_id = s.tenant_id AND h.id = s.household_id) LIMIT 1"
        )
        written = text(
            f"INSERT INTO {activity_weeks.name} ({names}) SELECT {names} FROM {staged}"
            f" WHERE true ORDER BY {names} ON CONFLICT DO NOTHING"
        )
        with self._writing(bulk=True) as db:
            self._stage(db, staged, activity_weeks, columns, rows)
            if (missing := db.scalar(unknown)) is not None:
                raise InputError(
                    f"household {ascii(missing)[:80]} is not among the households of its tenant",
                    code="unknown-reference",
                )
            db.execute(written)

    def drop_activity(self, tenant_id: str, before: str) -> int:
        """See `indexes.store.Store.drop_activity`."""
        require_week(before)
        if not storable(tenant_id):
            return 0
        # Weeks are text of one length, so that their order is that of time.
        old = activity_weeks.c.tenant_id == tenant_id, activity_weeks.c.week < before
        with self._writing(bulk=True) as db:
            return db.execute(delete(activity_weeks).where(*old)).rowcount
