from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import trips_oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from trips_worlds import book_of, query_of, world_of

from geo.distance import distance_m
from geo.errors import InputError
from indexes.journeys import Anchor, Role, Schedule, Trip, WeeklyTime, Weeks
from matching.detour import Ride
from matching.reasons import NBSP
from matching.rides.book import TripBook, without
from matching.rides.carpool import ANYBODY, Party, TripQuery
from matching.rides.meeting import MeetingPoint, MeetingPoints
from matching.trips import find_drivers, find_riders, matches_of_trip

AT = datetime(2026, 9, 8, 6, 0, tzinfo=UTC)  # a Tuesday, 08:00 in Marseille
MONDAY = date(2026, 9, 7)
EAST = ((5.37, 43.30), (5.39, 43.30), (5.41, 43.30), (5.43, 43.30), (5.45, 43.30))
PACE_S = (0.0, 162.0, 324.0, 486.0, 648.0)  # 36 km/h
ONCE = Schedule(timezone="Europe/Paris", at=AT)


def a_trip(id="d", role=Role.DRIVER, **others):
    own = {"lonlat": EAST, "times_s": PACE_S, "schedule": ONCE, "seats": 3, "owner_id": id}
    return Trip(tenant_id="t", id=id, role=role, **own | others)


def a_query(origin=(5.39, 43.301), destination=(5.43, 43.301), schedule=ONCE, **others):
    return TripQuery(origin=origin, destination=destination, schedule=schedule, lang="en", **others)


def found(trips, query, viewer=ANYBODY, **book):
    return find_drivers(TripBook(trips, **book).view, viewer, query)


def told(matches):
    return [(match.id, round(match.cost_min * 1e6), match.dates) for match in matches]


def by_hand(ranked):
    return [(one.id.decode(), one.cost, one.days) for one in ranked]


def same(answer, wanted):
    """Ids, order and days to the letter; costs but for the last digit of a sum."""
    assert [one[::2] for one in answer] == [one[::2] for one in wanted]
    np.testing.assert_allclose([one[1] for one in answer], [one[1] for one in wanted], atol=2)


def questions(seed, trips=25, count=4):
    world, rng, monday, hour_s = world_of(seed, trips)
    book = book_of(world)
    for _ in range(count):
        query = query_of(rng, world, monday, hour_s, rng.choice([1, 3, 50]))
        yield world, book.view, rng.choice([ANYBODY, *world.parties.values()]), query, rng


@given(st.integers(0, 2**32))
def test_drivers_found_are_those_found_by_hand(seed):
    for world, view, viewer, query, _ in questions(seed):
        wanted = trips_oracle.drivers(world, viewer, query, ANYBODY)
        same(told(find_drivers(view, viewer, query)), by_hand(wanted))


@given(st.integers(0, 2**32))
def test_riders_found_are_those_found_by_hand(seed):
    for world, view, _, query, rng in questions(seed, count=2):
        drivers = [
            trip
            for trip in world.trips
            if trip.role is not Role.PASSENGER
            and not trip.cancelled
            and not world.seated.get(trip.id)  # who asks is not the one who is searched
        ]
        if not drivers:
            continue
        trip = rng.choice(drivers)
        owner = world.parties.get(trip.owner_id, ANYBODY)
        answer = find_riders(
            view, owner, trip, first=query.first, limit=50, rides=world.rides.get(trip.id)
        )
        wanted = trips_oracle.riders(world, owner, trip, query.first, 50, ANYBODY)
        same(told(answer), by_hand(wanted))


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_drivers_of_a_trip_that_stands_are_those_found_by_hand(seed):
    world, _, monday, _ = world_of(seed, 25)
    view = book_of(world).view
    for trip in world.trips:
        if trip.role is Role.DRIVER or trip.cancelled:
            continue
        trusts = world.parties.get(trip.owner_id, ANYBODY).trusts
        matches = matches_of_trip(view, trip.id, first=monday, limit=50, trusts=trusts)
        answer = [match for match in matches if match.role is Role.DRIVER]
        wanted = trips_oracle.drivers_of_trip(world, trip, monday, 50, ANYBODY)
        same(told(answer), by_hand(wanted))


