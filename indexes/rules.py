"""What a record must be to be kept: checked once, at the port, alike for every store.

Checked by column: each distinct value of a column is looked at once, so that a batch of
thousands costs a few microseconds a record.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from geo.errors import CoordinateError, InputError
from indexes.entities import (
    PERSON_KINDS,
    ApiKey,
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
    Scope,
    Tenant,
    Zone,
)
from indexes.fields import (
    ATTESTOR,
    CATEGORY,
    DEGREES,
    FLAG,
    GENDER,
    ID,
    INSTANT,
    LANG,
    SHA256,
    Rule,
    or_none,
    text,
    whole,
)
from indexes.journey_rules import AMONG_JOURNEYS, JOURNEYS
from indexes.trust_rules import AMONG_TRUSTING, TRUSTING_RULES

__all__ = [
    "CLOCK_SKEW",
    "MAX_REACH_M",
    "Checked",
    "Columns",
    "columns_of",
    "require",
    "require_zone",
]

Columns = Mapping[str, Sequence[Any]]

MAX_REACH_M = 100_000
CLOCK_SKEW = timedelta(minutes=5)  # how far ahead of ours the clock of who publishes may be
MAX_COUNT = 1_000_000_000  # fits the 32-bit columns of both databases

_RULES: dict[type, dict[str, Rule]] = {
    Tenant: {"name": text(300, least=1), "timezone": text(64, least=1), "lang": LANG},
    Residence: {"name": text(300)},
    Building: {
        "lon": DEGREES,
        "lat": DEGREES,
        "address": text(500),
        "dwellings": or_none(whole(0, 100_000)),
        "residence_id": or_none(ID),
    },
    Household: {"building_id": ID},
    Member: {
        "household_id": ID,
        "level": whole(0, 4),
        "name": text(300),
        "lang": LANG,
        "gender": or_none(GENDER),
        "created_at": or_none(INSTANT),
    },
    Listing: {
        "kind": Rule((Kind,), "a kind", None),
        "title": text(300, least=1),
        "personal": FLAG,
        "owner_id": or_none(ID),
        "lon": or_none(DEGREES),
        "lat": or_none(DEGREES),
        "address": text(500),
        "text": text(20_000, lines=True),
        "category": CATEGORY,
        "lang": LANG,
        "url": text(2_000),
        "audience": Rule((Audience,), "an audience", None),
        "audience_id": or_none(ID),
        "reach_m": or_none(whole(1, MAX_REACH_M)),
        "valid_from": or_none(INSTANT),
        "valid_to": or_none(INSTANT),
        "starts_at": or_none(INSTANT),
        "ends_at": or_none(INSTANT),
        "published_at": or_none(INSTANT),
        "opening_hours": or_none(text(1_000, lines=True)),
        "hours_text": or_none(text(2_000, lines=True)),
        "attested": or_none(ATTESTOR),
        "quota": or_none(whole(0, MAX_COUNT)),
        "quota_used": whole(0, MAX_COUNT),
    },
    Endorsement: {
        "member_id": ID,
        "listing_id": ID,
        "category": CATEGORY,
        "created_at": or_none(INSTANT),
    },
    Block: {"member_id": ID, "other_id": ID},
    ApiKey: {
        "name": text(300),
        "scopes": Rule(
            (frozenset,), "a set of scopes", lambda value: all(type(s) is Scope for s in value)
        ),
        "secret_sha256": SHA256,
        "created_at": or_none(INSTANT),
    },
}
_RULES |= JOURNEYS | TRUSTING_RULES
for _rules in _RULES.values():
    _rules |= {"tenant_id": ID, "id": ID}

_ZONE_RULES = {
    "tenant_id": ID,
    "code": text(20, least=1),
    "vintage": whole(1900, 2999),
    "name": text(300),
    "type": text(20),
    "commune_code": text(20),
    "commune_name": text(300),
}


def columns_of(of: type[Entity], entities: Sequence[Entity]) -> Columns:
    """Records of one kind as columns, without their places.

    Examples
    --------
    >>> columns_of(Residence, [Residence(tenant_id="t", id="r", name="Les Pins")])
    {'tenant_id': ('t',), 'id': ('r',), 'name': ('Les Pins',)}
    """
    names = [field.name for field in fields(of) if field.name != "place"]
    return dict(zip(names, zip(*map(attrgetter(*names), entities), strict=True), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """Records of one class by column, every one of which can be kept. `require` makes it."""

    of: type[Entity]
    columns: Columns

    def __len__(self) -> int:
        return len(self.columns["id"])


def require(of: type[Entity], columns: Columns) -> Checked:
    """Check records of one class, once for all that is done with them.

    Parameters
    ----------
    of : type
        Their class.
    columns : mapping of sequences
        As `columns_of` gives them: one for each field but the place.

    Raises
    ------
    InputError
        For the first record that can't be kept (`CoordinateError` for a place), or if the
        columns are not those of the class.
    """
    if of not in _RULES:
        raise InputError(f"a {of.__name__} is no record to keep")
    if odd := columns.keys() ^ _RULES[of].keys():
        wanted = f"wanted a column for each field of a {of.__name__}"
        raise InputError(f"{wanted}; lacking or odd: {', '.join(sorted(odd))}")
    if len(set(map(len, columns.values()))) > 1:
        raise InputError("wanted columns of one length")
    _require_fields(of.__name__.lower(), _RULES[of], columns)
    if of in _AMONG_FIELDS:
        for row, code, wanted in _AMONG_FIELDS[of](columns):
            raise InputError(f"{_name(of.__name__.lower(), columns, row)}: {wanted}", code=code)
    if "lon" in columns:
        _require_on_earth(of.__name__.lower(), columns)
    return Checked(of, columns)


def require_zone(zone: Zone) -> None:
    """Raise `InputError` for a zone that can't be kept."""
    columns = {name: [getattr(zone, name)] for name in _ZONE_RULES}
    columns["id"] = [zone.code]
    _require_fields("zone", _ZONE_RULES, columns)
    geometry = zone.geometry
    if geometry is None or geometry.is_empty or "Polygon" not in geometry.geom_type:
        raise InputError(f"zone {zone.code}: wanted a polygon or multipolygon")
    west, south, east, north = geometry.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise CoordinateError(f"zone {zone.code}: its outline is not in degrees, EPSG:4326")
    if zone.figures is not None and not all(map(math.isfinite, zone.figures.values.values())):
        raise InputError(f"zone {zone.code}: figures must be finite numbers")


