"""What every command shares: the options, the store, tables beside JSON."""

import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from api.settings import Settings
from geo.errors import InputError
from indexes.entities import Tenant
from indexes.store import Store, open_store

__all__ = [
    "DEFAULT_TENANT",
    "JsonOption",
    "LangOption",
    "StoreOption",
    "TenantOption",
    "checked",
    "note",
    "opened",
    "option_fault",
    "print_json",
    "print_table",
    "the_tenant",
    "working",
]

DEFAULT_TENANT = "default"

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[int | str, ...]

StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="DSN", help="SQLite path or postgresql://… DSN."),
]
TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", metavar="ID", help="Tenant; by default the only one."),
]
LangOption = Annotated[Literal["fr", "en"], typer.Option(help="Language, fr or en.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs, on standard output.")]


@contextmanager
def opened(dsn: str | None, *, create: bool = True) -> Iterator[Store]:
    """The store of a command: the one named, else ``MITOYEN_STORE``, else the user's own.

    A command that only reads doesn't ``create`` it: a mistyped name is then an error.
    """
    name = dsn or Settings.read().dsn
    if "://" not in name:
        if create:
            Path(name).expanduser().parent.mkdir(parents=True, exist_ok=True)
        name = str(Path(name).expanduser())
    store = open_store(name, create=create)
    try:
        yield store
    finally:
        store.close()


def the_tenant(store: Store, tenant: str | None) -> str:
    """The tenant of a command: the one named, else the only one, created if there is none.

    Raises
    ------
    InputError
        If there are several and none is named, or the named one does not exist.
    """
    known = store.tenants()
    if tenant is not None:
        if tenant not in known:
            raise InputError(f"no tenant {tenant!r}; known: {', '.join(known) or 'none yet'}")
        return tenant
    if len(known) > 1:
        raise InputError(f"several tenants, name one with --tenant: {', '.join(known)}")
    if not known:
        store.put(Tenant(tenant_id=DEFAULT_TENANT, id=DEFAULT_TENANT, name=DEFAULT_TENANT))
        return DEFAULT_TENANT
    return known[0]


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.flush()


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    numbers: Container[int] = (),
) -> None:
    """A table for people on standard output; ``numbers`` are columns set to the right."""
    table = Table()
    for i, name in enumerate(columns):
        table.add_column(name, overflow="fold", justify="right" if i in numbers else "left")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    # What people wrote is told as they wrote it: "[/b]" and ":smile:" are no instructions.
    console = Console(markup=False, emoji=False, highlight=False)
    # A table's own title is folded to the table's width, which may be that of two short words.
    console.print(title, style="table.title", soft_wrap=True)
    console.print(table)


def option_fault(where: Place, message: str) -> str:
    """What is wrong with an option, by the name of its field."""
    return f"--{str(where[0]).replace('_', '-')}: {message}" if where else message


def checked(
    model: type[Model],
    options: Mapping[str, Any],
    fault: Callable[[Place, str], str] = option_fault,
) -> Model:
    """The options that were given, checked as a request is.

    Raises
    ------
    InputError
        Naming the options at fault, as ``fault`` says it.
    """
    given = {name: value for name, value in options.items() if value not in (None, [])}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = (fault(e["loc"], e["msg"]) for e in error.errors(include_url=False))
        raise InputError("; ".join(faults)) from error


def note(text: str) -> None:
    """A line for people on standard error, so that JSON on standard output stays whole."""
    Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False).print(text)


def working(doing: str) -> AbstractContextManager[object]:
    """Tell people on a terminal what takes a while, while it does."""
    return Console(stderr=True).status(doing)