def test_the_worlds_of_these_tests_have_matches_of_every_kind():
    kinds = set()
    for seed in range(120):
        for _, view, viewer, query, _ in questions(seed):
            for match in find_drivers(view, viewer, query):
                ends = bool(match.pickup.name), bool(match.dropoff.name)
                kinds.add((query.schedule.at is None, query.schedule.anchor))
                kinds.add(("meeting", any(ends)))
                kinds.add(("detour", match.detour_s > 0))
                kinds.add(("booked", match.seats < view.trip(match.id)[0].seats))
    assert {(weekly, anchor) for weekly in (True, False) for anchor in Anchor} <= kinds
    assert {(what, so) for what in ("detour", "booked", "meeting") for so in (True, False)} <= kinds


def test_a_rider_is_picked_up_and_dropped_where_the_line_is_nearest():
    (match,) = found([a_trip()], a_query())
    assert (match.pickup.lon, match.pickup.lat) == (5.39, 43.3)
    assert (match.dropoff.lon, match.dropoff.lat) == (5.43, 43.3)
    assert match.pickup.at == AT + timedelta(seconds=162)
    assert (match.pickup.time, match.dropoff.time) == ("08:02", "08:08")
    assert match.walk_m == pytest.approx(222.4, abs=0.1)
    assert match.detour_s == 0


def test_a_stop_on_the_line_itself_has_no_part_of_a_detour_whatever_rounding_makes_of_it():
    stops = MeetingPoints(
        [MeetingPoint("a", "a", 5.3885, 43.308), MeetingPoint("b", "b", 5.3885, 43.2975)]
    )
    trip = a_trip(lonlat=((5.3885, 43.301), (5.3885, 43.2905)), times_s=(0.0, 242.876))
    (match,) = found([trip], a_query((5.3885, 43.308), (5.3885, 43.2975)), meeting=stops)
    assert (match.pickup.name, match.dropoff.name) == ("a", "b")
    assert match.detour_s == pytest.approx(202.4, abs=0.1)
    # Half of it is driven before the pick-up, half after; to b itself it is no way.
    assert match.pickup.at == AT + timedelta(seconds=101)
    assert match.ride_s == pytest.approx(81.0 + 202.4 / 2, abs=0.1)


def test_the_terms_of_the_cost_add_up_to_it_and_are_what_they_are_called():
    owner = Party(id="d", level=4, building="b")
    viewer = Party(id="me", level=2, building="b", trusts={"d": 4})
    (match,) = found([a_trip()], a_query(), viewer, parties={"d": owner})
    assert match.terms == pytest.approx(
        {
            "ride": 324 / 60,
            "walk": 2 * 222.39 / 1.12 / 60,
            "shift": 162 / 60,
            "detour": 0,
            "elsewhere": 2,
            "unmatched_days": 0,
            "trust": -6,
            "same_building": -3,
        },
        abs=1e-3,
    )
    assert match.cost_min == pytest.approx(sum(match.terms.values()), abs=1e-6)


def test_a_ride_is_told_with_what_the_car_costs_at_most_whatever_its_driver_asks():
    trips = [a_trip(id, price_eur=asked) for id, asked in (("a", None), ("b", 0.1), ("c", 500.0))]
    km = distance_m(5.39, 43.30, 5.43, 43.30) / 1000
    prices = [one.price_eur for one in found(trips, a_query())]
    assert prices == [round(0.06 * km, 2), 0.1, round(0.636 * km / 4, 2)]


def test_a_drop_off_before_the_pick_up_is_no_match():
    query = a_query(origin=(5.43, 43.301), destination=(5.39, 43.301))
    assert found([a_trip()], query) == ()


def test_nobody_is_driven_on_from_where_a_line_ends():
    stops = [MeetingPoint("a", "a", 5.4515, 43.30), MeetingPoint("b", "b", 5.462, 43.30)]
    query = a_query(origin=(5.452, 43.30), destination=(5.465, 43.30))
    assert found([a_trip()], query, meeting=MeetingPoints(stops)) == ()
    longer = a_trip(lonlat=(*EAST, (5.47, 43.30)), times_s=(*PACE_S, 810.0))
    assert len(found([longer], query, meeting=MeetingPoints(stops))) == 1


