"""What is told of an end: a commune, by the group, or else by the region's own point."""

from dataclasses import replace

import pytest
import shapely
from store_records import zone
from trip_records import DRIVER, PASSENGER

from indexes.entities import Group, GroupPartition
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
