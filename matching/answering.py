"""From rows to matches: words, distances as far as they may be told, and reasons."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat

from msgspec.structs import replace

from geo.arrays import IntArray
from indexes.columns import IN_STOCK, SOLD_OUT
from indexes.entities import Kind
from indexes.points import Found
from matching.hours import CLOSED, OPEN, UNKNOWN, StateArray
from matching.paging import Search
from matching.query import Match, NearQuery
from matching.reasons import COUNT_FROM, Asked, Corrections, reasons
from matching.scoring import BAND_EDGES_M, BANDS, Profiles, Weights
from matching.text import family, spelled
from matching.towns.catalog import Record

__all__ = ["asked_of", "availability_of", "band_of", "matches_of", "neighbours_of"]

_AVAILABLE = {CLOSED: "closed", OPEN: "open"}


def matches_of(search: Search, found: Found, profiles: Profiles, query: NearQuery) -> list[Match]:
    """The page of matches behind the rows found; a personal one carries no point, no address."""
    weights = _weights(profiles, query.profile)
    asked = asked_of(query)
    at, states = search.ask.at, search.states
    rows = found.rows[: query.limit]
    matches = []
    records = search.snapshot.catalog.records(rows)
    for told, score, distance_m, tie, factors, neighbours, corrected in zip(
        records,
        found.scores.tolist(),
        found.distance_m.tolist(),
        found.ties.tolist(),
        found.factors.tolist(),
        neighbours_of(search, records),
        _corrections(search, rows, query.text or ""),
        strict=False,  # one more is found than told
    ):
        match = told.match
        metres = None if match.personal else tie / 1_000  # of whole millimetres, as it is ranked
        band = band_of(distance_m) if match.personal else None
        available = availability_of(told, states)
        level = round(4 * factors[1])  # as the viewer is shown it
        why = reasons(
            match.kind,
            factors,
            weights[match.kind],
            lang=query.lang,
            distance_m=metres,
            band=band,
            personal=match.personal,
            level=level,
            endorsers=told.endorsers,
            neighbours=neighbours,
            age_s=None if told.published_s is None else at - told.published_s,
            starts_in_s=None if told.starts_s is None else told.starts_s - at,
            ends_in_s=None if told.ends_s is None else told.ends_s - at,
            available=available,
            asked=asked,
            corrected=corrected,
        )
        # Most of a match is the same whoever asks: a copy takes a fifth of the time of a new one.
        matches.append(
            replace(
                match,
                score=score / 1e9,
                distance_m=metres,
                distance_band=band,
                why=why,
                level=level,
                available=available,
            )
        )
    return matches


@lru_cache(maxsize=64)
def _weights(profiles: Profiles, named: str | None) -> Mapping[Kind, Weights]:
    return {kind: profiles.ranking(kind, named).weights for kind in Kind}


def asked_of(query: NearQuery) -> Asked:
    """What the fit is measured against."""
    return "text" if query.text else "category" if query.category else "any"


def neighbours_of(search: Search, records: Sequence[Record]) -> Iterable[int]:
    """For each record, households of the viewer's building that recommend it; 0 if too few."""
    if search.neighbours is None:
        return repeat(0)
    ids = [one.match.id for one in records if one.endorsers >= COUNT_FROM and not one.personal]
    if not ids:
        return repeat(0)
    counts = dict(zip(ids, search.neighbours(ids), strict=True))
    return [counts.get(one.match.id, 0) for one in records]


def _corrections(search: Search, rows: IntArray, text: str) -> Iterable[Corrections]:
    """For each row, words of the query as typed that were read as others, and as which there."""
    if not search.corrected:
        return repeat(())
    typed = spelled(text)
    found = []
    for words in map(spelled, search.snapshot.catalog.words(rows.tolist())):
        here = {family(word): spelling for word, spelling in words.items()}
        found.append(
            tuple(
                (typed.get(word, word), here[stem])
                for word, families in search.corrected.items()
                for stem in sorted(families & here.keys())[:1]
            )
        )
    return found


def band_of(distance_m: float) -> str:
    """How far apart two groups are, as far as it is told."""
    return BANDS[0] if distance_m == 0.0 else BANDS[bisect_right(BAND_EDGES_M, distance_m)]


def availability_of(told: Record, states: StateArray) -> str:
    """Whether something can be had, as a match says it; ``states`` are those of all hours."""
    if told.stock == SOLD_OUT:
        return "sold_out"
    state = states.item(told.hours) if told.hours >= 0 else UNKNOWN
    unknown = "in_stock" if told.stock == IN_STOCK else "unknown"
    return _AVAILABLE.get(state, unknown)
