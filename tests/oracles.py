"""Slow, plain answers to hold the fast ones to.

Written from what the project promises, not from its code: loops, dictionaries and the math
module. Nothing here is imported from the rooms, so that no mistake is shared with them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EARTH_RADIUS_M = 6_371_008.8
DAY_S = 86_400
HALF_EARTH_M = math.pi * EARTH_RADIUS_M
BANDS = ((500.0, "<500m"), (1_000.0, "<1km"), (2_000.0, "<2km"), (5_000.0, "<5km"))
FARTHER = 2**62  # the tie of people 5 km away or more: larger than any other


# -- one number at a time ----------------------------------------------------------------------


def distance_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Great circle by the haversine formula; degrees in, metres out."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    north = math.sin(math.radians(lat2 - lat1) / 2) ** 2
    east = math.sin(math.radians(lon2 - lon1) / 2) ** 2
    h = north + math.cos(phi1) * math.cos(phi2) * east
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def band_edge_m(d: float) -> float:
    """Upper edge of the band of a distance between people's groups."""
    if d == 0:
        return 0.0
    for edge, _ in BANDS:
        if d < edge:
            return edge
    return math.inf


def band_name(d: float) -> str:
    """The band as it is told."""
    if d == 0:
        return "same_group"
    for edge, name in BANDS:
        if d < edge:
            return name
    return "farther"


def distance_factor(
    shape: str, offset_m: float, scale_m: float, at_scale: float, d: float
) -> float:
    """1 up to ``offset_m``, ``at_scale`` at ``offset_m + scale_m``, nothing at infinity."""
    if math.isinf(d):
        return 0.0
    if d <= offset_m:
        return 1.0
    steps = (d - offset_m) / scale_m
    if shape == "gauss":
        return at_scale ** (steps * steps)
    if shape == "exp":
        return at_scale**steps
    assert shape == "linear"
    return max(0.0, 1.0 - steps * (1.0 - at_scale))


def half_life_factor(age_s: float) -> float:
    """Halves every fourteen days; what is still to be published is new."""
    return 1.0 if age_s <= 0 else 2.0 ** (-age_s / (14 * DAY_S))


def event_factor(starts_in_s: float) -> float:
    """1 from 48 hours before the start, in a line down to 0 thirty days before it."""
    if starts_in_s <= 2 * DAY_S:
        return 1.0
    if starts_in_s >= 30 * DAY_S:
        return 0.0
    return (30 * DAY_S - starts_in_s) / (28 * DAY_S)


def availability_factor(stock: str, doors: str) -> float:
    """1 where it can be had, 0 where it is known that it can't, a half where nothing is known."""
    if stock == "sold out" or doors == "closed":
        return 0.0
    if stock == "in stock" or doors == "open":
        return 1.0
    return 0.5


# -- a ranking ---------------------------------------------------------------------------------


@dataclass
class Scored:
    """What one thing scores, nothing rounded yet."""

    score: float  # 0 to 1
    tie_m: float  # the distance that counts: metres, or the edge of a band
    distance_m: float
    factors: tuple[float, float, float, float, float]


def weighed(weights: Iterable[float], factors: tuple[float, ...]) -> float:
    """Σ wᵢ·fᵢ."""
    return math.fsum(weight * factor for weight, factor in zip(weights, factors, strict=True))


def whole(value: float, reported: int | None, *, unlucky: int = 0) -> int:
    """A value as a whole number, halves up.

    Two correct programs may differ in the last bit of ``value``, and so in its rounding if it
    lies on the edge between two numbers. There alone what was reported is believed, and of
    what was not reported the unlucky side (-1 down, 1 up) is taken.
    """
    nearest = math.floor(value + 0.5)
    down, up = math.floor(value + 0.5 - 1e-3), math.floor(value + 0.5 + 1e-3)
    if down == up:
        return nearest
    if reported in (down, up):
        return reported
    return {-1: down, 0: nearest, 1: up}[unlucky]


def ranked(
    scored: Mapping[Any, Scored], reported: Mapping[Any, tuple[int, int]]
) -> list[tuple[int, int, Any]]:
    """(score in 1e-9, tie in mm, key), best first: higher scores, nearer ties, lower keys.

    ``reported`` are the scores and ties that an answer gave, by key.
    """
    found = []
    for key, one in scored.items():
        score, tie = reported.get(key, (None, None))
        whole_score = whole(one.score * 1e9, score, unlucky=-1)
        far = math.isinf(one.tie_m)
        whole_tie = FARTHER if far else whole(one.tie_m * 1e3, tie, unlucky=1)
        found.append((whole_score, whole_tie, key))
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))


# -- points as the index knows them ------------------------------------------------------------


def score_points(
    points: list[dict[str, Any]],
    rules: Mapping[tuple[str, bool], dict[str, Any]],
    ask: Mapping[str, Any],
) -> dict[int, Scored]:
    """Everything that an index of points may answer, by row, looked at one by one.

    Parameters
    ----------
    points : list of dict
        One a row; the keys are read below.
    rules : mapping of (kind, personal) to dict
        ``weights`` and ``decay`` of each class searched, and how it is ``fresh``.
    ask : mapping
        Origin, instant, radii and filters; the keys are read below. A filter that is absent
        or None keeps everything.
    """
    lon, lat = ask["origin"]
    found = {}
    for row, point in enumerate(points):
        rule = rules.get((point["kind"], point["personal"]))
        if rule is None:
            continue
        if not point["valid_from"] <= ask["at"] < point["valid_to"]:
            continue
        if point["audience"] not in ask["visible"] or point["owner"] in ask["blocked"]:
            continue
        if ask["zones"] is not None and point["zones"] not in ask["zones"]:
            continue
        if ask["rows"] is not None and row not in ask["rows"]:
            continue
        if ask["verified"] and not point["verified"]:
            continue
        doors = "unknown" if point["hours"] < 0 else ask["doors"][point["hours"]]
        if ask["open_now"] and doors != "open":
            continue
        fit = 1.0 if ask["fits"] is None else ask["fits"][row]
        if ask["depths"] is not None:
            if point["category"] not in ask["depths"]:
                continue
            fit *= ask["depth"] / ask["depths"][point["category"]]
        d = distance_m(lon, lat, point["lon"], point["lat"])
        if d > ask["radius_m"] or d < ask["min_m"] or d <= ask["inner_m"]:
            continue
        if point["reach_m"] is not None and d > point["reach_m"]:
            continue
        scored_m = band_edge_m(d) if point["personal"] else d
        fresh = 1.0
        if rule["fresh"] == "half-life":
            fresh = half_life_factor(ask["at"] - point["fresh_at"])
        elif rule["fresh"] == "event":
            fresh = event_factor(point["fresh_at"] - ask["at"])
        factors = (
            distance_factor(*rule["decay"], scored_m),
            point["trust"],
            fresh,
            availability_factor(point["stock"], doors),
            fit,
        )
        found[row] = Scored(weighed(rule["weights"], factors), scored_m, d, factors)
    return found
