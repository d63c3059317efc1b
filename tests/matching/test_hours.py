"""Opening hours: hand-computed instants, and weekly hours against a slow reading of the wall."""

import threading
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matching.hours
from geo.errors import InputError
from matching.hours import CLOSED, OPEN, UNKNOWN, HoursTable

PARIS = ZoneInfo("Europe/Paris")
DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def state_at(expression, text, timezone="Europe/Paris"):
    local = datetime.fromisoformat(text)
    instant = local if local.tzinfo else local.replace(tzinfo=ZoneInfo(timezone))
    return HoursTable([expression], timezone).states_at(instant).item()


@pytest.mark.parametrize(
    ("expression", "when", "state"),
    [
        ("24/7", "2026-11-23T03:00", OPEN),
        ("Mo-Fr 09:00-12:30,14:00-18:00", "2026-11-23T09:00", OPEN),  # a Monday
        ("Mo-Fr 09:00-12:30,14:00-18:00", "2026-11-23T08:59:59", CLOSED),
        ("Mo-Fr 09:00-12:30,14:00-18:00", "2026-11-23T12:29:59.9", OPEN),
        ("Mo-Fr 09:00-12:30,14:00-18:00", "2026-11-23T12:30", CLOSED),
        ("Mo-Fr 09:00-12:30,14:00-18:00", "2026-11-22T10:00", CLOSED),  # a Sunday
        ("Fr 19:00-02:00", "2026-11-28T01:59", OPEN),  # Saturday, still Friday's evening
        ("Fr 19:00-02:00", "2026-11-28T02:00", CLOSED),
        ("Fr 19:00-02:00", "2026-11-27T01:00", CLOSED),
        ("Sa 10:00-24:00", "2026-11-28T23:59:59", OPEN),
        ("Sa 10:00-24:00", "2026-11-29T00:00", CLOSED),
        ("Jul-Aug Mo-Su 08:00-22:00", "2026-07-14T21:00", OPEN),
        ("Jul-Aug Mo-Su 08:00-22:00", "2026-09-01T12:00", CLOSED),
        # public holidays of France: fixed, and moving with Easter (5 April 2026)
        ("Mo-Su 09:00-18:00; PH off", "2026-07-14T10:00", CLOSED),
        ("Mo-Su 09:00-18:00; PH off", "2026-04-06T10:00", CLOSED),  # Easter Monday
        ("Mo-Su 09:00-18:00; PH off", "2026-05-14T10:00", CLOSED),  # Ascension
        ("Mo-Su 09:00-18:00; PH off", "2026-07-15T10:00", OPEN),
        ("PH 10:00-12:00", "2026-11-11T11:00", OPEN),
        # what nobody can know
        ("lundi au vendredi 9h-18h", "2026-11-23T10:00", UNKNOWN),
        ("", "2026-11-23T10:00", UNKNOWN),
        ("\x00", "2026-11-23T10:00", UNKNOWN),
        ("Mo-Fr 25:00-33:00", "2026-11-23T10:00", UNKNOWN),
        ("Mo-Fr 09:00-18:00 unknown", "2026-11-23T10:00", UNKNOWN),
        ("Mo-Fr 09:00-18:00 unknown", "2026-11-23T20:00", CLOSED),
        ('Mo-Fr 09:00-18:00 "sur rendez-vous"', "2026-11-23T10:00", UNKNOWN),
        ('Mo-Fr 09:00-18:00 "sur rendez-vous"', "2026-11-23T20:00", CLOSED),
        ('"sur rendez-vous"', "2026-11-23T10:00", UNKNOWN),
        ("sunrise-sunset", "2026-11-23T12:00", UNKNOWN),
        ("Mo-Fr 09:00-dusk", "2026-11-23T12:00", UNKNOWN),
        ("Mo-Fr 09:00-18:00; SH off", "2026-11-23T12:00", UNKNOWN),
        ('Mo-Fr 09:00-18:00 || "sur rendez-vous"', "2026-11-23T20:00", UNKNOWN),
        ('Mo-Fr 09:00-18:00; Su off "SH: voir site"', "2026-11-23T12:00", OPEN),
    ],
)
def test_states_equal_those_found_by_hand(expression, when, state):
    assert state_at(expression, when) == state


