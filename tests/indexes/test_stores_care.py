"""Until when a listing's owner is verified, from every store."""

from trust_records import NEIGHBOURS, NOW

from indexes.entities import Kind, Listing
from indexes.store import Store
from indexes.trusting import Standing
from matching.trusting.verifying import VERIFIED_FOR, attest

SITTER = Listing(
    tenant_id="t", id="sitter", kind=Kind.SERVICE, title="Garde", personal=True, owner_id="cleo"
)


def until(store: Store) -> int | None:
    (row,) = store.listing_table("t", ["sitter"]).to_pylist()
    whole = {row["id"]: row for row in store.listing_table("t").to_pylist()}
    assert whole["sitter"] == row
    found: int | None = row["owner_expires_at"]
    return found


def test_a_listing_says_until_when_its_owner_is_verified(town: Store) -> None:
    town.put_all([*NEIGHBOURS, SITTER])
    assert until(town) is None
    before = town.position()
    attest(town, "t", "cleo", 3, NOW)
    assert until(town) == int((NOW + VERIFIED_FOR).timestamp())
    assert "sitter" in town.touched("t", town.changes(before)).listings


def test_an_owner_whose_standing_alone_changes_is_read_again(town: Store) -> None:
    town.put_all([*NEIGHBOURS, SITTER])
    before = town.position()
    standing = Standing(tenant_id="t", id="cleo", level=3, expires_at=NOW)
    town.decide("t", [], lambda desk: desk.put(standing))
    changes = town.changes(before)
    assert {change.entity for change in changes} == {"standings"}
    assert town.touched("t", changes).listings == {"sitter"}
    assert until(town) == int(NOW.timestamp())
