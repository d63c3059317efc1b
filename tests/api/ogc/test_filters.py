"""CQL2 against an oracle that asks one feature at a time, and against those who mean harm."""

import json
import subprocess
import sys
from typing import Any

import cql2_oracle as oracle
import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE_S

from api.ogc.collections import Collection
from api.ogc.crs import CRS84
from api.ogc.filters import (
    MAX_DEPTH,
    MAX_FILTER,
    MAX_OPERATORS,
    MAX_SIGNED,
    kept_rows,
    parse_filter,
)
from geo.errors import InputError

ROWS: list[dict[str, Any]] = [
    {"name": "Le Panier", "level": "iris", "n": 3, "x": 1.5, "big": True},
    {"name": "L'Estaque", "level": "iris", "n": 12, "x": None, "big": False},
    {"name": "Saint-Barnabé", "level": "commune", "n": None, "x": -2.0, "big": None},
    {"name": "SAINT-BARNABE", "level": "iris", "n": 0, "x": 0.0, "big": True},
    {"name": None, "level": None, "n": -7, "x": 3e9, "big": False},
    {"name": "100 % des_rues\n", "level": "quartier", "n": 3, "x": 1.5, "big": None},
]
SHAPES = np.array(
    [
        shapely.box(0, 0, 1, 1),
        shapely.box(1, 0, 2, 1),
        shapely.box(0, 1, 1, 2) - shapely.box(0.4, 1.4, 0.6, 1.6),
        shapely.union_all([shapely.box(3, 3, 4, 4), shapely.box(5, 5, 6, 6)]),
        None,
        shapely.box(0.5, 0.5, 1.5, 1.5),
    ],
    dtype=object,
)
TABLE = pa.Table.from_pylist(
    ROWS,
    pa.schema(
        [
            ("name", pa.string()),
            ("level", pa.string()),
            ("n", pa.int32()),
            ("x", pa.float64()),
            ("big", pa.bool_()),
        ]
    ),
)
TOWN = Collection("town", tuple("abcdef"), TABLE, SHAPES).view(CRS84)


def kept(filter: str, lang: str = "cql2-text") -> list[bool]:
    return kept_rows(parse_filter(filter, lang), TOWN).tolist()


def column(name: str) -> dict[str, str]:
    return {"property": name}


def operation(op: str, *args: Any) -> dict[str, Any]:
    return {"op": op, "args": list(args)}


WORDS = st.sampled_from(
    ["iris", "commune", "Le Panier", "l'estaque", "saint-barnabe", "", "É", "%"]
)
NUMBERS = st.one_of(
    st.integers(-20, 20), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), st.just(3e9)
)
TEXTS = st.recursive(
    st.one_of(st.sampled_from([column("name"), column("level")]), WORDS),
    lambda inner: st.builds(operation, st.sampled_from(["casei", "accenti"]), inner),
    max_leaves=2,
)
SUMS = st.recursive(
    st.one_of(st.sampled_from([column("n"), column("x")]), NUMBERS),
    lambda inner: st.builds(
        operation, st.sampled_from(["+", "-", "*"]), st.just(column("n")), inner
    ),
    max_leaves=2,
)
COMPARISONS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
GRID = st.integers(-1, 13).map(lambda i: i / 2)
BOXES = st.builds(
    lambda w, s, dx, dy: {"bbox": [w, s, w + dx, s + dy]},
    GRID, GRID, st.integers(1, 4), st.integers(1, 4),
)  # fmt: skip
POINTS = st.builds(lambda x, y: {"type": "Point", "coordinates": [x, y]}, GRID, GRID)
LITERALS = st.one_of(BOXES, POINTS, BOXES.map(lambda b: shapely.geometry.mapping(oracle.shape(b))))
SPATIAL = st.sampled_from(
    ["intersects", "disjoint", "within", "contains", "touches", "crosses", "overlaps", "equals"]
).map("s_{}".format)
LIKES = st.sampled_from(["%", "Le%", "_ris", "%a%", "100 % des_rues%", "saint%", ".*", "iris"])
LEAVES = st.one_of(
    st.booleans(),
    st.just(column("big")),
    st.builds(operation, COMPARISONS, TEXTS, TEXTS),
    st.builds(operation, COMPARISONS, SUMS, SUMS),
    st.builds(operation, st.sampled_from(["=", "<>"]), st.just(column("big")), st.booleans()),
    st.builds(operation, st.just("isNull"), st.sampled_from([*map(column, ROWS[0])])),
    st.builds(operation, st.just("like"), TEXTS, LIKES),
    st.builds(operation, st.just("between"), SUMS, SUMS, SUMS),
    st.builds(operation, st.just("in"), st.just(column("n")), st.lists(NUMBERS, min_size=1)),
    st.builds(operation, st.just("in"), TEXTS, st.lists(WORDS, min_size=1)),
    st.builds(operation, SPATIAL, st.just(column("geometry")), LITERALS),
    st.builds(operation, SPATIAL, LITERALS, st.just(column("geometry"))),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(operation, st.just("not"), inner),
        st.builds(
            lambda op, args: operation(op, *args),
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=3),
        ),
    ),
    max_leaves=5,
)


