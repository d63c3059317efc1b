"""The OpenAPI document, held to what the app does: schemathesis, and every example asked."""

import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
import schemathesis
from conftest import FIXED_SEED, QUICK
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection

from api.app import create_app
from api.docs import page_of
from api.settings import Settings
from indexes.entities import PERSONAL_KINDS

# Schemathesis gives the tests of all operations one id, and ids are what workers share out.
pytestmark = pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" in os.environ, reason="in one process, after the others"
)

EXAMPLES = 8 if QUICK else 15  # of each operation, besides those at the bounds of its schema
LEAST_CASES = 300 if QUICK else 2_000

CHECKS = FIXED_SEED | {
    "phases": {"coverage": {"enabled": not QUICK}},  # the bounds of the schema
    "checks": {
        # What JSON Schema can't say is refused with 400 or 422 and a code of its own;
        # `no_sound_request_is_called_malformed` looks at that code.
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "400", "401", "403", "404", "409", "422", "503"]
        },
        "not_a_server_error": {"expected-statuses": ["2xx", "4xx", "503"]},
    },
}
KEY = {"Authorization": "Bearer secret-of-root"}
REFERENCES = {
    "owner_id": "ana",
    "member_id": "ana",
    "other_id": "eve",
    "listing_id": "shop-05",
    "building_id": "b1",
    "household_id": "h-ana",
    "residence_id": "r1",
}
DRAWN = ("cursor", "after", "cell", "profile", "at")  # a random one is nobody's
IDS = {
    "listings": "shop-05",
    "buildings": "b1",
    "residences": "r1",
    "members": "ana",
    "endorsements": "bob-shop",
    "blocks": "zed-ana",
    "trips": "bus",
    "tenants": "north",
}
TRIP = {
    "role": "driver",
    "waypoints": [{"lat": 43.3, "lon": 5.35}, {"lat": 43.3, "lon": 5.39}],
    "schedule": {"weekly": [{"days": ["MON"], "time": "07:50"}]},
}
# What of a search is not said by JSON Schema: one of two times, an instant without days.
SEARCH = {"from_lat": 43.3, "from_lon": 5.35, "to_lat": 43.3, "to_lon": 5.39}
SEARCH |= {"depart_at": "07:50", "days": ["MON"], "first": "2026-11-30", "timezone": "Europe/Paris"}
TIMES = ("arrive_by", "back_depart_at", "back_arrive_by")
KEPT = {*REFERENCES.values(), *IDS.values()}
PERSONAL = {kind.value for kind in PERSONAL_KINDS}
asked: Counter[str] = Counter()


@schemathesis.check
def no_sound_request_is_called_malformed(ctx: Any, response: Any, case: Any) -> None:
    if (
        case.meta is not None
        and case.meta.generation.mode.is_positive
        and response.status_code == 422
    ):
        assert response.json()["code"] != "invalid-request", response.json()


@schemathesis.check
def no_problem_holds_a_place(ctx: Any, response: Any, case: Any) -> None:
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"]
        assert set(response.json()) <= {"type", "title", "status", "code", "detail", "errors"}


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


