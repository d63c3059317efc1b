"""How tiles of figures are coloured: a MapLibre style, and the pattern that says *hidden*.

Classes and colours are those of the printed map. What has no value is told apart: hatched where
it is hidden, dotted where a larger zone carries it, flat where nobody lives or nothing is known.
"""

import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from api.ogc.collections import Collection, title_of
from api.ogc.tiles import LEAST_ZOOM, MAX_ZOOM

__all__ = [
    "SPRITE",
    "carried_by",
    "categories_of",
    "measures_of",
    "sprite_png",
    "style_of",
]

SIDE = 16  # pixels of a pattern
PATTERNS = ("hidden", "merged")
PLAIN = {"zero": "#ececec", "unknown": "#a9a9a9"}
INK = (0x8A, 0x8A, 0x8A, 0xFF)
SOURCE = "figures"
PLAIN_NAMES = ("gap", "value")  # of figures whose status is called just that
LEVELS = ("commune", "arrondissement", "quartier", "iris", "cell")


def measures_of(collection: Collection) -> tuple[str, ...]:
    """The figures that a style can tell: those with a status."""
    names = collection.table.column_names
    found = tuple(name for name in names if f"{name}_status" in names)
    return found or tuple(name for name in PLAIN_NAMES if {name, "status"} <= {*names})


def categories_of(collection: Collection) -> tuple[str, ...]:
    """The categories that features come in, of which a style tells one."""
    if "category" not in collection.table.column_names:
        return ()
    return tuple(sorted(collection.table["category"].unique().to_pylist()))


def carried_by(collection: Collection, measure: str | None) -> tuple[str, ...]:
    """The properties that a style looks at, and those that say what a feature is."""
    told = (measure, f"{measure}_status", "status") if measure else ()
    wanted = ("code", "zone", "from", "to", "category", "name", "level", *told)
    return tuple(name for name in wanted if name in collection.table.column_names)


def style_of(
    collection: Collection,
    measure: str | None,
    category: str | None,
    source: str,
    sprite: str,
    lang: int,
) -> Any:
    """A style of one figure; of outlines, where there is none.

    Parameters
    ----------
    collection : Collection
    measure : str, optional
        One of `measures_of`.
    category : str, optional
        One of `categories_of`.
    source, sprite : str
        Addresses of the TileJSON, which carries `carried_by`, and of the patterns.
    lang : int
        0 for French, 1 for English.
    """
    layers: list[dict[str, Any]] = []
    table = collection.table
    if category is not None:
        table = table.filter(pc.equal(table["category"], category))
    present = set(table["level"].to_pylist()) if "level" in table.column_names else set()
    levels = [level for level in LEVELS if level in present]
    for level, finer in zip(levels, [*levels[1:], None], strict=True):
        until = LEAST_ZOOM[finer] if finer else MAX_ZOOM + 8
        common = {
            "source": SOURCE,
            "source-layer": collection.id,
            "minzoom": LEAST_ZOOM[level],
            "maxzoom": until,
        }
        own: list[Any] = [["==", ["get", "level"], level]]
        if category is not None:
            own.append(["==", ["get", "category"], category])
        values = table.filter(pc.equal(table["level"], level))
        if "from" in table.column_names:
            layers += _lines(values, level, common, own)
        else:
            layers += _areas(values, measure, level, common, own)
    title = title_of(measure or "zone")[lang]
    return {
        "version": 8,
        "name": f"{title}, {category}" if category else title,
        "sources": {SOURCE: {"type": "vector", "url": source}},
        "sprite": sprite,
        "layers": layers,
    }


def _areas(
    table: pa.Table, measure: str | None, level: str, common: dict[str, Any], own: list[Any]
) -> list[dict[str, Any]]:
    """A level's zones: filled by a figure, or by why there is none, and outlined."""
    paint = {"line-color": "#6b6b6b", "line-width": 0.5}
    which = own[0] if len(own) == 1 else ["all", *own]
    edge = {"id": f"{level}-edge", "type": "line", **common, "filter": which, "paint": paint}
    if measure is None:
        return [edge]
    told = f"{measure}_status"
    status = ["get", told if told in table.column_names else "status"]

    def fill(name: str, *more: Any, **paint: Any) -> dict[str, Any]:
        layer = {"id": f"{level}-{name}", "type": "fill", **common}
        return layer | {"filter": ["all", *own, *more], "paint": paint}

    has = ["has", measure]
    found = [fill("ok", has, **{"fill-color": _colours(table, measure)})]
    for name, colour in PLAIN.items():
        found.append(fill(name, ["!", has], ["==", status, name], **{"fill-color": colour}))
    for name in PATTERNS:
        found.append(fill(name, ["!", has], ["==", status, name], **{"fill-pattern": name}))
    return [*found, edge]


def _lines(
    table: pa.Table, level: str, common: dict[str, Any], own: list[Any]
) -> list[dict[str, Any]]:
    """Flows: the more, the wider; what is hidden is dashed, thin and below."""
    from api.districts_map import class_edges  # as below

    values = table["value"].drop_null().to_numpy()
    edges = class_edges(values)[1:-1].tolist() if len(values) else []
    steps = [part for i, edge in enumerate(edges) for part in (edge, 2.0 + 1.5 * (i + 1))]
    width: Any = ["step", ["get", "value"], 2.0, *steps] if steps else 2.0
    hidden = {"line-color": "#8a8a8a", "line-width": 0.6, "line-dasharray": [2, 4]}
    shown = {"line-color": "#225ea8", "line-opacity": 0.8, "line-width": width}
    return [
        {
            "id": f"{level}-{status}",
            "type": "line",
            **common,
            "filter": ["all", *own, ["==", ["get", "status"], status]],
            "paint": paint,
        }
        for status, paint in (("hidden", hidden), ("ok", shown))
    ]


def _colours(table: pa.Table, measure: str) -> Any:
    """An expression from a value to a colour."""
    # Only here, for it loads matplotlib.
    from api.districts_map import class_colours, parted_edges

    values = table[measure].drop_null()
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
