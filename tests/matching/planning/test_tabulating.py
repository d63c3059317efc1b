import numpy as np
import pytest

from indexes.releases import RELEASE_SCHEMA, STATUSES, digest, table_from_bytes, table_to_bytes
from matching.planning.tabulating import MERGED, OK, Figure, level_rows

PARENTS = ["13055", "13201"]


def figure(measure: str, category: str, zones: int) -> Figure:
    """One of ``zones``: some merged into one of `PARENTS`, others told."""
    at = np.arange(zones)
    carried = at % 3 - 1
    return Figure.told(
        measure,
        category,
        value=at + 0.5,
        width=2.0,
        status=np.where(carried < 0, OK, MERGED).astype(np.int8),
        denominator=np.where(at % 2, 10.0, np.nan),
        source=f"source of {measure}",
        parent=carried if measure == "households" else None,
    )


def rows_of(figures: list[Figure], codes: list[str]) -> list[dict[str, object]]:
    """The rows of a level, one after the other, in plain Python."""

    def told(number: float) -> float | None:
        return None if np.isnan(number) else float(number)

    return [
        {
            "zone": code,
            "level": "iris",
            "measure": one.measure,
            "category": one.category,
            "value": told(one.value[i]),
            "lower": told(one.lower[i]),
            "upper": told(one.upper[i]),
            "status": STATUSES[one.status[i]],
            "parent": None if one.parent is None or one.parent[i] < 0 else PARENTS[one.parent[i]],
            "denominator": told(one.denominator[i]),
            "source": one.source,
            "vintage": 2020,
            "release": "2026Q3",
        }
        for i, code in enumerate(codes)
        for one in sorted(figures, key=lambda one: (one.measure, one.category))
    ]


@pytest.mark.parametrize("batch", [1, 6, 7, 250_000])
@pytest.mark.parametrize("zones", [1, 2, 6, 7])
def test_a_level_is_told_zone_by_zone_however_many_make_a_chunk(batch, zones, monkeypatch):
    monkeypatch.setattr("matching.planning.tabulating.BATCH", batch)
    figures = [
        figure(*key, zones)
        for key in (("listings", "garde"), ("households", ""), ("listings", "cours"))
    ]
    codes = [f"13201040{i}" for i in range(zones)]
    made = level_rows("iris", codes, figures, PARENTS, 2020, "2026Q3")
    assert made.schema.equals(RELEASE_SCHEMA)
    assert made.to_pylist() == rows_of(figures, codes)
    data = table_to_bytes(made)
    assert table_from_bytes(data, digest(data)).equals(made)


def test_what_is_said_of_each_figure_is_in_memory_once_for_any_number_of_zones(monkeypatch):
    monkeypatch.setattr("matching.planning.tabulating.BATCH", 20)
    figures = [figure("households", "", 1_000), figure("members", "", 1_000)]
    codes = [f"{i:09}" for i in range(1_000)]
    made = level_rows("iris", codes, figures, PARENTS, 2020, "2026Q3")
    for name in ("level", "measure", "category", "source", "vintage", "release"):
        values = {chunk.buffers()[-1].address for chunk in made[name].chunks}
        assert len(made[name].chunks) == 100
        assert len(values) == 1, name
