"""Why a match is there: one sentence per factor of its score, in French or English."""

from collections.abc import Sequence
from functools import lru_cache
from operator import mul
from typing import Literal

from geo.errors import InputError
from indexes.entities import Kind
from matching.query import Reason
from matching.scoring import BANDS

__all__ = [
    "COUNT_FROM",
    "LANGS",
    "NBSP",
    "Asked",
    "Corrections",
    "Freshness",
    "freshness",
    "freshness_told",
    "reasons",
    "rounded_share",
]

LANGS = ("fr", "en")

Asked = Literal["text", "category", "any"]
Corrections = tuple[tuple[str, str], ...]
Freshness = tuple[str, int, str]

TRUSTED_LEVEL = 2  # from here on, something is known that the viewer has reason to believe
COUNT_FROM = 3  # households; fewer are not counted aloud, so that none can be told apart

NBSP = "\u202f"  # narrow, no break: between a number and its unit, and in long numbers

_HOUR_S, _DAY_S = 3_600, 86_400

# Kinds with a door that opens and closes; for the others, being available is to be asked.
# Told apart by identity: a member of an enum takes longer to hash than all else here.
_ARTISAN, _MERCHANT, _PLACE = Kind.ARTISAN, Kind.MERCHANT, Kind.PLACE
_EVENT, _OFFER = Kind.EVENT, Kind.OFFER

_CODES = {
    "open": "open-now",
    "in_stock": "in-stock",
    "closed": "closed",
    "sold_out": "sold-out",
    "unknown": "hours-unknown",
}

_FRESH_CODES = {"valid": "offer-valid", "valid-for": "offer-valid", "published": "fresh-new"}

# Sentence by what it says: (French, English), in the order of LANGS.
_SENTENCES = {
    "same_group": ("dans votre voisinage immédiat", "in your immediate neighbourhood"),
    "within": ("à moins de {}", "less than {} away"),
    "beyond": ("à plus de {}", "more than {} away"),
    "at": ("à {}", "{} away"),
    "recommended": ("déjà recommandé", "recommended before"),
    "recommended-by": ("recommandé par {} foyers", "recommended by {} households"),
    "recommended-trusted": (
        "déjà recommandé, niveau de confiance {1} sur 4 pour vous",
        "recommended before, trust level {1} of 4 for you",
    ),
    "recommended-by-trusted": (
        "recommandé par {0} foyers, niveau de confiance {1} sur 4 pour vous",
        "recommended by {0} households, trust level {1} of 4 for you",
    ),
    "recommended-by-building": (
        "recommandé par {} foyers de votre immeuble",
        "recommended by {} households of your building",
    ),
    "not-recommended": ("pas encore recommandé", "not recommended yet"),
    "trusted": (
        "apprécié par des voisins de confiance (niveau {} sur 4)",
        "well rated by neighbours you can trust (level {} of 4)",
    ),
    "contact": ("adresse e-mail et téléphone confirmés", "e-mail address and phone confirmed"),
    "published": ("publié il y a {}", "published {} ago"),
    "valid": ("offre en cours", "offer running"),
    "valid-for": ("offre encore valable {}", "offer valid for another {}"),
    "event-now": ("a lieu en ce moment", "on right now"),
    "event-soon": ("commence dans {}", "starts in {}"),
    "open-now": ("ouvert en ce moment", "open now"),
    "in-stock": ("encore disponible", "still available"),
    "closed": ("fermé en ce moment", "closed now"),
    "sold-out": ("épuisé ou complet", "sold out"),
    "hours-unknown": ("horaires inconnus", "opening hours unknown"),
    "ask": ("disponibilité à confirmer", "availability to be confirmed"),
    "fit-text": ("correspond à vos mots", "matches your words"),
    "fit-corrected": ("« {} » compris comme « {} »", "“{}” read as “{}”"),
    "fit-category": ("dans la catégorie demandée", "in the category asked for"),
    "fit-any": ("correspond à votre recherche", "matches your search"),
}
_EDGES_M = {"<500m": 500, "<1km": 1_000, "<2km": 2_000, "<5km": 5_000}


