"""The towns that one process serves: each tenant's engine, zones and groups, kept current.

One thread builds what is missing and follows the store, another does what time alone brings about;
requests never wait for them.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from api.clock import Clock, clock_from
from api.importing.area import ServiceArea
from api.models import ModelFile
from api.problems import UnauthenticatedError
from geo.arrays import LonLat, as_lonlat
from geo.errors import (
    FeedGapError,
    IndexBehindError,
    InputError,
    MitoyenError,
    NotFoundError,
    StoreError,
)
from indexes.entities import Group, GroupPartition, Tenant, Zone
from indexes.publishing import Publisher
from indexes.store import Store
from matching.engine import Engine
from matching.planning.retention import forget_activity
from matching.query import ANYONE, NearQuery
from matching.recommending.model import FORMULA
from matching.rides.booking import cancel_unanswered
from matching.rides.carpool import ANYBODY, Party, TripQuery
from matching.rides.driven import note_driven
from matching.towns.follower import Follower
from matching.towns.keeping import Keeper
from matching.trips import find_drivers, find_riders
from matching.trusting.verifying import lapse

__all__ = ["Outlines", "Town", "Towns"]

log = logging.getLogger(__name__)

FOLLOW_S = 1.0
# Whoever reads changes of longer ago begins anew, as a process does that was away for so long.
KEPT_S, TIDY_EVERY_S = 7 * 86_400.0, 3_600.0
DEFAULT_TENANT = "default"
OUTLINED = ("zones", "groups")
UPKEEP = (lapse, note_driven, forget_activity)
SEATS_EVERY_S = 60.0  # so soon a seat that nobody answered for is found again


class Outlines:
    """Zones and groups of a tenant, frozen once read.

    Attributes
    ----------
    zones : tuple of Zone
        The newest vintage, in order of code.
    publisher : Publisher
        Tells what of a trip others may see.
    """

    def __init__(self, zones: Sequence[Zone], partition: GroupPartition | None) -> None:
        self.zones = tuple(zones)
        self._by_code = {str(zone.code): zone for zone in zones}
        self._groups = {group.id: group for group in partition.groups} if partition else {}
        self._area = ServiceArea(zones)
        self.publisher = Publisher(partition, zones)

    @classmethod
    def read(cls, store: Store, tenant_id: str) -> "Outlines":
        """Both, from a store."""
        return cls(store.zones(tenant_id), store.groups(tenant_id))

    def group(self, id: str | None) -> Group | None:
        """A published group by id, or None."""
        return None if id is None else self._groups.get(id)

    def zone_at(self, origin: LonLat) -> tuple[Zone | None, bool]:
        """The zone of a point, and whether it is only the nearest one."""
        located = self._area.zones_of(as_lonlat(origin))
        if located is None:
            return None, False
        (code,), _, (nearest,) = located
        return (None if code is None else self._by_code[code]), bool(nearest)

    def may_be_swapped(self, lat: float, lon: float) -> bool:
        """Whether a point might lie in the area if swapped: quick, and false of nearly all."""
        return self._area.may_hold(lat, lon)

    def refuse_swapped(self, lat: float, lon: float) -> None:
        """Refuse a point outside the service area whose swapped twin lies inside.

        Raises
        ------
        InputError
            With code ``swapped-coordinates``.
        """
        as_sent, swapped = self._area.holds(np.array([(lon, lat), (lat, lon)])).tolist()
        if swapped and not as_sent:
            raise InputError(
                "lat and lon look swapped: as sent, the point is outside the area served; "
                "the other way round it is inside",
                code="swapped-coordinates",
            )


class Town:
    """One tenant as requests see it."""

    def __init__(
        self,
        store: Store,
        tenant_id: str,
        follower: Follower | None = None,
        keeper: Keeper | None = None,
        models: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.store = store
        self.tenant_id = tenant_id
        self._model = None if models is None else ModelFile(store, tenant_id, models)
        self.cursor_secret = store.secret("cursor")
        # The position is read first, so that no change after it is missed.
        self._read_at = store.position()
        self.outlines = Outlines.read(store, tenant_id)
        self.engine = Engine.over(store, tenant_id, keeper, clock)
        self._take_model()
        # On a fresh machine the first search compiles for ten seconds: here, and not while
        # somebody waits for it, and everybody else with them.
        self.outlines.refuse_swapped(0.0, 0.0)
        for text in (None, "a"):
            self.engine.near(ANYONE, NearQuery(at=datetime.now(UTC), origin=(0.0, 0.0), text=text))
        self.engine.start(follower)
        self._asked_for_rides = False

    def follow(self) -> None:
        """Read zones and groups, and the model of recommendations, again if they have changed.

        What else recommendations are made of is read the first time, and what searches for rides
        need is compiled once somebody drives: near me waits for neither.
        """
        self._take_model()
        self.engine.read_voices()
        self._read_outlines()
        if not self._asked_for_rides:  # last: it may take half a minute
            self._asked_for_rides = self.ask_for_rides(ANYBODY, datetime.now(UTC))

    def _read_outlines(self) -> None:
        try:
            changes = self.store.changes(self._read_at)
        except FeedGapError:
            position = self.store.position()
            self.outlines = Outlines.read(self.store, self.tenant_id)
            self._read_at = position  # last: a store that fails before is asked again
            return
        if any(c.tenant_id == self.tenant_id and c.entity in OUTLINED for c in changes):
            self.outlines = Outlines.read(self.store, self.tenant_id)
        if changes:
            self._read_at = changes[-1].position

    def ask_for_rides(self, viewer: Party, now: datetime) -> bool:
        """Ask who goes along somebody's line, to drive and to ride; False where nobody drives."""
        view, first = self.engine.trips, now.date()
        lines = (trip for current in view.driver_parts() for trip, _ in current.trips())
        trip = next(lines, None)
        if trip is None:
            return False
        origin, destination = trip.lonlat[0], trip.lonlat[-1]
        with suppress(InputError):  # a way too short to be asked for
            query = TripQuery(
                origin=origin, destination=destination, schedule=trip.schedule, first=first
            )
            find_drivers(view, viewer, query)
            find_riders(view, viewer, trip, first=first)
        return True

    def _take_model(self) -> None:
        if self._model is None or not self._model.has_another:
            return
        try:
            self.engine.model = self._model.read()
        except InputError as error:
            self.engine.model = FORMULA
            log.warning("a model was refused, and the formula recommends: %s", error)

    def close(self) -> None:
        """Stop following."""
        self.engine.close()


