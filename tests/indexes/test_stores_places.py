"""The Store port on zones and groups, and what they place, against every store."""

from dataclasses import replace

import pytest
import shapely
from store_records import BUILDING, SHOP, TOWN, partition_of, zone

from geo.cells import cells_to_parents, points_to_cells
from geo.errors import ConflictError, InputError
from indexes.entities import (
    Building,
    Figures,
    GroupPartition,
    IrisCode,
    Listing,
)
from indexes.store import Store, open_store


def test_zones_come_back_by_code_newest_vintage_first_asked(town: Store) -> None:
    old, new = zone("990010102", 5, 5.5, vintage=2013), zone("990010102", 5, 5.5)
    west = zone("990010101", 5.5, 6)
    town.put_zones([new, old, west])
    assert town.vintages("t") == [2013, 2020]
    for found, put in zip(town.zones("t"), [west, new], strict=True):
        assert found.geometry.equals_exact(put.geometry, 0)
        assert found.figures is not None and put.figures is not None
        assert found.figures.values == put.figures.values
        assert found.figures.census_year == 2021
        assert (found.code, found.name, found.commune_name) == (
            *(put.code, put.name, put.commune_name),
        )
    assert [z.vintage for z in town.zones("t", 2013)] == [2013]


def test_outlines_loaded_again_without_figures_keep_those_that_are_stored(town: Store) -> None:
    west, bare = zone("990010101", 5, 5.5), replace(zone("990010102", 5.5, 6), figures=None)
    old = replace(west, vintage=2013, figures=None)
    town.put_zones([west, bare, old])
    town.put_zones([replace(west, figures=None, name="Ouest"), bare, old])
    again, other = town.zones("t")
    assert again.name == "Ouest"
    assert again.figures is not None and west.figures is not None
    assert again.figures.values == west.figures.values
    assert again.figures.census_year == west.figures.census_year
    assert again.figures.geography_year == west.figures.geography_year
    assert (other.figures, town.zones("t", 2013)[0].figures) == (None, None)
    recounted = Figures(census_year=2026, geography_year=None, values={"pop": 1.0})
    town.put_zones([replace(west, figures=recounted)])
    newest = town.zones("t")[0].figures
    assert newest is not None
    assert (newest.census_year, newest.geography_year, newest.values) == (2026, None, {"pop": 1.0})


def test_zones_that_are_no_zones_are_refused(town: Store) -> None:
    good = zone("990010101", 5, 6)
    for bad in (
        replace(good, geometry=shapely.Point(5, 43)),
        replace(good, geometry=shapely.Polygon()),
        replace(good, geometry=shapely.box(500_000, 6_000_000, 500_100, 6_000_100)),
        replace(good, geometry=shapely.Polygon([(5, 43), (6, 44), (6, 43), (5, 44)])),
        replace(good, vintage=20),
        replace(good, code=IrisCode("")),
        replace(
            good,
            figures=Figures(census_year=2021, geography_year=None, values={"pop": float("nan")}),
        ),
        replace(good, tenant_id="nobody"),
    ):
        with pytest.raises(InputError):
            town.put_zones([good, bad])
    assert town.zones("t") == []


def test_points_are_placed_on_the_way_in(town: Store) -> None:
    town.put_zones([zone("990010101", 5, 5.3705), zone("990010102", 5.3705, 6)])
    town.put_groups(partition_of(town))
    town.put_all(
        [replace(BUILDING, id="b2"), replace(SHOP, id="p2"), replace(SHOP, id="sea", lat=42.9)]
    )
    cell = points_to_cells([[5.37, 43.29]], 9)
    place = town.get(Building, "t", "b2").place
    assert (place.cell, place.cell5) == (cell[0], cells_to_parents(cell, 5)[0])
    assert (place.zone, place.vintage, place.zone_nearest) == ("990010101", 2020, False)
    assert place.group == "g1"
    assert town.get(Listing, "t", "p2").place.zone == "990010102"
    assert town.get(Listing, "t", "sea").place.zone is None
    assert town.get(Listing, "t", "s1").place is None


def test_new_zones_and_groups_place_everything_again_as_one_change(town: Store) -> None:
    town.put_zones([zone("990010101", 5, 6)])
    before = town.position()
    town.put_zones([zone("990010301", 5, 6, vintage=2024)])
    town.put_groups(partition_of(town))
    for place in (town.get(Building, "t", "b1").place, town.get(Listing, "t", "p1").place):
        assert (place.zone, place.vintage) == ("990010301", 2024)
    assert town.get(Building, "t", "b1").place.group == "g1"
    assert [(c.tenant_id, c.entity) for c in town.changes(before)] == [
        ("t", "zones"),
        ("t", "groups"),
    ]
    town.put(replace(BUILDING, address="2 rue Neuve"))
    assert [c.entity for c in town.changes(before)] == ["zones", "groups", "buildings"]


def test_the_current_partition_is_the_latest(town: Store) -> None:
    assert town.groups("t") is None
    for version in (1, 2, 2):
        given = partition_of(town, version)
        town.put_groups(given)
        assert town.groups("t") == given
    with pytest.raises(ConflictError, match="version 2 are there"):
        town.put_groups(partition_of(town, 1))
    town.put_groups(GroupPartition(tenant_id="t", version=3, groups=()))
    assert town.get(Building, "t", "b1").place.group is None


def test_another_process_new_zones_are_seen_by_the_next_write(dsn: str) -> None:
    ours, theirs = open_store(dsn), open_store(dsn)
    ours.put_all(TOWN)
    ours.put(replace(SHOP, id="p2"))
    theirs.put_zones([zone("990010101", 5, 6)])
    ours.put(replace(SHOP, id="p3"))
    assert {
        one.id: one.place.zone for one in ours.page(Listing, "t", where={"personal": False})
    } == {
        "p1": "990010101",
        "p2": "990010101",
        "p3": "990010101",
    }
    theirs.put_groups(partition_of(theirs))
    ours.put(replace(BUILDING, id="b2"))
    assert ours.get(Building, "t", "b2").place.group == "g1"
    ours.close()
    theirs.close()