def test_a_meeting_point_off_the_line_is_a_match_that_the_budget_allows_or_refuses():
    stop = MeetingPoint("stop", "Church", 5.40, 43.307)  # 780 m off the line
    book = {"meeting": MeetingPoints([stop])}
    query = a_query(origin=(5.40, 43.310))  # 1,110 m off: too far to walk to the line
    assert found([a_trip()], query) == ()
    (match,) = found([a_trip()], query, **book)
    assert match.pickup.meeting_point == "stop"
    # 1.3 · (dist(a, p) + dist(p, b) - dist(a, b)) at 10 m/s, a and b 811 m to each side.
    assert match.detour_s == pytest.approx(0.13 * (2 * np.hypot(778.4, 809.2) - 1618.5), rel=0.01)
    assert match.detour_s < 300  # the floor: a quarter of these 11 minutes would be 162 s
    assert match.detour_share == pytest.approx(match.detour_s / 648, abs=1e-3)
    detour_km, line_km = match.detour_s / 100, distance_m(5.40, 43.30, 5.43, 43.30) / 1000
    alone_km = 1.3 * distance_m(*query.origin, *query.destination) / 1000
    assert match.price_eur == pytest.approx(0.06 * (line_km + detour_km), abs=0.006)
    assert match.co2_saved_kg == pytest.approx(0.192 * (alone_km - detour_km), abs=0.006)
    assert found([a_trip(max_detour_s=60)], query, **book) == ()


@pytest.mark.parametrize("anchor", Anchor)
def test_who_goes_out_of_the_way_first_must_still_be_there_in_time(anchor):
    stop = MeetingPoint("stop", "Church", 5.40, 43.307)  # some 65 s, of which half before it
    stops, (x, y) = MeetingPoints([stop]), (5.40, 43.310)
    ends = ((x, y), (5.43, 43.301)) if anchor is Anchor.DEPART else ((5.375, 43.301), (x, y))
    at = AT + timedelta(seconds=240)  # the line is nearest to the church 3 s later
    for after_s, matches in ((20, 0), (60, 1)):
        when = replace(ONCE, anchor=anchor, at=at, flex_before_s=0, flex_after_s=after_s)
        driver = a_trip(schedule=replace(ONCE, flex_before_s=0, flex_after_s=0))
        assert len(found([driver], a_query(*ends, schedule=when), meeting=stops)) == matches


def test_a_meeting_point_on_the_way_is_preferred_to_the_roadside():
    stop = MeetingPoint("stop", "Church", 5.3903, 43.30)
    (match,) = found([a_trip()], a_query(), meeting=MeetingPoints([stop]))
    assert match.pickup.name == "Church"
    assert match.detour_s == 0
    assert "meet at Church" in [reason.text for reason in match.why]


def test_seats_are_counted_leg_by_leg():
    day = AT.date()
    early = Ride((5.37, 43.30), (5.39, 43.30), 0.0, 162.0, 2)
    later = Ride((5.41, 43.30), (5.45, 43.30), 324.0, 648.0, 2)
    query = a_query(seats=2)
    assert len(found([a_trip()], query, rides={"d": {day: [early]}})) == 1
    assert found([a_trip()], query, rides={"d": {day: [early, later]}}) == ()
    (match,) = found([a_trip()], a_query(), rides={"d": {day: [later]}})
    assert match.seats == 1


def test_who_gets_in_where_another_gets_out_has_that_seat():
    before, after = (Ride(EAST[i], EAST[i + 1], PACE_S[i], PACE_S[i + 1], 3) for i in (0, 3))
    (match,) = found([a_trip()], a_query(seats=3), rides={"d": {AT.date(): [before, after]}})
    assert match.seats == 3


def test_nobody_who_has_booked_is_delayed_by_more_than_five_minutes():
    stop = MeetingPoint("stop", "Church", 5.40, 43.3085)
    book = {"meeting": MeetingPoints([stop])}
    trip = a_trip(times_s=tuple(s * 4 for s in PACE_S))
    query = a_query(origin=(5.40, 43.311), destination=(5.44, 43.301))
    (match,) = found([trip], query, **book)
    assert 105 < match.detour_s < 120
    far = (5.41, 43.3105)  # 200 s are added for it
    booked = Ride((5.37, 43.30), (5.43, 43.30), 0.0, 486.0 * 4, 1)
    others = Ride(far, (5.45, 43.30), 330.0 * 4, 648.0 * 4, 1)
    assert len(found([trip], query, rides={"d": {AT.date(): [booked]}}, **book)) == 1
    assert found([trip], query, rides={"d": {AT.date(): [booked, others]}}, **book) == ()


