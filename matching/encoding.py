"""Matches as JSON, put together from parts that were encoded before.

A server tells a page and forgets it: to make an object of each match and of each reason, and text
of those then, takes nearly twice as long.
"""

from functools import lru_cache
from typing import Any

import msgspec

from indexes.entities import Kind
from indexes.points import Found
from matching.answering import asked_of, availability_of, band_of, matches_of, neighbours_of
from matching.hours import UNKNOWN, StateArray
from matching.paging import Search
from matching.query import NearQuery, Reason
from matching.reasons import (
    Asked,
    Freshness,
    freshness,
    freshness_told,
    reasons,
    rounded_share,
)
from matching.scoring import Profiles
from matching.towns.catalog import Record

__all__ = ["matches_json"]

MAX_KEPT = 4_096  # of a wording: about 600 bytes each; a town has a few hundred

_encode = msgspec.json.Encoder().encode


def matches_json(search: Search, found: Found, profiles: Profiles, query: NearQuery) -> bytes:
    """What encoding the matches of `matches_of` gives, byte for byte.

    Parameters
    ----------
    search, found, profiles, query
        As `matching.near.told` has them.

    Returns
    -------
    bytes
        A JSON array, UTF-8.
    """
    if query.text is not None:  # how words were read is told of each match by itself
        return _encode(matches_of(search, found, profiles, query))
    wording = _wording(profiles, query.profile, query.lang, asked_of(query))
    weights, kept, lang = wording.weights, wording.kept, query.lang
    at, states = search.ask.at, search.states
    records = search.snapshot.catalog.records(found.rows[: query.limit])
    parts: list[bytes] = []
    for told, score, distance_m, tie, (near, trust, fresh, free, fit), neighbours in zip(
        records,
        found.scores.tolist(),
        found.distance_m.tolist(),
        found.ties.tolist(),
        found.factors.tolist(),
        neighbours_of(search, records),
        strict=False,  # one more is found than told
    ):
        kind, personal, hours = told.kind, told.personal, told.hours
        weight, _, weight_fresh, _, _ = weights[kind]
        share = rounded_share(weight * near)
        if share <= 0:  # the first reason is another then: rare, and left to the plain way
            return _encode(matches_of(search, found, profiles, query))
        state = UNKNOWN if hours < 0 else states.item(hours)
        # All that the reasons but for distance and freshness depend on.
        case = kind, personal, told.endorsers, neighbours, trust, free, fit, told.stock, state
        lasting = kept.get(case)
        if lasting is None:
            lasting = kept[case] = wording.lasting(told, neighbours, trust, free, fit, states)
        before, after, standing = lasting
        first, between, last = told.json
        if personal:
            parts += first, b'"score":', _encode(score / 1e9), _by_band(band_of(distance_m), lang)
        else:
            metres = _encode(tie / 1_000), _by_metres(tie // 1_000, lang)
            parts += first, b'"score":', _encode(score / 1e9), b',"distance_m":', *metres
        parts += _encode(share), before
        if weight_fresh and (share := rounded_share(weight_fresh * fresh)) > 0:
            new = freshness(
                kind,
                None if told.published_s is None else at - told.published_s,
                None if told.starts_s is None else told.starts_s - at,
                None if told.ends_s is None else told.ends_s - at,
            )
            parts += _by_freshness(new, lang), _encode(share), b"}"
        parts += after, between, standing, last, b","
    return b"[" + b"".join(parts[:-1]) + b"]"


class _Wording:
    """How matches are told in one language where one profile ranks, or each kind's own."""

    def __init__(self, profiles: Profiles, named: str | None, lang: str, asked: Asked) -> None:
        self.weights = {kind: profiles.ranking(kind, named).weights for kind in Kind}
        self.kept: dict[Any, tuple[bytes, bytes, bytes]] = {}
        self._lang, self._asked = lang, asked

    def lasting(
        self,
        told: Record,
        neighbours: int,
        trust: float,
        free: float,
        fit: float,
        states: StateArray,
    ) -> tuple[bytes, bytes, bytes]:
        """The end of the reasons before freshness, that of all, and the match's standing."""
        if len(self.kept) >= MAX_KEPT:
            self.kept.clear()
        level, available = round(4 * trust), availability_of(told, states)
        said = reasons(
            told.kind,
            (0.0, trust, 0.0, free, fit),
            self.weights[told.kind],
            lang=self._lang,
            personal=told.personal,
            level=level,
            endorsers=told.endorsers,
            neighbours=neighbours,
            available=available,
            asked=self._asked,
        )
        trusted = [reason for reason in said if reason.code.startswith("trust-")]
        others = said[len(trusted) :]
        return (
            b"".join([b"}", *(b"," + _encode(reason) for reason in trusted)]),
            b"".join([*(b"," + _encode(reason) for reason in others), b"],"]),
            b'"level":%d,"available":"%b"' % (level, available.encode()),
        )


@lru_cache(maxsize=64)
def _wording(profiles: Profiles, named: str | None, lang: str, asked: Asked) -> _Wording:
    return _Wording(profiles, named, lang, asked)


# Reasons as far as their share, which ends them.


@lru_cache(maxsize=16_384)
def _by_metres(metres: int, lang: str) -> bytes:
    return b',"why":[' + _open(_far(lang, distance_m=metres))


@lru_cache(maxsize=64)
def _by_band(band: str, lang: str) -> bytes:
    return b',"distance_band":"%b","why":[%b' % (band.encode(), _open(_far(lang, band=band)))


@lru_cache(maxsize=4_096)
def _by_freshness(new: Freshness, lang: str) -> bytes:
    return b"," + _open(Reason(*freshness_told(new, lang), 0.0))


def _far(lang: str, **distance: Any) -> Reason:
    (reason,) = reasons(Kind.PLACE, (1, 0, 0, 0, 0), (1, 0, 0, 0, 0), lang=lang, **distance)
    return reason


def _open(reason: Reason) -> bytes:
    """A reason as JSON, up to its share."""
    return _encode(reason).rpartition(b":")[0] + b":"
