"""Plots as SVG: text stays text, and the same figures give the same file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["plot_latency"]

COLOURS = ("#c1440e", "#33658a", "#6b7a3a", "#7d5ba6")
LIGHT = "#d9d9d9"


def plot_latency(
    path: Path, title: str, sizes: Sequence[int], series: Mapping[str, Sequence[float]]
) -> None:
    """Latency against size, both on logarithmic axes.

    Parameters
    ----------
    path : Path
        The SVG to write.
    title : str
        What was asked.
    sizes : sequence of int
        Points.
    series : mapping of name to sequence of float
        Microseconds at each size; each line is labelled at its end.
    """
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "mitoyen"})
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullLocator

    figure, axes = plt.subplots(figsize=(7.0, 4.0), layout="constrained")
    for (name, values), colour in zip(series.items(), COLOURS, strict=False):
        axes.plot(sizes, values, "o-", color=colour, linewidth=2.0, markersize=5)
        axes.annotate(
            f"{name}  {values[-1]:,.0f} µs",
            (sizes[-1], values[-1]),
            xytext=(9, 0),
            textcoords="offset points",
            color=colour,
            verticalalignment="center",
        )
    axes.set(xscale="log", yscale="log", title=title, xlabel="points", ylabel="p50 of one query")
    axes.set_xticks(sizes, [_short(size) for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f} µs"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=1.0, top=2.0 * max(map(max, series.values())))
    axes.set_xlim(right=sizes[-1] * 4.5)  # room for the labels
    axes.grid(axis="y", color=LIGHT)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _short(size: int) -> str:
    return f"{size / 1e6:g} M" if size >= 1_000_000 else f"{size / 1e3:g} k"
