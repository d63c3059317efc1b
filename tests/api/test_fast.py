"""What is answered in front of the framework, held byte by byte to the routes behind it."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from conftest import QUICK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from waiting import until_ready

import api.fast
import api.routes.near
import api.routes.near_batch
from api.app import create_app
from api.fast import FastNear
from api.settings import Settings
from matching import Engine

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
KEY = (b"authorization", b"Bearer secret-of-app")
JSON = (b"content-type", b"application/json")
PLAIN = b"lat=43.301&lon=5.351&kind=merchant&radius_m=2000"
GENERATED = settings(
    max_examples=150 if QUICK else 800,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class Clock(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return NOW


@dataclass
class Twins:
    """The app, and the same without the fast way; each counts what reached its routes."""

    fast: Any
    slow: Any
    loop: asyncio.Runner
    reached: list[str]

    def ask(
        self, app: Any, method: str, path: str, query: bytes, headers: Any, body: Any
    ) -> Answer:
        sent: list[dict[str, Any]] = []
        parts = [{"type": "http.request", "body": part, "more_body": True} for part in body]
        parts.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> dict[str, Any]:
            return parts.pop(0) if parts else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query,
            "headers": list(headers),
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8000),
        }
        self.loop.run(app(scope, receive, send))
        start, *rest = sent
        told = [(k, v) for k, v in start["headers"] if k != b"x-request-id"]  # one's own each
        return start["status"], told, b"".join(part["body"] for part in rest)

    def both(
        self,
        method: str,
        query: bytes = b"",
        headers: Any = (KEY,),
        body: Any = (),
        path: str = "/v1/near",
    ) -> Answer:
        """The answer of both, which is one."""
        fast = self.ask(self.fast, method, path, query, headers, body)
        assert fast == self.ask(self.slow, method, path, query, headers, body)
        return fast


def layer(app: Any) -> FastNear:
    inner = app.middleware_stack
    while not isinstance(inner, FastNear):
        inner = inner.app
    return inner


@pytest.fixture(scope="module")
def twins(served: Any) -> Iterator[Twins]:
    behind = create_app(Settings(store=str(served.path), tenant="north"))
    behind.user_middleware = [each for each in behind.user_middleware if each.cls is not FastNear]
    reached: list[str] = []
    with (
        pytest.MonkeyPatch.context() as patch,
        asyncio.Runner() as loop,
        TestClient(behind) as client,
    ):
        for module in (api.fast, api.routes.near, api.routes.near_batch):
            patch.setattr(module, "datetime", Clock)
        patch.setattr(Engine, "age_s", 0.25)
        for app in (served.app, behind):  # no key is forgotten between two questions
            patch.setattr(app.state.keys, "_clock", lambda: 0.0)
        until_ready(client.get)
        first = layer(served.app)
        routes = first.app

        async def counting(scope: Any, receive: Any, send: Any) -> None:
            reached.append(scope["path"])
            await routes(scope, receive, send)

        patch.setattr(first, "app", counting)
        found = Twins(served.app, behind, loop, reached)
        found.both("GET", PLAIN)  # from here on both remember the key
        yield found


@pytest.mark.parametrize(
    "query",
    [
        PLAIN,
        b"lon=5.351&kind=merchant,offer&lat=43.301",
        b"kind=merchant&lat=43.301&kind=place&lon=5.351",
        b"lat=43.301&lon=5.351&category=food.bakery&open_now=true&lang=en&limit=3",
        b"lat=43.301&lon=5.351&at=2026-03-02T10:00:00%2B01:00",
        b"lat=-0&lon=1e-3",
    ],
)
def test_plain_questions_never_reach_the_framework(twins, query):
    twins.reached.clear()
    status, headers, _ = twins.both("GET", query)
    assert status == 200 and (b"content-type", b"application/json") in headers
    assert not twins.reached


@pytest.mark.parametrize("path", ["/v1/near", "/v1/near/batch"])
def test_plain_bodies_never_reach_the_framework(twins, path):
    query = {"lat": 43.301, "lon": 5.351, "limit": 3}
    body = query if path == "/v1/near" else {"queries": [query, query]}
    twins.reached.clear()
    status, _, told = twins.both("POST", b"", (KEY, JSON), [json.dumps(body).encode()], path)
    assert status == 200 and b"shop-00" in told
    assert not twins.reached


def test_a_member_is_answered_from_home(twins):
    twins.reached.clear()
    headers = (KEY, (b"mitoyen-member", b"bob"), (b"accept-language", b"en"))
    status, _, told = twins.both("GET", b"limit=50", headers)
    assert status == 200 and b'"people":"searched"' in told and not twins.reached


def test_what_is_odd_is_left_to_the_routes(twins):
    for query, headers in (
        (PLAIN, ()),
        (PLAIN + b"&lat=43", (KEY,)),
        (PLAIN + b"&q=pain", (KEY,)),
        (PLAIN, (KEY, KEY)),
        (PLAIN, (KEY, (b"accept-language", b"fr," * 1_000))),  # else kept, a thousand times over
        (PLAIN, ((b"authorization", b"Bearer nobody"),)),
        (b"lat=5.351&lon=43.301", (KEY,)),
    ):
        twins.reached.clear()
        twins.both("GET", query, headers)
        assert twins.reached == ["/v1/near"]


GOOD = {
    "lat": ["43.301", "43.3", "-90", "4.33e1", "0", "-0"],
    "lon": ["5.351", "5.39", "180", "-0.0"],
    "kind": ["merchant", "offer,event", "service", "neighbour", "place,artisan"],
    "category": ["food", "food.bakery", ""],
    "q": ["pain", "Boulangerie é"],
    "radius_m": ["500", "2000.5", "1e3"],
    "min_distance_m": ["0", "150"],
    "within": ["990010101", "990010101,990010102"],
    "audience": ["public", "city,zone"],
    "open_now": ["true", "false"],
    "verified_only": ["true", "false"],
    "profile": ["nearest", "merchant", "closest"],
    "at": ["2025-06-15T18:00:00+02:00", "2025-06-15T16:00:00Z"],
    "limit": ["1", "20", "200", "5.0"],
    "cursor": ["AAAA"],
    "lang": ["fr", "en"],
    "after": ["hier"],
}
BAD = ["", "nan", "-inf", "91", "1_0", " 43", "43 ", "٤٣", "true", "9" * 400, "\x00", "a\x07b", "é"]
ODD_NAMES = ["Lat", "lng", "", "lat[]", "kïnd", "lat ", "queries"]
ENCODINGS = [
    lambda text: text.encode("utf-8", "surrogatepass"),
    lambda text: quote_plus(text).encode(),
    lambda text: quote(text, safe="").encode(),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()).encode(),
    lambda text: text.encode("utf-8") + b"%zz%ff",
]
# Most parameters are in order, so that most questions are; the rest is as bad as it gets.
parameter = st.one_of(
    *[st.tuples(st.just(name), st.sampled_from(values)) for name, values in GOOD.items()],
    st.tuples(st.sampled_from([*GOOD, *ODD_NAMES]), st.sampled_from(BAD) | st.text(max_size=20)),
)
encoding = st.sampled_from([*[ENCODINGS[0]] * 4, *ENCODINGS])
origin = st.sampled_from([(), (("lat", "43.301"), ("lon", "5.351"))])


@st.composite
def query_strings(draw: st.DrawFn) -> bytes:
    fields = [*draw(origin), *draw(st.lists(parameter, max_size=4))]
    parts = [
        draw(encoding)(name) + b"=" + draw(encoding)(value)
        for name, value in draw(st.permutations(fields))
        if not any(0xD800 <= ord(c) < 0xE000 for c in name + value)
    ]
    glue = draw(st.sampled_from([b"&", b"&", b"&", b"&&", b";"]))
    return glue.join(parts) + draw(st.sampled_from([b"", b"", b"&", b"&=", b"&lat", b"#x"]))


HEADERS = st.lists(
    st.sampled_from(
        [
            (b"authorization", b"bearer  secret-of-app "),
            (b"authorization", b"Bearer secret-of-planner"),
            (b"authorization", b"Basic c2VjcmV0"),
            (b"authorization", b"Bearer "),
            (b"mitoyen-member", b"bob"),
            (b"mitoyen-member", b"nobody"),
            (b"mitoyen-member", b""),
            (b"mitoyen-member", b"\xff"),
            (b"mitoyen-member", "zoé".encode()),
            (b"accept-language", b"en"),
            (b"accept-language", b"de, en;q=0.5, fr;q=x"),
            (b"x-forwarded-for", b"192.0.2.1"),
        ]
    ),
    max_size=2,
)


REFUSED = {"closest", "neighbour", "service"}  # known to nobody; people, not from anywhere
SOUND = {
    name: st.sampled_from([value for value in values if value not in REFUSED])
    for name, values in GOOD.items()
    if name not in ("lat", "lon", "cursor", "after")
}


@st.composite
def sound_questions(draw: st.DrawFn) -> tuple[bytes, dict[str, str]]:
    """Every parameter at most once, any order, any spelling that a client may choose."""
    fields = {"lat": "43.301", "lon": "5.351"} if draw(st.booleans()) else {}
    fields |= draw(st.fixed_dictionaries({}, optional=SOUND))
    names = draw(st.permutations(list(fields)))
    spell = draw(st.sampled_from(ENCODINGS[1:4]))
    quoted = [name.encode() + b"=" + spell(fields[name]) for name in names]
    return b"&".join(quoted), fields


@GENERATED
@given(sound_questions(), st.sampled_from([(), ((b"accept-language", b"en"),)]))
def test_any_sound_question_is_answered_at_once_and_as_by_the_route(twins, question, headers):
    query, fields = question
    member = (b"mitoyen-member", b"bob")
    twins.reached.clear()
    status, _, _ = twins.both(
        "GET", query, (KEY, *(() if "lat" in fields else (member,)), *headers)
    )
    assert status == 200
    # Words take a thread, and latitudes in another spelling are not taken for any.
    if "q" not in fields and b"lat=%" not in query:
        assert not twins.reached


@GENERATED
@given(query_strings(), HEADERS, st.booleans())
def test_any_query_string_is_answered_as_by_the_route(twins, query, headers, with_key):
    twins.both("GET", query, [*([KEY] if with_key else []), *headers])


@GENERATED
@given(st.binary(max_size=60))
def test_any_bytes_are_answered_as_by_the_route(twins, noise):
    for query in (noise, PLAIN + b"&" + noise, noise + b"&" + PLAIN):
        twins.both("GET", query)


@pytest.mark.parametrize("more", [b"&category=" + b"x" * 3_000, b"&kind=merchant" * 500])
def test_a_huge_query_string_is_answered_as_by_the_route(twins, more):
    twins.both("GET", PLAIN + more)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "get", "GET", "POST"])
@pytest.mark.parametrize("path", ["/v1/near", "/v1/near/", "/v1/near/batch", "/v1/nearby"])
def test_any_method_is_answered_as_by_the_route(twins, method, path):
    twins.both(method, PLAIN, path=path)


CORNER = [[5.34, 43.29], [5.4, 43.29], [5.4, 43.31], [5.34, 43.29]]
VALUES: dict[str, list[Any]] = {
    "lat": [43.301, 43, -0.0, True, "43.301", 91, 1e400],
    "lon": [5.351, 180, None],
    "kind": [["merchant"], ["offer", "event"], [], "merchant", ["person"]],
    "category": ["food.bakery", "", 3],
    "q": ["pain", "", "a\x07b", "é", "\ud800"],
    "radius_m": [500, 2000.5, 0, None],
    "limit": [3, 20.0, 2.5, 201],
    "open_now": [True, False, 1],
    "lang": ["fr", "en", "de"],
    "at": ["2025-06-15T18:00:00+02:00", "2025-06-15", 17],
    "after": ["hier", ""],
    "within": [["990010101"], ["13"]],
    "profile": ["nearest", "closest"],
    "polygon": [
        None,
        {"type": "Polygon", "coordinates": [CORNER]},
        {"type": "Polygon", "coordinates": [[[5.34, 43.29]]]},
    ],
    "tenant_id": ["south"],
}  # fmt: skip
body_field = st.one_of(
    *[st.tuples(st.just(name), st.sampled_from(values)) for name, values in VALUES.items()]
)
near_bodies = st.builds(
    lambda start, fields: dict([*start, *fields]),
    st.sampled_from([(), (("lat", 43.301), ("lon", 5.351))]),
    st.lists(body_field, max_size=3),
)
encoded = st.one_of(
    near_bodies.map(json.dumps),
    near_bodies.map(lambda body: json.dumps(body, ensure_ascii=False)),
    st.sampled_from(["", "{", "[]", "null", '{"lat": 43, "lat": 44}', '{"lat": NaN}', "\ufeff{}"]),
).map(lambda text: text.encode("utf-8", "surrogatepass"))
MEDIA_TYPES = st.sampled_from(
    [[JSON], [JSON], [JSON], [], [(b"content-type", b"text/plain")], [JSON, JSON]]
)


def in_parts(data: bytes, cut: int) -> list[bytes]:
    return [data[:cut], data[cut:]]


@GENERATED
@given(encoded, MEDIA_TYPES, HEADERS, st.integers(0, 40), st.sampled_from([b"", b"", b"limit=1"]))
def test_any_body_is_answered_as_by_the_route(twins, data, media_type, headers, cut, query):
    twins.both("POST", query, [KEY, *media_type, *headers], in_parts(data, cut))


batches = st.one_of(
    st.lists(near_bodies, max_size=4).map(lambda queries: {"queries": queries}),
    st.sampled_from([{}, {"queries": {}}, {"queries": [3, None, []]}, {"queries": [{}], "n": 1}]),
)


@settings(GENERATED, max_examples=50 if QUICK else 300)
@given(batches, HEADERS, st.integers(0, 40))
def test_any_batch_is_answered_as_by_the_route(twins, batch, headers, cut):
    data = json.dumps(batch).encode()
    twins.both("POST", b"", [KEY, JSON, *headers], in_parts(data, cut), "/v1/near/batch")


def test_a_body_that_is_too_large_is_refused_as_by_the_route(twins):
    status, _, _ = twins.both("POST", b"", (KEY, JSON), [b" " * 600_000] * 3)
    assert status == 413
