"""indexes/grouping.py on a real store: dwellings counted and spread, groups labelled, cuts kept."""

import csv
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.cells import cell_children, cells_to_lonlat, cells_to_parents, point_to_cell
from geo.figures import read_figures
from geo.groups import CellGroups
from geo.iris import read_contours
from indexes.entities import Building, Figures, Tenant, Zone
from indexes.grouping import build_groups, count_dwellings
from indexes.store import open_store

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
T = "t"
K = 20
CELL = point_to_cell((5.3740, 43.2951), 9)
PARENT = int(cells_to_parents(np.array([CELL], np.uint64), 8)[0])
SIBLINGS = cell_children(PARENT)


def centre(cell):
    return tuple(cells_to_lonlat(np.array([cell], np.uint64))[0].tolist())


def building(id, cell, dwellings):
    lon, lat = centre(cell)
    return Building(tenant_id=T, id=id, lon=lon, lat=lat, dwellings=dwellings)


def zone(code, geometry, logements=None, commune="99001", name="Mitoyenville"):
    figures = None
    if logements is not None:
        figures = Figures(census_year=2021, geography_year=None, values={"logements": logements})
    return Zone(
        tenant_id=T,
        code=code,
        vintage=2024,
        name=code,
        type="H",
        commune_code=commune,
        commune_name=name,
        geometry=geometry,
        figures=figures,
    )


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "town.db")
    opened.put(Tenant(tenant_id=T, id=T, name="Town"))
    yield opened
    opened.close()


EVERYWHERE = shapely.box(5.2, 43.2, 5.6, 43.4)


def test_a_zones_dwellings_are_spread_over_its_buildings_without_a_count(store):
    store.put_zones([zone("990010101", EVERYWHERE, 48.6)])
    store.put_all(
        [
            building("a", CELL, None),
            building("b", CELL, None),
            building("c", CELL, 40),
            building("d", SIBLINGS[0], None),
            building("e", SIBLINGS[0], None),
        ]
    )
    found = count_dwellings(store.page(Building, T), store.zones(T))
    # 49 by the census, 40 counted: 9 over four, the odd one to the first by id.
    assert found.counts.tolist() == [3, 2, 40, 2, 2]


def test_more_counted_than_the_census_has_leaves_none_to_spread(store):
    store.put_zones([zone("990010101", EVERYWHERE, 30)])
    store.put_all([building("a", CELL, None), building("b", CELL, 40)])
    assert count_dwellings(store.page(Building, T), store.zones(T)).counts.tolist() == [0, 40]


def test_a_zone_without_a_building_has_its_dwellings_at_its_representative_point(store):
    ring = shapely.box(5.36, 43.28, 5.38, 43.30) - shapely.box(5.361, 43.281, 5.379, 43.299)
    store.put_zones([zone("990010101", ring, 12)])
    found = count_dwellings([], store.zones(T))
    (cell,) = found.cells.tolist()
    assert found.counts.tolist() == [12] and found.zones == ("990010101",)
    point = shapely.point_on_surface(ring)
    assert ring.covers(point) and cell == point_to_cell((point.x, point.y), 9)


def test_without_figures_only_what_is_counted_counts(store):
    store.put_zones([zone("990010101", EVERYWHERE)])
    store.put_all([building("a", CELL, None), building("b", CELL, 7)])
    assert count_dwellings(store.page(Building, T), store.zones(T)).counts.tolist() == [0, 7]


def test_buildings_get_the_group_of_their_cell(store):
    store.put_all(
        [
            building("a", CELL, 25),
            building("b", CELL, 5),
            building("c", SIBLINGS[0], 25),
            building("d", SIBLINGS[1], 1),
        ]
    )
    partition = build_groups(store, T)
    store.put_groups(partition)
    stored = store.groups(T)
    assert stored is not None and stored.groups == partition.groups and stored.version == 1
    lookup = CellGroups([group.cells for group in partition.groups])
    for one in store.page(Building, T):
        assert one.place is not None
        i = lookup.group_of(np.array([one.place.cell], np.uint64)).item()
        assert one.place.group == partition.groups[i].id
    assert sum(group.dwellings for group in partition.groups) == 56
    assert all(group.locatable and group.dwellings >= K for group in partition.groups)


