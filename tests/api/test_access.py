"""The access log, and the headers of every answer."""

import logging


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


def test_every_answer_forbids_keeping_and_guessing(served):
    for url in ("/", "/healthz", "/v1/near", "/nowhere", "/openapi.json", "/docs"):
        headers = served.get(url).headers
        assert headers["cache-control"] == "no-store", url
        assert headers["x-content-type-options"] == "nosniff", url
        assert "server" not in headers, url
