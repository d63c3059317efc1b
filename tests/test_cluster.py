"""The private PostGIS does what the tests that use it rely on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from cluster import Server
from sqlalchemy import make_url
from waiting import until


@pytest.fixture
def socket_folder(postgis: Server) -> Path:
    if os.environ.get("MITOYEN_TEST_DSN"):
        pytest.skip("the server is not ours")
    return Path(str(make_url(postgis.dsn).query["host"]))


def test_each_test_gets_an_empty_database_that_knows_the_earth(postgis_dsn):
    with psycopg.connect(postgis_dsn) as connection:
        (metres,) = connection.execute(
            "SELECT ST_Distance('POINT(5.374 43.2951)'::geography, 'POINT(5.371242 43.2839455)',"
            " use_spheroid => false)"
        ).fetchone()
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
    assert round(metres) == 1260
    assert tables == [("spatial_ref_sys",)]


def test_a_database_is_dropped_even_while_somebody_is_connected(postgis):
    with postgis.database() as dsn:
        connection = psycopg.connect(dsn)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)


def test_the_cluster_listens_on_a_socket_only_and_not_as_root(postgis, socket_folder):
    with psycopg.connect(postgis.dsn) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert (socket_folder / "data").stat().st_uid != 0


def test_nothing_of_the_servers_own_holds_up_the_changes_of_a_test(postgis, socket_folder):
    with psycopg.connect(postgis.dsn) as connection:
        assert connection.execute("SHOW autovacuum").fetchone() == ("off",)


def test_the_cluster_is_gone_even_after_its_owner_was_killed(socket_folder):
    code = (
        "from cluster import postgis_server\nimport time\n"
        "with postgis_server() as server:\n    print(server.dsn, flush=True)\n    time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    dsn = owner.stdout.readline().strip()
    folder = Path(str(make_url(dsn).query["host"]))
    assert folder.exists() and folder != socket_folder
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    until(lambda: not folder.exists())
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)