def test_an_id_tells_no_more_than_the_public_point(store):
    store.put_all([building("a", CELL, 25), building("b", SIBLINGS[0], 25)])
    for group in build_groups(store, T).groups:
        version, cell = group.id.split("-")
        assert version == "g1" and int(cell, 16) in group.cells
        assert centre(int(cell, 16)) == (group.lon, group.lat)


def test_a_group_belongs_to_each_zone_with_k_of_its_dwellings_else_to_the_largest(store):
    lon, lat = centre(CELL)
    d = 0.0002
    west = zone("990010101", shapely.box(lon - 0.01, lat - 0.01, lon, lat + 0.01))
    east = zone(
        "990020101", shapely.box(lon, lat - 0.01, lon + 0.01, lat + 0.01), None, "99002", "Est"
    )
    store.put_zones([west, east])

    def at(id, offset, dwellings):
        return replace(building(id, CELL, dwellings), lon=lon + offset)

    store.put_all([at("w", -d, 20), at("e", d, 21)])
    (group,) = build_groups(store, T).groups
    assert group.zones == ("990010101", "990020101")
    assert (group.commune_code, group.commune_name) == ("99002", "Est")
    store.put_all([at("w", -d, 19), at("e", d, 18)])
    (group,) = build_groups(store, T).groups
    assert group.zones == ("990010101",)
    assert (group.commune_code, group.commune_name) == ("99001", "Mitoyenville")


def test_under_k_a_group_has_a_commune_and_neither_zone_nor_place(store):
    store.put_zones([zone("990010101", EVERYWHERE)])
    store.put(building("a", CELL, 19))
    (group,) = build_groups(store, T).groups
    assert (group.locatable, group.zones, group.commune_name) == (False, (), "Mitoyenville")


def test_a_new_cut_that_would_single_out_a_few_is_not_made(store):
    a, b = SIBLINGS[:2]
    store.put_all([building("a", a, 25), building("b", b, 5)])
    store.put_groups(before := build_groups(store, T))
    assert len(before.groups) == 1  # a takes b in
    # b grows by 15: alone it would be a group of 20, and all 20 were in the old one: no leak.
    store.put(building("b", b, 20))
    after = build_groups(store, T)
    assert len(after.groups) == 2
    store.put_groups(after)
    # b shrinks to 19 and would join a: the overlap of old b with the new group is 19.
    store.put(building("b", b, 19))
    kept: list[int] = []
    again = build_groups(store, T, on_kept=kept.append)
    assert {group.cells for group in again.groups} == {group.cells for group in after.groups}
    assert {group.id for group in again.groups} == {group.id for group in after.groups}
    assert [group.locatable for group in sorted(again.groups, key=lambda g: g.dwellings)] == [
        False,
        True,
    ]
    assert kept == cells_to_parents(np.array([CELL], np.uint64), 5).tolist()


@given(st.lists(st.lists(st.integers(0, 45), min_size=14, max_size=14), min_size=3, max_size=5))
def test_no_new_group_shares_a_few_dwellings_with_one_of_any_earlier_version(years):
    cells = [*SIBLINGS, *cell_children(cell_children(cells_to_parents([CELL], 7)[0])[-1])]
    with TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "town.db")
        store.put(Tenant(tenant_id=T, id=T, name="Town"))
        earlier = []
        for counts in years:
            held = dict(zip(map(int, cells), counts, strict=True))
            store.put_all([building(f"b{i}", c, held[int(c)]) for i, c in enumerate(cells)])
            store.put_groups(partition := build_groups(store, T))
            now = members_of(partition, held)
            fresh = {id: inside for id, inside in now.items() if inside not in known(earlier)}
            for past in earlier:
                for old in past.values():
                    for new in fresh.values():
                        shared = sum(held[cell] for cell in old & new)
                        assert shared == 0 or shared >= K
            earlier.append(now)
        store.close()


