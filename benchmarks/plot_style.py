"""How plots look: sizes of a paper, colours that the colour-blind tell apart, and markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.published import METHOD_ORDER
from wepdtof_pose.files import replacing

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches of a column and of a page."""
COLOURS = ("#666666", "#56B4E9", "#E69F00", "#009E73", "#0072B2", "#D55E00", "#CC79A7")
"""Okabe and Ito's palette, grey for the baseline."""
MARKERS = ("o", "v", "^", "s", "D", "P", "X")
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "svg.hashsalt": "sspcm-bench",
    "savefig.dpi": 300,
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches; drawn on within `matplotlib.rc_context(STYLE)`."""
    return Figure(figsize=(width, height), layout="constrained")


def of_method(method: str) -> dict[str, Any]:
    """Colour and marker of a method, the same in every plot."""
    index = METHOD_ORDER.index(method) if method in METHOD_ORDER else len(METHOD_ORDER)
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def legend_above(figure: Figure, axes: Axes, *, columns: int = 4) -> None:
    """One legend above all panels, with the entries of `axes`."""
    handles, names = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside upper center", ncols=min(columns, len(names)))


def save(figure: Figure, stem: Path, *, suffixes: tuple[str, ...] = ("png", "pdf")) -> list[Path]:
    """Write a figure in these formats; without dates, the same figure gives the same bytes."""
    files = []
    with matplotlib.rc_context(STYLE):
        for suffix in suffixes:
            file = stem.with_name(f"{stem.name}.{suffix}")
            metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}}
            with replacing(file) as temporary:
                figure.savefig(
                    temporary, format=suffix, metadata=metadata.get(suffix, {"Date": None})
                )
            files.append(file)
    return files
