"""For you: what people near and trusted recommend or have used, and what is like your own.

One exact ranking of all that near me could find within 5 km: the search, and all that it filters
by, is near me's own. Two things are laid over it. No owner has more than three places of a page,
and every tenth place is one of discovery: there new listings of verified members, whom nobody
could recommend yet, take turns.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from msgspec import structs

from geo.arrays import IntArray
from geo.errors import DeniedError, InputError
from indexes.columns import class_code
from indexes.entities import PERSON_KINDS, PERSONAL_KINDS, Kind
from indexes.points import Plan, Rule
from matching.answering import matches_of
from matching.near import asked
from matching.paging import RINGS_M
from matching.query import Match, NearQuery, Reason, Viewer
from matching.reasons import reasons
from matching.recommending.case import DECAY, Case, Trusted
from matching.recommending.model import Model, Terms
from matching.recommending.reasons import why_of
from matching.recommending.voices import Voices
from matching.scoring import Profiles
from matching.towns.snapshot import Snapshot

__all__ = [
    "KINDS",
    "MAX_LIMIT",
    "OTHER_KINDS",
    "RADIUS_M",
    "RecommendAnswer",
    "RecommendQuery",
    "Recommendation",
    "case_of",
    "classes_of",
    "compose",
    "recommend",
    "turn_of",
]

KINDS = (Kind.ARTISAN, Kind.MERCHANT, Kind.OFFER, Kind.EVENT)
"""What is recommended unless kinds are named."""

OTHER_KINDS = (Kind.SERVICE,)
"""What else may be asked for."""

# What new members and artisans offer takes turns; without being asked for, unless kinds are.
DISCOVERED = frozenset({Kind.SERVICE, Kind.ARTISAN})

MAX_LIMIT = 20
RADIUS_M = RINGS_M[-1]
PER_OWNER = 3
DISCOVERY_EVERY = 10
DAY_S = 86_400
# What near me says of a match that weighs nothing here, and is worth knowing.
TELLING = frozenset({"event-now", "event-soon", "open-now", "closed", "fit-corrected"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendQuery:
    """What a member may like, around the group they live in.

    Parameters
    ----------
    at : datetime
        The instant at which things are to be valid, open and new, aware. Who recommends or has
        used them is as of now, whatever is asked: else instants would tell when somebody did.
    kinds : tuple of Kind
        Of `KINDS` and `OTHER_KINDS`.
    text : str, optional
        Only what matches these words.
    known : bool
        Also what the member recommends or has used already.
    limit : int
        1 to 20.
    lang : str
        Language of the reasons: "fr" or "en".
    """

    at: datetime
    kinds: tuple[Kind, ...] = KINDS
    text: str | None = None
    known: bool = False
    limit: int = MAX_LIMIT
    lang: str = "fr"


class Recommendation(Match, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A match, and whether the viewer knows it already or it is there for being new."""

    known: bool = False
    discovery: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendAnswer:
    """A page, best first but for places of discovery; ``model`` says by what it is ranked."""

    matches: tuple[Recommendation, ...]
    model: str
    at: datetime
    radius_m: float = RADIUS_M
    position: str = ""
    index_age_s: float = 0.0


