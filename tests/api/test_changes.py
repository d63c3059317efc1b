"""The stream of changes: told to whom GET would tell it, in order, once, and resumed whole."""

import asyncio
import json
import random
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient
from store_records import TOWN
from waiting import PATIENCE_S, until, until_ready, until_shown

import api.changes
from api.app import create_app
from api.auth import Caller, digest_of
from api.changes import Streams, events, teller
from api.settings import Settings
from indexes.entities import ApiKey, Block, GroupPartition, Kind, Listing, Scope, Tenant
from indexes.journeys import Booking, BookingStatus, Role, Schedule, Trip, WeeklyTime
from indexes.publishing import Publisher
from indexes.store import Position, open_store
from matching import ANYONE, Engine

MEMBERS = ("ana", "bob", "cid", "dan", "eve", "zed", "nobody")
PLACE = {"lat": 43.301, "lon": 5.351}

ADDRESSES = [
    *[{"audience": "public", "personal": False, "kind": "place", **PLACE}] * 8,
    {"audience": "city", "personal": False, "kind": "merchant", **PLACE},
    {"audience": "zone", "personal": False, "kind": "place", **PLACE},
    {"audience": "building", "audience_id": "b1", "personal": False, "kind": "place", **PLACE},
    {"audience": "residence", "audience_id": "r1", "personal": False, "kind": "place", **PLACE},
    *(
        {"audience": audience, "personal": True, "kind": "service", "owner_id": owner}
        for audience in ("public", "city", "zone", "building", "residence")
        for owner in ("ana", "bob", "eve", "zed")
    ),
]  # fmt: skip


def callers(served):
    """Everybody who may ask: how they send a request, and who they are once they have."""
    yield ("local", None), Caller("north")
    yield ("planner", None), Caller("north", frozenset({Scope.PLANNER}))
    yield ("app", None), Caller("north", frozenset({Scope.APP}))
    yield ("operator", None), Caller("north", frozenset({Scope.OPERATOR}))
    for member in MEMBERS:
        if served.get(f"/v1/members/{member}", "app").status_code == 200:
            yield ("app", member), Caller("north", frozenset({Scope.APP}), member)


def test_each_caller_is_told_of_what_they_may_read_and_of_nothing_else(served):
    town = served.app.state.towns.town("north")
    everybody = list(callers(served))
    assert len(everybody) >= 8
    draw, ids, told_of = random.Random(7), [f"moving-{i}" for i in range(3)], set()

    def readable():
        return {
            (who, id): served.get(f"/v1/listings/{id}", who[0], who[1]).status_code == 200
            for who, _ in everybody
            for id in ids
        }

    before = readable()
    for step in range(60):
        id, start = draw.choice(ids), town.engine.position
        there = served.get(f"/v1/listings/{id}", "app").status_code == 200
        if there and draw.random() < 0.3:
            answer = served.ask("DELETE", f"/v1/listings/{id}", "app")
        else:
            body = draw.choice(ADDRESSES) | {"title": f"step {step}"}
            answer = served.ask("PUT", f"/v1/listings/{id}", "app", json=body)
        assert answer.status_code in (200, 201), answer.text
        until_shown(town.engine, answer.json()["position"])
        after = readable()
        for who, caller in everybody:
            watched = town.engine.watch(caller.viewer, start)
            moves = [move for batch in watched.batches for move in batch.moves]
            found = [json.loads(e) for e in map(teller(caller, watched.eyes), moves) if e]
            op = "put" if after[who, id] else "delete" if before[who, id] else None
            wanted = [{"entity": "listings", "id": id, "op": op}] if op else []
            assert found == wanted, (step, who, answer.request.content)
            told_of.add((who, op))
        before = after
    # The test tells callers apart: each was told, and all but who sees everything also not.
    for who, caller in everybody:
        unseen = set() if caller.sees_all else {None}
        assert {op for other, op in told_of if other == who} == {"put", "delete"} | unseen


@contextmanager
def serving(path, **streams):
    """A server of its own, in a thread; streams are not read whole here."""
    app = create_app(Settings(store=str(path)))
    for name, value in streams.items():
        setattr(app.state.streams, name, value)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        until_ready(url=f"{url}/readyz")
        yield app, url
    finally:
        app.state.streams.closing = True
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "town.db")
    store.put(Tenant(tenant_id="t", id="t", name="T"))
    yield store
    store.close()