def test_who_has_got_out_is_delayed_by_no_stop_that_comes_later():
    book = {"meeting": MeetingPoints([MeetingPoint("stop", "Church", 5.44, 43.3085)])}
    trip = a_trip(times_s=tuple(s * 4 for s in PACE_S))
    query = a_query(origin=(5.40, 43.301), destination=(5.44, 43.311))
    first = Ride((5.38, 43.3126), EAST[1], 81.0 * 4, 162.0 * 4, 1)  # 210 s are added for it
    for end, matches in ((2, 1), (4, 0)):  # the church is some 110 s out of the way
        booked = Ride(EAST[0], EAST[end], 0.0, PACE_S[end] * 4, 1)
        rides = {"d": {AT.date(): [booked, first]}}
        answer = found([trip], query, rides=rides, **book)
        # Its second is that of the line as published, which knows nothing of the first's detour.
        assert [round(one.pickup.line_s) for one in answer] == [243 * 4] * matches


def test_a_weekly_search_tells_the_days_matched_of_those_asked():
    weekly = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(0, 1, 3), second=28_800),))
    asked = Schedule(
        timezone="Europe/Paris", weekly=(WeeklyTime(days=(0, 1, 2, 3, 4), second=28_800),)
    )
    (match,) = found([a_trip(schedule=weekly)], a_query(schedule=asked, first=MONDAY))
    assert match.days == ("MON", "TUE", "THU")
    assert match.coverage == 0.6
    assert match.terms["unmatched_days"] == 10.0
    assert match.dates[0] == MONDAY and len(match.dates) == 6


def test_a_trip_after_midnight_belongs_to_the_day_before_and_is_found():
    late = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(4,), second=90_000),))
    asked = Schedule(timezone="Europe/Paris", at=datetime(2026, 9, 11, 23, 5, tzinfo=UTC))
    (match,) = found([a_trip(schedule=late)], a_query(schedule=asked))
    assert match.pickup.time == "01:02"
    assert match.days == ("SAT",)  # the rider's


@pytest.mark.parametrize(("drives", "rides"), [("21:50", "22:05"), ("22:05", "21:55")])
def test_a_rider_on_the_other_side_of_midnight_is_found_on_the_drivers_day(drives, rides):
    when, asked = (
        Schedule(timezone="Europe/Paris", at=datetime.fromisoformat(f"2026-09-08T{at}:00+00:00"))
        for at in (drives, rides)
    )
    ride = {"lonlat": ((5.39, 43.301), (5.43, 43.301)), "times_s": (0.0, 324.0)}
    view = TripBook([a_trip("p", Role.PASSENGER, schedule=asked, seats=1, **ride)]).view
    (match,) = find_riders(view, ANYBODY, a_trip(schedule=when))
    assert match.dates == (date(2026, 9, 8 if drives < "22:00" else 9),)


@pytest.mark.parametrize(
    ("day", "second", "utc"),
    [
        (date(2026, 3, 29), 9_000, datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # 02:30 is left out
        (date(2026, 10, 25), 9_000, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # comes twice
        (date(2026, 10, 25), 14_400, datetime(2026, 10, 25, 3, 0, tzinfo=UTC)),
    ],
)
def test_clocks_that_change_are_followed(day, second, utc):
    weekly = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(6,), second=second),))
    asked = Schedule(timezone="Europe/Paris", at=utc)
    (match,) = found([a_trip(schedule=weekly)], a_query(schedule=asked))
    assert match.pickup.at == utc + timedelta(seconds=162)
    assert match.dates == (day,)


def test_the_antimeridian_and_the_poles_are_no_trouble():
    around = ((179.99, 10.0), (-179.99, 10.0))
    polar = ((10.0, 89.99), (10.0, 90.0), (-170.0, 89.99))
    trips = [
        a_trip("a", lonlat=around, times_s=(0.0, 300.0)),
        a_trip("b", lonlat=polar, times_s=(0.0, 100.0, 200.0)),
    ]
    for line in (around, polar):
        found(trips, a_query(origin=line[0], destination=line[-1]))


def test_a_standing_trip_finds_those_that_suit_it_from_either_side():
    ride = ((5.39, 43.301), (5.43, 43.301))
    passenger = a_trip("p", Role.PASSENGER, lonlat=ride, times_s=(0.0, 324.0), seats=1)
    view = TripBook([a_trip(), passenger]).view
    (driver,) = matches_of_trip(view, "p")
    (rider,) = matches_of_trip(view, "d")
    assert (driver.id, driver.role) == ("d", Role.DRIVER)
    assert (rider.id, rider.role) == ("p", Role.PASSENGER)
    assert driver.cost_min == rider.cost_min
    assert driver.pickup == rider.pickup


WISHES = {"verified_only": True, "women_only": True, "same_building": True, "max_walk_m": 50}


