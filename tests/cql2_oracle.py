"""CQL2 the slow way: a filter's JSON form asked of one feature at a time, and written as text."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import shapely
from shapely import Geometry

Row = Mapping[str, Any]


def truth(tree: Any, row: Row, geometry: Geometry | None) -> bool | None:
    """Whether a feature matches; None where nobody can tell."""
    if isinstance(tree, bool):
        return tree
    if "property" in tree:
        return row[tree["property"]]
    op, args = tree["op"], tree["args"]
    if op in ("and", "or"):
        told = [truth(arg, row, geometry) for arg in args]
        decisive = op == "or"
        if decisive in told:
            return decisive
        return None if None in told else not decisive
    if op == "not":
        inner = truth(args[0], row, geometry)
        return None if inner is None else not inner
    if op == "isNull":
        return value(args[0], row) is None
    if op.startswith("s_"):
        first, second = (
            geometry if arg == {"property": "geometry"} else shape(arg) for arg in args
        )
        if None in (first, second):
            return None
        return bool(getattr(shapely, op.removeprefix("s_"))(first, second))
    if op == "in":
        one = value(args[0], row)
        return None if one is None else one in [value(arg, row) for arg in args[1]]
    told = [value(arg, row) for arg in args]
    if None in told:
        if op == "between":  # 1 <= x and x <= null is false already where 1 > x
            x, low, high = told
            if (None not in (x, low) and x < low) or (None not in (x, high) and x > high):
                return False
        return None
    if op == "between":
        return told[1] <= told[0] <= told[2]
    if op == "like":
        return re.fullmatch(pattern(told[1]), told[0], re.DOTALL) is not None
    a, b = told
    return {
        "=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b,
    }[op]  # fmt: skip


def value(tree: Any, row: Row) -> Any:
    """The text, number or boolean that an expression stands for; None for a missing one."""
    if not isinstance(tree, dict):
        return tree
    if "property" in tree:
        return row[tree["property"]]
    told = [value(arg, row) for arg in tree["args"]]
    if None in told:
        return None
    match tree["op"], *told:
        case "casei", text:
            return text.casefold()
        case "accenti", text:
            bare = [c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)]
            return unicodedata.normalize("NFC", "".join(bare))
        case "+", a, b:
            return a + b
        case "-", a, b:
            return a - b
        case "*", a, b:
            return a * b
    raise AssertionError(tree)


def pattern(like: str) -> str:
    """A regular expression for what LIKE wants."""
    return "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in like)


def shape(tree: Any) -> Geometry:
    """A literal shape."""
    return shapely.box(*tree["bbox"]) if "bbox" in tree else shapely.geometry.shape(tree)


def _is_sum(tree: Any) -> bool:
    return isinstance(tree, dict) and tree.get("op") in ("+", "-", "*")


INFIX = ("=", "<>", "<", "<=", ">", ">=", "+", "-", "*")


def text(tree: Any) -> str:
    """The same filter as CQL2 text."""
    if isinstance(tree, bool):
        return str(tree).upper()
    if isinstance(tree, str):
        return "'" + tree.replace("'", "''") + "'"
    if not isinstance(tree, dict):
        return repr(tree)
    if "property" in tree:
        return f'"{tree["property"]}"'
    if "bbox" in tree:
        return f"BBOX({','.join(map(repr, tree['bbox']))})"
    if "coordinates" in tree:
        return shape(tree).wkt
    op, args = tree["op"], tree["args"]
    if op in ("and", "or"):
        return f" {op.upper()} ".join(f"({text(arg)})" for arg in args)
    if op == "not":
        return f"NOT ({text(args[0])})"
    if op == "isNull":
        return f"{text(args[0])} IS NULL"
    if op == "in":
        return f"{text(args[0])} IN ({','.join(map(text, args[1]))})"
    if op == "between":
        return f"{text(args[0])} BETWEEN {text(args[1])} AND {text(args[2])}"
    if op == "like":
        return f"{text(args[0])} LIKE {text(args[1])}"
    if op in INFIX:
        a, b = (f"({text(arg)})" if _is_sum(arg) else text(arg) for arg in args)
        return f"{a} {op} {b}"
    return f"{op.upper()}({','.join(map(text, args))})"