def members_of(partition, held):
    """The cells with a building that each locatable group holds."""
    found = CellGroups([g.cells for g in partition.groups]).group_of(np.array([*held], np.uint64))
    return {
        group.id: frozenset(cell for cell, i in zip(held, found.tolist(), strict=True) if i == n)
        for n, group in enumerate(partition.groups)
        if group.locatable
    }


def known(earlier):
    return {inside for past in earlier for inside in past.values()}


def test_an_unchanged_group_keeps_id_and_point_and_the_version_grows(store):
    far = point_to_cell((5.9, 43.9), 9)
    store.put_all([building("a", CELL, 25), building("b", far, 30)])
    store.put_groups(first := build_groups(store, T))
    store.put(
        building("c", cell_children(int(cells_to_parents(np.array([far], np.uint64), 8)[0]))[0], 40)
    )
    second = build_groups(store, T)
    assert (first.version, second.version) == (1, 2)
    same = {g.id for g in first.groups} & {g.id for g in second.groups}
    (kept,) = [g for g in first.groups if g.id in same]
    assert CELL in kept.cells and kept in second.groups
    store.put_groups(second)
    again = build_groups(store, T)
    assert again.groups == second.groups


COUSINS = cell_children(cell_children(int(cells_to_parents(np.array([CELL], np.uint64), 7)[0]))[-1])
TOWN = [*SIBLINGS, *COUSINS[:3]]


@pytest.fixture(scope="module")
def tenants(tmp_path_factory):
    """A store, and names of tenants that nobody had before."""
    opened = open_store(tmp_path_factory.mktemp("many") / "towns.db")
    yield opened, (f"t{i}" for i in count())
    opened.close()


@settings(max_examples=min(30, settings().max_examples))
@given(
    st.lists(
        st.dictionaries(st.sampled_from(TOWN), st.sampled_from([0, 1, 5, 19, 20, 30])),
        min_size=2,
        max_size=3,
    )
)
def test_no_two_partitions_in_a_row_single_out_fewer_than_k(tenants, years):
    store, names = tenants
    name = next(names)
    store.put(Tenant(tenant_id=name, id=name, name=name))
    for town in years:
        store.put_all(
            replace(building(format(cell, "x"), cell, town.get(cell, 0)), tenant_id=name)
            for cell in TOWN
        )
        before, after = store.groups(name), build_groups(store, name)
        store.put_groups(after)
        if before is None:
            continue
        was = CellGroups([group.cells for group in before.groups])
        will = CellGroups([group.cells for group in after.groups])
        shared = Counter()
        for cell, dwellings in town.items():
            one = np.array([cell], np.uint64)
            shared[was.group_of(one).item(), will.group_of(one).item()] += dwellings
        for (old, new), dwellings in shared.items():
            both = old >= 0 and new >= 0
            places = both and before.groups[old].locatable and after.groups[new].locatable
            assert not places or dwellings == 0 or dwellings >= K


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
def test_marseilles_streets_share_all_its_dwellings_in_groups_of_k(store):
    contours = read_contours(DATA / "iris_zones_2020.parquet")
    figures = read_figures(DATA / "iris_figures_rp2021.csv").values
    zones = [
        zone(code, contours.geometries[i], figures[code]["logements"], contours.commune_codes[i])
        for i, code in enumerate(contours.codes)
        if code.startswith("132")
    ]
    store.put_zones(zones)
    with (DATA / "marseille_streets.csv").open(encoding="utf-8") as file:
        store.put_all(
            Building(tenant_id=T, id=row["street_id"], lon=float(row["lon"]), lat=float(row["lat"]))
            for row in csv.DictReader(file)
        )
    partition = build_groups(store, T)
    total = sum(one.figures.values["logements"] for one in zones if one.figures)
    assert sum(group.dwellings for group in partition.groups) == total
    assert min(group.dwellings for group in partition.groups if group.locatable) >= K
    assert len(partition.groups) > 1000
    assert len({(group.lon, group.lat) for group in partition.groups}) == len(partition.groups)
    assert len({group.id for group in partition.groups}) == len(partition.groups)
    assert all(group.zones for group in partition.groups if group.locatable)
