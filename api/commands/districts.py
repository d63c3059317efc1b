"""``mitoyen districts``: a quarter's figures by district, released, read, written, drawn."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any

import typer

from api.commands.common import (
    JsonOption,
    LangOption,
    StoreOption,
    TenantOption,
    note,
    opened,
    print_json,
    print_table,
    the_tenant,
)
from api.commands.districts_release import GOAL_GAP, make_release, settings
from api.commands.words import heads, plain, say
from api.districts_answers import (
    district_answer,
    file_of,
    head_answer,
    main_commune,
    release_answer,
    sidecar_of,
    zone_answer,
)
from api.districts_files import WGS84, FileFormat
from api.districts_words import Lang, number_text, title_of, unit_of, words
from geo.errors import InputError
from indexes.district_facts import Quarter
from matching.districts import Districts
from matching.planning.measures import TITLES
from matching.planning.releasing import load_districts

__all__ = ["level_answer", "print_zones", "register", "zone_lines"]

LISTED = ("households", "penetration", "active_rate", "member_rate")
COLUMNS = ("figure", "value", "from", "to", "status", "of")
ORDER = {measure: place for place, measure in enumerate(TITLES)}
NUMBERS = (1, 2, 3, 5)  # of them: set to the right
TOLD_STATUSES = ("ok", "zero")

districts_app = typer.Typer(no_args_is_help=True, help="Figures by district, lawful to publish.")
districts_app.command("release")(make_release)
districts_app.command("settings")(settings)

ReleaseOption = Annotated[
    str | None,
    typer.Option("--release", metavar="QUARTER", help="Such as 2026Q3; by default the newest."),
]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=1, help="Of the release; by default its last.")
]
VintageOption = Annotated[
    int | None,
    typer.Option(metavar="YEAR", help="Of the zones that it is told over; by default the newest."),
]
LevelOption = Annotated[
    str, typer.Option(help="iris, quartier, arrondissement, commune or cell (H3 at 8).")
]
CodeArgument = Annotated[
    str, typer.Argument(metavar="CODE", help="Of an IRIS, a commune, a cell and so on.")
]


def register(app: typer.Typer) -> None:
    """Add ``districts`` to the command line."""
    app.add_typer(districts_app, name="districts")


@districts_app.callback()
def districts() -> None:
    """Figures by district: a release a quarter, with noise and thresholds built in."""


@contextmanager
def release_of(
    store: str | None,
    tenant: str | None,
    release: str | None,
    version: int | None,
    vintage: int | None,
) -> Iterator[Districts]:
    """The release that a command reads."""
    if release is not None:
        Quarter.parse(release)
    with opened(store, create=False) as kept:
        yield load_districts(kept, the_tenant(kept, tenant), release, version, vintage)


@districts_app.command("releases")
def list_releases(
    store: StoreOption = None, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """List releases and their versions, newest first."""
    with opened(store, create=False) as kept:
        heads = kept.releases(the_tenant(kept, tenant))
    if as_json:
        print_json({"releases": [head_answer(head) for head in heads]})
        return
    print_table(
        "Releases",
        ("release", "version", "made", "zones of", "ε"),
        [
            (
                head.id,
                head.version,
                f"{head.created_at.astimezone(UTC):%F %H:%M} UTC",
                head.vintage,
                f"{head.head['epsilon']['total']:g}",
            )
            for head in heads
        ],
    )


def zone_lines(rows: Sequence[dict[str, Any]], lang: Lang) -> list[tuple[str | None, ...]]:
    """Rows of a release as lines of a table, in the order of `TITLES`."""
    lines = []
    for row in sorted(rows, key=lambda row: ORDER[row["measure"]]):
        unit = unit_of(row["measure"])
        status = words(row["status"], lang).partition(":")[0].strip()
        of = row["denominator"]
        lines.append(
            (
                title_of(row["measure"], row["category"], lang),
                *(number_text(row[name], unit, lang) for name in ("value", "lower", "upper")),
                f"{status} → {row['parent']}" if row["parent"] else status,
                None if of is None else number_text(round(of), "count", lang),
            )
        )
    return lines


@districts_app.command("show")
def show(
    code: CodeArgument,
    release: ReleaseOption = None,
    version: VersionOption = None,
    vintage: VintageOption = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="Only this measure; repeatable.")
    ] = None,
    lang: LangOption = "fr",
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the figures of one zone."""
    with release_of(store, tenant, release, version, vintage) as found:
        answer = district_answer(found, code, measure or ())
    if as_json:
        print_json(answer)
        return
    title = f"{answer['name']} ({code}, {words(answer['level'], lang)}), {answer['release']}"
    # All categories of all measures would be a long table: who wants some names the measure.
    rows = [r for r in answer["rows"] if measure or not r["category"] or r["measure"] == GOAL_GAP]
    print_table(title, heads(lang, *COLUMNS), zone_lines(rows, lang), NUMBERS)
    left = {row["measure"] for row in answer["rows"] if row["category"]} - {GOAL_GAP}
    if left and not measure:
        note(say("by-category", lang, ", ".join(sorted(left, key=ORDER.__getitem__))))
    note(say("noise", lang, plain(answer["epsilon"]["total"], lang)))


