"""From rows to matches: words, distances as far as they may be told, and reasons."""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from geo.arrays import IntArray
from indexes.columns import IN_STOCK, SOLD_OUT
from indexes.entities import IrisCode, Kind
from indexes.points import Found
from matching.catalog import Catalog
from matching.hours import CLOSED, OPEN, UNKNOWN, StateArray
from matching.paging import Search
from matching.query import Match, NearQuery
from matching.reasons import Asked, reasons
from matching.scoring import BAND_EDGES_M, BANDS, Profiles, Weights

__all__ = ["matches_of"]

MAX_KEPT = 32_768  # told rows kept of a catalog, about 1 kB each

_AVAILABLE = {CLOSED: "closed", OPEN: "open"}


class Told(msgspec.Struct, frozen=True, gc=False):
    """What an answer tells of a row, whoever asks, wherever from and whenever.

    Instants are kept as seconds since 1970 too; ``hours`` is the number of the row's opening
    hours, -1 for none.
    """

    id: str
    kind: Kind
    title: str
    lat: float | None
    lon: float | None
    zones: tuple[IrisCode, ...]
    personal: bool
    level: int
    category: str
    lang: str
    address: str
    url: str
    starts_s: int | None
    starts_at: datetime | None
    ends_s: int | None
    valid_to: datetime | None
    published_s: int | None
    endorsers: int
    hours: int
    stock: int


# A row of a catalog never changes, so it is turned from columns to words once. Asking Arrow for
# a page of rows costs several times the search itself.
_kept: WeakKeyDictionary[Catalog, dict[int, Told]] = WeakKeyDictionary()


def matches_of(search: Search, found: Found, profiles: Profiles, query: NearQuery) -> list[Match]:
    """The page of matches behind the rows found; a personal one carries no point, no address."""
    weights = _weights(profiles, query.profile)
    asked: Asked = "text" if query.text else "category" if query.category else "any"
    at, states = search.ask.at, search.states
    matches = []
    for told, score, distance_m, factors in zip(
        _told(search.snapshot.catalog, found.rows[: query.limit]),
        found.scores.tolist(),
        found.distance_m.tolist(),
        found.factors.tolist(),
        strict=False,  # one more is found than told
    ):
        metres = None if told.personal else round(distance_m, 3)
        band = _band(distance_m) if told.personal else None
        available = _availability(told, states)
        matches.append(
            Match(
                id=told.id,
                kind=told.kind,
                title=told.title,
                score=score / 1e9,
                distance_m=metres,
                distance_band=band,
                why=reasons(
                    told.kind,
                    factors,
                    weights[told.kind],
                    lang=query.lang,
                    distance_m=metres,
                    band=band,
                    personal=told.personal,
                    level=told.level,
                    endorsers=told.endorsers,
                    age_s=None if told.published_s is None else at - told.published_s,
                    starts_in_s=None if told.starts_s is None else told.starts_s - at,
                    ends_in_s=None if told.ends_s is None else told.ends_s - at,
                    available=available,
                    asked=asked,
                ),
                lat=told.lat,
                lon=told.lon,
                zones=told.zones,
                personal=told.personal,
                level=told.level,
                available=available,
                category=told.category,
                lang=told.lang,
                address=told.address,
                url=told.url,
                starts_at=told.starts_at,
                valid_to=told.valid_to,
            )
        )
    return matches


@lru_cache(maxsize=64)
def _weights(profiles: Profiles, named: str | None) -> Mapping[Kind, Weights]:
    return {kind: profiles.ranking(kind, named).weights for kind in Kind}


def _told(catalog: Catalog, rows: IntArray) -> list[Told]:
    """Rows as they are told, from those kept where they have been told before."""
    kept = _kept.setdefault(catalog, {})
    wanted = rows.tolist()
    missing = [row for row in wanted if row not in kept]
    if missing:
        if len(kept) + len(missing) > MAX_KEPT:
            # Another thread may still read the one before.
            kept = _kept[catalog] = {row: kept[row] for row in wanted if row in kept}
        for row, record in zip(missing, catalog.records(np.array(missing)), strict=True):
            kept[row] = _told_row(catalog, row, record)
    return [kept[row] for row in wanted]


def _told_row(catalog: Catalog, row: int, record: dict[str, Any]) -> Told:
    columns, personal = catalog.columns, record["personal"]
    starts_s, ends_s = record["starts_at"], catalog.valid_to(row)
    return Told(
        id=record["id"],
        kind=Kind(record["kind"]),
        title=record["title"],
        lat=None if personal else record["lat"],
        lon=None if personal else record["lon"],
        zones=catalog.zones_of(row),
        personal=personal,
        level=int(catalog.levels[row]),
        category=record["category"],
        lang=record["lang"],
        address="" if personal else record["address"],
        url=record["url"],
        starts_s=starts_s,
        starts_at=None if starts_s is None else datetime.fromtimestamp(starts_s, UTC),
        ends_s=ends_s,
        valid_to=None if ends_s is None else datetime.fromtimestamp(ends_s, UTC),
        published_s=record["published_at"],
        endorsers=record["endorsers"],
        hours=int(columns.hours[row]),
        stock=int(columns.stock[row]),
    )


def _band(distance_m: float) -> str:
    """How far apart two groups are, as far as it is told."""
    return BANDS[0] if distance_m == 0.0 else BANDS[bisect_right(BAND_EDGES_M, distance_m)]


def _availability(told: Told, states: StateArray) -> str:
    if told.stock == SOLD_OUT:
        return "sold_out"
    state = states.item(told.hours) if told.hours >= 0 else UNKNOWN
    unknown = "in_stock" if told.stock == IN_STOCK else "unknown"
    return _AVAILABLE.get(state, unknown)
