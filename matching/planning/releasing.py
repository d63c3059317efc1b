"""A quarter's release: counted, drawn once, kept, and told by zone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isclose
from zoneinfo import ZoneInfo

import pyarrow as pa

from geo.errors import ConflictError, InputError, NotFoundError
from indexes.district_facts import Quarter
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
    """Release a quarter's figures, or read what was released.

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
    told = [head for head in store.releases(tenant_id) if head.id == str(quarter)]
    known = _stored_draws(store, tenant_id, quarter)
    _require_kept(known, epsilons or {})
    if told and not correct:
        last = _require_same(told, goals, vintage)
        return store.release(tenant_id, last.id, last.version)
    chosen = settings_of(store, tenant_id)
    if goals is None:
        goals = told[0].head["goals"] if told else chosen.goals
    if vintage is not None and vintage not in store.vintages(tenant_id):
        raise NotFoundError(f"no zones of {vintage} are stored", code="unknown-vintage")
    newest = Outlines(store.zones(tenant_id))
    by_vintage = {newest.vintage: newest}

    def outlines_of(year: int) -> Outlines:
        if year not in by_vintage:
            by_vintage[year] = Outlines(store.zones(tenant_id, year))
        return by_vintage[year]

    outlines = newest if vintage is None else outlines_of(vintage)
    require_tellable(outlines, goals)
    _require_activity(known, quarter, oldest_kept(created_at, zone))
    facts = store.facts(tenant_id, quarter)
    # What is spent counts in the sum: another choice than then must not add to it.
    spending = {**chosen.epsilons, **(epsilons or {}), **_spent(known)}
    try:
        store.add_draws(tenant_id, str(quarter), draw_counts(facts, newest, known, spending))
    except ConflictError:  # another process was first: its draws count, with the ε that it spent
        return release_quarter(
            store, tenant_id, quarter, created_at=created_at, epsilons=epsilons, goals=goals,
            vintage=vintage, correct=correct,
        )  # fmt: skip
    draws = _stored_draws(store, tenant_id, quarter)
    drawn_in = {year: outlines_of(year) for year in _vintages(draws)}

    def tell(outlines: Outlines, version: int) -> Release:
        before = [  # the newest first
            head
            for head in store.releases(tenant_id)
            if head.id == str(quarter.previous) and head.vintage == outlines.vintage
        ]
        release = build_release(
            facts,
            outlines,
            draws,
            tenant_id=tenant_id,
            version=version,
            created_at=created_at,
            goals=goals,
            previous=store.release(tenant_id, before[0].id, before[0].version) if before else None,
            drawn_in=drawn_in,
        )
        store.add_release(release)
        return release

    release = tell(outlines, 1 + max((head.version for head in told), default=0))
    older = [year for year in reversed(store.vintages(tenant_id)) if year < newest.vintage]
    beside = (outlines_of(year) for year in older if vintage is None)
    if (other := next(filter(has_figures, beside), None)) is not None:
        tell(other, release.version + 1)
    return release


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
