"""Who trusts whom in a town, kept current: ratings, vouches and standings as the graph has them."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from copy import copy
from datetime import datetime
from typing import Any, TypeVar

import numpy as np

from geo.errors import DeniedError
from indexes.entities import Entity
from indexes.store import Change, Store
from indexes.trusting import Rating, Standing, Vouch
from matching.dealings import opened
from matching.following import Following
from matching.trust import Evidence, TrustGraph
from matching.trust_edges import TrustColumns
from matching.vouching import trust_weight

__all__ = ["TrustTown", "trust_columns"]

E = TypeVar("E", bound=Entity)

VIEWERS = 1_000  # whose evidence is kept: some kilobytes each
PAGE = 10_000
_READ_BY_ID: dict[str, type[Entity]] = {
    "ratings": Rating,
    "vouches": Vouch,
    "standings": Standing,
}


class TrustTown(Following["_Known"]):
    """The trust of one tenant. It follows the store beside `matching.live.LiveTown`, and just so.

    Parameters
    ----------
    store : Store
        The truth. Members, ratings, vouches and standings are read from it here.
    tenant_id : str
        Whose.

    Attributes
    ----------
    position : Position
        How far the store has been read: levels show all changes up to here.

    Raises
    ------
    StoreError
        If the store can't be read.
    """

    def __init__(self, store: Store, tenant_id: str) -> None:
        # The position is first: what changes while rows are read is read again, never missed.
        position = store.position()
        super().__init__(store, tenant_id, _Known(store, tenant_id), position)
        self._viewing = threading.Lock()
        self._view: _View | None = None

    def _read(self) -> "_Known":
        return _Known(self._store, self.tenant_id)

    def levels(self, viewer_id: str, member_ids: Sequence[str], now: datetime) -> list[int]:
        """Levels of trust in some members that a viewer is shown, 0 to 4; 0 for who isn't there.

        Raises
        ------
        DeniedError
            ``unknown-member`` if there is no such viewer.
        """
        view = self._view_at(now)
        if viewer_id not in view.row_of:
            raise DeniedError("no such member", code="unknown-member")
        known = [id for id in member_ids if id in view.row_of]
        rows = np.array([view.row_of[id] for id in known], np.int64)
        evidence = view.evidence(viewer_id)
        shown = view.graph.levels_from(evidence, rows, now.timestamp()).tolist()
        level_of = dict(zip(known, shown, strict=True))
        return [level_of.get(id, 0) for id in member_ids]

    def _view_at(self, now: datetime) -> "_View":
        with self._viewing:
            view = self._view
            if view is None or view.version is not self._state.version or not view.lasts(now):
                with self._writing:
                    known = self._state.copy()
                # Changes go on being taken in meanwhile.
                view = self._view = _View(known, self.tenant_id, now)
            return view


class _Known:
    """What the store has of trust, by id. One writer at a time.

    ``version`` is another object after every change that a level may depend on.
    """

    def __init__(self, store: Store, tenant_id: str) -> None:
        self._store, self._tenant_id = store, tenant_id
        self.version = object()
        self.homes = _homes(store.member_table(tenant_id))
        self.ratings = self._all(Rating)
        self.vouches = self._all(Vouch)
        self.standings = self._all(Standing)
        self._kept: dict[str, dict[str, Any]] = {
            "ratings": self.ratings,
            "vouches": self.vouches,
            "standings": self.standings,
        }

    def copy(self) -> "_Known":
        """The same, and nothing comes in any more."""
        found = copy(self)
        found.homes, found.ratings = dict(self.homes), dict(self.ratings)
        found.vouches, found.standings = dict(self.vouches), dict(self.standings)
        return found

    def take(self, changes: Sequence[Change]) -> bool:
        """Read again what changes touch; False where only reading everything can show it."""
        if not changes:
            return True
        touched = self._store.touched(self._tenant_id, changes)
        if touched.everything:
            return False
        if touched.members:
            found = _homes(self._store.member_table(self._tenant_id, touched.members))
            self._replace(self.homes, touched.members, found)
        for name, of in _READ_BY_ID.items():
            ids = {change.id for change in changes if change.entity == name}
            for id in sorted(ids):
                rows = self._store.page(of, self._tenant_id, where={"id": id}, limit=1)
                self._replace(self._kept[name], [id], {row.id: row for row in rows})
        return True

    def _replace(self, kept: dict[str, Any], ids: Collection[str], found: dict[str, Any]) -> None:
        for id in ids:
            if kept.get(id) != found.get(id):
                self.version = object()
                kept.pop(id, None)
        kept.update(found)

    def _all(self, of: type[E]) -> dict[str, E]:
        found: dict[str, E] = {}
        after = ""
        while rows := self._store.page(of, self._tenant_id, after=after, limit=PAGE):
            found |= {row.id: row for row in rows}
            after = rows[-1].id
        return found


class _View:
    """The graph of one state of what is known, and what viewers have asked of it."""

    def __init__(self, known: _Known, tenant_id: str, now: datetime) -> None:
        self.version = known.version
        ids = sorted(known.homes)
        self.row_of = {id: row for row, id in enumerate(ids)}
        self.graph = TrustGraph(
            trust_columns(
                tenant_id,
                known.homes,
                list(known.ratings.values()),
                list(known.vouches.values()),
                known.standings,
                now,
            )
        )
        # What time alone changes: ratings open, penalties end.
        instants = {one.opens_at for one in known.ratings.values()}
        instants |= {one.penalised_until for one in known.standings.values() if one.penalised_until}
        self._since = max((at for at in instants if at <= now), default=None)
        self._until = min((at for at in instants if at > now), default=None)
        self._evidence: OrderedDict[str, Evidence] = OrderedDict()
        self._asking = threading.Lock()

    def lasts(self, now: datetime) -> bool:
        """Whether the same ratings and standings count at another instant."""
        begun = self._since is None or self._since <= now
        return begun and (self._until is None or now < self._until)

    def evidence(self, viewer_id: str) -> Evidence:
        """What a viewer's raters say, kept for those who asked last."""
        with self._asking:
            found = self._evidence.pop(viewer_id, None)
        if found is None:
            found = self.graph.evidence(self.row_of[viewer_id])
        with self._asking:
            self._evidence[viewer_id] = found
            if len(self._evidence) > VIEWERS:
                self._evidence.popitem(last=False)
        return found


