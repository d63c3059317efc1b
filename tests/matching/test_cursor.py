"""Page cursors: nothing but what this engine sealed for this very query is taken."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import CursorError
from indexes.entities import IrisCode, Kind, Listing, Tenant
from indexes.store import Store, open_store
from matching import ANYONE, Engine, NearQuery, Profiles
from matching.cursor import Cursor, query_digest, seal, unseal

SECRET = b"s" * 32
NOW = datetime(2025, 6, 14, 9, 30, tzinfo=UTC)
LON, LAT = 5.3741234, 43.2957891
QUERY = NearQuery(at=NOW, origin=(LON, LAT), limit=2, radius_m=3_000.0)

cursors = st.builds(
    Cursor,
    query=st.text(max_size=40),
    profiles=st.text(max_size=20),
    at=st.integers(-(2**40), 2**40),
    radius_m=st.floats(0, 3e7),
    inner_m=st.floats(-1, 3e7),
    auto=st.booleans(),
    score=st.none() | st.integers(-(2**62), 2**62),
    tie=st.integers(0, 2**62),
    id=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)


@given(cursors)
def test_a_cursor_comes_back_as_it_was_sealed(cursor: Cursor) -> None:
    assert unseal(SECRET, seal(SECRET, cursor)) == cursor


@given(cursors, st.integers(0), st.integers(1, 255))
def test_no_byte_of_a_cursor_can_be_changed(cursor: Cursor, where: int, change: int) -> None:
    text = seal(SECRET, cursor)
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    raw[where % len(raw)] ^= change
    with pytest.raises(CursorError):
        unseal(SECRET, base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode())


@given(cursors, st.integers(1))
def test_no_character_of_a_cursor_can_be_left_out(cursor: Cursor, cut: int) -> None:
    text = seal(SECRET, cursor)
    with pytest.raises(CursorError):
        unseal(SECRET, text[: -(1 + cut % len(text))])


@pytest.mark.parametrize(
    "text",
    ["x", "=", "é", "\ud800", "A" * 20, "A" * 100, "A" * 10_000, "a b", "\x00", "..", "////"],
)
def test_what_is_no_cursor_is_refused_as_one(text: str) -> None:
    with pytest.raises(CursorError) as caught:
        unseal(SECRET, text)
    assert caught.value.code == "invalid-cursor"


@given(cursors)
def test_another_stores_cursor_is_refused(cursor: Cursor) -> None:
    with pytest.raises(CursorError):
        unseal(b"t" * 32, seal(SECRET, cursor))


def test_the_hash_of_a_query_tells_nothing_without_the_key() -> None:
    parts = ("viewer", (LON, LAT))
    assert query_digest(SECRET, parts) == query_digest(SECRET, parts)
    assert query_digest(SECRET, parts) != query_digest(b"t" * 32, parts)
    assert query_digest(SECRET, parts) != query_digest(SECRET, ("viewer", (LON, LAT + 1e-7)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two tenants with the very same places around one spot."""
    store = open_store(tmp_path_factory.mktemp("store") / "town.db")
    for tenant in ("t", "u"):
        store.put(Tenant(tenant_id=tenant, id=tenant, name="Port-Mitoyen"))
        store.put_all(
            Listing(
                tenant_id=tenant,
                id=f"place-{i}",
                kind=Kind.PLACE,
                title="Place",
                lon=LON,
                lat=round(LAT + i / 1_000, 7),
            )
            for i in range(9)
        )
    yield store
    store.close()


@pytest.fixture(scope="module")
def engine(store: Store) -> Engine:
    return Engine.over(store, "t")


@pytest.mark.parametrize(
    "change",
    [
        {"origin": (LON, round(LAT + 1e-7, 7))},
        {"kinds": (Kind.PLACE,)},
        {"category": "food"},
        {"text": "place"},
        {"radius_m": 3_001.0},
        {"radius_m": None},
        {"min_distance_m": 1.0},
        {"zones": (IrisCode("990010101"),)},
        {"open_now": True},
        {"verified_only": True},
        {"profile": "nearest"},
    ],
)
def test_a_cursor_of_another_query_is_refused(engine: Engine, change: dict[str, Any]) -> None:
    cursor = engine.near(ANYONE, QUERY).next
    assert cursor
    assert engine.near(ANYONE, replace(QUERY, cursor=cursor)).matches
    with pytest.raises(CursorError):
        engine.near(ANYONE, replace(QUERY, cursor=cursor, **change))


def test_a_cursor_of_another_tenant_is_refused(engine: Engine, store: Store) -> None:
    cursor = engine.near(ANYONE, QUERY).next
    with pytest.raises(CursorError):
        Engine.over(store, "u").near(ANYONE, replace(QUERY, cursor=cursor))


def test_a_cursor_ends_with_the_version_of_its_profiles(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    place = """
        [place]
        version = "{version}"
        weights = {{ distance = 0.85, trust = 0.0, fresh = 0.0, available = 0.10, fit = 0.05 }}
        decay = {{ shape = "gauss", offset_m = 200, scale_m = 600, decay = 0.5 }}
    """
    path.write_text(place.format(version="1"))
    engine = Engine(store, "t", Profiles.load(path))
    cursor = engine.near(ANYONE, QUERY).next
    # The same numbers as the defaults, so another engine may go on.
    assert Engine(store, "t").near(ANYONE, replace(QUERY, cursor=cursor)).matches
    path.write_text(place.format(version="2"))
    with pytest.raises(CursorError):
        Engine(store, "t", Profiles.load(path)).near(ANYONE, replace(QUERY, cursor=cursor))


@pytest.mark.parametrize("radius_m", [3_000.0, None])
def test_nothing_in_a_cursor_tells_a_coordinate(engine: Engine, radius_m: float | None) -> None:
    cursor = engine.near(ANYONE, replace(QUERY, radius_m=radius_m)).next
    assert cursor
    inside = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for text in (cursor.encode(), inside):
        for digits in (b"5.37", b"43.29", b"53741234", b"432957891", b"537412", b"432957"):
            assert digits not in text
