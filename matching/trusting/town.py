"""Who trusts whom in a town, kept current, and what each viewer is shown of it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from geo.arrays import BoolArray, IntArray
from geo.errors import DeniedError
from indexes.store import Position, Store, utc_now
from matching.towns.following import Following
from matching.trust import Evidence, TrustGraph
from matching.trusting.edges import HALF_LIFE_S, Nodes, TrustColumns
from matching.trusting.known import Known, Lasting, TrustTables
from matching.trusting.neighbours import Neighbours

__all__ = ["NOTHING_SHOWN", "Shown", "Start", "TrustTown"]

KEPT_BYTES = 48 * 2**20  # of viewers' evidence, those who asked last
LONGEST_S = 2**22  # seven weeks: how long the same levels are looked ahead for
Start = tuple[Position, pa.Table, TrustTables]
_Asked = tuple[int, ...]  # a viewer's row, then those whom the viewer does not hear
LEAST_TOLD = 2  # of whom nothing is known has a lower level


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Of whom, and of which public listings, a viewer is shown more than anybody is.

    ``levels`` are theirs, 2 to 4: of the members, by id, then of the listings. From ``since_s``
    to ``until_s``, in seconds since 1970, both included, they are the same. Equal ones have one
    ``digest``.
    """

    members: tuple[str, ...]
    listings: tuple[str, ...]
    levels: tuple[int, ...]
    since_s: int
    until_s: int
    digest: str


NOTHING_SHOWN = Shown((), (), (), 0, 0, "")