def _require_fields(what: str, rules: dict[str, Rule], columns: Columns) -> None:
    for field, (types, wanted, good, all_good) in rules.items():
        column = columns[field]
        # bool is an int to Python, never to us; str has no subclass here but the enums, which
        # have rules of their own.
        for found in set(map(type, column)):
            if found in types or (found is not bool and issubclass(found, _open(types))):
                continue
            row = next(i for i, value in enumerate(column) if type(value) is found)
            raise InputError(
                f"{_name(what, columns, row)}: {field} must be {wanted}, got {found.__name__}"
            )
        if good is None or all_good(column):
            continue
        try:
            bad = {value for value in set(column) if not good(value)}
        except TypeError as error:  # unhashable, hidden in a frozenset's place
            raise InputError(f"{what}: {field} must be {wanted}") from error
        if bad:
            row = next(i for i, value in enumerate(column) if value in bad)
            raise InputError(f"{_name(what, columns, row)}: {field} must be {wanted}")


def _open(types: tuple[type, ...]) -> tuple[type, ...]:
    """Types whose subclasses do as well (numpy's float, a test's frozen datetime)."""
    return tuple(t for t in types if t in (float, datetime))


def _name(what: str, columns: Columns, row: int) -> str:
    """Which record, for a message: its id, printable and short."""
    return f"{what} {ascii(columns['id'][row])[:80]}"


def _require_on_earth(what: str, columns: Columns) -> None:
    for field, most in (("lon", 180.0), ("lat", 90.0)):
        values = [value for value in columns[field] if value is not None]
        # A NaN compares false with everything, so it is refused with the rest.
        if values and not all(-most <= value <= most for value in values):
            row = next(
                i
                for i, value in enumerate(columns[field])
                if value is not None and not -most <= value <= most
            )
            raise CoordinateError(
                f"{_name(what, columns, row)}: {field} must be {-most:.0f} to {most:.0f} degrees"
            )


def _tenants(columns: Columns) -> Iterable[tuple[int, str, str]]:
    for row, (tenant_id, id) in enumerate(zip(columns["tenant_id"], columns["id"], strict=True)):
        if tenant_id != id:
            yield row, "invalid-tenant", "a tenant's tenant_id is its own id"


def _blocks(columns: Columns) -> Iterable[tuple[int, str, str]]:
    for row, (one, other) in enumerate(zip(columns["member_id"], columns["other_id"], strict=True)):
        if one == other:
            yield row, "invalid-block", "a member can't block itself"


def _before(one: datetime, other: datetime) -> bool:
    # As they are kept: what is finer than a second is cut off.
    if not (one.microsecond or other.microsecond):
        return one < other
    return one.replace(microsecond=0) < other.replace(microsecond=0)


_LISTING_FIELDS = (
    *("kind", "personal", "owner_id", "lon", "lat", "audience", "audience_id"),
    *("valid_from", "valid_to", "starts_at", "ends_at"),
)
_NAMED = (Audience.BUILDING, Audience.RESIDENCE)


def _listings(columns: Columns) -> Iterable[tuple[int, str, str]]:
    rows = zip(*(columns[name] for name in _LISTING_FIELDS), strict=True)
    for row, (kind, personal, owner, lon, lat, audience, addressed, *times) in enumerate(rows):
        if personal:
            if kind not in PERSON_KINDS:
                yield row, "invalid-personal", f"a listing of kind {kind} can't be personal"
            if owner is None:
                yield row, "owner-required", "a personal listing needs its owner_id"
            if lon is not None or lat is not None:
                yield row, "personal-point", "a personal listing stands at its owner's: no lon, lat"
            if addressed is not None:
                yield row, "invalid-audience", "a personal listing's audience_id is its owner's"
        else:
            if kind is Kind.NEIGHBOUR:
                yield row, "invalid-personal", "a neighbour is always personal"
            if lon is None or lat is None:
                yield row, "point-required", "a public listing needs lon and lat"
            if (audience in _NAMED) is not (addressed is not None):
                wanted = "goes with the audiences building and residence, and only with them"
                yield row, "invalid-audience", f"audience_id {wanted}"
        valid_from, valid_to, starts_at, ends_at = times
        if valid_from is not None and valid_to is not None and not _before(valid_from, valid_to):
            yield row, "invalid-validity", "valid_from must be before valid_to, in whole seconds"
        if kind is Kind.EVENT and starts_at is None:
            yield row, "start-required", "an event needs starts_at"
        if starts_at is not None and ends_at is not None and _before(ends_at, starts_at):
            yield row, "invalid-duration", "ends_at must not be before starts_at"


_AMONG_FIELDS: dict[type, Callable[[Columns], Iterable[tuple[int, str, str]]]] = {
    Tenant: _tenants,
    Block: _blocks,
    Listing: _listings,
    **AMONG_JOURNEYS,
    **AMONG_TRUSTING,
}
