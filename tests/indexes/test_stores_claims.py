"""Who comes first, held against every store: looking and writing are one step."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from geo.errors import DeniedError, NotFoundError
from indexes.entities import Kind, Listing
from indexes.store import Desk, Store


def test_of_many_who_claim_a_new_record_at_once_exactly_one_makes_it(town: Store) -> None:
    together = Barrier(10)  # as many as there are connections

    def make(turn: int) -> str:
        mine = Listing(
            tenant_id="t",
            id=f"race-{turn // 10}",
            kind=Kind.AD,
            title=f"{turn}",
            lon=5.37,
            lat=43.29,
        )

        def write(desk: Desk) -> None:
            if desk.find(Listing, mine.id) is not None:
                raise DeniedError("somebody else's")
            desk.put(mine)

        together.wait()
        try:
            town.decide("t", (), write, claimed=[(Listing, mine.id)])
        except DeniedError:
            return "denied"
        return mine.title

    for race in range(5):
        with ThreadPoolExecutor(10) as pool:
            told = Counter(pool.map(make, range(race * 10, race * 10 + 10)))
        assert told.pop("denied") == 9
        assert [*told] == [town.get(Listing, "t", f"race-{race}").title]


def test_a_claim_on_what_is_not_there_makes_nothing(town: Store) -> None:
    before = town.position()
    assert town.decide("t", (), lambda desk: desk.find(Listing, "x"), claimed=[(Listing, "x")]) == (
        None,
        before,
    )
    with pytest.raises(NotFoundError):
        town.get(Listing, "t", "x")


@pytest.mark.parametrize("id", ["", "a\nb", "é" * 300, "\0", "\ud800"])
def test_any_id_can_be_claimed(town: Store, id: str) -> None:
    found, _ = town.decide("t", (), lambda desk: desk.find(Listing, id), claimed=[(Listing, id)])
    assert found is None
