"""Commutes of the sample: along shared roads, at peak hours, the same every time."""

from datetime import UTC, datetime
from itertools import pairwise
from math import pi

import numpy as np
import pytest

from geo.distance import haversine_m
from geo.errors import InputError
from indexes.journeys import Anchor, Role
from indexes.sample import sample_city, sample_routes
from indexes.sample.roads import RoadNet


@pytest.fixture(scope="module")
def routes():
    return sample_routes(3_000, seed=4)


def steps_m(trip):
    points = np.array(trip.lonlat)
    return np.array([haversine_m(tuple(a), b[None]).item() for a, b in pairwise(points)])


def test_a_seed_gives_the_same_routes_and_another_seed_others(routes):
    again, other = sample_routes(3_000, seed=4), sample_routes(3_000, seed=5)
    assert again.ways.points.tobytes() == routes.ways.points.tobytes()
    assert again.ways.ms.tobytes() == routes.ways.ms.tobytes()
    assert again.times.second.tobytes() == routes.times.second.tobytes()
    assert other.ways.points.tobytes() != routes.ways.points.tobytes()


def test_routes_have_the_length_and_number_of_points_of_commutes(routes):
    counts = np.diff(routes.ways.first)
    assert counts.min() >= 40 and counts.max() <= 200
    lengths_m = [steps_m(routes.trip(row)).sum() for row in range(0, 3_000, 30)]
    assert min(lengths_m) > 1_800 and max(lengths_m) < 52_000
    assert 8_000 < np.median(lengths_m) < 14_000


def test_a_line_never_jumps_and_its_times_rise_at_the_speed_of_a_car(routes):
    for row in range(0, 3_000, 60):
        trip = routes.trip(row)
        pieces_m, pieces_s = steps_m(trip), np.diff(trip.times_s)
        assert pieces_m.max() < 1_000
        assert (pieces_s > 0).all()
        assert 10 < pieces_m.sum() / pieces_s.sum() * 3.6 < 90


def test_many_routes_share_the_vertices_of_a_road(routes):
    vertices, drivers = np.unique(routes.ways.points, axis=0, return_counts=True)
    assert len(vertices) < len(routes.ways.points) / 4
    assert np.sort(drivers)[-100:].min() > 20


def test_both_peaks_and_both_anchors_are_there(routes):
    hours = routes.times.second / 3_600
    assert 0.4 < ((hours > 6) & (hours < 10)).mean() < 0.6
    assert 0.4 < ((hours > 15) & (hours < 21)).mean() < 0.6
    schedules = [routes.times.schedule(row) for row in range(500)]
    assert {schedule.anchor for schedule in schedules} == set(Anchor)
    assert any(schedule.at for schedule in schedules)
    assert any(schedule.weekly for schedule in schedules)


def test_rings_that_close_take_the_shorter_way_round():
    net = RoadNet((5.37, 43.3), arterials=16, from_angle=0.0, to_angle=2 * pi)
    # From just above the eastern road to just below it, ten kilometres out: straight across.
    ends = net.near_roads(np.array([1, 15]), np.array([8_500.0, 8_500.0]), np.zeros(2))
    ways = net.ways(ends[:1], ends[1:], np.ones(1))
    assert net.length_m(ends[:1], ends[1:])[0] < 8_000
    assert (ways.points[:, 0] / 1e7 > 5.37).all()


def test_members_of_a_town_commute_from_home_and_back_on_the_same_days():
    now = datetime(2026, 11, 23, 7, tzinfo=UTC)
    town = sample_city(3, now, listings=100, adoption=0.02)
    building_of = {one.id: one.building_id for one in town.households}
    point_of = {one.id: (one.lon, one.lat) for one in town.buildings}
    home_of = {one.id: point_of[building_of[one.household_id]] for one in town.members}
    half = len(town.trips) // 2
    assert half > 100
    for there, back in zip(town.trips[:half], town.trips[half:], strict=True):
        home = np.array([home_of[there.owner_id]])
        assert haversine_m(there.lonlat[0], home).item() < 30
        assert haversine_m(back.lonlat[-1], home).item() < 30
        assert haversine_m(there.lonlat[-1], np.array([back.lonlat[0]])).item() < 1
        assert there.owner_id == back.owner_id and there.role is back.role
        if there.schedule.weekly:
            days = [[time.days for time in one.schedule.weekly] for one in (there, back)]
            assert days[0] == days[1]
    assert {trip.role for trip in town.trips} == set(Role)
    assert all(trip.estimated for trip in town.trips if trip.role is Role.PASSENGER)


def test_some_public_places_are_stops_on_the_roads():
    town = sample_city(3, datetime(2026, 11, 23, 7, tzinfo=UTC), listings=2_000, adoption=0.02)
    stops = [one for one in town.listings if one.category == "mobility.stop"]
    assert len(town.listings) == 2_000 and len(stops) > 10
    assert len({(stop.lon, stop.lat) for stop in stops}) == len(stops)
    line = np.array([point for trip in town.trips for point in trip.lonlat])
    near = [haversine_m((stop.lon, stop.lat), line).min() < 60 for stop in stops]
    assert np.mean(near) > 0.7


@pytest.mark.parametrize(("n", "seed"), [(0, 1), (1, -1)])
def test_numbers_out_of_range_are_refused(n, seed):
    with pytest.raises(InputError, match="one or more"):
        sample_routes(n, seed)
