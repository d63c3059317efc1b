"""What tables and notes say to people, in French and English."""

from collections.abc import Iterable, Mapping

from matching.reasons import LANGS, NBSP

__all__ = [
    "count",
    "day_codes",
    "euros",
    "heads",
    "listed",
    "metres",
    "number",
    "plain",
    "say",
    "weekdays",
]

_WORDS: Mapping[str, tuple[str, str]] = {  # French, English: the order of LANGS
    # what a column holds
    "": ("", ""),
    "code": ("code", "code"),
    "cost": ("coût", "cost"),
    "days": ("jours", "days"),
    "detour": ("détour", "detour"),
    "distance": ("distance", "distance"),
    "driver": ("conducteur", "driver"),
    "drop-off": ("dépose", "drop-off"),
    "ε": ("ε par foyer et trimestre", "ε of a household and quarter"),
    "family": ("famille", "family"),
    "figure": ("chiffre", "figure"),
    "from": ("de", "from"),
    "how-much": ("combien", "how much"),
    "kind": ("type", "kind"),
    "measure": ("mesure", "measure"),
    "met": ("rendez-vous", "met at"),
    "name": ("nom", "name"),
    "of": ("sur", "of"),
    "pick-up": ("montée", "pick-up"),
    "price": ("prix", "price"),
    "ride": ("trajet", "ride"),
    "rider": ("passager", "rider"),
    "score": ("score", "score"),
    "status": ("état", "status"),
    "title": ("titre", "title"),
    "to": ("à", "to"),
    "trip": ("trajet", "trip"),
    "value": ("valeur", "value"),
    "walk": ("à pied", "walk"),
    "what": ("quoi", "what"),
    "why": ("pourquoi", "why"),
    # kinds of listings
    "neighbour": ("voisin", "neighbour"),
    "service": ("service", "service"),
    "artisan": ("artisan", "artisan"),
    "merchant": ("commerce", "merchant"),
    "offer": ("offre", "offer"),
    "event": ("événement", "event"),
    "ad": ("annonce", "ad"),
    "place": ("lieu", "place"),
    # near me
    "within": ("À moins de {}", "Within {}"),
    "same_group": ("voisinage", "same group"),
    "nothing-within": ("rien à moins de {}", "nothing found within {}"),
    "next-page": ("page suivante : --cursor {}", "next page: --cursor {}"),
    "no-people": (
        "aucune personne n'a été cherchée : il faut pour cela le domicile d'un membre (--as ID)",
        "people were not searched: they are, from the home of a member (--as ID)",
    ),
    "for-you": ("Pour vous, selon {}", "For you, by {}"),
    "nothing-for-you": ("rien à recommander à moins de {}", "nothing to recommend within {}"),
    # what was learned, and from what
    "learning": ("apprentissage…", "learning…"),
    "last-eighth": ("Sur le dernier huitième de l'historique", "On the last eighth of the history"),
    "auc": ("AUC", "AUC"),
    "p10": ("précision à 10", "precision at 10"),
    "r10": ("rappel à 10", "recall at 10"),
    "formula": ("formule", "formula"),
    "learned": ("modèle appris", "learned"),
    "weighs": ("Ce que pèse chaque terme de {}", "What each term of {} weighs"),
    "term": ("terme", "term"),
    "weight": ("poids", "weight"),
    "trusted": ("confiance", "trusted"),
    "near": ("près de chez soi", "near"),
    "taste": ("goûts", "taste"),
    "popularity": ("popularité", "popularity"),
    "better": (
        "le modèle appris recommande mieux que la formule ({events} recommandations et usages)",
        "what was learned recommends better than the formula ({events} recommendations and uses)",
    ),
    "formula-as-good": (
        "la formule reste : elle recommande aussi bien que ce qui a été appris de {events} "
        "recommandations et usages",
        "the formula stays: it recommends as well as what was learned from {events} "
        "recommendations and uses",
    ),
    "too-few-events": (
        "la formule reste : {events} recommandations et usages de membres, il en faut "
        "{least_events} pour apprendre",
        "the formula stays: {events} recommendations and uses by members, {least_events} are "
        "needed to learn from",
    ),
    "too-few-liked": (
        "la formule reste : sur {events} recommandations et usages, ceux dont on peut apprendre "
        "sont {liked} (pour apprendre, étalonner, juger), il en faut {least_liked} à chaque fois. "
        "Comptent ceux d'annonces déjà publiées, à moins de 5 km de l'îlot du membre, qu'il ne "
        "recommandait ni n'utilisait encore ; sans îlots (groups build), aucun ne compte",
        "the formula stays: of {events} recommendations and uses, those that can be learned from "
        "are {liked} (to learn, to calibrate, to judge), {least_liked} are needed each time. What "
        "counts is of a listing that was published by then, within 5 km of the member's group, and "
        "that they neither recommended nor used before; without groups (groups build) none does",
    ),
    "no-term": (
        "la formule reste : rien de ce qu'on sait des annonces ne distingue celles qui ont plu",
        "the formula stays: nothing that is known of listings tells which of them were liked",
    ),
    "not-lasting": (
        "la formule reste : ce qui avait été appris ne valait plus pour la période suivante",
        "the formula stays: what had been learned no longer held in the next stretch",
    ),
    # carpool
    "my-way": ("Qui fait le même chemin", "Who goes my way"),
    "my-week": ("Qui m'emmène, quels jours", "Who takes me, on which days"),
    "nobody": ("personne ne fait ce chemin à cette heure", "nobody goes that way then"),
    "missing": ("personne : {}", "nobody: {}"),
    "my-week-back": ("Qui me ramène, quels jours", "Who takes me back, on which days"),
    "missing-back": ("personne pour le retour : {}", "nobody back: {}"),
    "there-and-back": (
        "aller avec {} à {}, retour avec {} à {}",
        "there with {} at {}, back with {} at {}",
    ),
    "there-only": (
        "aller avec {} à {}, retour avec personne",
        "there with {} at {}, back with nobody",
    ),
    "paired": ("Appariés", "Paired"),
    "day-paired": (
        "{} des {} passagers, {} conducteurs, {}",
        "{} of {} riders, {} drivers, {}",
    ),
    "riders": ("passagers", "riders"),
    "drivers": ("conducteurs", "drivers"),
    "feasible": ("paires possibles", "feasible pairs"),
    "matched": ("appariés", "matched"),
    "mean-detour": ("détour moyen", "detour on average"),
    # one trip
    "role": ("rôle", "role"),
    "passenger": ("passager", "passenger"),
    "either": ("conducteur ou passager", "driver or passenger"),
    "owner": ("membre", "member"),
    "when": ("quand", "when"),
    "lasts": ("durée", "lasts"),
    "estimated": ("estimée", "estimated"),
    "length": ("longueur", "length"),
    "seats": ("places", "seats"),
    "limits": ("conditions", "conditions"),
    "verified_only": ("membres vérifiés seulement", "verified members only"),
    "same_building": ("même immeuble", "same building"),
    "women_only": ("entre femmes", "women only"),
    "cancelled": ("annulé", "cancelled"),
    "shown": ("montré", "shown"),
    "whole": ("en entier", "whole"),
    "published": ("tel que les autres le voient", "as others may see it"),
    "unpublished": ("rien du chemin ne peut être montré", "nothing of the way can be shown"),
    # districts
    "visible": (
        "Part des zones dont le chiffre est montré",
        "Share of zones whose figure is shown",
    ),
    "drawn-before": (
        "déjà diffusé le {} UTC : le bruit n'est tiré qu'une fois ; --correct fait une version de "
        "plus des mêmes tirages",
        "released on {} UTC already: noise is drawn once; --correct makes a further version of "
        "the same draws",
    ),
    "by-category": ("par catégorie, avec --measure : {}", "by category, with --measure: {}"),
    "noise": ("ε = {} par foyer et trimestre", "ε = {} for a household and quarter"),
}
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_JOURS = dict(zip(_WEEKDAYS, ["LUN", "MAR", "MER", "JEU", "VEN", "SAM", "DIM"], strict=True))
_OF_JOUR = {jour: day for day, jour in _JOURS.items()}


