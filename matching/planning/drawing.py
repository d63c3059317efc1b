"""Noise, drawn once: from a quarter's facts to the tables that are kept of them."""

from collections.abc import Mapping

import pyarrow as pa

from geo.errors import InputError
from indexes.district_facts import Facts
from matching.disclosure import noisy_counts
from matching.planning.contributions import count_flows, count_pieces
from matching.planning.flows import flow_level, flows_to_table
from matching.planning.measures import DRAWS, EPSILONS, FLOWS
from matching.planning.noisy_figures import Drawn
from matching.planning.outlines import Outlines
from matching.planning.pieces import Pieces

__all__ = ["draw_counts"]


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
        If the families are others, or an ε is no number above 0.
    """
    if set(epsilons) != set(EPSILONS):
        raise InputError(f"ε must be given for {', '.join(EPSILONS)}; got {', '.join(epsilons)}")
    tables = {}
    for draw in DRAWS:
        if draw.name in (known or {}):
            continue
        pieces = Pieces.of(outlines, _empty_zones(outlines), by_cell=draw.by_cell)
        epsilon = epsilons[draw.family] * draw.share
        noisy = noisy_counts(count_pieces(facts, pieces, draw), draw.bound, epsilon)
        tables[draw.name] = Drawn(pieces, noisy, epsilon, outlines.vintage).to_table(draw)
    level = flow_level(outlines)
    if level and FLOWS.name not in (known or {}):
        zones = outlines.level(level)
        epsilon = epsilons[FLOWS.family] * FLOWS.share
        noisy = noisy_counts(count_flows(facts, zones, outlines.map.codes), FLOWS.bound, epsilon)
        tables[FLOWS.name] = flows_to_table(zones.codes, noisy, level, epsilon)
    return tables


def _empty_zones(outlines: Outlines) -> list[str]:
    """Codes of zones where the census counts no dwelling."""
    return [
        zone.code
        for zone in outlines.zones
        if zone.figures is not None and zone.figures.values.get("logements") == 0
    ]
