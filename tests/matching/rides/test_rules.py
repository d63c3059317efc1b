"""Who may share a car with whom, held to the rules as read from records by hand."""

import random
from dataclasses import replace

import trips_oracle
from hypothesis import given
from hypothesis import strategies as st
from trip_records import DRIVER
from trips_worlds import party_of

from indexes.entities import Audience
from matching.rides.carpool import ANYBODY
from matching.rides.rules import may_see, share_building, suits

WISHES = ("verified_only", "women_only", "same_building")


def asked(seed):
    """Somebody, what they wish for, a trip, and whose it is."""
    rng = random.Random(seed)
    ids = ["ada", "tom"]
    viewer = rng.choice([ANYBODY, *(party_of(rng, id, ids) for id in ("ada", "tom", "tom"))])
    owner = rng.choice([ANYBODY, *[party_of(rng, "ada", ids)] * 3])
    audience = rng.choice(list(Audience))
    walls = {Audience.BUILDING: ["b1", "b2"], Audience.RESIDENCE: ["r1"]}.get(audience, [])
    trips = [
        replace(
            DRIVER,
            owner_id=id,
            audience=audience,
            audience_id=rng.choice(walls) if id is None and walls else "",
            **rng.choice([{}, *({wish: True} for wish in WISHES)]),
        )
        for id in (viewer.id, owner.id)
    ]
    return viewer, *trips, owner


@given(st.integers(0, 2**32))
def test_who_may_ride_with_whom_is_as_by_hand(seed):
    for one in range(seed, seed + 30):
        viewer, wishes, trip, owner = asked(one)
        assert may_see(viewer, trip, owner) == trips_oracle.sees(viewer, trip, owner)
        assert share_building(viewer, owner) == trips_oracle.same_building(viewer, owner)
        by_hand = trips_oracle.may_ride(viewer, wishes, trip, owner)
        assert suits(viewer, wishes, trip, owner) == by_hand


def test_the_questions_of_this_test_have_answers_of_every_kind():
    kinds = set()
    for seed in range(2_000):
        viewer, wishes, trip, owner = asked(seed)
        proved = viewer.level > 1, owner.level > 1
        kinds.add((trip.audience, *proved, may_see(viewer, trip, owner)))
        for side, one in (("wishes", wishes), ("trip", trip)):
            wished = [wish for wish in WISHES if getattr(one, wish)]
            kinds.add((side, *wished, suits(viewer, wishes, trip, owner)))
    for audience in (Audience.BUILDING, Audience.RESIDENCE):
        assert {(audience, True, True, so) for so in (True, False)} <= kinds
        assert (audience, True, False, False) in kinds
        assert (audience, False, True, False) in kinds
    for side in ("wishes", "trip"):
        assert {(side, wish, so) for wish in WISHES for so in (True, False)} <= kinds
