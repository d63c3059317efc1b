"""The file of a tenant's learned model: where it lies, and when there is another."""

import hashlib
from pathlib import Path

from indexes.store import Store
from matching.recommending.model import FORMULA, Model

__all__ = ["ModelFile"]


class ModelFile:
    """What `mitoyen recommend train` writes and everything else ranks by.

    Parameters
    ----------
    store : Store
        Whose tenant it is.
    tenant_id : str
        Whose members it was learned from.
    folder : Path
        Where models lie.

    Attributes
    ----------
    path : Path
        The file, there or not.

    Raises
    ------
    StoreError
        If the store can't be read.
    """

    def __init__(self, store: Store, tenant_id: str, folder: Path) -> None:
        # Hashed: a tenant's id may hold anything.
        whose = f"{store.position().store}/{tenant_id}"
        self.path = folder / f"{hashlib.sha256(whose.encode()).hexdigest()[:32]}.json"
        self._seen: tuple[int, int] | None = None

    @property
    def has_another(self) -> bool:
        """Whether the file has come, gone or changed since it was last read."""
        return self._stamp() != self._seen

    def read(self) -> Model:
        """The model; the formula if there is no file.

        Raises
        ------
        InputError
            ``invalid-model`` if it is none.
        """
        self._seen = self._stamp()
        return FORMULA if self._seen is None else Model.load(self.path)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns
