"""Pages of `/ogc` as browsers get them."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

from api.ogc.catalogue import COLLECTIONS

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ALONE = ("meta", "input", "link")


class Page(HTMLParser):
    """Checks that tags close, and gathers text, links, and what a page would load."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.loads, self.told = [], [], [], []
        self.feed(text)
        assert self.open == []
        self.text = " ".join(self.told)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if tag == "a":
            self.links.append(told["href"])
        self.loads += [tag] if tag in ("script", "img", "iframe") or "src" in told else []
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.told.append(data)


def shown(town, path, lang="fr", **params):
    headers = BROWSER | {"Accept-Language": lang}
    answer = town.client.get(path, params=params or None, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "Accept" in answer.headers["vary"].split(", ")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = Page(answer.text)
    assert page.loads == []
    return page


def test_a_browser_finds_its_way_from_the_landing_page_to_each_feature(town):
    seen, ahead = set(), ["http://testserver/ogc/"]
    while ahead:
        url = ahead.pop()
        seen.add(url)
        for href in shown(town, url).links:
            found = urljoin(url, href)
            wanted = re.search(r"/ogc/(conformance|collections(/\w+(/items)?)?$)", found)
            if wanted and found not in seen:
                ahead.append(found)
    for id in COLLECTIONS:
        assert f"http://testserver/ogc/collections/{id}/items" in seen
    page = shown(town, "/ogc/collections/districts/items", limit=3)
    one = next(link for link in page.links if "/items/" in link)
    assert "MULTIPOLYGON" in shown(town, one).text


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_page_of_features_has_all_that_json_says_of_them(town, collection):
    features = town.features(collection)
    text = re.sub(r"\s", " ", shown(town, f"/ogc/collections/{collection}/items", limit=1000).text)
    for feature in features:
        assert feature["id"] in text
        for name, value in feature["properties"].items():
            if isinstance(value, str) and "status" not in name:
                assert value in text
    whole = [
        value
        for feature in features
        for name, value in feature["properties"].items()
        if isinstance(value, float) and value == round(value) and 0 <= value < 1000
    ]
    assert all(f"{value:.0f}" in text for value in whole)


def test_a_merged_figure_leads_to_the_zone_that_tells_it(town):
    merged = {
        (feature["id"], parent)
        for feature in town.features("districts")
        for name, parent in feature["properties"].items()
        if name.endswith("_parent") and parent
    }
    assert merged
    for id, parent in merged:
        page = shown(town, f"/ogc/collections/districts/items/{id}", "en")
        assert "merged: into its parent" in page.text
        (there,) = {link for link in page.links if f"/districts/items/{parent}?" in link}
        assert parent in shown(town, there).text


def test_pages_turn_and_keep_the_filter(town):
    asked = {"limit": 5, "filter": "level = 'iris'"}
    first = shown(town, "/ogc/collections/districts/items", "en", **asked)
    assert "1 to 5 of 40" in first.text
    turn = next(link for link in first.links if "offset=5" in link)
    second = shown(town, turn, "en")
    assert "6 to 10 of 40" in second.text
    assert any("offset=0" in link for link in second.links)
    nothing = shown(town, "/ogc/collections/districts/items", "en", filter="level = 'none'")
    assert "Nothing matches." in nothing.text


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_the_head_of_a_column_of_figures_stands_above_them_on_the_right(town, collection):
    path = f"/ogc/collections/{collection}/items"
    asked = {"limit": 5, "f": "html"}
    heads, *lines = town.client.get(path, params=asked).text.split("<tr><th>")[1:]
    right = [told == ' class="n"' for told in re.findall(r"<th( class=\"n\")?>", heads)]
    assert lines and any(right) is (collection != "zones")  # outlines alone
    for line in lines:
        cells = re.findall(r"<td( class=\"n\")?>(.*?)</td>", line)
        assert len(cells) == len(right)
        for (side, told), wanted in zip(cells, right, strict=True):
            assert told == "–" or (side == ' class="n"') is wanted


def test_what_was_asked_is_text_on_the_page_and_never_markup(town):
    asked = "name <> '\"><script>alert(1)</script>'"
    page = shown(town, "/ogc/collections/zones/items", filter=asked)
    assert "script" not in page.open and page.loads == []


@pytest.mark.parametrize(
    ("accept", "type"),
    [
        ("*/*", "application/geo+json"),
        ("application/geo+json, application/json, text/html", "application/geo+json"),
        ("text/html, application/json", "text/html"),
        ("", "application/geo+json"),
        ("image/png", "application/geo+json"),
    ],
)
def test_programs_get_json_unless_they_name_html_first(town, accept, type):
    path = "/ogc/collections/zones/items"
    answer = town.client.get(path, params={"limit": 1}, headers={"Accept": accept})
    assert answer.headers["content-type"].split(";")[0] == type
    asked = town.client.get(path, params={"limit": 1, "f": "json"}, headers=BROWSER)
    assert asked.headers["content-type"] == "application/geo+json"
    assert asked.json()["epsilon"]["total"] == 1.0


def test_a_page_and_json_of_one_address_are_told_apart_by_their_etags(town):
    path = "/ogc/collections/zones/items"
    tags = {
        (type, lang): town.client.get(
            path, headers={"Accept": type, "Accept-Language": lang}
        ).headers["etag"]
        for type in ("*/*", "text/html")
        for lang in ("fr", "en")
    }
    assert tags["text/html", "fr"] != tags["text/html", "en"] != tags["*/*", "en"]
    sent = {"Accept": "text/html", "Accept-Language": "fr"}
    same = town.client.get(path, headers=sent | {"If-None-Match": tags["text/html", "fr"]})
    assert same.status_code == 304


def test_a_tile_is_never_a_page(town):
    answer = town.get("/collections/zones/tiles/WebMercatorQuad/0/0/0", f="html")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")
