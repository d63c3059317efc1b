"""``mitoyen demo``, as typed: what it prints, what it serves, what it leaves behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from waiting import PATIENCE_S, lent_port, until_ready

import api.commands.demo_attack
from api.cli import main

AT = "2025-06-15T18:00:00+02:00"
NIGHT = "2026-01-01T03:20:00+01:00"


@pytest.fixture
def shown(capfd):
    """Runs ``demo --once``: output and errors."""

    def run(*words):
        assert main(["demo", "--once", *words]) == 0
        return capfd.readouterr()

    return run


def answers_of(shown, *words):
    return json.loads(shown("--json", *words).out)


@pytest.mark.parametrize(("seed", "at"), [(1, AT), (2, NIGHT), (77, "2027-03-28T02:30:00Z")])
def test_every_question_gets_five_answers_to_the_point(shown, seed, at):
    answers = answers_of(shown, "--seed", str(seed), "--at", at)
    assert list(answers) == [
        *("near", "offers", "artisans", "artisans_of_another", "trips", "districts")
    ]
    told = answers.pop("districts")
    assert told["level"] == "quartier" and len(told["districts"]) == 5
    assert 0.9 < told["epsilon"]["total"] <= 1.0
    rows = [row for zone in told["districts"] for row in zone["rows"]]
    assert {row["measure"] for row in rows} == {"households", "penetration", "goal_gap"}
    assert any(row["status"] == "ok" for row in rows)  # not by chance: hundreds of households
    assert {row["release"] for row in rows} == {told["release"]}
    trips = answers.pop("trips")
    assert trips and [one["cost_min"] for one in trips] == sorted(one["cost_min"] for one in trips)
    for ride in trips:
        assert {"id", "role", "walk_m", "detour_s", "seats", "days", "price_eur", "why"} <= set(
            ride
        )
        assert ride["cost_min"] == pytest.approx(sum(ride["terms"].values()), abs=1e-5)
        assert ride["pickup"]["at"] < ride["dropoff"]["at"]
    for matches in answers.values():
        assert len(matches) == 5
        for match in matches:
            assert match["id"] and match["why"]
            assert sum(why["share"] for why in match["why"]) == pytest.approx(match["score"])
        assert [m["score"] for m in matches] == sorted((m["score"] for m in matches), reverse=True)
    for match in answers["near"]:
        assert match["kind"] == "service" and match["category"].startswith("cours.")
        assert match["personal"] and "distance_m" not in match and "lat" not in match
    for match in answers["offers"]:
        assert match["kind"] == "offer" and match["available"] != "closed"
    mine, another = answers["artisans"], answers["artisans_of_another"]
    assert [match["id"] for match in mine] != [match["id"] for match in another]
    for match in (*mine, *another):
        assert match["kind"] == "artisan"
        assert {"trust-recommended", "trust-new"} & {why["code"] for why in match["why"]}
    told = {why["text"] for match in (*mine, *another) for why in match["why"]}
    assert any("trust level 3 of 4 for you" in text for text in told)


def test_a_seed_and_an_instant_give_one_answer_but_for_the_noise_of_figures(shown):
    def answers(*words):
        told = answers_of(shown, "--at", AT, *words)
        assert told.pop("districts")["release"] == "2025Q1"
        return told

    first = answers()
    assert answers() == first
    assert answers("--seed", "2") != first


def test_a_ring_of_fakes_changes_no_answer_of_who_trusts_none_they_fooled(shown, monkeypatch):
    monkeypatch.setattr(api.commands.demo_attack, "VIEWERS", 80)
    words = ("--attack", "300", "--edges", "10", "--at", AT)
    outcome = answers_of(shown, *words)
    assert list(outcome) == ["viewers", "changed_top10", "control_changed_top10"]
    assert 60 <= outcome["viewers"] == outcome["control_changed_top10"] < 80
    assert outcome["changed_top10"] == 0


def test_tables_say_that_the_town_is_fictional_and_why_things_match(shown, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # no line is broken where it is looked for
    told = {lang: " ".join(shown("--at", AT, "--lang", lang).out.split()) for lang in ("fr", "en")}
    assert "fictive" in told["fr"] and "fictional" in told["en"]
    assert "recommandé par" in told["fr"] and "recommended by" in told["en"]
    assert all("99…" in text for text in told.values())
    assert "Qui donne des cours" in told["fr"] and "Who " not in told["fr"]
    english = {"cost", "days", "pick-up", "drop-off", "price", "why", "title", "name", "same"}
    assert english <= set(told["en"].split()) and english.isdisjoint(told["fr"].split())


def test_the_readme_shows_what_is_printed(shown, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    command, example = re.findall(
        r"`\./run demo --once (--at \S+)`.*?```text\n(.*?)```", readme, re.S
    )[0]
    printed = {line.rstrip() for line in shown(*command.split()).out.splitlines()}
    assert [line for line in example.splitlines() if line not in printed] == []


def test_a_busy_port_is_told_before_the_work(capfd):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["demo", "--port", str(port)]) == 2
    told = capfd.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert f"port {port}" in told.err and "--port" in told.err


@pytest.mark.parametrize("words", [["--at", "tomorrow"], ["--lang", "de"], ["--seed", "-1"]])
def test_what_can_t_be_shown_is_refused(words, capfd):
    assert main(["demo", "--once", *words]) == 2
    assert "Traceback" not in capfd.readouterr().err


@pytest.fixture
def port():
    with lent_port() as port:
        yield port


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_line_it_prints_asks_its_server_and_nothing_is_left_behind(tmp_path, port, ending):
    code = "import sys; from api.cli import main; sys.exit(main())"
    with (tmp_path / "said").open("w") as said:
        server = subprocess.Popen(
            [sys.executable, "-c", code, "demo", "--json", "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=said,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            # Where tests run under nohup, a hang-up is ignored, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
    try:
        base = f"http://127.0.0.1:{port}"
        until_ready(url=f"{base}/readyz", process=server)
        line = (tmp_path / "said").read_text().replace("\\\n", " ")
        headers = dict(re.findall(r"-H '([^:]+): ([^']+)'", line))
        asked = re.search(rf"'({base}/v1/near[^']+)'", line)
        assert set(headers) == {"Authorization", "Mitoyen-Member"} and asked
        served = httpx.get(asked[1], headers=headers, timeout=PATIENCE_S).json()
        assert (
            httpx.get(asked[1], timeout=PATIENCE_S).status_code == 422
        )  # without the member: from where?
        assert list(tmp_path.glob("mitoyen-demo-*/town.db"))
        server.send_signal(ending)
        printed, _ = server.communicate(timeout=PATIENCE_S)
    finally:
        server.kill()
        server.wait()
    shown = json.loads(printed)["near"]
    assert [match["id"] for match in served["matches"]] == [match["id"] for match in shown]
    assert server.returncode == 0
    assert "Traceback" not in (tmp_path / "said").read_text()
    assert not list(tmp_path.glob("mitoyen-demo-*"))
