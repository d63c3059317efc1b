from datetime import UTC, datetime

import pytest

from indexes import Building, Household, Member, Tenant, open_store
from indexes.district_facts import ActivityWeek, Quarter
from matching.planning.retention import forget_activity

QUARTERS = [Quarter(year, number) for year in (2025, 2026) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("now", "kept"),
    [
        ("2026-11-23T12:00:00+00:00", QUARTERS[2:]),
        ("2026-09-30T21:59:59+00:00", QUARTERS[1:]),  # in Paris it is still September
        ("2026-09-30T22:00:00+00:00", QUARTERS[2:]),
    ],
)
def test_weeks_are_kept_for_five_quarters_and_the_present_one(tmp_path, now, kept) -> None:
    store = open_store(tmp_path / "town.db")
    store.put(Tenant(tenant_id="t", id="t", name="Ville"))
    store.put_all(
        [
            Building(tenant_id="t", id="b", lon=5.37, lat=43.29),
            Household(tenant_id="t", id="h", building_id="b"),
            Member(
                tenant_id="t",
                id="m",
                household_id="h",
                created_at=datetime(2024, 1, 1, tzinfo=UTC),
            ),
        ]
    )
    store.put_activity(
        ActivityWeek(tenant_id="t", household_id="h", week=week)
        for quarter in QUARTERS
        for week in quarter.weeks
    )
    dropped = forget_activity(store, "t", datetime.fromisoformat(now))
    assert dropped == 13 * (len(QUARTERS) - len(kept))
    assert forget_activity(store, "t", datetime.fromisoformat(now)) == 0
    for quarter in QUARTERS:
        (weeks,) = store.facts("t", quarter).households["weeks"].to_pylist()
        assert weeks == (13 if quarter in kept else 0)
    store.close()
