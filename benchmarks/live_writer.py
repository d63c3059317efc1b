"""A process that writes to a store: ``python -m benchmarks.live_writer DSN NAME``.

A line of two numbers on standard input has it put the listings from one to the other, each in a
commit of its own; it answers with the instant of the last commit and how often it was refused.
"""

import sys
import time

from geo.errors import StoreError
from indexes.entities import Kind, Listing
from indexes.store import open_store

__all__ = ["LAT", "LON", "STEP", "TENANT", "listing_id"]

TENANT = "bench"
LON, LAT = 5.0, 42.0  # at sea
STEP = 0.001  # degrees between one and the next: 111 m


def listing_id(writer: str, i: int) -> str:
    """Of a writer's listing number i."""
    return f"{writer}-{i:07d}"


def main() -> None:
    dsn, writer = sys.argv[1:]
    store = open_store(dsn)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        first, until = map(int, line.split())
        refused = 0
        for i in range(first, until):
            listing = Listing(
                tenant_id=TENANT,
                id=listing_id(writer, i),
                kind=Kind.MERCHANT,
                title="Le Four",
                lon=LON,
                lat=LAT + i % 1_000 * STEP,
            )
            while True:
                try:
                    store.put(listing)
                    break
                except StoreError:  # busy for too long: what is not acknowledged is tried again
                    refused += 1
        # One clock for all processes of a machine.
        sys.stdout.write(f"{time.monotonic_ns()} {refused}\n")
        sys.stdout.flush()
    store.close()


if __name__ == "__main__":
    main()
