"""api/districts_map.py: classes hold every value, and no two statuses look alike."""

import io
import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from api.districts_map import Choropleth, class_edges, map_figure, map_png
from geo.distance import haversine_m
from geo.errors import InputError

STATUSES = ("ok", "merged", "hidden", "zero", "unknown")
numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


def choropleth(outlines, values, statuses, **more):
    return Choropleth(
        outlines=np.array(outlines, dtype=object),
        values=np.array(values, dtype=np.float64),
        statuses=statuses,
        title="Foyers inscrits pour 100 foyers",
        subtitle="Port-Mitoyen, 2026Q3",
        unit="percent",
        sources="$Sources$ : aucune",
        **more,
    )


def square(i):
    return shapely.box(5.0 + 0.1 * i, 43.0, 5.1 + 0.1 * i, 43.1)


def legend_of(drawn):
    return [text.get_text() for text in map_figure(drawn).legends[0].get_texts()]


@given(st.lists(numbers, min_size=1, max_size=60), st.integers(1, 7))
def test_every_value_lies_in_one_of_the_classes(values, classes):
    edges = class_edges(np.array(values), classes)
    assert edges[0] <= min(values) + 1e-9 and max(values) <= edges[-1] + 1e-9
    assert 2 <= len(edges) <= classes + 1
    assert len(edges) == 2 or (np.diff(edges) > 0).all()


@pytest.mark.parametrize(
    "values",
    [
        np.arange(400.0),
        np.random.default_rng(1).lognormal(0.0, 1.0, 400),
        np.random.default_rng(2).normal(4.9, 0.01, 400),
        np.append(np.random.default_rng(3).uniform(0.0, 100.0, 399), 10_000.0),
    ],
    ids=["even", "skewed", "narrow", "one far away"],
)
def test_classes_of_different_values_hold_about_as_many(values):
    edges = class_edges(values)
    assert all(64 <= held <= 96 for held in np.histogram(values, edges)[0])
    assert all(len(f"{edge:.12g}") <= 6 for edge in edges), "bounds must read well"


def test_where_most_have_one_value_the_others_are_still_told_apart():
    values = np.array([100.0] * 300 + [0.0] * 20 + [3.0, 12.0, 20.0, 34.0, 51.0, 66.0, 80.0, 93.0])
    edges = class_edges(values)
    assert len(edges) == 6 and (edges[0], edges[-1]) == (0.0, 100.0)
    assert np.histogram(values, edges)[0].min() >= 2


def test_the_legend_counts_every_district_once():
    rng = np.random.default_rng(7)
    statuses = rng.choice(STATUSES, 80).tolist()
    values = np.where(np.array(statuses) == "ok", rng.uniform(1, 9, 80), np.nan)
    told = legend_of(choropleth([square(i) for i in range(80)], values, statuses))
    counted = [int(text.rpartition("(")[2].rstrip(")")) for text in told]
    assert sum(counted) == 80
    assert counted[-4:] == [statuses.count(status) for status in STATUSES[1:]]


def test_no_two_statuses_look_alike():
    pictures = {
        status: imread(io.BytesIO(map_png(choropleth([square(0)], [5.0], [status]))))
        for status in STATUSES
    }
    for one, other in itertools.combinations(STATUSES, 2):
        middle = (slice(400, 700), slice(300, 700))  # of the square: no legend, no title
        assert not np.array_equal(pictures[one][middle], pictures[other][middle]), (one, other)


def test_a_hole_shows_what_is_behind_it():
    ring = square(0).difference(shapely.box(5.03, 43.03, 5.07, 43.07))
    for outline in (ring, ring.reverse(), shapely.MultiPolygon([ring])):
        picture = imread(io.BytesIO(map_png(choropleth([outline], [5.0], ["ok"]))))
        height, width = picture.shape[:2]
        middle = picture[int(0.52 * height), int(0.36 * width), :3]
        assert middle.tolist() == [1.0, 1.0, 1.0]


def test_a_metre_is_as_long_either_way():
    axes = map_figure(choropleth([square(0)], [5.0], ["ok"])).axes[0]
    assert axes.get_aspect() == pytest.approx(1 / np.cos(np.radians(43.05)))


def test_the_scale_bar_is_of_a_round_length_and_true():
    axes = map_figure(choropleth([square(0)], [5.0], ["ok"])).axes[0]
    (bar,), (label,) = axes.lines, axes.texts
    share = bar.get_xdata()[1]
    across = haversine_m((5.0, 43.05), np.array([(5.1, 43.05)])).item()
    assert label.get_text() == "1 km"
    assert share * across == pytest.approx(1_000, rel=1e-3)


def test_french_tells_numbers_the_french_way():
    told = legend_of(choropleth([square(0), square(1)], [1.5, 2.5], ["ok", "ok"], lang="fr"))
    assert told[0].startswith("1,5\u202f%")


def test_figures_on_both_sides_of_zero_part_there_and_in_colour():
    values = [-6.0, -4.0, -2.0, -1.0, 1.0, 2.0, 3.0, 5.0]
    drawn = choropleth([square(i) for i in range(8)], values, ["ok"] * 8)
    patches = map_figure(drawn).legends[0].get_patches()
    colours = [patch.get_facecolor() for patch in patches]
    told = [patch.get_label() for patch in patches]
    below = [colour for colour, text in zip(colours, told, strict=True) if text.startswith("−")]
    above = colours[len(below) :]
    assert below and above and len(set(colours)) == len(colours)
    assert all(blue > red for red, _, blue, _ in below)  # purple
    assert all(red > blue for red, _, blue, _ in above)  # orange
    assert any("to 0.0 %" in text for text in told)


def test_the_same_figures_give_the_same_picture():
    drawn = choropleth([square(0), square(1)], [1.0, np.nan], ["ok", "hidden"], marked=square(1))
    assert map_png(drawn) == map_png(drawn)


def test_a_map_without_outlines_is_refused():
    with pytest.raises(InputError, match="outlines"):
        map_png(choropleth([None], [1.0], ["ok"]))
