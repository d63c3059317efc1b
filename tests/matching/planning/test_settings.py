from collections.abc import Iterator

import pytest

from geo.errors import InputError, NotFoundError
from indexes import Tenant, open_store
from indexes.store import Store
from matching.planning.measures import EPSILONS, GOALS
from matching.planning.settings import change_settings, settings_of


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    store = open_store(tmp_path / "town.db")
    for id in "tu":
        store.put(Tenant(tenant_id=id, id=id, name="Ville"))
    yield store
    store.close()


def test_what_a_town_has_not_chosen_is_the_default(store: Store) -> None:
    assert settings_of(store, "t").goals == GOALS
    assert settings_of(store, "t").epsilons == EPSILONS
    made = change_settings(store, "t", epsilons={"active": 0.3})
    assert made == settings_of(store, "t")
    assert made.epsilons == {**EPSILONS, "active": 0.3} and made.goals == GOALS
    assert settings_of(store, "u").epsilons == EPSILONS


def test_what_is_chosen_stays_until_other_is_chosen_or_all_is_reset(store: Store) -> None:
    change_settings(store, "t", goals=[0.2], epsilons={"active": 0.3})
    change_settings(store, "t", epsilons={"members": 0.2})
    found = settings_of(store, "t")
    assert found.goals == (0.2,)
    assert (found.epsilons["active"], found.epsilons["members"]) == (0.3, 0.2)
    change_settings(store, "t", goals=[0.1, 0.3], reset=True)
    found = settings_of(store, "t")
    assert found.goals == (0.1, 0.3) and found.epsilons == EPSILONS


@pytest.mark.parametrize(
    "chosen",
    [
        {"goals": []},
        {"goals": [0.0]},
        {"goals": [1.1]},
        {"goals": [float("nan")]},
        {"goals": [0.05, 0.05]},
        {"goals": [n / 100 for n in range(1, 8)]},
        {"epsilons": {"active": 0.0}},
        {"epsilons": {"active": float("inf")}},
        {"epsilons": {"income": 0.1}},
        {"epsilons": dict.fromkeys(EPSILONS, 0.4)},  # 2.4 together
    ],
)
def test_what_no_release_could_be_made_with_is_refused_and_changes_nothing(
    store: Store, chosen
) -> None:
    change_settings(store, "t", goals=[0.2])
    with pytest.raises(InputError):
        change_settings(store, "t", **chosen)
    assert settings_of(store, "t").goals == (0.2,)
    assert settings_of(store, "t").epsilons == EPSILONS


def test_a_town_that_is_not_there_chooses_nothing(store: Store) -> None:
    with pytest.raises(NotFoundError):
        settings_of(store, "nobody")
    with pytest.raises(NotFoundError):
        change_settings(store, "nobody", goals=[0.2])
