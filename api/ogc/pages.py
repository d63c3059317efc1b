"""Answers as a person reads them in a browser: any JSON as tables and links, features as a map too.

Pages load nothing and run nothing: what they show is in them.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import cos, radians
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from api.districts_words import Lang, number_text, words
from api.ogc.collections import COMPANIONS, Collection, title_of
from api.ogc.crs import Geometries
from geo.arrays import IntArray
from indexes.releases import STATUSES
from matching.planning.measures import TITLES

__all__ = ["HTML", "POLICY", "features_page", "page"]

HTML = "text/html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
LANGS: tuple[Lang, Lang] = ("fr", "en")
WIDTH = 720.0  # of a map, in the units of its picture
FIGURE = ' class="n"'  # of a cell: set to the right, as its column's head
DETAIL = 0.6  # how far an outline may be off there

TEXTS = {  # French, English
    "links": ("Liens", "Links"),
    "next": ("Suivants", "Next"),
    "prev": ("Précédents", "Previous"),
    "of": ("{first} à {last} sur {all}", "{first} to {last} of {all}"),
    "none": ("Rien ne correspond.", "Nothing matches."),
    "filter": (
        "Filtre (CQL2), par exemple level = 'iris'",
        "Filter (CQL2), such as level = 'iris'",
    ),
    "apply": ("Filtrer", "Filter"),
    "epsilon": (
        "Chiffres bruités : ε = {total} par foyer et trimestre.",
        "Figures carry noise: ε = {total} per household and quarter.",
    ),
    "of-all": ("sur {of}", "of {of}"),
}

STYLE = """
body { font: 14px/1.45 "Helvetica Neue", Arial, "Liberation Sans", sans-serif; color: #1c2733;
  margin: 1.2rem auto; max-width: 1200px; padding: 0 14px }