@given(FILTERS)
def test_a_filter_keeps_what_asking_each_feature_keeps_in_both_encodings(tree):
    wanted = [
        oracle.truth(tree, row, shape) is True for row, shape in zip(ROWS, SHAPES, strict=True)
    ]
    assert kept(json.dumps(tree), "cql2-json") == wanted
    assert kept(oracle.text(tree)) == wanted


@pytest.mark.parametrize(
    "filter, names",
    [
        ("level = 'iris'", "abd"),
        # Precedence: AND before OR, NOT before both.
        ("level = 'commune' OR level = 'iris' AND n > 5", "bc"),
        ("NOT level = 'iris' AND n < 0 OR n = 12", "b"),
        ("name = 'L''Estaque'", "b"),
        ("(CASEI(name) LIKE CASEI('SAINT%'))", "cd"),  # as QGIS writes ILIKE
        ("CASEI(ACCENTI(name)) = 'saint-barnabe'", "cd"),
        ("n NOT IN (3, 12)", "de"),  # and not the one without a number
        ("n NOT BETWEEN 0 AND 5", "be"),
        ("name NOT LIKE '%a%'", "df"),
        ("n IN (-0.0)", "d"),
        ("x IS NOT NULL", "acdef"),
        ("n = ( - (7))", "e"),  # as QGIS writes a negative number
        ("n / 2 = 1.5 AND n ^ 2 = 9", "af"),
        ("n % 5 = 2 OR n div 5 = -1", "be"),
        ("n / 0 > 1", "abf"),
        ("n = x * 2", "afd"),
        ('"big" = TRUE', "ad"),
        ("S_INTERSECTS(geometry,BBOX(2.5,2.5,6,6))", "d"),  # as QGIS writes intersects_bbox
        ('S_INTERSECTS("geometry",POINT(0.5 1.5))', "f"),  # the hole is none of c's
        ("S_INTERSECTS(geometry,BBOX(5.5,5.5,-179,90))", "d"),  # across the antimeridian
        ("S_WITHIN(geometry,POLYGON((0 0,3 0,3 3,0 3,0 0)))", "abcf"),
        ("NOT S_INTERSECTS(geometry,BBOX(0,0,1,1))", "d"),  # where e is, nobody can tell
        ("name = NULL", ""),
        ("NOT (name = NULL)", ""),
        ("TRUE", "abcdef"),
    ],
)
def test_what_clients_write_is_understood(filter, names):
    assert [
        name for name, is_kept in zip("abcdef", kept(filter), strict=True) if is_kept
    ] == sorted(names)


@pytest.mark.parametrize(
    "filter, says",
    [
        ("", "not CQL2"),
        ("level = 'iris' AND", "not CQL2 text at character"),
        ("level == 'iris'", "not CQL2"),
        ("nothing = 1", "no queryable"),
        ("level = 3", "text with a number"),
        ("big > TRUE", "which is more"),
        ("level", "true or false was wanted"),
        ("1", "true or false was wanted"),
        ("f(n) = 1", "not served"),
        ("n = DATE('2026-01-01')", "instant"),
        ("T_AFTER(n, TIMESTAMP('2026-01-01T00:00:00Z'))", "not served"),
        ("name + 1 = 2", "no number"),
        ("CASEI(n) = 'a'", "no text"),
        ("n LIKE '1%'", "LIKE"),
        ("name LIKE level", "LIKE"),
        ("level BETWEEN 'a' AND 'b'", "BETWEEN"),
        ("n IN ('a')", "own type"),
        ("n IN (x)", "own type"),
        ("n = 1e999", "too large"),
        ("S_INTERSECTS(geometry,geometry)", "a shape"),
        ("S_INTERSECTS(level,POINT(1 1))", "a shape"),
        ("S_INTERSECTS(geometry,POLYGON((0 0,1 1,1 0,0 1,0 0)))", "crosses itself"),
        ("S_INTERSECTS(geometry,BBOX(1,5,2,4))", "lower corner"),
        ("level = 'iris", "not closed"),
        ("(level = 'iris'", "not closed"),
        (")level = 'iris'(", "not closed"),
        ("(" * (MAX_DEPTH + 1) + "n=1" + ")" * (MAX_DEPTH + 1), "too deep"),
        ("n=1" + " AND n=1" * MAX_OPERATORS, "at most"),
        ("n=0" + "-1" * (MAX_SIGNED + 1), "at most"),
        ("n=" + "-" * (MAX_OPERATORS + 1) + "1", "at most"),
        ("name = '" + "a" * MAX_FILTER + "'", "longer"),
        ("name = '\x07'", "control"),
    ],
)
def test_a_wrong_filter_is_refused_in_words_that_say_what_to_change(filter, says):
    with pytest.raises(InputError, match=says) as refused:
        kept(filter)
    assert refused.value.code in ("invalid-filter", "invalid-box", "invalid-text")


