"""`POST /v1/import`: the same rows and reasons as on the command line, bounded."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Served

NDJSON = {"content-type": "application/x-ndjson"}
URL = "/v1/import?kind=place"


def line(id: str, **fields: Any) -> str:
    return json.dumps({"id": id, "title": "Parc", "lat": 43.301, "lon": 5.351, **fields}) + "\n"


def test_rows_are_stored_and_a_bad_one_is_told(served: "Served") -> None:
    body = line("p1") + line("p2", lat=91) + "{\n" + line("p3")
    answer = served.ask("POST", URL, "operator", content=body, headers=NDJSON)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["file"], told["read"], told["stored"]) == ("body", 4, 2)
    assert [(row["line"], row["field"]) for row in told["rejected"]] == [(2, "lat"), (3, "")]
    assert told["position"] == answer.headers["mitoyen-position"]
    assert served.get("/v1/listings/p3").json()["title"] == "Parc"
    assert served.get("/v1/listings/p2").status_code == 404


def test_swapped_coordinates_are_told_by_the_zones(served: "Served") -> None:
    body = line("q1", lat=5.351, lon=43.301)
    told = served.ask("POST", URL, "operator", content=body, headers=NDJSON).json()
    assert "swapped" in told["rejected"][0]["reason"]
    assert told["position"] != ""


def test_a_strict_import_stores_nothing_of_a_body_with_a_bad_row(served: "Served") -> None:
    body = line("s1") + line("s2", lat=91)
    told = served.ask("POST", URL + "&strict=true", "operator", content=body, headers=NDJSON).json()
    assert (told["stored"], told["complete"], told["position"]) == (0, False, "")
    assert served.get("/v1/listings/s1").status_code == 404


def test_many_refusals_are_counted_and_the_first_thousand_listed(served: "Served") -> None:
    told = served.ask("POST", URL, "operator", content="x\n" * 3000, headers=NDJSON).json()
    assert told["rejected_count"] == told["read"] == 3000
    assert len(told["rejected"]) == 1000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_32_mib_is_refused_while_it_is_read(served: "Served", chunked: bool) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        block = (line("big") * 10_000).encode()
        while sent < 64 << 20:
            sent += len(block)
            yield block

    content: Any = endless() if chunked else b"x" * ((32 << 20) + 1)
    answer = served.ask("POST", URL, "operator", content=content, headers=NDJSON)
    assert answer.status_code == 413
    assert answer.json()["code"] == "body-too-large"
    assert served.get("/v1/listings/big").status_code == 404


@pytest.mark.parametrize(
    ("who", "url", "headers", "status", "code"),
    [
        ("local", URL, NDJSON, 401, "unauthenticated"),
        ("app", URL, NDJSON, 403, "forbidden"),
        ("planner", URL, NDJSON, 403, "forbidden"),
        ("operator", "/v1/import?kind=shop", NDJSON, 422, "invalid-input"),
        ("operator", "/v1/import", NDJSON, 422, "invalid-request"),
        ("operator", URL, {"content-type": "text/csv"}, 415, "unsupported-media-type"),
        ("operator", URL, {}, 415, "unsupported-media-type"),
    ],
)
def test_what_is_not_an_operators_import_is_refused(
    served: "Served", who: str, url: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = served.ask("POST", url, who, content=line("no"), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert served.get("/v1/listings/no").status_code == 404


def test_an_import_goes_to_the_tenant_of_the_key(served: "Served") -> None:
    told = served.ask("POST", URL, "other", content=line("south-1"), headers=NDJSON).json()
    assert told["stored"] == 1
    assert served.get("/v1/listings/south-1", "root").status_code == 404


def test_an_empty_body_is_an_empty_import(served: "Served") -> None:
    told = served.ask("POST", URL, "operator", content="", headers=NDJSON).json()
    assert (told["read"], told["stored"], told["rejected"]) == (0, 0, [])


def test_names_that_are_no_text_are_told_without_harm(served: "Served") -> None:
    odd = '{"id": "u1", "title": "Parc", "lat": 43.301, "lon": 5.351, "\\ud800": 1}\n'
    told = served.ask("POST", URL, "operator", content=odd, headers=NDJSON).json()
    assert (told["stored"], told["columns"]["unused"]) == (1, ["?"])
    none = served.ask("POST", URL, "operator", content='{"\\ud800": 1}', headers=NDJSON)
    assert (none.status_code, none.json()["code"]) == (422, "unknown-layout")
