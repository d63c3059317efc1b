"""Metrics: what they count, who may ask, and that no label holds a place or a person."""

import re

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from api.app import create_app
from api.settings import Settings

PLACE = {"lat": 43.3014242, "lon": 5.3514242}


def samples(text):
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value(found, name, **labels):
    (one,) = (s.value for s in found if s.name == name and labels.items() <= s.labels.items())
    return one


def asked(served, **labels):
    name = "mitoyen_http_request_seconds_count"
    found = samples(served.get("/metrics").text)
    return sum(s.value for s in found if s.name == name and labels.items() <= s.labels.items())


def test_answers_are_counted_by_route_and_status(served):
    near = {"method": "GET", "route": "/v1/near", "status": "200"}
    before = asked(served, **near)
    for _ in range(3):
        served.get("/v1/near", params=PLACE)
    assert asked(served, **near) == before + 3


def test_the_indexes_tell_their_age_and_the_store_is_up(served):
    found = samples(served.get("/metrics").text)
    assert value(found, "mitoyen_store_up") == 1
    assert value(found, "mitoyen_towns") == value(found, "mitoyen_towns_loaded") == 2
    assert 0 <= value(found, "mitoyen_index_age_seconds") < 60
    assert 0 <= value(found, "mitoyen_feed_lag_seconds") < 60
    assert value(found, "mitoyen_change_streams") == 0
    assert value(found, "process_resident_memory_bytes") > 0


def test_the_snapshots_tell_their_age_and_whether_any_was_refused(served):
    found = samples(served.get("/metrics").text)
    assert 0 <= value(found, "mitoyen_snapshot_age_seconds") < 600
    assert value(found, "mitoyen_snapshots_in_trouble") == 0
    assert value(found, "mitoyen_snapshots_refused_total") == 0


def test_a_write_is_counted_once_the_index_has_it(served):
    before = value(samples(served.get("/metrics").text), "mitoyen_changes_applied_total")
    body = {"kind": "place", "title": "counted", **PLACE}
    written = served.ask("PUT", "/v1/listings/counted", "app", json=body).json()
    served.get("/v1/near", params=PLACE | {"after": written["position"]})
    found = samples(served.get("/metrics").text)
    assert value(found, "mitoyen_changes_applied_total") > before
    assert value(found, "mitoyen_pending_rows") >= 1


def test_no_label_holds_what_a_client_sent(served):
    served.get("/v1/near", params=PLACE | {"q": "boulangerie"})
    served.get("/v1/near", "app", "ana")
    served.get("/v1/listings/shop-01")
    served.get("/nowhere/at/all")
    served.ask("ODDITY", "/v1/near")
    found = samples(served.get("/metrics").text)
    labels = {str(s.labels) for s in found}
    for told in ("4242", "boulangerie", "ana", "shop-01", "nowhere", "ODDITY", "north"):
        assert not [label for label in labels if told in label], told
    assert asked(served, method="other") == 1


def test_an_operator_asks_from_anywhere_and_nobody_else_does(served):
    assert served.get("/metrics", "remote").status_code == 401
    key = {"Authorization": "Bearer secret-of-operator"}
    assert served.remote.get("/metrics", headers=key).status_code == 200
    assert served.get("/metrics", "planner").status_code == 403
    assert served.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401


def test_several_towns_ask_no_key_of_this_machine(tmp_path):
    with TestClient(create_app(Settings(store=str(tmp_path / "a.db"))), client=("::1", 1)) as one:
        answer = one.get("/metrics")
    assert answer.status_code == 200
    assert re.match("text/plain; version=", answer.headers["content-type"])


def test_two_apps_in_one_process_count_apart(served, tmp_path):
    with TestClient(create_app(Settings(store=str(tmp_path / "a.db"))), client=("::1", 1)) as other:
        other.get("/healthz")
        counted = samples(other.get("/metrics").text)
    name = "mitoyen_http_request_seconds_count"
    assert value(counted, name) == 1
