"""Who may ask what: every route of the OpenAPI document times every kind of caller."""

import asyncio
import itertools
import threading

import pytest
from waiting import PATIENCE_S

import api.auth
from api.app import create_app
from api.auth import AWAY_TTL_S, KEY_TTL_S, KeyRing, digest_of, new_secret
from api.settings import Settings
from geo.errors import StoreError
from indexes.entities import ApiKey, Scope, Tenant
from indexes.store import open_store

CALLERS = ("remote", "local", "app", "member", "planner", "operator", "other")

OPEN = (200, 200, 200, 200, 200, 200, 200)
PUBLIC = (401, 200, 200, 200, 200, 200, 200)  # of the caller's own tenant
PUBLIC_ONE = (401, 200, 200, 200, 200, 200, 404)
APP_LIST = (401, 401, 200, 200, 403, 403, 200)
HOMES_LIST = (401, 401, 200, 200, 403, 200, 200)
HOMES_ONE = (401, 401, 200, 200, 403, 200, 404)
# Asked with an empty body: whoever may ask is told what is missing.
APP_EMPTY = (401, 401, 422, 422, 403, 403, 422)
OPERATOR_EMPTY = (401, 401, 403, 403, 403, 422, 422)
OPERATOR_NEW = (401, 401, 403, 403, 403, 201, 201)
OPERATOR_GONE = (401, 401, 403, 403, 403, 200, 404)

