"""Many questions of one viewer at once."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from geo.errors import MitoyenError
from indexes.batch import Question, search_each
from indexes.points import Found, PointView
from matching.near import asked
from matching.paging import Search
from matching.query import NearQuery, Viewer
from matching.scoring import Profiles
from matching.towns.snapshot import Snapshot
from matching.trusting.viewing import Views

__all__ = ["near_many"]

A = TypeVar("A")


def near_many(
    snapshot: Snapshot,
    profiles: Profiles,
    secret: bytes,
    viewer: Viewer,
    queries: Sequence[NearQuery],
    tell: Callable[[Search, Profiles, bytes, NearQuery, Found, float], A],
    age_s: float = 0.0,
    threads: int | None = None,
    views: Views | None = None,
) -> list[A | MitoyenError]:
    """The answer to each query, or the error that it is: one bad query spoils no other.

    Parameters
    ----------
    snapshot, profiles, secret, viewer, age_s, views
        As `matching.near.near`; all is asked of one snapshot.
    queries : sequence of NearQuery
        What is asked.
    tell : callable
        `matching.near.told`, or `matching.near.told_json`.
    threads : int, optional
        How many search; by default as many as there are cores.
    """
    searches = [_asked(snapshot, profiles, secret, viewer, query, views) for query in queries]
    found: dict[int, Found] = {}
    # What is shown at the same levels is the same index.
    questions: dict[str, dict[int, Question]] = {}
    seen: dict[str, PointView] = {}
    for i, (search, query) in enumerate(zip(searches, queries, strict=True)):
        if isinstance(search, MitoyenError):
            continue
        if search.rows is None:
            question = Question(search.plan, search.ask, search.filters, query.limit + 1)
            questions.setdefault(search.trust, {})[i] = question
            seen[search.trust] = search.snapshot.index
        else:  # words and polygons are looked for among rows, each in its own way
            found[i] = search.best(query.limit + 1)
    cores = threads or os.cpu_count() or 1
    for trust, some in questions.items():
        found |= zip(some, search_each(seen[trust], [*some.values()], cores), strict=True)
    return [
        search
        if isinstance(search, MitoyenError)
        else tell(search, profiles, secret, query, found[i], age_s)
        for i, (search, query) in enumerate(zip(searches, queries, strict=True))
    ]


def _asked(
    snapshot: Snapshot,
    profiles: Profiles,
    secret: bytes,
    viewer: Viewer,
    query: NearQuery,
    views: Views | None,
) -> Search | MitoyenError:
    try:
        return asked(snapshot, profiles, secret, viewer, query, views)
    except MitoyenError as error:
        return error
