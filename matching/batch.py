"""Many questions of one viewer at once."""

from collections.abc import Callable, Sequence

from geo.errors import MitoyenError
from matching.query import NearAnswer, NearQuery, Viewer

__all__ = ["near_many"]


def near_many(
    near: Callable[[Viewer, NearQuery], NearAnswer], viewer: Viewer, queries: Sequence[NearQuery]
) -> list[NearAnswer | MitoyenError]:
    """The answer to each query, or the error that it is: one bad query spoils no other.

    Parameters
    ----------
    near : callable
        Answers one: `Engine.near`.
    viewer : Viewer
        Who asks all of them.
    queries : sequence of NearQuery
        What is asked.
    """
    answers: list[NearAnswer | MitoyenError] = []
    for query in queries:
        try:
            answers.append(near(viewer, query))
        except MitoyenError as error:
            answers.append(error)
    return answers