def reasons(
    kind: Kind,
    factors: Sequence[float],
    weights: Sequence[float],
    *,
    lang: str,
    distance_m: float | None = None,
    band: str | None = None,
    personal: bool = False,
    level: int = 0,
    endorsers: int = 0,
    neighbours: int = 0,
    age_s: float | None = None,
    starts_in_s: float | None = None,
    ends_in_s: float | None = None,
    available: str = "unknown",
    asked: Asked = "any",
    corrected: Corrections = (),
) -> tuple[Reason, ...]:
    r"""Why a match scored what it did.

    Parameters
    ----------
    kind : Kind
        What the listing is.
    factors, weights : sequence of 5 float
        Distance, trust, fresh, available, fit: 0 to 1 each, and what each weighs.
    lang : str
        "fr" or "en".
    distance_m, band : float or str, optional
        How far: metres to a public thing, else one of `BANDS`. Exactly one is given.
    personal : bool
        Whether the listing is a person's: its trust is the owner's, not that of those who
        endorse it.
    level : int
        Trust that the viewer is shown, 0 to 4.
    endorsers : int
        Households that endorse the listing.
    neighbours : int
        Of the viewer's building, the viewer's own left out, households that do.
    age_s, starts_in_s, ends_in_s : float, optional
        Seconds since first publication, to the start (negative once begun), and to the end.
    available : str
        "open", "unknown", "closed", "in_stock" or "sold_out".
    asked : {"text", "category", "any"}
        What the fit was measured against; text before category.
    corrected : tuple of (str, str)
        Words asked for that were read as others, and as which.

    Returns
    -------
    tuple of Reason
        In the order of the factors. Shares are weight times factor, rounded to 1e-9; a factor
        that gave nothing has no reason, unless it says "closed" or "sold out". A count of
        households is named from three on.

    Raises
    ------
    InputError
        If the language is another; its code is ``unknown-language``.

    Examples
    --------
    >>> for reason in reasons(
    ...     Kind.MERCHANT, (0.9, 0.5, 0, 1, 1), (0.55, 0.15, 0, 0.2, 0.1),
    ...     lang="en", distance_m=1234.5, endorsers=4, available="open",
    ... ):
    ...     print(reason.code, "|", reason.text.replace("\u202f", " "), "|", reason.share)
    distance-metres | 1.2 km away | 0.495
    trust-recommended | recommended by 4 households | 0.075
    open-now | open now | 0.2
    fit-any | matches your search | 0.1
    """
    if lang not in LANGS:
        raise InputError(f"lang must be fr or en, got {lang!r}", code="unknown-language")
    distance, trust, fresh, free, fit = map(mul, weights, factors)
    keeps_hours = kind is _ARTISAN or kind is _MERCHANT or kind is _PLACE
    recommended, rest = _lasting(
        personal, level, endorsers, neighbours, keeps_hours, available, asked, corrected, lang,
        trust, free, fit,
    )  # fmt: skip
    near = _distance(distance_m, band, lang, distance)
    said = recommended if near is None else (near, *recommended)
    share = rounded_share(fresh)
    if share <= 0:
        return said + rest
    new = freshness_told(freshness(kind, age_s, starts_in_s, ends_in_s), lang)
    return (*said, Reason(*new, share), *rest)


# A page says the same few things over and over: keeping them takes half of its time away.
@lru_cache(maxsize=16_384)
def _lasting(
    personal: bool,
    level: int,
    endorsers: int,
    neighbours: int,
    keeps_hours: bool,
    available: str,
    asked: Asked,
    corrected: Corrections,
    lang: str,
    trust: float,
    free: float,
    fit: float,
) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """What depends on neither place nor time: the reason before freshness, and those after."""
    after = _available(keeps_hours, available, lang, free), _fit(asked, corrected, lang, fit)
    before = _trust(personal, level, endorsers, neighbours, lang, trust)
    return (
        () if before is None else (before,),
        tuple([reason for reason in after if reason is not None]),
    )


def rounded_share(share: float) -> float:
    """``round(share, 9)`` in half the time: Python goes by way of the decimal text.

    Examples
    --------
    >>> rounded_share(0.12345678951)
    0.12345679
    """
    units = share * 1e9
    whole = round(units)
    # The product errs by less than 1e-7: where that could decide, Python does.
    return whole / 1e9 if abs(units - whole) < 0.499 else round(share, 9)


