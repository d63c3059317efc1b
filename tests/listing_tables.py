"""Listings and members as a store tells them, for tests of what is made of them."""

from typing import Any

import pyarrow as pa

from indexes.entities import Group, GroupPartition, IrisCode
from indexes.store import LISTING_SCHEMA, MEMBER_SCHEMA

NOTHING: dict[str, Any] = {
    "kind": "place", "personal": False, "title": "", "text": "", "category": "", "lang": "fr",
    "url": "", "address": "", "audience": "public", "quota_used": 0, "endorsers": 0,
    "lon": 5.37, "lat": 43.29,
}  # fmt: skip
PERSON = {"kind": "service", "personal": True, "lon": None, "lat": None}
GROUPS = GroupPartition(
    tenant_id="t",
    version=1,
    groups=(
        Group(
            id="g",
            cells=(),
            lon=5.4,
            lat=43.3,
            dwellings=25,
            locatable=True,
            zones=(IrisCode("z1"), IrisCode("z2")),
        ),
        Group(id="small", cells=(), lon=5.5, lat=43.4, dwellings=3, locatable=False),
    ),
)


def listing_table(*listings: dict[str, Any]) -> pa.Table:
    """Listings with ids a, b, c …, if they have none of their own."""
    rows = [NOTHING | {"id": chr(97 + i)} | one for i, one in enumerate(listings)]
    return pa.Table.from_pylist(rows, LISTING_SCHEMA).combine_chunks()


def member(id: str, level: int = 2, **home: str) -> dict[str, Any]:
    return {"id": id, "level": level, "household": "h", **home}


def member_table(*members: dict[str, Any]) -> pa.Table:
    """Members in order of id."""
    rows = sorted(members, key=lambda one: str(one["id"]).encode())
    return pa.Table.from_pylist(rows, MEMBER_SCHEMA).combine_chunks()
