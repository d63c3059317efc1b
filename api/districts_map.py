"""One measure of many districts as a picture: a choropleth that says what it doesn't know.

Drawn in degrees, stretched so that a metre is as long either way in the middle of the map.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, floor, log10, radians

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.path import Path
from numpy.typing import NDArray

from api.districts_answers import parts_of, zone_answer
from api.districts_words import (
    Lang,
    bound_texts,
    number_text,
    quarter_text,
    sources_of,
    title_of,
    unit_of,
    words,
)
from geo.arrays import FloatArray
from geo.distance import EARTH_RADIUS_M
from geo.errors import InputError, NotFoundError
from matching.districts import Districts, column_name
from matching.planning.public_figures import WALKED

__all__ = [
    "Choropleth",
    "bare_map",
    "choropleth",
    "class_colours",
    "class_edges",
    "map_figure",
    "map_png",
    "parted_edges",
]

CLASSES = 5
COLOURS = colormaps["YlGnBu"]  # light to dark for every eye, and on a grey print
LIGHTEST, DARKEST = 0.18, 0.95
SIDES = colormaps["PuOr_r"]  # below and above nothing: purple and orange, alike to no eye
FAINTEST, STRONGEST = 0.1, 0.45  # from its middle

# What has no value: how it is filled, and with which lines.
FILLS = {
    "merged": ("#f1efe9", "...."),
    "hidden": ("#ffffff", "/////"),
    "zero": ("#ececec", None),
    "unknown": ("#a9a9a9", None),
}
SIZE_IN = (10.0, 7.5)
BARE_IN = (5.6, 4.8)
EDGE, HATCH = "#6b6b6b", "#8a8a8a"
Colour = tuple[float, float, float, float]
DEGREE_M = radians(1.0) * EARTH_RADIUS_M


@dataclass(frozen=True, kw_only=True, eq=False)
class Choropleth:
    """What is drawn: entry i of the first three is one district.

    Attributes
    ----------
    outlines : ndarray of shapely geometries, shape (n,)
        Polygons, EPSG:4326; None where there is none.
    values : ndarray of float64, shape (n,)
        NaN where the status isn't ``ok``.
    statuses : sequence of str
        As a release has them.
    title, subtitle, sources : str
        Above the map and below it.
    unit : str
        Of the values: how numbers are told.
    marked : shapely geometry, optional
        An outline drawn boldly.
    """

    outlines: NDArray[np.object_]
    values: FloatArray
    statuses: Sequence[str]
    title: str
    subtitle: str
    unit: str
    sources: str
    lang: Lang = "en"
    marked: shapely.Geometry | None = None


def choropleth(
    districts: Districts,
    measure: str,
    category: str = "",
    *,
    level: str = "iris",
    within: str | None = None,
    marked: str | None = None,
    lang: Lang = "en",
) -> Choropleth:
    """One measure of a level's zones, ready to be drawn.

    Parameters
    ----------
    districts : Districts
        The release.
    measure, category, level : str
        As its rows have them.
    within : str, optional
        Only what this zone is made of; by default all there is.
    marked : str, optional
        Code of a zone to outline.
    lang : {"fr", "en"}

    Raises
    ------
    NotFoundError
        With code ``unknown-measure``, ``unknown-level`` or ``unknown-zone``.
    """
    table = districts.table(level, (measure,))
    name = column_name(measure, category)
    if name not in table.column_names:
        known = ", ".join(c for m, c in districts.measures(level) if m == measure and c)
        raise NotFoundError(
            f"no category {category[:40]!r} of {measure} here; known: {known or 'none'}",
            code="unknown-measure",
        )
    count = len(table)
    chosen = np.arange(count) if within is None else parts_of(districts, within, level)
    head = districts.release
    place = "" if within is None else f"{zone_answer(districts, within)['name']} · "
    zones = f"{number_text(len(chosen), 'count', lang)} {words(level + 's', lang)}"
    quarter = f"{quarter_text(head.id, lang)}, version {head.version}"
    sources = districts.rows(districts.codes(level)[0]).filter(pc.field("measure") == measure)
    walked = any(WALKED in source for source in sources["source"].to_pylist())
    return Choropleth(
        outlines=districts.outlines(level)[chosen],
        values=table[name].to_numpy()[chosen],
        statuses=table[f"{name}_status"].take(pa.array(chosen)).to_pylist(),
        title=title_of(measure, category, lang),
        subtitle=f"{place}{zones} · {quarter}" + (f" · {words('walked', lang)}" if walked else ""),
        unit=unit_of(measure),
        sources=sources_of(head, lang),
        lang=lang,
        marked=None if marked is None else districts.outline(marked),
    )


def class_edges(values: FloatArray, classes: int = CLASSES) -> FloatArray:
    """Bounds of classes with about as many values in each: quantiles, rounded to read well.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Finite, at least one.
    classes : int
        How many at most: fewer where values are few or equal.

    Returns
    -------
    ndarray of float64, shape (m,)
        Rising. Class i is from the i-th bound up to, not with, the next; the last one has both.

    Examples
    --------
    >>> class_edges(np.array([0.021, 0.034, 0.04, 0.049, 0.051, 0.068, 0.12]), 3)
    array([0.021, 0.04 , 0.051, 0.12 ])
    """
    different = np.unique(values)
    count = min(classes, len(different))
    shares = np.linspace(0.0, 1.0, count + 1)
    raw = np.unique(np.quantile(values, shares))
    if len(raw) <= count:
        # One value is a class or more by itself, as 100 % within reach often is: without it,
        # the others would be told together.
        raw = np.unique(np.quantile(different, shares))
    if len(raw) == 1:
        return np.repeat(raw, 2)
    # A quarter of the narrowest class at most, but no finer than anybody reads.
    step = 10.0 ** floor(log10(max(np.diff(raw).min() / 4, (raw[-1] - raw[0]) / 1_000)))
    inner = np.round(raw[1:-1] / step) * step
    low, high = np.floor(raw[0] / step) * step, np.ceil(raw[-1] / step) * step
    # The last digits that a multiple of 0.001 gathers are none of the value's.
    return np.unique(np.round(np.concatenate(([low], inner, [high])), 12))


def map_png(drawn: Choropleth) -> bytes:
    """`map_figure` as a PNG."""
    return _png(map_figure(drawn), 0.15)


def bare_map(drawn: Choropleth) -> tuple[bytes, list[Patch]]:
    """The districts and the scale alone, as a PNG, and what a legend beside it would show."""
    figure = Figure(figsize=BARE_IN, dpi=150, facecolor="white")
    legend = _draw(figure.add_axes((0.02, 0.05, 0.96, 0.93)), drawn)
    return _png(figure, 0.02), legend


def _png(figure: Figure, margin_in: float) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight", pad_inches=margin_in)
    return file.getvalue()


def map_figure(drawn: Choropleth) -> Figure:
    """The map: title, districts, legend with how many districts each fill has, scale, sources.

    Raises
    ------
    InputError
        If no district has an outline.
    """
    figure = Figure(figsize=SIZE_IN, dpi=150, facecolor="white")
    legend = _draw(figure.add_axes((0.02, 0.09, 0.68, 0.79)), drawn)
    figure.text(0.02, 0.95, drawn.title, fontsize=15, fontweight="bold", parse_math=False)
    figure.text(0.02, 0.915, drawn.subtitle, fontsize=10, color="#444444", parse_math=False)
    figure.text(0.02, 0.02, drawn.sources, fontsize=7, color="#555555", wrap=True, parse_math=False)
    figure.legend(
        handles=legend,
        loc="upper left",
        bbox_to_anchor=(0.71, 0.88),
        frameon=False,
        fontsize=9,
        handlelength=2.2,
        handleheight=1.5,
        title=words("classes", drawn.lang),
        alignment="left",
    )
    return figure


def _draw(axes: Axes, drawn: Choropleth) -> list[Patch]:
    """Districts and scale; what the legend shows."""
    there = ~shapely.is_missing(drawn.outlines)
    if not there.any():
        raise InputError("a map needs outlines: this level of the release has none")
    legend = _paint(axes, drawn)
    if drawn.marked is not None:
        axes.add_collection(_shapes([drawn.marked], "none", "#111111", 1.8))
    west, south, east, north = shapely.total_bounds(drawn.outlines[there])
    shrink = cos(radians((south + north) / 2))
    axes.set_aspect(1 / shrink)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_axis_off()
    _scale_bar(axes, west, south, (east - west) * shrink * DEGREE_M)
    return legend


def _paint(axes: Axes, drawn: Choropleth) -> list[Patch]:
    """Fill every district; what the legend says of each fill, with how many have it."""
    statuses = np.asarray(drawn.statuses)
    there = ~shapely.is_missing(drawn.outlines)
    legend = []
    told = statuses == "ok"
    if told.any():
        edges = parted_edges(drawn.values[told])
        texts = bound_texts(edges.tolist(), drawn.unit, drawn.lang)
        count = len(edges) - 1
        classes = np.clip(np.searchsorted(edges, drawn.values, side="right") - 1, 0, count - 1)
        for i, colour in enumerate(class_colours(edges)):
            chosen = told & (classes == i)
            axes.add_collection(_shapes(drawn.outlines[chosen & there], colour))
            low, high = texts[i : i + 2]
            between = words("from-to", drawn.lang).format(low=low, high=high)
            text = low if low == high else between
            legend.append(Patch(facecolor=colour, edgecolor=EDGE, label=_entry(text, chosen)))
    for status, (fill, hatch) in FILLS.items():
        chosen = statuses == status
        if not chosen.any():
            continue
        shapes = _shapes(drawn.outlines[chosen & there], fill, hatch=hatch)
        axes.add_collection(shapes)
        label = _entry(words(status, drawn.lang), chosen)
        legend.append(
            Patch(facecolor=fill, edgecolor=HATCH if hatch else EDGE, hatch=hatch, label=label)
        )
    return legend


def parted_edges(values: FloatArray) -> FloatArray:
    """`class_edges`, and zero between them if values lie on both sides of it."""
    edges = class_edges(values)
    return np.unique(np.append(edges, 0.0)) if edges[0] < 0.0 < edges[-1] else edges


def class_colours(edges: FloatArray) -> list[Colour]:
    """One for each class: of a row from light to dark, or of two sides if they part at zero."""
    count = len(edges) - 1
    if not edges[0] < 0.0 < edges[-1]:
        return [COLOURS(share) for share in np.linspace(LIGHTEST, DARKEST, count).tolist()]
    below = int(np.searchsorted(edges, 0.0))
    far = np.concatenate((np.arange(-below, 0), np.arange(1, count - below + 1)))
    strength = np.interp(np.abs(far), (1, max(np.abs(far).max(), 2)), (FAINTEST, STRONGEST))
    return [SIDES(place) for place in (0.5 + np.sign(far) * strength).tolist()]


def _entry(text: str, chosen: NDArray[np.bool_]) -> str:
    return f"{text}  ({np.count_nonzero(chosen)})"


def _shapes(
    outlines: Sequence[shapely.Geometry] | NDArray[np.object_],
    colour: str | Colour,
    edge: str = EDGE,
    width: float = 0.25,
    hatch: str | None = None,
) -> PathCollection:
    paths = [
        # Rings of the normal form turn one way, holes the other: so a hole stays open.
        Path.make_compound_path(
            *(Path(shapely.get_coordinates(ring), closed=True) for ring in shapely.get_rings(one))
        )
        for one in shapely.normalize(np.asarray(outlines, dtype=object))
    ]
    shapes = PathCollection(paths, facecolor=colour, edgecolor=edge, linewidth=width)
    if hatch is not None:
        shapes.set_hatch(hatch)
        shapes.set_edgecolor(HATCH)
    return shapes


def _scale_bar(axes: Axes, west: float, south: float, width_m: float) -> None:
    """A bar of a round length, a fifth of the map at most."""
    power = 10.0 ** floor(log10(width_m / 5))
    length_m = max(m * power for m in (1, 2, 5) if m * power <= width_m / 5)
    share = length_m / width_m
    label = f"{length_m / 1_000:g} km" if length_m >= 1_000 else f"{length_m:g} m"
    axes.plot([0.0, share], [-0.025, -0.025], color="#222222", lw=2.0, transform=axes.transAxes,
              clip_on=False)  # fmt: skip
    axes.text(share + 0.01, -0.025, label, transform=axes.transAxes, fontsize=8, va="center")
