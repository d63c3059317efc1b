"""Columns of strings read in their buffers, and ids found there, against plain lists."""

from bisect import bisect_left

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from matching.towns.strings import SortedIds, Strings

TEXT = st.text(st.sampled_from(["a", "b", "\0", "é", "\uff5e", "🦀"]), max_size=4)


@given(st.lists(st.one_of(st.none(), TEXT), max_size=12), st.integers(0, 12), st.data())
def test_strings_are_those_of_the_column_wherever_it_begins(texts, start, data):
    column = pa.array(texts, pa.string())[start:]
    plain = [text or "" for text in texts[start:]]
    rows = data.draw(st.lists(st.integers(0, len(plain) - 1), max_size=5) if plain else st.just([]))
    assert Strings(column).of(rows) == [plain[row] for row in rows]


@given(
    st.sets(TEXT, max_size=12), st.lists(TEXT, max_size=8), st.integers(0, 3), st.integers(0, 12)
)
def test_an_id_is_found_where_bytewise_order_puts_it(ids, wanted, start, end):
    ordered = sorted(ids, key=str.encode)
    column = pa.array(ordered, pa.string())[start:][: 12 - end]
    ordered = ordered[start:][: 12 - end]
    found = SortedIds(column)
    assert len(found) == len(ordered)
    encoded = [id.encode() for id in ordered]
    for id in [*wanted, *ordered]:
        row = bisect_left(encoded, id.encode())
        known = id in ordered
        assert found.first_from(id) == (row, known)
        assert found.row_of(id) == (row if known else -1)
    assert found.rows_of(wanted).tolist() == [
        ordered.index(id) if id in ordered else -1 for id in wanted
    ]


def test_what_is_read_only_or_not_is_compiled_once(tmp_path):
    """Compiled code takes a writable array for another type; a memory map may be either."""
    from matching.towns.strings import _bisect

    with (
        pa.OSFile(str(tmp_path / "ids.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, pa.schema([("id", pa.string())])) as writer,
    ):
        writer.write_batch(pa.record_batch([pa.array(["a", "b"])], names=["id"]))
    with pa.memory_map(str(tmp_path / "ids.arrow"), "r+") as source:
        mapped = pa.ipc.open_file(source).read_all()["id"].chunk(0)
        for column in (mapped, pa.array(["a", "b"]), pa.array([""]), pa.array([], pa.string())):
            SortedIds(column).row_of("b")
    assert len(_bisect.signatures) == 1
