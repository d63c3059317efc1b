"""``mitoyen zones``: official zones in, from files or from IGN; ``mitoyen locate``: which one."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from api.commands.common import (
    JsonOption,
    StoreOption,
    TenantOption,
    checked,
    note,
    opened,
    print_json,
    print_table,
    the_tenant,
)
from api.ign import WFS_URL, communes_to_ask, fetch_contours
from api.schemas import LocateParams
from api.towns import Outlines
from geo.arrays import as_lonlat
from geo.cells import cell_to_text, point_to_cell
from geo.errors import InputError, NotFoundError
from geo.figures import FiguresTable, merge_figures, read_figures
from geo.iris import Contours, read_contours, whole_commune
from geo.zones import ZoneMap
from indexes.entities import CommuneCode, Figures, IrisCode, Zone

__all__ = ["register", "zones_of"]

LISTED = 20  # codes shown to people; programs get all

zones_app = typer.Typer(no_args_is_help=True, help="Official zones: import, fetch.")

FiguresOption = Annotated[
    list[Path] | None,
    typer.Option("--figures", metavar="FILE", help="INSEE's census figures by IRIS; repeatable."),
]
GeographyOption = Annotated[
    int | None,
    typer.Option(
        "--geography", metavar="YEAR", help="Year of the zones that the figures were counted in."
    ),
]


def register(app: typer.Typer) -> None:
    """Add ``zones`` and ``locate`` to the command line."""
    app.add_typer(zones_app, name="zones")
    app.command("locate")(locate)


@zones_app.command("import")
def import_zones(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="GeoPackage, Shapefile, GeoJSON or GeoParquet."),
    ],
    figures: FiguresOption = None,
    vintage: Annotated[
        int | None,
        typer.Option(metavar="YEAR", help="Year of the zones; by default the one in the name."),
    ] = None,
    geography: GeographyOption = None,
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import IRIS zones and their census figures from the official files."""
    contours = [read_contours(path, vintage) for path in files]
    _keep(contours, figures, geography, store, tenant, as_json)


