"""Fixtures: the town that other platforms ask, and what holds its answers to the standard."""

from collections.abc import Iterator

import pytest
from covoiturage_checker import Checker, standard
from covoiturage_town import NOW, Asked, fill, served

from api.covoiturage.limits import Limiter
from indexes.store import open_store


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    path = tmp_path_factory.mktemp("town") / "town.db"
    store = open_store(path)
    fill(store)
    store.close()
    yield from served(path)


@pytest.fixture
def town(running: Asked) -> Asked:
    running.set(clock=lambda: NOW, limiter=Limiter(burst=10**9))
    return running


@pytest.fixture
def checker() -> Checker:
    return Checker(standard())
