import h3
import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from indexes.entities import Group, GroupPartition, IrisCode, Place, Zone
from indexes.placement import Placer, Places


def zone(code: str, west: float, east: float) -> Zone:
    return Zone(
        tenant_id="t",
        code=IrisCode(code),
        vintage=2020,
        name=code,
        type="H",
        commune_code="99001",
        commune_name="Port-Mitoyen",
        geometry=shapely.box(west, 43.0, east, 43.4),
    )


def group(id: str, *cells: str) -> Group:
    found = tuple(h3.str_to_int(cell) for cell in cells)
    return Group(id=id, cells=found, lon=5.0, lat=43.0, dwellings=20, locatable=True)


# Given out of order: the placer must not confuse a zone's position with its code.
ZONES = [zone("990010102", 5.2, 5.4), zone("990010101", 5.0, 5.2)]
WEST = h3.latlng_to_cell(43.2, 5.1, 9)
EAST_PARENT = h3.cell_to_parent(h3.latlng_to_cell(43.2, 5.3, 9), 7)
PARTITION = GroupPartition(
    tenant_id="t", version=1, groups=(group("west", WEST), group("east", EAST_PARENT))
)


def rows(places: Places) -> list[Place]:
    columns = zip(
        *(places.cell.tolist(), places.cell5.tolist(), places.zone, places.vintage),
        *(places.zone_nearest.tolist(), places.group),
        strict=True,
    )
    return [Place(*row) for row in columns]


def expected(lon: float, lat: float) -> Place:
    """One point after the other, by h3's and shapely's own simplest calls."""
    cell = h3.latlng_to_cell(lat, lon, 9)
    inside = sorted(z.code for z in ZONES if z.geometry.covers(shapely.Point(lon, lat)))
    groups = {WEST: "west"}
    found = groups.get(cell) or ("east" if h3.cell_to_parent(cell, 7) == EAST_PARENT else None)
    return Place(
        cell=h3.str_to_int(cell),
        cell5=h3.str_to_int(h3.cell_to_parent(cell, 5)),
        zone=IrisCode(inside[0]) if inside else None,
        vintage=2020 if inside else None,
        group=found,
    )


@given(
    st.lists(
        st.tuples(
            st.floats(5.0, 5.4) | st.sampled_from([5.0, 5.1, 5.2, 5.3, 5.4]),
            st.floats(43.0, 43.4) | st.sampled_from([43.0, 43.2, 43.4]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_places_equal_those_of_one_point_at_a_time(points):
    places = rows(Placer(ZONES, PARTITION).place(np.array(points)))
    assert places == [expected(lon, lat) for lon, lat in points]


def test_a_point_outside_all_zones_has_the_nearest_within_300_m_flagged():
    near, far = (4.999, 43.2), (4.99, 43.2)  # 81 m and 810 m to the west
    places = rows(Placer(ZONES, None).place(np.array([near, far])))
    assert (places[0].zone, places[0].vintage, places[0].zone_nearest) == ("990010101", 2020, True)
    assert (places[1].zone, places[1].vintage, places[1].zone_nearest) == (None, None, False)


def test_without_zones_and_groups_a_point_has_cells_only():
    (place,) = rows(Placer([], None).place(np.array([[5.1, 43.2]])))
    assert place == Place(h3.str_to_int(WEST), h3.str_to_int(h3.cell_to_parent(WEST, 5)))


def test_no_points_have_no_places():
    assert rows(Placer(ZONES, PARTITION).place(np.empty((0, 2)))) == []
