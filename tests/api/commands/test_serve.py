"""`mitoyen serve`: a real server on a port of its own, asked over a socket, stopped by a signal."""

import signal
import socket
import subprocess
import sys

import httpx
from waiting import PATIENCE_S, lent_port, until_ready

from api.cli import main
from api.commands.serve import _is_loopback


def test_a_server_answers_logs_no_place_and_stops_when_told(served):
    with lent_port() as port:
        options = ["--port", str(port), "--store", str(served.path), "--tenant", "north"]
        server = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", *options],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        url = f"http://127.0.0.1:{port}"
        near = f"{url}/v1/near?lat=43.3014242"
        try:
            until_ready(url=f"{url}/readyz", process=server)
            answer = httpx.get(f"{near}&lon=5.3514242&kind=merchant", timeout=PATIENCE_S)
            assert answer.status_code == 200 and answer.json()["matches"]
            assert httpx.get(f"{near}&lon=NaN", timeout=PATIENCE_S).status_code == 422
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=PATIENCE_S)
        finally:
            server.kill()
            server.wait()
    assert "GET /v1/near 200" in log and "GET /v1/near 422" in log
    assert "4242" not in log and "lat=" not in log and "Traceback" not in log


def test_loopback_is_told_from_the_world():
    assert all(map(_is_loopback, ("127.0.0.1", "::1", "localhost", "127.8.8.8")))
    assert not any(map(_is_loopback, ("0.0.0.0", "::", "192.0.2.1", "example.org", "")))


def test_a_store_or_tenant_that_can_not_be_served_is_told_before_a_server_starts(tmp_path, capsys):
    for options in (
        ["--store", str(tmp_path / "a.db"), "--tenant", "nowhere"],
        ["--store", str(tmp_path)],
    ):
        assert main(["serve", "--port", "1", *options]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_an_address_that_can_not_be_had_is_told_before_a_server_starts(tmp_path, capsys):
    store = ["--store", str(tmp_path / "a.db")]
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for options in (["--port", port], ["--port", port, "--host", "192.0.2.1"]):
            assert main(["serve", *store, *options]) == 2
            told = capsys.readouterr().err
            assert f"port {port}" in told and "--host" in told and "Traceback" not in told