def shop(number, **more):
    fields = {"kind": Kind.MERCHANT, "title": f"Shop {number}", "lon": 5.35, "lat": 43.3} | more
    return Listing(tenant_id="t", id=f"shop-{number}", **fields)


class Reader:
    """A client of the stream, as browsers are: remembers the last id it was given."""

    def __init__(self, url, last=None, **headers):
        self.url, self.last, self.headers, self.lines = url, last, headers, []

    @contextmanager
    def open(self):
        headers = self.headers | ({"Last-Event-ID": self.last} if self.last else {})
        with httpx.stream(
            "GET", f"{self.url}/v1/changes", headers=headers, timeout=PATIENCE_S
        ) as answer:
            self.answer, self.lines = answer, answer.iter_lines()
            yield self

    def blocks(self):
        fields = {}
        for line in self.lines:
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            self.last = fields.get("id", self.last)
            yield fields
            fields = {}

    def take(self, count):
        """The next events, past what only carries an id."""
        found = []
        for fields in self.blocks():
            if "data" in fields:
                found.append((fields.get("event", "message"), json.loads(fields["data"])))
            if len(found) == count:
                return found
        raise AssertionError(f"the stream ended after {found}")


def put(id):
    return ("message", {"entity": "listings", "id": id, "op": "put"})


def test_changes_come_in_order_and_what_was_missed_comes_on_return(tmp_path, store):
    with serving(tmp_path / "town.db") as (_, url):
        with Reader(url).open() as reader:
            assert reader.answer.headers["content-type"].startswith("text/event-stream")
            next(reader.blocks())  # from here on
            for number in range(3):
                store.put(shop(number))
            assert reader.take(3) == [put(f"shop-{n}") for n in range(3)]
        store.put_all([shop(number) for number in range(3, 6)])
        store.delete(Listing, "t", "shop-0")
        with Reader(url, reader.last).open() as again:
            gone = ("message", {"entity": "listings", "id": "shop-0", "op": "delete"})
            missed = again.take(4)  # what a search saw at once comes in order of id
            assert all(one in missed for one in [gone, *(put(f"shop-{n}") for n in range(3, 6))])
            # What a search finds is never behind what was told.
            near = httpx.get(
                f"{url}/v1/near", params={"lat": 43.3, "lon": 5.35}, timeout=PATIENCE_S
            ).json()
            assert "shop-0" not in {match["id"] for match in near["matches"]}


def test_who_stops_in_the_middle_of_a_batch_gets_it_again(tmp_path, store):
    with serving(tmp_path / "town.db") as (_, url):
        with Reader(url).open() as reader:
            next(reader.blocks())
            store.put_all([shop(number) for number in range(10)])
            assert reader.take(4) == [put(f"shop-{n}") for n in range(4)]
        with Reader(url, reader.last).open() as again:
            assert again.take(10) == [put(f"shop-{n}") for n in range(10)]


@pytest.mark.parametrize("lost", ["forgotten", "another store's"])
def test_who_missed_too_much_is_told_to_begin_anew(tmp_path, store, lost):
    first = str(store.position())
    store.put(shop(0))
    with serving(tmp_path / "town.db") as (_, url):
        last = first if lost == "forgotten" else "0badcafe-0-1"
        with Reader(url, last).open() as reader:
            assert reader.take(1) == [("gap", {})]
            store.put(shop(1))
            assert reader.take(1) == [put("shop-1")]


