"""A day of a town, replayed round by round by hand."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import trips_oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from trips_worlds import corner, line_of, part_of, party_of, times_of

from geo.errors import InputError
from indexes.entities import Audience
from indexes.journeys import Anchor, Role, Schedule, Trip, WeeklyTime
from matching.detour import Ride
from matching.rides.book import TripBook, without
from matching.rides.carpool import ANYBODY
from matching.rides.day import pair_day
from matching.rides.meeting import MeetingPoint, MeetingPoints

DAY = date(2026, 9, 8)
AT = datetime(2026, 9, 8, 6, 0, tzinfo=UTC)  # 08:00 in Marseille
EAST = ((5.37, 43.30), (5.39, 43.30), (5.41, 43.30), (5.43, 43.30), (5.45, 43.30))
PACE_S = (0.0, 162.0, 324.0, 486.0, 648.0)  # 36 km/h
ONCE = Schedule(timezone="Europe/Paris", at=AT)
WIDE = replace(ONCE, flex_before_s=3_600, flex_after_s=3_600)


def driver(id, **others):
    own = {"lonlat": EAST, "times_s": PACE_S, "schedule": ONCE, "seats": 1, "owner_id": id}
    return Trip(tenant_id="t", id=id, role=Role.DRIVER, **own | others)


def rider(id, begin=5.39, end=5.43, lat=43.301, **others):
    own = {"schedule": WIDE, "owner_id": id, "role": Role.PASSENGER}
    line = {"lonlat": ((begin, lat), (end, lat)), "times_s": (0.0, 400.0)}
    return Trip(tenant_id="t", id=id, **line | own | others)


def paired(trips, day=DAY, book=None, **others):
    answer = pair_day(TripBook(trips, **book or {}).view, day, **others)
    return answer, [(pair.round, pair.rider, pair.driver) for pair in answer.pairs]


# -- by hand --------------------------------------------------------------------------------------


def costs_by_hand(world, left, day):
    """What every rider who is left costs with every driver, in 1e-6 minutes."""
    found = {}
    for one in left:
        owner = world.parties.get(one.owner_id, ANYBODY)
        ends = [(round(lon, 7), round(lat, 7)) for lon, lat in (one.lonlat[0], one.lonlat[-1])]
        for trip in world.trips:
            other = world.parties.get(trip.owner_id, ANYBODY)
            if trip.role is not Role.DRIVER or trip.cancelled:
                continue
            if not trips_oracle.may_ride(owner, one, trip, other):
                continue
            if not trips_oracle.sees(other, one, owner):
                continue
            ask = *ends, one.schedule, one.max_walk_m
            who = owner, other
            pair = trips_oracle.pair(world, trip, ask, one.seats, [day], False, who, trip.id)
            if pair is not None:
                found[one.id, trip.id] = pair.cost
    return found


def places_by_hand(world, day, taken=()):
    """Of each car, the seats left; in cars where somebody has got in, less one."""
    found = {}
    for trip in world.trips:
        aboard = world.rides.get(trip.id, {}).get(day, ())
        found[trip.id] = max(1, trip.seats - sum(ride.seats for ride in aboard))
    for id in taken:
        found[id] -= 1
    return found


def best_by_hand(costs, places):
    """How many pairs are possible, and their least cost: of a square where alone is dear."""
    riders = sorted({rider for rider, _ in costs})
    seats = [(id, n) for id in sorted({id for _, id in costs}) for n in range(places[id])]
    alone = 1e12
    table = np.full((len(riders), len(seats) + len(riders)), alone)
    for row, one in enumerate(riders):
        for column, (other, _) in enumerate(seats):
            table[row, column] = costs.get((one, other), alone)
    rows, columns = linear_sum_assignment(table)
    chosen = [cost for cost in table[rows, columns].tolist() if cost < alone]
    return len(chosen), sum(chosen)


def moved(rng, points):
    """Each point by up to 50 m: on a lattice there are ties that the last digit decides."""
    by = 4e-4
    return tuple(
        (round(lon + rng.uniform(-by, by), 7), round(lat + rng.uniform(-by, by), 7))
        for lon, lat in points
    )


def off_the_hour(schedule):
    """A little more flexible: no window ends in the very second in which another begins."""
    return replace(
        schedule,
        flex_before_s=schedule.flex_before_s + 7,
        flex_after_s=schedule.flex_after_s + 7,
    )


def town_by_seed(seed):
    """Drivers about eight in the morning, and riders who go a part of their ways; a day."""
    rng = random.Random(seed)
    ids = [f"m{i}" for i in range(6)]
    parties = {id: party_of(rng, id, ids) for id in ids}
    trips = []
    for i in range(rng.randrange(3, 7)):
        points = line_of(rng)
        if trips and rng.random() < 0.6:  # a colleague's way
            points = rng.choice(trips).lonlat
        points = moved(rng, points)
        second = 28_800 + rng.randrange(-1_200, 1_201, 300)
        if rng.random() < 0.5:
            when = {"at": AT + timedelta(seconds=second - 28_800)}
        else:
            when = {"weekly": (WeeklyTime(days=(0, 1, 3), second=second),)}
        trips.append(
            driver(
                f"d{i}",
                owner_id=rng.choice([None, *ids]),
                lonlat=points,
                times_s=tuple(round(second, 3) for second in times_of(rng, points)),
                schedule=Schedule(timezone="Europe/Paris", anchor=rng.choice(list(Anchor)), **when),
                seats=rng.choice([1, 1, 1, 2, 3]),
                max_detour_s=rng.choice([None, None, 60]),
                women_only=rng.random() < 0.1,
            )
        )
    for i in range(rng.randrange(4, 12)):
        line, when = part_of(rng, rng.choice([trip for trip in trips if trip.role is Role.DRIVER]))
        trips.append(
            replace(
                rider(f"r{i}", owner_id=rng.choice([None, *ids]), schedule=off_the_hour(when)),
                lonlat=moved(rng, line),
                seats=rng.choice([1, 1, 1, 2]),
                max_walk_m=rng.choice([None, None, 1_500]),
                verified_only=rng.random() < 0.1,
                audience=rng.choice([Audience.PUBLIC] * 6 + [Audience.CITY]),
            )
        )
    stops = [
        MeetingPoint(f"s{i:02}", f"Stop {i}", *corner(rng)) for i in range(rng.choice([0, 20]))
    ]
    rides = {}
    if rng.random() < 0.3:
        taken = trips[0]
        middle, last = len(taken.lonlat) // 2, len(taken.lonlat) - 1
        ends = taken.lonlat[middle], taken.lonlat[last]
        seconds = taken.times_s[middle], taken.times_s[last]
        rides = {taken.id: {DAY: [Ride(*ends, *seconds, 1)]}}
    return trips_oracle.World(trips, parties, stops, rides)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_who_gets_in_in_a_round_is_of_the_most_pairs_and_of_these_the_cheapest(seed):
    world, day = town_by_seed(seed), DAY
    book = TripBook(world.trips, world.parties, world.rides, MeetingPoints(world.stops))
    answer = pair_day(book.view, day)
    left = {
        trip.id: trip
        for trip in world.trips
        if trip.role is Role.PASSENGER
        and not trip.cancelled
        and trips_oracle.is_on(trip.schedule, day)
    }
    assert answer.riders == len(left)
    world.rides = {id: {d: list(r) for d, r in days.items()} for id, days in world.rides.items()}
    rounds = max((pair.round for pair in answer.pairs), default=0)
    for number in range(1, rounds + 2):
        costs = costs_by_hand(world, left.values(), day)
        if number == 1:
            assert answer.feasible_pairs == len(costs)
        pairs = [pair for pair in answer.pairs if pair.round == number]
        if number > rounds:
            assert not costs  # nobody can join any car
        mine = [costs[pair.rider, pair.driver] for pair in pairs]
        told = [round(pair.match.cost_min * 1e6) for pair in pairs]
        np.testing.assert_allclose(told, mine, atol=2)
        # With those who get in, the others can still come to the most and the cheapest of all.
        gone, cars = {pair.rider for pair in pairs}, [pair.driver for pair in pairs]
        others = {pair: cost for pair, cost in costs.items() if pair[0] not in gone}
        most, least = best_by_hand(costs, places_by_hand(world, day))
        rest, rest_least = best_by_hand(others, places_by_hand(world, day, cars))
        assert len(set(cars)) == len(cars)
        assert len(pairs) + rest == most
        assert sum(mine) + rest_least == pytest.approx(least, abs=2 * most + 1)
        for pair in pairs:
            one, up, down = left.pop(pair.rider), pair.match.pickup, pair.match.dropoff
            places = (up.lon, up.lat), (down.lon, down.lat)
            ride = Ride(*places, up.line_s, down.line_s, one.seats)
            world.rides.setdefault(pair.driver, {}).setdefault(day, []).append(ride)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_once_all_pairs_are_booked_nobody_is_left_to_pair_and_other_days_are_as_they_were(seed):
    world = town_by_seed(seed)
    week = [DAY + timedelta(days=off) for off in (0, 2, 7)]

    def answers(rides, seated):
        parties, stops = world.parties, MeetingPoints(world.stops)
        trips = [without(trip, [DAY]) if trip.id in seated else trip for trip in world.trips]
        view = TripBook(trips, parties, rides, stops).view
        return [pair_day(view, day) for day in week]

    before = answers(world.rides, ())
    rides = {id: {d: list(r) for d, r in days.items()} for id, days in world.rides.items()}
    needed = {trip.id: trip.seats for trip in world.trips}
    for pair in before[0].pairs:
        up, down = pair.match.pickup, pair.match.dropoff
        ends = (up.lon, up.lat), (down.lon, down.lat)
        taken = Ride(*ends, up.line_s, down.line_s, needed[pair.rider])
        rides.setdefault(pair.driver, {}).setdefault(DAY, []).append(taken)
    after = answers(rides, {pair.rider for pair in before[0].pairs})
    assert after[0].pairs == () and after[0].feasible_pairs == 0
    assert after[0].riders == before[0].riders - len(before[0].pairs)
    assert after[1:] == before[1:]


# -- one thing at a time --------------------------------------------------------------------------


def test_most_pairs_come_before_cheap_ones():
    # `near` is best served by `a`, yet `a` is the only one who comes by when `early` rides.
    early = replace(ONCE, flex_before_s=300, flex_after_s=600)
    late = replace(ONCE, at=AT + timedelta(minutes=20), flex_before_s=0, flex_after_s=300)
    trips = [driver("a"), driver("b", schedule=late), rider("early", schedule=early), rider("near")]
    assert paired(trips)[1] == [(1, "early", "a"), (1, "near", "b")]
    assert paired(trips[:2] + trips[3:])[1] == [(1, "near", "a")]


def test_a_second_seat_is_taken_in_a_second_round():
    trips = [driver("d", seats=2), rider("p"), rider("q", lat=43.302), rider("r", lat=43.303)]
    answer, pairs = paired(trips)
    assert pairs == [(1, "p", "d"), (2, "q", "d")]
    assert (answer.riders, answer.drivers, answer.feasible_pairs) == (3, 1, 3)


def test_one_seat_serves_two_riders_one_after_the_other():
    trips = [driver("d"), rider("p", 5.37, 5.40), rider("q", 5.42, 5.45)]
    assert {pair[1:] for pair in paired(trips)[1]} == {("p", "d"), ("q", "d")}


def test_a_rider_who_needs_two_seats_gets_both_or_none():
    trips = [driver("d", seats=2), rider("p"), rider("pair", lat=43.302, seats=2)]
    assert paired(trips)[1] == [(1, "p", "d")]
    assert paired([trips[0], trips[2]])[1] == [(1, "pair", "d")]


def test_seats_that_are_booked_already_are_not_given_again():
    book = {"rides": {"d": {DAY: [Ride((5.39, 43.30), (5.43, 43.30), 162.0, 486.0, 1)]}}}
    assert paired([driver("d"), rider("p")], book=book)[1] == []
    assert paired([driver("d", seats=2), rider("p")], book=book)[1] == [(1, "p", "d")]


def test_who_has_a_seat_that_day_already_is_left_out():
    seated = without(rider("p"), [DAY])
    answer, pairs = paired([driver("d"), seated, rider("q", lat=43.302)])
    assert pairs == [(1, "q", "d")]
    assert answer.riders == 1


def test_who_has_a_seat_the_evening_before_drives_nobody_after_that_midnight():
    tuesday = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(1,), second=86_100),))
    wednesday = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(2,), second=60),))
    either = replace(driver("x", schedule=tuesday), role=Role.EITHER)
    late, day = rider("p", 5.42, 5.45, schedule=wednesday), DAY + timedelta(days=1)
    assert paired([either, late], day)[1] == [(1, "p", "x")]
    assert paired([without(either, [DAY]), late], day)[1] == []
    assert paired([without(either, [day]), late], day)[1] == [(1, "p", "x")]


def test_who_would_do_either_does_one_thing():
    either = {"role": Role.EITHER, "lonlat": EAST, "times_s": PACE_S, "schedule": WIDE}
    two = [rider("x", **either), rider("y", **either)]
    assert len(paired(two)[1]) == 1
    # Somebody who only rides comes first, and then y is no rider any more.
    assert paired([rider("p"), rider("y", **either)])[1] == [(1, "p", "y")]
    # Whoever rides drives nobody: all three end in one car.
    answer, pairs = paired([driver("d", seats=4), rider("p"), *two])
    assert (answer.riders, answer.drivers) == (3, 3)
    drives, rides = {pair[2] for pair in pairs}, {pair[1] for pair in pairs}
    assert not drives & rides
    assert "p" in rides


def test_who_would_do_either_and_drives_that_day_does_not_ride():
    either = rider("x", role=Role.EITHER, lonlat=EAST, times_s=PACE_S, schedule=WIDE, seats=2)
    book = {"rides": {"x": {DAY: [Ride((5.39, 43.30), (5.43, 43.30), 162.0, 486.0, 1)]}}}
    trips = [driver("d", seats=2), either]
    answer, pairs = paired(trips, book=book)
    assert (answer.riders, pairs) == (0, [])
    assert paired(trips)[1] == [(1, "x", "d")]


def test_only_the_day_asked_for_counts():
    weekly = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(1, 3), second=28_800),))
    trips = [driver("d", schedule=weekly), rider("p", schedule=replace(weekly, flex_after_s=1_800))]
    answer, pairs = paired(trips)
    assert pairs == [(1, "p", "d")]
    assert answer.pairs[0].match.dates == (DAY,)
    assert answer.pairs[0].match.coverage == 1.0
    answer, pairs = paired(trips, DAY + timedelta(days=1))
    assert (answer.riders, answer.drivers, answer.feasible_pairs, pairs) == (0, 0, 0, [])


def test_a_ride_after_midnight_is_found_in_the_car_of_the_day_before():
    tuesday = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(1,), second=86_100),))
    wednesday = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(2,), second=60),))
    trips = [driver("d", schedule=tuesday), rider("p", 5.42, 5.45, schedule=wednesday)]
    assert paired(trips, DAY + timedelta(days=1))[1] == [(1, "p", "d")]


def test_a_town_without_riders_or_drivers_or_anybody_has_no_pairs():
    for trips in ([], [driver("d")], [rider("p")], [rider("p", begin=5.429), driver("d")]):
        assert paired(trips)[1] == []


def test_progress_tells_round_and_riders():
    told = []
    paired([driver("d"), rider("p"), rider("q")], advance=lambda *done: told.append(done))
    assert told == [(1, 1, 2), (1, 2, 2), (2, 1, 1)]


def test_an_unknown_language_is_refused():
    with pytest.raises(InputError, match="lang must be fr or en"):
        paired([], lang="de")
