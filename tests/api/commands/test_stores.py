import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from api.cli import main
from indexes import Kind, Listing, Tenant, open_store

SHOP = Listing(tenant_id="t", id="p1", kind=Kind.MERCHANT, title="Pain", lon=5.371, lat=43.2951)


@pytest.fixture
def town(tmp_path: Path) -> Path:
    path = tmp_path / "town.db"
    store = open_store(path)
    store.put_all([Tenant(tenant_id="t", id="t", name="Port-Mitoyen"), SHOP])
    store.close()
    return path


def titles(dsn: Path | str) -> list[str]:
    store = open_store(dsn, create=False)
    try:
        return [listing.title for listing in store.page(Listing, "t")]
    finally:
        store.close()


def test_a_store_goes_to_postgis_and_back(town: Path, tmp_path: Path, postgis_dsn: str) -> None:
    assert main(["copy", str(town), postgis_dsn]) == 0
    assert titles(postgis_dsn) == ["Pain"]
    assert main(["copy", postgis_dsn, str(tmp_path / "back.db")]) == 0
    assert titles(tmp_path / "back.db") == ["Pain"]


def test_a_backup_is_restored(town: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "kept.mitoyen", tmp_path / "other.db"
    assert main(["backup", str(file), "--store", str(town)]) == 0
    assert main(["restore", str(file), "--store", str(other)]) == 0
    assert titles(other) == ["Pain"]


def test_what_would_overwrite_is_refused_in_one_line(
    town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.db"
    assert main(["copy", str(town), str(other)]) == 0
    text = tmp_path / "letter.txt"
    text.write_text("Chère voisine,")
    newer = tmp_path / "newer.db"
    assert main(["backup", str(newer), "--store", str(town)]) == 0
    with closing(sqlite3.connect(newer)) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
    capsys.readouterr()
    for args, said in (
        (["copy", str(town), str(other)], "is not empty"),
        (["copy", str(town), str(town)], "the two stores are one"),
        (["copy", str(tmp_path / "none.db"), str(other)], "there is no store at"),
        (["backup", str(other), "--store", str(town)], "is there already"),
        (["restore", str(town), "--store", str(other)], "is not empty"),
        (["restore", str(text), "--store", str(tmp_path / "new.db")], f"{text} is no backup"),
        (["restore", str(newer), "--store", str(tmp_path / "new.db")], "by a newer version"),
        (["copy", str(town), "mysql://host/town"], "not mysql://"),
    ):
        assert main(args) == 2
        told = capsys.readouterr().err
        assert said in told
        assert "mitoyen-restore-" not in told
        assert told.count("\n") == 1
    assert not (tmp_path / "none.db").exists()
