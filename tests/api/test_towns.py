"""Towns: ready when loaded, following the store, one tenant apart from the other."""

import threading
from datetime import UTC, datetime

import pytest
import shapely
from starlette.testclient import TestClient
from store_records import TOWN
from trip_records import TRIPS, booking
from waiting import PATIENCE_S, until, until_ready, until_shown

import api.towns
import matching.engine
from api.app import create_app
from api.problems import UnauthenticatedError
from api.settings import Settings
from geo.errors import FeedGapError, IndexBehindError, InputError, StoreError
from indexes.entities import (
    Building,
    CommuneCode,
    Household,
    IrisCode,
    Member,
    Tenant,
    Zone,
)
from indexes.journeys import Booking, BookingStatus
from indexes.store import open_store
from indexes.trusting import Standing
from matching.recommending.voices import VoiceTown
from matching.rides.booking import ANSWER_WITHIN
from matching.trusting.verifying import GRACE, VERIFIED_FOR, attest

LOCAL = ("127.0.0.1", 50_000)
PORT = Zone(
    tenant_id="t",
    code=IrisCode("990010101"),
    vintage=2020,
    name="",
    type="H",
    commune_code=CommuneCode("99001"),
    commune_name="",
    geometry=shapely.box(5.3, 43.2, 5.4, 43.4),
)


def test_not_ready_until_the_index_is_loaded_and_told_why(tmp_path, monkeypatch):
    loading = threading.Event()
    real = api.towns.Engine.over

    def slow(*args):
        loading.wait(PATIENCE_S)
        return real(*args)

    monkeypatch.setattr(api.towns.Engine, "over", slow)
    with TestClient(create_app(Settings(store=str(tmp_path / "a.db"))), client=LOCAL) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "index-loading")
        assert "1 of 1" in answer.json()["detail"]
        assert client.get("/healthz").status_code == 200
        near = client.get("/v1/near", params={"lat": 43.3, "lon": 5.35})
        assert near.status_code == 503 and near.headers["Retry-After"]
        loading.set()
        until_ready(client.get)
        assert client.get("/v1/near", params={"lat": 43.3, "lon": 5.35}).status_code == 200


def test_not_ready_until_a_first_search_is_answered(tmp_path, monkeypatch):
    asked, compiled = threading.Event(), threading.Event()
    real = api.towns.Engine.near

    def slow(engine, viewer, query):
        asked.set()
        assert compiled.wait(PATIENCE_S)
        return real(engine, viewer, query)

    monkeypatch.setattr(api.towns.Engine, "near", slow)
    with TestClient(create_app(Settings(store=str(tmp_path / "a.db"))), client=LOCAL) as client:
        assert asked.wait(PATIENCE_S)  # all is loaded by now
        assert client.get("/readyz").json()["code"] == "index-loading"
        assert client.get("/healthz").status_code == 200
        compiled.set()
        until_ready(client.get)


def test_what_recommendations_are_made_of_is_read_before_anybody_asks(tmp_path, monkeypatch):
    read = []

    class Noted(VoiceTown):
        def __init__(self, *of):
            super().__init__(*of)
            read.append(self)

    monkeypatch.setattr(matching.engine, "VoiceTown", Noted)
    with TestClient(create_app(Settings(store=str(tmp_path / "a.db"))), client=LOCAL) as client:
        until_ready(client.get)
        until(lambda: len(read) == 1)


def test_a_ride_is_asked_for_before_anybody_does_once_somebody_drives(tmp_path, monkeypatch):
    asked = []
    for name in ("find_drivers", "find_riders"):
        real = getattr(api.towns, name)
        monkeypatch.setattr(
            api.towns, name, lambda *of, real=real, **by: (asked.append(real), real(*of, **by))
        )
    store = open_store(tmp_path / "a.db")
    store.put_all(TOWN)
    town = api.towns.Town(store, "t")
    try:
        town.follow()
        assert asked == []
        until_shown(town.engine, store.put_all(TRIPS))
        for _ in range(2):
            town.follow()
            assert len(asked) == 2
    finally:
        town.close()
        store.close()


def test_new_outlines_wait_for_no_ride_that_is_asked_for(tmp_path, monkeypatch):
    store = open_store(tmp_path / "a.db")
    store.put_all(TOWN)
    town = api.towns.Town(store, "t")
    seen = []
    monkeypatch.setattr(town, "ask_for_rides", lambda *_: seen.append(town.outlines.zones))
    try:
        store.put_zones([PORT])
        town.follow()
        assert [zone.code for zones in seen for zone in zones] == [PORT.code]
    finally:
        town.close()
        store.close()


