"""Empty stores, and what time it is for every engine that isn't told otherwise."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from near_oracle import NOW

import matching.trusting.town
from indexes.store import Store, open_store


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching.trusting.town, "utc_now", lambda: NOW)


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Store]]:
    """Makes an empty SQLite store; all are closed in the end."""
    folder = tmp_path_factory.mktemp("stores")
    stores: list[Store] = []

    def make() -> Store:
        stores.append(open_store(Path(folder, f"{len(stores)}.db")))
        return stores[-1]

    yield make
    for store in stores:
        store.close()
