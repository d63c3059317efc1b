"""The indexes of one process, kept current."""

import hmac
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from geo.arrays import LonLat
from geo.errors import DeniedError, IndexBehindError, InputError, MitoyenError
from indexes.journeys import Trip
from indexes.publishing import Published
from indexes.store import Position, Store, open_store
from matching.batch import near_many
from matching.near import near, near_json, told, told_json
from matching.query import NearAnswer, NearQuery, Viewer
from matching.recommend import RecommendAnswer, RecommendQuery, recommend
from matching.recommending.case import Trusted
from matching.recommending.model import FORMULA
from matching.recommending.voices import VoiceTown
from matching.rides.book import TripView
from matching.rides.carpool import ANYBODY, Party
from matching.rides.standing import standing_matches
from matching.rides.town import TripTown, meeting_listings
from matching.scoring import Profiles
from matching.towns.follower import Follower
from matching.towns.following import Following
from matching.towns.keeping import Keeper
from matching.towns.live import LiveTown
from matching.towns.moves import Watched
from matching.trusting.town import TrustTown
from matching.trusting.viewing import Views

__all__ = ["Engine"]

ASK_AGAIN_S = 0.02


class Engine:
    """Near me and carpool for one tenant: reads come from memory, the store is only followed.

    Parameters
    ----------
    store : Store
        The truth. The engine closes it only if it opened it (`Engine.open`).
    tenant_id : str
        Whose listings.
    profiles : Profiles, optional
        Ranking profiles; the defaults if none.
    keeper : Keeper, optional
        Keeps a file of the town to start from; none is kept without.
    clock : callable, optional
        What time it is for ratings that open, and seats that nobody answered for; by default the
        machine's.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from tempfile import mkdtemp
    >>> from indexes import Kind, Listing, Tenant
    >>> from matching import ANYONE, NearQuery
    >>> store = open_store(Path(mkdtemp()) / "town.db")
    >>> _ = store.put_all([
    ...     Tenant(tenant_id="t", id="t", name="Marseille"),
    ...     Listing(tenant_id="t", id="four", kind=Kind.MERCHANT, title="Le Four",
    ...             lon=5.3751, lat=43.2955),
    ... ])
    >>> engine = Engine.over(store, "t")
    >>> query = NearQuery(at=datetime.now(UTC), origin=(5.3740, 43.2951), lang="en")
    >>> [match.id for match in engine.near(ANYONE, query).matches]
    ['four']
    """

    def __init__(
        self,
        store: Store,
        tenant_id: str,
        profiles: Profiles | None = None,
        keeper: Keeper | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._store, self._tenant_id, self._clock = store, tenant_id, clock
        self._owns_store = False
        self._profiles = profiles or Profiles.load()
        # Each tenant's cursors have a key of their own: another's are refused.
        self._secret = hmac.digest(store.secret("cursors"), tenant_id.encode(), "sha256")
        self.keeper = keeper
        self._town = LiveTown(store, tenant_id, keeper)
        self._trust = TrustTown(store, tenant_id, clock, self._town.hand_on_trust())
        self._views = Views(self._trust, self._secret)
        self._trips_of = lru_cache(maxsize=1)(self._only_trips)
        self._trip_town: TripTown | None = None
        self._reading_trips = threading.Lock()
        self._voices: VoiceTown | None = None
        self._reading_voices = threading.Lock()
        self.model = FORMULA
        self._follower: Follower | None = None
        self._owns_follower = False

    @classmethod
    def over(
        cls,
        store: Store,
        tenant_id: str,
        keeper: Keeper | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> "Engine":
        """An engine over a store that somebody else opened, read once."""
        return cls(store, tenant_id, keeper=keeper, clock=clock)

    @classmethod
    def open(cls, dsn: str | Path, tenant: str | None = None) -> "Engine":
        """Open a store that exists, and read a tenant of it.

        Parameters
        ----------
        dsn : str or Path
            As `indexes.open_store`.
        tenant : str, optional
            Its id; by default the only one.

        Raises
        ------
        StoreError
            If there is no such store.
        InputError
            If the store has several tenants, or none, and none is named.
        """
        store = open_store(dsn, create=False)
        try:
            known = store.tenants()
            if tenant is None and len(known) != 1:
                raise InputError(f"name a tenant; known: {', '.join(known) or 'none'}")
            engine = cls(store, tenant or known[0])
        except BaseException:
            store.close()
            raise
        engine._owns_store = True
        return engine

    def near(self, viewer: Viewer, query: NearQuery) -> NearAnswer:
        """The best listings around a place, with reasons: see `matching.near.near`."""
        town = self._town.snapshot
        return near(town, self._profiles, self._secret, viewer, query, self.age_s, self._views)

    def near_json(self, viewer: Viewer, query: NearQuery) -> bytes:
        """`near` as JSON, byte for byte, sooner: for who only hands it on."""
        town = self._town.snapshot
        return near_json(town, self._profiles, self._secret, viewer, query, self.age_s, self._views)

    def near_many(
        self, viewer: Viewer, queries: Sequence[NearQuery], threads: int | None = None
    ) -> list[NearAnswer | MitoyenError]:
        """The answer to each query, or its error: see `matching.batch.near_many`."""
        return near_many(
            self._town.snapshot, self._profiles, self._secret, viewer, queries, told, self.age_s,
            threads, self._views,
        )  # fmt: skip

    def near_many_json(
        self, viewer: Viewer, queries: Sequence[NearQuery]
    ) -> list[bytes | MitoyenError]:
        """`near_many`, the answers as JSON."""
        return near_many(
            self._town.snapshot, self._profiles, self._secret, viewer, queries, told_json,
            self.age_s, None, self._views,
        )  # fmt: skip

    @property
    def _trips(self) -> TripTown:
        """The town's trips, read when they are first asked for: near me never waits for them."""
        with self._reading_trips:
            if self._trip_town is None:
                meeting = self._town.choose(meeting_listings)
                self._trip_town = TripTown(self._store, self._tenant_id, meeting, self._clock)
            return self._trip_town

    @property
    def trips(self) -> TripView:
        """The town's trips, as searches want them (`matching.trips`). Take it once.

        Raises
        ------
        StoreError
            If they have not been read yet (`start` reads them), and the store can't be.
        """
        return self._trips.view

    @property
    def timezone(self) -> str:
        """The town's, an IANA name."""
        return self._trips.timezone

    def standing_matches(
        self,
        member_id: str,
        trip_ids: Collection[str],
        after: Position,
        until: Position,
        now: datetime,
    ) -> list[tuple[str, str]]:
        """Which of some trips, come or changed between two positions, match a member's own.

        One of which only the seats taken have changed counts where it matches on more days than
        before; so does, if it is the member's own, whom it can take now.

        Returns
        -------
        list of (str, str)
            The id of the member's own trip, and of one that `matching.trips.matches_of_trip`
            finds for it now.
        """
        view, own = self.trips, self._trips.owned_by(member_id)
        if not own:
            return []
        shown = self._trips.position
        came, was = self._trips_of(shown, frozenset(trip_ids), after, until)
        return standing_matches(view, own, came, was, now)

    def _only_trips(
        self, shown: Position, ids: frozenset[str], after: Position, until: Position
    ) -> tuple[TripView, TripView]:
        """Some trips, and as they were those of which only the seats have changed: made once,
        for whoever waits for them."""
        before = self._trips.seats_before(after, until)
        before = {id: held for id, held in before.items() if id in ids}
        return self.trips.only(ids), self.trips.only(before, before)

    def published(self, trip: Trip) -> Published | None:
        """What of a trip others may see: see `indexes.publishing.Publisher.publish`."""
        home = self._town.snapshot.people.home(trip.owner_id) if trip.owner_id else None
        return self._trips.publisher.publish(trip, home.group if home else None)

    def party(self, member_id: str | None) -> Party:
        """What counts of who asks when two are to share a car.

        Raises
        ------
        DeniedError
            ``unknown-member`` if there is no such member.
        """
        if member_id is None:
            return ANYBODY
        town = self._town.snapshot
        home = town.people.home(member_id)
        if home is None:
            raise DeniedError("no such member", code="unknown-member")
        group = town.vocabulary.group(home.group)
        return Party(
            id=member_id,
            level=home.level,
            building=home.building,
            residence=home.residence,
            zones=frozenset(group.zones) if group else frozenset(),
            gender=home.gender or None,
            blocked=frozenset(town.people.blocks.get(member_id, ())),
        )

    def traveller(self, member_id: str | None, at: datetime) -> Party:
        """`party` of who asks for a ride at an instant, and whom that one trusts.

        Raises
        ------
        DeniedError
            ``unknown-member`` if there is no such member.
        """
        party = self.party(member_id)
        return party if member_id is None else replace(party, trusts=self.trusts(member_id, at))

    def trusts(self, member_id: str, at: datetime) -> dict[str, int]:
        """Members whom one trusts more than anybody would: their levels, 2 to 4, by id."""
        shown = self._trust.shown(member_id, int(at.timestamp()))
        return dict(zip(shown.members, shown.levels, strict=False))  # then come listings' levels

    def group_point(self, member_id: str) -> LonLat | None:
        """Where a member is searched from: the point of their group, if it can be located."""
        town = self._town.snapshot
        home = town.people.home(member_id)
        group = town.vocabulary.group(home.group) if home else None
        return (group.lon, group.lat) if group is not None and group.locatable else None

    def trust_levels(self, viewer: Viewer, member_ids: Sequence[str], now: datetime) -> list[int]:
        """Levels of trust in some members that a member is shown: see `matching.trusting.town`.

        Raises
        ------
        DeniedError
            ``unknown-member`` if the viewer is none.
        """
        blocked = self.party(viewer.member_id).blocked
        levels = self._trust.levels(viewer.member_id or "", member_ids, now)
        return [0 if id in blocked else level for id, level in zip(member_ids, levels, strict=True)]

    def listing_levels(
        self, viewer: Viewer, listing_ids: Sequence[str], now: datetime
    ) -> list[int]:
        """Levels of some listings that a member is shown, as near me has them.

        A person's is that of its owner; 0 for one that is not there.

        Raises
        ------
        DeniedError
            ``unknown-member`` if the viewer is none.
        """
        town = self._town.snapshot
        owners = town.catalog.owners_of(listing_ids, town.index.alive)
        people = [id for id in owners if id]
        members = dict(zip(people, self.trust_levels(viewer, people, now), strict=True))
        public = self._trust.listing_levels(viewer.member_id or "", listing_ids, now)
        return [
            level if owner == "" else members.get(owner or "", 0)
            for owner, level in zip(owners, public, strict=True)
        ]

    def read_voices(self) -> VoiceTown:
        """What recommendations are made of, read if it is not yet: so that nobody waits for it.

        Raises
        ------
        StoreError
            If the store can't be read.
        """
        with self._reading_voices:
            if self._voices is None:
                voices = VoiceTown(self._store, self._tenant_id)
                if self._follower is not None:
                    self._follower.add(voices)
                self._voices = voices
            return self._voices

    def recommend(self, viewer: Viewer, query: RecommendQuery) -> RecommendAnswer:
        """What a member may like, with reasons: see `matching.recommend.recommend`.

        Whom it listens to is as of the engine's clock, whatever instant is asked about.

        Raises
        ------
        StoreError
            If `read_voices` has not been called before, and the store can't be read.
        """
        heard = self.read_voices()
        position = self.position
        member_id, now_s = viewer.member_id or "", self._trust.now_s
        blocked = self._town.snapshot.people.blocks.get(member_id, ())
        trusted = Trusted(
            self._trust.recommended(member_id, now_s, blocked),
            frozenset(self._trust.reached(member_id)),
        )
        town, _ = self._views.seen_by(self._town.snapshot, viewer.member_id)
        answer = recommend(
            town, heard.voices, trusted, self.model, self._profiles, viewer, query,
            now_s, self.age_s,
        )  # fmt: skip
        return replace(answer, position=str(position))  # all that it was made of shows so far

    # How current the index is.

    @property
    def _parts(self) -> list[Following[Any]]:
        """What follows the store: some of it only once anybody has asked for it."""
        parts = (self._town, self._trust, self._trip_town, self._voices)
        return [part for part in parts if part is not None]

    @property
    def position(self) -> Position:
        """How far the indexes have read: they show all changes up to here."""
        return min(part.position for part in self._parts)

    @property
    def age_s(self) -> float:
        """Seconds since the index was last known to be current; 0 where nobody follows."""
        if not self._follower:
            return 0.0
        return round(max(self.lag_s, *(part.stale_s for part in self._parts)), 3)

    @property
    def lag_s(self) -> float:
        """Seconds since the feed had given all that there was; 0 where nobody follows."""
        follower = self._follower  # another thread may stop it
        return 0.0 if follower is None else follower.lag_s

    @property
    def pending(self) -> int:
        """Rows that have changed since the index was read whole."""
        return self._town.pending

    @property
    def applied(self) -> int:
        """Changes taken in so far."""
        return self._town.applied

    @property
    def rebuilds(self) -> int:
        """How often the index was read anew."""
        return self._town.rebuilds

    def watch(self, viewer: Viewer, after: Position) -> Watched | None:
        """What has moved since a position, and the eyes to look at it with.

        Returns
        -------
        Watched or None
            Moves are told once searches, of trips too, see them. None if there is no such member.
        """
        shown = self._trips.position  # first: what is read after it is as new at least
        watched = self._town.watch(viewer.member_id, after)
        if watched is None or watched.batches is None:
            return watched
        return watched._replace(batches=[one for one in watched.batches if one.position <= shown])

    def refresh(self) -> bool:
        """Take in what has changed, now; says whether anything had.

        Searches go on meanwhile with what there is.
        """
        before = self.position
        for part in self._parts:
            part.refresh()
            if part.wants_rebuild:
                part.rebuild()
            part.compact()
        return self.position != before

    def has_read(self, position: Position) -> bool:
        """Whether the index has read as far as a write's position.

        Raises
        ------
        InputError
            ``invalid-position`` for one of another store.
        """
        if position.store != self.position.store:
            raise InputError("this position is of another store", code="invalid-position")
        return self.position >= position

    def wait_for(self, position: str, timeout_s: float) -> None:
        """Return as soon as the index has read as far as a write's position.

        Raises
        ------
        InputError
            ``invalid-position`` for one that is none, or of another store.
        IndexBehindError
            If it has not after ``timeout_s`` seconds.
        """
        wanted = Position.parse(position)
        if self.has_read(wanted):
            return
        until = time.monotonic() + timeout_s
        if self._follower is None:
            self.refresh()
            # A write shows only once all that began before it have ended.
            while not self.has_read(wanted) and time.monotonic() < until:
                time.sleep(ASK_AGAIN_S)
                self.refresh()
        if not all(part.wait_for(wanted, until - time.monotonic()) for part in self._parts):
            raise IndexBehindError("the index has not read that far yet; ask again")

    # Following.

    def start(self, follower: Follower | None = None) -> None:
        """Follow the store until `stop`.

        Parameters
        ----------
        follower : Follower, optional
            Who follows the same store for other engines too; one of its own if none.

        Raises
        ------
        StoreError
            If the store can't be read. Nothing is followed then.
        """
        _ = self._trips  # so that no request waits for them
        self._owns_follower = follower is None
        try:
            with self._reading_voices:  # or what they are read for might be followed twice
                self._follower = follower or Follower(self._store)
                for part in self._parts:
                    self._follower.add(part)
        except BaseException:
            self.stop()  # or some parts would be followed for ever: nobody knows of them
            raise

    def stop(self) -> None:
        """Stop following."""
        with self._reading_voices:  # or they would be followed once they are read
            follower, self._follower = self._follower, None
        if follower is not None:
            for part in self._parts:
                follower.remove(part)
            if self._owns_follower:
                follower.close()
        if self.keeper is not None:
            self.keeper.close()

    def close(self) -> None:
        """Stop following, and close the store if this engine opened it."""
        self.stop()
        if self._owns_store:
            self._store.close()