def test_an_empty_store_serves_the_default_tenant(tmp_path):
    with TestClient(create_app(Settings(store=str(tmp_path / "a.db"))), client=LOCAL) as client:
        until_ready(client.get)
        assert client.get("/v1/listings").json()["listings"] == []
    store = open_store(tmp_path / "a.db")
    assert store.tenants() == ["default"]
    store.close()


def test_zones_and_towns_that_come_later_are_served(tmp_path):
    path = tmp_path / "a.db"
    with TestClient(create_app(Settings(store=str(path))), client=LOCAL) as client:
        until_ready(client.get)
        assert client.get("/v1/zones").json()["zones"] == []
        store = open_store(path)
        zone = Zone(
            tenant_id="default",
            code=IrisCode("990010101"),
            vintage=2020,
            name="Le Port",
            type="H",
            commune_code=CommuneCode("99001"),
            commune_name="Port-Mitoyen (ville fictive)",
            geometry=shapely.box(5.3, 43.2, 5.4, 43.4),
        )
        store.put_zones([zone])
        until(lambda: len(client.get("/v1/zones").json()["zones"]) == 1)
        located = client.get("/v1/locate", params={"lat": 43.3, "lon": 5.35}).json()
        assert located["zone"]["code"] == "990010101"
        store.put(Tenant(tenant_id="late", id="late", name="Late"))
        store.close()
        # With a second town, a reader without a key no longer says which one is meant.
        until(lambda: client.get("/v1/zones").status_code == 401)


def test_a_town_that_is_gone_leaves_no_snapshot(tmp_path):
    path, folder = tmp_path / "a.db", tmp_path / "kept"
    settings = Settings(store=str(path), snapshots=str(folder))
    with TestClient(create_app(settings), client=LOCAL) as client:
        until_ready(client.get)
        store = open_store(path)
        kept = set(folder.iterdir())
        assert [one.suffix for one in sorted(kept)] == [".lock", ".town"]
        store.put(Tenant(tenant_id="t", id="t", name="Briefly"))
        until(lambda: len(list(folder.iterdir())) == 4)
        store.delete(Tenant, "t", "t")
        until(lambda: set(folder.iterdir()) == kept)
        store.close()


def away():
    raise StoreError("the store is away")


def test_zones_that_came_before_what_was_trimmed_are_seen(tmp_path, monkeypatch):
    store = open_store(tmp_path / "a.db")
    store.put(Tenant(tenant_id="t", id="t", name="T"))
    town = api.towns.Town(store, "t")
    try:
        store.put_zones([PORT])
        for name in ("one", "two"):
            store.put(Tenant(tenant_id="t", id="t", name=name))
        store.trim(0)
        store.trim(0)
        with pytest.raises(FeedGapError):
            store.changes(town._read_at)
        assert town.outlines.zones == ()
        with monkeypatch.context() as patched:  # the store goes away just then
            patched.setattr(store, "zones", lambda tenant_id: away())
            with pytest.raises(StoreError):
                town.follow()
        town.follow()
        assert [zone.code for zone in town.outlines.zones] == ["990010101"]
        town.follow()
    finally:
        town.close()
        store.close()


def test_a_point_is_swapped_only_if_the_swap_is_served():
    outlines = api.towns.Outlines([PORT], None)
    outlines.refuse_swapped(43.3, 5.35)  # inside
    outlines.refuse_swapped(43.44, 5.35)  # outside, within 5 km
    outlines.refuse_swapped(48.85, 2.35)  # outside both ways
    outlines.refuse_swapped(5.35, 143.3)  # no latitude when swapped
    for lat, lon in ((5.35, 43.3), (5.35, 43.44)):
        with pytest.raises(InputError) as refused:
            outlines.refuse_swapped(lat, lon)
        assert refused.value.code == "swapped-coordinates"