# Operation -> statuses for remote, local, app, the app for ana, planner, operator, and a key of
# every scope of another tenant. A new route without a row fails.
ROWS = {
    "GET /": OPEN,
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": (401, 200, 403, 403, 403, 200, 200),
    "GET /v1/near": PUBLIC,
    "POST /v1/near": PUBLIC,
    "POST /v1/near/batch": PUBLIC,
    "GET /v1/recommendations": (401, 401, 403, 200, 403, 403, 403),
    "GET /v1/locate": PUBLIC,
    "GET /v1/changes": PUBLIC,
    "GET /v1/zones": PUBLIC,
    "GET /v1/zones/{code}": PUBLIC_ONE,
    "GET /v1/districts": PUBLIC_ONE,
    "GET /v1/districts/metadata": PUBLIC_ONE,
    "GET /v1/districts/releases": PUBLIC,
    "GET /v1/districts/{code}": PUBLIC_ONE,
    "POST /v1/districts/union": (401, 422, 422, 422, 422, 422, 422),
    "POST /v1/districts/exact": (401, 401, 403, 403, 422, 403, 422),
    "GET /v1/listings": PUBLIC,
    "GET /v1/listings/{id}": PUBLIC_ONE,
    "PUT /v1/listings/{id}": (401, 401, 201, 201, 403, 403, 422),
    "DELETE /v1/listings/{id}": (401, 401, 200, 200, 403, 403, 404),
    "GET /v1/buildings": HOMES_LIST,
    "GET /v1/buildings/{id}": HOMES_ONE,
    "PUT /v1/buildings/{id}": OPERATOR_NEW,
    "DELETE /v1/buildings/{id}": OPERATOR_GONE,
    "GET /v1/residences": HOMES_LIST,
    "GET /v1/residences/{id}": HOMES_ONE,
    "PUT /v1/residences/{id}": OPERATOR_NEW,
    "DELETE /v1/residences/{id}": OPERATOR_GONE,
    "GET /v1/members": APP_LIST,
    "GET /v1/members/{id}": (401, 401, 200, 200, 403, 403, 404),
    "PUT /v1/members/{id}": (401, 401, 201, 403, 403, 403, 422),
    "DELETE /v1/members/{id}": (401, 401, 200, 404, 403, 403, 404),
    "GET /v1/endorsements": APP_LIST,
    "GET /v1/endorsements/{id}": (401, 401, 200, 200, 403, 403, 404),
    "PUT /v1/endorsements/{id}": (401, 401, 201, 201, 403, 403, 422),
    "DELETE /v1/endorsements/{id}": (401, 401, 200, 200, 403, 403, 404),
    "GET /v1/blocks": APP_LIST,
    "GET /v1/blocks/{id}": (401, 401, 200, 200, 403, 403, 404),
    "PUT /v1/blocks/{id}": (401, 401, 201, 201, 403, 403, 422),
    "DELETE /v1/blocks/{id}": (401, 401, 200, 200, 403, 403, 404),
    "GET /v1/tenants": (401, 401, 403, 403, 403, 200, 200),
    "GET /v1/tenants/{id}": (401, 401, 403, 403, 403, 200, 404),
    "PUT /v1/tenants/{id}": (401, 401, 403, 403, 403, 200, 403),
    "DELETE /v1/tenants/{id}": (401, 401, 403, 403, 403, 409, 404),
    "POST /v1/import": (401, 401, 403, 403, 403, 200, 200),
    "GET /v1/trips": APP_LIST,
    "GET /v1/trips/{id}": PUBLIC_ONE,
    "PUT /v1/trips/{id}": (401, 401, 201, 201, 403, 403, 422),
    "DELETE /v1/trips/{id}": (401, 401, 200, 200, 403, 403, 404),
    "GET /v1/trips/match": PUBLIC,
    "POST /v1/trips/match": PUBLIC,
    "GET /v1/trips/week": PUBLIC,
    "GET /v1/trips/{id}/matches": (401, 404, 200, 200, 404, 200, 404),
    "GET /v1/interactions": APP_LIST,
    "GET /v1/interactions/requests": APP_LIST,
    "POST /v1/interactions/requests": APP_EMPTY,
    "POST /v1/interactions/replies": APP_EMPTY,
    "POST /v1/interactions/completions": APP_EMPTY,
    "GET /v1/ratings": APP_LIST,
    "POST /v1/ratings": APP_EMPTY,
    "GET /v1/vouches": APP_LIST,
    "POST /v1/vouches": APP_EMPTY,
    "GET /v1/verifications": APP_LIST,
    "POST /v1/verifications/letters": (401, 401, 422, 422, 403, 422, 422),
    "POST /v1/verifications/codes": APP_EMPTY,
    "POST /v1/verifications/attestations": OPERATOR_EMPTY,
    "POST /v1/verifications/levels": APP_EMPTY,
    "GET /v1/reports": HOMES_LIST,
    "POST /v1/reports": APP_EMPTY,
    "POST /v1/reports/decisions": OPERATOR_EMPTY,
    "POST /v1/activity": (401, 401, 403, 200, 403, 403, 403),  # a member's to do
}

ORIGIN = {"lat": 43.301, "lon": 5.351}
RIDE = {
    "from_lat": 43.301, "from_lon": 5.351, "to_lat": 43.3012, "to_lon": 5.3915,
    "depart_at": "07:50", "days": ["MON"],
}  # fmt: skip
QUERY = {
    "/v1/near": ORIGIN,
    "/v1/locate": ORIGIN,
    "/v1/import": {"kind": "place"},
    "/v1/trips/match": RIDE,
    "/v1/trips/week": RIDE,
}
BODIES = {
    "listings": {"kind": "service", "title": "Bricolage", "personal": True, "owner_id": "ana"},
    "buildings": {"lat": 43.301, "lon": 5.352},
    "residences": {"name": "Les Cyprès"},
    "members": {"household_id": "h-ana", "building_id": "b1"},
    "endorsements": {"member_id": "ana", "listing_id": "shop-03"},
    "blocks": {"member_id": "ana", "other_id": "eve"},
    "tenants": {"name": "North"},
    "trips": {
        "role": "driver",
        "owner_id": "ana",
        "route": {"type": "LineString", "coordinates": [[5.351, 43.301], [5.3915, 43.3012]]},
        "times_s": [0.0, 590.0],
        "schedule": {"weekly": [{"days": ["MON"], "time": "07:50"}]},
        "seats": 3,
    },
}
EXISTING = {
    "listings": "shop-00",
    "buildings": "b1",
    "residences": "r1",
    "members": "ana",
    "endorsements": "ana-endorses",
    "blocks": "ana-blocks",
    "tenants": "north",
    "trips": "anas-trip",
    "zones": "990010101",
    "districts": "990010101",
}


