"""Near me by words that were mistyped: what is understood, what is told, what stays hidden."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexes.entities import Audience, Building, Household, Kind, Listing, Member, Tenant
from indexes.store import Store, open_store
from matching import ANYONE, Engine, NearAnswer, NearQuery

NOW = datetime(2025, 6, 14, 9, 30, tzinfo=UTC)
PLUMBER = Listing(
    tenant_id="t",
    id="plumber",
    kind=Kind.ARTISAN,
    title="Plomberie du Port",
    text="Dépannage de chaudières",
    lon=5.37,
    lat=43.29,
)
# Its title is the very word that is asked for, mistyped.
NAMESAKE = replace(PLUMBER, id="namesake", kind=Kind.MERCHANT, title="Plobmerie", text="")
PERSON = {"personal": True, "owner_id": "m", "lon": None, "lat": None}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "town.db")
    store.put_all(
        [
            Tenant(tenant_id="t", id="t", name="T"),
            Building(tenant_id="t", id="b", lon=5.37, lat=43.29),
            Household(tenant_id="t", id="h", building_id="b"),
            Member(tenant_id="t", id="m", household_id="h", level=3, name="M"),
            PLUMBER,
        ]
    )
    yield store
    store.close()


def asked(engine: Engine, text: str, lang: str = "fr") -> NearAnswer:
    return engine.near(ANYONE, NearQuery(at=NOW, origin=(5.37, 43.29), text=text, lang=lang))


@pytest.mark.parametrize(
    ("text", "lang", "code", "told"),
    [
        ("plobmerie", "fr", "fit-corrected", "« plobmerie » compris comme « plomberie »"),
        ("plobmerie", "en", "fit-corrected", "“plobmerie” read as “plomberie”"),
        ("Chodière", "fr", "fit-corrected", "« chodière » compris comme « chaudières »"),
        ("plobmier", "fr", None, None),  # two edits from no word that is there
        ("plombier", "fr", "fit-text", "correspond à vos mots"),
        ("déppannage", "fr", "fit-corrected", "« déppannage » compris comme « dépannage »"),
        ("chaussure", "fr", None, None),
        ("un Chaudirèe", "fr", "fit-corrected", "« chaudirèe » compris comme « chaudières »"),
        (
            "plobmerie chadière",
            "fr",
            "fit-corrected",
            "« plobmerie » compris comme « plomberie », « chadière » compris comme « chaudières »",
        ),
        ("plomberie chadière", "fr", "fit-corrected", "« chadière » compris comme « chaudières »"),
        ("plomberie", "fr", "fit-text", "correspond à vos mots"),
    ],
)
def test_a_match_tells_how_a_mistyped_word_was_understood(
    store: Store, text: str, lang: str, code: str | None, told: str | None
) -> None:
    matches = asked(Engine.over(store, "t"), text, lang).matches
    assert [(one.why[-1].code, one.why[-1].text) for one in matches] == (
        [(code, told)] if code else []
    )


@pytest.mark.parametrize(
    "namesake",
    [
        replace(NAMESAKE, audience=Audience.BUILDING, audience_id="b"),
        replace(NAMESAKE, audience=Audience.CITY),
        replace(NAMESAKE, kind=Kind.SERVICE, **PERSON),
        replace(NAMESAKE, kind=Kind.AD, **PERSON),
        replace(NAMESAKE, valid_to=NOW),
        replace(NAMESAKE, valid_from=NOW + timedelta(seconds=1)),
        replace(NAMESAKE, kind=Kind.EVENT, starts_at=NOW - timedelta(hours=3)),
    ],
)
@pytest.mark.parametrize("live", [False, True])
def test_what_one_may_not_find_leaves_no_trace_in_what_one_finds(
    store: Store, namesake: Listing, live: bool
) -> None:
    engine = Engine.over(store, "t")
    before = asked(engine, "plobmerie").matches
    assert [match.id for match in before] == ["plumber"]
    store.put(namesake)
    if live:
        engine.refresh()
    else:
        engine = Engine.over(store, "t")
    assert asked(engine, "plobmerie").matches == before


def test_a_word_is_understood_as_what_there_is_now(store: Store) -> None:
    engine = Engine.over(store, "t")
    store.put(NAMESAKE)
    engine.refresh()
    assert [match.id for match in asked(engine, "plobmerie").matches] == ["namesake"]
    store.delete(Listing, "t", "namesake")
    engine.refresh()
    assert [match.id for match in asked(engine, "plobmerie").matches] == ["plumber"]
    store.put(replace(PLUMBER, title="Dépannage"))
    engine.refresh()
    assert asked(engine, "plobmerie").matches == ()


def test_a_mistyped_word_weighs_less_than_one_that_is_there(store: Store) -> None:
    store.put(replace(PLUMBER, id="boiler", title="Chauffage", text=""))
    engine = Engine.over(store, "t")
    scores = {match.id: match.score for match in asked(engine, "plobmerie chauffage").matches}
    assert scores["boiler"] > scores["plumber"]