@zones_app.command("fetch")
def fetch_zones(
    communes: Annotated[
        list[str],
        typer.Argument(metavar="COMMUNE...", help="Codes; 13055 means its 16 arrondissements."),
    ],
    figures: FiguresOption = None,
    vintage: Annotated[
        int | None,
        typer.Option(metavar="YEAR", help="Year of the zones; by default this year."),
    ] = None,
    geography: GeographyOption = None,
    url: Annotated[str, typer.Option(help="The WFS to ask.")] = WFS_URL,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds a page.")] = 30.0,
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch IRIS zones of communes from IGN's public service."""
    asked = communes_to_ask(communes)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Fetching zones", total=len(asked))
        answer = fetch_contours(
            asked, url, timeout_s=timeout_s, on_commune=lambda *_: progress.advance(task)
        )
    if vintage is None:
        vintage = datetime.now(UTC).year
        note(f"The service states no vintage: kept as {vintage}. --vintage YEAR says otherwise.")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fetched.geojson"
        path.write_text(json.dumps(answer), encoding="utf-8")
        contours = [read_contours(path, vintage)]
    _keep(contours, figures, geography, store, tenant, as_json)


def _keep(
    contours: Sequence[Contours],
    figures: Sequence[Path] | None,
    geography: int | None,
    store: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Join, store, report."""
    census = merge_figures(read_figures(path, geography) for path in figures or ())
    with opened(store) as opened_store:
        tenant_id = the_tenant(opened_store, tenant)
        zones = [zone for one in contours for zone in zones_of(one, census, tenant_id)]
        known = Counter((zone.code, zone.vintage) for zone in zones)
        for (code, vintage), files in known.items():
            if files > 1:
                raise InputError(f"zone {code} of {vintage} is in {files} of the files")
        opened_store.put_zones(zones)
    report = _report(zones, census, contours)
    if as_json:
        print_json(report)
    else:
        _show(report)


def zones_of(contours: Contours, census: FiguresTable | None, tenant_id: str) -> Iterable[Zone]:
    """The zones of a file, each with its figures where the census has them."""
    for i, code in enumerate(contours.codes):
        figures = None
        if census is not None and code in census.values:
            figures = Figures(
                census_year=census.census_year,
                geography_year=census.geography_year,
                values=census.values[code],
            )
        yield Zone(
            tenant_id=tenant_id,
            code=IrisCode(code),
            vintage=contours.vintage,
            name=contours.names[i],
            type=contours.types[i],
            commune_code=CommuneCode(contours.commune_codes[i]),
            commune_name=contours.commune_names[i],
            geometry=contours.geometries[i],
            figures=figures,
        )


def _report(
    zones: Sequence[Zone], census: FiguresTable | None, contours: Sequence[Contours]
) -> dict[str, Any]:
    by_commune: dict[tuple[str, int], list[Zone]] = defaultdict(list)
    names: dict[str, str] = {}
    for zone in zones:
        code, name = whole_commune(zone.commune_code)
        names[code] = name or zone.commune_name
        by_commune[code, zone.vintage].append(zone)
    communes = [
        {
            "commune": code,
            "name": names[code],
            "vintage": vintage,
            "zones": len(members),
            "population": _total(members, "pop"),
            "households": _total(members, "menages"),
        }
        for (code, vintage), members in sorted(by_commune.items())
    ]
    counted = set(census.values) if census else set()
    outlined = {str(zone.code) for zone in zones}
    return {
        "zones": len(zones),
        "vintages": sorted({one.vintage for one in contours}),
        "census_year": census.census_year if census else None,
        "geography_year": census.geography_year if census else None,
        "communes": communes,
        "zones_without_figures": sorted(outlined - counted) if census else [],
        "figures_without_zone": sorted(counted - outlined),
        "repaired": sorted({code for one in contours for code in one.repaired}),
    }


def _total(zones: Sequence[Zone], name: str) -> int | None:
    """The sum of a figure in whole numbers, None where no zone has it."""
    figures = [zone.figures.values for zone in zones if zone.figures]
    found = [values[name] for values in figures if name in values]
    return round(sum(found)) if found else None


def _show(report: dict[str, Any]) -> None:
    census = report["census_year"]
    counted = f", census of {census}" if census else ", no census figures"
    if report["geography_year"]:
        counted += f" in the geography of {report['geography_year']}"
    years = ", ".join(map(str, report["vintages"]))
    columns = ("commune", "name", "vintage")
    counts = ("zones", "population", "households")
    print_table(
        f"{report['zones']:,} zones of {years}{counted}",
        (*columns, *counts),
        [
            [one[name] for name in columns]
            + ["" if one[name] is None else f"{one[name]:,}" for name in counts]
            for one in report["communes"]
        ],
        range(3, 6),
    )
    for key, what in (
        ("zones_without_figures", "zones have no figures"),
        ("figures_without_zone", "zones of the figures are not among these"),
        ("repaired", "outlines crossed themselves and were repaired"),
    ):
        codes = report[key]
        if codes:
            more = f" and {len(codes) - LISTED} more" if len(codes) > LISTED else ""
            note(f"{len(codes):,} {what}: {', '.join(codes[:LISTED])}{more}")


def locate(
    lat: Annotated[float, typer.Option(help="Degrees north.")],
    lon: Annotated[float, typer.Option(help="Degrees east.")],
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which zone and H3 cell a point lies in."""
    checked(LocateParams, {"lat": lat, "lon": lon})
    points = as_lonlat((lon, lat))
    with opened(store, create=False) as opened_store:
        zones = opened_store.zones(the_tenant(opened_store, tenant))
    if not zones:
        raise NotFoundError("no zones yet: mitoyen zones import FILE...")
    Outlines(zones, None).refuse_swapped(lat, lon)
    outlines = ZoneMap([zone.code for zone in zones], [zone.geometry for zone in zones])
    located = outlines.locate(points)
    i = int(located.index[0])
    zone = zones[i] if i >= 0 else None
    answer = {
        "zone": zone.code if zone else None,
        "name": zone.name if zone else None,
        "type": zone.type if zone else None,
        "commune": zone.commune_code if zone else None,
        "commune_name": zone.commune_name if zone else None,
        "vintage": zones[0].vintage,
        "nearest": bool(located.nearest[0]),
        "cell": cell_to_text(point_to_cell((points[0, 0], points[0, 1]), resolution=9)),
    }
    if as_json:
        print_json(answer)
        return
    if zone is None:
        note(f"In no zone of {answer['vintage']}, and none within 300 m. H3 cell {answer['cell']}.")
        return
    if answer.pop("nearest"):
        note("In no zone; the nearest is given.")
    print_table("Located", ("what", "value"), list(answer.items()))
