"""What a sample's people have done: enough for a quarter's figures, and nothing impossible."""

from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from api.commands.sample import fill
from geo.distance import haversine_m
from indexes.district_facts import Quarter
from indexes.journeys import Anchor
from indexes.sample import sample_city
from indexes.store import open_store
from indexes.trusting import Interaction, Rating, Reply, Request
from matching.schedule import days_of

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
BEGUN = datetime(2026, 10, 1, tzinfo=UTC)  # the quarter that runs
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def town():
    return sample_city(1, NOW)


def test_all_have_joined_before_the_quarter_that_runs_and_before_all_they_do(town):
    joined = {member.id: member.created_at for member in town.members}
    assert max(joined.values()) < BEGUN - 12 * HOUR
    assert min(joined.values()) < NOW - timedelta(days=700)
    deeds = [(one.owner_id, one.published_at) for one in (*town.listings, *town.trips)]
    deeds += [(one.member_id, one.created_at) for one in town.endorsements]
    for one in town.dealings:
        if isinstance(one, Request):
            deeds += [(one.asker_id, one.created_at), (one.helper_id, one.created_at)]
    assert all(joined[member] < at for member, at in deeds if member is not None)


def test_households_are_active_in_a_third_of_the_weeks_some_nearly_always(town):
    weeks = {one.week for one in town.activity}
    second, third, fourth = (Quarter(2026, number).weeks for number in (2, 3, 4))
    assert weeks == {*second, *third, *fourth[:9]}
    assert max(weeks) == "2026-W48"  # the one that runs
    assert len(set(town.activity)) == len(town.activity)
    a_household = Counter(
        one.household_id for one in town.activity if one.week in Quarter(2026, 3).weeks
    )
    active = np.array([a_household[one.id] for one in town.households])
    assert active.mean() / 13 == pytest.approx(0.36, abs=0.04)
    assert (active >= 12).mean() > 0.02
    assert (active <= 1).mean() > 0.1


def test_dealings_are_such_as_people_have(town):
    of = {kind: [one for one in town.dealings if type(one) is kind]
          for kind in (Request, Reply, Interaction)}  # fmt: skip
    requests = {one.id: one for one in of[Request]}
    replies = {one.request_id: one for one in of[Reply]}
    assert len(requests) == len(of[Request]) > 500
    home = {member.id: member.household_id for member in town.members}
    blocked = {frozenset((one.member_id, one.other_id)) for one in town.blocks}
    owner = {one.id: one for one in town.listings}
    for one in of[Request]:
        assert home[one.asker_id] != home[one.helper_id]
        assert frozenset((one.asker_id, one.helper_id)) not in blocked
        assert datetime(2026, 7, 1, tzinfo=UTC) <= one.created_at <= NOW
        if one.listing_id is not None:
            assert owner[one.listing_id].owner_id == one.helper_id
            assert owner[one.listing_id].published_at <= one.created_at
    for reply in of[Reply]:
        assert requests[reply.request_id].created_at <= reply.created_at <= NOW
    accepted = {id for id, reply in replies.items() if reply.accepted}
    assert {one.request_id for one in of[Interaction]} == accepted
    for one in of[Interaction]:
        assert one.created_at == replies[one.request_id].created_at
        assert one.asker_done_at is None or one.created_at <= one.asker_done_at <= NOW
    quick = [replies[id].created_at - one.created_at <= 48 * HOUR
             for id, one in requests.items() if id in replies]  # fmt: skip
    assert 0.85 < sum(quick) / len(quick) < 1.0
    assert 0.6 < len(accepted) / len(replies) < 0.9


def test_weekly_trips_have_run_since_they_were_published(town):
    weekly = [trip for trip in town.trips if trip.schedule.weekly]
    assert all(trip.schedule.valid_from <= trip.published_at.date() for trip in weekly)
    assert any(trip.schedule.valid_from < BEGUN.date() for trip in weekly)


