"""CQL2, the filter language of OGC APIs: text or JSON in, the rows that a filter keeps out.

The library ``cql2`` reads text into CQL2's JSON form; what that says is worked out here, over
the columns of a table. Logic has three values, as in SQL: a comparison with a missing value is
unknown, the opposite of unknown is unknown, and only what is true is kept.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import isfinite
from typing import Any, Protocol

import cql2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from msgspec import json
from numpy.typing import NDArray
from shapely import Geometry

from api.bodies import check_text, strict_json
from api.ogc.crs import Crs
from geo.errors import InputError

__all__ = ["GEOMETRY", "MAX_DEPTH", "MAX_FILTER", "Filterable", "kept_rows", "parse_filter"]

GEOMETRY = "geometry"  # what a filter calls the shape of a feature
MAX_FILTER = 8192  # characters
# The library's parser looks at the inside of each bracket twice, so that its time doubles with
# each one around another; and it recurses on the native stack, where too deep ends the process.
# At these bounds it takes 0.1 s and 2 MB at worst (both measured, on filters made to be worst).
MAX_DEPTH = 12
MAX_OPERATORS = 200
MAX_SIGNED = 1000  # numbers with a sign, which may as well be subtractions
MAX_POSITIONS = 10_000

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
_OPERATOR = re.compile(r"\b(?:and|between|div|in|is|like|not|or)\b|[+*/^%=<>]|-(?![\d.])", re.I)

BoolArray = NDArray[np.bool_]
Predicate = Callable[[NDArray[np.object_], Geometry], BoolArray]


class Filterable(Protocol):
    """What can be filtered: columns, and shapes in the reference system of the filter."""

    @property
    def table(self) -> pa.Table:
        """A column per property: text, numbers or booleans."""

    @property
    def geometries(self) -> NDArray[np.object_]:
        """The shapes; None for none."""

    def related(self, predicate: Predicate, shape: Geometry) -> BoolArray:
        """Which features' shapes stand in a relation to one that implies touching it."""

    @property
    def crs(self) -> Crs:
        """The reference system of those shapes, and of a filter's."""


def refused(why: str) -> InputError:
    return InputError(f"the filter {why}", code="invalid-filter")


def parse_filter(text: str, lang: str = "cql2-text") -> Any:
    """A filter's JSON form.

    Parameters
    ----------
    text : str
        CQL2.
    lang : {"cql2-text", "cql2-json"}
        Which encoding of it.

    Raises
    ------
    InputError
        With code ``invalid-filter``, and what to change.

    Examples
    --------
    >>> parse_filter("level = 'iris'")
    {'op': '=', 'args': [{'property': 'level'}, 'iris']}
    """
    if len(text) > MAX_FILTER:
        raise refused(f"is longer than {MAX_FILTER} characters")
    if lang == "cql2-json":
        try:
            return strict_json(text.encode())
        except InputError as error:
            raise refused(f"is not CQL2 in JSON: {error}") from None
    check_text(text)
    _require_shallow(text)
    try:
        return cql2.parse_text(text).to_json()
    except cql2.ParseError as error:
        line_and_column = re.search(r"\d+:(\d+)", str(error))
        where = f" at character {line_and_column[1]}" if line_and_column else ""
        raise refused(f"is not CQL2 text{where}; for example: level = 'iris'") from None


def _require_shallow(text: str) -> None:
    bare = _QUOTED.sub("''", text)
    depth = deepest = 0
    for character in bare:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
        if depth < 0:
            break
    if depth or bare.count('"') or bare.count("'") % 2:
        raise refused("has a bracket or a quote that is not closed")
    if deepest > MAX_DEPTH:
        raise refused(f"is too deep: at most {MAX_DEPTH} brackets within one another")
    # Counted over quoted text as well: no more than that can be operators, whatever is a quote.
    if len(_OPERATOR.findall(text)) > MAX_OPERATORS or text.count("-") > MAX_SIGNED:
        raise refused(f"is too long: at most {MAX_OPERATORS} operators; IN takes a list")


def kept_rows(tree: Any, over: Filterable) -> BoolArray:
    """Which rows a filter keeps.

    Parameters
    ----------
    tree : JSON
        Of `parse_filter`.
    over : Filterable
        What is filtered.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    InputError
        With code ``invalid-filter``, and what to change.
    """
    found = _Reading(over).truth(tree)
    if isinstance(found, pa.Scalar):
        return np.full(over.table.num_rows, found.as_py() is True)
    return np.asarray(pc.fill_null(found, False))


