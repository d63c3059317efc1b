"""The environment, read once into one frozen record."""

import os
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from geo.errors import InputError

__all__ = ["LogFormat", "Settings", "default_store"]

LogFormat = Literal["json", "text"]


def default_store() -> str:
    """Where the embedded store lives unless told otherwise: the user's data directory.

    Returns
    -------
    str
        Path of a SQLite file; its folder may not exist yet.
    """
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(home) / "mitoyen" / "mitoyen.db")


class Settings(BaseSettings):
    """Every setting, as ``MITOYEN_<NAME>`` in the environment.

    Attributes
    ----------
    store : str
        DSN of the store: a path for SQLite, ``postgresql://…`` for PostGIS.
    host, port : str, int
        Where the server listens.
    tenant : str
        Whose public things a reader without a key sees; by default the only tenant's.
    log_format : {"text", "json"}
        How the server's log looks.
    operator : str
        Our domain name, by which other carpooling platforms know us.
    now : datetime or None
        What time it is for carpooling and for writes when the server starts; by default the
        machine's clock.
    price_per_km, cost_per_km : float
        What a seat in a car is suggested to cost, and what the car itself costs, euros.
    snapshots : str or None
        Folder of the files that a server starts from; by default `snapshot_folder` names it,
        empty for none.
    models : str or None
        Folder of the models that `mitoyen recommend train` writes; by default `model_folder`
        names it.
    """

    model_config = SettingsConfigDict(env_prefix="MITOYEN_", frozen=True, extra="ignore")

    store: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    tenant: str = ""
    log_format: LogFormat = "text"
    operator: str = "mitoyen.example"
    now: AwareDatetime | None = None
    price_per_km: float = Field(default=0.06, ge=0, le=10, allow_inf_nan=False)
    cost_per_km: float = Field(default=0.636, ge=0, le=10, allow_inf_nan=False)
    snapshots: str | None = None
    models: str | None = None

    @classmethod
    def read(cls, **values: object) -> "Settings":
        """The environment, and over it what is given.

        Raises
        ------
        InputError
            If a value can't be taken; the message names the variable.
        """
        try:
            return cls(**values)  # type: ignore[arg-type]  # checked by pydantic
        except ValidationError as error:
            first = error.errors()[0]
            name = f"MITOYEN_{first['loc'][0]}".upper()
            raise InputError(f"{name}: {first['msg']}, got {first['input']!r}") from error

    @property
    def dsn(self) -> str:
        """The store to open: the one named, or the default."""
        return self.store or default_store()

    @property
    def snapshot_folder(self) -> Path | None:
        """Where snapshots are kept, None for nowhere.

        By default beside a SQLite file, or for PostGIS in the user's cache directory.

        Examples
        --------
        >>> Settings(store="/srv/town.db").snapshot_folder
        PosixPath('/srv/town.db.snapshots')
        >>> Settings(store="/srv/town.db", snapshots="").snapshot_folder is None
        True
        """
        if self.snapshots is not None:
            return Path(self.snapshots).expanduser() if self.snapshots else None
        if "://" in self.dsn:
            home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
            return Path(home) / "mitoyen" / "snapshots"
        return Path(f"{self.dsn}.snapshots").expanduser()

    @property
    def model_folder(self) -> Path:
        """Where learned models are kept.

        By default beside a SQLite file, or for PostGIS in the user's data directory.

        Examples
        --------
        >>> Settings(store="/srv/town.db").model_folder
        PosixPath('/srv/town.db.models')
        """
        if self.models:
            return Path(self.models).expanduser()
        if "://" in self.dsn:
            return Path(default_store()).with_name("models")
        return Path(f"{self.dsn}.models").expanduser()
