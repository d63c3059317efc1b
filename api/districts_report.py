"""One page about a zone of a release: key figures, map, goal line, gaps, method.

HTML that needs nothing from elsewhere, and prints on one sheet of A4.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from matplotlib.colors import to_hex
from matplotlib.patches import Patch

from api.districts_answers import parts_of, zone_answer
from api.districts_map import FILLS, bare_map, choropleth
from api.districts_words import (
    Lang,
    category_text,
    number_text,
    quarter_text,
    sources_of,
    title_of,
    unit_of,
    words,
)
from geo.errors import InputError
from matching.districts import Districts

__all__ = ["report_html"]

KEY_FIGURES = ("households", "penetration", "active_rate", "member_rate", "buildings_opened")
ACCESS = "access_10"
FINER = ("arrondissement", "quartier", "iris")
SHOWN = ("ok", "zero")
WORST = 5  # zones and categories that a list of gaps has
MOST_ROWS = 24  # of the goal line: more would not fit the page

TEXTS: Mapping[str, tuple[str, str]] = {  # French, English
    "report": ("Tableau de bord", "District report"),
    "rate": ("taux", "rate"),
    "made": (
        "{quarter} ({release}), version {version}, publiée le {day:%d/%m/%Y}",
        "The {quarter} ({release}), version {version}, released on {day:%Y-%m-%d}",
    ),
    "interval": ("entre {low} et {high} (95 %)", "between {low} and {high} (95 %)"),
    "goal-line": (
        "Foyers inscrits pour 100 foyers, et objectifs",
        "Households registered of 100, and goals",
    ),
    "gaps": ("Où agir", "Where to act"),
    "to-go": (
        "Foyers à gagner pour l'objectif de {goal}",
        "Households to win for the goal of {goal}",
    ),
    "missing": ("à gagner", "to win"),
    "estimated": ("{title} (estimé)", "{title} (estimated)"),
    "unmet": ("Demandes sans réponse favorable", "Requests nobody has said yes to"),
    "supply": (
        "Offre sous la médiane de la ville, pour 1 000 foyers",
        "Supply under the town's median, per 1,000 households",
    ),
    "nothing": (
        "Rien à dire : chiffres masqués ou aucun écart.",
        "Nothing to tell: figures hidden, or no gap.",
    ),
    "method": ("Méthode", "Method"),
    "epsilon": ("ε par foyer et trimestre", "ε per household and quarter"),
    "visible": (
        "Part des IRIS d'habitat dont le chiffre est publié",
        "Share of residential IRIS whose figure is told",
    ),
    "households": ("Foyers", "Households"),
    "active": ("Activité", "Activity"),
    "members": ("Membres", "Members"),
    "buildings": ("Immeubles", "Buildings"),
    "exchange": ("Offres et demandes", "Offers and requests"),
    "carpool": ("Covoiturage", "Carpooling"),
    "total": ("En tout", "In all"),
    "estimate": (
        "Chaque chiffre est une estimation : il porte un bruit connu, tiré une seule fois.",
        "Every figure is an estimate: it carries noise of known size, drawn once.",
    ),
}

STYLE = """
@page { size: A4; margin: 10mm }
* { box-sizing: border-box }
body { font: 13px/1.4 "Helvetica Neue", Arial, "Liberation Sans", sans-serif; color: #1c2733;
  max-width: 900px; margin: 1.5rem auto; padding: 0 12px }
