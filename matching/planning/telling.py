"""A release from its draws: all that is told, and what it says of itself."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo.arrays import BoolArray, FloatArray
from geo.errors import InputError
from indexes.district_facts import Facts
from indexes.releases import STATUSES, Release
from matching.disclosure import (
    BUSINESS_SHARE,
    BUSINESS_UNITS,
    CONFIDENCE,
    FLOW_THRESHOLD,
    half_widths,
    visible,
)
from matching.districts import column_name
from matching.planning.flows import flow_figures
from matching.planning.measures import (
    BUILDING_THRESHOLD,
    DRAWS,
    FLOWS,
    GOALS,
    HOUSEHOLD_THRESHOLD,
    RULES,
)
from matching.planning.noisy_figures import (
    OWN,
    Drawn,
    Sums,
    counted_figures,
    goal_gaps,
    goal_name,
    levels_above,
    sums_of,
)
from matching.planning.outlines import Outlines
from matching.planning.pieces import (
    Pieces,
    empty_zones,
    level_weights,
    own_weights,
    piece_shares,
    touched,
)
from matching.planning.public_figures import (
    WALKED,
    access_figures,
    business_figures,
    supply_figures,
)
from matching.planning.tabulating import HIDDEN, OK, UNKNOWN, ZERO, Figure, level_rows
from matching.planning.vintages import apportioned

__all__ = ["build_release", "has_figures", "require_goals", "require_tellable"]

Denominators = Mapping[str, FloatArray]

CENSUS = {"households": "menages", "residents": "pop"}
UNMOVED = 0.9  # outlines drawn more coarsely differ by some hundredths
MOST_GOALS = 6  # each is a line on a map and a figure of every zone


def build_release(
    facts: Facts,
    outlines: Outlines,
    draws: Mapping[str, pa.Table],
    *,
    tenant_id: str,
    version: int,
    created_at: datetime,
    goals: Sequence[float] = GOALS,
    previous: Release | None = None,
    drawn_in: Mapping[int, Outlines] | None = None,
    beside: int | None = None,
) -> Release:
    """Tell a quarter's figures by zone.

    Parameters
    ----------
    facts : Facts
        Only what is public of them is read: buildings' dwellings and public listings.
    outlines : Outlines
        Zones to tell, with their census figures.
    draws : mapping of str to Table
        All that `draw_counts` made of the quarter.
    tenant_id : str
    version : int
    created_at : datetime
        Now, aware.
    goals : sequence of float
        Shares of a town's households that it aims at, 0 to 1.
    previous : Release, optional
        Of the quarter before, for the trend.
    drawn_in : mapping of int to Outlines, optional
        By vintage, the zones that draws of another vintage than ``outlines`` were made in.
    beside : int, optional
        Vintage of other zones that the next version is to tell the same by.

    Returns
    -------
    Release
        A function of what is given: the same again, to the byte.

    Raises
    ------
    InputError
        As `require_tellable`.
    """
    require_tellable(outlines, goals)
    release_id = str(facts.quarter)
    drawn = {draw.name: Drawn.of(draws[draw.name], draw) for draw in DRAWS}
    denominators, census = _denominators(outlines, facts)
    empty = np.isin(outlines.map.codes, empty_zones(outlines, facts.buildings))
    lived_in = denominators["iris"]["households"] > 0.0
    sums = _sums(drawn, outlines, drawn_in or {}, facts.buildings, empty, lived_in)
    parents, vintage = outlines.parent_codes, outlines.vintage
    tables: dict[str, pa.Table] = {}
    shares: dict[str, dict[str, float]] = {}

    def write(level: str, told: list[Figure]) -> None:
        for name, share in _visible(told, level, outlines):
            shares.setdefault(name, {}).update(share)
        codes = outlines.codes(level)
        tables[level] = level_rows(level, codes, told, parents, vintage, release_id)

    def counted(levels: Sequence[str]) -> dict[str, list[Figure]]:
        return _counted(levels, sums, outlines, denominators, census, goals, previous)

    # A country has so many cells that they are written, and let go, before all else is counted.
    write("cell", counted(["cell"])["cell"])
    del sums["cell"]
    figures = counted([level for level in reversed(outlines.levels) if level != "cell"])
    for more in (
        business_figures(facts.listings, outlines),
        access_figures(facts, outlines, denominators, empty),
        supply_figures(sums, figures, outlines, denominators),
    ):
        for level, added in more.items():
            figures[level] += added
    flows_level = None
    if FLOWS.name in draws:
        flows_level = draws[FLOWS.name].schema.metadata[b"level"].decode()
        if flows_level in figures:
            unknown = sums[flows_level]["carpool"].uncounted
            if (year := drawn["carpool"].vintage) != vintage:
                unknown = unknown | _moved(flows_level, outlines, (drawn_in or {})[year])
            codes = outlines.codes(flows_level)
            figures[flows_level] += flow_figures(draws[FLOWS.name], codes, unknown)
    for level in sorted(figures):
        write(level, figures.pop(level))
    return Release(
        tenant_id=tenant_id,
        id=release_id,
        version=version,
        created_at=created_at.replace(microsecond=0),
        vintage=outlines.vintage,
        head={
            "epsilon": _epsilons(draws),
            "thresholds": {
                "households": HOUSEHOLD_THRESHOLD,
                "buildings": BUILDING_THRESHOLD,
                "flows": FLOW_THRESHOLD,
                "businesses": {"units": BUSINESS_UNITS, "share": BUSINESS_SHARE},
                "confidence": CONFIDENCE,
            },
            "goals": list(goals),
            "sources": {
                OWN: f"{OWN} {release_id}",
                "census": census,
                WALKED: "1.3 times the distance through the air, at 1.2 m/s",
            },
            "drawn_in": sorted({one.vintage for one in drawn.values()}),
            "beside": beside,
            "visible": dict(sorted(shares.items())),
            "unplaced": _unplaced(drawn["households"]),
            "rules": [{"fr": fr, "en": en} for fr, en in RULES],
            "flows_level": flows_level,
        },
        rows=pa.concat_tables([tables[level] for level in sorted(tables)]),
    )


def require_tellable(outlines: Outlines, goals: Sequence[float]) -> None:
    """Refuse what no release can be made of: better before anything is drawn.

    Raises
    ------
    InputError
        If no zone has census figures (code ``no-figures``), a goal is out of range, or
        two read alike.
    """
    require_goals(goals)
    if not has_figures(outlines):
        raise InputError(
            f"zones of {outlines.vintage} have no census figures: import them with the zones",
            code="no-figures",
        )


def has_figures(outlines: Outlines) -> bool:
    """Whether the census is known of any zone."""
    return any(zone.figures is not None for zone in outlines.zones)


def require_goals(goals: Sequence[float]) -> None:
    """Refuse goals that no release can tell.

    Raises
    ------
    InputError
        If there are none or more than 6, one is out of range, or two read alike.
    """
    if not 1 <= len(goals) <= MOST_GOALS:
        raise InputError(f"a town aims at 1 to {MOST_GOALS} goals, got {len(goals)}")
    for goal in goals:
        if not 0.0 < goal <= 1.0:
            raise InputError(f"a goal is a share of households above 0 and up to 1, got {goal}")
    names = [goal_name(goal) for goal in goals]
    if len(set(names)) < len(names):
        raise InputError(f"goals must read differently in percent, got {', '.join(names)}")


def _counted(
    levels: Sequence[str],
    sums: Mapping[str, Mapping[str, Sums]],
    outlines: Outlines,
    denominators: Mapping[str, Denominators],
    census: str,
    goals: Sequence[float],
    previous: Release | None,
) -> dict[str, list[Figure]]:
    """By level, those that carry before those that are carried: what is counted of people, and
    what follows from it."""
    figures: dict[str, list[Figure]] = {}
    for level in levels:
        above = levels_above(level, outlines, figures)
        known = denominators[level]
        found = counted_figures(sums[level], known, above, cells=level == "cell", census=census)
        by_name = {figure.measure: figure for figure in found if not figure.category}
        found += goal_gaps(by_name["penetration"], goals)
        if level != "cell":
            found.append(_trend(by_name["households"], level, outlines, previous))
        figures[level] = found
    return figures


def _sums(
    drawn: Mapping[str, Drawn],
    outlines: Outlines,
    drawn_in: Mapping[int, Outlines],
    buildings: pa.Table,
    empty: BoolArray,
    lived_in: BoolArray,
) -> dict[str, dict[str, Sums]]:
    """Draws summed by level.

    IRIS where nobody can live now (``empty``) or could when it was drawn need no piece, unless
    the census counts households there (``lived_in``).
    """
    found: dict[str, dict[str, Sums]] = {level: {} for level in outlines.levels}
    pieces, weights, uncounted = None, {}, {}
    for draw in DRAWS:
        one = drawn[draw.name]
        if pieces is None or not pieces.same(one.pieces):  # draws of one run have the same
            pieces = one.pieces
            if one.vintage == outlines.vintage:
                iris = own_weights(pieces, outlines)
            else:
                iris = apportioned(pieces, drawn_in[one.vintage], outlines, buildings)
            weights = level_weights(pieces, outlines, iris)
            outside = np.asarray(iris.sum(axis=1)) == 0.0
            outside &= lived_in | ~(empty | np.isin(outlines.map.codes, one.empty))
            uncounted = touched(outside, outlines)
        for level, of_level in weights.items():
            found[level][draw.name] = sums_of(one, draw, of_level, uncounted[level])
    return found


def _moved(level: str, outlines: Outlines, others: Outlines) -> BoolArray:
    """Zones that aren't there in another vintage, or have less than nine tenths of their ground in
    common with the one of their code."""
    known, codes = others.level(level).index, outlines.codes(level)
    moved = np.array([code not in known for code in codes])
    one = outlines.outlines(level)[~moved]
    other = others.outlines(level)[[known[code] for code in codes if code in known]]
    common = shapely.area(shapely.intersection(one, other))
    moved[~moved] = common < UNMOVED * np.maximum(shapely.area(one), shapely.area(other))
    return moved


def _denominators(outlines: Outlines, facts: Facts) -> tuple[dict[str, Denominators], str]:
    """Census figures by level, and where they are from; a cell's are its shares of its zones'."""
    census = {zone.figures.census_year for zone in outlines.zones if zone.figures is not None}
    by_iris = {
        name: np.array(
            [
                zone.figures.values.get(column, np.nan) if zone.figures is not None else np.nan
                for zone in outlines.zones
            ]
        )
        for name, column in CENSUS.items()
    }
    pieces = Pieces.of(outlines)
    shares = piece_shares(outlines, facts.buildings)
    weights = level_weights(pieces, outlines, own_weights(pieces, outlines))
    found: dict[str, Denominators] = {
        level: {
            name: weights[level] @ (shares * values[pieces.zone])
            for name, values in by_iris.items()
        }
        for level in outlines.levels
    }
    found["iris"] = by_iris  # as printed, not as added up again
    return found, f"insee-rp{max(census)}"


def _trend(households: Figure, level: str, outlines: Outlines, previous: Release | None) -> Figure:
    """Households more or less than a quarter ago, where both are told and zones are the same."""
    codes = outlines.codes(level)
    before, comparable = np.full((3, len(codes)), np.nan), np.zeros(len(codes), dtype=bool)
    if previous is not None and previous.vintage == outlines.vintage:
        rows = previous.rows.filter(pc.field("measure") == "households")
        told_then = rows.filter(pc.field("level") == "iris")["zone"]
        joined = pc.invert(pc.is_in(pa.array(outlines.map.codes), value_set=told_then))
        rows = rows.filter(pc.field("level") == level)
        at = np.asarray(pc.fill_null(pc.index_in(pa.array(codes), value_set=rows["zone"]), -1))
        columns = [np.asarray(rows[name], dtype=np.float64) for name in ("value", "lower", "upper")]
        before[:, at >= 0] = np.stack(columns)[:, at[at >= 0]]
        unknown = rows.filter(pc.field("status") == STATUSES[UNKNOWN])["zone"]
        comparable = (at >= 0) & ~touched(np.asarray(joined), outlines)[level]
        comparable &= ~np.isin(codes, unknown.to_pylist()) & (households.status != UNKNOWN)
    told = comparable & ~np.isnan(households.value) & ~np.isnan(before[0])
    # Nobody could live there a quarter ago, nor can now.
    zero = told & (households.status == ZERO) & (before[2] == 0.0)
    width = (households.upper - households.value) + (before[2] - before[0])
    status = np.select([zero, told, comparable], [ZERO, OK, HIDDEN], UNKNOWN).astype(np.int8)
    return Figure.told(
        "trend", "", households.value - before[0], width, status, before[0], households.source
    )


def _epsilons(draws: Mapping[str, pa.Table]) -> dict[str, float]:
    """What was spent, by family and in all: read from the draws, whatever is configured now."""
    spent: dict[str, float] = {}
    for draw in (*DRAWS, FLOWS):
        if draw.name in draws:
            epsilon = float(draws[draw.name].schema.metadata[b"epsilon"])
            spent[draw.family] = spent.get(draw.family, 0.0) + epsilon
    spent["total"] = sum(spent.values())
    return {family: round(epsilon, 9) for family, epsilon in spent.items()}


def _visible(
    figures: Sequence[Figure], level: str, outlines: Outlines
) -> Iterator[tuple[str, dict[str, float]]]:
    """Share of a level's zones that a figure is told of, where there is one to tell.

    By measure (with its category, as ``listings__garde``) and level; ``iris_h`` are the IRIS of
    type H.
    """
    groups = {level: np.ones(len(figures[0].status), dtype=bool)}
    if level == "iris":
        groups["iris_h"] = np.array([zone.type == "H" for zone in outlines.zones])
    for figure in figures:
        countable = (figure.status != ZERO) & (figure.status != UNKNOWN)
        shares = {
            name: round(float((figure.status[among] == OK).mean()), 4)
            for name, group in groups.items()
            if (among := group & countable).any()
        }
        if shares:
            yield column_name(figure.measure, figure.category), shares


def _unplaced(households: Drawn) -> float | None:
    """Households registered outside every zone, where there are enough to tell."""
    count = households.counts[-1:, 0].astype(np.float64)
    width = half_widths(np.array([1]), 1.0 / households.epsilon)
    return float(count[0]) if visible(count, width, HOUSEHOLD_THRESHOLD)[0] else None
