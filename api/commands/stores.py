"""`mitoyen copy`, `backup`, `restore`: a whole store from one place to another."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from api.commands.common import StoreOption, note, opened
from geo.errors import InputError
from indexes.store import open_store

__all__ = ["register"]

_DSN = "SQLite path or postgresql://… DSN."


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(copy)
    app.command()(backup)
    app.command()(restore)


def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help=_DSN)],
    target: Annotated[str, typer.Argument(metavar="TO", help=f"{_DSN} It must be empty.")],
) -> None:
    """Copy a whole store into an empty one, SQLite or PostGIS."""
    from indexes.copying import copy_store

    if source == target:
        raise InputError("the two stores are one")
    with closing(open_store(source, create=False)) as one, opened(target) as other:
        position = copy_store(one, other)
        note(f"copied {one.label} to {other.label}, now at {position}")


def backup(
    file: Annotated[Path, typer.Argument(help="A new file.")], store: StoreOption = None
) -> None:
    """Write the whole store to a new file while it is in use."""
    with opened(store, create=False) as one:
        one.backup(file)
        note(f"wrote {one.label} to {file}")


def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote.", exists=True)],
    store: StoreOption = None,
) -> None:
    """Fill an empty store from a backup."""
    from indexes.copying import restore as fill

    with opened(store) as one:
        fill(file, one)
        note(f"restored {one.label} from {file}")
