"""Who or what near me suits me: one search, exact, and the reasons."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial

import msgspec
import numpy as np

from geo.arrays import FloatArray, IntArray, LonLat, as_point
from geo.distance import HALF_CIRCUMFERENCE_M
from geo.errors import CursorError, DeniedError, InputError
from indexes.columns import Ints, class_code
from indexes.entities import PERSON_KINDS, PERSONAL_KINDS, Kind
from indexes.points import Ask, Found, Plan, Rule, pack_filters
from matching.answering import matches_of
from matching.cursor import query_digest, seal, unseal
from matching.encoding import matches_json
from matching.paging import RINGS_M, Search, next_cursor, resumed, ring_radius
from matching.query import MAX_LIMIT, Match, NearAnswer, NearQuery, Viewer
from matching.reasons import LANGS
from matching.scoring import Profiles
from matching.text import Matched
from matching.towns.catalog import Catalog
from matching.towns.people import Seen
from matching.towns.snapshot import Snapshot
from matching.trusting.viewing import Views

__all__ = ["asked", "near", "near_json", "plan_of", "rules_of", "told", "told_json"]

_FRESH = {Kind.SERVICE: "half-life", Kind.AD: "half-life", Kind.EVENT: "event"}


def near(
    snapshot: Snapshot,
    profiles: Profiles,
    secret: bytes,
    viewer: Viewer,
    query: NearQuery,
    age_s: float = 0.0,
    views: Views | None = None,
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
    age_s : float
        How long ago the snapshot was known to be current; told in the answer.
    views : Views, optional
        What each member's trust makes of it; without, all see what anybody does.

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
    search = asked(snapshot, profiles, secret, viewer, query, views)
    return told(search, profiles, secret, query, search.best(query.limit + 1), age_s)


def near_json(
    snapshot: Snapshot,
    profiles: Profiles,
    secret: bytes,
    viewer: Viewer,
    query: NearQuery,
    age_s: float = 0.0,
    views: Views | None = None,
) -> bytes:
    """The answer of `near` as JSON, byte for byte; parameters and errors are the same."""
    search = asked(snapshot, profiles, secret, viewer, query, views)
    return told_json(search, profiles, secret, query, search.best(query.limit + 1), age_s)


def asked(
    snapshot: Snapshot,
    profiles: Profiles,
    secret: bytes,
    viewer: Viewer,
    query: NearQuery,
    views: Views | None = None,
) -> Search:
    """A query checked and made ready for the index; parameters and errors are those of `near`."""
    _check(query)
    seen = snapshot.seen_by(viewer.member_id)
    if seen is None:
        raise DeniedError("no such member", code="unknown-member")
    origin, people = _origin(query, seen)
    digest = query_digest(secret, (viewer.member_id, origin, _pinned(query)))
    cursor = unseal(secret, query.cursor) if query.cursor else None
    if cursor and (cursor.query, cursor.profiles) != (digest, profiles.digest):
        raise CursorError("cursor belongs to another query or to profiles of another version")

    at = cursor.at if cursor else int(query.at.timestamp() // 1)
    trust = ""
    if views is not None:
        pinned = cursor.trust if cursor else None
        snapshot, trust = views.seen_by(snapshot, viewer.member_id, pinned)
    plan = plan_of(profiles, query.kinds, query.profile, people)
    neighbours = None
    if views is not None and viewer.member_id is not None:
        neighbours = partial(views.neighbours, viewer.member_id)
    search = _search(snapshot, plan, seen, origin, at, query, digest, trust, neighbours)
    if cursor:
        return resumed(search, cursor)
    if query.radius_m is None:
        return search.within(ring_radius(search, query.limit))
    return search


def told(
    search: Search,
    profiles: Profiles,
    secret: bytes,
    query: NearQuery,
    found: Found,
    age_s: float,
) -> NearAnswer:
    """The answer to what `asked` made ready, with the reasons, from the best found.

    ``found`` holds one match more than the page where there are more.
    """
    matches = tuple(matches_of(search, found, profiles, query))
    return _answer(search, profiles, secret, query, found, age_s, matches)


def told_json(
    search: Search,
    profiles: Profiles,
    secret: bytes,
    query: NearQuery,
    found: Found,
    age_s: float,
) -> bytes:
    """The JSON of what `told` tells, byte for byte; no object is made of a match."""
    matches = matches_json(search, found, profiles, query)
    rest = msgspec.json.encode(_answer(search, profiles, secret, query, found, age_s, ()))
    return rest.replace(b"[]", matches, 1)  # the matches come first


def _answer(
    search: Search,
    profiles: Profiles,
    secret: bytes,
    query: NearQuery,
    found: Found,
    age_s: float,
    matches: tuple[Match, ...],
) -> NearAnswer:
    following = next_cursor(search, found, query.limit, profiles.digest)
    return NearAnswer(
        matches=matches,
        radius_m=search.ask.radius_m,
        people="searched" if search.people else "not_searched",
        at=datetime.fromtimestamp(search.ask.at, UTC),
        next=seal(secret, following) if following else None,
        profiles=dict(_profiles_used(profiles, query.kinds, query.profile)),
        position=str(search.snapshot.position),
        index_age_s=age_s,
    )


@lru_cache(maxsize=256)
def _profiles_used(
    profiles: Profiles, kinds: tuple[Kind, ...], named: str | None
) -> tuple[tuple[str, str], ...]:
    """Name and version of each profile that ranks some kinds."""
    used = dict.fromkeys(profiles.ranking(kind, named) for kind in kinds)
    return tuple((profile.name, profile.version) for profile in used)


# -- what is asked ------------------------------------------------------------------------------


def _check(query: NearQuery) -> None:
    if not 1 <= query.limit <= MAX_LIMIT:
        raise InputError(f"limit must be 1 to {MAX_LIMIT}, got {query.limit}")
    if query.at.tzinfo is None:
        raise InputError("at must have a time zone or offset")
    if query.lang not in LANGS:
        raise InputError(f"lang must be fr or en, got {query.lang!r}", code="unknown-language")
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
        point = query.origin
    elif seen.group is None:
        raise InputError(
            "name an origin, lat and lon, or ask as a member whose group is published",
            code="origin-required",
        )
    else:
        point = (seen.group.lon, seen.group.lat)
    # Rounded as the index keeps points: one's own group is 0 m away.
    return as_point(point), query.origin is None


def _pinned(query: NearQuery) -> tuple[object, ...]:
    """What must not change between pages: all but instant, page and language."""
    return (
        " ".join(sorted(query.kinds)),  # as words: members of enums take long to tell
        query.category,
        query.text,
        query.radius_m,
        query.min_distance_m,
        sorted(query.zones),
        query.polygon.wkb_hex if query.polygon is not None else None,
        " ".join(sorted(query.audiences)),
        query.open_now,
        query.verified_only,
        query.profile,
    )


def rules_of(
    profiles: Profiles, kinds: tuple[Kind, ...], named: str | None = None, people: bool = True
) -> dict[int, Rule]:
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

    Returns
    -------
    dict of class code to Rule
        As `indexes.points.Plan` wants it.
    """
    rules = {}
    for kind in kinds:
        profile = profiles.ranking(kind, named)
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
    return rules


