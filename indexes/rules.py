"""What a record must be to be kept: checked once, at the port, alike for every store.

Checked by column: each distinct value of a column is looked at once, so that a batch of
thousands costs a few microseconds a record.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

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

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CATEGORY = re.compile(r"[^\W_A-Z]+([-_][^\W_A-Z]+)*(\.[^\W_A-Z]+([-_][^\W_A-Z]+)*)*")
_LANG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Rule(NamedTuple):
    """What a value of a field must be: its types, and what else, in words and as a test."""

    types: tuple[type, ...]
    wanted: str
    good: Callable[[Any], bool] | None  # None: the type says it all
    # Whether a whole column is good, told in one go; if not, each value is looked at.
    all_good: Callable[[Sequence[Any]], bool] = lambda column: False


def _text(most: int, *, least: int = 0, lines: bool = False) -> Rule:
    control = _CONTROL_BUT_LINES if lines else _CONTROL

    def good(value: str) -> bool:
        return least <= len(value) <= most and not control.search(value)

    def all_good(column: Sequence[str]) -> bool:
        # What is printable has no control characters, and is told so in a fraction of the time.
        shortest, longest = min(map(len, column), default=least), max(map(len, column), default=0)
        return least <= shortest and longest <= most and "".join(column).isprintable()

    wanted = f"text of {least} to {most} characters without control characters"
    return Rule((str,), wanted, good, all_good)


def _matching(pattern: re.Pattern[str], most: int, wanted: str, *, empty: bool = False) -> Rule:
    def good(value: str) -> bool:
        return (empty and not value) or (len(value) <= most and bool(pattern.fullmatch(value)))

    return Rule((str,), wanted, good)


def _whole(least: int, most: int) -> Rule:
    return Rule((int,), f"a whole number, {least} to {most}", lambda value: least <= value <= most)


def _or_none(rule: Rule) -> Rule:
    good = rule.good
    return Rule(
        (*rule.types, type(None)),
        f"{rule.wanted}, or none",
        good and (lambda value: value is None or good(value)),
        lambda column: rule.all_good([value for value in column if value is not None]),
    )


def _known_instant(value: datetime) -> bool:
    # Far from datetime's own limits, so that no time zone can carry it past them.
    return value.utcoffset() is not None and 1900 <= value.year <= 2999


ID = _text(200, least=1)
INSTANT = Rule((datetime,), "a datetime with its offset, years 1900 to 2999", _known_instant)
CATEGORY = _matching(_CATEGORY, 200, "dotted words in lower case, such as food.bakery", empty=True)
LANG = _matching(_LANG, 16, "a language tag, such as fr")
DEGREES = Rule((float, int), "degrees", None)  # the range is looked at for all rows at once
FLAG = Rule((bool,), "true or false", None)

_RULES: dict[type, dict[str, Rule]] = {
    Tenant: {"name": _text(300, least=1), "timezone": _text(64, least=1), "lang": LANG},
    Residence: {"name": _text(300)},
    Building: {
        "lon": DEGREES,
        "lat": DEGREES,
        "address": _text(500),
        "dwellings": _or_none(_whole(0, 100_000)),
        "residence_id": _or_none(ID),
    },
    Household: {"building_id": ID},
    Member: {"household_id": ID, "level": _whole(0, 4), "name": _text(300), "lang": LANG},
    Listing: {
        "kind": Rule((Kind,), "a kind", None),
        "title": _text(300, least=1),
        "personal": FLAG,
        "owner_id": _or_none(ID),
        "lon": _or_none(DEGREES),
        "lat": _or_none(DEGREES),
        "address": _text(500),
        "text": _text(20_000, lines=True),
        "category": CATEGORY,
        "lang": LANG,
        "url": _text(2_000),
        "audience": Rule((Audience,), "an audience", None),
        "audience_id": _or_none(ID),
        "reach_m": _or_none(_whole(1, MAX_REACH_M)),
        "valid_from": _or_none(INSTANT),
        "valid_to": _or_none(INSTANT),
        "starts_at": _or_none(INSTANT),
        "ends_at": _or_none(INSTANT),
        "published_at": _or_none(INSTANT),
        "opening_hours": _or_none(_text(1_000, lines=True)),
        "hours_text": _or_none(_text(2_000, lines=True)),
        "quota": _or_none(_whole(0, MAX_COUNT)),
        "quota_used": _whole(0, MAX_COUNT),
    },
    Endorsement: {
        "member_id": ID,
        "listing_id": ID,
        "category": CATEGORY,
        "created_at": _or_none(INSTANT),
    },
    Block: {"member_id": ID, "other_id": ID},
    ApiKey: {
        "name": _text(300),
        "scopes": Rule(
            (frozenset,), "a set of scopes", lambda value: all(type(s) is Scope for s in value)
        ),
        "secret_sha256": _matching(_SHA256, 64, "a SHA-256 in lower-case hex"),
        "created_at": _or_none(INSTANT),
    },
}
for _rules in _RULES.values():
    _rules |= {"tenant_id": ID, "id": ID}

_ZONE_RULES = {
    "tenant_id": ID,
    "code": _text(20, least=1),
    "vintage": _whole(1900, 2999),
    "name": _text(300),
    "type": _text(20),
    "commune_code": _text(20),
    "commune_name": _text(300),
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
}