def trust_columns(
    tenant_id: str,
    homes: dict[str, tuple[int, str]],
    ratings: Sequence[Rating],
    vouches: Sequence[Vouch],
    standings: dict[str, Standing],
    now: datetime,
) -> TrustColumns:
    """What `matching.trust.TrustGraph` takes, of records as they are at an instant.

    Parameters
    ----------
    tenant_id : str
        Whose.
    homes : dict
        Level and published group ("" for none) of each member, by id; rows are in order of id.
    ratings, vouches : sequences
        Those of members who aren't there don't count, nor do ratings that aren't open yet: what
        follows from them would tell of them.
    standings : dict
        By member.
    now : datetime
        Aware.
    """
    ids = sorted(homes)
    row_of = {id: row for row, id in enumerate(ids)}
    group_of = {group: n for n, group in enumerate(sorted({group for _, group in homes.values()}))}
    counted = [
        (row_of[one.rater_id], row_of[one.ratee_id], one.stars, one.created_at.timestamp())
        for one in opened(ratings, now)
        if one.rater_id in row_of and one.ratee_id in row_of
    ]
    bonds = [
        (row_of[one.voucher_id], row_of[one.vouchee_id], one.created_at.timestamp())
        for one in vouches
        if one.voucher_id in row_of and one.vouchee_id in row_of
    ]
    rated = np.array(counted, np.float64).reshape(-1, 4)
    bonded = np.array(bonds, np.float64).reshape(-1, 3)
    nothing = Standing(tenant_id=tenant_id, id="")
    return TrustColumns(
        keys=np.array([_key(tenant_id, id) for id in ids], np.uint64),
        verification=np.array([homes[id][0] for id in ids], np.int64),
        groups=np.array([group_of[homes[id][1]] if homes[id][1] else -1 for id in ids], np.int64),
        standing=np.array([trust_weight(standings.get(id, nothing), now) for id in ids], float),
        raters=rated[:, 0].astype(np.int64),
        ratees=rated[:, 1].astype(np.int64),
        values=(rated[:, 2] - 3) / 2,  # 3 of 5 says nothing
        rated_at=rated[:, 3].astype(np.int64),
        bonds=bonded[:, :2].astype(np.int64),
        bonded_at=bonded[:, 2].astype(np.int64),
    )


def _key(tenant_id: str, id: str) -> int:
    """A number of a member's own, the same in every process."""
    digest = hashlib.blake2b(f"{tenant_id}\n{id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _homes(members: Any) -> dict[str, tuple[int, str]]:
    return {row["id"]: (row["level"], row["group"] or "") for row in members.to_pylist()}
