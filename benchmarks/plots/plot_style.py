"""The style of plots: a colour and marker per method, one legend, files without dates."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.results.published import METHOD_ORDER
from wepdtof_pose.errors import one_line
from wepdtof_pose.palette import BLUE, GREEN, GREY, ORANGE, PLOT_STYLE, PURPLE, SKY, VERMILION

COLOURS = (GREY, SKY, ORANGE, GREEN, BLUE, VERMILION, PURPLE)
MARKERS = ("o", "v", "^", "s", "D", "P", "X")
_OTHER_MARKERS = ("d", "h", "<", ">", "p", "H", "8")
_OTHER_LINES = ("--", "-.", ":")
STYLE: dict[Any, Any] = {
    **PLOT_STYLE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "svg.hashsalt": "sspcm-bench",
}


@dataclass(frozen=True)
class Drawn:
    """A figure, and what was left out of it with the reasons."""

    figure: Figure
    left_out: tuple[str, ...] = ()


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, size in inches; draw in `matplotlib.rc_context(STYLE)`."""
    return Figure(figsize=(width, height), layout="constrained")


def colour_and_marker(method: str) -> dict[str, Any]:
    """Return colour, marker and line of a method, the same in all plots.

    What is not published is black; of that, `sspcm_ema` has a solid line, and methods of the user's
    and settings of a method (`variants` of a grid) broken ones, with markers by their names.
    """
    if method in METHOD_ORDER:
        index = METHOD_ORDER.index(method)
        return {"color": COLOURS[index], "marker": MARKERS[index], "linestyle": "-"}
    if method == "sspcm_ema":
        return {"color": "black", "marker": "*", "linestyle": "-"}
    number = zlib.crc32(method.encode())
    marker = _OTHER_MARKERS[number % len(_OTHER_MARKERS)]
    return {"color": "black", "marker": marker, "linestyle": _OTHER_LINES[number // 7 % 3]}


def plain(text: str) -> str:
    r"""Return a text from a result file for a plot: on one line, with `$` escaped.

    >>> plain("$\\frac$")
    '\\$\\frac\\$'
    """
    return one_line(text).replace("$", r"\$")


def legend_above(figure: Figure, *, columns: int = 4) -> None:
    """Add one legend above all panels with the entries of all of them, in as few rows as fit.

    Args:
        figure: its width is what rows fit into.
        columns: most entries of a row.
    """
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        if axes.get_legend() is None:
            for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
                entries.setdefault(name, handle)
    for rows in range(max(math.ceil(len(entries) / columns), 1), len(entries) + 1):
        legend = figure.legend(
            list(entries.values()),
            list(entries),
            loc="outside upper center",
            ncols=math.ceil(len(entries) / rows),
        )
        figure.draw_without_rendering()
        if legend.get_window_extent().width <= figure.bbox.width or rows == len(entries):
            break
        legend.remove()


def mean_with_bars(
    panel: Axes, at: np.ndarray, runs: np.ndarray, method: str, *, across: bool = False, **look: Any
) -> None:
    """Draw the mean over runs (runs, n) at n places, with bars of the standard deviation.

    `across` draws values along x and places along y.
    """
    mean = runs.mean(axis=0)
    spread = runs.std(axis=0, ddof=1) if len(runs) > 1 else None
    places = (mean, at) if across else (at, mean)
    options: dict[str, Any] = {"xerr" if across else "yerr": spread, "elinewidth": 0.8}
    options |= {"label": plain(method), **colour_and_marker(method), **look}
    panel.errorbar(*places, **options)


def spread_lines(panel: Axes) -> None:
    """Start the y axis, in percent, at 0, unless all lines would be crowded in the upper half."""
    low, high = panel.get_ylim()
    panel.set_ylim(0 if low < high / 2 else low, max(high, 1))


def epoch_axis(panel: Axes) -> None:
    """Label the x axis, and give it whole numbers, also where there is one epoch alone."""
    panel.set_xlabel("epoch")
    panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
