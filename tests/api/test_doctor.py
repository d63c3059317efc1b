"""The doctor: healthy or not, what is wrong and what to do; never a traceback, never a secret."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from api import warming
from api.cli import main
from api.commands.doctor import _clock, diagnose, label_of
from indexes.entities import Tenant
from indexes.store import open_store
from matching import Engine
from matching.towns.keeping import Keeper


@pytest.fixture(autouse=True)
def sound(monkeypatch):
    """Kept kernels and an empty disk: what this machine has is of no interest to most tests."""
    monkeypatch.setattr(warming, "unkept", list)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1 << 40))


def told(capsys, *args):
    code = main(["doctor", *args])
    return code, capsys.readouterr()


def check(answer, name):
    (one,) = (c for c in answer["checks"] if c["name"] == name)
    return one


def troubles(answer):
    return [c for c in answer["checks"] if c["state"] != "ok"]


def asked(capsys, *args):
    code, said = told(capsys, "--json", *args)
    answer = json.loads(said.out)
    assert answer["healthy"] == (code == 0)
    for one in answer["checks"]:
        assert (one["state"] == "ok") or one["do"], one
    return code, answer


def test_with_no_store_yet_nothing_is_wrong_and_none_is_made(tmp_path, capsys):
    path = tmp_path / "deep" / "town.db"
    code, answer = asked(capsys, "--store", str(path))
    assert code == 0
    assert check(answer, "store")["state"] == "warning"
    assert "makes it" in check(answer, "store")["do"]
    assert not path.parent.exists()


def test_a_sound_store_is_told_with_its_tenants_and_counts(served, capsys):
    code, answer = asked(capsys, "--store", str(served.path))
    assert code == 0 and not troubles(answer)
    assert answer["store"]["tenants"] == ["north", "south"]
    assert answer["store"]["counts"]["buildings"] == 4
    assert answer["versions"]["sqlite"] == sqlite3.sqlite_version
    assert answer["settings"]["store"] == answer["store"]["label"] == str(served.path)
    code, said = told(capsys, "--store", str(served.path))
    assert code == 0 and "what to do" in said.out and "Nothing is wrong" in said.err


def test_a_damaged_file_is_wrong_and_says_to_restore(tmp_path, capsys):
    path = tmp_path / "town.db"
    open_store(path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * 20_000 + whole[28_192:])
    code, answer = asked(capsys, "--store", str(path))
    assert code == 1
    assert check(answer, "store")["state"] == "wrong"
    assert "restore" in check(answer, "store")["do"]


def test_a_newer_schema_is_wrong_and_says_what_to_install(tmp_path, capsys):
    path = tmp_path / "town.db"
    open_store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
    code, answer = asked(capsys, "--store", str(path))
    assert code == 1 and check(answer, "schema")["state"] == "wrong"
    assert "newer version" in check(answer, "schema")["do"]


def test_an_older_schema_is_no_fault(tmp_path, capsys):
    path = tmp_path / "town.db"
    open_store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE alembic_version SET version_num = '0001'")
        db.commit()
    code, answer = asked(capsys, "--store", str(path))
    assert code == 0 and check(answer, "schema")["state"] == "warning"


def test_an_unreachable_database_is_wrong_and_its_password_stays_out(capsys):
    dsn = "postgresql://app:tell-nobody@127.0.0.1:1/town?sslpassword=tell-nobody"
    code, said = told(capsys, "--store", dsn, "--json")
    assert code == 1 and "tell-nobody" not in said.out + said.err
    assert check(json.loads(said.out), "store")["state"] == "wrong"
    code, said = told(capsys, "--store", dsn)
    assert code == 1 and "tell-nobody" not in said.out + said.err


def test_a_database_is_told_with_its_versions(postgis_dsn, capsys):
    code, answer = asked(capsys, "--store", postgis_dsn)
    assert code == 0 and check(answer, "schema")["state"] == "warning"
    open_store(postgis_dsn).close()
    code, answer = asked(capsys, "--store", postgis_dsn)
    assert code == 0 and not troubles(answer)
    assert {"postgresql", "postgis"} <= answer["versions"].keys()


def test_a_setting_that_can_not_be_taken_is_wrong(monkeypatch, capsys):
    monkeypatch.setenv("MITOYEN_PORT", "eighty")
    code, answer = asked(capsys)
    assert code == 1 and "MITOYEN_PORT" in check(answer, "settings")["found"]


@pytest.mark.parametrize(
    ("free", "state"), [(50 << 20, "wrong"), (500 << 20, "warning"), (5 << 30, "ok")]
)
def test_a_disk_that_fills_up_is_told_before_it_is_full(tmp_path, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    checks, _ = diagnose(str(tmp_path / "town.db"))
    assert next(c.state for c in checks if c.name == "disk") == state


def test_a_clock_that_is_off_is_told():
    now = datetime.now(UTC)
    assert _clock(None, now).state == "ok"
    assert _clock(None, datetime(1970, 1, 2, tzinfo=UTC)).state == "wrong"
    assert _clock(SimpleNamespace(clock_ahead_s=90.0), now).state == "warning"
    assert _clock(None, now + timedelta(days=1)).state == "ok"


def test_kernels_that_are_not_kept_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(warming, "unkept", lambda: ["indexes.search"])
    checks, _ = diagnose(str(tmp_path / "town.db"))
    (one,) = (c for c in checks if c.name == "kernels")
    assert one.state == "warning" and "indexes.search" in one.found and "--warm" in one.do


@pytest.mark.parametrize(
    "dsn", ["postgresql://a:b@h/d", "postgres://h/d", "postgresql:///d?host=/s"]
)
def test_a_label_holds_no_user_and_no_option(dsn):
    assert label_of(dsn).partition("://")[2] in ("h/d", "/d")


def test_a_store_of_another_kind_is_refused_and_its_password_is_told_nowhere(capsys):
    code, answer = asked(capsys, "--store", "mysql://app:secret@h/d")
    assert code == 1
    (store,) = (c for c in troubles(answer) if c["state"] == "wrong")
    assert store["found"] == "a store is postgresql://… or the path of a file, not mysql://…"
    assert "--store" in store["do"]
    assert "secret" not in json.dumps(answer)


def test_snapshots_are_told_with_their_age_and_a_damaged_one_is_no_fault_of_the_store(
    tmp_path, capsys
):
    path = tmp_path / "town.db"
    store = open_store(path)
    store.put(Tenant(tenant_id="t", id="t", name="Port-Mitoyen"))
    folder = tmp_path / "town.db.snapshots"
    _, answer = asked(capsys, "--store", str(path))
    assert check(answer, "snapshots")["found"] == f"none yet at {folder}"
    assert answer["settings"]["snapshots"] == str(folder)
    keeper = Keeper(store, "t", folder, str(path))
    Engine.over(store, "t", keeper)
    store.close()
    _, answer = asked(capsys, "--store", str(path))
    assert check(answer, "snapshots")["state"] == "ok"
    assert f"1 at {folder}" in check(answer, "snapshots")["found"]
    assert "written 0.0 h ago" in check(answer, "snapshots")["found"]
    (file,) = folder.glob("*.town")
    file.write_bytes(file.read_bytes()[:-1])
    code, answer = asked(capsys, "--store", str(path))
    assert (code, check(answer, "snapshots")["state"]) == (0, "warning")
    assert "1 refused: wanted a snapshot of" in check(answer, "snapshots")["found"]
    shutil.rmtree(folder)
    folder.write_text("no folder")
    code, answer = asked(capsys, "--store", str(path))
    assert (code, check(answer, "snapshots")["state"]) == (0, "warning")
    assert "MITOYEN_SNAPSHOTS" in check(answer, "snapshots")["do"]


def test_no_snapshots_are_looked_for_where_none_are_wanted(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MITOYEN_SNAPSHOTS", "")
    _, answer = asked(capsys, "--store", str(tmp_path / "town.db"))
    assert check(answer, "snapshots")["found"] == "none kept, as told"
