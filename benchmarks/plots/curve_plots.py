"""Plots of score against label budget and epoch, and of PCK against its threshold."""

from __future__ import annotations

from collections.abc import Sequence
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
    new_figure,
    plain,
    spread_lines,
)
from benchmarks.results.records import PckCurve
from benchmarks.results.results import Comparison, Group, numbers
from benchmarks.results.statistics import summarise
from benchmarks.tables.tables import chosen_baseline
from wepdtof_pose.palette import PAGE, PALE

CURVES = ("AP", "PCK@0.2")
"""Scores to draw."""

_UPPER_BOUND: dict[str, Any] = {
    "color": "#666666",
    "linestyle": (0, (4, 3)),
    "linewidth": 0.8,
    "label": "supervised, all labels (upper bound)",
}


def draw_budgets(comparison: Comparison, score: str) -> Drawn | str:
    """Return a plot of the last score against labelled people, one line per method, or why not."""
    bounds = [group for group in comparison.groups if group.is_upper_bound]
    groups_within = [group for group in comparison.groups if not group.is_upper_bound]
    if len({group.labels for group in groups_within}) < 2:
        return "there is one label budget only"
    scores = list(dict.fromkeys((*CURVES, score)))
    rows = comparison.backbones
    figure = new_figure(PAGE, 0.4 + 2.1 * len(rows))
    axes = figure.subplots(len(rows), len(scores), squeeze=False)
    for row, backbone in enumerate(rows):
        groups = [group for group in groups_within if group.backbone == backbone]
        people = sorted({g.cells[0].result.people_labelled for g in groups})
        for panel, name in zip(axes[row], scores, strict=True):
            for place, method in enumerate(comparison.methods):
                beside = place - (len(comparison.methods) - 1) / 2
                _budget_line(panel, [g for g in groups if g.method == method], name, beside)
            draw_upper_bound(panel, [g for g in bounds if g.backbone == backbone], name)
            panel.set_xscale("log")
            panel.xaxis.set_major_locator(FixedLocator(people))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_xticklabels([f"{count:,}" for count in people])
            panel.set_xlabel("labelled people")
            panel.set_ylabel(f"{name} (%)")
            spread_lines(panel)
            if len(rows) > 1:
                panel.set_title(plain(backbone))
    legend_above(figure, columns=8)
    undefined = (
        f"{name} of {group.method} with {comparison.place(group)}: it is not defined for every run"
        for group in comparison.groups
        for name in scores
        if summarise(group.values(name)) is None
    )
    return Drawn(figure, tuple(undefined))


def draw_learning_curves(comparison: Comparison) -> Drawn:
    """Return a plot of scores over epochs: a row per budget and backbone, a line per method."""
    rows, bounds = _rows_and_bounds(comparison, comparison.groups)
    figure = new_figure(PAGE, 0.4 + 1.9 * len(rows))
    axes = figure.subplots(len(rows), len(CURVES), squeeze=False, sharex=True)
    left_out = []
    for row, (place, groups) in enumerate(rows.items()):
        for panel, curve in zip(axes[row], CURVES, strict=True):
            for group in groups:
                epochs, values = curve_of(group, curve)
                _curve(panel, group, epochs, values)
                if not len(epochs) or np.isnan(values).any():
                    left_out.append(
                        f"{curve} of {group.method} with {place}: it is not there for every run "
                        "at every epoch"
                    )
            backbone = groups[0].backbone
            draw_upper_bound(panel, [b for b in bounds if b.backbone == backbone], curve)
            panel.set_title(plain(place))
            panel.set_ylabel(f"{curve} (%)")
            spread_lines(panel)
            _shade_burn_in(panel, comparison)
    for panel in axes[-1]:
        epoch_axis(panel)
    legend_above(figure, columns=8)
    left_out += [
        f"{cell.folder.name} after epoch {len(cell.metrics)} of {cell.result.epochs}: its "
        "metrics.jsonl ends there, and so does the curve of its method"
        for cell in comparison.cells
        if 0 < len(cell.metrics) < cell.result.epochs
    ]
    return Drawn(figure, tuple(left_out))


