"""Learned models beside a running town: taken up, given up, never believed blindly."""

from pathlib import Path

import pytest

from api.models import ModelFile
from api.towns import Town
from indexes.entities import Tenant
from indexes.store import open_store
from matching.recommending.model import FORMULA, Model, Terms

LEARNED = Model(Terms(0.2, 0.2, 0.2, 0.2, 0.2), slope=2.0, intercept=-3.0)


@pytest.fixture
def town(tmp_path):
    store = open_store(tmp_path / "town.db")
    store.put(Tenant(tenant_id="t", id="t", name="T"))
    town = Town(store, "t", models=tmp_path / "models")
    yield town
    town.close()
    store.close()


def test_a_model_is_taken_up_when_it_comes_changes_and_goes(town, tmp_path):
    path = ModelFile(town.store, "t", tmp_path / "models").path
    assert town.engine.model is FORMULA
    for model in (LEARNED, Model(LEARNED.weights, slope=3.0, intercept=-3.0)):
        model.save(path)
        town.follow()
        assert town.engine.model == model
    path.unlink()
    town.follow()
    assert town.engine.model is FORMULA


def test_a_damaged_model_leaves_the_formula_and_is_logged_once(town, tmp_path, caplog):
    path = ModelFile(town.store, "t", tmp_path / "models").path
    LEARNED.save(path)
    town.follow()
    path.write_text('{"layout": 1, "weights": {}}')
    for _ in range(3):
        town.follow()
    assert town.engine.model is FORMULA
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "model was refused" in caplog.text and str(tmp_path) not in caplog.text
    LEARNED.save(path)
    town.follow()
    assert town.engine.model == LEARNED


def test_each_tenant_of_each_store_has_a_file_of_its_own(tmp_path):
    names = set()
    for file in ("a.db", "b.db"):
        store = open_store(tmp_path / file)
        names |= {ModelFile(store, tenant, Path("m")).path for tenant in ("t", "u", "../t")}
        store.close()
    assert len(names) == 6 and {path.parent for path in names} == {Path("m")}
