"""A town from its file answers as one read whole; a file of no use is refused, and read anew."""

import logging
import os
import stat
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from near_checks import assert_equal, walked
from town_changes import EVERY, Changes
from waiting import PATIENCE_S
from worlds import NOW, make_questions, make_town

import matching.towns.keeping
import matching.towns.live
from geo.errors import NotFoundError, SnapshotError
from indexes.entities import Kind, Listing, Tenant
from indexes.store import Store, open_store
from matching import ANYONE, Engine, NearQuery
from matching.towns.keeping import Keeper
from matching.towns.live import LiveTown
from matching.towns.saved import open_base, read_base, save_base

SHOP = Listing(tenant_id="t", id="a", kind=Kind.MERCHANT, title="Le Four", lon=5.37, lat=43.29)
QUERY = NearQuery(at=NOW, origin=(5.37, 43.29), radius_m=500.0, limit=200)


class Counted:
    """A store that counts how often all listings of a tenant were read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.whole = 0
        self.slow_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def listing_table(self, tenant_id: str, ids: Collection[str] | None = None) -> pa.Table:
        if ids is None:
            self.whole += 1
            time.sleep(self.slow_s)
        return self._store.listing_table(tenant_id, ids)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "town.db"


@pytest.fixture
def store(path: Path) -> Iterator[Any]:
    opened = open_store(path)
    opened.put_all([Tenant(tenant_id="t", id="t", name="Port-Mitoyen"), SHOP, shop("c")])
    yield Counted(opened)
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


def shop(id: str) -> Listing:
    return replace(SHOP, id=id)


def started(store: Any, folder: Path, tenant_id: str = "t") -> Engine:
    dsn = store.label
    return Engine.over(store, tenant_id, Keeper(store, tenant_id, folder, dsn))


def file_of(folder: Path) -> Path:
    (found,) = folder.glob("*.town")
    return found


def found(engine: Engine) -> str:
    return "".join(match.id for match in engine.near(ANYONE, QUERY).matches)


@pytest.mark.parametrize(("seed", "listings"), [(1, 150), (2, 150), (3, 3), (4, 0)])
def test_a_mapped_town_answers_as_the_oracle_and_so_do_changes_since(
    path: Path, folder: Path, seed: int, listings: int
) -> None:
    store: Any = Counted(open_store(path))
    town = make_town(seed, listings=listings)
    town.put(store)
    started(store, folder)
    assert store.whole == 1
    changes = Changes(town, store)
    for i in range(4):
        mapped = started(store, folder)
        for viewer, query in make_questions(town, seed + i, 15):
            assert_equal(walked(mapped, viewer, query), town, viewer, query)
        for n, name in enumerate(EVERY):
            changes.some(100 * seed + 20 * i + n, name)
    assert store.whole == 1
    assert mapped.keeper is not None
    assert (mapped.keeper.refused, mapped.keeper.trouble) == (0, "")
    store.close()


def test_files_are_for_their_owner_and_their_names_tell_nothing(store: Any, folder: Path) -> None:
    store.put(Tenant(tenant_id="../../etc/x", id="../../etc/x", name="T"))
    started(store, folder, "../../etc/x")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (lock, file) = sorted(folder.iterdir())
    assert lock.stem == file.stem and len(file.stem) == 32
    assert [stat.S_IMODE(one.stat().st_mode) for one in (lock, file)] == [0o600, 0o600]


def test_no_flipped_byte_is_let_in(store: Any, folder: Path) -> None:
    started(store, folder)
    path, now = file_of(folder), store.position()
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    for at in (0, 9, len(whole) - 1, *rng.integers(0, len(whole), 100).tolist()):
        damaged = bytearray(whole)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with pytest.raises(SnapshotError):
            open_base(path, "t", now)
    path.write_bytes(whole)
    assert open_base(path, "t", now).position == now


def test_a_damaged_file_is_refused_said_and_made_anew(
    store: Any, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started(store, folder)
    path = file_of(folder)
    path.write_bytes(path.read_bytes()[:-70])
    engine = started(store, folder)
    assert found(engine) == "ac"
    assert engine.keeper is not None
    assert (engine.keeper.refused, engine.keeper.trouble, store.whole) == (1, "", 2)
    assert "a snapshot was refused" in caplog.text
    started(store, folder)
    assert store.whole == 2


def test_a_file_of_other_code_store_tenant_or_time_is_refused(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "one.town", store.position()
    save_base(path, read_base(store, "t"), "t")
    with pytest.raises(SnapshotError, match="another store or tenant"):
        open_base(path, "u", now)
    with pytest.raises(SnapshotError, match="another store or tenant"):
        open_base(path, "t", replace(now, store="other"))
    with pytest.raises(SnapshotError, match="later state"):
        open_base(path, "t", replace(now, seq=now.seq - 1))
    with pytest.raises(NotFoundError):
        open_base(tmp_path / "two.town", "t", now)
    monkeypatch.setattr(matching.towns.saved, "_schema", lambda: "other")
    with pytest.raises(SnapshotError, match="schema"):
        open_base(path, "t", now)


def test_a_file_from_before_what_the_store_still_knows_is_refused(
    store: Any, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started(store, folder)
    store.put(shop("b"))
    store.trim(-1)
    store.put(shop("d"))
    assert found(started(store, folder)) == "abcd"
    assert store.whole == 2
    assert "dropped" in caplog.text


def test_of_several_that_start_one_reads_the_store(store: Any, folder: Path) -> None:
    store.slow_s = 0.5
    engines: list[Engine] = []
    threads = [
        threading.Thread(target=lambda: engines.append(started(store, folder))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert [found(engine) for engine in engines] == ["ac"] * 4
    assert store.whole == 1


def test_who_waits_in_vain_reads_the_store_and_writes_nothing(
    store: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    sleep = time.sleep

    def seen_asleep(seconds: float) -> None:
        seen.append(keeper.doing)
        sleep(seconds)

    monkeypatch.setattr(matching.towns.live, "WAIT_S", 0.5)
    monkeypatch.setattr(time, "sleep", seen_asleep)
    with Keeper(store, "t", folder, "").turn(0.0) as mine:
        assert mine
        keeper = Keeper(store, "t", folder, "")
        engine = Engine.over(store, "t", keeper)
        assert found(engine) == "ac"
    assert "waiting for another process to write the snapshot" in seen
    assert not list(folder.glob("*.town"))


def test_where_nobody_may_write_all_goes_on_and_it_is_said_once(
    store: Any, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_text("a file, where a folder is wanted")
    engine = started(store, folder)
    store.put(shop("b"))
    engine.refresh()
    engine._town.rebuild()
    assert found(engine) == "abc"
    assert engine.keeper is not None
    assert "nobody may write" in engine.keeper.trouble
    assert engine.keeper.age_s is None
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert [one.getMessage() for one in warnings] == [
        "no snapshot is kept: nobody may write there: File exists"
    ]


def test_a_file_that_can_not_be_written_leaves_the_town_that_was_read(
    store: Any, folder: Path
) -> None:
    keeper = Keeper(store, "t", folder, "")
    keeper._path.mkdir(parents=True)  # nothing can take its name
    engine = Engine.over(store, "t", keeper)
    assert found(engine) == "ac"
    assert store.whole == 1
    assert "could not be written" in keeper.trouble


def test_when_much_has_changed_another_process_writes_and_all_map_its_file(
    store: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching.towns.keeping, "MUCH_ROWS", 2)
    monkeypatch.setattr(matching.towns.live, "ASIDE_ROWS", 0)
    one, other = started(store, folder), started(store, folder)
    before = file_of(folder).stat().st_ino
    store.put_all([shop("b"), shop("d"), shop("e")])
    one.refresh()
    assert file_of(folder).stat().st_ino != before
    other.refresh()
    store.delete(Listing, "t", "c")
    for engine in (one, other):
        assert (engine.pending, engine.rebuilds) == (0, 1)
        engine.refresh()
        assert found(engine) == "abde"
    assert store.whole == 1  # the rest was read in a process of its own


def test_while_one_makes_a_file_nobody_else_does(
    store: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching.towns.keeping, "MUCH_ROWS", 0)
    engine = started(store, folder)
    store.put(shop("b"))
    with Keeper(store, "t", folder, "").turn(0.0):
        engine.refresh()
    assert (engine.rebuilds, store.whole, found(engine)) == (0, 1, "abc")


def test_a_process_that_fails_is_said_and_what_must_be_read_is(
    store: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching.towns.live, "ASIDE_ROWS", 0)
    keeper = Keeper(store, "t", folder, str(folder / "nowhere.db"))
    engine = Engine.over(store, "t", keeper)
    store.put(shop("b"))
    engine._town.rebuild()
    assert found(engine) == "abc"
    assert "there is no store at" in keeper.trouble


def test_an_old_file_is_made_anew_if_anything_has_changed(store: Any, folder: Path) -> None:
    engine = started(store, folder)
    town: LiveTown = engine._town
    path = file_of(folder)

    def age(hours: float) -> None:
        at = time.time() - 3600 * hours
        os.utime(path, (at, at))
        assert engine.keeper is not None
        engine.keeper._seen = engine.keeper._stamp()

    age(2)
    assert not town.wants_rebuild
    store.put(Tenant(tenant_id="u", id="u", name="Elsewhere"))
    town.catch_up()
    assert not town.wants_rebuild  # nothing of its own
    age(25)
    assert town.wants_rebuild  # before the store forgets what came since
    age(0.5)
    store.put(shop("b"))
    town.catch_up()
    assert not town.wants_rebuild
    age(2)
    assert town.wants_rebuild
    engine.refresh()
    assert engine.keeper is not None and engine.keeper.age_s is not None
    assert engine.keeper.age_s < 60
    assert (engine.pending, town.wants_rebuild) == (0, False)
