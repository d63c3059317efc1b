"""What the benchmark of districts counts is there: a small town and country, start to end."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from benchmarks.bench_districts import QUICK, run, same
from benchmarks.districts_town import QUARTER, TENANT, Town
from indexes.store import open_store

SMALL = replace(
    QUICK, iris=9, households=500, listings=600, country_iris=4, country_households=300, asked=4
)


def test_a_small_town_is_released_and_read_from_start_to_end() -> None:
    result = run(SMALL)
    town, country = result["releases"]
    assert town["exact"] is True
    assert town["zones"] > SMALL.iris and country["zones"] > SMALL.country_iris
    for name in ("release_s", "national_s", "district_ms", "items_ms", "tile_p99_ms"):
        assert result[name] > 0
    assert min(result["bytes"].values()) > 100


def test_a_store_that_holds_less_than_was_put_in_is_told(tmp_path: Path) -> None:
    town = Town(4, 100, 200, (0.02, 0.015), 0.5)
    store = open_store(tmp_path / "town.db")
    town.put(store)
    found = store.facts(TENANT, QUARTER)
    store.close()
    wanted = town.facts()
    assert same(found, wanted)
    for name in ("households", "buildings", "listings"):
        table: pa.Table = getattr(wanted, name)
        assert not same(found, replace(wanted, **{name: table.slice(1)}))
