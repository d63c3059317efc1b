"""What time it is for every engine of these tests that isn't told otherwise."""

import pytest
from near_oracle import NOW

import matching.trusting.town


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching.trusting.town, "_utc_now", lambda: NOW)