@pytest.mark.parametrize(("wish", "value"), [*WISHES.items(), ("seats", 4)])
def test_a_standing_trip_matches_nobody_whom_its_owner_does_not_want(wish, value):
    ride = ((5.39, 43.301), (5.43, 43.301))
    passenger = a_trip("p", Role.PASSENGER, lonlat=ride, times_s=(0.0, 324.0), seats=1)
    picky = replace(passenger, **{wish: value})
    assert matches_of_trip(TripBook([a_trip(), passenger]).view, "p")
    assert matches_of_trip(TripBook([a_trip(), picky]).view, "p") == ()
    assert matches_of_trip(TripBook([a_trip(), picky]).view, "d") == ()


def test_on_a_day_somebody_rides_or_drives_and_never_both():
    # On Wednesday x has a seat with another platform's driver, on Thursday drives somebody.
    wednesday, thursday = MONDAY + timedelta(days=2), MONDAY + timedelta(days=3)
    weekly = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(1, 2, 3), second=28_800),))
    wide = replace(weekly, flex_before_s=3_600, flex_after_s=3_600)
    x = a_trip("x", Role.EITHER, schedule=wide, seats=2)
    ride = Ride(EAST[1], EAST[3], 162.0, 486.0, 1)
    trips = [
        a_trip("d", schedule=weekly),
        a_trip("r", Role.PASSENGER, schedule=weekly, seats=1),
        without(x, [wednesday]),
    ]
    view = TripBook(trips, rides={"x": {thursday: [ride]}}).view

    def days(id):
        found = matches_of_trip(view, id, first=MONDAY, limit=10)
        return {(match.id, match.role.value): match.dates[:4] for match in found}

    tuesdays = MONDAY + timedelta(days=1), MONDAY + timedelta(days=8)
    next_week = wednesday + timedelta(days=7), thursday + timedelta(days=7)
    assert days("d")["x", "passenger"] == (*tuesdays, *next_week)
    assert days("r")["x", "driver"] == (tuesdays[0], thursday, tuesdays[1], next_week[0])
    assert days("x")["d", "driver"] == (*tuesdays, *next_week)
    assert days("x")["r", "passenger"] == (tuesdays[0], thursday, tuesdays[1], next_week[0])
    # Once, and with a seat: nothing is left to be matched.
    once = a_trip("once", Role.PASSENGER, seats=1)
    drivers = [a_trip("d")]
    assert matches_of_trip(TripBook([once, *drivers]).view, "once", first=MONDAY)
    seated = TripBook([without(once, [AT.date()]), *drivers]).view
    assert matches_of_trip(seated, "once", first=MONDAY) == ()
    assert matches_of_trip(seated, "d", first=MONDAY) == ()


def test_an_unknown_trip_has_no_matches_to_ask_for():
    with pytest.raises(InputError, match="no such trip"):
        matches_of_trip(TripBook().view, "x")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"limit": 0}, "limit must be 1 to 200"),
        ({"seats": 0}, "seats must be 1 to 8"),
        ({"max_walk_m": -1}, "max_walk_m must be 0 or more"),
        ({"origin": (5.4, 143.3)}, "latitude must be"),
    ],
)
def test_a_question_out_of_range_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        found([a_trip()], a_query(**wrong))


def test_a_weekly_search_without_a_first_day_is_refused():
    weekly = Schedule(timezone="Europe/Paris", weekly=(WeeklyTime(days=(0,), second=28_800),))
    with pytest.raises(InputError, match="first day"):
        found([a_trip()], a_query(schedule=weekly))


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_a_book_that_follows_changes_answers_as_one_made_at_once(seed):
    world, rng, monday, hour_s = world_of(seed, 30)
    meeting = MeetingPoints(world.stops)
    book = TripBook(world.trips[:10], world.parties, world.rides, meeting)
    gone = {trip.id for trip in rng.sample(world.trips, 6)}
    for trip in rng.sample(world.trips, 30):
        book.put([trip], world.parties, world.rides)
    book.remove([*gone, "never there"])
    kept = [trip for trip in world.trips if trip.id not in gone]
    anew = TripBook(kept, world.parties, world.rides, meeting)
    for viewer in (ANYBODY, *world.parties.values()):  # each trusts others of them
        query = query_of(rng, world, monday, hour_s, 50)
        assert find_drivers(book.view, viewer, query) == find_drivers(anew.view, viewer, query)


