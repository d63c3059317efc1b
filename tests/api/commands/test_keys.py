"""`mitoyen keys`: a secret is shown once, kept as a digest, and gone when revoked."""

import json

import pytest

from api.auth import digest_of
from api.cli import main
from indexes.entities import Scope
from indexes.store import open_store


@pytest.fixture
def keys(tmp_path, capsys):
    def run(*args):
        code = main(["keys", *args, "--store", str(tmp_path / "a.db")])
        return code, capsys.readouterr()

    return run


def test_a_key_is_made_listed_and_revoked(keys, tmp_path):
    code, told = keys("create", "--scope", "app", "--scope", "planner", "--name", "the app")
    secret = told.out.strip()
    assert code == 0 and secret.startswith("mitoyen_") and "\n" not in secret
    store = open_store(tmp_path / "a.db")
    found = store.find_key(digest_of(secret))
    assert found is not None and found.scopes == {Scope.APP, Scope.PLANNER}
    _, listed = keys("list", "--json")
    (row,) = json.loads(listed.out)
    assert row["id"] == found.id and row["scopes"] == "app, planner"
    assert secret not in listed.out and found.secret_sha256 not in listed.out
    assert keys("revoke", found.id)[0] == 0
    assert store.find_key(digest_of(secret)) is None
    store.close()


def test_an_unknown_key_revokes_nothing(keys, tmp_path):
    made = json.loads(keys("create", "--scope", "app", "--json")[1].out)
    code, told = keys("revoke", made["id"], "key-none")
    assert code == 2 and "key-none" in told.err
    assert len(json.loads(keys("list", "--json")[1].out)) == 1


def test_a_tenant_is_made_only_if_asked_for(keys):
    assert keys("create", "--scope", "operator", "--tenant", "south")[0] == 2
    assert keys("create", "--scope", "operator", "--tenant", "south", "--new-tenant")[0] == 0
    assert keys("create", "--scope", "operator", "--tenant", "south")[0] == 0


def test_a_scope_is_needed_and_known(keys):
    for args in ((), ("--scope", "root")):
        assert keys("create", *args)[0] == 2
