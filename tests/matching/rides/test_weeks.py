from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import InputError
from indexes.journeys import Role, Schedule, Trip, WeeklyTime
from matching.rides.answers import WEEKDAYS
from matching.rides.book import TripBook
from matching.rides.carpool import ANYBODY, TripQuery
from matching.rides.weeks import DAY_WORTH_MIN, SWITCH_MIN, cover_week, find_round_trips
from matching.trips import find_drivers

THERE = ((5.37, 43.30), (5.41, 43.30), (5.45, 43.30))
SECONDS = (0.0, 324.0, 648.0)
MONDAY = date(2026, 9, 7)


def weekly(*days, second=28_800):
    return Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=days, second=second),))


def a_trip(id, schedule, *, line=THERE, owner=None):
    return Trip(
        tenant_id="t", id=id, role=Role.DRIVER, lonlat=line, times_s=SECONDS,
        schedule=schedule, seats=2, owner_id=owner or id,
    )  # fmt: skip


def a_query(schedule):
    return TripQuery(
        origin=(5.38, 43.301), destination=(5.44, 43.301), schedule=schedule, first=MONDAY
    )


def there_and_back(trips, back):
    asking = TripBook(trips).view, ANYBODY, a_query(weekly(0))
    return find_round_trips(find_drivers(*asking), *asking, back)


def test_a_way_back_is_with_the_same_owner_where_that_is_possible():
    back_line = THERE[::-1]
    evening = weekly(0, second=64_800)
    trips = [
        a_trip("ada-out", weekly(0), owner="ada"),
        a_trip("ada-back", weekly(0, second=65_100), line=back_line, owner="ada"),
        a_trip("bob-out", weekly(0), owner="bob"),
        a_trip("cyd-back", evening, line=back_line, owner="cyd"),
    ]
    pairs = there_and_back(trips, evening)
    told = [(pair.out.id, pair.back.id, pair.back_by) for pair in pairs]
    assert sorted(told) == [("ada-out", "ada-back", "same"), ("bob-out", "cyd-back", "other")]
    for pair in pairs:
        risk = 0 if pair.back_by == "same" else 5
        assert pair.cost_min == pytest.approx(pair.out.cost_min + pair.back.cost_min + risk)


def test_a_way_there_without_one_back_is_told_and_costs_the_risk():
    (pair,) = there_and_back([a_trip("out", weekly(0))], weekly(0, second=64_800))
    assert (pair.back, pair.back_by) == (None, "none")
    assert pair.cost_min == pytest.approx(pair.out.cost_min + 30)


def test_two_drivers_cover_a_week_and_a_day_that_nobody_drives_is_missing():
    trips = [a_trip("a", weekly(0, 1, 2)), a_trip("b", weekly(3)), a_trip("c", weekly(1))]
    cover = cover_week(TripBook(trips).view, ANYBODY, a_query(weekly(0, 1, 2, 3, 4)))
    assert [(match.id, days) for match, days in cover.chosen] == [
        ("a", ("MON", "TUE", "WED")),
        ("b", ("THU",)),
    ]
    assert cover.missing == ("FRI",)


def test_no_driver_is_added_for_less_than_a_switch_costs():
    trips = [a_trip("a", weekly(0, 1)), a_trip("b", weekly(1, second=28_860))]
    cover = cover_week(TripBook(trips).view, ANYBODY, a_query(weekly(0, 1)))
    assert [match.id for match, _ in cover.chosen] == ["a"]


def test_who_drives_both_ways_is_one_driver_to_agree_with():
    evening = weekly(0, 1, second=64_800)
    trips = [
        a_trip("ada-out", weekly(0, 1), owner="ada"),
        a_trip("ada-late", weekly(2, second=28_860), owner="ada"),
        a_trip("ada-back", evening, line=THERE[::-1], owner="ada"),
        a_trip("bob-back", weekly(0, 1, 2, second=64_860), line=THERE[::-1], owner="bob"),
    ]
    asked = TripBook(trips).view, ANYBODY, a_query(weekly(0, 1, 2, 3))
    cover = cover_week(*asked, back=weekly(0, 1, 2, 3, second=64_800))
    assert told(cover) == [("ada-out", ("MON", "TUE")), ("ada-late", ("WED",))]
    assert told(cover.back) == [("ada-back", ("MON", "TUE")), ("bob-back", ("WED",))]
    assert cover.missing == cover.back.missing == ("THU",)
    assert cover_week(*asked).back is None
    # There and back with Ada is worth more than anything with Bob.
    one = cover_week(*asked[:2], replace(asked[2], limit=1), back=weekly(0, 1, 2, second=64_800))
    assert told(one.back) == [("ada-back", ("MON", "TUE"))] and one.back.missing == ("WED",)


def told(cover):
    return [(match.id, days) for match, days in cover.chosen]


EVENING_S = 64_800


@given(
    st.lists(
        st.tuples(
            st.sets(st.integers(0, 4), min_size=1), st.integers(0, 12), st.booleans(),
            st.integers(0, 3),
        ),
        max_size=7,
    )
)  # fmt: skip
def test_a_cover_is_never_far_from_the_best_of_its_size(drives):
    trips = [
        a_trip(
            f"t{i}",
            weekly(*sorted(days), second=(EVENING_S if back else 28_800) + 60 * late),
            line=THERE[::-1] if back else THERE,
            owner=f"driver{owner}",
        )
        for i, (days, late, back, owner) in enumerate(drives)
    ]
    view, query = TripBook(trips).view, a_query(weekly(0, 1, 2, 3, 4))
    evening = weekly(0, 1, 2, 3, 4, second=EVENING_S)
    cover = cover_week(view, ANYBODY, query, back=evening)
    back = replace(query, origin=query.destination, destination=query.origin, schedule=evening)
    ways = [find_drivers(view, ANYBODY, one) for one in (query, back)]

    def worth(owners):
        return sum(
            max(
                (
                    DAY_WORTH_MIN - match.cost_min + match.terms["unmatched_days"]
                    for match in matches
                    if match.owner_id in owners and day in match.days
                ),
                default=0.0,
            )
            for matches in ways
            for day in WEEKDAYS
        )

    everybody = {match.owner_id for matches in ways for match in matches}
    chosen = {match.owner_id for way in (cover, cover.back) for match, _ in way.chosen}
    best = max((worth(some) for some in combinations(everybody, len(chosen))), default=0.0)
    assert worth(chosen) >= (1 - 1 / 2.718281828) * best - 1e-9
    for owner in everybody:
        assert worth({*chosen, owner}) - worth(chosen) <= SWITCH_MIN + 1e-9
    for way, matches in zip((cover, cover.back), ways, strict=True):
        days = [day for _, own in way.chosen for day in own]
        with_chosen = {day for m in matches if m.owner_id in chosen for day in m.days}
        assert sorted(days) == sorted(with_chosen)  # each once, and nobody drives the others
        assert set(way.missing) == set(WEEKDAYS[:5]) - with_chosen
    few = cover_week(view, ANYBODY, replace(query, limit=1), back=evening)
    assert len({match.owner_id for way in (few, few.back) for match, _ in way.chosen}) <= 1


def test_a_search_for_once_has_no_week_to_cover():
    once = Schedule(timezone="Europe/Paris", at=datetime(2026, 9, 7, 6, tzinfo=UTC))
    with pytest.raises(InputError, match="weekly"):
        cover_week(TripBook().view, ANYBODY, a_query(once))
