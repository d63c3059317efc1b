"""Journeys told to other platforms, against walking every line by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import journeys_oracle as oracle
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geo.errors import InputError
from indexes.entities import Audience
from indexes.journeys import Anchor, Role, Schedule, Trip, WeeklyTime
from matching.detour import Ride
from matching.rides.book import TripBook
from matching.rides.journey import JourneyId, Way, Within, weekly_windows
from matching.rides.journeys import driver_journeys, passenger_journeys, ride_on

MONDAY = date(2026, 11, 23)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
EDGE_M = 2 * oracle.STEP_M
CITY = np.array((5.40, 43.30))


def instant(hour: float, day: date = MONDAY) -> int:
    """Seconds since 1970 of an hour in Paris."""
    shown = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 1)
    return int(shown.timestamp())


def a_trip(rng: np.random.Generator, number: int, role: Role) -> Trip:
    points = int(rng.integers(2, 9))
    line = CITY + np.cumsum(rng.normal(0.0, 0.006, (points, 2)), axis=0)
    times = np.concatenate(([0.0], np.cumsum(rng.uniform(20.0, 300.0, points - 1))))
    schedule: dict[str, Any] = {"anchor": Anchor.ARRIVE if rng.random() < 0.4 else Anchor.DEPART}
    if rng.random() < 0.5:
        hour = float(rng.uniform(6.0, 10.0))
        schedule["at"] = datetime.fromtimestamp(instant(hour), UTC)
    else:
        days = tuple(sorted(rng.choice(7, int(rng.integers(1, 6)), replace=False).tolist()))
        schedule["weekly"] = (WeeklyTime(days=days, second=int(rng.integers(6, 10) * 3_600)),)
        if rng.random() < 0.3:
            schedule["removed"] = (MONDAY,)
    return Trip(
        tenant_id="t",
        id=f"trip-{number:02}",
        role=role,
        lonlat=tuple(map(tuple, line.round(7).tolist())),
        times_s=tuple(times.round(3).tolist()),
        schedule=Schedule(timezone="Europe/Paris", **schedule),
    )


def drive(**fields: Any) -> Trip:
    """Ten kilometres to the east at 36 km/h, from eight o'clock on that Monday."""
    made = {
        "lonlat": ((5.30, 43.30), (5.36, 43.30), (5.423, 43.30)),
        "times_s": (0.0, 485.0, 995.0),
        "schedule": Schedule(timezone="Europe/Paris", at=datetime.fromtimestamp(instant(8.0), UTC)),
    }
    return Trip(**{"tenant_id": "t", "id": "east", "role": Role.DRIVER, **made, **fields})


EAST = Way((5.36, 43.302), (5.41, 43.301), 1_000.0, 1_000.0)
AT_EIGHT = [Within(instant(8.0) - 900, instant(8.0) + 900, instant(8.0))]


