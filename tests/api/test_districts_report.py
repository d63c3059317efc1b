"""api/districts_report.py: one page that needs nothing else and tells what the release tells."""

import re
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser

import districts_town
import pytest

from api.districts_report import KEY_FIGURES, report_html
from geo.errors import InputError, NotFoundError
from indexes.entities import Tenant
from indexes.store import open_store
from matching.planning.releasing import load_districts

CODES = ("132010101", "1320101", "13201", "13055")
VOID = {"meta", "img"}
NASTY = """<script>alert("Noailles")</script> & l'Opéra"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The town's release without noise, with a goal that nobody reaches, and a nasty name."""
    store = open_store(tmp_path_factory.mktemp("report") / "town.db")
    store.put(Tenant(tenant_id="default", id="default", name="Ville"))
    districts_town.fill(store, "default")
    first, *rest = districts_town.zones("default")
    store.put_zones([replace(first, name=NASTY), *rest])
    with districts_town.without_noise():
        districts_town.release(store, "default", goals=(0.05, 0.1))
    yield load_districts(store, "default")
    store.close()


class Nested(HTMLParser):
    """Checks that each tag is closed where it must be; collects attributes that load things."""

    def __init__(self):
        super().__init__()
        self.open, self.loads = [], []

    def handle_starttag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def text_of(page):
    return plain(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)))


def plain(page):
    return page.replace("\u00a0", " ")


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("lang", ["fr", "en"])
def test_a_report_is_whole_and_loads_nothing(made, code, lang):
    page = report_html(made, code, lang)
    parser = Nested()
    parser.feed(page)
    assert parser.open == []
    assert [value.partition(",")[0] for value in parser.loads] == ["data:image/png;base64"]
    assert "<script" not in page and "@import" not in page and "url(" not in page
    assert f'<html lang="{lang}">' in page and code in page


def test_the_key_figures_are_the_releases_with_their_interval(made):
    text = text_of(report_html(made, "132010101", "en"))
    rows = {r["measure"]: r for r in made.rows("132010101").to_pylist() if not r["category"]}
    assert "8 %" in text and "160" in text
    low, high = (rows["households"][name] for name in ("lower", "upper"))
    assert f"between {low:g} and {high:g}" in text
    tiles = re.findall(r'<div class="tile">.*?</div>', report_html(made, "132010101", "en"))
    assert len(tiles) == len(KEY_FIGURES)
    hidden = [m for m in KEY_FIGURES if rows[m]["status"] not in ("ok", "zero")]
    assert sum("<b>–</b>" in tile for tile in tiles) == len(hidden)


def test_the_goal_line_has_each_part_and_each_goal(made):
    page = report_html(made, "1320101", "fr")
    svg = re.search(r"<svg.*?</svg>", page, re.DOTALL)[0]
    assert svg.count("stroke-dasharray") == 2
    assert svg.count("<circle") == 2  # two IRIS, both told
    assert "10\u202f%" in svg


def test_where_to_act_counts_households_to_win_for_the_next_goal(made):
    page = plain(report_html(made, "13201", "en"))  # 7.2 %: past 5, short of 10
    assert "Households to win for the goal of 10 %" in page
    table = re.search(r"goal of 10 %</h3>(<table>.*?</table>)", page, re.DOTALL)[1]
    lines = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in table.split("<tr>")]
    assert [(line[0], line[2]) for line in lines if line] == [
        ("Quartier 0102", "60"),  # 10 % of 1,500 less 90
        (escape(NASTY), "40"),
        ("Quartier 0201", "20"),
    ]


def test_method_tells_what_it_cost_and_how_it_is_counted(made):
    text = text_of(report_html(made, "13055", "fr"))
    for rule in made.release.head["rules"]:
        assert rule["fr"] in text
    assert "0,25" in text and "ε" in text and "Insee" in text


def test_a_name_is_text_and_never_markup(made):
    page = report_html(made, "132010101", "fr")
    assert NASTY not in page and NASTY in text_of(page)


def test_the_same_release_gives_the_same_page(made):
    assert report_html(made, "13055", "fr") == report_html(made, "13055", "fr")


def test_there_is_no_report_of_a_cell_or_of_nothing(made):
    with pytest.raises(InputError, match="IRIS"):
        report_html(made, made.codes("cell")[0])
    with pytest.raises(NotFoundError):
        report_html(made, "75056")
