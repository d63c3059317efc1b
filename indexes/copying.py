"""A store into another: the one file becomes PostGIS, PostGIS one file, a backup a store."""

import shutil
import tempfile
from pathlib import Path

from geo.errors import StoreError
from indexes.sqlite import SqliteStore
from indexes.sqlstore import SqlStore
from indexes.store import Position, Store

__all__ = ["copy_store", "restore"]


def copy_store(source: Store, target: Store) -> Position:
    """Copy all that a store keeps into an empty one, in one transaction.

    Only the outbox stays behind: every record copied is a change of the target's own.

    Parameters
    ----------
    source, target : Store
        Of either database.

    Returns
    -------
    Position
        Of the target, once it holds everything.

    Raises
    ------
    ConflictError
        If the target is not empty.
    """
    if not (isinstance(source, SqlStore) and isinstance(target, SqlStore)):
        raise TypeError("wanted two stores that `indexes.store.open_store` has opened")
    return target.load(source.dump())


def restore(path: Path, target: Store) -> Position:
    """Fill an empty store from a backup.

    Parameters
    ----------
    path : Path
        What `Store.backup` wrote, by this version or an older one. It is only read.
    target : Store
        An empty one, of either database.

    Raises
    ------
    ConflictError
        If the target is not empty.
    StoreError
        If the file is no backup, or one of a newer version.
    """
    with tempfile.TemporaryDirectory(prefix="mitoyen-restore-") as folder:
        # A copy, since opening a backup of an older version brings it to the newest schema.
        readable = Path(folder) / "backup.db"
        try:
            shutil.copyfile(path, readable)
        except OSError as error:
            raise StoreError(f"can't read {path}: {error.strerror}") from error
        try:
            source = SqliteStore.open(readable, create=False)
        except StoreError as error:
            why = str(error).replace(str(readable), path.name)  # nobody knows the copy
            raise StoreError(f"{path} is no backup to restore: {why}") from error
        try:
            return copy_store(source, target)
        finally:
            source.close()
