"""The OpenAPI 3.0 document of `/ogc`, held to what is answered."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from conftest import QUICK
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

EXAMPLES = 1 if QUICK else 3  # of each operation
GENERATED = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
CHECKS = {
    "phases": {"coverage": {"enabled": False}},
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["200", "400", "404"]},
        "not_a_server_error": {"expected-statuses": ["2xx", "4xx"]},
    },
}


@pytest.fixture(scope="module")
def document(town: Any) -> Any:
    return town.get("/api").json()


@pytest.fixture(scope="module")
def described(town: Any, document: Any) -> Any:
    """The document of two collections; the others' paths are made by the same lines."""
    paths = {
        path: item
        for path, item in document["paths"].items()
        if not re.match("/collections/(cells|gaps|zones)", path)
    }
    config = SchemathesisConfig.from_dict(CHECKS)
    schema = schemathesis.openapi.from_dict({**document, "paths": paths}, config=config)
    schema.app = town
    return schema


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_documented(described: Any, mode: GenerationMode) -> None:
    asked = set()

    def answered(case: Any) -> None:
        asked.add(case.operation.label)
        if mode.is_positive:  # what is made up is no release, no system and no filter
            for drawn in ("release", "version", "filter", "crs", "bbox-crs", "filter-crs"):
                case.query.pop(drawn, None)
        case.call_and_validate(headers={"Authorization": "Bearer secret-of-planner"})

    operations = [operation.ok() for operation in described.get_all_operations()]
    for operation in operations:
        cases = operation.as_strategy(generation_mode=mode)
        if mode.is_positive or operation.query:
            GENERATED(given(cases)(answered))()
    assert len(asked) >= 20


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (v for k, v in node.items() if k == "$ref")
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            yield from references(child)


def test_every_path_is_served_and_every_reference_resolves(town, document):
    (server,) = document["servers"]
    assert server["url"].endswith("/ogc")
    known = {f"#/components/parameters/{name}" for name in document["components"]["parameters"]}
    assert set(references(document)) <= known
    told = {"featureId": "13055", "z": "0", "row": "0", "col": "0"}
    for path in document["paths"]:
        if path.endswith("/items/{featureId}") and not re.search("districts|zones", path):
            continue
        answer = town.get(path.format(**told))
        assert answer.status_code == 200, path
        type, *other = document["paths"][path]["get"]["responses"]["200"]["content"]
        assert answer.headers["content-type"] == type
        if other:
            shown = town.get(path.format(**told), f="html")
            assert (shown.status_code, other) == (200, ["text/html"]), path
            assert shown.headers["content-type"].startswith("text/html")


def test_every_queryable_is_a_parameter_written_as_clients_look_for_it(town, document):
    for id in ("districts", "cells", "flows", "gaps", "zones"):
        queryables = town.get(f"/collections/{id}/queryables").json()["properties"]
        given = document["paths"][f"/collections/{id}/items"]["get"]["parameters"]
        inline = {p["name"]: p for p in given if "$ref" not in p}
        assert set(inline) == set(queryables) - {"geometry", "release"}
        for name, parameter in inline.items():
            assert parameter["schema"] == queryables[name]
            assert (parameter["in"], parameter["style"], parameter["explode"]) == (
                "query",
                "form",
                False,
            )