def recommend(
    snapshot: Snapshot,
    voices: Voices,
    trusted: Trusted,
    model: Model,
    profiles: Profiles,
    viewer: Viewer,
    query: RecommendQuery,
    now_s: int,
    age_s: float = 0.0,
) -> RecommendAnswer:
    """What a viewer may like.

    Parameters
    ----------
    snapshot : Snapshot
        Listings, members and index of one tenant.
    voices : Voices
        What its members recommend and have used.
    trusted : Trusted
        What those say whom the viewer trusts.
    model : Model
        What each term weighs.
    profiles : Profiles
        Those of near me.
    viewer : Viewer
        A member.
    query : RecommendQuery
        What is asked.
    now_s : int
        What time it is, seconds since 1970: what is said later isn't heard, and all else is as
        old as it is then.
    age_s : float
        How long ago the snapshot was known to be current; told in the answer.

    Returns
    -------
    RecommendAnswer
        Equal scores are in the order of near me: by distance, then by id.

    Raises
    ------
    DeniedError
        ``member-required`` if nobody in particular asks, ``unknown-member`` if there is no such
        member.
    InputError
        If a part of the query is out of its range; ``origin-required`` where the group that the
        member lives in is not published.
    """
    if viewer.member_id is None:
        raise DeniedError("recommendations are a member's: say who asks", code="member-required")
    if not 1 <= query.limit <= MAX_LIMIT:
        raise InputError(f"limit must be 1 to {MAX_LIMIT}, got {query.limit}")
    kinds = frozenset(query.kinds)
    if not kinds or not kinds <= {*KINDS, *OTHER_KINDS}:
        raise InputError(f"kinds must be some of {', '.join((*KINDS, *OTHER_KINDS))}")
    searched = kinds | DISCOVERED if kinds == {*KINDS} else kinds
    near_query = NearQuery(
        at=query.at,
        kinds=tuple(kind for kind in Kind if kind in searched),
        text=query.text,
        radius_m=RADIUS_M,
        limit=query.limit,
        lang=query.lang,
    )
    case = case_of(snapshot, voices, trusted, model.weights, profiles, viewer, near_query, now_s)
    rows = case.rows_of(classes_of(kinds), query.known)
    new = case.new_of(case.rows_of(classes_of(searched & DISCOVERED), known=False))
    turn = turn_of(viewer.member_id, case.search.ask.at, query.limit // DISCOVERY_EVERY)
    wanted = 4 * query.limit
    while True:
        ranked = case.best(rows, wanted).rows
        owners = case.owners(np.concatenate((ranked, new)))
        page, discovered = compose(ranked.tolist(), new.tolist(), turn, owners, query.limit)
        if len(page) == query.limit or len(ranked) < wanted:
            break
        wanted *= 4  # somebody owns very many
    return RecommendAnswer(
        matches=_told(case, page, discovered, model, profiles, near_query),
        model=model.name,
        at=query.at.replace(microsecond=0),
        position=str(snapshot.position),
        index_age_s=age_s,
    )


def case_of(
    snapshot: Snapshot,
    voices: Voices,
    trusted: Trusted,
    weights: Terms,
    profiles: Profiles,
    viewer: Viewer,
    query: NearQuery,
    now_s: int,
    endorsers: IntArray | None = None,
) -> Case:
    """What each listing has to say for itself to a member; parameters as `recommend`'s.

    ``endorsers`` are the households that endorse each row, where that is not as of now.

    Raises
    ------
    DeniedError
        ``unknown-member`` if there is no such member.
    InputError
        If a part of the query is out of its range; ``origin-required`` where the group that the
        member lives in is not published.
    """
    # No cursor is made of it: the secret signs nothing.
    search = asked(snapshot, profiles, b"", viewer, query)
    search = structs.replace(search, plan=_plan(query.kinds, weights))
    return Case(search, voices, trusted, weights, viewer.member_id or "", now_s, endorsers)


def classes_of(kinds: Iterable[Kind]) -> frozenset[int]:
    """Of some kinds, public things and people's: the index keeps them apart."""
    public = {class_code(kind, personal=False) for kind in kinds if kind not in PERSONAL_KINDS}
    return frozenset(public | {class_code(kind, personal=True) for kind in PERSON_KINDS & {*kinds}})


@lru_cache(maxsize=64)
def _plan(kinds: tuple[Kind, ...], weights: Terms) -> Plan:
    """Distance by its own weight; all else together as what near me calls the fit."""
    weighed = (weights.distance, 0.0, 0.0, 0.0, sum(weights[1:]))
    rule = Rule(weighed, DECAY.shape, DECAY.offset_m, DECAY.scale_m, DECAY.decay)
    return Plan(dict.fromkeys(classes_of(kinds), rule))


def turn_of(member_id: str, at: int, places: int) -> int:
    """Whose turn it is for a member: each day the next ones'."""
    begun = int.from_bytes(blake2b(member_id.encode(), digest_size=4).digest(), "big")
    return begun + at // DAY_S * places


def compose(
    ranked: Sequence[int],
    new: Sequence[int],
    turn: int,
    owners: Mapping[int, int],
    limit: int,
) -> tuple[list[int], frozenset[int]]:
    """The rows of a page: the best, but few of an owner, and new ones in their turn.

    Parameters
    ----------
    ranked : sequence of int
        Rows, best first.
    new : sequence of int
        Rows that take turns in every tenth place, unless they stand among the best anyhow.
    turn : int
        Whose turn it is first.
    owners : mapping of int to int
        Number of each row's owner, -1 for none.
    limit : int
        Places of the page.

    Returns
    -------
    page : list of int
        Fewer than ``limit`` where there are no more.
    discovered : frozenset of int
        Those that are there for being new.

    Examples
    --------
    >>> owners = dict.fromkeys(range(9), 5) | dict.fromkeys(range(9, 99), -1)
    >>> compose(range(50), [77, 88], turn=3, owners=owners, limit=10)
    ([0, 1, 2, 9, 10, 11, 12, 13, 14, 88], frozenset({88}))
    """
    places = limit // DISCOVERY_EVERY
    likely = _spread(ranked, (), owners, limit - places)
    queue = [new[(turn + i) % len(new)] for i in range(len(new))]
    queue = [row for row in queue if row not in likely]
    discovered = _spread(queue, likely, owners, places)
    best = [row for row in ranked if row not in discovered]
    page = _spread(best, discovered, owners, limit - len(discovered))
    for number, row in enumerate(discovered, 1):
        page.insert(number * DISCOVERY_EVERY - 1, row)
    return page, frozenset(discovered)


def _spread(
    rows: Iterable[int], beside: Iterable[int], owners: Mapping[int, int], most: int
) -> list[int]:
    """The first rows, but of each owner only so many, those ``beside`` them counted."""
    count = Counter(owners[row] for row in beside)
    kept: list[int] = []
    for row in rows:
        if len(kept) == most:
            break
        owner = owners[row]
        if owner < 0 or count[owner] < PER_OWNER:
            count[owner] += 1
            kept.append(row)
    return kept


def _told(
    case: Case,
    page: Sequence[int],
    discovered: frozenset[int],
    model: Model,
    profiles: Profiles,
    query: NearQuery,
) -> tuple[Recommendation, ...]:
    """What is told of each row of a page, in its order."""
    found = case.best(np.array(sorted(page), np.int64), len(page))
    rows = found.rows
    matches = matches_of(case.search, found, profiles, query)
    terms = np.column_stack((found.factors[:, 0], case.terms(rows)))
    told = {}
    for row, match, each in zip(rows.tolist(), matches, terms.tolist(), strict=True):
        shares = model.shares(each)
        known, new = case.knows(row), row in discovered
        evidence = case.evidence(row)
        also = _also(match, shares.distance, query.lang)
        why = why_of(shares, evidence, also, lang=query.lang, known=known, discovery=new)
        values = {name: getattr(match, name) for name in Match.__struct_fields__}
        values |= {"score": round(model.score(match.score), 9), "why": why}
        told[row] = Recommendation(**values, known=known, discovery=new)
    return tuple(told[row] for row in page)


def _also(match: Match, share: float, lang: str) -> tuple[Reason, ...]:
    """How far it is, with what that gave; and what near me says besides, which gives nothing."""
    far = reasons(
        match.kind,
        (1.0, 0.0, 0.0, 0.0, 0.0),
        (share, 0.0, 0.0, 0.0, 0.0),
        lang=lang,
        distance_m=match.distance_m,
        band=match.distance_band,
    )
    besides = (Reason(one.code, one.text, 0.0) for one in match.why if one.code in TELLING)
    return (*far, *besides)