h1 { font-size: 1.9em; margin: 0 } h2 { font-size: 1.2em; margin: 1em 0 .3em; color: #1d3f73 }
h3 { font-size: 1em; margin: .6em 0 .2em }
header p, small, .note { color: #5b6672; margin: 2px 0 }
.tiles, .three, .wide { display: grid; gap: 12px }
.tiles { grid-template-columns: repeat(5, 1fr); gap: 6px; margin: 10px 0 }
.three { grid-template-columns: 1fr 1fr 1fr }
.wide { grid-template-columns: 3fr 2fr }
.tile { border-top: 3px solid #225ea8; background: #f3f6f9; padding: 6px 7px }
.tile b { display: block; font-size: 1.6em; line-height: 1.25 }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: 1.5px 4px 1.5px 0; border-bottom: 1px solid #dde3e8 }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap;
  padding-left: 8px }
img, svg { width: 100%; height: auto; display: block }
figure { margin: 0 } .legend { display: flex; flex-wrap: wrap; gap: 1px 12px; font-size: .9em;
  list-style: none; padding: 0; margin: 4px 0 }
.legend i { display: inline-block; width: 1.7em; height: 1em; border: 1px solid #6b6b6b;
  margin-right: 5px; vertical-align: -1px; print-color-adjust: exact }
.hidden { background: repeating-linear-gradient(135deg, #8a8a8a 0 1px, #fff 1px 4px) }
.merged { background: radial-gradient(#8a8a8a 28%, #f1efe9 32%) 0 0 / 4px 4px }
.rules { columns: 2; column-gap: 18px; margin: 3px 0; padding-left: 14px }
.rules li { break-inside: avoid } footer { margin-top: 8px }
@media (max-width: 640px) { .tiles { grid-template-columns: 1fr 1fr }
  .three, .wide { grid-template-columns: 1fr } .rules { columns: 1 } }
@media print { body { font-size: 9.5px; line-height: 1.28; margin: 0 auto; padding: 0;
    max-width: none } figure img { max-height: 88mm; object-fit: contain }
  section, .tile { break-inside: avoid } .tile { print-color-adjust: exact }
  .tiles { grid-template-columns: repeat(5, 1fr) } .rules { columns: 2 }
  .three { grid-template-columns: 1fr 1fr 1fr } .wide { grid-template-columns: 3fr 2fr } }
"""


def report_html(districts: Districts, code: str, lang: Lang = "fr") -> str:
    """The report of a zone.

    Parameters
    ----------
    districts : Districts
        The release.
    code : str
        Of an IRIS, a quartier, an arrondissement or a commune.
    lang : {"fr", "en"}

    Returns
    -------
    str
        One HTML document.

    Raises
    ------
    NotFoundError
        With code ``unknown-zone``.
    InputError
        For a cell.
    """
    return _Report(districts, code, lang).html()


def _hex(patch: Patch) -> str:
    return to_hex(patch.get_facecolor())


def _told(zone: Mapping[str, Any], measure: str, category: str = "") -> dict[str, Any] | None:
    """A zone's figure, if the release has it."""
    for row in zone["rows"]:
        if (row["measure"], row["category"]) == (measure, category):
            return dict(row)
    return None


class _Report:
    """One report under way."""

    def __init__(self, districts: Districts, code: str, lang: Lang) -> None:
        self.districts, self.lang = districts, lang
        self.head = districts.release
        self.zone = zone_answer(districts, code)
        if self.zone["level"] == "cell":
            raise InputError("a report is of an IRIS, a quartier, an arrondissement or a commune")
        # An IRIS is shown among those around it, a coarser zone by what it is made of.
        own = self.zone["level"] == "iris"
        nearest, *wider = districts.zones.parents(code) if own else (code,)
        self.around: str = wider[0] if wider else nearest
        self.marked = code if own else None
        self.parts = self._parts(nearest)

    def _parts(self, whole: str) -> list[dict[str, Any]]:
        """Zones of the coarsest level that a zone has several of, but not too many."""
        for level in FINER:
            if level in self.districts.levels:
                found = parts_of(self.districts, whole, level)
                if len(found) > 1 and (len(found) <= MOST_ROWS or level == FINER[-1]):
                    codes = self.districts.codes(level)
                    return [zone_answer(self.districts, codes[i]) for i in found]
        return [self.zone]

    def text(self, key: str, **values: Any) -> str:
        return escape(TEXTS[key][0 if self.lang == "fr" else 1].format(**values))

    def category(self, row: Mapping[str, Any]) -> str:
        return escape(category_text(row["category"], self.lang))

    def number(self, value: float | None, unit: str) -> str:
        return escape(number_text(value, unit, self.lang))

    def html(self) -> str:
        zone, head = self.zone, self.head
        title = f"{escape(zone['name'])} ({escape(zone['zone'])})"
        quarter = quarter_text(head.id, self.lang)
        made = self.text(
            "made", quarter=quarter, release=head.id, version=head.version, day=head.created_at
        )
        drawn = choropleth(
            self.districts,
            "penetration",
            within=self.around,
            marked=self.marked,
            lang=self.lang,
        )
        picture, legend = bare_map(drawn)
        page = (
            f'<!doctype html><html lang="{self.lang}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{title}, {quarter}</title><style>{STYLE}</style>"
            f"<header><small>Mitoyen · {self.text('report')} · "
            f"{escape(words(zone['level'], self.lang))}</small><h1>{title}</h1><p>{made}</p>"
            f'</header><div class="tiles">{self._tiles()}</div>'
            f'<section class="wide"><div><h2>{escape(drawn.title)}</h2>'
            f'<figure><img alt="{escape(drawn.title)}" '
            f'src="data:image/png;base64,{b64encode(picture).decode()}">'
            f"<figcaption>{self._legend(legend)}</figcaption></figure></div>"
            f"<div><h2>{self.text('goal-line')}</h2>{self._goal_line()}</div></section>"
            f'<h2>{self.text("gaps")}</h2><section class="three">{self._gaps()}</section>'
            f"<h2>{self.text('method')}</h2>{self._method()}"
            f"<footer><small>{escape(sources_of(head, self.lang))}</small></footer></html>"
        )
        return page.replace(" %", "\u00a0%")  # a line doesn't end between them

    def _legend(self, legend: Sequence[Patch]) -> str:
        """What the map's fills mean, as a list."""
        entries = []
        for patch in legend:
            # What has lines or dots on the map has them here, drawn by the page's style.
            hatch = patch.get_hatch()
            kind = "".join(name for name, (_, lines) in FILLS.items() if lines and lines == hatch)
            fill = f'class="{kind}"' if kind else f'style="background:{_hex(patch)}"'
            entries.append(f"<li><i {fill}></i>{escape(str(patch.get_label()))}</li>")
        title = escape(words("classes", self.lang))
        return f'<small>{title}</small><ul class="legend">{"".join(entries)}</ul>'

    def _tiles(self) -> str:
        tiles = []
        for measure in KEY_FIGURES:
            row = _told(self.zone, measure)
            if row is None:
                continue
            unit = unit_of(measure)
            if row["status"] in SHOWN:
                value = self.number(row["value"], unit)
                low, high = (number_text(row[name], unit, self.lang) for name in ("lower", "upper"))
                about = self.text("interval", low=low, high=high)
            else:
                carried = f" → {row['parent']}" if row["parent"] else ""
                value, about = "–", escape(words(row["status"], self.lang) + carried)
            title = escape(title_of(measure, "", self.lang))
            tiles.append(f'<div class="tile">{title}<b>{value}</b><small>{about}</small></div>')
        return "".join(tiles)

    def _goal_line(self) -> str:
        """Each part's rate with its interval, against the goals, as an SVG."""
        rows = [(part["name"], _told(part, "penetration")) for part in self.parts][:MOST_ROWS]
        goals = [100.0 * goal for goal in self.head.head["goals"]]
        told = [row for _, row in rows if row is not None and row["status"] == "ok"]
        most: float = 1.06 * max([*goals, *(min(row["upper"], 2 * max(goals)) for row in told)])
        left, right, line = 150, 400, 19
        height = line * len(rows) + 30

        def at(value: float) -> float:
            return left + (right - left) * min(max(value, 0.0), most) / most

        marks = []
        for goal in goals:
            label = self.number(goal, "percent")
            marks.append(
                f'<line x1="{at(goal):.1f}" x2="{at(goal):.1f}" y1="14" y2="{height - 12}" '
                f'stroke="#cc4c02" stroke-dasharray="4 3"/><text x="{at(goal):.1f}" y="10" '
                f'text-anchor="middle" fill="#cc4c02">{label}</text>'
            )
        for i, (name, row) in enumerate(rows):
            y = 26 + line * i
            # "Marseille 4e Arrondissement" is told as "4e Arrondissement" in Marseille's report.
            name = name.removeprefix(self.zone["name"]).strip(" ,") or name
            short = name if len(name) <= 25 else f"{name[:24]}…"
            marks.append(f'<text x="0" y="{y + 4}">{escape(short)}</text>')
            if row is None or row["status"] != "ok":
                why = words(row["status"] if row else "unknown", self.lang).partition(":")[0]
                marks.append(f'<text x="{left}" y="{y + 4}" fill="#8a8a8a">{escape(why)}</text>')
                continue
            low, high = at(row["lower"]), at(row["upper"])
            marks.append(
                f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="#7fa6cf" '
                f'stroke-width="3"/><circle cx="{at(row["value"]):.1f}" cy="{y}" r="4" '
                f'fill="#0c2c84"/>'
            )
        return (
            f'<svg viewBox="0 0 {right + 10} {height}" role="img" font-size="11" '
            f'font-family="Arial, sans-serif">'
            f'<line x1="{left}" x2="{left}" y1="14" y2="{height - 12}" stroke="#b5bec6"/>'
            f"{''.join(marks)}</svg>"
        )

    def _gaps(self) -> str:
        nothing = f'<p class="note">{self.text("nothing")}</p>'
        columns = (self._to_go(),), (self._unmet(), self._access()), (self._supply(),)
        return "".join(
            f"<div>{''.join(f'<h3>{head}</h3>{table or nothing}' for head, table in column)}</div>"
            for column in columns
        )

    def _iris(self) -> list[dict[str, Any]]:
        found = parts_of(self.districts, self.around, "iris")
        codes = self.districts.codes("iris")
        return [zone_answer(self.districts, codes[i]) for i in found]

    def _to_go(self) -> tuple[str, str]:
        """Zones that lack most households to the first goal that the zone itself hasn't reached."""
        own = _told(self.zone, "penetration")
        goals = sorted(self.head.head["goals"])
        reached = own["value"] if own is not None and own["value"] is not None else 0.0
        goal = next((goal for goal in goals if 100.0 * goal > reached), goals[-1])
        lacking = []
        for part in self._iris():
            row = _told(part, "penetration")
            if row is None or row["status"] != "ok" or not row["denominator"]:
                continue
            missing = goal * row["denominator"] - row["value"] * row["denominator"] / 100.0
            if missing > 0.0:
                lacking.append((missing, part["name"], row["value"]))
        lacking.sort(key=lambda one: (-one[0], one[1]))
        title = self.text("to-go", goal=number_text(100.0 * goal, "percent", self.lang))
        lines = [
            (escape(name), self.number(value, "percent"), self.number(round(missing), "count"))
            for missing, name, value in lacking[:WORST]
        ]
        return title, self._table(("", self.text("rate"), self.text("missing")), lines)

    def _unmet(self) -> tuple[str, str]:
        """Categories of requests that most households were left with."""
        rows = [
            row
            for row in self.zone["rows"]
            if row["measure"] == "unmet" and row["category"] and row["status"] == "ok"
        ]
        rows.sort(key=lambda row: (-row["value"], row["category"]))
        lines = [(self.category(r), self.number(r["value"], "count")) for r in rows[:WORST]]
        return self.text("unmet"), self._table((), lines)

    def _access(self) -> tuple[str, str]:
        """Categories of public things that fewest households have within reach."""
        rows = [r for r in self.zone["rows"] if r["measure"] == ACCESS and r["status"] == "ok"]
        rows.sort(key=lambda row: (row["value"], row["category"]))
        lines = [(self.category(r), self.number(r["value"], "percent")) for r in rows[:WORST]]
        title = self.text("estimated", title=title_of(ACCESS, "", self.lang))
        return title, self._table((), lines)

    def _supply(self) -> tuple[str, str]:
        """IRIS and categories that lie farthest under the town's median."""
        rows = [
            (row["value"], part["name"], self.category(row))
            for part in self._iris()
            for row in part["rows"]
            if row["measure"] == "supply_gap" and row["status"] == "ok" and row["value"] < 0.0
        ]
        lines = [
            (escape(name), category, self.number(value, "per 1,000"))
            for value, name, category in sorted(rows)[:WORST]
        ]
        return self.text("supply"), self._table((), lines)

    def _method(self) -> str:
        spent = self.head.head["epsilon"]
        visible = self.head.head["visible"]
        families = [(self.text(name), self.number(value, "count")) for name, value in spent.items()]
        shares = [
            (escape(title_of(measure, "", self.lang)),
             self.number(round(100.0 * visible[measure]["iris_h"]), "percent"))
            for measure in KEY_FIGURES
            if "iris_h" in visible.get(measure, {})
        ]  # fmt: skip
        rules = "".join(f"<li>{escape(rule[self.lang])}</li>" for rule in self.head.head["rules"])
        return (
            f'<p class="note">{self.text("estimate")}</p><ul class="rules">{rules}</ul>'
            f'<section class="wide"><div>{self._table((self.text("visible"), ""), shares)}</div>'
            f"<div>{self._table((self.text('epsilon'), ''), families)}</div></section>"
        )

    def _table(self, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
        """Cells are HTML already; all but the first of a line are numbers or short words."""
        if not lines:
            return ""

        def row(cells: Sequence[str], tag: str) -> str:
            first, *rest = cells
            numbers = "".join(f'<{tag} class="n">{cell}</{tag}>' for cell in rest)
            return f"<tr><{tag}>{first}</{tag}>{numbers}</tr>"

        return (
            f"<table>{row(heads, 'th') if heads else ''}"
            f"{''.join(row(cells, 'td') for cells in lines)}</table>"
        )
