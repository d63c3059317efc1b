"""Samples: a made-up town, or made-up people over real zones, from a seed.

Nothing in here is anybody's. The town lies in the open sea, its codes begin with 99, its
addresses and ids say that they are invented.
"""

from indexes.sample.city import Sample, sample_city, sample_over_zones
from indexes.sample.points import SamplePoints, Viewpoint, sample_points
from indexes.sample.ring import Ring, draw_ring
from indexes.sample.routes import SampleRoutes, sample_routes
from indexes.sample.town import COMMUNE_NAME, HARBOUR, town_zones

__all__ = [
    "COMMUNE_NAME",
    "HARBOUR",
    "Ring",
    "Sample",
    "SamplePoints",
    "SampleRoutes",
    "Viewpoint",
    "draw_ring",
    "sample_city",
    "sample_over_zones",
    "sample_points",
    "sample_routes",
    "town_zones",
]
