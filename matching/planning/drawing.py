"""Noise, drawn once: from a quarter's facts to the tables that are kept of them."""

from collections.abc import Mapping

import pyarrow as pa

from geo.errors import InputError
from indexes.district_facts import Facts
from matching.disclosure import noisy_counts
from matching.planning.contributions import count_flows, count_pieces
from matching.planning.flows import flow_level, flows_to_table
from matching.planning.measures import (
    DRAWS,
    EPSILON_LEAST,
    EPSILON_MOST,
    EPSILON_TOTAL,
    EPSILONS,
    FLOWS,
)
from matching.planning.noisy_figures import Drawn
from matching.planning.outlines import Outlines
from matching.planning.pieces import Pieces, empty_zones

__all__ = ["draw_counts", "require_epsilons"]


def draw_counts(
    facts: Facts,
    outlines: Outlines,
    known: Mapping[str, pa.Table] | None = None,
    epsilons: Mapping[str, float] = EPSILONS,
) -> dict[str, pa.Table]:
    """Draw the noisy counts of a quarter: once for all, to be kept.

    Parameters
    ----------
    facts : Facts
    outlines : Outlines
        Zones of the vintage that the facts lie in.
    known : mapping of str to Table, optional
        Draws that are kept already: these are not drawn again.
    epsilons : mapping of str to float
        ε by family, as `EPSILONS`.

    Returns
    -------
    dict of str to Table
        New draws by name: ``zone, cell`` (flows: ``zone, to``) and a column per count; metadata
        tell ε and the vintage.

    Raises
    ------
    InputError
        As `require_epsilons`, before anything is drawn.
    """
    require_epsilons(epsilons)
    tables = {}
    empty = empty_zones(outlines, facts.buildings)
    for draw in DRAWS:
        if draw.name in (known or {}):
            continue
        pieces = Pieces.of(outlines, empty, by_cell=draw.by_cell)
        epsilon = epsilons[draw.family] * draw.share
        noisy = noisy_counts(count_pieces(facts, pieces, draw), draw.bound, epsilon)
        drawn = Drawn(pieces, noisy, epsilon, outlines.vintage, tuple(empty))
        tables[draw.name] = drawn.to_table(draw)
    level = flow_level(outlines)
    if level and FLOWS.name not in (known or {}):
        zones = outlines.level(level)
        epsilon = epsilons[FLOWS.family] * FLOWS.share
        noisy = noisy_counts(count_flows(facts, zones, outlines.map.codes), FLOWS.bound, epsilon)
        tables[FLOWS.name] = flows_to_table(zones.codes, noisy, level, epsilon)
    return tables


def require_epsilons(epsilons: Mapping[str, float]) -> None:
    """Refuse what would protect nobody, or tell nothing: better before anything is drawn.

    Raises
    ------
    InputError
        If the families are others than `EPSILONS`, an ε isn't 0.001 to 1, or they are more than
        2 together.
    """
    if set(epsilons) != set(EPSILONS):
        raise InputError(f"ε must be given for {', '.join(EPSILONS)}; got {', '.join(epsilons)}")
    for family, epsilon in epsilons.items():
        if not EPSILON_LEAST <= epsilon <= EPSILON_MOST:
            raise InputError(
                f"ε of {family} must be {EPSILON_LEAST:g} to {EPSILON_MOST:g}, got {epsilon:g}: "
                "with less, noise drowns every figure; with more, it hides hardly anybody"
            )
    total = sum(epsilons.values())
    if total > EPSILON_TOTAL + 1e-9:  # what adding up rounds
        raise InputError(
            f"all ε together must be at most {EPSILON_TOTAL:g}, got {total:g}: a household's "
            "losses in privacy add up over the families"
        )