@lru_cache(maxsize=256)
def plan_of(
    profiles: Profiles, kinds: tuple[Kind, ...], named: str | None = None, people: bool = True
) -> Plan:
    """The plan of `rules_of`, kept: most queries ask for few combinations."""
    return Plan(rules_of(profiles, kinds, named, people))


def _search(
    snapshot: Snapshot,
    plan: Plan,
    seen: Seen,
    origin: LonLat,
    at: int,
    query: NearQuery,
    digest: str,
    trust: str,
    neighbours: Callable[[Sequence[str]], Sequence[int]] | None,
) -> Search:
    vocabulary = snapshot.vocabulary
    states = snapshot.hours.states_at(datetime.fromtimestamp(at, UTC))
    chosen = query.audiences or tuple(seen.audiences)
    depths = vocabulary.depths_asked(query.category) if query.category else None
    ask = Ask(
        origin,
        at,
        radius_m=RINGS_M[-1] if query.radius_m is None else query.radius_m,
        min_m=query.min_distance_m,
        open_now=query.open_now,
        verified=query.verified_only,
        depth=query.category.count(".") + 1 if query.category else 0,
        categories=0 if depths is None else _bits(depths),
    )
    filters = pack_filters(
        visible=[number for audience in chosen for number in seen.audiences.get(audience, ())],
        blocked=seen.blocked,
        zones=vocabulary.zones_asked(query.zones) if query.zones else (),
        hours=states,
        depths=() if depths is None else depths,
    )
    people = query.origin is None
    matched = None if query.text is None else snapshot.matching(query.text, seen, at, people)
    rows, fits = _rows(snapshot.catalog, query, matched)
    return Search(
        snapshot, plan, ask, filters, states, rows, fits,
        digest=digest, people=people, auto=query.radius_m is None, trust=trust,
        corrected=matched.corrected if matched else {}, neighbours=neighbours,
    )  # fmt: skip


def _bits(depths: Ints) -> int:
    """The 64 bits of the categories asked for, one for each number modulo 64."""
    places = np.flatnonzero(depths).astype(np.uint64) & np.uint64(63)
    return int(np.bitwise_or.reduce(np.uint64(1) << places, initial=np.uint64(0)))


def _rows(
    catalog: Catalog, query: NearQuery, matched: Matched | None
) -> tuple[IntArray | None, FloatArray | None]:
    """Rows that match the words and lie in the polygon, where such are asked for; and how well
    each fits the words."""
    rows, fits = (matched.rows, matched.fits) if matched else (None, None)
    if query.polygon is not None:
        inside = catalog.inside(query.polygon)
        if rows is None or fits is None:
            return inside, None
        both = np.isin(rows, inside, assume_unique=True)
        rows, fits = rows[both], fits[both]
    return rows, fits