@pytest.mark.parametrize(
    ("when", "state"),
    [
        # 25 October 2026, clocks go back at 03:00: 02:15 comes twice, an hour apart
        ("2026-10-25T00:15+00:00", OPEN),
        ("2026-10-25T00:45+00:00", CLOSED),
        ("2026-10-25T01:15+00:00", OPEN),
        ("2026-10-25T01:45+00:00", CLOSED),
        # 29 March 2026, clocks go forward at 02:00: 02:15 never comes
        ("2026-03-29T00:59+00:00", CLOSED),
        ("2026-03-29T01:00+00:00", CLOSED),
        ("2026-03-29T01:15+00:00", CLOSED),
    ],
)
def test_hours_are_those_of_the_wall_clock_when_it_changes(when, state):
    assert state_at("Mo-Su 02:15-02:45", when) == state


def test_a_place_far_away_is_read_on_its_own_clock():
    assert state_at("Mo-Fr 09:00-17:00", "2026-11-23T06:00+00:00", "Indian/Reunion") == OPEN
    assert state_at("Mo-Fr 09:00-17:00", "2026-11-23T06:00+00:00", "Europe/Paris") == CLOSED


def test_clocks_that_change_at_midnight_are_followed():
    # Santiago, 6 September 2026: 00:00 does not exist, the day begins at 01:00
    assert state_at("Su 00:30-01:30", "2026-09-06T04:10+00:00", "America/Santiago") == OPEN
    assert state_at("Su 00:30-01:30", "2026-09-06T03:59+00:00", "America/Santiago") == CLOSED
    # and on 5 April 2026 the hour from 23:00 on Saturday comes twice
    for when in ("2026-04-05T02:30+00:00", "2026-04-05T03:30+00:00"):
        assert state_at("Sa 23:00-24:00", when, "America/Santiago") == OPEN
    assert state_at("Sa 23:00-24:00", "2026-04-05T04:00+00:00", "America/Santiago") == CLOSED


def weekly_open(rules, wall):
    """Slow and plain: is any span of today, or one of yesterday past midnight, on at the wall?"""
    minute = wall.hour * 60 + wall.minute
    for days, start, end in rules:
        if wall.weekday() in days and start <= minute < end:
            return True
        if (wall.weekday() - 1) % 7 in days and start <= minute + 1440 < end:
            return True
    return False


def clock(minute):
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def weeks(draw):
    """Disjoint sets of days, each with one span, perhaps past midnight."""
    order = draw(st.permutations(range(7)))
    cuts = sorted(draw(st.sets(st.integers(1, 7), min_size=1, max_size=3)))
    rules, previous = [], 0
    for cut in cuts:
        start = draw(st.integers(0, 1439))
        end = start + draw(st.integers(1, 1439))
        rules.append((order[previous:cut], start, end))
        previous = cut
    return rules


SWITCHES = (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC))


@settings(deadline=None)
@given(
    weeks(),
    st.sampled_from(SWITCHES),
    st.lists(st.integers(-4 * 1440, 4 * 1440), min_size=1, max_size=40),
    st.lists(st.integers(-150, 150), min_size=1, max_size=40),
)
def test_weekly_hours_equal_the_wall_clock_across_both_switches(rules, switch, wide, close):
    # Additional rules, ", ": with "; " a later span past midnight would cut the next day's.
    expression = ", ".join(
        f"{','.join(DAYS[d] for d in sorted(days))} {clock(start)}-{clock(end)}"
        for days, start, end in rules
    )
    table = HoursTable([expression], "Europe/Paris")
    for minutes in (*wide, *close):
        instant = switch + timedelta(minutes=minutes)
        expected = OPEN if weekly_open(rules, instant.astimezone(PARIS)) else CLOSED
        assert table.states_at(instant).item() == expected, (expression, instant)


def test_answers_do_not_depend_on_what_was_asked_before():
    expressions = [f"Mo-Su {clock(m)}-{clock(m + 300)}" for m in range(0, 1440, 7)]
    expressions += ["Mo[1] 10:00-12:00; Dec 24 off", "week 1-53/2 Mo-We 08:00-20:00"]
    rng = np.random.default_rng(3)
    start = datetime(2026, 10, 20, tzinfo=UTC)
    table = HoursTable(expressions, "Europe/Paris")
    for minutes in rng.integers(0, 40 * 1440, 200):
        instant = start + timedelta(minutes=int(minutes))
        fresh = HoursTable(expressions, "Europe/Paris").states_at(instant)
        assert (table.states_at(instant) == fresh).all()