def found_of(trips: list[Trip], way: Way = EAST, **more: Any) -> list[Any]:
    return driver_journeys(TripBook(trips).view, way, AT_EIGHT, **{"now": LONG_AGO, **more})


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_driver_within_radii_and_window_is_told_and_no_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trips = [a_trip(rng, number, Role.DRIVER) for number in range(8)]
    ends = [tuple((CITY + rng.normal(0, 0.006, 2)).round(7).tolist()) for _ in range(2)]
    radii = float(rng.uniform(200, 1_500)), float(rng.uniform(200, 1_500))
    meant, delta = instant(float(rng.uniform(6.0, 10.0))), int(rng.integers(0, 5_400))
    way = Way(ends[0], ends[1], *radii)
    window = Within(meant - delta, meant + delta, meant)
    told = driver_journeys(TripBook(trips).view, way, [window], now=LONG_AGO)
    assert len({journey.id for journey in told}) == len(told)
    assert told == sorted(told, key=lambda journey: journey.rank)
    by_id = {(one.trip.id, one.day): one for one in told}
    for trip in trips:
        for day, start in oracle.starts(trip, MONDAY - timedelta(3), MONDAY + timedelta(3)):
            one = by_id.pop((trip.id, day), None)

            def least(edge: float, trip: Trip = trip, start: float = start) -> float | None:
                wider = radii[0] + edge, radii[1] + edge
                # A second is some metres of the line: the same margin in time.
                times = window.earliest - edge / 4, window.latest + edge / 4
                return oracle.rides(trip, start, ends[0], ends[1], wider, times)

            if one is None:
                assert least(-EDGE_M) is None, (trip.id, day)
                continue
            assert least(EDGE_M) is not None, (trip.id, day)
            assert oracle.metres(one.pickup, ends[0]) <= radii[0] + 1e-6
            assert oracle.metres(one.dropoff, ends[1]) <= radii[1] + 1e-6
            assert window.earliest <= one.pickup_at <= window.latest
            assert one.pickup_s < one.dropoff_s
            assert abs(one.pickup_at - (start + one.pickup_s)) <= 0.5
    assert not by_id


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_rider_gets_in_and_out_where_the_walks_are_least(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trip = a_trip(rng, 0, Role.DRIVER)
    # Ends on the way itself, far apart: their circles don't overlap.
    ends = trip.lonlat[0], trip.lonlat[-1]
    radius = min(1_000.0, 0.4 * oracle.metres(*ends))
    starts = list(oracle.starts(trip, MONDAY, MONDAY + timedelta(6)))
    assume(starts)  # some don't take place that week
    day, start = starts[0]
    window = Within(int(start) - 7_200, int(start) + 7_200, int(start))
    way = Way(ends[0], ends[1], radius, radius)
    told = driver_journeys(TripBook([trip]).view, way, [window], now=LONG_AGO)
    (one,) = [one for one in told if one.day == day]
    least = oracle.rides(trip, start, ends[0], ends[1], (radius, radius), window[:2])
    assert least is not None and sum(one.walks_m) <= least + 0.01


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_passenger_whose_ends_lie_within_the_radii_is_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trips = [a_trip(rng, number, Role.PASSENGER) for number in range(12)]
    ends = [tuple((CITY + rng.normal(0, 0.004, 2)).round(7).tolist()) for _ in range(2)]
    radii = float(rng.uniform(500, 2_500)), float(rng.uniform(500, 2_500))
    meant, delta = instant(float(rng.uniform(6.0, 10.0))), int(rng.integers(0, 7_200))
    window = Within(meant - delta, meant + delta, meant)
    told = passenger_journeys(
        TripBook(trips).view, Way(ends[0], ends[1], *radii), [window], now=LONG_AGO
    )
    wanted = {
        (trip.id, day)
        for trip in trips
        for day, start in oracle.starts(trip, MONDAY - timedelta(3), MONDAY + timedelta(3))
        if oracle.metres(trip.lonlat[0], ends[0]) <= radii[0]
        and oracle.metres(trip.lonlat[-1], ends[1]) <= radii[1]
        and window.earliest <= round(start) <= window.latest
    }
    assert {(one.trip.id, one.day) for one in told} == wanted


def test_a_rider_joins_on_the_way_and_leaves_on_it() -> None:
    (one,) = driver_journeys(
        TripBook([drive()]).view,
        EAST,
        [Within(instant(8.1) - 900, instant(8.1) + 900, instant(8.1))],
        now=LONG_AGO,
    )
    assert one.pickup == (5.36, 43.30) and one.pickup_at == instant(8.0) + 485
    assert one.dropoff[0] == pytest.approx(5.41, abs=1e-5)
    assert one.duration_s == pytest.approx(405, abs=1)
    assert one.distance_m == pytest.approx(4_046, abs=5)
    assert one.price_eur == 0.24 and one.seats == 1
    assert [round(walk) for walk in one.walks_m] == [222, 111]


def test_the_way_back_is_no_way_there() -> None:
    back = Way(EAST.arrival, EAST.departure, 1_000.0, 1_000.0)
    assert found_of([drive()]) and not found_of([drive()], back)


def test_where_circles_overlap_the_ride_is_as_long_as_can_be() -> None:
    against = Way((5.3625, 43.30), (5.3575, 43.30), 500.0, 500.0)
    (one,) = found_of([drive()], against)
    assert one.pickup[0] < one.dropoff[0]
    assert one.walks_m == (pytest.approx(500.0, abs=0.02), pytest.approx(500.0, abs=0.02))
    assert not found_of([drive()], against._replace(departure_m=100.0, arrival_m=100.0))


def test_both_ends_may_be_one_place() -> None:
    here = Way((5.36, 43.30), (5.36, 43.30), 1_000.0, 1_000.0)
    (one,) = found_of([drive()], here)
    assert one.duration_s > 0


def test_a_radius_of_nothing_wants_a_point_of_the_line() -> None:
    exactly = Way((5.36, 43.30), (5.423, 43.30), 0.0, 0.0)
    assert found_of([drive()], exactly)
    assert not found_of([drive()], exactly._replace(departure=(5.36, 43.3001)))


def test_of_two_times_that_a_line_comes_by_the_one_before_the_drop_off_counts() -> None:
    there_and_back = drive(
        lonlat=((5.30, 43.30), (5.36, 43.30), (5.423, 43.30), (5.36, 43.3001)),
        times_s=(0.0, 485.0, 995.0, 1_505.0),
    )
    (one,) = found_of([there_and_back])
    assert one.pickup_s == pytest.approx(485.0)
    # The first time is too early: the second is too late for the arrival.
    late = [Within(instant(8.0) + 1_200, instant(8.0) + 1_800, instant(8.0) + 1_500)]
    assert not driver_journeys(TripBook([there_and_back]).view, EAST, late, now=LONG_AGO)


@pytest.mark.parametrize(
    "fields",
    [
        {"cancelled": True},
        {"audience": Audience.CITY, "owner_id": "ana"},
        {"verified_only": True},
        {"women_only": True, "owner_id": "ana"},
        {"same_building": True, "owner_id": "ana"},
        {"role": Role.PASSENGER},
    ],
)
def test_what_is_not_for_everybody_is_told_to_nobody(fields: dict[str, Any]) -> None:
    assert found_of([drive()]) and not found_of([drive(**fields)])


def test_nobody_gets_in_before_now() -> None:
    on_the_way = datetime.fromtimestamp(instant(8.0) + 500, UTC)
    (one,) = found_of([drive()], now=on_the_way)
    assert one.pickup_at == instant(8.0) + 500 and one.pickup[0] > 5.36
    assert not found_of([drive()], now=on_the_way + timedelta(seconds=200))


def test_a_trip_of_either_role_is_told_as_both_by_ids_of_their_own() -> None:
    view = TripBook([drive(role=Role.EITHER)]).view
    ends = Way((5.30, 43.30), (5.423, 43.30), 500.0, 500.0)
    (driven,) = driver_journeys(view, ends, AT_EIGHT, now=LONG_AGO)
    (ridden,) = passenger_journeys(view, ends, AT_EIGHT, now=LONG_AGO)
    assert str(driven.id) == "driver-2026-11-23-east"
    assert str(ridden.id) == "passenger-2026-11-23-east"


def test_seats_taken_on_the_way_are_not_offered_and_are_free_behind_it() -> None:
    ride = Ride((5.36, 43.30), (5.39, 43.30), 485.0, 728.0, seats=1)
    view = TripBook([drive()], rides={"east": {MONDAY: [ride]}}).view
    assert not driver_journeys(view, EAST, AT_EIGHT, now=LONG_AGO)
    behind = Way((5.395, 43.30), (5.42, 43.30), 300.0, 300.0)
    assert len(driver_journeys(view, behind, AT_EIGHT, now=LONG_AGO)) == 1
    two = TripBook([drive(seats=2)], rides={"east": {MONDAY: [ride]}}).view
    (one,) = driver_journeys(two, EAST, AT_EIGHT, now=LONG_AGO)
    assert one.seats == 1


def test_a_booking_finds_the_ride_that_was_told() -> None:
    view = TripBook([drive()]).view
    (one,) = found_of([drive()])
    again = ride_on(view, one.id, one.pickup, one.dropoff, one.pickup_at)
    assert again is not None
    assert again.pickup_s == pytest.approx(one.pickup_s, abs=0.01)
    assert ride_on(view, one.id, one.pickup, one.dropoff, one.pickup_at + 3_600) is None
    assert ride_on(view, one.id, one.dropoff, one.pickup, one.pickup_at) is None
    other = one.id._replace(day=MONDAY + timedelta(1))
    assert ride_on(view, other, one.pickup, one.dropoff, one.pickup_at) is None


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])  # the clock changes
def test_weekly_times_are_those_of_the_clock_on_the_wall(day: date) -> None:
    weekly = Schedule(
        timezone="Europe/Paris",
        weekly=(WeeklyTime(days=tuple(range(7)), second=8 * 3_600),),
    )
    trip = drive(schedule=weekly)
    begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - 2 * 86_400
    windows = weekly_windows(
        "Europe/Paris", 8 * 3_600, range(7), 900, begin, begin + 4 * 86_400 - 1
    )
    told = driver_journeys(TripBook([trip]).view, EAST, windows, now=LONG_AGO, weekly=True)
    assert sorted(one.day for one in told) == [day + timedelta(k) for k in (-2, -1, 0, 1)]
    assert not driver_journeys(TripBook([drive()]).view, EAST, AT_EIGHT, now=LONG_AGO, weekly=True)


