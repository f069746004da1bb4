"""Plots of scores by joint, and by distance from the centre of a fisheye image."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

from benchmarks.analyses.analyses import Measured
from benchmarks.plots.plot_style import (
    Drawn,
    legend_above,
    mean_with_bars,
    new_figure,
    plain,
    spread_lines,
)
from benchmarks.results.records import JointAP
from benchmarks.results.results import Comparison, Group, numbers
from wepdtof_pose.palette import COLUMN, PAGE


def draw_joints(comparison: Comparison, joint_ap: Measured[JointAP]) -> Drawn:
    """Return a plot of the AP (if predictions exist) and PCK of each joint.

    The AP of a joint is COCO's with only that joint labelled.
    """
    groups = comparison.first_groups
    joints = list(groups[0].cells[0].scores()["per_joint"])
    measured, reasons = joint_ap.split(groups)
    panels = []
    if measured:
        values = [
            _percents([joint_ap.found[c.folder][joint] for joint in joints] for c in group.cells)
            for group in measured
        ]
        panels.append(("AP of the joint alone (%)", measured, values))
    values = [
        _percents([c.scores()["per_joint"][joint]["PCK"] for joint in joints] for c in group.cells)
        for group in groups
    ]
    panels.append(("PCK@0.2 (%)", groups, values))
    row = 0.1 + 0.05 * max(2, len(groups))
    figure = new_figure(COLUMN if len(panels) == 1 else PAGE, 1.0 + row * len(joints))
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for panel, (title, shown, runs) in zip(axes, panels, strict=True):
        _joint_dots(panel, shown, runs)
        panel.set_xlabel(title)
        panel.set_title(plain(comparison.place(groups[0])))
    axes[0].set_yticks(range(len(joints)), [plain(joint.replace("_", " ")) for joint in joints])
    axes[0].set_ylim(len(joints) - 0.5, -0.5)
    legend_above(figure, columns=4 if len(panels) == 1 else 8)
    return Drawn(figure, tuple(f"AP of the joints of {text}" for text in reasons))


def draw_radius(comparison: Comparison) -> Drawn | str:
    """Return a plot of AP and PCK by distance of the box from the image centre, or why not."""
    groups = comparison.first_groups
    if any("by_radius" not in cell.scores() for group in groups for cell in group.cells):
        return "the data are not of a fisheye camera"
    bins = groups[0].cells[0].scores()["by_radius"]
    used = [row for row, part in enumerate(bins) if part["people"]]
    figure = new_figure(PAGE, 2.5)
    axes = figure.subplots(1, 2)
    for panel, score_name in zip(axes, ("AP", "PCK"), strict=True):
        for place, group in enumerate(groups):
            values = _percents(
                [cell.scores()["by_radius"][row][score_name] for row in used]
                for cell in group.cells
            )
            shift = 0.06 * (place - (len(groups) - 1) / 2)
            mean_with_bars(panel, np.arange(len(used)) + shift, values, group.method, capsize=2)
        panel.set_xticks(
            range(len(used)),
            [f"{_range(bins[row])}\n{bins[row]['people']} people" for row in used],
        )
        panel.set_xlabel("distance from the image centre over its radius")
        panel.set_ylabel("AP (%)" if score_name == "AP" else "PCK@0.2 (%)")
        spread_lines(panel)
        panel.set_title(plain(comparison.place(groups[0])))
    legend_above(figure, columns=8)
    return Drawn(figure)


def _joint_dots(panel: Axes, groups: list[Group], values: list[np.ndarray]) -> None:
    """Draw one row per joint, with a marker and a bar of the spread per method."""
    for place, (group, runs) in enumerate(zip(groups, values, strict=True)):
        shift = 0.7 * ((place + 0.5) / len(groups) - 0.5)
        at, look = np.arange(runs.shape[1]) + shift, {"linestyle": "none", "markersize": 3}
        mean_with_bars(panel, at, runs, group.method, across=True, **look)
    panel.set_xlim(left=0)
    for row in range(values[0].shape[1] - 1):
        panel.axhline(row + 0.5, color="#BBBBBB", linewidth=0.4)
    panel.grid(visible=False, axis="y")
    panel.tick_params(axis="y", length=0)


def _range(part: dict[str, float | None]) -> str:
    if part["to"] is None:
        return f"over {part['from']:g}"
    return f"{part['from']:g} to {part['to']:g}"


def _percents(runs: Iterable[Iterable[float | None]]) -> np.ndarray:
    """Return shares in percent (runs, n); NaN if undefined."""
    return np.array([100 * numbers(run) for run in runs])
