"""How tiles of figures are coloured: a MapLibre style, and the pattern that says *hidden*.

Classes and colours are those of the printed map. What has no value is told apart: hatched where
it is hidden, dotted where a larger zone carries it, flat where nobody lives or nothing is known.
"""

import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from api.ogc.collections import Collection, title_of
from api.ogc.tiles import LEAST_ZOOM, MAX_ZOOM
from geo.errors import InputError

__all__ = ["SPRITE", "measures_of", "sprite_png", "style_of"]

SIDE = 16  # pixels of a pattern
PATTERNS = ("hidden", "merged")
PLAIN = {"zero": "#ececec", "unknown": "#a9a9a9"}
INK = (0x8A, 0x8A, 0x8A, 0xFF)
SOURCE = "figures"
LEVELS = ("commune", "arrondissement", "quartier", "iris", "cell")


def measures_of(collection: Collection) -> tuple[str, ...]:
    """The figures that colours can tell: those with a status."""
    names = collection.table.column_names
    return tuple(name for name in names if f"{name}_status" in names)


def style_of(collection: Collection, measure: str, source: str, sprite: str, lang: int) -> Any:
    """A style of one figure.

    Parameters
    ----------
    collection : Collection
    measure : str
        One of `measures_of`.
    source, sprite : str
        Addresses of the TileJSON, which carries the figure and its status, and of the patterns.
    lang : int
        0 for French, 1 for English.

    Raises
    ------
    InputError
        With code ``invalid-parameter``, if there is no such figure.
    """
    if measure not in measures_of(collection):
        raise InputError("measure must be a figure of this collection", code="invalid-parameter")
    layers: list[dict[str, Any]] = []
    present = set(collection.table["level"].to_pylist())
    levels = [level for level in LEVELS if level in present]
    for level, finer in zip(levels, [*levels[1:], None], strict=True):
        until = LEAST_ZOOM[finer] if finer else MAX_ZOOM + 8
        layers += _level_layers(collection, measure, level, (LEAST_ZOOM[level], until))
    return {
        "version": 8,
        "name": title_of(measure)[lang],
        "sources": {SOURCE: {"type": "vector", "url": source}},
        "sprite": sprite,
        "layers": layers,
    }


def _level_layers(
    collection: Collection, measure: str, level: str, zooms: tuple[int, int]
) -> list[dict[str, Any]]:
    status = ["get", f"{measure}_status"]
    common = {
        "source": SOURCE,
        "source-layer": collection.id,
        "minzoom": zooms[0],
        "maxzoom": zooms[1],
    }
    own = ["==", ["get", "level"], level]

    def fill(name: str, *more: Any, **paint: Any) -> dict[str, Any]:
        layer = {"id": f"{level}-{name}", "type": "fill", **common}
        return layer | {"filter": ["all", own, *more], "paint": paint}

    has = ["has", measure]
    found = [fill("ok", has, **{"fill-color": _colours(collection, measure, level)})]
    for name, colour in PLAIN.items():
        found.append(fill(name, ["!", has], ["==", status, name], **{"fill-color": colour}))
    for name in PATTERNS:
        found.append(fill(name, ["!", has], ["==", status, name], **{"fill-pattern": name}))
    paint = {"line-color": "#6b6b6b", "line-width": 0.5}
    found.append({"id": f"{level}-edge", "type": "line", **common, "filter": own, "paint": paint})
    return found


def _colours(collection: Collection, measure: str, level: str) -> Any:
    """An expression from a value to a colour."""
    # Only here, for it loads matplotlib.
    from api.districts_map import class_colours, parted_edges

    table = collection.table
    values = table.filter(pc.equal(table["level"], level))[measure].drop_null()
    if not len(values):
        return PLAIN["unknown"]
    edges = parted_edges(values.to_numpy())
    shades = np.array(class_colours(edges))[:, :3]
    colours = [f"#{bytes(shade).hex()}" for shade in np.round(255 * shades).astype(np.uint8)]
    steps = [part for pair in zip(edges[1:-1].tolist(), colours[1:], strict=True) for part in pair]
    return ["step", ["get", measure], colours[0], *steps] if steps else colours[0]


SPRITE = {
    name: {"x": SIDE * i, "y": 0, "width": SIDE, "height": SIDE, "pixelRatio": 1}
    for i, name in enumerate(PATTERNS)
}


@cache
def sprite_png() -> bytes:
    """The patterns side by side: diagonal lines, and dots, on nothing."""
    y, x = np.mgrid[:SIDE, :SIDE]
    lines = (x + y) % 8 < 2
    dots = (x % 8 < 2) & (y % 8 < 2)
    image = np.where(np.hstack([lines, dots])[..., None], np.array(INK), 0)
    return _png(image.astype(np.uint8))


def _png(image: NDArray[np.uint8]) -> bytes:
    """A picture of red, green, blue and opacity as a PNG."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checked = name + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    height, width, _ = image.shape
    lines = b"".join(b"\0" + line.tobytes() for line in image)  # each after its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )
