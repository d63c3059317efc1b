"""When a trip takes place, by iCalendar: recurrence rules expanded by a library of others.

Shares no code with the rooms. A schedule becomes events (RFC 5545) with a rule, exceptions and
extra dates; weeks are told by BYWEEKNO, public holidays by dateutil's Easter. What comes out is
(service day, earliest, latest), instants in whole seconds since 1970-01-01 UTC.
"""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
from dateutil.easter import easter

from indexes.journeys import Schedule, Weeks

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
FIXED_HOLIDAYS = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))


def holidays(year: int) -> set[date]:
    """The eleven of article L3133-1 of the French labour code."""
    moving = (easter(year) + timedelta(days=days) for days in (1, 39, 50))
    return {date(year, *day) for day in FIXED_HOLIDAYS} | set(moving)


def windows(schedule: Schedule, first: date, last: date) -> list[tuple[date, int, int]]:
    """What takes place on the service days from ``first`` to ``last``, both included."""
    found = ((day, int(meant.timestamp())) for day, meant in _meant(schedule, first, last))
    return [
        (day, instant - schedule.flex_before_s, instant + schedule.flex_after_s)
        for day, instant in sorted(found)
    ]


def _meant(schedule, first, last):
    zone = ZoneInfo(schedule.timezone)
    if schedule.at is not None:
        day = schedule.at.astimezone(zone).date()
        return [(day, schedule.at)] if first <= day <= last else []
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//oracle//EN"]
    for entry in schedule.weekly:
        carry, _ = divmod(entry.second, 86_400)
        if carry and schedule.weeks is not Weeks.ALL:
            # The night's week may be another than the evening's: first the days, then the times.
            days = _expanded(["BEGIN:VCALENDAR", *_rule(schedule, entry, first, last, None)], zone)
            for day, _ in days:
                lines += _single(schedule, entry, day)
        else:
            lines += _rule(schedule, entry, first, last, zone)
    for day in set(schedule.added):
        own = [entry for entry in schedule.weekly if day.weekday() in entry.days]
        lines += _single(schedule, (own or schedule.weekly)[0], day)
    return [(day, meant) for day, meant in _expanded(lines, zone) if first <= day <= last]


def _rule(schedule, entry, first, last, zone):
    """An event of every week; of whole days without a zone, else of times."""
    carry, second = divmod(entry.second, 86_400) if zone else (0, None)
    begin = max(first, schedule.valid_from or first)
    end = min(last, schedule.valid_to or last)
    weeks = [week for week in range(1, 54) if schedule.weeks is not Weeks.EVEN or not week % 2]
    weeks = [week for week in weeks if schedule.weeks is not Weeks.ODD or week % 2]
    # An event's own start always counts, so it has to be of the rule.
    while begin.weekday() not in entry.days or begin.isocalendar().week not in weeks:
        begin += timedelta(days=1)
    if begin > end:
        return []
    shift = timedelta(days=carry)
    rule = "FREQ=WEEKLY" if schedule.weeks is Weeks.ALL else "FREQ=YEARLY;BYWEEKNO="
    if schedule.weeks is not Weeks.ALL:
        rule += ",".join(map(str, weeks))
    rule += ";BYDAY=" + ",".join(DAYS[(day + carry) % 7] for day in entry.days)
    if zone:
        until = datetime.combine(end + shift, time.max, zone).astimezone(ZoneInfo("UTC"))
        rule += f";UNTIL={until:%Y%m%dT%H%M%SZ}"
    else:
        rule += f";UNTIL={end:%Y%m%d}"
    out = set(schedule.removed) | set(schedule.added)
    if not schedule.public_holidays:
        for year in range(first.year, last.year + 1):
            out |= holidays(year)
    return [
        "BEGIN:VEVENT",
        f"UID:{carry}-{entry.days}",
        _property("DTSTART", schedule, [begin], second, shift),
        "RRULE:" + rule,
        *([_property("EXDATE", schedule, out, second, shift)] if out else []),
        "END:VEVENT",
    ]


def _single(schedule, entry, day):
    carry, second = divmod(entry.second, 86_400)
    return [
        "BEGIN:VEVENT",
        f"UID:{carry}-single-{day}",
        _property("DTSTART", schedule, [day], second, timedelta(days=carry)),
        "END:VEVENT",
    ]


def _property(name, schedule, days, second, shift):
    days = [day + shift for day in sorted(days)]
    if second is None:
        return f"{name};VALUE=DATE:" + ",".join(f"{day:%Y%m%d}" for day in days)
    clock = f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}"
    return f"{name};TZID={schedule.timezone}:" + ",".join(f"{day:%Y%m%d}T{clock}" for day in days)


def _expanded(lines, zone):
    calendar = icalendar.Calendar.from_ical("\r\n".join([*lines, "END:VCALENDAR", ""]))
    for event in recurring_ical_events.of(calendar).all():
        shown = event["DTSTART"].dt
        if not isinstance(shown, datetime):
            yield shown, None
            continue
        carry = timedelta(days=int(event["UID"].split("-")[0]))
        yield shown.date() - carry, shown
