"""The access log, and the headers of every answer."""

import logging
import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient


def test_a_request_leaves_one_line_without_place_or_person(served, caplog):
    with caplog.at_level(logging.INFO, logger="api"):
        served.get("/v1/near", params={"lat": 43.3014242, "lon": 5.3514242, "q": "boulangerie"})
        served.get("/v1/near", "app", "ana", params={"limit": 1})
        served.get("/v1/listings/shop-01")
        served.get("/v1/near", params={"lat": "91.4242", "lon": 5.35})
    lines = [record.getMessage() for record in caplog.records if record.name == "api.access"]
    assert [line.rsplit(" ", 2)[0] for line in lines] == [
        "GET /v1/near 200",
        "GET /v1/near 200",
        "GET /v1/listings/{id} 200",
        "GET /v1/near 422",
    ]
    everything = caplog.text
    for told in ("4242", "boulangerie", "ana", "shop-01", "127.0.0.1"):
        assert told not in everything.replace("httpx", ""), told


def test_what_is_mounted_is_told_by_its_whole_path(served, caplog):
    paths = {
        "/ogc": "/ogc",
        "/ogc/conformance": "/ogc/conformance",
        "/ogc/collections/no-such/items": "/ogc/collections/{id}/items",
        "/ogc/no-such": "-",
        "/covoiturage/v1/status": "/covoiturage/v1/status",
        "/no-such": "-",
    }
    with caplog.at_level(logging.INFO, logger="api"):
        for path in paths:
            served.get(path, follow_redirects=False)
    told = [record.fields["route"] for record in caplog.records if record.name == "api.access"]
    assert told == list(paths.values())


def test_every_answer_forbids_keeping_and_guessing(served):
    for url in ("/", "/healthz", "/v1/near", "/nowhere", "/openapi.json", "/docs"):
        headers = served.get(url).headers
        assert headers["cache-control"] == "no-store", url
        assert headers["x-content-type-options"] == "nosniff", url
        assert "server" not in headers, url


def test_every_answer_names_its_request(served):
    one, other = (served.get("/healthz").headers["x-request-id"] for _ in range(2))
    assert one != other and re.fullmatch("[0-9a-f]{16}", one)
    kept = served.get("/healthz", headers={"X-Request-ID": "trace-7.a_B"})
    assert kept.headers["x-request-id"] == "trace-7.a_B"


@pytest.mark.parametrize("odd", ["", "a b", "x" * 65, 'a"b', "a;b"])
def test_an_odd_request_id_is_replaced(served, odd):
    answer = served.get("/healthz", headers={"X-Request-ID": odd})
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_a_crash_is_counted_and_told_like_every_answer(served, monkeypatch, caplog):
    def crash(towns, tenant_id):
        raise ZeroDivisionError("at 43.4242")

    monkeypatch.setattr("api.towns.Towns.town", crash)
    with caplog.at_level(logging.INFO, logger="api"):
        answer = served.get("/v1/zones", headers={"X-Request-ID": "crashed"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert answer.headers["x-request-id"] == "crashed"
    assert answer.headers["cache-control"] == "no-store"
    assert [r.fields["status"] for r in caplog.records if r.name == "api.access"] == [500]
    assert 'route="/v1/zones",status="500"' in served.get("/metrics").text


class Tracer:
    """A tracer provider that somebody has set up, and what it was handed."""

    def __init__(self, span):
        self.span, self.spans = span, []

    def get_tracer(self, *args, **kwargs):
        return self

    def start_span(self, name, **told):
        self.spans.append(told)
        return self.span


def test_no_path_or_query_is_handed_to_a_tracer(served, monkeypatch):
    trace = pytest.importorskip("opentelemetry.trace", reason="this FastAPI traces nothing")
    tracer = Tracer(trace.INVALID_SPAN)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracer)
    plain = FastAPI()
    with TestClient(plain) as client:
        client.get("/nowhere?lat=43.3")
    assert tracer.spans  # so would ours be
    tracer.spans.clear()
    for url in ("/v1/near?lat=43.3014242&lon=5.3", "/covoiturage/v1/status", "/ogc/"):
        served.get(url)
    assert tracer.spans == []
