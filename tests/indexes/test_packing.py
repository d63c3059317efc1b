"""Packed trees hold every point once, in order, under bounds that are true and tight."""

import itertools
import threading
import time
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from point_cases import REGIONS, columns_from, spots
from waiting import until

from indexes import packing as p
from indexes.columns import ALWAYS_FROM, ALWAYS_TO, CLASSES, IN_STOCK, PointColumns
from indexes.sample import sample_points

LOWEST, HIGHEST = -(2**31), 2**31 - 1
KEPT = (
    "valid_from", "valid_to", "audience", "fresh_at", "reach_m", "hours", "owner", "zones", "stock",
    "verified", "category",
)  # fmt: skip
whole = st.integers(LOWEST, HIGHEST)


@st.composite
def contents(draw: st.DrawFn) -> tuple[PointColumns, np.ndarray | None]:
    """Columns of any size, spread or crowded; with row numbers of their own or without."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.sampled_from([0, 1, 31, 32, 33, 300, 3_000]))
    distinct = draw(st.sampled_from([1, 4, 3_000]))
    pool = spots(rng, draw(st.sampled_from(REGIONS)), distinct)
    columns = columns_from(rng, pool[rng.integers(0, distinct, n)], plain=draw(st.booleans()))
    if draw(st.booleans()):  # one tree, of three levels where it is large
        columns.kind[:] = columns.kind[:1]
        columns.personal[:] = False
    rows = rng.permutation(2**31 - 1 - n + np.arange(n)) if draw(st.booleans()) else None
    return columns, None if rows is None else rows.astype(np.int32)


# -- read back, number by number ---------------------------------------------------------------


def parts(blocks: np.ndarray) -> tuple[Any, Any, Any, Any]:
    """Class table, nodes, hot leaves and cold leaves, as the header says."""
    _, n_nodes, n_leaves, *at = blocks[:7].tolist()
    assert (blocks[7:16] == 0).all()
    assert [at[0], len(blocks)] == [16, at[3] + n_leaves * 8 * 32]
    return (
        blocks[at[0] : at[1]].reshape(16, 4),
        blocks[at[1] : at[2]].reshape(n_nodes, 14, 16),
        blocks[at[2] : at[3]].reshape(n_leaves, 5, 32),
        blocks[at[3] :].reshape(n_leaves, 32, 8),
    )


def point_at(hot: Any, cold: Any, leaf: int, i: int) -> dict[str, int]:
    lon, lat, valid_from, valid_to, trust = hot[leaf, :, i].tolist()
    row, audience, fresh_at, reach_m, hours, owner, zones, traits = cold[leaf, i].tolist()
    return {
        "row": row, "lon": lon, "lat": lat, "valid_from": valid_from, "valid_to": valid_to,
        "trust": trust, "audience": audience, "fresh_at": fresh_at, "reach_m": reach_m,
        "hours": hours, "owner": owner, "zones": zones, "stock": traits & 3,
        "verified": traits >> 2 & 1, "class": traits >> 3 & 15, "category": traits >> 7,
    }  # fmt: skip


def points_of(columns: PointColumns, rows: np.ndarray | None) -> list[dict[str, int]]:
    return [
        {
            "row": i if rows is None else int(rows[i]),
            "lon": round(columns.lonlat[i, 0].item() * 1e7),
            "lat": round(columns.lonlat[i, 1].item() * 1e7),
            "trust": round(columns.trust[i].item() * 1e9),
            "class": 2 * int(columns.kind[i]) + int(columns.personal[i]),
            **{name: int(getattr(columns, name)[i]) for name in KEPT},
        }
        for i in range(len(columns))
    ]


def bounds_of(points: list[dict[str, int]]) -> list[int]:
    """The numbers that a node keeps of what is below one of its children."""

    def all_of(name: str) -> list[int]:
        return [point[name] for point in points]

    categories = 0
    for category in all_of("category"):
        categories |= 1 << category % 64
    open_ever = any(hours >= 0 for hours in all_of("hours"))
    can_be_available = open_ever or IN_STOCK in all_of("stock")
    low, high = (
        word - 2**32 if word >= 2**31 else word
        for word in (categories % 2**32, categories // 2**32)
    )
    return [
        min(all_of("lon")), min(all_of("lat")), max(all_of("lon")), max(all_of("lat")),
        max(all_of("trust")), min(all_of("valid_from")), max(all_of("valid_to")),
        min(all_of("fresh_at")), max(all_of("fresh_at")), low, high,
        can_be_available + 2 * open_ever, min(all_of("row")),
    ]  # fmt: skip


def below(blocks: Any, node: int, seen: Counter[str]) -> list[list[dict[str, int]]]:
    """The leaves under a node, left to right; asserts what each node says of its children."""
    _, nodes, hot, cold = blocks
    seen[f"node {node}"] += 1
    first, count, above_leaves = nodes[node, p.LINKS, :3].tolist()
    assert 1 <= count <= 16
    assert not nodes[node, p.LINKS, 3:].any()
    leaves = []
    for child in range(16):
        if child >= count:  # filled up, so that 16 are tested at once
            assert (nodes[node, : p.LINKS, child] == nodes[node, : p.LINKS, count - 1]).all()
            continue
        if above_leaves:
            seen[f"leaf {first + child}"] += 1
            points = [point_at(hot, cold, first + child, i) for i in range(32)]
            # Filled up with what is valid at no instant: no point of the columns is.
            under = [[one for one in points if one["valid_from"] != ALWAYS_TO]]
        else:
            under = below(blocks, first + child, seen)
        together = [point for leaf in under for point in leaf]
        assert nodes[node, : p.LINKS, child].tolist() == bounds_of(together)
        leaves += under
    return leaves


@settings(max_examples=60, deadline=None)
@given(contents())
def test_every_point_is_in_one_leaf_under_true_and_tight_bounds(
    content: tuple[PointColumns, np.ndarray | None],
) -> None:
    columns, rows = content
    packed = p.pack(columns, rows)
    blocks = table, nodes, hot, _ = parts(packed)
    points = points_of(columns, rows)
    assert packed[0] == len(points)
    assert packed.ctypes.data % 64 == 0
    seen: Counter[str] = Counter()
    for code in range(CLASSES):
        wanted = [point for point in points if point["class"] == code]
        root, count, *rest = table[code].tolist()
        assert (count, rest) == (len(wanted), [0, 0])
        if not wanted:
            assert root == -1
            continue
        leaves = below(blocks, root, seen)
        assert [len(leaf) for leaf in leaves[:-1]] == [32] * (len(leaves) - 1)
        found = [point for leaf in leaves for point in leaf]
        assert sorted(found, key=lambda one: one["row"]) == sorted(
            wanted, key=lambda one: one["row"]
        )
        place = {point["row"]: i for i, point in enumerate(points)}
        for one, other in itertools.pairwise(found):
            if (one["lon"], one["lat"]) == (other["lon"], other["lat"]):
                merits = [
                    (-point["trust"], -point["fresh_at"], place[point["row"]])
                    for point in (one, other)
                ]
                assert merits[0] < merits[1]
        # A spot is met once, and the way from spot to spot is that of the curve.
        keys = hilbert([(point["lon"], point["lat"]) for point in found])
        assert keys == sorted(keys)
    assert set(seen) == {f"node {i}" for i in range(len(nodes))} | {
        f"leaf {i}" for i in range(len(hot))
    }
    assert set(seen.values()) <= {1}


# -- the curve ---------------------------------------------------------------------------------


def hilbert(places: list[tuple[int, int]]) -> list[int]:
    hot = np.zeros((len(places), 5), np.int32)
    hot[:, :2] = np.array(places, np.int64).reshape(-1, 2)
    return p.hilbert_keys(hot).tolist()


@given(whole, whole, st.integers(1, 4))
def test_the_curve_visits_a_square_step_by_step(x: int, y: int, bits: int) -> None:
    """What makes it a Hilbert curve: it fills each square before it leaves, by steps of one."""
    side = 1 << bits
    x, y = (LOWEST + (value - LOWEST) // side * side for value in (x, y))
    square = [(x + i, y + j) for i in range(side) for j in range(side)]
    keys = hilbert(square)
    assert sorted(keys) == list(range(min(keys), min(keys) + side * side))
    assert min(keys) % (side * side) == 0
    way = [place for _, place in sorted(zip(keys, square, strict=True))]
    for (x1, y1), (x2, y2) in itertools.pairwise(way):
        assert abs(x1 - x2) + abs(y1 - y2) == 1


@given(whole, whole, st.integers(0, 31))
def test_squares_of_any_size_are_visited_one_beside_the_other(x: int, y: int, bits: int) -> None:
    """The four quarters of a square, each by its place in the order of keys, form a path."""
    side = 1 << bits
    x, y = (LOWEST + (value - LOWEST) // (2 * side) * 2 * side for value in (x, y))
    quarters = [(i, j) for i in (0, 1) for j in (0, 1)]
    first, last = (
        [key >> 2 * bits for key in hilbert([(x + i * side + edge, y + j * side + edge)
                                             for i, j in quarters])]
        for edge in (0, side - 1)
    )  # fmt: skip
    assert first == last  # opposite corners of a quarter share all but the lower bits
    assert sorted(first) == list(range(min(first), min(first) + 4))
    way = [quarter for _, quarter in sorted(zip(first, quarters, strict=True))]
    for (x1, y1), (x2, y2) in itertools.pairwise(way):
        assert abs(x1 - x2) + abs(y1 - y2) == 1


# -- beside other threads ----------------------------------------------------------------------


def longest_wait(columns: PointColumns) -> float:
    """How long another thread waits at most while these are packed, as a part of that time."""
    packer = threading.Thread(target=p.pack, args=(columns,))
    waits = []
    packer.start()
    while packer.is_alive():
        before = time.perf_counter()
        time.sleep(0.0002)
        waits.append(time.perf_counter() - before)
    return max(waits) / sum(waits)


def test_other_threads_run_while_points_are_packed() -> None:
    """Any step that kept them waiting, a sort or the filling of leaves, is a fifth of all."""
    columns = sample_points(400_000, seed=1).columns
    p.pack(columns)  # compiled, if it was not
    until(lambda: longest_wait(columns) < 0.1)  # a busy machine keeps them waiting, not each time


def test_points_valid_for_ever_and_never_keep_what_they_are() -> None:
    columns = columns_from(np.random.default_rng(0), np.tile((5.37, 43.3), (40, 1)), plain=True)
    columns.kind[:], columns.personal[:] = 0, False
    columns.valid_from[:20], columns.valid_to[:20] = ALWAYS_FROM, ALWAYS_TO
    columns.valid_from[20:], columns.valid_to[20:] = ALWAYS_TO, ALWAYS_FROM
    _, nodes, hot, cold = parts(p.pack(columns))
    points = [point_at(hot, cold, slot // 32, slot % 32) for slot in range(40)]
    assert Counter((one["valid_from"], one["valid_to"]) for one in points) == {
        (ALWAYS_FROM, ALWAYS_TO): 20,
        (ALWAYS_TO, ALWAYS_FROM): 20,
    }
    assert sorted(one["row"] for one in points) == list(range(40))
    for leaf, under in enumerate((points[:32], points[32:])):
        assert nodes[0, : p.LINKS, leaf].tolist() == bounds_of(under)
