"""A quarter's release: counted, drawn once, kept, and told by zone."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from math import isclose
from zoneinfo import ZoneInfo

import pyarrow as pa

from geo.errors import ConflictError, InputError, NotFoundError
from indexes.district_facts import Facts, Quarter
from indexes.entities import Tenant
from indexes.releases import Release, ReleaseHead, chosen_release
from indexes.store import Store
from matching.districts import Districts
from matching.planning.drawing import draw_counts
from matching.planning.measures import DRAWS, FLOWS
from matching.planning.outlines import Outlines
from matching.planning.retention import oldest_kept
from matching.planning.settings import settings_of
from matching.planning.suppression import ExactTable, exact_table, require_category
from matching.planning.telling import build_release, has_figures, require_tellable

__all__ = ["load_districts", "release_quarter", "staff_table"]

EXACT = "exact"  # the family that exact tables are kept under; "exact-garde" by category


def release_quarter(
    store: Store,
    tenant_id: str,
    quarter: Quarter,
    *,
    created_at: datetime,
    epsilons: Mapping[str, float] | None = None,
    goals: Sequence[float] | None = None,
    vintage: int | None = None,
    correct: bool = False,
) -> Release:
    """Release a quarter's figures, or read what was released; what was stopped is completed first.

    Parameters
    ----------
    store : Store
    tenant_id : str
    quarter : Quarter
        Settled by ``created_at``: 48 hours after its end, for replies, and its last week over.
    created_at : datetime
        Now, aware.
    epsilons : mapping of str to float, optional
        ε by family, of some: by default as the town has chosen (`settings_of`). Families drawn
        before keep theirs.
    goals : sequence of float, optional
        Shares of a town's households that it aims at, 0 to 1; by default as the town has chosen,
        and of a correction, those of the version before.
    vintage : int, optional
        Of the zones to tell; by default the newest, and beside them, as a version of its own, the
        newest before them that has census figures.
    correct : bool
        Make a further version of a quarter released before: with the same draws, but with
        zones, census figures and public listings as they are now.

    Returns
    -------
    Release

    Raises
    ------
    InputError
        If the quarter isn't settled (code ``quarter-not-over``) or its weeks of activity are
        forgotten (``quarter-too-old``), there are no zones (``no-zones``) or none has census
        figures (``no-figures``), or ε or a goal is out of range.
    ConflictError
        If it was drawn with another ε than is given (code ``already-drawn``), or, without
        ``correct``, released with other goals or zones (code ``release-exists``).
    NotFoundError
        If there is no such tenant, or no zones of that vintage (code ``unknown-vintage``).
    """
    zone = ZoneInfo(store.get(Tenant, tenant_id, tenant_id).timezone)
    settles = quarter.settles(zone)
    if created_at < settles:
        raise InputError(
            f"{quarter} ends on {quarter.last_day}, and its last week and replies by "
            f"{settles.astimezone(zone):%Y-%m-%d %H:%M}: figures are drawn once, and after that",
            code="quarter-not-over",
        )
    telling = _Telling(store, tenant_id, quarter, created_at)
    told = telling.told()
    known = _stored_draws(store, tenant_id, quarter)
    _require_kept(known, epsilons or {})
    made = None
    if correct or not told:
        chosen = settings_of(store, tenant_id)
        aims = goals
        if aims is None:
            aims = told[0].head["goals"] if told else chosen.goals
        if vintage is not None and vintage not in store.vintages(tenant_id):
            raise NotFoundError(f"no zones of {vintage} are stored", code="unknown-vintage")
        outlines = telling.newest if vintage is None else telling.outlines(vintage)
        require_tellable(outlines, aims)
        _require_activity(known, quarter, oldest_kept(created_at, zone))
        # What is spent counts in the sum: another choice than then must not add to it.
        spending = {**chosen.epsilons, **(epsilons or {}), **_spent(known)}
        drawn = draw_counts(telling.facts, telling.newest, known, spending)
        beside = telling.older_vintage() if vintage is None else None
        try:
            store.add_draws(tenant_id, str(quarter), drawn)
            made = telling.tell(outlines, told, aims, beside)
        except ConflictError:  # another process was first: its draws count, and what it told
            return release_quarter(
                store, tenant_id, quarter, created_at=created_at, epsilons=epsilons, goals=goals,
                vintage=vintage, correct=correct,
            )  # fmt: skip
        told = [made, *told]
    # In a version of its own, here or by who asks again after it was stopped.
    while (half := _half_told(told)) is not None:
        with suppress(ConflictError):  # another process told it meanwhile
            telling.tell(telling.outlines(half.head["beside"]), told, half.head["goals"])
        told = telling.told()
    if made is None:
        last = _require_same(told, goals, vintage)
        made = store.release(tenant_id, last.id, last.version)
    return made


class _Telling:
    """A quarter of a store being told: each part of it read once, when it is needed."""

    def __init__(
        self, store: Store, tenant_id: str, quarter: Quarter, created_at: datetime
    ) -> None:
        self._store = store
        self._tenant_id = tenant_id
        self._quarter = quarter
        self._created_at = created_at
        self._by_vintage: dict[int, Outlines] = {}

    @cached_property
    def facts(self) -> Facts:
        return self._store.facts(self._tenant_id, self._quarter)

    @cached_property
    def newest(self) -> Outlines:
        """The newest zones: those that people are counted by."""
        newest = Outlines(self._store.zones(self._tenant_id))
        return self._by_vintage.setdefault(newest.vintage, newest)

    @cached_property
    def draws(self) -> dict[str, pa.Table]:
        """What is drawn of the quarter: asked for once all is."""
        return _stored_draws(self._store, self._tenant_id, self._quarter)

    def outlines(self, vintage: int) -> Outlines:
        if vintage not in self._by_vintage:
            self._by_vintage[vintage] = Outlines(self._store.zones(self._tenant_id, vintage))
        return self._by_vintage[vintage]

    def older_vintage(self) -> int | None:
        """The newest zones before the newest that have census figures, if any do."""
        vintages = reversed(self._store.vintages(self._tenant_id))
        older = (year for year in vintages if year < self.newest.vintage)
        return next((year for year in older if has_figures(self.outlines(year))), None)

    def told(self, quarter: Quarter | None = None) -> list[ReleaseHead]:
        """Versions that are kept of a quarter, by default this one, the newest first."""
        heads = self._store.releases(self._tenant_id)
        return [head for head in heads if head.id == str(quarter or self._quarter)]

    def tell(
        self,
        outlines: Outlines,
        told: Sequence[ReleaseHead],
        goals: Sequence[float],
        beside: int | None = None,
    ) -> Release:
        """Make and keep the next version.

        Raises
        ------
        ConflictError
            If another process has kept it; its code is ``release-exists``.
        """
        store, tenant_id = self._store, self._tenant_id
        before = [
            head for head in self.told(self._quarter.previous) if head.vintage == outlines.vintage
        ]
        release = build_release(
            self.facts,
            outlines,
            self.draws,
            tenant_id=tenant_id,
            version=1 + max((head.version for head in told), default=0),
            created_at=self._created_at,
            goals=goals,
            previous=store.release(tenant_id, before[0].id, before[0].version) if before else None,
            drawn_in={year: self.outlines(year) for year in _vintages(self.draws)},
            beside=beside,
        )
        store.add_release(release)
        return release


def _half_told(told: Sequence[ReleaseHead]) -> ReleaseHead | None:
    """The last version that another vintage was to be told beside, unless it was: one after it."""
    for i, head in enumerate(told):  # the newest first
        if (beside := head.head.get("beside")) is not None:
            return None if any(later.vintage == beside for later in told[:i]) else head
    return None


def _require_activity(known: Mapping[str, pa.Table], quarter: Quarter, oldest: Quarter) -> None:
    """Refuse to draw a quarter whose weeks of activity are forgotten: nobody was active then."""
    if quarter < oldest and not all(draw.name in known for draw in DRAWS):
        raise InputError(
            f"activity is kept since {oldest}, and {quarter} was never drawn: too late to release",
            code="quarter-too-old",
        )


def _require_kept(known: Mapping[str, pa.Table], epsilons: Mapping[str, float]) -> None:
    """Refuse an ε that a family was not drawn with: it is spent, and nothing is drawn again."""
    for family, spent in _spent(known).items():
        if family in epsilons and not isclose(spent, epsilons[family], rel_tol=1e-9):
            raise ConflictError(
                f"{family} was drawn with ε {spent:g}, not {epsilons[family]:g}: that is spent, "
                "and no correction draws again",
                code="already-drawn",
            )


def _spent(known: Mapping[str, pa.Table]) -> dict[str, float]:
    """ε of the families that something was drawn of."""
    return {
        draw.family: round(float(known[draw.name].schema.metadata[b"epsilon"]) / draw.share, 12)
        for draw in (*DRAWS, FLOWS)
        if draw.name in known
    }


def _require_same(
    told: Sequence[ReleaseHead], goals: Sequence[float] | None, vintage: int | None
) -> ReleaseHead:
    """The release, unless something else is asked for than it tells."""
    known = sorted({head.vintage for head in told})
    last = chosen_release(told, vintage=vintage if vintage in known else None)
    other = []
    if goals is not None and sorted(goals) != sorted(last.head["goals"]):
        other.append(f"goals {', '.join(f'{goal:g}' for goal in last.head['goals'])}")
    if vintage is not None and vintage not in known:
        other.append(f"zones of {' and '.join(map(str, known))}")
    if other:
        raise ConflictError(
            f"{last.id} is released with {' and '.join(other)}: for others, correct it (--correct)",
            code="release-exists",
        )
    return last


def load_districts(
    store: Store,
    tenant_id: str,
    id: str | None = None,
    version: int | None = None,
    vintage: int | None = None,
) -> Districts:
    """A release over its outlines, as it is read.

    Parameters
    ----------
    store : Store
    tenant_id : str
    id, version, vintage : optional
        As `chosen_release` takes them.

    Returns
    -------
    Districts

    Raises
    ------
    NotFoundError
        If there is no such release (code ``unknown-release``), or none over zones of that vintage
        (code ``unknown-vintage``).
    """
    head = chosen_release(store.releases(tenant_id), id, version, vintage)
    release = store.release(tenant_id, head.id, head.version)
    draws = _stored_draws(store, tenant_id, Quarter.parse(release.id))
    return Districts(release, Outlines(store.zones(tenant_id, release.vintage)), draws)


def staff_table(
    store: Store, tenant_id: str, quarter: Quarter, category: str | None = None
) -> ExactTable:
    """A quarter's exact table for a town's own staff: made when first asked for, and kept.

    Parameters
    ----------
    store : Store
    tenant_id : str
    quarter : Quarter
        Released.
    category : str, optional
        As `exact_table`.

    Returns
    -------
    ExactTable
        The same ever after, whoever joins or leaves and whatever zones are imported: two tables
        of one quarter would tell of a household by their difference.

    Raises
    ------
    NotFoundError
        If the quarter wasn't released; its code is ``unknown-release``.
    InputError
        If there is no such category (code ``unknown-category``).
    ConflictError
        If zones of another vintage than the release's were imported before the table was ever
        asked for; its code is ``vintage-changed``.
    """
    require_category(category)
    release = chosen_release(store.releases(tenant_id), str(quarter))
    family = f"{EXACT}-{category}" if category else EXACT
    kept = store.draws(tenant_id, str(quarter), family)
    if kept is None:
        outlines = Outlines(store.zones(tenant_id))
        if outlines.vintage != release.vintage:
            raise ConflictError(
                f"{quarter} is told by zones of {release.vintage}, and people are counted by those "
                f"of {outlines.vintage} now: correct the release, and ask again",
                code="vintage-changed",
            )
        made = exact_table(store.facts(tenant_id, quarter), outlines, category)
        try:
            store.add_draws(tenant_id, str(quarter), {family: made.to_table()})
        except ConflictError:  # another process was first: its table counts
            return staff_table(store, tenant_id, quarter, category)
        return made
    return ExactTable.of(kept)


def _vintages(draws: Mapping[str, pa.Table]) -> set[int]:
    return {int(draws[draw.name].schema.metadata[b"vintage"]) for draw in DRAWS}


def _stored_draws(store: Store, tenant_id: str, quarter: Quarter) -> dict[str, pa.Table]:
    found = {draw.name: store.draws(tenant_id, str(quarter), draw.name) for draw in (*DRAWS, FLOWS)}
    return {name: table for name, table in found.items() if table is not None}
