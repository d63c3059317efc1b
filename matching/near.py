"""Who or what near me suits me: one search, exact, and the reasons."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely

from geo.arrays import BoolArray, FloatArray, IntArray, LonLat, as_lonlat
from geo.distance import HALF_CIRCUMFERENCE_M
from geo.errors import CursorError, DeniedError, InputError
from indexes.columns import IN_STOCK, SOLD_OUT, class_code
from indexes.entities import PERSON_KINDS, PERSONAL_KINDS, Kind
from indexes.points import Ask, Found, Plan, Rule, pack_filters
from matching.catalog import Seen
from matching.cursor import Cursor, query_digest, seal, unseal
from matching.hours import CLOSED, OPEN, UNKNOWN, StateArray
from matching.query import MAX_LIMIT, Match, NearAnswer, NearQuery, Viewer
from matching.reasons import reasons
from matching.scoring import BAND_EDGES_M, BANDS, Profile, Profiles
from matching.snapshot import Snapshot

__all__ = ["RINGS_M", "near", "plan_of"]

RINGS_M = (150.0, 300.0, 600.0, 1_200.0, 2_500.0, 5_000.0)
"""The radii tried where none is asked for."""

_FRESH = {Kind.SERVICE: "half-life", Kind.AD: "half-life", Kind.EVENT: "event"}


@dataclass(frozen=True, slots=True)
class _Search:
    """A query made ready: what to search, and where, still without a radius."""

    snapshot: Snapshot
    plan: Plan
    ask: Ask
    filters: np.ndarray
    states: StateArray
    rows: IntArray | None  # where only some may be answered
    fits: FloatArray | None

    def best(self, limit: int) -> Found:
        index = self.snapshot.index
        if self.rows is None:
            return index.search(self.plan, self.ask, self.filters, limit)
        return index.scan(self.plan, self.ask, self.filters, limit, self.rows, self.fits)

    def nearest(self, limit: int) -> Found:
        index = self.snapshot.index
        if self.rows is None:
            return index.nearest(self.plan, self.ask, self.filters, limit)
        return index.scan(self.plan, self.ask, self.filters, limit, self.rows, by_distance=True)


def near(
    snapshot: Snapshot, profiles: Profiles, secret: bytes, viewer: Viewer, query: NearQuery
) -> NearAnswer:
    """The best listings around a place: best first, then nearest, then by id.

    Parameters
    ----------
    snapshot : Snapshot
        Listings, members and index of one tenant.
    profiles : Profiles
        How each kind is ranked.
    secret : bytes
        Key of the cursors.
    viewer : Viewer
        Who asks. People are found from a member's own group only.
    query : NearQuery
        What is asked.

    Returns
    -------
    NearAnswer
        Equal to ranking every listing by hand.

    Raises
    ------
    InputError
        If a part of the query is out of its range, or there is no origin.
    DeniedError
        ``member-origin-required`` if people alone are asked for from a free origin.
    CursorError
        If the cursor belongs to another query or to older profiles.
    """
    _check(query)
    seen = snapshot.catalog.seen_by(viewer.member_id)
    if seen is None:
        raise DeniedError("no such member", code="unknown-member")
    origin, people = _origin(query, seen)
    digest = query_digest(secret, (viewer, origin, _asked(query)))
    cursor = unseal(secret, query.cursor) if query.cursor else None
    if cursor and (cursor.query, cursor.profiles) != (digest, profiles.digest):
        raise CursorError("cursor belongs to another query or to profiles of another version")

    at = cursor.at if cursor else int(query.at.timestamp() // 1)
    search = _search(
        snapshot, plan_of(profiles, query.kinds, query.profile, people), seen, origin, at, query
    )
    if cursor:
        _resume(search, cursor)
    elif query.radius_m is not None:
        search.ask.radius_m = query.radius_m
    else:
        search.ask.radius_m = _radius(search, query.limit)
    found = search.best(query.limit + 1)
    auto = cursor.auto if cursor else query.radius_m is None
    following = _next(search, found, query.limit, auto, digest, profiles.digest)
    return NearAnswer(
        matches=tuple(_matches(search, found, profiles, query)),
        radius_m=search.ask.radius_m,
        people="searched" if people else "not_searched",
        at=datetime.fromtimestamp(at, UTC),
        next=seal(secret, following) if following else None,
        profiles={
            profile.name: profile.version
            for profile in dict.fromkeys(_profile(profiles, k, query.profile) for k in query.kinds)
        },
        position=str(snapshot.position),
    )


# -- what is asked ------------------------------------------------------------------------------


def _check(query: NearQuery) -> None:
    if not 1 <= query.limit <= MAX_LIMIT:
        raise InputError(f"limit must be 1 to {MAX_LIMIT}, got {query.limit}")
    if query.at.tzinfo is None:
        raise InputError("at must have a time zone or offset")
    if not query.kinds:
        raise InputError("name at least one kind, or none for all")
    if query.radius_m is not None and not 0 <= query.radius_m <= HALF_CIRCUMFERENCE_M:
        raise InputError(f"radius_m must be 0 to half the Earth around, got {query.radius_m}")
    if not 0 <= query.min_distance_m <= HALF_CIRCUMFERENCE_M:
        raise InputError(
            f"min_distance_m must be 0 to half the Earth around, got {query.min_distance_m}"
        )


def _origin(query: NearQuery, seen: Seen) -> tuple[LonLat, bool]:
    """Where the search starts, and whether it may find people."""
    if query.origin is not None:
        if PERSONAL_KINDS.issuperset(query.kinds):
            raise DeniedError(
                "people are found from a member's own place, not from a free one: "
                "leave lat and lon out and say which member asks",
                code="member-origin-required",
            )
        lon, lat = as_lonlat(query.origin)[0].tolist()
        return (lon, lat), False
    if seen.group is None:
        raise InputError(
            "name an origin, lat and lon, or ask as a member whose group is published",
            code="origin-required",
        )
    return (seen.group.lon, seen.group.lat), True


def _asked(query: NearQuery) -> tuple[object, ...]:
    """What must not change between pages: all but the instant, the page and the words of reasons."""
    return (
        sorted(query.kinds),
        query.category,
        query.text,
        query.radius_m,
        query.min_distance_m,
        sorted(query.zones),
        query.polygon.wkb_hex if query.polygon is not None else None,
        sorted(query.audiences),
        query.open_now,
        query.verified_only,
        query.profile,
    )


def _profile(profiles: Profiles, kind: Kind, named: str | None) -> Profile:
    return profiles.named(named) if named else profiles.of(kind)


def plan_of(
    profiles: Profiles, kinds: tuple[Kind, ...], named: str | None = None, people: bool = True
) -> Plan:
    """How each class asked for is scored: public things, and people where they are searched.

    Parameters
    ----------
    profiles : Profiles
        All profiles.
    kinds : tuple of Kind
        Kinds asked for.
    named : str, optional
        A profile for all of them; None ranks each by its own.
    people : bool
        Whether personal listings are searched.
    """
    rules = {}
    for kind in dict.fromkeys(kinds):
        profile = _profile(profiles, kind, named)
        decay = profile.decay
        rule = Rule(
            profile.weights,
            decay.shape,
            decay.offset_m,
            decay.scale_m,
            decay.decay,
            _FRESH.get(kind, "steady"),
        )
        if kind not in PERSONAL_KINDS:
            rules[class_code(kind, personal=False)] = rule
        if people and kind in PERSON_KINDS:
            rules[class_code(kind, personal=True)] = rule
    return Plan(rules)


def _search(
    snapshot: Snapshot, plan: Plan, seen: Seen, origin: LonLat, at: int, query: NearQuery
) -> _Search:
    catalog = snapshot.catalog
    states = snapshot.hours.states_at(datetime.fromtimestamp(at, UTC))
    chosen = query.audiences or tuple(seen.audiences)
    ask = Ask(
        origin,
        at,
        min_m=query.min_distance_m,
        open_now=query.open_now,
        verified=query.verified_only,
    )
    depths = catalog.depths_asked(query.category) if query.category else ()
    if query.category:
        ask.depth = query.category.count(".") + 1
        ask.categories = int(
            np.bitwise_or.reduce(
                np.uint64(1) << (np.flatnonzero(depths).astype(np.uint64) & np.uint64(63)),
                initial=np.uint64(0),
            )
        )
    filters = pack_filters(
        visible=[number for audience in chosen for number in seen.audiences.get(audience, ())],
        blocked=seen.blocked,
        zones=catalog.zones_asked(query.zones) if query.zones else (),
        hours=states,
        depths=depths,
    )
    rows, fits = _rows(snapshot, query)
    return _Search(snapshot, plan, ask, filters, states, rows, fits)


def _rows(snapshot: Snapshot, query: NearQuery) -> tuple[IntArray | None, FloatArray | None]:
    """Rows that match the words and lie in the polygon, where such are asked for."""
    rows = fits = None
    if query.text is not None:
        rows, fit = snapshot.text.scores(query.text)
        fits = np.zeros(len(snapshot.catalog))
        fits[rows] = fit
    if query.polygon is not None:
        inside = _inside(snapshot, query.polygon)
        rows = np.flatnonzero(inside) if rows is None else rows[inside[rows]]
    return rows, fits


def _inside(snapshot: Snapshot, polygon: shapely.Polygon) -> BoolArray:
    lon, lat = snapshot.catalog.columns.lonlat.T
    west, south, east, north = polygon.bounds
    inside = (west <= lon) & (lon <= east) & (south <= lat) & (lat <= north)
    shapely.prepare(polygon)
    # For points, to intersect is to be covered: the border is inside.
    inside[inside] = shapely.intersects_xy(polygon, lon[inside], lat[inside])
    return np.asarray(inside, dtype=np.bool_)


# -- radius and pages ---------------------------------------------------------------------------


def _radius(search: _Search, limit: int) -> float:
    """The smallest ring that fills a page, else the largest."""
    search.ask.radius_m = RINGS_M[-1]
    nearest = search.nearest(limit)
    if len(nearest) < limit:
        return RINGS_M[-1]
    return _ring(float(nearest.distance_m[-1]))


def _ring(distance_m: float) -> float:
    return next(ring for ring in RINGS_M if distance_m <= ring)


def _resume(search: _Search, cursor: Cursor) -> None:
    search.ask.radius_m = cursor.radius_m
    search.ask.inner_m = cursor.inner_m
    if cursor.score is not None:
        # A deleted listing's row is taken by the next id: one before it keeps the place.
        row = search.snapshot.catalog.row_of(cursor.id)
        present = search.snapshot.catalog.has_id(row, cursor.id)
        search.ask.after = (cursor.score, cursor.tie, row if present else row - 1)


def _next(
    search: _Search, found: Found, limit: int, auto: bool, query: str, profiles: str
) -> Cursor | None:
    """Where the next page begins: after the last match, or with the next ring that has one."""
    ask = search.ask
    if len(found) > limit:
        last = limit - 1
        return Cursor(
            query,
            profiles,
            ask.at,
            ask.radius_m,
            ask.inner_m,
            auto,
            int(found.scores[last]),
            int(found.ties[last]),
            search.snapshot.catalog.id_of(int(found.rows[last])),
        )
    if not auto or ask.radius_m >= RINGS_M[-1]:
        return None
    inner_m = ask.radius_m
    beyond = Ask(
        ask.origin, ask.at, RINGS_M[-1], ask.min_m, inner_m, ask.open_now, ask.verified,
        None, ask.depth, ask.categories,
    )  # fmt: skip
    nearest = _Search(
        search.snapshot,
        search.plan,
        beyond,
        search.filters,
        search.states,
        search.rows,
        search.fits,
    ).nearest(1)
    if len(nearest) == 0:
        return None
    ring_m = _ring(float(nearest.distance_m[0]))
    return Cursor(query, profiles, ask.at, ring_m, inner_m, auto)


# -- what is answered ---------------------------------------------------------------------------


def _matches(search: _Search, found: Found, profiles: Profiles, query: NearQuery) -> list[Match]:
    rows = found.rows[: query.limit]
    records = search.snapshot.catalog.records(rows)
    return [
        _match(search, record, int(row), i, found, profiles, query)
        for i, (row, record) in enumerate(zip(rows, records, strict=True))
    ]


def _match(
    search: _Search,
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
        _profile(profiles, kind, query.profile).weights,
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


def _availability(search: _Search, row: int) -> str:
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
