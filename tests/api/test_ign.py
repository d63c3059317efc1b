"""api/ign.py against a local server that speaks, stalls, stammers and lies as a real one may."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from types import SimpleNamespace

import pytest
from waiting import PATIENCE_S, lent_port
from wfs import Service, feature, wfs_service

import api.ign
from api.ign import communes_to_ask, fetch_contours
from geo.errors import InputError, NotFoundError, UnreachableError


@pytest.fixture
def service() -> Iterator[Service]:
    with wfs_service() as one:
        yield one


def fetch(service, communes=("13201",), **how):
    return fetch_contours(
        communes, service.url, **{"timeout_s": PATIENCE_S, "pause_s": 0.01, **how}
    )


def codes(answer):
    return [one["properties"]["code_iris"] for one in answer["features"]]


def test_all_pages_of_all_communes_come_in_order(service):
    told = []
    answer = fetch(service, ["13201", "13202"], on_commune=lambda *one: told.append(one))
    assert codes(answer) == [f"13201{i:04}" for i in range(7)] + ["132020000", "132020001"]
    assert told == [("13201", 7), ("13202", 2)]
    assert [one["startIndex"] for one in service.asked] == ["0", "3", "6", "0"]


def test_an_address_with_parameters_keeps_them(service):
    service.url += "?map=1"
    fetch(service, ["13202"])
    assert service.asked[0]["map"] == "1" and service.asked[0]["service"] == "WFS"


def test_a_service_that_counts_not_is_read_until_a_short_page(service):
    def uncounted(request):
        start = int(service.asked[-1]["startIndex"])
        Service.send(request, {"features": [feature("13201", start)], "numberMatched": "unknown"})

    service.answer = uncounted
    assert codes(fetch(service)) == ["132010000"]


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_passing_failure_is_asked_again(service, status):
    def stammer(request):
        if len(service.asked) <= 2:
            Service.send(request, b"busy", status)
        else:
            service.properly(request)

    service.answer = stammer
    assert len(codes(fetch(service))) == 7
    assert len(service.asked) == 2 + 3


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_is_not_asked_again(service, status):
    service.answer = lambda request: Service.send(request, b"<ExceptionReport/>", status)
    with pytest.raises(UnreachableError, match=f"answers {status}"):
        fetch(service)
    assert len(service.asked) == 1


def test_a_lasting_failure_ends_after_the_attempts_with_growing_pauses(service):
    service.answer = lambda request: Service.send(request, b"down", 503)
    start = time.monotonic()
    with pytest.raises(UnreachableError, match="answers 503"):
        fetch(service, attempts=4, pause_s=0.05)
    assert len(service.asked) == 4
    assert time.monotonic() - start > 0.05 + 0.1 + 0.2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b"[]",
        b'{"features": 1}',
        b'{"features": [',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_garbage_is_said_to_be_no_geojson(service, body):
    service.answer = lambda request: Service.send(request, body)
    with pytest.raises(UnreachableError, match="no GeoJSON"):
        fetch(service, attempts=2)
    assert len(service.asked) == 2


def test_a_page_cut_short_is_asked_again(service):
    def cut(request):
        if len(service.asked) == 1:
            body = json.dumps({"features": []}).encode()
            Service.send(request, body, Content_Length=str(len(body) + 50))
        else:
            service.properly(request)

    service.answer = cut
    assert len(codes(fetch(service))) == 7


def test_fewer_zones_than_announced_are_no_answer(service):
    service.answer = lambda request: Service.send(request, {"features": [], "numberMatched": 5})
    with pytest.raises(UnreachableError, match="never sends all zones"):
        fetch(service)


def test_silence_ends_with_the_timeout(service):
    told = threading.Event()
    service.answer = lambda request: told.wait(PATIENCE_S)
    with pytest.raises(UnreachableError, match="timed out"):
        fetch(service, timeout_s=0.3, attempts=2)
    told.set()


def test_a_page_that_drips_ends_with_the_timeout_too(service, monkeypatch):
    # By this clock all the time there is goes by with each drip; by the socket's, none does.
    clock = SimpleNamespace(monotonic=count(0, PATIENCE_S).__next__)
    monkeypatch.setattr(api.ign, "time", clock)

    def drip(request):
        request.send_response(200)
        request.end_headers()
        with suppress(OSError):  # nobody reads on
            while True:
                request.wfile.write(b" ")
                request.wfile.flush()
                time.sleep(0.05)

    service.answer = drip
    with pytest.raises(UnreachableError, match="no whole page"):
        fetch(service, attempts=1)


def test_nobody_there_is_unreachable():
    with (
        lent_port() as port,
        pytest.raises(UnreachableError, match=r"can't be reached.*zones import FILE"),
    ):
        fetch_contours(["13201"], f"http://127.0.0.1:{port}/", attempts=2, pause_s=0.01)


def test_a_commune_without_zones_is_not_found(service):
    with pytest.raises(NotFoundError, match="99999"):
        fetch(service, ["99999"])


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://127.0.0.1/", "data.geopf.fr/wfs"])
def test_only_http_is_asked(url):
    with pytest.raises(InputError, match="http"):
        fetch_contours(["13201"], url)


def test_the_three_communes_of_arrondissements_are_asked_by_these():
    assert communes_to_ask(["13055"]) == [str(code) for code in range(13201, 13217)]
    assert len(communes_to_ask(["75056", "69123", "75101", "91345", "91345"])) == 20 + 9 + 1


@pytest.mark.parametrize(
    "code", ["", "1305", "13055'", "Marseille", "2C001", "１３０５５", "13055\n"]
)
def test_what_is_no_commune_code_is_refused(code):
    with pytest.raises(InputError, match="five characters"):
        communes_to_ask([code])