def test_a_gap_is_told_once_and_not_before_there_is_something_to_begin_with(store, monkeypatch):
    monkeypatch.setattr(api.changes, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(api.changes, "HEARTBEAT_S", -1.0)  # one at each look
    engine = Engine.over(store, "t")
    _, after = engine.trips, engine.position
    store.put_groups(GroupPartition(tenant_id="t", version=1, groups=()))
    engine._town.refresh()  # and no other part of it yet: searches wait for all
    assert engine.watch(ANYONE, after).batches is None

    async def look():
        told = events(engine, Caller("t"), after, Streams(), lambda: datetime.now(UTC))
        found = [await anext(told) for _ in range(4)]
        engine.refresh()
        return found + [await anext(told) for _ in range(3)]

    found = [part.decode().partition("\n")[0] for part in asyncio.run(look())]
    beat = ": heartbeat"
    assert found == ["retry: 2000", beat, beat, beat, "event: gap", beat, beat]


def test_a_silent_stream_says_that_it_lives_and_how_far_it_is(tmp_path, store, monkeypatch):
    monkeypatch.setattr(api.changes, "HEARTBEAT_S", 0.2)
    with serving(tmp_path / "town.db") as (app, url), Reader(url).open() as reader:
        assert "id" in next(reader.blocks())
        beat = next(reader.blocks())
        assert Position.parse(beat["id"]) == app.state.towns.town("t").engine.position
        assert "data" not in beat


def test_streams_are_bounded_and_a_place_comes_free_when_one_leaves(tmp_path, store):
    with serving(tmp_path / "town.db", limit=2) as (app, url):
        with Reader(url).open() as one, Reader(url).open() as two:
            next(one.blocks()), next(two.blocks())
            third = httpx.get(f"{url}/v1/changes", timeout=PATIENCE_S)
            assert (third.status_code, third.json()["code"]) == (503, "too-many-streams")
            assert third.headers["Retry-After"]
        until(lambda: app.state.streams.open == 0)
        with Reader(url).open() as again:
            next(again.blocks())


def test_a_stream_ends_by_itself_so_that_its_key_is_looked_at_again(tmp_path, store):
    with serving(tmp_path / "town.db", life_s=0.3) as (app, url):
        with Reader(url).open() as reader:
            list(reader.blocks())  # ends
        until(lambda: app.state.streams.open == 0)


def test_an_id_that_is_no_position_is_refused(tmp_path, store):
    client = TestClient(create_app(Settings(store=str(tmp_path / "town.db"))), client=("::1", 1))
    with client:
        until_ready(client.get)
        answer = client.get("/v1/changes", headers={"Last-Event-ID": "yesterday"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-position")


DAILY = WeeklyTime(days=(0, 1, 2, 3, 4, 5, 6), second=28_800)
RIDE = Trip(
    tenant_id="t",
    id="ride",
    owner_id="m2",
    role=Role.PASSENGER,
    lonlat=((5.37, 43.29), (5.45, 43.35)),
    times_s=(0.0, 1_200.0),
    schedule=Schedule(timezone="Europe/Paris", weekly=(DAILY,)),
)


def drive(id, **changes):
    """A driver who passes where the ride is published from and to, in time, from afar to afar."""
    (lon1, lat1), (lon2, lat2) = Publisher(None).publish(RIDE, None).trip.lonlat
    line = ((lon1 - 0.1, lat1 - 0.1), (lon1, lat1), (lon2, lat2), (lon2 + 0.1, lat2 + 0.1))
    fields = {
        "owner_id": "m1", "role": Role.DRIVER, "lonlat": line,
        "times_s": (0.0, 900.0, 2_100.0, 3_000.0),
        "schedule": Schedule(
            timezone="Europe/Paris", weekly=(replace(DAILY, second=28_000),),
            flex_before_s=3_600, flex_after_s=3_600,
        ),
    }  # fmt: skip
    return replace(RIDE, id=id, **fields | changes)


@pytest.fixture(params=["sqlite", "postgis"])
def townspeople(request, tmp_path):
    """A store with members, a ride of one of them, and the app's key; and its DSN."""
    dsn = str(tmp_path / "town.db")
    if request.param == "postgis":
        dsn = request.getfixturevalue("postgis_dsn")
    store = open_store(dsn)
    key = ApiKey(
        tenant_id="t", id="k2", name="app", scopes=frozenset({Scope.APP}),
        secret_sha256=digest_of("tell"),
    )  # fmt: skip
    store.put_all([*TOWN, key, RIDE])
    yield store, dsn
    store.close()


def listening(url, member, last=None):
    return Reader(url, last, **{"Authorization": "Bearer tell", "Mitoyen-Member": member})


def matched(match):
    return ("trip-matched", {"id": "ride", "match": match})


def test_who_has_a_trip_is_told_of_those_that_come_and_match_it(townspeople):
    store, dsn = townspeople
    with (
        serving(dsn) as (_, url),
        listening(url, "m2").open() as mine,
        listening(url, "m4").open() as another,
        Reader(url, Authorization="Bearer tell").open() as app,
    ):
        next(mine.blocks()), next(another.blocks()), next(app.blocks())
        unseen = [
            drive("theirs", owner_id="m3"),  # the two block each other
            drive("neighbours", same_building=True, owner_id="m3"),
            drive("late", schedule=Schedule(timezone="Europe/Paris", weekly=(
                replace(DAILY, second=72_000),))),
            drive("cancelled", cancelled=True),
            drive("mine", owner_id="m2"),
        ]  # fmt: skip
        for trip in (*unseen, drive("first")):
            store.put(trip)
        store.put(drive("first"))  # as it was: nothing has changed
        store.put_all([drive("b"), drive("a")])
        ids = {one["match"]: (event, one) for event, one in mine.take(3)}
        assert ids == {id: matched(id) for id in ("first", "a", "b")}
        changed = [(event, one["entity"], one["op"]) for event, one in app.take(8)]
        assert changed == [("message", "trips", "changed")] * 8
        store.delete(Trip, "t", "first")
        store.put(drive("a", cancelled=True))
        store.put(drive("b", seats=2))
        assert mine.take(1) == [matched("b")]
        store.put(shop(1))
        assert another.take(1) == [put("shop-1")]  # whose trips are other ones, or none
        for id, headers, other in (
            ("ride", mine.headers, {"id": "b"}),
            ("b", app.headers, {"id": "ride", "owner_id": "m2"}),
        ):
            answer = httpx.get(
                f"{url}/v1/trips/{id}/matches", headers=headers, timeout=PATIENCE_S
            ).json()
            assert [one | other for one in answer["matches"]] == answer["matches"] != []


def seat(number, day, **changes):
    """A seat all the way on one day, with the driver of `drive`."""
    (lon1, lat1), (lon2, lat2) = drive("full").lonlat[1:3]
    return Booking(
        tenant_id="t", id=f"00000000-0000-4000-8000-{number:012}", trip_id="full",
        driver_id="m1", passenger_id=f"guest{number}", passenger_operator="example.org", day=day,
        pickup_at=datetime.combine(day, time(7), UTC), pickup_lon=lon1, pickup_lat=lat1,
        dropoff_lon=lon2, dropoff_lat=lat2, pickup_s=900.0, dropoff_s=2_100.0,
        status=BookingStatus.CONFIRMED, **changes,
    )  # fmt: skip


def test_a_seat_that_comes_free_is_told_to_whom_it_now_matches_and_to_its_driver(townspeople):
    store, dsn = townspeople
    anybody = lambda trip, taken: None  # noqa: E731

    def cancel(number):
        id = seat(number, date.today()).id
        store.change_booking("t", id, lambda b: replace(b, status=BookingStatus.CANCELLED))

    days = [date.today() + timedelta(days=n) for n in range(-2, 20)]
    store.put(drive("full", seats=2))
    for number, day in enumerate(2 * days):  # every seat of every day
        store.book(seat(number, day), anybody)
    with (
        serving(dsn) as (_, url),
        listening(url, "m2").open() as rider,
        listening(url, "m1").open() as driver,
    ):
        next(rider.blocks()), next(driver.blocks())
        cancel(5)  # a seat is free on a day
        assert rider.take(1) == [matched("full")]
        assert driver.take(1) == [("trip-matched", {"id": "full", "match": "ride"})]
        cancel(5 + len(days))  # a second one on that day: it matched there already
        cancel(0)  # a day that is over
        store.book(seat(100, days[5]), anybody)
        cancel(100)
        store.put(shop(1))
        assert rider.take(1) == driver.take(1) == [put("shop-1")]
        cancel(6)
        assert rider.take(1) == [matched("full")]


def test_matches_that_came_meanwhile_are_told_as_they_are_on_return(townspeople):
    store, dsn = townspeople
    with serving(dsn) as (app, url):
        with listening(url, "m2").open() as mine:
            next(mine.blocks())
        for id in ("kept", "gone", "blocked"):
            store.put(drive(id, owner_id="m4" if id == "blocked" else "m1"))
        store.delete(Trip, "t", "gone")
        store.put(Block(tenant_id="t", id="x9", member_id="m4", other_id="m2"))
        until_shown(app.state.towns.town("t").engine, store.position())
        with listening(url, "m2", mine.last).open() as again:
            store.put(shop(1))
            assert again.take(2) == [matched("kept"), put("shop-1")]
