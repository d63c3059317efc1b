"""Schedules in words, French and English."""

from datetime import UTC, date, datetime, timedelta

import pytest

from geo.errors import InputError
from indexes.journeys import Anchor, Schedule, WeeklyTime, Weeks
from matching.rides.schedule_words import in_words

WORKDAYS = (0, 1, 2, 3, 4)


def weekly(*times, **settings):
    entries = tuple(WeeklyTime(days=days, second=second) for days, second in times)
    return Schedule(timezone="Europe/Paris", weekly=entries, **settings)


@pytest.mark.parametrize(
    ("schedule", "french", "english"),
    [
        (
            weekly((WORKDAYS, 27_900), weeks=Weeks.ODD),
            "du lundi au vendredi à 7 h 45, semaines impaires",
            "Monday to Friday at 07:45, odd weeks",
        ),
        (
            weekly((WORKDAYS, 30_600), anchor=Anchor.ARRIVE, public_holidays=False),
            "arrivée du lundi au vendredi à 8 h 30, sauf jours fériés",
            "arriving Monday to Friday at 08:30, except public holidays",
        ),
        (weekly((tuple(range(7)), 0)), "tous les jours à 0 h", "every day at 00:00"),
        (
            weekly(((6, 5, 0, 2, 1), 43_500), weeks=Weeks.EVEN),
            "du lundi au mercredi, le samedi et le dimanche à 12 h 05, semaines paires",
            "Monday to Wednesday, Saturday and Sunday at 12:05, even weeks",
        ),
        (
            weekly(((4,), 29_700), ((0,), 27_900), ((2, 1), 27_900)),
            "du lundi au mercredi à 7 h 45, le vendredi à 8 h 15",
            "Monday to Wednesday at 07:45, Friday at 08:15",
        ),
        (
            weekly(((4,), 90_000), valid_from=date(2026, 9, 1), valid_to=date(2027, 6, 30)),
            "le vendredi à 1 h le lendemain, du 1er septembre 2026 au 30 juin 2027",
            "Friday at 01:00 the next day, from 1 September 2026 to 30 June 2027",
        ),
        (
            weekly(((4,), 3_600), valid_from=date(2026, 9, 1)),
            "le vendredi à 1 h, à partir du 1er septembre 2026",
            "Friday at 01:00, from 1 September 2026",
        ),
        (
            weekly(((4,), 3_600), valid_to=date(2027, 8, 2)),
            "le vendredi à 1 h, jusqu'au 2 août 2027",
            "Friday at 01:00, until 2 August 2027",
        ),
        (
            weekly(
                ((4,), 3_600),
                added=(date(2026, 12, 2),),
                removed=(date(2026, 12, 25), date(2026, 12, 18)),
            ),
            "le vendredi à 1 h, aussi le 2 décembre 2026, sauf le 18 décembre 2026 et le 25 "
            "décembre 2026",
            "Friday at 01:00, also on 2 December 2026, except on 18 December 2026 and on 25 "
            "December 2026",
        ),
        (
            weekly(
                ((4,), 3_600), removed=tuple(date(2026, 12, 4) + timedelta(d) for d in range(4))
            ),
            "le vendredi à 1 h, sauf 4 jours",
            "Friday at 01:00, except 4 days",
        ),
        (
            Schedule(timezone="Europe/Paris", at=datetime(2026, 11, 30, 23, 45, tzinfo=UTC)),
            "le mardi 1er décembre 2026 à 0 h 45",
            "on Tuesday 1 December 2026 at 00:45",
        ),
        (
            Schedule(
                timezone="Indian/Reunion",
                anchor=Anchor.ARRIVE,
                at=datetime(2026, 11, 30, 4, tzinfo=UTC),
            ),
            "arrivée le lundi 30 novembre 2026 à 8 h",
            "arriving on Monday 30 November 2026 at 08:00",
        ),
    ],
)
def test_a_schedule_is_said_as_people_say_it(schedule, french, english):
    assert in_words(schedule, "fr").replace("\u202f", " ") == french
    assert in_words(schedule, "en") == english


def test_a_french_time_never_breaks():
    assert "7\u202fh\u202f45" in in_words(weekly((WORKDAYS, 27_900)), "fr")


def test_another_language_is_refused():
    with pytest.raises(InputError) as refused:
        in_words(weekly((WORKDAYS, 27_900)), "de")
    assert refused.value.code == "unknown-language"
