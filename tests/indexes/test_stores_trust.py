"""How trust is earned, held whole against every store: decisions, dealings, letters, vouches."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from trust_records import DAY, LEVELS, NEIGHBOURS, NOW, dealing

from geo.errors import (
    ConflictError,
    DeniedError,
    InputError,
    MitoyenError,
    NotFoundError,
    StoreError,
)
from indexes.copying import copy_store
from indexes.entities import Block, Household, Member
from indexes.rules import columns_of, require
from indexes.store import Desk, Store, open_store
from indexes.trusting import (
    TRUSTING,
    Interaction,
    LetterCode,
    Rating,
    Reason,
    Reply,
    Report,
    ReportState,
    Request,
    Standing,
    Vouch,
)
from matching.dealings import ask, complete, opened, rate, reply
from matching.reporting import decide_report, report
from matching.verifying import attest, enter_code, lapse, send_letter
from matching.vouching import vouch

SECOND = timedelta(seconds=1)


@pytest.fixture
def hood(town: Store) -> Store:
    town.put_all(NEIGHBOURS)
    return town


def code_of(call: Callable[[], object]) -> str:
    """What a call is refused with."""
    with pytest.raises(MitoyenError) as raised:
        call()
    return raised.value.code


def level_of(store: Store, member: str) -> int:
    return store.get(Member, "t", member).level


def at_once(calls: list[Callable[[], object]]) -> Counter[str]:
    """How many of fifty calls made at once end how."""

    def one(call: Callable[[], object]) -> str:
        while True:
            try:
                call()
            except StoreError:  # all connections are taken: ask again
                continue
            except MitoyenError as error:
                return error.code
            return "done"

    with ThreadPoolExecutor(50) as pool:
        return Counter(pool.map(one, calls))


# Decisions.


def test_what_a_decision_writes_it_sees_and_others_see_once_it_is_made(hood: Store) -> None:
    before = hood.position()

    def decision(desk: Desk) -> str:
        desk.put(Standing(tenant_id="t", id="dan", level=1, expires_at=NOW))
        assert desk.get(Standing, "dan") == desk.all(Standing, {"level": 1})[0]
        assert desk.find(Standing, "eve") is None
        return "made"

    made, position = hood.decide("t", [(Member, "dan")], decision)
    assert made == "made" and hood.position() == position
    assert [change.entity for change in hood.changes(before)] == ["standings"]
    assert hood.get(Standing, "t", "dan").expires_at == NOW


def test_a_decision_that_raises_leaves_nothing_behind(hood: Store) -> None:
    before = hood.position()

    def decision(desk: Desk) -> None:
        desk.put(Standing(tenant_id="t", id="dan"))
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        hood.decide("t", [(Member, "dan")], decision)
    with pytest.raises(NotFoundError, match="no member 'nobody'"):
        hood.decide("t", [(Member, "nobody")], lambda desk: None)
    with pytest.raises(InputError, match="own tenant"):
        hood.decide("u", [], lambda desk: desk.put(Standing(tenant_id="t", id="dan")))
    assert hood.position() == before and hood.count(Standing, "t") == 0


def test_two_decisions_on_one_record_are_made_one_after_the_other(hood: Store) -> None:
    def count(desk: Desk) -> None:
        known = desk.find(Standing, "dan") or Standing(tenant_id="t", id="dan")
        desk.put(replace(known, tries=known.tries + 1))

    said = at_once([lambda: hood.decide("t", [(Member, "dan")], count)] * 50)
    assert said == {"done": 50} and hood.get(Standing, "t", "dan").tries == 50


def test_records_of_trust_are_put_by_decisions_only(hood: Store) -> None:
    dealing(hood, "dan", "ana", "i")
    rate(hood, "t", "dan", "i", 5, "", NOW, "x")
    vouch(hood, "t", "ana", "dan", NOW, "v")
    report(hood, made_report())
    send_letter(hood, "t", "eve", NOW, "l")
    for of in TRUSTING:
        (kept, *_) = hood.page(of, "t")
        with pytest.raises(InputError, match="`decide` makes it"):
            hood.put(kept)


def test_a_copy_holds_how_trust_was_earned(hood: Store, tmp_path) -> None:
    dealing(hood, "dan", "ana", "i")
    rate(hood, "t", "dan", "i", 4, "Bien\nfait", NOW, "x")
    send_letter(hood, "t", "eve", NOW, "l")
    target = open_store(tmp_path / "copy.db")
    try:
        copy_store(hood, target)
        for of in TRUSTING:
            assert target.page(of, "t") == hood.page(of, "t")
        assert target.count(Rating, "t") == 1
    finally:
        target.close()


def test_what_a_member_did_goes_with_the_member(hood: Store) -> None:
    dealing(hood, "dan", "ana", "i")
    rate(hood, "t", "dan", "i", 5, "", NOW, "x")
    vouch(hood, "t", "ana", "dan", NOW, "v")
    send_letter(hood, "t", "dan", NOW, "l")
    report(hood, made_report("dan"))
    hood.delete(Member, "t", "dan")
    for of in TRUSTING:
        assert hood.count(of, "t") == 0, of


# Dealings.


def request(id: str = "i", asker: str = "dan", helper: str = "ana", **more: object) -> Request:
    return Request(tenant_id="t", id=id, asker_id=asker, helper_id=helper, created_at=NOW, **more)


def test_an_accepted_request_becomes_an_interaction_that_two_complete(hood: Store) -> None:
    asked = request(
        text="Une fuite,\ncet après-midi ?", category="home.plumbing", listing_id="gone"
    )
    ask(hood, asked)
    assert hood.get(Request, "t", "i") == asked
    reply(hood, "t", "ana", "i", True, "Oui", NOW + SECOND)
    assert hood.get(Reply, "t", "i").accepted
    found = hood.get(Interaction, "t", "i")
    assert (found.asker_id, found.helper_id, found.category) == ("dan", "ana", "home.plumbing")
    complete(hood, "t", "ana", "i", NOW + DAY)
    assert hood.get(Interaction, "t", "i").completed_at is None
    complete(hood, "t", "dan", "i", NOW + 2 * DAY)
    complete(hood, "t", "ana", "i", NOW + 3 * DAY)  # again: nothing
    assert hood.get(Interaction, "t", "i").completed_at == NOW + 2 * DAY


def test_a_refused_request_becomes_nothing_and_has_one_reply_by_whom_was_asked(hood: Store) -> None:
    ask(hood, request())
    assert code_of(lambda: reply(hood, "t", "dan", "i", True, "", NOW)) == "not-found"
    reply(hood, "t", "ana", "i", False, "", NOW)
    assert code_of(lambda: reply(hood, "t", "ana", "i", True, "", NOW)) == "replied-already"
    assert code_of(lambda: reply(hood, "t", "ana", "none", True, "", NOW)) == "not-found"
    assert hood.count(Interaction, "t") == 0


def test_nobody_has_dealings_with_himself_his_dwelling_or_whom_he_blocks(hood: Store) -> None:
    assert code_of(lambda: ask(hood, request(helper="dan"))) == "self-dealing"
    assert code_of(lambda: ask(hood, request(asker="ana2"))) == "same-household"
    hood.put(Block(tenant_id="t", id="b", member_id="ana", other_id="eve"))
    words = set()
    for asker, helper in (("eve", "ana"), ("ana", "eve"), ("ana", "nobody")):
        with pytest.raises(InputError) as raised:
            ask(hood, request(asker=asker, helper=helper))
        words.add((raised.value.code, str(raised.value)))
    assert len(words) == 1
    assert hood.count(Request, "t") == 0


def test_a_rating_needs_an_interaction_of_the_rater_that_both_completed(hood: Store) -> None:
    ask(hood, request())
    assert code_of(lambda: rate(hood, "t", "dan", "i", 5, "", NOW, "x")) == "not-found"
    reply(hood, "t", "ana", "i", True, "", NOW)
    complete(hood, "t", "dan", "i", NOW)
    assert code_of(lambda: rate(hood, "t", "dan", "i", 5, "", NOW, "x")) == "interaction-open"
    complete(hood, "t", "ana", "i", NOW)
    words = set()
    for rater, id in (("eve", "i"), ("dan", "none")):
        with pytest.raises(NotFoundError) as raised:
            rate(hood, "t", rater, id, 5, "", NOW, "x")
        words.add(str(raised.value).replace(f"'{id}'", ""))
    assert len(words) == 1
    for stars in (0, 6, True, 4.5):
        with pytest.raises(InputError, match="stars must be a whole number, 1 to 5"):
            rate(hood, "t", "dan", "i", stars, "", NOW, "x")
    rate(hood, "t", "dan", "i", 5, "", NOW, "x")
    assert code_of(lambda: rate(hood, "t", "dan", "i", 1, "", NOW, "y")) == "rated-already"
    assert [one.stars for one in hood.page(Rating, "t")] == [5]


def test_who_moved_in_with_the_other_since_does_not_rate(hood: Store) -> None:
    dealing(hood, "dan", "ana", "i")
    hood.put(replace(hood.get(Member, "t", "dan"), household_id="h-ana"))
    assert code_of(lambda: rate(hood, "t", "dan", "i", 5, "", NOW, "x")) == "same-household"


def test_ratings_open_when_both_have_rated_or_after_fourteen_days(hood: Store) -> None:
    dealing(hood, "dan", "ana", "i")
    dealing(hood, "dan", "ana", "j")
    rate(hood, "t", "dan", "i", 5, "", NOW + DAY, "x")
    rate(hood, "t", "ana", "j", 2, "", NOW + DAY, "z")
    rate(hood, "t", "ana", "i", 1, "", NOW + 2 * DAY, "y")

    def seen(days: float, by: str | None = None) -> list[str]:
        return [one.id for one in opened(hood.page(Rating, "t"), NOW + days * DAY, by)]

    assert seen(1.9) == [] and seen(2) == ["x", "y"]
    assert seen(13.99, by="ana") == ["x", "y", "z"] and seen(13.99, by="dan") == ["x", "y"]
    assert seen(14) == ["x", "y", "z"]


def test_after_fourteen_days_it_is_too_late_to_rate(hood: Store) -> None:
    dealing(hood, "dan", "ana", "i")
    rate(hood, "t", "dan", "i", 1, "", NOW, "x")
    late = NOW + 14 * DAY
    assert code_of(lambda: rate(hood, "t", "ana", "i", 1, "", late, "y")) == "rating-closed"
    rate(hood, "t", "ana", "i", 1, "", late - SECOND, "y")
    assert hood.count(Rating, "t") == 2


def test_of_fifty_ratings_of_one_side_at_once_exactly_one_is_kept(hood: Store) -> None:
    dealing(hood, "dan", "ana", "i")
    calls = [
        lambda n=n: rate(hood, "t", "dan", "i", 1 + n % 5, "", NOW, f"x{n}") for n in range(50)
    ]
    assert at_once(calls) == {"done": 1, "rated-already": 49}
    assert hood.count(Rating, "t") == 1


def test_of_fifty_replies_at_once_exactly_one_is_kept(hood: Store) -> None:
    ask(hood, request())
    calls = [lambda: reply(hood, "t", "ana", "i", True, "", NOW)] * 50
    assert at_once(calls) == {"done": 1, "replied-already": 49}
    assert hood.count(Interaction, "t") == 1


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


# Reports.


def made_report(member: str = "ana", id: str = "r", reason: Reason = Reason.SAFETY) -> Report:
    return Report(
        tenant_id="t", id=id, member_id=member, reason=reason, reporter_id="gone", created_at=NOW
    )


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
