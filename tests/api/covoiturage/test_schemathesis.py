"""Generated requests: every answer is one that the document has, and the standard's has too."""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from conftest import FIXED_SEED, QUICK
from covoiturage_checker import DOCUMENT, standard
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from api.covoiturage import PREFIX
from api.settings import Settings

# Schemathesis gives the tests of all operations one id, and ids are what workers share out.
pytestmark = pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" in os.environ, reason="in one process, after the others"
)

# Those that the standard allows: it bounds no coordinate, and requires no body.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 5 if QUICK else 10
CONFIG = SchemathesisConfig.from_dict(FIXED_SEED | {"phases": {"coverage": {"enabled": not QUICK}}})
asked: Counter[str] = Counter()


class Prefixed:
    """The mounted application, once the fixture runs it, as if nothing were around it."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            scope = scope | {"path": PREFIX + scope["path"], "client": ("127.0.0.1", 50_000)}
            await self.app(scope, receive, send)
            return
        for phase in ("startup", "shutdown"):  # the fixture has started the app already
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})


def own_document() -> dict[str, Any]:
    app = create_app(Settings(store="unused.db"))
    (mounted,) = [route.app for route in app.routes if getattr(route, "path", "") == PREFIX]
    found: dict[str, Any] = mounted.openapi()
    return found


proxy = Prefixed()
own = schemathesis.openapi.from_dict(own_document(), config=CONFIG)
own.app = proxy
GENERATED = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def running_app(town: Any) -> Iterator[Any]:
    proxy.app = town.app
    yield town
    proxy.app = None


def call(case: Any) -> Any:
    answer = case.call()
    case.validate_response(answer, checks=CHECKS)
    return answer


@own.parametrize()
@GENERATED
def test_every_answer_is_as_our_document_says(case: Any, running_app: Any) -> None:
    asked[case.operation.label] += 1
    call(case)


if DOCUMENT.exists():
    theirs = schemathesis.openapi.from_dict(standard(), config=CONFIG)
    theirs.app = proxy

    @theirs.parametrize()
    @GENERATED
    def test_every_answer_is_as_the_standard_says(case: Any, running_app: Any) -> None:
        asked[case.operation.label] += 1
        call(case)

else:  # no operation at all is an error where tests are collected

    def test_every_answer_is_as_the_standard_says() -> None:
        standard()


def test_enough_was_asked() -> None:
    assert set(asked) == {operation.ok().label for operation in own.get_all_operations()}
    assert sum(asked.values()) >= (50 if QUICK else 300)
