"""What is said of a ride: names as they are, numbers with their units."""

from datetime import UTC, datetime

import pytest

from matching.reasons import NBSP
from matching.rides.answers import TERMS
from matching.rides.carpool import Stop
from matching.rides.reasons import trip_reasons


@pytest.mark.parametrize(("lang", "said"), [("fr", "rendez-vous à {}"), ("en", "meet at {}")])
def test_a_place_is_named_as_it_is_whatever_is_in_its_name(lang, said) -> None:
    name = "Quai du minage {} min"
    at = datetime(2026, 11, 30, 7, tzinfo=UTC)
    stops = [
        Stop(lon=5.37, lat=43.3, at=at, time="08:00", walk_m=200.0, line_s=0.0, name=name)
        for name in (name, "")
    ]
    reasons = trip_reasons(
        lang, stops=(stops[0], stops[1]), detour_s=240.0, late_s=0.0, days=(1, 1), level=0,
        same_building=False, terms=dict.fromkeys(TERMS, 0.0),
    )  # fmt: skip
    texts = {reason.code: reason.text for reason in reasons}
    assert texts["meet-pickup"] == said.format(name)
    assert texts["on-time"] == {"fr": "à l'heure demandée", "en": "at the time asked for"}[lang]
    assert texts["walk"].startswith(f"6{NBSP}min") and texts["detour"].startswith(f"4{NBSP}min")