def operations():
    paths = create_app(Settings(store="unused.db")).openapi()["paths"]
    return sorted(f"{m.upper()} {path}" for path, methods in paths.items() for m in methods)


def test_every_route_has_a_row_and_every_row_a_route():
    assert operations() == sorted(ROWS)


@pytest.fixture(scope="module")
def fresh(served):
    """An id that no record has; and, for what is read or removed, one that has just been made."""
    counter = itertools.count()
    for name in ("endorsements", "blocks", "trips"):
        assert served.ask(
            "PUT", f"/v1/{name}/{EXISTING[name]}", "app", json=BODIES[name]
        ).status_code in (200, 201)

    def make(method: str, name: str) -> str:
        if name == "tenants" or method == "GET":
            return EXISTING[name]
        id = f"{name}-{next(counter)}"
        if name == "endorsements":  # one member endorses a listing once
            listing = {"kind": "place", "title": "Square", "lat": 43.30, "lon": 5.36}
            served.ask("PUT", f"/v1/listings/for-{id}", "app", json=listing)
            BODIES[name] = {"member_id": "ana", "listing_id": f"for-{id}"}
        if method == "DELETE":
            maker = "operator" if name in ("buildings", "residences") else "app"
            made = served.ask("PUT", f"/v1/{name}/{id}", maker, json=BODIES[name])
            assert made.status_code == 201, made.text
        return id

    return make


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("operation", operations())
def test_each_caller_gets_what_the_matrix_says(served, fresh, operation, caller):
    method, path = operation.split(" ")
    name = path.split("/")[2] if path.startswith("/v1/") else ""
    url = path
    if "{" in path:
        url = path.replace("{id}", "{}").replace("{code}", "{}").format(fresh(method, name))
    more = {}
    if method == "PUT":
        more["json"] = BODIES[name]
    elif operation == "POST /v1/near":
        more["json"] = ORIGIN
    elif operation == "POST /v1/near/batch":
        more["json"] = {"queries": [ORIGIN]}
    elif operation == "POST /v1/import":
        more["content"] = b""
        more["headers"] = {"Content-Type": "application/x-ndjson"}
    elif operation == "POST /v1/trips/match":
        more["json"] = RIDE
    elif method == "POST":
        more["json"] = {}
    who, member = ("app", "ana") if caller == "member" else (caller, None)
    params = QUERY.get(path) if method == "GET" or path == "/v1/import" else None
    answer = served.ask(method, url, who, member, params=params, **more)
    wanted = ROWS[operation][CALLERS.index(caller)]
    assert answer.status_code == wanted, answer.text


@pytest.mark.parametrize("name", sorted(set(EXISTING) - {"zones", "districts"}))
def test_another_tenants_record_answers_as_a_missing_one(served, name):
    theirs = served.get(f"/v1/{name}/{EXISTING[name]}", "other")
    missing = served.get(f"/v1/{name}/there-is-none", "other")
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content
    told = [{k: v for k, v in a.headers.items() if k != "x-request-id"} for a in (theirs, missing)]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "header", ["Basic YW5hOmFuYQ==", "Bearer", "Bearer ", "Bearer not-a-key", "secret-of-app", "é"]
)
def test_a_wrong_key_is_refused_and_not_taken_for_none(served, header):
    answer = served.get("/v1/listings", headers={"Authorization": header.encode("utf-8")})
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_only_an_apps_key_acts_for_a_member(served):
    for who in ("planner", "operator"):
        assert served.get("/v1/listings", who, "ana").status_code == 403
    assert served.get("/v1/listings", "local", "ana").status_code == 401


