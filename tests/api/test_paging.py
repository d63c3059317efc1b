"""Cursors of lists: signed, and good for one list and one reader only."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.paging import Pager
from geo.errors import CursorError

PAGER = Pager(b"k" * 32, "listings", "north")


@given(st.text(min_size=1, max_size=200, alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_cursor_says_where_its_page_ended(id):
    assert PAGER.read(PAGER.write(id)) == id


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: base64.b64encode(b).decode()))
def test_a_forged_cursor_is_refused(text):
    with pytest.raises(CursorError):
        PAGER.read(text)


@given(st.integers(0, 200), st.integers(0, 7))
def test_a_cursor_with_one_bit_flipped_is_refused(at, bit):
    data = bytearray(base64.urlsafe_b64decode(PAGER.write("boulangerie-12") + "=="))
    at %= len(data)
    data[at] ^= 1 << bit
    with pytest.raises(CursorError):
        PAGER.read(base64.urlsafe_b64encode(bytes(data)).decode().rstrip("="))


def test_scopes_that_join_to_the_same_text_are_different():
    cursor = Pager(b"k" * 32, "a", "bc").write("x")
    with pytest.raises(CursorError):
        Pager(b"k" * 32, "ab", "c").read(cursor)


def pages(served, url, who="local", **params):
    """All things of a list, page by page, and how many pages there were."""
    found, cursor, count = [], None, 0
    while True:
        asked = params | ({"cursor": cursor} if cursor else {})
        answer = served.get(url, who, params=asked)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        found += next(value for value in body.values() if isinstance(value, list))
        count += 1
        cursor = body.get("next")
        if cursor is None:
            return found, count


def test_pages_join_to_the_whole_list_in_order(served):
    whole, _ = pages(served, "/v1/listings", limit=200)
    joined, count = pages(served, "/v1/listings", limit=5)
    assert joined == whole and count == 3
    assert [item["id"] for item in whole] == sorted(item["id"] for item in whole)


def test_a_cursor_is_refused_for_another_list_filter_or_tenant(served):
    cursor = served.get("/v1/listings", params={"limit": 2}).json()["next"]
    for url, who, filters in (
        ("/v1/buildings", "app", {}),
        ("/v1/listings", "local", {"zone": "990010101"}),
        ("/v1/listings", "other", {}),
    ):
        answer = served.get(url, who, params={"cursor": cursor, **filters})
        assert answer.status_code == 400, url
        assert answer.json()["code"] == "invalid-cursor"


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1e30", "1" * 5_000, "ten", "", "1.5", "٣"])
def test_a_page_of_an_impossible_size_is_refused(served, limit):
    answer = served.get("/v1/listings", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-request"
