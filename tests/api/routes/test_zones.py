"""Zones over HTTP: listed, read as GeoJSON, and found by a point."""

import shapely.geometry


def test_zones_are_listed_in_order_with_their_outline_if_asked(served):
    plain = served.get("/v1/zones").json()["zones"]
    assert [zone["code"] for zone in plain] == ["990010101", "990010102"]
    assert not any("geometry" in zone for zone in plain)
    drawn = served.get("/v1/zones", params={"geometry": "true"}).json()["zones"]
    assert all(shapely.geometry.shape(zone["geometry"]).is_valid for zone in drawn)


def test_pages_of_zones_join(served):
    first = served.get("/v1/zones", params={"limit": 1}).json()
    second = served.get("/v1/zones", params={"limit": 1, "cursor": first["next"]}).json()
    assert [z["code"] for z in first["zones"] + second["zones"]] == ["990010101", "990010102"]
    assert "next" not in second or second["next"] is None


def test_a_zone_is_a_geojson_feature(served):
    feature = served.get("/v1/zones/990010101").json()
    assert feature["type"] == "Feature" and feature["properties"]["vintage"] == 2020
    assert shapely.geometry.shape(feature["geometry"]).equals(shapely.box(5.34, 43.28, 5.37, 43.32))
    assert served.get("/v1/zones/990010101", params={"vintage": 2013}).status_code == 404
    assert served.get("/v1/zones/990019999").status_code == 404
    assert served.get("/v1/zones/port").status_code == 422


def test_a_point_is_located_inside_on_the_border_nearby_and_nowhere(served):
    def locate(lat, lon):
        return served.get("/v1/locate", params={"lat": lat, "lon": lon}).json()

    assert locate(43.3, 5.35)["zone"]["code"] == "990010101"
    assert locate(43.3, 5.37)["zone"]["code"] == "990010101"  # on the border: the lowest
    near = locate(43.2785, 5.38)
    assert near["zone"]["code"] == "990010102" and near["nearest"] is True
    nowhere = locate(43.2, 5.35)
    assert "zone" not in nowhere and len(nowhere["cell"]) == 15