@districts_app.command("list")
def list_zones(
    level: LevelOption = "iris",
    measure: Annotated[
        list[str] | None, typer.Option(help="Columns; repeatable. By default the main ones.")
    ] = None,
    release: ReleaseOption = None,
    version: VersionOption = None,
    vintage: VintageOption = None,
    lang: LangOption = "fr",
    store: StoreOption = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the zones of a level with their main figures."""
    measures = tuple(measure or LISTED)
    with release_of(store, tenant, release, version, vintage) as found:
        answer = level_answer(found, level, measures)
    if as_json:
        print_json(answer)
    else:
        print_zones(f"{words(level + 's', lang)}, {answer['release']}", answer, measures, lang)
        note(say("noise", lang, plain(answer["epsilon"]["total"], lang)))


def level_answer(found: Districts, level: str, measures: Sequence[str]) -> dict[str, Any]:
    """Every zone of a level with some measures."""
    zones = [zone_answer(found, code, measures) for code in found.codes(level)]
    return release_answer(found.release) | {"level": level, "districts": zones}


def print_zones(title: str, answer: dict[str, Any], measures: Sequence[str], lang: Lang) -> None:
    """`level_answer` as a table: a zone a line, a figure a column, in the order of measures."""
    zones = answer["districts"]
    keys = [(row["measure"], row["category"]) for row in zones[0]["rows"]]
    order = sorted(range(len(keys)), key=lambda i: measures.index(keys[i][0]))
    names = short_names([zone["name"] for zone in zones], words(answer["level"], lang))
    figures = ([cell_text(zone["rows"][i], lang) for i in order] for zone in zones)
    print_table(
        title,
        (*heads(lang, "code", "name"), *(title_of(*keys[i], lang) for i in order)),
        [
            (zone["zone"], name, *told)
            for zone, name, told in zip(zones, names, figures, strict=True)
        ],
        range(2, 2 + len(order)),
    )


def short_names(names: Sequence[str], kind: str) -> list[str]:
    """Names without the words that all of them begin with, for a narrow column.

    Where no more than a number is left, it is said of what ``kind`` of zone.

    Examples
    --------
    >>> short_names(["Marseille 1er Arrondissement", "Marseille 2e Arrondissement"], "district")
    ['1er Arrondissement', '2e Arrondissement']
    >>> short_names(["Port-des-Pins, 01", "Port-des-Pins, 02"], "quartier")
    ['quartier 01', 'quartier 02']
    """
    split = [name.split(" ") for name in names]
    shared = 0
    if len(names) > 1:
        for column in zip(*(one[:-1] for one in split), strict=False):
            if len(set(column)) > 1:
                break
            shared += 1
    short = (" ".join(one[shared:]) for one in split)
    return [f"{kind} {name}" if name.isdigit() else name for name in short]


def cell_text(row: dict[str, Any], lang: Lang) -> str:
    """A figure, or why there is none, for a narrow column."""
    if row["status"] in TOLD_STATUSES:
        return number_text(row["value"], unit_of(row["measure"]), lang)
    return words(row["status"], lang).partition(":")[0].strip()


@districts_app.command("export")
def export(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="To write.")],
    format: Annotated[FileFormat, typer.Option(help="csv2 has semicolons and decimal commas.")],
    level: LevelOption = "iris",
    measure: Annotated[
        list[str] | None, typer.Option(help="Only this measure; repeatable.")
    ] = None,
    crs: Annotated[str, typer.Option(help="EPSG:4326, EPSG:2154 (Lambert-93)…")] = WGS84,
    release: ReleaseOption = None,
    version: VersionOption = None,
    vintage: VintageOption = None,
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Write the zones of a level to a file, and what it is to FILE.json."""
    with release_of(store, tenant, release, version, vintage) as found:
        data, table = file_of(found, level, format, crs, measure or ())
        sidecar = sidecar_of(found, level, data, table, format, crs)
    write_whole(output, data)
    write_whole(beside(output), sidecar)
    note(f"{len(table):,} zones to {output}, described in {beside(output).name}")


@districts_app.command("map")
def draw_map(
    measure: Annotated[str, typer.Option(help="Such as penetration.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="PNG to write.")],
    category: Annotated[str, typer.Option(help="Of the measure, if it has some.")] = "",
    level: LevelOption = "iris",
    within: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="What to show; by default the commune of most IRIS."),
    ] = None,
    release: ReleaseOption = None,
    version: VersionOption = None,
    vintage: VintageOption = None,
    lang: LangOption = "fr",
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Draw one measure as a map: quantiles, and what is hidden shown as such."""
    from api.districts_map import choropleth, map_png  # matplotlib takes a second to import

    with release_of(store, tenant, release, version, vintage) as found:
        shown = within or main_commune(found)
        drawn = choropleth(found, measure, category, level=level, within=shown, lang=lang)
    write_whole(output, map_png(drawn))
    note(f"{len(drawn.statuses):,} zones of {shown} drawn to {output}")


@districts_app.command("report")
def report(
    code: CodeArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="HTML to write.")],
    release: ReleaseOption = None,
    version: VersionOption = None,
    vintage: VintageOption = None,
    lang: LangOption = "fr",
    store: StoreOption = None,
    tenant: TenantOption = None,
) -> None:
    """Write one page about a zone: key figures, map, goal line, gaps, method."""
    from api.districts_report import report_html  # as above

    with release_of(store, tenant, release, version, vintage) as found:
        page = report_html(found, code, lang)
    write_whole(output, page.encode())
    note(f"report of {code} to {output}")


def beside(path: Path) -> Path:
    """Where the metadata of a file goes."""
    return path.with_name(f"{path.name}.json")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    InputError
        If it can't be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"can't write {path}: {error.strerror}") from error
