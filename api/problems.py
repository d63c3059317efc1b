"""Errors as RFC 9457 problem documents: one table, error class -> HTTP status.

``code`` is stable and for programs, ``title`` is for people (French or English, by
``Accept-Language``), ``detail`` says in English what was wanted and what came. No value
that a caller sent is ever echoed: it may be a place, or not be JSON at all.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.access import HEADERS, REQUEST_ID
from api.logs import request_id
from api.schemas import dotted
from geo.errors import (
    ConflictError,
    CursorError,
    DeniedError,
    FeedGapError,
    IndexBehindError,
    InputError,
    MitoyenError,
    NotFoundError,
    StoreError,
    UnreachableError,
)

__all__ = [
    "STATUS",
    "STATUS_OF_CODE",
    "TITLES",
    "BodyTooLargeError",
    "MalformedError",
    "MediaTypeError",
    "UnauthenticatedError",
    "allowed_methods",
    "install_problems",
    "problem",
    "problem_of",
    "status_of",
]

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = "1"


class UnauthenticatedError(MitoyenError):
    """No key, or one that is not known."""

    code = "unauthenticated"


class MalformedError(InputError):
    """A body that is not strict JSON."""

    code = "malformed-json"


class BodyTooLargeError(InputError):
    """A body of more bytes than are read."""

    code = "body-too-large"


class MediaTypeError(InputError):
    """A body of another media type than the one that is read."""

    code = "unsupported-media-type"


# The nearest class up an error's tree decides.
STATUS: Mapping[type[MitoyenError], int] = {
    MitoyenError: 500,
    InputError: 422,
    CursorError: 400,
    MalformedError: 400,
    BodyTooLargeError: 413,
    MediaTypeError: 415,
    UnauthenticatedError: 401,
    DeniedError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    UnreachableError: 502,
    StoreError: 503,
    IndexBehindError: 503,
    FeedGapError: 410,
}

# Codes whose status is not that of their class.
STATUS_OF_CODE: Mapping[str, int] = {"invalid-position": 400}

TITLES: Mapping[str, tuple[str, str]] = {  # code -> French, English
    "already-drawn": ("Déjà tiré", "Drawn already"),
    "arrival-before-departure": ("L'arrivée précède le départ", "Arrives before it departs"),
    "attested-by-operator": ("Attesté par un opérateur seul", "Attested by operators alone"),
    "body-too-large": ("Requête trop volumineuse", "Request too large"),
    "booked-already": ("Déjà une place sur ce trajet", "Has a seat already"),
    "booking-cancelled": ("Réservation annulée", "Booking cancelled"),
    "booking-exists": ("Réservation déjà faite", "Booking exists already"),
    "conflict": ("Contredit ce qui est enregistré", "Contradicts what is stored"),
    "duplicate-id": ("Identifiant en double", "Id given twice"),
    "feed-gap": ("Suite des changements perdue", "Changes no longer kept"),
    "file-exists": ("Le fichier existe déjà", "The file exists already"),
    "first-day-required": ("Il manque un premier jour", "A first day is missing"),
    "forbidden": ("Accès refusé", "Not allowed"),
    "groups-outdated": ("Îlots dépassés", "Groups out of date"),
    "household-full": ("Trop de comptes dans ce logement", "Too many accounts in this dwelling"),
    "incomplete-origin": ("Latitude et longitude vont ensemble", "Latitude goes with longitude"),
    "index-behind": ("L'index n'est pas encore à jour", "The index has not caught up yet"),
    "index-loading": ("L'index se charge", "The index is loading"),
    "interaction-open": ("Pas encore terminé", "Not done yet"),
    "internal-error": ("Erreur interne", "Internal error"),
    "invalid-audience": ("Public visé impossible", "Impossible audience"),
    "invalid-bbox": ("Rectangle impossible", "Impossible box"),
    "invalid-block": ("Blocage impossible", "Impossible block"),
    "invalid-booking": ("Réservation impossible", "Impossible booking"),
    "invalid-box": ("Rectangle impossible", "Impossible box"),
    "invalid-cell": ("Cellule inconnue", "Unknown cell"),
    "invalid-coordinates": ("Coordonnées impossibles", "Impossible coordinates"),
    "invalid-cursor": ("Page inconnue", "Unknown page"),
    "invalid-day": ("Jour impossible", "Impossible day"),
    "invalid-dealing": ("Demander à qui ?", "Ask whom?"),
    "invalid-duration": ("La fin précède le début", "Ends before it starts"),
    "invalid-filter": ("Filtre refusé", "Refused filter"),
    "invalid-flex": ("Marge impossible", "Impossible flexibility"),
    "invalid-input": ("Demande refusée", "Refused input"),
    "invalid-instant": ("Date hors limites", "Instant out of range"),
    "invalid-legs": ("Descente hors du trajet", "Drop-off beyond the trip"),
    "invalid-parameter": ("Paramètre refusé", "Refused parameter"),
    "invalid-model": ("Modèle refusé", "Model refused"),
    "invalid-personal": ("Ni personnel, ni public", "Wrongly personal or public"),
    "invalid-polygon": ("Polygone refusé", "Refused polygon"),
    "invalid-position": ("Position inconnue", "Unknown position"),
    "invalid-quarter": ("Trimestre impossible", "Impossible quarter"),
    "invalid-request": ("Demande mal formée", "Malformed request"),
    "invalid-resolution": ("Résolution inconnue", "Unknown resolution"),
    "invalid-route": ("Itinéraire impossible", "Impossible route"),
    "invalid-row": ("Ligne refusée", "Refused row"),
    "invalid-schedule": ("Horaire impossible", "Impossible schedule"),
    "invalid-tenant": ("Collectivité impossible", "Impossible tenant"),
    "invalid-text": ("Texte illisible", "Unreadable text"),
    "invalid-time": ("Heure impossible", "Impossible time"),
    "invalid-times": ("Temps de parcours impossibles", "Impossible times"),
    "invalid-validity": ("Validité impossible", "Impossible validity"),
    "invalid-week": ("Semaine impossible", "Impossible week"),
    "letter-quota": ("Trop de courriers à cette adresse", "Too many letters to this address"),
    "level-required": ("Adresse à faire vérifier", "The address must be proved first"),
    "malformed-json": ("JSON mal formé", "Malformed JSON"),
    "member-origin-required": (
        "Les personnes se cherchent depuis chez soi, par un membre",
        "People are searched by a member, from home",
    ),
    "member-required": ("Quel membre demande ?", "Which member asks?"),
    "method-not-allowed": ("Méthode refusée", "Method not allowed"),
    "mitoyen-error": ("Erreur", "Error"),
    "no-cell-inside": ("Aucune cellule dans ce polygone", "No cell in this polygon"),
    "no-days": ("Aucun jour de passage", "No day to run"),
    "no-figures": ("Pas de recensement pour ces zones", "No census figures of these zones"),
    "no-zones": ("Aucune zone chargée", "No zones loaded"),
    "not-a-driver": ("Ce trajet n'a pas de conducteur", "This trip has no driver"),
    "not-found": ("Introuvable", "Not found"),
    "origin-required": ("Depuis où chercher ?", "Search from where?"),
    "outside-service-area": ("Hors du territoire servi", "Outside the area served"),
    "owner-required": ("Il manque un propriétaire", "An owner is missing"),
    "personal-place": ("Une annonce personnelle n'a pas d'adresse", "Personal: no address"),
    "personal-point": ("Une annonce personnelle n'a pas de point", "Personal: no point"),
    "point-required": ("Il manque un point", "A point is missing"),
    "quarter-not-over": ("Trimestre en cours", "Quarter not over"),
    "quarter-too-old": ("Trimestre trop ancien", "Quarter too old"),
    "rated-already": ("Déjà évalué", "Rated already"),
    "rating-closed": ("Trop tard pour évaluer", "Too late to rate"),
    "release-exists": ("Déjà publié", "Released already"),
    "replied-already": ("Réponse déjà donnée", "Replied already"),
    "report-decided": ("Signalement déjà traité", "Report decided already"),
    "same-household": ("Un même logement", "One dwelling"),
    "self-booking": ("On ne réserve pas chez soi-même", "Nobody books with himself"),
    "self-dealing": ("Pas avec soi-même", "Not with oneself"),
    "self-vouch": ("Pas pour soi-même", "Not for oneself"),
    "service-unreachable": ("Service extérieur injoignable", "Outside service unreachable"),
    "snapshot-refused": ("Fichier d'index refusé", "Index file refused"),
    "start-required": ("Il manque un début", "A start is missing"),
    "still-referred-to": ("Encore utilisé", "Still in use"),
    "store-not-empty": ("La base n'est pas vide", "The store is not empty"),
    "store-unavailable": ("Base momentanément indisponible", "Store unavailable for now"),
    "swapped-coordinates": ("Latitude et longitude inversées", "Latitude and longitude swapped"),
    "too-many-exceptions": ("Trop d'exceptions", "Too many exceptions"),
    "too-many-requests": ("Trop de demandes", "Too many requests"),
    "too-many-streams": ("Trop de flux ouverts", "Too many open streams"),
    "trip-cancelled": ("Trajet annulé", "Trip cancelled"),
    "trip-full": ("Trajet complet", "Trip full"),
    "unauthenticated": ("Clé absente ou inconnue", "Key missing or unknown"),
    "unknown-collection": ("Collection inconnue", "Unknown collection"),
    "unknown-category": ("Catégorie inconnue", "Unknown category"),
    "unknown-crs": ("Système de coordonnées inconnu", "Unknown coordinate reference system"),
    "unknown-day": ("Pas de passage ce jour-là", "No trip on that day"),
    "unknown-draws": ("Tirages perdus", "Draws missing"),
    "unknown-item": ("Objet inconnu", "Unknown feature"),
    "unknown-language": ("Langue inconnue", "Unknown language"),
    "unknown-layout": ("Fichier de forme inconnue", "File of unknown layout"),
    "unknown-level": ("Niveau inconnu", "Unknown level"),
    "unknown-measure": ("Mesure inconnue", "Unknown measure"),
    "unknown-member": ("Membre inconnu", "Unknown member"),
    "unknown-profile": ("Profil inconnu", "Unknown profile"),
    "unknown-reference": ("Renvoi à l'inconnu", "Refers to something unknown"),
    "unknown-release": ("Publication inconnue", "Unknown release"),
    "unknown-tile": ("Tuile inconnue", "Unknown tile"),
    "unknown-timezone": ("Fuseau horaire inconnu", "Unknown time zone"),
    "unknown-trip": ("Trajet inconnu", "Unknown trip"),
    "unknown-vintage": ("Millésime inconnu", "Unknown vintage"),
    "unknown-zone": ("Quartier inconnu", "Unknown zone"),
    "unsupported-media-type": ("Type de contenu refusé", "Unsupported media type"),
    "vintage-changed": ("Quartiers d'un autre millésime", "Zones of another vintage"),
    "vouch-quota": ("Trop de parrainages", "Too many vouches"),
    "vouched-already": ("Déjà parrainé", "Vouched already"),
    "voucher-elsewhere": ("Pas du même voisinage", "Not of one neighbourhood"),
    "voucher-not-proved": ("Logement non prouvé", "Home not proved"),
    "voucher-suspended": ("Parrainage suspendu", "Vouching suspended"),
    "wrong-code": ("Code inconnu ou périmé", "Code unknown or expired"),
    "zero-length-route": ("Itinéraire sans longueur", "Route without length"),
}


def status_of(error: MitoyenError) -> int:
    """HTTP status of an error.

    Examples
    --------
    >>> status_of(IndexBehindError("not read that far yet"))
    503
    """
    known = STATUS_OF_CODE.get(error.code)
    if known is not None:
        return known
    return next(STATUS[base] for base in type(error).__mro__ if base in STATUS)


def language_of(request: Request) -> str:
    """ "en" where the caller prefers English to French, else "fr"."""
    wanted: list[tuple[float, str]] = []
    for item in request.headers.get("accept-language", "").split(","):
        tag, _, weight = item.partition(";")
        lang = tag.strip().lower().split("-")[0]
        try:
            wanted.append((float(weight.strip().removeprefix("q=") or 1), lang))
        except ValueError:
            continue
    ranked = [
        lang
        for q, lang in sorted(wanted, key=lambda pair: -pair[0])
        if q > 0 and lang in ("fr", "en")
    ]
    return ranked[0] if ranked else "fr"


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    errors: Iterable[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document.

    Parameters
    ----------
    request : Request
        Its ``Accept-Language`` chooses the title's language.
    status : int
        HTTP status.
    code : str
        Stable name in kebab-case.
    detail : str
        What was wanted and what came.
    errors : iterable of {"field", "detail"}
        Each fault of a request that has several.
    headers : mapping, optional
        More headers.
    """
    lang = language_of(request)
    french, english = TITLES.get(code, ("Demande refusée", "Refused"))
    body: dict[str, Any] = {
        "type": f"urn:mitoyen:problem:{code}",
        "title": english if lang == "en" else french,
        "status": status,
        "code": code,
        "detail": detail,
    }
    listed = list(errors)
    if listed:
        body["errors"] = listed
    sent = {"Content-Language": lang, **(headers or {})}
    if status == 401:
        sent["WWW-Authenticate"] = 'Bearer realm="mitoyen"'
    if status == 503:
        sent.setdefault("Retry-After", RETRY_AFTER_S)
    return Response(msgspec.json.encode(body), status, sent, MEDIA_TYPE)


