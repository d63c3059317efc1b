"""The tables, once, for both stores: SQLAlchemy Core with GeoAlchemy2's geometry.

The migrations build what stands here; a test compares the two. Every table of a tenant's
things begins its key and its indexes with ``tenant_id``.
"""

from indexes.tables.base import metadata
from indexes.tables.changes import imports, outbox, outbox_marks, secrets
from indexes.tables.districts import activity_weeks, district_settings, draws, releases
from indexes.tables.places import group_cells, groups, partitions, placements, zone_figures, zones
from indexes.tables.records import (
    api_keys,
    blocks,
    buildings,
    endorsements,
    households,
    listings,
    members,
    residences,
    tenants,
)
from indexes.tables.trips import bookings, messages, trips
from indexes.tables.trust import (
    interactions,
    letter_codes,
    ratings,
    replies,
    reports,
    requests,
    standings,
    vouches,
)

__all__ = [
    "activity_weeks",
    "api_keys",
    "blocks",
    "bookings",
    "buildings",
    "district_settings",
    "draws",
    "endorsements",
    "group_cells",
    "groups",
    "households",
    "imports",
    "interactions",
    "letter_codes",
    "listings",
    "members",
    "messages",
    "metadata",
    "outbox",
    "outbox_marks",
    "partitions",
    "placements",
    "ratings",
    "releases",
    "replies",
    "reports",
    "requests",
    "residences",
    "secrets",
    "standings",
    "tenants",
    "trips",
    "vouches",
    "zone_figures",
    "zones",
]
