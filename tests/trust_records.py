"""Neighbours for the tests of trust: beside those of `store_records`, in homes of their own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from geo.errors import MitoyenError, StoreError
from indexes.entities import Building, Entity, Household, Member
from indexes.store import Store
from indexes.trusting import Interaction, Reason, Report, Request
from matching.trusting.dealings import ask, complete, reply

NOW = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LEVELS = {"ana": 3, "bob": 4, "cleo": 3, "dan": 1, "eve": 1, "fay": 1, "gil": 1, "hal": 1}

NEIGHBOURS: list[Entity] = [
    Building(tenant_id="t", id="far", lon=5.41, lat=43.35, dwellings=30),
    *(Household(tenant_id="t", id=f"h-{name}", building_id="b1") for name in LEVELS),
    *(
        Member(tenant_id="t", id=name, household_id=f"h-{name}", level=level)
        for name, level in LEVELS.items()
    ),
    # Ana's dwelling has two accounts; Zoe lives elsewhere.
    Member(tenant_id="t", id="ana2", household_id="h-ana", level=3),
    Household(tenant_id="t", id="h-zoe", building_id="far"),
    Member(tenant_id="t", id="zoe", household_id="h-zoe", level=3),
]


def dealing(store: Store, asker: str, helper: str, id: str, at: datetime = NOW) -> Interaction:
    """An interaction that both sides have completed at an instant."""
    request = Request(tenant_id="t", id=id, asker_id=asker, helper_id=helper, created_at=at)
    ask(store, request)
    reply(store, "t", helper, id, True, "", at)
    complete(store, "t", asker, id, at)
    complete(store, "t", helper, id, at)
    return store.get(Interaction, "t", id)


def made_report(member: str = "ana", id: str = "r", reason: Reason = Reason.SAFETY) -> Report:
    return Report(
        tenant_id="t", id=id, member_id=member, reason=reason, reporter_id="gone", created_at=NOW
    )


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
