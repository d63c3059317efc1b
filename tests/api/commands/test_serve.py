"""`mitoyen serve`: a real server on a port of its own, asked over a socket, stopped by a signal."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from api.cli import main
from api.commands.serve import _is_loopback


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_server_answers_logs_no_place_and_stops_when_told(served):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--store", str(served.path), "--tenant", "north"]
    server = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "serve", *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(300):
            try:
                if ask(port, "/readyz")[0] == 200:
                    break
            except OSError:
                assert server.poll() is None, server.stderr.read()
            time.sleep(0.1)
        status, answer = ask(port, "/v1/near?lat=43.3014242&lon=5.3514242&kind=merchant")
        assert status == 200 and answer["matches"]
        assert ask(port, "/v1/near?lat=43.3014242&lon=NaN")[0] == 422
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=20)
    finally:
        server.kill()
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
