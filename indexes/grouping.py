"""Cut a tenant's dwellings into published groups: from buildings and census to a partition."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import shapely

from geo.arrays import CellArray, IntArray
from geo.cells import cell_to_text, cells_to_parents, point_to_cell
from geo.groups import COARSEST, FINEST, K_DWELLINGS, CellGroups, partition_cells
from indexes.entities import Building, CommuneCode, Group, GroupPartition, IrisCode, Zone
from indexes.store import Store

__all__ = ["Dwellings", "build_groups", "count_dwellings"]

PAGE = 10_000  # buildings read at once

Code = TypeVar("Code", bound=str)


@dataclass(frozen=True, slots=True, eq=False)
class Dwellings:
    """Dwellings by cell and zone: row i of every column belongs together."""

    cells: CellArray  # (n,) resolution 9
    counts: IntArray  # (n,)
    zones: tuple[IrisCode | None, ...]  # (n,)


def build_groups(
    store: Store,
    tenant_id: str,
    k: int = K_DWELLINGS,
    *,
    created_at: datetime | None = None,
    on_kept: Callable[[int], None] = lambda cell: None,
) -> GroupPartition:
    """A tenant's next partition into groups of at least ``k`` dwellings.

    It is computed, not stored: ``store.put_groups(build_groups(store, tenant_id))``.

    Parameters
    ----------
    store : Store
        Gives buildings, zones with their figures, and the partition before.
    tenant_id : str
        Whose dwellings.
    k : int
        Dwellings that a group must hold to be shown as a place.
    created_at : datetime, optional
        When, aware.
    on_kept : callable
        Told each cell of resolution 5 whose old cut stays.

    Returns
    -------
    GroupPartition
        Groups sorted by id. One whose cells are those of an old one keeps its id and point.

    Notes
    -----
    Who has watched all partitions sees groups of an earlier one and of the new one overlap.
    Where such an overlap would hold fewer than ``k`` dwellings, the cut before stays in the
    whole cell of resolution 5.
    """
    zones = {zone.code: zone for zone in store.zones(tenant_id)}
    dwellings = count_dwellings(_buildings(store, tenant_id), list(zones.values()))
    before = store.groups(tenant_id)
    version = before.version + 1 if before else 1
    old = list(before.groups) if before else []
    new = _cut(dwellings, k, version)
    kept: set[int] = set()
    for earlier in range(1, version):
        if partition := store.groups(tenant_id, earlier):
            kept |= _areas_to_keep(partition.groups, new, dwellings, k)
    for area in sorted(kept):
        on_kept(area)
    same = {group.cells: group for group in old}
    groups = [group for group in old if _area(group) in kept]
    groups += [same.get(group.cells, group) for group in new if _area(group) not in kept]
    labelled = _labelled(groups, dwellings, zones, k)
    return GroupPartition(
        tenant_id=tenant_id,
        version=version,
        groups=tuple(sorted(labelled, key=lambda group: group.id)),
        created_at=created_at,
    )


def count_dwellings(buildings: Sequence[Building], zones: Sequence[Zone]) -> Dwellings:
    """Where dwellings are, counted or spread.

    A building's own count rules. What a zone's census has beyond these is spread evenly, in
    whole dwellings, over its buildings without a count (largest remainder; equal ones in
    order of id). A zone without any building has its dwellings at its representative point.

    Parameters
    ----------
    buildings : sequence of Building
        Placed, in order of id.
    zones : sequence of Zone
        Of one vintage; those without the figure ``logements`` add nothing.
    """
    cells: list[int] = []
    counts: list[int] = []
    codes: list[IrisCode | None] = []
    counted: dict[IrisCode | None, int] = defaultdict(int)
    uncounted: dict[IrisCode | None, list[int]] = defaultdict(list)
    for building in buildings:
        place = building.place
        if place is None:
            continue  # not on the map, so in nobody's reach
        if building.dwellings is None:
            uncounted[place.zone].append(len(counts))
        else:
            counted[place.zone] += building.dwellings
        cells.append(place.cell)
        counts.append(building.dwellings or 0)
        codes.append(place.zone)
    for zone in zones:
        census = round(zone.figures.values.get("logements", 0.0)) if zone.figures else 0
        left = max(0, census - counted.get(zone.code, 0))
        rows = uncounted.get(zone.code, [])
        if rows:
            share, more = divmod(left, len(rows))
            for i, row in enumerate(rows):
                counts[row] = share + (i < more)
        elif zone.code not in counted and left:
            point = shapely.point_on_surface(zone.geometry)
            cells.append(point_to_cell((point.x, point.y), FINEST))
            counts.append(left)
            codes.append(zone.code)
    return Dwellings(
        np.array(cells, dtype=np.uint64), np.array(counts, dtype=np.int64), tuple(codes)
    )


def _buildings(store: Store, tenant_id: str) -> list[Building]:
    found: list[Building] = []
    while page := store.page(Building, tenant_id, after=found[-1].id if found else "", limit=PAGE):
        found += page
    return found


def _cut(dwellings: Dwellings, k: int, version: int) -> list[Group]:
    partition = partition_cells(dwellings.cells, dwellings.counts, k)
    return [
        Group(
            # The cell of its public point: tells no more than the point does.
            id=f"g{version}-{cell_to_text(int(partition.point_cells[i]))}",
            cells=partition.cells[i],
            lon=float(partition.lonlat[i, 0]),
            lat=float(partition.lonlat[i, 1]),
            dwellings=int(partition.dwellings[i]),
            locatable=bool(partition.locatable[i]),
        )
        for i in range(len(partition))
    ]


def _area(group: Group) -> int:
    """The cell of resolution 5 that a group lies in: none spans two."""
    return int(cells_to_parents(np.array(group.cells[:1], dtype=np.uint64), COARSEST)[0])


def _areas_to_keep(
    old: Sequence[Group], new: Sequence[Group], dwellings: Dwellings, k: int
) -> set[int]:
    """Cells of resolution 5 where an old and a new group overlap in fewer than k dwellings."""
    was = CellGroups([group.cells for group in old]).group_of(dwellings.cells).tolist()
    will = CellGroups([group.cells for group in new]).group_of(dwellings.cells).tolist()
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for o, n, count in zip(was, will, dwellings.counts.tolist(), strict=True):
        shared[o, n] += count
    return {
        _area(new[n])
        for (o, n), count in shared.items()
        # What is no place, before or after, shows no overlap.
        if o >= 0 and n >= 0 and old[o].locatable and new[n].locatable and 0 < count < k
    }


def _labelled(
    groups: Sequence[Group], dwellings: Dwellings, zones: dict[IrisCode, Zone], k: int
) -> Iterator[Group]:
    """Groups with what they hold today: dwellings, zones, commune."""
    found = CellGroups([group.cells for group in groups]).group_of(dwellings.cells).tolist()
    held = [0] * len(groups)
    by_zone: list[dict[IrisCode, int]] = [defaultdict(int) for _ in groups]
    for i, count, code in zip(found, dwellings.counts.tolist(), dwellings.zones, strict=True):
        if i >= 0:
            held[i] += count
            if code in zones and count:
                by_zone[i][code] += count
    for group, total, shares in zip(groups, held, by_zone, strict=True):
        locatable = total >= k
        communes: dict[CommuneCode, int] = defaultdict(int)
        for code, count in shares.items():
            communes[zones[code].commune_code] += count
        commune = _largest(communes)
        names = {zone.commune_code: zone.commune_name for zone in map(zones.__getitem__, shares)}
        yield replace(
            group,
            dwellings=total,
            locatable=locatable,
            zones=_zones(shares, k) if locatable else (),
            commune_code=commune,
            commune_name=names[commune] if commune else "",
        )


def _zones(shares: dict[IrisCode, int], k: int) -> tuple[IrisCode, ...]:
    """Every zone with k of a group's dwellings, else the one with most."""
    enough = tuple(sorted(code for code, count in shares.items() if count >= k))
    most = _largest(shares)
    return enough or ((most,) if most else ())


def _largest(shares: dict[Code, int]) -> Code | None:
    """The key with the largest share, the lowest of equal ones."""
    return min(shares, key=lambda key: (-shares[key], key), default=None)