def problem_of(request: Request, error: MitoyenError | RequestValidationError) -> Response:
    """The problem document that answers an error."""
    if isinstance(error, RequestValidationError):
        return _on_invalid(request, error)
    return _on_mitoyen_error(request, error)


def _on_mitoyen_error(request: Request, error: MitoyenError) -> Response:
    status = status_of(error)
    if status < 500 or isinstance(error, IndexBehindError):
        return problem(request, status, error.code, str(error))
    # Which store, and where, is for the log; the caller can only try again.
    log.warning("%s: %s", error.code, error)
    return problem(request, status, error.code, "this can't be answered now; try again later")


def _on_invalid(request: Request, error: RequestValidationError) -> Response:
    # Only place and message leave: `input` and `ctx` hold what came.
    faults = [{"field": dotted(e["loc"])[:200], "detail": e["msg"]} for e in error.errors()[:20]]
    # Validators name what they refuse with a code of ours, in kebab-case.
    code = next((e["type"] for e in error.errors() if e["type"] in TITLES), "invalid-request")
    detail = "; ".join(f"{fault['field']}: {fault['detail']}" for fault in faults)
    return problem(request, 422, code, detail, errors=faults)


def allowed_methods(request: Request) -> str:
    """Every method that the route taken answers: as documented, else as tried."""
    path = getattr(request.scope.get("route"), "path_format", None)
    operations = request.app.openapi()["paths"].get(path)
    if operations is not None:
        return ", ".join(sorted(method.upper() for method in operations))
    routes = request.app.router.routes
    first = next(route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return ", ".join(
        method
        for method in ("DELETE", "GET", "HEAD", "POST", "PUT")
        if first.matches({**request.scope, "method": method})[0] is Match.FULL
    )


def _on_http(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return problem(request, 404, "not-found", "nothing is served at this path")
    if error.status_code == 405:
        allowed = allowed_methods(request)
        detail = f"this path answers {allowed}"
        return problem(request, 405, "method-not-allowed", detail, headers={"Allow": allowed})
    code = "invalid-request" if error.status_code < 500 else "internal-error"
    return problem(request, error.status_code, code, str(error.detail), headers=error.headers)


def _on_crash(request: Request, error: Exception) -> Response:
    # The server logs the traceback; the caller learns nothing of our insides. What is around
    # the app doesn't see this answer: it takes along what every answer has.
    told = [*HEADERS, (REQUEST_ID, request_id.get().encode())]
    sent = {name.decode(): value.decode() for name, value in told}
    return problem(request, 500, "internal-error", "something broke on our side", headers=sent)


def install_problems(app: FastAPI) -> None:
    """Make an app answer every error as a problem document."""
    app.exception_handler(MitoyenError)(_on_mitoyen_error)
    app.exception_handler(RequestValidationError)(_on_invalid)
    app.exception_handler(HTTPException)(_on_http)
    app.exception_handler(Exception)(_on_crash)