def say(key: str, lang: str, *values: object, **named: object) -> str:
    """A word or a sentence in one of the languages, with some values in it.

    Examples
    --------
    >>> say("within", "en", "600 m"), say("within", "fr", "600 m")
    ('Within 600 m', 'À moins de 600 m')
    """
    return _WORDS[key][LANGS.index(lang)].format(*values, **named)


def heads(lang: str, *keys: str) -> tuple[str, ...]:
    """What columns of a table are called."""
    return tuple(say(key, lang) for key in keys)


def listed(parts: Iterable[str], lang: str) -> str:
    r"""Reasons or the like, one after another.

    Examples
    --------
    >>> listed(["new", "open now"], "en"), listed(["nouveau", "ouvert"], "fr")
    ('new; open now', 'nouveau\u202f; ouvert')
    """
    return (f"{NBSP}; " if lang == "fr" else "; ").join(parts)


def count(things: int, lang: str) -> str:
    r"""A number of things, thousands set apart.

    Examples
    --------
    >>> count(88_425, "en"), count(88_425, "fr")
    ('88,425', '88\u202f425')
    """
    return f"{things:,}".replace(",", NBSP if lang == "fr" else ",")


def metres(distance_m: float, lang: str) -> str:
    r"""Whole metres, thousands set apart.

    Examples
    --------
    >>> metres(1234.4, "en"), metres(1234.4, "fr")
    ('1,234 m', '1\u202f234 m')
    """
    return f"{count(round(distance_m), lang)} m"


def number(value: float, decimals: int, lang: str) -> str:
    """A number with some decimals.

    Examples
    --------
    >>> number(0.9254, 3, "en"), number(0.9254, 3, "fr")
    ('0.925', '0,925')
    """
    return f"{value:.{decimals}f}".replace(".", "," if lang == "fr" else ".")


def plain(value: float, lang: str) -> str:
    """A number with as many decimals as it has.

    Examples
    --------
    >>> plain(0.94, "en"), plain(0.94, "fr"), plain(1.0, "fr")
    ('0.94', '0,94', '1')
    """
    return f"{value:g}".replace(".", "," if lang == "fr" else ".")


def euros(amount: float, lang: str) -> str:
    """Euros and cents.

    Examples
    --------
    >>> euros(0.35, "en"), euros(0.35, "fr")
    ('0.35 €', '0,35 €')
    """
    return f"{number(amount, 2, lang)} €"


def day_codes(text: str) -> str:
    """A day or days from one to another, as everything but tables has them.

    Examples
    --------
    >>> day_codes("LUN-VEN"), day_codes("MON"), day_codes("lundi")
    ('MON-FRI', 'MON', 'lundi')
    """
    return "-".join(_OF_JOUR.get(day, day) for day in text.split("-"))


def weekdays(days: Iterable[str], lang: str) -> str:
    """Days such as MON, in a row.

    Examples
    --------
    >>> weekdays(["MON", "FRI"], "en"), weekdays(["MON", "FRI"], "fr")
    ('MON FRI', 'LUN VEN')
    """
    return " ".join(_JOURS[day] if lang == "fr" else day for day in days)
