"""When a trip takes place, in words: French and English."""

from collections.abc import Iterable
from datetime import date, datetime

from geo.errors import InputError
from indexes.journeys import Anchor, Schedule, Weeks
from matching.reasons import LANGS, NBSP
from matching.rides.clock import DAY_S, as_zone

__all__ = ["in_words"]

NAMED_DAYS = 3  # so many added or removed days are named, more are counted

_WEEKDAYS = {
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
}

# Phrase by what it says: (French, English), in the order of LANGS.
_PHRASES = {
    "arriving": ("arrivée {}", "arriving {}"),
    "at": ("{} à {}", "{} at {}"),
    "next-day": ("{} le lendemain", "{} the next day"),
    "on": ("le {}", "on {}"),
    "every-day": ("tous les jours", "every day"),
    "weekday": ("le {}", "{}"),
    "weekdays": ("du {} au {}", "{} to {}"),
    "and": ("{} et {}", "{} and {}"),
    "odd": ("semaines impaires", "odd weeks"),
    "even": ("semaines paires", "even weeks"),
    "holidays": ("sauf jours fériés", "except public holidays"),
    "between": ("du {} au {}", "from {} to {}"),
    "from": ("à partir du {}", "from {}"),
    "until": ("jusqu'au {}", "until {}"),
    "also": ("aussi {}", "also {}"),
    "except": ("sauf {}", "except {}"),
    "days": ("{} jours", "{} days"),
}


def in_words(schedule: Schedule, lang: str) -> str:
    r"""A schedule as one would say it; without its flex.

    Parameters
    ----------
    schedule : Schedule
        One that `matching.schedule.check_schedule` accepts.
    lang : str
        "fr" or "en".

    Raises
    ------
    InputError
        If the language is another; its code is ``unknown-language``.

    Examples
    --------
    >>> from indexes.journeys import WeeklyTime
    >>> to_work = Schedule(
    ...     timezone="Europe/Paris", weeks=Weeks.ODD,
    ...     weekly=(WeeklyTime(days=(0, 1, 2, 3, 4), second=27_900),),
    ... )
    >>> in_words(to_work, "en")
    'Monday to Friday at 07:45, odd weeks'
    >>> in_words(to_work, "fr").replace("\u202f", " ")
    'du lundi au vendredi à 7 h 45, semaines impaires'
    """
    if lang not in LANGS:
        raise InputError(f"lang must be fr or en, got {lang!r}", code="unknown-language")
    if schedule.at is not None:
        parts = [_once(schedule.at.astimezone(as_zone(schedule.timezone)), lang)]
    else:
        parts = _weekly(schedule, lang)
    if schedule.anchor is Anchor.ARRIVE:
        parts[0] = _say("arriving", lang, parts[0])
    return ", ".join(parts)


def _once(shown: datetime, lang: str) -> str:
    day = f"{_WEEKDAYS[lang][shown.weekday()]} {_date(shown.date(), lang)}"
    return _say("at", lang, _say("on", lang, day), _clock(shown.hour, shown.minute, lang))


def _weekly(schedule: Schedule, lang: str) -> list[str]:
    by_second: dict[int, list[int]] = {}
    for time in schedule.weekly:
        by_second.setdefault(time.second, []).extend(time.days)
    parts = [
        _say("at", lang, _days(sorted(days), lang), _time(second, lang))
        for second, days in sorted(by_second.items(), key=lambda item: min(item[1]))
    ]
    if schedule.weeks is not Weeks.ALL:
        parts.append(_say(schedule.weeks.value, lang))
    if not schedule.public_holidays:
        parts.append(_say("holidays", lang))
    begin, end = (day and _date(day, lang) for day in (schedule.valid_from, schedule.valid_to))
    if begin and end:
        parts.append(_say("between", lang, begin, end))
    elif begin:
        parts.append(_say("from", lang, begin))
    elif end:
        parts.append(_say("until", lang, end))
    for key, dates in (("also", schedule.added), ("except", schedule.removed)):
        if dates:
            parts.append(_say(key, lang, _dates(sorted(set(dates)), lang)))
    return parts


def _days(days: list[int], lang: str) -> str:
    """Weekdays in order; three or more in a row are "Monday to Wednesday"."""
    if len(days) == 7:
        return _say("every-day", lang)
    names = _WEEKDAYS[lang]
    stretches: list[list[int]] = []
    for day in days:
        if stretches and stretches[-1][-1] == day - 1:
            stretches[-1].append(day)
        else:
            stretches.append([day])
    said = []
    for stretch in stretches:
        if len(stretch) > 2:
            said.append(_say("weekdays", lang, names[stretch[0]], names[stretch[-1]]))
        else:
            said.extend(_say("weekday", lang, names[day]) for day in stretch)
    return _listed(said, lang)


def _dates(dates: list[date], lang: str) -> str:
    if len(dates) > NAMED_DAYS:
        return _say("days", lang, str(len(dates)))
    return _listed((_say("on", lang, _date(day, lang)) for day in dates), lang)


def _listed(items: Iterable[str], lang: str) -> str:
    *some, last = items
    return _say("and", lang, ", ".join(some), last) if some else last


def _date(day: date, lang: str) -> str:
    number = "1er" if lang == "fr" and day.day == 1 else day.day
    return f"{number} {_MONTHS[lang].split()[day.month - 1]} {day.year}"


def _time(second: int, lang: str) -> str:
    minutes = second % DAY_S // 60
    shown = _clock(minutes // 60, minutes % 60, lang)
    return shown if second < DAY_S else _say("next-day", lang, shown)


def _clock(hour: int, minute: int, lang: str) -> str:
    if lang == "en":
        return f"{hour:02}:{minute:02}"
    return f"{hour}{NBSP}h{NBSP}{minute:02}" if minute else f"{hour}{NBSP}h"


def _say(key: str, lang: str, *values: str) -> str:
    return _PHRASES[key][LANGS.index(lang)].format(*values)
