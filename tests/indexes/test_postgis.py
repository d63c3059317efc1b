"""What PostgreSQL alone can do to who reads."""

from contextlib import closing

import psycopg
import pytest
from store_records import SHOP, TENANT

import indexes.postgis
from geo.errors import StoreError
from indexes.store import open_store


def test_a_read_of_all_fails_that_waits_for_a_table_which_somebody_changes(
    postgis_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long reading takes: or one that never comes would hold up those behind it."""
    monkeypatch.setattr(indexes.postgis, "LOCK_S", 0.1)
    with closing(open_store(postgis_dsn)) as store, psycopg.connect(postgis_dsn) as operator:
        store.put_all([TENANT, SHOP])
        operator.execute("ALTER TABLE listings ADD COLUMN spare text")  # and then goes for lunch
        with pytest.raises(StoreError, match="lock timeout"):
            store.listing_table("t")
        operator.rollback()
        assert store.listing_table("t").num_rows == 1