def test_threads_get_the_answers_that_one_alone_gets():
    expressions = [f"Mo-Su {clock(m)}-{clock(m + 200)}" for m in range(0, 1440, 30)]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    instants = [start + timedelta(hours=5 * i) for i in range(200)]
    alone = HoursTable(expressions, "Europe/Paris")
    expected = [alone.states_at(i).tolist() for i in instants]
    shared, wrong = HoursTable(expressions, "Europe/Paris"), []

    def ask(order):
        for i in order:
            if shared.states_at(instants[i]).tolist() != expected[i]:
                wrong.append(i)

    orders = [np.random.default_rng(seed).permutation(len(instants)) for seed in range(4)]
    threads = [threading.Thread(target=ask, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_answer_can_not_be_written_to():
    states = HoursTable(["24/7"], "Europe/Paris").states_at(datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="read-only"):
        states[0] = CLOSED


def test_a_table_without_rows_answers_nothing():
    table = HoursTable([], "Europe/Paris")
    assert len(table) == 0
    assert table.states_at(datetime(2026, 1, 1, tzinfo=UTC)).shape == (0,)


def test_a_day_of_thousands_of_expressions_is_evaluated_once(monkeypatch):
    expressions = [
        f"Mo-Fr {clock(420 + i % 180)}-12:30,14:00-{clock(1020 + i % 97)}; PH off"
        for i in range(5000)
    ]
    table = HoursTable(expressions, "Europe/Paris")
    instant = datetime(2026, 11, 23, 9, tzinfo=UTC)
    evaluated = []
    evaluate = HoursTable._evaluated

    def noted(self, day, known):
        evaluated.append(day)
        return evaluate(self, day, known)

    monkeypatch.setattr(HoursTable, "_evaluated", noted)
    states = [table.states_at(instant + timedelta(milliseconds=i)) for i in range(100)]
    assert evaluated == [date(2026, 11, 23)]
    assert all(each is states[0] for each in states)  # nor looked up, while nothing changes


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "", "/etc/passwd", "Europe"])
def test_an_unknown_timezone_is_refused(timezone):
    with pytest.raises(InputError, match="timezone must be an IANA name"):
        HoursTable([], timezone)


def test_an_unknown_country_is_refused():
    with pytest.raises(InputError, match="country must be an ISO code"):
        HoursTable(["24/7"], "Europe/Paris", country="ZZ")


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 1, 1),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
    ],
)
def test_an_instant_without_zone_or_out_of_the_calendar_is_refused(instant):
    with pytest.raises(InputError, match="an instant must"):
        HoursTable(["24/7"], "Europe/Paris").states_at(instant)


@pytest.mark.parametrize("year", [1901, 9998])
def test_the_first_and_last_years_are_answered(year):
    table = HoursTable(["24/7"], "Europe/Paris")
    for day in (date(year, 1, 1), date(year, 12, 31)):
        instant = datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)
        assert table.states_at(instant).item() == OPEN


@given(
    st.lists(st.sampled_from(["24/7", "Mo-Fr 09:00-18:00", "Sa 22:00-02:00", "prose"]), max_size=6),
    st.integers(0, 6),
    st.integers(0, 47),
)
def test_a_table_that_grows_equals_one_made_at_once(expressions, cut, hour):
    instants = [datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=hour + 9 * i) for i in (0, 1)]
    grown = HoursTable(expressions[:cut], "Europe/Paris")
    before = [grown.states_at(instant).tolist() for instant in instants]
    for expression in expressions[cut:]:
        longer = grown.extended([expression])
        if hour % 2:
            longer.states_at(instants[0])
        assert [grown.states_at(instant).tolist() for instant in instants] == before
        grown, before = longer, [longer.states_at(instant).tolist() for instant in instants]
    whole = HoursTable(expressions, "Europe/Paris")
    assert before == [whole.states_at(instant).tolist() for instant in instants]


def test_a_table_that_grows_reads_and_evaluates_only_what_is_new(monkeypatch):
    read = []
    parsed = matching.hours._parsed
    monkeypatch.setattr(
        matching.hours, "_parsed", lambda *one: read.append(one[0]) or Counted(parsed(*one))
    )
    instant = datetime(2026, 11, 23, 10, tzinfo=UTC)
    table = HoursTable(["24/7"] * 3, "Europe/Paris")
    table.states_at(instant)
    longer = table.extended(["Mo 09:00-12:00"])
    assert longer.states_at(instant).tolist() == [OPEN] * 4
    assert read == ["24/7"] * 3 + ["Mo 09:00-12:00"]
    assert [hours.asked for hours in longer._hours] == [1, 1, 1, 1]


class Counted:
    """Opening hours that count how often they are evaluated."""

    def __init__(self, hours):
        self._hours = hours
        self.asked = 0

    def intervals(self, *period):
        self.asked += 1
        return self._hours.intervals(*period)
