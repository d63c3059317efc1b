"""Why a trip suits: one sentence per term of its cost, in French or English."""

from collections.abc import Mapping
from functools import lru_cache
from math import floor

from geo.arrays import LonLat
from geo.distance import distance_m
from matching.query import Reason
from matching.reasons import LANGS, NBSP
from matching.rides.asks import LEAST_TRIP_M, WALK_M_S
from matching.rides.carpool import Stop

__all__ = ["trip_reasons", "why_nobody"]

ON_THE_WAY_S = 30  # a detour that no driver would call one
ON_TIME_S = 60

# Sentence by code: (French, English), in the order of LANGS.
_SENTENCES = {
    "walk-none": ("sans marche à pied", "no walk"),
    "walk": ("{} min à pied en tout", "{} min on foot in all"),
    "meet-both": ("de {} à {}", "from {} to {}"),
    "meet-pickup": ("rendez-vous à {}", "meet at {}"),
    "meet-dropoff": ("dépose à {}", "dropped off at {}"),
    "on-the-way": ("sans détour", "no detour"),
    "detour": ("{} min de détour", "{} min of detour"),
    "on-time": ("à l'heure demandée", "at the time asked for"),
    "later": (
        "prévu {} min après l'heure demandée, dans la marge des deux",
        "planned {} min after the time asked for, within the leeway of both",
    ),
    "earlier": (
        "prévu {} min avant l'heure demandée, dans la marge des deux",
        "planned {} min before the time asked for, within the leeway of both",
    ),
    "days-all": ("tous les jours demandés", "all days asked for"),
    "days-some": ("{} des {} jours demandés", "{} of the {} days asked for"),
    "same-building": ("de votre immeuble", "from your building"),
    "trusted": (
        "apprécié par des voisins de confiance (niveau {} sur 4)",
        "well rated by neighbours you can trust (level {} of 4)",
    ),
    "walkable": (
        "le chemin fait moins de 1 km, on le fait à pied",
        "the way is under 1 km, one walks it",
    ),
}


def trip_reasons(
    lang: str,
    *,
    stops: tuple[Stop, Stop],
    detour_s: float,
    late_s: float,
    days: tuple[int, int],
    level: int,
    same_building: bool,
    terms: Mapping[str, float],
) -> tuple[Reason, ...]:
    """Why a trip is offered, in the order in which one would say it.

    Parameters
    ----------
    lang : str
        "fr" or "en".
    stops : tuple of Stop
        Pick-up and drop-off.
    detour_s : float
        Seconds.
    late_s : float
        Seconds that the driver is there after the time asked for, as planned and with the
        detour; before it if less than 0.
    days : tuple of int
        Days matched, of days asked for.
    level : int
        How far who asks trusts the other, 0 to 4.
    same_building : bool
        Whether both live there, addresses proved.
    terms : mapping of str to float
        Minutes that each term of the cost gives, as they are told.

    Returns
    -------
    tuple of Reason
        The share of each is the minutes it adds to the cost; less than 0 takes off.
    """
    at = LANGS.index(lang)

    def say(code: str, share: float, *values: object) -> Reason:
        return Reason(code, _text(code, at, *values), share)

    found = []
    if same_building:
        found.append(say("same-building", terms["same_building"]))
    if level >= 2:
        found.append(say("trusted", terms["trust"], level))
    if days[1] > 1:
        code = "days-all" if days[0] == days[1] else "days-some"
        found.append(say(code, terms["unmatched_days"], *days))
    pickup, dropoff = stops
    walk_min = round((pickup.walk_m + dropoff.walk_m) / WALK_M_S / 60)
    found.append(say("walk" if walk_min else "walk-none", terms["walk"], walk_min))
    if pickup.name and dropoff.name:
        found.append(say("meet-both", terms["elsewhere"], pickup.name, dropoff.name))
    elif pickup.name:
        found.append(say("meet-pickup", terms["elsewhere"], pickup.name))
    elif dropoff.name:
        found.append(say("meet-dropoff", terms["elsewhere"], dropoff.name))
    if detour_s > ON_THE_WAY_S:
        found.append(say("detour", terms["detour"], max(1, round(detour_s / 60))))
    else:
        found.append(say("on-the-way", terms["detour"]))
    code = "on-time" if abs(late_s) <= ON_TIME_S else "later" if late_s > 0 else "earlier"
    # As between the time asked for and the one that a clock shows, which has no seconds.
    found.append(say(code, terms["shift"], abs(floor(round(late_s, 3) / 60))))
    return tuple(found)


def why_nobody(origin: LonLat, destination: LonLat, lang: str) -> Reason | None:
    """Why nobody is looked for between two points, if that is so: the way is under 1 km.

    Parameters
    ----------
    origin, destination : (lon, lat)
        Of a rider; degrees, EPSG:4326.
    lang : str
        "fr" or "en".

    Examples
    --------
    >>> why_nobody((5.3740, 43.2951), (5.3760, 43.2955), "en").text
    'the way is under 1 km, one walks it'
    >>> why_nobody((5.3740, 43.2951), (5.4285, 43.3467), "en") is None
    True
    """
    if distance_m(*origin, *destination) >= LEAST_TRIP_M:
        return None
    return Reason("walkable", _text("walkable", LANGS.index(lang)), 0.0)


# Matches say the same few things over and over: they are put together once.
@lru_cache(maxsize=4_096)
def _text(code: str, at: int, *values: object) -> str:
    return _SENTENCES[code][at].replace(" min", f"{NBSP}min").format(*values)
