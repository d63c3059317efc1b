"""What a request for a ride becomes."""

from datetime import UTC, date, datetime, timedelta

import pytest

from api.trip_questions import MatchParams, trip_query

SUNDAY, MONDAY, TUESDAY = date(2026, 11, 29), date(2026, 11, 30), date(2026, 12, 1)
ASKED = {"to_lat": 43.3467, "to_lon": 5.4285, "days": ["MON-FRI"]}


def query(now: datetime, **asked: object):
    params = MatchParams.model_validate(ASKED | asked)
    return trip_query(params, origin=(5.37, 43.29), timezone="Europe/Paris", now=now, lang="fr")[0]


@pytest.mark.parametrize(
    ("hour_utc", "asked", "first"),
    [
        (7, {"arrive_by": "08:00"}, MONDAY),  # it is eight in Paris
        (8, {"arrive_by": "08:00"}, TUESDAY),
        (8, {"depart_at": "17:30"}, MONDAY),
        (22, {"depart_at": "25:00"}, MONDAY),  # one in the night to come
        (8, {"depart_at": "25:00"}, MONDAY),
        (23, {"depart_at": "25:00"}, MONDAY),  # it is midnight, and Tuesday: one is to come
        (24, {"depart_at": "25:00"}, MONDAY),  # it is one
        (25, {"depart_at": "25:00"}, TUESDAY),
        (10, {"arrive_by": "36:00"}, SUNDAY),
        (23, {"depart_at": "00:00"}, TUESDAY),  # it is midnight, and Tuesday
        (8, {"arrive_by": "08:00", "timezone": "America/Martinique"}, MONDAY),
        (8, {"arrive_by": "08:00", "first": "2026-11-30"}, MONDAY),
    ],
)
def test_a_week_begins_with_the_next_ride_to_come(hour_utc, asked, first):
    now = datetime(2026, 11, 30, tzinfo=UTC) + timedelta(hours=hour_utc)
    assert query(now, **asked).first == first


def test_a_ride_once_has_no_first_day():
    at = "2026-11-30T08:00:00+01:00"
    assert query(datetime(2026, 11, 30, tzinfo=UTC), days=[], arrive_by=at).first is None