@dataclass(frozen=True, slots=True)
class _Value:
    """A column or a constant, and what it holds: text, number, boolean, or null."""

    data: Any  # pa.Array or pa.Scalar
    kind: str

    @property
    def constant(self) -> bool:
        return isinstance(self.data, pa.Scalar)


_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def _whole_quotient(a: Any, b: Any) -> Any:
    return pc.trunc(pc.divide(a, b))


_COMPUTED: dict[str, Callable[[Any, Any], Any]] = {
    "+": pc.add,
    "-": pc.subtract,
    "*": pc.multiply,
    "/": pc.divide,
    "^": pc.power,
    "div": _whole_quotient,
    "%": lambda a, b: pc.subtract(a, pc.multiply(b, _whole_quotient(a, b))),
}
_RELATED: dict[str, Predicate] = {
    "s_intersects": shapely.intersects,
    "s_equals": shapely.equals,
    "s_touches": shapely.touches,
    "s_within": shapely.within,
    "s_contains": shapely.contains,
    "s_overlaps": shapely.overlaps,
    "s_crosses": shapely.crosses,
}
_SHAPES = (
    *("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"),
    "GeometryCollection",
)
_TURNED = {"s_within": "s_contains", "s_contains": "s_within"}


def _without_accents(text: str) -> str:
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in parts if not unicodedata.combining(c)))


_FOLDED: dict[str, Callable[[str], str]] = {"casei": str.casefold, "accenti": _without_accents}


