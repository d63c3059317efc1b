"""What a search sees, as one array of int64: the header of a view.

A view is a base and what changed since: *parts*, which are packed trees, the base first; then
leaves of the newest rows, in no tree, one chain of leaves a class. Rows die by a note, the
version they died in, and appear by the count of rows: so a header, once made, is of one
instant for ever, while later changes are written beside what it names.

Where some rows count otherwise for one viewer, the last part is an *overlay* of these rows
(`indexes.overlay`), and they are *hidden* in all other parts.
"""

from indexes.columns import CLASSES

__all__ = [
    "BASE_ROWS",
    "CHAIN",
    "COLD",
    "DEAD",
    "DEAD_WORDS",
    "DIED",
    "HEADER_SIZE",
    "HIDDEN",
    "HIDDEN_ROWS",
    "HOT",
    "LEAVES",
    "MAX_PARTS",
    "NEWEST",
    "PARTS",
    "PART_BLOCKS",
    "RANKS",
    "ROWS",
    "VERSION",
]

# Counts, then addresses: by row the version it died in, by pending row its rank, and of the
# newest leaves the hot columns, the cold ones and the leaf before each in its chain; then the
# rows hidden but in the overlay, ascending, and bits of those that died (`topk.dead_bit`).
PARTS, ROWS, BASE_ROWS, VERSION, LEAVES, HIDDEN_ROWS = range(6)
DIED, RANKS, HOT, COLD, CHAIN, HIDDEN, DEAD = range(6, 13)
NEWEST = 13  # of each class the last leaf of its chain, or -1
PART_BLOCKS = NEWEST + CLASSES  # of each part the address of its blocks
MAX_PARTS = 16
DEAD_WORDS = 2**14  # 128 KiB, which stay in the cache
HEADER_SIZE = PART_BLOCKS + MAX_PARTS
