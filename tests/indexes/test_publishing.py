"""What is told of an end: a commune, by the group, or else by the region's own point."""

from dataclasses import replace

import h3
import numpy as np
import pytest
import shapely
from store_records import zone
from trip_records import DRIVER, PASSENGER

from indexes.entities import Group, GroupPartition
from indexes.journeys import Role
from indexes.publishing import Publisher

WEST = replace(
    zone("132010101", 5.0, 5.4), commune_name="Ouest", geometry=shapely.box(5, 43, 5.4, 44)
)
EAST = replace(
    zone("132020101", 5.4, 6.0), commune_name="Est", geometry=shapely.box(5.4, 43, 6, 44)
)


def names(publisher: Publisher, trip=DRIVER):
    found = publisher.publish(trip, None)
    assert found is not None
    return found.trip.origin_name, found.trip.destination_name


@pytest.mark.parametrize("trip", [DRIVER, PASSENGER], ids=["driver", "passenger"])
def test_before_there_are_groups_an_end_is_told_by_its_commune(trip):
    there = replace(trip, lonlat=((5.37, 43.29), *trip.lonlat[1:-1], (5.43, 43.35)))
    back = replace(there, lonlat=there.lonlat[::-1])
    publisher = Publisher(None, [WEST, EAST])
    assert names(publisher, there) == ("Ouest", "Est")
    assert names(publisher, back) == ("Est", "Ouest")
    assert names(Publisher(None, [WEST]), there) == ("Ouest", "")
    assert names(Publisher(None), there) == ("", "")  # and never what its owner calls it


def test_what_is_told_is_of_the_region_and_not_of_the_end():
    """Of two homes in one region, on either side of a border, the same is told."""
    publisher = Publisher(None)
    lon, lat = publisher.publish(PASSENGER, None).trip.lonlat[0]  # the region's own point
    border = lon + 0.004
    zones = [
        replace(WEST, geometry=shapely.box(5, 43, border, 44)),
        replace(EAST, geometry=shapely.box(border, 43, 6, 44)),
    ]
    publisher = Publisher(None, zones)
    for home in ((border - 0.001, lat), (border + 0.001, lat)):
        trip = replace(PASSENGER, lonlat=(home, (5.48, 43.36)))
        assert names(publisher, trip) == ("Ouest", "Est")


def test_where_there_are_groups_they_alone_say_the_commune():
    group = Group(id="g", lon=5.0, lat=43.0, cells=(), dwellings=0, locatable=False)
    partition = GroupPartition(tenant_id="t", version=1, groups=(group,))
    assert names(Publisher(partition, [WEST, EAST])) == ("", "")


def region(point: tuple[float, float], groups: dict[str, str], home: str) -> str:
    """The cell that an end is said to lie in: its group's, or where that is wide or none, and
    not the owner's own, the cell of resolution 7."""
    for held, id in groups.items():
        if is_in(point, held) and (h3.get_resolution(held) >= 7 or id == home):
            return held
    return h3.cell_to_parent(h3.latlng_to_cell(point[1], point[0], 9), 7)


def is_in(point: tuple[float, float], cell: str) -> bool:
    fine = h3.latlng_to_cell(point[1], point[0], 9)
    return h3.cell_to_parent(fine, h3.get_resolution(cell)) == cell


def test_a_route_is_told_from_its_first_point_outside_both_regions_to_its_last():
    rng = np.random.default_rng(3)
    kept = []
    for _ in range(60):
        steps = rng.normal(0.0, 0.007, (12, 2)).cumsum(axis=0)
        line = tuple(
            (lon, lat) for lon, lat in np.round(np.array([5.37, 43.29]) + steps, 7).tolist()
        )
        groups: dict[str, str] = {}  # of one cell each, wide ones too, around some of the points
        for lon, lat in (line[0], line[-1], line[1], line[5]):
            cell = h3.latlng_to_cell(lat, lon, int(rng.integers(6, 10)))
            coarse = {one: min(h3.get_resolution(one), h3.get_resolution(cell)) for one in groups}
            if all(
                h3.cell_to_parent(one, r) != h3.cell_to_parent(cell, r) for one, r in coarse.items()
            ):
                groups[cell] = f"g{len(groups)}"
        drawn = tuple(
            Group(id=id, lon=5.0, lat=43.0, cells=(int(cell, 16),), dwellings=20, locatable=True)
            for cell, id in groups.items()
        )
        publisher = Publisher(GroupPartition(tenant_id="t", version=1, groups=drawn))
        trip = replace(
            DRIVER, role=Role.DRIVER, estimated=False, lonlat=line,
            times_s=tuple(100.0 * row for row in range(len(line))),
        )  # fmt: skip
        ends = {region(line[end], groups, "g0") for end in (0, -1)}
        outside = [row for row in range(len(line)) if not any(is_in(line[row], e) for e in ends)]
        found = publisher.publish(trip, "g0")
        kept.append(0 if found is None else len(found.trip.lonlat))
        if len(outside) < 2:
            assert found is None
            continue
        first, last = outside[0], outside[-1]
        assert found is not None and found.start_s == 100.0 * first
        assert found.trip.lonlat == line[first : last + 1]
        assert found.trip.times_s == tuple(100.0 * row for row in range(last - first + 1))
    assert min(kept) == 0 and len(set(kept)) > 5