def test_minutes_around_midnight_are_counted_as_they_pass() -> None:
    (window,) = weekly_windows(
        "Europe/Paris", 23 * 3_600 + 3_300, [0], 900, instant(0), instant(0) + 3 * 86_400
    )
    assert window.earliest <= instant(24 + 5 / 60) <= window.latest


@pytest.mark.parametrize("begin, end", [(10**30, 10**31), (-(10**31), -(10**30)), (5, 4)])
def test_no_window_lies_in_no_known_year(begin: int, end: int) -> None:
    assert weekly_windows("Europe/Paris", 0, range(7), 900, begin, end) == []
    windows = [Within(begin, end, begin)]
    assert driver_journeys(TripBook([drive()]).view, EAST, windows, now=LONG_AGO) == []


def test_an_id_holds_any_trip_and_nothing_else() -> None:
    for trip_id in ("a", "driver-2026-01-01-x", "é/ -", "-"):
        id = JourneyId(Role.DRIVER, MONDAY, trip_id)
        assert JourneyId.parse(str(id)) == id
    for text in ("", "driver-", "driver-2026-11-23", "driver-2026-11-23-", "either-2026-11-23-a",
                 "driver-20261123-abc", "driver-2026-13-01-a"):  # fmt: skip
        with pytest.raises(InputError):
            JourneyId.parse(text)


def test_changing_the_asked_time_does_not_change_what_is_told_of_a_passenger() -> None:
    trip = replace(drive(), role=Role.PASSENGER)
    view = TripBook([trip]).view
    ends = Way((5.30, 43.30), (5.423, 43.30), 500.0, 500.0)
    early, late = (
        passenger_journeys(view, ends, [one], now=LONG_AGO)
        for one in (AT_EIGHT[0], AT_EIGHT[0]._replace(meant=instant(8.2)))
    )
    assert [one.pickup_at for one in early] == [one.pickup_at for one in late] == [instant(8.0)]
