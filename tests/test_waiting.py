"""What a test is told that waits in vain."""

from dataclasses import replace
from pathlib import Path

import pytest
import waiting

from geo.errors import IndexBehindError
from indexes.entities import Tenant
from indexes.store import open_store
from matching import Engine


def test_who_waits_in_vain_is_told_what_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_S", 0.0)
    store = open_store(tmp_path / "town.db")
    now = store.put(Tenant(tenant_id="t", id="t", name="T"))
    engine = Engine.over(store, "t")
    waiting.until_shown(engine, now)
    with pytest.raises(IndexBehindError) as behind:
        waiting.until_shown(engine, replace(now, seq=now.seq + 1))
    told = "\n".join(behind.value.__notes__)
    for known in (f"LiveTown is at {now}", f"TrustTown is at {now}", "thread MainThread"):
        assert known in told
    store.close()