class TrustTown(Following[Known]):
    """The trust of one tenant. It follows the store beside `LiveTown`, and just so.

    Changes are gathered in a moment; what follows from them is worked out by `rebuild`, for all
    that have come by then, while questions are answered from before. The position tells up to
    which change levels show all.

    Parameters
    ----------
    store : Store
        The truth. Members, ratings, vouches, standings and endorsements are read from it here.
    tenant_id : str
        Whose.
    clock : callable, optional
        What time it is: ratings open, and penalties end. By default the machine's.
    start : (Position, Table, TrustTables), optional
        How far the store had been read, its members, and all else, to begin with.

    Raises
    ------
    StoreError
        If the store can't be read.
    """

    def __init__(
        self,
        store: Store,
        tenant_id: str,
        clock: Callable[[], datetime] | None = None,
        start: Start | None = None,
    ) -> None:
        read = None
        if start is not None:
            read = start[0], Known(store, tenant_id, *start[1:])
        super().__init__(store, tenant_id, read)
        self._clock = clock or utc_now
        self._behind_since: float | None = None
        self._renewing = threading.Lock()
        self._view = self._seen(self._clock())[0]
        self._other: _View | None = None  # of another instant
        self._view.compile()
        if start is not None:
            self.refresh()

    def _read(self) -> tuple[Position, Known]:
        return self._store.position(), Known.read(self._store, self.tenant_id)

    @property
    def wants_rebuild(self) -> bool:
        """Whether `rebuild` should be called."""
        return self._stale or self._is_behind

    @property
    def _is_behind(self) -> bool:
        view = self._view
        return view.version is not self._state.version or not view.lasts(self._clock())

    @property
    def stale_s(self) -> float:
        """Seconds since something came that levels don't show yet; 0 if nothing has."""
        since = self._behind_since
        return 0.0 if since is None else time.monotonic() - since

    def expire(self) -> None:
        """Say that only `rebuild` can show what has changed. Until then the position stays."""
        super().expire()
        with self._writing:
            self._note_age()

    def catch_up(self) -> None:
        """Take in all that the store has to tell, and show it."""
        super().catch_up()
        self._renew()

    def rebuild(self) -> None:
        """Show all that has come, read anew where need be; questions go on being answered."""
        if self._stale:
            super().rebuild()
        self._renew()

    def _renew(self) -> None:
        """Show what has come by now. What comes meanwhile waits for the next time, so that much
        that comes one by one never keeps a processor busy with itself."""
        with self._renewing:
            if self._is_behind:
                view, state, read_to = self._seen(self._clock())
                with self._writing:
                    self._view = view
                    if state is self._state:
                        self._reach(read_to)
                    self._show()  # if all that came meanwhile moves no level: farther

    def _seen(self, now: datetime) -> tuple["_View", Known, Position]:
        """What there is to see at an instant, of which state, read how far."""
        with self._writing:
            state, read_to = self._state, self._read_to
            parts = state.version, state.neighbours(), *state.columns(now)
        # Changes go on being taken in meanwhile.
        return _View(state, *parts), state, read_to

    def _show(self) -> None:
        if self._view.version is self._state.version:
            super()._show()
        self._note_age()

    def _note_age(self) -> None:
        if self._stale or self._view.version is not self._state.version:
            self._behind_since = self._behind_since or time.monotonic()
        else:
            self._behind_since = None

    # What viewers are shown.

    @property
    def now_s(self) -> int:
        """What time it is, seconds since 1970."""
        return int(self._clock().timestamp())

    def levels(self, viewer_id: str, member_ids: Sequence[str], now: datetime) -> list[int]:
        """Levels of trust in some members that a viewer is shown, 0 to 4; 0 for who isn't there.

        Raises
        ------
        DeniedError
            ``unknown-member`` if there is no such viewer.
        """
        view = self._at(now)
        rows = [view.row_of(id) for id in member_ids]
        return view.levels(view.viewer(viewer_id), rows, now.timestamp())

    def listing_levels(
        self, viewer_id: str, listing_ids: Sequence[str], now: datetime
    ) -> list[int]:
        """Levels of public listings that a viewer is shown, 1 to 4.

        Raises
        ------
        DeniedError
            ``unknown-member`` if there is no such viewer.
        """
        view = self._at(now)
        rows = view.rows_of_listings(listing_ids)
        found = view.levels(view.viewer(viewer_id), rows, now.timestamp())
        return [max(level, 1) for level in found]  # nobody recommends it: that is no row

    def shown(self, viewer_id: str, at_s: int) -> Shown:
        """All that a viewer is shown more of than anybody is, as old as it is at an instant.

        Nothing for who is not there.
        """
        view = self._view
        viewer = view.row_of(viewer_id)
        return NOTHING_SHOWN if viewer is None else view.shown(viewer, at_s)

    def recommended(
        self, viewer_id: str, at_s: int, unheard: Collection[str] = ()
    ) -> dict[str, float]:
        """What those whom a viewer reaches have to say for listings, by id: weights above 0.

        It is the evidence that levels are made of: 1 for a recommendation of today by somebody
        who is reached as well as the twentieth best. Members ``unheard`` say nothing. Nothing
        for who is not there.
        """
        view = self._view
        viewer = view.row_of(viewer_id)
        rows = [row for row in map(view.row_of, unheard) if row is not None]
        return {} if viewer is None else view.recommended(viewer, at_s, rows)

    def neighbours(self, viewer_id: str, listing_ids: Sequence[str]) -> list[int]:
        """How many households of a viewer's building recommend each listing, the own left out.

        None for who has not proved to live there. To tell of fewer than three may name one.
        """
        view = self._view
        viewer = view.row_of(viewer_id)
        if viewer is None or not listing_ids:
            return [0] * len(listing_ids)
        return view.recommending(viewer, listing_ids)

    def reached(self, viewer_id: str) -> list[str]:
        """Members whom a viewer's walks enter, the best reached first."""
        view = self._view
        viewer = view.row_of(viewer_id)
        return [] if viewer is None else view.names(view.evidence(viewer).reached)

    def _at(self, now: datetime) -> "_View":
        """What there is to see at an instant: most often what there is now."""
        view = self._view
        if view.lasts(now):
            return view
        with self._renewing:
            other = self._other
            if other is None or other.version is not self._state.version or not other.lasts(now):
                other = self._other = self._seen(now)[0]
            return other


