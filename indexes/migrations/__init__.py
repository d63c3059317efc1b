"""The schema's history, applied when a store is opened.

Alembic runs from Python, without a configuration file or ``env.py``, so that it works from a
wheel and inside the transaction that opens the store.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from geo.errors import StoreError

__all__ = ["HEAD", "migrate"]

HEAD = "0008"  # the newest revision; a test compares it with the files


def migrate(db: Connection, to: str = HEAD) -> None:
    """Bring a database to the newest schema, inside the caller's transaction.

    Parameters
    ----------
    db : Connection
        In a transaction that keeps other migrations out.
    to : str
        An older revision, to make a store as an older version did.

    Raises
    ------
    StoreError
        If a newer version of the project has written the database.
    """
    found = None
    if inspect(db).has_table("alembic_version"):
        found = db.scalar(text("SELECT version_num FROM alembic_version"))
    if found == to:
        return
    if found is not None and found > HEAD:
        raise StoreError(
            f"this store has schema {found}, written by a newer version; this one knows {HEAD}"
        )
    _upgrade(db, to)


def _upgrade(db: Connection, to: str) -> None:
    # Slow to import, and needed once in the life of a schema.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(__file__).parent))

    def steps(revision: str, context: object) -> list[object]:
        return list(scripts._upgrade_revs(to, revision))

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=db, transactional_ddl=True)
        environment.run_migrations()