def draw_pck_curves(comparison: Comparison, measured: Measured[PckCurve]) -> Drawn | str:
    """Return a plot of PCK by threshold and its difference to the baseline, or why there is none.

    There is one row per label budget and backbone, with the upper bound as a line of its own; lines
    are means over runs.
    """
    groups, reasons = measured.split(comparison.groups)
    if not groups:
        return "; ".join(reasons)
    rows, bounds = _rows_and_bounds(comparison, groups)
    baseline = chosen_baseline(comparison, None)
    figure = new_figure(PAGE, 0.4 + 2.1 * len(rows))
    axes = figure.subplots(len(rows), 2, squeeze=False, sharex=True)
    for (place, shown), (whole, difference) in zip(rows.items(), axes, strict=True):
        thresholds = measured.found[shown[0].cells[0].folder].thresholds
        # With all labels the baseline may be the upper bound.
        base = [
            _mean_pck(group, measured)
            for group in (*shown, *bounds)
            if group.method == baseline and comparison.place(group) == place
        ]
        for group in shown:
            values = _mean_pck(group, measured)
            look = colour_and_marker(group.method) | {"markevery": 8, "markersize": 3}
            whole.plot(thresholds, values, label=plain(group.method), **look)
            if base:
                difference.plot(thresholds, values - base[0], **look)
        for bound in bounds:
            if bound.backbone == shown[0].backbone:
                whole.plot(thresholds, _mean_pck(bound, measured), **_UPPER_BOUND)
        whole.set_ylabel("PCK (%)")
        whole.set_ylim(bottom=0)
        difference.set_ylabel(f"difference to {plain(str(baseline))} (points)")
        for panel in (whole, difference):
            panel.set_title(plain(place))
            panel.set_xlim(0, thresholds[-1])
        if not base:
            difference.set_visible(False)
            reasons.append(f"differences with {place}: the baseline is not measured")
    for column in axes.T:
        for panel in [panel for panel in column if panel.get_visible()][-1:]:
            panel.set_xlabel("threshold (distance over √ box area)")
            panel.tick_params(labelbottom=True)
    legend_above(figure, columns=8)
    return Drawn(figure, tuple(reasons))


def curve_of(group: Group, score: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs (n,) that all runs evaluated, and scores (runs, n) in percent or NaN."""
    runs = [
        {
            row["epoch"]: row["scores"][group.reported].get(score)
            for row in cell.metrics
            if group.reported in row.get("scores", ())
        }
        for cell in group.cells
    ]
    epochs = sorted(set.intersection(*(set(run) for run in runs)))
    values = [100 * numbers(run[epoch] for epoch in epochs) for run in runs]
    return np.array(epochs), np.array(values)


def draw_upper_bound(panel: Axes, groups: list[Group], score: str) -> None:
    """Draw a horizontal line at the score with all labels, if it is known."""
    found = [summarise(group.values(score)) for group in groups]
    for summary in found:
        if summary is not None:
            panel.axhline(100 * summary.mean, **_UPPER_BOUND)


def _rows_and_bounds(
    comparison: Comparison, groups: Sequence[Group]
) -> tuple[dict[str, list[Group]], list[Group]]:
    """Return groups by label budget and backbone, and the upper bounds, where these are not all."""
    bounds = [group for group in groups if group.is_upper_bound]
    if len(bounds) == len(groups):
        bounds = []
    rows: dict[str, list[Group]] = {}
    for group in groups:
        if not (bounds and group.is_upper_bound):
            rows.setdefault(comparison.place(group), []).append(group)
    return rows, bounds


def _budget_line(panel: Axes, groups: list[Group], score: str, place: float) -> None:
    found = [(g.cells[0].result.people_labelled, summarise(g.values(score))) for g in groups]
    known = [(people, summary) for people, summary in found if summary is not None]
    if not known:
        return
    # Methods are shifted slightly, so that their bars do not hide each other.
    at = np.array([people for people, _ in known]) * 1.02**place
    panel.errorbar(
        at,
        [100 * summary.mean for _, summary in known],
        yerr=[100 * (summary.spread or 0.0) for _, summary in known],
        capsize=2,
        elinewidth=0.8,
        label=plain(groups[0].method),
        **colour_and_marker(groups[0].method),
    )


def _curve(panel: Axes, group: Group, epochs: np.ndarray, values: np.ndarray) -> None:
    look = colour_and_marker(group.method)
    for run in values if len(values) > 1 else ():
        panel.plot(epochs, run, color=look["color"], linewidth=0.6, alpha=0.45)
    panel.plot(epochs, values.mean(axis=0), label=plain(group.method), markersize=3, **look)


def _shade_burn_in(panel: Axes, comparison: Comparison) -> None:
    burn_in = {cell.config.optimisation.burn_in_epochs for cell in comparison.cells}
    if len(burn_in) == 1 and (epochs := burn_in.pop()):
        panel.axvspan(0, epochs, color=PALE, alpha=0.12, linewidth=0)
        panel.set_xlim(left=0)


def _mean_pck(group: Group, measured: Measured[PckCurve]) -> np.ndarray:
    """Return the mean PCK (thresholds,) over runs, in percent."""
    return 100 * np.mean([measured.found[cell.folder].PCK for cell in group.cells], axis=0)
