"""`mitoyen keys`: make, list and revoke keys to the HTTP interface."""

import secrets
from typing import Annotated

import typer

from api.auth import digest_of, new_secret
from api.commands.common import (
    JsonOption,
    StoreOption,
    TenantOption,
    note,
    opened,
    print_json,
    print_table,
    the_tenant,
)
from geo.errors import InputError
from indexes.entities import ApiKey, Scope, Tenant

__all__ = ["register"]

MAX_KEYS = 10_000

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke keys.")


@keys.command()
def create(
    scope: Annotated[list[Scope], typer.Option(help="What the key may do; repeat for several.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    store: StoreOption = None,
    tenant: TenantOption = None,
    new_tenant: Annotated[
        bool, typer.Option("--new-tenant", help="Make the tenant if there is none of its id.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a key. Its secret is shown once, now; the store keeps a digest."""
    with opened(store) as kept:
        if new_tenant and tenant is not None and tenant not in kept.tenants():
            kept.put(Tenant(tenant_id=tenant, id=tenant, name=tenant))
        owner = the_tenant(kept, tenant)
        secret = new_secret()
        key = ApiKey(
            tenant_id=owner,
            id=f"key-{secrets.token_hex(4)}",
            name=name,
            scopes=frozenset(scope),
            secret_sha256=digest_of(secret),
        )
        kept.put(key)
    if as_json:
        print_json({"id": key.id, "tenant": owner, "scopes": sorted(scope), "secret": secret})
    else:
        note(f"{key.id} for tenant {owner}; this secret is not shown again:")
        typer.echo(secret)


@keys.command("list")
def show(
    store: StoreOption = None, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """List keys, without their secrets."""
    with opened(store, create=False) as kept:
        owner = the_tenant(kept, tenant)
        found = kept.page(ApiKey, owner, limit=MAX_KEYS)
    rows = [(key.id, key.name, ", ".join(sorted(key.scopes)), key.created_at) for key in found]
    if as_json:
        names = ("id", "name", "scopes", "created_at")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print_table(f"Keys of {owner}", ("id", "name", "scopes", "made"), rows)


@keys.command()
def revoke(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, as listed.")],
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Revoke keys. A running server may still take them for five seconds."""
    with opened(store, create=False) as kept:
        owner = the_tenant(kept, tenant)
        unknown = set(ids) - {key.id for key in kept.page(ApiKey, owner, limit=MAX_KEYS)}
        if unknown:
            raise InputError(f"no such keys: {', '.join(sorted(unknown))}; nothing was revoked")
        for id in dict.fromkeys(ids):
            kept.delete(ApiKey, owner, id)
    note(f"{len(set(ids))} revoked")


def register(app: typer.Typer) -> None:
    """Add ``keys`` to the command line."""
    app.add_typer(keys, name="keys")
