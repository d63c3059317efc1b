"""Each store in turn: every test that takes one of these runs against both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_records import TOWN

from indexes.store import Store, open_store


@pytest.fixture(params=["sqlite", "postgis"])
def dsn(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgis":
        return str(request.getfixturevalue("postgis_dsn"))
    return str(tmp_path / "store.db")


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    opened = open_store(dsn)
    yield opened
    opened.close()


@pytest.fixture
def town(store: Store) -> Store:
    store.put_all(TOWN)
    return store


@pytest.fixture(scope="module", params=["sqlite", "postgis"])
def shared_town(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A town that tests only read, or try in vain to write."""
    if request.param == "sqlite":
        opened = open_store(tmp_path_factory.mktemp("shared") / "store.db")
        opened.put_all(TOWN)
        yield opened
        opened.close()
        return
    with request.getfixturevalue("postgis").database() as dsn:
        opened = open_store(dsn)
        opened.put_all(TOWN)
        yield opened
        opened.close()
