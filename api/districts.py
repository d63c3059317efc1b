"""Releases as they are read: each loaded once, kept while it is asked for."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

import msgspec
import shapely

from api.version import VERSION
from geo.errors import StoreError
from indexes.releases import ReleaseHead, chosen_release, digest, table_to_bytes
from indexes.store import Store
from matching.districts import Districts
from matching.planning.releasing import load_districts

__all__ = ["Shelf"]

KEPT = 16  # a town compares a few quarters

Key = tuple[str, str, int]  # tenant, release, version
Shelved = tuple[Districts, str, object]  # its hash, and the tenant's zones when it was read


class Shelf:
    """The releases of a store's tenants. Which one is the newest is asked each time.

    While the store is away, what is on the shelf goes on answering.

    Parameters
    ----------
    store : Store
    kept : int
        Most releases to keep in memory: those that were asked for last.
    zones_of : callable, optional
        Gives of a tenant what is another object once its zones were imported again: a release
        is then read anew, over the outlines that there are now.
    """

    def __init__(
        self, store: Store, kept: int = KEPT, zones_of: Callable[[str], object] = lambda _: None
    ) -> None:
        self._store = store
        self._kept = kept
        self._zones_of = zones_of
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._heads: dict[str, list[ReleaseHead]] = {}
        self._read: OrderedDict[Key, Shelved] = OrderedDict()

    def heads(self, tenant_id: str) -> list[ReleaseHead]:
        """What each release of a tenant says of itself, newest first.

        Raises
        ------
        StoreError
            If the store is away, and was never asked before.
        """
        try:
            self._heads[tenant_id] = self._store.releases(tenant_id)
        except StoreError:
            if tenant_id not in self._heads:
                raise
        return self._heads[tenant_id]

    def of(
        self,
        tenant_id: str,
        release: str | None = None,
        version: int | None = None,
        vintage: int | None = None,
    ) -> Districts:
        """The release that `indexes.releases.chosen_release` chooses.

        Raises
        ------
        NotFoundError
            With code ``unknown-release`` or ``unknown-vintage``.
        """
        return self._shelved(chosen_release(self.heads(tenant_id), release, version, vintage))[0]

    def etag(self, districts: Districts, *query: object) -> str:
        """What names an answer: the release's own bytes, the outlines and what was asked."""
        found = self._at_hand(_key(districts.release))
        # Another may have taken its place since: the answer is made of this one.
        told = found[1] if found and found[0] is districts else _told(districts)
        asked = msgspec.json.encode((VERSION, told, query))
        return f'"{hashlib.sha256(asked).hexdigest()[:32]}"'

    def _shelved(self, head: ReleaseHead) -> Shelved:
        key = _key(head)
        found = self._at_hand(key)
        if found is None or found[2] is not self._zones_of(head.tenant_id):
            with self._loading:  # one reader loads; who wants what is there already doesn't wait
                found, zones = self._at_hand(key), self._zones_of(head.tenant_id)
                if found is None or found[2] is not zones:
                    found = self._load_again(head, zones, found)
                    with self._lock:
                        self._read[key] = found
                        if len(self._read) > self._kept:
                            self._read.popitem(last=False)
        return found

    def _at_hand(self, key: Key) -> Shelved | None:
        with self._lock:
            found = self._read.get(key)
            if found is not None:
                self._read.move_to_end(key)
            return found

    def _load_again(self, head: ReleaseHead, zones: object, before: Shelved | None) -> Shelved:
        """A release over its outlines of now; those of before if the store is away."""
        try:
            districts = load_districts(self._store, head.tenant_id, head.id, head.version)
        except StoreError:
            if before is None:
                raise
            return before
        return districts, _told(districts), zones


def _key(head: ReleaseHead) -> Key:
    return head.tenant_id, head.id, head.version


def _told(districts: Districts) -> str:
    """The hash of all that answers are made of."""
    release = districts.release
    about = (*_key(release), release.created_at, release.head)
    told = hashlib.sha256(msgspec.json.encode((about, digest(table_to_bytes(release.rows)))))
    for shape in shapely.to_wkb(districts.outlines("iris")):  # all others follow from these
        told.update(shape)
    return told.hexdigest()
