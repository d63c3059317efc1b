"""From rows to matches: words, distances as far as they may be told, and reasons."""

from datetime import UTC, datetime
from typing import Any

from indexes.columns import IN_STOCK, SOLD_OUT
from indexes.entities import Kind
from indexes.points import Found
from matching.hours import CLOSED, OPEN, UNKNOWN
from matching.paging import Search
from matching.query import Match, NearQuery
from matching.reasons import reasons
from matching.scoring import BAND_EDGES_M, BANDS, Profiles

__all__ = ["matches_of"]


def matches_of(search: Search, found: Found, profiles: Profiles, query: NearQuery) -> list[Match]:
    """The page of matches behind the rows found; a personal one carries no point, no address."""
    rows = found.rows[: query.limit]
    records = search.snapshot.catalog.records(rows)
    return [
        _match(search, record, int(row), i, found, profiles, query)
        for i, (row, record) in enumerate(zip(rows, records, strict=True))
    ]


def _match(
    search: Search,
    record: dict[str, Any],
    row: int,
    i: int,
    found: Found,
    profiles: Profiles,
    query: NearQuery,
) -> Match:
    catalog, at = search.snapshot.catalog, search.ask.at
    kind, personal = Kind(record["kind"]), record["personal"]
    distance_m = None if personal else round(float(found.distance_m[i]), 3)
    band = _band(float(found.distance_m[i])) if personal else None
    available = _availability(search, row)
    starts_at, ends_at = record["starts_at"], catalog.valid_to(row)
    level = int(catalog.levels[row])
    why = reasons(
        kind,
        found.factors[i].tolist(),
        profiles.ranking(kind, query.profile).weights,
        lang=query.lang,
        distance_m=distance_m,
        band=band,
        personal=personal,
        level=level,
        endorsers=record["endorsers"],
        age_s=None if record["published_at"] is None else at - record["published_at"],
        starts_in_s=None if starts_at is None else starts_at - at,
        ends_in_s=None if ends_at is None else ends_at - at,
        available=available,
        asked="text" if query.text else "category" if query.category else "any",
    )
    return Match(
        id=record["id"],
        kind=kind,
        score=int(found.scores[i]) / 1e9,
        title=record["title"],
        why=why,
        distance_m=distance_m,
        distance_band=band,
        lon=None if personal else record["lon"],
        lat=None if personal else record["lat"],
        zones=catalog.zones_of(row),
        personal=personal,
        category=record["category"],
        lang=record["lang"],
        level=level,
        available=available,
        starts_at=None if starts_at is None else datetime.fromtimestamp(starts_at, UTC),
        valid_to=None if ends_at is None else datetime.fromtimestamp(ends_at, UTC),
        address="" if personal else record["address"],
        url=record["url"],
    )


def _band(distance_m: float) -> str:
    """How far apart two groups are, as far as it is told."""
    if distance_m == 0.0:
        return BANDS[0]
    return next(
        (
            band
            for band, edge in zip(BANDS[1:], BAND_EDGES_M[1:], strict=False)
            if distance_m < edge
        ),
        BANDS[-1],
    )


def _availability(search: Search, row: int) -> str:
    columns = search.snapshot.catalog.columns
    hours = int(columns.hours[row])
    state = int(search.states[hours]) if hours >= 0 else UNKNOWN
    if columns.stock[row] == SOLD_OUT:
        return "sold_out"
    if state == CLOSED:
        return "closed"
    if state == OPEN:
        return "open"
    return "in_stock" if columns.stock[row] == IN_STOCK else "unknown"
