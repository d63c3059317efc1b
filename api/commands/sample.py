"""``mitoyen sample``: a made-up town, or made-up people over real zones, into a store."""

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
    working,
)
from api.commands.near import asked
from geo.errors import ConflictError
from indexes.entities import Building, Listing, Tenant
from indexes.grouping import build_groups
from indexes.sample import COMMUNE_NAME, HARBOUR, Sample, sample_city, sample_over_zones
from indexes.store import Store
from indexes.trusting import Rating, Request

__all__ = ["fill", "register"]


def register(app: typer.Typer) -> None:
    """Add ``sample`` to the command line."""
    app.command("sample")(sample)


def sample(
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another town.")] = 1,
    over_zones: Annotated[
        bool, typer.Option("--over-zones", help="People the zones that the store holds.")
    ] = False,
    listings: Annotated[
        int, typer.Option(min=0, max=10_000_000, help="How many listings.")
    ] = 4_000,
    adoption: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of dwellings with members.")
    ] = 0.05,
    at: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="When its offers run; RFC 3339, default now."),
    ] = None,
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill a store with a made-up town, or with made-up people over its real zones."""
    now = asked(at=at).at or datetime.now(UTC)
    with opened(store) as opened_store:
        tenant_id = the_tenant(opened_store, tenant)
        if not over_zones:
            refuse_real(opened_store, tenant_id)
        with working("Making people up; half a minute for a city"):
            if over_zones:
                zones = opened_store.zones(tenant_id)
                made = sample_over_zones(zones, seed, now, listings=listings, adoption=adoption)
            else:
                made = sample_city(
                    seed, now, tenant_id=tenant_id, listings=listings, adoption=adoption
                )
        with working("Storing them"):
            fill(opened_store, made, created_at=now)
    kinds = ("zones", "residences", "buildings", "households", "members", "listings",
             "endorsements", "blocks", "trips", "bookings")  # fmt: skip
    report: dict[str, object] = {kind: len(getattr(made, kind)) for kind in kinds}
    report["requests"] = sum(isinstance(one, Request) for one in made.dealings)
    report["ratings"] = sum(isinstance(one, Rating) for one in made.dealings)
    report["activity_weeks"] = len(made.activity)
    report["dwellings"] = sum(building.dwellings or 0 for building in made.buildings)
    if not over_zones and any(member.level >= 3 for member in made.members):
        report["member_by_the_harbour"] = made.member_near(HARBOUR).id
    if as_json:
        print_json(report)
        return
    print_table(
        "People made up over real zones" if over_zones else COMMUNE_NAME,
        ("what", "value"),
        [
            (name.replace("_", " "), f"{told:,}" if isinstance(told, int) else told)
            for name, told in report.items()
        ],
        (1,),
    )
    note("All of it is made up; ids begin with sample-.")


def refuse_real(store: Store, tenant_id: str) -> None:
    """Keep the made-up town out of a real one.

    Raises
    ------
    ConflictError
        If the tenant holds anything and is not the made-up town already.
    """
    if store.get(Tenant, tenant_id, tenant_id).name == COMMUNE_NAME:
        return
    if store.vintages(tenant_id) or any(store.count(of, tenant_id) for of in (Building, Listing)):
        raise ConflictError(
            f"tenant {tenant_id!r} holds a town already: name another store with --store, "
            "or people its zones with --over-zones"
        )


def fill(store: Store, made: Sample, *, created_at: datetime | None = None) -> None:
    """Keep a sample, and cut its dwellings into groups.

    Parameters
    ----------
    store : Store
        Where to.
    made : Sample
        From `indexes.sample`. Zones that were there already are kept as they are.
    created_at : datetime, optional
        When the groups are cut, aware; by default now.
    """
    if made.tenant is not None:
        store.put(made.tenant)
        store.put_zones(made.zones)
    store.put_all(made.entities())
    tenant_id = made.zones[0].tenant_id
    done = (*made.dealings, *made.bookings)
    store.decide(tenant_id, [], lambda desk: desk.put_all(done))
    store.put_activity(made.activity)
    store.put_groups(build_groups(store, tenant_id, created_at=created_at or datetime.now(UTC)))
