"""Plots of the quality of pseudo-labels, and of their selection over the epochs."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks.analyses.analyses import Measured
from benchmarks.plots.plot_style import (
    Drawn,
    colour_and_marker,
    epoch_axis,
    legend_above,
    mean_with_bars,
    new_figure,
    plain,
    spread_lines,
)
from benchmarks.results.records import LabelBin, LabelQuality
from benchmarks.results.results import Comparison, Group
from wepdtof_pose.palette import BLUE, GREEN, ORANGE, PAGE, PALE, PURPLE

PAIRS = ("A, B", "A', B", "A, B'", "A', B'")
"""Pairs of teachers, in the order of their statistics."""
_SIGNALS = {"inconsistency": ("-", "full"), "confidence": ("--", "none")}
"""Criterion that ranks labels -> style of its line, and fill of its dots."""
_PAIR_COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
_PAIR_MARKERS = ("o", "v", "^", "s")


def draw_pseudo_label_quality(
    comparison: Comparison, measured: Measured[LabelQuality]
) -> Drawn | str:
    """Return a plot of accuracy by confidence, inconsistency and share kept, or why not."""
    learning = [group for group in comparison.first_groups if group.method != "supervised"]
    if not learning:
        return "no method learns from unlabelled people"
    groups, reasons = measured.split(learning)
    if not groups:
        return "; ".join(reasons)
    figure = new_figure(PAGE, 4.6)
    ((by_confidence, by_position), (kept, areas)) = figure.subplots(2, 2)
    for place, group in enumerate(groups):
        found = [measured.found[cell.folder] for cell in group.cells]
        for panel, signal in ((by_confidence, "confidence"), (by_position, "inconsistency")):
            runs = [one.by[signal].bins for one in found if signal in one.by]
            if len(runs) == len(found) and len({len(run) for run in runs}) == 1:
                _bins(panel, group, runs)
            elif len(runs) == len(found):
                reasons.append(
                    f"accuracy by {signal} of {group.method}: runs of fewer than 10 joints"
                )
        _kept(kept, group, found)
        _areas(areas, group, found, place)
        if any(part.auc is None for one in found for part in one.by.values()):
            reasons.append(
                f"AUC of runs of {group.method}: their labels are all right or all wrong"
            )
    by_confidence.set_xlabel("confidence (height of the peak)")
    by_position.set_xlabel("position inconsistency (distance over √ box area)")
    by_position.set_xscale("symlog", linthresh=0.05)
    by_position.xaxis.set_major_locator(FixedLocator((0, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)))
    by_position.xaxis.set_major_formatter("{x:g}")
    by_position.xaxis.set_minor_locator(NullLocator())
    kept.set_xlabel("share of joints kept")
    kept.set_xlim(0, 1.02)
    _explain_lines(kept)
    for panel in (by_confidence, by_position, kept):
        panel.set_ylabel("right joints (%)")
        spread_lines(panel)
    for panel in (by_confidence, by_position):
        panel.set_title(plain(comparison.place(groups[0])))
    areas.set_xlabel("AUC: right joints ranked above wrong ones")
    areas.axvline(0.5, color=PALE, linewidth=0.8)
    areas.set_yticks(range(len(groups)), [plain(group.method) for group in groups])
    areas.set_ylim(len(groups) - 0.5, -0.5)
    legend_above(figure, columns=8)
    return Drawn(figure, tuple(reasons))


def draw_selection(comparison: Comparison) -> Drawn | str:
    """Return a plot of chosen pairs and of joints that pass the mask by epoch, or why not."""
    groups = [g for g in comparison.groups if any("pair_0" in row["train"] for row in _rows(g))]
    if not groups:
        return "no epoch here has chosen among pairs of teachers (sspcm: from its second on)"
    figure = new_figure(PAGE, 2.5)
    axes = figure.subplots(1, 3)
    for number, (name, colour, marker) in enumerate(
        zip(PAIRS, _PAIR_COLOURS, _PAIR_MARKERS, strict=True)
    ):
        epochs, values = statistic_of(groups[0], f"pair_{number}")
        axes[0].plot(epochs, 100 * values, color=colour, marker=marker, markersize=3, label=name)
    axes[0].set_ylabel("joints whose pair is chosen (%)")
    axes[0].set_title(plain(f"{groups[0].method}, {comparison.place(groups[0])}"))
    axes[0].legend(title="pair (' of the past)", title_fontsize=7)
    for place, group in enumerate(groups):
        look = {"color": _PAIR_COLOURS[place % 4], "marker": _PAIR_MARKERS[place % 4]}
        for panel, key, factor in ((axes[1], "joints_kept", 100), (axes[2], "inconsistency", 1)):
            epochs, values = statistic_of(group, key)
            label = plain(comparison.place(group))
            panel.plot(epochs, factor * values, markersize=3, label=label, **look)
    axes[1].set_ylabel("joints that pass the mask (%)")
    axes[2].margins(y=0.1)
    axes[2].set_ylabel("position inconsistency of the\nchosen pair (heatmap pixels)")
    axes[1].set_ylim(top=104)
    for panel in axes:
        panel.set_ylim(bottom=0)
        epoch_axis(panel)
    axes[1].legend()
    return Drawn(figure)


def statistic_of(group: Group, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs (n,) with a training statistic, and its mean (n,) over runs."""
    values: dict[int, list[float]] = {}
    for row in _rows(group):
        if key in row["train"]:
            values.setdefault(row["epoch"], []).append(row["train"][key])
    epochs = sorted(values)
    return np.array(epochs), np.array([np.mean(values[epoch]) for epoch in epochs])


def _rows(group: Group) -> list[dict[str, Any]]:
    return [row for cell in group.cells for row in cell.metrics]


def _bins(panel: Axes, group: Group, runs: list[list[LabelBin]]) -> None:
    at = np.mean([[part.value for part in run] for run in runs], axis=0)
    accuracy = 100 * np.array([[part.accuracy for part in run] for run in runs])
    mean_with_bars(panel, at, accuracy, group.method, capsize=2)


def _kept(panel: Axes, group: Group, runs: list[LabelQuality]) -> None:
    colour = colour_and_marker(group.method)["color"]
    for signal, (line, _) in _SIGNALS.items():
        if all(signal in run.by for run in runs):
            shares = runs[0].by[signal].kept.shares
            accuracy = [run.by[signal].kept.accuracy for run in runs]
            panel.plot(shares, 100 * np.mean(accuracy, axis=0), color=colour, linestyle=line)


def _areas(panel: Axes, group: Group, runs: list[LabelQuality], place: int) -> None:
    colour = colour_and_marker(group.method)["color"]
    for signal, (_, fill) in _SIGNALS.items():
        values = [run.by[signal].auc for run in runs if signal in run.by]
        known = [value for value in values if value is not None]
        face = colour if fill == "full" else "white"
        panel.plot(
            known, [place] * len(known), linestyle="none", marker="o", color=colour, mfc=face
        )


def _explain_lines(panel: Axes) -> None:
    for signal, (line, fill) in _SIGNALS.items():
        face = "black" if fill == "full" else "white"
        panel.plot([], [], color="black", linestyle=line, marker="o", mfc=face, label=signal)
    panel.legend(title="ranked by", title_fontsize=7)
