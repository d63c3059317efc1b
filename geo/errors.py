"""The one error tree: every error a caller may meet, and its stable code.

::

    MitoyenError
    ├── InputError (ValueError)          what came is not what was wanted
    │   ├── CoordinateError              a latitude, longitude or geometry that can't be a place
    │   ├── ResolutionError              an H3 resolution outside 0 to 15
    │   ├── LayoutError                  a file that is in no layout we read
    │   ├── RowError                     one row of a file, with its line and field
    │   └── CursorError                  a page cursor that is damaged or of another query
    ├── DeniedError (PermissionError)    who asks may not
    ├── NotFoundError (LookupError)      nothing of that name
    ├── ConflictError                    what is stored already says otherwise
    ├── StoreError                       the store failed; nothing was half-written
    │   └── SnapshotError                an index file that can't be trusted, read or written
    ├── UnreachableError                 an outside service did not answer
    ├── IndexBehindError                 the index has not read that far yet
    └── FeedGapError                     changes were dropped before this reader had read them

A message says what was wanted and what came. It never carries a person's place.
"""

__all__ = [
    "ConflictError",
    "CoordinateError",
    "CursorError",
    "DeniedError",
    "FeedGapError",
    "IndexBehindError",
    "InputError",
    "LayoutError",
    "MitoyenError",
    "NotFoundError",
    "ResolutionError",
    "RowError",
    "SnapshotError",
    "StoreError",
    "UnreachableError",
]


class MitoyenError(Exception):
    """The root: catch it to catch everything that Mitoyen raises on purpose.

    Parameters
    ----------
    message : str
        What was wanted, what came, what to do.
    code : str, optional
        A stable name in kebab-case for programs; each class has its own by default.
    """

    code = "mitoyen-error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InputError(MitoyenError, ValueError):
    """What came is not what was wanted."""

    code = "invalid-input"


class CoordinateError(InputError):
    """A latitude, longitude or geometry that can't be a place."""

    code = "invalid-coordinates"


class ResolutionError(InputError):
    """An H3 resolution outside 0 to 15."""

    code = "invalid-resolution"


class LayoutError(InputError):
    """A file that is in no layout we read."""

    code = "unknown-layout"


class RowError(InputError):
    """One row of a file that can't be taken.

    Parameters
    ----------
    message : str
        What was wanted and what came.
    line : int
        Line of the file (or number of the feature), counted from 1.
    field : str
        Column at fault; empty if it is the whole row.
    """

    code = "invalid-row"

    def __init__(self, message: str, *, line: int, field: str = "", code: str | None = None):
        super().__init__(message, code=code)
        self.line = line
        self.field = field


class CursorError(InputError):
    """A page cursor that is damaged or belongs to another query."""

    code = "invalid-cursor"


class DeniedError(MitoyenError, PermissionError):
    """Who asks may not do this."""

    code = "forbidden"


class NotFoundError(MitoyenError, LookupError):
    """Nothing of that name, or nothing that this caller may see."""

    code = "not-found"


class ConflictError(MitoyenError):
    """What is stored already says otherwise."""

    code = "conflict"


class StoreError(MitoyenError):
    """The store failed; nothing was half-written."""

    code = "store-unavailable"


class SnapshotError(StoreError):
    """An index file that can't be trusted, read or written; the store is as it was."""

    code = "snapshot-refused"


class UnreachableError(MitoyenError):
    """An outside service did not answer."""

    code = "service-unreachable"


class IndexBehindError(MitoyenError):
    """The index has not read as far as the caller asked for."""

    code = "index-behind"


class FeedGapError(MitoyenError):
    """Changes were dropped before this reader had read them: read everything again."""

    code = "feed-gap"