h1 { font-size: 1.7em; margin: .2em 0 }
h2 { font-size: 1.15em; color: #1d3f73; margin: 1.2em 0 .3em }
nav, .note, small { color: #5b6672 } a { color: #1d5fa8 } form { margin: .8em 0 }
.wide { overflow-x: auto } table { border-collapse: collapse }
th, td { text-align: left; vertical-align: top; padding: 3px 10px 3px 0;
  border-bottom: 1px solid #dde3e8 } th { font-weight: 600 }
.wide td { white-space: nowrap }
.wide thead th { min-width: 7em; vertical-align: bottom } .wide thead th.n { min-width: 14em }
.n { text-align: right; font-variant-numeric: tabular-nums } td small { display: block }
input { font: inherit; padding: 3px 6px; width: min(34em, 70%) } button { font: inherit }
svg { width: 100%; max-width: 720px; max-height: 560px; background: #f3f6f9 }
path { fill: #c7d9ec; stroke: #34689e; stroke-width: .8; fill-rule: evenodd }
path.line { fill: none; stroke-width: 2 } a:hover path { fill: #225ea8 }
ul { padding-left: 1.2em } code { overflow-wrap: anywhere }
"""


def _text(key: str, lang: int, **values: object) -> str:
    return escape(TEXTS[key][lang].format(**values))


def _whole(title: str, lang: int, above: str, body: str) -> bytes:
    return (
        f'<!doctype html><html lang="{LANGS[lang]}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><nav>{above}</nav><h1>{escape(title)}</h1>{body}"
        "</body></html>"
    ).encode()


def page(content: Mapping[str, Any], lang: int, base: str, named: str) -> bytes:
    """Any answer about the service.

    Parameters
    ----------
    content : mapping
        As JSON has it: its ``title`` and ``description`` come first, its ``links`` last.
    lang : int
        0 for French, 1 for English.
    base : str
        Address of the landing page.
    named : str
        What it is called if it has no title of its own.
    """
    rest = {k: v for k, v in content.items() if k not in ("title", "description", "links")}
    body = f"<p>{escape(str(content.get('description', '')))}</p>" + (_block(rest) if rest else "")
    if links := content.get("links"):
        body += f"<h2>{_text('links', lang)}</h2>{_links(links)}"
    return _whole(str(content.get("title", named)), lang, _home(base), body)


def _home(base: str) -> str:
    return f'<a href="{escape(base)}/">Mitoyen</a>'


def _links(links: Sequence[Mapping[str, str]]) -> str:
    lines = []
    for one in links:
        told = one.get("title") or one["rel"].rpartition("/")[2]
        href = escape(one["href"])
        shown = f'<a href="{href}">{escape(told)}</a>' if "{" not in href else escape(told)
        lines.append(f"<li>{shown} <small>{escape(one.get('type', ''))} · {href}</small></li>")
    return f"<ul>{''.join(lines)}</ul>"


def _block(value: Any) -> str:
    """Any JSON: objects as tables of names and values, lists as lists."""
    if isinstance(value, Mapping):
        rows = (
            f"<tr><th>{escape(str(key))}</th><td>"
            f"{_links(inner) if key == 'links' else _block(inner)}</td></tr>"
            for key, inner in value.items()
        )
        return f"<table>{''.join(rows)}</table>"
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(one, int | float) for one in value):
            return escape(", ".join(map(str, value)))
        return f"<ul>{''.join(f'<li>{_block(one)}</li>' for one in value)}</ul>"
    text = escape(str(value))
    return f'<a href="{text}">{text}</a>' if text.startswith(("http://", "https://")) else text


def features_page(
    collection: Collection,
    rows: IntArray,
    *,
    title: str,
    lang: int,
    base: str,
    links: Sequence[Mapping[str, str]],
    epsilon: float,
    place: tuple[int, int] | None = None,
    filter: str = "",
) -> bytes:
    """Features as a map and a table.

    Parameters
    ----------
    collection : Collection
    rows : ndarray of int64, shape (n,)
        The page's.
    title : str
        Of the page.
    lang : int
        0 for French, 1 for English.
    base : str
        Address of the landing page.
    links : sequence of mapping
        As JSON has them.
    epsilon : float
        Of the release, in all.
    place : (int, int), optional
        How many features come before the page, and how many there are; None for one by itself.
    filter : str
        What was asked for.
    """
    at = f"{base}/collections/{collection.id}"
    above = f'{_home(base)} › <a href="{escape(at)}">{escape(collection.id)}</a>'
    body = _map(collection.geometries[rows], [f"{at}/items/{collection.ids[i]}" for i in rows])
    if place is None:
        body += _one(collection, int(rows[0]), lang, base)
        shape = collection.geometries[rows[0]]
        if shape is not None:
            wkt = shapely.to_wkt(shape, rounding_precision=7)
            body += f"<details><summary>geometry</summary><code>{wkt}</code></details>"
    else:
        body = _form(at, filter, lang) + body + _pages(links, place, len(rows), lang)
        body += _many(collection, rows, lang, base)
    body += f'<p class="note">{_text("epsilon", lang, total=f"{epsilon:g}")}</p>'
    body += f"<h2>{_text('links', lang)}</h2>{_links(links)}"
    return _whole(title, lang, above, body)


def _form(at: str, filter: str, lang: int) -> str:
    label = _text("filter", lang)
    return (
        f'<form action="{escape(at)}/items"><input type="hidden" name="f" value="html">'
        f'<input name="filter" value="{escape(filter)}" placeholder="{label}" aria-label="{label}">'
        f" <button>{_text('apply', lang)}</button></form>"
    )


def _pages(
    links: Sequence[Mapping[str, str]], place: tuple[int, int], count: int, lang: int
) -> str:
    first, all = place
    if not count:
        return f"<p>{_text('none', lang)}</p>"
    there = _text("of", lang, first=first + 1, last=first + count, all=all)
    turns = (
        f' <a href="{escape(one["href"])}">{_text(one["rel"], lang)}</a>'
        for one in links
        if one["rel"] in ("prev", "next")
    )
    return f"<p>{there}{''.join(turns)}</p>"


def _columns(collection: Collection) -> list[str]:
    """Columns of their own: what accompanies a figure is told beside it."""
    names = collection.table.column_names
    return [name for name in names if _base(name) not in names]


def _base(name: str) -> str:
    base, _, companion = name.rpartition("_")
    return base if companion in COMPANIONS else ""


def _many(collection: Collection, rows: IntArray, lang: int, base: str) -> str:
    names, at = _columns(collection), f"{base}/collections/{collection.id}"
    heads = "".join(
        f"<th{FIGURE if _figure(collection, name) else ''}>{escape(title_of(name)[lang])}</th>"
        for name in names
    )
    lines = []
    for row, told in zip(rows.tolist(), collection.table.take(rows).to_pylist(), strict=True):
        id = collection.ids[row]
        link = f'<a href="{escape(f"{at}/items/{id}")}?f=html">{escape(id)}</a>'
        cells = "".join(_cell(name, told, lang, base) for name in names)
        lines.append(f"<tr><th>{link}</th>{cells}</tr>")
    return (
        f'<div class="wide"><table><thead><tr><th>id</th>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _figure(collection: Collection, name: str) -> bool:
    """Whether a column holds numbers that tell how much."""
    kind = collection.table[name].type
    return name != "vintage" and (pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _one(collection: Collection, row: int, lang: int, base: str) -> str:
    (told,) = collection.table.slice(row, 1).to_pylist()
    lines = (
        f"<tr><th>{escape(title_of(name)[lang])}</th>{_cell(name, told, lang, base)}</tr>"
        for name in _columns(collection)
    )
    return f"<table>{''.join(lines)}</table>"


def _cell(name: str, told: Mapping[str, Any], lang: int, base: str) -> str:
    """A property with what accompanies it: a figure, its interval, or why there is none and
    which zone tells it."""
    value = told[name]
    if isinstance(value, str):
        text = words(value, LANGS[lang]) if name == "status" and value in STATUSES else value
        return f"<td>{escape(text)}</td>"
    if isinstance(value, bool) or (value is not None and name == "vintage"):
        return f"<td>{value}</td>"
    unit = TITLES.get(name.partition("__")[0], ("count",))[0]

    def number(number: float | None) -> str:
        return escape(number_text(number, unit, LANGS[lang]))

    status = told.get(f"{name}_status")
    if value is None and status in STATUSES:
        parent = escape(told.get(f"{name}_parent") or "")
        link = f' <a href="{escape(base)}/collections/districts/items/{parent}?f=html">{parent}</a>'
        shown = f"<small>{escape(words(status, LANGS[lang]))}{link if parent else ''}</small>"
    else:
        shown = number(value)
    beside = []
    if told.get(f"{name}_upper") is not None:
        low, high = (number(told[f"{name}_{end}"]) for end in ("lower", "upper"))
        beside.append(f"{low} – {high}")
    if told.get(f"{name}_denominator") is not None:
        of = number_text(round(told[f"{name}_denominator"]), "count", LANGS[lang])
        beside.append(_text("of-all", lang, of=of))
    more = f"<small>{' · '.join(beside)}</small>" if beside else ""
    return f"<td{FIGURE}>{shown}{more}</td>"


def _map(shapes: Geometries, addresses: Sequence[str]) -> str:
    """Shapes as a picture, each a link; nothing where none has a shape."""
    there = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    if not there.any():
        return ""
    west, south, east, north = shapely.total_bounds(shapes[there])
    shrink = cos(radians((south + north) / 2))
    scale = WIDTH / max((east - west) * shrink, north - south, 1e-6)
    size = np.array([(east - west) * shrink, north - south]) * scale + 8.0
    drawn = []
    for i in np.flatnonzero(there).tolist():
        flat = shapely.transform(
            shapes[i], lambda xy: (xy - (west, north)) * (scale * shrink, -scale) + 4.0
        )
        flat = shapely.simplify(flat, DETAIL)
        area = shapely.get_dimensions(flat) == 2
        lines = shapely.get_rings(shapely.get_parts(flat)) if area else shapely.get_parts(flat)
        path = "".join(
            "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in shapely.get_coordinates(line))
            for line in lines
        )
        kind = "" if area else ' class="line"'
        drawn.append(f'<a href="{escape(addresses[i])}?f=html"><path{kind} d="{path}"/></a>')
    return f'<svg viewBox="0 0 {size[0]:.0f} {size[1]:.0f}" role="img">{"".join(drawn)}</svg>'