@pytest.mark.parametrize("member", [b"", b"x" * 201, b"a\x07"])
def test_a_member_that_can_not_be_one_is_refused(served, member):
    headers = {"Mitoyen-Member": member}
    assert served.get("/v1/listings", "app", headers=headers).status_code == 422


@pytest.mark.parametrize(
    "name, values",
    [
        ("Authorization", ("Bearer secret-of-app", "Bearer secret-of-other")),
        ("Mitoyen-Member", ("ana", "bob")),
    ],
)
def test_a_key_or_a_member_that_is_named_twice_is_refused(served, name, values):
    key = [("Authorization", "Bearer secret-of-app")] if name == "Mitoyen-Member" else []
    for path in ("/v1/listings", "/v1/near?lat=43.3&lon=5.35", "/metrics"):
        twice = [*key, *((name, value) for value in values)]
        answer = served.local.get(path, headers=twice)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input"), path


def test_a_member_may_have_any_letters(served):
    body = {"household_id": "h-zoé", "building_id": "b2"}
    assert served.ask("PUT", "/v1/members/zoé", "app", json=body).status_code == 201
    headers = {"Mitoyen-Member": "zoé".encode()}
    assert served.get("/v1/members/zoé", "app", headers=headers).status_code == 200
    assert served.get("/v1/members/ana", "app", headers=headers).status_code == 404


def test_a_forwarded_client_is_not_a_local_one(served):
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"):
        assert served.get("/v1/listings", headers={name: "127.0.0.1"}).status_code == 401


@pytest.mark.parametrize(
    "path, here",
    [
        ("/v1/listings", 200),
        ("/covoiturage/v1/bookings/none", 400),
        ("/ogc/", 200),
        ("/metrics", 200),
    ],
)
def test_a_site_whose_name_leads_to_this_machine_is_not_on_it(served, path, here):
    for host in ("localhost", "localhost:8000", "127.0.0.1:8000", "127.8.8.8", "[::1]:8000"):
        assert served.get(path, headers={"Host": host}).status_code == here, host
    for host in ("town.example", "town.example:80", "127.0.0.1.town.example", "192.0.2.7", "a.b:c"):
        assert served.get(path, headers={"Host": host}).status_code == 401, host


def test_a_member_reads_and_writes_only_their_own(served):
    assert served.get("/v1/members/bob", "app", "ana").status_code == 404
    assert [m["id"] for m in served.get("/v1/members", "app", "ana").json()["members"]] == ["ana"]
    assert served.get("/v1/endorsements/bob-shop", "app", "ana").status_code == 404
    assert served.ask("DELETE", "/v1/blocks/zed-ana", "app", "ana").status_code == 404
    assert served.ask("DELETE", "/v1/listings/shop-01", "app", "ana").status_code == 403
    stolen = {"kind": "service", "title": "Vol", "personal": True, "owner_id": "bob"}
    assert served.ask("PUT", "/v1/listings/new", "app", "bob", json=stolen).status_code == 201
    assert served.ask("PUT", "/v1/listings/new2", "app", "ana", json=stolen).status_code == 403
    mine = {**stolen, "owner_id": "ana"}  # over somebody else's record
    assert served.ask("PUT", "/v1/listings/new", "app", "ana", json=mine).status_code == 403
    assert served.get("/v1/listings/new", "app").json()["owner_id"] == "bob"
    forged = {"member_id": "bob", "listing_id": "shop-02"}
    assert served.ask("PUT", "/v1/endorsements/x", "app", "ana", json=forged).status_code == 403


def test_a_new_key_works_at_once_and_a_revoked_one_for_seconds_only(tmp_path):
    now = 1_000.0
    store = open_store(tmp_path / "keys.db")
    ring = KeyRing(store, lambda: now)
    digest = digest_of(new_secret())
    assert ring.find(digest) is None
    store.put(Tenant(tenant_id="t", id="t", name="T"))
    key = ApiKey(
        tenant_id="t", id="k", name="", scopes=frozenset({Scope.APP}), secret_sha256=digest
    )
    store.put(key)
    found = ring.find(digest)
    assert found is not None and found.scopes == {Scope.APP}
    store.delete(ApiKey, "t", "k")
    assert ring.remembered(digest) is not None
    now += KEY_TTL_S
    assert ring.remembered(digest) is None
    assert ring.find(digest) is None
    store.close()


