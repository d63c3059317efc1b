"""Fixtures for every test: PostGIS, Hypothesis profiles, a home of its own.

``MITOYEN_TEST_PROFILE=quick`` leaves PostGIS out and tries fewer examples;
``MITOYEN_REQUIRE_POSTGIS=1`` (or ``CI=true``) makes its absence a failure, not a skip.
"""

import os
from collections.abc import Iterator

import pytest
from cluster import PostgisMissingError, Server, postgis_server
from hypothesis import HealthCheck, settings

QUICK = os.environ.get("MITOYEN_TEST_PROFILE") == "quick"
CI = os.environ.get("CI", "").lower() in ("1", "true")
# Schemathesis draws a seed of its own, whatever Hypothesis is told.
FIXED_SEED = {"seed": 1} if CI else {}
REQUIRE_POSTGIS = CI or bool(os.environ.get("MITOYEN_REQUIRE_POSTGIS"))

# The first call of a kernel compiles it, which no deadline allows for.
for name, examples in (("quick", 20), ("default", 100)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=CI,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("quick" if QUICK else "default")


@pytest.fixture(scope="session", autouse=True)
def home_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test may read the settings, or write to the store, of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("MITOYEN_") and not name.startswith(("MITOYEN_TEST", "MITOYEN_REQ")):
                patch.delenv(name)
        for kind in ("data", "cache"):
            patch.setenv(f"XDG_{kind.upper()}_HOME", str(tmp_path_factory.mktemp(kind)))
        yield


@pytest.fixture(scope="session")
def postgis() -> Iterator[Server]:
    if QUICK:
        pytest.skip("quick: SQLite only")
    try:
        with postgis_server() as server:
            yield server
    except PostgisMissingError as error:
        if REQUIRE_POSTGIS:
            raise
        pytest.skip(str(error))


@pytest.fixture
def postgis_dsn(postgis: Server) -> Iterator[str]:
    """DSN of an empty database with PostGIS, this test's own."""
    with postgis.database() as dsn:
        yield dsn