@pytest.mark.parametrize(
    "tree",
    [
        None, [], {}, "iris", {"op": "and"}, {"op": "and", "args": []}, {"op": "not", "args": [1]},
        {"op": ["="], "args": []}, {"op": "=", "args": [{"property": 3}, 3]},
        {"op": "in", "args": [1, 1]}, {"op": {}, "args": []},
        {"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Point"}]},
        {"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Feature"}]},
        {"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": ["a", 1, 2, 3]}]},
        {"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": [1, 2]}]},
        {"op": "s_intersects", "args": [
            {"property": "geometry"}, {"type": "LineString", "coordinates": [[0, 0]]}]},
        {"op": "s_intersects", "args": [
            {"property": "geometry"}, {"type": "Point", "coordinates": [None, 1]}]},
        {"op": "between", "args": [1, 2]}, {"op": "=", "args": {"a": 1}},
        {"op": "or", "args": [{"op": "=", "args": [1, 1]}] * (MAX_OPERATORS + 1)},
    ],
)  # fmt: skip
def test_json_that_is_no_filter_is_refused(tree):
    with pytest.raises(InputError):
        kept(json.dumps(tree), "cql2-json")


def test_json_that_is_none_or_too_deep_is_refused():
    deep = '{"op":"not","args":[' * 40 + "true" + "]}" * 40
    for text in ("{", '{"op":1,"op":2}', "NaN", deep):
        with pytest.raises(InputError) as refused:
            kept(text, "cql2-json")
        assert refused.value.code == "invalid-filter"


@given(st.text(st.sampled_from("an='\"()<>+-*/^%, 1NOTADRIKELBUS_\\é\0")), st.booleans())
def test_no_text_does_worse_than_to_be_refused(text, as_json):
    try:
        kept(text, "cql2-json" if as_json else "cql2-text")
    except InputError as error:
        assert error.code in ("invalid-filter", "invalid-box", "invalid-text")


DEEPEST = """
import sys, threading
from api.ogc.filters import MAX_DEPTH, MAX_FILTER, MAX_OPERATORS, MAX_SIGNED, parse_filter
from geo.errors import InputError
d, n = MAX_DEPTH, MAX_OPERATORS
worst = [
    "NOT " * (n - 1) + "a=1", "a=" + "-" * (n - 2) + "1", "a=1" + "-1" * (MAX_SIGNED - 1),
    "=".join("a" * n), "^".join("a" * n), "a NOT LIKE " * (n // 2) + "'x'",
    ("(" + "NOT " * (n // d)) * d + "a=1" + ")" * d, "-(" * d + "1 1" + ")" * d,
    "(a=1 AND " * d + "b b" + ")" * d, "NOT(" * d + "1 1" + ")" * d,
    "(" * d + "1 1" + ")" * d, "a IN (" * d + "1" + ")" * d, "CASEI(" * d + "'x' 'x'" + ")" * d,
    "(a IN (" * (d // 2) + "1 1" + "))" * (d // 2),
    ("(" * d + "a" + ")" * d + " AND ") * (n - 2) + "1 1", "a IN (" + "1," * 4000 + "1)",
]
def parse():
    for text in worst:
        try:
            parse_filter(text[:MAX_FILTER])
        except InputError:
            pass
threading.stack_size(4 << 20)  # half of what a thread has
thread = threading.Thread(target=parse)
thread.start()
thread.join()
print("alive")
"""


def test_the_worst_filters_within_bounds_end_no_process():
    done = subprocess.run([sys.executable, "-c", DEEPEST], capture_output=True, timeout=PATIENCE_S)
    assert done.stdout == b"alive\n", done.stderr