class _Reading:
    """One filter read over one table."""

    def __init__(self, over: Filterable) -> None:
        self._over = over
        self._left = MAX_OPERATORS  # JSON may hold more than text

    def _arguments(self, node: Any, count: int | None = None) -> list[Any]:
        """The arguments of an operation, of which there must be so many."""
        self._left -= 1
        if self._left < 0:
            raise refused(f"is too long: at most {MAX_OPERATORS} operators; IN takes a list")
        args = node.get("args")
        if not isinstance(args, list) or (count is not None and len(args) != count):
            raise refused(f"gives an operator other than {count or 'a list of'} arguments")
        return args

    def truth(self, node: Any) -> Any:
        """A boolean for each row, or one for all."""
        if isinstance(node, bool):
            return pa.scalar(node)
        if isinstance(node, dict) and isinstance(op := node.get("op"), str):
            if op in ("and", "or"):
                args = self._arguments(node)
                if len(args) < 2:
                    raise refused(f"gives {op} fewer than two arguments")
                join = pc.and_kleene if op == "and" else pc.or_kleene
                return reduce(join, map(self.truth, args))
            if op == "not":
                return pc.invert(self.truth(self._arguments(node, 1)[0]))
            if op in _COMPARED:
                return self._compare(op, *self._arguments(node, 2))
            if op == "isNull":
                return pc.is_null(self.value(self._arguments(node, 1)[0]).data)
            if op == "like":
                return self._like(*self._arguments(node, 2))
            if op == "between":
                return self._between(*self._arguments(node, 3))
            if op == "in":
                return self._among(*self._arguments(node, 2))
            if op in _RELATED or op == "s_disjoint":
                return self._spatial(op, *self._arguments(node, 2))
        value = self.value(node)
        if value.kind != "boolean":
            raise refused("has a value where something true or false was wanted")
        return value.data

    def value(self, node: Any) -> _Value:
        """A text, number or boolean for each row, or one for all."""
        if node is None:
            return _Value(pa.scalar(None, pa.null()), "null")
        if isinstance(node, bool):
            return _Value(pa.scalar(node), "boolean")
        if isinstance(node, int | float):
            if not isfinite(node):
                raise refused("has a number too large to be one")
            return _Value(pa.scalar(float(node)), "number")
        if isinstance(node, str):
            return _Value(pa.scalar(node), "text")
        if isinstance(node, dict):
            if "property" in node:
                return self._column(node["property"])
            op = str(node.get("op"))
            if op in _FOLDED:
                return self._folded(_FOLDED[op], self.value(self._arguments(node, 1)[0]))
            if op in _COMPUTED:
                a, b = map(self.value, self._arguments(node, 2))
                if {a.kind, b.kind} != {"number"}:
                    raise refused("computes with something that is no number")
                return _Value(_COMPUTED[op](a.data, b.data), "number")
            if "date" in node or "timestamp" in node or "interval" in node:
                raise refused("names an instant, and nothing here has one")
        raise refused("has an operator or a function that is not served; see /ogc/conformance")

    def _column(self, name: Any) -> _Value:
        table = self._over.table
        if not isinstance(name, str) or name not in table.column_names:
            raise refused("names a property that is no queryable of this collection")
        data = table[name].combine_chunks()
        if pa.types.is_string(data.type):
            return _Value(data, "text")
        if pa.types.is_boolean(data.type):
            return _Value(data, "boolean")
        return _Value(data.cast(pa.float64()), "number")

    def _folded(self, fold: Callable[[str], str], value: _Value) -> _Value:
        if value.kind != "text":
            raise refused("applies CASEI or ACCENTI to something that is no text")
        if value.constant:
            return _Value(pa.scalar(fold(value.data.as_py())), "text")
        told = value.data.dictionary_encode()
        folded = pa.array(map(fold, told.dictionary.to_pylist()), pa.string())
        return _Value(folded.take(told.indices), "text")

    def _compare(self, op: str, left: Any, right: Any) -> Any:
        a, b = self.value(left), self.value(right)
        kinds = {a.kind, b.kind}
        if "null" in kinds:
            return pa.scalar(None, pa.bool_())  # to ask for a missing value: IS NULL
        if len(kinds) > 1:
            raise refused("compares text with a number, or with true or false")
        if kinds == {"boolean"} and op not in ("=", "<>"):
            raise refused("asks which is more, true or false")
        return _COMPARED[op](a.data, b.data)

    def _like(self, value: Any, pattern: Any) -> Any:
        text, wanted = self.value(value), self.value(pattern)
        if text.kind != "text" or wanted.kind != "text" or not wanted.constant:
            raise refused("wants LIKE between a text property and a constant text")
        return pc.match_like(text.data, wanted.data.as_py())

    def _between(self, *nodes: Any) -> Any:
        value, low, high = map(self.value, nodes)
        if {value.kind, low.kind, high.kind} != {"number"}:
            raise refused("wants BETWEEN of three numbers")
        return pc.and_kleene(
            pc.less_equal(low.data, value.data), pc.less_equal(value.data, high.data)
        )

    def _among(self, node: Any, options: Any) -> Any:
        value = self.value(node)
        if not isinstance(options, list) or not options:
            raise refused("wants IN with a list")
        listed = [self.value(option) for option in options]
        if any(not option.constant or option.kind != value.kind for option in listed):
            raise refused("wants IN with constants of the property's own type")
        data, known = value.data, pa.array([option.data.as_py() for option in listed])
        if value.kind == "number":  # is_in tells 0 from -0
            data, known = pc.add(data, 0.0), pc.add(known, 0.0)
        found = pc.is_in(data, value_set=known)
        return pc.if_else(pc.is_null(data), pa.scalar(None, pa.bool_()), found)

    def _spatial(self, op: str, left: Any, right: Any) -> Any:
        own = {"property": GEOMETRY}
        if left != own:
            left, right, op = right, left, _TURNED.get(op, op)
        if left != own or right == own:
            raise refused(f"wants a spatial function of {GEOMETRY} and a shape")
        crs = self._over.crs
        if isinstance(right, dict) and isinstance(box := right.get("bbox"), list):
            if not all(type(number) in (int, float) for number in box):
                raise refused("has a box of other than numbers")
            shape = crs.box(box)
        else:
            shape = crs.ordered(np.array([_shape(right)]))[0]
        found = self._over.related(_RELATED.get(op, shapely.intersects), shape)
        # Where what has no shape lies, nobody can tell.
        missing = shapely.is_missing(self._over.geometries)
        return pa.array(found != (op == "s_disjoint"), mask=missing)


def _shape(node: Any) -> Geometry:
    """The shape that a filter names, its axes as it has them."""
    named = isinstance(node, dict) and node.get("type") in _SHAPES
    # A number that is none becomes null, which the reader doesn't take either.
    shape = shapely.from_geojson(json.encode(node), on_invalid="ignore") if named else None
    if shape is None:
        raise refused("has a shape that is none: WKT in text, GeoJSON or bbox in JSON")
    if shape.is_empty or not shape.is_valid:
        raise refused("has a shape that is empty, not closed, or crosses itself")
    if shapely.get_num_coordinates(shape) > MAX_POSITIONS:
        raise refused(f"has a shape of more than {MAX_POSITIONS:,} positions")
    return shapely.force_2d(shape)