class Proxy:
    """Passes requests to the town of the fixture, which exists only once tests run."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        for phase in ("startup", "shutdown"):  # the fixture has started the app already
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})


proxy = Proxy()
DOCUMENT = create_app(Settings(store="unused.db")).openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict(CHECKS))
sound = schemathesis.openapi.from_dict(
    DOCUMENT, config=SchemathesisConfig.from_dict({**CHECKS, "generation": {"mode": "positive"}})
)
schema.app = sound.app = proxy


@pytest.fixture(scope="module")
def town(served: Any) -> Iterator[Any]:
    proxy.app = served.app
    assert served.ask("PUT", "/v1/trips/bus", "root", json=TRIP).status_code == 201
    yield served
    proxy.app = None


def keep(case: Any) -> None:
    """Let nobody remove what the other cases ask about: ids seen in answers are tried again."""
    if case.method == "DELETE" and case.path_parameters.get("id") in KEPT:
        case.path_parameters["id"] = "spare"


GENERATED = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@schema.parametrize()
@GENERATED
def test_every_answer_is_as_documented(case: Any, town: Any) -> None:
    asked[case.operation.label] += 1
    # Whatever is no string in JSON is one as NDJSON: bad lines are told in the report, with 200.
    keep(case)
    text = case.operation.path == "/v1/import" and not isinstance(case.body, str)
    excluded = [negative_data_rejection] if text else []
    case.call_and_validate(headers=KEY, excluded_checks=excluded)


@sound.parametrize()
@GENERATED
def test_sound_requests_about_what_exists_succeed(case: Any, town: Any) -> None:
    asked[case.operation.label] += 1
    keep(case)
    name = case.operation.path.split("/")[2] if case.operation.path.startswith("/v1/") else ""
    for drawn in DRAWN:
        case.query.pop(drawn, None)
    for drawn in ("Mitoyen-Member", "Last-Event-ID"):
        case.headers.pop(drawn, None)
    if name == "recommendations":
        case.headers["Mitoyen-Member"] = "ana"
    if "q" in case.query:
        case.query["q"] = "boulangerie"
    if case.method == "GET" and name in ("near", "locate"):
        case.query |= {"lat": 43.301, "lon": 5.351}
    if case.method == "GET" and "id" in case.path_parameters:
        case.path_parameters["id"] = IDS[name]
    if name == "trips" and case.method == "GET":
        case.query.pop("first", None)
        if case.operation.path in ("/v1/trips/match", "/v1/trips/week"):
            kept = {k: v for k, v in case.query.items() if k not in TIMES}
            case.query = kept | SEARCH
    if name == "districts" and case.method == "GET":  # one release, two zones
        case.query = {k: v for k, v in case.query.items() if k == "format"}
    if "code" in case.path_parameters:
        case.path_parameters["code"] = "990010101"
        case.query.pop("vintage", None)
    if isinstance(case.body, dict):
        if case.operation.path == "/v1/near":
            drawn = {k: v for k, v in case.body.items() if k not in DRAWN}
            case.body = drawn | {"lat": 43.301, "lon": 5.351, "polygon": None}
        if name == "listings":
            case.body = case.body | {"lat": 43.301, "lon": 5.351, "personal": False}
        case.body = case.body | {
            k: v for k, v in REFERENCES.items() if case.body.get(k) is not None
        }
    answer = case.call_and_validate(headers=KEY)
    if case.method == "GET" and set(case.query.get("kind", ["place"])) - PERSONAL:
        assert answer.status_code == 200, answer.text


def test_enough_was_asked() -> None:
    assert set(asked) == {operation.ok().label for operation in schema.get_all_operations()}
    assert sum(asked.values()) >= LEAST_CASES


def examples() -> Iterator[Any]:
    """Every worked example of the document: method, path, body."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            for kept in content.get("application/json", {}).get("examples", {}).items():
                yield pytest.param(method, path, kept[1]["value"], id=f"{path}: {kept[0]}")


@pytest.mark.parametrize("method, path, body", list(examples()))
def test_every_example_in_the_document_works(town: Any, method: str, path: str, body: Any) -> None:
    made = {  # what the examples refer to
        "buildings/b-3": {"lat": 43.3012, "lon": 5.3512},
        "members/m-7": {"household_id": "h-7", "building_id": "b-3"},
        "members/m-9": {"household_id": "h-9", "building_id": "b-3"},
        "listings/artisan-4": {"kind": "artisan", "title": "Plombier", "lat": 43.3, "lon": 5.36},
    }
    for url, record in made.items():
        assert town.ask("PUT", f"/v1/{url}", "root", json=record).status_code in (200, 201)
    id = "north" if "tenants" in path else "example"
    answer = town.ask(method.upper(), path.replace("{id}", id), "root", json=body)
    assert answer.status_code in (200, 201), answer.text


def test_every_reference_in_the_document_resolves() -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (v for k, v in node.items() if k == "$ref")
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                yield from references(child)

    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) <= known


def test_every_operation_says_what_it_is_and_who_may_ask() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"] and operation["tags"], (method, path)
            assert ("security" in operation) == path.startswith("/v1/"), (method, path)


def test_the_docs_page_shows_every_operation_and_loads_nothing(town: Any) -> None:
    answer = town.ask("GET", "/docs")
    assert (
        answer.status_code == 200
        and "default-src 'none'" in answer.headers["content-security-policy"]
    )
    for path, operations in DOCUMENT["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()} {path}</code>" in answer.text
    assert "<script" not in answer.text and "src=" not in answer.text
    assert "Tu-Su 07:00-19:30" in answer.text and "lat=43.2951" in answer.text


def test_every_command_of_the_docs_page_is_one_that_a_shell_runs_whole() -> None:
    body = {"title": "L'Estaque, 1 € & plus", "lat": 43.3}
    operations = {"put": {**DOCUMENT["paths"]["/v1/listings/{id}"]["put"]}}
    operations["put"]["requestBody"] = {
        "content": {"application/json": {"examples": {"it": {"value": body}}}}
    }
    made_up = {**DOCUMENT, "paths": {**DOCUMENT["paths"], "/v1/quoted": operations}}
    page = page_of(made_up, "http://127.0.0.1:8123")
    commands = [unescape(found) for found in re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)]
    assert len(commands) >= len(DOCUMENT["paths"])
    for command in commands:
        line = command.replace("\\\n", "")
        words = shlex.split(line)
        apart = shlex.shlex(line, posix=True, punctuation_chars=True)  # as a shell: & ends one
        apart.whitespace_split = True
        assert list(apart) == words, command
        assert words[0] == "curl" and any(w.startswith("http://127.0.0.1:8123/") for w in words)
    (quoted,) = [shlex.split(c.replace("\\\n", "")) for c in commands if "/v1/quoted" in c]
    assert json.loads(quoted[-1]) == body and "Authorization: Bearer KEY" in quoted
