"""Columns that come as texts are those that come as rows."""

import sqlite3
from contextlib import closing

import numpy as np
import pyarrow as pa

from indexes.sqlite_columns import batch_of_rows, table_of_texts, texts_of
from indexes.sqltypes import ewkb_points

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("title", pa.string()),
        pa.field("seats", pa.int64()),
        pa.field("lon", pa.float64()),
        pa.field("lat", pa.float64()),
    ]
)
WANTED = ["id", "title", "seats", "geom", "NULL"]


def test_texts_and_rows_give_the_same_columns_and_tell_nothing_from_empty():
    (here,) = ewkb_points(np.array([[5.37, 43.29]]))
    kept = [
        ("a", "", 3, here),
        ("b", None, None, None),
        ("c", "Pain,\n« chaud » & 'frais'", -(2**62), here),
        ("", "é", 0, None),
    ]
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE things (id, title, seats, geom)")
        db.executemany("INSERT INTO things VALUES (?, ?, ?, ?)", kept)
        (texts,) = db.execute(f"SELECT {', '.join(texts_of(SCHEMA, WANTED))} FROM things")
        rows = db.execute(f"SELECT {', '.join(WANTED)} FROM things").fetchall()
    table = table_of_texts(texts, SCHEMA)
    assert table.equals(pa.Table.from_batches([batch_of_rows(rows, SCHEMA)]))
    assert table["title"].to_pylist() == [title for _, title, _, _ in kept]
    assert table["seats"].to_pylist() == [seats for _, _, seats, _ in kept]
    assert table["lat"].to_pylist() == [43.29, None, 43.29, None]
