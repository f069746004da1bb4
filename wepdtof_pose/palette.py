"""One palette for pictures, plots and the App: that of Okabe and Ito.

The colour-blind can tell its colours apart (M. Okabe, K. Ito, Color Universal Design, 2008). A
person's right side is warm, the left cool; the baseline of a comparison is grey.
"""

from __future__ import annotations

from typing import Any

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
INK, GREY, PALE, WHITE = "#191919", "#666666", "#999999", "#FFFFFF"

PLOT_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}
"""matplotlib's settings for a figure of a paper."""

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches of a column and of a page of a paper."""


def bgr(colour: str) -> tuple[int, int, int]:
    """Return a colour "#RRGGBB" as OpenCV has it: blue, green, red.

    >>> bgr(VERMILION)
    (0, 94, 213)
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return blue, green, red
