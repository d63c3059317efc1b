from math import cos, radians

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import distance_m

from indexes.rides import WALK_M
from matching.rides.meeting import MOST_PLACES, MeetingPoint, MeetingPoints

# Few coordinates, so that many points share a place; the 180th meridian and a pole among them.
LONS = st.sampled_from([-180.0, -179.999, 179.998, 180.0])
LATS = st.sampled_from([-0.002, -0.001, 0.0, 0.0005, 0.001, 89.9995, 90.0])


@given(st.lists(st.tuples(LONS, LATS), max_size=30), LONS, LATS, st.floats(0, 2_000))
@example([(180.0, 0.0)] * 12, 180.0, 0.0, 0.0)
def test_the_nearest_meeting_points_are_those_found_by_hand(places, lon, lat, walk_m):
    points = [MeetingPoint(f"{i:02}", "", *place) for i, place in enumerate(places)]
    (line, *rows), found = MeetingPoints(points).around((lon, lat), walk_m)
    assert (line, *found[0]) == (-1, lon, lat, cos(radians(lat)), 0.0, walk_m, 1.0)
    found = found[1:]
    off_m = [distance_m(lon, lat, *place) for place in places]
    assert found[:, WALK_M].tolist() == pytest.approx([off_m[row] for row in rows], abs=1e-6)
    assert [tuple(place) for place in found[:, :2].tolist()] == [places[row] for row in rows]
    ranked = list(zip(found[:, WALK_M].tolist(), rows, strict=True))
    assert ranked == sorted(ranked) and len(set(rows)) == len(rows) <= MOST_PLACES
    assert all(walk <= walk_m for walk, _ in ranked)
    most = ranked[-1][0] if len(rows) == MOST_PLACES else walk_m
    for row in set(range(len(places))) - set(rows):
        assert off_m[row] >= most - 1e-6
        assert not (len(rows) and places[row] == places[rows[-1]] and row < rows[-1])


def test_two_meeting_points_of_one_id_are_refused():
    with pytest.raises(ValueError, match="an id each"):
        MeetingPoints([MeetingPoint("a", "", 5.0, 43.0), MeetingPoint("a", "", 5.1, 43.0)])