class _View:
    """The graph of one state of what is known, and what viewers have asked of it."""

    def __init__(
        self,
        known: Known,
        version: object,
        neighbours: Neighbours,
        columns: TrustColumns,
        there: BoolArray,
        lasting: Lasting,
    ) -> None:
        self.version = version
        self.graph = TrustGraph(columns)
        self.neighbours = neighbours
        self._members, self._listings = known.members, known.listings
        self._there, self._lasting = there, lasting
        self._listed = len(columns.endorsed.owners)
        self._kept: OrderedDict[_Asked, tuple[Evidence, Shown | None]] = OrderedDict()
        self._bytes = 0
        self._asking = threading.Lock()

    def lasts(self, now: datetime) -> bool:
        """Whether the same ratings and standings count at another instant."""
        since, until = self._lasting
        return since <= now.timestamp() < until

    def compile(self) -> None:
        """Compile what is not yet, so that nobody who asks waits for it."""
        if len(self.graph):
            self.graph.evidence(0)

    # Ids and rows of the graph.

    def row_of(self, member_id: str) -> int | None:
        """The row of a member who is there."""
        row = self._members.number(member_id)
        return row if row is not None and row < len(self._there) and self._there[row] else None

    def viewer(self, member_id: str) -> int:
        """The row of a member who is there, or an error."""
        row = self.row_of(member_id)
        if row is None:
            raise DeniedError("no such member", code="unknown-member")
        return row

    def rows_of_listings(self, ids: Sequence[str]) -> list[int | None]:
        """The row of each listing that somebody recommends, or did."""
        numbers = map(self._listings.number, ids)
        return [
            len(self._there) + number if number is not None and number < self._listed else None
            for number in numbers
        ]

    def recommending(self, viewer: int, ids: Sequence[str]) -> list[int]:
        """See `TrustTown.neighbours`."""
        rows = self.rows_of_listings(ids)
        numbers = [0 if row is None else row - len(self._there) for row in rows]
        counts = self.neighbours.count(viewer, np.array(numbers, np.int64)).tolist()
        return [0 if row is None else count for row, count in zip(rows, counts, strict=True)]

    def names(self, rows: IntArray | Nodes) -> list[str]:
        """Ids of members or listings."""
        members, n = self._members.words, len(self._there)
        listings = self._listings.words
        return [members[row] if row < n else listings[row - n] for row in rows.tolist()]

    # What a viewer is shown.

    def levels(self, viewer: int, rows: Sequence[int | None], now_s: float) -> list[int]:
        """Level of each of some rows, 0 for none."""
        known = np.array([row for row in rows if row is not None], np.int64)
        found = iter(self.graph.levels_from(self.evidence(viewer), known, now_s).tolist())
        return [0 if row is None else next(found) for row in rows]

    def evidence(self, viewer: int, unheard: Iterable[int] = ()) -> Evidence:
        """What a viewer's raters say, but for some rows who say nothing."""
        return self._ask((viewer, *sorted(unheard)))[0]

    def shown(self, viewer: int, at_s: int) -> Shown:
        """See `TrustTown.shown`."""
        asked = (viewer,)
        evidence, shown = self._ask(asked)
        if shown is None or not shown.since_s <= at_s <= shown.until_s:
            shown = self._shown(evidence, at_s)
            self._keep(asked, evidence, shown)
        return shown

    def recommended(self, viewer: int, at_s: int, unheard: Sequence[int]) -> dict[str, float]:
        """See `TrustTown.recommended`."""
        evidence = self.evidence(viewer, unheard)
        some = (evidence.targets >= len(self._there)) & (evidence.positive > 0)
        weights = evidence.positive[some] * np.exp2(-at_s / HALF_LIFE_S)
        return dict(zip(self.names(evidence.targets[some]), weights.tolist(), strict=True))

    def _shown(self, evidence: Evidence, at_s: int) -> Shown:
        levels = self.graph.known_levels(evidence, at_s)

        # Levels never rise with time: what is the same at both ends is so in between.
        step_s = LONGEST_S
        while step_s and not np.array_equal(
            levels, self.graph.known_levels(evidence, at_s + step_s)
        ):
            step_s //= 2
        told = levels >= LEAST_TOLD
        rows = evidence.targets[told]
        people = rows < len(self._there)
        members, listings = self.names(rows[people]), self.names(rows[~people])
        numbers = [*levels[told][people].tolist(), *levels[told][~people].tolist()]
        # By id: rows are numbered otherwise in another process.
        text = sorted(zip((*members, *(f" {id}" for id in listings)), numbers, strict=True))
        digest = blake2b(repr(text).encode(), digest_size=8).hexdigest() if text else ""
        return Shown(
            tuple(members), tuple(listings), tuple(numbers), at_s, at_s + step_s, digest,
        )  # fmt: skip

    def _ask(self, asked: _Asked) -> tuple[Evidence, Shown | None]:
        with self._asking:
            found = self._kept.get(asked)
            if found is not None:
                self._kept.move_to_end(asked)
                return found
        viewer, *unheard = asked
        return self._keep(asked, self.graph.evidence(viewer, unheard), None)

    def _keep(
        self, asked: _Asked, evidence: Evidence, shown: Shown | None
    ) -> tuple[Evidence, Shown | None]:
        """Keep what was worked out, for those who asked last."""
        with self._asking:
            before = self._kept.pop(asked, None)
            if before is not None:
                self._bytes -= _bytes_of(*before)
            self._kept[asked] = evidence, shown
            self._bytes += _bytes_of(evidence, shown)
            while self._bytes > KEPT_BYTES:
                self._bytes -= _bytes_of(*self._kept.popitem(last=False)[1])
            return evidence, shown


def _bytes_of(evidence: Evidence, shown: Shown | None) -> int:
    arrays = evidence.reached, evidence.targets, evidence.positive, evidence.negative
    # An entry of a tuple is a reference; the texts are the town's.
    return sum(one.nbytes for one in arrays) + (16 * len(shown.levels) if shown else 0) + 1_000
