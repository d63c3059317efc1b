"""Near me as one viewer sees it: the same index, some rows counting as the viewer trusts them."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from geo.arrays import IntArray
from indexes.overlay import Overlay
from matching.towns.snapshot import Snapshot
from matching.towns.vocabulary import Vocabulary
from matching.trusting.town import NOTHING_SHOWN, Shown, TrustTown

__all__ = ["Views"]

KEPT_BYTES = 32 * 2**20  # of overlays: those of who asked last


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """The overlay of what a viewer is shown, of the first so many rows of a base and behind it."""

    shown: Shown
    vocabulary: weakref.ref[Vocabulary]  # of the base; it must not outlive its town
    rows: int
    overlay: Overlay | None

    def is_of(self, snapshot: Snapshot) -> bool:
        """Whether its rows are numbered as those of a town."""
        return self.vocabulary() is snapshot.vocabulary

    @property
    def nbytes(self) -> int:
        """Bytes that it takes, about."""
        return 1_000 + 32 * len(self.shown.levels) + (self.overlay.nbytes if self.overlay else 0)


class Views:
    """What each viewer's trust makes of a town.

    Parameters
    ----------
    trust : TrustTown
        What each is shown.
    secret : bytes
        Key of the digests: cursors carry them, and nobody who finds one may try out on it whom
        its owner trusts.
    """

    def __init__(self, trust: TrustTown, secret: bytes) -> None:
        self._trust, self._secret = trust, secret
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._bytes = 0
        self._asking = threading.Lock()

    def seen_by(
        self, snapshot: Snapshot, member_id: str | None, pinned: str | None = None
    ) -> tuple[Snapshot, str]:
        """A town with the levels that a viewer is shown, and a digest of those.

        Parameters
        ----------
        snapshot : Snapshot
            The town as it is to anybody.
        member_id : str or None
            Who looks; nobody in particular sees it as it is.
        pinned : str, optional
            The digest of the page before: levels are those of that page, whatever has been
            said since. Where they are known no more, or never were, as in another process, they
            are those of now.
        """
        # As old as it is now, whatever instant is asked about: who chose the instant could find
        # the second at which a level falls, and so the number behind it.
        now_s = self._trust.now_s
        shown = NOTHING_SHOWN if member_id is None else self._trust.shown(member_id, now_s)
        digest = self._keyed(shown)
        if pinned == "":
            shown, digest = NOTHING_SHOWN, ""
        elif pinned is not None and (before := self._known(member_id, pinned)):
            shown, digest = before.shown, pinned
        if member_id is None or not shown.levels:
            return snapshot, ""
        key = member_id, digest
        kept = self._known(*key)
        if kept is None or kept.rows != len(snapshot.catalog) or not kept.is_of(snapshot):
            kept = _laid(shown, snapshot, kept)
            self._keep(key, kept)
        if kept.overlay is None:
            return snapshot, digest
        return replace(snapshot, index=kept.overlay.over(snapshot.index)), digest

    def _known(self, member_id: str | None, digest: str) -> _Kept | None:
        """What is kept of levels that a viewer was shown."""
        key = member_id or "", digest
        with self._asking:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            return kept

    def _keyed(self, shown: Shown) -> str:
        told, key = shown.digest.encode(), self._secret
        return blake2b(told, key=key, digest_size=8, person=b"levels").hexdigest() if told else ""

    def neighbours(self, member_id: str, listing_ids: Sequence[str]) -> list[int]:
        """See `matching.trusting.town.TrustTown.neighbours`."""
        return self._trust.neighbours(member_id, listing_ids)

    def _keep(self, key: tuple[str, str], kept: _Kept) -> None:
        with self._asking:
            before = self._kept.pop(key, None)
            self._kept[key] = kept
            self._bytes += kept.nbytes - (before.nbytes if before else 0)
            while self._bytes > KEPT_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes


def _laid(shown: Shown, snapshot: Snapshot, before: _Kept | None) -> _Kept:
    """An overlay of a town: the one before where no row has come that is to be in it."""
    made = _Kept(shown, weakref.ref(snapshot.vocabulary), len(snapshot.catalog), None)
    # Rows only come behind: an overlay of a later state says nothing of an earlier one.
    if before is not None and before.is_of(snapshot) and before.rows <= made.rows:
        new, _ = _rows(shown, snapshot, before.rows)
        if not len(new):
            return replace(made, overlay=before.overlay)
    rows, levels = _rows(shown, snapshot, 0)
    columns = snapshot.catalog.columns(rows)
    # Who has lost all verification is untrusted at once, whatever is known of them yet.
    kept = columns.trust > 0
    if not kept.any():
        return made
    rows, columns = rows[kept], columns.taken(kept)
    return replace(made, overlay=Overlay(rows, columns, levels[kept] / 4))


def _rows(shown: Shown, snapshot: Snapshot, first: int) -> tuple[IntArray, IntArray]:
    """Rows from ``first`` on of whom and of what more is shown, ascending, and the level of each.

    A person's are those of their owner, a public one has its own.
    """
    owners = list(map(snapshot.vocabulary.owners.number, shown.members))
    known = [i for i, number in enumerate(owners) if number is not None]
    numbers = np.array([owners[i] for i in known], np.int64)
    levels = np.array(shown.levels, np.int64)
    of_owners, of_listings = levels[known], levels[len(owners) :]
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for begin, segment in snapshot.catalog.parts:
        if begin + len(segment) > first:
            rows, places = segment.owned(numbers)
            parts.append((begin + rows, of_owners[places]))
            rows, places = segment.public(shown.listings)
            parts.append((begin + rows, of_listings[places]))
    rows, found = (np.concatenate(column) for column in zip(*parts, strict=True))
    kept = rows >= first
    kept[kept] = snapshot.index.alive(rows[kept])
    rows, found = rows[kept], found[kept]
    order = np.argsort(rows)
    return rows[order], found[order]
