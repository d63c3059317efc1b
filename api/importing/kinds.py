"""What can be imported: the kinds of record, their fields, and the names these go by."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from api.importing import values
from api.importing.table import GEOMETRY_LAT, GEOMETRY_LON
from api.importing.values import Instants, ReadValue
from geo.errors import InputError
from indexes.entities import (
    PERSON_KINDS,
    Audience,
    Building,
    Endorsement,
    Household,
    Kind,
    Listing,
    Member,
    Residence,
)

__all__ = [
    "KIND_NAMES",
    "Field",
    "RecordKind",
    "Shape",
    "read_value",
    "record_kind",
    "require_kind",
]

Imported = Residence | Building | Household | Member | Listing | Endorsement


class Shape(StrEnum):
    """How a field's values are written."""

    LINE = "line"
    LINES = "lines"
    CATEGORY = "category"
    NUMBER = "number"
    WHOLE = "whole"
    FLAG = "flag"
    INSTANT = "instant"
    END = "end"
    AUDIENCE = "audience"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record. ``guesses`` are column names, plain (lower case, letters and
    digits), best first; ``a+b`` are two columns joined."""

    shape: Shape
    guesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordKind:
    """A kind of record that a file can hold.

    ``required`` has an entry per thing that must have a column, each a choice of field sets.
    ``refers`` names fields that hold the id of another record.
    """

    name: str
    of: type[Imported]
    fields: Mapping[str, Field]
    required: tuple[tuple[tuple[str, ...], ...], ...]
    refers: Mapping[str, type[Imported]]
    listing: Kind | None = None


def _field(shape: Shape, guesses: str = "") -> Field:
    return Field(shape, tuple(guesses.split()))


LON = _field(Shape.NUMBER, f"{GEOMETRY_LON} lon lng long longitude xlong xwgs84 x")
LAT = _field(Shape.NUMBER, f"{GEOMETRY_LAT} lat latitude ylat ywgs84 y")
START = "start debut datedebut startdate dtstart begin startdatetime date"
END = "end fin datefin enddate dtend enddatetime"
NAME = "name nom libelle label intitule denomination"

# Fields that only check the rest: the file's own word on where its points lie.
CHECKS = {
    "postcode": _field(Shape.LINE, "postcode codepostal cp zip postalcode addr:postcode"),
    "zone": _field(Shape.LINE, "codeiris iriscode dcomiris zone"),
}


def _listing_fields(kind: Kind) -> dict[str, Field]:
    event = kind is Kind.EVENT
    return {
        "id": _field(
            Shape.LINE,
            "id placeid eventid listingid offerid merchantid stopid stationid streetid idlieu "
            "osmid identifiant uid siret",
        ),
        "lon": LON,
        "lat": LAT,
        "title": _field(Shape.LINE, f"title titre {NAME} nomlieu enseigne raisonsociale"),
        "address": _field(
            Shape.LINE,
            "address adresse addresse adlieu housenumber+street numero+nomvoie street rue voie",
        ),
        "text": _field(
            Shape.LINES,
            "text texte description descriptif presentation specialities specialites "
            "commentaire comment venue salle",
        ),
        "category": _field(Shape.CATEGORY, "category categorie categories key+value theme type"),
        "lang": _field(Shape.LINE, "lang langue language"),
        "url": _field(Shape.LINE, "url website siteweb siteinternet site lien link"),
        "opening_hours": _field(
            Shape.LINES, "openinghours opening horaires horaire ouverture heures hours hourstext"
        ),
        "starts_at": _field(Shape.INSTANT, f"startsat {START if event else ''}"),
        "ends_at": _field(Shape.END, f"endsat {END if event else ''}"),
        "valid_from": _field(Shape.INSTANT, f"validfrom debutvalidite {'' if event else START}"),
        "valid_to": _field(Shape.END, f"validto validuntil finvalidite {'' if event else END}"),
        "published_at": _field(Shape.INSTANT, "publishedat createdat datepublication"),
        "quota": _field(Shape.WHOLE, "quota stock"),
        "quota_used": _field(Shape.WHOLE, "quotaused"),
        "reach_m": _field(Shape.WHOLE, "reachm"),
        "personal": _field(Shape.FLAG, "personal"),
        "owner_id": _field(Shape.LINE, "ownerid owner memberid"),
        "audience": _field(Shape.AUDIENCE, "audience"),
        "audience_id": _field(Shape.LINE, "audienceid"),
        "attested": _field(Shape.LINE, "attested"),
        **CHECKS,
    }


def _listing(kind: Kind) -> RecordKind:
    place: tuple[tuple[str, ...], ...] = (("lon", "lat"),)
    if kind is Kind.NEIGHBOUR:
        place = (("owner_id",),)
    elif kind in PERSON_KINDS:
        place = (("lon", "lat"), ("owner_id",))
    start = ((("starts_at",),),) if kind is Kind.EVENT else ()
    return RecordKind(
        kind.value,
        Listing,
        _listing_fields(kind),
        ((("id",),), (("title",),), place, *start),
        {"owner_id": Member},
        kind,
    )


_ID = "id identifiant"
_KINDS = {
    **{kind.value: _listing(kind) for kind in Kind},
    "building": RecordKind(
        "building",
        Building,
        {
            "id": _field(Shape.LINE, f"{_ID} buildingid streetid placeid osmid idlieu batimentid"),
            "lon": LON,
            "lat": LAT,
            "address": _field(
                Shape.LINE,
                f"address adresse housenumber+street numero+nomvoie {NAME} nomvoie street rue voie",
            ),
            "dwellings": _field(Shape.WHOLE, "dwellings logements nblogements nblog households"),
            "residence_id": _field(Shape.LINE, "residenceid"),
            **CHECKS,
        },
        ((("id",),), (("lon", "lat"),)),
        {"residence_id": Residence},
    ),
    "residence": RecordKind(
        "residence",
        Residence,
        {"id": _field(Shape.LINE, f"{_ID} residenceid"), "name": _field(Shape.LINE, NAME)},
        ((("id",),), (("name",),)),
        {},
    ),
    "household": RecordKind(
        "household",
        Household,
        {
            "id": _field(Shape.LINE, f"{_ID} householdid foyerid menageid"),
            "building_id": _field(Shape.LINE, "buildingid building batimentid batiment"),
        },
        ((("id",),), (("building_id",),)),
        {"building_id": Building},
    ),
    "member": RecordKind(
        "member",
        Member,
        {
            "id": _field(Shape.LINE, f"{_ID} memberid membreid"),
            "household_id": _field(Shape.LINE, "householdid household foyerid foyer"),
            "level": _field(Shape.WHOLE, "level niveau"),
            "name": _field(Shape.LINE, f"{NAME} prenom firstname"),
            "lang": _field(Shape.LINE, "lang langue language"),
            "created_at": _field(Shape.INSTANT, "createdat joinedat dateinscription"),
        },
        ((("id",),), (("household_id",),)),
        {"household_id": Household},
    ),
    "endorsement": RecordKind(
        "endorsement",
        Endorsement,
        {
            "id": _field(Shape.LINE, f"{_ID} endorsementid"),
            "member_id": _field(Shape.LINE, "memberid member membreid"),
            "listing_id": _field(Shape.LINE, "listingid listing placeid"),
            "category": _field(Shape.CATEGORY, "category categorie"),
            "created_at": _field(Shape.INSTANT, "createdat created date"),
        },
        ((("id",),), (("member_id", "listing_id"),)),
        {"member_id": Member, "listing_id": Listing},
    ),
}
KIND_NAMES = (*_KINDS, "trip")  # trips have rows of their own: `api.importing.trips`


def require_kind(name: str) -> None:
    """Raise `InputError` if nothing of that name can be imported."""
    if name not in KIND_NAMES:
        raise InputError(f"no kind {name[:40]!r}; there are {', '.join(KIND_NAMES)}")


def record_kind(name: str) -> RecordKind:
    """A kind by its name.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> record_kind("household").required
    ((('id',),), (('building_id',),))
    """
    require_kind(name)
    return _KINDS[name]


def read_value(shape: Shape, typed: bool, instants: Instants) -> ReadValue:
    """The reader of a shape: from a file with types, or from one that has only text."""
    readers: dict[Shape, tuple[ReadValue, ReadValue]] = {
        Shape.LINE: (values.line, values.typed_line),
        Shape.LINES: (values.lines, values.typed_lines),
        Shape.CATEGORY: (values.category, _typed_category),
        Shape.NUMBER: (values.number, values.typed_number),
        Shape.WHOLE: (values.whole, values.typed_whole),
        Shape.FLAG: (values.flag, values.typed_flag),
        Shape.INSTANT: (instants.read, instants.read),
        Shape.END: (instants.read_end, instants.read_end),
        Shape.AUDIENCE: (values.choice(Audience), values.choice(Audience)),
    }
    return readers[shape][typed]


def _typed_category(raw: Any) -> str:
    return values.category(values.typed_lines(raw))