def test_a_level_whose_proof_has_expired_is_lowered(tmp_path):
    path, now = tmp_path / "a.db", datetime(2026, 11, 23, tzinfo=UTC)
    store = open_store(path)
    store.put_all(
        [
            Tenant(tenant_id="t", id="t", name="T"),
            Building(tenant_id="t", id="b", lon=5.35, lat=43.3),
            Household(tenant_id="t", id="h", building_id="b"),
            Member(tenant_id="t", id="m", household_id="h", level=1),
        ]
    )
    attest(store, "t", "m", 3, now)
    later = now + VERIFIED_FOR + GRACE
    with TestClient(create_app(Settings(store=str(path), now=later)), client=LOCAL):
        until(lambda: store.get(Member, "t", "m").level == 1)
    store.close()


@pytest.mark.parametrize("error", [InputError("somebody-by-name can't be read"), KeyError()])
def test_a_town_whose_upkeep_fails_keeps_no_other_from_its_own_nor_the_feed_from_being_trimmed(
    tmp_path, monkeypatch, caplog, error
):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    store = open_store(tmp_path / "a.db")
    for name in ("a", "b"):
        store.put_all(
            [
                Tenant(tenant_id=name, id=name, name=name),
                Building(tenant_id=name, id="b", lon=5.35, lat=43.3),
                Household(tenant_id=name, id="h", building_id="b"),
                Member(tenant_id=name, id="m", household_id="h", level=1),
            ]
        )
        attest(store, name, "m", 3, now)
    page, done = store.page, []

    def failing(entity, tenant_id, **options):
        if (entity, tenant_id) == (Standing, "a"):
            raise error
        return page(entity, tenant_id, **options)

    def noted(store, tenant_id, now):
        done.append(tenant_id)

    monkeypatch.setattr(store, "page", failing)
    monkeypatch.setattr(store, "trim", lambda older_than_s: done.append("trimmed"))
    monkeypatch.setattr(api.towns, "UPKEEP", (*api.towns.UPKEEP, noted))
    towns = api.towns.Towns(store, clock=lambda: now + VERIFIED_FOR + GRACE)
    towns.start()
    try:
        until(lambda: done == ["a", "b", "trimmed"])
        assert store.get(Member, "b", "m").level == 1
        assert "lapse failed for a" in caplog.text and "by-name" not in caplog.text
    finally:
        towns.close()
        store.close()


def test_a_seat_that_nobody_answered_for_is_found_again_before_the_hour(tmp_path, monkeypatch):
    monkeypatch.setattr(api.towns, "SEATS_EVERY_S", 0.0)
    made_at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    waits = booking(status=BookingStatus.WAITING_CONFIRMATION, created_at=made_at)
    store, now = open_store(tmp_path / "a.db"), [made_at]
    store.put_all([*TOWN, *TRIPS])
    store.book(waits, lambda trip, taken: None)
    towns = api.towns.Towns(store, clock=lambda: now[0])
    towns.start()
    try:
        until(lambda: bool(towns.engines))
        engine = towns.town("t").engine
        assert engine.trips.trip("d1")[2]  # it is kept for whoever asked
        now[0] += ANSWER_WITHIN
        until(lambda: not engine.trips.trip("d1")[2])
        assert store.get(Booking, "t", waits.id).status is BookingStatus.CANCELLED
    finally:
        towns.close()
        store.close()


@pytest.mark.parametrize("never", ["fails", "hangs"])
def test_a_town_that_never_loads_holds_up_no_upkeep_and_one_that_fails_no_other_town(
    tmp_path, monkeypatch, never
):
    store = open_store(tmp_path / "a.db")
    store.put_all([Tenant(tenant_id=name, id=name, name=name) for name in ("a", "b")])
    real, closing, done = api.towns.Engine.over, threading.Event(), []

    def loaded(store, tenant_id, *rest):
        if tenant_id == "a":
            if never == "hangs":
                closing.wait(PATIENCE_S)
            raise InputError("this town can't be read")
        return real(store, tenant_id, *rest)

    monkeypatch.setattr(api.towns.Engine, "over", loaded)
    monkeypatch.setattr(api.towns, "UPKEEP", (lambda store, tenant, now: done.append(tenant),))
    towns = api.towns.Towns(store)
    towns.start()
    try:
        until(lambda: done == ["a", "b"])
        if never == "fails":
            until(lambda: [engine.position for engine in towns.engines] == [store.position()])
            assert towns.town("b").tenant_id == "b"
        with pytest.raises(UnauthenticatedError, match="several towns"):
            towns.keyless_tenant()
        with pytest.raises(IndexBehindError, match="indexes not loaded"):
            towns.ages()
    finally:
        closing.set()
        towns.close()
        store.close()
