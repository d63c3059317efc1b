"""Columns from what a SQLite file gives: from rows, or from one text a column.

A text a column is taken apart by Arrow: no object is made per row, and it takes a fifth of the
time. Of a point, ``lon`` is asked for as its EWKB; both columns are made of that.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo.arrays import BoolArray, FloatArray
from indexes.sqltypes import points_of_ewkb

__all__ = ["batch_of_rows", "table_of_texts", "texts_of"]

# Of values, and for none; no text that is kept has a control character but line breaks.
SEPARATOR, NONE = 0x1F, 0x1E


def batch_of_rows(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Columns of some rows, at least one."""
    columns = dict(zip(schema.names, map(list, zip(*rows, strict=True)), strict=True))
    if "lon" in columns:
        blobs = columns["lon"]
        some = np.array([blob is not None for blob in blobs])
        points = points_of_ewkb([blob for blob in blobs if blob is not None])
        columns |= _spread_points(points, some)
    arrays = [
        pa.array(columns[field.name], pa.int8()).cast(pa.bool_())
        if pa.types.is_boolean(field.type)
        else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def texts_of(schema: pa.Schema, wanted: Sequence[str]) -> list[str]:
    """SQL that gives one text a column, of ``wanted``, what each column is of a row."""
    texts = {
        field.name: f"group_concat(coalesce({sql}, char({NONE})), char({SEPARATOR}))"
        for field, sql in zip(schema, wanted, strict=True)
    }
    if "lon" in texts:  # the points there are, and which rows have one
        point = wanted[schema.get_field_index("lon")]
        texts["lon"] = f"group_concat(hex({point}), '')"
        texts["lat"] = f"group_concat({point} IS NOT NULL, '')"
    return list(texts.values())


def table_of_texts(texts: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Columns of what `texts_of` gave, of at least one row."""
    told = dict(zip(schema.names, texts, strict=True))
    columns = {
        field.name: _taken_apart(told[field.name], field)
        for field in schema
        if field.name not in ("lon", "lat")
    }
    if "lon" in told:
        here = np.frombuffer(told["lat"].encode(), np.uint8) == ord("1")
        columns |= _spread_points(points_of_ewkb([bytes.fromhex(told["lon"])]), here)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _spread_points(points: tuple[FloatArray, FloatArray], here: BoolArray) -> dict[str, pa.Array]:
    """Columns lon and lat of many rows, of which some have a point."""
    found = {}
    for name, values in zip(("lon", "lat"), points, strict=True):
        spread = np.zeros(len(here))
        spread[here] = values
        found[name] = pa.array(spread, pa.float64(), mask=~here)
    return found


def _taken_apart(text: str, field: pa.Field) -> pa.Array:
    """A column from the texts of its values."""
    whole = pa.array([text], pa.large_string())
    values = pc.split_pattern(whole, chr(SEPARATOR)).values.cast(pa.string())
    return pc.if_else(pc.equal(values, chr(NONE)), None, values).cast(field.type)
