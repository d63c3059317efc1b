"""`/v1/activity`: a household was active in a week, and nothing else is known of it."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from indexes.district_facts import Quarter, week_of
from indexes.store import open_store


@pytest.fixture
def at(served):
    """Set the app's clock."""

    def set_clock(instant):
        served.app.state.clock = lambda: instant

    before = served.app.state.clock
    yield set_clock
    served.app.state.clock = before


def weeks(served, quarter):
    with closing(open_store(served.path)) as store:
        rows = store.facts("north", quarter).households.to_pylist()
    return {row["household"]: row["weeks"] for row in rows if row["weeks"]}


def test_a_household_is_active_once_a_week_whoever_of_it_says_so(served, at):
    body = {"household_id": "h-ana", "building_id": "b1"}
    assert served.ask("PUT", "/v1/members/ana2", "app", json=body).status_code == 201
    monday = datetime(2091, 1, 1, tzinfo=UTC)  # long after everybody has joined
    for member, days in (("ana", 0), ("ana", 0), ("ana2", 6), ("ana", 7), ("bob", 8)):
        at(monday + timedelta(days=days, hours=1))
        answer = served.ask("POST", "/v1/activity", "app", member)
        assert answer.status_code == 200
        assert answer.json() == {"week": f"2091-W{1 + days // 7:02}"}
    assert weeks(served, Quarter(2091, 1)) == {"h-ana": 2, "h-bob": 1}


def test_the_week_begins_at_the_towns_midnight(served, at):
    sunday = datetime(2090, 12, 31, 22, 59, tzinfo=UTC)  # 23:59 in Paris
    for instant, week in ((sunday, "2090-W52"), (sunday + timedelta(minutes=1), "2091-W01")):
        at(instant)
        assert served.ask("POST", "/v1/activity", "app", "cleo").json() == {"week": week}


def test_only_a_member_is_active(served):
    for who, member, status in (
        ("app", None, 403), ("app", "nobody", 403), ("operator", None, 403), ("local", None, 401)
    ):  # fmt: skip
        answer = served.ask("POST", "/v1/activity", who, member)
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_nobody_says_when_they_were_active(served):
    answer = served.ask("POST", "/v1/activity?week=2026-W01", "app", "dan")
    assert answer.status_code == 422


def test_a_week_is_told_as_the_calendar_has_it():
    noon = datetime(2027, 1, 3, 12, tzinfo=UTC)
    assert week_of(noon, ZoneInfo("Europe/Paris")) == "2026-W53"
