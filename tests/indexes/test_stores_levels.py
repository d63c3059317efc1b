"""How levels are earned and lost, held whole against every store: letters, vouches, reports."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from trust_records import (
    DAY,
    LEVELS,
    NEIGHBOURS,
    NOW,
    at_once,
    code_of,
    level_of,
    made_report,
)

from geo.errors import (
    DeniedError,
    InputError,
    NotFoundError,
)
from indexes.entities import Household, Member
from indexes.rules import columns_of, require
from indexes.store import Store
from indexes.trusting import (
    LetterCode,
    Reason,
    ReportState,
    Standing,
    Vouch,
)
from matching.trusting.reporting import decide_report, report
from matching.trusting.verifying import attest, enter_code, lapse, send_letter
from matching.trusting.vouching import vouch

SECOND = timedelta(seconds=1)


@pytest.fixture
def hood(town: Store) -> Store:
    town.put_all(NEIGHBOURS)
    return town


# Letters.


def test_the_code_of_a_letter_proves_a_home_once(hood: Store) -> None:
    letter = send_letter(hood, "t", "dan", NOW, "l")
    assert len(letter.code) == 8 and letter.expires_at == NOW + 30 * DAY
    assert letter.code not in str(hood.page(LetterCode, "t"))
    written = f"{letter.code[:4].lower()} {letter.code[4:]}"
    written = written.replace("O", "0").replace("I", "1").replace("B", "8")
    level, position = enter_code(hood, "t", "dan", written, NOW + 29 * DAY)
    assert level == level_of(hood, "dan") == 3 and hood.position() == position
    again = NOW + 29 * DAY
    assert code_of(lambda: enter_code(hood, "t", "dan", letter.code, again)) == "wrong-code"


def test_whatever_is_wrong_with_a_code_the_answer_is_one(hood: Store) -> None:
    old = send_letter(hood, "t", "dan", NOW, "l1").code
    send_letter(hood, "t", "dan", NOW + SECOND, "l2")
    others = send_letter(hood, "t", "eve", NOW, "l3").code
    expired = send_letter(hood, "t", "fay", NOW, "l4").code
    moved = send_letter(hood, "t", "gil", NOW, "l5").code
    hood.put(Household(tenant_id="t", id="h-gil2", building_id="b1"))
    hood.put(replace(hood.get(Member, "t", "gil"), household_id="h-gil2"))
    words = set()
    for member, code, at in (
        ("dan", old, NOW),
        ("dan", others, NOW),
        ("dan", "", NOW),
        ("dan", "é\n\ud800" * 10, NOW),
        ("fay", expired, NOW + 30 * DAY),
        ("gil", moved, NOW),
        ("hal", others, NOW),  # no letter at all
    ):
        before = hood.position()
        with pytest.raises(InputError) as raised:
            enter_code(hood, "t", member, code, at)
        words.add((raised.value.code, str(raised.value)))
        # A try leaves the same behind, whatever was wrong.
        assert [(one.entity, one.id) for one in hood.changes(before)] == [("standings", member)]
    assert len(words) == 1
    assert {name: level_of(hood, name) for name in LEVELS} == LEVELS


@pytest.mark.parametrize("lettered", [True, False])
def test_after_five_tries_even_the_right_code_is_wrong(hood: Store, lettered: bool) -> None:
    letter = send_letter(hood, "t", "dan", NOW, "l")
    member = "dan" if lettered else "eve"
    for _ in range(5):
        assert code_of(lambda: enter_code(hood, "t", member, "AAAAAAAA", NOW)) == "wrong-code"
    before = hood.position()
    assert code_of(lambda: enter_code(hood, "t", member, letter.code, NOW)) == "wrong-code"
    assert hood.position() == before and level_of(hood, member) == 1
    fresh = send_letter(hood, "t", member, NOW, "l2")
    assert enter_code(hood, "t", member, fresh.code, NOW)[0] == 3


def test_fifty_tries_at_once_are_five(hood: Store) -> None:
    send_letter(hood, "t", "dan", NOW, "l")
    calls = [lambda: enter_code(hood, "t", "dan", "AAAAAAAA", NOW)] * 50
    assert at_once(calls) == {"wrong-code": 50}
    assert hood.get(Standing, "t", "dan").tries == 5


def test_an_address_gets_three_letters_in_ninety_days_whoever_asks(hood: Store) -> None:
    for n, member in enumerate(["ana", "ana2", "ana"]):
        send_letter(hood, "t", member, NOW + n * DAY, f"l{n}")
    later = NOW + 90 * DAY
    early = later - SECOND
    assert code_of(lambda: send_letter(hood, "t", "ana2", early, "l9")) == "letter-quota"
    send_letter(hood, "t", "ana2", later, "l9")
    calls = [lambda n=n: send_letter(hood, "t", "dan", NOW, f"d{n}") for n in range(50)]
    assert at_once(calls) == {"done": 3, "letter-quota": 47}


def test_a_dwelling_of_seven_accounts_gets_no_letter(hood: Store) -> None:
    people = [Member(tenant_id="t", id=f"p{n}", household_id="h-dan") for n in range(6)]
    hood.put_all(people)
    assert code_of(lambda: send_letter(hood, "t", "p1", NOW, "l")) == "household-full"
    hood.delete(Member, "t", "p5")
    send_letter(hood, "t", "p1", NOW, "l")


def test_a_proof_lasts_two_years_and_thirty_days_unless_it_is_renewed(hood: Store) -> None:
    attest(hood, "t", "dan", 4, NOW)
    attest(hood, "t", "eve", 3, NOW)
    for n, voucher in enumerate(("ana", "bob")):
        vouch(hood, "t", voucher, "eve", NOW, f"v{n}")
    attest(hood, "t", "fay", 3, NOW + DAY)
    end = NOW + 760 * DAY
    assert lapse(hood, "t", end - SECOND) == 0
    assert [level_of(hood, name) for name in ("dan", "eve", "fay")] == [4, 3, 3]
    assert lapse(hood, "t", end) == 2
    assert [level_of(hood, name) for name in ("dan", "eve", "fay")] == [1, 2, 3]
    assert lapse(hood, "t", end) == 0
    letter = send_letter(hood, "t", "fay", end, "l")
    enter_code(hood, "t", "fay", letter.code, end)
    assert lapse(hood, "t", end + 700 * DAY) == 0 and level_of(hood, "fay") == 3
    for level in (2, 5):
        with pytest.raises(InputError, match="level 3 or 4"):
            attest(hood, "t", "dan", level, NOW)


@pytest.mark.parametrize(
    "vouchers, suspended, left",
    [
        (("ana", "ana2"), (), 1),  # of one dwelling
        (("ana", "bob"), (), 2),
        (("ana", "bob"), ("bob",), 1),
        (("ana", "bob", "cleo"), ("bob",), 2),
    ],
)
def test_a_lapse_leaves_level_two_by_the_rule_by_which_vouches_make_it(
    hood: Store, vouchers: tuple[str, ...], suspended: tuple[str, ...], left: int
) -> None:
    for voucher in vouchers:
        vouch(hood, "t", voucher, "dan", NOW, f"v-{voucher}")
    attest(hood, "t", "dan", 3, NOW)
    for name in suspended:
        report(hood, made_report(name, f"r-{name}"))
        decide_report(hood, "t", f"r-{name}", ReportState.CONFIRMED, NOW)
    assert lapse(hood, "t", NOW + 760 * DAY) == 1
    assert level_of(hood, "dan") == left


def test_vouchers_whose_own_proof_has_lapsed_leave_no_level_two(hood: Store) -> None:
    for voucher in ("ana", "bob"):
        vouch(hood, "t", voucher, "dan", NOW, f"v-{voucher}")
    for name in ("ana", "bob", "dan"):
        attest(hood, "t", name, 3, NOW)
    assert lapse(hood, "t", NOW + 760 * DAY) == 3
    assert level_of(hood, "dan") == 1


def test_who_goes_while_proofs_lapse_keeps_nobody_else_from_it(
    hood: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ana", "dan"):
        attest(hood, "t", name, 3, NOW)
    page = hood.page

    def going(*args: Any, **options: Any) -> Any:
        rows = page(*args, **options)
        if any(row.id == "ana" for row in rows):
            hood.delete(Member, "t", "ana")
        return rows

    monkeypatch.setattr(hood, "page", going)
    assert lapse(hood, "t", NOW + 760 * DAY) == 1
    assert level_of(hood, "dan") == 1


# Vouches.


def test_two_neighbours_of_proved_homes_make_level_two(hood: Store) -> None:
    assert vouch(hood, "t", "ana", "dan", NOW, "v1")[0] is False and level_of(hood, "dan") == 1
    assert vouch(hood, "t", "bob", "dan", NOW, "v2")[0] is True and level_of(hood, "dan") == 2
    assert code_of(lambda: vouch(hood, "t", "dan", "eve", NOW, "v3")) == "voucher-not-proved"


def test_two_accounts_of_one_dwelling_are_one_voucher(hood: Store) -> None:
    vouch(hood, "t", "ana", "dan", NOW, "v1")
    assert vouch(hood, "t", "ana2", "dan", NOW, "v2")[0] is False
    assert level_of(hood, "dan") == 1


def test_who_may_not_vouch_is_told_why(hood: Store) -> None:
    def asked(voucher: str, vouchee: str, at: datetime = NOW) -> str:
        return code_of(lambda: vouch(hood, "t", voucher, vouchee, at, "v"))

    assert asked("ana", "ana") == "self-vouch"
    assert asked("ana", "ana2") == "same-household"
    assert asked("ana", "zoe") == asked("zoe", "dan") == "voucher-elsewhere"
    assert asked("ana", "nobody") == asked("nobody", "dan") == "unknown-reference"
    attest(hood, "t", "ana", 3, NOW)
    assert asked("ana", "dan", NOW + 760 * DAY) == "voucher-not-proved"
    assert hood.count(Vouch, "t") == 0


def test_a_voucher_has_three_vouches_in_ninety_days(hood: Store) -> None:
    for n, name in enumerate(["dan", "eve", "fay"]):
        vouch(hood, "t", "ana", name, NOW, f"v{n}")
    late = NOW + 90 * DAY
    assert code_of(lambda: vouch(hood, "t", "ana", "dan", late, "v")) == "vouched-already"
    assert code_of(lambda: vouch(hood, "t", "ana", "gil", late - SECOND, "v")) == "vouch-quota"
    vouch(hood, "t", "ana", "gil", late, "v")
    names = ["dan", "eve", "fay", "gil", "hal"] * 10
    calls = [lambda n=n, m=m: vouch(hood, "t", "bob", m, NOW, f"b{n}") for n, m in enumerate(names)]
    said = at_once(calls)
    assert said["done"] == 3 and hood.count(Vouch, "t") == 7


def test_ten_fooled_residents_let_fifteen_fakes_in_within_ninety_days(hood: Store) -> None:
    fooled, fakes = [f"fooled{n}" for n in range(10)], [f"fake{n}" for n in range(30)]
    for names, level in ((fooled, 3), (fakes, 1)):
        hood.put_all([Household(tenant_id="t", id=f"h-{one}", building_id="b1") for one in names])
        hood.put_all(
            [Member(tenant_id="t", id=one, household_id=f"h-{one}", level=level) for one in names]
        )
    said: Counter[str] = Counter()
    for n, fake in enumerate(fakes):
        # Those who are in try to let others in, too.
        for voucher in [*fooled, *fakes[:n]]:
            try:
                vouch(hood, "t", voucher, fake, NOW + n * DAY, f"{voucher}-{fake}")
            except DeniedError as error:
                said[error.code] += 1
            if level_of(hood, fake) >= 2:
                break
    assert sum(level_of(hood, fake) >= 2 for fake in fakes) == 15
    assert hood.count(Vouch, "t") == 30 and said.keys() == {"vouch-quota", "voucher-not-proved"}


# Reports.


def test_a_confirmed_safety_report_sets_level_0_until_it_is_reviewed(hood: Store) -> None:
    report(hood, made_report())
    assert level_of(hood, "ana") == 3
    decide_report(hood, "t", "r", ReportState.CONFIRMED, NOW)
    assert level_of(hood, "ana") == 0
    letter = send_letter(hood, "t", "ana", NOW, "l")
    assert enter_code(hood, "t", "ana", letter.code, NOW)[0] == level_of(hood, "ana") == 0
    assert attest(hood, "t", "ana", 4, NOW)[0] == level_of(hood, "ana") == 0
    assert code_of(lambda: vouch(hood, "t", "ana", "dan", NOW, "v")) == "voucher-not-proved"
    assert vouch(hood, "t", "bob", "ana", NOW, "v1")[0] is False
    assert vouch(hood, "t", "cleo", "ana", NOW, "v2")[0] is False
    assert level_of(hood, "ana") == 0
    decide_report(hood, "t", "r", ReportState.CLEARED, NOW)
    assert level_of(hood, "ana") == 4


def test_nobody_writes_a_level_while_a_report_is_reviewed(hood: Store) -> None:
    report(hood, made_report())
    decide_report(hood, "t", "r", ReportState.CONFIRMED, NOW)
    ana = hood.get(Member, "t", "ana")
    hood.put_all([replace(ana, level=4), replace(hood.get(Member, "t", "dan"), level=2)])
    hood.put_columns(require(Member, columns_of(Member, [replace(ana, level=4, name="Ana")])))
    assert (level_of(hood, "ana"), level_of(hood, "dan")) == (0, 2)
    assert hood.get(Member, "t", "ana").name == "Ana"
    decide_report(hood, "t", "r", ReportState.CLEARED, NOW)
    assert level_of(hood, "ana") == 3


def test_a_level_written_while_a_report_is_decided_does_not_stay(hood: Store) -> None:
    report(hood, made_report())
    ana = hood.get(Member, "t", "ana")
    writes = [lambda n=n: hood.put(replace(ana, name=f"A{n}", level=4)) for n in range(20)]
    decided = [lambda: decide_report(hood, "t", "r", ReportState.CONFIRMED, NOW)]
    assert at_once([*writes[:10], *decided, *writes[10:]]) == {"done": 21}
    assert level_of(hood, "ana") == 0


def test_a_level_comes_back_only_once_no_confirmed_report_is_left(hood: Store) -> None:
    for id in ("r1", "r2"):
        report(hood, made_report(id=id))
        decide_report(hood, "t", id, ReportState.CONFIRMED, NOW)
    decide_report(hood, "t", "r1", ReportState.CLEARED, NOW)
    assert level_of(hood, "ana") == 0
    decide_report(hood, "t", "r2", ReportState.CLEARED, NOW)
    assert level_of(hood, "ana") == 3


def test_a_level_whose_proof_expired_meanwhile_does_not_come_back(hood: Store) -> None:
    attest(hood, "t", "ana", 4, NOW)
    report(hood, made_report())
    decide_report(hood, "t", "r", ReportState.CONFIRMED, NOW)
    decide_report(hood, "t", "r", ReportState.CLEARED, NOW + 760 * DAY)
    assert level_of(hood, "ana") == 1


def test_other_reports_and_dismissed_ones_change_no_level(hood: Store) -> None:
    report(hood, made_report(id="r1"))
    decide_report(hood, "t", "r1", ReportState.DISMISSED, NOW)
    report(hood, made_report(id="r2", reason=Reason.OTHER))
    decide_report(hood, "t", "r2", ReportState.CONFIRMED, NOW)
    assert level_of(hood, "ana") == 3 and hood.count(Standing, "t") == 0


def test_a_report_is_decided_once_and_cleared_once_confirmed(hood: Store) -> None:
    report(hood, made_report())

    def decided(state: ReportState) -> str:
        return code_of(lambda: decide_report(hood, "t", "r", state, NOW))

    assert decided(ReportState.CLEARED) == decided(ReportState.OPEN) == "report-decided"
    decide_report(hood, "t", "r", ReportState.CONFIRMED, NOW)
    assert decided(ReportState.CONFIRMED) == decided(ReportState.DISMISSED) == "report-decided"
    with pytest.raises(NotFoundError):
        decide_report(hood, "t", "none", ReportState.CONFIRMED, NOW)
    assert code_of(lambda: report(hood, made_report("nobody"))) == "unknown-reference"


def test_who_vouched_for_a_fraud_vouches_for_nobody_for_180_days(hood: Store) -> None:
    vouch(hood, "t", "ana", "dan", NOW, "v1")
    vouch(hood, "t", "bob", "eve", NOW, "v2")
    vouch(hood, "t", "ana", "eve", NOW, "v3")
    report(hood, made_report("dan", reason=Reason.FRAUD))
    decide_report(hood, "t", "r", ReportState.CONFIRMED, NOW)
    assert level_of(hood, "dan") == 0 and level_of(hood, "eve") == 2
    end = NOW + 180 * DAY
    with pytest.raises(DeniedError) as raised:
        vouch(hood, "t", "ana", "fay", end - SECOND, "v4")
    assert raised.value.code == "voucher-suspended"
    # What she said of others before counts for nothing meanwhile.
    vouch(hood, "t", "bob", "gil", NOW, "v5")
    vouch(hood, "t", "ana", "fay", end, "v6")
    assert vouch(hood, "t", "bob", "fay", end, "v7")[0] is True
