"""Hypothesis strategies shared by the tests: records as the store takes them."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from geo.arrays import rounded
from indexes.entities import (
    PERSON_KINDS,
    Audience,
    Block,
    Building,
    Endorsement,
    Entity,
    Household,
    Kind,
    Listing,
    Member,
    Residence,
    Tenant,
)

THE_TENANT = "tenant-é"

ids = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("'\"\\%_:;🦀"),
    min_size=1,
    max_size=200,
)


def texts(most: int, *, least: int = 0, lines: bool = False) -> st.SearchStrategy[str]:
    """Any text the store takes, quotes and backslashes and all."""
    allowed = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\"'\\,;%")
    if lines:
        allowed |= st.sampled_from("\n\r\t")
    return st.text(allowed, min_size=least, max_size=min(most, 60))


def degrees(most: float) -> st.SearchStrategy[float]:
    """A coordinate as it is kept, edges of the Earth included."""
    edges = st.sampled_from([-most, 0.0, most])
    return edges | st.floats(-most, most).map(rounded).map(lambda value: value + 0.0)


# Whole seconds, as they are kept; any offset that an aware datetime may have.
instants = st.builds(
    lambda seconds, offset: (
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ).astimezone(timezone(timedelta(minutes=offset))),
    st.integers(-2_000_000_000, 30_000_000_000),
    st.integers(-14 * 60, 14 * 60),
)
categories = st.sampled_from(["", "food", "food.bakery", "aide.garde-d_enfants", "santé.2"])
langs = st.sampled_from(["fr", "en", "oci", "pt-BR"])
counts = st.integers(0, 1_000_000_000)


def _ordered(values: tuple[datetime | None, datetime | None]) -> tuple[datetime | None, ...]:
    one, other = values
    if one is None or other is None:
        return values
    if one == other:
        other += timedelta(seconds=1)
    return min(one, other), max(one, other)


periods = st.tuples(st.none() | instants, st.none() | instants).map(_ordered)


@st.composite
def listings(
    draw: st.DrawFn,
    owners: tuple[str, ...] = (),
    addressed: tuple[tuple[Audience, str], ...] = (),
) -> Listing:
    """A listing; personal ones only if there are owners."""
    personal = bool(owners) and draw(st.booleans())
    kinds = sorted(PERSON_KINDS) if personal else [kind for kind in Kind if kind != Kind.NEIGHBOUR]
    kind = draw(st.sampled_from(kinds))
    wide = [(audience, None) for audience in (Audience.ZONE, Audience.CITY, Audience.PUBLIC)]
    home = [(Audience.BUILDING, None), (Audience.RESIDENCE, None)] if personal else addressed
    audience, audience_id = draw(st.sampled_from([*wide, *home]))
    owned = st.sampled_from(owners) if owners else st.none()
    valid_from, valid_to = draw(periods)
    starts_at, ends_at = draw(periods)
    return Listing(
        tenant_id=THE_TENANT,
        id=draw(ids),
        kind=kind,
        title=draw(texts(300, least=1)),
        personal=personal,
        owner_id=draw(owned if personal else st.none() | owned),
        lon=None if personal else draw(degrees(180.0)),
        lat=None if personal else draw(degrees(90.0)),
        address=draw(texts(500)),
        text=draw(texts(20_000, lines=True)),
        category=draw(categories),
        lang=draw(langs),
        url=draw(texts(2_000)),
        audience=audience,
        audience_id=audience_id,
        reach_m=draw(st.none() | st.integers(1, 100_000)),
        valid_from=valid_from,
        valid_to=valid_to,
        starts_at=starts_at or (draw(instants) if kind == Kind.EVENT and not ends_at else ends_at),
        ends_at=ends_at,
        published_at=draw(st.none() | instants),
        opening_hours=draw(st.none() | texts(1_000, lines=True)),
        hours_text=draw(st.none() | texts(2_000, lines=True)),
        attested=draw(st.sampled_from([None, "town", "registry"])),
        quota=draw(st.none() | counts),
        quota_used=draw(counts),
    )


@st.composite
def towns(draw: st.DrawFn) -> list[Entity]:
    """A tenant with a few of everything, whose references all hold."""

    def some(least: int = 0) -> list[str]:
        return draw(st.lists(ids, min_size=least, max_size=4, unique=True))

    tenant = THE_TENANT
    entities: list[Entity] = [Tenant(tenant_id=tenant, id=tenant, name="Port-Mitoyen")]
    residences = some()
    entities += [Residence(tenant_id=tenant, id=id, name=draw(texts(300))) for id in residences]
    residence_ids = st.none() | (st.sampled_from(residences) if residences else st.none())
    buildings = some(1)
    entities += [
        Building(
            tenant_id=tenant,
            id=id,
            lon=draw(degrees(180.0)),
            lat=draw(degrees(90.0)),
            address=draw(texts(500)),
            dwellings=draw(st.none() | st.integers(0, 100_000)),
            residence_id=draw(residence_ids),
        )
        for id in buildings
    ]
    households = some(1)
    entities += [
        Household(tenant_id=tenant, id=id, building_id=draw(st.sampled_from(buildings)))
        for id in households
    ]
    members = some(2)
    entities += [
        Member(
            tenant_id=tenant,
            id=id,
            household_id=draw(st.sampled_from(households)),
            level=draw(st.integers(0, 4)),
            name=draw(texts(300)),
            lang=draw(langs),
        )
        for id in members
    ]
    addressed = [(Audience.BUILDING, id) for id in buildings]
    addressed += [(Audience.RESIDENCE, id) for id in residences]
    found = draw(
        st.lists(
            listings(tuple(members), tuple(addressed)), max_size=5, unique_by=lambda one: one.id
        )
    )
    entities += found
    if found:
        pairs = st.tuples(st.sampled_from(members), st.sampled_from([one.id for one in found]))
        entities += [
            Endorsement(
                tenant_id=tenant,
                id=f"e{i}",
                member_id=member,
                listing_id=listing,
                category=draw(categories),
                created_at=draw(st.none() | instants),
            )
            for i, (member, listing) in enumerate(draw(st.lists(pairs, max_size=4, unique=True)))
        ]
    entities.append(Block(tenant_id=tenant, id="b", member_id=members[0], other_id=members[1]))
    return entities