class Away:
    """A store that fails, or doesn't answer, when told to."""

    def __init__(self, store):
        self.store, self.fails, self.hangs = store, False, threading.Event()
        self.hangs.set()

    def find_key(self, digest):
        assert self.hangs.wait(PATIENCE_S)
        if self.fails:
            raise StoreError("gone")
        return self.store.find_key(digest)


@pytest.fixture
def kept(tmp_path):
    """A store with one key, and the key's digest."""
    store, digest = open_store(tmp_path / "keys.db"), digest_of(new_secret())
    store.put(Tenant(tenant_id="t", id="t", name="T"))
    scopes = frozenset({Scope.APP})
    store.put(ApiKey(tenant_id="t", id="k", name="", scopes=scopes, secret_sha256=digest))
    yield store, digest
    store.close()


def test_a_known_key_works_for_an_hour_while_the_store_is_away_and_no_longer(kept):
    now, store, digest = 1_000.0, Away(kept[0]), kept[1]
    ring = KeyRing(store, lambda: now)
    assert asyncio.run(ring.key(digest)) is not None
    store.fails = True
    for later in (KEY_TTL_S, AWAY_TTL_S / 2, AWAY_TTL_S):
        now = 1_000.0 + later
        assert asyncio.run(ring.key(digest)) is not None
        assert ring.remembered(digest) is not None  # the next request doesn't ask
    now += KEY_TTL_S
    with pytest.raises(StoreError):
        asyncio.run(ring.key(digest))
    with pytest.raises(StoreError):  # not "unknown": nobody can tell
        asyncio.run(ring.key(digest_of("another")))
    store.fails = False
    assert asyncio.run(ring.key(digest)) is not None


def test_a_key_revoked_while_the_store_was_away_stops_once_it_is_back(kept):
    now, store, digest = 1_000.0, Away(kept[0]), kept[1]
    ring = KeyRing(store, lambda: now)
    assert asyncio.run(ring.key(digest)) is not None
    kept[0].delete(ApiKey, "t", "k")
    store.fails, now = True, now + KEY_TTL_S
    assert asyncio.run(ring.key(digest)) is not None
    store.fails, now = False, now + KEY_TTL_S
    assert asyncio.run(ring.key(digest)) is None


def test_a_store_that_hangs_holds_up_a_known_key_for_a_moment_only(kept, monkeypatch):
    now, store, digest = 1_000.0, Away(kept[0]), kept[1]
    ring = KeyRing(store, lambda: now)

    async def while_it_hangs():
        assert await ring.key(digest) is not None
        store.hangs.clear()
        monkeypatch.setattr(api.auth, "STORE_WAIT_S", 0.1)
        nonlocal now
        now += KEY_TTL_S
        try:
            assert await ring.key(digest) is not None
            with pytest.raises(StoreError):
                await ring.key(digest_of("another"))
        finally:
            store.hangs.set()

    asyncio.run(while_it_hangs())


def test_a_known_key_that_is_looked_up_again_is_known_all_the_while(kept, monkeypatch):
    ring = KeyRing(kept[0], lambda: 1_000.0)
    lacking = []

    class Looked(dict):
        def __setitem__(self, digest, key):
            lacking.append(digest not in self)
            super().__setitem__(digest, key)

    monkeypatch.setattr(ring, "_known", Looked())
    assert ring.find(kept[1]) is not None
    assert ring.find(kept[1]) is not None
    assert lacking == [True, False]


def test_secrets_are_long_random_and_never_stored():
    one, other = new_secret(), new_secret()
    assert one != other and len(one) > 40
    assert one not in digest_of(one) and len(digest_of(one)) == 64
