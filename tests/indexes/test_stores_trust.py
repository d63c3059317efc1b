"""How trust is earned, held whole against every store: decisions and dealings."""

from dataclasses import replace
from datetime import timedelta

import pytest
from trust_records import (
    DAY,
    NEIGHBOURS,
    NOW,
    at_once,
    code_of,
    dealing,
    made_report,
)

from geo.errors import (
    ConflictError,
    InputError,
    NotFoundError,
)
from indexes.copying import copy_store
from indexes.entities import Block, Member
from indexes.rules import columns_of, require
from indexes.store import Desk, Store, open_store
from indexes.trusting import (
    TRUSTING,
    Interaction,
    Rating,
    Reply,
    Request,
    Standing,
)
from matching.trusting.dealings import ask, complete, opened, rate, reply
from matching.trusting.reporting import report
from matching.trusting.verifying import send_letter
from matching.trusting.vouching import vouch

SECOND = timedelta(seconds=1)


@pytest.fixture
def hood(town: Store) -> Store:
    town.put_all(NEIGHBOURS)
    return town


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
        with pytest.raises(InputError, match="`decide` makes it"):
            hood.put_columns(require(of, columns_of(of, [kept])))


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
