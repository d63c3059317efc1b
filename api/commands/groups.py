"""``mitoyen groups build``: cut dwellings into the groups that people are shown as."""

from datetime import UTC, datetime
from typing import Annotated

import typer

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
from geo.cells import cell_to_text
from geo.groups import K_DWELLINGS
from indexes.grouping import build_groups

__all__ = ["register"]

groups_app = typer.Typer(no_args_is_help=True, help="Published groups of dwellings.")


def register(app: typer.Typer) -> None:
    """Add ``groups`` to the command line."""
    app.add_typer(groups_app, name="groups")


@groups_app.callback()
def groups() -> None:
    """Published groups of dwellings: the only form in which a person's place is shown."""


@groups_app.command("build")
def build(
    k: Annotated[
        int, typer.Option(min=K_DWELLINGS, help="Dwellings that a group must hold.")
    ] = K_DWELLINGS,
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cut a tenant's dwellings into groups, and place its buildings in them."""
    kept: list[int] = []
    with opened(store, create=False) as opened_store:
        tenant_id = the_tenant(opened_store, tenant)
        partition = build_groups(
            opened_store, tenant_id, k, created_at=datetime.now(UTC), on_kept=kept.append
        )
        opened_store.put_groups(partition)
    locatable = [group for group in partition.groups if group.locatable]
    dwellings = sum(group.dwellings for group in partition.groups)
    shown = sum(group.dwellings for group in locatable)
    report = {
        "version": partition.version,
        "groups": len(partition.groups),
        "locatable_groups": len(locatable),
        "dwellings": dwellings,
        "locatable_share": round(shown / dwellings, 4) if dwellings else None,
        "smallest_group": min((group.dwellings for group in locatable), default=None),
        "kept_cuts": [cell_to_text(cell) for cell in kept],
    }
    if as_json:
        print_json(report)
        return
    shown_as = {
        "version": partition.version,
        "groups": f"{len(partition.groups):,}",
        "that can be located": f"{len(locatable):,}",
        "dwellings": f"{dwellings:,}",
        "in such a group": f"{shown / dwellings:.1%}" if dwellings else "",
        "dwellings of the smallest": report["smallest_group"],
    }
    print_table("Published groups", ("what", "value"), list(shown_as.items()), (1,))
    if not dwellings:
        note("No dwellings: import buildings, or zones with their figures, first.")
    if kept:
        note(
            f"In {len(kept)} areas the cut of before stays: beside it, a new one would single "
            f"out fewer than {k} dwellings."
        )