def leaves(trip):
    """Seconds of the day at which a weekly trip sets out."""
    second = trip.schedule.weekly[0].second
    return second - trip.times_s[-1] if trip.schedule.anchor is Anchor.ARRIVE else second


def test_rides_are_on_days_of_both_where_the_driver_passes_by(town):
    trips = {trip.id: trip for trip in town.trips}
    assert len(town.bookings) > 20
    riders = [(one.passenger_trip_id, one.day) for one in town.bookings]
    assert len(set(riders)) == len(riders)
    per_day = Counter((one.trip_id, one.day) for one in town.bookings)
    for one in town.bookings:
        driver, rider = trips[one.trip_id], trips[one.passenger_trip_id]
        assert (one.driver_id, one.passenger_id) == (driver.owner_id, rider.owner_id)
        assert one.driver_id != one.passenger_id
        assert per_day[driver.id, one.day] <= driver.seats
        assert date(2026, 7, 1) <= one.day <= date(2026, 9, 30)
        for trip in (driver, rider):
            assert one.created_at > trip.published_at
            assert days_of(trip.schedule, one.day, one.day).size == 1
        pickup, dropoff = (one.pickup_lon, one.pickup_lat), (one.dropoff_lon, one.dropoff_lat)
        legs = driver.lonlat.index(pickup), driver.lonlat.index(dropoff)
        assert legs[0] < legs[1]
        assert (one.pickup_s, one.dropoff_s) == tuple(driver.times_s[leg] for leg in legs)
        ends = np.array([rider.lonlat[0], rider.lonlat[-1]])
        assert haversine_m(pickup, ends[:1]).item() < 810
        assert haversine_m(dropoff, ends[1:]).item() < 810
        starts = [leaves(trip) for trip in (driver, rider)]
        assert abs(starts[0] + one.pickup_s - starts[1]) <= 1_800
        clock = one.pickup_at.astimezone(ZoneInfo("Europe/Paris"))
        told_s = clock.hour * 3_600 + clock.minute * 60 + clock.second
        assert clock.date() == one.day and abs(told_s - starts[0] - one.pickup_s) <= 1


def test_a_store_keeps_what_was_done_and_the_last_quarter_has_all_of_it(town, tmp_path):
    with closing(open_store(tmp_path / "town.db")) as store:
        for _ in range(2):  # again changes nothing
            fill(store, town, created_at=NOW)
        facts = store.facts("default", Quarter(2026, 3))
        before = store.facts("default", Quarter(2025, 3))
    assert sorted(facts.households["household"].to_pylist()) == [one.id for one in town.households]
    assert sum(facts.households["members"].to_pylist()) == len(town.members)
    assert sum(facts.buildings["households"].to_pylist()) == len(town.households)
    assert 0 < before.households.num_rows < len(town.households)
    assert facts.requests.num_rows > 300
    assert facts.trips.num_rows > 300
    assert facts.listings.num_rows > 300
    booked = {id for one in town.bookings for id in (one.trip_id, one.passenger_trip_id)}
    assert sum(facts.trips["matched"].to_pylist()) == len(booked)


def test_ratings_are_such_as_the_two_sides_may_give(town):
    done = {one.id: one for one in town.dealings if isinstance(one, Interaction)}
    ratings = [one for one in town.dealings if isinstance(one, Rating)]
    of_both = Counter(one.interaction_id for one in ratings)
    given = {(one.interaction_id, one.rater_id) for one in ratings}
    assert len({one.id for one in ratings}) == len(given) == len(ratings) > 150
    assert 2 * len(of_both) > len(ratings) > 1.2 * len(of_both)
    for one in ratings:
        of = done[one.interaction_id]
        assert {one.rater_id, one.ratee_id} == {of.asker_id, of.helper_id}
        assert of.completed_at <= one.created_at <= NOW
        last = max(two.created_at for two in ratings if two.interaction_id == of.id)
        blind = of.completed_at + timedelta(days=14)
        assert one.created_at < blind
        assert one.opens_at == (last if of_both[of.id] == 2 else blind)
    assert 3.9 < np.mean([one.stars for one in ratings]) < 4.6