class Towns:
    """Every tenant of a store, loaded by one thread, tidied by another.

    Parameters
    ----------
    store : Store
        The truth.
    keyless : str
        Whose public things a reader without a key sees; empty for the only tenant's.
    keeper : callable, optional
        Makes the keeper of a tenant's snapshot, by the tenant's id.
    clock : callable, optional
        What time it is for what expires; by default the machine's.
    models : Path, optional
        Folder of the models that recommendations are ranked by; none, and the formula ranks.

    Attributes
    ----------
    store_up : bool
        Whether the store answered when it was last asked, a second ago at most.
    tenants : sequence of str
        Those that the store had then.
    """

    def __init__(
        self,
        store: Store,
        keyless: str = "",
        keeper: Callable[[str], Keeper] | None = None,
        clock: Clock | None = None,
        models: Path | None = None,
    ) -> None:
        self.store = store
        self._models = models
        self._clock = clock or clock_from(None)
        self._keyless = keyless
        self.store_up = True
        self.tenants: Sequence[str] = ()
        self._towns: dict[str, Town] = {}
        self._why = "the first index is being built"
        self._make_keeper = keeper
        self._loading: Keeper | None = None
        self._follower: Follower | None = None
        self._wake, self._closed = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="towns", daemon=True),
            threading.Thread(target=self._tidy, name="upkeep", daemon=True),
        ]

    def start(self) -> None:
        """Start loading; an empty store gets the tenant ``default``."""
        if not self.store.tenants():
            self.store.put(Tenant(tenant_id=DEFAULT_TENANT, id=DEFAULT_TENANT, name=DEFAULT_TENANT))
        self.tenants = self.store.tenants()
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self.tenants = self.store.tenants()
                self.store_up = True
                for gone in self._towns.keys() - set(self.tenants):
                    self._drop(gone)
                follower = self._follower = self._follower or Follower(self.store)
                failed = [self._see_to(tenant_id, follower) for tenant_id in self.tenants]
                self._why = next(filter(None, failed), "")
            except Exception as error:  # the thread must outlive what nobody thought of
                self._why = self._note(error, "follow the store")
            self._wake.wait(FOLLOW_S)
            self._wake.clear()

    def _see_to(self, tenant_id: str, follower: Follower) -> str:
        """Load a town, or follow it; why it can't be. It is tried again in a second, and what is
        loaded goes on answering."""
        try:
            town = self._towns.get(tenant_id)
            if town is None:
                self._towns[tenant_id] = self._load(tenant_id, follower)
            else:
                town.follow()
        except Exception as error:  # one town's trouble is not the others'
            return self._note(error, f"load or follow {tenant_id}")
        return ""

    def _note(self, error: Exception, doing: str) -> str:
        """Log an error; gives what may be told of it: the rest may name the store."""
        if not isinstance(error, MitoyenError):
            log.error("could not %s", doing, exc_info=error)
            return "internal-error"
        self.store_up = self.store_up and not isinstance(error, StoreError)
        log.warning("could not %s: %s: %s", doing, error.code, error)
        return error.code

    def _tidy(self) -> None:
        """Do what time alone brings about, however long it takes to load a town."""
        tidy_at = seats_at = 0.0
        while not self._closed.wait(FOLLOW_S):
            try:
                if time.monotonic() >= seats_at:
                    seats_at = time.monotonic() + SEATS_EVERY_S
                    self._keep_up(cancel_unanswered)
                if time.monotonic() >= tidy_at:
                    tidy_at = time.monotonic() + TIDY_EVERY_S
                    self._keep_up(*UPKEEP)
                    self.store.trim(KEPT_S)
            except Exception as error:  # the thread must outlive what nobody thought of
                self._note(error, "tidy the store")

    def _keep_up(self, *jobs: Callable[[Store, str, datetime], int]) -> None:
        """What time alone brings about, in every town; what fails is done the next time."""
        for tenant_id in self.tenants:
            for job in jobs:
                try:
                    job(self.store, tenant_id, self._clock())
                except MitoyenError as error:
                    # Its message may name a person: only what kind it is.
                    log.warning("%s failed for %s: %s", job.__name__, tenant_id, error.code)
                except Exception:  # one town's trouble is not the others', nor the feed's
                    log.exception("%s failed for %s", job.__name__, tenant_id)

    def _drop(self, tenant_id: str) -> None:
        engine = self._towns.pop(tenant_id).engine
        engine.close()
        if engine.keeper is not None:
            engine.keeper.remove()

    def _load(self, tenant_id: str, follower: Follower) -> Town:
        keeper = self._loading = self._make_keeper and self._make_keeper(tenant_id)
        try:
            return Town(self.store, tenant_id, follower, keeper, self._models, self._clock)
        except NotFoundError:  # it has gone meanwhile
            if keeper is not None:
                keeper.remove()
            raise
        finally:
            self._loading = None

    @property
    def engines(self) -> list[Engine]:
        """Those that are loaded."""
        return [town.engine for town in list(self._towns.values())]

    def ages(self) -> dict[str, float]:
        """Each tenant, and the age of its index in seconds.

        Raises
        ------
        IndexBehindError
            With code ``index-loading`` while some tenant's index is not loaded.
        """
        missing = [name for name in self.tenants if name not in self._towns]
        if missing:
            keeper = self._loading
            doing = keeper and "; ".join(filter(None, (keeper.doing, keeper.trouble)))
            raise IndexBehindError(
                f"{len(missing)} of {len(missing) + len(self._towns)} indexes not loaded: "
                f"{doing or self._why or 'being built'}",
                code="index-loading",
            )
        return {name: town.engine.age_s for name, town in sorted(self._towns.items())}

    def town(self, tenant_id: str) -> Town:
        """A tenant's town.

        Raises
        ------
        IndexBehindError
            With code ``index-loading`` while it is not loaded.
        """
        town = self._towns.get(tenant_id)
        if town is None:
            self._wake.set()
            raise IndexBehindError("the index is being loaded", code="index-loading")
        return town

    def keyless_tenant(self) -> str:
        """Whose public things a reader without a key sees.

        Raises
        ------
        UnauthenticatedError
            If there are several tenants, and none was named.
        """
        if self._keyless:
            return self._keyless
        if len(self.tenants) > 1:  # loaded or not: else it would depend on the moment
            raise UnauthenticatedError("several towns are served here: a key says which")
        return next(iter(self.tenants), DEFAULT_TENANT)

    def close(self) -> None:
        """Stop both threads and every engine."""
        self._closed.set()
        self._wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for town in self._towns.values():
            town.close()
        if self._follower is not None:
            self._follower.close()