def _distance(distance_m: float | None, band: str | None, lang: str, share: float) -> Reason | None:
    share = rounded_share(share)
    if share <= 0:
        return None
    if distance_m is not None:
        return Reason("distance-metres", _metres_away(int(distance_m), lang), share)
    if band == BANDS[0]:
        return Reason("distance-same-group", _say("same_group", lang), share)
    if band in _EDGES_M:
        text = _say("within", lang, _length(_EDGES_M[band], lang))
    else:
        text = _say("beyond", lang, _length(max(_EDGES_M.values()), lang))
    return Reason("distance-band", text, share)


def _trust(
    personal: bool, level: int, endorsers: int, neighbours: int, lang: str, share: float
) -> Reason | None:
    share = rounded_share(share)
    if share <= 0:
        return None
    trusted = level >= TRUSTED_LEVEL
    if personal and trusted:
        return Reason("trust-rated", _say("trusted", lang, str(level)), share)
    if personal:
        return Reason("trust-contact", _say("contact", lang), share)
    if not endorsers and not trusted:
        return Reason("trust-new", _say("not-recommended", lang), share)
    if neighbours >= COUNT_FROM:
        said = _say("recommended-by-building", lang, str(neighbours))
        return Reason("trust-building", said, share)
    key = "recommended-by" if endorsers >= COUNT_FROM else "recommended"
    # Whose word the level stands on is not told: it may be one person's, or the viewer's own.
    key = f"{key}-trusted" if trusted else key
    return Reason("trust-recommended", _say(key, lang, str(endorsers), str(level)), share)


def freshness(
    kind: Kind, age_s: float | None, starts_in_s: float | None, ends_in_s: float | None
) -> Freshness:
    """What is to be said of how fresh something is: which sentence, a number, its unit.

    Parameters are those of `reasons`.
    """
    if kind is _EVENT:
        if starts_in_s is None or starts_in_s <= 0:
            return "event-now", 0, ""
        return "event-soon", *_span(starts_in_s)
    if kind is _OFFER or age_s is None:
        if ends_in_s is None:
            return "valid", 0, ""
        return "valid-for", *_span(ends_in_s)
    return "published", *_span(age_s)


@lru_cache(maxsize=4_096)
def freshness_told(told: Freshness, lang: str) -> tuple[str, str]:
    """Code and text of what `freshness` found."""
    key, count, unit = told
    named = "jours" if lang == "fr" and unit == "days" else unit
    return _FRESH_CODES.get(key, key), _say(key, lang, f"{count}{NBSP}{named}")


def _available(keeps_hours: bool, available: str, lang: str, share: float) -> Reason | None:
    share = rounded_share(share)
    code = _CODES[available]
    if share <= 0 and code not in ("closed", "sold-out"):
        return None
    asks = code == "hours-unknown" and not keeps_hours
    return Reason(code, _say("ask" if asks else code, lang), share)


def _fit(asked: Asked, corrected: Corrections, lang: str, share: float) -> Reason | None:
    share = rounded_share(share)
    if share <= 0:
        return None
    if corrected:
        said = ", ".join(_say("fit-corrected", lang, *words) for words in corrected)
        return Reason("fit-corrected", said, share)
    return Reason(f"fit-{asked}", _say(f"fit-{asked}", lang), share)


@lru_cache(maxsize=16_384)
def _metres_away(metres: int, lang: str) -> str:
    return _say("at", lang, _length(metres, lang))


def _say(key: str, lang: str, *values: str) -> str:
    return _SENTENCES[key][LANGS.index(lang)].format(*values)


def _length(metres: int, lang: str) -> str:
    """Tens of metres, then tenths of a kilometre, then kilometres; halves go up."""
    tens, tenths, kilometres = (metres + 5) // 10, (metres + 50) // 100, (metres + 500) // 1000
    if tens < 100:
        return f"{tens * 10}{NBSP}m"
    if tenths < 100 and tenths % 10:
        return f"{tenths // 10}{',' if lang == 'fr' else '.'}{tenths % 10}{NBSP}km"
    return f"{kilometres:,}".replace(",", NBSP if lang == "fr" else ",") + f"{NBSP}km"


def _span(seconds: float) -> tuple[int, str]:
    """Minutes, from an hour on hours, from two days on days; what has passed whole."""
    if seconds < _HOUR_S:
        return max(1, int(seconds // 60)), "min"
    if seconds < 2 * _DAY_S:
        return int(seconds // _HOUR_S), "h"
    return int(seconds // _DAY_S), "days"
