"""Holds an engine's pages to the oracle's, match by match."""

from dataclasses import replace

import near_oracle
import pytest
from near_oracle import Near
from worlds import Town

from matching import Engine, NearAnswer, NearQuery, Viewer

PAGES = 40  # of one walk, at most


def walked(engine: Engine, viewer: Viewer, query: NearQuery) -> list[NearAnswer]:
    """All pages of a query."""
    answers = [engine.near(viewer, query)]
    while answers[-1].next and len(answers) < PAGES:
        answers.append(engine.near(viewer, replace(query, cursor=answers[-1].next)))
    return answers


def reported(answers: list[NearAnswer], found: dict[str, Near]) -> dict[str, tuple[int, int]]:
    """The whole numbers that answers gave: score in 1e-9 and, of public things, millimetres."""
    return {
        match.id: (
            round(match.score * 1e9),
            0 if match.distance_m is None else round(match.distance_m * 1000),
        )
        for answer in answers
        for match in answer.matches
    }


def assert_equal(answers: list[NearAnswer], town: Town, viewer: Viewer, query: NearQuery) -> int:
    """Pages equal the oracle's; returns how many matches were compared."""
    found = near_oracle.near(town.world, viewer.member_id, query)
    expected = near_oracle.pages(found, query, reported(answers, found))
    assert [
        (answer.radius_m, [match.id for match in answer.matches]) for answer in answers
    ] == expected[:PAGES]
    assert (answers[-1].next is None) == (len(expected) <= PAGES)
    read = near_oracle.readings(town.world, viewer.member_id, query) if query.text else []
    count = 0
    for answer in answers:
        assert answer.people == ("searched" if query.origin is None else "not_searched")
        assert answer.at == query.at.replace(microsecond=0)
        used = {query.profile} if query.profile else {kind.value for kind in query.kinds}
        assert answer.profiles == dict.fromkeys(used, "1")
        for match in answer.matches:
            one = found[match.id]
            listing, scored = one.listing, one.scored
            count += 1
            assert match.kind is listing.kind
            assert match.title == listing.title
            assert match.personal is listing.personal
            assert match.score * 1e9 == pytest.approx(scored.score * 1e9, abs=0.501)
            assert match.score * 1e9 == pytest.approx(round(match.score * 1e9), abs=1e-6)
            assert match.distance_band == one.band
            if listing.personal:
                assert match.distance_m is None
                assert (match.lon, match.lat, match.address) == (None, None, "")
            else:
                assert match.distance_m == pytest.approx(scored.distance_m, abs=0.000501)
                assert (match.lon, match.lat) == (listing.lon, listing.lat)
            assert match.level == one.level
            assert match.available == one.available
            assert match.starts_at == listing.starts_at
            end = near_oracle.end_of(listing)
            assert (match.valid_to and match.valid_to.timestamp()) == end
            assert set(match.zones) == one.zones
            shares = [reason.share for reason in match.why]
            assert sum(shares) == pytest.approx(match.score, abs=3.001e-9)
            if match.why and match.why[-1].code.startswith("fit"):
                corrected = match.why[-1].code == "fit-corrected"
                assert corrected == near_oracle.is_corrected(listing, read)
    return count