def test_who_is_trusted_by_the_rider_comes_before_who_is_verified_by_others():
    trips = [a_trip("a"), a_trip("b"), a_trip("c")]
    owners = {id: Party(id=id, level=level) for id, level in (("a", 4), ("b", 1), ("c", 0))}
    viewer = Party(id="me", level=1, trusts={"b": 3})
    best, *others = found(trips, a_query(), viewer, parties=owners)
    assert (best.id, best.level, best.terms["trust"]) == ("b", 3, -4.5)
    assert best.why[0].code == "trusted"
    assert [(one.id, one.level) for one in others] == [("a", 1), ("c", 0)]
    anybody = found(trips, a_query(), parties=owners)
    assert [(one.id, one.terms["trust"]) for one in anybody] == [("a", -1.5), ("b", -1.5), ("c", 0)]


def test_the_best_are_found_however_much_trust_takes_off():
    trips = [a_trip(f"d{i}", max_detour_s=i) for i in range(60)]
    trips.append(a_trip("far", times_s=tuple(s + 3 * i for i, s in enumerate(PACE_S))))
    owners = {"far": Party(id="far")}
    viewer = Party(id="me", trusts={"far": 4})
    (match,) = found(trips, a_query(limit=1), viewer, parties=owners)
    assert match.id == "far"


def weekly_at(second, *days, **others):
    times = (WeeklyTime(days=days or (0, 1, 2, 3, 4), second=second),)
    return Schedule(timezone="Europe/Paris", weekly=times, **others)


@pytest.mark.parametrize("others", [1, 30])
def test_the_best_is_found_behind_others_whose_days_turn_out_to_be_few(others):
    odd = [a_trip(f"{i}", schedule=weekly_at(28_800, weeks=Weeks.ODD)) for i in range(others)]
    later = a_trip("later", schedule=weekly_at(28_800 + 480))
    query = a_query(schedule=weekly_at(28_800), first=MONDAY, limit=1)
    (match,) = found([*odd, later], query)
    assert match.id == "later"  # 8 minutes more, and no day less; five days would be 12.5


def test_the_best_is_found_though_its_days_are_those_before_and_after_midnight():
    wide = weekly_at(43_200, 0, 3, flex_before_s=43_200, flex_after_s=43_200)
    near = a_trip("near", schedule=weekly_at(600, 1, 3))  # for Monday and Thursday
    far = a_trip("far", schedule=weekly_at(420, 0, 3))
    (match,) = found([near, far], a_query(schedule=wide, first=MONDAY, limit=1))
    assert (match.id, match.days) == ("near", ("MON", "THU"))


@pytest.mark.parametrize("detour", [False, True])
@pytest.mark.parametrize(
    ("anchor", "asked", "code", "text"),
    [
        (Anchor.DEPART, "07:57", "later", "{} min after the time asked for"),
        (Anchor.DEPART, "08:12", "earlier", "{} min before the time asked for"),
        (Anchor.ARRIVE, "08:18", "earlier", "{} min before the time asked for"),
        (Anchor.ARRIVE, "07:55", "later", "{} min after the time asked for"),
    ],
)
def test_a_reason_tells_how_far_the_times_shown_are_from_those_asked(
    anchor, asked, code, text, detour
):
    stop = MeetingPoint("stop", "Church", 5.40, 43.307)  # half its detour is before the stop
    at = datetime.fromisoformat(f"2026-09-08T{asked}:00+02:00")
    query = a_query(
        origin=(5.40, 43.310) if detour else (5.39, 43.301),
        schedule=Schedule(timezone="Europe/Paris", at=at, anchor=anchor),
    )
    (match,) = found([a_trip()], query, meeting=MeetingPoints([stop] if detour else []))
    assert (match.detour_s > 60) is detour
    shown = match.pickup if anchor is Anchor.DEPART else match.dropoff
    first, second = (60 * int(clock[:2]) + int(clock[3:]) for clock in (asked, shown.time))
    minutes = abs(second - first)
    (reason,) = [one for one in match.why if one.code == code]
    planned = text.format(minutes).replace(" min", f"{NBSP}min")
    assert reason.text == f"planned {planned}, within the leeway of both"
    assert reason.share == pytest.approx(match.terms["shift"])


def test_a_ride_is_on_time_up_to_a_minute_off():
    (match,) = found([a_trip()], a_query(schedule=replace(ONCE, at=AT + timedelta(seconds=120))))
    assert "at the time asked for" in [reason.text for reason in match.why]
