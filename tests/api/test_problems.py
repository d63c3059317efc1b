"""Problem documents: every error has a status, every code a title in two languages."""

import ast
import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import geo.errors
from api.problems import STATUS, TITLES, install_problems, status_of
from geo.errors import MitoyenError

ROOMS = [Path(name) for name in ("geo", "indexes", "matching", "api")]
ROOT = Path(__file__).parents[2]


def error_classes(base: type[MitoyenError] = MitoyenError):
    yield base
    for derived in base.__subclasses__():
        yield from error_classes(derived)


def text_of(node: ast.AST | None) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""


def codes_raised() -> set[str]:
    """Codes in the source: class attributes, `code=` in calls, what validators and rules name."""
    found = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                match node:
                    case ast.keyword(arg="code", value=value):
                        found.add(text_of(value))
                    case ast.Assign(targets=[ast.Name(id="code")], value=value):
                        found.add(text_of(value))
                    case ast.Call(func=ast.Name(id="PydanticCustomError"), args=[value, *_]):
                        found.add(text_of(value))
                    case ast.Yield(value=ast.Tuple(elts=[_, value, _])):
                        found.add(text_of(value))
    return {code for code in found if "-" in code}


def test_every_error_class_has_a_status_of_its_own_or_of_its_base():
    for name in geo.errors.__all__:
        error = getattr(geo.errors, name)
        assert any(base in STATUS for base in error.__mro__), name
    assert all(400 <= status < 600 for status in STATUS.values())


def test_every_code_has_a_title_in_french_and_english():
    missing = codes_raised() - set(TITLES)
    assert not missing
    assert all(french and english for french, english in TITLES.values())


@pytest.fixture
def client():
    app = FastAPI()
    install_problems(app)

    @app.get("/raise/{name}")
    def fail(name: str) -> None:
        if name == "crash":
            raise ZeroDivisionError("secret 43.2951")
        error = next(c for c in error_classes() if c.__name__ == name)
        more = {"line": 1} if name == "RowError" else {}
        raise error("what was wanted in /srv/town.db", **more)

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("name", sorted(c.__name__ for c in error_classes()))
def test_an_error_is_answered_as_a_problem(client, name):
    answer = client.get(f"/raise/{name}")
    error = next(c for c in error_classes() if c.__name__ == name)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["code"] == error.code
    assert problem["type"] == f"urn:mitoyen:problem:{error.code}"
    told = answer.status_code < 500 or issubclass(error, geo.errors.IndexBehindError)
    assert ("/srv/town.db" in problem["detail"]) == told
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)


def test_a_crash_tells_nothing_of_our_insides(client):
    answer = client.get("/raise/crash")
    assert answer.status_code == 500
    assert "43.2951" not in answer.text and "Zero" not in answer.text
    assert answer.json()["code"] == "internal-error"


@pytest.mark.parametrize(
    "accepted, lang",
    [
        ("", "fr"),
        ("en", "en"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("de,fr;q=0.8,en;q=0.5", "fr"),
        ("fr;q=0.2,en;q=0.9", "en"),
        ("de", "fr"),
        ("en;q=x", "fr"),
        ("en; q=0.9, fr ; q=0.1", "en"),
        ("en;q=0, de", "fr"),
        ("fr;q=0, en;q=0.1", "en"),
        (",;q=,,", "fr"),
    ],
)
def test_the_title_is_in_the_language_that_is_preferred(client, accepted, lang):
    answer = client.get("/nowhere", headers={"Accept-Language": accepted})
    assert answer.json()["title"] == TITLES["not-found"][lang == "en"]
    assert answer.headers["Content-Language"] == lang


def test_a_wrong_method_is_told_the_right_ones(served):
    answer = served.ask("PATCH", "/v1/listings/shop-01")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "DELETE, GET, PUT"
    assert answer.json()["code"] == "method-not-allowed"


def test_status_follows_the_class_unless_the_code_has_its_own():
    assert status_of(geo.errors.InputError("x")) == 422
    assert status_of(geo.errors.InputError("x", code="invalid-position")) == 400
    assert status_of(geo.errors.CursorError("x")) == 400


def test_a_422_holds_no_value_that_was_sent(served):
    answer = served.get("/v1/near", params={"lat": "43.2951777x", "lon": "NaN"})
    assert answer.status_code == 422
    json.loads(answer.text, parse_constant=pytest.fail)
    assert "43.2951777" not in answer.text
